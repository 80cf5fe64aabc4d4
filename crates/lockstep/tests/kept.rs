//! How much is kept, what is let go for it, and how that is said.

#[path = "quiet/clients.rs"]
mod clients;
mod quiet;

use cluster::clock::{Clock, ClockSetting};
use lockstep::Desk;
use raft_core::{Instant, NodeId};
use serde_json::Value;
use sim::{Scenario, Wanted, World};
use trace::Act;
use trace::lockstep::{FromLockstep, RunId, Shown, ToLockstep};
use trace::tape::Told;

use quiet::{frame, members, panel, shown};

const BYTES_MAX: usize = 5_000_000;
/// What is over the limit until the next piece is carried out.
const SLACK: usize = 1_000_000;

/// A world with clients, and two recorders that hear it: one with little room, one with enough.
struct Watched<'a> {
    world: World<'a>,
    clients: clients::Watcher,
    desk: Desk,
    whole: Desk,
}

impl Watched<'_> {
    fn until(&mut self, second: u64) {
        while self.world.now() < Instant(second * 1_000_000) {
            let tenth = Instant(self.world.now().0 / 100_000 * 100_000 + 100_000);
            self.world.run_until(tenth, |_| false).unwrap();
            let told = self.world.take_told();
            let asked = self.clients.asked(&self.world);
            for desk in [&mut self.desk, &mut self.whole] {
                desk.hear(ToLockstep::Asked(asked.clone()));
                for Told { node, boot, piece } in told.clone() {
                    desk.piece(node, boot, piece);
                }
                while desk.work(1 << 16) {}
            }
        }
        self.desk.judge();
    }
}

fn scenario() -> Scenario {
    let wanted = Wanted {
        nodes: Some(3),
        seconds: Some(150),
        rate: Some(100),
        faults: Some([].into_iter().collect()),
        ..Wanted::default()
    };
    Scenario::drawn(3, wanted)
}

fn made(desk: &mut Desk, what: &str) -> Vec<(String, Vec<u8>)> {
    desk.take_out();
    desk.hear(ToLockstep::Do(what.to_owned()));
    let made = |said| match said {
        FromLockstep::Made { name, bytes, .. } => Some((name, bytes)),
        _ => None,
    };
    frame(desk).into_iter().filter_map(made).collect()
}

fn kept(desk: &mut Desk) -> Value {
    let made = made(desk, "timings");
    let timings: Value = serde_json::from_slice(&made[0].1).unwrap();
    timings["kept"].clone()
}

fn notices(said: &[FromLockstep]) -> Vec<&str> {
    let mut notices = Vec::new();
    for message in said {
        if let FromLockstep::Notice(text) = message {
            notices.push(text.as_str());
        }
    }
    notices
}

/// Looks at an instant. Gives what is shown, and why it is refused, if it is.
fn look(desk: &mut Desk, us: u64) -> (Option<Shown>, Option<String>) {
    desk.take_out();
    desk.hear(ToLockstep::Look(Some(Instant(us))));
    let said = frame(desk);
    let answer = said.iter().find_map(|message| match message {
        FromLockstep::Made { name, bytes, .. } if name == "look" => Some(bytes.clone()),
        _ => None,
    });
    let answer: Value = serde_json::from_slice(&answer.unwrap()).unwrap();
    (shown(&said), answer["refused"].as_str().map(str::to_owned))
}

#[test]
fn beyond_its_limit_memory_is_flat_and_what_is_let_go_is_said() {
    let scenario = scenario();
    let clock = || {
        Clock::new(ClockSetting {
            virtual_now: Instant(1_000_000),
            rate: 0.0,
            ..ClockSetting::starting_at(0.0)
        })
    };
    let mut watched = Watched {
        world: World::new(&scenario).unwrap(),
        clients: clients::Watcher::default(),
        desk: Desk::keeping(members(3), clock(), BYTES_MAX),
        whole: Desk::new(members(3), clock()),
    };
    watched.world.tell_all();
    watched.until(23);
    // Nothing is let go yet, and what is kept is said.
    let said = panel(&frame(&mut watched.desk));
    assert!(said.contains(">kept: 20 s, ") && said.contains(" of 5 MB<"), "{said}");
    assert_eq!(kept(&mut watched.desk)["let_go"], false);

    // A branch begins at an instant that is kept.
    let (early, _) = look(&mut watched.desk, 15_000_000);
    watched.desk.hear(ToLockstep::Act(Act::Crash(NodeId(1))));
    let branch = shown(&frame(&mut watched.desk)).unwrap();
    let (end, _) = look(&mut watched.desk, branch.end.0);
    assert_eq!(
        (early.unwrap().hash, branch.run),
        (branch_root(&mut watched.whole), RunId(1))
    );
    watched.desk.hear(ToLockstep::Do("show 0".into()));
    watched.desk.hear(ToLockstep::Do("now".into()));

    // Beyond the limit, the oldest goes, again and again, and no more is kept than may be.
    let (mut from, mut said) = (Vec::new(), String::new());
    for second in (30..=140).step_by(10) {
        watched.until(second);
        said = panel(&frame(&mut watched.desk));
        let kept = kept(&mut watched.desk);
        let bytes = kept["bytes"].as_u64().unwrap() as usize;
        assert!(bytes <= BYTES_MAX + SLACK, "{bytes} bytes at {second} s");
        from.push(kept["from_us"].as_u64().unwrap());
    }
    assert!(from.is_sorted(), "{from:?}");
    let moved = from.windows(2).filter(|two| two[0] > 0 && two[1] > two[0]).count();
    assert!(moved > 3, "{from:?}");
    let first = *from.last().unwrap();
    assert!(first > 30_000_000, "{from:?}");

    // It is said, and nothing but room was lost: all is judged still.
    let words = format!("kept from {} s on, ", first.div_ceil(1_000_000));
    assert!(
        said.contains(&words) && said.contains("; what was before is let go<"),
        "{said}"
    );
    assert!(said.contains("✓ safe · linearizable"), "{said}");

    // The oldest instant that is kept can be gone back to, and is what it was.
    let (oldest, refused) = look(&mut watched.desk, first);
    let oldest = oldest.unwrap();
    assert_eq!((oldest.at, refused), (Instant(first), None));
    assert_eq!(oldest.hash, look(&mut watched.whole, first).0.unwrap().hash);

    // One before it is refused, and what is shown stays.
    let (other, refused) = look(&mut watched.desk, first - 1_000);
    let refused = refused.unwrap();
    assert!(refused.contains("is not kept any more") && other.is_none(), "{refused}");
    watched.desk.hear(ToLockstep::Do(format!("at {}", first - 1_000)));
    assert!(notices(&frame(&mut watched.desk))[0].contains("is not kept any more"));

    // What is made of the run says from when on it is.
    watched.desk.take_out();
    watched.desk.hear(ToLockstep::Do("make jsonl".into()));
    let said = frame(&mut watched.desk);
    assert!(
        notices(&said)[0].contains(&format!("begins at {:.3} s", first as f64 / 1e6)),
        "{said:?}"
    );
    let name = format!("ftqueue-live-from-{}s.jsonl", first.div_ceil(1_000_000));
    assert!(
        said.iter()
            .any(|it| matches!(it, FromLockstep::Made { name: of, .. } if *of == name))
    );
    let trace: Value = serde_json::from_slice(&made(&mut watched.desk, "trace")[0].1).unwrap();
    assert_eq!(trace["kept_from_us"], first);

    // The branch is whole, though what it leaves is not: it is looked at, and gone on with; only what it leaves is refused.
    watched.desk.hear(ToLockstep::Do("show 1".into()));
    let (again, refused) = look(&mut watched.desk, branch.end.0);
    assert_eq!((again.unwrap().hash, refused), (end.unwrap().hash, None));
    let (begin, _) = look(&mut watched.desk, 15_000_000);
    assert_eq!(begin.unwrap().at, Instant(15_000_000));
    assert!(look(&mut watched.desk, 14_000_000).1.is_some());
    watched.desk.hear(ToLockstep::Do("extend".into()));
    let longer = shown(&frame(&mut watched.desk)).unwrap();
    assert!(longer.at > branch.end && longer.run == RunId(1));
    watched.desk.hear(ToLockstep::Do("make file".into()));
    assert!(notices(&frame(&mut watched.desk))[0].contains("what it leaves was let go"));
    assert!(!made(&mut watched.desk, "make jsonl").is_empty());

    // What was shown moves on with what is kept, and that is said, too.
    watched.desk.hear(ToLockstep::Do("show 0".into()));
    look(&mut watched.desk, first);
    watched.until(149);
    let said = frame(&mut watched.desk);
    let now_first = kept(&mut watched.desk)["from_us"].as_u64().unwrap();
    assert!(now_first > first, "{now_first}");
    assert!(
        notices(&said).iter().any(|it| it.contains("is not kept any more")),
        "{said:?}"
    );
    assert_eq!(shown(&said).unwrap().at, Instant(now_first));
}

fn branch_root(whole: &mut Desk) -> u64 {
    look(whole, 15_000_000).0.unwrap().hash
}
