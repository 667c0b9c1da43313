//! Commands: what is started, listed, told of and stopped by name.

use super::{Acting, Origin, Result, asked, start::Wanted};
use crate::{
    domain::{
        actor::Platform,
        command::Command,
        effect::Effect,
        message::{Form, Message},
        words::answers,
    },
    ids::OrchestrationId,
    storage::orchestrations,
};

/// A list in a chat shows so many.
const LISTED: u32 = 15;
/// In place of a task that was given in another channel.
const ELSEWHERE: &str = "elsewhere";

impl Acting<'_> {
    pub(super) async fn command(
        &mut self,
        from: Origin,
        command: Command,
        message: Option<String>,
    ) -> Result<&'static str> {
        match command {
            Command::Start(verb, ask) => {
                self.start(from, Wanted { verb, ask, message, gather: true, ..Wanted::default() }).await
            }
            Command::Blank(verb) => {
                let form = Form::Start { place: from.conversation.place.clone(), verb };
                let effect = Effect::OpenForm { form, answer: from.answer.clone(), to: from.actor.clone() };
                self.alone(&from, effect).await
            }
            Command::Help => self.tell(&from, answers::help()).await,
            Command::Wrong(sentence) => self.tell(&from, answers::warning(sentence)).await,
            Command::List => {
                let filter = orchestrations::Filter {
                    workspace: Some(from.conversation.workspace.clone()),
                    place: None,
                    open_only: false,
                    limit: LISTED,
                };
                let list = orchestrations::list(&self.core.store, &filter).await?;
                // Not everybody may read in every channel, and what is asked for in direct messages is nobody else's.
                let is_open = |one: &orchestrations::Summary| {
                    one.platform != Platform::Slack
                        || one.place == from.conversation.place
                        || one.asked_by == from.actor.handle()
                };
                let line = |one: &orchestrations::Summary| {
                    if is_open(one) { line(one) } else { (one.id.to_string(), one.stage.clone(), ELSEWHERE.to_owned()) }
                };
                self.tell(&from, answers::listed(&list.iter().map(line).collect::<Vec<_>>())).await
            }
            Command::Status(Some(id)) | Command::Stop(Some(id)) if !self.is_ours(&from, &id).await? => {
                self.tell(&from, answers::warning(format!("There is no orchestration {id} in this workspace."))).await
            }
            Command::Status(Some(id)) => match self.stage_elsewhere(&from, &id).await? {
                Some(stage) => self.tell(&from, answers::listed(&[(id, stage, ELSEWHERE.to_owned())])).await,
                None => self.input(&OrchestrationId::new(id), asked(&from, Command::Status(None), None)).await,
            },
            Command::Stop(Some(id)) => {
                self.input(&OrchestrationId::new(id), asked(&from, Command::Stop(None), None)).await
            }
            Command::Status(None) => {
                let open = orchestrations::open_in(self.tx, &from.conversation.place_key()).await?;
                match open.as_slice() {
                    [] => self.tell(&from, Message::line("Nothing is under way here.")).await,
                    [one] => self.input(&one.id, asked(&from, Command::Status(None), None)).await,
                    many => self.tell(&from, answers::listed(&many.iter().map(line).collect::<Vec<_>>())).await,
                }
            }
            Command::Stop(None) => {
                let open = orchestrations::open_in(self.tx, &from.conversation.place_key()).await?;
                match open.as_slice() {
                    [] => self.tell(&from, answers::warning("Nothing is under way here.")).await,
                    [one] => self.input(&one.id, asked(&from, Command::Stop(None), None)).await,
                    many => {
                        let ids: Vec<_> = many.iter().map(|one| (one.id.to_string(), one.task.clone())).collect();
                        self.tell(&from, answers::which(&ids)).await
                    }
                }
            }
            Command::Show { .. } | Command::Retry(_) | Command::Why | Command::Approve { .. } => {
                self.tell(
                    &from,
                    answers::warning("There is no orchestration in this thread. Say that in the thread of one."),
                )
                .await
            }
        }
    }

    /// The stage of an orchestration that is in another channel of Slack, and somebody else's: more is
    /// not to be told here.
    async fn stage_elsewhere(&mut self, from: &Origin, id: &str) -> Result<Option<String>> {
        let loaded = orchestrations::load(self.tx, &OrchestrationId::new(id)).await?;
        Ok(loaded.map(|loaded| loaded.orchestration).and_then(|it| {
            let is_here = std::iter::once(&it.conversation)
                .chain(&it.mirror)
                .any(|at| at.platform != Platform::Slack || at.place == from.conversation.place);
            (!is_here && it.request.by != from.actor).then(|| it.stage_word().to_owned())
        }))
    }
}

fn line(summary: &orchestrations::Summary) -> (String, String, String) {
    (summary.id.to_string(), summary.stage.clone(), summary.task.clone())
}
