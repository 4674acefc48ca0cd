//! Snapshots for threads that give way to intake. To take one is to hold a lock that intake waits for, so it is done by a thread that does not
//! give way: one that holds the lock while others have the processors would hold up intake for as long as these want them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::Snapshot;
use crate::state::StoreInner;

/// Takes snapshots for whoever asks. Its thread ends when it is dropped.
#[derive(Debug)]
pub(crate) struct SnapshotThread {
    /// `None` while it is dropped.
    asked: Option<Sender<SyncSender<Arc<Snapshot>>>>,
    thread: Option<JoinHandle<()>>,
}

impl SnapshotThread {
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub(crate) fn start(shared: Arc<StoreInner>) -> std::io::Result<SnapshotThread> {
        let (asked, waiting) = channel();
        let thread = std::thread::Builder::new().name("store-look".to_owned()).spawn(move || run(&shared, &waiting))?;
        Ok(SnapshotThread { asked: Some(asked), thread: Some(thread) })
    }

    /// All rows that hold at a moment after this is called. Blocks.
    pub(crate) fn look(&self) -> Option<Arc<Snapshot>> {
        let (answer, taken) = sync_channel(1);
        self.asked.as_ref()?.send(answer).ok()?;
        taken.recv().ok()
    }
}

impl Drop for SnapshotThread {
    fn drop(&mut self) {
        self.asked = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(shared: &StoreInner, waiting: &Receiver<SyncSender<Arc<Snapshot>>>) {
    while let Ok(first) = waiting.recv() {
        // All who wait get the same.
        let all: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let snapshot = shared.snapshot();
        for answer in all {
            let _ = answer.send(snapshot.clone());
        }
    }
}
