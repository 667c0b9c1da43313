//! A proposal edited by people: in the form, page by page, and in words.

use baton::domain::policy::Policy;
use serde_json::{Value, json};

use super::{
    Story,
    allowed::under,
    story::{ADA, GRACE, LINUS},
};
use crate::databases::on_both;

const TASK: &str = "Update the docs, one child per package";

/// The form that is open to this person.
fn form(story: &Story, user: &str) -> Value {
    story.world.slack.views(user).pop().unwrap_or_else(|| panic!("no form is open:\n{}", story.thread_text()))
}

async fn send(story: &Story, user: &str, values: &Value) {
    let view = form(story, user);
    story.world.slack.submit(user, view["id"].as_str().unwrap(), values).await.unwrap();
    story.settle().await;
}

fn prompts(story: &Story) -> Vec<String> {
    let mut runs = story.world.oz.runs().split_off(1);
    runs.sort_by_key(|run| run.metadata["baton.child"].clone());
    runs.into_iter().map(|run| run.prompt).collect()
}

on_both!(
    /// The form has each prompt whole; the card of the new version says who changed what.
    an_edit_is_a_new_version_and_exactly_that_runs, |db| async {
        let story = Story::begin(db).await;
        story.world.oz.propose(&[("api", "Do the API.\nAll of it."), ("web", "Do the web."), ("cli", "Do the CLI.")]);
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        let first = story.message_with("baton.approve");
        story.press(GRACE, "baton.edit").await;
        let view = form(&story, GRACE).to_string();
        assert!(view.contains(r#""initial_value":"Do the API.\nAll of it.""#), "{view}");
        let values = json!({
            "prompt-2": "Do the web, in French.", "keep-3": [], "model-1": "auto", "returns-1": "A report",
            "more-name": "docs", "more-prompt": "Write them up.", "parallelism": "2",
        });
        send(&story, GRACE, &values).await;
        story.until("Proposal, version 2: 3 children").await;
        let thread = story.thread_text();
        for line in [
            "*Changed since version 1* by @Grace Hopper",
            "api: another expected result, model auto instead of the default",
            "web: another prompt",
            "docs: added",
            "cli: dropped",
            "all: at once 2 instead of the default",
        ] {
            assert!(thread.contains(line), "{line}:\n{thread}");
        }
        story.press_as_it_was(ADA, &first, "baton.approve").await;
        assert!(story.told(ADA).last().unwrap().contains("replaced by version 2"), "{:?}", story.told(ADA));
        story.press(ADA, "baton.approve").await;
        story.until("Done").await;
        assert_eq!(prompts(&story), ["Do the API.\nAll of it.", "Do the web, in French.", "Write them up."]);
        story.end().await;
    }
);

on_both!(
    /// Who approved three children has approved two of them, and not another third.
    an_approval_outlives_only_what_leaves_something_out, |db| async {
        let story = Story::with(db, under(Policy { quorum: 2, ..Policy::default() })).await;
        story.world.oz.propose(&[("api", "Do the API."), ("web", "Do the web."), ("cli", "Do the CLI.")]);
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        story.press(ADA, "baton.approve").await;
        story.press(GRACE, "baton.edit").await;
        send(&story, GRACE, &json!({"keep-2": []})).await;
        story.until("Proposal, version 2: 2 children").await;
        assert!(story.thread_text().contains("Approved by @Ada Lovelace · 1 more person is needed"), "{}", story.thread_text());
        story.press(ADA, "baton.approve").await;
        assert!(story.told(ADA).last().unwrap().contains("already counted"), "{:?}", story.told(ADA));

        story.press(GRACE, "baton.edit").await;
        send(&story, GRACE, &json!({"prompt-1": "Do all of the API."})).await;
        story.until("Proposal, version 3: 2 children").await;
        story.press(LINUS, "baton.approve").await;
        story.until("Approved by @Ada Lovelace (all but api), @Linus · 1 more person is needed").await;
        assert_eq!(story.runs().len(), 1, "the first approval was for other words");
        story.press(ADA, "baton.approve").await;
        story.until("Done").await;
        assert_eq!(prompts(&story), ["Do all of the API.", "Do the CLI."]);
        story.end().await;
    }
);

on_both!(
    /// What was not changed stays approved: without the changed one, both approvals count, and the rest runs.
    only_what_changed_has_to_be_approved_again, |db| async {
        let story = Story::with(db, under(Policy { quorum: 2, ..Policy::default() })).await;
        story.world.oz.propose(&[("api", "Do the API."), ("web", "Do the web."), ("cli", "Do the CLI.")]);
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        story.press(ADA, "baton.approve").await;
        story.press(GRACE, "baton.edit").await;
        send(&story, GRACE, &json!({"prompt-3": "Do all of the CLI."})).await;
        story.until("Approved by @Ada Lovelace (all but cli) · 2 more people are needed").await;
        story.press(LINUS, "baton.approve").await;
        story.until("Approved by @Ada Lovelace (all but cli), @Linus · 1 more person is needed").await;
        assert_eq!(story.runs().len(), 1);
        story.press(GRACE, "baton.edit").await;
        send(&story, GRACE, &json!({"keep-3": [], "hold": ["yes"]})).await;
        story.until("*Approved* by @Ada Lovelace, @Linus").await;
        story.until("Proposal, version 4: 1 child").await;
        assert_eq!(prompts(&story), ["Do the API.", "Do the web."]);
        assert!(story.thread_text().contains("Do all of the CLI."), "{}", story.thread_text());
        for user in [ADA, LINUS] {
            story.press(user, "baton.approve").await;
        }
        story.until("3 of 3 done").await;
        assert_eq!(prompts(&story), ["Do the API.", "Do the web.", "Do all of the CLI."]);
        story.end().await;
    }
);

on_both!(forty_children_stand_on_pages, |db| async {
    let story = Story::begin(db).await;
    let children: Vec<(String, String)> =
        (1..=40).map(|n| (format!("part-{n}"), format!("Do part {n}. {}", "x".repeat(2_900)))).collect();
    let children: Vec<(&str, &str)> = children.iter().map(|(name, prompt)| (name.as_str(), prompt.as_str())).collect();
    story.world.oz.propose(&children);
    story.orchestrate(TASK).await;
    story.until("[Edit]").await;
    story.press(ADA, "baton.edit").await;
    let mut pages = 0;
    while story.world.slack.views(ADA).pop().is_some() && pages < 9 {
        pages += 1;
        // On each page the first child is dropped.
        let view = form(&story, ADA);
        let blocks = view["blocks"].as_array().unwrap();
        let keep =
            blocks.iter().find(|block| block["block_id"].as_str().unwrap_or_default().starts_with("keep-")).unwrap();
        send(&story, ADA, &json!({ keep["block_id"].as_str().unwrap(): [] })).await;
    }
    assert_eq!(pages, 3);
    story.until("Proposal, version 2: 37 children").await;
    let thread = story.thread_text();
    for name in ["part-1: dropped", "part-15: dropped", "part-29: dropped"] {
        assert!(thread.contains(name), "{name}:\n{thread}");
    }
    story.press(ADA, "baton.stop").await;
    story.until("Stopped").await;
    story.end().await;
});

on_both!(one_prompt_can_be_edited_in_words, |db| async {
    let story = Story::begin(db).await;
    let long = "Do the API. ".repeat(400);
    story.world.oz.propose(&[("api", &long), ("web", "Do the web.")]);
    story.orchestrate(TASK).await;
    story.until("[Edit]").await;
    story.press(ADA, "baton.edit").await;
    let view = form(&story, ADA).to_string();
    assert!(view.contains("too long for a form. Reply `edit api: …`"), "{view}");
    send(&story, ADA, &json!({})).await;
    assert!(story.told(ADA).last().unwrap().contains("changed nothing"), "{:?}", story.told(ADA));
    story.reply(ADA, "Edit API: Do the API,\nshortly.").await;
    story.until("Proposal, version 2").await;
    assert!(story.thread_text().contains("api: another prompt"), "{}", story.thread_text());
    story.press(ADA, "baton.approve").await;
    story.until("Done").await;
    assert_eq!(prompts(&story), ["Do the API,\nshortly.", "Do the web."]);
    assert!(
        story.world.oz.runs()[0].follow_ups.iter().all(|told| !told.contains("shortly")),
        "it was not for the agent"
    );
    story.end().await;
});

on_both!(
    /// What is wrong with one child costs nobody what they changed of the others.
    an_edit_with_a_mistake_is_there_again, |db| async {
        let story = Story::begin(db).await;
        story.world.oz.propose(&[("api", "Do the API."), ("web", "Do the web.")]);
        story.orchestrate(TASK).await;
        story.until("[Edit]").await;
        story.press(GRACE, "baton.edit").await;
        let values = json!({"prompt-1": "Do all of the API.", "more-name": "web", "more-prompt": "Again."});
        send(&story, GRACE, &values).await;
        assert!(story.told(GRACE)[0].contains("your other changes are still there"), "{:?}", story.told(GRACE));
        story.press(GRACE, "baton.edit").await;
        assert!(form(&story, GRACE).to_string().contains("Do all of the API."));
        send(&story, GRACE, &json!({})).await;
        story.until("Proposal, version 2: 2 children").await;
        story.press(GRACE, "baton.approve").await;
        story.until("Done").await;
        assert_eq!(prompts(&story), ["Do all of the API.", "Do the web."]);
        story.end().await;
    }
);

on_both!(
    /// What stands and cannot be offered, or is too long for a field, comes back as it was.
    what_a_form_cannot_show_stays_as_it_is, |db| async {
        let story = Story::begin(db).await;
        let report = "All of it. ".repeat(300);
        let block = json!({"children": [
            {"name": "api", "prompt": "Do the API.", "returns": report, "environment": "of-nobody", "model": "m".repeat(160)},
            {"name": "web", "prompt": "Do the web.", "model": "auto"},
        ]});
        story.world.oz.say(&format!("```baton-proposal\n{block}\n```"));
        story.orchestrate(TASK).await;
        story.until("[Edit]").await;
        story.press(ADA, "baton.edit").await;
        let view = form(&story, ADA).to_string();
        assert!(view.contains("expected result (too long for a form, and stays as it is): All of it."), "{view}");
        send(&story, ADA, &json!({})).await;
        assert!(story.told(ADA).last().unwrap().contains("changed nothing"), "{:?}", story.told(ADA));
        story.press(ADA, "baton.edit").await;
        send(&story, ADA, &json!({"environment-1": null, "model-2": null})).await;
        story.until("Proposal, version 2").await;
        let thread = story.thread_text();
        for line in ["api: environment the default instead of of-nobody", "web: model the default instead of auto"] {
            assert!(thread.contains(line), "{line}:\n{thread}");
        }
        story.press(ADA, "baton.approve").await;
        story.until("Done").await;
        story.end().await;
    }
);

on_both!(
    /// A page that was sent when its draft was gone says so, rather than proposing it alone.
    the_second_page_alone_is_no_edit, |db| async {
        let story = Story::begin(db).await;
        let children: Vec<(String, String)> = (1..=20).map(|n| (format!("part-{n}"), format!("Do part {n}."))).collect();
        let children: Vec<(&str, &str)> = children.iter().map(|(name, prompt)| (name.as_str(), prompt.as_str())).collect();
        story.world.oz.propose(&children);
        story.orchestrate(TASK).await;
        story.until("[Edit]").await;
        story.press(ADA, "baton.edit").await;
        send(&story, ADA, &json!({"keep-1": []})).await;
        let second = form(&story, ADA);
        // On another device, meanwhile, nothing is changed after all.
        story.press(ADA, "baton.edit").await;
        send(&story, ADA, &json!({"keep-1": ["yes"]})).await;
        send(&story, ADA, &json!({})).await;
        assert!(story.told(ADA).last().unwrap().contains("changed nothing"), "{:?}", story.told(ADA));
        story.world.slack.submit(ADA, second["id"].as_str().unwrap(), &json!({})).await.unwrap();
        story.settle().await;
        assert!(story.told(ADA).last().unwrap().contains("press Edit to begin again"), "{:?}", story.told(ADA));
        assert!(!story.thread_text().contains("version 2"), "{}", story.thread_text());
        story.press(ADA, "baton.stop").await;
        story.until("Stopped").await;
        story.end().await;
    }
);

on_both!(
    /// The agent is told what people have made of its proposal, and everybody what is to be different.
    what_people_edited_outlives_a_request_for_changes,
    |db| async {
        let story = Story::begin(db).await;
        story.orchestrate("Migrate the tests, one child per package: api, web, cli").await;
        story.until("[Edit]").await;
        story.press(ADA, "baton.edit").await;
        send(&story, ADA, &json!({"prompt-1": "Use tabs in the API.", "keep-3": [], "hold": ["yes"]})).await;
        story.until("Proposal, version 2: 2 children").await;
        assert!(story.thread_text().contains("cli: held for later"), "{}", story.thread_text());
        story.press(GRACE, "baton.request_changes").await;
        story.fill_form(GRACE, "add a child for docs").await;
        story.until("Proposal, version 3: 3 children").await;
        let thread = story.thread_text();
        assert!(thread.contains("@Grace Hopper asks for changes:") && thread.contains("add a child for docs"), "{thread}");
        let told = story.world.oz.runs()[0].follow_ups.last().cloned().unwrap_or_default();
        assert!(told.contains("held back for later and belong to no proposal now: cli"), "{told}");
        story.press(ADA, "baton.approve").await;
        story.until("Proposal, version 4: 1 child").await;
        assert!(prompts(&story).contains(&"Use tabs in the API.".to_owned()), "{:?}", prompts(&story));
        story.press(ADA, "baton.approve").await;
        story.until("4 of 4 done").await;
        story.end().await;
    }
);

on_both!(
    /// What was surely meant as an edit is not told to the agent, who would propose all anew.
    an_edit_in_words_that_is_not_quite_one_changes_nothing,
    |db| async {
        let story = Story::begin(db).await;
        story.world.oz.propose(&[("api", "Do the API."), ("web", "Do the web.")]);
        story.orchestrate(TASK).await;
        story.until("[Edit]").await;
        for (said, answer) in [
            ("edit apo: use tabs", "There is no child “apo”. There are: api, web."),
            ("Edit api use tabs", "put a colon and the whole new prompt after the name"),
        ] {
            story.reply(ADA, said).await;
            assert!(story.told(ADA).last().unwrap().contains(answer), "{:?}", story.told(ADA));
        }
        story.wait(std::time::Duration::from_mins(1)).await;
        assert!(story.world.oz.runs()[0].follow_ups.is_empty(), "{:?}", story.world.oz.runs()[0].follow_ups);
        story.press(ADA, "baton.approve").await;
        story.until("Done").await;
        story.end().await;
    }
);

on_both!(only_who_may_decide_may_edit, |db| async {
    let approvers = vec![baton::domain::policy::Approver::SlackGroup("S0LEADS".into())];
    let story = Story::with(db, under(Policy { approvers, ..Policy::default() })).await;
    story.world.oz.propose(&[("api", "Do the API."), ("web", "Do the web.")]);
    story.orchestrate(TASK).await;
    story.until("[Edit]").await;
    story.press(ADA, "baton.edit").await;
    assert!(story.told(ADA).last().unwrap().contains("You may not decide"), "{:?}", story.told(ADA));
    assert!(story.world.slack.views(ADA).is_empty());
    story.reply(ADA, "edit api: Delete the API.").await;
    assert_eq!(story.told(ADA).iter().filter(|told| told.contains("You may not decide")).count(), 2);
    assert!(!story.thread_text().contains("version 2"), "{}", story.thread_text());
    story.press(GRACE, "baton.edit").await;
    send(&story, GRACE, &json!({"keep-1": [], "keep-2": []})).await;
    assert!(story.told(GRACE)[0].contains("no children. Press Edit again"), "{:?}", story.told(GRACE));
    story.press(GRACE, "baton.approve").await;
    story.until("Done").await;
    story.end().await;
});

on_both!(
    /// Some are approved now; what was held is proposed when they have ended, and is approved or dropped then.
    what_is_held_is_decided_on_later, |db| async {
        for approve in [true, false] {
            let story = Story::begin(db.clone()).await;
            story.world.oz.propose(&[("api", "Do the API."), ("web", "Do the web.")]);
            story.orchestrate(TASK).await;
            story.until("[Edit]").await;
            story.press(ADA, "baton.edit").await;
            send(&story, ADA, &json!({"keep-2": [], "hold": ["yes"]})).await;
            story.until("Proposal, version 2: 1 child").await;
            assert!(story.thread_text().contains("*Held for later* web"), "{}", story.thread_text());
            story.press(ADA, "baton.approve").await;
            story.until("Held until these have ended: web").await;
            story.until("Proposal, version 3: 1 child").await;
            assert_eq!(prompts(&story), ["Do the API."]);
            if approve {
                story.press(ADA, "baton.approve").await;
            } else {
                story.press(ADA, "baton.reject").await;
                story.fill_form(ADA, "Not this one").await;
            }
            story.until("Done").await;
            let thread = story.thread_text();
            assert!(thread.contains(if approve { "2 of 2 done" } else { "1 of 1 done" }), "{thread}");
            assert_eq!(prompts(&story).len(), if approve { 2 } else { 1 });
            story.end().await;
        }
    }
);
