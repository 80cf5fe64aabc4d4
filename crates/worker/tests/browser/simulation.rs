//! The simulator gives the same runs natively and in wasm.

use sim::{Scenario, Wanted, run};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

/// The hashes of all that happened, and of how it ended, by seed. A change in what nodes do, or in what a seed draws, changes
/// them: then the native test says what they are now, and the same numbers must hold in wasm.
const HASHES: [(u64, u64); 20] = [
    (0xba45_11f4_33a2_730f, 0x3fa8_f97f_2774_c060),
    (0x813f_fc7a_ce5b_3362, 0xf939_a2b9_859b_f658),
    (0xcbbe_92ee_398a_1430, 0x0836_931f_226f_1c83),
    (0x63c0_2f3a_33af_e213, 0xdc21_40b0_565e_65c1),
    (0x3a48_1d3a_9c6f_325f, 0xd5e9_5511_5065_5329),
    (0x31b7_3d7e_6d3e_ca79, 0xeea9_e6ba_40fe_274c),
    (0x685b_a11d_7931_8ddf, 0xe74f_3bd1_687e_62c4),
    (0xa8c8_8056_d69d_7c06, 0xbdba_c131_1729_295d),
    (0x2faf_df99_746f_47d4, 0x1fbe_93f5_f76c_00cc),
    (0xd49c_f081_bda0_0163, 0x4c5f_2cd3_b824_703e),
    (0xa4f6_e472_0176_5f05, 0xdcb0_92e7_b2cf_a037),
    (0x45f8_4910_0175_3bf0, 0xa084_632e_1d4b_529b),
    (0xf559_f54e_cd7e_3c5f, 0x1837_4bd3_652a_a52e),
    (0x1274_5697_4345_9a9c, 0xf295_d57e_1f11_1346),
    (0x48b8_b0b4_fac3_565f, 0x43d6_ac2a_8a42_080c),
    (0xa4d7_a733_b7ae_2615, 0x70ae_ca4f_6288_144f),
    (0x505e_a056_2545_b18e, 0x0ddc_2f18_b16f_f70f),
    (0xb2d1_f316_efbe_193a, 0x3d7e_ec57_1a1c_a16f),
    (0x1582_a9e8_aae3_0a32, 0x16dc_9553_74a3_280d),
    (0xe1a7_bbf3_56c9_4809, 0x2c20_a876_1e8b_904b),
];

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn twenty_seeds_are_the_same_runs_natively_and_in_wasm() {
    let wanted = Wanted {
        seconds: Some(5),
        ..Wanted::default()
    };
    let found: Vec<(u64, u64)> = (0..20)
        .map(|seed| run(&Scenario::drawn(seed, wanted), |_| true))
        .map(|outcome| (outcome.trace_hash, outcome.state_hash))
        .collect();
    assert_eq!(found, HASHES, "they are {found:#018x?} now");
}
