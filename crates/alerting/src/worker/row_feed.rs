//! From the thread that stores spans to the bell: it takes what the bell needs of each row and never waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{PoisonError, RwLock};

use hinomi_store::rows::SpanRow;
use hinomi_store::{RowChangeSubscriber, RowChanges};

use crate::evaluator::metric_series::AlertSeries;
use crate::evaluator::prepared_rule::{RequiredSpanFields, strip};

/// Steps of the store that may wait for the bell. What is beyond that is not waited for: the bell counts anew from the store.
const WAITING: usize = 20_000;

/// What the bell hears.
#[derive(Debug)]
pub(crate) enum EvaluatorMessage {
    /// Spans came and went.
    Moved(RowChanges),
    /// Something was changed by somebody: look again.
    Changed,
    /// What is stored was counted beside the bell, or why not.
    Counted(Result<Vec<AlertSeries>, String>),
}

/// The store's side.
#[derive(Debug)]
pub(crate) struct RowChangeFeed {
    wants: RwLock<HashMap<u64, RequiredSpanFields>>,
    sender: SyncSender<EvaluatorMessage>,
    overflowed: AtomicBool,
}

impl RowChangeFeed {
    pub(crate) fn new() -> (RowChangeFeed, Receiver<EvaluatorMessage>) {
        let (sender, receiver) = sync_channel(WAITING);
        (RowChangeFeed { wants: RwLock::default(), sender, overflowed: AtomicBool::new(false) }, receiver)
    }

    /// Says what is wanted from now on. Whether anything is wanted that was not before.
    pub(crate) fn want(&self, wants: HashMap<u64, RequiredSpanFields>) -> bool {
        let mut known = self.wants.write().unwrap_or_else(PoisonError::into_inner);
        let is_more = wants.iter().any(|(project, wants)| !known.get(project).is_some_and(|known| known.covers(wants)));
        *known = wants;
        is_more
    }

    /// Whether something was not heard since this was last asked.
    pub(crate) fn has_overflowed(&self) -> bool {
        self.overflowed.swap(false, Ordering::AcqRel)
    }

    /// Hands over what was counted beside the bell. Waits for room.
    pub(crate) fn counted(&self, counted: Result<Vec<AlertSeries>, String>) {
        // Nobody hears it when the bell has ended.
        let _ = self.sender.send(EvaluatorMessage::Counted(counted));
    }

    /// Wakes the bell.
    pub(crate) fn nudge(&self) {
        // When so much waits, it is awake.
        let _ = self.sender.try_send(EvaluatorMessage::Changed);
    }
}

impl RowChangeSubscriber for RowChangeFeed {
    fn select(&self, row: &SpanRow) -> Option<SpanRow> {
        let wants = self.wants.read().unwrap_or_else(PoisonError::into_inner).get(&row.project_id).copied()?;
        Some(SpanRow { project_id: row.project_id, received_us: row.received_us, span: strip(&row.span, &wants), local: None })
    }

    fn notify(&self, moved: RowChanges) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(EvaluatorMessage::Moved(moved)) {
            self.overflowed.store(true, Ordering::Release);
        }
    }
}
