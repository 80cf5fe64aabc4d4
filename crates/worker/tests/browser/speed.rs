//! How fast the simulator is in wasm: `cargo xtask speed` runs this, built for release, beside the same run natively.

use sim::{Scenario, Wanted, run};
use wasm_bindgen_test::{console_log, wasm_bindgen_test};
use worker::scope;

/// How many times the run is carried out; the quickest counts.
const TIMES: u32 = 3;

#[wasm_bindgen_test]
#[ignore = "a measurement, of use only in a release build"]
fn events_a_second() {
    // What `ftq sim --seed 3 --nodes 5 --rate 100 --faults all --seconds 600` runs.
    let wanted = Wanted {
        nodes: Some(5),
        rate: Some(100),
        seconds: Some(600),
        every_fault: true,
        ..Wanted::default()
    };
    let scenario = Scenario::drawn(3, wanted);
    let mut best = 0.0_f64;
    for _ in 0..TIMES {
        let started = scope::wall_ms();
        let outcome = run(&scenario, |_| true);
        assert_eq!(outcome.violation, None);
        best = best.max(outcome.events as f64 / (scope::wall_ms() - started) * 1000.0);
    }
    console_log!("events_per_second={best:.0}");
}
