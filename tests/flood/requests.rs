//! Requests that nobody should send, made from the corpora and a seed: signed and not, odd, too long,
//! broken off. Each knows which answers it may get.

use std::{fs, path::Path};

use baton::{
    simulator::{
        linear::{self, ORGANIZATION},
        slack::{self, BOT_USER, TEAM},
    },
    time::Clock,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::mutate::Mutator;

const LINEAR: &str = "/linear/webhooks";
/// One in so many bodies is about a workspace that we know, and may start something.
const OURS: u32 = 40;
/// In a body; with more it is hardly ever read.
const MOST_CHANGES: usize = 2;
const PATHS: [&str; 16] = [
    "/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/audit",
    "/deliveries",
    "/orchestrations/o1a2b3c4d5e",
    "/orchestrations/%00%ff",
    "/orchestrations/../../etc/passwd",
    "/deliveries/x/retry",
    "//slack/events",
    "/slack/events/",
    "/slack/oauth/callback?code=x&state=y",
    "/linear/oauth/callback?code=%00",
    "/?page=-1&q=%f0%28",
    "*",
];
const METHODS: [&str; 8] = ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "POST"];

pub struct Request {
    /// For whoever reads of a failure.
    pub what: &'static str,
    pub bytes: Vec<u8>,
    /// Otherwise its sender hangs up in the middle.
    pub is_whole: bool,
    answers: &'static [u16],
}

impl Request {
    /// Whether that answer is a right one; None is a closed connection.
    pub fn expects(&self, answer: Option<u16>) -> bool {
        match answer {
            Some(status) if self.answers.is_empty() => status < 500,
            Some(status) => self.answers.contains(&status),
            None => !self.is_whole || self.answers.is_empty(),
        }
    }
}

pub struct Requests {
    random: StdRng,
    slack: Mutator,
    linear: Mutator,
    clock: Clock,
}

impl Requests {
    pub fn new(seed: u64) -> Self {
        let corpus = |name: &str| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
            let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            files.into_iter().map(|file| fs::read(file).unwrap()).collect()
        };
        Self {
            random: StdRng::seed_from_u64(seed),
            slack: Mutator::new(seed, corpus("slack"), MOST_CHANGES),
            linear: Mutator::new(seed + 1, corpus("linear"), MOST_CHANGES),
            clock: Clock::system(),
        }
    }

    pub fn next(&mut self) -> Request {
        match self.random.random_range(0..20) {
            0..7 => self.signed_for_slack(),
            7..11 => self.signed_for_linear(),
            11..15 => self.unsigned(),
            15 | 16 => self.odd_path(),
            17 => self.odd_head(),
            18 => self.oversize(),
            _ => self.broken_off(),
        }
    }

    fn signed_for_slack(&mut self) -> Request {
        let body = self.slack.next();
        let body = self.about(&body, TEAM, BOT_USER);
        let path = match body.as_slice() {
            [b'{', ..] => "/slack/events",
            [b'p', b'a', b'y', ..] => "/slack/interactivity",
            _ => "/slack/commands",
        };
        let now = self.clock.now().as_secs().to_string();
        let signature = slack::sign(slack::SIGNING_SECRET, &now, &body);
        let head = format!("X-Slack-Request-Timestamp: {now}\r\nX-Slack-Signature: {signature}\r\n");
        whole("a signed body for Slack's door", post(path, &head, &body), &[200, 400])
    }

    fn signed_for_linear(&mut self) -> Request {
        let body = self.linear.next();
        let body = self.about(&body, ORGANIZATION, "app-1");
        let body = replace(&body, "1767477625781", &self.clock.now().as_millis().to_string());
        let signature = linear::sign(linear::WEBHOOK_SECRET, &body);
        let delivery = self.random.random::<u64>();
        let head = format!("Linear-Signature: {signature}\r\nLinear-Delivery: {delivery}\r\n");
        // A body that lost its time, or has two, is not believed.
        whole("a signed body for Linear's door", post(LINEAR, &head, &body), &[200, 400, 401])
    }

    /// A body of the corpus names a workspace that nobody knows, unless it is to be ours.
    fn about(&mut self, body: &[u8], ours: &str, bot: &str) -> Vec<u8> {
        let body = replace(body, "Ev0001", &format!("Ev{}", self.random.random::<u32>()));
        if !self.random.random_ratio(1, OURS) {
            return body;
        }
        let body = replace(&replace(&body, "\"T1\"", &format!("\"{ours}\"")), "team_id=T1", &format!("team_id={ours}"));
        let body = replace(&body, "%22T1%22", &format!("%22{ours}%22"));
        replace(&replace(&body, "\"org\"", &format!("\"{ours}\"")), "UBATON", bot)
    }

    fn unsigned(&mut self) -> Request {
        let body = self.slack.next();
        let now = self.clock.now().as_secs();
        let old = (now - 301).to_string();
        let right = slack::sign(slack::SIGNING_SECRET, &old, &body);
        let head = match self.random.random_range(0..6) {
            0 => String::new(),
            1 => format!("X-Slack-Request-Timestamp: {old}\r\nX-Slack-Signature: {right}\r\n"),
            2 => format!("X-Slack-Request-Timestamp: {now}\r\nX-Slack-Signature: {right}\r\n"),
            3 => format!("X-Slack-Request-Timestamp: 99999999999999999999\r\nX-Slack-Signature: {right}\r\n"),
            4 => format!("X-Slack-Request-Timestamp: {now}\r\nX-Slack-Signature: v0=é\r\nX-Slack-Signature: v0=00\r\n"),
            _ => format!("Linear-Signature: {}\r\n", "0".repeat(64)),
        };
        let path = ["/slack/events", "/slack/commands", "/slack/interactivity", LINEAR][self.random.random_range(0..4)];
        whole("an unsigned body", post(path, &head, &body), &[401])
    }

    fn odd_path(&mut self) -> Request {
        let method = METHODS[self.random.random_range(0..METHODS.len())];
        let path = match self.random.random_range(0..PATHS.len() + 1) {
            at if at < PATHS.len() => PATHS[at].to_owned(),
            _ => format!("/{}", "long/".repeat(self.random.random_range(1..4_000))),
        };
        let length = if method == "GET" { String::new() } else { "Content-Length: 4\r\n\r\nbody".to_owned() };
        let end = if length.is_empty() { "\r\n" } else { "" };
        let bytes = format!("{method} {path} HTTP/1.1\r\nHost: baton.example.com\r\n{length}{end}").into_bytes();
        // Whether the database is ready is told with a 503, too, and not while it is.
        whole("an odd path", bytes, &[])
    }

    fn odd_head(&mut self) -> Request {
        let bytes = match self.random.random_range(0..9) {
            0 => post("/slack/events", &format!("X-Long: {}\r\n", "x".repeat(60_000)), b"{}"),
            1 => post("/slack/events", &"X-Many: 1\r\n".repeat(400), b"{}"),
            2 => b"POST /slack/events HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_vec(),
            3 => b"POST /slack/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nzz\r\n".to_vec(),
            4 => b"POST /slack/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n".to_vec(),
            5 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hello of another protocol\r\n\r\n".to_vec(),
            6 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            7 => post("/slack/events", "X-\u{0}: a\r\nExpect: 100-continue\r\n", b"{}"),
            _ => {
                let mut bytes = post("/slack/events", "X-Slack-Signature: v0=00\r\n", b"{\"type\":\"event_callback\"}");
                for _ in 0..self.random.random_range(1..20) {
                    let at = self.random.random_range(0..bytes.len());
                    bytes[at] = self.random.random();
                }
                bytes
            }
        };
        Request { what: "an odd head", bytes, is_whole: false, answers: &[] }
    }

    /// Announced, and sent in part at the most.
    fn oversize(&mut self) -> Request {
        let length = self.random.random_range((5 << 20) + 1..1_u64 << 40);
        let path = ["/slack/events", LINEAR][self.random.random_range(0..2)];
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let body = vec![b'a'; self.random.random_range(0..20_000)];
        Request { what: "too long a body", bytes: [head.as_bytes(), &body].concat(), is_whole: false, answers: &[413] }
    }

    fn broken_off(&mut self) -> Request {
        let request = self.signed_for_slack();
        let length = self.random.random_range(1..request.bytes.len());
        let bytes = request.bytes[..length].to_vec();
        Request { what: "a request that breaks off", bytes, is_whole: false, answers: &[400, 408] }
    }
}

fn whole(what: &'static str, bytes: Vec<u8>, answers: &'static [u16]) -> Request {
    Request { what, bytes, is_whole: true, answers }
}

pub fn post(path: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let kind = if body.starts_with(b"{") { "application/json" } else { "application/x-www-form-urlencoded" };
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n{head}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Something that Slack sends and that is nothing for us, signed: what a bot says.
pub fn real(number: usize) -> Vec<u8> {
    let body = format!(
        r#"{{"type":"event_callback","team_id":"{TEAM}","event_id":"EvREAL{number}","event":{{"type":"app_mention","bot_id":"B1"}}}}"#
    );
    let now = Clock::system().now().as_secs().to_string();
    let signature = slack::sign(slack::SIGNING_SECRET, &now, body.as_bytes());
    let head = format!("X-Slack-Request-Timestamp: {now}\r\nX-Slack-Signature: {signature}\r\n");
    post("/slack/events", &head, body.as_bytes())
}

fn replace(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(from.len()).position(|there| there == from.as_bytes()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}
