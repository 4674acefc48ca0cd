//! Segments in memory, for tests. Like an object store, this storage has names without a file system.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::{
    QuarantineReason, QuarantinedSegment, SegmentObject, SegmentObjectFill, SegmentObjectKind, SegmentObjectReader, SegmentObjectStat,
    SegmentObjects, SegmentStorage,
};
use crate::error::StoreError;
use crate::state::lock;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Segments in memory.
#[derive(Debug)]
pub(crate) struct MemorySegmentStorage {
    number: u64,
    objects: Mutex<BTreeMap<SegmentObject, Arc<MemoryObject>>>,
    quarantine: Mutex<BTreeMap<String, Arc<MemoryObject>>>,
}

#[derive(Debug)]
struct MemoryObject {
    bytes: Vec<u8>,
    written: Instant,
}

impl MemorySegmentStorage {
    pub(crate) fn shared() -> Arc<dyn SegmentStorage> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(MemorySegmentStorage { number, objects: Mutex::default(), quarantine: Mutex::default() })
    }

    /// Returns the objects of a segment in a new storage.
    pub(crate) fn objects_of(segment: u64) -> SegmentObjects {
        SegmentObjects::of(&MemorySegmentStorage::shared(), segment)
    }

    fn place(&self, folder: &str, name: &str) -> PathBuf {
        PathBuf::from(format!("/memory-{}/{folder}/{name}", self.number))
    }

    fn found(&self, object: SegmentObject) -> io::Result<Arc<MemoryObject>> {
        lock(&self.objects).get(&object).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl SegmentObjectReader for MemoryObject {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let rest = self.bytes.get(at as usize..).unwrap_or_default();
        // Fewer bytes than requested, as a disk may return them.
        let length = rest.len().min(into.len()).min(100_000);
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }
}

impl SegmentStorage for MemorySegmentStorage {
    fn put(&self, object: SegmentObject, fill: SegmentObjectFill) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        fill(&mut bytes)?;
        lock(&self.objects).insert(object, Arc::new(MemoryObject { bytes, written: Instant::now() }));
        Ok(())
    }

    fn open(&self, object: SegmentObject) -> io::Result<Arc<dyn SegmentObjectReader>> {
        Ok(self.found(object)?)
    }

    fn stat(&self, object: SegmentObject) -> io::Result<SegmentObjectStat> {
        let found = self.found(object)?;
        Ok(SegmentObjectStat { bytes: found.bytes.len() as u64, age: Some(found.written.elapsed()) })
    }

    fn list(&self) -> Result<Vec<SegmentObject>, StoreError> {
        Ok(lock(&self.objects).keys().copied().collect())
    }

    fn delete(&self, object: SegmentObject) -> io::Result<()> {
        lock(&self.objects).remove(&object).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn remove_unfinished(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn location(&self, object: SegmentObject) -> PathBuf {
        self.place("segments", &object.to_string())
    }

    fn set_aside(&self, segment: u64, reason: QuarantineReason) -> Result<PathBuf, StoreError> {
        let extension = if reason == QuarantineReason::Unlisted { "parquet" } else { "parquet.damaged" };
        let (mut objects, mut quarantine) = (lock(&self.objects), lock(&self.quarantine));
        let name = (1..).map(|number| format!("{segment:010}.{number}.{extension}")).find(|name| !quarantine.contains_key(name)).unwrap();
        for kind in SegmentObjectKind::ALL {
            let object = objects.remove(&SegmentObject { segment, kind });
            if let Some(object) = object.filter(|_| kind == SegmentObjectKind::Parquet) {
                quarantine.insert(name.clone(), object);
            }
        }
        Ok(self.place("damaged", &name))
    }

    fn quarantined(&self) -> Result<Vec<QuarantinedSegment>, StoreError> {
        let of = |name: &String| QuarantinedSegment {
            segment: name.split('.').next().unwrap().parse().unwrap(),
            name: name.clone(),
            location: self.place("damaged", name),
        };
        Ok(lock(&self.quarantine).keys().filter(|name| name.ends_with(".parquet")).map(of).collect())
    }

    fn open_quarantined(&self, quarantined: &QuarantinedSegment) -> io::Result<Arc<dyn SegmentObjectReader>> {
        let found = lock(&self.quarantine).get(&quarantined.name).cloned();
        found.map(|object| object as Arc<dyn SegmentObjectReader>).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn take_back(&self, quarantined: &QuarantinedSegment, segment: u64) -> Result<(), StoreError> {
        let object = lock(&self.quarantine).remove(&quarantined.name).expect("it is in quarantine");
        lock(&self.objects).insert(SegmentObject { segment, kind: SegmentObjectKind::Parquet }, object);
        Ok(())
    }
}
