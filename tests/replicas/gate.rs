//! The way of one replica to the simulated platforms: who asked what, and answers that are held back.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use tokio::{net::TcpListener, sync::watch, time::timeout};

/// Whoever forgets to let an answer go loses it.
const LONGEST_HOLD: Duration = Duration::from_mins(3);

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    asked: Vec<Asked>,
    /// A part of the request whose answer is held back next.
    wanted: Option<String>,
    held: Vec<String>,
    released: watch::Sender<bool>,
}

/// A request of this replica's.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Instant,
    /// `METHOD /path?query`
    pub what: String,
    /// None while there is no answer.
    pub status: Option<u16>,
}

impl Gate {
    /// Serves the platforms for one replica; gives their address.
    pub async fn open(&self, platforms: Router) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = platforms.layer(from_fn_with_state(self.clone(), pass));
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    /// The next request that contains `part` takes effect, and its answer is held back.
    pub fn hold(&self, part: &str) {
        self.lock().wanted = Some(part.to_owned());
    }

    /// No further answer is held back. Those that are stay where they are.
    pub fn hold_nothing(&self) {
        self.lock().wanted = None;
    }

    /// The requests whose answers are held back.
    pub fn held(&self) -> Vec<String> {
        self.lock().held.clone()
    }

    /// Lets go what is held back.
    pub fn release(&self) {
        let mut seen = self.lock();
        seen.wanted = None;
        seen.held.clear();
        seen.released.send_replace(true);
        seen.released = watch::Sender::new(false);
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }
}

async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let what = format!("{} {}", request.method(), request.uri());
    let number = {
        let mut seen = gate.lock();
        seen.asked.push(Asked { at: Instant::now(), what: what.clone(), status: None });
        seen.asked.len() - 1
    };
    let answer = next.run(request).await;
    let released = {
        let mut seen = gate.lock();
        seen.asked[number].status = Some(answer.status().as_u16());
        let holds = seen.wanted.take_if(|wanted| what.contains(wanted.as_str())).is_some();
        holds.then(|| {
            seen.held.push(what);
            seen.released.subscribe()
        })
    };
    if let Some(mut released) = released {
        let _ = timeout(LONGEST_HOLD, released.wait_for(|released| *released)).await;
    }
    answer
}
