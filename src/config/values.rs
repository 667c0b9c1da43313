//! Single values as people write them in settings. An error is the end of a sentence that begins
//! with the setting's name: `must be …`.

use std::{net::SocketAddr, time::Duration};

use tracing_subscriber::EnvFilter;
use url::{Host, Url};

/// No duration that is set may be longer: it would only be a mistake, and sums must not overflow.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// `250ms`, `3s`, `15m`, `24h` or `7d`.
///
/// # Errors
/// For anything else, zero, and more than a year.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("must be a duration such as 250ms, 3s or 24h, not {text:?}");
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis_each = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return Err(wrong()),
    };
    let duration = Duration::from_millis(number.saturating_mul(millis_each));
    if duration.is_zero() || duration > LONGEST {
        return Err(format!("must be more than nothing and at most a year, not {text:?}"));
    }
    Ok(duration)
}

/// For how long something is kept.
///
/// # Errors
/// For less than `least`.
pub fn at_least(text: &str, least: Duration) -> Result<Duration, String> {
    match duration(text)? {
        long if long >= least => Ok(long),
        _ => Err(format!("must be at least {}h, not {text:?}", least.as_secs() / 3600)),
    }
}

/// How far a signed time may be away. Duplicates are known for three days only.
///
/// # Errors
/// For more than a day.
pub fn window(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        window if window <= Duration::from_hours(24) => Ok(window),
        _ => Err(format!("must be at most 24h, not {text:?}")),
    }
}

/// The base address of a platform or of Baton itself: https, or plain http to this machine.
///
/// # Errors
/// For anything else, and for an address with credentials, a query or a fragment.
pub fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "must be an address such as https://baton.example.com".to_owned())?;
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    match url.scheme() {
        _ if !bare => Err("must be an address without credentials, query or fragment".into()),
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err("must begin with https:// (http:// only for this machine)".into()),
    }
}

/// The address of a collector of traces, which is often near and without a certificate; what it is sent
/// holds no secret.
///
/// # Errors
/// For another scheme than http and https, and for an address with credentials, a query or a fragment.
pub fn collector(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "must be an address such as http://127.0.0.1:4318".to_owned())?;
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    match url.scheme() {
        _ if !bare => Err("must be an address without credentials, query or fragment".into()),
        "http" | "https" => Ok(url),
        _ => Err("must begin with http:// or https://".into()),
    }
}

/// Where to listen.
///
/// # Errors
/// For anything but an IP address and a port.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("must be an IP address and a port such as 127.0.0.1:7300, not {text:?}"))
}

/// A `tracing` filter, such as `info` or `info,baton::slack=debug`.
///
/// # Errors
/// When it is none.
pub fn log_filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("must be a level such as info, or levels by module, not {text:?}")),
    }
}

/// `sqlite://PATH` or `postgres://USER@HOST/DATABASE`. The text may hold a password, so no error
/// repeats it.
///
/// # Errors
/// For another scheme, and for PostgreSQL without a user: the driver would make one up.
pub fn database_url(text: &str) -> Result<(), String> {
    if text.starts_with("sqlite:") {
        let only_memory = text.contains(":memory:") || text.contains("mode=memory");
        return if only_memory { Err("must name a file: sqlite://PATH".into()) } else { Ok(()) };
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    let url = url.ok_or("must begin with sqlite:// or postgres://")?;
    if url.username().is_empty() && !url.query_pairs().any(|(key, _)| key == "user") {
        return Err("must name the user: postgres://USER@HOST/DATABASE".into());
    }
    Ok(())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, millis) in
            [("250ms", 250), ("3s", 3_000), ("15m", 900_000), ("24h", 86_400_000), ("7d", 604_800_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "3", "s", "-3s", "1.5h", "3 s", "3S", "1w", "0s", "99999999999999999999s", "9999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_base_address_is_https_or_of_this_machine() {
        for text in [
            "https://baton.example.com",
            "https://slack.com/api/",
            "http://127.0.0.1:7300",
            "http://[::1]:1/",
            "http://localhost:1",
        ] {
            assert!(base_url(text).is_ok(), "{text}");
        }
        for text in [
            "baton.example.com",
            "http://baton.example.com",
            "http://localhost.example.com",
            "ftp://x",
            "https://a@b",
            "https://a/?q",
            "https://a/#f",
        ] {
            assert!(base_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_database_is_sqlite_or_postgres_with_a_user() {
        for text in ["sqlite://baton.db", "postgres://u@h/d", "postgresql:///d?host=/run&user=u"] {
            assert_eq!(database_url(text), Ok(()), "{text}");
        }
        for text in ["baton.db", "sqlite::memory:", "mysql://u@h/d", "postgres://h/d"] {
            let error = database_url(text).expect_err(text);
            assert!(!error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_collector_may_be_near_and_has_no_credentials_in_its_address() {
        for text in ["http://collector:4318", "https://otlp.example.com/v1/traces"] {
            assert!(collector(text).is_ok(), "{text}");
        }
        for text in ["collector:4318", "grpc://collector", "http://user:hush@collector", "http://c/?key=hush"] {
            assert!(!collector(text).expect_err(text).contains("hush"), "{text}");
        }
    }

    #[test]
    fn the_rest() {
        assert_eq!(window("24h"), Ok(Duration::from_hours(24)));
        assert!(window("25h").is_err() && window("60").is_err());
        assert!(listen("[::]:7300").is_ok());
        assert!(listen("localhost").is_err());
        assert!(log_filter("info,baton::slack=debug").is_ok());
        assert!(log_filter("baton=loud").is_err());
    }
}
