//! Slack's request signature, v0: HMAC-SHA256 over `v0:timestamp:raw body`, hex, in constant time.
//!
//! Follows <https://docs.slack.dev/authentication/verifying-requests-from-slack>. Called by the
//! door (`webhook.rs`) for every request before anything of the body is read as text.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::{
    door::{NotOne, only},
    time::Timestamp,
};

/// A request older or younger than this is refused, so that it cannot be replayed for long.
pub const WINDOW: Duration = Duration::from_mins(5);

const SIGNATURE: &str = "x-slack-signature";
const TIMESTAMP: &str = "x-slack-request-timestamp";

/// Why a request is not believed. The text is the answer's one-line reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unbelieved {
    #[error("the request carries no X-Slack-Signature or X-Slack-Request-Timestamp")]
    Missing,
    #[error("X-Slack-Signature or X-Slack-Request-Timestamp is malformed")]
    Malformed,
    #[error("the request's timestamp is more than 300 seconds away")]
    OutsideWindow,
    #[error("the signature does not match")]
    Wrong,
}

impl From<NotOne> for Unbelieved {
    fn from(header: NotOne) -> Self {
        match header {
            NotOne::Missing => Self::Missing,
            NotOne::Malformed => Self::Malformed,
        }
    }
}

/// Checks `body` against each of the secrets (several while rotating) and returns the request's
/// timestamp as it was signed, in seconds since the epoch.
pub fn verify(
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<String, Unbelieved> {
    let timestamp = only(headers, TIMESTAMP)?;
    let signature = only(headers, SIGNATURE)?;
    let signature = signature.strip_prefix("v0=").and_then(|hex| hex::decode(hex).ok()).ok_or(Unbelieved::Malformed)?;
    if timestamp.is_empty() || !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unbelieved::Malformed);
    }
    let seconds: i64 = timestamp.parse().map_err(|_| Unbelieved::Malformed)?;
    if now.as_secs().abs_diff(seconds) > WINDOW.as_secs() {
        return Err(Unbelieved::OutsideWindow);
    }
    if secrets.iter().any(|secret| matches(secret, timestamp, body, &signature)) {
        Ok(timestamp.to_owned())
    } else {
        Err(Unbelieved::Wrong)
    }
}

fn matches(secret: &SecretString, timestamp: &str, body: &[u8], signature: &[u8]) -> bool {
    let secret = secret.expose_secret();
    // Anybody can sign with an empty secret.
    if secret.is_empty() {
        return false;
    }
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.chain_update(b"v0:")
        .chain_update(timestamp)
        .chain_update(b":")
        .chain_update(body)
        .verify_slice(signature)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example on Slack's page.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const SIGNED_AT: i64 = 1_531_420_618;
    const GOOD: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

    fn headers(timestamp: &str, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(TIMESTAMP, timestamp.parse().expect("a header"));
        headers.insert(SIGNATURE, signature.parse().expect("a header"));
        headers
    }

    fn check(secrets: &[&str], timestamp: &str, signature: &str, body: &str, now: i64) -> Result<String, Unbelieved> {
        let secrets: Vec<SecretString> = secrets.iter().map(|&secret| secret.into()).collect();
        verify(&secrets, &headers(timestamp, signature), body.as_bytes(), Timestamp::from_secs(now))
    }

    #[test]
    fn the_documented_example_is_believed() {
        assert_eq!(check(&[SECRET], "1531420618", GOOD, BODY, SIGNED_AT), Ok("1531420618".into()));
    }

    #[test]
    fn while_rotating_either_secret_counts() {
        assert!(check(&["new", SECRET], "1531420618", GOOD, BODY, SIGNED_AT).is_ok());
        assert_eq!(check(&["new"], "1531420618", GOOD, BODY, SIGNED_AT), Err(Unbelieved::Wrong));
        assert_eq!(check(&[], "1531420618", GOOD, BODY, SIGNED_AT), Err(Unbelieved::Wrong));
    }

    #[test]
    fn the_window_is_five_minutes_on_either_side() {
        for (away, believed) in [(300, true), (-300, true), (301, false), (-301, false)] {
            let checked = check(&[SECRET], "1531420618", GOOD, BODY, SIGNED_AT + away);
            assert_eq!(checked.is_ok(), believed, "{away} s away");
        }
    }

    #[test]
    fn a_changed_byte_or_a_malformed_header_is_not_believed() {
        let tampered = BODY.replace("roadrunner", "coyote");
        assert_eq!(check(&[SECRET], "1531420618", GOOD, &tampered, SIGNED_AT), Err(Unbelieved::Wrong));
        for (timestamp, signature) in [
            ("1531420618", "a2114d57"),
            ("1531420618", "v1=a2114d57"),
            ("1531420618", "v0=not hex"),
            ("+1531420618", GOOD),
            ("soon", GOOD),
            ("", GOOD),
        ] {
            let checked = check(&[SECRET], timestamp, signature, BODY, SIGNED_AT);
            assert_eq!(checked, Err(Unbelieved::Malformed), "{timestamp} {signature}");
        }
        assert_eq!(check(&[SECRET], "1531420618", "v0=a2114d57", BODY, SIGNED_AT), Err(Unbelieved::Wrong));
    }

    #[test]
    fn headers_have_to_be_there_exactly_once() {
        let secrets = [SecretString::from(SECRET)];
        let now = Timestamp::from_secs(SIGNED_AT);
        let mut twice = headers("1531420618", GOOD);
        twice.append(SIGNATURE, "v0=00".parse().expect("a header"));
        assert_eq!(verify(&secrets, &twice, BODY.as_bytes(), now), Err(Unbelieved::Malformed));
        assert_eq!(verify(&secrets, &HeaderMap::new(), BODY.as_bytes(), now), Err(Unbelieved::Missing));
    }

    #[test]
    fn an_empty_secret_signs_nothing() {
        let mac = Hmac::<Sha256>::new_from_slice(b"")
            .expect("a key of any length")
            .chain_update(b"v0:1531420618:")
            .finalize()
            .into_bytes();
        let forged = format!("v0={}", hex::encode(mac));
        assert_eq!(check(&[""], "1531420618", &forged, "", SIGNED_AT), Err(Unbelieved::Wrong));
    }
}
