//! All spans at one moment as files that do not change, while intake goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Store;
use super::error::StoreError;
use super::recovery::check;
use super::snapshot::Segment;
use super::state::lock;

/// A segment that cannot be copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingSegment {
    /// Its file, such as `segments/0000000042.parquet`.
    pub name: String,
    /// Spans in it.
    pub spans: u64,
    /// What is wrong with it.
    pub fault: String,
}

/// The files of a store at one moment. They stay for as long as this is held.
#[derive(Debug)]
pub struct StoreCheckpoint {
    /// The copy of the manifest.
    pub manifest: PathBuf,
    /// Spans in the segments.
    pub spans: u64,
    /// What belongs to the segments: each file, and the sum of its bytes where that is known.
    pub files: Vec<(PathBuf, Option<u32>)>,
    /// Segments that the manifest names and that are missing, or were found damaged: their files are not among those.
    pub missing: Vec<MissingSegment>,
    /// A segment's files are removed when nobody holds it any more.
    _held: Vec<Arc<Segment>>,
}

impl Store {
    /// Writes what is in memory as segments, copies the manifest into a folder, and holds the segments that it names. All that was
    /// acknowledged before is in them, so that the log is not needed. What is damaged inside is found by [`set_damaged_aside`](Store::set_damaged_aside).
    ///
    /// # Errors
    ///
    /// When something cannot be written.
    pub async fn copy_to(&self, folder: &Path) -> Result<StoreCheckpoint, StoreError> {
        self.flush().await?;
        let (shared, manifest) = (self.shared.clone(), folder.join("manifest.db"));
        let copy = move || {
            // Manifest and segments change together under this lock.
            let _moving = lock(&shared.moving);
            lock(&shared.manifest).copy_to(&manifest)?;
            let named = lock(&shared.manifest).load(&shared.folder)?.segments;
            let state = lock(&shared.state);
            let (mut held, mut missing, mut spans) = (Vec::new(), Vec::new(), 0);
            for (segment, dead) in named {
                let live = state.segments.iter().find(|live| live.segment.id == segment.id);
                let known = if live.is_some_and(|live| live.readable) { Ok(()) } else { Err("it was found damaged".to_owned()) };
                match (live, check(&segment).and(known)) {
                    (Some(live), Ok(())) => {
                        spans += live.segment.rows - live.settled().len() as u64;
                        held.push(live.segment.clone());
                    }
                    (_, fault) => {
                        let name = format!("segments/{}", segment.path.file_name().unwrap_or_default().to_string_lossy());
                        let fault = fault.err().unwrap_or_else(|| "its ids are lost".to_owned());
                        missing.push(MissingSegment { name, spans: segment.rows.saturating_sub(dead.len() as u64), fault });
                    }
                }
            }
            drop(state);
            let sides = |segment: &Arc<Segment>| {
                let beside = super::sidecar::EXTENSIONS.map(|extension| (segment.path.with_extension(extension), None));
                std::iter::once((segment.path.clone(), segment.crc)).chain(beside)
            };
            // A side file that is not there is made again.
            let files = held.iter().flat_map(sides).filter(|(path, _)| path.exists()).collect();
            Ok(StoreCheckpoint { manifest, spans, files, missing, _held: held })
        };
        tokio::task::spawn_blocking(copy).await.map_err(|_| StoreError::Closed)?
    }
}
