//! Objects of segments that the manifest does not name.
//!
//! A crash can leave such files: after a flush that was not yet recorded in the manifest, or during a merge. These files are removed.
//! However, an empty, missing or outdated manifest does not list segments either, and such a segment may be the only copy of its data. A
//! file is therefore removed only if all of its data certainly exists elsewhere. All other files are quarantined (in `damaged/`), where a
//! person can inspect them and `hinomi doctor --repair` finds them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{check_file, record_damage};
use crate::error::StoreError;
use crate::manifest::ManifestContents;
use crate::segment::read::SegmentReader;
use crate::segment::row_order::{KEY_COLUMNS, keys};
use crate::segment_storage::{QuarantineReason, SegmentObject, SegmentObjectKind, SegmentObjects, SegmentStorage};
use crate::state::{StoreInner, lock};

/// Information in the manifest about segment files.
#[derive(Debug)]
pub(crate) struct ManifestFileSet {
    segments: HashSet<u64>,
    /// Those of `segments` that are inputs of an unfinished segment and have intact files.
    intact_inputs: HashSet<u64>,
    removed: HashSet<u64>,
    unfinished: HashMap<u64, Vec<u64>>,
}

impl ManifestFileSet {
    pub(crate) fn from_manifest(contents: &ManifestContents) -> ManifestFileSet {
        let segments = contents.segments.iter().map(|(segment, _)| segment);
        let inputs: HashSet<u64> = contents.unfinished.values().flatten().copied().collect();
        let inputs = segments.clone().filter(|segment| inputs.contains(&segment.id));
        ManifestFileSet {
            segments: segments.map(|segment| segment.id).collect(),
            intact_inputs: inputs.filter(|segment| check_file(segment).is_ok()).map(|segment| segment.id).collect(),
            removed: contents.removed.clone(),
            unfinished: contents.unfinished.clone(),
        }
    }

    /// Returns the numbers that must not be assigned to a new segment.
    pub(crate) fn reserved_numbers(&self) -> impl Iterator<Item = u64> {
        self.segments.iter().chain(&self.removed).chain(self.unfinished.keys()).copied()
    }

    /// Returns whether the file of a segment may be removed according to the manifest: its rows are in another segment, or were deleted.
    pub(crate) fn is_removable(&self, id: u64) -> bool {
        let inputs_hold = |inputs: &Vec<u64>| inputs.iter().all(|input| self.intact_inputs.contains(input));
        self.removed.contains(&id) || self.unfinished.get(&id).is_some_and(inputs_hold)
    }

    /// Returns the objects that do not belong to a segment of the manifest, by segment number.
    pub(crate) fn orphans(&self, storage: &dyn SegmentStorage) -> Result<BTreeMap<u64, Vec<SegmentObject>>, StoreError> {
        let mut found: BTreeMap<u64, Vec<SegmentObject>> = BTreeMap::new();
        for object in storage.list()?.into_iter().filter(|object| !self.segments.contains(&object.segment)) {
            found.entry(object.segment).or_default().push(object);
        }
        Ok(found)
    }
}

/// Removes the objects that are certainly redundant and quarantines all others, after the WAL has been replayed. Returns whether segments
/// are in quarantine.
pub(crate) fn resolve_orphans(shared: &StoreInner, known: &ManifestFileSet) -> Result<bool, StoreError> {
    let storage = &*shared.storage;
    // An object gets its final name only when it is complete.
    storage.remove_unfinished()?;
    let mut kept = HashSet::new();
    for (id, objects) in known.orphans(storage)? {
        let has_parquet = objects.iter().any(|object| object.kind == SegmentObjectKind::Parquet);
        if has_parquet && !known.is_removable(id) && !is_in_wal(shared, &shared.objects_of(id)) {
            let from = shared.objects_of(id).location(SegmentObjectKind::Parquet);
            let aside = storage.set_aside(id, QuarantineReason::Unlisted)?;
            let (from, to) = (from.display(), aside.display());
            tracing::error!(%from, %to, reason = "not in the manifest", "store.segment.quarantined");
        } else {
            for object in &objects {
                storage.delete(*object).map_err(StoreError::io_error("remove", &storage.location(*object)))?;
            }
        }
        if known.removed.contains(&id) && objects.iter().any(|object| storage.stat(*object).is_ok()) {
            kept.insert(id);
        }
    }
    if !known.removed.is_empty() || !known.unfinished.is_empty() {
        // The deletions must be durable first: a file that reappears after a power failure, when the manifest has forgotten it, would be
        // quarantined.
        storage.sync()?;
        lock(&shared.manifest).forget_files(&kept)?;
    }
    let what = damaged_message(storage)?;
    let has_unnamed = what.is_some();
    what.into_iter().for_each(|what| record_damage(&shared.health, what));
    Ok(has_unnamed)
}

/// Returns the message about the segments in quarantine, which is repeated until they are recovered or removed.
fn damaged_message(storage: &dyn SegmentStorage) -> Result<Option<String>, StoreError> {
    let found = storage.quarantined()?;
    let Some(first) = found.first() else { return Ok(None) };
    let segments = if found.len() == 1 { "1 segment".to_owned() } else { format!("{} segments", found.len()) };
    Ok(Some(format!(
        "{segments} quarantined because the manifest does not list them, such as {}; their spans are not shown; stop the server and run \
         `hinomi doctor --repair`, which adds them, or remove them",
        first.location.display()
    )))
}

/// Returns whether each row of a segment has been replayed from the WAL; false if the segment cannot be read.
fn is_in_wal(shared: &StoreInner, objects: &SegmentObjects) -> bool {
    let read = SegmentReader::open(objects).and_then(|reader| {
        let rows = u32::try_from(reader.rows()).unwrap_or(u32::MAX);
        reader.columns(std::slice::from_ref(&(0..rows)), &KEY_COLUMNS)
    });
    let Ok(batch) = read else { return false };
    let state = lock(&shared.state);
    let rows = keys(&batch, 0, 0);
    rows.len() == batch.num_rows() && rows.iter().all(|row| state.find_in_memtables(&row.key).is_some())
}
