//! A random walk over `decide`: people press and reply, runs move, deliveries come back well, badly
//! or too late, and time passes, in any order. After each step the invariants hold; and whatever
//! happened, it ends once everybody else does what they should.

mod world;

use std::time::Duration;

use baton::domain::{
    actor::Actor,
    command::{Ask, Verb},
    policy::{Approver, Breach, Policy},
    route::{Launch, Terms},
    run::RunSettings,
};
use proptest::prelude::*;

use world::{Deed, Edit, GROUP, How, Move, Step, Who, World};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold_and_it_ends(
        (verb, ask) in ask(),
        terms in terms(),
        gather in any::<bool>(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut world = World::new(verb, ask, terms, gather);
        for step in steps {
            world.step(step);
        }
        world.run_out();
    }
}

/// What a random walk found once: a look-up fails that a new version has made needless.
#[test]
fn nobody_waits_for_what_is_not_needed_any_more() {
    let (ada, linears) = (Who::Ada.actor(), Who::AdaInLinear.actor());
    let member = |who: Actor| Approver::Member { platform: who.platform, id: who.id };
    let approvers = vec![member(ada), member(linears), Approver::SlackGroup(GROUP.into())];
    let policy = Policy { approvers, quorum: 2, ..Policy::default() };
    let ask = Ask { task: "Tidy {item}".into(), ..Ask::default() };
    let mut world = World::new(Verb::Orchestrate, ask, Terms { policy, ..Terms::default() }, false);
    let (deliver, proposes) =
        (|| Step::Deliver { which: 0, how: How::Well }, || Step::Move { which: 0, to: Move::Proposes(0), told: true });
    for step in [
        deliver(),
        deliver(),
        proposes(),
        deliver(),
        deliver(),
        Step::Move { which: 0, to: Move::IsWoken, told: false },
        Step::Person(Who::AdaInLinear, Deed::Approve { back: 0, forged: false }),
        Step::Person(Who::Ada, Deed::ApproveInWords),
        deliver(),
        proposes(),
        Step::Stranger(0),
        Step::Deliver { which: 3, how: How::Fails },
    ] {
        world.step(step);
    }
    world.run_out();
}

fn ask() -> impl Strategy<Value = (Verb, Ask)> {
    let each = prop_oneof![
        3 => Just(Vec::new()),
        1 => Just(vec!["api".to_owned(), "web".to_owned(), "cli".to_owned()]),
    ];
    let verb = prop_oneof![4 => Just(Verb::Orchestrate), 1 => Just(Verb::Plan), 1 => Just(Verb::Run)];
    (verb, each, 1..4_u32, prop::option::of(2..5_u32)).prop_map(|(verb, each, parallelism, max_children)| {
        let settings = RunSettings { parallelism: Some(parallelism), ..RunSettings::default() };
        let each = if verb == Verb::Run { Vec::new() } else { each };
        let max_children = max_children.filter(|most| each.len() <= *most as usize);
        (verb, Ask { task: "Tidy {item}".into(), settings, max_children, each })
    })
}

fn terms() -> impl Strategy<Value = Terms> {
    let listed = |who: &[Who]| {
        who.iter()
            .map(|who| {
                let actor = who.actor();
                Approver::Member { platform: actor.platform, id: actor.id }
            })
            .collect::<Vec<_>>()
    };
    let group = Approver::SlackGroup(GROUP.into());
    let by_email = vec![Approver::Email("grace@example.com".into()), Approver::Email("ada@example.com".into())];
    let approvers = prop_oneof![
        2 => Just(Vec::new()),
        1 => Just(listed(&[Who::Grace, Who::Linus])),
        1 => Just(listed(&[Who::Ada, Who::Grace])),
        1 => Just([listed(&[Who::Ada, Who::AdaInLinear]), vec![group]].concat()),
        1 => Just(by_email),
        1 => Just([listed(&[Who::Linus]), vec![Approver::Domain("example.com".into())]].concat()),
    ];
    let breach = prop_oneof![2 => Just(Breach::Cancel), 1 => Just(Breach::Report)];
    let launch = prop_oneof![3 => Just(Launch::Exact), 1 => Just(Launch::Agent)];
    (approvers, 1..3_u32, any::<bool>(), breach, launch).prop_map(
        |(approvers, quorum, self_approval, breach, launch)| {
            let remind_after = vec![Duration::from_hours(1), Duration::from_hours(2)];
            let policy = Policy { approvers, quorum, self_approval, breach, remind_after, ..Policy::default() };
            Terms { launch, policy, ..Terms::default() }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        6 => Just(How::Well),
        1 => Just(How::Fails),
        1 => Just(How::Otherwise),
        1 => Just(How::TooLate),
    ];
    let to = prop_oneof![
        3 => Just(Move::On),
        3 => (0..5_usize).prop_map(Move::Proposes),
        2 => Just(Move::Says),
        1 => Just(Move::Plans),
        1 => Just(Move::Garbles),
        1 => Just(Move::EndsSilently),
        1 => Just(Move::Fails { retryable: true }),
        1 => Just(Move::Fails { retryable: false }),
        1 => Just(Move::Blocks),
        1 => Just(Move::IsCancelled),
        1 => Just(Move::IsWoken),
        1 => Just(Move::Strange),
    ];
    let who = prop_oneof![Just(Who::Ada), Just(Who::Grace), Just(Who::Linus), Just(Who::AdaInLinear)];
    let edit = prop_oneof![Just(Edit::Drop), Just(Edit::Hold), Just(Edit::Rewrite), Just(Edit::Settings)];
    let deed = prop_oneof![
        6 => (0..3_u32).prop_map(|back| Deed::Approve { back, forged: false }),
        1 => Just(Deed::Approve { back: 0, forged: true }),
        1 => Just(Deed::ApproveInWords),
        1 => (0..2_u32).prop_map(Deed::RequestChanges),
        2 => (0..2_u32, edit).prop_map(|(back, how)| Deed::Edit { back, how }),
        1 => (0..2_u32).prop_map(Deed::Reject),
        1 => Just(Deed::Stop),
        2 => (1..6_u32).prop_map(Deed::Retry),
        2 => Just(Deed::Reply),
        2 => (1..6_u32).prop_map(Deed::ReplyTo),
        1 => Just(Deed::Correct),
    ];
    prop_oneof![
        12 => (0..8_usize, how).prop_map(|(which, how)| Step::Deliver { which, how }),
        12 => (0..8_usize, to, prop::bool::weighted(0.8)).prop_map(|(which, to, told)| Step::Move { which, to, told }),
        1 => (0..8_usize).prop_map(Step::Repeat),
        1 => (0..8_usize).prop_map(Step::Stranger),
        3 => Just(Step::NextTimer),
        2 => (1..90_u64).prop_map(|secs| Step::Wait(Duration::from_secs(secs))),
        8 => (who, deed).prop_map(|(who, deed)| Step::Person(who, deed)),
    ]
}
