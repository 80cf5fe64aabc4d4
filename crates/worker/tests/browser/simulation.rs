//! The simulator gives the same runs natively and in wasm.

use sim::{Scenario, Wanted, run};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

/// The hashes of all that happened, and of how it ended, by seed. A change in what nodes do, or in what a seed draws, changes
/// them: then the native test says what they are now, and the same numbers must hold in wasm.
const HASHES: [(u64, u64); 20] = [
    (0xa2e7_4e8a_8821_f4e6, 0x6cfc_5541_c4ae_0995),
    (0xabcd_32da_ed36_d56b, 0xdd02_1b78_4474_dc8d),
    (0x5c86_e5e1_0acd_970e, 0x63b8_682b_98db_08a8),
    (0x91bf_b8d9_d7b1_8435, 0x3955_b8dc_6007_aac9),
    (0x0577_5029_8f8d_1d75, 0x2d74_1ca4_bd60_8489),
    (0xe586_e6a0_7ee3_9f51, 0xbd02_c184_ea7a_bdee),
    (0xdd72_7cd1_282b_75ba, 0x879d_e1af_1aa8_9b34),
    (0x48ba_7f99_44ca_b48f, 0xc4e7_1b33_5814_930a),
    (0x7749_a7e0_6a48_e71f, 0x9eaf_fa1b_70b1_989a),
    (0x020e_6d63_2c11_b4ff, 0x4c3a_6e36_1dd3_a14a),
    (0x9f28_eb18_65b6_16a9, 0x8e78_66ec_cf91_d823),
    (0x3b7a_b0a0_cd17_32cf, 0x9619_3c5c_db67_3a02),
    (0x3e03_e5b3_dd3e_4c68, 0x2daf_6954_31c7_379e),
    (0x69d8_f185_b7c3_9498, 0xe702_ad69_481a_1545),
    (0xfb46_9b23_bc40_9bc3, 0x5a39_0ce5_3617_dac8),
    (0xa152_92b4_de82_9df9, 0xc98f_d670_0b49_9853),
    (0x4522_32e3_ee5a_86a7, 0x756c_0ed7_9ca1_fc50),
    (0xf2b6_6cbe_63a1_77af, 0xb841_1b4c_455f_0ab0),
    (0x35af_b335_044a_b98b, 0x2cd7_7c66_b4dc_0321),
    (0xd579_e92c_6843_c709, 0xf8f7_d96c_b2c5_a140),
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
