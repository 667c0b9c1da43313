//! SQL lives here and nowhere else.
pub mod ingest;
