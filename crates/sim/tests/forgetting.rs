//! Members that forget what they had promised: in memory, with files cleared away, or with a disk that was emptied. What their forgetting explains is not judged, and it
//! is said why; all else is judged as ever.

use cluster::node::Node;
use netem::LinkSettings;
use raft_core::{Duration, Instant, NodeId, Role, Rule};
use sim::check::Property;
use sim::chronicle::{Chronicle, Judgement};
use sim::future::Future;
use sim::{FaultKinds, Scenario, Wanted, World};
use trace::Act;
use trace::tape::{Durability, Origin, Piece, TAPE_BYTES_MAX, Tape, Told};

/// A cluster whose members are told to crash, forget and start, and a judge who watches.
struct Story {
    future: Future,
    chronicle: Chronicle,
    members: Vec<NodeId>,
    asked: u64,
}

impl Story {
    /// A cluster that has run for three seconds without trouble.
    fn of(nodes: u8, ablate: Option<Rule>) -> Story {
        let wanted = Wanted {
            nodes: Some(nodes),
            seconds: Some(3),
            rate: Some(20),
            faults: Some(FaultKinds::default()),
            ablate,
            ..Wanted::default()
        };
        let mut scenario = Scenario::drawn(11, wanted);
        // Who has forgotten gets a snapshot of a beginning that the judge has not seen either.
        scenario.settings.compact_after = 8;
        let members: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let mut world = World::new(&scenario).unwrap();
        world.tell_all();
        let mut tape = Tape::new(&members, TAPE_BYTES_MAX);
        world.run_until(Instant(3_000_000), |_| false).unwrap();
        for Told { node, boot, piece } in world.take_told() {
            tape.take(node, boot, piece).unwrap();
        }
        while tape.turn(&mut Vec::new()).is_some() {}
        let links = LinkSettings::default();
        let mut story = Story {
            future: Future::new(&tape, tape.reached(), 5, Some(links)),
            chronicle: Chronicle::new(&members, TAPE_BYTES_MAX),
            members,
            asked: 0,
        };
        story.goes_on(500);
        story
    }

    fn goes_on(&mut self, ms: u64) {
        self.future.run_until(self.future.now() + Duration::from_millis(ms));
        let (told, _) = self.future.take();
        for Told { node, boot, piece } in told {
            self.chronicle.take(node, boot, piece).unwrap();
        }
        if !self.chronicle.has_opened() {
            self.chronicle.open(&mut |_| ());
        }
        while self.chronicle.turn(&mut |_| ()) {}
        self.chronicle.set_history(self.future.history());
        self.chronicle.judge(&mut |_| ());
    }

    fn acts(&mut self, acts: impl IntoIterator<Item = Act>) {
        for act in acts {
            self.future.act(&act);
        }
    }

    /// Five pushes, answered or not.
    fn pushes(&mut self) {
        for _ in 0..5 {
            self.asked += 1;
            let push = format!("push 1 {}", 1_000_000 + self.asked);
            self.acts([Act::Submit(push.parse().unwrap())]);
            self.goes_on(60);
        }
    }

    /// Cuts a member off from these others, or joins it with them again.
    fn cut(&mut self, id: NodeId, others: &[NodeId], cut: bool) {
        let settings = LinkSettings {
            cut,
            ..LinkSettings::default()
        };
        for other in others {
            let link = |from, to| Act::SetLink { from, to, settings };
            self.acts([link(id, *other), link(*other, id)]);
        }
    }

    fn forgets(&mut self, id: NodeId) {
        self.acts([Act::Wipe(id), Act::Start(id)]);
    }

    fn leader(&self) -> NodeId {
        let leads = |id: &NodeId| {
            let view = self.chronicle.tape.node(*id).map(Node::view)?;
            (view.role == Role::Leader).then_some((view.term, *id))
        };
        let leaders = self.members.iter().filter_map(leads);
        leaders.max().expect("somebody leads").1
    }

    fn others(&self, than: NodeId) -> Vec<NodeId> {
        self.members.iter().copied().filter(|id| *id != than).collect()
    }

    /// Claims that a push was acknowledged that never reached the cluster, and that a queue is empty that is not.
    fn lies(&mut self) {
        let at = self.future.now();
        let mut history = self.future.history().clone();
        let pop = history.invoke(9_000, "pop 1".parse().unwrap(), at);
        history.answer(pop, Ok(ftqueue::Answer::Item(-77)), at);
        self.goes_on(1_000);
        let mut later = self.future.history().clone();
        std::mem::swap(&mut later, &mut history);
        self.chronicle.set_history(&later);
        self.chronicle.judge(&mut |_| ());
    }

    fn judgement(&self) -> Judgement {
        self.chronicle.judgement()
    }

    #[track_caller]
    fn is_red(&self, property: Property) {
        let judgement = self.judgement();
        assert_eq!(judgement.unjudged, None);
        assert_eq!(
            judgement.violations.first().map(|it| it.property),
            Some(property),
            "{judgement:?}"
        );
    }

    #[track_caller]
    fn is_not_judged(&self, why: &[&str]) {
        let judgement = self.judgement();
        assert_eq!(judgement.violations, Vec::new());
        let said = judgement.unjudged.expect("something was lost");
        for words in why {
            assert!(said.contains(words), "{said}");
        }
    }
}

/// All that is known is still held by a quorum: nothing was lost, and all is judged.
#[test]
fn one_of_five_forgets_and_all_is_judged() {
    let mut story = Story::of(5, None);
    for _ in 0..4 {
        story.pushes();
        let follower = story.others(story.leader())[0];
        story.forgets(follower);
        story.goes_on(1_000);
    }
    story.pushes();
    story.goes_on(1_000);
    let judgement = story.judgement();
    assert_eq!((judgement.unjudged, judgement.violations), (None, Vec::new()));
    assert_eq!(judgement.judged, 25, "every push was answered, and judged");
}

/// One has forgotten, and an answer is wrong that this does not explain.
#[test]
fn what_the_forgetting_of_one_does_not_explain_is_red() {
    let mut story = Story::of(5, None);
    let follower = story.others(story.leader())[0];
    story.forgets(follower);
    story.pushes();
    story.lies();
    story.is_red(Property::Linearizable);
}

/// One has forgotten, and is elected, though four hold what it lacks: who holds it must not give it a vote.
#[test]
fn one_that_forgot_is_elected_though_a_quorum_remembers() {
    let mut story = Story::of(5, Some(Rule::CompareLogsBeforeVoting));
    let leader = story.leader();
    let forgetful = story.others(leader)[0];
    story.pushes();
    story.cut(forgetful, &[leader], true);
    story.forgets(forgetful);
    for _ in 0..6 {
        story.acts([Act::FireTimer(forgetful)]);
        story.goes_on(60);
    }
    story.goes_on(1_000);
    story.is_red(Property::LeaderCompleteness);
}

/// Of three, two had acknowledged; one of these is down, and the other forgets. Who lacks it is elected: nobody's fault but the storage's.
#[test]
fn what_too_few_remember_is_lost_and_not_judged() {
    let mut story = Story::of(3, None);
    let leader = story.leader();
    let [one, other] = story.others(leader)[..] else {
        panic!("three members")
    };
    story.acts([Act::Crash(one)]);
    story.pushes();
    story.acts([Act::Crash(leader)]);
    story.forgets(other);
    story.acts([Act::Start(one)]);
    story.goes_on(3_000);
    story.pushes();
    story.is_not_judged(&[
        "its files were cleared away",
        "have forgotten it",
        "Leader Completeness",
    ]);
}

/// Of three, one voted, forgets it, and votes for another in the same term: both lead.
#[test]
fn one_that_forgot_its_vote_gives_it_again_and_two_leaders_are_not_judged() {
    let mut story = Story::of(3, None);
    let leader = story.leader();
    let [one, other] = story.others(leader)[..] else {
        panic!("three members")
    };
    story.cut(leader, &[one, other], true);
    story.acts([Act::FireTimer(one)]);
    story.goes_on(100);
    assert_eq!(story.leader(), one);
    story.acts([Act::Crash(leader)]);
    story.cut(one, &[other], true);
    story.forgets(other);
    story.acts([Act::Start(leader)]);
    story.cut(leader, &[other], false);
    story.acts([Act::FireTimer(leader)]);
    story.goes_on(2_000);
    story.is_not_judged(&["voted twice", "Election Safety"]);
}

/// Of three, one was in the term of a new leader, forgets it, and follows the old one: both commit.
#[test]
fn one_that_forgot_its_term_follows_an_old_leader_and_what_comes_of_it_is_not_judged() {
    let mut story = Story::of(3, None);
    let leader = story.leader();
    let [one, other] = story.others(leader)[..] else {
        panic!("three members")
    };
    story.cut(leader, &[one, other], true);
    story.acts([Act::FireTimer(one)]);
    story.goes_on(100);
    story.pushes();
    story.cut(one, &[other], true);
    story.forgets(other);
    story.cut(leader, &[other], false);
    story.goes_on(300);
    story.pushes();
    story.goes_on(3_000);
    story.is_not_judged(&["has forgotten that"]);
}

/// Of five, the same: but three others remember the later term, so the old leader finds no majority, and what is wrong is red.
#[test]
fn where_a_quorum_remembers_the_later_term_nothing_is_excused() {
    let mut story = Story::of(5, None);
    let leader = story.leader();
    let others = story.others(leader);
    story.cut(leader, &others, true);
    story.acts([Act::FireTimer(others[0])]);
    story.goes_on(300);
    story.pushes();
    let forgetful = others[3];
    story.cut(forgetful, &others[..3], true);
    story.forgets(forgetful);
    story.cut(leader, &[forgetful], false);
    story.goes_on(500);
    assert_eq!(
        (story.judgement().unjudged, story.judgement().violations),
        (None, Vec::new())
    );
    story.lies();
    story.is_red(Property::Linearizable);
}

/// A majority has forgotten: nothing is promised any more, and that is said.
#[test]
fn a_cluster_of_which_a_majority_forgets_is_not_judged() {
    let mut story = Story::of(3, None);
    story.pushes();
    let members = story.members.clone();
    story.acts(members.iter().map(|id| Act::Crash(*id)));
    for id in &members[..2] {
        story.forgets(*id);
    }
    story.goes_on(1_000);
    story.is_not_judged(&["its files were cleared away", "a majority"]);
}

/// Whoever forgets, and however, is said as what it is; the same start with nothing, of a member whose storage is to keep all, is red.
#[test]
fn it_is_said_how_members_forgot() {
    let begins = |how: Durability, wiped: bool| {
        let mut story = Story::of(3, None);
        story.pushes();
        let members = story.members.clone();
        story.acts(members.iter().map(|id| Act::Crash(*id)));
        story.goes_on(100);
        for id in members {
            let node = story.chronicle.tape.last_of(id, story.future.now()).unwrap();
            let origin = Origin::Disk {
                config: node.config_for(99, 1),
                files: Default::default(),
                durability: how,
            };
            if wiped {
                story.chronicle.wiped(id);
            }
            let at = story.future.now();
            story.chronicle.take(id, 99, Piece::Began { origin, at }).unwrap();
        }
        while story.chronicle.turn(&mut |_| ()) {}
        story
    };
    begins(Durability::Memory, false).is_not_judged(&["has forgotten at", "it keeps its log in memory", "a majority"]);
    begins(Durability::Cleared, false).is_not_judged(&[
        "has forgotten at",
        "its files were cleared away",
        "a majority",
    ]);
    begins(Durability::Kept, true).is_not_judged(&["has forgotten at", "its disk was emptied", "a majority"]);
    begins(Durability::Kept, false).is_red(Property::RecoveredWhole);
}

/// A member that starts with less than it had flushed, and whose storage is not said to have forgotten: that is its own fault, whoever
/// else forgot.
#[test]
fn who_loses_what_it_flushed_is_red_also_where_another_forgot() {
    let mut story = Story::of(5, None);
    let leader = story.leader();
    let others = story.others(leader);
    story.forgets(others[0]);
    story.pushes();
    story.acts([Act::Crash(others[1])]);
    story.goes_on(100);
    let began = story.chronicle.tape.last_of(others[1], story.future.now()).unwrap();
    let origin = Origin::Disk {
        config: began.config_for(99, 1),
        files: Default::default(),
        durability: Durability::Kept,
    };
    let at = story.future.now();
    let piece = Piece::Began { origin, at };
    story.chronicle.take(others[1], 99, piece).unwrap();
    while story.chronicle.turn(&mut |_| ()) {}
    story.is_red(Property::RecoveredWhole);
}
