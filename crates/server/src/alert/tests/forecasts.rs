//! What a period comes to, on made-up histories of which the end is known.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::alert::buckets::{Buckets, Sums};
use crate::alert::forecast::{Method, forecast};

const QUARTER: i64 = 900_000_000;
const DAY: i64 = 96;

/// Spending by quarters of an hour, in whole steps: by the hours of the day, less at weekends, and by chance.
fn history(seed: u64, days: i64, hot: f64) -> Vec<i64> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut level = 1.0;
    let quarter = |at: i64| {
        if at % DAY == 0 {
            level = dice.random_range(0.8..1.25) * if at == (days - 1) * DAY { hot } else { 1.0 };
        }
        let hour = (at % DAY) as f64 / 4.0;
        let by_hour = 0.2 + (-(hour - 14.0).powi(2) / 18.0).exp();
        let weekend = if (at / DAY) % 7 >= 5 { 0.4 } else { 1.0 };
        (1000.0 * level * by_hour * weekend * dice.random_range(0.6..1.4)) as i64
    };
    (0..days * DAY).map(quarter).collect()
}

fn ask(spent: &[i64], now: i64, period: (i64, i64), amount: f64) -> Option<crate::alert::forecast::Forecast> {
    let mut sums: Buckets<Sums> = Buckets::default();
    for (at, quantity) in spent.iter().enumerate().take(now as usize) {
        sums.change(at as i64, |sums| *sums = Sums { quantity: *quantity, spans: 1 });
    }
    let so_far: i64 = spent[period.0 as usize..now as usize].iter().sum();
    forecast(&sums, QUARTER, (period.0 * QUARTER, period.1 * QUARTER), now * QUARTER, so_far as f64, amount, |sum| sum as f64)
}

#[test]
fn the_band_holds_the_end_in_most_days() {
    let (mut inside, mut all, mut error) = (0, 0, 0.0);
    for seed in 0..150 {
        let days = 36 + seed % 7;
        let spent = history(seed as u64, days, 1.0);
        let (from, to) = ((days - 1) * DAY, days * DAY);
        let now = from + 24 + (seed * 5) % 60;
        let end: i64 = spent[from as usize..].iter().sum();
        let found = ask(&spent, now, (from, to), 1e12).unwrap();
        assert_eq!(found.method, Method::Weekly);
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
fn a_hot_day_is_seen_and_says_when_the_money_is_gone() {
    let spent = history(3, 36, 3.0);
    let (from, to) = (35 * DAY, 36 * DAY);
    let now = from + 48;
    let so_far: i64 = spent[from as usize..now as usize].iter().sum();
    let amount = so_far as f64 * 1.3;
    let found = ask(&spent, now, (from, to), amount).unwrap();
    assert!(found.usual_by_now.unwrap() < so_far as f64 * 0.6, "{found:?}");
    assert!(found.if_goes_on >= found.expected && found.expected > amount);
    let (runs_out, earliest) = (found.runs_out_us.unwrap(), found.runs_out_earliest_us.unwrap());
    assert!(now * QUARTER < earliest && earliest <= runs_out && runs_out < to * QUARTER);
    let used_up = ask(&spent, now, (from, to), so_far as f64 * 0.9).unwrap();
    assert_eq!(used_up.runs_out_us, None);
}

#[test]
fn without_history_the_pace_is_all_there_is() {
    let spent = vec![100; 48];
    let found = ask(&spent, 48, (0, DAY), 7000.0).unwrap();
    assert_eq!((found.method, found.samples, found.expected), (Method::Linear, 0, 9600.0));
    assert!(found.low == 4800.0 && found.high > found.expected);
    assert_eq!(found.runs_out_us, Some(70 * QUARTER));
    assert!(ask(&[], 0, (0, DAY), 1.0).is_none());
}
