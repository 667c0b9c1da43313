//! Linear's webhook signature: HMAC-SHA256 over the raw body, hex, in constant time; and how old the
//! signed body says that it is.
//!
//! Follows <https://linear.app/developers/webhooks>. The header `Linear-Timestamp` is not signed, so
//! nobody looks at it: only `webhookTimestamp` in the body counts. Called by the door (`webhook.rs`).

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::Sha256;

use crate::{
    door::{NotOne, only},
    time::Timestamp,
};

const SIGNATURE: &str = "linear-signature";

/// Why a webhook is not believed. The text is the answer's one-line reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unbelieved {
    #[error("the request carries no Linear-Signature")]
    Missing,
    #[error("Linear-Signature is malformed")]
    Malformed,
    #[error("the signature does not match")]
    Wrong,
    #[error("the body has no webhookTimestamp that is a number")]
    Timeless,
    #[error("the body's webhookTimestamp is outside the window")]
    OutsideWindow,
}

impl From<NotOne> for Unbelieved {
    fn from(header: NotOne) -> Self {
        match header {
            NotOne::Missing => Self::Missing,
            NotOne::Malformed => Self::Malformed,
        }
    }
}

/// Checks `body` against each of the secrets (several while rotating).
pub fn verify(secrets: &[SecretString], headers: &HeaderMap, body: &[u8]) -> Result<(), Unbelieved> {
    let signature = hex::decode(only(headers, SIGNATURE)?).map_err(|_| Unbelieved::Malformed)?;
    if secrets.iter().any(|secret| matches(secret, body, &signature)) { Ok(()) } else { Err(Unbelieved::Wrong) }
}

/// Whether a signed body is at most `window` old, or from as little in the future, so that it cannot
/// be replayed for long.
pub fn fresh(payload: &Value, now: Timestamp, window: Duration) -> Result<(), Unbelieved> {
    let signed_at = payload.get("webhookTimestamp").and_then(millis).ok_or(Unbelieved::Timeless)?;
    if u128::from(now.as_millis().abs_diff(signed_at)) > window.as_millis() {
        return Err(Unbelieved::OutsideWindow);
    }
    Ok(())
}

fn matches(secret: &SecretString, body: &[u8], signature: &[u8]) -> bool {
    let secret = secret.expose_secret();
    // Anybody can sign with an empty secret.
    if secret.is_empty() {
        return false;
    }
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.chain_update(body).verify_slice(signature).is_ok()
}

fn millis(number: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "a time so far away is outside any window")]
    number.as_i64().or_else(|| number.as_f64().filter(|millis| millis.is_finite()).map(|millis| millis as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BODY: &str = r#"{"type":"Issue","webhookTimestamp":1767477625781}"#;

    fn sign(secret: &str, body: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
        hex::encode(mac.chain_update(body).finalize().into_bytes())
    }

    fn check(secrets: &[&str], signature: &str, body: &str) -> Result<(), Unbelieved> {
        let secrets: Vec<SecretString> = secrets.iter().map(|&secret| secret.into()).collect();
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE, signature.parse().expect("a header"));
        verify(&secrets, &headers, body.as_bytes())
    }

    #[test]
    fn the_signature_is_what_other_tools_compute() {
        // printf '{}' | openssl dgst -sha256 -hmac lin_wh_secret
        let known = "451f912983620893321285f30f27adf8ea14dd17aa66023afb44d122b8f0a857";
        assert_eq!(check(&["lin_wh_secret"], known, "{}"), Ok(()));
        assert_eq!(check(&["lin_wh_secret"], &known.to_uppercase(), "{}"), Ok(()));
    }

    #[test]
    fn while_rotating_either_secret_counts() {
        assert_eq!(check(&["new", "old"], &sign("old", BODY), BODY), Ok(()));
        assert_eq!(check(&["new", "old"], &sign("new", BODY), BODY), Ok(()));
        assert_eq!(check(&["new"], &sign("old", BODY), BODY), Err(Unbelieved::Wrong));
        assert_eq!(check(&[], &sign("old", BODY), BODY), Err(Unbelieved::Wrong));
        assert_eq!(check(&[""], &sign("", BODY), BODY), Err(Unbelieved::Wrong), "an empty secret signs nothing");
    }

    #[test]
    fn a_changed_byte_or_a_malformed_header_is_not_believed() {
        let good = sign("secret", BODY);
        assert_eq!(check(&["secret"], &good, &BODY.replace("Issue", "issue")), Err(Unbelieved::Wrong));
        assert_eq!(check(&["secret"], &good[..62], BODY), Err(Unbelieved::Wrong), "cut short");
        for malformed in [&format!("sha256={good}"), &good[..63], "not hex", ""] {
            let wanted = if malformed.is_empty() { Unbelieved::Wrong } else { Unbelieved::Malformed };
            assert_eq!(check(&["secret"], malformed, BODY), Err(wanted), "{malformed}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(verify(&["secret".into()], &headers, BODY.as_bytes()), Err(Unbelieved::Missing));
        headers.append(SIGNATURE, good.parse().expect("a header"));
        headers.append(SIGNATURE, good.parse().expect("a header"));
        assert_eq!(verify(&["secret".into()], &headers, BODY.as_bytes()), Err(Unbelieved::Malformed));
    }

    #[test]
    fn the_window_is_the_same_on_either_side() {
        let body = json!({"webhookTimestamp": 1_767_477_625_781_i64});
        let window = Duration::from_mins(1);
        for (away, wanted) in [
            (0, Ok(())),
            (60_000, Ok(())),
            (-60_000, Ok(())),
            (60_001, Err(Unbelieved::OutsideWindow)),
            (-60_001, Err(Unbelieved::OutsideWindow)),
        ] {
            assert_eq!(fresh(&body, Timestamp::from_millis(1_767_477_625_781 + away), window), wanted, "{away} ms");
        }
    }

    #[test]
    fn a_time_that_is_not_a_number_is_none() {
        let now = Timestamp::from_millis(1_767_477_625_781);
        let check = |body: Value| fresh(&body, now, Duration::from_mins(1));
        for timeless in [json!({}), json!({"webhookTimestamp": null}), json!({"webhookTimestamp": "1767477625781"})] {
            assert_eq!(check(timeless), Err(Unbelieved::Timeless));
        }
        assert_eq!(check(json!({"webhookTimestamp": 1_767_477_625_781.5})), Ok(()));
        for far in [json!(i64::MIN), json!(u64::MAX), json!(1e300), json!(0), json!(-1)] {
            assert_eq!(check(json!({"webhookTimestamp": far})), Err(Unbelieved::OutsideWindow), "{far}");
        }
    }
}
