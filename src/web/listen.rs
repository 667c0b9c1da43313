//! The listener: connections, what they may take in time and number, and how they end.
//!
//! Not `axum::serve`, which waits for a request's head for ever, and at a stop for every connection
//! however long it stays open (a browser that follows events, say). Called by `app`.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::timeout::TimeoutBody;

/// The head of a request has to arrive within this, the first one as well as one after another.
const HEAD: Duration = Duration::from_secs(20);
/// The same for who comes while there is a crowd, so that the slow do not fill the place.
const HEAD_IN_A_CROWD: Duration = Duration::from_secs(2);
const CROWD: usize = MOST / 2;
/// A head may have this many bytes, and each connection this much of a body before it is taken. A
/// webhook's head has one or two thousand.
const BUFFER: usize = 32 << 10;
/// A body may pause for this long. The door asks for more haste.
const BODY: Duration = Duration::from_secs(20);
/// Requests under way at a stop have this long. A webhook is answered sooner.
const FAREWELL: Duration = Duration::from_secs(3);
/// More connections than these wait to be accepted. Processes may often have 1024 files.
const MOST: usize = 800;
/// After a failed accept, which is mostly a lack of files.
const RECOVER: Duration = Duration::from_secs(1);

/// Serves until `stop`; then closes the listener and lets the requests under way end.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST => match accepted {
                Ok((stream, peer)) => {
                    let head = if connections.len() < CROWD { HEAD } else { HEAD_IN_A_CROWD };
                    connections.spawn(connection(stream, peer, head, router.clone(), stop.clone()));
                }
                Err(error) => refused(&error).await,
            },
            Some(_) = connections.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, ended).await.is_err() {
        tracing::info!(connections = connections.len(), "connections are cut");
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, head: Duration, router: Router, stop: CancellationToken) {
    // Answers are small; an error here changes nothing else.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(router.clone(), peer, request));
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

async fn answer(router: Router, peer: SocketAddr, request: hyper::Request<Incoming>) -> Result<Response, Infallible> {
    let mut request: Request = request.map(|body| Body::new(TimeoutBody::new(BODY, body)));
    request.extensions_mut().insert(ConnectInfo(peer));
    router.oneshot(request).await
}

async fn refused(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return; // whoever it was is gone
    }
    tracing::error!(%error, "no connection could be accepted");
    tokio::time::sleep(RECOVER).await;
}
