//! `baton migrate`: brings the schema up to date, ahead of `baton serve --no-migrate`.

use std::path::Path;

use super::{Answer, Failed, Outcome, block_on, open};
use crate::{config, storage::Schema};

pub(super) fn run(config: Option<&Path>) -> Outcome {
    let settings = config::of_process(config)?;
    block_on(async {
        let store = open::store(&settings).await?;
        let before = store.check_schema().await?;
        store.migrate().await?;
        store.close().await;
        Ok::<_, Failed>(Answer::new(match before {
            Schema::Current => "The schema is up to date.\n".into(),
            Schema::Behind | Schema::Newer => "The schema has been brought up to date.\n".into(),
        }))
    })
}
