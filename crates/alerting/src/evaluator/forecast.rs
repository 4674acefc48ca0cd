//! Forecast of the spend at the end of a period, from the same part of earlier days or weeks.

use super::buckets::{BucketSeries, QuantitySum};

const DAY_US: i64 = 86_400_000_000;
const HOUR_US: i64 = 3_600_000_000;
/// Length of the time that the current pace is measured over, in microseconds: long enough for several runs of a job, short enough to
/// describe now.
const PACE_PERIOD_US: i64 = 3 * HOUR_US;
/// Number of past days that are considered.
const MAX_HISTORY_DAYS: i64 = 35;
/// Minimum number of weeks for a forecast by weekday.
const MIN_HISTORY_WEEKS: usize = 3;
/// Minimum number of days for a forecast by day.
const MIN_HISTORY_DAYS: usize = 2;

/// How a forecast was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForecastMethod {
    /// Computed from the same hours of the same weekdays.
    Weekly,
    /// Computed from the same hours of other days.
    Daily,
    /// Computed from the pace of the period so far, because there is no history yet.
    Linear,
}

/// Forecast of the spend in a period.
#[derive(Debug, Clone, PartialEq)]
pub struct SpendForecast {
    /// Method that computed the forecast.
    pub method: ForecastMethod,
    /// Number of earlier samples that the forecast is based on.
    pub samples: usize,
    /// Expected total at the end of the period.
    pub expected: f64,
    /// 10th percentile of the total: nine of ten samples were higher.
    pub low: f64,
    /// 90th percentile of the total: nine of ten samples were lower.
    pub high: f64,
    /// Total at the end of the period if the excess over the usual spend stays as in the last three hours. If less than usual is spent, the
    /// total assumes that the ratio to the usual spend stays the same. Without history, it assumes the pace of the last three hours, or of
    /// the period so far if that pace is faster.
    pub projected: f64,
    /// Usual spend of the period by now; `None` without history.
    pub usual_by_now: Option<f64>,
    /// Time at which the amount is expected to be used up; `None` if this time is not in the period, or if the amount is already used up.
    pub runs_out_us: Option<i64>,
    /// Time at which the amount is used up at the 90th percentile: the earliest estimate.
    pub runs_out_earliest_us: Option<i64>,
    /// Expected cumulative spend for each remaining step, rising to `expected`.
    pub(crate) curve: Vec<f64>,
}

impl SpendForecast {
    /// Returns the forecast moved by the spend since it was computed; the remaining part stays the same until the next forecast.
    pub(crate) fn moved_by(mut self, by: f64) -> SpendForecast {
        let figures = [&mut self.expected, &mut self.low, &mut self.high, &mut self.projected];
        figures.into_iter().chain(&mut self.curve).for_each(|figure| *figure += by);
        self
    }
}

/// Computes a forecast at a time within a period; `None` without data.
pub(crate) fn forecast_spend(
    sums: &BucketSeries<QuantitySum>,
    step_us: i64,
    (from_us, to_us): (i64, i64),
    now_us: i64,
    spent: f64,
    amount: f64,
    shown: impl Fn(i128) -> f64,
) -> Option<SpendForecast> {
    let first_us = sums.first_step()? * step_us;
    let now_us = now_us.clamp(from_us, to_us);
    let rest_us = to_us - now_us;
    let between = |from: i64, to: i64| shown(sums.sums(from.div_euclid(step_us), to.div_euclid(step_us)).0);
    let recent_us = (now_us - from_us).clamp(PACE_PERIOD_US, DAY_US);

    // Days back on which the same part of the day is entirely in the past and entirely covered by data.
    let known = |day: &i64| day * DAY_US >= rest_us && now_us - day * DAY_US - recent_us >= first_us;
    let days: Vec<i64> = (1..=MAX_HISTORY_DAYS).filter(known).collect();
    let weeks: Vec<i64> = days.iter().copied().filter(|day| day % 7 == 0).collect();
    let (method, days) = if weeks.len() >= MIN_HISTORY_WEEKS { (ForecastMethod::Weekly, weeks) } else { (ForecastMethod::Daily, days) };
    if days.len() < MIN_HISTORY_DAYS {
        return forecast_linear(first_us, (from_us, to_us), now_us, spent, amount, between);
    }

    let rest: Vec<f64> = sorted_values(days.iter().map(|day| between(now_us - day * DAY_US, to_us - day * DAY_US)));
    let before: Vec<f64> = sorted_values(days.iter().map(|day| between(now_us - day * DAY_US - recent_us, now_us - day * DAY_US)));
    let usual_by_now = quantile(&sorted_values(days.iter().map(|day| between(from_us - day * DAY_US, now_us - day * DAY_US))), 0.5);
    let (recent, usual) = (between(now_us - recent_us, now_us), quantile(&before, 0.5));
    // A day with high spend stays above the usual for a while, but not forever.
    let level = if usual > 0.0 { (recent / usual).clamp(0.1, 20.0) } else { 1.0 };
    let level_of_rest = level.sqrt();
    let median = quantile(&rest, 0.5);
    let low = spent + quantile(&rest, 0.1) * level_of_rest.min(1.0);
    // A loop at night, when spend is low, is many times the usual, but adds no more by day. The excess is therefore added, not
    // multiplied.
    let now = between(now_us - PACE_PERIOD_US, now_us).max(0.0);
    let usual_now =
        quantile(&sorted_values(days.iter().map(|day| between(now_us - day * DAY_US - PACE_PERIOD_US, now_us - day * DAY_US))), 0.5);
    let projected = if now >= usual_now {
        spent + median + (now - usual_now) / PACE_PERIOD_US as f64 * rest_us as f64
    } else {
        spent + median * now / usual_now
    };
    let expected = (spent + median * level_of_rest).min(projected.max(spent + median));
    let high = (spent + quantile(&rest, 0.9) * level_of_rest.max(1.0)).max(expected);

    let shape = usual_shape(sums, step_us, &days, now_us, to_us);
    let curve = expected_curve(&shape, spent, expected);
    let runs_out = |end: f64| runs_out_us(&shape, spent, end, amount, now_us, step_us);
    Some(SpendForecast {
        method,
        samples: days.len(),
        expected,
        low,
        high,
        projected: projected.max(spent),
        usual_by_now: Some(usual_by_now),
        runs_out_us: runs_out(expected),
        runs_out_earliest_us: runs_out(high),
        curve,
    })
}

/// Forecasts from the pace of the period so far.
fn forecast_linear(
    first_us: i64,
    (from_us, to_us): (i64, i64),
    now_us: i64,
    spent: f64,
    amount: f64,
    between: impl Fn(i64, i64) -> f64,
) -> Option<SpendForecast> {
    let since_us = now_us - from_us.max(first_us);
    if since_us <= 0 {
        return None;
    }
    // The first minutes of a program say little about a month: the pace is computed over at least an hour.
    let pace = spent / since_us.max(HOUR_US) as f64;
    let rest_us = (to_us - now_us) as f64;
    // Pace of the last three hours, and of the last day, in which a burst of an hour is one hour of 24.
    let known_us = (now_us - first_us).max(HOUR_US);
    let pace_of = |length: i64| between(now_us - length, now_us).max(0.0) / length.min(known_us) as f64;
    let (goes_on, highest) = (pace_of(PACE_PERIOD_US).max(pace), 2.0 * pace_of(DAY_US).max(pace));
    let runs_out = |pace: f64| {
        let at = now_us as f64 + (amount - spent) / pace;
        (spent < amount && pace > 0.0 && at < to_us as f64).then_some(at as i64)
    };
    Some(SpendForecast {
        method: ForecastMethod::Linear,
        samples: 0,
        expected: spent + pace * rest_us,
        low: spent,
        high: spent + highest * rest_us,
        projected: spent + goes_on * rest_us,
        usual_by_now: None,
        runs_out_us: runs_out(pace),
        runs_out_earliest_us: runs_out(highest),
        curve: Vec::new(),
    })
}

/// Returns the usual cumulative distribution of the remaining spend by step, as fractions that rise to one.
fn usual_shape(sums: &BucketSeries<QuantitySum>, step_us: i64, days: &[i64], now_us: i64, to_us: i64) -> Vec<f64> {
    let first = now_us.div_euclid(step_us);
    let steps = usize::try_from((to_us.div_euclid(step_us) - first).max(1)).unwrap_or(1);
    let mut shape = vec![0.0; steps];
    for day in days {
        let back = day * DAY_US / step_us;
        for (step, heap) in sums.aggregates_by_step(first - back, first - back + steps as i64) {
            if let Some(slot) = usize::try_from(step + back - first).ok().and_then(|slot| shape.get_mut(slot)) {
                *slot += heap.quantity as f64;
            }
        }
    }
    let total: f64 = shape.iter().sum();
    let mut sum = 0.0;
    for (slot, value) in shape.iter_mut().enumerate() {
        sum += *value;
        // Without usual spend, distribute the remaining spend evenly.
        *value = if total > 0.0 { sum / total } else { (slot + 1) as f64 / steps as f64 };
    }
    shape
}

fn expected_curve(shape: &[f64], spent: f64, end: f64) -> Vec<f64> {
    shape.iter().map(|share| spent + share * (end - spent)).collect()
}

fn runs_out_us(shape: &[f64], spent: f64, end: f64, amount: f64, now_us: i64, step_us: i64) -> Option<i64> {
    if spent >= amount || end < amount {
        return None;
    }
    let slot = shape.iter().position(|share| spent + share * (end - spent) >= amount)?;
    Some((now_us.div_euclid(step_us) + slot as i64 + 1) * step_us)
}

fn sorted_values(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Returns a quantile, interpolated between adjacent values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let at = share * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}
