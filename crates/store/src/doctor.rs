//! Checks a data directory without changing it. While a server uses the directory, only files that do not change are checked.

pub(crate) mod repair;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use super::data_folder::{self, numbered};
use super::error::StoreError;
use super::manifest::{self, ManifestContents};
use super::recovery::orphan_files::ManifestFileSet;
use super::rollup::Rollup;
use super::row_bit_set::RowBitSet;
use super::segment::checksum;
use super::segment::id_index::SegmentIdIndex;
use super::segment::read::SegmentReader;
use super::segment_storage::{LocalSegmentStorage, SegmentObject, SegmentObjectKind, SegmentStorage};
use super::sidecar::SidecarContent;
use super::sidecar::ngram_index::NgramIndex;
use super::snapshot::Segment;
use super::wal;
use super::wal::frame;

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DoctorSeverity {
    /// Everything is in order.
    Fine,
    /// Information: no data is lost, and no action is needed.
    Note,
    /// Data is lost, or a function will fail.
    Problem,
}

/// Result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorFinding {
    /// Severity of the finding.
    pub severity: DoctorSeverity,
    /// What was found, and where.
    pub description: String,
    /// Advice on what to do; empty if no action is needed.
    pub remedy: String,
}

impl DoctorFinding {
    /// Returns a finding with severity [`Fine`](DoctorSeverity::Fine).
    pub fn fine(description: impl Into<String>) -> DoctorFinding {
        DoctorFinding { severity: DoctorSeverity::Fine, description: description.into(), remedy: String::new() }
    }

    /// Returns a finding with severity [`Note`](DoctorSeverity::Note).
    pub fn note(description: impl Into<String>, remedy: impl Into<String>) -> DoctorFinding {
        DoctorFinding { severity: DoctorSeverity::Note, description: description.into(), remedy: remedy.into() }
    }

    /// Returns a finding with severity [`Problem`](DoctorSeverity::Problem).
    pub fn problem(description: impl Into<String>, remedy: impl Into<String>) -> DoctorFinding {
        DoctorFinding { severity: DoctorSeverity::Problem, description: description.into(), remedy: remedy.into() }
    }
}

/// Returns the ID of the process that has the directory open, or an empty string if it is unknown; `None` if no process has it open.
pub fn lock_holder(root: &Path) -> Option<String> {
    data_folder::holder(root)
}

/// Checks WAL, manifest and segments. `progress` is called with the number of checked segments and the number of all segments.
pub fn check_store(root: &Path, mut progress: impl FnMut(usize, usize)) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    let running = lock_holder(root).is_some();
    // The last acknowledged frame is read first, then the WAL: the manifest, which is read last, covers everything that is flushed
    // meanwhile.
    let acknowledged = wal::last_sequence(&root.join("log"));
    let logs = check_wal(root, acknowledged, &mut findings);
    let path = root.join("manifest.db");
    let storage: Arc<dyn SegmentStorage> = match LocalSegmentStorage::new(root) {
        Ok(storage) => Arc::new(storage),
        Err(error) => {
            findings.push(DoctorFinding::problem(error.to_string(), "start the command in a directory that exists"));
            return findings;
        }
    };
    let has_unnamed = report_damaged_directory(root, &*storage, &mut findings);
    if let Some(state) = manifest::state_without_content(&path) {
        let lost = storage.list().map_or(0, |found| found.iter().filter(|object| object.kind == SegmentObjectKind::Parquet).count());
        match lost {
            1.. => findings.push(DoctorFinding::problem(
                format!("{} is {state}, but there are {lost} segments", path.display()),
                "stop the server and run `hinomi doctor --repair`, which rebuilds the manifest from the segments, or restore a backup; startup moves the segments to damaged/ and deletes nothing",
            )),
            0 => findings.push(DoctorFinding::note("no data has been stored yet", "")),
        }
        return findings;
    }
    let Some(contents) = manifest(&path, &storage, &mut findings) else { return findings };
    // Frames that are missing in the WAL may be in segments that the manifest does not name.
    let acknowledged = acknowledged.filter(|_| !has_unnamed);
    check_gaps(&logs, contents.last_flushed_frame, acknowledged, running, &mut findings);
    let known = ManifestFileSet::from_manifest(&contents);
    let segments = contents.segments;
    let count = segments.len();
    let mut rows = 0;
    for (done, (segment, dead)) in segments.iter().enumerate() {
        progress(done, count);
        rows += segment.rows.saturating_sub(dead.len() as u64);
        check_segment(segment, dead, running, &mut findings);
    }
    progress(count, count);
    findings.push(DoctorFinding::fine(format!("{count} segments with {rows} spans checked")));
    if !running {
        // A running server may be writing them right now.
        report_orphans(root, &*storage, &known, &mut findings);
    }
    findings
}

/// Reports segments that an earlier start moved to `damaged/`. Returns whether there are any.
fn report_damaged_directory(root: &Path, storage: &dyn SegmentStorage, findings: &mut Vec<DoctorFinding>) -> bool {
    let found = storage.quarantined();
    let has_some = found.as_ref().is_ok_and(|found| !found.is_empty());
    match found {
        Ok(found) if found.is_empty() => {}
        Ok(found) => findings.push(DoctorFinding::problem(
            format!("{} segments are quarantined in {}; their spans are not shown", found.len(), root.join("damaged").display()),
            "stop the server and run `hinomi doctor --repair`, which adds the readable segments; remove segments that you do not need",
        )),
        Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
        Err(error) => findings.push(DoctorFinding::problem(error.to_string(), "give this user permission to read the directory")),
    }
    has_some
}

/// Path of a WAL file, and the sequence numbers of its frames.
type WalFileFrames = (PathBuf, Vec<u64>);

fn check_wal(root: &Path, acknowledged: Option<u64>, findings: &mut Vec<DoctorFinding>) -> Vec<WalFileFrames> {
    let files = match numbered(&root.join("log"), "log") {
        Ok(files) => files,
        Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            findings.push(DoctorFinding::problem(error.to_string(), "give this user permission to read the directory"));
            return Vec::new();
        }
    };
    let last = files.last().map(|(number, _)| *number);
    let mut found = Vec::new();
    for (number, path) in files {
        let contents = match wal::read(&path) {
            Ok(contents) => contents,
            // A running server has removed it meanwhile.
            Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                findings.push(DoctorFinding::problem(error.to_string(), ""));
                continue;
            }
        };
        if let Some(damage) = &contents.damage {
            findings.push(DoctorFinding::problem(
                format!("{}: {} bytes starting at byte {} cannot be read", path.display(), damage.bytes, damage.position),
                "the next start reads the rest and saves a copy in damaged/; check the disk; restore a backup if you need the lost data",
            ));
        }
        if let Some(at) = contents.torn_at {
            let description = format!("{}: incomplete frame at the end, starting at byte {at}", path.display());
            let is_new = contents.frame_payloads().last().is_none_or(|(sequence, _)| acknowledged.is_none_or(|last| last <= sequence));
            findings.push(match last == Some(number) && is_new {
                true => DoctorFinding::note(description, "this write was never acknowledged; the next start removes it"),
                false => DoctorFinding::problem(description, "check the disk, and restore a backup if you need the lost data"),
            });
        }
        for (sequence, payload) in contents.frame_payloads() {
            if let Err(error) = frame::decode_payload(payload) {
                findings.push(DoctorFinding::problem(
                    format!("{}: frame {sequence}: {error}", path.display()),
                    "restore a backup if you need its data",
                ));
            }
        }
        let sequences: Vec<u64> = contents.frame_payloads().map(|(sequence, _)| sequence).collect();
        findings.push(DoctorFinding::fine(format!("{}: {} frames", path.display(), sequences.len())));
        found.push((path, sequences));
    }
    found
}

fn manifest(path: &Path, storage: &Arc<dyn SegmentStorage>, findings: &mut Vec<DoctorFinding>) -> Option<ManifestContents> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read = Connection::open_with_flags(path, flags).and_then(|connection| {
        let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > manifest::MANIFEST_FORMAT {
            return Ok((found, None));
        }
        let said: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
        if said != "ok" {
            findings.push(DoctorFinding::problem(format!("{}: {said}", path.display()), "restore a backup"));
        }
        Ok((found, Some(manifest::read(&connection, found, storage)?)))
    });
    match read {
        Ok((_, Some(contents))) => {
            findings.push(DoctorFinding::fine(format!("{}: {} segments", path.display(), contents.segments.len())));
            Some(contents)
        }
        Ok((found, None)) if found > manifest::LAST_FORMAT => {
            let description = format!("{} is damaged: {}", path.display(), manifest::unknown_format_message(found));
            findings.push(DoctorFinding::problem(description, UNREADABLE_MANIFEST));
            None
        }
        Ok((found, None)) => {
            let description = format!(
                "{} was written by a newer version of Hinomi (format {found}; supported: up to {})",
                path.display(),
                manifest::MANIFEST_FORMAT
            );
            findings.push(DoctorFinding::problem(description, "run that version"));
            None
        }
        Err(error) => {
            findings.push(DoctorFinding::problem(format!("{}: {error}", path.display()), UNREADABLE_MANIFEST));
            None
        }
    }
}

const UNREADABLE_MANIFEST: &str =
    "restore a backup, or stop the server and run `hinomi doctor --repair`, which rebuilds the manifest from the segments";

/// Checks that the frames after those in the manifest have no gap, up to the last acknowledged frame.
fn check_gaps(logs: &[WalFileFrames], covered: u64, acknowledged: Option<u64>, running: bool, findings: &mut Vec<DoctorFinding>) {
    let mut last = covered;
    for (path, sequences) in logs {
        for sequence in sequences.iter().copied().filter(|sequence| *sequence > covered) {
            // A running server may have flushed and removed a file between the two reads.
            if sequence > last + 1 && !running {
                findings.push(DoctorFinding::problem(
                    format!(
                        "frames {} to {} of the WAL are missing; {} continues with frame {sequence}",
                        last + 1,
                        sequence - 1,
                        path.display()
                    ),
                    "a WAL file is missing or damaged; restore a backup if you need its data",
                ));
            }
            last = last.max(sequence);
        }
    }
    if let Some(acknowledged) = acknowledged.filter(|acknowledged| *acknowledged > last && !running) {
        findings.push(DoctorFinding::problem(
            format!("frames {} to {acknowledged} of the WAL were acknowledged but are missing", last + 1),
            "a WAL file is missing or truncated; restore a backup if you need its data",
        ));
    }
}

fn check_segment(segment: &Segment, dead: &RowBitSet, running: bool, findings: &mut Vec<DoctorFinding>) {
    let name = segment.location.display();
    let lost = "all other data can be read; check the disk, stop the server, and copy the file of the same name from a backup into \
                segments/, or remove it from the manifest with `hinomi doctor --repair`";
    if !segment.objects.has(SegmentObjectKind::Parquet) {
        findings.push(match running {
            true => DoctorFinding::note(format!("{name} was merged or deleted during the check"), ""),
            false => DoctorFinding::problem(format!("{name} is missing"), lost),
        });
        return;
    }
    let whole = checksum::check_segment(segment).and_then(|()| {
        let rows = SegmentReader::open(&segment.objects).map_err(|error| error.to_string())?.rows();
        if rows == segment.rows { Ok(()) } else { Err(format!("{rows} rows instead of {}", segment.rows)) }
    });
    if let Err(fault) = whole {
        findings.push(DoctorFinding::problem(format!("{name}: {fault}"), lost));
    }
    if dead.iter().any(|row| u64::from(row) >= segment.rows) {
        findings.push(DoctorFinding::problem(
            format!("{name}: the manifest refers to rows that the segment does not have"),
            "restore a backup",
        ));
    }
    let location = |kind| segment.objects.location(kind);
    if let Err(error) = SegmentIdIndex::open(&segment.objects) {
        let ids = location(SegmentObjectKind::Ids);
        findings.push(DoctorFinding::note(format!("{}: {error}", ids.display()), "the next start rebuilds the file from the segment"));
    }
    let again = "the server rebuilds the file from the segment";
    if let Err(error) = Rollup::read(&segment.objects) {
        findings.push(DoctorFinding::note(format!("{}: {error}", location(Rollup::KIND).display()), again));
    }
    // Young segments do not have an n-gram index yet.
    if let Some(error) = NgramIndex::read(&segment.objects).err().filter(|error| error.kind() != ErrorKind::NotFound) {
        findings.push(DoctorFinding::note(format!("{}: {error}", location(NgramIndex::KIND).display()), again));
    }
}

/// Reports files that the manifest does not name.
fn report_orphans(root: &Path, storage: &dyn SegmentStorage, known: &ManifestFileSet, findings: &mut Vec<DoctorFinding>) {
    let count = data_folder::count_damaged_copies(&root.join("damaged"));
    if count > 0 {
        findings.push(DoctorFinding::note(
            format!("{count} copies of damaged files in {}", root.join("damaged").display()),
            "remove these copies when you no longer need them",
        ));
    }
    let orphans = match known.orphans(storage) {
        Ok(orphans) => orphans,
        Err(error) => {
            findings.push(DoctorFinding::problem(error.to_string(), "give this user permission to read the directory"));
            return;
        }
    };
    let is_segment = |files: &[SegmentObject]| files.iter().any(|object| object.kind == SegmentObjectKind::Parquet);
    let (unknown, rest): (Vec<_>, Vec<_>) = orphans.iter().partition(|(id, files)| is_segment(files) && !known.is_removable(**id));
    let rest: usize = rest.iter().map(|(_, files)| files.len()).sum();
    if rest > 0 {
        findings.push(DoctorFinding::note(
            format!("{rest} files in segments/ do not belong to a segment"),
            "these files are left from a flush or merge; the next start removes them",
        ));
    }
    if let Some((id, _)) = unknown.first() {
        findings.push(DoctorFinding::note(
            format!("{} segments in segments/, such as {id:010}.parquet, are not in the manifest", unknown.len()),
            "the next start removes segments whose spans are also in the WAL, and moves all others to damaged/; if the manifest is too old or was recreated, stop the server and run `hinomi doctor --repair`, which adds these segments",
        ));
    }
}
