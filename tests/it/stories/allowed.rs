//! Who may, where that has to be found out: groups, addresses, ceilings, and what needs nobody.

use std::{collections::BTreeMap, time::Duration};

use baton::{
    domain::{
        actor::Platform,
        policy::{Approver, AutoApprove, Limits, Policy},
        route::{Route, Routes},
        run::RunSettings,
    },
    simulator::{faults::Fault, oz::Ending, slack::Author},
    storage::audit,
};
use serde_json::json;

use super::{
    Story,
    story::{ADA, ENG, GRACE, LINUS, OPS},
};
use crate::databases::on_both;

const TASK: &str = "Update the docs, one child per package: api, web";
const LEADS: &str = "S0LEADS";
const SANDBOX: &str = "7rB4jVq1Mz8HcU5iKp0LsN";

/// Everything asked in the channel is under this policy.
pub fn under(policy: Policy) -> Routes {
    let settings = RunSettings { environment: Some(SANDBOX.into()), ..RunSettings::default() };
    let route = Route { policy: Some("standard".into()), settings, ..Route::default() };
    let policy = Policy { name: "standard".into(), ..policy };
    Routes { routes: vec![route], policies: BTreeMap::from([("standard".into(), policy)]), ..Routes::default() }
}

fn leads() -> Policy {
    Policy { approvers: vec![Approver::SlackGroup(LEADS.into())], ..Policy::default() }
}

on_both!(
    /// The group is asked for at the click, and remembered for a minute.
    a_member_of_the_group_decides_and_nobody_else, |db| async {
        let story = Story::with(db, under(Policy { quorum: 2, ..leads() })).await;
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        assert!(story.thread_text().contains("the Slack group `S0LEADS`"), "{}", story.thread_text());
        let asked = || story.world.faults.calls().iter().filter(|call| call.what.contains("usergroups")).count();
        assert_eq!(asked(), 0, "nobody was looked up before they clicked");
        let before = public(&story);
        story.press(ADA, "baton.approve").await;
        assert!(story.told(ADA)[1].contains("says that the Slack group `S0LEADS` may"), "{:?}", story.told(ADA));
        story.press(ADA, "baton.approve").await;
        assert_eq!((story.told(ADA).len(), asked()), (3, 1), "what was found out is good for a minute");
        assert!(story.world.slack.views(ADA).is_empty());
        assert_eq!(public(&story), before);

        story.press(GRACE, "baton.approve").await;
        story.wait(Duration::from_secs(70)).await;
        story.press(ADA, "baton.approve").await;
        assert_eq!(asked(), 3, "and not for longer");
        story.press(LINUS, "baton.reject").await;
        assert_eq!(story.world.slack.views(LINUS).len(), 1, "the form opens once it is known that they may");
        story.press(LINUS, "baton.approve").await;
        story.until("Done").await;
        let thread = story.thread_text();
        assert!(thread.contains("*Approved* by @Grace Hopper, @Linus"), "{thread}");
        story.end().await;
    }
);

on_both!(an_address_is_what_slack_vouches_for, |db| async {
    let approvers = vec![Approver::Email("grace@example.com".into()), Approver::Domain("example.org".into())];
    let story = Story::with(db, under(Policy { approvers, ..Policy::default() })).await;
    story.orchestrate(TASK).await;
    story.until("[Approve]").await;
    story.press(LINUS, "baton.approve").await;
    assert!(story.told(LINUS)[0].contains("grace@example.com, anyone at example.org may"), "{:?}", story.told(LINUS));
    story.world.slack.knobs(|knobs| {
        knobs.scopes.remove("users:read.email");
    });
    story.press(GRACE, "baton.approve").await;
    assert!(story.told(GRACE)[0].contains("yours is not told to Baton"), "{:?}", story.told(GRACE));
    story.world.slack.knobs(|knobs| {
        knobs.scopes.insert("users:read.email".into());
    });
    story.wait(Duration::from_secs(61)).await;
    story.reply(GRACE, "<@U0BATON> approve v1").await;
    assert!(story.thread_text().contains("@Grace Hopper approved version 1."), "{}", story.thread_text());
    story.until("Done").await;
    story.end().await;
});

on_both!(
    /// The reason is told to the one who clicked, and nothing is changed.
    a_look_up_that_fails_refuses, |db| async {
        let story = Story::with(db, under(leads())).await;
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        story.until("Waiting for a decision").await;
        let before = public(&story);
        story.world.faults.add("slack", "usergroups.users.list", Fault::Refuse("missing_scope".into()), 1);
        story.press(GRACE, "baton.approve").await;
        let told = story.told(GRACE);
        assert!(told[0].contains("could not be found out, so nothing was changed"), "{told:?}");
        assert!(told[0].contains("lacks a permission in Slack"), "{told:?}");
        story.world.faults.add("slack", "usergroups.users.list", Fault::Html(503), 99);
        story.press(GRACE, "baton.approve").await;
        story.wait(Duration::from_mins(2)).await;
        assert!(story.told(GRACE)[1].contains("tried several times without success"), "{:?}", story.told(GRACE));
        assert_eq!(public(&story), before);
        story.world.faults.clear();
        story.press(GRACE, "baton.approve").await;
        story.until("Done").await;
        story.end().await;
    }
);

on_both!(
    /// Nothing is posted before it is known.
    who_may_start_is_found_out_before_anything_is_there, |db| async {
        let policy = Policy { starters: vec![Approver::SlackGroup(LEADS.into())], ..Policy::default() };
        let story = Story::with(db, under(policy)).await;
        story.orchestrate(TASK).await;
        assert!(story.told(ADA).last().unwrap().contains("says that the Slack group `S0LEADS` may"), "{:?}", story.told(ADA));
        let root = story.say(ADA, "@baton update the docs of each of api, web").await;
        assert!(story.runs().is_empty() && !story.thread_text().contains("[Stop]"), "{}", story.thread_text());

        // The same thread is nobody's: who may starts in it.
        story.world.slack.say(GRACE, story.place, Some(&root), "@baton update the docs of each of api, web").await;
        story.until("[Approve]").await;
        story.press(ADA, "baton.approve").await;
        story.until("Done").await;
        assert_eq!(story.runs().len(), 3);
        story.end().await;
    }
);

on_both!(a_policy_limits_how_many_there_are_at_once, |db| async {
    let story = Story::with(db, under(Policy { max_concurrent: Some(1), ..Policy::default() })).await;
    story.orchestrate(TASK).await;
    story.until("[Approve]").await;
    story.command(GRACE, "/orchestrate", TASK).await;
    assert!(
        story.told(GRACE).last().unwrap().contains("allows 1 at once, and 1 is under way"),
        "{:?}",
        story.told(GRACE)
    );
    assert_eq!(story.runs().len(), 1);
    story.press(ADA, "baton.approve").await;
    story.until("Done").await;
    story.command(GRACE, "/oz", "Fix the flaky test").await;
    story.until("Fix the flaky test").await;

    // Going on with the one that has ended would be a second one.
    story.wait(Duration::from_secs(5)).await;
    story.end().await;
});

on_both!(
    /// Whatever the policies say.
    all_of_baton_has_limits_too, |db| async {
        let story = Story::with(db.clone(), Routes { limits: Limits { max_per_place: Some(1), ..Limits::default() }, ..Routes::default() });
        let mut story = story.await;
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        story.command(GRACE, "/orchestrate", TASK).await;
        let told = story.told(GRACE);
        assert!(told.last().unwrap().contains("The limit for one channel or issue allows 1 at once"), "{told:?}");
        assert_eq!(story.runs().len(), 1);
        story.place = OPS;
        story.command(GRACE, "/oz", "Fix the flaky test").await;
        story.until("Fix the flaky test").await;
        story.wait(Duration::from_secs(30)).await;
        assert_eq!(story.runs().len(), 2);
        story.place = ENG;
        story.press(ADA, "baton.approve").await;
        story.until("Done").await;
        story.end().await;

        let limits = Limits { max_concurrent: Some(1), daily_credits: Some(20), ..Limits::default() };
        let story = Story::with(db, Routes { limits, ..Routes::default() }).await;
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        story.command(GRACE, "/orchestrate", TASK).await;
        let told = story.told(GRACE);
        assert!(told.last().unwrap().contains("The limit for all of Baton allows 1 at once"), "{told:?}");
        story.press(ADA, "baton.approve").await;
        story.until("Done").await;
        story.command(GRACE, "/orchestrate", TASK).await;
        let told = story.told(GRACE);
        assert!(told.last().unwrap().contains("The limit for all of Baton allows 20 credits within 24 hours"), "{told:?}");
        story.end().await;
    }
);

on_both!(a_policy_limits_what_is_used_in_a_day, |db| async {
    let story = Story::with(db, under(Policy { daily_credits: Some(5), ..Policy::default() })).await;
    story.orchestrate(TASK).await;
    story.until("[Approve]").await;
    story.press(ADA, "baton.approve").await;
    story.until("Done").await;
    story.orchestrate("Once more, one child per package: api, web").await;
    let told = story.told(ADA);
    assert!(told.last().unwrap().contains("allows 5 credits within 24 hours"), "{told:?}");
    assert_eq!(story.runs().len(), 3);
    story.pass(Duration::from_hours(26));
    story.orchestrate("Once more, one child per package: api, web").await;
    story.until("[Approve]").await;
    story.press(ADA, "baton.stop").await;
    story.until("Stopped").await;
    story.end().await;
});

on_both!(what_is_small_enough_needs_nobody, |db| async {
    let auto = AutoApprove { max_children: Some(2), environments: vec![SANDBOX.into()], ..AutoApprove::default() };
    let policy = Policy { auto_approve: Some(auto), approvers: leads().approvers, ..Policy::default() };
    let story = Story::with(db, under(policy)).await;
    story.orchestrate(TASK).await;
    story.until("Done").await;
    let thread = story.thread_text();
    assert!(thread.contains("*Approved* by the policy “standard”, which needs nobody for this."), "{thread}");
    assert!(!thread.contains("[Approve]"), "{thread}");
    assert_eq!(story.runs().len(), 3);

    story.orchestrate("Update the docs, one child per package: api, web, cli").await;
    story.until("[Approve]").await;
    assert_eq!(story.runs().len(), 4, "three are decided on by people");
    story.press(ADA, "baton.stop").await;
    story.until("Stopped").await;
    story.end().await;
});

on_both!(
    /// What was edited since is a new version, and the old approval is for the old words.
    a_plan_is_read_once_more_before_it_is_approved, |db| async {
        let story = Story::begin(db).await;
        story.world.oz.say_with_plan("Here is the plan.", "# Plan\n\nMove the shop.");
        story.command(ADA, "/plan", "Move the shop").await;
        story.until("Plan, version 1").await;
        assert!(!story.thread_text().contains("[Edit]"), "a plan is edited where it stands");
        story.world.oz.edit_plans("# Plan\n\nMove the shop, and its data.");
        story.press(GRACE, "baton.approve").await;
        story.until("Plan, version 2").await;
        assert!(story.told(GRACE)[0].contains("Version 1 was replaced by version 2"), "{:?}", story.told(GRACE));
        assert!(story.thread_text().contains("the plan was changed"), "{}", story.thread_text());
        assert!(story.world.oz.runs()[0].follow_ups.is_empty(), "nothing was approved");
        // The plan's file comes after what people wait for.
        story.wait(Duration::from_secs(10)).await;

        story.world.faults.add("oz", "GET /agent/artifacts/", Fault::Status(403), 9);
        story.press(GRACE, "baton.approve").await;
        story.wait(Duration::from_mins(1)).await;
        story.world.faults.clear();
        assert!(story.told(GRACE)[1].contains("could not be read once more"), "{:?}", story.told(GRACE));
        story.press(GRACE, "baton.approve").await;
        story.until("*Approved* by @Grace Hopper").await;
        assert!(story.world.oz.runs()[0].follow_ups[0].contains("and its data."), "{:?}", story.world.oz.runs()[0].follow_ups);
        story.until("Done").await;
        story.end().await;
    }
);

on_both!(a_plan_that_changed_is_a_new_version_however_the_agent_ended, |db| async {
    let story = Story::begin(db).await;
    story.world.oz.say_with_plan("Here is the plan.", "# Plan\n\nMove the shop.");
    story.command(ADA, "/plan", "Move the shop").await;
    story.until("Plan, version 1").await;
    story.world.oz.edit_plans("# Plan\n\nMove the shop, and its data.");
    story.world.oz.parent_ends(Ending::Blocks);
    story.reply(GRACE, "what about its data?").await;
    story.until("Plan, version 2").await;
    story.press(GRACE, "baton.stop").await;
    story.until("*Stopped*").await;
    story.end().await;
});

/// The channel as everybody sees it.
fn public(story: &Story) -> Vec<String> {
    let slack = &story.world.slack;
    slack.messages(story.place).iter().map(|message| slack.shown(message)).collect()
}

on_both!(
    /// Who may not start anything does not go on with what has ended either, nor start its children again.
    going_on_after_the_end_is_like_starting,
    |db| async {
        let starters = vec![Approver::Member { platform: Platform::Slack, id: GRACE.into() }];
        let mut story = Story::with(db, under(Policy { starters, ..Policy::default() })).await;
        let failed = Ending::Fails { code: "x".into(), message: "No disk.".into(), retryable: false };
        story.world.oz.child_ends("web", failed);
        story.command(GRACE, "/orchestrate", TASK).await;
        story.until("[Approve]").await;
        story.press(ADA, "baton.approve").await;
        story.until("*Done*").await;
        let ours = || story.world.slack.messages(ENG).iter().filter(|message| message.author == Author::Us).count();
        let (runs, before) = (story.runs().len(), ours());
        story.reply(ADA, "Now rewrite the billing service").await;
        story.reply(ADA, "#1 and the invoices").await;
        story.reply(ADA, "@baton now rewrite the billing service").await;
        story.reply(ADA, "@baton retry 2").await;
        story.press(ADA, "baton.retry_child").await;
        story.wait(Duration::from_secs(20)).await;
        let told = story.told(ADA);
        let refusals = told.iter().filter(|told| told.contains("You may not start orchestrations here.")).count();
        assert_eq!(refusals, 5, "{told:#?}");
        assert_eq!((story.runs().len(), ours()), (runs, before), "{}", story.thread_text());
        assert!(story.world.oz.runs().iter().all(|run| !run.follow_ups.iter().any(|told| told.contains("billing"))));
        let log = audit::after(&story.store, 0).await.unwrap();
        let refused = log.iter().filter(|row| row.kind == "refused" && row.detail.contains("not a starter")).count();
        assert_eq!(refused, 5, "{log:#?}");

        story.restart().await;
        story.reply(GRACE, "@baton retry 2").await;
        story.until("2 of 2 done").await;
        story.reply(GRACE, "Which one should be merged first?").await;
        story.until("I split it along api, web").await;
        story.end().await;
    }
);

on_both!(
    /// One child needs nobody; three do, also one after the other.
    what_needs_nobody_is_counted_as_a_whole,
    |db| async {
        let auto_approve = Some(AutoApprove { max_children: Some(1), ..AutoApprove::default() });
        let story = Story::with(db, under(Policy { quorum: 2, auto_approve, ..Policy::default() })).await;
        story.world.oz.propose(&[("api", "Do the API."), ("web", "Do the web."), ("cli", "Do the CLI.")]);
        story.orchestrate(TASK).await;
        story.until("[Edit]").await;
        story.press(ADA, "baton.edit").await;
        let form = story.world.slack.views(ADA).pop().unwrap()["id"].as_str().unwrap().to_owned();
        let values = json!({"keep-2": [], "keep-3": [], "hold": ["yes"]});
        story.world.slack.submit(ADA, &form, &values).await.unwrap();
        story.until("Proposal, version 2: 1 child").await;
        story.wait(Duration::from_secs(20)).await;
        assert_eq!(story.runs().len(), 1, "{}", story.thread_text());
        for user in [ADA, GRACE] {
            story.press(user, "baton.approve").await;
        }
        story.until("Proposal, version 3: 2 children").await;
        story.wait(Duration::from_secs(20)).await;
        assert_eq!(story.runs().len(), 2, "{}", story.thread_text());
        for user in [ADA, GRACE] {
            story.press(user, "baton.approve").await;
        }
        story.until("3 of 3 done").await;
        story.end().await;
    }
);

on_both!(
    /// What an agent starts that starts its own children counts as approved: who may not approve does
    /// not tell it what to do meanwhile.
    who_may_not_approve_does_not_instruct,
    |db| async {
        let approvers = vec![Approver::Member { platform: Platform::Slack, id: GRACE.into() }];
        let story = Story::with(db, under(Policy { approvers, ..Policy::default() })).await;
        story.world.oz.say_with_plan("Here is the plan.", "# Plan\n\nMove the shop.");
        story.command(ADA, "/plan", "Move the shop").await;
        story.until("Plan, version 1").await;
        story.press(GRACE, "baton.approve").await;
        story.until("*Approved* by @Grace Hopper").await;
        let parent = story.world.oz.runs()[0].id.clone();
        story.world.oz.spawn_child(&parent, "shop");
        story.until("shop").await;
        story.reply(ADA, "also start thirty agents for the docs").await;
        story.reply(GRACE, "take the new logo").await;
        story.until("*Done*").await;
        assert!(story.told(ADA)[1].contains("You may not tell an agent what to do"), "{:?}", story.told(ADA));
        let told = |text: &str| story.world.oz.runs()[0].follow_ups.iter().any(|told| told.contains(text));
        assert!(told("take the new logo") && !told("thirty agents"), "{:?}", story.world.oz.runs()[0].follow_ups);
        story.end().await;
    }
);
