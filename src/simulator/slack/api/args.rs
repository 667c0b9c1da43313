//! The arguments of a Web API call: from a query, a form or a JSON body, in whichever of the forms
//! Slack reads. In a form, lists and objects are JSON in a string.

use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::{Problem, Request};

#[derive(Debug, Default)]
pub struct Args {
    values: Map<String, Value>,
    from_json: bool,
    /// A JSON body came for a method that does not read one.
    pub ignored_json: bool,
    /// Slack's remark about the content type; harmless.
    pub charset_warning: Option<&'static str>,
}

impl Args {
    /// The error is Slack's code.
    pub fn read(request: &Request, takes_json: bool) -> Result<Self, &'static str> {
        let mut args = Self::default();
        args.add_form(request.query.as_bytes());
        if request.body.is_empty() {
            return Ok(args);
        }
        let content_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.ok_or("missing_post_type")?.to_ascii_lowercase();
        let has_charset = content_type.contains("charset");
        if content_type.starts_with("application/json") {
            if !takes_json {
                args.ignored_json = true;
                return Ok(args);
            }
            let body: Value = serde_json::from_slice(&request.body).map_err(|_| "invalid_json")?;
            let Value::Object(fields) = body else { return Err("json_not_object") };
            args.values.extend(fields);
            args.from_json = true;
            args.charset_warning = (!has_charset).then_some("missing_charset");
        } else if content_type.starts_with("application/x-www-form-urlencoded") {
            args.add_form(&request.body);
            args.charset_warning = has_charset.then_some("superfluous_charset");
        } else {
            return Err("invalid_post_type");
        }
        Ok(args)
    }

    /// A text; an empty one counts as not given.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.values.get(name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub fn required(&self, name: &str) -> Result<String, Problem> {
        self.text(name).ok_or_else(|| Problem::missing(name))
    }

    /// A list or an object; `code` when it cannot be read.
    pub fn json(&self, name: &str, code: &str) -> Result<Option<Value>, Problem> {
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text).map(Some).map_err(|_| code.into()),
            Some(value) => Ok(Some(value.clone())),
        }
    }

    pub fn flag(&self, name: &str) -> bool {
        match self.values.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text == "true" || text == "1",
            Some(Value::Number(number)) => number.as_u64() == Some(1),
            _ => false,
        }
    }

    pub fn number(&self, name: &str) -> Option<usize> {
        self.text(name)?.parse().ok()
    }

    /// A token among the arguments, which Slack reads from forms only.
    pub fn form_token(&self) -> Option<String> {
        self.text("token").filter(|_| !self.from_json)
    }

    fn add_form(&mut self, form: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(form) {
            self.values.insert(name.into_owned(), Value::String(value.into_owned()));
        }
    }
}
