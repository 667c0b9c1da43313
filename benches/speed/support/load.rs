//! A load generator that costs little: HTTP/1.1 by hand over connections that stay open, one request
//! under way on each, every request signed before the clock starts.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use baton::{
    simulator::slack::{APP_ID, BOT_USER, SIGNING_SECRET, TEAM, sign},
    time::Clock,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use super::{millis, percentile};

/// Events are about so many channels.
const CHANNELS: usize = 200;

/// What a round came to.
pub struct Round {
    /// Answered with 200.
    pub ok: u32,
    /// Answered with anything else.
    pub not_ok: u32,
    pub took: Duration,
    /// From the first byte written to the last byte read, in order.
    latencies: Vec<Duration>,
}

impl Round {
    /// In a second.
    pub fn rate(&self) -> f64 {
        f64::from(self.ok) / self.took.as_secs_f64()
    }

    /// In milliseconds, so many thousandths of all below it.
    pub fn percentile(&self, thousandths: usize) -> f64 {
        millis(percentile(&self.latencies, thousandths))
    }
}

/// Who a mention is by. What a bot says is not for Baton: verified, parsed, and not stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    Person,
    Bot,
}

/// Requests with an `app_mention` each, as Slack sends them: its own event id, a timestamp of now,
/// a valid signature.
pub fn mentions(by: By, count: usize) -> Vec<Vec<u8>> {
    let now = Clock::system().now().as_secs();
    let batch = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    (0..count).map(|number| request(now, &mention(now, by, &format!("Ev{batch}{number}"), number))).collect()
}

fn mention(now: i64, by: By, event_id: &str, number: usize) -> String {
    let channel = format!("C0BENCH{:03}", number % CHANNELS);
    let text = format!("<@{BOT_USER}> each:auth,billing,search Move package number {number} to the new test runner");
    let ts = format!("{now}.{:06}", number % 1_000_000);
    let mut payload = json!({
        "token": "XXYYZZ", "team_id": TEAM, "context_team_id": TEAM, "api_app_id": APP_ID,
        "event": {
            "type": "app_mention", "user": "U0ADA", "client_msg_id": "5a6b5f3e-6e1b-4b8e-a6b0-2f8f5c3f8e11",
            "text": text, "ts": ts, "event_ts": ts, "channel": channel, "team": TEAM,
            "blocks": [{"type": "rich_text", "block_id": "4mZ", "elements": [{"type": "rich_text_section", "elements": [
                {"type": "user", "user_id": BOT_USER}, {"type": "text", "text": text},
            ]}]}],
        },
        "type": "event_callback", "event_id": event_id, "event_time": now,
        "authorizations": [{"enterprise_id": null, "team_id": TEAM, "user_id": BOT_USER, "is_bot": true,
                            "is_enterprise_install": false}],
        "is_ext_shared_channel": false, "event_context": "4-eyJldCI6ImFwcF9tZW50aW9uIiwidGlkIjoiVDBCQVRPTiJ9",
    });
    if by == By::Bot {
        payload["event"]["bot_id"] = "B0OTHER".into();
    }
    payload.to_string()
}

fn request(now: i64, body: &str) -> Vec<u8> {
    let signature = sign(SIGNING_SECRET, &now.to_string(), body.as_bytes());
    format!(
        "POST /slack/events HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Slackbot 1.0\r\nAccept: */*\r\n\
         Content-Type: application/json\r\nX-Slack-Request-Timestamp: {now}\r\nX-Slack-Signature: {signature}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends all requests over so many connections; each takes the next when its last one is answered.
pub async fn send(to: SocketAddr, requests: Vec<Vec<u8>>, connections: usize) -> anyhow::Result<Round> {
    let mut streams = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let requests = Arc::new(requests);
    let next = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    let began = Instant::now();
    for stream in streams {
        senders.spawn(sender(stream, Arc::clone(&requests), Arc::clone(&next)));
    }
    let mut round = Round { ok: 0, not_ok: 0, took: Duration::ZERO, latencies: Vec::with_capacity(requests.len()) };
    while let Some(sent) = senders.join_next().await {
        for (status, latency) in sent?? {
            if status == 200 {
                round.ok += 1;
            } else {
                round.not_ok += 1;
            }
            round.latencies.push(latency);
        }
    }
    round.took = began.elapsed();
    round.latencies.sort_unstable();
    Ok(round)
}

async fn sender(
    mut stream: TcpStream,
    requests: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicUsize>,
) -> anyhow::Result<Vec<(u16, Duration)>> {
    let mut answers = Vec::new();
    let mut buffer = Vec::with_capacity(4096);
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let began = Instant::now();
        stream.write_all(request).await?;
        let status = answer(&mut stream, &mut buffer).await?;
        answers.push((status, began.elapsed()));
    }
    Ok(answers)
}

/// Reads one answer to its end.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<u16> {
    buffer.clear();
    let head = loop {
        if stream.read_buf(buffer).await? == 0 {
            bail!("the server hung up");
        }
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = std::str::from_utf8(&buffer[..head])?;
    let status = text.get(9..12).context("a status line")?.parse()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = head + length.context("an answer without a length")?;
    while buffer.len() < whole {
        if stream.read_buf(buffer).await? == 0 {
            bail!("the server hung up");
        }
    }
    Ok(status)
}
