//! The documents that we send, each in a file of its own. `schema.rs` checks them against Linear's
//! schema where that is at hand.

/// A GraphQL document with one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document {
    /// The operation's.
    pub name: &'static str,
    pub text: &'static str,
}

macro_rules! documents {
    ($($constant:ident = $name:literal in $file:literal;)+) => {
        $(pub const $constant: Document =
            Document { name: $name, text: include_str!(concat!("queries/", $file, ".graphql")) };)+

        pub const ALL: &[Document] = &[$($constant),+];
    };
}

documents! {
    VIEWER = "Viewer" in "viewer";
    MEMBER = "Member" in "member";
    SAY = "Say" in "say";
    OPEN_SESSION = "OpenSession" in "open_session";
    OPEN_SESSION_WITH_CARD = "OpenSessionWithCard" in "open_session_with_card";
    UPDATE_SESSION = "UpdateSession" in "update_session";
    UPDATE_SESSION_WITH_CARD = "UpdateSessionWithCard" in "update_session_with_card";
    CREATE_SESSION = "CreateSession" in "create_session";
    NEWEST_SESSIONS = "NewestSessions" in "newest_sessions";
    CREATE_COMMENT = "CreateComment" in "create_comment";
    EDIT_COMMENT = "EditComment" in "edit_comment";
    REACT = "React" in "react";
    ATTACH = "Attach" in "attach";
    UPLOAD = "Upload" in "upload";
    ISSUE = "Issue" in "issue";
    TAKE_UP = "TakeUp" in "take_up";
    ACTIVITY = "Activity" in "activity";
    COMMENT = "Comment" in "comment";
    SESSION_THREAD = "SessionThread" in "session_thread";
    COMMENT_THREAD = "CommentThread" in "comment_thread";
    SESSIONS = "Sessions" in "sessions";
    PROMPTS = "Prompts" in "prompts";
}
