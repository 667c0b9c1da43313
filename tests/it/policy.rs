//! The rows of README.md's table of who may, run through the policies that stand above it.

use std::fs;

use baton::{
    config,
    domain::{
        actor::Actor,
        policy::{Case, Means, Verdict, Vote, Wish},
    },
    time::Timestamp,
};

#[test]
fn every_row_of_the_readme_holds() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, part) = readme.split_once("<!-- policies:").unwrap();
    let (part, _) = part.split_once("<!-- policies end -->").unwrap();
    let (_, settings) = part.split_once("```toml\n").unwrap();
    let (settings, table) = settings.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("baton.toml");
    fs::write(&file, settings).unwrap();
    let policies = config::load(Some(&file), &|_| None).unwrap().routes.policies;

    let rows: Vec<Vec<&str>> =
        table.lines().filter(|line| line.starts_with("| ") && !line.contains("verdict")).map(cells).collect();
    assert!(rows.len() >= 20, "the table is gone");
    for row in rows {
        let [policy, asker, votes, who, wish, verdict] = row[..] else { panic!("{row:?}") };
        let (actor, more) = person(who);
        let (asker, _) = person(asker);
        let votes = votes
            .split(", ")
            .filter(|vote| !vote.is_empty())
            .map(|vote| Vote::new(person(vote).0, Timestamp::default()));
        let means =
            Means { open: number(more, " open"), credits_today: number(more, " credits").into(), ..Means::default() };
        let groups = more.split(", ").filter_map(|part| part.strip_prefix("in ")).map(str::to_owned).collect();
        let wish = match wish {
            "start" => Wish::Start,
            "approve" => Wish::Approve,
            "edit" => Wish::Edit,
            "reject" => Wish::Reject,
            "change" => Wish::RequestChanges,
            other => panic!("nobody can wish to {other}"),
        };
        let case = Case { wish, actor, groups, asker, votes: votes.collect(), means: &means };
        let answer = match policies[policy].verdict(&case) {
            Verdict::Allowed => "yes".to_owned(),
            Verdict::Refused(refusal) => format!("no: {}", refusal.word()),
        };
        assert_eq!(answer, verdict, "{row:?}");
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// `slack:U0ADA ‹ada@example.com›`, and what follows.
fn person(text: &str) -> (Actor, &str) {
    let (handle, rest) = text.split_once([' ', ',']).unwrap_or((text, ""));
    let actor = match handle.split_once(':').unwrap() {
        ("slack", id) => Actor::slack("T1", id),
        ("linear", id) => Actor::linear("L1", id),
        other => panic!("{other:?}"),
    };
    match rest.strip_prefix('‹').and_then(|rest| rest.split_once('›')) {
        Some((email, rest)) => (Actor { email: Some(email.into()), ..actor }, rest.trim_start_matches(", ")),
        None => (actor, rest),
    }
}

fn number(text: &str, unit: &str) -> u32 {
    text.split(", ").find_map(|part| part.strip_suffix(unit)).map_or(0, |number| number.trim().parse().unwrap())
}
