//! One method for each thing that Baton wants of Oz. Each is one attempt: when to try again is for
//! the caller, by the [`Failure`] that comes back.
//!
//! Oz has no idempotency. A write whose answer was lost fails as [`Failure::Ambiguous`], and the
//! caller looks first: [`Oz::find_by_dispatch`] for a start, [`Oz::says`] for a follow-up; a cancel
//! may simply be repeated.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{
    conversation::Conversation,
    download::{self, Download},
    exchange::{self, Exchange},
    links,
    timeline::Timeline,
    trouble::Trouble,
    wire::{self, NewFollowUp, NewRun},
};
use crate::{
    domain::{
        artifact::Artifact,
        errand::Choices,
        failure::{Failure, Problem},
        run::{CancelAnswer, Mode, PlanDocument, Reading, RunReport, RunSpec, RunState},
    },
    ids::RunId,
    time::Timestamp,
};

/// Oz caps pages at this, whatever is asked for.
const PAGE: &str = "100";
/// More pages than this are not walked in one call.
const MOST_PAGES: usize = 10;
/// Oz's clock may be this much behind ours.
const CLOCK_SKEW: Duration = Duration::from_mins(10);

/// Oz, for one API key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Oz {
    exchange: Exchange,
}

/// One page of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub runs: Vec<RunReport>,
    /// The cursor of the next page, when there is one.
    pub next: Option<String>,
}

/// What became of a follow-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowUp {
    Taken,
    /// The run is working and takes nothing now; it had no effect.
    Held,
}

impl Oz {
    /// `base_url` includes the version: `https://app.warp.dev/api/v1`.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(base_url: Url, api_key: SecretString) -> Result<Self, reqwest::Error> {
        Ok(Self { exchange: Exchange::new(base_url, api_key)? })
    }

    /// Starts a run. Oz answers with little more than its id: the times are zero, and there is no
    /// session link yet.
    pub async fn create(&self, spec: &RunSpec) -> Result<RunReport, Failure> {
        let created: wire::RunItem =
            self.exchange.post(&["agent", "runs"], &NewRun::from(spec)).await.map_err(not_created)?;
        let report = created.report().ok_or_else(|| Trouble::unreadable().changing())?;
        Ok(RunReport {
            title: spec.title.clone(),
            parent: spec.parent.clone(),
            metadata: spec.metadata.clone(),
            ..report
        })
    }

    /// Looks for the run that an earlier attempt, begun at `since`, may have started.
    pub async fn find_by_dispatch(&self, spec: &RunSpec, since: Timestamp) -> Result<Option<RunReport>, Failure> {
        let Some(dispatch) = spec.metadata.get(wire::DISPATCH) else { return Ok(None) };
        // The children that an agent starts inherit the metadata; they are younger, so the run comes first.
        let by_metadata = format!("metadata[{}]", wire::DISPATCH);
        let filter = [(by_metadata.as_str(), dispatch.as_str()), ("sort_by", "created_at"), ("sort_order", "asc")];
        match self.page(&filter, None).await {
            Ok(page) if page.runs.iter().all(|run| dispatch_of(run) == Some(dispatch)) => {
                Ok(page.runs.into_iter().find(|run| run.parent == spec.parent))
            }
            // An Oz that does not know the filter ignores it, or refuses it.
            Ok(_) => self.find_by_name(spec, dispatch, since).await,
            Err(trouble) if matches!(trouble.status(), Some(400 | 403)) => {
                self.find_by_name(spec, dispatch, since).await
            }
            Err(trouble) => Err(trouble.reading()),
        }
    }

    /// Among Baton's runs since then: the one with this dispatch in its metadata or, where Oz tells
    /// no metadata, the newest with its title.
    async fn find_by_name(
        &self,
        spec: &RunSpec,
        dispatch: &str,
        since: Timestamp,
    ) -> Result<Option<RunReport>, Failure> {
        let since = (since - CLOCK_SKEW).to_rfc3339();
        let filter = [
            ("name", wire::CONFIG_NAME),
            ("created_after", since.as_str()),
            ("sort_by", "created_at"),
            ("sort_order", "desc"),
        ];
        let runs = self.pages(&filter).await.map_err(Trouble::reading)?;
        let is_it = |run: &RunReport| match dispatch_of(run) {
            Some(told) => told == dispatch,
            None => run.title == spec.title || run.title.contains(dispatch),
        };
        Ok(runs.into_iter().find(|run| run.parent == spec.parent && is_it(run)))
    }

    /// The state of one run.
    pub async fn get(&self, run: &RunId) -> Result<RunReport, Failure> {
        let item: wire::RunItem =
            self.exchange.get(&["agent", "runs", run.as_str()], &[]).await.map_err(Trouble::reading)?;
        item.report().ok_or_else(|| Trouble::unreadable().reading())
    }

    /// A page of the runs of this key that changed after `updated_after`, whoever started them.
    ///
    /// Pages are ordered by the time of creation, which does not change while they are walked;
    /// ordered by the last change, rows would move from page to page and be missed.
    pub async fn sweep(&self, updated_after: Timestamp, cursor: Option<&str>) -> Result<Page, Failure> {
        let after = updated_after.to_rfc3339();
        let filter = [("updated_after", after.as_str()), ("sort_by", "created_at"), ("sort_order", "asc")];
        self.page(&filter, cursor).await.map_err(Trouble::reading)
    }

    /// A page of the runs of this key that were created after `created_after`, whoever started them,
    /// the oldest first.
    pub async fn created(&self, created_after: Timestamp, cursor: Option<&str>) -> Result<Page, Failure> {
        let after = created_after.to_rfc3339();
        let filter = [("created_after", after.as_str()), ("sort_by", "created_at"), ("sort_order", "asc")];
        self.page(&filter, cursor).await.map_err(Trouble::reading)
    }

    /// The children of a run. Oz lists the run itself among them; it is left out.
    pub async fn children(&self, parent: &RunId) -> Result<Vec<RunReport>, Failure> {
        let filter = [("ancestor_run_id", parent.as_str()), ("sort_by", "created_at"), ("sort_order", "asc")];
        let mut runs = self.pages(&filter).await.map_err(Trouble::reading)?;
        runs.retain(|run| run.run != *parent);
        Ok(runs)
    }

    /// Tells a run something. At rest it goes on with it; whether a working run takes it depends on
    /// the version of Oz, and is told from its state when Oz refuses.
    pub async fn follow_up(&self, run: &RunId, text: &str, mode: Mode) -> Result<FollowUp, Failure> {
        let Err(trouble) = self.say(run, text, mode).await else { return Ok(FollowUp::Taken) };
        if !matches!(trouble.status(), Some(400 | 409)) {
            return Err(trouble.changing());
        }
        match self.get(run).await?.state {
            state if state.is_working() => Ok(FollowUp::Held),
            // A question stands in its session and has to be answered there.
            RunState::Blocked => Err(trouble.changing()),
            // It may have come to rest between the refusal and the look: a second refusal counts.
            _ => match self.say(run, text, mode).await {
                Ok(()) => Ok(FollowUp::Taken),
                Err(trouble) => Err(trouble.changing()),
            },
        }
    }

    /// Stops a run; its children go on. [`Failure::Transient`] while Oz is just preparing it.
    pub async fn cancel(&self, run: &RunId) -> Result<CancelAnswer, Failure> {
        let told = self.exchange.tell(&["agent", "runs", run.as_str(), "cancel"], None::<&()>).await;
        let Err(trouble) = told else { return Ok(CancelAnswer::Stopped) };
        match trouble.status() {
            Some(404 | 410) => Ok(CancelAnswer::Gone),
            Some(422) => Ok(CancelAnswer::OwnInfrastructure),
            // It is at rest, or the request is bad: its state tells.
            Some(400) => match self.get(run).await {
                // Mostly by us: the answer to the first request was lost.
                Ok(report) if report.state == RunState::Cancelled => Ok(CancelAnswer::WasStopped),
                Ok(report) if report.state.is_at_rest() => Ok(CancelAnswer::WasAtRest),
                Ok(_) => Err(again(trouble)),
                Err(Failure::Gone(_)) => Ok(CancelAnswer::Gone),
                Err(failure) => Err(failure),
            },
            _ => Err(trouble.changing()),
        }
    }

    /// What a run has said and made. What its harness does not offer is None.
    pub async fn read(&self, run: &RunId) -> Result<Reading, Failure> {
        let report = self.get(run).await?;
        let conversation = self.conversation(run).await?;
        let steps = match &conversation {
            Some(conversation) => conversation.did(),
            None => self.timeline(run).await?.milestones(),
        };
        Ok(Reading {
            last_words: conversation.as_ref().and_then(Conversation::last_words),
            turns: conversation.as_ref().map(Conversation::turns),
            plan: self.plan(&report.artifacts).await?,
            artifacts: report.artifacts,
            state: Some(report.state),
            credits: report.credits,
            session_link: report.session_link,
            steps,
        })
    }

    /// Whether `text` is among the things that the run was told; None when its harness offers no
    /// conversation, or has none yet.
    pub async fn says(&self, run: &RunId, text: &str) -> Result<Option<bool>, Failure> {
        Ok(self.conversation(run).await?.map(|conversation| conversation.was_told(text)))
    }

    /// The raw transcript of a run, in its harness's own format. Oz answers with a redirect to a
    /// storage elsewhere.
    pub async fn transcript(&self, run: &RunId) -> Result<Download, Failure> {
        let asked = self.exchange.ask(&["agent", "runs", run.as_str(), "transcript"]).await;
        let response = asked.map_err(Trouble::reading)?;
        if response.status().is_redirection() {
            return download::fetch(&self.exchange, download::target(&response)?).await;
        }
        let response = exchange::success(response).await.map_err(Trouble::reading)?;
        download::take(response).await
    }

    /// The content of an artifact: a plan's Markdown, a screenshot or a file.
    pub async fn artifact(&self, uid: &str) -> Result<Download, Failure> {
        let data = self.artifact_data(uid).await.map_err(Trouble::reading)?;
        let mime_type = data.content_type.as_deref().and_then(download::mime_type);
        let filename = data.filename.as_deref().and_then(download::plain_name);
        if let Some(content) = data.content.0 {
            let mime_type = mime_type.unwrap_or_else(|| "text/markdown".into());
            return Ok(Download { bytes: content.into(), mime_type, filename });
        }
        let url = data.download_url.as_deref().and_then(|url| Url::parse(url).ok());
        let url = url.ok_or_else(|| Failure::Refused(Problem::new("artifact_without_content")))?;
        let fetched = download::fetch(&self.exchange, url).await?;
        Ok(Download {
            mime_type: mime_type.unwrap_or(fetched.mime_type),
            filename: filename.or(fetched.filename),
            bytes: fetched.bytes,
        })
    }

    /// What can be chosen for a run. A list that this key may not see is empty.
    pub async fn choices(&self) -> Result<Choices, Failure> {
        let environments: wire::Environments =
            allowed(self.exchange.get(&["agent", "environments"], &[("sort_by", "name")]).await)?;
        let models: wire::Models = allowed(self.exchange.get(&["agent", "models"], &[]).await)?;
        let skills: wire::Skills = allowed(self.exchange.get(&["agent"], &[("sort_by", "name")]).await)?;
        Ok(Choices { environments: environments.read(), models: models.read(), skills: skills.read() })
    }

    async fn page(&self, filter: &[(&str, &str)], cursor: Option<&str>) -> Result<Page, Trouble> {
        let mut query = filter.to_vec();
        query.push(("limit", PAGE));
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let runs: wire::Runs = self.exchange.get(&["agent", "runs"], &query).await?;
        let (runs, next) = runs.read();
        Ok(Page { runs, next })
    }

    async fn pages(&self, filter: &[(&str, &str)]) -> Result<Vec<RunReport>, Trouble> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let page = self.page(filter, cursor.as_deref()).await?;
            all.extend(page.runs);
            if page.next.is_none() || page.next == cursor {
                break;
            }
            cursor = page.next;
        }
        Ok(all)
    }

    async fn say(&self, run: &RunId, text: &str, mode: Mode) -> Result<(), Trouble> {
        let path = ["agent", "runs", run.as_str(), "followups"];
        self.exchange.tell(&path, Some(&NewFollowUp { message: text, mode })).await
    }

    /// None when there is none: not yet (404), or not for this harness (422; 400 from older ones).
    async fn conversation(&self, run: &RunId) -> Result<Option<Conversation>, Failure> {
        match self.exchange.get(&["agent", "runs", run.as_str(), "conversation"], &[]).await {
            Ok(conversation) => Ok(Some(conversation)),
            Err(Trouble::TooLarge) => Ok(None),
            Err(trouble) if matches!(trouble.status(), Some(400 | 404 | 422)) => Ok(None),
            Err(trouble) => Err(trouble.reading()),
        }
    }

    /// Empty where Oz has none: it came late to the API.
    async fn timeline(&self, run: &RunId) -> Result<Timeline, Failure> {
        match self.exchange.get(&["agent", "runs", run.as_str(), "timeline"], &[]).await {
            Ok(timeline) => Ok(timeline),
            Err(Trouble::TooLarge) => Ok(Timeline::default()),
            Err(trouble) if matches!(trouble.status(), Some(400 | 403 | 404 | 422)) => Ok(Timeline::default()),
            Err(trouble) => Err(trouble.reading()),
        }
    }

    /// The newest plan; None until it has been synced.
    async fn plan(&self, artifacts: &[Artifact]) -> Result<Option<PlanDocument>, Failure> {
        let newest = artifacts.iter().rev().find_map(|artifact| match artifact {
            Artifact::Plan { document, artifact, title, url } => Some((document, artifact, title, url)),
            _ => None,
        });
        let Some((document, Some(artifact), title, url)) = newest else { return Ok(None) };
        let data = match self.artifact_data(artifact).await {
            Ok(data) => data,
            Err(trouble) if matches!(trouble.status(), Some(400 | 403 | 404 | 422)) => return Ok(None),
            Err(trouble) => return Err(trouble.reading()),
        };
        Ok(data.content.0.map(|content| PlanDocument {
            document: document.clone(),
            title: data.title.0.or_else(|| title.clone()),
            url: data.url.as_deref().and_then(links::shown).or_else(|| url.clone()),
            content,
        }))
    }

    async fn artifact_data(&self, uid: &str) -> Result<wire::Data, Trouble> {
        let fetched: wire::Fetched = self.exchange.get(&["agent", "artifacts", uid], &[]).await?;
        Ok(fetched.data.0.unwrap_or_default())
    }
}

/// A start that failed. What is not found is something that it names (an environment, the parent),
/// and a run that is not there yet cannot be gone.
fn not_created(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Answer(answer) if answer.may_have_queued() => Failure::Ambiguous(answer.problem),
        other => match other.changing() {
            Failure::Gone(problem) => Failure::Refused(problem),
            failure => failure,
        },
    }
}

/// It had no effect, and may have one later.
fn again(trouble: Trouble) -> Failure {
    let problem = trouble.changing().problem().clone();
    Failure::Transient { after: None, problem }
}

/// What may not be seen, or is not there in this version of Oz, is empty.
fn allowed<T: Default>(answer: Result<T, Trouble>) -> Result<T, Failure> {
    match answer.map_err(Trouble::reading) {
        Err(Failure::Refused(_) | Failure::Gone(_)) => Ok(T::default()),
        other => other,
    }
}

fn dispatch_of(run: &RunReport) -> Option<&String> {
    run.metadata.get(wire::DISPATCH)
}
