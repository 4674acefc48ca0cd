//! Durable subscriptions: each has a position in the changes of the store. The position survives restarts.
//!
//! A subscriber reads the spans that changed after its position ([`Store::read_changes`]), processes them durably, and then moves its
//! position ([`Store::acknowledge_changes`]). After a restart or a crash, the subscriber continues at the last acknowledged position. It
//! may receive a change twice, but never misses a change. Subscribers that rebuild their state from a snapshot need no position, and use
//! [`RowChangeSubscriber`](crate::RowChangeSubscriber).
//!
//! # Why the WAL is the queue
//!
//! - **The position is the sequence number of a WAL frame.** Only this number orders all commits across restarts. The version of a
//!   snapshot starts again at 0 after a restart. The field `received_at` is not in the order of the commits, and a correction does not
//!   change it.
//! - **Subscribers read frames; nothing is pushed to them.** The commit thread does not know the subscribers, so a slow subscriber can
//!   neither block the commit thread nor use memory. A frame names every span that a commit added, joined, moved or corrected. A reader
//!   decodes about one megabyte of frames at a time, only frames of visible commits, and returns the *current* rows of their spans from a
//!   snapshot. Earlier states of a row cannot be restored once the row is in a segment. A subscriber therefore replaces what it knows about
//!   a span by the current row.
//! - **A flush keeps the WAL files that a subscription needs** ([`WalRetention`](crate::wal::retention::WalRetention)), up to
//!   [`StoreConfig::retained_wal_bytes`](crate::StoreConfig), and no files while too little disk space is free. A subscription that falls
//!   further behind receives [`SubscriptionChanges::Missed`]. The subscriber then reads a snapshot and continues from there. The same
//!   happens if the WAL was damaged, and after the restore of a backup, which contains positions and no WAL.
//! - **Without durable subscriptions, no WAL files are kept**, and nothing is read or written for this purpose.
//!
//! Positions are in a table of the manifest, which is synced with each acknowledgement. Expiry and deletion are not changes.

use std::collections::{BTreeSet, HashSet};

use hinomi_model::id::{SpanId, TraceId};

use super::Store;
use super::error::StoreError;
use super::key_hash::SpanKey;
use super::rows::{SpanRow, from_batch};
use super::segment::read::{SegmentReader, row_ranges};
use super::segment::row_order::{KEY_COLUMNS, keys};
use super::snapshot::{SegmentView, Snapshot};
use super::state::lock;
use super::wal::cursor::{WalCursor, frames_from};
use super::wal::frame;

/// Number of changed spans at which no more frames are added to a batch.
const MAX_BATCH_SPANS: usize = 1000;

/// A position in the changes of a store. At most one value per name should be in use.
#[derive(Debug)]
pub struct DurableSubscription {
    name: String,
    /// Number of the last frame that was returned.
    last_read: u64,
    cursor: WalCursor,
}

/// What a durable subscription reads next.
#[derive(Debug)]
pub enum SubscriptionChanges {
    /// Spans changed.
    Spans(SpanChangeBatch),
    /// Changes up to this position are no longer available. A snapshot that is taken from now on contains these changes. After processing
    /// the snapshot, the subscriber acknowledges this position.
    Missed(u64),
    /// Nothing has changed since. [`Store::changes`] notifies of the next change.
    Nothing,
}

/// Spans that changed, each at least once.
#[derive(Debug)]
pub struct SpanChangeBatch {
    /// The position to acknowledge once the batch has been processed.
    pub position: u64,
    /// Current rows of changed spans.
    pub rows: Vec<SpanRow>,
    /// Project, trace and ID of changed spans that have no row any more: they were moved to another trace, expired, or deleted, or their
    /// segment is damaged.
    pub gone: Vec<(u64, TraceId, SpanId)>,
}

impl Store {
    /// Creates a durable subscription, or continues one after a restart. A new subscription begins with the next change. Blocks the calling
    /// thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the position of the subscription cannot be written.
    pub fn subscribe_from(&self, name: &str) -> Result<DurableSubscription, StoreError> {
        let retention = &self.shared.wal_retention;
        let last_read = match retention.position(name) {
            Some(position) => position,
            None => {
                let position = retention.register(name, || self.shared.health.published_sequence());
                lock(&self.shared.manifest).set_position(name, Some(position)).inspect_err(|_| retention.forget(name))?;
                position
            }
        };
        Ok(DurableSubscription { name: name.to_owned(), last_read, cursor: WalCursor::default() })
    }

    /// Removes a durable subscription and everything that is kept for it. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the manifest cannot be written.
    pub fn unsubscribe(&self, name: &str) -> Result<(), StoreError> {
        lock(&self.shared.manifest).set_position(name, None)?;
        self.shared.wal_retention.forget(name);
        Ok(())
    }

    /// Reads the next changes of a subscription. The caller may read further changes before it acknowledges the changes that this call
    /// returns. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read. The same changes are read again by the next call.
    pub fn read_changes(&self, subscription: &mut DurableSubscription) -> Result<SubscriptionChanges, StoreError> {
        let published = self.shared.health.published_sequence();
        if subscription.last_read == published {
            return Ok(SubscriptionChanges::Nothing);
        }
        let mut cursor = subscription.cursor;
        let logs = self.shared.folder.logs();
        let run = match subscription.last_read < published {
            true => frames_from(&logs, &mut cursor, subscription.last_read + 1, published)?,
            // The data directory is older than the position.
            false => None,
        };
        let Some(run) = run else {
            subscription.last_read = published;
            subscription.cursor = WalCursor::default();
            return Ok(SubscriptionChanges::Missed(published));
        };
        let mut changed = HashSet::new();
        let mut position = subscription.last_read;
        let count = run.frames.len();
        let mut used = 0;
        for (sequence, payload) in run.frames {
            if changed.len() >= MAX_BATCH_SPANS {
                break;
            }
            // The checksum was right. A frame that cannot be decoded was not applied by the replay either.
            if let Ok((head, spans)) = frame::decode_payload(&payload) {
                changed.extend(changed_spans(&head, &spans));
            }
            position = sequence;
            used += 1;
        }
        // The snapshot is taken after the frames were published, so it contains them.
        let batch = current_rows(&self.snapshot(), changed, position)?;
        subscription.last_read = position;
        if used == count {
            subscription.cursor = cursor;
        }
        Ok(SubscriptionChanges::Spans(batch))
    }

    /// Records durably that everything up to a position has been processed. A position before the recorded position has no effect. Blocks
    /// the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the position cannot be written.
    pub fn acknowledge_changes(&self, subscription: &DurableSubscription, position: u64) -> Result<(), StoreError> {
        match self.shared.wal_retention.position(&subscription.name) {
            Some(known) if known < position || known > self.shared.health.published_sequence() => {
                lock(&self.shared.manifest).set_position(&subscription.name, Some(position))?;
                self.shared.wal_retention.advance(&subscription.name, position);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Returns the spans that a frame changed.
fn changed_spans(head: &frame::WalFramePreamble, spans: &[hinomi_model::span::Span]) -> HashSet<SpanKey> {
    let key = |trace, span| SpanKey { project: head.project, trace, span };
    let kept = (0u32..).zip(spans).filter(|(index, _)| head.dropped.binary_search(index).is_err());
    let stored = kept.map(|(_, span)| key(span.trace_id, span.span_id));
    let moved = head.moved.iter().map(|(trace, span)| key(*trace, *span));
    let corrected = head.corrections.iter().map(|correction| key(correction.trace, correction.span));
    stored.chain(moved).chain(corrected).collect()
}

/// Returns the rows that a snapshot contains of some spans.
fn current_rows(snapshot: &Snapshot, mut changed: HashSet<SpanKey>, position: u64) -> Result<SpanChangeBatch, StoreError> {
    let mut rows = Vec::new();
    for batch in &snapshot.buffer {
        for row in keys(batch, 0, 0) {
            if changed.remove(&row.key) {
                rows.extend(from_batch(&batch.slice(row.row as usize, 1)));
            }
        }
    }
    for view in &snapshot.segments {
        if changed.is_empty() {
            break;
        }
        rows.extend(rows_in_segment(view, &mut changed)?);
    }
    let mut gone: Vec<_> = changed.into_iter().map(|key| (key.project, key.trace, key.span)).collect();
    gone.sort_unstable();
    Ok(SpanChangeBatch { position, rows, gone })
}

/// Reads the live rows of some spans from a segment, and removes those spans from the set.
fn rows_in_segment(view: &SegmentView, changed: &mut HashSet<SpanKey>) -> Result<Vec<SpanRow>, StoreError> {
    let mut candidates = BTreeSet::new();
    for key in changed.iter().filter(|key| view.ids.may_hold_span(key.hash())) {
        let rows = view.ids.rows_of_span(key).map_err(StoreError::io_error("read the IDs of", &view.segment.location))?;
        candidates.extend(rows.into_iter().filter(|row| view.dead.binary_search(row).is_err()));
    }
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let reader = SegmentReader::open(&view.segment.objects)?;
    // Hashes select candidates; keys decide.
    let stored = keys(&reader.columns(&row_ranges(candidates.iter().copied()), &KEY_COLUMNS)?, 0, 0);
    let same = candidates.into_iter().zip(stored).filter(|(_, stored)| changed.remove(&stored.key));
    let found: Vec<u32> = same.map(|(row, _)| row).collect();
    Ok(from_batch(&reader.all_columns(&row_ranges(found))?))
}
