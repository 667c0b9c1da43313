//! A way to PostgreSQL that can be blocked: what is sent on it then arrives nowhere, and nobody is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    time::sleep,
};

#[derive(Clone, Default)]
struct Way {
    blocked: Arc<AtomicBool>,
}

pub struct Proxy {
    pub address: SocketAddr,
    /// Of connections that come from now on.
    blocked: Arc<AtomicBool>,
    /// Of those that there are.
    ways: Arc<std::sync::Mutex<Vec<Way>>>,
}

impl Proxy {
    pub async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (blocked, ways) = (Arc::new(AtomicBool::new(false)), Arc::new(std::sync::Mutex::new(Vec::<Way>::new())));
        let proxy = Self { address, blocked: Arc::clone(&blocked), ways: Arc::clone(&ways) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let way = Way::default();
                way.blocked.store(blocked.load(Ordering::Relaxed), Ordering::Relaxed);
                ways.lock().unwrap().push(way.clone());
                let server = server.clone();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(&server).await else { return };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::select! {
                        () = forward(from_client, to_server, &way) => {}
                        () = forward(from_server, to_client, &way) => {}
                    }
                });
            }
        });
        proxy
    }

    /// Nothing arrives any more.
    pub fn block(&self) {
        self.blocked.store(true, Ordering::Relaxed);
        for way in self.ways.lock().unwrap().iter() {
            way.blocked.store(true, Ordering::Relaxed);
        }
    }

    /// New connections get through. Those that were there never do, as after a failover.
    pub fn open_for_new(&self) {
        self.blocked.store(false, Ordering::Relaxed);
    }
}

async fn forward(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, way: &Way) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = from.read(&mut buffer).await {
        if read == 0 {
            return;
        }
        while way.blocked.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(50)).await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
