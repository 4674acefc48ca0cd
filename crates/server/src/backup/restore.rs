//! Reads backups: verifies them, unpacks them, or restores a data directory.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail, ensure};
use hinomi_store::doctor;
use hinomi_store::doctor::DoctorSeverity;

use super::{BACKUP_FORMAT, BackupFileEntry, BackupManifest, CONTENTS_FILE};

/// File that is in a directory from the beginning of a restore to its end.
const RESTORING_FILE: &str = "RESTORING";
const RESTORING_FILE_TEXT: &str =
    "A restore into this directory is incomplete. Run the restore again: until a restore ends, this is not a data directory.\n";

/// Largest size of the list, in bytes.
const MAX_CONTENTS_BYTES: u64 = 256 << 20;

/// Result of a restore.
#[derive(Debug)]
pub struct RestoreReport {
    /// Contents of the backup.
    pub contents: BackupManifest,
    /// Size of all files in bytes.
    pub bytes: u64,
    /// Files that are missing from the restored directory, with the reason for each.
    pub missing: Vec<String>,
}

/// Whether missing files are a reason to reject a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFilePolicy {
    /// Restores everything or nothing.
    Refused,
    /// Restores all files that the backup contains.
    Allowed,
}

/// Reads an archive to its end and checks each file against the list.
///
/// # Errors
///
/// Returns an error if the archive is not a backup or is truncated, or a file differs from the list.
pub fn verify(archive: impl Read) -> anyhow::Result<BackupManifest> {
    for_each_file(archive, |_| Ok(Box::new(io::sink())), None)
}

/// Unpacks an archive into an empty directory and checks each file. The list is written last: a directory without it is not a backup.
///
/// # Errors
///
/// Returns the same errors as [`verify`], and an error if the directory is not empty or cannot be written.
pub fn unpack(archive: impl Read, folder: &Path) -> anyhow::Result<BackupManifest> {
    create_empty(folder)?;
    let contents = for_each_file(archive, |name| create_durable_file(&folder.join(name)), None)?;
    sync_folders(folder, &contents)?;
    let mut list = create_durable_file(&folder.join(CONTENTS_FILE))?;
    list.write_all(&serde_json::to_vec_pretty(&contents)?)?;
    list.flush()?;
    File::open(folder)?.sync_all()?;
    Ok(contents)
}

/// Restores a data directory from a backup, which is an archive or a directory that [`unpack`] wrote. If `source` is not a directory,
/// `archive` returns the bytes of the archive. The data directory must not be used until [`finish`] has been called. A restore that was
/// interrupted starts again.
///
/// # Errors
///
/// Returns the same errors as [`unpack`], and an error if the result is incomplete, unless `gaps` allows that. A backup without a
/// manifest is always an error.
pub fn restore(
    source: &Path,
    archive: impl FnOnce() -> anyhow::Result<Box<dyn Read>>,
    data: &Path,
    gaps: MissingFilePolicy,
) -> anyhow::Result<RestoreReport> {
    let mark = data.join(RESTORING_FILE);
    if mark.exists() {
        // Everything in the directory is from a restore, which had found it empty.
        clear_directory(data)?;
    } else {
        create_empty(data)?;
        let mut written = create_durable_file(&mark)?;
        written.write_all(RESTORING_FILE_TEXT.as_bytes())?;
        written.flush()?;
        File::open(data)?.sync_all()?;
    }
    let place = |name: &str| data.join(name);
    let mut missing = Vec::new();
    let left_out = (gaps == MissingFilePolicy::Allowed).then_some(&mut missing);
    let contents = if source.is_dir() {
        from_folder(source, &place, left_out)?
    } else {
        for_each_file(archive()?, |name| create_durable_file(&place(name)), left_out)?
    };
    for entry in contents.files.iter().filter(|entry| missing.iter().any(|(name, _)| *name == entry.name)) {
        // An incomplete file is worse than none.
        let path = place(&entry.name);
        if path.exists() {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    ensure!(data.join("manifest.db").exists(), "the backup contains no readable manifest");
    sync_folders(data, &contents)?;
    let mut lacks: Vec<String> = missing.into_iter().map(|(_, fault)| fault).collect();
    lacks.extend(contents.missing.iter().map(|lacking| format!("{} with {} spans ({})", lacking.name, lacking.spans, lacking.fault)));
    let named = |what: &str| contents.missing.iter().any(|lacking| what.contains(&lacking.name));
    let problems = doctor::check_store(data, |_, _| {}).into_iter().filter(|finding| finding.severity == DoctorSeverity::Problem);
    lacks.extend(problems.map(|finding| finding.description).filter(|what| !named(what)));
    if !lacks.is_empty() && gaps == MissingFilePolicy::Refused {
        bail!("the backup is incomplete: {}; use --allow-missing to restore everything else", lacks.join("; "));
    }
    let bytes = contents.files.iter().filter(|entry| place(&entry.name).exists()).map(|file| file.bytes).sum();
    Ok(RestoreReport { bytes, contents, missing: lacks })
}

/// Marks a restored directory as usable.
///
/// # Errors
///
/// Returns an error if the mark cannot be removed durably.
pub fn finish(data: &Path) -> anyhow::Result<()> {
    std::fs::remove_file(data.join(RESTORING_FILE))
        .and_then(|()| File::open(data)?.sync_all())
        .with_context(|| format!("cannot write {}", data.display()))
}

/// Rejects a directory with an unfinished restore.
///
/// # Errors
///
/// Returns an error if a restore into the directory has not finished.
pub fn check_finished(data: &Path) -> anyhow::Result<()> {
    let is_finished = !data.join(RESTORING_FILE).exists();
    ensure!(is_finished, "a restore into {} is incomplete; run `hinomi restore` with this directory again, or remove it", data.display());
    Ok(())
}

/// Removes everything except the mark.
fn clear_directory(folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let removed = match path.file_name() {
            Some(name) if name == RESTORING_FILE => Ok(()),
            _ if path.is_dir() => std::fs::remove_dir_all(&path),
            _ => std::fs::remove_file(&path),
        };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// Syncs the directories of all files, so that the names of the files are durable.
fn sync_folders(folder: &Path, contents: &BackupManifest) -> anyhow::Result<()> {
    let folders: BTreeSet<PathBuf> =
        contents.files.iter().filter_map(|entry| Some(folder.join(&entry.name).parent()?.to_owned())).chain([folder.to_owned()]).collect();
    for folder in folders {
        File::open(&folder).and_then(|opened| opened.sync_all()).with_context(|| format!("cannot write {}", folder.display()))?;
    }
    Ok(())
}

/// Creates a file that only its owner can access. Its content is durable when it is dropped; an error there shows when the file is
/// checked.
fn create_durable_file(path: &Path) -> anyhow::Result<Box<dyn Write>> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(Box::new(DurableFileWriter(BufWriter::with_capacity(1 << 20, file))))
}

struct DurableFileWriter(BufWriter<File>);

impl Write for DurableFileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    /// Syncs the file to disk.
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        self.0.get_ref().sync_all()
    }
}

/// Creates a directory that only its owner can access, or checks that it is empty.
fn create_empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        let mut entries = std::fs::read_dir(folder).with_context(|| format!("cannot read the directory {}", folder.display()))?;
        ensure!(entries.next().is_none(), "{} is not empty; use an empty or new directory", folder.display());
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// Files that could not be restored, with the reason for each.
type SkippedFiles<'a> = Option<&'a mut Vec<(String, String)>>;

/// Records a file that cannot be restored, if that is allowed.
fn skip_missing(left_out: &mut SkippedFiles, entry: &BackupFileEntry, done: anyhow::Result<()>) -> anyhow::Result<()> {
    match (done, left_out) {
        (Err(error), Some(left_out)) => {
            left_out.push((entry.name.clone(), format!("{error:#}")));
            Ok(())
        }
        (done, _) => done,
    }
}

fn from_folder(source: &Path, place: &dyn Fn(&str) -> PathBuf, mut left_out: SkippedFiles) -> anyhow::Result<BackupManifest> {
    let list = source.join(CONTENTS_FILE);
    let text = std::fs::read(&list)
        .with_context(|| format!("{} is not a backup, or an incomplete one: cannot read {}", source.display(), list.display()))?;
    let contents = read_manifest(&text)?;
    for entry in &contents.files {
        let path = source.join(&entry.name);
        let copied = File::open(&path)
            .with_context(|| format!("{} is incomplete: cannot read {}", source.display(), entry.name))
            .and_then(|from| copy(from, create_durable_file(&place(&entry.name))?, entry));
        skip_missing(&mut left_out, entry, copied)?;
    }
    Ok(contents)
}

fn read_manifest(text: &[u8]) -> anyhow::Result<BackupManifest> {
    #[derive(serde::Deserialize)]
    struct BackupFormatHeader {
        format: u32,
    }
    let BackupFormatHeader { format } = serde_json::from_slice(text).context("not a backup: cannot read the list of files")?;
    ensure!(
        format <= BACKUP_FORMAT,
        "the backup was written by a newer version of Hinomi (format {format}; supported: up to {BACKUP_FORMAT}); use that version"
    );
    let contents: BackupManifest = serde_json::from_slice(text).context("not a backup: cannot read the list of files")?;
    for entry in &contents.files {
        // A foreign archive must not write outside the directory.
        let plain = Path::new(&entry.name).components().all(|part| matches!(part, Component::Normal(_)));
        ensure!(
            plain && !entry.name.is_empty() && entry.name != CONTENTS_FILE,
            "the backup contains an invalid file name {:?}",
            entry.name
        );
    }
    Ok(contents)
}

/// Reads an archive, copies each file to the writer that `place` returns, and checks it.
fn for_each_file(
    archive: impl Read,
    place: impl Fn(&str) -> anyhow::Result<Box<dyn Write>>,
    mut left_out: SkippedFiles,
) -> anyhow::Result<BackupManifest> {
    let mut archive = tar::Archive::new(archive);
    let mut entries = archive.entries().context("not a backup")?;
    let first = entries.next().context("not a backup: the file is empty")?.context("not a backup")?;
    ensure!(
        first.path()?.as_os_str() == CONTENTS_FILE,
        "not a backup of Hinomi: its first file is {:?}",
        first.path()?.display().to_string()
    );
    let mut text = Vec::new();
    first.take(MAX_CONTENTS_BYTES).read_to_end(&mut text).context("the backup is truncated")?;
    let contents = read_manifest(&text)?;
    let mut awaited: HashMap<&str, &BackupFileEntry> = contents.files.iter().map(|entry| (entry.name.as_str(), entry)).collect();
    for found in entries {
        let found = match found.context("the backup is truncated or damaged") {
            // The position of the next file is unknown.
            Err(_) if left_out.is_some() => break,
            found => found?,
        };
        let name = found.path()?.to_string_lossy().into_owned();
        let entry =
            awaited.remove(name.as_str()).with_context(|| format!("the backup contains {name:?}, which is not in the list of files"))?;
        skip_missing(&mut left_out, entry, copy(found, place(&name)?, entry))?;
    }
    let mut missing = contents.files.iter().filter(|entry| awaited.contains_key(entry.name.as_str())).peekable();
    if let Some(left_out) = left_out {
        left_out.extend(missing.map(|entry| (entry.name.clone(), format!("{} is missing: the backup is truncated", entry.name))));
    } else if let Some(missing) = missing.peek() {
        bail!("the backup is truncated: {} of {} files are missing, the first is {}", awaited.len(), contents.files.len(), missing.name);
    }
    Ok(contents)
}

/// Copies a file and checks that it matches the list.
fn copy(mut from: impl Read, mut to: Box<dyn Write>, entry: &BackupFileEntry) -> anyhow::Result<()> {
    let mut piece = vec![0; 1 << 20];
    let (mut crc, mut bytes) = (0, 0);
    loop {
        let length = from.read(&mut piece).with_context(|| format!("cannot read {}: the backup is truncated", entry.name))?;
        if length == 0 {
            break;
        }
        to.write_all(&piece[..length]).with_context(|| format!("cannot write {}", entry.name))?;
        crc = crc32c::crc32c_append(crc, &piece[..length]);
        bytes += length as u64;
    }
    to.flush().with_context(|| format!("cannot write {}", entry.name))?;
    ensure!(bytes >= entry.bytes, "the backup is truncated: {} has {bytes} bytes of {}", entry.name, entry.bytes);
    let whole = (bytes, crc) == (entry.bytes, entry.crc32c);
    ensure!(
        whole,
        "{} differs from what was backed up: {bytes} bytes of {}, checksum {crc:08x} instead of {:08x}",
        entry.name,
        entry.bytes,
        entry.crc32c
    );
    Ok(())
}
