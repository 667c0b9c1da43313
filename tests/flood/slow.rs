//! Those who hold on to what they have: heads and bodies that dribble, bodies that are too long, and
//! more requests at a time than there is room for. What is real is answered all the while.

use std::time::Duration;

use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{requests::real, sender::read, server::Server};

const DRIBBLERS: usize = 200;
/// Half-open requests are cut within this.
const CUT: Duration = Duration::from_secs(30);
const REAL: usize = 100;
/// More than there is room for at the doors, and fewer than there may be connections.
const TOO_MANY: usize = 600;
const LARGE: usize = 60;
const MIB: usize = 1 << 20;
/// What the door keeps of bodies at a time, and as much again for what the system keeps of them.
const MOST_HELD: f64 = 64.0;

/// 200 connections that send a byte a second, half of them in the head and half in the body.
pub async fn dribblers(server: &Server) -> Result<String, String> {
    let mut dribblers = JoinSet::new();
    for number in 0..DRIBBLERS {
        let mut stream = connect(server).await?;
        dribblers.spawn(async move {
            let head = if number % 2 == 0 {
                "POST /slack/ev"
            } else {
                "POST /slack/events HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
            };
            stream.write_all(head.as_bytes()).await.map_err(|error| error.to_string())?;
            let (mut reading, mut writing) = stream.into_split();
            let dribble = tokio::spawn(async move {
                while writing.write_all(b"x").await.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                }
            });
            // Cut with an answer or without one, but cut.
            let cut = timeout(CUT, tokio::io::copy(&mut reading, &mut tokio::io::sink())).await;
            dribble.abort();
            cut.map(drop).map_err(|_| format!("dribbler {number} is not cut after {CUT:?}"))
        });
    }
    answers_the_real(server, "200 dribble").await?;
    while let Some(cut) = dribblers.join_next().await {
        cut.map_err(|error| error.to_string())??;
    }
    Ok(format!("{DRIBBLERS} dribbling connections were cut; {REAL} real events were answered meanwhile"))
}

/// 256 MiB, announced and not.
pub async fn one_large_body(server: &Server) -> Result<String, String> {
    let before = server.resident()?;
    for how in ["Content-Length: 268435456", "Transfer-Encoding: chunked"] {
        let stream = connect(server).await?;
        let (mut reading, mut writing) = stream.into_split();
        let head = format!("POST /slack/events HTTP/1.1\r\nHost: a\r\n{how}\r\n\r\n");
        let sending = tokio::spawn(async move {
            let chunk = [format!("{MIB:x}\r\n").as_bytes(), &vec![b'a'; MIB], b"\r\n"].concat();
            let mut sent = 0;
            if writing.write_all(head.as_bytes()).await.is_ok() {
                while sent < 256 && writing.write_all(&chunk).await.is_ok() {
                    sent += 1;
                }
            }
        });
        let mut answer = Vec::new();
        let mut first = [0; 512];
        let read = timeout(CUT, tokio::io::AsyncReadExt::read(&mut reading, &mut first)).await;
        answer.extend_from_slice(&first[..read.map_err(|_| "no answer to 256 MiB")?.unwrap_or(0)]);
        sending.abort();
        if !answer.starts_with(b"HTTP/1.1 413") {
            return Err(format!("256 MiB with {how}: {:?}", String::from_utf8_lossy(&answer)));
        }
    }
    let grown = server.resident()? - before;
    if grown > MOST_HELD {
        return Err(format!("256 MiB took {grown:.1} MiB"));
    }
    Ok(format!("256 MiB: 413, and {grown:.1} MiB more in memory"))
}

/// 60 unsigned bodies of a MiB that stay a byte short.
pub async fn many_large_bodies(server: &Server) -> Result<String, String> {
    let before = server.peak()?;
    let mut senders = JoinSet::new();
    for _ in 0..LARGE {
        let mut stream = connect(server).await?;
        senders.spawn(async move {
            let head = format!("POST /slack/events HTTP/1.1\r\nHost: a\r\nContent-Length: {MIB}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&vec![b'a'; MIB - 1]).await;
            timeout(CUT, read(&mut stream)).await.ok().flatten().map(|(status, _)| status)
        });
    }
    let statuses = senders.join_all().await;
    let shed = statuses.iter().filter(|status| **status == Some(503)).count();
    // Who is shed may be cut while it still writes.
    let cut = statuses.iter().filter(|status| status.is_none()).count();
    let slow = statuses.iter().filter(|status| **status == Some(408)).count();
    if shed + cut + slow != LARGE || slow == 0 || shed + cut == 0 {
        return Err(format!("answers to large bodies: {statuses:?}"));
    }
    let grown = server.peak()? - before;
    if grown > MOST_HELD {
        return Err(format!("{LARGE} large bodies took {grown:.1} MiB"));
    }
    Ok(format!("{LARGE} bodies of 1 MiB at a time: {slow} held, {} shed, {grown:.1} MiB more at the peak", shed + cut))
}

/// 600 requests whose bodies do not come: some are shed, with word of when to come again; pages answer.
pub async fn too_many(server: &Server) -> Result<String, String> {
    let counted = server.metric("baton_events_total").await?;
    let mut streams = Vec::new();
    for _ in 0..TOO_MANY {
        let mut stream = connect(server).await?;
        let head = b"POST /linear/webhooks HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{";
        stream.write_all(head).await.map_err(|error| error.to_string())?;
        streams.push(stream);
    }
    for path in ["/healthz", "/", "/metrics"] {
        let (status, _) = server.get(path).await?;
        if status != 200 {
            return Err(format!("{path} answers {status} while the door sheds"));
        }
    }
    let mut statuses = JoinSet::new();
    for mut stream in streams {
        statuses.spawn(async move { timeout(CUT, read(&mut stream)).await.ok().flatten().map(|(status, _)| status) });
    }
    let statuses = statuses.join_all().await;
    let shed = statuses.iter().filter(|status| **status == Some(503)).count();
    let slow = statuses.iter().filter(|status| **status == Some(408)).count();
    if shed == 0 || slow == 0 || shed + slow != TOO_MANY {
        return Err(format!("{shed} shed and {slow} cut of {TOO_MANY}: {statuses:?}"));
    }
    let counted = server.metric("baton_events_total").await? - counted;
    if counted < f64::from(u32::try_from(TOO_MANY).unwrap()) {
        return Err(format!("only {counted} of them are in the metrics"));
    }
    answers_the_real(server, "the door has shed").await?;
    Ok(format!("{TOO_MANY} requests at a time: {slow} held and cut, {shed} shed; the pages answered meanwhile"))
}

async fn answers_the_real(server: &Server, when: &str) -> Result<(), String> {
    let mut stream = connect(server).await?;
    for number in 0..REAL {
        stream.write_all(&real(number)).await.map_err(|error| error.to_string())?;
        match read(&mut stream).await {
            Some((200, _)) => {}
            other => return Err(format!("while {when}, a real event is answered with {other:?}")),
        }
    }
    Ok(())
}

async fn connect(server: &Server) -> Result<TcpStream, String> {
    TcpStream::connect(server.address()).await.map_err(|error| format!("cannot connect: {error}"))
}
