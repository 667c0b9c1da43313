//! What is outside of `decide`, as small as it can be: deliveries in lanes, runs that rest and work,
//! timers. And the reference: who has approved what, by rules written a second time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use baton::{
    domain::{
        actor::Actor,
        artifact::Artifact,
        board,
        command::{Ask, Command, Verb},
        conversation::Conversation,
        decide::{Decision, Opening, decide, open},
        edit::{FilledChild, FilledPage},
        effect::{Effect, Outcome, Purpose, Slot, TimerChange, TimerName},
        failure::Problem,
        input::{AnswerPath, FailedEffect, Input},
        message::{About, Filled, Press, Subject},
        orchestration::{Child, Ending, Fate, Orchestration, Request, Stage},
        policy::{Approver, Rights, Vote},
        proposal::ChildSpec,
        route::Terms,
        run::{CancelAnswer, PlanDocument, Reading, RunReport, RunSettings, RunSpec, RunState, RunStatus},
    },
    ids::{DispatchId, OrchestrationId, RunId},
    time::Timestamp,
};

/// More than a walk can leave to be done.
const MOST_ROUNDS: usize = 2000;

#[derive(Clone, Debug)]
pub enum Step {
    /// The head of a lane is carried out.
    Deliver {
        which: usize,
        how: How,
    },
    /// A run does something, and Baton is told of it or not yet.
    Move {
        which: usize,
        to: Move,
        told: bool,
    },
    /// Oz says again what it has said.
    Repeat(usize),
    /// A run starts a child by itself.
    Stranger(usize),
    NextTimer,
    Wait(Duration),
    Person(Who, Deed),
}

#[derive(Clone, Copy, Debug)]
pub enum How {
    Well,
    Fails,
    /// Oz says something else than yes: it holds a follow-up, cannot cancel, offers no conversation.
    Otherwise,
    /// It was under way when it stopped being wanted.
    TooLate,
}

/// What a run does next.
#[derive(Clone, Copy, Debug)]
pub enum Move {
    /// To the next state of one that works; one that rests picks up what it was told.
    On,
    Proposes(usize),
    Says,
    Plans,
    Garbles,
    EndsSilently,
    Fails {
        retryable: bool,
    },
    Blocks,
    IsCancelled,
    IsWoken,
    Strange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// She asked.
    Ada,
    Grace,
    /// Nobody is told his address.
    Linus,
    /// Ada, in Linear.
    AdaInLinear,
}

#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// The newest version, or the one so many before it; with a digest that it never had.
    Approve {
        back: u32,
        forged: bool,
    },
    ApproveInWords,
    RequestChanges(u32),
    Edit {
        back: u32,
        how: Edit,
    },
    Reject(u32),
    Stop,
    Retry(u32),
    Reply,
    ReplyTo(u32),
    Correct,
}

/// Grace and Linus are in it.
pub const GROUP: &str = "S1";

/// What somebody changes of a proposal.
#[derive(Clone, Copy, Debug)]
pub enum Edit {
    Drop,
    Hold,
    Rewrite,
    Settings,
}

impl Who {
    const ALL: [Self; 4] = [Self::Ada, Self::Grace, Self::Linus, Self::AdaInLinear];

    pub fn actor(self) -> Actor {
        match self {
            Self::Ada | Self::Grace | Self::Linus => Actor::slack("T1", format!("{self:?}")),
            Self::AdaInLinear => Actor::linear("L1", "ada"),
        }
    }

    fn of(actor: &Actor) -> Self {
        Self::ALL.into_iter().find(|who| who.actor() == *actor).unwrap()
    }

    const fn person(self) -> &'static str {
        match self {
            Self::Ada | Self::AdaInLinear => "ada",
            Self::Grace => "grace",
            Self::Linus => "linus",
        }
    }

    fn rights(self) -> Rights {
        let email = (self != Self::Linus).then(|| format!("{}@example.com", self.person()));
        let groups = if matches!(self, Self::Grace | Self::Linus) { vec![GROUP.to_owned()] } else { Vec::new() };
        Rights { email, groups }
    }

    /// Whether an entry of a policy means them, in truth.
    fn is(self, entry: &Approver) -> bool {
        match entry {
            Approver::Member { id, .. } => self.actor().id == *id,
            Approver::SlackGroup(_) => !self.rights().groups.is_empty(),
            Approver::Email(address) => self.rights().email.as_ref() == Some(address),
            Approver::Domain(_) => self.rights().email.is_some(),
        }
    }

    /// They may be counted beside the other: it is known that they are two people.
    fn is_surely_another(self, other: Self) -> bool {
        let same_place = self.actor().platform == other.actor().platform;
        self.person() != other.person() && (same_place || (self != Self::Linus && other != Self::Linus))
    }
}

#[derive(Clone, Debug)]
struct Run {
    id: RunId,
    parent: Option<RunId>,
    metadata: BTreeMap<String, String>,
    state: RunState,
    retryable: bool,
    updated_at: Timestamp,
    /// How often it was told something.
    turns: u32,
    /// After the last thing it was told.
    said: Option<String>,
    plan: Option<String>,
    /// It was told something that it has not picked up.
    wakes: bool,
    cancelling: bool,
    /// What Baton was last told of it.
    reported: Option<RunReport>,
}

#[derive(Debug, Default)]
struct Reference {
    /// Who has clicked on which version.
    clicked: BTreeSet<(u32, String)>,
    /// The children of each version, and what they run with.
    versions: BTreeMap<u32, (Vec<ChildSpec>, RunSettings)>,
    /// The prompts that were approved, by digest.
    approved: BTreeMap<String, Vec<String>>,
    dispatches: BTreeSet<DispatchId>,
}

#[derive(Debug)]
pub struct World {
    it: Orchestration,
    now: Timestamp,
    /// Those that bring something back.
    deliveries: Vec<Effect>,
    timers: BTreeMap<TimerName, Timestamp>,
    runs: Vec<Run>,
    messages: u32,
    proposed: usize,
    reference: Reference,
}

impl World {
    pub fn new(verb: Verb, ask: Ask, terms: Terms, gather: bool) -> Self {
        let now = Timestamp::from_secs(1_793_610_000);
        let message = gather.then(|| "1.1".to_owned());
        let conversation = Conversation::slack("T1", "C1", message.clone());
        let request = Request { message, ..Request::new(verb, ask, Who::Ada.actor(), now) };
        let opening =
            Opening { gather, ..Opening::new(OrchestrationId::caused_by("walk"), conversation, request, terms) };
        let (it, decision) = open(opening, now).unwrap();
        let mut world = Self {
            it,
            now,
            deliveries: Vec::new(),
            timers: BTreeMap::new(),
            runs: Vec::new(),
            messages: 0,
            proposed: 0,
            reference: Reference::default(),
        };
        world.obey(decision);
        world
    }

    #[expect(clippy::needless_pass_by_value, reason = "a step is taken once")]
    pub fn step(&mut self, step: Step) {
        self.now = self.now + Duration::from_millis(100);
        match step {
            Step::Deliver { which, how } => {
                let heads = self.heads();
                if !heads.is_empty() {
                    let effect = self.deliveries.remove(heads[which % heads.len()]);
                    self.deliver(effect, how);
                }
            }
            Step::Move { which, to, told } => {
                if !self.runs.is_empty() {
                    let run = which % self.runs.len();
                    self.move_run(run, to);
                    if told {
                        self.report(run);
                    }
                }
            }
            Step::Repeat(which) => {
                let reports: Vec<_> = self.runs.iter().filter_map(|run| run.reported.clone()).collect();
                if !reports.is_empty() {
                    self.take(Input::Progress(reports[which % reports.len()].clone()));
                }
            }
            Step::Stranger(which) => {
                let able: Vec<RunId> =
                    self.runs.iter().filter(|run| run.parent.is_none()).map(|run| run.id.clone()).collect();
                if !able.is_empty() {
                    let by = able[which % able.len()].clone();
                    let metadata = self.runs.iter().find(|run| run.id == by).map(|run| run.metadata.clone());
                    self.create(Some(by), metadata.unwrap_or_default());
                    self.report(self.runs.len() - 1);
                }
            }
            Step::NextTimer => self.next_timer(),
            Step::Wait(length) => {
                self.now = self.now + length;
                self.fire();
            }
            Step::Person(who, deed) => self.person(who, deed),
        }
    }

    /// Everybody else does what they should from now on, and nobody does anything more.
    pub fn run_out(&mut self) {
        for _ in 0..MOST_ROUNDS {
            self.now = self.now + Duration::from_millis(100);
            if let Some(head) = self.heads().first().copied() {
                let effect = self.deliveries.remove(head);
                self.deliver(effect, How::Well);
            } else if let Some(run) = self.runs.iter().position(Run::is_news) {
                self.report(run);
            } else if let Some(run) = self.runs.iter().position(Run::goes_on) {
                let to = if self.runs[run].state == RunState::InProgress { Move::Says } else { Move::On };
                self.move_run(run, to);
            } else if self.timers.is_empty() {
                break;
            } else {
                self.next_timer();
            }
        }
        assert!(self.it.is_ended(), "it hangs: {:?}", self.it);
        assert!(self.it.wishes.is_empty(), "somebody never hears: {:?}", self.it.wishes);
        self.nothing_goes_on_after_a_stop();
    }

    /// The first delivery of each lane.
    fn heads(&self) -> Vec<usize> {
        let mut lanes = BTreeSet::new();
        (0..self.deliveries.len()).filter(|at| lanes.insert(lane(&self.deliveries[*at]))).collect()
    }

    fn deliver(&mut self, effect: Effect, how: How) {
        let brought = |slot, outcome| Input::Delivered { slot, purpose: Purpose::None, outcome };
        let problem = || Problem::new("not_authorized");
        let input = match effect {
            Effect::PostBoard { .. } if matches!(how, How::Fails) => {
                Input::Failed { effect: FailedEffect::PostBoard, problem: problem() }
            }
            Effect::PostBoard { .. } => {
                let post = baton::domain::effect::PostKey::board();
                brought(Slot::Parent, Outcome::Posted { post, message: self.mint() })
            }
            Effect::Say { post: Some(post), .. } => {
                brought(Slot::Parent, Outcome::Posted { post, message: self.mint() })
            }
            Effect::ReadThread { .. } if matches!(how, How::Fails) => {
                Input::Failed { effect: FailedEffect::ReadThread, problem: problem() }
            }
            Effect::ReadThread { .. } => brought(Slot::Parent, Outcome::ThreadRead(Vec::new())),
            Effect::StartRun { slot, dispatch, spec } => {
                // As the outbox worker asks before it starts a run.
                let over = matches!(self.it.stage, Stage::Stopping { .. } | Stage::Ended { .. });
                let wanted = !over && self.it.awaits_start(slot, &dispatch);
                match how {
                    How::Fails => {
                        Input::Failed { effect: FailedEffect::StartRun { slot, dispatch }, problem: problem() }
                    }
                    How::Well | How::Otherwise if !wanted => brought(slot, Outcome::Unwanted { dispatch }),
                    How::Well | How::Otherwise | How::TooLate => {
                        let run = self.create(spec.parent.clone(), spec.metadata);
                        brought(slot, Outcome::RunStarted { run, dispatch })
                    }
                }
            }
            Effect::FollowUp { slot, run, text, mode, purpose, message } => {
                let stopping = matches!(self.it.stage, Stage::Stopping { .. });
                let outcome = match how {
                    How::Fails => {
                        let effect = FailedEffect::FollowUp { slot, purpose, message };
                        self.take(Input::Failed { effect, problem: problem() });
                        return;
                    }
                    How::Otherwise => Outcome::FollowUpHeld { text, mode, message },
                    How::Well if stopping => Outcome::FollowUpHeld { text, mode, message },
                    How::Well | How::TooLate => {
                        let told = self.run(&run);
                        told.turns += 1;
                        told.said = None;
                        told.wakes = true;
                        Outcome::FollowUpTaken { message }
                    }
                };
                Input::Delivered { slot, purpose, outcome }
            }
            Effect::CancelRun { slot, run } => {
                let own = matches!(how, How::Otherwise);
                let run = self.run(&run);
                let answer = match how {
                    How::Fails => {
                        self.take(Input::Failed { effect: FailedEffect::CancelRun { slot }, problem: problem() });
                        return;
                    }
                    _ if run.state.is_at_rest() => CancelAnswer::WasAtRest,
                    _ if own => CancelAnswer::OwnInfrastructure,
                    _ => {
                        run.cancelling = true;
                        CancelAnswer::Stopped
                    }
                };
                brought(slot, Outcome::Cancelled(answer))
            }
            Effect::LookUp { person, .. } if matches!(how, How::Fails) => {
                Input::Failed { effect: FailedEffect::LookUp { person }, problem: problem() }
            }
            Effect::LookUp { person, .. } => {
                let rights = Who::of(&person).rights();
                brought(Slot::Parent, Outcome::Rights { person, rights })
            }
            Effect::ReadPlan { .. } if matches!(how, How::Fails) => {
                Input::Failed { effect: FailedEffect::ReadPlan, problem: problem() }
            }
            Effect::ReadPlan { run } => {
                let mut reading = self.run(&run).reading();
                match (how, &mut reading.plan) {
                    (How::Otherwise, plan) => *plan = None,
                    // Somebody has edited it.
                    (How::TooLate, Some(plan)) => plan.content.push_str(" More."),
                    (How::TooLate | How::Well | How::Fails, _) => {}
                }
                brought(Slot::Parent, Outcome::PlanRead(Box::new(reading)))
            }
            Effect::ReadRun { slot, .. } if matches!(how, How::Fails) => {
                Input::Failed { effect: FailedEffect::ReadRun { slot }, problem: problem() }
            }
            Effect::ReadRun { slot, run } => {
                let there = self.run(&run).clone();
                let mut reading = there.reading();
                if matches!(how, How::Otherwise) {
                    (reading.last_words, reading.turns) = (None, None);
                }
                brought(slot, Outcome::Read(reading))
            }
            other => unreachable!("{other:?} brings nothing back"),
        };
        self.take(input);
    }

    fn create(&mut self, parent: Option<RunId>, metadata: BTreeMap<String, String>) -> RunId {
        let id = RunId::new(format!("run-{}", self.runs.len() + 1));
        self.runs.push(Run {
            id: id.clone(),
            parent,
            metadata,
            state: RunState::Queued,
            retryable: false,
            updated_at: self.now,
            turns: 1,
            said: None,
            plan: None,
            wakes: false,
            cancelling: false,
            reported: None,
        });
        id
    }

    fn move_run(&mut self, at: usize, to: Move) {
        let now = self.now;
        let number = self.proposed + 1;
        let run = &mut self.runs[at];
        let before = run.state.clone();
        if run.cancelling {
            (run.state, run.cancelling, run.wakes) = (RunState::Cancelled, false, false);
        } else if run.state.is_at_rest() {
            match to {
                Move::IsWoken => {
                    run.turns += u32::from(!run.wakes);
                    (run.state, run.said, run.wakes) = (RunState::InProgress, None, false);
                }
                _ if run.wakes || run.state == RunState::Blocked => {
                    (run.state, run.wakes) = (RunState::InProgress, false);
                }
                _ => return,
            }
        } else {
            let rests = |run: &mut Run, said: Option<String>| {
                (run.state, run.said) = (RunState::Succeeded, said.filter(|_| !run.wakes));
            };
            match to {
                Move::On | Move::IsWoken => run.state = RunState::InProgress,
                Move::Strange => run.state = RunState::Other("HIBERNATING".into()),
                Move::Proposes(count) => {
                    let children: Vec<_> = (0..=count)
                        .map(|child| serde_json::json!({"name": format!("part {child}"), "prompt": format!("{number}.{child}")}))
                        .collect();
                    let block = serde_json::json!({ "children": children });
                    rests(run, Some(format!("Here:\n```baton-proposal\n{block}\n```")));
                }
                Move::Says => rests(run, Some("Which branch?".into())),
                Move::Plans => {
                    run.plan = Some(format!("# Plan {number}"));
                    rests(run, Some("There is a plan.".into()));
                }
                Move::Garbles => rests(run, Some("```baton-proposal\n{\n```".into())),
                Move::EndsSilently => rests(run, None),
                Move::Fails { retryable } => (run.state, run.retryable) = (RunState::Failed, retryable),
                Move::Blocks => (run.state, run.said) = (RunState::Blocked, Some("May I?".into())),
                Move::IsCancelled => run.state = RunState::Cancelled,
            }
        }
        if run.state != before {
            run.updated_at = now;
        }
        self.proposed = number;
    }

    fn report(&mut self, at: usize) {
        let report = self.runs[at].report();
        self.runs[at].reported = Some(report.clone());
        self.take(Input::Progress(report));
    }

    fn next_timer(&mut self) {
        if let Some(at) = self.timers.values().min() {
            self.now = self.now.max(*at);
            self.fire();
        }
    }

    fn fire(&mut self) {
        let due: Vec<TimerName> =
            self.timers.iter().filter(|(_, at)| **at <= self.now).map(|(name, _)| name.clone()).collect();
        for name in due {
            self.timers.remove(&name);
            self.take(Input::Due(name));
        }
    }

    fn person(&mut self, who: Who, deed: Deed) {
        let actor = who.actor();
        let answer = AnswerPath::default();
        let whole = About { orchestration: self.it.id.clone(), subject: Subject::Whole };
        let newest = self.it.versions.len();
        let version = |back: u32| {
            let version = self.it.versions.get(newest.checked_sub(1 + back as usize)?)?;
            Some((version.version, version.digest.short().to_owned()))
        };
        let about = |(version, digest): (u32, String)| About {
            orchestration: self.it.id.clone(),
            subject: Subject::Proposal { version, digest },
        };
        let pressed = |press, about| Input::Pressed { actor: actor.clone(), press, about, answer: answer.clone() };
        let asked = |command| Input::Asked { actor: actor.clone(), command, message: None, answer: answer.clone() };
        let input = match deed {
            Deed::Approve { back, forged } => {
                let Some((version, digest)) = version(back) else { return };
                let digest = if forged { "000000000000".into() } else { digest };
                let input = pressed(Press::Approve, about((version, digest.clone())));
                return self.approve(who, version, Some(&digest), input);
            }
            Deed::ApproveInWords => {
                let Some((version, _)) = version(0) else { return };
                let input = asked(Command::Approve { version });
                return self.approve(who, version, None, input);
            }
            Deed::RequestChanges(back) => {
                let Some(version) = version(back) else { return };
                let filled = Filled::RequestChanges { about: about(version).to_string(), text: "Fewer.".into() };
                Input::Submitted { actor, filled, answer }
            }
            Deed::Edit { back, how } => {
                let Some(version) = version(back) else { return };
                let page = Box::new(self.edited(how));
                Input::Submitted { actor, filled: Filled::Edit { about: about(version).to_string(), page }, answer }
            }
            Deed::Reject(back) => {
                let Some(version) = version(back) else { return };
                let filled = Filled::Reject { about: about(version).to_string(), reason: None };
                Input::Submitted { actor, filled, answer }
            }
            Deed::Stop => pressed(Press::Stop, whole),
            Deed::Retry(number) => pressed(Press::RetryChild, About { subject: Subject::Child(number), ..whole }),
            Deed::Reply => {
                Input::Reply { actor, text: "And the docs?".into(), message: self.mint(), correction: false }
            }
            Deed::ReplyTo(number) => {
                Input::Reply { actor, text: format!("#{number} use tabs"), message: self.mint(), correction: false }
            }
            Deed::Correct => {
                let Some(message) = self.it.heard.last().cloned() else { return };
                Input::Reply { actor, text: "And the tests?".into(), message, correction: true }
            }
        };
        self.take(input);
    }

    /// The form as it would be sent, were it opened now.
    fn edited(&self, how: Edit) -> FilledPage {
        let children =
            self.it.proposal.as_ref().map(|proposal| proposal.content.children().to_vec()).unwrap_or_default();
        let filled = children.into_iter().enumerate().map(|(at, spec)| {
            let last = at > 0 && matches!(how, Edit::Drop | Edit::Hold);
            let prompt = if matches!(how, Edit::Rewrite) && at == 0 { "Otherwise.".to_owned() } else { spec.prompt };
            let child = FilledChild { keep: !last, prompt: Some(prompt), ..FilledChild::default() };
            (u32::try_from(at + 1).unwrap(), child)
        });
        let model = if matches!(how, Edit::Settings) { "fast" } else { "" };
        let settings = RunSettings {
            model: Some(model.into()),
            parallelism: self.it.settings.parallelism,
            ..RunSettings::default()
        };
        let hold = Some(matches!(how, Edit::Hold));
        FilledPage { number: 1, children: filled.collect(), settings: Some(settings), more: None, hold }
    }

    /// The rules of approval once more, in other words than `policy` and `wishes.rs` have.
    fn approve(&mut self, who: Who, version: u32, digest: Option<&str>, input: Input) {
        let before = self.it.clone();
        let standing = before.proposal.as_ref().filter(|_| matches!(before.stage, Stage::Deciding { .. })).is_some_and(
            |proposal| proposal.version == version && digest.is_none_or(|digest| digest == proposal.digest.short()),
        );
        if standing {
            self.reference.clicked.insert((version, who.actor().handle()));
        }
        let had = votes(&before).iter().filter(|vote| vote.counts()).count();
        let effects = self.take(input);
        if self.it.wishes.len() > before.wishes.len() {
            let asks = |effect: &Effect| matches!(effect, Effect::LookUp { .. } | Effect::ReadPlan { .. });
            assert!(effects.iter().all(asks), "a wish that waits is seen by nobody: {effects:?}");
            return self.assert_nothing_changed(&before);
        }
        if !(standing && Self::may_count(who, &before)) {
            let told = effects.iter().all(|effect| matches!(effect, Effect::SayPrivately { .. }));
            assert!(told && !effects.is_empty(), "a refusal is told to the one refused, and to nobody else");
            return self.assert_nothing_changed(&before);
        }
        let quorum = before.policy.quorum as usize;
        let enough = had + 1 >= quorum;
        assert_eq!(matches!(self.it.stage, Stage::Deciding { .. }), !enough, "the quorum decides");
    }

    /// Another approval by them would count.
    fn may_count(who: Who, it: &Orchestration) -> bool {
        let named = it.policy.approvers.is_empty() || it.policy.approvers.iter().any(|entry| who.is(entry));
        let other_than_asker = it.policy.self_approval || who.is_surely_another(Who::Ada);
        let again = |vote: &Vote| !vote.counts() && Who::of(&vote.by).actor() == who.actor();
        let another = |vote: &Vote| who.is_surely_another(Who::of(&vote.by));
        named && other_than_asker && votes(it).iter().all(|vote| again(vote) || another(vote))
    }

    fn assert_nothing_changed(&self, before: &Orchestration) {
        let (wishes, known) = (before.wishes.clone(), before.known.clone());
        let now = Orchestration { updated_at: before.updated_at, wishes, known, ..self.it.clone() };
        assert_eq!(now, *before, "a refused approval changes nothing");
    }

    /// Whoever counts has approved this version, or one with all that this one has, and may.
    fn check_votes(&mut self, before: &Orchestration) {
        if let (Some(proposal), true) = (&self.it.proposal, self.it.proposal != before.proposal) {
            let settings = self.it.settings.clone();
            self.reference.versions.insert(proposal.version, (proposal.content.children().to_vec(), settings));
        }
        let standing = self.it.proposal.as_ref().map_or(0, |proposal| proposal.version);
        let counted = match self.it.versions.last().map(|version| &version.fate) {
            Some(Fate::Approved { by }) => by.clone(),
            _ => votes(&self.it).into_iter().filter(Vote::counts).map(|vote| vote.by).collect(),
        };
        for (at, by) in counted.iter().enumerate() {
            let who = Who::of(by);
            let (wanted, with) = &self.reference.versions[&standing];
            let clicked = self.reference.versions.iter().any(|(version, (children, settings))| {
                let narrowed = !wanted.is_empty() && wanted.iter().all(|child| children.contains(child));
                let covers = *version == standing || (narrowed && settings == with);
                covers && self.reference.clicked.contains(&(*version, by.handle()))
            });
            assert!(clicked, "{who:?} has not approved version {standing}");
            let policy = &self.it.policy;
            let named = policy.approvers.is_empty() || policy.approvers.iter().any(|entry| who.is(entry));
            assert!(named && (policy.self_approval || who.is_surely_another(Who::Ada)), "{who:?} may not");
            let others = counted.iter().take(at).map(Who::of);
            assert!(others.into_iter().all(|other| who.is_surely_another(other)), "{who:?} counts twice");
        }
        let launched = matches!(before.stage, Stage::Deciding { .. }) && matches!(self.it.stage, Stage::Running);
        if launched {
            assert!(counted.len() >= self.it.policy.quorum as usize, "launched by too few");
            let proposal = self.it.proposal.as_ref().unwrap();
            let prompts = proposal.content.children().iter().map(|child| child.prompt.clone()).collect();
            self.reference.approved.insert(proposal.digest.as_str().to_owned(), prompts);
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "an input is decided on once")]
    fn take(&mut self, input: Input) -> Vec<Effect> {
        let before = self.it.clone();
        let decision = decide(&mut self.it, input.clone(), self.now);
        let effects = decision.effects.clone();
        self.check(&before, &input, &effects);
        self.obey(decision);
        effects
    }

    fn obey(&mut self, decision: Decision) {
        for change in decision.timers {
            match change {
                TimerChange::Set(name, at) => {
                    self.timers.insert(name, at);
                }
                TimerChange::Clear(name) => {
                    self.timers.remove(&name);
                }
            }
        }
        self.deliveries.extend(decision.effects.into_iter().filter(|effect| lane(effect).is_some()));
    }

    fn check(&mut self, before: &Orchestration, input: &Input, effects: &[Effect]) {
        self.check_votes(before);
        let quiet = matches!(self.it.stage, Stage::Stopping { .. } | Stage::Ended { .. });
        for effect in effects {
            match effect {
                Effect::StartRun { slot, dispatch, spec } => {
                    assert!(!quiet, "{slot} starts though nothing should any more");
                    assert!(self.reference.dispatches.insert(dispatch.clone()), "{dispatch} twice");
                    self.check_start(*slot, spec);
                }
                // A child may be talked to when all has ended.
                Effect::FollowUp { slot: Slot::Child(_), purpose: Purpose::Reply, .. } if self.it.is_ended() => {}
                Effect::FollowUp { slot, .. } => assert!(!quiet, "{slot} is told something after the end"),
                _ => {}
            }
        }
        let standing = self.it.versions.iter().any(|version| version.fate == Fate::Standing);
        assert_eq!(standing, matches!(self.it.stage, Stage::Deciding { .. }), "a card stands just while it decides");
        if !before.is_ended() && self.it.is_ended() {
            let said = effects.iter().any(|effect| matches!(effect, Effect::Say { .. } | Effect::Edit { .. }));
            let nowhere = matches!(input, Input::Failed { effect: FailedEffect::PostBoard, .. });
            assert!(said || nowhere, "it ends in silence");
        }
        let shown = serde_json::to_string(&board::message(&self.it, None)).unwrap();
        assert!(shown.len() < 20_000, "a board of {} bytes", shown.len());
        let kept = serde_json::to_string(&self.it).unwrap();
        assert_eq!(serde_json::from_str::<Orchestration>(&kept).unwrap(), self.it);
    }

    fn check_start(&self, slot: Slot, spec: &RunSpec) {
        let Slot::Child(number) = slot else { return };
        let digest = spec.metadata.get("baton.proposal").unwrap();
        let prompts = self.reference.approved.get(digest);
        assert!(prompts.is_some_and(|prompts| prompts.contains(&spec.prompt)), "child {number} was not approved");
        let of_proposal = |child: &&Child| child.digest.as_ref().is_some_and(|known| known.as_str() == digest);
        let children = self.it.children.iter().filter(of_proposal).count();
        assert!(prompts.is_some_and(|prompts| prompts.len() == children), "each is there once");
        let parent = self.it.parent.as_ref().and_then(|parent| parent.run.as_ref());
        assert_eq!(spec.parent.as_ref(), parent);
        let starting =
            self.deliveries.iter().filter(|effect| matches!(effect, Effect::StartRun { slot: Slot::Child(_), .. }));
        let working = self.it.children.iter().filter(|child| child.run.as_ref().is_some_and(|run| self.works(run)));
        let places = self.it.settings.parallelism.unwrap_or(u32::MAX) as usize;
        assert!(starting.count() + working.count() < places, "child {number} is one too many");
    }

    /// It is at work, and Baton can know it. What is being cancelled does not count.
    fn works(&self, run: &RunId) -> bool {
        let run = self.runs.iter().find(|known| known.id == *run);
        run.filter(|run| run.state.is_working() && !run.cancelling)
            .is_some_and(|run| run.reported.as_ref().is_none_or(|report| report.state.is_working()))
    }

    /// Stop means stop: of all that Baton started, only what Oz cannot stop is at work.
    fn nothing_goes_on_after_a_stop(&self) {
        let Stage::Ended { how: Ending::Stopped { .. }, .. } = self.it.stage else { return };
        for run in &self.runs {
            assert!(run.state.is_at_rest() && !run.wakes, "{} works on: {:?}", run.id, self.it);
        }
    }

    fn run(&mut self, id: &RunId) -> &mut Run {
        self.runs.iter_mut().find(|run| run.id == *id).unwrap()
    }

    fn mint(&mut self) -> String {
        self.messages += 1;
        format!("2.{}", self.messages)
    }
}

impl Run {
    fn report(&self) -> RunReport {
        let failed = self.state == RunState::Failed;
        let status = failed.then(|| RunStatus {
            message: "It broke.".into(),
            code: Some("agent_process_failed".into()),
            retryable: Some(self.retryable),
        });
        RunReport {
            run: self.id.clone(),
            parent: self.parent.clone(),
            title: format!("Title of {}", self.id),
            state: self.state.clone(),
            created_at: self.updated_at,
            updated_at: self.updated_at,
            session_link: None,
            status,
            artifacts: self.artifacts(),
            credits: Some(1.0),
            metadata: self.metadata.clone(),
        }
    }

    fn reading(&self) -> Reading {
        let plan = |content: &String| PlanDocument {
            document: self.id.to_string(),
            title: None,
            url: None,
            content: content.clone(),
        };
        Reading {
            last_words: self.said.clone(),
            turns: Some(self.turns),
            plan: self.plan.as_ref().map(plan),
            artifacts: self.artifacts(),
            state: Some(self.state.clone()),
            credits: None,
            session_link: None,
            steps: Vec::new(),
        }
    }

    fn artifacts(&self) -> Vec<Artifact> {
        let url = format!("https://example.com/pull/{}", self.id);
        let pull = (self.state == RunState::Succeeded && self.parent.is_some())
            .then(|| Artifact::PullRequest { url, branch: "b".into() });
        pull.into_iter().collect()
    }

    /// Baton has not been told of its last change.
    fn is_news(&self) -> bool {
        self.reported.as_ref().is_none_or(|report| report.state != self.state || report.updated_at != self.updated_at)
    }

    fn goes_on(&self) -> bool {
        self.state.is_working() || self.cancelling || self.wakes || self.state == RunState::Blocked
    }
}

fn votes(it: &Orchestration) -> Vec<Vote> {
    match &it.stage {
        Stage::Deciding { votes, .. } => votes.clone(),
        _ => Vec::new(),
    }
}

/// The lane of a delivery that brings something back; none for the others.
fn lane(effect: &Effect) -> Option<String> {
    match effect {
        Effect::StartRun { slot, .. }
        | Effect::FollowUp { slot, .. }
        | Effect::CancelRun { slot, .. }
        | Effect::ReadRun { slot, .. } => Some(slot.to_string()),
        Effect::PostBoard { .. } | Effect::ReadThread { .. } | Effect::Say { post: Some(_), .. } => Some("talk".into()),
        Effect::LookUp { person, .. } => Some(person.handle()),
        Effect::ReadPlan { .. } => Some("plan".into()),
        _ => None,
    }
}
