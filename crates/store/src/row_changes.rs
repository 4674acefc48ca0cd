//! Subscriptions to changes of rows. A subscriber receives each row that becomes visible, and each row that is no longer visible, including
//! late spans, corrections, joined parts and new prices. Expiry and deletion are not reported. After a restart, a subscriber must rebuild
//! its state from a snapshot. A subscriber that must not miss a change uses a [durable subscription](crate::DurableSubscription).

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::rows::SpanRow;

/// The rows that one commit added and removed, limited to the rows that one subscriber selected.
#[derive(Debug, Default)]
pub struct RowChanges {
    /// Version of the store: a snapshot of this version or a later one contains the change.
    pub version: u64,
    /// Rows that are visible from now on.
    pub added: Vec<SpanRow>,
    /// Rows that are not visible any more.
    pub removed: Vec<SpanRow>,
}

/// Receives the changes of rows. The commit thread calls the methods of the trait, so they must be quick and must not wait.
pub trait RowChangeSubscriber: Debug + Send + Sync {
    /// Returns what the subscriber needs of a row; `None` if it does not need the row.
    fn select(&self, row: &SpanRow) -> Option<SpanRow>;
    /// Takes the selected rows of a commit, which are visible now.
    fn notify(&self, changes: RowChanges);
}

/// All subscribers of a store.
#[derive(Debug, Default)]
pub(crate) struct RowSubscriberList {
    subscribers: RwLock<Vec<Arc<dyn RowChangeSubscriber>>>,
    /// Held from the first selection of a commit until its rows are visible.
    publication: Mutex<()>,
}

impl RowSubscriberList {
    pub(crate) fn add(&self, subscriber: Arc<dyn RowChangeSubscriber>) {
        self.subscribers.write().unwrap_or_else(PoisonError::into_inner).push(subscriber);
    }

    /// Begins to collect the changes of one commit.
    pub(crate) fn begin_commit(&self) -> CollectedRowChanges<'_> {
        let publication = self.lock_publication();
        let subscribers = self.subscribers.read().unwrap_or_else(PoisonError::into_inner);
        let changes = subscribers.iter().map(|subscriber| (subscriber.clone(), RowChanges::default())).collect();
        CollectedRowChanges { changes, _publication: publication }
    }

    /// If a commit is selecting rows, waits until its rows are visible.
    pub(crate) fn wait_for_publication(&self) {
        drop(self.lock_publication());
    }

    fn lock_publication(&self) -> MutexGuard<'_, ()> {
        self.publication.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The changes of one commit, for each subscriber.
#[derive(Debug)]
pub(crate) struct CollectedRowChanges<'a> {
    changes: Vec<(Arc<dyn RowChangeSubscriber>, RowChanges)>,
    _publication: MutexGuard<'a, ()>,
}

impl CollectedRowChanges<'_> {
    /// Returns whether there are no subscribers, and rows need not be read for them.
    pub(crate) fn has_no_subscribers(&self) -> bool {
        self.changes.is_empty()
    }

    pub(crate) fn add(&mut self, row: &SpanRow) {
        self.changes.iter_mut().for_each(|(subscriber, changes)| changes.added.extend(subscriber.select(row)));
    }

    pub(crate) fn remove(&mut self, row: &SpanRow) {
        self.changes.iter_mut().for_each(|(subscriber, changes)| changes.removed.extend(subscriber.select(row)));
    }

    /// Sends the changes to the subscribers. The changes are visible in the store from this version on.
    pub(crate) fn publish(self, version: u64) {
        for (subscriber, changes) in self.changes {
            if !(changes.added.is_empty() && changes.removed.is_empty()) {
                subscriber.notify(RowChanges { version, ..changes });
            }
        }
    }
}
