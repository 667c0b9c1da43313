//! Why a request was refused, in the forms that Linear's answers have been seen in.
//! <https://linear.app/developers/graphql#errors>

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::{Value, json};

/// One error of an answer.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Of the answer.
    http: u16,
    message: String,
    /// `extensions.type`
    kind: &'static str,
    /// `extensions.code`
    code: String,
    status_code: u16,
    presentable: String,
    meta: Option<Box<Value>>,
    /// `data: null` is in the answer: the request was carried out, and failed in it.
    ran: bool,
    /// A request that no correct client sends.
    pub malformed: bool,
}

impl Problem {
    /// The document does not fit the schema.
    pub fn validation(message: impl Into<String>) -> Self {
        let kind = "graphql error";
        Self { malformed: true, ran: false, ..Self::new(400, message, kind, "GRAPHQL_VALIDATION_FAILED", 400, "") }
    }

    /// A value that the schema allows and Linear does not.
    pub fn invalid(why: impl Into<String>) -> Self {
        let new = Self::new(200, "Argument Validation Error", "invalid input", "INVALID_INPUT", 400, why);
        Self { malformed: true, ..new }
    }

    pub fn not_found(entity: &str) -> Self {
        let presentable = format!("Could not find referenced {entity}.");
        Self::new(400, format!("Entity not found: {entity}"), "invalid input", "INPUT_ERROR", 400, presentable)
    }

    /// What was created before is created again.
    pub fn conflict(entity: &str, id: &str) -> Self {
        let presentable = format!("Entity {entity} with id {id} already exists.");
        Self::new(200, format!("conflict on insert of {entity}"), "invalid input", "INPUT_ERROR", 400, presentable)
    }

    pub fn forbidden(why: impl Into<String>) -> Self {
        Self::new(200, "Forbidden", "forbidden", "FORBIDDEN", 403, why)
    }

    /// What the workspace or the app is not set up for.
    pub fn not_enabled(why: &str) -> Self {
        Self::new(200, why, "feature not accessible", "FEATURE_NOT_ACCESSIBLE", 400, why)
    }

    pub fn unauthenticated() -> Self {
        let presentable = "You need to authenticate to access this operation.";
        let message = "Authentication required, not authenticated";
        let new = Self::new(401, message, "authentication error", "AUTHENTICATION_ERROR", 401, presentable);
        Self { ran: false, meta: Some(Box::new(json!({}))), ..new }
    }

    /// HTTP 400, as has been seen, and not 429.
    pub fn rate_limited(limit: u64, of: &str) -> Self {
        let message = format!("Rate limit exceeded. Only {limit} {of} are allowed per 1 hour.");
        let meta = json!({"rateLimitResult":
            {"allowed": false, "requested": 1, "remaining": 0, "duration": 3_600_000, "limit": limit}});
        let new = Self::new(400, message.clone(), "ratelimited", "RATELIMITED", 429, message);
        Self { ran: false, meta: Some(Box::new(meta)), ..new }
    }

    pub fn of_status(status: u16) -> Self {
        let new = Self::new(status, "Internal server error", "internal error", "INTERNAL_SERVER_ERROR", status, "");
        Self { ran: false, ..new }
    }

    /// In HTTP 200, a code by its name: `LOCK_TIMEOUT`, `FORBIDDEN`.
    pub fn of_code(code: &str) -> Self {
        let kind = match code {
            "LOCK_TIMEOUT" => "lock timeout",
            "NETWORK_ERROR" => "network error",
            "FORBIDDEN" => "forbidden",
            "INPUT_ERROR" | "INVALID_INPUT" => "invalid input",
            "FEATURE_NOT_ACCESSIBLE" => "feature not accessible",
            "USAGE_LIMIT_EXCEEDED" => "usage limit exceeded",
            "INTERNAL_SERVER_ERROR" => "internal error",
            _ => "other",
        };
        Self::new(200, code, kind, code, 400, "")
    }

    /// What Linear would not say: a gap of the simulator.
    pub fn gap(what: &str) -> Self {
        let message = format!("the simulator does not answer {what}");
        Self { malformed: true, ..Self::new(500, message, "internal error", "INTERNAL_SERVER_ERROR", 500, "") }
    }

    /// Message and explanation, for a list of objections.
    pub fn sentence(&self) -> String {
        if self.presentable.is_empty() {
            self.message.clone()
        } else {
            format!("{}: {}", self.message, self.presentable)
        }
    }

    pub fn respond(&self, path: Option<&str>) -> Response {
        let mut error = json!({"message": self.message});
        if let (Some(path), true) = (path, self.ran) {
            error["path"] = json!([path]);
        }
        let mut extensions = json!({
            "type": self.kind, "code": self.code, "statusCode": self.status_code, "userError": self.status_code < 500,
            "userPresentableMessage": self.presentable,
        });
        if let Some(meta) = &self.meta {
            extensions["meta"] = Value::clone(meta);
        }
        if !self.ran {
            extensions["http"] = json!({"headers": {}, "status": self.http});
        }
        error["extensions"] = extensions;
        let mut body = json!({"errors": [error]});
        if self.ran {
            body["data"] = Value::Null;
        }
        let status = StatusCode::from_u16(self.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(body)).into_response()
    }

    fn new(
        http: u16,
        message: impl Into<String>,
        kind: &'static str,
        code: &str,
        status_code: u16,
        presentable: impl Into<String>,
    ) -> Self {
        Self {
            http,
            message: message.into(),
            kind,
            code: code.to_owned(),
            status_code,
            presentable: presentable.into(),
            meta: None,
            ran: true,
            malformed: false,
        }
    }
}
