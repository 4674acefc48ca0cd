//! A backup: all of a data folder at one moment, as a tar archive that begins with a list of its files and their sums.
//!
//! ```text
//! backup.json            version, time, and for each file its length and CRC-32C
//! manifest.db, segments/*, *.db, prices.json
//! ```
//!
//! The server may run meanwhile. Everything that was acknowledged before the backup began is in it: spans in segments, which are
//! immutable and held until they are copied, all else in copies that SQLite makes of its databases.

mod restore;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hinomi_model::api_time::rfc3339;
use hinomi_store::{MissingSegment, Store, crc_of, free_bytes};
use hinomi_tables::database;
use serde::{Deserialize, Serialize};

pub use restore::{MissingFilePolicy, RestoreReport, check_finished, finish, restore, unpack, verify};

/// The format that is written, and the newest that is read.
const FORMAT: u32 = 1;
/// The name of the list.
const LIST: &str = "backup.json";
/// How the names of folders begin in which copies lie for a while.
const STAGING: &str = ".backup-";
/// Bytes in a block of a tar archive.
const BLOCK: u64 = 512;

/// What a backup holds: its first file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupManifest {
    /// The format of the backup.
    pub format: u32,
    /// The version that made it.
    pub version: String,
    /// When, RFC 3339.
    pub created_at: String,
    /// Spans in it.
    pub spans: u64,
    /// All other files, in the order in which they follow.
    pub files: Vec<BackupFileEntry>,
    /// Segments that the manifest names and that are not in it: they were missing or damaged when it was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingSegment>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupFileEntry {
    /// Its place in the data folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its CRC-32C.
    pub crc32c: u32,
}

/// A backup that is about to be written.
#[derive(Debug)]
pub struct BackupPlan {
    contents: BackupManifest,
    sources: Vec<PathBuf>,
    /// Both are let go when it is written.
    _spans: hinomi_store::StoreCheckpoint,
    _staging: BackupStagingFolder,
}

/// A folder of copies, removed when it is dropped.
#[derive(Debug)]
struct BackupStagingFolder(PathBuf);

impl Drop for BackupStagingFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes what a crash left of backups.
pub fn remove_leftovers(data: &Path) {
    let entries = std::fs::read_dir(data).into_iter().flatten().filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(STAGING)) {
        let _ = std::fs::remove_dir_all(entry.path());
    }
}

/// Copies the databases and holds the segments. Takes about as long as reading both: what is damaged is left out, and the list says so.
///
/// # Errors
///
/// When there is no room for the copies of the databases, or something cannot be read or written.
pub async fn plan(store: &Store, data: &Path) -> anyhow::Result<BackupPlan> {
    store.set_damaged_aside().await?;
    let now = jiff::Timestamp::now().as_microsecond();
    let staging = BackupStagingFolder(data.join(format!("{STAGING}{now}")));
    std::fs::create_dir(&staging.0).with_context(|| format!("cannot make {}", staging.0.display()))?;
    let spans = store.copy_to(&staging.0).await?;
    let data = data.to_owned();
    tokio::task::spawn_blocking(move || planned(&data, staging, spans, now)).await?
}

fn planned(data: &Path, staging: BackupStagingFolder, spans: hinomi_store::StoreCheckpoint, now_us: i64) -> anyhow::Result<BackupPlan> {
    let databases = databases(data)?;
    let needed: u64 = databases.iter().filter_map(|path| path.metadata().ok()).map(|found| found.len()).sum();
    if free_bytes(data).is_some_and(|free| free < needed) {
        bail!("copies of the databases take {} MB in {}, and less is free", needed / 1_000_000, data.display());
    }
    let mut sources = Vec::new();
    let mut files = Vec::new();
    let mut add = |name: String, path: PathBuf, crc: Option<u32>| -> anyhow::Result<()> {
        let failed = || format!("cannot read {}", path.display());
        let bytes = path.metadata().with_context(failed)?.len();
        let crc32c = crc.map_or_else(|| crc_of(&path), Ok).with_context(failed)?;
        files.push(BackupFileEntry { name, bytes, crc32c });
        sources.push(path);
        Ok(())
    };
    add("manifest.db".into(), spans.manifest.clone(), None)?;
    for path in databases {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let copy = staging.0.join(&name);
        database::copy_to(&path, &copy)?;
        add(name, copy, None)?;
    }
    let prices = data.join("prices.json");
    if prices.exists() {
        add("prices.json".into(), prices, None)?;
    }
    for (path, crc) in &spans.files {
        add(format!("segments/{}", path.file_name().unwrap_or_default().to_string_lossy()), path.clone(), *crc)?;
    }
    let contents = BackupManifest {
        format: FORMAT,
        version: crate::VERSION.to_owned(),
        created_at: rfc3339(now_us),
        spans: spans.spans,
        files,
        missing: spans.missing.clone(),
    };
    Ok(BackupPlan { contents, sources, _spans: spans, _staging: staging })
}

/// The databases of a data folder but for the manifest, by name.
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
    /// What it holds.
    pub fn contents(&self) -> &BackupManifest {
        &self.contents
    }

    fn list(&self) -> io::Result<Vec<u8>> {
        serde_json::to_vec_pretty(&self.contents).map_err(io::Error::other)
    }

    /// Length of the archive in bytes.
    ///
    /// # Errors
    ///
    /// When the list cannot be written as JSON.
    pub fn length(&self) -> io::Result<u64> {
        let list = self.list()?.len() as u64;
        let lengths = self.contents.files.iter().map(|file| file.bytes).chain([list]);
        // Each with its header, filled up to whole blocks; two empty ones at the end.
        Ok(lengths.map(|bytes| BLOCK + bytes.div_ceil(BLOCK) * BLOCK).sum::<u64>() + 2 * BLOCK)
    }

    /// Writes the archive.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, has another length than it had, or nothing can be written any more.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut archive = tar::Builder::new(out);
        let list = self.list()?;
        append(&mut archive, LIST, list.len() as u64, list.as_slice())?;
        for (entry, path) in self.contents.files.iter().zip(&self.sources) {
            append(&mut archive, &entry.name, entry.bytes, BufReader::with_capacity(1 << 20, File::open(path)?))?;
        }
        archive.into_inner()?.flush()
    }
}

fn append(archive: &mut tar::Builder<impl Write>, name: &str, bytes: u64, from: impl io::Read) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    // Prompts and keys lie in it.
    header.set_mode(0o600);
    header.set_mtime(jiff::Timestamp::now().as_second().unsigned_abs());
    archive.append_data(&mut header, name, from)
}
