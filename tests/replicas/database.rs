//! What stands in the database that all replicas share, read past them.

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _,
    postgres::{PgConnectOptions, PgConnection},
};

/// A database of our own on the server.
pub struct Database {
    server: String,
    name: String,
    pub url: String,
}

/// A delivery of those that are said or made in a lane, in the order in which they were decided.
#[derive(Debug)]
pub struct Delivered {
    pub id: String,
    pub lane: String,
}

impl Database {
    pub async fn new(server: &str) -> Self {
        let name = format!("baton_replicas_{}", uuid::Uuid::new_v4().simple());
        let mut url: url::Url = server.parse().unwrap();
        url.set_path(&name);
        run(server, &format!("CREATE DATABASE {name}")).await;
        Self { server: server.to_owned(), name, url: url.into() }
    }

    pub async fn drop(self) {
        run(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }

    /// As an operator's migration does.
    pub async fn alter(&self, sql: &str) {
        run(&self.url, sql).await;
    }

    /// What was posted, lane after lane.
    pub async fn posts(&self) -> Vec<Delivered> {
        let sql =
            "SELECT id, lane FROM outbox WHERE kind IN ('post_board', 'say') AND state = 'done' ORDER BY lane, seq";
        let rows = self.connect().await.fetch_all(sql).await.unwrap();
        rows.iter().map(|row| Delivered { id: row.get("id"), lane: row.get("lane") }).collect()
    }

    /// Deliveries and events that have not come to an end, or to a bad one.
    pub async fn left_over(&self) -> Vec<String> {
        let sql = "SELECT 'delivery ' || kind || ' ' || state || ' ' || COALESCE(problem, '') AS what
            FROM outbox WHERE state <> 'done'
            UNION ALL SELECT 'event ' || kind || ' ' || state FROM inbox WHERE state <> 'done'
            UNION ALL SELECT 'orchestration ' || id || ' ' || stage FROM orchestrations WHERE NOT ended";
        let rows = self.connect().await.fetch_all(sql).await.unwrap();
        rows.iter().map(|row| row.get("what")).collect()
    }

    /// The deliveries that somebody has in hand.
    pub async fn in_hand(&self) -> Vec<String> {
        let sql = "SELECT id FROM outbox WHERE state = 'waiting' AND lease_token IS NOT NULL ORDER BY seq";
        let rows = self.connect().await.fetch_all(sql).await.unwrap();
        rows.iter().map(|row| row.get("id")).collect()
    }

    /// Those of the deliveries that are done, whole rows as text.
    pub async fn done(&self, ids: &[String]) -> Vec<String> {
        let sql =
            "SELECT row_to_json(outbox)::text AS row FROM outbox WHERE id = ANY($1) AND state = 'done' ORDER BY seq";
        let rows = sqlx::query(sql).bind(ids).fetch_all(&mut self.connect().await).await.unwrap();
        rows.iter().map(|row| row.get("row")).collect()
    }

    pub async fn schema(&self) -> i64 {
        let sql = "SELECT MAX(version) AS version FROM _sqlx_migrations";
        self.connect().await.fetch_one(sql).await.unwrap().get("version")
    }

    async fn connect(&self) -> PgConnection {
        self.url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
    }
}

async fn run(url: &str, sql: &str) {
    let mut connection = url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    connection.close().await.unwrap();
}
