//! `hinomi doctor --repair`: repairs a data directory as far as its files allow. Nothing is deleted: unreadable files are moved to
//! `damaged/`.
//!
//! 1. A manifest that is missing, empty or unreadable is rebuilt.
//! 2. A segment of the manifest that is missing or damaged is searched for in `damaged/`; if it is not found there, it is removed from
//!    the manifest.
//! 3. A segment that the manifest does not name is added to it. Its rows that exist elsewhere are marked as dead.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hinomi_model::id::TraceId;

use super::DoctorFinding;
use crate::data_folder::{DataFolder, free_name, numbered, sync_folder};
use crate::error::StoreError;
use crate::key_hash::SpanKey;
use crate::manifest::{Manifest, ManifestContents, ManifestEdit};
use crate::recovery::orphan_files;
use crate::recovery::orphan_files::ManifestFileSet;
use crate::row_bit_set::RowBitSet;
use crate::segment::checksum::{crc_of, decode, examine, examine_as};
use crate::segment::id_index::SegmentIdIndex;
use crate::segment::read::{SegmentReader, ranges};
use crate::segment::row_order::{KEY_COLUMNS, RowKey, keys};
use crate::segment::write::write_ids;
use crate::sidecar::SidecarCell;
use crate::snapshot::Segment;
use crate::wal::frame;
use crate::{sidecar, wal};

/// Number of rows whose keys are compared at a time.
const CHUNK: usize = 100_000;

/// Repairs a data directory that no process has open, and returns what was done.
///
/// # Errors
///
/// When the directory is in use or was written by a newer version, or a file cannot be read or written. The steps before the error remain
/// done.
pub fn repair(root: &Path) -> Result<Vec<DoctorFinding>, StoreError> {
    let folder = DataFolder::open(root)?;
    let mut findings = Vec::new();
    let mut manifest = whole_manifest(&folder, &mut findings)?;
    let contents = manifest.load(&folder)?;
    let known = ManifestFileSet::of(&contents);
    let orphans = known.orphans(&folder.segments())?;
    let mut lost = Vec::new();
    for (segment, _) in &contents.segments {
        if let Err(fault) = examine(segment)
            && !bring_back(&folder, segment, &mut findings)?
        {
            let name = segment.path.display();
            let kept = match segment.path.exists() {
                true => format!("its file is now {}", put_away(&folder, &segment.path)?.display()),
                false => "its file is missing".to_owned(),
            };
            findings.push(DoctorFinding::problem(
                format!("{name}: {fault}; removed from the manifest with its {} spans; {kept}", segment.rows),
                "to restore its spans, copy the file of the same name from an older backup into segments/ and run this command again",
            ));
            lost.push(segment.id);
        }
    }
    manifest.leave_out(&lost)?;

    let mut unnamed: Vec<(u64, PathBuf)> = orphans
        .into_iter()
        .filter(|(id, _)| !known.is_done_with(*id))
        .flat_map(|(id, files)| files.into_iter().filter(|path| is_parquet(path)).map(move |path| (id, path)))
        .collect();
    let stem = |path: &Path| path.file_name().and_then(|name| name.to_str()?.split('.').next()?.parse::<u64>().ok());
    unnamed.extend(orphan_files::set_aside_in(&folder.damaged())?.into_iter().map(|path| (stem(&path).unwrap_or(0), path)));
    // If two segments have a row of the same span, the row of the later segment wins.
    unnamed.sort_by(|a, b| b.cmp(a));
    let (in_log, first) = keys_in_log(&folder, contents.covered)?;
    let mut taken_in = false;
    for (id, path) in unnamed {
        match take_in(&folder, &mut manifest, id, &path, &in_log)? {
            Ok((to, rows)) => {
                taken_in = true;
                let (from, to) = (path.display(), to.display());
                findings.push(DoctorFinding::fine(format!("{from}: added as {to} with {rows} spans that were not stored elsewhere")));
            }
            Err(fault) => findings.push(DoctorFinding::problem(
                format!("{}: {fault}; not added, the file stays in place", path.display()),
                "copy the file of the same name from an older backup into segments/ and run this command again, or remove it",
            )),
        }
    }
    // Everything older than the WAL is in the recovered segments, if it exists at all.
    let covered = first.map(|first| first - 1).or_else(|| wal::last_sequence(&folder.logs()));
    if let Some(covered) = covered.filter(|covered| taken_in && *covered > contents.covered) {
        manifest.commit(&ManifestEdit { covered: Some(covered), ..ManifestEdit::default() })?;
    }
    Ok(findings)
}

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet")
}

/// Returns the manifest, rebuilt if it cannot be read.
fn whole_manifest(folder: &DataFolder, findings: &mut Vec<DoctorFinding>) -> Result<Manifest, StoreError> {
    let path = folder.manifest();
    let state = match fs::metadata(&path) {
        Ok(found) if found.len() > 0 => None,
        Ok(_) => Some("empty"),
        Err(_) => Some("missing"),
    };
    let opened = Manifest::open(folder).and_then(|manifest| manifest.load(folder).map(|_| manifest));
    match (opened, state) {
        (Ok(manifest), None) => Ok(manifest),
        (Ok(manifest), Some(state)) => {
            let has_segments =
                !numbered(&folder.segments(), "parquet")?.is_empty() || !orphan_files::set_aside_in(&folder.damaged())?.is_empty();
            if has_segments {
                findings.push(DoctorFinding::note(format!("{} was {state} and has been recreated", path.display()), ""));
            }
            Ok(manifest)
        }
        (Err(error @ (StoreError::Damaged { .. } | StoreError::Manifest { .. })), _) => {
            let aside = free_name(&folder.damaged(), "manifest", "db");
            for beside in ["", "-wal", "-shm"] {
                let from = PathBuf::from(format!("{}{beside}", path.display()));
                if from.exists() {
                    fs::rename(&from, format!("{}{beside}", aside.display())).map_err(StoreError::io("move", &from))?;
                }
            }
            sync_folder(&folder.damaged())?;
            sync_folder(folder.root())?;
            let what = format!("{error}; it was moved to {} and has been rebuilt", aside.display());
            findings
                .push(DoctorFinding::note(what, "superseded rows are only known as far as later segments contain their newer versions"));
            Manifest::open(folder)
        }
        (Err(error), _) => Err(error),
    }
}

/// Looks for an intact copy of a segment in `damaged/`, and moves it to its place. Returns whether there was one.
fn bring_back(folder: &DataFolder, segment: &Segment, findings: &mut Vec<DoctorFinding>) -> Result<bool, StoreError> {
    for path in orphan_files::set_aside_in(&folder.damaged())? {
        if segment.crc.is_some() && examine_as(segment, &path).is_ok() {
            if segment.path.exists() {
                put_away(folder, &segment.path)?;
            }
            move_to(&path, &segment.path)?;
            findings.push(DoctorFinding::fine(format!("{}: restored from {}", segment.path.display(), path.display())));
            return Ok(true);
        }
    }
    Ok(false)
}

/// Moves a segment with a wrong checksum to `damaged/` under a name that is not mistaken for an intact segment.
fn put_away(folder: &DataFolder, path: &Path) -> Result<PathBuf, StoreError> {
    let to = free_name(&folder.damaged(), &path.file_stem().unwrap_or_default().to_string_lossy(), "parquet.damaged");
    move_to(path, &to)?;
    Ok(to)
}

/// Moves a segment and removes its sidecar files, which are rebuilt.
fn move_to(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::io("move", from))?;
    for extension in sidecar::EXTENSIONS {
        let beside = from.with_extension(extension);
        if beside.exists() {
            fs::remove_file(&beside).map_err(StoreError::io("remove", &beside))?;
        }
    }
    [from, to].into_iter().filter_map(Path::parent).try_for_each(sync_folder)
}

/// Returns the spans in WAL frames that no segment of the manifest covers, and the number of the first such frame.
fn keys_in_log(folder: &DataFolder, covered: u64) -> Result<(HashSet<SpanKey>, Option<u64>), StoreError> {
    let (mut found, mut first) = (HashSet::new(), None);
    for (_, path) in numbered(&folder.logs(), "log")? {
        let contents = wal::read(&path)?;
        for (sequence, payload) in contents.frames().filter(|(sequence, _)| *sequence > covered) {
            first = first.or(Some(sequence));
            // The next start reports frames that cannot be read.
            let Ok((head, spans)) = frame::read(payload) else { continue };
            let kept = (0u32..).zip(&spans).filter(|(index, _)| head.dropped.binary_search(index).is_err());
            found.extend(kept.map(|(_, span)| SpanKey { project: head.project, trace: span.trace_id, span: span.span_id }));
        }
    }
    Ok((found, first))
}

/// Adds a segment to the manifest. Its rows that exist elsewhere are marked as dead. The inner error says why the segment cannot be read.
fn take_in(
    folder: &DataFolder,
    manifest: &mut Manifest,
    id: u64,
    path: &Path,
    in_log: &HashSet<SpanKey>,
) -> Result<Result<(PathBuf, u64), String>, StoreError> {
    let contents = manifest.load(folder)?;
    let mut rows = match rows_of(path) {
        Ok(rows) => rows,
        Err(fault) => return Ok(Err(fault)),
    };
    let count = rows.len() as u64;
    let mut dead: RowBitSet = rows.iter().filter(|row| in_log.contains(&row.key)).map(|row| row.row).collect();
    for chunk in rows.chunks(CHUNK) {
        for (segment, gone) in &contents.segments {
            for row in elsewhere(segment, gone, chunk)? {
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
    let id = next_id(folder, &contents, id)?;
    let target = folder.segment(id);
    if path != target {
        move_to(path, &target)?;
    }
    rows.sort_by_key(|row| row.row);
    write_ids(&target, &rows)?;
    let mut projects: Vec<u64> = rows.iter().map(|row| row.key.project).collect();
    projects.sort_unstable();
    projects.dedup();
    let segment = Segment {
        id,
        path: target.clone(),
        rows: count,
        bytes: fs::metadata(&target).map_err(StoreError::io("read", &target))?.len(),
        crc: Some(crc_of(&target).map_err(StoreError::io("read", &target))?),
        min_start_us: rows.iter().map(|row| row.start_us).min().unwrap_or(0),
        max_start_us: rows.iter().map(|row| row.start_us).max().unwrap_or(0),
        projects,
        rollup: SidecarCell::default(),
        grams: SidecarCell::default(),
        replaced: AtomicBool::new(false),
    };
    manifest.commit(&ManifestEdit { add: vec![&segment], dead: vec![(id, dead)], ..ManifestEdit::default() })?;
    Ok(Ok((target, holding)))
}

/// Returns the given segment number if it is free, else a new one.
fn next_id(folder: &DataFolder, contents: &ManifestContents, id: u64) -> Result<u64, StoreError> {
    let named: HashSet<u64> = contents.segments.iter().map(|(segment, _)| segment.id).collect();
    if id > 0 && !named.contains(&id) {
        return Ok(id);
    }
    let on_disk = numbered(&folder.segments(), "parquet")?.into_iter().map(|(id, _)| id);
    let aside = numbered(&folder.damaged(), "parquet")?.into_iter().map(|(id, _)| id);
    Ok(named.iter().copied().chain(on_disk).chain(aside).chain(contents.removed.iter().copied()).max().unwrap_or(0) + 1)
}

/// Returns the keys of all rows of a file after reading the whole file.
fn rows_of(path: &Path) -> Result<Vec<RowKey>, String> {
    let said = |error: StoreError| error.to_string();
    let reader = SegmentReader::open(path).map_err(said)?;
    let count = u32::try_from(reader.rows()).map_err(|_| "more rows than a segment has".to_owned())?;
    let batch = reader.columns(std::slice::from_ref(&(0..count)), &KEY_COLUMNS).map_err(said)?;
    let rows = keys(&batch, 0, 0);
    let has_ids = rows.iter().all(|row| row.key.trace != TraceId(0) && row.key.span.0 != 0);
    if rows.len() != count as usize || !has_ids {
        return Err("not a segment".to_owned());
    }
    decode(path).map(|_| rows)
}

/// Returns those of the rows that a segment of the manifest contains too, where they are not dead. Hashes select candidates; keys decide.
fn elsewhere(segment: &Segment, gone: &RowBitSet, rows: &[RowKey]) -> Result<Vec<u32>, StoreError> {
    let path = segment.path.with_extension("ids");
    let ids = match SegmentIdIndex::open(&path) {
        Ok(ids) => ids,
        Err(_) => {
            let Ok(rows) = rows_of(&segment.path) else { return Ok(Vec::new()) };
            write_ids(&segment.path, &rows)?
        }
    };
    let mut hits = Vec::new();
    for row in rows.iter().filter(|row| ids.may_hold_span(row.key.hash())) {
        let there = ids.rows_of_span(&row.key).map_err(StoreError::io("read", &path))?;
        hits.extend(there.into_iter().filter(|there| !gone.contains(*there)).map(|there| (there, row)));
    }
    if hits.is_empty() {
        return Ok(Vec::new());
    }
    let mut wanted: Vec<u32> = hits.iter().map(|(there, _)| *there).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let Ok(batch) = SegmentReader::open(&segment.path).and_then(|reader| reader.columns(&ranges(wanted.iter().copied()), &KEY_COLUMNS))
    else {
        return Ok(Vec::new());
    };
    let found = keys(&batch, 0, 0);
    let key_at = |there: u32| wanted.binary_search(&there).ok().and_then(|at| found.get(at)).map(|row| row.key);
    Ok(hits.into_iter().filter(|(there, row)| key_at(*there) == Some(row.key)).map(|(_, row)| row.row).collect())
}
