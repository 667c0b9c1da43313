//! How the Oz API says no: problem documents (`application/problem+json`) from its error catalogue.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header::CONTENT_TYPE};
use serde_json::{Map, Value, json};

/// The catalogue: code, status, whether trying again helps, title.
const CATALOGUE: [(&str, u16, bool, &str); 18] = [
    ("invalid_request", 400, false, "Invalid request"),
    ("integration_not_configured", 400, false, "Integration not configured"),
    ("authentication_required", 401, false, "Authentication required"),
    ("external_authentication_required", 401, false, "External authentication required"),
    ("not_authorized", 403, false, "Not authorized"),
    ("insufficient_credits", 403, false, "Insufficient credits"),
    ("feature_not_available", 403, false, "Feature not available"),
    ("budget_exceeded", 403, false, "Budget exceeded"),
    ("integration_disabled", 403, false, "Integration disabled"),
    ("content_policy_violation", 403, false, "Content policy violation"),
    ("resource_not_found", 404, false, "Resource not found"),
    ("conflict", 409, true, "Conflict"),
    ("operation_not_supported", 422, false, "Operation not supported"),
    ("resource_unavailable", 429, true, "Resource unavailable"),
    ("internal_error", 500, true, "Internal error"),
    ("environment_setup_failed", 500, false, "Environment setup failed"),
    ("infrastructure_timeout", 500, true, "Infrastructure timeout"),
    ("agent_process_failed", 500, true, "Agent process failed"),
];

/// A request that is refused.
#[derive(Clone, Debug)]
pub struct Problem {
    code: String,
    status: u16,
    retryable: bool,
    title: String,
    detail: Option<String>,
}

impl Problem {
    /// The catalogue's entry for a code; an unknown code is a 400, as a newer server may send it.
    #[must_use]
    pub fn of_code(code: &str) -> Self {
        let known = CATALOGUE.iter().find(|entry| entry.0 == code);
        let (code, status, retryable, title) = known.copied().unwrap_or((code, 400, false, "Request refused"));
        Self { code: code.into(), status, retryable, title: title.into(), detail: None }
    }

    /// The catalogue's first entry for a status; one that it does not have is an internal error with that status.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let known = CATALOGUE.iter().find(|entry| entry.1 == status.as_u16());
        Self { status: status.as_u16(), ..Self::of_code(known.map_or("internal_error", |entry| entry.0)) }
    }

    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::of_code("invalid_request").with(detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::of_code("resource_not_found").with(detail)
    }

    #[must_use]
    pub fn with(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The document. Its `type` has been seen in two forms, so `absolute` chooses one; a `strange`
    /// server leaves out what is optional and adds what nobody knows.
    #[must_use]
    pub fn respond(&self, absolute: bool, strange: bool) -> Response {
        let folder = "reference/api-and-sdk/troubleshooting/errors";
        let uri = if absolute {
            format!("https://docs.warp.dev/{folder}/{}", self.code)
        } else {
            format!("/{folder}/{}/", self.code.replace('_', "-"))
        };
        let error = match &self.detail {
            Some(detail) => format!("{} ({detail})", self.title),
            None => self.title.clone(),
        };
        let mut document = json!({ "type": uri, "title": self.title, "status": self.status, "error": error });
        if let Some(fields) = document.as_object_mut() {
            if let Some(detail) = &self.detail {
                fields.insert("detail".into(), json!(detail));
            }
            if strange {
                fields.insert("severity".into(), json!({ "level": 3 }));
            } else {
                fields.insert("retryable".into(), json!(self.retryable));
                fields.insert("trace_id".into(), json!("4bf92f3577b34da6a3ce929d0e0e4736"));
            }
            fields.extend(self.extras());
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(CONTENT_TYPE, "application/problem+json")], document.to_string()).into_response()
    }

    /// What some codes say besides.
    fn extras(&self) -> Map<String, Value> {
        let extras = match self.code.as_str() {
            "external_authentication_required" => json!({
                "provider": "github",
                "auth_url": "https://app.warp.dev/connect/github",
                "inaccessible_repos": ["acme/shop"],
            }),
            "integration_not_configured" => {
                json!({ "integration_name": "slack", "setup_url": "https://app.warp.dev/integrations" })
            }
            _ => Value::Null,
        };
        if let Value::Object(extras) = extras { extras } else { Map::new() }
    }
}
