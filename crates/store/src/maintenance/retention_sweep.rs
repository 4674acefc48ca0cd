//! Deletes rows whose retention has ended, or only their messages. The segments of these rows are rewritten without them, and the old files
//! are removed, so no copy of the rows remains on disk.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::nullif;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use hinomi_model::id::TraceId;
use tokio::sync::oneshot;

use super::MaintenanceCommand;
use super::compaction::{CompactionInput, replace_segments};
use crate::error::StoreError;
use crate::manifest::ManifestEdit;
use crate::row_bit_set::RowBitSet;
use crate::segment::read::{SegmentReader, row_ranges};
use crate::segment::row_order::{KEY_COLUMNS, RowKey, keys};
use crate::segment::write::{MAX_CHUNK_BYTES, write};
use crate::segment_storage::{SegmentObject, SegmentObjectKind};
use crate::snapshot::{Segment, Snapshot};
use crate::state::{LiveSegment, StoreInner, StoreState, lock};

/// Columns with messages, previews, tool definitions, attributes, provenance and parts of joined spans. They are cleared when messages
/// have a shorter retention than the span.
const TEXT_COLUMNS: [&str; 8] =
    ["input_preview", "output_preview", "input_messages", "output_messages", "tool_definitions", "attributes", "reading", "joined"];

/// Columns that a retention decision reads in addition to the key.
const DECISION_COLUMNS: [&str; 2] = ["environment", "user_id"];
/// Number of rows that are checked for messages at a time.
const BATCH_ROWS: usize = 4096;
/// How long to wait until readers of the old files have ended.
const READER_TIMEOUT: Duration = Duration::from_secs(10);

/// What happens to a stored span; the decisions are ordered by how much is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RetentionDecision {
    /// The span remains unchanged.
    Keep,
    /// Messages, previews, tool definitions, attributes and provenance are deleted; all other fields remain.
    DeleteMessages,
    /// The span is deleted.
    Delete,
}

/// Properties of a span that decide about its retention.
#[derive(Debug, Clone, Copy)]
pub struct RetentionCandidate<'a> {
    /// Project of the span.
    pub project: u64,
    /// Trace of the span.
    pub trace: TraceId,
    /// Start in microseconds since the Unix epoch.
    pub start_us: i64,
    /// Environment of the span.
    pub environment: Option<&'a str>,
    /// User of the span.
    pub user: Option<&'a str>,
}

/// A retention decision for all spans of some segments.
#[derive(Clone)]
pub struct RetentionSweep {
    /// Returns whether a segment may contain spans to delete or to clear.
    pub affects_segment: Arc<dyn Fn(&Segment) -> bool + Send + Sync>,
    /// Returns the decision for a span.
    pub decide: Arc<dyn Fn(&RetentionCandidate) -> RetentionDecision + Send + Sync>,
}

impl std::fmt::Debug for RetentionSweep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RetentionSweep")
    }
}

/// Number of spans that would be deleted, out of a number of spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeletionLoss {
    /// Number of spans that would be deleted.
    pub deleted_spans: u64,
    /// Number of all spans.
    pub all_spans: u64,
}

/// Result of a retention sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetentionSweepResult {
    /// Number of deleted spans.
    pub spans: u64,
    /// Number of deleted spans per project.
    pub by_project: BTreeMap<u64, u64>,
    /// Number of spans whose messages were deleted.
    pub without_messages: u64,
    /// Files that were removed or rewritten under another name.
    pub segment_files: Vec<SegmentObject>,
    /// The files in `segment_files` that are still being read. These files are removed when their last reader ends.
    pub still_read: Vec<SegmentObject>,
    /// Unreadable segments that may contain such spans.
    pub unreadable: Vec<SegmentObject>,
    /// Latest start of the deleted spans, in microseconds since the Unix epoch; `None` if nothing was deleted.
    pub latest_deleted_us: Option<i64>,
    /// True if rows to delete were written again elsewhere meanwhile, and another pass is needed.
    needs_another_pass: bool,
}

impl RetentionSweepResult {
    fn add(&mut self, other: RetentionSweepResult) {
        self.spans += other.spans;
        other.by_project.into_iter().for_each(|(project, spans)| *self.by_project.entry(project).or_default() += spans);
        self.without_messages += other.without_messages;
        self.segment_files.extend(other.segment_files);
        self.still_read.extend(other.still_read);
        self.unreadable = other.unreadable;
        self.latest_deleted_us = self.latest_deleted_us.max(other.latest_deleted_us);
        self.needs_another_pass = other.needs_another_pass;
    }
}

impl crate::Store {
    /// Applies a retention sweep to all stored spans, including those in memory. When it returns, no file contains the deleted data,
    /// except for [`RetentionSweepResult::still_read`] and [`RetentionSweepResult::unreadable`].
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read or written. The deletions before the error remain.
    pub async fn apply_sweep(&self, sweep: RetentionSweep) -> Result<RetentionSweepResult, StoreError> {
        let mut swept = RetentionSweepResult::default();
        loop {
            // After the flush, everything in the WAL is in a segment.
            self.flush().await?;
            let sweep = sweep.clone();
            swept.add(self.rewrite_segments(|reply| MaintenanceCommand::Sweep { sweep, reply }).await?);
            if !swept.needs_another_pass {
                return Ok(swept);
            }
        }
    }

    /// Removes the oldest segments, with at least this many bytes in total, but never the newest. Spans in memory remain.
    ///
    /// # Errors
    ///
    /// Returns an error if the manifest cannot be written. In this case, nothing has been removed.
    pub async fn drop_oldest_segments(&self, bytes: u64) -> Result<RetentionSweepResult, StoreError> {
        self.rewrite_segments(|reply| MaintenanceCommand::DropOldest { bytes, reply }).await
    }

    /// Returns how many spans [`drop_oldest_segments`](crate::Store::drop_oldest_segments) would remove.
    pub fn oldest_segments(&self, bytes: u64) -> DeletionLoss {
        let state = lock(&self.shared.state);
        let of = |live: &LiveSegment| live.segment.rows - live.dead.len() as u64;
        let buffers = [Some(&state.active), state.frozen.as_ref()];
        let buffered: u64 = buffers.iter().flatten().map(|buffer| buffer.live_rows()).sum();
        DeletionLoss {
            deleted_spans: oldest_segments(&state, bytes).map(of).sum(),
            all_spans: state.segments.iter().map(of).sum::<u64>() + buffered,
        }
    }

    async fn rewrite_segments(
        &self,
        work: impl FnOnce(oneshot::Sender<Result<RetentionSweepResult, StoreError>>) -> MaintenanceCommand,
    ) -> Result<RetentionSweepResult, StoreError> {
        let (reply, answer) = oneshot::channel();
        let senders = self.senders.as_ref().ok_or(StoreError::Closed)?;
        senders.maintenance.send(work(reply)).map_err(|_| StoreError::Closed)?;
        let mut swept = answer.await.map_err(|_| StoreError::Closed)??;
        let began = Instant::now();
        loop {
            // The last snapshot would keep the files open; taking a new one replaces it.
            drop(self.snapshot());
            swept.still_read = swept.segment_files.iter().filter(|file| self.shared.storage.stat(**file).is_ok()).copied().collect();
            if swept.still_read.is_empty() || began.elapsed() > READER_TIMEOUT {
                return Ok(swept);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Applies a retention sweep to all segments, and rewrites the changed segments.
pub(crate) fn apply_sweep(shared: &StoreInner, sweep: &RetentionSweep) -> Result<RetentionSweepResult, StoreError> {
    let mut swept = RetentionSweepResult::default();
    // The successor of a row that is not settled at this moment is, or will be, in a memtable. None of these segments contains it.
    let candidates: Vec<(u64, RowBitSet)> = {
        let state = lock(&shared.state);
        let held = state.segments.iter().filter(|live| (sweep.affects_segment)(&live.segment));
        swept.unreadable =
            held.clone().filter(|live| !live.is_readable).map(|live| live.segment.objects.name(SegmentObjectKind::Parquet)).collect();
        held.filter(|live| live.is_readable).map(|live| (live.segment.id, live.permanently_dead())).collect()
    };
    for (id, settled_before) in candidates {
        if shared.is_stopping.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        rewrite_segment(shared, id, &settled_before, sweep, &mut swept)?;
    }
    Ok(swept)
}

/// Retention decisions for the rows of a segment.
#[derive(Default)]
struct SegmentRetentionPlan {
    deleted: RowBitSet,
    without_messages: RowBitSet,
}

fn rewrite_segment(
    shared: &StoreInner,
    id: u64,
    settled_before: &RowBitSet,
    sweep: &RetentionSweep,
    swept: &mut RetentionSweepResult,
) -> Result<(), StoreError> {
    let Some((segment, dead, settled, bare)) = lock(&shared.state)
        .live_segment(id)
        .map(|live| (live.segment.clone(), live.dead.clone(), live.permanently_dead(), live.rows_without_messages))
    else {
        return Ok(());
    };
    let reader = SegmentReader::open(&segment.objects)?;
    let columns: Vec<&str> = KEY_COLUMNS.iter().chain(&DECISION_COLUMNS).copied().collect();
    let all = 0..segment.rows as u32;
    let seen = reader.columns(std::slice::from_ref(&all), &columns)?;
    let rows = keys(&seen, 0, 0);
    let SegmentRetentionPlan { deleted, mut without_messages } = plan_segment(&seen, &rows, sweep);
    // Most of these rows were cleared by an earlier sweep: they are checked once after a start.
    let count = without_messages.len();
    if deleted.len() == 0 && (count == bare || !has_messages(&reader, &without_messages)?) {
        if let Some(live) = lock(&shared.state).live_segment(id) {
            live.rows_without_messages = count;
        }
        return Ok(());
    }
    let order: Vec<RowKey> = rows.into_iter().filter(|row| !deleted.contains(row.row) && !settled.contains(row.row)).collect();
    if !order.is_empty() && !shared.has_space_for(segment.bytes) {
        return Err(StoreError::DiskFull { path: segment.location.clone() });
    }
    let number = shared.new_segment_id();
    let objects = shared.objects_of(number);
    if count == bare {
        without_messages = RowBitSet::default();
    }
    let bytes_of = |row: &RowKey| reader.bytes_of(row.row);
    let rows_of = |chunk: &[RowKey]| {
        let batch = reader.all_columns(&row_ranges(chunk.iter().map(|row| row.row)))?;
        clear_messages(batch, chunk, &without_messages)
            .map_err(|error| StoreError::segment_error("write", &objects.location(SegmentObjectKind::Parquet), error))
    };
    let written = match order.is_empty() {
        true => None,
        false => {
            lock(&shared.manifest).begin_segment(number, &[id])?;
            Some(write(&objects, &order, shared.config.rows_per_group, bytes_of, rows_of)?)
        }
    };
    let old: Vec<SegmentObject> = segment.objects.existing().collect();
    let input = CompactionInput { segment: segment.clone(), dead: deleted };
    let dead_now = replace_segments(shared, std::slice::from_ref(&input), &order, written)?.swap_remove(0);
    let live_gone: Vec<u32> = input.dead.iter().filter(|row| !dead_now.contains(*row)).collect();
    swept.needs_another_pass |= input.dead.iter().any(|row| dead_now.contains(row) && !settled_before.contains(row));
    if let Some(live) = lock(&shared.state).live_segment(number) {
        live.rows_without_messages = count;
    }
    let starts = seen.column_by_name("start_time").map(|starts| starts.as_primitive::<TimestampMicrosecondType>().clone());
    let projects = seen.column_by_name("project_id").map(|projects| projects.as_primitive::<Int64Type>().clone());
    for row in &live_gone {
        swept.latest_deleted_us = swept.latest_deleted_us.max(starts.as_ref().map(|starts| starts.value(*row as usize)));
        if let Some(projects) = &projects {
            *swept.by_project.entry(projects.value(*row as usize) as u64).or_default() += 1;
        }
    }
    swept.spans += live_gone.len() as u64;
    swept.without_messages += without_messages.iter().filter(|row| !dead.contains(*row)).count() as u64;
    swept.segment_files.extend(old);
    tracing::info!(segment = id, into = number, spans = live_gone.len(), left = order.len(), "store.segment.swept");
    Ok(())
}

fn plan_segment(seen: &RecordBatch, rows: &[RowKey], sweep: &RetentionSweep) -> SegmentRetentionPlan {
    let mut judged = SegmentRetentionPlan::default();
    for_each_candidate(seen, rows, |row, one| match (sweep.decide)(one) {
        RetentionDecision::Keep => {}
        RetentionDecision::DeleteMessages => drop(judged.without_messages.insert(row)),
        RetentionDecision::Delete => drop(judged.deleted.insert(row)),
    });
    judged
}

/// Calls `look` with each row and its properties.
fn for_each_candidate(seen: &RecordBatch, rows: &[RowKey], mut look: impl FnMut(u32, &RetentionCandidate)) {
    let texts = |name: &str| seen.column_by_name(name).and_then(|column| column.as_string_view_opt());
    let (environments, users) = (texts("environment"), texts("user_id"));
    for row in rows {
        let at = row.row as usize;
        let text = |column: Option<&'_ arrow::array::StringViewArray>| {
            column.filter(|column| column.is_valid(at)).map(|column| column.value(at).to_owned())
        };
        let (environment, user) = (text(environments), text(users));
        let one = RetentionCandidate {
            project: row.key.project,
            trace: row.key.trace,
            start_us: row.start_us,
            environment: environment.as_deref(),
            user: user.as_deref(),
        };
        look(row.row, &one);
    }
}

fn has_messages(reader: &SegmentReader, rows: &RowBitSet) -> Result<bool, StoreError> {
    let rows: Vec<u32> = rows.iter().collect();
    let mut rest = &rows[..];
    while let Some(first) = rest.first() {
        let (chunk, others) = rest.split_at(reader.rows_within_bytes(*first, MAX_CHUNK_BYTES).min(BATCH_ROWS).min(rest.len()));
        rest = others;
        let batch = reader.columns(&row_ranges(chunk.iter().copied()), &TEXT_COLUMNS)?;
        if batch.columns().iter().any(|column| column.null_count() < column.len()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the batch without the message content of some rows.
fn clear_messages(batch: RecordBatch, chunk: &[RowKey], rows: &RowBitSet) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mask: BooleanArray = chunk.iter().map(|row| Some(rows.contains(row.row))).collect();
    if mask.true_count() == 0 {
        return Ok(batch);
    }
    let texts: HashSet<&str> = TEXT_COLUMNS.into();
    let columns = batch.schema_ref().fields().iter().zip(batch.columns()).map(|(field, column)| -> Result<ArrayRef, _> {
        if texts.contains(field.name().as_str()) { nullif(column, &mask) } else { Ok(column.clone()) }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(batch.schema(), columns)
}

/// Returns the oldest segments, with at least this many bytes in total, but never the newest.
fn oldest_segments(state: &StoreState, bytes: u64) -> impl Iterator<Item = &LiveSegment> {
    let mut segments: Vec<&LiveSegment> = state.segments.iter().collect();
    segments.sort_by_key(|live| live.segment.max_start_us);
    segments.pop();
    let mut freed = 0;
    segments.into_iter().take_while(move |live| {
        let goes = freed < bytes;
        freed += live.segment.bytes;
        goes
    })
}

impl Snapshot {
    /// Counts the spans in segments of some projects, and the spans for which `is_lost` returns true. `affects_segment` returns whether
    /// spans of a project may be lost if they start at a certain time or later. Damaged segments are omitted.
    pub fn count_losses(
        &self,
        projects: &HashSet<u64>,
        concerns: &dyn Fn(u64, i64) -> bool,
        is_lost: &dyn Fn(&RetentionCandidate) -> bool,
    ) -> BTreeMap<u64, DeletionLoss> {
        let mut tails: BTreeMap<u64, DeletionLoss> = BTreeMap::new();
        for view in self.segments.iter().filter(|view| view.segment.projects.iter().any(|project| projects.contains(project))) {
            let segment = &view.segment;
            let may_lose = segment.projects.iter().any(|project| projects.contains(project) && concerns(*project, segment.min_start_us));
            if !may_lose && let [project] = segment.projects[..] {
                tails.entry(project).or_default().all_spans += view.live_rows();
                continue;
            }
            let columns: Vec<&str> = KEY_COLUMNS.iter().chain(&DECISION_COLUMNS).copied().collect();
            let all = 0..segment.rows as u32;
            let read = SegmentReader::open(&segment.objects).and_then(|reader| reader.columns(std::slice::from_ref(&all), &columns));
            // A sweep does not delete anything of an unreadable segment either.
            let Ok(seen) = read else { continue };
            for_each_candidate(&seen, &keys(&seen, 0, 0), |row, one| {
                if projects.contains(&one.project) && view.dead.binary_search(&row).is_err() {
                    let tail = tails.entry(one.project).or_default();
                    tail.all_spans += 1;
                    tail.deleted_spans += u64::from(is_lost(one));
                }
            });
        }
        tails
    }
}

/// Removes the oldest segments, with at least this many bytes in total, but never the newest.
pub(crate) fn drop_oldest_segments(shared: &StoreInner, bytes: u64) -> Result<RetentionSweepResult, StoreError> {
    let _moving = lock(&shared.move_lock);
    let mut swept = RetentionSweepResult::default();
    let mut change = ManifestEdit::default();
    {
        let state = lock(&shared.state);
        for live in oldest_segments(&state, bytes) {
            swept.spans += live.segment.rows - live.dead.len() as u64;
            swept.latest_deleted_us = swept.latest_deleted_us.max(Some(live.segment.max_start_us));
            swept.segment_files.extend(live.segment.objects.existing());
            change.remove.push(live.segment.id);
        }
    }
    if change.remove.is_empty() {
        return Ok(swept);
    }
    lock(&shared.manifest).commit(&change)?;
    lock(&shared.state).remove_segments(&change.remove);
    Ok(swept)
}
