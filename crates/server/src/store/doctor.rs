//! What is wrong with a data folder, found without changing anything in it. Beside a running server it looks at what does not change.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::bits::Bits;
use super::check;
use super::folder::numbered;
use super::frame;
use super::grams::Index;
use super::log;
use super::manifest;
use super::rollup::Rollup;
use super::segment::ids::Ids;
use super::segment::read::Reader;
use super::side::Side;
use super::snapshot::Segment;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// Worth knowing; nothing is lost and nothing must be done.
    Note,
    /// Something is lost or will not work.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was found, about what.
    pub what: String,
    /// What to do about it; empty where nothing is to be done.
    pub todo: String,
}

impl Finding {
    /// All is well.
    pub fn fine(what: impl Into<String>) -> Finding {
        Finding { severity: Severity::Fine, what: what.into(), todo: String::new() }
    }

    /// Worth knowing.
    pub fn note(what: impl Into<String>, todo: impl Into<String>) -> Finding {
        Finding { severity: Severity::Note, what: what.into(), todo: todo.into() }
    }

    /// Something is wrong.
    pub fn problem(what: impl Into<String>, todo: impl Into<String>) -> Finding {
        Finding { severity: Severity::Problem, what: what.into(), todo: todo.into() }
    }
}

/// The process that has a folder open; empty text where it does not say which.
pub fn holder(root: &Path) -> Option<String> {
    let mut file = File::open(root.join("LOCK")).ok()?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            Some(pid.trim().to_owned())
        }
        _ => None,
    }
}

/// Looks at log, manifest and segments. `progress` is told how many segments of how many are done.
pub fn examine(root: &Path, mut progress: impl FnMut(usize, usize)) -> Vec<Finding> {
    let mut findings = Vec::new();
    let running = holder(root).is_some();
    // The log first: what is flushed meanwhile is covered by the manifest that is read after it.
    let logs = logs(root, &mut findings);
    let path = root.join("manifest.db");
    if !path.exists() {
        match numbered(&root.join("segments"), "parquet") {
            Ok(lost) if !lost.is_empty() => findings.push(Finding::problem(
                format!("{} is missing, and {} segments lie beside it", path.display(), lost.len()),
                "restore a backup; without the manifest it is not known which segments hold",
            )),
            _ => findings.push(Finding::note("nothing has been stored yet", "")),
        }
        return findings;
    }
    let Some((covered, segments)) = manifest(&path, root, &mut findings) else { return findings };
    gaps(&logs, covered, running, &mut findings);
    let count = segments.len();
    let mut rows = 0;
    for (done, (segment, dead)) in segments.iter().enumerate() {
        progress(done, count);
        rows += segment.rows.saturating_sub(dead.len() as u64);
        look_at(segment, dead, running, &mut findings);
    }
    progress(count, count);
    findings.push(Finding::fine(format!("{count} segments with {rows} spans looked at")));
    orphans(root, &segments, running, &mut findings);
    findings
}

/// What a log file holds: its path, and the sequences of its frames.
type Frames = (PathBuf, Vec<u64>);

fn logs(root: &Path, findings: &mut Vec<Finding>) -> Vec<Frames> {
    if !root.join("log").exists() {
        return Vec::new();
    }
    let files = match numbered(&root.join("log"), "log") {
        Ok(files) => files,
        Err(error) => {
            findings.push(Finding::problem(error.to_string(), "give this user the right to read it"));
            return Vec::new();
        }
    };
    let last = files.last().map(|(number, _)| *number);
    let mut found = Vec::new();
    for (number, path) in files {
        if !path.exists() {
            continue;
        }
        let contents = match log::read(&path) {
            Ok(contents) => contents,
            Err(error) => {
                findings.push(Finding::problem(error.to_string(), ""));
                continue;
            }
        };
        if let Some(damage) = &contents.damage {
            findings.push(Finding::problem(
                format!("{}: {} bytes from byte {} on cannot be read", path.display(), damage.bytes, damage.at),
                "the next start reads the rest and keeps a copy in damaged/; check the disk, and restore a backup for what is lost",
            ));
        }
        if let Some(at) = contents.torn_at {
            let what = format!("{}: its end, from byte {at} on, is no whole frame", path.display());
            findings.push(match last == Some(number) {
                true => Finding::note(what, "a write that was never acknowledged; the next start cuts it off"),
                false => Finding::problem(what, "check the disk, and restore a backup for what is lost"),
            });
        }
        for (sequence, payload) in contents.frames() {
            if let Err(error) = frame::read(payload) {
                findings
                    .push(Finding::problem(format!("{}: frame {sequence}: {error}", path.display()), "restore a backup for what it held"));
            }
        }
        let sequences: Vec<u64> = contents.frames().map(|(sequence, _)| sequence).collect();
        findings.push(Finding::fine(format!("{}: {} frames", path.display(), sequences.len())));
        found.push((path, sequences));
    }
    found
}

fn manifest(path: &Path, root: &Path, findings: &mut Vec<Finding>) -> Option<(u64, Vec<(Segment, Bits)>)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read = Connection::open_with_flags(path, flags).and_then(|connection| {
        let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > manifest::VERSION {
            return Ok((found, None));
        }
        let said: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
        if said != "ok" {
            findings.push(Finding::problem(format!("{}: {said}", path.display()), "restore a backup"));
        }
        let has_sums = found > 1;
        let segment = |id| root.join("segments").join(format!("{id:010}.parquet"));
        Ok((found, Some(manifest::read(&connection, has_sums, segment)?)))
    });
    match read {
        Ok((_, Some(contents))) => {
            findings.push(Finding::fine(format!("{}: {} segments", path.display(), contents.segments.len())));
            Some((contents.covered, contents.segments))
        }
        Ok((found, None)) => {
            let what =
                format!("{} was written by a newer version (format {found}, known here up to {})", path.display(), manifest::VERSION);
            findings.push(Finding::problem(what, "start that version"));
            None
        }
        Err(error) => {
            findings.push(Finding::problem(format!("{}: {error}", path.display()), "restore a backup"));
            None
        }
    }
}

/// Frames that the manifest does not cover must follow each other without a gap.
fn gaps(logs: &[Frames], covered: u64, running: bool, findings: &mut Vec<Finding>) {
    let mut last = covered;
    for (path, sequences) in logs {
        for sequence in sequences.iter().copied().filter(|sequence| *sequence > covered) {
            // A running server may have flushed, and removed a file, between the two looks.
            if sequence > last + 1 && !running {
                findings.push(Finding::problem(
                    format!("frames {} to {} of the log are nowhere; {} goes on with {sequence}", last + 1, sequence - 1, path.display()),
                    "a log file is missing or damaged: restore a backup for what it held",
                ));
            }
            last = last.max(sequence);
        }
    }
}

fn look_at(segment: &Segment, dead: &Bits, running: bool, findings: &mut Vec<Finding>) {
    let name = segment.path.display();
    let lost = "the server reads everything else; restore a backup for its spans, and check the disk";
    if !segment.path.exists() {
        findings.push(match running {
            true => Finding::note(format!("{name} has been merged or deleted meanwhile"), ""),
            false => Finding::problem(format!("{name} is missing"), lost),
        });
        return;
    }
    let whole = check::examine(segment).and_then(|()| {
        let rows = Reader::open(&segment.path).map_err(|error| error.to_string())?.rows();
        if rows == segment.rows { Ok(()) } else { Err(format!("{rows} rows instead of {}", segment.rows)) }
    });
    if let Err(fault) = whole {
        findings.push(Finding::problem(format!("{name}: {fault}"), lost));
    }
    if dead.iter().any(|row| u64::from(row) >= segment.rows) {
        findings.push(Finding::problem(format!("{name}: the manifest tells of rows that it does not have"), "restore a backup"));
    }
    let ids = segment.path.with_extension("ids");
    if let Err(error) = Ids::open(&ids) {
        findings.push(Finding::note(format!("{}: {error}", ids.display()), "the next start makes it again from the segment"));
    }
    let again = "the server makes it again by itself from the segment";
    let hours = segment.path.with_extension(Rollup::EXTENSION);
    if let Err(error) = Rollup::read(&hours) {
        findings.push(Finding::note(format!("{}: {error}", hours.display()), again));
    }
    // Young segments have none yet.
    let grams = segment.path.with_extension(Index::EXTENSION);
    if let Some(error) = Index::read(&grams).err().filter(|error| error.kind() != ErrorKind::NotFound) {
        findings.push(Finding::note(format!("{}: {error}", grams.display()), again));
    }
}

/// Files that the manifest does not name.
fn orphans(root: &Path, segments: &[(Segment, Bits)], running: bool, findings: &mut Vec<Finding>) {
    if running {
        // They may be written right now.
        return;
    }
    let named = |path: &Path| segments.iter().any(|(segment, _)| segment.path.file_stem() == path.file_stem());
    let entries = fs::read_dir(root.join("segments")).into_iter().flatten().filter_map(Result::ok);
    let count = entries.filter(|entry| !named(&entry.path())).count();
    if count > 0 {
        findings.push(Finding::note(
            format!("{count} files in segments/ belong to none"),
            "the rest of a flush or a merge; the next start removes them",
        ));
    }
    match fs::read_dir(root.join("damaged")).map(|entries| entries.filter_map(Result::ok).count()) {
        Ok(0) => {}
        Ok(kept) => findings.push(Finding::note(
            format!("{kept} copies of damaged files lie in {}", root.join("damaged").display()),
            "remove them once nobody wants to look at them any more",
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            findings.push(Finding::problem(format!("{}: {error}", root.join("damaged").display()), "give this user the right to read it"))
        }
    }
}
