//! All the ways in which people start something, or ask what runs: commands with their options,
//! mentions, direct messages, the shortcut, the form; and what starts nothing.

use std::time::Duration;

use baton::{
    domain::{
        actor::Platform,
        errand::Choices,
        policy::{Approver, Policy},
        route::{Route, Routes},
    },
    simulator::{
        faults::Fault,
        oz::{Mode, RunView},
        slack::{Message, Refused},
    },
    storage::choices,
};
use serde_json::{Value, json};

use super::{
    Story,
    story::{ADA, ENG, GRACE, LINUS, OPS},
};
use crate::databases::on_both;

const SHOP: &str = "9fJ2mQ7xLw0PzR4sVb1TdK";
const MOBILE: &str = "3hC8kWn5Yt6GaE2uXo9DfS";

impl Story {
    fn oz_runs(&self) -> Vec<RunView> {
        self.world.oz.runs()
    }

    /// The last thing that Baton told this person alone.
    fn last_told(&self, user: &str) -> String {
        self.told(user).pop().unwrap_or_default()
    }

    /// What Baton itself posted in the channel.
    fn posts(&self) -> Vec<Message> {
        let ours = |message: &Message| message.author.bot_id() == Some("B0BATON");
        self.world.slack.messages(self.place).into_iter().filter(ours).collect()
    }

    /// The form that this person sees.
    fn form(&self, user: &str) -> Value {
        self.world.slack.views(user).pop().unwrap_or_else(|| panic!("{user} sees no form: {:#?}", self.told(user)))
    }

    /// Oz has told of so many environments, and of one more.
    pub async fn keep_environments(&self, count: usize) {
        let environments = (0..count).map(|n| (format!("env{n}"), format!("Sandbox {n}")));
        let environments = environments.chain([(MOBILE.to_owned(), "mobile".to_owned())]).collect();
        let mut tx = self.store.begin("keep choices").await.unwrap();
        let told = Choices { environments, ..Choices::default() };
        choices::put(&mut tx, &told, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The environments that are offered to Ada when she has typed that into an open form.
    pub async fn suggested(&self, view: &str, typed: &str) -> Vec<String> {
        let answer = self.world.slack.suggest(ADA, view, "environment", typed).await.unwrap();
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        let options = said["options"].as_array().unwrap();
        options.iter().map(|option| option["value"].as_str().unwrap().to_owned()).collect()
    }

    async fn submit(&self, user: &str, values: &Value) {
        let form = self.form(user)["id"].as_str().unwrap().to_owned();
        self.world.slack.submit(user, &form, values).await.unwrap();
        self.settle().await;
    }
}

/// The id of the newest orchestration, from its board.
fn id_on(board: &str) -> String {
    board.split('`').nth(1).unwrap().to_owned()
}

on_both!(plan_asks_for_a_plan_first, |db| async {
    let story = Story::begin(db).await;
    story.command(ADA, "/plan", "Move the shop to PostgreSQL 18, two children").await;
    story.until("[Approve]").await;
    assert_eq!(story.oz_runs()[0].mode, Mode::Plan);
    story.press(ADA, "baton.approve").await;
    story.until("Done").await;
    assert_eq!(story.runs().len(), 3);
    story.end().await;
});

on_both!(oz_runs_one_agent_and_proposes_nothing, |db| async {
    let story = Story::begin(db).await;
    story.command(ADA, "/oz", "Fix the flaky test in checkout").await;
    assert_eq!(story.last_told(ADA), "On its way: the board will appear in this channel in a moment.");
    story.until("Done").await;
    let runs = story.oz_runs();
    assert_eq!((runs.len(), runs[0].mode), (1, Mode::Normal));
    assert!(!runs[0].prompt.contains("baton-proposal"), "{}", runs[0].prompt);
    let text = story.thread_text();
    assert!(!text.contains("[Approve]") && text.contains("pull request #1 is open"), "{text}");
    story.end().await;
});

on_both!(
    /// The verbs of `/oz` are answered to the one who asked, and to nobody else.
    oz_tells_what_runs_and_stops_it,
    |db| async {
        let story = Story::begin(db).await;
        for (text, answer) in [
            ("", "/orchestrate TASK"),
            ("help", "each:api,web,cli"),
            ("status", "Nothing is under way here."),
            ("cancel", "Nothing is under way here."),
            ("list", "There are no orchestrations yet."),
            ("status o1a2b3c4d5e", "There is no orchestration o1a2b3c4d5e in this workspace."),
            ("cancel o1a2b3c4d5e", "There is no orchestration o1a2b3c4d5e in this workspace."),
        ] {
            story.command(GRACE, "/oz", text).await;
            assert!(story.last_told(GRACE).contains(answer), "/oz {text}: {}", story.last_told(GRACE));
        }
        assert!(story.posts().is_empty(), "nobody else saw any of it");

        story.orchestrate("Write tests for each of api, web").await;
        story.until("[Approve]").await;
        let posts = story.posts().len();
        story.command(GRACE, "/oz", "status").await;
        let told = story.last_told(GRACE);
        assert!(told.contains("Waiting for a decision on version 1") && !told.contains("[Stop]"), "{told}");
        let first = id_on(&told);
        assert_eq!(story.world.slack.ephemerals(GRACE).pop().unwrap().thread_ts, None, "where she asked");
        story.command(GRACE, "/orchestrate", "status").await;
        assert_eq!(story.last_told(GRACE), told, "whatever the command");

        story.command(LINUS, "/oz", "Fix the flaky test [slow]").await;
        story.wait(Duration::from_secs(3)).await;
        assert_eq!(story.runs().len(), 2);
        story.command(GRACE, "/oz", "status").await;
        let told = story.last_told(GRACE);
        assert!(told.contains(&first) && told.contains("Fix the flaky test"), "{told}");
        story.command(GRACE, "/oz", "cancel").await;
        let told = story.last_told(GRACE);
        assert!(told.contains("Name the one you mean") && told.contains(&first), "{told}");
        assert_eq!(story.world.oz.runs()[0].state.as_str(), "SUCCEEDED");
        story.command(GRACE, "/oz", &format!("status {first}")).await;
        assert!(story.last_told(GRACE).contains("Write tests for each of api, web"));

        story.command(GRACE, "/oz", &format!("cancel {first}")).await;
        story.until("*Stopped* by @Grace Hopper").await;
        story.command(ADA, "/oz", "cancel").await;
        story.until("*Stopped* by @Ada Lovelace").await;
        story.wait(Duration::from_secs(5)).await;
        let runs = story.runs();
        assert_eq!((runs.len(), runs[1].1), (2, "CANCELLED"), "{runs:?}");
        story.command(ADA, "/oz", &format!("cancel {first}")).await;
        assert!(story.last_told(ADA).contains("nothing to stop"));
        story.command(ADA, "/oz", "list").await;
        let told = story.last_told(ADA);
        assert!(told.contains(&first) && told.contains("stopped"), "{told}");
        assert!(story.posts().len() > posts, "the endings are for all to see");
        story.end().await;
    }
);

on_both!(options_before_the_task_reach_oz, |db| async {
    let story = Story::begin(db).await;
    let options = format!("env:{SHOP} model:auto-genius harness:Oz host:warp parallel:2 max:5 skill:acme/shop:migrate");
    story.orchestrate(&format!("{options} Write tests for each of api, web, cli, docs")).await;
    story.until("[Approve]").await;
    let parent = &story.oz_runs()[0];
    for (name, value) in
        [("environment_id", SHOP), ("model_id", "auto-genius"), ("worker_host", "warp"), ("name", "baton")]
    {
        assert_eq!(parent.config[name], value, "{name}: {}", parent.config);
    }
    assert_eq!(parent.config["harness"]["type"], "oz");
    let create = story.world.faults.calls().into_iter().find(|call| call.what == "POST /agent/runs").unwrap();
    assert!(create.body.contains("\"skill\":\"acme/shop:migrate\""), "{}", create.body);
    assert!(parent.prompt.contains("Propose at most 5 children"));
    assert!(!parent.prompt.contains("env:"), "options are no part of the task");
    let card = story.thread_text();
    assert!(card.contains("2 at once") && card.contains(&format!("environment {SHOP}")), "{card}");

    story.press(ADA, "baton.approve").await;
    let mut most = 0;
    while !story.thread_text().contains("Done") {
        story.wait(Duration::from_secs(1)).await;
        let working = story.oz_runs().iter().skip(1).filter(|run| run.state.is_working()).count();
        most = most.max(working);
    }
    assert_eq!(most, 2, "no more at once than asked for");
    for child in &story.oz_runs()[1..] {
        assert_eq!((&child.config["environment_id"], &child.config["model_id"]), (&json!(SHOP), &json!("auto-genius")));
    }
    let skills = story.world.faults.calls().iter().filter(|call| call.body.contains("\"skill\":")).count();
    assert_eq!(skills, 1, "a child gets its prompt as approved and nothing else");
    story.end().await;
});

on_both!(
    /// What a person got wrong is told to them alone, at once, and nothing begins.
    a_mistake_in_the_options_is_explained_in_private,
    |db| async {
        let story = Story::begin(db).await;
        for (text, sentence) in [
            ("modle:auto Fix it", "Did you mean `model:`?"),
            ("harness:vim Fix it", "`harness:` is one of oz, claude, codex, gemini."),
            ("parallel:0 Fix it", "`parallel:` takes a whole number from 1 to 100."),
            ("model:auto", "options but no task"),
            ("each:api,web Fix it", "needs `{item}`"),
            ("each:api,API Fix {item}", "names API twice"),
            ("max:1 each:api,web Fix {item}", "1 are the most here"),
        ] {
            story.command(ADA, "/orchestrate", text).await;
            assert!(story.last_told(ADA).contains(sentence), "{text}: {}", story.last_told(ADA));
        }
        assert!(story.posts().is_empty() && story.runs().is_empty());
        story.end().await;
    }
);

on_both!(each_is_proposed_without_an_agent, |db| async {
    let story = Story::begin(db).await;
    story.orchestrate("each:api,\"web app\",cli Update the README of {item}").await;
    story.until("[Approve]").await;
    assert!(story.runs().is_empty(), "nobody had to plan that");
    story.press(ADA, "baton.approve").await;
    story.until("Done").await;
    let runs = story.oz_runs();
    assert_eq!((runs.len(), runs[0].mode), (4, Mode::Normal));
    let mut prompts: Vec<&str> = runs[1..].iter().map(|run| run.prompt.as_str()).collect();
    prompts.sort_unstable();
    assert_eq!(prompts, ["Update the README of api", "Update the README of cli", "Update the README of web app"]);
    assert!(runs[1..].iter().all(|run| run.parent.as_ref() == Some(&runs[0].id)));
    story.end().await;
});

on_both!(
    /// Slack sends such a message twice, as `message` and as `app_mention`.
    a_mention_in_a_channel_starts_one_thread_under_it,
    |db| async {
        let story = Story::begin(db).await;
        let ts = story.say(ADA, "Hey @baton write tests for each of api, web").await;
        story.until("[Approve]").await;
        assert_eq!(story.runs().len(), 1);
        assert!(story.oz_runs()[0].prompt.contains("<task>\nHey write tests for each of api, web\n</task>"));
        assert_eq!(story.root(), ts, "the conversation is where it was asked");
        assert!(story.posts().iter().all(|post| post.thread_ts.as_ref() == Some(&ts)));
        assert!(story.thread_text().contains(":eyes: Baton"));
        story.press(GRACE, "baton.approve").await;
        story.until("Done").await;
        story.end().await;
    }
);

on_both!(what_a_thread_said_before_is_context, |db| async {
    let story = Story::begin(db).await;
    let slack = &story.world.slack;
    let root = story.say(ADA, "The *checkout* is slow since Tuesday").await;
    story.reply(GRACE, "I see 900 ms in `cart.ts` & more <script> in the logs").await;
    slack.bot_says(ENG, Some(&root), "Build 417 is red").await;
    story.reply(LINUS, "@baton find out why, one child per part: api, web").await;
    slack.say(GRACE, ENG, Some(&root), "that came later").await;
    story.until("[Approve]").await;
    let prompt = &story.oz_runs()[0].prompt;
    let context = prompt.split("<conversation>\n").nth(1).unwrap().split("</conversation>").next().unwrap();
    assert_eq!(
        context,
        "ada: The *checkout* is slow since Tuesday\n\
         grace: I see 900 ms in `cart.ts` & more <script> in the logs\n\
         Other Bot: Build 417 is red\n"
    );
    assert!(prompt.contains("<task>\nfind out why, one child per part: api, web\n</task>"), "{prompt}");
    story.press(ADA, "baton.reject").await;
    story.submit(ADA, &json!({"reason": "Not now"})).await;
    story.until("Rejected").await;
    story.end().await;
});

on_both!(a_direct_message_starts_too, |db| async {
    let mut story = Story::begin(db).await;
    story.place = "D0ADA";
    story.world.slack.direct(ADA, "Write tests for each of api, web", None).await;
    story.until("[Approve]").await;
    story.press(ADA, "baton.approve").await;
    story.until("Done").await;
    story.reply(ADA, "What is left to do?").await;
    story.until("I split it along").await;
    assert_eq!(story.runs().len(), 3);
    story.world.slack.direct(ADA, "help", None).await;
    story.settle().await;
    assert!(story.last_told(ADA).contains("/orchestrate TASK"));
    story.end().await;
});

on_both!(the_shortcut_takes_anybodys_message_as_the_task, |db| async {
    let story = Story::begin(db).await;
    let slack = &story.world.slack;
    let ts = slack.bot_says(ENG, None, "Disk full on db-3: clean up, two agents").await;
    assert_eq!(slack.shortcut(ADA, ENG, &ts, "baton.orchestrate_message").await.unwrap().status, 200);
    story.until("[Approve]").await;
    assert_eq!(story.root(), ts);
    assert!(story.oz_runs()[0].prompt.contains("<task>\nDisk full on db-3: clean up, two agents\n</task>"));
    slack.shortcut(GRACE, ENG, &ts, "baton.orchestrate_message").await.unwrap();
    story.settle().await;
    assert!(story.last_told(GRACE).contains("already has an orchestration"), "{}", story.last_told(GRACE));
    assert_eq!(story.runs().len(), 1);
    story.press(GRACE, "baton.approve").await;
    story.until("Done").await;
    story.end().await;
});

on_both!(
    /// The pickers have what the account has; what is typed into the task still wins.
    without_a_task_a_form_opens,
    |db| async {
        let story = Story::begin(db).await;
        story.refresh_choices().await;
        story.orchestrate("").await;
        assert!(story.told(ADA).is_empty() && story.posts().is_empty());
        let form = story.form(ADA).to_string();
        for offered in ["shop", "mobile", "sandbox", SHOP, "Auto (Genius)", "Claude Code", "migrate-tests"] {
            assert!(form.contains(offered), "{offered}: {form}");
        }
        let view = story.form(ADA)["id"].as_str().unwrap().to_owned();
        let refused = story.world.slack.submit(ADA, &view, &json!({})).await;
        assert!(matches!(refused, Err(Refused::Incomplete(_))), "Slack wants a task: {refused:?}");
        let values = json!({
            "task": "model:auto Write tests for each of api, web", "environment": MOBILE, "model": "auto-genius",
            "harness": "claude", "host": "worker-7", "parallelism": "3", "auth_secret": "CLAUDE_KEY",
        });
        story.submit(ADA, &values).await;
        assert!(story.world.slack.views(ADA).is_empty(), "it closes");
        story.until("[Open run]").await;
        let config = &story.oz_runs()[0].config;
        assert_eq!(config["environment_id"], MOBILE);
        assert_eq!(config["harness"], json!({"type": "claude", "model_id": "auto"}));
        assert_eq!(config["worker_host"], "worker-7");
        assert!(config.to_string().contains("CLAUDE_KEY"), "{config}");
        story.press(ADA, "baton.stop").await;
        story.until("*Stopped* by").await;
        story.end().await;
    }
);

on_both!(
    /// More than a menu holds: Slack asks for them while somebody types, and nothing is stored for it.
    a_long_menu_is_searched_while_somebody_types,
    |db| async {
        let story = Story::begin(db).await;
        story.keep_environments(250).await;
        story.orchestrate("").await;
        let view = story.form(ADA)["id"].as_str().unwrap().to_owned();
        assert_eq!(story.suggested(&view, "").await.len(), 100, "as many as Slack takes");
        assert_eq!(story.suggested(&view, "BOX 24").await.len(), 11);
        assert_eq!(story.suggested(&view, "mobil").await, [MOBILE]);
        assert_eq!(story.suggested(&view, "nothing like it").await, [""; 0]);
        story.submit(ADA, &json!({"task": "Write tests for each of api, web", "environment": MOBILE})).await;
        story.until("[Open run]").await;
        assert_eq!(story.oz_runs()[0].config["environment_id"], MOBILE);
        story.press(ADA, "baton.stop").await;
        story.until("*Stopped* by").await;
        story.end().await;
    }
);

on_both!(the_form_opens_before_oz_has_told_anything, |db| async {
    let story = Story::begin(db).await;
    story.command(GRACE, "/plan", " ").await;
    story.submit(GRACE, &json!({"task": "Move the shop, two children", "environment": SHOP})).await;
    story.until("[Approve]").await;
    let parent = &story.oz_runs()[0];
    assert_eq!((parent.mode, &parent.config["environment_id"]), (Mode::Plan, &json!(SHOP)));
    story.press(GRACE, "baton.approve").await;
    story.until("Done").await;
    story.end().await;
});

on_both!(a_form_that_comes_too_late_says_so, |db| async {
    let story = Story::begin(db).await;
    story.world.slack.command(ADA, ENG, "/orchestrate", "").await;
    story.pass(Duration::from_secs(4));
    story.settle().await;
    assert!(story.world.slack.views(ADA).is_empty());
    assert!(story.last_told(ADA).contains("Please try again"), "{:?}", story.told(ADA));
    story.end().await;
});

on_both!(
    /// Two bots that greet each other would go on for ever.
    neither_we_nor_other_bots_start_anything,
    |db| async {
        let story = Story::begin(db).await;
        let slack = &story.world.slack;
        let ts = slack.bot_says(ENG, None, "@baton write tests for each of api, web").await;
        slack.bot_says(ENG, Some(&ts), "@baton please").await;
        story.wait(Duration::from_secs(3)).await;
        assert!(story.posts().is_empty());

        story.say(ADA, "@baton write tests for each of api, web").await;
        story.until("[Approve]").await;
        slack.bot_says(ENG, Some(&story.root()), "approve v1").await;
        slack.bot_says(ENG, Some(&story.root()), "@baton approve v1").await;
        slack.say(ADA, ENG, None, "Lunch?").await;
        story.wait(Duration::from_secs(10)).await;
        let runs = story.oz_runs();
        assert_eq!((runs.len(), runs[0].follow_ups.len()), (1, 0), "{runs:#?}");
        story.press(ADA, "baton.approve").await;
        story.until("Done").await;
        story.end().await;
    }
);

on_both!(who_may_not_start_is_told_in_private, |db| async {
    let starters = vec![Approver::Member { platform: Platform::Slack, id: GRACE.into() }];
    let strict = Policy { name: "strict".into(), starters, ..Policy::default() };
    let route = Route { slack_channel: Some(ENG.into()), policy: Some("strict".into()), ..Route::default() };
    let routes = Routes { routes: vec![route], policies: [("strict".to_owned(), strict)].into(), ..Routes::default() };
    let mut story = Story::with(db, routes).await;
    story.orchestrate("Write tests for each of api, web").await;
    assert!(story.last_told(ADA).contains("The policy “strict” says that @Grace Hopper may."), "{:?}", story.told(ADA));
    let ts = story.say(ADA, "@baton write tests for each of api, web").await;
    assert!(story.last_told(ADA).contains("You may not start orchestrations here"));
    story.world.slack.shortcut(ADA, ENG, &ts, "baton.orchestrate_message").await.unwrap();
    story.settle().await;
    assert!(story.posts().is_empty() && story.runs().is_empty() && story.told(GRACE).is_empty());

    story.command(GRACE, "/oz", "Fix the flaky test").await;
    story.until("Done").await;
    story.place = OPS;
    story.command(ADA, "/oz", "Fix the other flaky test").await;
    story.until("Done").await;
    story.end().await;
});

on_both!(
    /// Nothing runs that nobody can see.
    where_baton_was_not_invited_nothing_starts,
    |db| async {
        let mut story = Story::begin(db).await;
        let slack = story.world.slack.clone();
        story.place = OPS;
        slack.remove_bot(OPS);
        story.command(LINUS, "/orchestrate", "Write tests for each of api, web").await;
        assert!(story.last_told(LINUS).contains("`/invite @Baton`"), "{:?}", story.told(LINUS));

        // The address that came with the command does not work any more: a direct message does.
        story.world.faults.add("slack", "POST /response", Fault::Refuse("expired_url".into()), 1);
        story.command(LINUS, "/orchestrate", "Write tests for each of api, web").await;
        story.wait(Duration::from_secs(2)).await;
        let direct = slack.transcript("D0LINUS");
        assert!(direct.contains("`/invite @Baton`"), "{direct}");
        assert!(story.runs().is_empty());

        // Of a private channel Slack does not even say that it is there.
        story.place = "C0PRIV";
        story.orchestrate("Write tests for each of api, web").await;
        assert!(story.last_told(ADA).contains("`/invite @Baton`"), "{:?}", story.told(ADA));
        assert!(story.runs().is_empty());

        story.place = OPS;
        slack.invite_bot(OPS);
        story.command(LINUS, "/orchestrate", "Write tests for each of api, web").await;
        story.until("[Approve]").await;
        story.press(LINUS, "baton.approve").await;
        story.until("Done").await;
        story.end().await;
    }
);

on_both!(
    /// What `each:` would make is looked at before it is made: a text can stand in it a thousand times.
    a_list_that_cannot_be_proposed_begins_nothing,
    |db| async {
        let story = Story::begin(db).await;
        let item = "x".repeat(3_000);
        story.orchestrate(&format!("each:{item},web Update {}", "{item} ".repeat(200))).await;
        assert!(story.told(ADA).last().unwrap().contains("too long with the elements in it"), "{:?}", story.told(ADA));
        let (one, other) = ("y".repeat(90) + "1", "y".repeat(90) + "2");
        story.orchestrate(&format!("each:{one},{other} Update {{item}}")).await;
        assert!(story.told(ADA).last().unwrap().contains("two children are named"), "{:?}", story.told(ADA));
        story.wait(Duration::from_secs(10)).await;
        assert!(story.oz_runs().is_empty() && !story.thread_text().contains("Proposal"), "{}", story.thread_text());
        story.end().await;
    }
);

on_both!(
    /// The list is for everybody; what was asked for in another channel is not, but for who asked.
    nobody_is_shown_the_tasks_of_other_channels,
    |db| async {
        let mut story = Story::begin(db).await;
        story.orchestrate("Update the secret plans, one child per package: api, web").await;
        story.until("[Approve]").await;
        story.command(ADA, "/oz", "list").await;
        let listed = story.last_told(ADA);
        assert!(listed.contains("secret plans"), "{listed}");
        story.press(ADA, "baton.stop").await;
        story.until("Stopped").await;
        let status = format!("status {}", id_on(&listed));
        story.place = OPS;
        for command in ["list", &status] {
            story.command(GRACE, "/oz", command).await;
            let told = story.last_told(GRACE);
            assert!(told.contains("elsewhere") && !told.contains("secret plans"), "{command}: {told}");
        }
        story.command(ADA, "/oz", &status).await;
        assert!(story.last_told(ADA).contains("secret plans"), "{}", story.last_told(ADA));
        story.end().await;
    }
);
