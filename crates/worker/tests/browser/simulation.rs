//! The simulator gives the same runs natively and in wasm.

use sim::{Scenario, Wanted, run};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

/// The hashes of all that happened, and of how it ended, by seed. A change in what nodes do, or in what a seed draws, changes
/// them: then the native test says what they are now, and the same numbers must hold in wasm.
const HASHES: [(u64, u64); 20] = [
    (0x7e6b_19a0_8c0a_20ce, 0xc820_763b_3722_1a05),
    (0x2738_90d7_66d5_92ae, 0x7409_6f4c_b0c2_014f),
    (0x56b1_a816_f5b6_89a5, 0x7422_07e4_d5a0_4a0e),
    (0x8d91_385c_ebad_6a96, 0x0058_af8c_671f_30cf),
    (0xc553_c963_711d_a837, 0x54c7_e48d_f148_9461),
    (0x2ba2_3f2a_be04_fefc, 0x0f14_69d4_1ad7_ae88),
    (0x28d8_47a5_891b_826c, 0x38fa_d2d2_7faf_f75f),
    (0x861f_b5ad_1c1a_93b6, 0x9a75_d792_4e98_3cfe),
    (0xceea_2310_d6a8_2bbb, 0xb706_a876_381d_d507),
    (0x8714_db45_2872_1e8b, 0xd254_85ae_12d4_aa80),
    (0x0b57_fbe2_a162_891b, 0xac57_4a20_f7c2_ab6c),
    (0x537a_8023_5098_aa07, 0x6271_bd88_2dc6_b802),
    (0x1590_7907_77b1_40df, 0x96cd_4c83_950c_567c),
    (0x00c9_e6d2_097a_ed91, 0x4a55_4530_f876_d3cf),
    (0x7a4f_1c7f_a4ca_02da, 0x994a_43ae_cea1_de91),
    (0x4c80_0da5_65ad_5a90, 0xee57_cd82_06de_2e04),
    (0x7653_c40e_6873_bde6, 0x8415_0331_a479_5906),
    (0xb90b_01b0_6519_fa68, 0xffe3_ce14_8780_df94),
    (0x1326_2e45_fd19_7838, 0xf16f_283d_edd4_d567),
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
