//! The `promptContext` of a session that begins: the issue, the thread and the others, as Linear
//! writes them for an agent. <https://linear.app/developers/agent-interaction#prompt-context>

use std::fmt::Write as _;

use super::world::{Comment, Session, World, escaped};

pub fn prompt_context(world: &World, session: &Session) -> Option<String> {
    let issue = world.issue(session.issue.as_deref()?)?;
    let mut text = format!("<issue identifier=\"{}\">\n<title>{}</title>\n", issue.identifier, xml(&issue.title));
    if let Some(description) = &issue.description {
        let _ = writeln!(text, "<description>{}</description>", xml(&escaped(description)));
    }
    if let Some(team) = world.team(&issue.team) {
        let _ = writeln!(text, "<team name=\"{}\"/>", xml(team.name));
    }
    for label in issue.labels.iter().filter_map(|id| world.label(id)) {
        let _ = writeln!(text, "<label>{}</label>", xml(&label.name));
    }
    if let Some(project) = issue.project.as_deref().and_then(|id| world.project(id)) {
        let _ = writeln!(text, "<project name=\"{}\"/>", xml(project.name));
    }
    text.push_str("</issue>\n");
    let of_issue = |comment: &&Comment| comment.issue == session.issue && comment.parent.is_none();
    for root in world.comments.iter().filter(of_issue) {
        let tag = if root.id == session.comment { "primary-directive-thread" } else { "other-thread" };
        let _ = writeln!(text, "\n<{tag} comment-id=\"{}\">", root.id);
        let thread =
            world.comments.iter().filter(|comment| comment.id == root.id || comment.parent.as_ref() == Some(&root.id));
        for comment in thread {
            write_comment(&mut text, world, comment);
        }
        let _ = writeln!(text, "</{tag}>");
    }
    if !world.knobs.guidance.is_empty() {
        let _ = writeln!(
            text,
            "\n<guidance>\n<guidance-rule origin=\"organization\">{}</guidance-rule>\n</guidance>",
            xml(&world.knobs.guidance)
        );
    }
    Some(text)
}

fn write_comment(text: &mut String, world: &World, comment: &Comment) {
    let author = comment.author.user().map_or("Linear", |id| world.name_of(id));
    let at = comment.created_at.to_rfc3339().replace('T', " ");
    let at = at.get(..19).unwrap_or_default();
    let mention =
        world.user("baton").map_or_else(String::new, |user| format!("<user id=\"{}\">{}</user>", user.id, user.handle));
    let body = xml(&comment.body).replace("@baton", &mention);
    let _ = writeln!(text, "<comment author=\"{}\" created-at=\"{at}\">\n{body}\n</comment>", xml(author));
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
