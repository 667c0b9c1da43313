//! Where an effect stands in the outbox: what it must not overtake, what replaces it, how long it is
//! of use. A pure table.

use std::time::Duration;

use crate::{
    domain::{
        conversation::Conversation,
        effect::{Effect, Slot},
    },
    ids::{DeliveryId, OrchestrationId},
    time::Timestamp,
};

/// A private answer is of no use later; Slack's `response_url` lives as long.
const PRIVATE: Duration = Duration::from_mins(30);
const REACTION: Duration = Duration::from_mins(30);

pub(super) struct Place {
    pub lane: String,
    pub kind: &'static str,
    pub coalesce: Option<String>,
    pub urgent: bool,
    pub expires_at: Option<Timestamp>,
}

pub(super) fn place(
    effect: &Effect,
    conversation: &Conversation,
    orchestration: Option<&OrchestrationId>,
    id: &DeliveryId,
    now: Timestamp,
) -> Place {
    if let Effect::Mirrored { what } = effect {
        return mirrored(place(what, conversation, orchestration, id, now));
    }
    let owner = orchestration.map_or_else(|| id.to_string(), ToString::to_string);
    let run = |slot: &Slot| format!("run:{owner}:{slot}");
    // What is said keeps its order. The board is edited beside it, files come when Oz hands them
    // out, and private answers and reactions do not wait for anything.
    let talk = format!("talk:{owner}");
    let alone = format!("alone:{id}");
    let (lane, urgent, life) = match effect {
        Effect::StartRun { slot, .. } | Effect::FollowUp { slot, .. } | Effect::CancelRun { slot, .. } => {
            (run(slot), true, None)
        }
        // Everybody waits for what a run said; its artifacts come after it.
        Effect::ReadRun { slot, .. } => (run(slot), true, None),
        Effect::PostBoard { .. } | Effect::ReadThread { .. } => (talk, true, None),
        Effect::Say { .. } | Effect::Edit { .. } | Effect::Pulse => (talk, false, None),
        Effect::Attach { .. } | Effect::TakeUp { .. } => (format!("issue:{owner}"), false, None),
        Effect::Mirrored { .. } => (alone, false, None),
        // In a session the last activity counts, and that is not to be a file.
        Effect::Upload { .. } | Effect::UploadTranscript { .. } if conversation.session().is_some() => {
            (talk, false, None)
        }
        Effect::Upload { .. } | Effect::UploadTranscript { .. } => (format!("files:{owner}"), false, None),
        Effect::ShowBoard => (format!("board:{owner}"), false, None),
        // In a session an answer is what its state follows from.
        Effect::SayPrivately { .. } if conversation.session().is_some() => (alone, true, None),
        Effect::LookInto { .. } | Effect::SayPrivately { .. } => (alone, true, Some(PRIVATE)),
        Effect::React { .. } => (alone, false, Some(REACTION)),
        // Whether its trigger still lives is for the platform to say, and the person is told then.
        Effect::OpenForm { .. } | Effect::LookUp { .. } | Effect::Admit { .. } | Effect::ReadPlan { .. } => {
            (alone, true, None)
        }
    };
    let coalesce = matches!(effect, Effect::ShowBoard).then(|| lane.clone());
    Place { lane, kind: kind(effect), coalesce, urgent, expires_at: life.map(|life| now + life) }
}

/// The mirror has lanes of its own: what cannot be said there keeps nobody waiting here.
fn mirrored(place: Place) -> Place {
    let lane = |lane: String| format!("mirror:{lane}");
    Place { lane: lane(place.lane), coalesce: place.coalesce.map(lane), ..place }
}

/// The effect's word in lists, logs and metrics.
pub(super) fn kind(effect: &Effect) -> &'static str {
    match effect {
        Effect::StartRun { .. } => "start_run",
        Effect::FollowUp { .. } => "follow_up",
        Effect::CancelRun { .. } => "cancel_run",
        Effect::ReadRun { .. } => "read_run",
        Effect::LookInto { .. } => "look_into",
        Effect::ReadPlan { .. } => "read_plan",
        Effect::LookUp { .. } => "look_up",
        Effect::Admit { .. } => "admit",
        Effect::PostBoard { .. } => "post_board",
        Effect::ShowBoard => "show_board",
        Effect::Say { .. } => "say",
        Effect::Edit { .. } => "edit",
        Effect::SayPrivately { .. } => "say_privately",
        Effect::React { .. } => "react",
        Effect::Upload { .. } => "upload",
        Effect::UploadTranscript { .. } => "upload_transcript",
        Effect::Attach { .. } => "attach",
        Effect::TakeUp { .. } => "take_up",
        Effect::Pulse => "pulse",
        Effect::Mirrored { what } => kind(what),
        Effect::ReadThread { .. } => "read_thread",
        Effect::OpenForm { .. } => "open_form",
    }
}
