//! How fast deliveries may go: the paces that each has to keep, over all replicas. A pure table.

use std::time::Duration;

use super::{apply::Parcel, carry::looked_up};
use crate::{
    domain::{
        actor::Platform,
        conversation::Conversation,
        effect::{Effect, Slot},
        message::Tone,
    },
    linear::limits::{self as linear, Call as Row},
    oz::limits::Call,
    pace::Pace,
    slack::limits::{self as slack, Call as Talk},
    storage::outbox::Claimed,
};

/// One message is edited no more often than this; of the board, the newest state wins.
const EDITS: Duration = Duration::from_secs(3);

pub(super) fn paces(parcel: &Parcel, delivery: &Claimed) -> Vec<Pace> {
    let with_look = |call: Call| std::iter::once(call.pace()).chain(to_look(parcel, delivery)).collect();
    match &parcel.effect {
        Effect::StartRun { .. } => with_look(Call::Create),
        Effect::FollowUp { .. } => with_look(Call::FollowUp),
        Effect::CancelRun { .. } => vec![Call::Cancel.pace()],
        Effect::ReadRun { slot: Slot::Child(_), .. } => vec![Call::Read.pace()],
        Effect::ReadRun { .. } | Effect::LookInto { .. } | Effect::ReadPlan { .. } => vec![Call::ReadWithPlan.pace()],
        effect @ (Effect::LookUp { .. } | Effect::Admit { .. }) => look_up(effect),
        Effect::Mirrored { what } => talk(what, &parcel.conversation, delivery, "mirror:"),
        effect => talk(effect, &parcel.conversation, delivery, ""),
    }
}

/// Of a launch: whoever is unsure whether it was made looks first, also where nothing is launched any more.
pub(super) fn to_look(parcel: &Parcel, delivery: &Claimed) -> Option<Pace> {
    delivery.unsure_since?;
    match &parcel.effect {
        Effect::StartRun { .. } => Some(Call::FindByDispatch.pace()),
        Effect::FollowUp { .. } => Some(Call::Says.pace()),
        _ => None,
    }
}

fn talk(effect: &Effect, conversation: &Conversation, delivery: &Claimed, mirror: &str) -> Vec<Pace> {
    let Conversation { workspace, place, .. } = conversation;
    let mut paces = match conversation.platform {
        Platform::Slack => slack::paces(workspace, place, slack_call(effect)),
        Platform::Linear => linear::paces(workspace, conversation, linear_call(effect)),
    };
    let edits = |key: String| Pace { key: format!("{mirror}{key}"), interval: EDITS, burst: 1, requests: 1 };
    match (effect, &delivery.orchestration) {
        (Effect::ShowBoard, Some(id)) => paces.push(edits(format!("board:{id}"))),
        (Effect::Edit { post, .. }, Some(id)) => paces.push(edits(format!("edit:{id}:{}", post.0))),
        (Effect::Upload { .. }, _) => paces.push(Call::Artifact.pace()),
        (Effect::UploadTranscript { .. }, _) => paces.push(Call::Transcript.pace()),
        _ => {}
    }
    paces
}

/// People are asked for where they are, wherever it is talked about.
fn look_up(effect: &Effect) -> Vec<Pace> {
    let Some((person, groups)) = looked_up(effect) else { return Vec::new() };
    match person.platform {
        Platform::Slack => {
            let groups = u32::try_from(groups.len()).unwrap_or(u32::MAX);
            slack::paces(&person.workspace, "", Talk::LookUp { groups })
        }
        Platform::Linear => Vec::new(),
    }
}

/// What an effect asks of Slack, as its limits tell things apart.
fn slack_call(effect: &Effect) -> Talk {
    match effect {
        Effect::ShowBoard | Effect::Edit { .. } => Talk::Edit,
        Effect::SayPrivately { .. } => Talk::Private,
        Effect::React { .. } => Talk::React,
        Effect::ReadThread { .. } => Talk::ReadThread,
        Effect::OpenForm { .. } => Talk::OpenForm,
        Effect::Upload { .. } | Effect::UploadTranscript { .. } => Talk::File,
        Effect::Mirrored { what } => slack_call(what),
        Effect::PostBoard { .. }
        | Effect::Say { .. }
        | Effect::Attach { .. }
        | Effect::TakeUp { .. }
        | Effect::Pulse
        | Effect::StartRun { .. }
        | Effect::FollowUp { .. }
        | Effect::CancelRun { .. }
        | Effect::ReadRun { .. }
        | Effect::LookInto { .. }
        | Effect::ReadPlan { .. }
        | Effect::LookUp { .. }
        | Effect::Admit { .. } => Talk::Post,
    }
}

/// What an effect asks of Linear. The last word goes even when the workspace has to wait.
fn linear_call(effect: &Effect) -> Row {
    match effect {
        Effect::PostBoard { .. } => Row::Open,
        Effect::ShowBoard => Row::Edit,
        Effect::Say { message, .. } | Effect::SayPrivately { message, .. }
            if matches!(message.tone, Tone::Final | Tone::Failure) =>
        {
            Row::LastWord
        }
        Effect::React { .. } => Row::React,
        Effect::Upload { .. } | Effect::UploadTranscript { .. } => Row::File,
        Effect::Attach { .. } => Row::Attach,
        Effect::TakeUp { .. } => Row::TakeUp,
        Effect::ReadThread { .. } => Row::ReadThread,
        Effect::Mirrored { what } => linear_call(what),
        Effect::Say { .. }
        | Effect::SayPrivately { .. }
        | Effect::Edit { .. }
        | Effect::OpenForm { .. }
        | Effect::Pulse
        | Effect::StartRun { .. }
        | Effect::FollowUp { .. }
        | Effect::CancelRun { .. }
        | Effect::ReadRun { .. }
        | Effect::LookInto { .. }
        | Effect::ReadPlan { .. }
        | Effect::LookUp { .. }
        | Effect::Admit { .. } => Row::Say,
    }
}
