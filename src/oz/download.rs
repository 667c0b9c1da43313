//! Content that lies outside of Oz's API: transcripts behind a redirect, screenshots and files
//! behind an address that works for a while. The API key never goes there.

use std::time::Duration;

use bytes::Bytes;
use http::header;
use reqwest::Response;
use url::Url;

use super::{
    exchange::{self, Exchange},
    links,
    trouble::Trouble,
};
use crate::domain::failure::{Failure, Problem};

/// What people can still be given as a file.
pub(super) const LARGEST: usize = 50 * 1024 * 1024;
/// A large file takes longer than an ordinary answer may.
const TIME_LIMIT: Duration = Duration::from_mins(1);
const MOST_REDIRECTS: usize = 3;
const LONGEST_NAME: usize = 200;

/// Content, ready to be given to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    pub bytes: Bytes,
    pub mime_type: String,
    /// A plain name without folders, when there is one.
    pub filename: Option<String>,
}

/// Fetches `url` without the key, following redirects to addresses that may be fetched.
pub(super) async fn fetch(exchange: &Exchange, mut url: Url) -> Result<Download, Failure> {
    for _ in 0..=MOST_REDIRECTS {
        if !links::may_fetch(&url, &exchange.base) {
            return Err(Failure::Refused(Problem::new("address_not_allowed")));
        }
        let sent = crate::http::send(exchange.http.get(url).timeout(TIME_LIMIT)).await;
        let response = sent.map_err(|error| Trouble::of_exchange(&error).reading())?;
        if !response.status().is_redirection() {
            return match exchange::success(response).await {
                Ok(response) => take(response).await,
                Err(trouble) => Err(not_there(trouble)),
            };
        }
        url = target(&response)?;
    }
    Err(Failure::Refused(Problem::new("too_many_redirects")))
}

/// The content of an answer.
pub(super) async fn take(response: Response) -> Result<Download, Failure> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let mime_type = text(header::CONTENT_TYPE).and_then(mime_type).unwrap_or_else(|| "application/octet-stream".into());
    let filename = text(header::CONTENT_DISPOSITION).and_then(named).and_then(|name| plain_name(&name));
    let bytes = exchange::whole(response, LARGEST).await.map_err(Trouble::reading)?;
    Ok(Download { bytes: bytes.into(), mime_type, filename })
}

/// Where a redirect leads.
pub(super) fn target(response: &Response) -> Result<Url, Failure> {
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| response.url().join(location).ok());
    target.ok_or_else(|| Failure::Refused(Problem::new("redirect_without_address")))
}

/// A media type without its parameters.
pub(super) fn mime_type(text: &str) -> Option<String> {
    let kind = text.split(';').next()?.trim().to_ascii_lowercase();
    let fits = kind.len() <= 100 && kind.contains('/') && kind.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(kind)
}

/// A name that stays in its folder.
pub(super) fn plain_name(text: &str) -> Option<String> {
    let last = text.rsplit(['/', '\\']).next()?;
    let name: String = last.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    let name = name.trim();
    (!name.is_empty() && !name.chars().all(|c| c == '.')).then(|| name.to_owned())
}

/// `filename="…"` of a `Content-Disposition`.
fn named(disposition: &str) -> Option<String> {
    let (_, name) = disposition.split_once("filename=")?;
    match name.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().map(str::to_owned),
        None => name.split(';').next().map(|name| name.trim().to_owned()),
    }
}

/// A storage that refuses says that the address has lapsed; asking Oz again brings a new one.
fn not_there(trouble: Trouble) -> Failure {
    match trouble.reading() {
        Failure::Refused(problem) | Failure::Unauthorized(problem) => Failure::Transient { after: None, problem },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        for (text, name) in [
            ("report.csv", Some("report.csv")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\temp\\a b.txt", Some("a b.txt")),
            ("a\u{0}\n.txt", Some("a.txt")),
            ("..", None),
            ("dir/", None),
            ("", None),
        ] {
            assert_eq!(plain_name(text).as_deref(), name, "{text:?}");
        }
        assert_eq!(plain_name(&"x".repeat(500)).map(|name| name.len()), Some(200));
    }

    #[test]
    fn headers_are_read_as_they_are_written() {
        assert_eq!(named("attachment; filename=\"t 1.json\"; x").as_deref(), Some("t 1.json"));
        assert_eq!(named("attachment; filename=t.json; x").as_deref(), Some("t.json"));
        assert_eq!(named("inline"), None);
        assert_eq!(mime_type("Text/Markdown; charset=utf-8").as_deref(), Some("text/markdown"));
        assert_eq!(mime_type("nonsense"), None);
    }
}
