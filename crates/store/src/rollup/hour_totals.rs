//! What all spans of an hour add up to, whatever they are: an overview of a month asks for some hundred of these instead of all their cells.

use super::duration_bins::{DenseDurationHistogram, DurationHistogram};
use super::users::SpanSubtotal;
use super::{MODEL, Rollup, RollupHour, RollupSums, STATUS, USAGE_SOURCE};

/// What all spans of an hour add up to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HourTotals {
    /// How many spans there are, of any kind.
    pub spans: u64,
    /// The calls that count.
    pub calls: SpanSubtotal,
    /// Successful calls without usage.
    pub calls_without_usage: u64,
    /// Calls whose tokens were counted from texts.
    pub estimated: RollupSums,
    /// Runs of pipelines.
    pub runs: SpanSubtotal,
    /// Places of the models of calls without a price, rising, and how many calls each has; 0 stands for calls without a model.
    pub unpriced_models: Vec<(u32, u64)>,
}

impl HourTotals {
    /// Adds up the cells of an hour.
    pub(super) fn of(rollup: &Rollup, hour: &RollupHour) -> HourTotals {
        let mut whole = HourTotals::default();
        let (mut calls, mut runs) = (DenseDurationHistogram::default(), DenseDurationHistogram::default());
        for cell in &hour.cells {
            let (sums, status) = (&cell.sums, rollup.text(&cell.key, STATUS));
            let add = |part: &mut SpanSubtotal, durations: &mut DenseDurationHistogram| {
                part.sums.add(sums);
                durations.add(&cell.durations);
                part.failed += if status == Some("error") { sums.spans } else { 0 };
            };
            whole.spans += sums.spans;
            if rollup.is_call(&cell.key) {
                add(&mut whole.calls, &mut calls);
                if status == Some("ok") {
                    whole.calls_without_usage += sums.without_usage;
                }
                if rollup.text(&cell.key, USAGE_SOURCE) == Some("estimated") {
                    whole.estimated.add(sums);
                }
                if sums.unpriced > 0 {
                    whole.unpriced_models.push((cell.key.values[MODEL], sums.unpriced));
                }
            }
            if cell.key.is_run {
                add(&mut whole.runs, &mut runs);
            }
        }
        (whole.calls.durations, whole.runs.durations) = (DurationHistogram::from(calls), DurationHistogram::from(runs));
        whole.unpriced_models.sort_unstable();
        whole.unpriced_models.dedup_by(|next, first| {
            let is_same = next.0 == first.0;
            first.1 += if is_same { next.1 } else { 0 };
            is_same
        });
        whole
    }
}
