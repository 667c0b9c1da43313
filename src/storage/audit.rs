//! The audit log: an append-only chain in which each row holds the hash of the row before, so that
//! an altered, removed or moved row is found by anyone who reads it.
//!
//! A transaction gathers its rows and adds them as its last act ([`Tx::commit`]): whoever adds holds
//! the end of the chain, and must wait for nothing else while it does.

use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    Result, Store, Tx,
    sql::{Row, args, clean, items, statements},
};
use crate::{
    ids::{InputId, OrchestrationId},
    time::Timestamp,
};

statements! {
    HEAD = "SELECT seq, hash FROM audit_head WHERE one = 1" for_update;
    ADVANCE = "UPDATE audit_head SET seq = $1, hash = $2 WHERE one = 1";
    ADD = "INSERT INTO audit (seq, at_ms, orchestration_id, input, kind, actor, place, version, digest, detail,
            previous, hash)
        SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT), value ->> 2, value ->> 3, value ->> 4,
               value ->> 5, value ->> 6, CAST(value ->> 7 AS BIGINT), value ->> 8, value ->> 9, value ->> 10,
               value ->> 11
        FROM " items_1;
    END = "SELECT seq, hash FROM audit_head WHERE one = 1";
    AFTER = "SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
    NEWEST = "SELECT * FROM audit WHERE seq < $1 ORDER BY seq DESC LIMIT $2";
    ABOUT = "SELECT * FROM audit WHERE orchestration_id = $1 ORDER BY seq";
}

/// Where the rules that are in force are kept.
const SETTINGS: &str = "settings.rules";
/// Rows that are read at once.
const PAGE: u32 = 500;

/// A row to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    pub at: Timestamp,
    pub orchestration: Option<OrchestrationId>,
    pub input: InputId,
    pub kind: &'static str,
    /// The handle of who did it, if a person.
    pub actor: Option<String>,
    /// The conversation that it was done in.
    pub place: Option<String>,
    pub version: Option<u32>,
    pub digest: Option<String>,
    pub detail: String,
}

/// A row as it stands in the log, and as `baton audit export` writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub seq: u64,
    pub at_ms: i64,
    pub orchestration: Option<String>,
    pub input: String,
    pub kind: String,
    pub actor: Option<String>,
    pub place: Option<String>,
    pub version: Option<u32>,
    pub digest: Option<String>,
    pub detail: String,
    pub previous: String,
    pub hash: String,
}

/// What is wrong with the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The row does not hold what was hashed.
    Altered { seq: u64 },
    /// The row does not follow the one before it: one was removed, added or moved here.
    Broken { seq: u64 },
    /// The log ends before its end.
    CutOff { last: u64, expected: u64 },
}

/// Adds what the transaction gathered.
pub(super) async fn append(tx: &mut Tx, entries: Vec<NewEntry>) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let (mut seq, mut previous) = match tx.row(HEAD, args![]).await? {
        Some(row) => end(&row)?,
        None => (0, nothing()),
    };
    let mut added = Vec::with_capacity(entries.len());
    for entry in entries {
        seq += 1;
        let NewEntry { at, orchestration, input, kind, actor, place, version, digest, detail } = entry;
        let mut entry = Entry {
            seq,
            at_ms: at.as_millis(),
            orchestration: orchestration.map(|id| id.to_string()),
            input: kept(input.as_str()),
            kind: kind.to_owned(),
            actor: actor.as_deref().map(kept),
            place: place.as_deref().map(kept),
            version,
            digest,
            detail: kept(&detail),
            previous: std::mem::take(&mut previous),
            hash: String::new(),
        };
        entry.hash = entry.hashed();
        previous.clone_from(&entry.hash);
        added.push(entry);
    }
    let rows: Vec<_> = added.iter().map(columns).collect();
    tx.run(ADD, &[items(&rows)?]).await?;
    tx.run(ADVANCE, args![i64::try_from(seq).unwrap_or(i64::MAX), previous.as_str()]).await.map(drop)
}

/// Rows after the one with number `after`, oldest first; none at the end.
pub async fn after(store: &Store, after: u64) -> Result<Vec<Entry>> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    store.rows(AFTER, args![after, PAGE]).await?.iter().map(entry).collect()
}

/// The newest `limit` rows before the one with number `before`, newest first.
pub async fn newest(store: &Store, before: Option<u64>, limit: u32) -> Result<Vec<Entry>> {
    let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
    store.rows(NEWEST, args![before, limit]).await?.iter().map(entry).collect()
}

/// Every row about an orchestration, oldest first.
pub async fn about(store: &Store, orchestration: &OrchestrationId) -> Result<Vec<Entry>> {
    store.rows(ABOUT, args![orchestration]).await?.iter().map(entry).collect()
}

/// Notes that another set of rules is in force, if it is: `rules` is their hash. False when it is the
/// one that was in force before.
pub async fn note_settings(store: &Store, rules: &str, now: Timestamp) -> Result<bool> {
    let mut tx = store.begin("note the settings").await?;
    let before = super::kept::get_in(&mut tx, SETTINGS).await?;
    if before.as_deref() == Some(rules) {
        tx.rollback().await?;
        return Ok(false);
    }
    super::kept::put(&mut tx, SETTINGS, rules, now).await?;
    tx.audit(NewEntry {
        at: now,
        orchestration: None,
        input: InputId::new(format!("settings:{rules}")),
        kind: "settings_changed",
        actor: None,
        place: None,
        version: None,
        digest: None,
        detail: format!("routes and policies {rules}, before {}", before.as_deref().unwrap_or("none")),
    });
    tx.commit().await?;
    Ok(true)
}

/// Reads the whole chain: how many rows there are, and the first fault.
pub async fn verify(store: &Store) -> Result<(u64, Option<Fault>)> {
    // What is added meanwhile is not missing.
    let (expected, hash) = store.row(END, args![]).await?.map_or_else(|| Ok((0, nothing())), |row| end(&row))?;
    let (mut last, mut previous) = (0, nothing());
    'pages: loop {
        let page = after(store, last).await?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            if entry.seq != last + 1 || entry.previous != previous {
                return Ok((last, Some(Fault::Broken { seq: entry.seq })));
            }
            if entry.hash != entry.hashed() {
                return Ok((last, Some(Fault::Altered { seq: entry.seq })));
            }
            (last, previous) = (entry.seq, entry.hash);
            if last == expected {
                break 'pages;
            }
        }
    }
    let fault = (last != expected || previous != hash).then_some(Fault::CutOff { last, expected });
    Ok((last, fault))
}

impl Entry {
    /// SHA-256 over the row as JSON with sorted keys (RFC 8785: it holds strings, whole numbers and
    /// nulls only), its own hash left out.
    #[must_use]
    pub fn hashed(&self) -> String {
        let mut row = json!(self);
        if let Some(row) = row.as_object_mut() {
            row.remove("hash");
        }
        hex::encode(Sha256::digest(row.to_string()))
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Altered { seq } => write!(f, "row {seq} does not hold what was written"),
            Self::Broken { seq } => write!(f, "row {seq} does not follow the row before it"),
            Self::CutOff { last, expected } => write!(f, "the log ends at row {last}, and {expected} were written"),
        }
    }
}

/// As the database keeps it: nothing else can be hashed.
fn kept(text: &str) -> String {
    clean(text).into_owned()
}

fn nothing() -> String {
    "0".repeat(64)
}

fn end(row: &Row) -> Result<(u64, String)> {
    Ok((row.get("seq")?, row.get("hash")?))
}

/// The columns of a row.
fn columns(entry: &Entry) -> impl Serialize {
    let Entry { seq, at_ms, orchestration, input, kind, actor, place, version, digest, detail, previous, hash } = entry;
    (seq, at_ms, orchestration, input, kind, actor, place, version, digest, detail, previous, hash)
}

fn entry(row: &Row) -> Result<Entry> {
    Ok(Entry {
        seq: row.get("seq")?,
        at_ms: row.get("at_ms")?,
        orchestration: row.get("orchestration_id")?,
        input: row.get("input")?,
        kind: row.get("kind")?,
        actor: row.get("actor")?,
        place: row.get("place")?,
        version: row.get::<Option<i64>>("version")?.and_then(|version| u32::try_from(version).ok()),
        digest: row.get("digest")?,
        detail: row.get("detail")?,
        previous: row.get("previous")?,
        hash: row.get("hash")?,
    })
}
