use super::*;

const METHODS: [BootstrapMethod; 2] = [BootstrapMethod::Percentile, BootstrapMethod::BiasCorrectedAccelerated];

fn independent(differences: impl IntoIterator<Item = f64>) -> Vec<PairedDifference> {
    (0..).zip(differences).map(|(cluster, difference)| PairedDifference { cluster, difference }).collect()
}

fn options(method: BootstrapMethod) -> BootstrapOptions {
    BootstrapOptions { method, ..BootstrapOptions::default() }
}

/// 100 items, of which 12 get better and 8 worse.
fn flips() -> Vec<PairedDifference> {
    independent((0..100).map(|item| if item < 12 { 1.0 } else { -f64::from(item < 20) }))
}

#[test]
fn a_hundred_items_of_which_a_fifth_flip_have_an_interval_of_nine_points_on_each_side() {
    for method in METHODS {
        let interval = bootstrap_mean(&flips(), &options(method)).unwrap();
        assert!((interval.mean - 0.04).abs() < 1e-12 && interval.clusters == 100);
        assert!((interval.low + 0.047).abs() < 0.015 && (interval.high - 0.127).abs() < 0.015, "{method:?}: {interval:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_interval_in_any_order() {
    let mut items = flips();
    let interval = bootstrap_mean(&items, &BootstrapOptions::default()).unwrap();
    items.reverse();
    assert_eq!(bootstrap_mean(&items, &BootstrapOptions::default()), Some(interval));
    // Not a multiple of a hundredth, so that seeds show.
    let uneven = independent((0..40).map(|item| (f64::from(item) * 0.7).sin()));
    let other = |seed| bootstrap_mean(&uneven, &BootstrapOptions { seed, ..BootstrapOptions::default() }).unwrap();
    assert_eq!(other(7), other(7));
    assert_ne!(other(7), other(8));
}

#[test]
fn items_that_share_a_conversation_count_less() {
    let width = |items_per_cluster: u64| {
        let items: Vec<PairedDifference> = (0..200_u64)
            .map(|item| {
                let cluster = item / items_per_cluster;
                PairedDifference { cluster, difference: ((item / 10) as f64 * 1.3).sin() }
            })
            .collect();
        let interval = bootstrap_mean(&items, &BootstrapOptions::default()).unwrap();
        interval.high - interval.low
    };
    // Ten items of a conversation have the same difference: 20 independent values, not 200.
    assert!(width(10) > 2.5 * width(1), "{} {}", width(10), width(1));
}

#[test]
fn intervals_of_skewed_differences_are_those_of_scipy() {
    let items = independent((0..30).map(|item| if item < 3 { 10.0 } else { f64::from(item) * 0.01 }));
    let interval = |method| bootstrap_mean(&items, &BootstrapOptions { resamples: 50_000, ..options(method) }).unwrap();
    // scipy.stats.bootstrap of SciPy 1.17.1, at the level that `expanded_tail` returns.
    let expected = [(BootstrapMethod::Percentile, 0.158, 2.453), (BootstrapMethod::BiasCorrectedAccelerated, 0.464, 2.792)];
    for (method, low, high) in expected {
        let interval = interval(method);
        assert!((interval.low - low).abs() < 0.02 && (interval.high - high).abs() < 0.06, "{method:?}: {interval:?}");
    }
}

#[test]
fn what_cannot_be_resampled_has_no_interval() {
    let interval = |items: &[PairedDifference]| bootstrap_mean(items, &BootstrapOptions::default());
    assert_eq!(interval(&[]), None);
    assert_eq!(interval(&independent([1.0])), None);
    assert_eq!(interval(&independent([0.0; 40])), None);
    assert_eq!(interval(&independent([0.1; 40])), None);
    assert_eq!(interval(&independent([0.0, 1.0, f64::NAN])), None);
    assert_eq!(bootstrap_mean(&flips(), &BootstrapOptions { resamples: 0, ..BootstrapOptions::default() }), None);
    assert_eq!(bootstrap_mean(&flips(), &BootstrapOptions { confidence: 1.0, ..BootstrapOptions::default() }), None);
    assert!(interval(&independent([0.0, 1.0])).is_some());
}

/// Returns how often the interval covers the truth, for clusters of one to three items whose differences are -1, 0 or 1.
fn coverage(method: BootstrapMethod, clusters: u64, runs: u64) -> f64 {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1_987);
    let mut covered = 0;
    for seed in 0..runs {
        let mut items = Vec::new();
        for cluster in 0..clusters {
            // A conversation gets better (15 %), worse (10 %) or neither; two thirds of its items follow it.
            let draw: f64 = random.random();
            let tendency = if draw < 0.15 { 1.0 } else { -f64::from(draw < 0.25) };
            for _ in 0..=cluster % 3 {
                let difference = tendency * f64::from(random.random::<f64>() < 2.0 / 3.0);
                items.push(PairedDifference { cluster, difference });
            }
        }
        let options = BootstrapOptions { method, resamples: 300, seed, ..BootstrapOptions::default() };
        let truth = 0.05 * 2.0 / 3.0;
        covered += i32::from(bootstrap_mean(&items, &options).is_some_and(|interval| interval.low <= truth && truth <= interval.high));
    }
    f64::from(covered) / runs as f64
}

#[test]
fn intervals_cover_the_truth_about_as_often_as_they_say() {
    for (method, expected) in [(BootstrapMethod::Percentile, 0.935..=0.965), (BootstrapMethod::BiasCorrectedAccelerated, 0.925..=0.96)] {
        let coverage = coverage(method, 100, 2_000);
        assert!(expected.contains(&coverage), "{method:?}: {coverage}");
    }
}
