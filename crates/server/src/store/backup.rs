//! All spans at one moment as files that do not change, while intake goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Store;
use super::error::StoreError;
use super::snapshot::Segment;
use super::state::lock;

/// The files of a store at one moment. They stay for as long as this is held.
#[derive(Debug)]
pub struct Copied {
    /// The copy of the manifest.
    pub manifest: PathBuf,
    /// Spans in the segments.
    pub spans: u64,
    /// What belongs to the segments: each file, and the sum of its bytes where that is known.
    pub files: Vec<(PathBuf, Option<u32>)>,
    /// A segment's files are removed when nobody holds it any more.
    _held: Vec<Arc<Segment>>,
}

impl Store {
    /// Writes what is in memory as segments, copies the manifest into a folder, and holds the segments that it names. All that was
    /// acknowledged before is in them, so that the log is not needed.
    ///
    /// # Errors
    ///
    /// When something cannot be written.
    pub async fn copy_to(&self, folder: &Path) -> Result<Copied, StoreError> {
        self.flush().await?;
        let (shared, manifest) = (self.shared.clone(), folder.join("manifest.db"));
        let copy = move || {
            // Manifest and segments change together under this lock.
            let _moving = lock(&shared.moving);
            lock(&shared.manifest).copy_to(&manifest)?;
            let state = lock(&shared.state);
            let held: Vec<Arc<Segment>> = state.segments.iter().map(|live| live.segment.clone()).collect();
            let spans = state.segments.iter().map(|live| live.segment.rows - live.settled().len() as u64).sum();
            drop(state);
            let sides = |segment: &Arc<Segment>| {
                let beside = super::side::EXTENSIONS.map(|extension| (segment.path.with_extension(extension), None));
                std::iter::once((segment.path.clone(), segment.crc)).chain(beside)
            };
            // One that was lost is lost in the copy too, and can be made again where it is a side file.
            let files = held.iter().flat_map(sides).filter(|(path, _)| path.exists()).collect();
            Ok(Copied { manifest, spans, files, _held: held })
        };
        tokio::task::spawn_blocking(copy).await.map_err(|_| StoreError::Closed)?
    }
}
