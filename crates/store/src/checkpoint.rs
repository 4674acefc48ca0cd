//! A consistent copy of the store's files at one moment, while ingestion continues.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Store;
use super::error::StoreError;
use super::recovery::check_file;
use super::segment::checksum::crc_of;
use super::segment_storage::{SegmentObjectKind, SequentialObjectReader};
use super::snapshot::Segment;
use super::state::lock;

/// A segment that cannot be copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingSegment {
    /// Name of the file of the segment, such as `segments/0000000042.parquet`.
    pub name: String,
    /// Number of spans in the segment.
    pub spans: u64,
    /// Reason why the segment cannot be copied.
    pub fault: String,
}

/// The files of a store at one moment. The files are not removed while this value exists.
#[derive(Debug)]
pub struct StoreCheckpoint {
    /// Path of the manifest's copy.
    pub manifest: PathBuf,
    /// Number of spans in the segments.
    pub spans: u64,
    /// Segment files and their sidecar files.
    pub files: Vec<CheckpointFile>,
    /// Segments that the manifest lists, but that are missing or damaged. `files` does not contain their files.
    pub missing: Vec<MissingSegment>,
}

/// A file of a checkpoint.
#[derive(Debug)]
pub struct CheckpointFile {
    /// The files of a segment are removed when the last reference to it is dropped.
    segment: Arc<Segment>,
    kind: SegmentObjectKind,
}

impl CheckpointFile {
    /// Returns the path in the data directory, such as `segments/0000000042.parquet`.
    pub fn name(&self) -> String {
        format!("segments/{}", self.segment.objects.name(self.kind))
    }

    /// Returns the length in bytes and the CRC-32C. Reads the file if its checksum is not stored.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read.
    pub fn length_and_crc(&self) -> io::Result<(u64, u32)> {
        let bytes = self.segment.objects.stat(self.kind)?.bytes;
        let known = self.segment.crc.filter(|_| self.kind == SegmentObjectKind::Parquet);
        let crc = known.map_or_else(|| self.segment.objects.open(self.kind).and_then(|file| crc_of(&*file)), Ok)?;
        Ok((bytes, crc))
    }

    /// Opens the file for reading from the start.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be opened.
    pub fn open(&self) -> io::Result<SequentialObjectReader> {
        self.segment.objects.open(self.kind).map(|object| SequentialObjectReader::from_position(object, 0))
    }
}

impl Store {
    /// Flushes, copies the manifest into a directory, and holds the segments that the manifest lists. These segments contain everything
    /// that was acknowledged before, so the WAL is not needed. Use [`quarantine_damaged`](Store::quarantine_damaged) to find damage inside
    /// of segments.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be written.
    pub async fn copy_to(&self, folder: &Path) -> Result<StoreCheckpoint, StoreError> {
        self.flush().await?;
        let (shared, manifest) = (self.shared.clone(), folder.join("manifest.db"));
        let copy = move || {
            // Manifest and segments change together under this lock.
            let _moving = lock(&shared.move_lock);
            lock(&shared.manifest).copy_to(&manifest)?;
            let named = lock(&shared.manifest).load(&shared.storage)?.segments;
            let state = lock(&shared.state);
            let (mut held, mut missing, mut spans) = (Vec::new(), Vec::new(), 0);
            for (segment, dead) in named {
                let live = state.segments.iter().find(|live| live.segment.id == segment.id);
                let known = if live.is_some_and(|live| live.is_readable) { Ok(()) } else { Err("it was found damaged".to_owned()) };
                match (live, check_file(&segment).and(known)) {
                    (Some(live), Ok(())) => {
                        spans += live.segment.rows - live.permanently_dead().len() as u64;
                        held.push(live.segment.clone());
                    }
                    (_, fault) => {
                        let name = format!("segments/{}", segment.objects.name(SegmentObjectKind::Parquet));
                        let fault = fault.err().unwrap_or_else(|| "its ids are lost".to_owned());
                        missing.push(MissingSegment { name, spans: segment.rows.saturating_sub(dead.len() as u64), fault });
                    }
                }
            }
            drop(state);
            // A missing sidecar file is rebuilt.
            let kinds = |segment: Arc<Segment>| SegmentObjectKind::ALL.map(|kind| CheckpointFile { segment: segment.clone(), kind });
            let files = held.into_iter().flat_map(kinds).filter(|file| file.segment.objects.has(file.kind)).collect();
            Ok(StoreCheckpoint { manifest, spans, files, missing })
        };
        tokio::task::spawn_blocking(copy).await.map_err(|_| StoreError::Closed)?
    }
}
