//! The durable store of spans: write-ahead log, memtable, segments, manifest. It does not depend on HTTP or on project names.
//!
//! # The life of a span
//!
//! 1. [`PreparedAppend::new`] serializes and compresses the spans of a request on the caller's thread (`wal::frame`). [`Store::commit`] queues them.
//! 2. The commit thread (`commit`) drops spans that are already stored, applies the deduplication rules to the trace of each span
//!    (`commit::trace_state_cache`), appends one frame per request to the write-ahead log (`wal`) and syncs the whole group once.
//! 3. The rows of the group join the memtable (`memtable`, `commit::group`), where a few hundred at a time become columns ([`rows`]).
//!    From now on, every [`Store::snapshot`] contains these rows. Then the caller gets its answer, and subscribers are notified.
//! 4. When the memtable reaches a certain size or age, it is frozen and written as a segment (`maintenance::flush`, `segment`). One
//!    transaction of the `manifest` makes the segment visible. The log files that it covers are removed.
//! 5. Small segments are merged (`maintenance::compaction`), and expired spans are deleted (`maintenance::retention_sweep`). The sidecar
//!    files of a segment, for text search (`sidecar::ngram_index`) and for totals ([`rollup`]), are rebuilt when they are missing
//!    (`sidecar::rebuild`).
//!
//! # Partial spans
//!
//! A message of a call may arrive as a log record, minutes before or after the call. The commit thread reads the stored row, joins row and
//! message ([`StoreConfig::join`]) and writes the whole span into the frame, in place of the row. Replay joins nothing. Parts of one span
//! within a request are joined by the decoder. Each join writes the whole span again, so a span that has been joined too often is not
//! joined any more.
//!
//! An event of a span may arrive before the trace of the span is known. Until then, the event is stored as a separate trace
//! ([`StoreConfig::observation_trace`]). The frame that names the right trace contains the whole span and the replaced row.
//!
//! # Calls that two programs report
//!
//! A program and the gateway that it calls often report one call in two traces. The commit thread remembers recent calls by the provider's
//! response ID (`commit::recent_calls`). When the second report arrives, the commit thread changes both rows
//! ([`hinomi_model::dedup::duplicate_reports`]), in the same way as [`Store::revise`].
//!
//! # Corrections
//!
//! When more spans of a trace arrive, an older span may become counted or excluded. Its row is then marked as dead (superseded) and written
//! again with the new decision. A query therefore reads plain rows and does not handle corrections. A frame contains only the decision:
//! replay finds the old row in the same way as the commit thread did. It follows that **a dead row may be recorded in the manifest, or
//! omitted from a merge, only together with its successor**. `LiveSegment` keeps the three kinds of dead rows apart.

mod checkpoint;
mod commit;
mod data_folder;
pub mod doctor;
mod durable_subscription;
mod error;
mod key_hash;
pub mod low_priority;
mod maintenance;
mod manifest;
mod memtable;
mod observation_traces;
mod parallel;
pub mod point_read;
mod prepared_append;
mod recovery;
pub mod rollup;
mod row_bit_set;
mod row_changes;
pub mod rows;
pub mod schema;
mod seeded_hash;
mod segment;
pub mod segment_storage;
mod sidecar;
pub mod snapshot;
mod state;
mod stats;
mod wal;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hinomi_model::dedup::{SpanDecision, SpanNode};
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::langfuse::ObservationTrace;
use hinomi_model::price::{PriceBook, PriceBooks};
use hinomi_model::span::Span;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};

pub use crate::doctor::repair::repair;
pub use crate::maintenance::disk_space::free_bytes;
pub use crate::maintenance::retention_sweep::{DeletionLoss, RetentionCandidate, RetentionDecision, RetentionSweep, RetentionSweepResult};
use crate::snapshot::thread::SnapshotThread;
pub use checkpoint::{CheckpointFile, MissingSegment, StoreCheckpoint};
use commit::{CommitCommand, FreezeResult, ReviseRequest};
pub use durable_subscription::{DurableSubscription, SpanChangeBatch, SubscriptionChanges};
pub use error::StoreError;
pub use key_hash::{span_hash, trace_hash};
use maintenance::{FlushCommand, MaintenanceCommand};
pub use prepared_append::PreparedAppend;
pub use row_changes::{RowChangeSubscriber, RowChanges};
use segment_storage::{LocalSegmentStorage, SegmentStorage};
use snapshot::Snapshot;
use state::{StoreInner, lock};
pub use stats::StoreStats;

/// Number of changes that a slow subscriber of [`Store::changes`] may lag behind before it misses some.
const CHANGE_CHANNEL_CAPACITY: usize = 1024;

/// Sizes and times of a store. The defaults suit a machine with 1 GB of memory or more.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Size in bytes of the memtable's columns at which it is flushed. The memory use is at most about three times this size.
    pub flush_bytes: usize,
    /// Number of rows in the memtable at which it is flushed.
    pub flush_rows: usize,
    /// Age of the oldest row in the memtable at which it is flushed.
    pub flush_age: Duration,
    /// Number of rows in a row group of a segment.
    pub rows_per_group: usize,
    /// Segments with fewer rows than this are merged.
    pub small_segment_rows: usize,
    /// Number of small segments of one day at which they are merged.
    pub min_merged_segments: usize,
    /// When all segments of a day are at least this old, its small segments are merged even if they are few, and segments with dead rows
    /// are rewritten.
    pub quiet_age: Duration,
    /// A segment with fewer rows has no n-gram index until it is [`unindexed_age`](StoreConfig::unindexed_age) old, because most such
    /// segments are merged before that age.
    pub indexed_rows: usize,
    /// Age at which a segment with fewer than [`indexed_rows`](StoreConfig::indexed_rows) rows gets an n-gram index.
    pub unindexed_age: Duration,
    /// Number of spans of recent traces that are kept in memory for the deduplication rules.
    pub remembered_spans: usize,
    /// Number of recent calls that are kept in memory to find other programs' reports of the same call.
    pub remembered_calls: usize,
    /// Bytes of disk space that ingestion leaves free, because flushes and merges need them.
    pub reserve_bytes: u64,
    /// Maximum number of bytes of WAL files that are kept after a flush for durable subscriptions that are behind. A subscription that is
    /// further behind misses changes.
    pub retained_wal_bytes: u64,
    /// Returns the free bytes of the disk that contains a path, or `None` if they are unknown.
    pub free_bytes: fn(&Path) -> Option<u64>,
    /// How long a request waits for room in the queue or the memtable before it fails with [`StoreError::Busy`].
    pub queue_timeout: Duration,
    /// The deduplication rules: decides which spans are counted, from all known spans of their trace. The result must not depend on the
    /// order of the spans.
    pub rules: fn(&[SpanNode]) -> Vec<SpanDecision>,
    /// Joins two reports of one span, at least one of which is partial. Returns `None` if the second report adds no data. The result must
    /// not depend on the order of the reports.
    pub join: fn(&Span, &Span, &PriceBook) -> Option<Span>,
    /// Returns the trace under which parts of a span are stored if they arrive before their trace is known; `None` for a span that cannot
    /// have such parts.
    pub observation_trace: fn(&Span) -> Option<ObservationTrace>,
    /// Price table of each project. Joined spans are priced with it.
    pub prices: Arc<PriceBooks>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig {
            flush_bytes: 64 << 20,
            flush_rows: 200_000,
            flush_age: Duration::from_secs(60),
            rows_per_group: 16_384,
            small_segment_rows: 150_000,
            min_merged_segments: 8,
            quiet_age: Duration::from_secs(3600),
            indexed_rows: 150_000,
            unindexed_age: Duration::from_secs(120),
            remembered_spans: 100_000,
            remembered_calls: 100_000,
            reserve_bytes: 256 << 20,
            retained_wal_bytes: 256 << 20,
            free_bytes,
            queue_timeout: Duration::from_secs(10),
            rules: hinomi_model::dedup::decide_trace,
            join: hinomi_model::partial_spans::join_partial_spans,
            observation_trace: hinomi_model::langfuse::observation_as_trace,
            prices: Arc::new(PriceBooks::default()),
        }
    }
}

/// Result of storing the spans of a request: the number of spans by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "the caller must count an outcome for each span that is not stored"]
pub struct SpanAppendResult {
    /// Number of spans that are stored: durable and visible.
    pub stored: usize,
    /// Number of spans that were joined with the stored span of the same ID, because one of the two spans is partial.
    pub joined: usize,
    /// Number of spans that were dropped because the same span is already stored.
    pub duplicates: usize,
    /// Number of spans that were not joined because the stored span already has too many or too large parts
    /// ([`hinomi_model::partial_spans::can_be_joined`]).
    pub too_many_pieces: usize,
    /// Number of spans that were dropped because their trace ID or span ID is zero.
    pub without_id: usize,
    /// Number of earlier spans whose deduplication decision or pipeline changed because of this request.
    pub corrected: usize,
}

/// Changes a stored span. Changes of its IDs are ignored.
pub type SpanReviser = Arc<dyn Fn(&mut Span) + Send + Sync>;

/// Message to subscribers that spans were stored.
#[derive(Debug, Clone)]
pub struct SpanStoreChange {
    /// Project of the spans.
    pub project: u64,
    /// Traces that have new, joined or corrected spans.
    pub traces: Arc<[TraceId]>,
    /// Number of new spans.
    pub spans: usize,
}

/// An open store. Dropping it stops its threads without a flush; the next start replays the WAL.
#[derive(Debug)]
pub struct Store {
    shared: Arc<StoreInner>,
    changes: broadcast::Sender<SpanStoreChange>,
    /// Limits how many requests are prepared at the same time. Preparing takes only processor time, and each thread keeps a compressor.
    prepare_permits: Arc<Semaphore>,
    snapshot_thread: SnapshotThread,
    /// Incremented with each change of the stored rows.
    version: Arc<AtomicU64>,
    /// `None` while the store is dropped.
    senders: Option<StoreThreadSenders>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct StoreThreadSenders {
    commit_commands: mpsc::Sender<CommitCommand>,
    work: std::sync::mpsc::Sender<FlushCommand>,
    maintenance: std::sync::mpsc::Sender<MaintenanceCommand>,
}

impl Store {
    /// Opens a data directory, creates it if necessary, and restores everything that was acknowledged. Blocks while it reads the WAL.
    ///
    /// # Errors
    ///
    /// Returns an error if another process has the directory open, the directory cannot be written or was written by a newer version, or
    /// its manifest cannot be read. A damaged WAL or segment, or a manifest that does not name a segment, is not an error: see
    /// [`StoreStats::damaged`].
    pub fn open(dir: &Path, config: StoreConfig) -> Result<Store, StoreError> {
        let storage = Arc::new(LocalSegmentStorage::new(dir)?);
        Store::open_with_segments(dir, config, storage)
    }

    /// Opens a data directory like [`open`](Store::open), with its segments in another storage.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`open`](Store::open).
    pub fn open_with_segments(dir: &Path, config: StoreConfig, storage: Arc<dyn SegmentStorage>) -> Result<Store, StoreError> {
        let (shared, next_sequence, log) = recovery::open(dir, config, storage, stats::StoreHealth::default())?;
        let (changes, _) = broadcast::channel(CHANGE_CHANNEL_CAPACITY);
        let (commit_commands, queue) = mpsc::channel(256);
        let (work, tasks) = std::sync::mpsc::channel();
        let (maintenance, to_tend) = std::sync::mpsc::channel();
        let committer = recovery::commit_worker(&shared, next_sequence, log, changes.clone(), work.clone())?;
        let thread = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
            spawned.map_err(StoreError::io_error("start the threads for", dir))
        };
        let (for_background, for_tending) = ((shared.clone(), commit_commands.downgrade()), shared.clone());
        let threads = vec![
            thread("store-commit", Box::new(move || committer.run(queue)))?,
            thread("store-flush", Box::new(move || maintenance::run_flushes(&for_background.0, &tasks, &for_background.1)))?,
            thread("store-tend", Box::new(move || maintenance::run_maintenance(&for_tending, &to_tend)))?,
        ];
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let prepare_permits = Arc::new(Semaphore::new(2 * processors));
        let snapshot_thread = SnapshotThread::start(shared.clone()).map_err(StoreError::io_error("start the threads for", dir))?;
        let version = lock(&shared.state).changes();
        Ok(Store {
            shared,
            changes,
            prepare_permits,
            snapshot_thread,
            version,
            senders: Some(StoreThreadSenders { commit_commands, work, maintenance }),
            threads: Mutex::new(threads),
        })
    }

    /// Stores the spans of one request, each of which must occur in the request once. When this function returns, the spans are on disk and
    /// in every later [`snapshot`](Store::snapshot).
    ///
    /// # Errors
    ///
    /// Returns an error if the spans cannot be stored. No part of the request has been acknowledged; unless the error is
    /// [`StoreError::TooLargeForWal`] or [`StoreError::InternalError`], the same request may be sent again.
    pub async fn append(&self, project: u64, spans: Vec<Span>) -> Result<SpanAppendResult, StoreError> {
        let permit = self.prepare_permits.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let prepare = move || {
            let _permit = permit;
            PreparedAppend::new(project, spans)
        };
        let prepared = tokio::task::spawn_blocking(prepare).await.map_err(|_| StoreError::Closed)??;
        self.commit(prepared).await
    }

    /// Stores spans that have already been prepared. The caller therefore chooses the thread that prepares them.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`append`](Store::append).
    pub async fn commit(&self, prepared: PreparedAppend) -> Result<SpanAppendResult, StoreError> {
        let PreparedAppend { request, result, without_id } = prepared;
        if request.spans.is_empty() {
            return Ok(SpanAppendResult { without_id, ..SpanAppendResult::default() });
        }
        self.check_disk_space()?;
        let patience = self.shared.config.queue_timeout;
        let sent = tokio::time::timeout(patience, self.commit_commands()?.send(CommitCommand::Append(Box::new(request)))).await;
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(StoreError::Closed),
            Err(_) => return Err(StoreError::Busy { waited: patience, reason: "the queue is full".to_owned() }),
        }
        let appended = result.await.map_err(|_| StoreError::Closed)??;
        Ok(SpanAppendResult { without_id, ..appended })
    }

    /// Checks that enough disk space is free for ingestion.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError::DiskLow`] if less than [`StoreConfig::reserve_bytes`] is free.
    pub fn check_disk_space(&self) -> Result<(), StoreError> {
        self.shared.check_reserve()
    }

    /// Changes stored spans in place. `revise` receives each span as it was before the deduplication rules, which are then applied again.
    /// Returns the number of spans that changed, durably; spans that are not stored, or that `revise` leaves unchanged, are not counted.
    ///
    /// The commit thread reads, changes and writes the rows in one step, so data that arrives during this time is not lost. This blocks
    /// ingestion: pass at most a few hundred spans at a time.
    ///
    /// # Errors
    ///
    /// Returns an error if the change could not be stored. In this case, nothing has been changed.
    pub async fn revise(&self, project: u64, spans: Vec<(TraceId, SpanId)>, revise: SpanReviser) -> Result<usize, StoreError> {
        let (reply, answer) = oneshot::channel();
        let command = CommitCommand::Revise(Box::new(ReviseRequest { project, spans, revise, reply }));
        self.commit_commands()?.send(command).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Returns the traces, with their projects, that received a span that is not a call but has usage that may be counted or may belong to
    /// a call. Each trace is returned once. After a restart, earlier traces are not returned.
    pub fn take_usage_gaps(&self) -> Vec<(u64, TraceId)> {
        std::mem::take(&mut *lock(&self.shared.usage_gaps)).into_iter().collect()
    }

    /// Returns all stored spans at this moment, each once.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.current_snapshot().or_else(|| self.snapshot_thread.take_snapshot()).unwrap_or_else(|| self.shared.snapshot())
    }

    /// Returns the number of the last change of the stored rows. It is incremented before the sender of the change gets its answer.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Returns a receiver of all changes from now on. A receiver that is too slow gets an error with the number of changes that it missed.
    pub fn changes(&self) -> broadcast::Receiver<SpanStoreChange> {
        self.changes.subscribe()
    }

    /// Adds a subscriber: it receives each row that is added or removed from now on, before the sender of the row gets its answer. Any
    /// number of subscribers may be added.
    pub fn subscribe_to_rows(&self, subscriber: Arc<dyn RowChangeSubscriber>) {
        self.shared.subscribers.add(subscriber);
    }

    /// Waits for a commit that is selecting rows for subscribers. If a subscriber selects other rows from now on, the next
    /// [`Store::snapshot`] contains the earlier rows that the subscriber had not selected.
    pub fn wait_for_publication(&self) {
        self.shared.subscribers.wait_for_publication();
    }

    /// Writes the memtables as segments. When it returns, everything that was appended before is in a segment.
    ///
    /// # Errors
    ///
    /// Returns an error if a file could not be written. The spans stay in the WAL and in the memtable.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let mut progress = self.shared.progress.subscribe();
        loop {
            let failures = progress.borrow_and_update().failures;
            let (reply, answer) = oneshot::channel();
            self.commit_commands()?.send(CommitCommand::Freeze(Some(reply))).await.map_err(|_| StoreError::Closed)?;
            let frozen = answer.await.map_err(|_| StoreError::Closed)??;
            let waiting_for = match frozen {
                FreezeResult::Empty => return Ok(()),
                FreezeResult::Now(generation) => Some(generation),
                FreezeResult::Later => None,
            };
            loop {
                {
                    let now = progress.borrow_and_update();
                    let failed = now.error.as_ref().filter(|_| now.failures > failures);
                    if let Some(error) = failed {
                        return Err(error.clone());
                    }
                    if waiting_for.is_some_and(|generation| now.flushed >= generation) {
                        return Ok(());
                    }
                }
                if waiting_for.is_none() && lock(&self.shared.state).frozen.is_none() {
                    break;
                }
                progress.changed().await.map_err(|_| StoreError::Closed)?;
            }
        }
    }

    /// Stores queued requests, flushes, and ends the threads. Later appends fail with [`StoreError::Closed`].
    ///
    /// # Errors
    ///
    /// Returns an error if the flush failed. The store is closed even then, and no acknowledged data is lost.
    pub async fn close(&self) -> Result<(), StoreError> {
        let flushed = self.flush().await;
        let (done, ended) = oneshot::channel();
        let senders = self.senders.as_ref().ok_or(StoreError::Closed)?;
        if senders.commit_commands.send(CommitCommand::Close(done)).await.is_ok() {
            let _ = ended.await;
        }
        let _ = senders.work.send(FlushCommand::Stop);
        let _ = senders.maintenance.send(MaintenanceCommand::Stop);
        let threads = std::mem::take(&mut *lock(&self.threads));
        let _ = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join()))).await;
        flushed
    }

    /// Asks maintenance to end soon, because the server is stopping. The segment that is being written is finished, and sweeps of further
    /// segments return [`StoreError::Closed`]. Deletions that are recorded elsewhere continue at the next start.
    pub fn stop_maintenance(&self) {
        self.shared.is_stopping.store(true, Ordering::Release);
    }

    /// If the last request could not be stored, checks whether the next request could be stored, and clears [`StoreStats::intake_error`] if
    /// so. Must be called periodically.
    pub async fn retry_ingestion(&self) {
        if lock(&self.shared.health.ingestion_error).is_some()
            && let Ok(commands) = self.commit_commands()
        {
            // If the channel is closed, the store is closing.
            let _ = commands.send(CommitCommand::Probe).await;
        }
    }

    /// Returns the statistics of the store.
    pub fn stats(&self) -> StoreStats {
        let mut stats = self.shared.stats();
        let threads = lock(&self.threads);
        if let Some(ended) = threads.iter().find(|thread| thread.is_finished()) {
            let name = ended.thread().name().unwrap_or_default();
            stats.intake_error =
                Some(format!("the thread {name} stopped because of an internal error; restart the server: no acknowledged data is lost"));
        }
        stats
    }

    /// Merges small segments until there is nothing to merge, and builds missing sidecar files. Without this call, merging and building
    /// happen gradually in the background. Returns the number of merges.
    ///
    /// # Errors
    ///
    /// Returns an error if a file could not be read or written.
    pub async fn compact(&self) -> Result<usize, StoreError> {
        let (reply, answer) = oneshot::channel();
        let senders = self.senders.as_ref().ok_or(StoreError::Closed)?;
        senders.maintenance.send(MaintenanceCommand::Compact(reply)).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    fn commit_commands(&self) -> Result<&mpsc::Sender<CommitCommand>, StoreError> {
        self.senders.as_ref().map(|senders| &senders.commit_commands).ok_or(StoreError::Closed)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // All threads end when their senders are dropped. Joining them frees the directory for another owner.
        self.senders = None;
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
extern crate self as hinomi_store;
#[cfg(test)]
mod tests;
