//! Totals of all spans of an hour. With these totals, an overview of a month reads a few hundred entries instead of all cells.

use super::duration_bins::{DenseDurationHistogram, DurationHistogram};
use super::users::SpanSubtotal;
use super::{MODEL_DIMENSION, Rollup, RollupHour, RollupSums, STATUS_DIMENSION, USAGE_SOURCE_DIMENSION};

/// Totals of all spans of an hour.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HourTotals {
    /// Number of spans of any kind.
    pub spans: u64,
    /// Totals of the counted calls.
    pub calls: SpanSubtotal,
    /// Number of successful calls without token usage.
    pub calls_without_usage: u64,
    /// Totals of the calls whose tokens are estimated from their messages.
    pub estimated: RollupSums,
    /// Totals of the runs of pipelines.
    pub runs: SpanSubtotal,
    /// Indices of the models of unpriced calls, ascending, and the number of calls of each; 0 means calls without a model.
    pub unpriced_models: Vec<(u32, u64)>,
}

impl HourTotals {
    /// Adds up the cells of an hour.
    pub(super) fn of_hour(rollup: &Rollup, hour: &RollupHour) -> HourTotals {
        let mut whole = HourTotals::default();
        let (mut calls, mut runs) = (DenseDurationHistogram::default(), DenseDurationHistogram::default());
        for cell in &hour.cells {
            let (sums, status) = (&cell.sums, rollup.text(&cell.key, STATUS_DIMENSION));
            let add = |part: &mut SpanSubtotal, durations: &mut DenseDurationHistogram| {
                part.sums.add_sums(sums);
                durations.add(&cell.durations);
                part.failed += if status == Some("error") { sums.spans } else { 0 };
            };
            whole.spans += sums.spans;
            if rollup.is_call(&cell.key) {
                add(&mut whole.calls, &mut calls);
                if status == Some("ok") {
                    whole.calls_without_usage += sums.without_usage;
                }
                if rollup.text(&cell.key, USAGE_SOURCE_DIMENSION) == Some("estimated") {
                    whole.estimated.add_sums(sums);
                }
                if sums.unpriced > 0 {
                    whole.unpriced_models.push((cell.key.values[MODEL_DIMENSION], sums.unpriced));
                }
            } else if cell.key.counted {
                whole.calls.sums.add_billed(sums);
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
