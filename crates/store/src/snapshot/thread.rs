//! Takes snapshots for low-priority threads. Taking a snapshot requires a lock that ingestion waits for. A thread of normal priority
//! therefore takes the snapshots: a low-priority thread that holds the lock would block ingestion for as long as other threads use the
//! processors.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::Snapshot;
use crate::state::StoreInner;

/// Takes snapshots on request. The thread ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct SnapshotThread {
    /// `None` while it is dropped.
    requests: Option<Sender<SyncSender<Arc<Snapshot>>>>,
    thread: Option<JoinHandle<()>>,
}

impl SnapshotThread {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the thread cannot be started.
    pub(crate) fn start(shared: Arc<StoreInner>) -> std::io::Result<SnapshotThread> {
        let (asked, requests) = channel();
        let thread = std::thread::Builder::new().name("store-look".to_owned()).spawn(move || serve_requests(&shared, &requests))?;
        Ok(SnapshotThread { requests: Some(asked), thread: Some(thread) })
    }

    /// Takes a snapshot after this call has begun. Blocks the calling thread.
    pub(crate) fn take_snapshot(&self) -> Option<Arc<Snapshot>> {
        let (answer, taken) = sync_channel(1);
        self.requests.as_ref()?.send(answer).ok()?;
        taken.recv().ok()
    }
}

impl Drop for SnapshotThread {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve_requests(shared: &StoreInner, requests: &Receiver<SyncSender<Arc<Snapshot>>>) {
    while let Ok(first) = requests.recv() {
        // All waiting callers get the same snapshot.
        let all: Vec<_> = std::iter::once(first).chain(requests.try_iter()).collect();
        let snapshot = shared.snapshot();
        for answer in all {
            let _ = answer.send(snapshot.clone());
        }
    }
}
