//! Files in `segments/` that the manifest does not name.
//!
//! A crash leaves such files: of a flush that did not reach the manifest, or of a merge before or after it did. Those are removed. But a
//! manifest that is empty, missing or older than the segments does not name them either, and then they may be the only copy. A file is
//! therefore removed only if it is certain that everything in it exists elsewhere too; all others are moved to `damaged/`, where a person
//! can inspect them and `hinomi doctor --repair` finds them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{check, set_aside};
use crate::data_folder::{free_name, numbered, sync_folder};
use crate::error::StoreError;
use crate::manifest::ManifestContents;
use crate::segment::read::SegmentReader;
use crate::segment::row_order::{KEY_COLUMNS, keys};
use crate::sidecar;
use crate::state::{StoreInner, lock};

/// What the manifest says about segment files.
#[derive(Debug)]
pub(crate) struct ManifestFileSet {
    named: HashSet<u64>,
    /// Those of `named` that are inputs of an unfinished segment and have intact files.
    whole: HashSet<u64>,
    removed: HashSet<u64>,
    unfinished: HashMap<u64, Vec<u64>>,
}

impl ManifestFileSet {
    pub(crate) fn of(contents: &ManifestContents) -> ManifestFileSet {
        let segments = contents.segments.iter().map(|(segment, _)| segment);
        let inputs: HashSet<u64> = contents.unfinished.values().flatten().copied().collect();
        let inputs = segments.clone().filter(|segment| inputs.contains(&segment.id));
        ManifestFileSet {
            named: segments.map(|segment| segment.id).collect(),
            whole: inputs.filter(|segment| check(segment).is_ok()).map(|segment| segment.id).collect(),
            removed: contents.removed.clone(),
            unfinished: contents.unfinished.clone(),
        }
    }

    /// Returns the numbers that no other segment may get.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.named.iter().chain(&self.removed).chain(self.unfinished.keys()).copied()
    }

    /// Returns whether the file of a segment may be removed according to the manifest: its rows are in another segment, or were deleted.
    pub(crate) fn is_done_with(&self, id: u64) -> bool {
        let inputs_hold = |inputs: &Vec<u64>| inputs.iter().all(|input| self.whole.contains(input));
        self.removed.contains(&id) || self.unfinished.get(&id).is_some_and(inputs_hold)
    }

    /// Returns the files in `segments/` that do not belong to a segment of the manifest, by segment number.
    pub(crate) fn orphans(&self, segments: &Path) -> Result<BTreeMap<u64, Vec<PathBuf>>, StoreError> {
        let mut found: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
        for extension in std::iter::once("parquet").chain(sidecar::EXTENSIONS) {
            for (id, path) in numbered(segments, extension)?.into_iter().filter(|(id, _)| !self.named.contains(id)) {
                found.entry(id).or_default().push(path);
            }
        }
        Ok(found)
    }
}

/// Removes the files that are certainly redundant and moves all others to `damaged/`, after the WAL has been replayed. Returns whether
/// `damaged/` contains segments.
pub(crate) fn settle(shared: &StoreInner, known: &ManifestFileSet) -> Result<bool, StoreError> {
    let (segments, damaged) = (shared.folder.segments(), shared.folder.damaged());
    for entry in fs::read_dir(&segments).map_err(StoreError::io("list", &segments))? {
        let path = entry.map_err(StoreError::io("list", &segments))?.path();
        // A file gets its final name only when it is complete.
        if path.extension().is_some_and(|extension| extension == "new") {
            remove(&path)?;
        }
    }
    let mut kept = HashSet::new();
    for (id, files) in known.orphans(&segments)? {
        let parquet = files.iter().find(|path| path.extension().is_some_and(|extension| extension == "parquet"));
        match parquet {
            Some(parquet) if !known.is_done_with(id) && !is_in_log(shared, parquet) => {
                let aside = put_aside(parquet, &damaged)?;
                let (from, to) = (parquet.display(), aside.display());
                tracing::error!(%from, %to, "store.segment.quarantined: the manifest does not name it");
            }
            _ => files.iter().try_for_each(|path| remove(path))?,
        }
        if known.removed.contains(&id) && files.iter().any(|path| path.exists()) {
            kept.insert(id);
        }
    }
    if !known.removed.is_empty() || !known.unfinished.is_empty() {
        // The deletions must be durable first: a file that reappears after a power failure, when the manifest has forgotten it, would be
        // quarantined.
        sync_folder(&segments)?;
        lock(&shared.manifest).forget_files(&kept)?;
    }
    let what = told(&damaged)?;
    let has_unnamed = what.is_some();
    what.into_iter().for_each(|what| set_aside(&shared.health, what));
    Ok(has_unnamed)
}

/// Moves a segment and its sidecar files. Returns the new path of the segment.
fn put_aside(parquet: &Path, damaged: &Path) -> Result<PathBuf, StoreError> {
    let stem = parquet.file_stem().unwrap_or_default().to_string_lossy();
    let target = free_name(damaged, &stem, "parquet");
    for extension in sidecar::EXTENSIONS.into_iter().chain(["parquet"]) {
        let from = parquet.with_extension(extension);
        if from.exists() {
            let to = PathBuf::from(format!("{}.{extension}", target.with_extension("").display()));
            fs::rename(&from, &to).map_err(StoreError::io("move", &from))?;
        }
    }
    parquet.parent().map_or(Ok(()), sync_folder).and_then(|()| sync_folder(damaged))?;
    Ok(target)
}

/// Returns the segments in `damaged/`.
pub(crate) fn set_aside_in(damaged: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(damaged).map_err(StoreError::io("list", damaged))? {
        let path = entry.map_err(StoreError::io("list", damaged))?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Returns the message about the segments in `damaged/`, which is repeated until they are recovered or removed.
pub(crate) fn told(damaged: &Path) -> Result<Option<String>, StoreError> {
    let found = set_aside_in(damaged)?;
    let Some(first) = found.first() else { return Ok(None) };
    let segments = if found.len() == 1 { "1 segment".to_owned() } else { format!("{} segments", found.len()) };
    Ok(Some(format!(
        "{segments} quarantined because the manifest does not list them, such as {}; their spans are not shown; stop the server and run \
         `hinomi doctor --repair`, which adds them, or remove them",
        first.display()
    )))
}

/// Returns whether each row of a segment has been replayed from the WAL; false if the segment cannot be read.
fn is_in_log(shared: &StoreInner, parquet: &Path) -> bool {
    let read = SegmentReader::open(parquet).and_then(|reader| {
        let rows = u32::try_from(reader.rows()).unwrap_or(u32::MAX);
        reader.columns(std::slice::from_ref(&(0..rows)), &KEY_COLUMNS)
    });
    let Ok(batch) = read else { return false };
    let state = lock(&shared.state);
    let rows = keys(&batch, 0, 0);
    rows.len() == batch.num_rows() && rows.iter().all(|row| state.find_buffered(&row.key).is_some())
}

fn remove(path: &Path) -> Result<(), StoreError> {
    fs::remove_file(path).map_err(StoreError::io("remove", path))
}
