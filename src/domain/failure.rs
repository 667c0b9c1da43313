//! How a call to a platform fails, in the terms in which we decide what to do about it.
//!
//! Each client maps its own errors to these; `delivery/retry.rs` says what follows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whether and when to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It had no effect and will work later; `after` when the platform said how long.
    Transient { after: Option<Duration>, problem: Problem },
    /// It may have had its effect: look before repeating.
    Ambiguous(Problem),
    /// It will not work, however often it is tried.
    Refused(Problem),
    /// What it was about is not there any more.
    Gone(Problem),
    /// Our credentials do not work; nothing will until somebody repairs them.
    Unauthorized(Problem),
}

impl Failure {
    #[must_use]
    pub const fn problem(&self) -> &Problem {
        match self {
            Self::Transient { problem, .. }
            | Self::Ambiguous(problem)
            | Self::Refused(problem)
            | Self::Gone(problem)
            | Self::Unauthorized(problem) => problem,
        }
    }
}

/// What went wrong, as a platform puts it. `code` is safe to log; `detail` is text from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The platform's own code, lower case with underscores: `insufficient_credits`, `not_in_channel`.
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Where a person can repair it (GitHub authorisation, an integration's set-up).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Problem {
    pub fn new(code: impl Into<String>) -> Self {
        Self { code: code.into(), detail: None, url: None }
    }

    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}
