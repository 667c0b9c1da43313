//! Reading one cookie of a request. Used by `auth.rs` and `install.rs`.

use axum::http::{HeaderMap, header};

/// The values of all cookies with this name, in the order in which they came.
pub(super) fn all<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(found, _)| *found == name).map(|(_, value)| value)
}

/// The first.
pub(super) fn find<'a>(headers: &'a HeaderMap, name: &'a str) -> Option<&'a str> {
    all(headers, name).next()
}
