//! Feed of row changes from the store's commit thread to the evaluation thread. The feed selects the needed fields of each row and never
//! waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{PoisonError, RwLock};

use hinomi_store::rows::SpanRow;
use hinomi_store::{RowChangeSubscriber, RowChanges};

use crate::evaluator::metric_series::AlertSeries;
use crate::evaluator::prepared_rule::{RequiredSpanFields, strip_span};

/// Maximum number of commits that wait for the evaluation thread. Beyond it, changes are dropped, and the series are filled again from
/// the store.
const FEED_CAPACITY: usize = 20_000;

/// Message to the evaluation thread.
#[derive(Debug)]
pub(crate) enum EvaluatorMessage {
    /// Rows were added or removed.
    Moved(RowChanges),
    /// Rules, budgets or incidents were changed: wake up.
    Changed,
    /// Result of a backfill on another thread, or the reason for its failure.
    Counted(Result<Vec<AlertSeries>, String>),
}

/// Subscriber of the store.
#[derive(Debug)]
pub(crate) struct RowChangeFeed {
    required_fields: RwLock<HashMap<u64, RequiredSpanFields>>,
    sender: SyncSender<EvaluatorMessage>,
    overflowed: AtomicBool,
}

impl RowChangeFeed {
    pub(crate) fn new() -> (RowChangeFeed, Receiver<EvaluatorMessage>) {
        let (sender, receiver) = sync_channel(FEED_CAPACITY);
        (RowChangeFeed { required_fields: RwLock::default(), sender, overflowed: AtomicBool::new(false) }, receiver)
    }

    /// Sets the fields that are needed from now on. Returns whether any of them was not needed before.
    pub(crate) fn set_required_fields(&self, required: HashMap<u64, RequiredSpanFields>) -> bool {
        let mut known = self.required_fields.write().unwrap_or_else(PoisonError::into_inner);
        let is_more = required.iter().any(|(project, required)| !known.get(project).is_some_and(|known| known.covers(required)));
        *known = required;
        is_more
    }

    /// Returns whether changes were dropped since the last call.
    pub(crate) fn has_overflowed(&self) -> bool {
        self.overflowed.swap(false, Ordering::AcqRel)
    }

    /// Sends the result of a backfill. Blocks while the queue is full.
    pub(crate) fn send_backfill(&self, result: Result<Vec<AlertSeries>, String>) {
        // The receiver is gone after the evaluation thread has ended.
        let _ = self.sender.send(EvaluatorMessage::Counted(result));
    }

    /// Wakes the evaluation thread.
    pub(crate) fn wake(&self) {
        // If the queue is full, the thread is awake.
        let _ = self.sender.try_send(EvaluatorMessage::Changed);
    }
}

impl RowChangeSubscriber for RowChangeFeed {
    fn select(&self, row: &SpanRow) -> Option<SpanRow> {
        let required = self.required_fields.read().unwrap_or_else(PoisonError::into_inner).get(&row.project_id).copied()?;
        Some(SpanRow { project_id: row.project_id, received_us: row.received_us, span: strip_span(&row.span, &required), local: None })
    }

    fn notify(&self, moved: RowChanges) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(EvaluatorMessage::Moved(moved)) {
            self.overflowed.store(true, Ordering::Release);
        }
    }
}
