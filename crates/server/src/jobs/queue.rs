//! The durable queue: the jobs in `hinomi.db`, and a signal for each change of them.

use std::sync::Arc;

use hinomi_tables::metadata::{JobRecord, MetadataError, MetadataStore};
use tokio::sync::watch;

/// Stored jobs.
#[derive(Debug)]
pub(super) struct JobQueue {
    pub(super) meta: Arc<MetadataStore>,
    /// Incremented whenever a job changes.
    changes: watch::Sender<u64>,
}

impl JobQueue {
    pub(super) fn new(meta: Arc<MetadataStore>) -> JobQueue {
        JobQueue { meta, changes: watch::Sender::new(0) }
    }

    /// Writes a job, and wakes all waiters for a change.
    pub(super) fn store_record(&self, record: &JobRecord) -> Result<(), MetadataError> {
        self.meta.update_job(record)?;
        self.signal();
        Ok(())
    }

    /// Writes a job in its final state.
    pub(super) fn finish_job(&self, record: JobRecord) -> Result<(), MetadataError> {
        self.store_record(&JobRecord { ended_us: Some(now_us()), retry_us: None, ..record })
    }

    /// Wakes all waiters for a change.
    pub(super) fn signal(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Returns a receiver of changes from now on.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// Returns the current time in microseconds since the Unix epoch.
pub(super) fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
