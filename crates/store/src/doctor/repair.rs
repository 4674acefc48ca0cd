//! `hinomi doctor --repair`: repairs everything in a data directory that its files allow to repair. Nothing is deleted: unreadable files
//! are moved to `damaged/`.
//!
//! 1. A manifest that is missing, empty or unreadable is rebuilt.
//! 2. A segment of the manifest that is missing or damaged is searched for in `damaged/`; if it is not found there, it is removed from
//!    the manifest.
//! 3. A segment that the manifest does not list is added to the manifest. Rows of the segment that also exist elsewhere are marked as
//!    dead.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hinomi_model::id::TraceId;

use super::DoctorFinding;
use crate::data_folder::{DataDirectory, numbered};
use crate::error::StoreError;
use crate::key_hash::SpanKey;
use crate::manifest::{self, Manifest, ManifestContents, ManifestEdit};
use crate::recovery::orphan_files::ManifestFileSet;
use crate::row_bit_set::RowBitSet;
use crate::segment::checksum::{check_file_as, check_segment, crc_of, decode_file};
use crate::segment::id_index::SegmentIdIndex;
use crate::segment::read::{SegmentReader, row_ranges};
use crate::segment::row_order::{KEY_COLUMNS, RowKey, keys};
use crate::segment::write::write_ids;
use crate::segment_storage::{
    LocalSegmentStorage, QuarantineReason, QuarantinedSegment, SegmentObjectKind, SegmentObjects, SegmentStorage,
};
use crate::sidecar::SidecarCell;
use crate::snapshot::Segment;
use crate::wal;
use crate::wal::frame;

/// Number of rows whose keys are compared at a time.
const BATCH_ROWS: usize = 100_000;

/// Repairs a data directory that no process has open, and returns what was done.
///
/// # Errors
///
/// Returns an error if the directory is in use or was written by a newer version, or a file cannot be read or written. The steps before the
/// error are not undone.
pub fn repair(root: &Path) -> Result<Vec<DoctorFinding>, StoreError> {
    let folder = DataDirectory::open(root)?;
    let storage: Arc<dyn SegmentStorage> = Arc::new(LocalSegmentStorage::new(root)?);
    let mut findings = Vec::new();
    let mut manifest = open_or_rebuild_manifest(&folder, &storage, &mut findings)?;
    let contents = manifest.load(&storage)?;
    let known = ManifestFileSet::from_manifest(&contents);
    let orphans = known.orphans(&*storage)?;
    let mut lost = Vec::new();
    for (segment, _) in &contents.segments {
        if let Err(fault) = check_segment(segment)
            && !restore_damaged_copy(&*storage, segment, &mut findings)?
        {
            let name = segment.location.display();
            let kept = match segment.objects.has(SegmentObjectKind::Parquet) {
                true => format!("its file is now {}", storage.set_aside(segment.id, QuarantineReason::Damaged)?.display()),
                false => "its file is missing".to_owned(),
            };
            findings.push(DoctorFinding::problem(
                format!("{name}: {fault}; removed from the manifest with its {} spans; {kept}", segment.rows),
                "to restore its spans, copy the file of the same name from an older backup into segments/ and run this command again",
            ));
            lost.push(segment.id);
        }
    }
    manifest.remove_segments(&lost)?;

    let has_parquet = |id: &u64| orphans[id].iter().any(|object| object.kind == SegmentObjectKind::Parquet);
    let in_place = orphans.keys().copied().filter(|id| !known.is_removable(*id) && has_parquet(id)).map(UnlistedSegment::InPlace);
    let quarantined = storage.quarantined()?.into_iter().map(UnlistedSegment::Quarantined);
    let mut unnamed: Vec<UnlistedSegment> = in_place.chain(quarantined).collect();
    // If two segments have a row of the same span, the row of the later segment wins; of two with the same number, that in place.
    unnamed.sort_by_key(|segment| std::cmp::Reverse(segment.rank()));
    let (in_log, first) = keys_in_wal(&folder, contents.last_flushed_frame)?;
    let mut taken_in = false;
    for unlisted in unnamed {
        let location = unlisted.location(&storage);
        match adopt_segment(&storage, &mut manifest, &unlisted, &in_log)? {
            Ok((to, rows)) => {
                taken_in = true;
                let (from, to) = (location.display(), to.display());
                findings.push(DoctorFinding::fine(format!("{from}: added as {to} with {rows} spans that were not stored elsewhere")));
            }
            Err(fault) => findings.push(DoctorFinding::problem(
                format!("{}: {fault}; not added, the file stays in place", location.display()),
                "copy the file of the same name from an older backup into segments/ and run this command again, or remove it",
            )),
        }
    }
    // Everything older than the WAL is in the recovered segments, if it exists at all.
    let covered = first.map(|first| first - 1).or_else(|| wal::last_sequence(&folder.logs()));
    if let Some(covered) = covered.filter(|covered| taken_in && *covered > contents.last_flushed_frame) {
        manifest.commit(&ManifestEdit { last_flushed_frame: Some(covered), ..ManifestEdit::default() })?;
    }
    Ok(findings)
}

/// A segment that the manifest does not list.
#[derive(Debug)]
enum UnlistedSegment {
    /// Number of a segment in the directory of segments.
    InPlace(u64),
    Quarantined(QuarantinedSegment),
}

impl UnlistedSegment {
    /// Returns the key of the order in which segments are added, those with the largest keys first.
    fn rank(&self) -> (u64, bool, String) {
        match self {
            UnlistedSegment::InPlace(id) => (*id, true, String::new()),
            UnlistedSegment::Quarantined(quarantined) => (quarantined.segment, false, quarantined.name.clone()),
        }
    }

    fn location(&self, storage: &Arc<dyn SegmentStorage>) -> PathBuf {
        match self {
            UnlistedSegment::InPlace(id) => SegmentObjects::of(storage, *id).location(SegmentObjectKind::Parquet),
            UnlistedSegment::Quarantined(quarantined) => quarantined.location.clone(),
        }
    }

    fn reader(&self, storage: &Arc<dyn SegmentStorage>) -> Result<SegmentReader, StoreError> {
        match self {
            UnlistedSegment::InPlace(id) => SegmentReader::open(&SegmentObjects::of(storage, *id)),
            UnlistedSegment::Quarantined(quarantined) => SegmentReader::of(storage.open_quarantined(quarantined), &quarantined.location),
        }
    }
}

/// Returns the manifest, rebuilt if it cannot be read.
fn open_or_rebuild_manifest(
    folder: &DataDirectory,
    storage: &Arc<dyn SegmentStorage>,
    findings: &mut Vec<DoctorFinding>,
) -> Result<Manifest, StoreError> {
    let path = folder.manifest();
    let state = manifest::state_without_content(&path);
    let opened = Manifest::open(folder).and_then(|manifest| manifest.load(storage).map(|_| manifest));
    match (opened, state) {
        (Ok(manifest), None) => Ok(manifest),
        (Ok(manifest), Some(state)) => {
            let has_segments =
                storage.list()?.iter().any(|object| object.kind == SegmentObjectKind::Parquet) || !storage.quarantined()?.is_empty();
            if has_segments {
                findings.push(DoctorFinding::note(format!("{} was {state} and has been recreated", path.display()), ""));
            }
            Ok(manifest)
        }
        (Err(error @ (StoreError::Damaged { .. } | StoreError::Manifest { .. })), _) => {
            let aside = manifest::set_aside(folder)?;
            let what = format!("{error}; it was moved to {} and has been rebuilt", aside.display());
            findings.push(DoctorFinding::note(what, "a superseded row is only recognized if a later segment contains its newer version"));
            Manifest::open(folder)
        }
        (Err(error), _) => Err(error),
    }
}

/// Looks for an intact copy of a segment in quarantine, and moves it to its place. Returns whether there was one.
fn restore_damaged_copy(storage: &dyn SegmentStorage, segment: &Segment, findings: &mut Vec<DoctorFinding>) -> Result<bool, StoreError> {
    for quarantined in storage.quarantined()? {
        if segment.crc.is_some() && check_file_as(segment, storage.open_quarantined(&quarantined)).is_ok() {
            if segment.objects.has(SegmentObjectKind::Parquet) {
                storage.set_aside(segment.id, QuarantineReason::Damaged)?;
            }
            storage.take_back(&quarantined, segment.id)?;
            let (to, from) = (segment.location.display(), quarantined.location.display());
            findings.push(DoctorFinding::fine(format!("{to}: restored from {from}")));
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the spans in WAL frames that no segment of the manifest covers, and the number of the first such frame.
fn keys_in_wal(folder: &DataDirectory, covered: u64) -> Result<(HashSet<SpanKey>, Option<u64>), StoreError> {
    let (mut found, mut first) = (HashSet::new(), None);
    for (_, path) in numbered(&folder.logs(), "log")? {
        let contents = wal::read(&path)?;
        for (sequence, payload) in contents.frame_payloads().filter(|(sequence, _)| *sequence > covered) {
            first = first.or(Some(sequence));
            // The next start reports frames that cannot be read.
            let Ok((head, spans)) = frame::decode_payload(payload) else { continue };
            let kept = (0u32..).zip(&spans).filter(|(index, _)| head.dropped.binary_search(index).is_err());
            found.extend(kept.map(|(_, span)| SpanKey { project: head.project, trace: span.trace_id, span: span.span_id }));
        }
    }
    Ok((found, first))
}

/// Adds a segment to the manifest. Its rows that exist elsewhere are marked as dead. The inner error says why the segment cannot be read.
fn adopt_segment(
    storage: &Arc<dyn SegmentStorage>,
    manifest: &mut Manifest,
    unlisted: &UnlistedSegment,
    in_log: &HashSet<SpanKey>,
) -> Result<Result<(PathBuf, u64), String>, StoreError> {
    let contents = manifest.load(storage)?;
    let mut rows = match unlisted.reader(storage).map_err(|error| error.to_string()).and_then(|reader| keys_of_file(&reader)) {
        Ok(rows) => rows,
        Err(fault) => return Ok(Err(fault)),
    };
    let count = rows.len() as u64;
    let mut dead: RowBitSet = rows.iter().filter(|row| in_log.contains(&row.key)).map(|row| row.row).collect();
    for chunk in rows.chunks(BATCH_ROWS) {
        for (segment, gone) in &contents.segments {
            for row in rows_stored_elsewhere(segment, gone, chunk)? {
                dead.insert(row);
            }
        }
    }
    // If a span occurs twice in the segment, only one of its rows is kept.
    let mut seen = HashSet::new();
    for row in &rows {
        if !seen.insert(row.key) {
            dead.insert(row.row);
        }
    }
    let holding = count - dead.len() as u64;
    let id = match unlisted {
        UnlistedSegment::InPlace(id) => *id,
        UnlistedSegment::Quarantined(quarantined) => {
            let id = free_segment_id(&**storage, &contents, quarantined.segment)?;
            storage.take_back(quarantined, id)?;
            id
        }
    };
    let objects = SegmentObjects::of(storage, id);
    let location = objects.location(SegmentObjectKind::Parquet);
    rows.sort_by_key(|row| row.row);
    write_ids(&objects, &rows)?;
    let measured = objects.open(SegmentObjectKind::Parquet).and_then(|file| Ok((file.length()?, crc_of(&*file)?)));
    let (bytes, crc) = measured.map_err(StoreError::io_error("read", &location))?;
    let mut projects: Vec<u64> = rows.iter().map(|row| row.key.project).collect();
    projects.sort_unstable();
    projects.dedup();
    let segment = Segment {
        id,
        location: location.clone(),
        objects,
        rows: count,
        bytes,
        crc: Some(crc),
        min_start_us: rows.iter().map(|row| row.start_us).min().unwrap_or(0),
        max_start_us: rows.iter().map(|row| row.start_us).max().unwrap_or(0),
        projects,
        rollup: SidecarCell::default(),
        ngram_index: SidecarCell::default(),
        is_replaced: AtomicBool::new(false),
    };
    manifest.commit(&ManifestEdit { add: vec![&segment], dead: vec![(id, dead)], ..ManifestEdit::default() })?;
    Ok(Ok((location, holding)))
}

/// Returns the given segment number if it is free, else a new one.
fn free_segment_id(storage: &dyn SegmentStorage, contents: &ManifestContents, id: u64) -> Result<u64, StoreError> {
    let named: HashSet<u64> = contents.segments.iter().map(|(segment, _)| segment.id).collect();
    if id > 0 && !named.contains(&id) {
        return Ok(id);
    }
    let on_disk = storage.list()?.into_iter().map(|object| object.segment);
    let aside = storage.quarantined()?.into_iter().map(|quarantined| quarantined.segment);
    Ok(named.iter().copied().chain(on_disk).chain(aside).chain(contents.removed.iter().copied()).max().unwrap_or(0) + 1)
}

/// Returns the keys of all rows of a file after reading the whole file.
fn keys_of_file(reader: &SegmentReader) -> Result<Vec<RowKey>, String> {
    let count = u32::try_from(reader.rows()).map_err(|_| "more rows than a segment has".to_owned())?;
    let batch = reader.columns(std::slice::from_ref(&(0..count)), &KEY_COLUMNS).map_err(|error| error.to_string())?;
    let rows = keys(&batch, 0, 0);
    let has_ids = rows.iter().all(|row| row.key.trace != TraceId(0) && row.key.span.0 != 0);
    if rows.len() != count as usize || !has_ids {
        return Err("not a segment".to_owned());
    }
    decode_file(reader).map(|_| rows)
}

/// Returns those of the rows that a segment of the manifest contains too, where they are not dead. Hashes select candidates; keys decide.
fn rows_stored_elsewhere(segment: &Segment, gone: &RowBitSet, rows: &[RowKey]) -> Result<Vec<u32>, StoreError> {
    let ids = match SegmentIdIndex::open(&segment.objects) {
        Ok(ids) => ids,
        Err(_) => {
            let read = SegmentReader::open(&segment.objects).map_err(|error| error.to_string());
            let Ok(rows) = read.and_then(|reader| keys_of_file(&reader)) else { return Ok(Vec::new()) };
            write_ids(&segment.objects, &rows)?
        }
    };
    let mut hits = Vec::new();
    for row in rows.iter().filter(|row| ids.may_hold_span(row.key.hash())) {
        let there = ids.rows_of_span(&row.key).map_err(StoreError::io_error("read", &segment.objects.location(SegmentObjectKind::Ids)))?;
        hits.extend(there.into_iter().filter(|there| !gone.contains(*there)).map(|there| (there, row)));
    }
    if hits.is_empty() {
        return Ok(Vec::new());
    }
    let mut wanted: Vec<u32> = hits.iter().map(|(there, _)| *there).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let Ok(batch) =
        SegmentReader::open(&segment.objects).and_then(|reader| reader.columns(&row_ranges(wanted.iter().copied()), &KEY_COLUMNS))
    else {
        return Ok(Vec::new());
    };
    let found = keys(&batch, 0, 0);
    let key_at = |there: u32| wanted.binary_search(&there).ok().and_then(|at| found.get(at)).map(|row| row.key);
    Ok(hits.into_iter().filter(|(there, row)| key_at(*there) == Some(row.key)).map(|(_, row)| row.row).collect())
}
