//! Backups: the whole data directory at one moment, as a tar archive that begins with a list of its files and their checksums.
//!
//! ```text
//! backup.json            version, time, and for each file its length and CRC-32C
//! manifest.db, segments/*, *.db, prices.json
//! ```
//!
//! The server may run during a backup. A backup contains everything that was acknowledged before the backup began. Spans are in segments,
//! which never change and are not removed until they are copied. All other data is in copies of the databases, which SQLite makes.

mod restore;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hinomi_model::api_time::rfc3339;
use hinomi_store::{CheckpointFile, MissingSegment, Store, StoreCheckpoint, free_bytes};
use hinomi_tables::database;
use serde::{Deserialize, Serialize};

pub use restore::{MissingFilePolicy, RestoreReport, check_finished, finish, restore, unpack, verify};

/// Format that is written, and the newest that can be read.
const BACKUP_FORMAT: u32 = 1;
/// Name of the list.
const CONTENTS_FILE: &str = "backup.json";
/// Prefix of the names of directories for temporary copies.
const STAGING_PREFIX: &str = ".backup-";
/// Size of a block of a tar archive, in bytes.
const TAR_BLOCK_BYTES: u64 = 512;

/// Contents of a backup: its first file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupManifest {
    /// Format of the backup.
    pub format: u32,
    /// Version of Hinomi that created the backup.
    pub version: String,
    /// Time of the backup (RFC 3339).
    pub created_at: String,
    /// Number of spans.
    pub spans: u64,
    /// All other files of the backup, in the order of the archive.
    pub files: Vec<BackupFileEntry>,
    /// Segments in the manifest that are not in the backup: they were missing or damaged when it was created.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingSegment>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupFileEntry {
    /// Path in the data directory.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// CRC-32C of the file.
    pub crc32c: u32,
}

/// A backup that is ready to be written.
#[derive(Debug)]
pub struct BackupPlan {
    contents: BackupManifest,
    sources: Vec<BackupSource>,
    /// Released when the backup has been written.
    _staging: BackupStagingFolder,
}

/// Where a file of a backup is read from.
#[derive(Debug)]
enum BackupSource {
    /// A file on the local disk.
    Path(PathBuf),
    /// A segment file, which is held until the backup has been written.
    Segment(CheckpointFile),
}

impl BackupSource {
    fn open(&self) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            BackupSource::Path(path) => Box::new(File::open(path)?),
            BackupSource::Segment(file) => Box::new(file.open()?),
        })
    }

    fn length_and_crc(&self) -> io::Result<(u64, u32)> {
        match self {
            BackupSource::Path(path) => Ok((path.metadata()?.len(), crc_of(path)?)),
            BackupSource::Segment(file) => file.length_and_crc(),
        }
    }
}

/// Returns the CRC-32C of a file.
fn crc_of(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; 1 << 20];
    let mut crc = 0;
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(crc),
            length => crc = crc32c::crc32c_append(crc, &piece[..length]),
        }
    }
}

/// A directory of copies, removed when it is dropped.
#[derive(Debug)]
struct BackupStagingFolder(PathBuf);

impl Drop for BackupStagingFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes temporary copies that a crash left.
pub fn remove_leftovers(data: &Path) {
    let entries = std::fs::read_dir(data).into_iter().flatten().filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(STAGING_PREFIX)) {
        let _ = std::fs::remove_dir_all(entry.path());
    }
}

/// Copies the databases and holds the segments. This takes about as long as reading the databases and the segments. Damaged segments are
/// omitted and listed as missing.
///
/// # Errors
///
/// Returns an error if the disk has too little space for the copies of the databases, or something cannot be read or written.
pub async fn plan(store: &Store, data: &Path) -> anyhow::Result<BackupPlan> {
    store.quarantine_damaged().await?;
    let now = jiff::Timestamp::now().as_microsecond();
    let staging = BackupStagingFolder(data.join(format!("{STAGING_PREFIX}{now}")));
    std::fs::create_dir(&staging.0).with_context(|| format!("cannot create {}", staging.0.display()))?;
    let spans = store.copy_to(&staging.0).await?;
    let data = data.to_owned();
    tokio::task::spawn_blocking(move || plan_files(&data, staging, spans, now)).await?
}

fn plan_files(data: &Path, staging: BackupStagingFolder, spans: StoreCheckpoint, now_us: i64) -> anyhow::Result<BackupPlan> {
    let databases = databases(data)?;
    let needed: u64 = databases.iter().filter_map(|path| path.metadata().ok()).map(|found| found.len()).sum();
    if free_bytes(data).is_some_and(|free| free < needed) {
        bail!("not enough disk space: copies of the databases need {} MB in {}", needed / 1_000_000, data.display());
    }
    let mut sources = Vec::new();
    let mut files = Vec::new();
    let mut add = |name: String, source: BackupSource| -> anyhow::Result<()> {
        let (bytes, crc32c) = source.length_and_crc().with_context(|| format!("cannot read {name}"))?;
        files.push(BackupFileEntry { name, bytes, crc32c });
        sources.push(source);
        Ok(())
    };
    add("manifest.db".into(), BackupSource::Path(spans.manifest))?;
    for path in databases {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let copy = staging.0.join(&name);
        database::copy_to(&path, &copy)?;
        add(name, BackupSource::Path(copy))?;
    }
    let prices = data.join("prices.json");
    if prices.exists() {
        add("prices.json".into(), BackupSource::Path(prices))?;
    }
    for file in spans.files {
        add(file.name(), BackupSource::Segment(file))?;
    }
    let contents = BackupManifest {
        format: BACKUP_FORMAT,
        version: crate::VERSION.to_owned(),
        created_at: rfc3339(now_us),
        spans: spans.spans,
        files,
        missing: spans.missing,
    };
    Ok(BackupPlan { contents, sources, _staging: staging })
}

/// Returns the databases of a data directory except the manifest, sorted by name.
fn databases(data: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(data).with_context(|| format!("cannot list {}", data.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "db") && path.file_name().is_some_and(|name| name != "manifest.db") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

impl BackupPlan {
    /// Returns the contents of the backup.
    pub fn backup_contents(&self) -> &BackupManifest {
        &self.contents
    }

    fn manifest_json(&self) -> io::Result<Vec<u8>> {
        serde_json::to_vec_pretty(&self.contents).map_err(io::Error::other)
    }

    /// Returns the length of the archive in bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if the list cannot be serialized as JSON.
    pub fn length(&self) -> io::Result<u64> {
        let list = self.manifest_json()?.len() as u64;
        let lengths = self.contents.files.iter().map(|file| file.bytes).chain([list]);
        // Each file has a header block and is padded to whole blocks; two empty blocks end the archive.
        Ok(lengths.map(|bytes| TAR_BLOCK_BYTES + bytes.div_ceil(TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES).sum::<u64>() + 2 * TAR_BLOCK_BYTES)
    }

    /// Writes the archive.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read, its length has changed, or the output cannot be written.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut archive = tar::Builder::new(out);
        let list = self.manifest_json()?;
        append(&mut archive, CONTENTS_FILE, list.len() as u64, list.as_slice())?;
        for (entry, source) in self.contents.files.iter().zip(&self.sources) {
            append(&mut archive, &entry.name, entry.bytes, BufReader::with_capacity(1 << 20, source.open()?))?;
        }
        archive.into_inner()?.flush()
    }
}

fn append(archive: &mut tar::Builder<impl Write>, name: &str, bytes: u64, from: impl io::Read) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    // The archive contains prompts and keys.
    header.set_mode(0o600);
    header.set_mtime(jiff::Timestamp::now().as_second().unsigned_abs());
    archive.append_data(&mut header, name, from)
}
