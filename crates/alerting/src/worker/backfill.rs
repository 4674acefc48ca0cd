//! Backfill: aggregation of stored spans for rules and budgets that are new, or after a start. Series that look back a few days are
//! filled immediately. Series that look back weeks are filled on another thread while evaluation continues; rows that arrive meanwhile
//! are buffered and added afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;

use hinomi_query::{QueryEngine, QueryError};
use hinomi_store::low_priority::give_way;
use hinomi_store::{RowChanges, Store};

use crate::evaluator::metric_series::{AlertSeries, AlertSeriesSpec};
use crate::evaluator::series_index::SeriesIndex;

/// Time back from which a series is filled on another thread, in microseconds.
const NEAR_US: i64 = 3 * 86_400_000_000;
/// Maximum number of buffered rows. If more arrive, the backfill starts again.
const MOST_ROWS: usize = 200_000;

/// Returns whether a backfill is quick enough for the evaluation thread to wait for it.
pub(crate) fn is_near(track: &AlertSeries) -> bool {
    track.keep * track.spec.step_us <= NEAR_US
}

/// Store, query engine, and the runtime on which queries run.
type BackfillSource<'a> = (&'a Arc<Store>, &'a QueryEngine, &'a tokio::runtime::Handle);

/// Fills series from stored spans. Blocks until a low-priority thread, which yields to ingestion, has done the work.
pub(crate) fn count(from: BackfillSource, tracks: &mut [AlertSeries], now_us: i64) -> Result<(), QueryError> {
    let counting = || {
        give_way();
        count_here(from, tracks, now_us)
    };
    std::thread::scope(|scope| scope.spawn(counting).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn count_here((store, engine, runtime): BackfillSource, tracks: &mut [AlertSeries], now_us: i64) -> Result<(), QueryError> {
    let snapshot = store.snapshot();
    let projects: BTreeSet<u64> = tracks.iter().map(|track| track.spec.project).collect();
    for project in projects {
        let of_project: Vec<usize> = (0..tracks.len()).filter(|place| tracks[*place].spec.project == project).collect();
        let columns = of_project.iter().flat_map(|place| tracks[*place].columns()).collect();
        let reach_us = of_project.iter().map(|place| tracks[*place].keep * tracks[*place].spec.step_us).max().unwrap_or(0);
        let index = SeriesIndex::new(of_project.iter().map(|place| (*place, &tracks[*place])));
        let view = engine.project(snapshot.clone(), project);
        let tracks = &mut *tracks;
        runtime.block_on(view.each_span(now_us - reach_us, i64::MAX, &columns, |span| {
            index.each(project, &span, |place| tracks[place].add(&span, 1, now_us));
        }))?;
    }
    tracks.iter_mut().for_each(|track| track.version = snapshot.version);
    Ok(())
}

/// A backfill that runs on another thread.
#[derive(Debug)]
pub(crate) struct PendingBackfill {
    /// Series that are filled, and their number of steps.
    pub(crate) specs: Vec<(AlertSeriesSpec, i64)>,
    /// Changes that arrived meanwhile, in order.
    moved: Vec<RowChanges>,
    rows: usize,
}

impl PendingBackfill {
    pub(crate) fn new(tracks: &[AlertSeries]) -> PendingBackfill {
        PendingBackfill { specs: tracks.iter().map(|track| (track.spec.clone(), track.keep)).collect(), moved: Vec::new(), rows: 0 }
    }

    /// Buffers changes.
    pub(crate) fn keep(&mut self, moved: RowChanges) {
        self.rows += moved.added.len() + moved.gone.len();
        if self.rows <= MOST_ROWS {
            self.moved.push(moved);
        } else {
            self.moved = Vec::new();
        }
    }

    /// Records that changes were lost: the backfill cannot catch up.
    pub(crate) fn miss(&mut self) {
        (self.moved, self.rows) = (Vec::new(), MOST_ROWS + 1);
    }

    /// Applies the buffered changes to the filled series; `None` if there were too many to buffer.
    pub(crate) fn catch_up(self, mut tracks: Vec<AlertSeries>, now_us: i64) -> Option<Vec<AlertSeries>> {
        if self.rows > MOST_ROWS {
            return None;
        }
        let index = SeriesIndex::new(tracks.iter().enumerate());
        for RowChanges { version, added, gone } in &self.moved {
            for (rows, sign) in [(gone, -1), (added, 1)] {
                for row in rows {
                    index.each(row.project_id, &row.span, |place| {
                        if *version > tracks[place].version {
                            tracks[place].add(&row.span, sign, now_us);
                        }
                    });
                }
            }
        }
        Some(tracks)
    }
}
