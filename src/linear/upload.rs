//! Files: Linear says where to put one, and by which address Markdown names it then
//! (<https://linear.app/developers/how-to-upload-a-file-to-linear>). The place is outside of the API,
//! and our token never goes there. Used by `deliver.rs`.

use std::time::Duration;

use ::http::{HeaderName, HeaderValue, header};
use bytes::Bytes;
use url::Url;

use super::{
    client::{Linear, Place},
    failure::{self, Again},
    render::file_name,
};
use crate::{
    domain::{
        errand::File,
        failure::{Failure, Problem},
    },
    http::is_loopback,
};

/// A large file takes longer than an ordinary answer may.
const TIME_LIMIT: Duration = Duration::from_mins(1);
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=31536000");

impl Linear {
    /// Puts the file into Linear's store and returns its address. Nobody sees it before it is named
    /// somewhere, so that doing it again does no harm.
    pub(super) async fn upload(&self, organization: &str, file: &File) -> Result<String, Failure> {
        // What has no content is taken for a mistake.
        let bytes = if file.bytes.is_empty() { Bytes::from_static(b"\n") } else { file.bytes.clone() };
        let place = self.place_for(organization, &file_name(&file.name), &file.mime_type, bytes.len()).await?;
        let asset = Url::parse(&place.asset_url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let asset = asset.ok_or_else(|| Failure::Refused(Problem::new("foreign_address")))?;
        self.put(&place, &file.mime_type, bytes).await?;
        Ok(asset.into())
    }

    async fn put(&self, place: &Place, mime_type: &str, bytes: Bytes) -> Result<(), Failure> {
        let url = Url::parse(&place.upload_url).ok().filter(|url| self.may_put(url));
        let url = url.ok_or_else(|| Failure::Refused(Problem::new("foreign_address")))?;
        let mut request = self.exchange.http.put(url).timeout(TIME_LIMIT).body(bytes);
        let content_type = HeaderValue::from_str(mime_type);
        let mut given = vec![(header::CACHE_CONTROL, CACHE)];
        given.extend(content_type.ok().map(|value| (header::CONTENT_TYPE, value)));
        for header in &place.headers {
            let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(header.key.as_bytes()), HeaderValue::from_str(&header.value))
            else {
                continue;
            };
            if !matches!(name, header::HOST | header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::CONNECTION) {
                given.retain(|(before, _)| *before != name);
                given.push((name, value));
            }
        }
        for (name, value) in given {
            request = request.header(name, value);
        }
        let response =
            crate::http::send(request).await.map_err(|error| failure::of_exchange(&error, Again::Harmless))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            // The place has lapsed, or its key; the next attempt gets another one.
            status if matches!(status.as_u16(), 401 | 403 | 404) => {
                let problem = Problem::new(format!("upload_http_{}", status.as_u16()));
                Err(Failure::Transient { after: None, problem })
            }
            status => Err(failure::of_status(status, None, Again::Harmless)),
        }
    }

    /// Over https anywhere, as the API says; in the open only on this machine, where the API is there too.
    fn may_put(&self, url: &Url) -> bool {
        url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url) && self.exchange.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::linear::fake::{Fake, Reply};

    fn file() -> File {
        File {
            name: "a/plan.md".into(),
            title: "Plan".into(),
            mime_type: "text/markdown".into(),
            bytes: Bytes::from_static(b"# Plan"),
        }
    }

    fn place(url: &str) -> Reply {
        Reply::data(json!({"fileUpload": {"success": true, "uploadFile": {
            "uploadUrl": url, "assetUrl": "https://uploads.linear.app/x",
            "headers": [{"key": "x-goog-meta", "value": "1"}, {"key": "Host", "value": "evil.example"}, {"key": "bad name", "value": "\n"}],
        }}}))
    }

    #[tokio::test]
    async fn a_file_goes_where_linear_says_without_our_token() {
        let fake = Fake::start(|asked, base| match asked.what.as_str() {
            "Upload" => place(&format!("{base}/store/secret")),
            _ => Reply::Text(200, ""),
        })
        .await;
        let asset = fake.linear.upload("org", &file()).await.expect("an address");
        assert_eq!(asset, "https://uploads.linear.app/x");
        let asked = fake.asked();
        assert_eq!(asked[0].variables(), json!({"contentType": "text/markdown", "filename": "aplan.md", "size": 6}));
        let put = &asked[1];
        assert_eq!((put.path.as_str(), put.text.as_str()), ("/store/secret", "# Plan"));
        assert_eq!(put.authorization, "");
        assert_eq!((put.header("x-goog-meta"), put.header("content-type")), ("1", "text/markdown"));
        assert_eq!(put.header("cache-control"), "public, max-age=31536000");
        assert_ne!(put.header("host"), "evil.example");
    }

    #[tokio::test]
    async fn a_file_goes_nowhere_in_the_open() {
        for url in [
            "http://store.example/x",
            "http://127.0.0.1@store.example/x",
            "http://127.0.0.1.store.example/x",
            "http://localhost./x",
            "ftp://127.0.0.1/x",
            "nonsense",
        ] {
            let fake = Fake::start(move |_, _| place(url)).await;
            let failure = fake.linear.upload("org", &file()).await.expect_err("a refusal");
            assert_eq!(failure, Failure::Refused(Problem::new("foreign_address")), "{url}");
            assert_eq!(fake.whats(), ["Upload"]);
        }
    }

    #[tokio::test]
    async fn a_store_that_refuses_is_asked_again_with_a_new_place() {
        let fake = Fake::start(|asked, base| match asked.what.as_str() {
            "Upload" => place(&format!("{base}/store/secret")),
            _ => Reply::Text(403, "<Error>expired</Error>"),
        })
        .await;
        let failure = fake.linear.upload("org", &file()).await.expect_err("a failure");
        assert_eq!(failure, Failure::Transient { after: None, problem: Problem::new("upload_http_403") });
    }
}
