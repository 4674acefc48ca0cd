//! Background work, in two threads. One thread writes segments. Ingestion waits for this thread when the memory is used up, so the thread
//! has the same priority as ingestion. The other thread merges segments, deletes data and rebuilds missing files, one after the other. This
//! work takes long and nothing waits for it, so this thread has a low priority.

pub(crate) mod compaction;
pub(crate) mod disk_space;
pub(crate) mod flush;
pub(crate) mod retention_sweep;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::commit::CommitCommand;
use super::error::StoreError;
use super::maintenance::retention_sweep::{RetentionSweep, RetentionSweepResult};
use super::segment::checksum;
use super::sidecar::rebuild;
use super::state::{StoreInner, lock};
use crate::low_priority::lower_thread_priority;

/// A command to the thread that writes segments.
#[derive(Debug)]
pub(super) enum FlushCommand {
    /// Flushes the frozen memtable.
    Flush,
    /// Ends the thread.
    Stop,
}

/// A command to the thread that maintains segments.
#[derive(Debug)]
pub(super) enum MaintenanceCommand {
    /// Applies a retention sweep to all spans in segments.
    Sweep { sweep: RetentionSweep, reply: oneshot::Sender<Result<RetentionSweepResult, StoreError>> },
    /// Removes the oldest segments, with at least this many bytes in total.
    DropOldest { bytes: u64, reply: oneshot::Sender<Result<RetentionSweepResult, StoreError>> },
    /// Merges segments until nothing is left to merge, and replies with the number of merges.
    Compact(oneshot::Sender<Result<usize, StoreError>>),
    /// Ends the thread.
    Stop,
}

/// Interval between attempts to flush after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Returns the interval at which each thread checks for work.
fn check_interval(shared: &StoreInner) -> Duration {
    (shared.config.flush_age / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
}

/// Writes segments until it is stopped or all senders are dropped.
pub(super) fn run_flushes(shared: &StoreInner, work: &Receiver<FlushCommand>, commands: &mpsc::WeakSender<CommitCommand>) {
    let tick = check_interval(shared);
    let mut failed_at: Option<Instant> = None;
    loop {
        match work.recv_timeout(tick) {
            Ok(FlushCommand::Flush) => failed_at = flush_now(shared),
            Ok(FlushCommand::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                if failed_at.is_none_or(|at| at.elapsed() >= RETRY_INTERVAL) && lock(&shared.state).frozen.is_some() {
                    failed_at = flush_now(shared);
                }
                freeze_if_old(shared, commands);
            }
        }
    }
}

/// Maintains segments until it is stopped or all senders are dropped.
pub(super) fn run_maintenance(shared: &StoreInner, work: &Receiver<MaintenanceCommand>) {
    lower_thread_priority();
    let tick = check_interval(shared);
    loop {
        match work.recv_timeout(tick) {
            Ok(MaintenanceCommand::Sweep { sweep, reply }) => {
                let _ = reply.send(run_and_record(shared, || retention_sweep::apply_sweep(shared, &sweep)));
            }
            Ok(MaintenanceCommand::DropOldest { bytes, reply }) => {
                let _ = reply.send(run_and_record(shared, || retention_sweep::drop_oldest_segments(shared, bytes)));
            }
            Ok(MaintenanceCommand::Compact(reply)) => {
                let _ = reply.send(run_and_record(shared, || {
                    let merges = compaction::merge_all(shared)?;
                    while rebuild::rebuild_one(shared)? {}
                    Ok(merges)
                }));
            }
            Ok(MaintenanceCommand::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                // Failures are in the statistics, and the next tick tries again.
                if !shared.is_stopping.load(Ordering::Acquire) {
                    let _ = run_and_record(shared, || {
                        Ok(compaction::merge_once(shared)? || rebuild::rebuild_one(shared)? || checksum::check_one_segment(shared))
                    });
                }
            }
        }
    }
}

/// Flushes the frozen memtable. Returns the time of the failure if it failed.
fn flush_now(shared: &StoreInner) -> Option<Instant> {
    match run_and_record(shared, || flush::flush(shared)) {
        Ok(()) => None,
        Err(error) => {
            shared.progress.send_modify(|progress| {
                progress.failures += 1;
                progress.error = Some(error);
            });
            Some(Instant::now())
        }
    }
}

/// Asks the commit thread to freeze the active memtable if it is old enough.
fn freeze_if_old(shared: &StoreInner, commands: &mpsc::WeakSender<CommitCommand>) {
    let is_old = {
        let state = lock(&shared.state);
        let since = state.active.first_added_at.filter(|_| state.frozen.is_none());
        since.is_some_and(|since| since.elapsed() >= shared.config.flush_age)
    };
    if let Some(commands) = commands.upgrade().filter(|_| is_old) {
        // A full queue means that a commit is near, and the next tick asks again.
        let _ = commands.try_send(CommitCommand::Freeze(None));
    }
}

/// Returns the message of a panic.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default()
}

/// Runs work and turns a panic in it into an error. Errors are logged and shown in the statistics until work succeeds again.
fn run_and_record<T>(shared: &StoreInner, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let source = std::io::Error::other(format!("internal error: {}", panic_message(&*panic)));
        Err(StoreError::Io { doing: "maintain", path: shared.folder.segments(), source: Arc::new(source) })
    });
    let mut shown = lock(&shared.health.background_error);
    match &done {
        Ok(_) => *shown = None,
        // The server stops.
        Err(StoreError::Closed) => {}
        Err(error) => {
            let message = error.to_string();
            if shown.as_ref() != Some(&message) {
                tracing::error!(%error, "store.maintenance.failed");
            }
            *shown = Some(message);
        }
    }
    done
}
