//! The simulator gives the same runs natively and in wasm.

use sim::{Scenario, Wanted, run};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

/// The hashes of all that happened, and of how it ended, by seed. A change in what nodes do, or in what a seed draws, changes
/// them: then the native test says what they are now, and the same numbers must hold in wasm.
const HASHES: [(u64, u64); 20] = [
    (0x62da_dd7b_704c_3c45, 0xb6fd_bcc8_af05_8d0a),
    (0x7777_28c9_06b7_6618, 0xee12_640d_99fd_b819),
    (0x286a_c140_2d84_1ae5, 0xce71_43ea_19e6_9c23),
    (0x3310_c027_9f86_bb5e, 0x88e6_0c6a_0a0a_e460),
    (0x1d98_a6b7_06ce_8a63, 0x5aca_8444_b735_712e),
    (0x361f_5c3c_00bb_f4ab, 0x600e_adc9_05a8_154e),
    (0x5b90_8bac_4c94_4c9a, 0x7aff_740a_5458_123c),
    (0x0735_1ff3_6ff7_d993, 0x548d_2221_9e54_ce0b),
    (0x5672_bf68_7e02_fca3, 0x3fc5_2cb6_9b0b_59b9),
    (0xae58_5abb_1403_eafd, 0xdd0c_2c78_cf3e_551a),
    (0x3b16_aa51_1275_076b, 0x959f_ad73_428c_931b),
    (0x88ec_aa63_7836_01f1, 0x0f90_7e84_25ce_e19f),
    (0xa3ef_9354_7b16_bfcc, 0xac2d_2ef9_f8a4_5285),
    (0x5ab8_2d8c_cfe1_ced0, 0x4ef9_c67b_b109_4df5),
    (0x04ed_2edf_92bf_fbe7, 0xf847_c305_32c8_a615),
    (0x5992_19c4_0260_3e80, 0x3776_f2ce_5f16_7906),
    (0x2656_a47c_0550_8af1, 0x92c1_d86b_d4a1_7199),
    (0xf685_7f0f_1452_6a3a, 0xa9c6_5ea5_4dbd_beef),
    (0x6ead_1927_12cc_140d, 0xd646_eb4a_235f_4571),
    (0xfbc7_44bd_8912_9e45, 0x89bd_5884_4c39_5594),
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
