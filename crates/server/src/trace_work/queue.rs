//! Traces that changed and wait for work.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hinomi_model::id::TraceId;
use hinomi_model::span::SpanType;
use hinomi_store::rows::SpanRow;
use hinomi_store::{RowChangeSubscriber, RowChanges};

/// Maximum number of traces that wait. The spans of further traces are found by the time of their reception.
const MAX_WAITING_TRACES: usize = 500_000;

/// Times of the first and the last change of a trace since it was last processed, in microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy)]
struct ChangeTimes {
    first_us: i64,
    last_us: i64,
}

#[derive(Debug, Default)]
struct WaitingTraces {
    changes: HashMap<(u64, TraceId), ChangeTimes>,
    /// Traces that are being processed.
    in_process: HashSet<(u64, TraceId)>,
    /// Time of the first change that was not noted because too many traces waited.
    overflow_us: Option<i64>,
}

impl WaitingTraces {
    fn is_unprocessed(&self, trace: &(u64, TraceId)) -> bool {
        self.changes.contains_key(trace) || self.in_process.contains(trace)
    }
}

/// Notes which traces with a call, an agent or a tool changed.
#[derive(Debug, Default)]
pub struct TraceWorkQueue {
    waiting: Mutex<WaitingTraces>,
    /// False while spans that were received earlier remain to be processed.
    is_complete: AtomicBool,
    /// False while no changes are noted; `None` if they are always noted.
    is_active: Option<Arc<AtomicBool>>,
}

/// A trace that is due, with the time of its first change in microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DueTrace {
    pub(super) project: u64,
    pub(super) trace: TraceId,
    pub(super) first_us: i64,
}

impl TraceWorkQueue {
    /// Creates a queue that notes changes while the flag is true.
    pub fn active_while(flag: Arc<AtomicBool>) -> TraceWorkQueue {
        TraceWorkQueue { is_active: Some(flag), ..TraceWorkQueue::default() }
    }

    /// Returns whether changes are noted.
    pub(super) fn is_active(&self) -> bool {
        self.is_active.as_ref().is_none_or(|flag| flag.load(Ordering::Acquire))
    }

    fn lock(&self) -> MutexGuard<'_, WaitingTraces> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether all spans of a trace have been processed.
    pub fn is_processed(&self, project: u64, trace: TraceId) -> bool {
        let waiting = self.lock();
        self.is_complete.load(Ordering::Acquire) && waiting.overflow_us.is_none() && !waiting.is_unprocessed(&(project, trace))
    }

    /// Sets whether no spans that were received earlier remain to be processed.
    pub(super) fn set_complete(&self, is_complete: bool) {
        self.is_complete.store(is_complete, Ordering::Release);
    }

    /// Returns a trace to the queue whose processing failed.
    pub(super) fn retry(&self, due: DueTrace, now_us: i64) {
        let mut waiting = self.lock();
        let times = waiting.changes.entry((due.project, due.trace)).or_insert(ChangeTimes { first_us: due.first_us, last_us: now_us });
        times.first_us = times.first_us.min(due.first_us);
    }

    /// Notes a change of a trace.
    pub(super) fn note_change(&self, project: u64, trace: TraceId, now_us: i64) {
        let mut waiting = self.lock();
        if let Some(times) = waiting.changes.get_mut(&(project, trace)) {
            times.last_us = now_us;
        } else if waiting.changes.len() < MAX_WAITING_TRACES {
            waiting.changes.insert((project, trace), ChangeTimes { first_us: now_us, last_us: now_us });
        } else {
            waiting.overflow_us.get_or_insert(now_us);
        }
    }

    /// Removes and returns the traces that have not changed for `quiet_us`, or whose first change was `max_delay_us` ago.
    pub(super) fn take_due(&self, now_us: i64, quiet_us: i64, max_delay_us: i64) -> Vec<DueTrace> {
        let is_due = |_: &(u64, TraceId), times: &mut ChangeTimes| {
            times.last_us <= now_us - quiet_us || times.first_us <= now_us.saturating_sub(max_delay_us) || times.last_us > now_us
        };
        let mut waiting = self.lock();
        let due = waiting.changes.extract_if(is_due);
        let due: Vec<DueTrace> =
            due.map(|((project, trace), ChangeTimes { first_us, .. })| DueTrace { project, trace, first_us }).collect();
        waiting.in_process = due.iter().map(|due| (due.project, due.trace)).collect();
        due
    }

    /// Notes that the traces of [`take_due`](Self::take_due) have been processed.
    pub(super) fn end_process(&self) {
        self.lock().in_process.clear();
    }

    /// Returns the time of the earliest change of a waiting trace.
    pub(super) fn oldest_change_us(&self) -> Option<i64> {
        let waiting = self.lock();
        waiting.changes.values().map(|times| times.first_us).chain(waiting.overflow_us).min()
    }

    /// Returns the time since which changes were not noted, and notes changes again. `None` if all were noted, or too many traces still wait.
    pub(super) fn take_overflow(&self) -> Option<i64> {
        let mut waiting = self.lock();
        if waiting.changes.len() < MAX_WAITING_TRACES / 2 { waiting.overflow_us.take() } else { None }
    }
}

impl RowChangeSubscriber for TraceWorkQueue {
    fn select(&self, row: &SpanRow) -> Option<SpanRow> {
        if self.is_active() && matches!(row.span.kind, SpanType::Llm | SpanType::Agent | SpanType::Tool) {
            self.note_change(row.project_id, row.span.trace_id, jiff::Timestamp::now().as_microsecond());
        }
        None
    }

    fn notify(&self, _changes: RowChanges) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_waits_until_it_is_quiet_but_not_longer_than_the_limit() {
        let changed = TraceWorkQueue::default();
        let note = |trace, time_us| changed.note_change(1, TraceId(trace), time_us);
        let due = |now_us| {
            let mut due: Vec<u128> = changed.take_due(now_us, 10, 30).into_iter().map(|due| due.trace.0).collect();
            due.sort_unstable();
            due
        };
        note(1, 0);
        note(2, 5);
        assert_eq!(changed.oldest_change_us(), Some(0));
        assert_eq!(due(9), [0u128; 0]);
        note(1, 9);
        changed.set_complete(true);
        assert_eq!(due(15), [2]);
        assert!(!changed.is_processed(1, TraceId(1)) && !changed.is_processed(1, TraceId(2)));
        changed.end_process();
        assert!(changed.is_processed(1, TraceId(2)));
        note(1, 18);
        note(1, 27);
        assert_eq!(due(30), [1], "it has been changing for too long");
        assert_eq!(changed.oldest_change_us(), None);
        note(3, 100);
        assert_eq!(due(50), [3], "the clock was set back");
    }
}
