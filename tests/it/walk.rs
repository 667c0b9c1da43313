//! A random walk over `decide`: people press and reply, runs move, deliveries come back well, badly
//! or too late, and time passes, in any order. After each step the invariants hold; and whatever
//! happened, it ends once everybody else does what they should.

mod world;

use std::time::Duration;

use baton::domain::{
    command::{Ask, Verb},
    policy::{Approver, Breach, Policy},
    route::{Launch, Terms},
    run::RunSettings,
};
use proptest::prelude::*;

use world::{Deed, How, Move, Step, Who, World};

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
    let approvers =
        prop_oneof![Just(Vec::new()), Just(listed(&[Who::Grace, Who::Linus])), Just(listed(&[Who::Ada, Who::Grace]))];
    let breach = prop_oneof![2 => Just(Breach::Cancel), 1 => Just(Breach::Report)];
    let launch = prop_oneof![3 => Just(Launch::Exact), 1 => Just(Launch::Agent)];
    (approvers, 1..3_u32, any::<bool>(), breach, launch).prop_map(
        |(approvers, quorum, self_approval, breach, launch)| {
            let policy = Policy { approvers, quorum, self_approval, breach, ..Policy::default() };
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
    let who = prop_oneof![Just(Who::Ada), Just(Who::Grace), Just(Who::Linus)];
    let deed = prop_oneof![
        6 => (0..3_u32).prop_map(|back| Deed::Approve { back, forged: false }),
        1 => Just(Deed::Approve { back: 0, forged: true }),
        1 => Just(Deed::ApproveInWords),
        1 => (0..2_u32).prop_map(Deed::RequestChanges),
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
