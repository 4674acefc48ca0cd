//! Tests of forecasts on generated histories with a known end.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::evaluator::buckets::{BucketSeries, QuantitySum};
use crate::evaluator::forecast::{ForecastMethod, forecast_spend};

const QUARTER_US: i64 = 900_000_000;
const QUARTERS_PER_DAY: i64 = 96;

/// Spend by quarter of an hour, in whole steps: depends on the hour, is lower at weekends, and varies randomly.
fn history(seed: u64, days: i64, hot: f64) -> Vec<i64> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut level = 1.0;
    let quarter = |at: i64| {
        if at % QUARTERS_PER_DAY == 0 {
            level = dice.random_range(0.8..1.25) * if at == (days - 1) * QUARTERS_PER_DAY { hot } else { 1.0 };
        }
        let hour = (at % QUARTERS_PER_DAY) as f64 / 4.0;
        let by_hour = 0.2 + (-(hour - 14.0).powi(2) / 18.0).exp();
        let weekend = if (at / QUARTERS_PER_DAY) % 7 >= 5 { 0.4 } else { 1.0 };
        (1000.0 * level * by_hour * weekend * dice.random_range(0.6..1.4)) as i64
    };
    (0..days * QUARTERS_PER_DAY).map(quarter).collect()
}

fn ask(spent: &[i64], now: i64, period: (i64, i64), amount: f64) -> Option<crate::evaluator::forecast::SpendForecast> {
    let mut sums: BucketSeries<QuantitySum> = BucketSeries::default();
    for (at, quantity) in spent.iter().enumerate().take(now as usize) {
        sums.change_step(at as i64, |sums| *sums = QuantitySum { quantity: *quantity, spans: 1 });
    }
    let so_far: i64 = spent[period.0 as usize..now as usize].iter().sum();
    forecast_spend(&sums, QUARTER_US, (period.0 * QUARTER_US, period.1 * QUARTER_US), now * QUARTER_US, so_far as f64, amount, |sum| {
        sum as f64
    })
}

#[test]
fn forecast_band_contains_the_actual_end_on_most_days() {
    let (mut inside, mut all, mut error) = (0, 0, 0.0);
    for seed in 0..150 {
        let days = 36 + seed % 7;
        let spent = history(seed as u64, days, 1.0);
        let (from, to) = ((days - 1) * QUARTERS_PER_DAY, days * QUARTERS_PER_DAY);
        let now = from + 24 + (seed * 5) % 60;
        let end: i64 = spent[from as usize..].iter().sum();
        let found = ask(&spent, now, (from, to), 1e12).unwrap();
        assert_eq!(found.method, ForecastMethod::Weekly);
        assert!(found.low <= found.expected && found.expected <= found.high, "{found:?}");
        inside += usize::from(found.low <= end as f64 && end as f64 <= found.high);
        error += (found.expected - end as f64).abs() / end as f64;
        all += 1;
    }
    #[allow(clippy::print_stderr)]
    {
        eprintln!("{inside} of {all} within the band, mean error {:.1} %", 100.0 * error / f64::from(all));
    }
    assert!(inside * 10 >= all as usize * 6, "{inside} of {all}");
    assert!(error / f64::from(all) < 0.15);
}

#[test]
fn high_spend_is_forecast_with_its_exhaustion_time() {
    let spent = history(3, 36, 3.0);
    let (from, to) = (35 * QUARTERS_PER_DAY, 36 * QUARTERS_PER_DAY);
    let now = from + 48;
    let so_far: i64 = spent[from as usize..now as usize].iter().sum();
    let amount = so_far as f64 * 1.3;
    let found = ask(&spent, now, (from, to), amount).unwrap();
    assert!(found.usual_by_now.unwrap() < so_far as f64 * 0.6, "{found:?}");
    assert!(found.projected >= found.expected && found.expected > amount);
    let (runs_out, earliest) = (found.runs_out_us.unwrap(), found.runs_out_earliest_us.unwrap());
    assert!(now * QUARTER_US < earliest && earliest <= runs_out && runs_out < to * QUARTER_US);
    let used_up = ask(&spent, now, (from, to), so_far as f64 * 0.9).unwrap();
    assert_eq!(used_up.runs_out_us, None);
}

#[test]
fn continuing_loop_is_forecast_at_its_hourly_cost() {
    // Low spend at night, high spend by day, the same every day: 2 or 40 per step.
    let usual = |at: i64| if (at % QUARTERS_PER_DAY) / 4 < 8 { 2 } else { 40 };
    let days = 8;
    let (from, to) = ((days - 1) * QUARTERS_PER_DAY, days * QUARTERS_PER_DAY);
    // From two o'clock at night, a loop spends 100 more per quarter of an hour.
    for now in [20, 24, 30, 60, 90] {
        let now = from + now;
        let spent: Vec<i64> = (0..to).map(|at| usual(at) + if at >= from + 8 { 100 } else { 0 }).collect();
        let found = ask(&spent, now, (from, to), 1e12).unwrap();
        let end: i64 = spent[from as usize..].iter().sum();
        assert_eq!(found.method, ForecastMethod::Daily);
        assert!((found.projected - end as f64).abs() < 1.0, "{} of {end} at {now}", found.projected);
        assert!(found.expected <= found.projected && found.expected <= found.high, "{found:?}");
        let quiet = ask(&(0..to).map(usual).collect::<Vec<_>>(), now, (from, to), 1e12).unwrap();
        let usual_end: i64 = (from..to).map(usual).sum();
        assert!((quiet.projected - usual_end as f64).abs() < 1.0 && (quiet.expected - usual_end as f64).abs() < 1.0, "{quiet:?}");
        assert!((found.low - (end - (to - now) * 100) as f64).abs() < 1.0, "it may end at once: {found:?}");
    }
    // Without history, a burst is projected at the pace of hours, not of its minute.
    let burst: Vec<i64> = (0..96).map(|at| if at == 47 { 1200 } else { 10 }).collect();
    let found = ask(&burst, 48, (0, 30 * QUARTERS_PER_DAY), 1e12).unwrap();
    assert_eq!((found.method, found.projected), (ForecastMethod::Linear, 1670.0 + 1310.0 / 12.0 * (30 * QUARTERS_PER_DAY - 48) as f64));
}

#[test]
fn forecast_without_history_uses_the_pace() {
    let spent = vec![100; 48];
    let found = ask(&spent, 48, (0, QUARTERS_PER_DAY), 7000.0).unwrap();
    assert_eq!((found.method, found.samples, found.expected), (ForecastMethod::Linear, 0, 9600.0));
    assert!(found.low == 4800.0 && found.high > found.expected);
    assert_eq!(found.runs_out_us, Some(70 * QUARTER_US));
    assert!(ask(&[], 0, (0, QUARTERS_PER_DAY), 1.0).is_none());
}

#[test]
fn new_spend_moves_the_forecast() {
    let found = ask(&history(3, 36, 1.0), 35 * QUARTERS_PER_DAY + 48, (35 * QUARTERS_PER_DAY, 36 * QUARTERS_PER_DAY), 1e12).unwrap();
    let moved = found.clone().moved_by(7.0);
    assert_eq!((moved.low, moved.expected, moved.high), (found.low + 7.0, found.expected + 7.0, found.high + 7.0));
    assert_eq!((moved.projected, moved.curve.last().copied()), (found.projected + 7.0, Some(found.curve.last().unwrap() + 7.0)));
}
