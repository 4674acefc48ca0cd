//! The commit thread: the one place where spans become durable, visible and acknowledged, in this order.
//!
//! Whatever has queued up while the disk was busy is one group: one write, one `fdatasync`.

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

use hinomi_model::dedup::duplicate_reports::SERVING;
use hinomi_model::dedup::{SpanDecision, SpanNode, duplicate_reports};
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::partial_spans;
use hinomi_model::span::Span;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::commit::group::{CommitGroup, SegmentReaderCache, load_trace, stored};
use super::commit::recent_calls::RecentCallIndex;
use super::commit::span_lookup::SpanLookup;
use super::commit::trace_state_cache::{IncomingSpanNode, TraceKey, TraceStateCache};
use super::error::StoreError;
use super::key_hash::SpanKey;
use super::maintenance::{FlushCommand, text_of};
use super::rows::{SpanRow, preview};
use super::segment::row_order::KEY_COLUMNS;
use super::state::{StoreInner, lock};
use super::wal::frame::{CompressedSpans, DecisionCorrection, WalFramePreamble};
use super::wal::{WalWriter, frame};
use super::{SpanAppendResult, SpanReviser, SpanStoreChange};

/// Requests, and bytes of them, that are committed together at most.
const GROUP_REQUESTS: usize = 256;
const GROUP_BYTES: usize = 16 << 20;
/// Spans that are remembered to take nothing more. To find that out means to read all of a span.
const FULL_SPANS: usize = 10_000;
/// Bytes that are kept for the frames of the next group.
const KEPT_BYTES: usize = 4 << 20;

/// What the commit thread is asked for.
#[derive(Debug)]
pub(super) enum CommitCommand {
    Append(Box<AppendRequest>),
    Revise(Box<ReviseRequest>),
    /// Put the active buffer aside for a flush.
    Freeze(Option<oneshot::Sender<Result<FreezeResult, StoreError>>>),
    /// See whether intake that failed would work again.
    Probe,
    /// Finish what is queued and end.
    Close(oneshot::Sender<()>),
    /// Fail as a defect would that nothing guards against.
    #[cfg(test)]
    Panic,
}

/// The answer to [`CommitCommand::Freeze`].
#[derive(Debug, PartialEq)]
pub(super) enum FreezeResult {
    /// This generation is being flushed.
    Now(u64),
    /// An earlier generation is not flushed yet; ask again.
    Later,
    /// There is nothing to flush.
    Empty,
}

/// Spans of one caller, made ready outside of the thread.
#[derive(Debug)]
pub(super) struct AppendRequest {
    pub(super) project: u64,
    pub(super) received_us: i64,
    pub(super) spans: Vec<Span>,
    pub(super) blob: CompressedSpans,
    pub(super) reply: oneshot::Sender<Result<SpanAppendResult, StoreError>>,
}

/// Stored spans that are to be changed where they are.
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

/// What is committed in one piece.
#[derive(Debug)]
enum CommitUnit {
    Append(Box<AppendRequest>),
    Revise(Box<ReviseRequest>),
}

/// What the thread owns.
#[derive(Debug)]
pub(super) struct CommitWorker {
    pub(super) shared: Arc<StoreInner>,
    pub(super) log: WalWriter,
    pub(super) next_log: u64,
    pub(super) next_sequence: u64,
    pub(super) traces: TraceStateCache,
    pub(super) responses: [RecentCallIndex; 2],
    /// True when `responses` may hold what is not stored.
    pub(super) calls_unsure: bool,
    pub(super) readers: SegmentReaderCache,
    /// Some of the spans to which nothing more is joined.
    pub(super) full: HashSet<SpanKey>,
    pub(super) changes: broadcast::Sender<SpanStoreChange>,
    pub(super) work: std::sync::mpsc::Sender<FlushCommand>,
    /// Where the frames of a group are put together; empty between groups. Fresh memory for each costs more than what is written in it.
    pub(super) frames: Vec<u8>,
}

/// What the rules said of a frame.
struct FrameDecisionSummary {
    traces: Vec<TraceId>,
    /// Spans outside of the frame whose decision changed.
    corrected: usize,
}

/// Spans of a request that are not new, by their indices.
#[derive(Default)]
struct DuplicateSpanIndices {
    /// They stand in the request before.
    dropped: Vec<u32>,
    /// They are stored, or in the group.
    known: Vec<u32>,
}

/// Spans of a request that stand for what is stored and what came.
#[derive(Default)]
struct MergedSpans {
    /// Both as one, by the index of what came.
    whole: Vec<(u32, Span)>,
    /// How many were not joined, since there is no room for more in the stored span.
    refused: usize,
}

/// What the rules must know of a span that came.
fn node_of(span: &Span) -> SpanNode {
    let asked = || preview(&span.input_messages, "user");
    let answered = || preview(&span.output_messages, "assistant");
    let texts = if span.is_call() { duplicate_reports::hash_of_texts(asked().as_deref(), answered().as_deref()) } else { None };
    SpanNode { texts, ..SpanNode::of(span) }
}

fn key(project: u64, span: &Span) -> SpanKey {
    SpanKey { project, trace: span.trace_id, span: span.span_id }
}

/// Turns that are being committed together.
#[derive(Default)]
struct CommitBatch {
    group: CommitGroup,
    /// Their frames.
    bytes: Vec<u8>,
    /// Traces about which the rules were asked.
    touched: Vec<TraceKey>,
    /// True when calls were found to be reported more than once.
    paired: bool,
    /// True while a frame is among the bytes and its rows are not yet, or only partly, in the group.
    is_torn: bool,
}

/// A turn whose frames are in the group.
struct PendingCommit {
    reply: CommitReply,
    change: Option<SpanStoreChange>,
}

/// Who waits for a turn, and what they are told when it is durable.
enum CommitReply {
    Appended(oneshot::Sender<Result<SpanAppendResult, StoreError>>, SpanAppendResult),
    Revised(oneshot::Sender<Result<usize, StoreError>>, usize),
}

impl CommitUnit {
    /// Who waits, with the answer for nothing done.
    fn into_reply(self) -> CommitReply {
        match self {
            CommitUnit::Append(request) => CommitReply::Appended(request.reply, SpanAppendResult::default()),
            CommitUnit::Revise(revision) => CommitReply::Revised(revision.reply, 0),
        }
    }
}

impl CommitReply {
    /// Tells that it is done. A caller that has gone is no failure.
    fn done(self) {
        match self {
            CommitReply::Appended(reply, appended) => drop(reply.send(Ok(appended))),
            CommitReply::Revised(reply, count) => drop(reply.send(Ok(count))),
        }
    }

    fn failed(self, error: StoreError) {
        match self {
            CommitReply::Appended(reply, _) => drop(reply.send(Err(error))),
            CommitReply::Revised(reply, _) => drop(reply.send(Err(error))),
        }
    }
}

impl CommitWorker {
    /// Works until it is told to end or nobody can ask any more.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<CommitCommand>) {
        self.remember_calls();
        let mut queue = Vec::new();
        loop {
            if commands.blocking_recv_many(&mut queue, GROUP_REQUESTS) == 0 {
                return;
            }
            let mut turns = Vec::new();
            let mut bytes = 0;
            for command in queue.drain(..) {
                match command {
                    CommitCommand::Append(request) => {
                        bytes += request.blob.compressed.len();
                        turns.push(CommitUnit::Append(request));
                        if bytes > GROUP_BYTES {
                            self.commit(std::mem::take(&mut turns));
                            bytes = 0;
                        }
                    }
                    // What it amounts to is known when it has been read: it is a group of its own.
                    CommitCommand::Revise(revision) => {
                        self.commit(std::mem::take(&mut turns));
                        self.commit(vec![CommitUnit::Revise(revision)]);
                    }
                    CommitCommand::Freeze(reply) => {
                        self.commit(std::mem::take(&mut turns));
                        let frozen = self.freeze();
                        if let Some(reply) = reply {
                            let _ = reply.send(frozen);
                        }
                    }
                    CommitCommand::Probe => {
                        self.commit(std::mem::take(&mut turns));
                        self.probe();
                    }
                    CommitCommand::Close(done) => {
                        self.commit(std::mem::take(&mut turns));
                        commands.close();
                        let _ = done.send(());
                    }
                    #[cfg(test)]
                    CommitCommand::Panic => panic!("asked for by a test"),
                }
            }
            self.commit(turns);
        }
    }

    /// Stores a group of turns and answers each.
    fn commit(&mut self, turns: Vec<CommitUnit>) {
        if turns.is_empty() {
            return;
        }
        if let Err(error) = self.make_room() {
            return self.refuse(turns.into_iter().map(CommitUnit::into_reply), &error);
        }
        if std::mem::take(&mut self.calls_unsure) {
            // What was found of calls that are reported more than once could not be stored: it is to be found again.
            self.responses.iter_mut().for_each(RecentCallIndex::forget_all);
            self.remember_calls();
        }
        let mut staging = CommitBatch { bytes: std::mem::take(&mut self.frames), ..CommitBatch::default() };
        let first_sequence = self.next_sequence;
        let staged: Vec<PendingCommit> = turns.into_iter().filter_map(|turn| self.stage_turn(turn, &mut staging)).collect();

        let CommitBatch { group, mut bytes, touched, paired, .. } = staging;
        let written = if bytes.is_empty() { Ok(()) } else { self.log.write(&bytes) };
        bytes.clear();
        bytes.shrink_to(KEPT_BYTES);
        self.frames = bytes;
        if let Err(error) = written {
            self.next_sequence = first_sequence;
            for key in &touched {
                self.traces.forget(key);
            }
            self.calls_unsure |= paired;
            return self.refuse(staged.into_iter().map(|waiting| waiting.reply), &error);
        }
        *lock(&self.shared.health.intake_error) = None;
        if group.rows() > 0 {
            group.publish(&self.shared, &mut self.readers);
        }
        self.traces.evict();
        self.shared.health.log_bytes.store(self.log.bytes(), Ordering::Relaxed);
        self.shared.health.log_sequence.store(self.next_sequence - 1, Ordering::Relaxed);
        for waiting in staged {
            waiting.reply.done();
            // A change that nobody watches is no failure.
            waiting.change.map(|change| self.changes.send(change));
        }
        if self.is_full(1) {
            // A failure is told of where it is handled, and the next group tries again.
            let _ = self.freeze();
        }
    }

    /// Decides what of a turn is stored, and adds its frames to the group. `None` when it had to be answered at once.
    fn stage_turn(&mut self, turn: CommitUnit, staging: &mut CommitBatch) -> Option<PendingCommit> {
        match turn {
            CommitUnit::Append(request) => {
                let AppendRequest { project, received_us, spans, blob, reply } = *request;
                match self.guarded(staging, |own, staging| own.append(project, received_us, spans, blob, staging)) {
                    Ok((appended, change)) => Some(PendingCommit { reply: CommitReply::Appended(reply, appended), change }),
                    Err(error) => {
                        let _ = reply.send(Err(error));
                        None
                    }
                }
            }
            CommitUnit::Revise(revision) => {
                let ReviseRequest { project, spans, revise, reply } = *revision;
                match self.guarded(staging, |own, staging| own.revise(project, spans, &*revise, staging)) {
                    Ok((count, change)) => Some(PendingCommit { reply: CommitReply::Revised(reply, count), change }),
                    Err(error) => {
                        let _ = reply.send(Err(error));
                        None
                    }
                }
            }
        }
    }

    /// A fault in what is asked about the spans of a turn must not end intake: that turn alone is refused.
    fn guarded<T>(
        &mut self,
        staging: &mut CommitBatch,
        stage: impl FnOnce(&mut CommitWorker, &mut CommitBatch) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        catch_unwind(AssertUnwindSafe(|| stage(self, staging))).unwrap_or_else(|fault| {
            if staging.is_torn {
                // Rows would be missing of what is about to be durable. The thread ends, and the statistics say so.
                resume_unwind(fault);
            }
            tracing::error!(fault = text_of(&*fault), "store.request.failed");
            // They may know of spans now that are not stored.
            self.traces.forget_all();
            self.calls_unsure = true;
            Err(StoreError::Fault)
        })
    }

    /// Takes back that intake fails, once it would not: a server that nobody writes to would say so for ever.
    fn probe(&mut self) {
        if lock(&self.shared.health.intake_error).is_none() {
            return;
        }
        // A buffer that is full is put aside as soon as the one before it is flushed, which is tried again by itself.
        if self.is_full(1) {
            let _ = self.freeze();
        }
        if self.log.usable().is_ok() && !self.is_full(2) && self.shared.folder.probe().is_ok() {
            *lock(&self.shared.health.intake_error) = None;
            tracing::info!("store.ingestion.resumed");
        }
    }

    /// Answers requests that are not stored. The log tells of a failure once, the answers each time.
    fn refuse(&self, replies: impl Iterator<Item = CommitReply>, error: &StoreError) {
        let last = lock(&self.shared.health.intake_error).replace(error.to_string());
        if last.is_none() {
            tracing::error!(%error, "store.ingestion.paused");
        }
        for reply in replies {
            reply.failed(error.clone());
        }
    }

    /// Waits for a flush when the buffer is twice as large as it should be: memory is bounded, not intake.
    fn make_room(&mut self) -> Result<(), StoreError> {
        let began = Instant::now();
        while self.is_full(2) {
            self.freeze()?;
            let waited = began.elapsed();
            if waited > self.shared.config.patience {
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

    /// Puts the active buffer aside for a flush and starts another log file.
    fn freeze(&mut self) -> Result<FreezeResult, StoreError> {
        // Another file would hide that the last one may not hold what it should.
        self.log.usable()?;
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
        let _ = self.work.send(FlushCommand::Flush);
        Ok(FreezeResult::Now(generation))
    }
}
