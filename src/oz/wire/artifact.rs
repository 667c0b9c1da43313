//! What runs made.

use serde::Deserialize;

use crate::{
    domain::artifact::Artifact,
    oz::{
        lenient::{Number, Part, Text},
        links,
    },
    time::Timestamp,
};

/// An element of `artifacts`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Item {
    artifact_type: Text,
    created_at: Text,
    data: Part<Data>,
}

/// The data of any sort of artifact, in a run's list or fetched by itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Data {
    artifact_uid: Text,
    document_uid: Text,
    pub title: Text,
    description: Text,
    pub url: Text,
    branch: Text,
    mime_type: Text,
    filepath: Text,
    pub filename: Text,
    size_bytes: Number,
    reference_type: Text,
    pub content: Text,
    pub content_type: Text,
    pub download_url: Text,
}

/// `GET /agent/artifacts/{uid}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fetched {
    pub data: Part<Data>,
}

/// The newest last; what cannot be named or linked is left out.
pub fn newest_last(items: Vec<Item>) -> Vec<Artifact> {
    let mut items: Vec<_> = items
        .into_iter()
        .filter_map(|item| {
            let at = item.created_at.as_deref().and_then(Timestamp::parse_rfc3339);
            Some((at, item.data.0?.artifact(item.artifact_type.as_deref()?)?))
        })
        .collect();
    items.sort_by_key(|(at, _)| *at);
    items.into_iter().map(|(_, artifact)| artifact).collect()
}

impl Data {
    fn artifact(self, kind: &str) -> Option<Artifact> {
        let url = self.url.as_deref().and_then(links::shown);
        Some(match kind {
            // Until it has been synced a plan has neither artifact id nor address.
            "PLAN" => Artifact::Plan {
                document: self.document_uid.0.or_else(|| self.artifact_uid.0.clone())?,
                artifact: self.artifact_uid.0,
                title: self.title.0,
                url,
            },
            "PULL_REQUEST" => Artifact::PullRequest { url: url?, branch: self.branch.0.unwrap_or_default() },
            "SCREENSHOT" => Artifact::Screenshot {
                artifact: self.artifact_uid.0?,
                mime_type: self.mime_type.0.unwrap_or_else(|| "image/png".into()),
                description: self.description.0,
            },
            "FILE" => Artifact::File {
                filename: self.filename.0.or_else(|| last_part(self.filepath.as_deref()?)).or(self.title.0)?,
                artifact: self.artifact_uid.0?,
                mime_type: self.mime_type.0.unwrap_or_else(|| "application/octet-stream".into()),
                description: self.description.0,
                size_bytes: self.size_bytes.0.and_then(whole),
            },
            "EXTERNAL_REFERENCE" => Artifact::Reference {
                kind: self.reference_type.0.unwrap_or_else(|| "reference".into()),
                url: url?,
                title: self.title.0,
            },
            _ => return None,
        })
    }
}

fn last_part(path: &str) -> Option<String> {
    path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is what is wanted")]
fn whole(number: f64) -> Option<u64> {
    (number >= 0.0).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oz::lenient::List;

    #[test]
    fn artifacts_come_newest_last_and_unknown_ones_not_at_all() {
        let items = json!([
            {"artifact_type": "EXTERNAL_REFERENCE", "created_at": "2026-08-01T10:00:09Z",
             "data": {"reference_type": "linear_issue", "url": "https://linear.app/x/ENG-1", "metadata": {"a": 1}}},
            {"artifact_type": "PLAN", "created_at": "2026-08-01T10:00:01Z", "data": {"document_uid": "d1", "title": "P"}},
            {"artifact_type": "PULL_REQUEST", "created_at": "2026-08-01T10:00:03Z",
             "data": {"url": "https://github.com/o/r/pull/1", "branch": null}},
            {"artifact_type": "PULL_REQUEST", "created_at": "2026-08-01T10:00:03Z", "data": {"url": "javascript:x"}},
            {"artifact_type": "SCREENSHOT", "created_at": "2026-08-01T10:00:04Z",
             "data": {"artifact_uid": "s1", "mime_type": "image/jpeg", "description": null}},
            {"artifact_type": "FILE", "created_at": "2026-08-01T10:00:05Z",
             "data": {"artifact_uid": "f1", "filepath": "out/report.csv", "mime_type": "text/csv", "size_bytes": "12"}},
            {"artifact_type": "HOLOGRAM", "created_at": "2026-08-01T10:00:06Z", "data": {"artifact_uid": "h1"}},
            {"artifact_type": null, "data": null}, null, 7,
        ]);
        let items: List<Item> = serde_json::from_value(items).expect("a list");
        let keys: Vec<_> = newest_last(items.0).iter().map(Artifact::key).collect();
        assert_eq!(
            keys,
            [
                "plan:d1",
                "pull_request:https://github.com/o/r/pull/1",
                "screenshot:s1",
                "file:f1",
                "reference:https://linear.app/x/ENG-1"
            ]
        );
    }
}
