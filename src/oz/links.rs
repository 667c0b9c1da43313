//! Which addresses from Oz are shown to people, and which are fetched.

use url::Url;

use crate::http::is_loopback;

/// An address that may be shown as a link: http or https, with a host, and without a user name in
/// front of it that would look like one.
pub(super) fn shown(text: &str) -> Option<String> {
    web(text).map(String::from)
}

/// An address where a person is sent to sign in or set something up: https only.
pub(super) fn repair(text: &str) -> Option<String> {
    web(text).filter(|url| url.scheme() == "https").map(String::from)
}

/// Whether content may be fetched from there: https anywhere, or plain http on this machine when
/// Oz itself is there (`baton dev`, tests).
pub(super) fn may_fetch(url: &Url, base: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => is_loopback(url) && is_loopback(base),
        _ => false,
    }
}

fn web(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let fits = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    fits.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_shown() {
        assert_eq!(shown("https://github.com/o/r/pull/1").as_deref(), Some("https://github.com/o/r/pull/1"));
        assert_eq!(shown("http://127.0.0.1:7300/s").as_deref(), Some("http://127.0.0.1:7300/s"));
        for hostile in
            ["javascript:alert(1)", "slack://x", "file:///etc/passwd", "https://github.com@evil.example/", "no", ""]
        {
            assert_eq!(shown(hostile), None, "{hostile}");
        }
        assert_eq!(repair("https://app.warp.dev/auth").as_deref(), Some("https://app.warp.dev/auth"));
        assert_eq!(repair("http://app.warp.dev/auth"), None);
    }

    #[test]
    fn content_comes_by_https_or_from_this_machine_when_oz_is_there() {
        let url = |text| Url::parse(text).expect("a URL");
        let warp = url("https://app.warp.dev/api/v1");
        let here = url("http://127.0.0.1:4010/api/v1");
        for (from, base, may) in [
            ("https://storage.example/x", &warp, true),
            ("https://storage.example/x", &here, true),
            ("http://storage.example/x", &warp, false),
            ("http://storage.example/x", &here, false),
            ("http://localhost:9/x", &here, true),
            ("http://[::1]:9/x", &here, true),
            ("http://127.0.0.1:9/x", &warp, false),
            ("http://127.0.0.1@storage.example/x", &here, false),
            ("http://127.0.0.1.storage.example/x", &here, false),
            ("http://localhost.storage.example/x", &here, false),
            ("http://169.254.169.254/latest", &here, false),
            ("file:///etc/passwd", &here, false),
        ] {
            assert_eq!(may_fetch(&url(from), base), may, "{from} from {base}");
        }
    }
}
