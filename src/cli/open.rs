//! Opens the store for a command.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::Failed;
use crate::{
    config::{self, Settings},
    storage::{Schema, Store},
};

/// A command does one thing after the other.
pub(super) const CONNECTIONS: u32 = 2;

/// The store as it is; a SQLite file is made when there is none.
pub(super) async fn store(settings: &Settings) -> Result<Store, Failed> {
    Ok(Store::open(settings.storage.url.expose_secret(), CONNECTIONS).await?)
}

/// The store of a service that has been at work, for commands that look into it.
pub(super) async fn existing(config: Option<&Path>) -> Result<Store, Failed> {
    let settings = config::of_process(config)?;
    if let Some(path) = sqlite_file(settings.storage.url.expose_secret()).filter(|path| !path.exists()) {
        let path = std::path::absolute(&path).unwrap_or(path);
        return Err(Failed::new(format!(
            "there is no database at {}: set BATON_DATABASE_URL, or name the settings file with --config",
            path.display()
        )));
    }
    let store = store(&settings).await?;
    match store.check_schema().await? {
        Schema::Current => Ok(store),
        Schema::Behind => Err(Failed::new("the database's schema is older than this version: run `baton migrate`")),
        Schema::Newer => Err(Failed::new("the database's schema is newer than this version: use the newer `baton`")),
    }
}

/// The file of a SQLite address, which opening would otherwise make.
pub(super) fn sqlite_file(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    Some(path.split('?').next().unwrap_or(path).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_an_address() {
        for (url, path) in [
            ("sqlite://baton.db", Some("baton.db")),
            ("sqlite:///var/lib/baton.db?mode=rwc", Some("/var/lib/baton.db")),
            ("sqlite:baton.db", Some("baton.db")),
            ("postgres://u@h/d", None),
        ] {
            assert_eq!(sqlite_file(url), path.map(PathBuf::from), "{url}");
        }
    }
}
