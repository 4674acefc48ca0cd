//! The commit thread: the only place where spans become durable, visible and acknowledged, in this order.
//!
//! All requests that were queued while the disk was busy form one commit group: one write, one `fdatasync`.

mod duplicate_calls;
pub(crate) mod group;
pub(crate) mod recent_calls;
pub(crate) mod span_lookup;
mod stage;
mod stray_events;
#[cfg(test)]
mod tests;
pub(crate) mod trace_state_cache;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use hinomi_model::dedup::duplicate_reports::SERVER_OP;
use hinomi_model::dedup::{SpanDecision, SpanNode, duplicate_reports, usage_completion};
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::partial_spans;
use hinomi_model::span::Span;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::commit::group::{CommitGroup, SegmentReaderCache, load_trace, stored_rows};
use super::commit::recent_calls::RecentCallIndex;
use super::commit::span_lookup::SpanLookup;
use super::commit::trace_state_cache::{IncomingSpanNode, TraceKey, TraceStateCache};
use super::error::StoreError;
use super::key_hash::SpanKey;
use super::maintenance::{FlushCommand, panic_message};
use super::rows::{SpanRow, preview};
use super::segment::row_order::KEY_COLUMNS;
use super::state::{StoreInner, lock};
use super::wal::frame::{CompressedSpans, DecisionCorrection, WalFramePreamble};
use super::wal::{WalWriter, frame};
use super::{SpanAppendResult, SpanReviser, SpanStoreChange};

/// Maximum number of requests, and of their bytes, in a commit group.
const MAX_GROUP_REQUESTS: usize = 256;
const MAX_GROUP_BYTES: usize = 16 << 20;
/// Maximum number of spans that are remembered as full, meaning that nothing more is joined to them. Finding that out again requires
/// reading the whole span.
const MAX_FULL_SPANS: usize = 10_000;
/// Bytes of capacity that are kept for the frames of the next group.
const RETAINED_FRAME_BYTES: usize = 4 << 20;

/// A command to the commit thread.
#[derive(Debug)]
pub(super) enum CommitCommand {
    Append(Box<AppendRequest>),
    Revise(Box<ReviseRequest>),
    /// Freezes the active memtable for a flush.
    Freeze(Option<oneshot::Sender<Result<FreezeResult, StoreError>>>),
    /// Checks whether ingestion works again after a failure.
    Probe,
    /// Finishes what is queued and ends the thread.
    Close(oneshot::Sender<()>),
    /// Panics like a defect in the program, for tests.
    #[cfg(test)]
    Panic,
}

/// Answer to [`CommitCommand::Freeze`].
#[derive(Debug, PartialEq)]
pub(super) enum FreezeResult {
    /// The memtable of this generation is being flushed.
    Now(u64),
    /// An earlier generation is not flushed yet; the caller asks again later.
    Later,
    /// There is nothing to flush.
    Empty,
}

/// Spans of one request, prepared outside of the commit thread.
#[derive(Debug)]
pub(super) struct AppendRequest {
    pub(super) project: u64,
    pub(super) received_us: i64,
    pub(super) spans: Vec<Span>,
    pub(super) blob: CompressedSpans,
    pub(super) reply: oneshot::Sender<Result<SpanAppendResult, StoreError>>,
}

/// Stored spans to change in place.
pub(super) struct ReviseRequest {
    pub(super) project: u64,
    pub(super) spans: Vec<(TraceId, SpanId)>,
    pub(super) revise: SpanReviser,
    pub(super) reply: oneshot::Sender<Result<usize, StoreError>>,
}

impl std::fmt::Debug for ReviseRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReviseRequest").field("project", &self.project).field("spans", &self.spans).finish_non_exhaustive()
    }
}

/// A request that is committed as a whole.
#[derive(Debug)]
enum CommitUnit {
    Append(Box<AppendRequest>),
    Revise(Box<ReviseRequest>),
}

/// State that the commit thread owns.
#[derive(Debug)]
pub(super) struct CommitWorker {
    pub(super) shared: Arc<StoreInner>,
    pub(super) log: WalWriter,
    pub(super) next_log: u64,
    pub(super) next_sequence: u64,
    pub(super) trace_states: TraceStateCache,
    pub(super) recent_calls: [RecentCallIndex; 2],
    /// True if `recent_calls` may contain reports that are not stored.
    pub(super) may_have_stale_calls: bool,
    pub(super) readers: SegmentReaderCache,
    /// Spans to which no further parts are joined. The set may be incomplete.
    pub(super) full_spans: HashSet<SpanKey>,
    pub(super) changes: broadcast::Sender<SpanStoreChange>,
    pub(super) flush_commands: std::sync::mpsc::Sender<FlushCommand>,
    /// Buffer for the frames of a group; empty between groups. Allocating memory for each group takes more time than writing the frames.
    pub(super) frame_buffer: Vec<u8>,
}

/// Effects of the deduplication rules for a frame.
struct FrameDecisionSummary {
    traces: Vec<TraceId>,
    /// Number of spans outside of the frame whose decision changed.
    corrected: usize,
}

/// Spans of a request that are not new, by their indices in it.
#[derive(Default)]
struct DuplicateSpanIndices {
    /// Spans that occur earlier in the same request.
    repeated: Vec<u32>,
    /// Spans that are stored or in the commit group.
    stored: Vec<u32>,
}

/// Spans of a request that were joined with the stored spans of the same IDs.
#[derive(Default)]
struct MergedSpans {
    /// Joined spans by the index of the incoming span.
    joined: Vec<(u32, Span)>,
    /// Number of spans that were not joined because the stored span is full.
    rejected: usize,
}

/// Returns what the deduplication rules need of an incoming span.
fn rule_node(span: &Span) -> SpanNode {
    let asked = || preview(&span.input_messages, "user");
    let answered = || preview(&span.output_messages, "assistant");
    let texts = if span.is_call() { duplicate_reports::hash_of_texts(asked().as_deref(), answered().as_deref()) } else { None };
    SpanNode { texts, ..SpanNode::of(span) }
}

fn span_key(project: u64, span: &Span) -> SpanKey {
    SpanKey { project, trace: span.trace_id, span: span.span_id }
}

/// Requests that are being committed together.
#[derive(Default)]
struct CommitBatch {
    group: CommitGroup,
    /// Frames of the requests.
    bytes: Vec<u8>,
    /// Traces to which the deduplication rules were applied.
    decided_traces: Vec<TraceKey>,
    /// True if calls were found that are reported more than once.
    has_duplicate_reports: bool,
    /// True while a frame is in `bytes` and not all of its rows are in the group.
    is_partly_staged: bool,
}

/// A request whose frames are in the group.
struct PendingCommit {
    reply: CommitReply,
    change: Option<SpanStoreChange>,
}

/// The sender of a request, and the answer for it once the request is durable.
enum CommitReply {
    Appended(oneshot::Sender<Result<SpanAppendResult, StoreError>>, SpanAppendResult),
    Revised(oneshot::Sender<Result<usize, StoreError>>, usize),
}

impl CommitUnit {
    /// Returns the sender with the answer that nothing was done.
    fn into_reply(self) -> CommitReply {
        match self {
            CommitUnit::Append(request) => CommitReply::Appended(request.reply, SpanAppendResult::default()),
            CommitUnit::Revise(revision) => CommitReply::Revised(revision.reply, 0),
        }
    }
}

impl CommitReply {
    /// Sends the answer. A sender that no longer waits is not an error.
    fn send(self) {
        match self {
            CommitReply::Appended(reply, appended) => drop(reply.send(Ok(appended))),
            CommitReply::Revised(reply, count) => drop(reply.send(Ok(count))),
        }
    }

    fn send_error(self, error: StoreError) {
        match self {
            CommitReply::Appended(reply, _) => drop(reply.send(Err(error))),
            CommitReply::Revised(reply, _) => drop(reply.send(Err(error))),
        }
    }
}

impl CommitWorker {
    /// Runs until it is closed or all command senders are dropped.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<CommitCommand>) {
        self.load_recent_calls();
        let mut queue = Vec::new();
        loop {
            if commands.blocking_recv_many(&mut queue, MAX_GROUP_REQUESTS) == 0 {
                return;
            }
            let mut units = Vec::new();
            let mut bytes = 0;
            for command in queue.drain(..) {
                match command {
                    CommitCommand::Append(request) => {
                        bytes += request.blob.compressed.len();
                        units.push(CommitUnit::Append(request));
                        if bytes > MAX_GROUP_BYTES {
                            self.commit_units(std::mem::take(&mut units));
                            bytes = 0;
                        }
                    }
                    // Its size is known only after the rows have been read, so it gets a group of its own.
                    CommitCommand::Revise(revision) => {
                        self.commit_units(std::mem::take(&mut units));
                        self.commit_units(vec![CommitUnit::Revise(revision)]);
                    }
                    CommitCommand::Freeze(reply) => {
                        self.commit_units(std::mem::take(&mut units));
                        let frozen = self.freeze_memtable();
                        if let Some(reply) = reply {
                            let _ = reply.send(frozen);
                        }
                    }
                    CommitCommand::Probe => {
                        self.commit_units(std::mem::take(&mut units));
                        self.clear_ingestion_error();
                    }
                    CommitCommand::Close(done) => {
                        self.commit_units(std::mem::take(&mut units));
                        commands.close();
                        let _ = done.send(());
                    }
                    #[cfg(test)]
                    CommitCommand::Panic => panic!("requested by a test"),
                }
            }
            self.commit_units(units);
        }
    }

    /// Stores a group of requests and answers each.
    fn commit_units(&mut self, units: Vec<CommitUnit>) {
        if units.is_empty() {
            return;
        }
        if let Err(error) = self.wait_for_memtable() {
            return self.reject_all(units.into_iter().map(CommitUnit::into_reply), &error);
        }
        if std::mem::take(&mut self.may_have_stale_calls) {
            // The pairs of calls that were found could not be stored and must be found again.
            self.recent_calls.iter_mut().for_each(RecentCallIndex::clear);
            self.load_recent_calls();
        }
        let mut staging = CommitBatch { bytes: std::mem::take(&mut self.frame_buffer), ..CommitBatch::default() };
        let first_sequence = self.next_sequence;
        let staged: Vec<PendingCommit> = units.into_iter().filter_map(|unit| self.stage_unit(unit, &mut staging)).collect();

        let CommitBatch { group, mut bytes, decided_traces, has_duplicate_reports, .. } = staging;
        let written = if bytes.is_empty() { Ok(()) } else { self.log.write_group(&bytes) };
        bytes.clear();
        bytes.shrink_to(RETAINED_FRAME_BYTES);
        self.frame_buffer = bytes;
        if let Err(error) = written {
            self.next_sequence = first_sequence;
            for key in &decided_traces {
                self.trace_states.remove_trace(key);
            }
            self.may_have_stale_calls |= has_duplicate_reports;
            return self.reject_all(staged.into_iter().map(|waiting| waiting.reply), &error);
        }
        *lock(&self.shared.health.ingestion_error) = None;
        if group.rows() > 0 {
            group.publish(&self.shared, &mut self.readers);
        }
        self.trace_states.evict_oldest();
        self.shared.health.log_bytes.store(self.log.bytes(), Ordering::Relaxed);
        self.shared.health.log_sequence.store(self.next_sequence - 1, Ordering::Release);
        for waiting in staged {
            waiting.reply.send();
            // Having no subscribers is not an error.
            waiting.change.map(|change| self.changes.send(change));
        }
        if self.is_full(1) {
            // `freeze_memtable` reports its own failures, and the next group tries again.
            let _ = self.freeze_memtable();
        }
    }

    /// Decides which spans of a request are stored, and adds its frames to the group. Returns `None` if the request has already been
    /// answered.
    fn stage_unit(&mut self, unit: CommitUnit, staging: &mut CommitBatch) -> Option<PendingCommit> {
        match unit {
            CommitUnit::Append(request) => {
                let AppendRequest { project, received_us, spans, blob, reply } = *request;
                match self.catch_panic(staging, |own, staging| own.append(project, received_us, spans, blob, staging)) {
                    Ok((appended, change)) => Some(PendingCommit { reply: CommitReply::Appended(reply, appended), change }),
                    Err(error) => {
                        let _ = reply.send(Err(error));
                        None
                    }
                }
            }
            CommitUnit::Revise(revision) => {
                let ReviseRequest { project, spans, revise, reply } = *revision;
                match self.catch_panic(staging, |own, staging| own.revise(project, spans, &*revise, staging)) {
                    Ok((count, change)) => Some(PendingCommit { reply: CommitReply::Revised(reply, count), change }),
                    Err(error) => {
                        let _ = reply.send(Err(error));
                        None
                    }
                }
            }
        }
    }

    /// Runs `stage` and turns a panic in it into an error: a panic about the spans of one request must not end ingestion.
    fn catch_panic<T>(
        &mut self,
        staging: &mut CommitBatch,
        stage: impl FnOnce(&mut CommitWorker, &mut CommitBatch) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        catch_unwind(AssertUnwindSafe(|| stage(self, staging))).unwrap_or_else(|fault| {
            if staging.is_partly_staged {
                // The durable frame would lack rows in the memtable. The thread ends, and the statistics report it.
                resume_unwind(fault);
            }
            tracing::error!(fault = panic_message(&*fault), "store.request.failed");
            // The caches may contain spans that are not stored.
            self.trace_states.forget_all();
            self.may_have_stale_calls = true;
            Err(StoreError::InternalError)
        })
    }

    /// Clears the ingestion error once ingestion would work again. Without new requests it would be reported forever.
    fn clear_ingestion_error(&mut self) {
        if lock(&self.shared.health.ingestion_error).is_none() {
            return;
        }
        // A full memtable is frozen once the previous one is flushed; failed flushes are retried automatically.
        if self.is_full(1) {
            let _ = self.freeze_memtable();
        }
        if self.log.check_usable().is_ok() && !self.is_full(2) && self.shared.folder.check_writable().is_ok() {
            *lock(&self.shared.health.ingestion_error) = None;
            tracing::info!("store.ingestion.resumed");
        }
    }

    /// Answers requests that are not stored. Logs the failure once and returns it in every answer.
    fn reject_all(&self, replies: impl Iterator<Item = CommitReply>, error: &StoreError) {
        let last = lock(&self.shared.health.ingestion_error).replace(error.to_string());
        if last.is_none() {
            tracing::error!(%error, "store.ingestion.paused");
        }
        for reply in replies {
            reply.send_error(error.clone());
        }
    }

    /// Waits for a flush while the memtable has twice its intended size, which bounds memory instead of rejecting requests at once.
    fn wait_for_memtable(&mut self) -> Result<(), StoreError> {
        let began = Instant::now();
        while self.is_full(2) {
            self.freeze_memtable()?;
            let waited = began.elapsed();
            if waited > self.shared.config.queue_timeout {
                let error = self.shared.progress.borrow().error.clone();
                if let Some(full @ StoreError::DiskFull { .. }) = error {
                    return Err(full);
                }
                let reason = error.map_or_else(|| "segments are written too slowly".to_owned(), |error| error.to_string());
                return Err(StoreError::Busy { waited, reason });
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        Ok(())
    }

    /// Freezes the active memtable for a flush and starts the next WAL file.
    fn freeze_memtable(&mut self) -> Result<FreezeResult, StoreError> {
        // A new file would hide that the last one may be incomplete.
        self.log.check_usable()?;
        {
            let state = lock(&self.shared.state);
            if state.frozen.is_some() {
                return Ok(FreezeResult::Later);
            }
            if state.active.rows() == 0 {
                return Ok(FreezeResult::Empty);
            }
        }
        let closed: Option<PathBuf> = if self.log.is_empty() {
            None
        } else {
            let next = WalWriter::create(self.shared.folder.log(self.next_log)).inspect_err(|error| {
                tracing::warn!(%error, "store.wal.rotate_failed");
            })?;
            self.next_log += 1;
            Some(std::mem::replace(&mut self.log, next).path().to_owned())
        };
        let mut state = lock(&self.shared.state);
        state.active.logs.extend(closed);
        let generation = state.active.generation;
        state.freeze(self.next_sequence - 1);
        drop(state);
        // The background thread ends only after this one.
        let _ = self.flush_commands.send(FlushCommand::Flush);
        Ok(FreezeResult::Now(generation))
    }
}
