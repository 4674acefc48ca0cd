//! Segments as files of the data directory: `segments/0000000042.parquet` and its sidecar files, and `damaged/` as the quarantine.
//!
//! A file is written under a temporary name, synced and renamed, and then the directory is synced. A file with its final name is therefore
//! always complete.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{
    QuarantineReason, QuarantinedSegment, SegmentObject, SegmentObjectFill, SegmentObjectKind, SegmentObjectReader, SegmentObjectStat,
    SegmentStorage,
};
use crate::data_folder::{free_name, sync_folder};
use crate::error::StoreError;

/// Suffix of the names of files that are being written.
const UNFINISHED: &str = "new";

/// Segments on the local disk.
#[derive(Debug)]
pub struct LocalSegmentStorage {
    segments: PathBuf,
    damaged: PathBuf,
}

impl LocalSegmentStorage {
    /// Returns the storage of a data directory. Its subdirectories must exist before anything is written.
    ///
    /// # Errors
    ///
    /// Returns an error if the working directory is needed to complete the path and is unknown.
    pub fn new(root: &Path) -> Result<LocalSegmentStorage, StoreError> {
        // The query engine requires absolute paths.
        let root = std::path::absolute(root).map_err(StoreError::io_error("find", root))?;
        Ok(LocalSegmentStorage { segments: root.join("segments"), damaged: root.join("damaged") })
    }

    fn path(&self, object: SegmentObject) -> PathBuf {
        self.segments.join(object.to_string())
    }

    fn of_segment(&self, segment: u64, kind: SegmentObjectKind) -> PathBuf {
        self.path(SegmentObject { segment, kind })
    }
}

impl SegmentObjectReader for File {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        FileExt::read_at(self, into, at)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl SegmentStorage for LocalSegmentStorage {
    fn put(&self, object: SegmentObject, fill: SegmentObjectFill) -> Result<(), StoreError> {
        let path = self.path(object);
        let temporary = self.segments.join(format!("{object}.{UNFINISHED}"));
        let mut create = || {
            let mut file = File::create(&temporary).map_err(StoreError::io_error("create", &temporary))?;
            fill(&mut file)?;
            if object.kind.is_durable() {
                file.sync_all().map_err(StoreError::io_error("sync", &temporary))?;
            }
            fs::rename(&temporary, &path).map_err(StoreError::io_error("rename", &temporary))?;
            if object.kind.is_durable() { sync_folder(&self.segments) } else { Ok(()) }
        };
        let done = create();
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        done
    }

    fn open(&self, object: SegmentObject) -> io::Result<Arc<dyn SegmentObjectReader>> {
        Ok(Arc::new(File::open(self.path(object))?))
    }

    fn stat(&self, object: SegmentObject) -> io::Result<SegmentObjectStat> {
        let found = fs::metadata(self.path(object))?;
        Ok(SegmentObjectStat { bytes: found.len(), age: found.modified().ok().and_then(|modified| modified.elapsed().ok()) })
    }

    fn list(&self) -> Result<Vec<SegmentObject>, StoreError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.segments).map_err(StoreError::io_error("list", &self.segments))? {
            let name = entry.map_err(StoreError::io_error("list", &self.segments))?.file_name();
            found.extend(name.to_str().and_then(SegmentObject::from_file_name));
        }
        found.sort();
        Ok(found)
    }

    fn delete(&self, object: SegmentObject) -> io::Result<()> {
        fs::remove_file(self.path(object))
    }

    fn sync(&self) -> Result<(), StoreError> {
        sync_folder(&self.segments)
    }

    fn remove_unfinished(&self) -> Result<(), StoreError> {
        for entry in fs::read_dir(&self.segments).map_err(StoreError::io_error("list", &self.segments))? {
            let path = entry.map_err(StoreError::io_error("list", &self.segments))?.path();
            if path.extension().is_some_and(|extension| extension == UNFINISHED) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn location(&self, object: SegmentObject) -> PathBuf {
        self.path(object)
    }

    fn set_aside(&self, segment: u64, reason: QuarantineReason) -> Result<PathBuf, StoreError> {
        let parquet = self.of_segment(segment, SegmentObjectKind::Parquet);
        let stem = format!("{segment:010}");
        let target = match reason {
            QuarantineReason::Unlisted => {
                let target = free_name(&self.damaged, &stem, "parquet");
                for kind in SegmentObjectKind::SIDECARS {
                    let from = self.of_segment(segment, kind);
                    if from.exists() {
                        rename(&from, &target.with_extension(kind.extension()))?;
                    }
                }
                rename(&parquet, &target)?;
                target
            }
            QuarantineReason::Damaged => {
                let target = free_name(&self.damaged, &stem, "parquet.damaged");
                rename(&parquet, &target)?;
                SegmentObjectKind::SIDECARS.into_iter().try_for_each(|kind| remove_existing(&self.of_segment(segment, kind)))?;
                target
            }
        };
        sync_folder(&self.segments).and_then(|()| sync_folder(&self.damaged))?;
        Ok(target)
    }

    fn quarantined(&self) -> Result<Vec<QuarantinedSegment>, StoreError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.damaged).map_err(StoreError::io_error("list", &self.damaged))? {
            let location = entry.map_err(StoreError::io_error("list", &self.damaged))?.path();
            if location.extension().is_some_and(|extension| extension == "parquet") {
                let name = location.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let segment = name.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0);
                found.push(QuarantinedSegment { segment, name, location });
            }
        }
        found.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(found)
    }

    fn open_quarantined(&self, quarantined: &QuarantinedSegment) -> io::Result<Arc<dyn SegmentObjectReader>> {
        Ok(Arc::new(File::open(&quarantined.location)?))
    }

    fn take_back(&self, quarantined: &QuarantinedSegment, segment: u64) -> Result<(), StoreError> {
        let from = &quarantined.location;
        rename(from, &self.of_segment(segment, SegmentObjectKind::Parquet))?;
        SegmentObjectKind::SIDECARS.into_iter().try_for_each(|kind| remove_existing(&from.with_extension(kind.extension())))?;
        sync_folder(&self.damaged).and_then(|()| sync_folder(&self.segments))
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::io_error("move", from))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    fs::remove_file(path).map_err(StoreError::io_error("remove", path))
}

fn remove_existing(path: &Path) -> Result<(), StoreError> {
    if path.exists() { remove(path) } else { Ok(()) }
}
