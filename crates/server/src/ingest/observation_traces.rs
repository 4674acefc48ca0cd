//! Maps the observations of Langfuse to their traces, for updates that do not name a trace.
//!
//! The traces of a request are recorded before the request is stored. If two requests arrive at the same time, the later request therefore
//! finds the traces of the earlier request, or the store joins the data of both.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use hinomi_model::id::SpanId;
use hinomi_model::langfuse::ObservationTrace;
use hinomi_store::Store;

/// Largest number of remembered observations: about 20 MB.
const MAX_OBSERVATIONS: usize = 200_000;

/// Project and ID of an observation. IDs of 64 bits are unique only within a project: two equal IDs mean the same span.
type ObservationKey = (u64, SpanId);

/// Bounded cache of the newest observations.
#[derive(Debug, Default)]
pub(super) struct ObservationTraceCache {
    entries: Mutex<ObservationTraceEntries>,
    /// True once the observations that were stored before the server started are included.
    is_complete: Mutex<bool>,
}

#[derive(Debug, Default)]
struct ObservationTraceEntries {
    traces: HashMap<ObservationKey, ObservationTrace>,
    /// Keys in the order of insertion, the oldest first.
    order: VecDeque<ObservationKey>,
}

impl ObservationTraceCache {
    /// Returns the trace of an observation, if it is remembered.
    pub(super) fn trace_of(&self, project: u64, observation: SpanId) -> Option<ObservationTrace> {
        self.lock_entries().traces.get(&(project, observation)).copied()
    }

    /// Adds the traces of a project's observations.
    pub(super) fn remember(&self, project: u64, told: &[(SpanId, ObservationTrace)]) {
        let mut known = self.lock_entries();
        told.iter().for_each(|(span, home)| known.remember((project, *span), *home));
    }

    /// Adds the observations that were stored before the server started. Later calls do nothing.
    pub(super) fn load_stored(&self, store: &Store) {
        let mut is_complete = self.is_complete.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *is_complete, true) {
            return;
        }
        let stored = store.observations();
        let mut known = self.lock_entries();
        let newest = stored.len().saturating_sub(MAX_OBSERVATIONS);
        for (project, span, home) in stored.into_iter().skip(newest) {
            // An existing entry is newer than the stored one.
            if !known.traces.contains_key(&(project, span)) {
                known.remember((project, span), home);
            }
        }
    }

    fn lock_entries(&self) -> std::sync::MutexGuard<'_, ObservationTraceEntries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObservationTraceEntries {
    fn remember(&mut self, place: ObservationKey, home: ObservationTrace) {
        if self.traces.insert(place, home).is_none() {
            self.order.push_back(place);
        }
        while self.order.len() > MAX_OBSERVATIONS {
            let oldest = self.order.pop_front();
            oldest.map(|place| self.traces.remove(&place));
        }
    }
}

#[cfg(test)]
mod tests {
    use hinomi_model::id::TraceId;

    use super::*;

    #[test]
    fn newest_observations_are_remembered_per_project() {
        let homes = ObservationTraceCache::default();
        let home = |id: u64| ObservationTrace { trace_id: TraceId(u128::from(id)), root: SpanId(id) };
        let all: Vec<(SpanId, ObservationTrace)> = (1..=MAX_OBSERVATIONS as u64 + 5).map(|id| (SpanId(id), home(id))).collect();
        homes.remember(1, &all);
        homes.remember(1, &[(SpanId(9), home(77))]);
        assert_eq!([5, 6, 9].map(|id| homes.trace_of(1, SpanId(id))), [None, Some(home(6)), Some(home(77))]);
        assert_eq!(homes.trace_of(2, SpanId(9)), None, "another project's");
        assert_eq!(homes.lock_entries().traces.len(), MAX_OBSERVATIONS);
    }
}
