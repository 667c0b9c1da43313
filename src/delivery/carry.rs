//! One attempt at one delivery: the effect becomes calls to Oz or an errand for the platform, and
//! comes back as an outcome. After an attempt that may have had its effect, it looks first.

use std::{path::Path, time::Duration};

use super::{Core, Result, apply::Parcel};
use crate::{
    domain::{
        actor::Actor,
        artifact::Artifact,
        board,
        conversation::Conversation,
        effect::{Effect, MIRROR, Outcome, PostKey, Slot},
        errand::{Errand, File, Talk},
        failure::{Failure, Problem},
        input::AnswerPath,
        message::{Message, Tone},
        orchestration::{Orchestration, Stage},
        run::RunSpec,
        text::{first_line, shorten},
        words::cards::pull_request_label,
    },
    ids::{DispatchId, RunId},
    oz::FollowUp,
    storage::{
        StoreError, choices,
        halt::{self, Halt},
        orchestrations,
        outbox::Claimed,
    },
};

/// A lost create is looked for from a little before it was sent.
const CLOCKS_DIFFER: Duration = Duration::from_mins(2);

/// What an attempt brought back, if anybody waits for it.
#[derive(Debug, Default)]
pub(super) struct Brought {
    pub outcome: Option<Outcome>,
}

pub(super) struct Carrier<'a> {
    pub core: &'a Core,
    pub delivery: &'a Claimed,
    pub parcel: &'a Parcel,
}

impl Carrier<'_> {
    pub async fn attempt(&self) -> Result<Brought, Failure> {
        let orchestration = match &self.delivery.orchestration {
            Some(id) => orchestrations::read(&self.core.store, id).await.map_err(|error| store_failed(&error))?,
            None => None,
        };
        let outcome = match (&self.parcel.effect, &orchestration) {
            (Effect::StartRun { slot, dispatch, spec }, Some(orchestration)) => {
                Some(self.start_run(orchestration, *slot, dispatch, spec).await?)
            }
            (Effect::FollowUp { run, text, mode, message, .. }, Some(orchestration)) => {
                let taken = Outcome::FollowUpTaken { message: message.clone() };
                let held = Outcome::FollowUpHeld { text: text.clone(), mode: *mode, message: message.clone() };
                if self.delivery.unsure_since.is_some() && self.was_told(run, text).await? {
                    Some(taken)
                } else if matches!(orchestration.stage, Stage::Stopping { .. }) {
                    Some(held)
                } else {
                    Some(match self.core.oz.follow_up(run, text, *mode).await? {
                        FollowUp::Taken => taken,
                        FollowUp::Held => held,
                    })
                }
            }
            (Effect::CancelRun { run, .. }, _) => Some(Outcome::Cancelled(self.core.oz.cancel(run).await?)),
            (Effect::ReadRun { run, .. }, _) => Some(Outcome::Read(self.core.oz.read(run).await?)),
            (Effect::LookInto { run, to, answer, .. }, _) => {
                let reading = self.core.oz.read(run).await?;
                Some(Outcome::Looked { reading: Box::new(reading), to: to.clone(), answer: answer.clone() })
            }
            (Effect::ReadPlan { run }, _) => Some(Outcome::PlanRead(Box::new(self.core.oz.read(run).await?))),
            (effect, orchestration) => match self.talk(effect, orchestration.as_ref()).await? {
                Some((conversation, talk)) => self.errand(conversation, talk).await?,
                None => None,
            },
        };
        Ok(Brought { outcome })
    }

    async fn start_run(
        &self,
        orchestration: &Orchestration,
        slot: Slot,
        dispatch: &DispatchId,
        spec: &RunSpec,
    ) -> Result<Outcome, Failure> {
        let started = |run| Outcome::RunStarted { run, dispatch: dispatch.clone() };
        if let Some(since) = self.delivery.unsure_since
            && let Some(found) = self.core.oz.find_by_dispatch(spec, since - CLOCKS_DIFFER).await?
        {
            return Ok(started(found.run));
        }
        let over = matches!(orchestration.stage, Stage::Stopping { .. } | Stage::Ended { .. });
        if over || !orchestration.awaits_start(slot, dispatch) {
            return Ok(Outcome::Unwanted { dispatch: dispatch.clone() });
        }
        Ok(started(self.core.oz.create(spec).await?.run))
    }

    /// Whether a follow-up whose answer was lost arrived: its words stand in the conversation, or,
    /// where there is none, the run went on.
    async fn was_told(&self, run: &RunId, text: &str) -> Result<bool, Failure> {
        if let Some(says) = self.core.oz.says(run, text).await? {
            return Ok(says);
        }
        let report = self.core.oz.get(run).await?;
        Ok(report.state.is_working() || self.delivery.unsure_since.is_some_and(|since| report.updated_at > since))
    }

    /// What is to be said or shown, and where; none when there is nothing to do any more.
    async fn talk(
        &self,
        effect: &Effect,
        orchestration: Option<&Orchestration>,
    ) -> Result<Option<(Conversation, Talk)>, Failure> {
        let (effect, mirrored) = match effect {
            Effect::Mirrored { what } => (&**what, true),
            effect => (effect, false),
        };
        // People are looked up where they act, wherever it is talked about.
        let of_person = looked_up(effect).map(|(person, _)| Conversation {
            platform: person.platform,
            workspace: person.workspace.clone(),
            place: String::new(),
            thread: None,
        });
        let place = of_person.or_else(|| self.place(effect, mirrored, orchestration));
        let Some(conversation) = place else { return Ok(None) };
        let hushed = orchestration.is_some_and(|it| it.was_stopped_after(self.delivery.created_at));
        if hushed && conversation.session().is_some() && is_remark(effect) {
            return Ok(None);
        }
        let own = |key: &PostKey| if mirrored { key.mirrored() } else { key.clone() };
        let post = |message: Message, answer| {
            let asker = orchestration?.request.by.clone();
            Some(Talk::Post { message, answer, asker })
        };
        let edit = |key: &PostKey, message: Message| {
            let id = orchestration?.posts.get(&own(key))?.clone();
            Some(Talk::Edit { id, message })
        };
        let shows_board = matches!(effect, Effect::PostBoard { .. } | Effect::ShowBoard);
        let halt = if shows_board { self.halt().await? } else { None };
        let board = |orchestration: &Orchestration, id, answer| {
            let pages = self.core.pages.as_deref();
            let message = board::with_halt(orchestration, pages, halt.as_ref().map(|halt| halt.reason.as_str()));
            let outline = board::outline(orchestration, pages);
            Talk::Board { id, message, outline, answer, asker: orchestration.request.by.clone() }
        };
        let talk = match effect {
            Effect::PostBoard { answer } => {
                orchestration.map(|orchestration| board(orchestration, None, answer.clone()))
            }
            // Until it has been posted there is nothing to edit.
            Effect::ShowBoard => orchestration.and_then(|orchestration| {
                let id = orchestration.posts.get(&own(&PostKey::board()))?.clone();
                Some(board(orchestration, Some(id), AnswerPath::default()))
            }),
            Effect::Say { message, .. } => post(message.clone(), AnswerPath::default()),
            Effect::Edit { post, message } => edit(post, message.clone()),
            Effect::SayPrivately { to, message, answer } => {
                Some(Talk::Private { to: to.clone(), message: message.clone(), answer: answer.clone() })
            }
            Effect::React { message, reaction } => {
                let message = message.strip_prefix(MIRROR).unwrap_or(message).to_owned();
                Some(Talk::React { message, reaction: *reaction })
            }
            Effect::Upload { artifact, of } => Some(Talk::File(self.file(artifact, of).await?)),
            Effect::UploadTranscript { run, of } => {
                let download = self.core.oz.transcript(run).await?;
                let name =
                    format!("transcript-{}.{}", short(run.as_str()), extension(&download.mime_type).unwrap_or("txt"));
                Some(Talk::File(File {
                    title: format!("Transcript of {of}"),
                    name,
                    mime_type: download.mime_type,
                    bytes: download.bytes,
                }))
            }
            Effect::Attach { url, of } => Some(Talk::Attach {
                url: url.clone(),
                title: pull_request_label(url),
                subtitle: format!("Opened by {}", shorten(of, 80)),
            }),
            Effect::TakeUp { issue } => Some(Talk::TakeUp { issue: issue.clone() }),
            // However long it stays as it is, the same is not said twice.
            Effect::Pulse => orchestration.map(|orchestration| {
                let minutes = self.core.clock.now().since(orchestration.created_at).as_secs() / 60;
                Talk::Pulse(board::state(orchestration).then(format!(" · {minutes} minutes after it was asked")))
            }),
            Effect::ReadThread { message } => Some(Talk::ReadThread { message: message.clone() }),
            Effect::OpenForm { form, answer, to } => {
                let choices = choices::get(&self.core.store).await.map_err(|error| store_failed(&error))?;
                Some(Talk::OpenForm { form: form.clone(), to: to.clone(), answer: answer.clone(), choices })
            }
            Effect::LookUp { .. } | Effect::Admit { .. } => looked_up(effect)
                .map(|(person, groups)| Talk::LookUp { person: person.clone(), groups: groups.to_vec() }),
            Effect::StartRun { .. }
            | Effect::FollowUp { .. }
            | Effect::CancelRun { .. }
            | Effect::ReadRun { .. }
            | Effect::ReadPlan { .. }
            | Effect::LookInto { .. }
            | Effect::Mirrored { .. } => None,
        };
        Ok(talk.map(|talk| (conversation, talk)))
    }

    async fn halt(&self) -> Result<Option<Halt>, Failure> {
        halt::standing(&self.core.store).await.map_err(|error| store_failed(&error))
    }

    /// Where it is said or shown; none in a mirror that is gone, or has no board yet.
    fn place(&self, effect: &Effect, mirrored: bool, orchestration: Option<&Orchestration>) -> Option<Conversation> {
        let Some(orchestration) = orchestration else {
            let at = match effect {
                Effect::SayPrivately { answer, .. } | Effect::OpenForm { answer, .. } => answer.at.clone(),
                _ => None,
            };
            return Some(at.unwrap_or_else(|| self.parcel.conversation.clone()));
        };
        let (home, mirror) = (&orchestration.conversation, orchestration.mirror.as_ref());
        if mirrored {
            let posted = matches!(effect, Effect::PostBoard { .. });
            return mirror.filter(|mirror| posted || mirror.thread.is_some()).cloned();
        }
        let place = match effect {
            // One person is answered where they are.
            Effect::SayPrivately { answer, to, .. } | Effect::OpenForm { answer, to, .. } => {
                let theirs = mirror.filter(|mirror| to.platform == mirror.platform && to.platform != home.platform);
                answer.at.as_ref().or(theirs).unwrap_or(home)
            }
            Effect::React { message, .. } if message.starts_with(MIRROR) => mirror?,
            _ => home,
        };
        Some(place.clone())
    }

    async fn errand(&self, conversation: Conversation, talk: Talk) -> Result<Option<Outcome>, Failure> {
        let errand =
            Errand { delivery: self.delivery.id.clone(), unsure_since: self.delivery.unsure_since, conversation, talk };
        let carried = self.core.platforms.carry_out(&errand).await?;
        let post = match &self.parcel.effect {
            Effect::Mirrored { what } => post_of(what).map(|key| key.mirrored()),
            effect => post_of(effect),
        };
        Ok(match (carried.outcome, post, carried.message) {
            (Some(outcome), _, _) => Some(outcome),
            (None, Some(post), Some(message)) => Some(Outcome::Posted { post, message }),
            (None, _, _) => None,
        })
    }

    async fn file(&self, artifact: &Artifact, of: &str) -> Result<File, Failure> {
        let uid = match artifact {
            Artifact::Plan { artifact: Some(uid), .. }
            | Artifact::Screenshot { artifact: uid, .. }
            | Artifact::File { artifact: uid, .. } => uid,
            Artifact::Plan { artifact: None, .. } | Artifact::PullRequest { .. } | Artifact::Reference { .. } => {
                return Err(Failure::Refused(Problem::new("nothing_to_fetch")));
            }
        };
        let download = self.core.oz.artifact(uid).await?;
        Ok(File {
            name: file_name(artifact, uid),
            title: file_title(artifact, of),
            mime_type: download.mime_type,
            bytes: download.bytes,
        })
    }
}

/// Whom an effect looks up, and in which groups.
pub(super) fn looked_up(effect: &Effect) -> Option<(&Actor, &[String])> {
    match effect {
        Effect::LookUp { person, groups } => Some((person, groups)),
        Effect::Admit { opening, groups } => Some((&opening.request.by, groups)),
        _ => None,
    }
}

/// Said on the way, and not the last word: once an agent session is stopped it wants to hear only that.
/// <https://linear.app/developers/agent-signals>
const fn is_remark(effect: &Effect) -> bool {
    match effect {
        Effect::Say { message, .. } => !matches!(message.tone, Tone::Final | Tone::Failure),
        Effect::Edit { .. } | Effect::React { .. } | Effect::Pulse => true,
        _ => false,
    }
}

/// The key under which a post is remembered.
fn post_of(effect: &Effect) -> Option<PostKey> {
    match effect {
        Effect::PostBoard { .. } => Some(PostKey::board()),
        Effect::Say { post, .. } => post.clone(),
        _ => None,
    }
}

/// What a file is called in the conversation.
pub(super) fn file_title(artifact: &Artifact, of: &str) -> String {
    let what = match artifact {
        Artifact::Plan { title, .. } => title.clone().unwrap_or_else(|| "Plan".into()),
        Artifact::Screenshot { description, .. } => description.clone().unwrap_or_else(|| "Screenshot".into()),
        Artifact::File { filename, description, .. } => description.clone().unwrap_or_else(|| filename.clone()),
        Artifact::PullRequest { branch, .. } => branch.clone(),
        Artifact::Reference { title, kind, .. } => title.clone().unwrap_or_else(|| kind.clone()),
    };
    format!("{}: {}", shorten(of, 80), first_line(&what, 120))
}

/// A name that is the artifact's own, so that the file is found again.
fn file_name(artifact: &Artifact, uid: &str) -> String {
    let uid = short(uid);
    match artifact {
        Artifact::Screenshot { mime_type, .. } => format!("screenshot-{uid}.{}", extension(mime_type).unwrap_or("png")),
        Artifact::File { filename, .. } => {
            let path = Path::new(filename);
            let part =
                |part: Option<&std::ffi::OsStr>| part.and_then(std::ffi::OsStr::to_str).unwrap_or_default().to_owned();
            let (stem, extension) = (part(path.file_stem()), part(path.extension()));
            let clean = |text: &str| {
                text.chars()
                    .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
                    .take(60)
                    .collect::<String>()
            };
            match clean(&extension) {
                extension if extension.is_empty() => format!("{}-{uid}", clean(&stem)),
                extension => format!("{}-{uid}.{extension}", clean(&stem)),
            }
        }
        Artifact::Plan { .. } | Artifact::PullRequest { .. } | Artifact::Reference { .. } => format!("plan-{uid}.md"),
    }
}

fn short(id: &str) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).take(8).collect()
}

fn extension(mime_type: &str) -> Option<&'static str> {
    match mime_type.split(';').next().unwrap_or_default().trim() {
        "image/png" => Some("png"),
        "image/jpeg" => Some("jpg"),
        "image/gif" => Some("gif"),
        "image/webp" => Some("webp"),
        "application/json" => Some("json"),
        "text/markdown" => Some("md"),
        _ => None,
    }
}

/// The database was away: nothing was done yet.
fn store_failed(error: &StoreError) -> Failure {
    Failure::Transient { after: None, problem: Problem::new("store").with_detail(error.to_string()) }
}
