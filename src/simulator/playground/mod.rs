//! The playground of `baton dev`: a page that looks and behaves like a Slack channel, and one that
//! does like Linear's issues.
//!
//! Plain ES modules without a framework or a build step, compiled into the binary. Each page talks to
//! its simulated platform's own JSON API and to nothing else, which its content policy makes sure of:
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

/// With the pictures that scripts and pages name.
const SLACK: &str = concat!(include_str!("slack.html"), include_str!("icons.svg"), "</body>\n</html>\n");
const LINEAR: &str = concat!(include_str!("linear.html"), include_str!("icons.svg"), "</body>\n</html>\n");

/// Name, media type and content of each file that the page loads.
const ASSETS: [(&str, &str, &str); 27] = [
    ("base.css", CSS, include_str!("base.css")),
    ("linear.css", CSS, include_str!("linear.css")),
    ("slack.css", CSS, include_str!("slack.css")),
    ("favicon.svg", SVG, include_str!("favicon.svg")),
    ("api.js", SCRIPT, include_str!("api.js")),
    ("blocks.js", SCRIPT, include_str!("blocks.js")),
    ("composer.js", SCRIPT, include_str!("composer.js")),
    ("dialogs.js", SCRIPT, include_str!("dialogs.js")),
    ("dom.js", SCRIPT, include_str!("dom.js")),
    ("elements.js", SCRIPT, include_str!("elements.js")),
    ("emoji.js", SCRIPT, include_str!("emoji.js")),
    ("examples.js", SCRIPT, include_str!("examples.js")),
    ("frame.js", SCRIPT, include_str!("frame.js")),
    ("linear.js", SCRIPT, include_str!("linear.js")),
    ("linear_issue.js", SCRIPT, include_str!("linear_issue.js")),
    ("linear_list.js", SCRIPT, include_str!("linear_list.js")),
    ("linear_parts.js", SCRIPT, include_str!("linear_parts.js")),
    ("linear_session.js", SCRIPT, include_str!("linear_session.js")),
    ("markdown.js", SCRIPT, include_str!("markdown.js")),
    ("message.js", SCRIPT, include_str!("message.js")),
    ("modal.js", SCRIPT, include_str!("modal.js")),
    ("mrkdwn.js", SCRIPT, include_str!("mrkdwn.js")),
    ("rich_text.js", SCRIPT, include_str!("rich_text.js")),
    ("slack.js", SCRIPT, include_str!("slack.js")),
    ("suggest.js", SCRIPT, include_str!("suggest.js")),
    ("theme.js", SCRIPT, include_str!("theme.js")),
    ("timeline.js", SCRIPT, include_str!("timeline.js")),
];

/// The pages at `/playground` and `/playground/linear`, and their files below `/playground/assets/`.
pub fn router() -> Router {
    let always = |name: HeaderName, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    let headers = ServiceBuilder::new()
        .layer(always(CONTENT_SECURITY_POLICY, POLICY))
        .layer(always(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(always(REFERRER_POLICY, "no-referrer"))
        // A newer binary brings a newer page.
        .layer(always(CACHE_CONTROL, "no-cache"));
    Router::new()
        .route("/playground", get(([(CONTENT_TYPE, HTML)], SLACK)))
        .route("/playground/linear", get(([(CONTENT_TYPE, HTML)], LINEAR)))
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

    const PAGES: [&str; 2] = [SLACK, LINEAR];

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
        for path in ["/playground", "/playground/linear"] {
            let (status, headers, body) = fetch(path).await?;
            assert_eq!(status, StatusCode::OK);
            assert!(body.contains("Nothing leaves this machine") && body.ends_with("</html>\n"));
            assert_eq!(headers[CONTENT_TYPE], HTML);
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            let policy = headers[CONTENT_SECURITY_POLICY].to_str()?;
            for rule in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
                assert!(policy.split("; ").any(|each| each == rule), "{rule}");
            }
            assert!(!policy.contains("unsafe"));
        }
        Ok(())
    }

    #[tokio::test]
    async fn everything_that_the_page_names_is_served() -> anyhow::Result<()> {
        let mut named: BTreeSet<String> =
            PAGES.iter().flat_map(|page| between(page, "/playground/assets/", '"')).map(str::to_owned).collect();
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
                assert!(PAGES.iter().all(|page| page.contains(&format!("id=\"icon-{name}\""))), "{file}: {name}");
            }
        }
    }

    #[test]
    fn no_page_has_inline_script_or_style() {
        for page in PAGES {
            for tag in between(page, "<script", '>') {
                assert!(tag.contains("src=\"/playground/assets/"), "{tag}");
            }
            assert_eq!(page.matches("<script").count(), page.matches("></script>").count());
            for forbidden in ["<style", " style=", "javascript:", "http://", "https://"] {
                assert!(!page.contains(forbidden), "{forbidden}");
            }
            let handler = |word: &str| word.starts_with("on") && word.contains('=');
            assert!(!page.split_whitespace().any(handler));
        }
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
