//! The playground of `baton dev`: a page that looks and behaves like a Slack channel.
//!
//! Plain ES modules without a framework or a build step, compiled into the binary. The page talks to
//! the simulated Slack's own JSON API and to nothing else, which its content policy makes sure of:
//! all that people, agents and Baton say there is outside text.

use axum::{
    Router,
    extract::Path,
    http::{
        HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
    routing::get,
};
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

const PAGE: &str = include_str!("page.html");

/// Name, media type and content of each file that the page loads.
const ASSETS: [(&str, &str, &str); 20] = [
    ("page.css", CSS, include_str!("page.css")),
    ("favicon.svg", SVG, include_str!("favicon.svg")),
    ("api.js", SCRIPT, include_str!("api.js")),
    ("app.js", SCRIPT, include_str!("app.js")),
    ("blocks.js", SCRIPT, include_str!("blocks.js")),
    ("composer.js", SCRIPT, include_str!("composer.js")),
    ("dialogs.js", SCRIPT, include_str!("dialogs.js")),
    ("dom.js", SCRIPT, include_str!("dom.js")),
    ("elements.js", SCRIPT, include_str!("elements.js")),
    ("emoji.js", SCRIPT, include_str!("emoji.js")),
    ("examples.js", SCRIPT, include_str!("examples.js")),
    ("frame.js", SCRIPT, include_str!("frame.js")),
    ("markdown.js", SCRIPT, include_str!("markdown.js")),
    ("message.js", SCRIPT, include_str!("message.js")),
    ("modal.js", SCRIPT, include_str!("modal.js")),
    ("mrkdwn.js", SCRIPT, include_str!("mrkdwn.js")),
    ("rich_text.js", SCRIPT, include_str!("rich_text.js")),
    ("suggest.js", SCRIPT, include_str!("suggest.js")),
    ("theme.js", SCRIPT, include_str!("theme.js")),
    ("timeline.js", SCRIPT, include_str!("timeline.js")),
];

/// The page at `/playground` and its files below `/playground/assets/`.
pub fn router() -> Router {
    let always = |name: HeaderName, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    let headers = ServiceBuilder::new()
        .layer(always(CONTENT_SECURITY_POLICY, POLICY))
        .layer(always(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(always(REFERRER_POLICY, "no-referrer"))
        // A newer binary brings a newer page.
        .layer(always(CACHE_CONTROL, "no-cache"));
    Router::new()
        .route("/playground", get(([(CONTENT_TYPE, HTML)], PAGE)))
        .route("/playground/assets/{file}", get(asset))
        .layer(headers)
}

async fn asset(Path(file): Path<String>) -> Response {
    ASSETS.iter().find(|(name, ..)| *name == file).map_or_else(
        || StatusCode::NOT_FOUND.into_response(),
        |&(_, kind, content)| ([(CONTENT_TYPE, kind)], content).into_response(),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::{
        body::{Body, to_bytes},
        http::{HeaderMap, Request},
    };
    use tower::ServiceExt;

    use super::*;

    async fn fetch(path: &str) -> anyhow::Result<(StatusCode, HeaderMap, String)> {
        let response = router().oneshot(Request::get(path).body(Body::empty())?).await?;
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(to_bytes(body, 1 << 20).await?.to_vec())?;
        Ok((parts.status, parts.headers, body))
    }

    /// What stands between `before` and the next `after`, each time.
    fn between<'a>(text: &'a str, before: &str, after: char) -> Vec<&'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
    }

    fn scripts() -> impl Iterator<Item = (&'static str, &'static str)> {
        ASSETS.iter().filter(|(_, kind, _)| *kind == SCRIPT).map(|&(name, _, content)| (name, content))
    }

    #[tokio::test]
    async fn the_page_comes_with_a_policy_that_lets_nothing_out() -> anyhow::Result<()> {
        let (status, headers, body) = fetch("/playground").await?;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("Nothing leaves this machine"));
        assert_eq!(headers[CONTENT_TYPE], HTML);
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        let policy = headers[CONTENT_SECURITY_POLICY].to_str()?;
        for rule in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.split("; ").any(|each| each == rule), "{rule}");
        }
        assert!(!policy.contains("unsafe"));
        Ok(())
    }

    #[tokio::test]
    async fn everything_that_the_page_names_is_served() -> anyhow::Result<()> {
        let mut named: BTreeSet<String> =
            between(PAGE, "/playground/assets/", '"').into_iter().map(str::to_owned).collect();
        for (_, script) in scripts() {
            named.extend(between(script, "from \"./", '"').into_iter().map(str::to_owned));
        }
        for name in &named {
            let (status, headers, body) = fetch(&format!("/playground/assets/{name}")).await?;
            assert_eq!(status, StatusCode::OK, "{name}");
            assert!(headers.contains_key(CONTENT_SECURITY_POLICY) && !body.is_empty(), "{name}");
        }
        let served: BTreeSet<String> = ASSETS.iter().map(|(name, ..)| (*name).to_owned()).collect();
        assert_eq!(named, served, "an asset that nothing asks for");
        assert_eq!(fetch("/playground/assets/mod.rs").await?.0, StatusCode::NOT_FOUND);
        Ok(())
    }

    #[test]
    fn every_picture_that_a_script_names_is_in_the_page() {
        for (file, script) in scripts() {
            for name in between(script, "icon(\"", '"') {
                assert!(PAGE.contains(&format!("id=\"icon-{name}\"")), "{file}: {name}");
            }
        }
    }

    #[test]
    fn the_page_has_no_inline_script_or_style() {
        for tag in between(PAGE, "<script", '>') {
            assert!(tag.contains("src=\"/playground/assets/"), "{tag}");
        }
        assert_eq!(PAGE.matches("<script").count(), PAGE.matches("></script>").count());
        for forbidden in ["<style", " style=", "javascript:", "http://", "https://"] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
        let handler = |word: &str| word.starts_with("on") && word.contains('=');
        assert!(!PAGE.split_whitespace().any(handler));
    }

    #[test]
    fn no_script_makes_markup_out_of_text() {
        for (file, script) in scripts() {
            for forbidden in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "setHTML"]
            {
                assert!(!script.contains(forbidden), "{file}: {forbidden}");
            }
            assert!(script.starts_with("// "), "{file} does not say what it is");
            assert!(script.lines().count() < 400, "{file} is too long");
        }
    }
}
