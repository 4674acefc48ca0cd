//! Backfill: aggregation of stored spans for new rules and budgets, and for all rules and budgets after a start. Series that look back a
//! few days are filled immediately. Series that look back weeks are filled on another thread while evaluation continues; rows that arrive
//! during this time are buffered and added afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;

use hinomi_query::{QueryEngine, QueryError};
use hinomi_store::low_priority::lower_thread_priority;
use hinomi_store::{RowChanges, Store};

use crate::evaluator::metric_series::{AlertSeries, AlertSeriesSpec};
use crate::evaluator::series_index::SeriesIndex;

/// Time back from which a series is filled on another thread, in microseconds.
const MAX_SYNCHRONOUS_US: i64 = 3 * 86_400_000_000;
/// Maximum number of buffered rows. If more arrive, the backfill starts again.
const MAX_BUFFERED_ROWS: usize = 200_000;

/// Returns whether a backfill is so quick that the evaluation thread can wait for it.
pub(crate) fn is_quick(one_series: &AlertSeries) -> bool {
    one_series.kept_steps * one_series.spec.step_us <= MAX_SYNCHRONOUS_US
}

/// Store, query engine, and the runtime on which queries run.
type BackfillSource<'a> = (&'a Arc<Store>, &'a QueryEngine, &'a tokio::runtime::Handle);

/// Fills series from stored spans. Blocks until a low-priority thread, which yields to ingestion, has done the work.
pub(crate) fn backfill(from: BackfillSource, series: &mut [AlertSeries], now_us: i64) -> Result<(), QueryError> {
    let counting = || {
        lower_thread_priority();
        backfill_on_this_thread(from, series, now_us)
    };
    std::thread::scope(|scope| scope.spawn(counting).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn backfill_on_this_thread((store, engine, runtime): BackfillSource, series: &mut [AlertSeries], now_us: i64) -> Result<(), QueryError> {
    let snapshot = store.snapshot();
    let projects: BTreeSet<u64> = series.iter().map(|one_series| one_series.spec.project).collect();
    for project in projects {
        let of_project: Vec<usize> = (0..series.len()).filter(|place| series[*place].spec.project == project).collect();
        let columns = of_project.iter().flat_map(|place| series[*place].required_columns()).collect();
        let reach_us = of_project.iter().map(|place| series[*place].kept_steps * series[*place].spec.step_us).max().unwrap_or(0);
        let index = SeriesIndex::new(of_project.iter().map(|place| (*place, &series[*place])));
        let view = engine.project(snapshot.clone(), project);
        let series = &mut *series;
        runtime.block_on(view.each_span(now_us - reach_us, i64::MAX, &columns, |span| {
            index.each_series_of(project, &span, |place| series[place].add(&span, 1, now_us));
        }))?;
    }
    series.iter_mut().for_each(|one_series| one_series.version = snapshot.version);
    Ok(())
}

/// A backfill that runs on another thread.
#[derive(Debug)]
pub(crate) struct PendingBackfill {
    /// Series that are filled, and their number of steps.
    pub(crate) specs: Vec<(AlertSeriesSpec, i64)>,
    /// Changes that arrived meanwhile, in order.
    buffered_changes: Vec<RowChanges>,
    buffered_rows: usize,
}

impl PendingBackfill {
    pub(crate) fn new(series: &[AlertSeries]) -> PendingBackfill {
        PendingBackfill {
            specs: series.iter().map(|one_series| (one_series.spec.clone(), one_series.kept_steps)).collect(),
            buffered_changes: Vec::new(),
            buffered_rows: 0,
        }
    }

    /// Buffers changes.
    pub(crate) fn buffer_changes(&mut self, changes: RowChanges) {
        self.buffered_rows += changes.added.len() + changes.removed.len();
        if self.buffered_rows <= MAX_BUFFERED_ROWS {
            self.buffered_changes.push(changes);
        } else {
            self.buffered_changes = Vec::new();
        }
    }

    /// Records that changes were lost: the backfill cannot catch up.
    pub(crate) fn note_lost_changes(&mut self) {
        (self.buffered_changes, self.buffered_rows) = (Vec::new(), MAX_BUFFERED_ROWS + 1);
    }

    /// Applies the buffered changes to the filled series; `None` if there were too many to buffer.
    pub(crate) fn catch_up(self, mut series: Vec<AlertSeries>, now_us: i64) -> Option<Vec<AlertSeries>> {
        if self.buffered_rows > MAX_BUFFERED_ROWS {
            return None;
        }
        let index = SeriesIndex::new(series.iter().enumerate());
        for RowChanges { version, added, removed } in &self.buffered_changes {
            for (rows, sign) in [(removed, -1), (added, 1)] {
                for row in rows {
                    index.each_series_of(row.project_id, &row.span, |place| {
                        if *version > series[place].version {
                            series[place].add(&row.span, sign, now_us);
                        }
                    });
                }
            }
        }
        Some(series)
    }
}
