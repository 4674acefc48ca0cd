//! The commit thread: the one place where spans become durable, visible and acknowledged, in this order.
//!
//! Whatever has queued up while the disk was busy is one group: one write, one `fdatasync`.

mod duplicate_calls;
pub(crate) mod group;
pub(crate) mod recent_calls;
pub(crate) mod span_lookup;
mod stray_events;
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

    /// Decides what of a request is stored, and adds its frame to the group.
    fn append(
        &mut self,
        project: u64,
        received_us: i64,
        mut spans: Vec<Span>,
        mut blob: CompressedSpans,
        staging: &mut CommitBatch,
    ) -> Result<(SpanAppendResult, Option<SpanStoreChange>), StoreError> {
        let moved = self.take_strays(project, &mut spans, &staging.group);
        let DuplicateSpanIndices { mut dropped, known } = self.repeats(project, &spans, &staging.group);
        if !self.full.is_empty() {
            // What was deleted and comes again is another span.
            let is_new = |index: &u32| known.binary_search(index).is_err() && dropped.binary_search(index).is_err();
            (0..).zip(&spans).filter(|(index, _)| is_new(index)).for_each(|(_, span)| _ = self.full.remove(&key(project, span)));
        }
        let mut joined = Vec::new();
        let MergedSpans { whole, refused } = self.join(project, &spans, &known, &staging.group);
        for (index, span) in whole {
            spans[index as usize] = span;
            joined.push(index);
        }
        joined.sort_unstable();
        dropped.extend(known.into_iter().filter(|index| joined.binary_search(index).is_err()));
        dropped.sort_unstable();
        let stored = spans.len() - dropped.len() - joined.len();
        let duplicates = dropped.len() - refused;
        let mut appended =
            SpanAppendResult { stored, joined: joined.len(), duplicates, too_many_pieces: refused, ..SpanAppendResult::default() };
        if stored + joined.len() + moved.len() == 0 {
            return Ok((appended, None));
        }
        if !joined.is_empty() || !moved.is_empty() {
            blob = frame::pack(&spans).map_err(|reason| StoreError::Unfit { reason })?;
        }
        // Only these can make a pair with another trace's call.
        let may_pair = spans.iter().any(|span| span.is_call() || span.op == SERVING);
        // What they were told of the other report may be lost, or there may be more to tell.
        let again: Vec<SpanId> = spans.iter().filter(|span| span.also_reported.is_some()).map(|span| span.span_id).collect();
        let head = WalFramePreamble { project, received_us, raw_len: blob.raw_len, dropped, joined, moved, ..WalFramePreamble::default() };
        let FrameDecisionSummary { traces, corrected } = self.stage(head, spans, &blob, staging);
        appended.corrected = corrected;
        if may_pair {
            self.pair(project, &traces, &again, staging);
        }
        Ok((appended, Some(SpanStoreChange { project, traces: traces.into(), spans: stored })))
    }

    /// Changes stored spans, and adds the frame of those that did change to the group. Returns how many did.
    fn revise(
        &mut self,
        project: u64,
        spans: Vec<(TraceId, SpanId)>,
        revise: &dyn Fn(&mut Span),
        staging: &mut CommitBatch,
    ) -> Result<(usize, Option<SpanStoreChange>), StoreError> {
        let keys = spans.into_iter().map(|(trace, span)| SpanKey { project, trace, span }).collect();
        let rows = self.rows(keys, &staging.group);
        let (count, traces) = self.change(project, rows, revise, staging)?;
        Ok((count, (count > 0).then(|| SpanStoreChange { project, traces: traces.into(), spans: 0 })))
    }

    /// The rows of spans that are stored, or in the group.
    fn rows(&mut self, mut keys: Vec<SpanKey>, group: &CommitGroup) -> Vec<SpanRow> {
        keys.sort_unstable();
        keys.dedup();
        let mut rows = Vec::with_capacity(keys.len());
        let mut elsewhere = Vec::new();
        for key in keys {
            match group.row(&key) {
                Some(row) => rows.push(row.clone()),
                None if group.has_taken_out(&key) => {}
                None => elsewhere.push((key, ())),
            }
        }
        for (_, mut row, ()) in stored(elsewhere, &self.shared, &mut self.readers) {
            group.correct_stored(&mut row);
            rows.push(row);
        }
        rows
    }

    /// Changes what rows say alone, and stages those that did change. Returns how many, and their traces.
    fn change(
        &mut self,
        project: u64,
        rows: Vec<SpanRow>,
        revise: &dyn Fn(&mut Span),
        staging: &mut CommitBatch,
    ) -> Result<(usize, Vec<TraceId>), StoreError> {
        let mut head = WalFramePreamble { project, ..WalFramePreamble::default() };
        let mut spans = Vec::new();
        for mut row in rows {
            let decided = row.local.is_some().then(|| SpanDecision::of(&row.span));
            row.locally().apply(&mut row.span);
            let mut span = row.span.clone();
            // A fault in what a caller wants changed must not end intake.
            let revised = catch_unwind(AssertUnwindSafe(|| revise(&mut span))).is_ok();
            (span.trace_id, span.span_id) = (row.span.trace_id, row.span.span_id);
            if !revised || span == row.span {
                continue;
            }
            let index = spans.len() as u32;
            head.joined.push(index);
            head.received.push((index, row.received_us));
            head.decided.extend(decided.map(|decision| (index, decision)));
            spans.push(span);
        }
        if spans.is_empty() {
            return Ok((0, Vec::new()));
        }
        let blob = frame::pack(&spans).map_err(|reason| StoreError::Unfit { reason })?;
        head.raw_len = blob.raw_len;
        let count = spans.len();
        Ok((count, self.stage(head, spans, &blob, staging).traces))
    }

    /// Asks the rules, and adds the frame and its rows to the group.
    fn stage(
        &mut self,
        mut head: WalFramePreamble,
        spans: Vec<Span>,
        blob: &CompressedSpans,
        staging: &mut CommitBatch,
    ) -> FrameDecisionSummary {
        let traces = self.ask_rules(&spans, &mut head);
        staging.touched.extend(traces.iter().map(|trace| (head.project, *trace)));
        staging.is_torn = true;
        self.log.frame(&mut staging.bytes, self.next_sequence, &frame::payload(&head, &blob.compressed));
        self.next_sequence += 1;
        staging.group.add(&head, spans);
        staging.is_torn = false;
        FrameDecisionSummary { traces, corrected: head.corrections.len() }
    }

    /// Finds the spans that are stored already, or stand in the request or group before.
    fn repeats(&mut self, project: u64, spans: &[Span], group: &CommitGroup) -> DuplicateSpanIndices {
        let mut here = HashSet::with_capacity(spans.len());
        let mut repeats = DuplicateSpanIndices::default();
        let mut search = SpanLookup::default();
        {
            let state = lock(&self.shared.state);
            for (index, span) in (0..).zip(spans) {
                let key = key(project, span);
                if !here.insert(key) {
                    repeats.dropped.push(index);
                } else if group.row(&key).is_some() || state.knows_buffered(&key) {
                    repeats.known.push(index);
                } else {
                    for candidate in state.candidates(&key) {
                        match candidate.is_readable {
                            true => search.add(index as usize, candidate),
                            // No one who sends can damage a file, so that here the hash may decide: what is in it is not stored again.
                            false => repeats.known.push(index),
                        }
                    }
                }
            }
        }
        let mut stored = Vec::new();
        let mut unread = Vec::new();
        let found = |index, _, _| stored.push(index as u32);
        search.read(|index| key(project, &spans[index]), Some(&KEY_COLUMNS), &mut self.readers, found, |index| unread.push(index as u32));
        repeats.known.extend(stored.into_iter().chain(unread));
        repeats.known.sort_unstable();
        repeats.known.dedup();
        repeats
    }

    /// Joins spans to those that are stored under the same id, where there is anything to join.
    fn join(&mut self, project: u64, spans: &[Span], known: &[u32], group: &CommitGroup) -> MergedSpans {
        let mut whole_spans = Vec::new();
        let mut refused = Vec::new();
        let mut elsewhere = Vec::new();
        let known: Vec<(u32, SpanKey)> = known.iter().map(|index| (*index, key(project, &spans[*index as usize]))).collect();
        let of_full = known.iter().filter(|(_, key)| self.full.contains(key)).count();
        let prices = self.shared.config.prices.of(project);
        let config = &self.shared.config;
        let mut join = |index: u32, mut row: SpanRow| {
            row.locally().apply(&mut row.span);
            let new = &spans[index as usize];
            if !partial_spans::has_room(&row.span, new) {
                refused.push(key(project, new));
                return;
            }
            if let Some(mut whole) = (config.join)(&row.span, new, &prices) {
                if let Some(joined) = &mut whole.joined {
                    joined.joins = joined.joins.saturating_add(1);
                }
                whole_spans.push((index, whole));
            }
        };
        for (index, key) in known.into_iter().filter(|(_, key)| !self.full.contains(key)) {
            let span = &spans[index as usize];
            let load = || load_trace(&self.shared, &mut self.readers, project, span.trace_id);
            match group.row(&key) {
                Some(row) => join(index, row.clone()),
                None if span.joined.is_some() || self.traces.came_in_pieces((project, span.trace_id), span.span_id, load) => {
                    elsewhere.push((key, index));
                }
                None => {}
            }
        }
        for (_, row, index) in stored(elsewhere, &self.shared, &mut self.readers) {
            join(index, row);
        }
        let joins = MergedSpans { whole: whole_spans, refused: of_full + refused.len() };
        if self.full.len() + refused.len() > FULL_SPANS {
            self.full.clear();
        }
        self.full.extend(refused);
        joins
    }

    /// Asks the rules of counting about every trace of a request, and writes down what they change. Returns the traces.
    fn ask_rules(&mut self, spans: &[Span], head: &mut WalFramePreamble) -> Vec<TraceId> {
        let kept = (0u32..).zip(spans).filter(|(index, _)| head.dropped.binary_search(index).is_err());
        let mut by_trace: Vec<(u32, &Span)> = kept.collect();
        by_trace.sort_by_key(|(index, span)| (span.trace_id, *index));
        let earlier = std::mem::take(&mut head.decided);
        let mut traces = Vec::new();
        for run in by_trace.chunk_by(|a, b| a.1.trace_id == b.1.trace_id) {
            let trace = run[0].1.trace_id;
            let told =
                |(index, span): &(u32, &Span)| IncomingSpanNode { node: node_of(span), again: head.joined.binary_search(index).is_ok() };
            let load = || load_trace(&self.shared, &mut self.readers, head.project, trace);
            traces.push(trace);
            let Some(verdict) = self.traces.extend((head.project, trace), run.iter().map(told).collect(), load) else {
                // A trace that is too long keeps what was decided while it was shorter.
                head.decided.extend(earlier.iter().filter(|(index, _)| run.iter().any(|(asked, _)| asked == index)).cloned());
                continue;
            };
            head.decided.extend(verdict.decided.into_iter().map(|(index, decision)| (run[index].0, decision)));
            let corrections = verdict.corrections.into_iter();
            head.corrections.extend(corrections.map(|(span, decision)| DecisionCorrection { trace, span, decision }));
        }
        traces
    }

    /// True when the active buffer has grown to some times the size at which it is flushed.
    fn is_full(&self, times: usize) -> bool {
        let config = &self.shared.config;
        let state = lock(&self.shared.state);
        state.active.bytes() >= times * config.flush_bytes || state.active.rows() as usize >= times * config.flush_rows
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::super::maintenance::flush;
    use super::super::stats::StoreHealth;
    use super::super::wal::WalFault;
    use super::super::{AppendResultReceiver, StoreConfig, prepare, recovery};
    use super::*;
    use crate::tests::snapshot_rows::rows;
    use crate::tests::{copy_folder, latest_names_the_pipeline, span};

    fn opened(dir: &std::path::Path) -> (CommitWorker, std::sync::mpsc::Receiver<FlushCommand>) {
        let config = StoreConfig { rules: latest_names_the_pipeline, ..StoreConfig::default() };
        let (shared, next_sequence, log) = recovery::open(dir, config, StoreHealth::default()).unwrap();
        let (work, tasks) = channel();
        (recovery::committer(&shared, next_sequence, log, broadcast::channel(8).0, work).unwrap(), tasks)
    }

    fn request(ids: &[u64]) -> (AppendRequest, AppendResultReceiver) {
        prepare(1, 5, ids.iter().map(|id| span(1, *id, *id as i64)).collect()).unwrap()
    }

    fn commit(committer: &mut CommitWorker, ids: &[&[u64]]) -> Vec<Result<SpanAppendResult, StoreError>> {
        let (requests, answers): (Vec<AppendRequest>, Vec<AppendResultReceiver>) = ids.iter().map(|ids| request(ids)).unzip();
        committer.commit(requests.into_iter().map(|request| CommitUnit::Append(Box::new(request))).collect());
        answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect()
    }

    #[test]
    fn a_full_disk_refuses_the_group_and_takes_it_later() {
        let dir = tempfile::tempdir().unwrap();
        let (mut committer, _tasks) = opened(dir.path());
        assert_eq!(commit(&mut committer, &[&[1]])[0].as_ref().unwrap().stored, 1);
        committer.log.fault = Some(WalFault::Full);
        let answers = commit(&mut committer, &[&[2], &[2, 3]]);
        assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::DiskFull { .. }))), "{answers:?}");
        assert_eq!(committer.shared.stats().rows, 1);
        committer.log.fault = None;
        let stored: Vec<usize> = commit(&mut committer, &[&[2], &[2, 3]]).into_iter().map(|answer| answer.unwrap().stored).collect();
        assert_eq!(stored, [1, 1]);
        drop(committer);
        assert_eq!(opened(dir.path()).0.shared.stats().rows, 3);
    }

    #[test]
    fn a_crash_at_any_point_of_a_flush_finds_each_row_once() {
        let dir = tempfile::tempdir().unwrap();
        let (mut committer, _tasks) = opened(dir.path());
        let shared = committer.shared.clone();
        // Each commit corrects all rows that are there: in the active buffer, in the frozen one, in a segment that has been flushed.
        let mut expected = 0;
        for round in 0..3u64 {
            for step in 0..3 {
                let id = round * 10 + step + 1;
                assert_eq!(commit(&mut committer, &[&[id]])[0].as_ref().unwrap().corrected, expected);
                expected += 1;
                match step {
                    0 => assert!(matches!(committer.freeze(), Ok(FreezeResult::Now(_)))),
                    1 => flush::flush(&shared).unwrap(),
                    _ => {}
                }
                let copy = tempfile::tempdir().unwrap();
                copy_folder(dir.path(), copy.path());
                let seen = rows(&opened(copy.path()).0.shared.snapshot());
                assert_eq!(seen, rows(&shared.snapshot()), "round {round}, step {step}");
                assert_eq!(seen.len(), expected);
            }
        }
    }

    #[test]
    fn a_failed_sync_ends_intake_until_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (mut committer, _tasks) = opened(dir.path());
        assert!(commit(&mut committer, &[&[1]])[0].is_ok());
        committer.log.fault = Some(WalFault::Sync);
        assert!(matches!(commit(&mut committer, &[&[2]])[0], Err(StoreError::Poisoned { .. })));
        committer.log.fault = None;
        assert!(matches!(commit(&mut committer, &[&[3]])[0], Err(StoreError::Poisoned { .. })));
        assert!(matches!(committer.freeze(), Err(StoreError::Poisoned { .. })), "another file would hide it");
        assert_eq!(committer.shared.stats().rows, 1);
        drop(committer);
        let (mut committer, _tasks) = opened(dir.path());
        assert!(commit(&mut committer, &[&[3]])[0].is_ok());
    }
}
