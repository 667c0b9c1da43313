//! Orchestrations: the whole of each as JSON, and beside it the columns that lists search by.
//! [`load`] and [`save`] are two ends of the transaction that decides.

use serde::Serialize;

use super::{
    Result, Store, StoreError, Tx,
    sql::{Arg, Row, args, statements},
};
use crate::{
    domain::{
        actor::Platform,
        orchestration::{ChildState, Orchestration},
    },
    ids::OrchestrationId,
    time::Timestamp,
};

statements! {
    INSERT = "INSERT INTO orchestrations (id, doc, stage, ended, platform, workspace, place, place_key, task, asked_by,
                                          children, children_done, created_at_ms, updated_at_ms, policy)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        ON CONFLICT (id) DO NOTHING";
    // All of them new.
    INSERT_ALL = "INSERT INTO orchestrations (id, doc, stage, ended, platform, workspace, place, place_key, task,
                                              asked_by, children, children_done, created_at_ms, updated_at_ms, policy)
        SELECT value ->> 0, value ->> 1, value ->> 2, CAST(value ->> 3 AS BOOLEAN), value ->> 4, value ->> 5,
               value ->> 6, value ->> 7, value ->> 8, value ->> 9, CAST(value ->> 10 AS BIGINT),
               CAST(value ->> 11 AS BIGINT), CAST(value ->> 12 AS BIGINT), CAST(value ->> 13 AS BIGINT), value ->> 14
        FROM " items_1;
    SAVE = "UPDATE orchestrations
        SET doc = $2, stage = $3, ended = $4, platform = $5, workspace = $6, place = $7, place_key = $8, task = $9,
            asked_by = $10, children = $11, children_done = $12, created_at_ms = $13, updated_at_ms = $14,
            policy = $15, revision = revision + 1
        WHERE id = $1 AND revision = $16";
    LOAD = "SELECT doc, revision FROM orchestrations WHERE id = $1" for_update;
    READ = "SELECT doc FROM orchestrations WHERE id = $1";
    STAGE = "SELECT stage, ended FROM orchestrations WHERE id = $1";
    LIST = "SELECT id, stage, task, platform, workspace, place, asked_by, children, children_done, created_at_ms,
               updated_at_ms
        FROM orchestrations
        WHERE (CAST($1 AS TEXT) IS NULL OR workspace = $1) AND (CAST($2 AS TEXT) IS NULL OR place = $2)
          AND (NOT $3 OR NOT ended)
        ORDER BY created_at_ms DESC, id LIMIT $4";
    OPEN_IN = "SELECT id, stage, task, platform, workspace, place, asked_by, children, children_done, created_at_ms,
               updated_at_ms
        FROM orchestrations WHERE place_key = $1 AND NOT ended
        ORDER BY created_at_ms, id";
    ASKED_SINCE = "SELECT id FROM orchestrations WHERE created_at_ms >= $2 AND place_key = $1 LIMIT 1";
    OPEN_ON = "SELECT COUNT(*) AS orchestrations FROM orchestrations WHERE policy = $1 AND NOT ended AND id <> $2";
    // A session's signs of life (the timer pulse) move nothing.
    IDLE = "SELECT id FROM orchestrations
        WHERE NOT ended AND stage <> 'deciding' AND updated_at_ms < $1 AND id > $2
          AND NOT EXISTS (SELECT 1 FROM outbox AS delivery
                          WHERE delivery.orchestration_id = orchestrations.id AND delivery.state = 'waiting')
          AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.orchestration_id = orchestrations.id AND runs.working)
          AND NOT EXISTS (SELECT 1 FROM timers
                          WHERE timers.orchestration_id = orchestrations.id AND timers.key <> 'pulse')
        ORDER BY id LIMIT $3";
    IS_IDLE = "SELECT id FROM orchestrations
        WHERE NOT ended AND stage <> 'deciding' AND id = $1
          AND NOT EXISTS (SELECT 1 FROM outbox AS delivery
                          WHERE delivery.orchestration_id = orchestrations.id AND delivery.state = 'waiting')
          AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.orchestration_id = orchestrations.id AND runs.working)
          AND NOT EXISTS (SELECT 1 FROM timers
                          WHERE timers.orchestration_id = orchestrations.id AND timers.key <> 'pulse')";
    OPEN_AT = "SELECT COUNT(*) AS orchestrations FROM orchestrations WHERE place_key = $1 AND NOT ended AND id <> $2";
    OPEN_IN_ALL = "SELECT COUNT(*) AS orchestrations FROM orchestrations WHERE NOT ended AND id <> $1";
    COUNTS_BY_STAGE = "SELECT stage, COUNT(*) AS orchestrations FROM orchestrations GROUP BY stage ORDER BY stage";
}

/// The task's first characters are enough for a list.
const TASK: usize = 200;

/// An orchestration that the transaction will [`save`].
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub orchestration: Orchestration,
    pub revision: i64,
}

/// Which orchestrations to list. What is None is not asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub workspace: Option<String>,
    pub place: Option<String>,
    pub open_only: bool,
    pub limit: u32,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub id: OrchestrationId,
    /// [`Orchestration::stage_word`].
    pub stage: String,
    /// The first 200 characters of what was asked.
    pub task: String,
    pub platform: Platform,
    pub workspace: String,
    pub place: String,
    /// The handle of who asked: `slack:U024BE7LH`.
    pub asked_by: String,
    pub children: u32,
    /// Of these, how many ended well.
    pub children_done: u32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// False when it is there already, and nothing was changed; a transaction that gathers
/// ([`Tx::gather_orchestrations`]) fails then.
pub async fn insert(tx: &mut Tx, orchestration: &Orchestration) -> Result<bool> {
    let doc = to_json(orchestration)?;
    let place_key = orchestration.conversation.place_key();
    let task = task(orchestration);
    let asked_by = orchestration.request.by.handle();
    let row = columns(orchestration, &doc, &place_key, &task, &asked_by);
    if tx.gathers_orchestrations() {
        tx.gather_orchestration(to_json(&row)?);
        return Ok(true);
    }
    Ok(tx.run(INSERT, &row).await? == 1)
}

/// Adds what the transaction gathered.
pub(super) async fn insert_all(tx: &mut Tx, rows: &[String]) -> Result<()> {
    let rows = format!("[{}]", rows.join(","));
    tx.execute(INSERT_ALL, args![&rows]).await.map(drop)
}

/// Nobody else can load it until the transaction ends.
pub async fn load(tx: &mut Tx, id: &OrchestrationId) -> Result<Option<Loaded>> {
    let Some(row) = tx.row(LOAD, args![id]).await? else { return Ok(None) };
    Ok(Some(Loaded { orchestration: from_json(&row)?, revision: row.get("revision")? }))
}

/// False when it was saved by somebody else since it had `revision`; nothing was changed then.
pub async fn save(tx: &mut Tx, orchestration: &Orchestration, revision: i64) -> Result<bool> {
    let doc = to_json(orchestration)?;
    let place_key = orchestration.conversation.place_key();
    let task = task(orchestration);
    let asked_by = orchestration.request.by.handle();
    let mut args = columns(orchestration, &doc, &place_key, &task, &asked_by);
    args.push(revision.into());
    Ok(tx.run(SAVE, &args).await? == 1)
}

pub async fn read(store: &Store, id: &OrchestrationId) -> Result<Option<Orchestration>> {
    store.row(READ, args![id]).await?.as_ref().map(from_json).transpose()
}

/// [`Orchestration::stage_word`] as it stands, and whether it has ended, for who only looks.
pub async fn stage(tx: &mut Tx, id: &OrchestrationId) -> Result<Option<(String, bool)>> {
    let row = tx.row(STAGE, args![id]).await?;
    row.map(|row| Ok((row.get("stage")?, row.get("ended")?))).transpose()
}

/// The newest first.
pub async fn list(store: &Store, filter: &Filter) -> Result<Vec<Summary>> {
    let args = args![filter.workspace.as_deref(), filter.place.as_deref(), filter.open_only, filter.limit];
    store.rows(LIST, args).await?.iter().map(summary).collect()
}

/// Those of a place that have not ended, the oldest first.
pub async fn open_in(tx: &mut Tx, place_key: &str) -> Result<Vec<Summary>> {
    tx.rows(OPEN_IN, args![place_key]).await?.iter().map(summary).collect()
}

/// Whether anything was asked for in a place since `since`, ended or not.
pub async fn asked_since(tx: &mut Tx, place_key: &str, since: Timestamp) -> Result<bool> {
    Ok(tx.row(ASKED_SINCE, args![place_key, since]).await?.is_some())
}

/// How many on a policy have not ended, beside `but`.
pub async fn open_on(tx: &mut Tx, policy: &str, but: &OrchestrationId) -> Result<u32> {
    tx.row(OPEN_ON, args![policy, but]).await.and_then(number)
}

/// How many in a place have not ended, beside `but`.
pub async fn open_at(tx: &mut Tx, place_key: &str, but: &OrchestrationId) -> Result<u32> {
    tx.row(OPEN_AT, args![place_key, but]).await.and_then(number)
}

/// How many have not ended, beside `but`.
pub async fn open_in_all(tx: &mut Tx, but: &OrchestrationId) -> Result<u32> {
    tx.row(OPEN_IN_ALL, args![but]).await.and_then(number)
}

/// Those after `after` that have not ended, have not changed since `before`, and have neither a delivery
/// under way, nor a run being followed, nor a timer: they wait for a person, or hang. By id.
pub async fn idle(
    store: &Store,
    before: Timestamp,
    after: &OrchestrationId,
    limit: u32,
) -> Result<Vec<OrchestrationId>> {
    store.rows(IDLE, args![before, after, limit]).await?.iter().map(|row| row.get("id")).collect()
}

/// As [`idle`], of one orchestration, in the transaction that has just changed it.
pub async fn is_idle(tx: &mut Tx, id: &OrchestrationId) -> Result<bool> {
    tx.write_deliveries().await?;
    Ok(tx.row(IS_IDLE, args![id]).await?.is_some())
}

pub async fn counts_by_stage(store: &Store) -> Result<Vec<(String, u64)>> {
    let rows = store.rows(COUNTS_BY_STAGE, args![]).await?;
    rows.iter().map(|row| Ok((row.get("stage")?, row.get("orchestrations")?))).collect()
}

fn number(row: Option<Row>) -> Result<u32> {
    row.map_or(Ok(0), |row| row.get("orchestrations"))
}

fn columns<'a>(
    orchestration: &'a Orchestration,
    doc: &'a str,
    place_key: &'a str,
    task: &'a str,
    asked_by: &'a str,
) -> Vec<Arg<'a>> {
    let done = orchestration.children.iter().filter(|child| matches!(child.state, ChildState::Done { .. })).count();
    let conversation = &orchestration.conversation;
    args![
        &orchestration.id,
        doc,
        orchestration.stage_word(),
        orchestration.is_ended(),
        conversation.platform.as_str(),
        &conversation.workspace,
        &conversation.place,
        place_key,
        task,
        asked_by,
        count(orchestration.children.len()),
        count(done),
        orchestration.created_at,
        orchestration.updated_at,
        &orchestration.policy.name,
    ]
    .to_vec()
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn task(orchestration: &Orchestration) -> String {
    orchestration.request.ask.task.chars().take(TASK).collect()
}

fn to_json(orchestration: &impl Serialize) -> Result<String> {
    serde_json::to_string(orchestration).map_err(|error| StoreError::unreadable("an orchestration", &error))
}

fn from_json(row: &Row) -> Result<Orchestration> {
    let doc: String = row.get("doc")?;
    serde_json::from_str(&doc).map_err(|error| StoreError::unreadable("an orchestration", &error))
}

fn summary(row: &Row) -> Result<Summary> {
    let platform = match row.get::<String>("platform")?.as_str() {
        "slack" => Platform::Slack,
        "linear" => Platform::Linear,
        _ => return Err(StoreError::UnknownWord { what: "an orchestration's platform" }),
    };
    Ok(Summary {
        id: row.get("id")?,
        stage: row.get("stage")?,
        task: row.get("task")?,
        platform,
        workspace: row.get("workspace")?,
        place: row.get("place")?,
        asked_by: row.get("asked_by")?,
        children: row.get("children")?,
        children_done: row.get("children_done")?,
        created_at: row.get("created_at_ms")?,
        updated_at: row.get("updated_at_ms")?,
    })
}
