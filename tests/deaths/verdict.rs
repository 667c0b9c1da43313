//! What there is to see in the end: everything that was promised, and each thing once.

use std::collections::BTreeMap;

use baton::simulator::{
    World,
    linear::{APP_USER, Activity, Content},
    oz::{Made, RunView, State},
    slack::Message,
};

use super::{
    people::{CHANNELS, thread},
    stories::{End, Kind, Story},
};

pub type Verdict<T = ()> = Result<T, String>;

/// Everything, all stories and what was begun beside them.
pub fn of(world: &World, stories: &[Story]) -> Verdict<String> {
    let messages: Vec<_> = CHANNELS.iter().flat_map(|channel| world.slack.messages(channel)).collect();
    let posts = messages.iter().filter_map(|message| Some(message.metadata.as_ref()?.to_string()));
    let posts = each_once("message", posts)?;
    let files = each_once("file", messages.iter().flat_map(|message| files_of(world, message)))?;
    let runs = world.oz.runs();
    each_once("run", runs.iter().filter_map(|run| run.metadata.get("baton.dispatch").cloned()))?;
    each_once(
        "follow-up",
        runs.iter().flat_map(|run| run.follow_ups.iter().map(|text| format!("{}: {text}", run.id))),
    )?;

    let sessions = world.linear.sessions();
    let activities: Vec<_> = sessions.iter().flat_map(|session| said_in(world, &session.id)).collect();
    let said =
        each_once("activity", activities.iter().map(|activity| format!("{}: {}", activity.session, key(activity))))?;
    let issues: Vec<_> =
        sessions.iter().filter_map(|session| world.linear.issue_view(session.issue.as_deref()?)).collect();
    let attachments = each_once(
        "attachment",
        issues.iter().flat_map(|issue| &issue.attachments).map(|it| format!("{} {}", it.issue, it.url)),
    )?;
    let comments = issues.iter().flat_map(|issue| &issue.comments).filter(|it| it.author.user() == Some(APP_USER));
    each_once("comment", comments.map(|comment| format!("{:?} {:?} {}", comment.issue, comment.parent, comment.body)))?;
    let minded = [world.slack.pings(), world.slack.warnings(), world.linear.objections()].concat();
    // What left at its time may arrive late, and close to the next; and a stop may be taken by a process
    // that dies before it has decided it.
    let is_lateness = |minded: &&String| minded.ends_with("within 3 s") || minded.starts_with("thought after a stop: ");
    if let Some(first) = minded.iter().find(|minded| !is_lateness(minded)) {
        return Err(format!("people or platforms mind it: {first}"));
    }

    let mut endings: BTreeMap<String, usize> = BTreeMap::new();
    for story in stories {
        ended(world, &runs, story).map_err(|wrong| format!("{story:?} {wrong}"))?;
        *endings.entry(format!("{:?}", story.kind)).or_default() += 1;
    }
    let endings: Vec<_> = endings.into_iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    Ok(format!(
        "{} stories ({}), {} runs, {posts} messages, {files} files, {said} activities, {attachments} attachments",
        stories.len(),
        endings.join(", "),
        runs.len(),
    ))
}

/// Nothing went wrong inside either: gives how many events were new, and how many known already.
pub fn of_log(log: &str) -> Verdict<(usize, usize)> {
    let mut events = (0, 0);
    for line in log.lines() {
        if line.contains("panicked") || line.contains(r#""level":"ERROR""#) {
            return Err(format!("it logged {line}"));
        }
        events.0 += usize::from(line.contains(r#""message":"event stored""#));
        events.1 += usize::from(line.contains(r#""message":"event known already""#));
    }
    Ok(events)
}

/// Of that story: how it ended, what ran, and all that was made was brought.
fn ended(world: &World, runs: &[RunView], story: &Story) -> Verdict {
    let parents: Vec<_> = runs.iter().filter(|run| run.parent.is_none() && run.prompt.contains(&story.mark)).collect();
    let ids: Vec<_> = parents.iter().map(|run| run.id.as_str()).collect();
    let children: Vec<_> =
        runs.iter().filter(|run| run.parent.as_deref().is_some_and(|id| ids.contains(&id))).collect();
    let wanted = story.kind.end().children();
    let repeated = usize::from(story.kind == Kind::Retried);
    let as_it_should = match story.kind.end() {
        End::Done(_) => parents.len() == 1 && children.len() == wanted + repeated,
        // What is listed needs no parent before it is approved.
        End::Rejected => parents.len() <= 1 && children.is_empty(),
        End::Stopped => parents.len() <= 1 && children.len() <= 2,
    };
    if !as_it_should {
        return Err(format!("has {} parents and {} children", parents.len(), children.len()));
    }
    if let Some(run) = parents.iter().chain(&children).find(|run| run.state.is_working()) {
        return Err(format!("still runs: {} is {:?}", run.title, run.state));
    }
    let done = children.iter().filter(|run| run.state == State::Succeeded).count();
    if done != wanted {
        return Err(format!("has {done} children that are done"));
    }
    let edited = children.iter().filter(|run| run.prompt == "Leave it as it is.").count();
    if edited != usize::from(story.kind == Kind::Edited) {
        return Err(format!("ran {edited} edited prompts"));
    }

    let made: Vec<_> = parents.iter().chain(&children).flat_map(|run| &run.made).collect();
    let pulls = made.iter().filter_map(|made| match made {
        Made::PullRequest { number, .. } => Some(format!("/pull/{number}")),
        Made::Plan { .. } | Made::Screenshot { .. } | Made::File { .. } => None,
    });
    let pulls: Vec<_> = pulls.collect();
    let files = made.len() - pulls.len();
    if story.kind != Kind::Labelled {
        in_slack(world, story, &pulls, files)?;
    }
    story.session.as_ref().map_or(Ok(()), |session| in_linear(world, story, session, &pulls, files))
}

fn in_slack(world: &World, story: &Story, pulls: &[String], files: usize) -> Verdict {
    let messages = thread(world, story);
    let shown: Vec<_> = messages.iter().map(|message| world.slack.shown(message)).collect();
    let Some(board) = shown.iter().find(|shown| shown.contains(story.kind.end().word())) else {
        return Err(format!("was answered 200 and is lost, or did not end as it should:\n{}", shown.join("\n--\n")));
    };
    let count = |words: &[&str]| shown.iter().filter(|shown| words.iter().all(|word| shown.contains(word))).count();
    let summaries = count(&["*Summary*"]);
    if summaries != usize::from(story.kind.end().children() > 0) {
        return Err(format!("has {summaries} summaries"));
    }
    for pull in pulls {
        let link = format!("{pull})");
        if !board.contains(&link) || count(&["opened", &link]) != 1 {
            return Err(format!("does not say once that {pull} was opened:\n{}", shown.join("\n--\n")));
        }
    }
    // Linear has the files of what is asked there.
    let wanted = if story.session.is_some() { 0 } else { files };
    let brought: usize = messages.iter().map(|message| message.files.len()).sum();
    if brought != wanted {
        return Err(format!("brought {brought} files of {wanted}:\n{}", shown.join("\n--\n")));
    }
    Ok(())
}

fn in_linear(world: &World, story: &Story, session: &str, pulls: &[String], files: usize) -> Verdict {
    let transcript = || world.linear.transcript(session);
    let said = said_in(world, session);
    let last_words: Vec<_> = said
        .iter()
        .filter_map(|activity| match &activity.content {
            Content::Response { body } => Some(body),
            _ => None,
        })
        .collect();
    let [last_word] = last_words[..] else {
        return Err(format!("has {} responses:\n{}", last_words.len(), transcript()));
    };
    let word = match story.kind.end() {
        End::Done(_) => "Summary",
        End::Rejected => "Rejected",
        End::Stopped => "Stopped",
    };
    if !last_word.contains(word) {
        return Err(format!("ended otherwise:\n{}", transcript()));
    }
    let issue = world.linear.session(session).and_then(|session| world.linear.issue_view(session.issue.as_deref()?));
    let attached: Vec<_> = issue.iter().flat_map(|issue| &issue.attachments).map(|it| it.url.clone()).collect();
    if let Some(pull) = pulls.iter().find(|pull| attached.iter().filter(|url| url.ends_with(*pull)).count() != 1) {
        return Err(format!("does not have {pull} attached once:\n{}", transcript()));
    }
    let is_file =
        |activity: &&Activity| matches!(&activity.content, Content::Action { action, .. } if action == "File");
    let brought = said.iter().filter(is_file).count();
    if brought != files {
        return Err(format!("brought {brought} files of {files}:\n{}", transcript()));
    }
    Ok(())
}

/// What Baton said in a session, without what was passing.
fn said_in(world: &World, session: &str) -> Vec<Activity> {
    let mut said = world.linear.activities(session);
    said.retain(|activity| activity.user == APP_USER && !activity.ephemeral);
    said
}

/// Without the address of a file, which is another one each time it is uploaded.
fn key(activity: &Activity) -> String {
    match &activity.content {
        Content::Action { action, parameter, .. } => format!("{action} {parameter}"),
        other => format!("{} {}", other.kind(), other.body().unwrap_or_default()),
    }
}

fn files_of(world: &World, message: &Message) -> Vec<String> {
    let thread = message.thread_ts.clone().unwrap_or_default();
    let files = world.slack.files().into_iter().filter(|file| message.files.contains(&file.id));
    files.map(|file| format!("{} {} in {thread}", file.name, file.title)).collect()
}

fn each_once(what: &str, names: impl Iterator<Item = String>) -> Verdict<usize> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("one {what} stands there twice: {}", pair[0])),
        None => Ok(names.len()),
    }
}
