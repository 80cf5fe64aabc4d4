//! A run of five nodes over bad links, with crashes, gives the same bits natively and in wasm: floating point in the links,
//! the random numbers, the order of everything, the bytes of every disk.

use cluster::host::Request;
use netem::LinkSettings;
use raft_core::Duration;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

use crate::world::{Unflushed, World};

/// What the run comes to. A change in what nodes do changes it, too: then the native test says what it is now, and the same
/// number must hold in wasm.
const DIGEST: u64 = 0x841a_ca29_c4a3_fdec;

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn the_same_seed_gives_the_same_bits_natively_and_in_wasm() {
    let digest = run(2026);
    assert_ne!(digest, run(2027), "the seed makes no difference");
    assert_eq!(digest, DIGEST, "the run comes to {digest:#x} now");
}

fn run(seed: u64) -> u64 {
    let mut world = World::new(5, seed);
    world.link = LinkSettings {
        loss: 0.1,
        duplicate: 0.1,
        reorder: true,
        jitter_us: 20_000,
        ..world.link
    };
    world.start_all();
    let client = world.client();
    world.answer(client, "create_queue 7");
    for item in 1..=30 {
        world.submit(client, &format!("push 1 {item}"));
        if item % 10 == 0 {
            let leader = world.wait_for_leader();
            world.ask(leader, Request::OpenSession { nonce: item });
            world.crash(leader, Unflushed::TornAfter(5));
            world.run_for(Duration::from_millis(400));
            world.start(leader).expect("a torn end is dropped");
        }
        let deadline = world.now + Duration::from_millis(30_000);
        world.run_until(deadline, |world| world.done[client].len() as u64 > item);
    }
    let mut digest = Digest(0xcbf2_9ce4_8422_2325);
    digest.add(
        format!(
            "{:?} {:?} {:?} {:?}",
            world.now,
            world.leaders,
            world.roles(),
            world.done
        )
        .as_bytes(),
    );
    for id in world.members() {
        digest.add(&world.disk(id).file);
    }
    digest.0
}

/// Fowler, Noll and Vo's hash, 64 bits.
struct Digest(u64);

impl Digest {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}
