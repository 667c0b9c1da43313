//! Field types that take whatever comes: a missing, null or oddly typed value is nothing, and one
//! unreadable element does not spoil its list.
//!
//! Oz's words are open and its descriptions move, so `wire` and `conversation` are made of these.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// Text that is not empty; numbers and flags are taken as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub Option<String>);

impl Text {
    pub fn as_deref(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// A finite number, also when it is written as text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Number(pub Option<f64>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub Option<bool>);

/// The readable elements.
#[derive(Clone, Debug)]
pub struct List<T>(pub Vec<T>);

/// An object, if it is one that can be read.
#[derive(Clone, Debug)]
pub struct Part<T>(pub Option<T>);

/// Keys with the values that are text in the sense of [`Text`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(pub BTreeMap<String, String>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(|value| Self(text(value)))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = match Value::deserialize(from)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        Ok(Self(number.filter(|number| number.is_finite())))
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(|value| Self(value.as_bool()))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Value::Array(elements) = Value::deserialize(from)? else { return Ok(Self::default()) };
        Ok(Self(elements.into_iter().filter_map(|element| serde_json::from_value(element).ok()).collect()))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(|value| Self(serde_json::from_value(value).ok()))
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Value::Object(entries) = Value::deserialize(from)? else { return Ok(Self::default()) };
        Ok(Self(entries.into_iter().filter_map(|(key, value)| Some((key, text(value)?))).collect()))
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Everything {
        text: Text,
        number: Number,
        flag: Flag,
        list: List<Part<Inner>>,
        part: Part<Inner>,
        texts: Texts,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Inner {
        text: Text,
    }

    fn read(value: Value) -> Everything {
        serde_json::from_value(value).expect("anything can be read")
    }

    #[test]
    fn what_is_missing_null_or_of_another_type_is_nothing() {
        for odd in [Value::Null, json!([1]), json!({"a": {}})] {
            let all = read(
                json!({"text": odd, "number": odd, "flag": odd, "list": {"x": 1}, "part": 7, "texts": [odd], "more": odd}),
            );
            assert_eq!((all.text.0, all.number.0, all.flag.0), (None, None, None));
            assert!(all.list.0.is_empty() && all.part.0.is_none() && all.texts.0.is_empty());
        }
        assert_eq!(read(json!({})).text, Text(None));
    }

    #[test]
    fn numbers_are_taken_as_text_and_text_as_numbers() {
        let all = read(json!({"text": 12, "number": "3.5", "texts": {"a": 1, "b": true, "c": null, "d": "x"}}));
        assert_eq!(all.text.as_deref(), Some("12"));
        assert_eq!(all.number.0, Some(3.5));
        let texts: Vec<_> = all.texts.0.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(texts, [("a", "1"), ("b", "true"), ("d", "x")]);
    }

    #[test]
    fn one_unreadable_element_does_not_spoil_the_list() {
        let all = read(json!({"list": [{"text": "a"}, 7, {"text": "b"}]}));
        let readable: Vec<_> = all.list.0.iter().filter_map(|part| part.0.as_ref()?.text.as_deref()).collect();
        assert_eq!(readable, ["a", "b"]);
    }
}
