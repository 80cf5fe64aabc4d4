//! The simulator gives the same runs natively and in wasm.

use sim::{Scenario, Wanted, run};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

/// The hashes of all that happened, and of how it ended, by seed. A change in what nodes do, or in what a seed draws, changes
/// them: then the native test says what they are now, and the same numbers must hold in wasm.
const HASHES: [(u64, u64); 20] = [
    (0x5f7c_a313_a07c_4efb, 0xb1f8_5d40_a9c1_f023),
    (0xa360_119e_a940_59fb, 0xe039_af31_fb50_414f),
    (0xd8ca_dd5f_2c9b_3fd4, 0xc93f_30c6_b95e_93f8),
    (0x8c87_3930_a068_b136, 0x7ebf_0bb7_a783_326b),
    (0xeea6_824a_18ce_613c, 0x155f_a0d0_bc92_c11e),
    (0x5923_ba92_2936_48fd, 0xa23b_aecc_71ce_aa92),
    (0xdf92_ffdf_f99f_5060, 0xfe3d_af25_7f8f_dd80),
    (0xc99a_2b84_34da_6ad0, 0x4878_04c3_0932_4b60),
    (0xb9f2_7699_2403_da4d, 0x17df_065c_cb6f_3dce),
    (0xd960_9e65_5081_e926, 0x27db_404b_5160_440d),
    (0x16a5_b7ac_4ff5_f879, 0xbaf4_572f_0aba_0bed),
    (0x1f28_0bfc_8300_f46e, 0x03f7_9f8c_0865_0078),
    (0xb51c_485e_28b9_cccc, 0x623c_e00e_bf19_2419),
    (0xa0bc_539e_05b5_7e1d, 0x46b7_a2a4_ccab_3412),
    (0x690d_49bc_8470_678d, 0xf3b5_56d2_253f_9a92),
    (0x3558_d138_9466_e725, 0x84ea_8291_2495_7991),
    (0xd551_1910_b784_6b6c, 0xc5b7_ff98_19e1_b873),
    (0xa6f2_24cb_a599_f729, 0x9e67_3a05_a01e_ddc6),
    (0x8fcd_274c_c874_a86d, 0x87ff_f600_4be0_bbc3),
    (0x37e4_8f91_dfbd_e91c, 0x8053_9744_4a70_c1e2),
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
