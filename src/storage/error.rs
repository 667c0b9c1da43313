//! What can go wrong in the store, and whether trying again may help. None of it names a value of a
//! row, so all of it may be logged.

use sqlx::error::DatabaseError;

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database's address cannot be used; the sentence says why.
    #[error("{0}")]
    Address(&'static str),
    #[error("the database has schema {found}, and this version of Baton knows {known}: run a newer version")]
    NewerSchema { found: i64, known: i64 },
    #[error("the schema could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("another Baton serves from this database file; PostgreSQL is for several")]
    InUse,
    /// A row holds what this version cannot read.
    #[error("{what} could not be read (line {line}, column {column} of its JSON)")]
    Unreadable { what: &'static str, line: usize, column: usize },
    /// A column holds a word that is not one of ours.
    #[error("{what} holds an unknown word")]
    UnknownWord { what: &'static str },
    #[error("statement {name}: {cause}")]
    Statement { name: &'static str, cause: sqlx::Error },
    #[error("the database did not answer in time")]
    Slow,
    /// Another transaction, at the same time, took what this one was to have.
    #[error("another one was first")]
    Overtaken,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl StoreError {
    /// The same transaction may succeed when it is run again: the database was busy, took another
    /// transaction first, could not be reached or could not write.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Slow | Self::Overtaken => true,
            Self::Database(error) | Self::Statement { cause: error, .. } => match error {
                // A connection that breaks off in the middle of an answer is told as a breach of protocol.
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::BeginFailed
                | sqlx::Error::WorkerCrashed => true,
                sqlx::Error::Database(error) => passes(error.as_ref()),
                _ => false,
            },
            Self::Address(_)
            | Self::NewerSchema { .. }
            | Self::Migration(_)
            | Self::InUse
            | Self::Unreadable { .. }
            | Self::UnknownWord { .. } => false,
        }
    }

    /// What was to be added is there already.
    pub(super) fn is_conflict(&self) -> bool {
        match self {
            Self::Database(error) | Self::Statement { cause: error, .. } => {
                error.as_database_error().is_some_and(DatabaseError::is_unique_violation)
            }
            _ => false,
        }
    }

    /// Says where the JSON of `what` is wrong, without quoting it.
    pub(super) fn unreadable(what: &'static str, error: &serde_json::Error) -> Self {
        Self::Unreadable { what, line: error.line(), column: error.column() }
    }
}

/// <https://sqlite.org/rescode.html> and <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn passes(error: &(dyn DatabaseError + 'static)) -> bool {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        // The low byte is the kind: BUSY, LOCKED; READONLY, IOERR, FULL, CANTOPEN, which an operator
        // mends (a full disk, a file's rights).
        return code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14));
    }
    // Connection, rollback (serialization, deadlock), resources, lock not available, cancelled or
    // shutting down, idle in transaction, read-only after a failover; and what only connecting meets:
    // a database that takes no connections, is being restored, or has other credentials for now.
    ["08", "40", "53", "55P03", "57", "25P03", "25006", "55000", "3D000", "28"]
        .iter()
        .any(|class| code.starts_with(class))
}
