//! How statements are written: once, with the few words in which SQLite and PostgreSQL differ.
//!
//! Each file of this folder names its statements with [`statements!`], which also lists them, so
//! that [`super::Store::check_statements`] can have the database prepare every one of them.
//!
//! Columns are TEXT, BIGINT and BOOLEAN only. JSON is TEXT on both: nothing is searched inside it,
//! and PostgreSQL's JSONB refuses `\u0000`, which a chat message may hold. A list of rows, whose texts
//! are [`clean`], is JSONB there on its way in: JSON would be read once for each column of a row.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use sqlx::{
    Postgres, Row as _, Sqlite,
    postgres::{PgArguments, PgRow},
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{Result, StoreError};
use crate::{
    ids::{DeliveryId, EventId, InputId, OrchestrationId, RunId},
    time::Timestamp,
};

/// One statement in the words of both databases.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    /// For errors: `baton::storage::outbox CLAIM`.
    pub name: &'static str,
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

/// `NAME = "text" word "text";` makes a constant of each statement, and `STATEMENTS` of all. A
/// word stands for a difference in [`word!`].
macro_rules! statements {
    ($($name:ident = $first:literal $($word:ident $($more:literal)?)*;)+) => {
        $(const $name: $crate::storage::sql::Sql = $crate::storage::sql::Sql {
            name: concat!(module_path!(), " ", stringify!($name)),
            sqlite: concat!($first $(, $crate::storage::sql::word!(sqlite, $word) $(, $more)?)*),
            postgres: concat!($first $(, $crate::storage::sql::word!(postgres, $word) $(, $more)?)*),
        };)+
        pub(super) const STATEMENTS: &[$crate::storage::sql::Sql] = &[$($name),+];
    };
}

/// The differences. SQLite has one writer at a time, so it needs no locks on rows.
///
/// Whoever decides locks an orchestration first, and rows that belong to it after that. The lock lets
/// references to the orchestration be checked meanwhile: PostgreSQL checks them at the commit of
/// whoever changed such a row twice, and that one may have what the other waits for.
macro_rules! word {
    (sqlite, for_update) => {
        ""
    };
    // Not against whoever only refers to the row, as a claim does when it commits: that would wait for
    // us, and we for what it has claimed.
    (postgres, for_update) => {
        " FOR NO KEY UPDATE"
    };
    (sqlite, skip_locked) => {
        ""
    };
    (postgres, skip_locked) => {
        " FOR NO KEY UPDATE SKIP LOCKED"
    };
    // Takes the lane for the rest of the transaction, unless another transaction has it.
    (sqlite, lane_is_ours) => {
        "TRUE"
    };
    (postgres, lane_is_ours) => {
        "pg_try_advisory_xact_lock(hashtextextended(lane, 7300))"
    };
    // One after the other, over all replicas.
    (sqlite, our_turn_to_claim) => {
        "1"
    };
    (postgres, our_turn_to_claim) => {
        "pg_advisory_xact_lock(7301)"
    };
    // One after the other on a policy.
    (sqlite, turn_on_policy) => {
        "1"
    };
    (postgres, turn_on_policy) => {
        "pg_advisory_xact_lock(hashtextextended(CAST($1 AS TEXT), 7302))"
    };
    // The rows of a JSON array of arrays, in their order: `value ->> 0` is the first column, as text in
    // PostgreSQL.
    (sqlite, items_1) => {
        "json_each($1) AS item WHERE TRUE ORDER BY item.key"
    };
    (postgres, items_1) => {
        "jsonb_array_elements(CAST($1 AS JSONB)) WITH ORDINALITY AS item (value, key) ORDER BY item.key"
    };
    // The same rows, in any order.
    (sqlite, each_1) => {
        "json_each($1) AS item"
    };
    (postgres, each_1) => {
        "jsonb_array_elements(CAST($1 AS JSONB)) AS item (value)"
    };
    (sqlite, among_1) => {
        " IN (SELECT value FROM json_each($1))"
    };
    (postgres, among_1) => {
        " = ANY($1)"
    };
    (sqlite, among_3) => {
        " IN (SELECT value FROM json_each($3))"
    };
    (postgres, among_3) => {
        " = ANY($3)"
    };
    (sqlite, among_5) => {
        " IN (SELECT value FROM json_each($5))"
    };
    (postgres, among_5) => {
        " = ANY($5)"
    };
    (sqlite, migrations_table) => {
        "sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'"
    };
    (postgres, migrations_table) => {
        "pg_class WHERE oid = to_regclass('_sqlx_migrations')"
    };
}

/// The values of `$1`, `$2`, …
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::storage::sql::Arg::from($value)),*] };
}

pub(super) use {args, statements, word};

/// A value for a statement.
#[derive(Clone, Debug)]
pub(super) enum Arg<'a> {
    Int(Option<i64>),
    Bool(bool),
    Text(Option<Cow<'a, str>>),
    Bytes(Vec<u8>),
    /// An array in PostgreSQL, a JSON array in SQLite.
    Texts(Vec<Cow<'a, str>>),
    /// Likewise.
    Ints(Vec<i64>),
}

impl Serialize for Arg<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Int(value) => value.serialize(to),
            Self::Bool(value) => value.serialize(to),
            Self::Text(text) => text.serialize(to),
            Self::Bytes(bytes) => bytes.serialize(to),
            Self::Texts(texts) => texts.serialize(to),
            Self::Ints(values) => values.serialize(to),
        }
    }
}

/// What stands for `items_1`. Texts in it are [`clean`].
pub(super) fn items(rows: &[impl Serialize]) -> Result<Arg<'static>> {
    let json = serde_json::to_string(rows).map_err(|error| StoreError::unreadable("rows to be added", &error))?;
    Ok(Arg::Text(Some(json.into())))
}

/// PostgreSQL's TEXT holds no NUL, and no word of ours needs one; both databases get the same.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(clean(text)))
    }
}

impl<'a> From<&'a String> for Arg<'a> {
    fn from(text: &'a String) -> Self {
        Self::from(text.as_str())
    }
}

impl<'a> From<Option<&'a str>> for Arg<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text.map(clean))
    }
}

impl<'a> From<&'a [String]> for Arg<'a> {
    fn from(texts: &'a [String]) -> Self {
        Self::Texts(texts.iter().map(|text| clean(text)).collect())
    }
}

impl From<&[i64]> for Arg<'_> {
    fn from(values: &[i64]) -> Self {
        Self::Ints(values.to_vec())
    }
}

impl From<bool> for Arg<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Arg<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<u32> for Arg<'_> {
    fn from(value: u32) -> Self {
        Self::Int(Some(value.into()))
    }
}

impl From<Timestamp> for Arg<'_> {
    fn from(at: Timestamp) -> Self {
        Self::Int(Some(at.as_millis()))
    }
}

impl From<Option<Timestamp>> for Arg<'_> {
    fn from(at: Option<Timestamp>) -> Self {
        Self::Int(at.map(Timestamp::as_millis))
    }
}

/// A row of either database.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(super) fn get<T: Column>(&self, name: &'static str) -> Result<T> {
        T::read(self, name)
    }
}

/// What a column can be read as.
pub(super) trait Column: Sized {
    fn read(row: &Row, name: &'static str) -> Result<Self>;
}

macro_rules! native_columns {
    ($($type:ty),+) => {$(impl Column for $type {
        fn read(row: &Row, name: &'static str) -> Result<Self> {
            Ok(match row {
                Row::Sqlite(row) => row.try_get(name)?,
                Row::Postgres(row) => row.try_get(name)?,
            })
        }
    })+};
}
native_columns!(i64, Option<i64>, bool, String, Option<String>);

impl Column for u32 {
    fn read(row: &Row, name: &'static str) -> Result<Self> {
        Ok(Self::try_from(i64::read(row, name)?).unwrap_or_default())
    }
}

impl Column for u64 {
    fn read(row: &Row, name: &'static str) -> Result<Self> {
        Ok(Self::try_from(i64::read(row, name)?).unwrap_or_default())
    }
}

impl Column for Timestamp {
    fn read(row: &Row, name: &'static str) -> Result<Self> {
        i64::read(row, name).map(Self::from_millis)
    }
}

impl Column for Option<Timestamp> {
    fn read(row: &Row, name: &'static str) -> Result<Self> {
        Ok(Option::<i64>::read(row, name)?.map(Timestamp::from_millis))
    }
}

macro_rules! id_columns {
    ($($id:ident),+) => {$(
        impl Column for $id {
            fn read(row: &Row, name: &'static str) -> Result<Self> {
                String::read(row, name).map(Self::new)
            }
        }

        impl<'a> From<&'a $id> for Arg<'a> {
            fn from(id: &'a $id) -> Self {
                Self::from(id.as_str())
            }
        }
    )+};
}
id_columns!(DeliveryId, EventId, InputId, OrchestrationId, RunId);

impl Column for Option<DeliveryId> {
    fn read(row: &Row, name: &'static str) -> Result<Self> {
        Ok(Option::<String>::read(row, name)?.map(DeliveryId::new))
    }
}

impl Column for Option<OrchestrationId> {
    fn read(row: &Row, name: &'static str) -> Result<Self> {
        Ok(Option::<String>::read(row, name)?.map(OrchestrationId::new))
    }
}

pub(super) fn for_sqlite(sql: Sql, args: &[Arg<'_>]) -> Query<'static, Sqlite, SqliteArguments> {
    let mut query = sqlx::query(sql.sqlite);
    for arg in args {
        query = match arg {
            Arg::Int(value) => query.bind(*value),
            Arg::Bool(value) => query.bind(*value),
            Arg::Text(text) => query.bind(text.as_deref()),
            Arg::Bytes(bytes) => query.bind(bytes.as_slice()),
            Arg::Texts(texts) => query.bind(serde_json::json!(texts).to_string()),
            Arg::Ints(values) => query.bind(serde_json::json!(values).to_string()),
        };
    }
    query
}

pub(super) fn for_postgres(sql: Sql, args: &[Arg<'_>]) -> Query<'static, Postgres, PgArguments> {
    let mut query = sqlx::query(sql.postgres);
    for arg in args {
        query = match arg {
            Arg::Int(value) => query.bind(*value),
            Arg::Bool(value) => query.bind(*value),
            Arg::Text(text) => query.bind(text.as_deref()),
            Arg::Bytes(bytes) => query.bind(bytes.as_slice()),
            Arg::Texts(texts) => query.bind(texts.as_slice()),
            Arg::Ints(values) => query.bind(values.as_slice()),
        };
    }
    query
}
