//! The simulator gives the same runs natively and in wasm.

use sim::{Scenario, Wanted, run};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

/// The hashes of all that happened, and of how it ended, by seed. A change in what nodes do, or in what a seed draws, changes
/// them: then the native test says what they are now, and the same numbers must hold in wasm.
const HASHES: [(u64, u64); 20] = [
    (0xb55e_f67d_1aae_70b5, 0x6cfc_5541_c4ae_0995),
    (0x4c9f_2629_ac5f_ac9b, 0xdd02_1b78_4474_dc8d),
    (0xe37f_7b82_b811_0853, 0x63b8_682b_98db_08a8),
    (0x1296_c535_c22e_8c88, 0x3955_b8dc_6007_aac9),
    (0x44d1_d9d8_71c4_c194, 0x2d74_1ca4_bd60_8489),
    (0x6f91_d872_f62d_25e4, 0x32f2_c00a_2744_9f61),
    (0x67eb_0f07_0417_1849, 0x3357_0a8c_e80a_107a),
    (0xefab_daa5_83a7_dfe2, 0xc4e7_1b33_5814_930a),
    (0x0330_b2be_6182_89af, 0x6720_5484_7b73_3d2d),
    (0xab07_069d_753a_3e02, 0x342e_fdf4_8099_61c0),
    (0xd1f4_6df7_45e1_4195, 0x8e78_66ec_cf91_d823),
    (0x3a26_f9fa_1906_ca02, 0x9619_3c5c_db67_3a02),
    (0x0ee7_d9d1_4fb2_d929, 0x2daf_6954_31c7_379e),
    (0xde7c_f71d_f9b2_2d66, 0xe702_ad69_481a_1545),
    (0x3169_f78a_bc68_6e75, 0x5a39_0ce5_3617_dac8),
    (0x6a7a_80dc_c8ea_e498, 0xc98f_d670_0b49_9853),
    (0xdfa3_1acd_ad8a_b793, 0x756c_0ed7_9ca1_fc50),
    (0xc235_36c2_05d6_c1d0, 0x5479_dac7_d8c8_b214),
    (0x66a0_6eb4_9890_63cf, 0x2cd7_7c66_b4dc_0321),
    (0xb02f_78c5_e04d_b7ba, 0xf8f7_d96c_b2c5_a140),
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
