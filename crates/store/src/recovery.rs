//! Opens a data directory: checks the files that the manifest names, replays the WAL, and removes files that the manifest does not name if
//! all of their data certainly exists elsewhere (`orphan_files`).

pub(crate) mod orphan_files;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{broadcast, watch};

use super::commit::CommitWorker;
use super::commit::group::{CommitGroup, SegmentReaderCache};
use super::commit::recent_calls::{CallIndexKind, RecentCallIndex};
use super::commit::trace_state_cache::TraceStateCache;
use super::data_folder::{DataDirectory, free_name, numbered};
use super::error::StoreError;
use super::manifest::Manifest;
use super::recovery::orphan_files::ManifestFileSet;
use super::row_bit_set::RowBitSet;
use super::row_changes::RowSubscriberList;
use super::segment::id_index::SegmentIdIndex;
use super::segment::read::SegmentReader;
use super::segment::row_order::{KEY_COLUMNS, keys};
use super::segment::write::write_ids;
use super::segment_storage::{SegmentObjectKind, SegmentStorage};
use super::snapshot::Segment;
use super::state::{FlushProgress, LiveSegment, StoreInner, StoreState, lock};
use super::stats::StoreHealth;
use super::wal::retention::{CoveredWalFile, WalRetention};
use super::wal::{WalWriter, frame};
use super::{StoreConfig, parallel, wal};

/// Bytes of WAL frames that are replayed as one group: decoded on all processors, then applied. Corrections of rows within the group need
/// no lookup. The value for tests makes several groups of a short WAL.
const REPLAY_GROUP_BYTES: usize = if cfg!(test) { 2000 } else { 4 << 20 };

/// Opens a data directory and restores its contents. `storage` contains the segments of the directory. Returns the store with the next
/// frame number and the number of the next WAL file.
pub(super) fn open(
    root: &Path,
    config: StoreConfig,
    storage: Arc<dyn SegmentStorage>,
    health: StoreHealth,
) -> Result<(Arc<StoreInner>, u64, u64), StoreError> {
    let folder = DataDirectory::open(root)?;
    let mut used: Vec<u64> = storage.list()?.into_iter().map(|object| object.segment).collect();
    used.extend(storage.quarantined()?.into_iter().map(|quarantined| quarantined.segment));
    let manifest = Manifest::open(&folder)?;
    let contents = manifest.load(&storage)?;
    let known = ManifestFileSet::from_manifest(&contents);
    used.extend(known.reserved_numbers());

    // The filters are built from all IDs, which takes most of the time of a start.
    let examined = parallel::map(&contents.segments, |(segment, _)| (check_file(segment), SegmentIdIndex::open(&segment.objects)));
    let opened = contents.segments.into_iter().zip(examined);
    let live = opened.filter_map(|((segment, dead), (checked, ids))| open_segment(segment, dead, checked.err(), ids, &health)).collect();
    let last_id = used.into_iter().max().unwrap_or(0);
    let shared = Arc::new(StoreInner {
        folder,
        storage,
        state: Mutex::new(StoreState::new(live)),
        move_lock: Mutex::new(()),
        flushing: Mutex::new(()),
        manifest: Mutex::new(manifest),
        wal_retention: WalRetention::new(contents.positions, config.retained_wal_bytes),
        health,
        next_segment: AtomicU64::new(last_id + 1),
        progress: watch::Sender::new(FlushProgress::default()),
        subscribers: RowSubscriberList::default(),
        usage_gaps: Mutex::default(),
        is_stopping: AtomicBool::new(false),
        config,
    });
    let WalReplayResult { last_sequence, last_log, lost_frames } = replay(&shared, contents.last_flushed_frame)?;
    let has_unnamed = orphan_files::resolve_orphans(&shared, &known)?;
    if !has_unnamed {
        // If the manifest does not name all segments, the missing frames may be in those.
        lost_frames.into_iter().for_each(|what| record_damage(&shared.health, what));
    }
    shared.health.log_sequence.store(last_sequence, Ordering::Release);
    Ok((shared, last_sequence + 1, last_log + 1))
}

/// Creates the state of the commit thread for an opened store.
pub(super) fn commit_worker(
    shared: &Arc<StoreInner>,
    next_sequence: u64,
    log: u64,
    changes: broadcast::Sender<super::SpanStoreChange>,
    flush_commands: std::sync::mpsc::Sender<super::maintenance::FlushCommand>,
) -> Result<CommitWorker, StoreError> {
    Ok(CommitWorker {
        shared: shared.clone(),
        log: WalWriter::create(shared.folder.log(log))?,
        next_log: log + 1,
        next_sequence,
        trace_states: TraceStateCache::new(shared.config.remembered_spans, shared.config.rules),
        // Reports that match by their messages alone arrive within seconds, so a smaller index suffices.
        recent_calls: [
            RecentCallIndex::new(CallIndexKind::Id, shared.config.remembered_calls),
            RecentCallIndex::new(CallIndexKind::Texts, shared.config.remembered_calls / 5),
        ],
        may_have_stale_calls: false,
        readers: SegmentReaderCache::default(),
        full_spans: HashSet::new(),
        changes,
        flush_commands,
        frame_buffer: Vec::new(),
    })
}

/// Takes a segment into use. If its Parquet file is damaged, it is listed in the statistics and not read; if its ID file is lost too, it
/// is left out.
fn open_segment(
    segment: Segment,
    dead: RowBitSet,
    fault: Option<String>,
    ids: std::io::Result<SegmentIdIndex>,
    health: &StoreHealth,
) -> Option<LiveSegment> {
    let ids = ids.or_else(|error| match fault {
        None => rebuild_id_index(&segment),
        Some(_) => Err(StoreError::io_error("read", &segment.location)(error)),
    });
    if let Some(fault) = &fault {
        record_damage(health, format!("{}: {fault}; the segment is not read, its file stays in place", segment.location.display()));
    }
    match ids {
        Ok(ids) => {
            let mut live = LiveSegment::new(segment, ids, dead);
            live.is_readable = fault.is_none();
            live.is_checked = false;
            Some(live)
        }
        Err(error) => {
            record_damage(health, format!("{}: its ID index cannot be read either ({error})", segment.location.display()));
            None
        }
    }
}

/// Checks that a Parquet file exists, has the right length, and ends like a Parquet file. Reading all files completely would take minutes
/// for large stores, so damage inside a file is found when a query or a merge reads the file.
pub(super) fn check_file(segment: &Segment) -> Result<(), String> {
    let file = segment.objects.open(SegmentObjectKind::Parquet).map_err(|error| error.to_string())?;
    let length = file.length().map_err(|error| error.to_string())?;
    if length != segment.bytes {
        return Err(format!("{length} bytes long instead of {}", segment.bytes));
    }
    let mut end = [0; 4];
    file.read_exact_at(&mut end, length.saturating_sub(4)).map_err(|error| error.to_string())?;
    if &end == b"PAR1" { Ok(()) } else { Err("does not end like a Parquet file".to_owned()) }
}

/// Rebuilds the ID file of a segment.
fn rebuild_id_index(segment: &Segment) -> Result<SegmentIdIndex, StoreError> {
    let rows = SegmentReader::open(&segment.objects)?.columns(std::slice::from_ref(&(0..segment.rows as u32)), &KEY_COLUMNS)?;
    write_ids(&segment.objects, &keys(&rows, 0, 0))
}

pub(super) fn record_damage(health: &StoreHealth, what: String) {
    tracing::error!(what, "store.data.damaged");
    lock(&health.damaged).push(what);
}

/// Result of replaying the WAL.
struct WalReplayResult {
    last_sequence: u64,
    /// Number of the last file.
    last_log: u64,
    /// Messages about acknowledged frames that are not in any WAL file.
    lost_frames: Vec<String>,
}

/// Applies the frames that are not in a segment.
fn replay(shared: &StoreInner, covered: u64) -> Result<WalReplayResult, StoreError> {
    let files = numbered(&shared.folder.logs(), "log")?;
    let last_file = files.last().map_or(0, |(number, _)| *number);
    let acknowledged = wal::last_sequence(&shared.folder.logs()).unwrap_or(0);
    let mut last_sequence = covered;
    let mut missing = Vec::new();
    let mut readers = SegmentReaderCache::default();
    for (number, path) in files {
        let contents = wal::read(&path)?;
        let frames: Vec<(u64, &[u8])> = contents.frame_payloads().filter(|(sequence, _)| *sequence > covered).collect();
        let first = frames.first().map(|(sequence, _)| *sequence);
        let before = last_sequence;
        last_sequence = frames.last().map_or(last_sequence, |(sequence, _)| last_sequence.max(*sequence));
        // A write that a crash tore was never acknowledged: all acknowledged frames come before it.
        let torn = contents.torn_at.filter(|_| number == last_file && acknowledged <= last_sequence);
        let damage = contents.damage.is_some() || (contents.torn_at.is_some() && torn.is_none());
        if damage {
            let copy = free_name(&shared.folder.damaged_directory(), &format!("{number:010}"), "log");
            let copied = wal::file::copy(&path, &copy);
            let lost = contents.damage.as_ref().map_or_else(
                || "its end cannot be read".to_owned(),
                |damage| format!("{} bytes starting at byte {} cannot be read", damage.bytes, damage.position),
            );
            let kept = copied.map_or_else(|error| error.to_string(), |_| format!("a copy was saved as {}", copy.display()));
            record_damage(&shared.health, format!("{}: {lost}; the rest was read; {kept}", path.display()));
        } else if let Some(first) = first.filter(|first| *first > before + 1) {
            missing.push(lost_frames_message(&shared.folder, before + 1, first - 1));
        }
        let mut bytes = 0;
        let together = |(_, payload): &(u64, &[u8]), _: &_| {
            bytes += payload.len();
            let go_on = bytes < REPLAY_GROUP_BYTES;
            bytes *= usize::from(go_on);
            go_on
        };
        for frames in frames.chunk_by(together) {
            let mut group = CommitGroup::default();
            for ((sequence, _), read) in frames.iter().zip(parallel::map(frames, |(_, payload)| frame::decode_payload(payload))) {
                match read {
                    Ok((head, spans)) => group.add(&head, spans),
                    Err(error) => record_damage(&shared.health, format!("{}: frame {sequence}: {error}", path.display())),
                }
            }
            group.publish(shared, &mut readers);
        }
        if let Some(at) = contents.torn_at.filter(|_| number == last_file) {
            wal::file::truncate(&path, at)?;
        }
        if !frames.is_empty() {
            wal::file::sync(&path)?;
            lock(&shared.state).active.logs.push(path);
        } else if let Some((last_sequence, _)) = contents.frame_payloads().last() {
            let bytes = wal::file::length(&path)?;
            shared.wal_retention.retire([CoveredWalFile { path, last_sequence, bytes }], false);
        } else {
            wal::file::remove(&path)?;
        }
    }
    if acknowledged > last_sequence {
        missing.push(lost_frames_message(&shared.folder, last_sequence + 1, acknowledged));
    }
    // The number of an acknowledged frame is never reused.
    Ok(WalReplayResult { last_sequence: last_sequence.max(acknowledged), last_log: last_file, lost_frames: missing })
}

/// Returns the message that acknowledged frames are lost.
fn lost_frames_message(folder: &DataDirectory, first: u64, last: u64) -> String {
    let frames = if first == last { format!("frame {first}") } else { format!("frames {first} to {last}") };
    format!(
        "{}: {frames} of the WAL were acknowledged but are missing: a file is missing or truncated; restore a backup if you need their data",
        folder.logs().display()
    )
}
