//! The simulator gives the same runs natively and in wasm.

use sim::{Scenario, Wanted, run};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

/// The hashes of all that happened, and of how it ended, by seed. A change in what nodes do, or in what a seed draws, changes
/// them: then the native test says what they are now, and the same numbers must hold in wasm.
const HASHES: [(u64, u64); 20] = [
    (0x9f5a_0874_13cf_2002, 0xbe35_4b3c_520d_aeea),
    (0x4d56_69a4_19af_3840, 0x3eb6_b680_3279_d55b),
    (0xd8ca_dd5f_2c9b_3fd4, 0xc93f_30c6_b95e_93f8),
    (0xfb0d_4601_fd0c_30eb, 0x880e_a728_3b24_5a23),
    (0x747b_d39f_aba1_3afa, 0x2f9f_4599_2187_acae),
    (0x3875_8605_181d_93bf, 0x7a98_fe84_ec42_cfc9),
    (0x8482_9a19_3e2b_ef01, 0xbe45_69e5_a93a_6329),
    (0xbb11_9bd9_f7cd_05d7, 0x98ac_6bee_fb5c_0622),
    (0x2dc7_5a78_8e55_3d4e, 0x2f04_c594_a3b5_bf37),
    (0xb045_5866_d60d_6b93, 0x62ba_fe63_9f75_affa),
    (0x3160_b694_3ef3_45d7, 0xb797_0b9e_fa08_b609),
    (0x64f5_9e2e_2ce2_c6c6, 0xccac_9479_f81d_e791),
    (0x402e_59ce_7fc8_6f1e, 0xf10b_dbe3_db04_de1a),
    (0x07e4_7662_e1fa_58f6, 0xd59a_658c_6664_94c5),
    (0x679c_c088_f27c_285b, 0x2397_8b84_0ac0_b1bf),
    (0x0587_c873_e84d_3552, 0xb404_97d8_0c5f_ec14),
    (0x6984_1ab1_5c88_3c12, 0x744f_aedb_90c1_65a6),
    (0xe967_b93d_f1e3_3973, 0xac66_cafb_ce17_00c5),
    (0x3c0a_3da9_6ca7_b11a, 0x4e23_2989_a22b_ab47),
    (0x87be_79d8_143d_0cef, 0x23ab_4520_5e39_0c3f),
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
