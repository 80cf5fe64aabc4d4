use proptest::prelude::*;

use super::*;

const LOSSY: LinkSettings = LinkSettings {
    delay_us: 1_000,
    jitter_us: 500,
    loss: 0.25,
    duplicate: 0.1,
    reorder: false,
    cut: false,
};

fn fates(settings: LinkSettings, seed: u64, count: u64, gap_us: u64) -> Vec<Fate> {
    let mut link = Link::new(settings, seed);
    (0..count).map(|number| link.send(number * gap_us)).collect()
}

/// The fraction of fates for which the condition holds.
fn fraction(fates: &[Fate], condition: impl Fn(&Fate) -> bool) -> f64 {
    fates.iter().filter(|fate| condition(fate)).count() as f64 / fates.len() as f64
}

#[test]
fn a_cut_link_carries_nothing_and_a_mended_one_everything() {
    let mut link = Link::new(
        LinkSettings {
            cut: true,
            ..LinkSettings::PERFECT
        },
        1,
    );
    assert_eq!(link.send(5), Fate::Cut);
    link.set(LinkSettings::PERFECT);
    assert_eq!(
        link.send(6),
        Fate::Arrives {
            at_us: 6,
            again_at_us: None
        }
    );
}

#[test]
fn chances_come_out_as_set() {
    for seed in 0..5 {
        let fates = fates(LOSSY, seed, 20_000, 10_000);
        let lost = fraction(&fates, |fate| *fate == Fate::Lost);
        let twice = fraction(&fates, |fate| {
            matches!(
                fate,
                Fate::Arrives {
                    again_at_us: Some(_),
                    ..
                }
            )
        });
        assert!((lost - 0.25).abs() < 0.015, "lost {lost}");
        assert!((twice - 0.75 * 0.1).abs() < 0.01, "twice {twice}");
    }
}

#[test]
fn jitter_is_uniform_and_reaches_both_ends() {
    let settings = LinkSettings {
        jitter_us: 9,
        delay_us: 100,
        ..LinkSettings::PERFECT
    };
    let mut counts = [0u32; 10];
    for (number, fate) in fates(settings, 7, 50_000, 1_000).into_iter().enumerate() {
        let Fate::Arrives { at_us, .. } = fate else {
            panic!("nothing is lost here")
        };
        counts[(at_us - 100 - number as u64 * 1_000) as usize] += 1;
    }
    assert!(counts.iter().all(|count| (4_700..5_300).contains(count)), "{counts:?}");
}

#[test]
fn certain_and_impossible_are_just_that() {
    let never = fates(
        LinkSettings {
            loss: 0.0,
            duplicate: 0.0,
            ..LOSSY
        },
        3,
        5_000,
        1,
    );
    assert!(
        never
            .iter()
            .all(|fate| matches!(fate, Fate::Arrives { again_at_us: None, .. }))
    );
    let always = fates(
        LinkSettings {
            loss: 0.0,
            duplicate: 1.0,
            ..LOSSY
        },
        3,
        5_000,
        1,
    );
    assert!(always.iter().all(|fate| matches!(
        fate,
        Fate::Arrives {
            again_at_us: Some(_),
            ..
        }
    )));
    assert!(
        fates(LinkSettings { loss: 1.0, ..LOSSY }, 3, 5_000, 1)
            .iter()
            .all(|fate| *fate == Fate::Lost)
    );
}

#[test]
fn a_reordering_link_reorders() {
    let fates = fates(
        LinkSettings {
            reorder: true,
            loss: 0.0,
            ..LOSSY
        },
        11,
        1_000,
        10,
    );
    let arrivals: Vec<u64> = fates
        .iter()
        .map(|fate| match fate {
            Fate::Arrives { at_us, .. } => *at_us,
            other => panic!("nothing is lost here: {other:?}"),
        })
        .collect();
    assert!(!arrivals.is_sorted());
}

#[test]
fn settings_that_make_no_sense_are_brought_to_the_nearest_that_do() {
    let odd = LinkSettings {
        delay_us: u64::MAX,
        jitter_us: u64::MAX,
        loss: f64::NAN,
        duplicate: 7.0,
        ..LinkSettings::PERFECT
    };
    let settings = Link::new(odd, 0).settings();
    assert_eq!((settings.delay_us, settings.jitter_us), (DELAY_US_MAX, DELAY_US_MAX));
    assert_eq!((settings.loss, settings.duplicate), (0.0, 1.0));
    let negative = LinkSettings {
        loss: -1.0,
        duplicate: f64::NEG_INFINITY,
        ..odd
    }
    .clamped();
    assert_eq!((negative.loss, negative.duplicate), (0.0, 0.0));
}

#[test]
fn a_shorter_delay_does_not_let_later_messages_overtake() {
    let mut link = Link::new(
        LinkSettings {
            delay_us: 1_000,
            ..LinkSettings::PERFECT
        },
        0,
    );
    assert_eq!(
        link.send(0),
        Fate::Arrives {
            at_us: 1_000,
            again_at_us: None
        }
    );
    link.set(LinkSettings::PERFECT);
    assert_eq!(
        link.send(10),
        Fate::Arrives {
            at_us: 1_000,
            again_at_us: None
        }
    );
    assert_eq!(
        link.send(2_000),
        Fate::Arrives {
            at_us: 2_000,
            again_at_us: None
        }
    );
}

fn settings() -> impl Strategy<Value = LinkSettings> {
    let chance = prop_oneof![0.0..=1.0, any::<f64>()];
    let time = prop_oneof![0..20_000u64, any::<u64>()];
    (time.clone(), time, chance.clone(), chance, any::<bool>(), any::<bool>()).prop_map(
        |(delay_us, jitter_us, loss, duplicate, reorder, cut)| LinkSettings {
            delay_us,
            jitter_us,
            loss,
            duplicate,
            reorder,
            cut,
        },
    )
}

proptest! {
    #[test]
    fn the_same_seed_gives_the_same_fates(settings in settings(), seed: u64, times: Vec<u64>) {
        let run = || {
            let mut link = Link::new(settings, seed);
            times.iter().map(|now_us| link.send(*now_us)).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn arrivals_keep_to_the_delay_and_to_the_order(
        runs in prop::collection::vec((settings(), prop::collection::vec(0..5_000u64, 0..30)), 0..5),
        seed: u64,
    ) {
        let mut link = Link::new(LinkSettings::PERFECT, seed);
        let (mut now_us, mut latest_us) = (0, 0);
        for (settings, gaps) in runs {
            link.set(settings);
            let LinkSettings { delay_us, jitter_us, reorder, .. } = link.settings();
            for gap_us in gaps {
                now_us += gap_us;
                let Fate::Arrives { at_us, again_at_us } = link.send(now_us) else { continue };
                let last_us = again_at_us.unwrap_or(at_us);
                prop_assert!(at_us >= now_us + delay_us && last_us >= at_us);
                if reorder {
                    prop_assert!(last_us <= now_us + delay_us + jitter_us);
                } else {
                    prop_assert!(at_us >= latest_us && last_us <= latest_us.max(now_us + delay_us + jitter_us));
                }
                latest_us = latest_us.max(last_us);
            }
        }
    }

    #[test]
    fn a_lossier_link_loses_what_it_lost_before_and_more(seed: u64, less in 0.0..=1.0, more in 0.0..=1.0) {
        let lost = |loss| fates(LinkSettings { loss, ..LOSSY }, seed, 50, 7).into_iter().map(|fate| fate == Fate::Lost);
        let (less, more) = if less < more { (less, more) } else { (more, less) };
        prop_assert!(lost(less).zip(lost(more)).all(|(before, now)| !before || now));
    }
}
