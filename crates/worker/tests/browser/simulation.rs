//! The simulator gives the same runs natively and in wasm.

use sim::{Scenario, Wanted, run};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

/// The hashes of all that happened, and of how it ended, by seed. A change in what nodes do, or in what a seed draws, changes
/// them: then the native test says what they are now, and the same numbers must hold in wasm.
const HASHES: [(u64, u64); 20] = [
    (0x1cea_4282_91ff_2139, 0x5360_999e_37cf_32ae),
    (0x3e99_9625_57b6_43f8, 0xb394_f4f2_806e_8036),
    (0x32b4_17b0_bb07_f5c5, 0x1a4a_f7a9_7035_8287),
    (0xd30f_c821_41ec_eae2, 0xeb21_53b0_1b92_c3b2),
    (0xaae9_cfc6_4a14_94d9, 0x5dee_e595_f9e4_4ff2),
    (0x2ba2_3f2a_be04_fefc, 0x0f14_69d4_1ad7_ae88),
    (0x28d8_47a5_891b_826c, 0x38fa_d2d2_7faf_f75f),
    (0xf12e_5bc6_8cfa_836f, 0x0af9_ee72_99bb_892f),
    (0xceea_2310_d6a8_2bbb, 0xb706_a876_381d_d507),
    (0x1996_bc03_f3b3_80a1, 0xa5ca_d831_1dce_0f3b),
    (0x0b57_fbe2_a162_891b, 0xac57_4a20_f7c2_ab6c),
    (0x537a_8023_5098_aa07, 0x6271_bd88_2dc6_b802),
    (0x1590_7907_77b1_40df, 0x96cd_4c83_950c_567c),
    (0x00c9_e6d2_097a_ed91, 0x4a55_4530_f876_d3cf),
    (0x7a4f_1c7f_a4ca_02da, 0x994a_43ae_cea1_de91),
    (0xc378_8462_59d5_c15c, 0xe1fb_ffd6_9fc0_ec6b),
    (0x7653_c40e_6873_bde6, 0x8415_0331_a479_5906),
    (0xb90b_01b0_6519_fa68, 0xffe3_ce14_8780_df94),
    (0xa3fb_9db7_d377_7832, 0x21d4_6229_d5cc_31f2),
    (0xbc4c_9961_2565_4490, 0xd5fd_c994_47d1_53b5),
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
