//! The table's corners. README.md has rows for people, which `tests/it/policy.rs` runs.

use super::*;
use crate::domain::actor::Platform;

const ADA: &str = "ada@example.com";

fn member(id: &str) -> Approver {
    Approver::Member { platform: Platform::Slack, id: id.into() }
}

fn known(actor: Actor, email: &str) -> Actor {
    Actor { email: Some(email.into()), ..actor }
}

fn case<'a>(wish: Wish, actor: &Actor, asker: &Actor, votes: &[&Actor], means: &'a Means) -> Case<'a> {
    let votes = votes.iter().map(|by| Vote::new((*by).clone(), Timestamp::default())).collect();
    Case { wish, actor: actor.clone(), groups: Vec::new(), asker: asker.clone(), votes, means }
}

fn who(look_ups: &[LookUp]) -> Vec<String> {
    look_ups.iter().map(|look_up| look_up.person.handle()).collect()
}

#[test]
fn a_look_up_is_wanted_only_where_it_can_tell() {
    let none = Means::default();
    let (ada, grace) = (Actor::slack("T", "UADA"), Actor::slack("T", "UGRACE"));
    let (linear_ada, linear_grace) = (Actor::linear("L", "ada"), Actor::linear("L", "grace"));
    let group = || Approver::SlackGroup("S1".into());
    let plain = Policy { approvers: vec![member("UADA")], quorum: 2, ..Policy::default() };
    let grouped = Policy { approvers: vec![member("UADA"), group()], quorum: 2, ..Policy::default() };
    let by_email = Policy { approvers: vec![Approver::Domain("example.com".into())], ..Policy::default() };
    let others = Policy { self_approval: false, ..Policy::default() };
    for (policy, wish, actor, votes, wanted) in [
        (&plain, Wish::Approve, &grace, vec![], vec![]),
        (&grouped, Wish::Approve, &ada, vec![], vec![]),
        (&grouped, Wish::Approve, &grace, vec![&ada], vec!["slack:UGRACE"]),
        // A group of Slack's says nothing of a member of Linear.
        (&grouped, Wish::Edit, &linear_grace, vec![], vec![]),
        (&by_email, Wish::Reject, &grace, vec![], vec!["slack:UGRACE"]),
        (&by_email, Wish::Reject, &ada, vec![], vec![]),
        (&by_email, Wish::Approve, &known(grace.clone(), "g@example.com"), vec![], vec![]),
        (&others, Wish::Approve, &linear_ada, vec![], vec!["linear:ada", "slack:UADA"]),
        (&others, Wish::Approve, &grace, vec![], vec![]),
        (&Policy::default(), Wish::Approve, &linear_ada, vec![&grace], vec!["linear:ada", "slack:UGRACE"]),
        (&Policy::default(), Wish::Start, &linear_ada, vec![], vec![]),
    ] {
        let look_ups = policy.look_ups(&case(wish, actor, &ada, &votes, &none));
        assert_eq!(who(&look_ups), wanted, "{wish:?} by {}", actor.handle());
    }
    let look_ups = grouped.look_ups(&case(Wish::Edit, &grace, &ada, &[], &none));
    assert_eq!(look_ups[0].groups, ["S1"]);
}

#[test]
fn one_person_is_one_person_on_both_platforms() {
    let (slack, linear) = (Actor::slack("T", "UADA"), Actor::linear("L", "ada"));
    let policy = Policy { self_approval: false, quorum: 2, ..Policy::default() };
    assert_eq!(policy.likeness(&slack, &linear), Likeness::Unknown);
    assert_eq!(policy.likeness(&known(slack.clone(), ADA), &known(linear.clone(), "ADA@example.com")), Likeness::Same);
    assert_eq!(policy.likeness(&known(slack.clone(), ADA), &known(linear.clone(), "g@x.com")), Likeness::Different);
    assert_eq!(policy.likeness(&slack, &Actor::automation(Platform::Linear, "L")), Likeness::Different);

    let person =
        |slack: &str, linear: &str| Person { slack: Some(slack.into()), linear: Some(linear.into()), email: None };
    let mapped = Policy { people: vec![person("UADA", "ada"), person("UGRACE", "grace")], ..policy.clone() };
    assert_eq!(mapped.likeness(&slack, &linear), Likeness::Same);
    assert_eq!(mapped.likeness(&slack, &Actor::linear("L", "grace")), Likeness::Different);
    assert_eq!(mapped.likeness(&slack, &Actor::linear("L", "linus")), Likeness::Unknown);
    let listed = Policy { approvers: vec![member("UADA")], ..mapped.clone() };
    assert!(listed.is_listed(&listed.approvers, &linear, &[]), "the same person as the one named");

    let none = Means::default();
    let verdict = |policy: &Policy, actor: &Actor, votes: &[&Actor]| {
        policy.verdict(&case(Wish::Approve, actor, &Actor::slack("T", "ULINUS"), votes, &none))
    };
    assert_eq!(verdict(&mapped, &linear, &[&slack]), Verdict::Refused(Refusal::AlreadyApproved));
    let grace = Actor::slack("T", "UGRACE");
    assert_eq!(verdict(&policy, &grace, &[&linear]), Verdict::Refused(Refusal::PerhapsTheSame(linear.clone())));
}

#[test]
fn a_group_and_an_address_are_what_was_looked_up() {
    let none = Means::default();
    let policy = Policy {
        approvers: vec![Approver::SlackGroup("S1".into()), Approver::Domain("example.com".into())],
        ..Policy::default()
    };
    let grace = Actor::slack("T", "UGRACE");
    let verdict = |actor: &Actor, groups: &[&str]| {
        let groups = groups.iter().map(|id| (*id).to_owned()).collect();
        policy.verdict(&Case { groups, ..case(Wish::Approve, actor, &grace, &[], &none) })
    };
    assert_eq!(verdict(&grace, &["S1"]), Verdict::Allowed);
    assert_eq!(verdict(&known(grace.clone(), "Grace@Example.com"), &[]), Verdict::Allowed);
    assert_eq!(verdict(&grace, &["S2"]), Verdict::Refused(Refusal::EmailUnknown));
    for address in ["grace@evil-example.com", "grace@example.com.evil.org", "example.com"] {
        let refused = Verdict::Refused(Refusal::NotAnApprover);
        assert_eq!(verdict(&known(grace.clone(), address), &[]), refused, "{address}");
    }
}

#[test]
fn ceilings_stop_starts_and_approvals() {
    let ada = Actor::slack("T", "UADA");
    let policy = Policy { max_concurrent: Some(2), daily_credits: Some(500), ..Policy::default() };
    let verdict = |wish, open, credits_today| {
        policy.verdict(&case(wish, &ada, &ada, &[], &Means { open, credits_today, ..Means::default() }))
    };
    let limit = Limit::OfPolicy;
    assert_eq!(verdict(Wish::Start, 1, 499.9), Verdict::Allowed);
    assert_eq!(verdict(Wish::Start, 2, 0.0), Verdict::Refused(Refusal::TooManyAtOnce { open: 2, most: 2, limit }));
    assert_eq!(
        verdict(Wish::Start, 0, 512.4),
        Verdict::Refused(Refusal::CreditsUsedUp { used: 512, most: 500, limit })
    );
    assert_eq!(verdict(Wish::Approve, 9, 499.0), Verdict::Allowed);
    assert_eq!(
        verdict(Wish::Approve, 0, 500.0),
        Verdict::Refused(Refusal::CreditsUsedUp { used: 500, most: 500, limit })
    );
    assert_eq!(verdict(Wish::Reject, 0, 500.0), Verdict::Allowed);
}

#[test]
fn what_all_policies_keep_to_counts_beside_the_policys_own() {
    let ada = Actor::slack("T", "UADA");
    let limits = Limits { max_concurrent: Some(9), max_per_place: Some(2), daily_credits: Some(500) };
    let policy = Policy { max_concurrent: Some(5), limits, ..Policy::default() };
    let verdict = |wish, means: Means| policy.verdict(&case(wish, &ada, &ada, &[], &means));
    let (open_here, open_in_all) = (2, 9);
    let limit = Limit::OfPlace;
    assert_eq!(
        verdict(Wish::Start, Means { open: 4, open_here: 1, open_in_all: 8, ..Means::default() }),
        Verdict::Allowed
    );
    assert_eq!(
        verdict(Wish::Start, Means { open_here, ..Means::default() }),
        Verdict::Refused(Refusal::TooManyAtOnce { open: 2, most: 2, limit })
    );
    let limit = Limit::OfAll;
    assert_eq!(
        verdict(Wish::Start, Means { open_in_all, ..Means::default() }),
        Verdict::Refused(Refusal::TooManyAtOnce { open: 9, most: 9, limit })
    );
    assert_eq!(
        verdict(Wish::Approve, Means { credits_in_all: 500.0, open_in_all, ..Means::default() }),
        Verdict::Refused(Refusal::CreditsUsedUp { used: 500, most: 500, limit })
    );
}

#[test]
fn what_needs_nobody_is_few_inside_and_cheap() {
    let child = |environment: Option<&str>| ChildSpec {
        name: "a".into(),
        prompt: "b".into(),
        returns: None,
        environment: environment.map(Into::into),
        model: None,
    };
    let sandbox = RunSettings { environment: Some("sandbox".into()), ..RunSettings::default() };
    let with = |auto: AutoApprove| Policy { auto_approve: Some(auto), daily_credits: Some(100), ..Policy::default() };
    let few =
        with(AutoApprove { max_children: Some(1), environments: vec!["sandbox".into()], ..AutoApprove::default() });
    let none = Means::default();
    assert!(!Policy::default().approves(&[child(None)], &sandbox, &none));
    assert!(few.approves(&[child(None)], &sandbox, &none));
    assert!(!few.approves(&[child(None), child(None)], &sandbox, &none), "two children");
    assert!(!few.approves(&[child(Some("prod"))], &sandbox, &none), "an environment of its own");
    assert!(!few.approves(&[child(None)], &RunSettings::default(), &none), "nobody knows where");
    let used_up = Means { credits_today: 100.0, ..Means::default() };
    assert!(!few.approves(&[child(None)], &sandbox, &used_up));

    let cheap = with(AutoApprove { max_credits: Some(10), ..AutoApprove::default() });
    assert!(!cheap.approves(&[child(None)], &sandbox, &none), "nothing is known of it");
    let usual = Means { usual: [("sandbox".to_owned(), 4.0)].into(), ..Means::default() };
    assert!(cheap.approves(&[child(None), child(None)], &sandbox, &usual));
    assert!(!cheap.approves(&[child(None), child(None), child(None)], &sandbox, &usual));
    let set = with(AutoApprove { max_credits: Some(10), credits_per_child: Some(11), ..AutoApprove::default() });
    assert!(!set.approves(&[child(None)], &sandbox, &usual), "the settings count before the past");
}
