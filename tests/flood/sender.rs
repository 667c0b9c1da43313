//! Sends requests one after the other over one connection, and over another when that is closed.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::requests::{Request, Requests};

/// No answer takes as long as this.
const PATIENCE: Duration = Duration::from_secs(30);

const MOST_ATTEMPTS: u32 = 5;

/// What was answered: a status, or that the connection was closed.
pub async fn send(to: SocketAddr, mut requests: Requests, share: u64) -> Result<BTreeMap<String, u64>, String> {
    let mut counts = BTreeMap::new();
    let mut stream = None;
    for _ in 0..share {
        let request = requests.next();
        let mut answer = exchange(to, &mut stream, &request).await?;
        // On a machine that is busy with other things the disk may not be quick enough. Nothing was
        // stored, and whoever sent it sends it again.
        for _ in 0..MOST_ATTEMPTS {
            if answer != Some(503) {
                break;
            }
            *counts.entry("503 (sent again)".to_owned()).or_default() += 1;
            answer = exchange(to, &mut stream, &request).await?;
        }
        let what = answer.map_or_else(|| "closed".to_owned(), |status| status.to_string());
        if !request.expects(answer) {
            let shown = String::from_utf8_lossy(&request.bytes);
            let shown: String = shown.chars().take(3_000).collect();
            return Err(format!("{what} is not an answer to {}:\n{shown}", request.what));
        }
        *counts.entry(what).or_default() += 1;
    }
    Ok(counts)
}

/// None when the server closes the connection without an answer.
async fn exchange(to: SocketAddr, open: &mut Option<TcpStream>, request: &Request) -> Result<Option<u16>, String> {
    // A connection that was closed after its last answer is found out by writing to it.
    for is_fresh in [open.is_none(), true] {
        let mut stream = match open.take() {
            Some(stream) if !is_fresh => stream,
            _ => TcpStream::connect(to).await.map_err(|error| format!("cannot connect: {error}"))?,
        };
        let answered = timeout(PATIENCE, one(&mut stream, request)).await;
        let answered = answered.map_err(|_| format!("no answer to {}", request.what))?;
        match answered {
            Some((status, stays)) => {
                *open = Some(stream).filter(|_| stays && request.is_whole);
                return Ok(Some(status));
            }
            None if is_fresh => return Ok(None),
            None => {}
        }
    }
    Ok(None)
}

async fn one(stream: &mut TcpStream, request: &Request) -> Option<(u16, bool)> {
    // The server may answer, and close, before it has read everything.
    let _ = stream.write_all(&request.bytes).await;
    if !request.is_whole {
        let _ = stream.shutdown().await;
    }
    read(stream).await
}

/// Reads one answer to its end: its status, and whether the connection stays open.
pub async fn read(stream: &mut TcpStream) -> Option<(u16, bool)> {
    let mut buffer = Vec::new();
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            if buffer.starts_with(b"HTTP/1.1 100") {
                buffer.drain(..end + 4);
                continue;
            }
            break end + 4;
        }
        if stream.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
    let status = text.get(9..12)?.parse().ok()?;
    let value = |name: &str| text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
    let length = value("content-length:").and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    while buffer.len() < head + length {
        if stream.read_buf(&mut buffer).await.ok()? == 0 {
            return Some((status, false));
        }
    }
    // Streams and answers to HEAD have a length that does not come, or none.
    let stays = value("connection:").as_deref() != Some("close") && value("content-length:").is_some();
    Some((status, stays))
}
