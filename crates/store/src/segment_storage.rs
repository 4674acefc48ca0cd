//! Where segments are stored. All other code refers to an object by segment number and kind, so it works with any implementation: currently
//! [`LocalSegmentStorage`], later an object store.
//!
//! Only the objects of segments are behind this trait. The WAL, the manifest, the lock file and the databases stay on the local disk and
//! use `std::fs`. They need `fdatasync`, locks and overwriting in place, which object stores do not have.
//!
//! An object is written once, completely or not at all, and never changes. It is read at explicit positions. An implementation must make an
//! object of a kind that is [durable](SegmentObjectKind::is_durable) safe from a power failure before [`put`](SegmentStorage::put) returns;
//! the manifest then makes the segment visible. Damaged segments, and segments that the manifest does not list, are quarantined: the list
//! of objects no longer contains them, but a repair finds them.

mod local;
#[cfg(test)]
pub(crate) mod memory;

use std::fmt::{self, Debug};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::error::StoreError;
pub use local::LocalSegmentStorage;

/// Kind of an object of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentObjectKind {
    /// The Parquet file with the spans.
    Parquet,
    /// The index of span and trace IDs.
    Ids,
    /// Totals per hour.
    Rollup,
    /// The n-gram index for text search.
    Ngrams,
}

impl SegmentObjectKind {
    /// All kinds, the Parquet file first.
    pub const ALL: [SegmentObjectKind; 4] =
        [SegmentObjectKind::Parquet, SegmentObjectKind::Ids, SegmentObjectKind::Rollup, SegmentObjectKind::Ngrams];
    /// The sidecar objects: everything in them is also in the Parquet file.
    pub const SIDECARS: [SegmentObjectKind; 3] = [SegmentObjectKind::Ids, SegmentObjectKind::Rollup, SegmentObjectKind::Ngrams];

    /// Returns the file extension.
    pub fn extension(self) -> &'static str {
        match self {
            SegmentObjectKind::Parquet => "parquet",
            SegmentObjectKind::Ids => "ids",
            SegmentObjectKind::Rollup => "hours",
            SegmentObjectKind::Ngrams => "grams",
        }
    }

    /// Returns whether an object must survive a power failure. Missing roll-ups and n-gram indexes are rebuilt in the background, so
    /// writing them does not wait for the disk. The ID index must survive, because a start waits until a missing ID index is rebuilt.
    pub fn is_durable(self) -> bool {
        matches!(self, SegmentObjectKind::Parquet | SegmentObjectKind::Ids)
    }
}

/// Name of an object. Its text is the file name: `0000000042.parquet`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentObject {
    /// Number of the segment.
    pub segment: u64,
    /// Kind of the object.
    pub kind: SegmentObjectKind,
}

impl fmt::Display for SegmentObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}.{}", self.segment, self.kind.extension())
    }
}

impl SegmentObject {
    /// Returns the object with this file name; `None` if the name is not that of an object.
    pub fn from_file_name(name: &str) -> Option<SegmentObject> {
        let (number, extension) = name.split_once('.')?;
        let kind = SegmentObjectKind::ALL.into_iter().find(|kind| kind.extension() == extension)?;
        let object = SegmentObject { segment: number.parse().ok()?, kind };
        (object.to_string() == name).then_some(object)
    }
}

/// Properties of a stored object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentObjectStat {
    /// Length in bytes.
    pub bytes: u64,
    /// Time since the object was written, if the storage knows it.
    pub age: Option<Duration>,
}

/// A segment in quarantine that may be intact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuarantinedSegment {
    /// Number that the segment had; 0 if its name does not contain a number. Several segments in quarantine may have had the same number.
    pub segment: u64,
    /// Name in the quarantine.
    pub name: String,
    /// Path of the segment, for messages.
    pub location: PathBuf,
}

/// Why a segment is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineReason {
    /// The manifest does not list it. It may be intact and the only copy of its spans.
    Unlisted,
    /// Its Parquet file is damaged. It is never treated as an intact segment, and its sidecar objects are deleted.
    Damaged,
}

/// Fills an object that is being written.
pub type SegmentObjectFill<'a> = &'a mut dyn FnMut(&mut (dyn Write + Send)) -> Result<(), StoreError>;

/// An object that is open for reading. If the storage supports it, the object remains readable after it has been deleted. The store deletes
/// an object only after its last reader has closed it.
pub trait SegmentObjectReader: Debug + Send + Sync {
    /// Reads at most as many bytes as fit, from a position on. Returns 0 only at the end of the object.
    ///
    /// # Errors
    ///
    /// Returns an error if the object cannot be read.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;

    /// Returns the length in bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if the length cannot be determined.
    fn length(&self) -> io::Result<u64>;

    /// Reads exactly as many bytes as fit.
    ///
    /// # Errors
    ///
    /// Returns `UnexpectedEof` if the object ends before the end of the range.
    fn read_exact_at(&self, mut into: &mut [u8], mut at: u64) -> io::Result<()> {
        while !into.is_empty() {
            match self.read_at(into, at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    into = &mut into[read..];
                    at += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Reads an object sequentially from a position. Readers of the same object do not share the position.
#[derive(Debug)]
pub struct SequentialObjectReader {
    object: Arc<dyn SegmentObjectReader>,
    at: u64,
}

impl SequentialObjectReader {
    /// Begins to read at a position.
    pub fn from_position(object: Arc<dyn SegmentObjectReader>, at: u64) -> SequentialObjectReader {
        SequentialObjectReader { object, at }
    }
}

impl Read for SequentialObjectReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.object.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Stores the objects of segments. All methods block.
pub trait SegmentStorage: Debug + Send + Sync {
    /// Writes an object completely or not at all, in place of an earlier one of the same name.
    ///
    /// # Errors
    ///
    /// Returns an error if `fill` fails, or the object cannot be written. In this case, no part of the object remains.
    fn put(&self, object: SegmentObject, fill: SegmentObjectFill) -> Result<(), StoreError>;

    /// Opens an object. A reader is opened for each lookup of an index, so this must be cheap.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if there is no such object.
    fn open(&self, object: SegmentObject) -> io::Result<Arc<dyn SegmentObjectReader>>;

    /// Returns the properties of an object.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if there is no such object.
    fn stat(&self, object: SegmentObject) -> io::Result<SegmentObjectStat>;

    /// Returns all objects in ascending order, those in quarantine excepted.
    ///
    /// # Errors
    ///
    /// Returns an error if the objects cannot be listed.
    fn list(&self) -> Result<Vec<SegmentObject>, StoreError>;

    /// Deletes an object. The deletion is durable after the next [`sync`](SegmentStorage::sync).
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if there is no such object.
    fn delete(&self, object: SegmentObject) -> io::Result<()>;

    /// Makes deletions durable.
    ///
    /// # Errors
    ///
    /// Returns an error if a deletion cannot be made durable.
    fn sync(&self) -> Result<(), StoreError>;

    /// Removes what interrupted calls of [`put`](SegmentStorage::put) left. Called before anything is written.
    ///
    /// # Errors
    ///
    /// Returns an error if something cannot be removed.
    fn remove_unfinished(&self) -> Result<(), StoreError>;

    /// Returns where an object is or would be, for messages. No two storages of a process return the same for different objects.
    fn location(&self, object: SegmentObject) -> PathBuf;

    /// Moves a segment to the quarantine, durably, and returns the new path of its Parquet file.
    ///
    /// # Errors
    ///
    /// Returns an error if the segment cannot be moved.
    fn set_aside(&self, segment: u64, reason: QuarantineReason) -> Result<PathBuf, StoreError>;

    /// Returns the segments in quarantine that may be intact, in ascending order of their names.
    ///
    /// # Errors
    ///
    /// Returns an error if the segments cannot be listed.
    fn quarantined(&self) -> Result<Vec<QuarantinedSegment>, StoreError>;

    /// Opens the Parquet file of a segment in quarantine.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if there is no such segment.
    fn open_quarantined(&self, quarantined: &QuarantinedSegment) -> io::Result<Arc<dyn SegmentObjectReader>>;

    /// Moves a Parquet file from the quarantine back, under any number, durably. Its sidecar objects there are deleted.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be moved.
    fn take_back(&self, quarantined: &QuarantinedSegment, segment: u64) -> Result<(), StoreError>;
}

/// The objects of one segment in their storage.
#[derive(Debug, Clone)]
pub(crate) struct SegmentObjects {
    storage: Arc<dyn SegmentStorage>,
    segment: u64,
}

impl SegmentObjects {
    pub(crate) fn of(storage: &Arc<dyn SegmentStorage>, segment: u64) -> SegmentObjects {
        SegmentObjects { storage: storage.clone(), segment }
    }

    pub(crate) fn segment(&self) -> u64 {
        self.segment
    }

    pub(crate) fn name(&self, kind: SegmentObjectKind) -> SegmentObject {
        SegmentObject { segment: self.segment, kind }
    }

    /// Returns where an object is, for messages.
    pub(crate) fn location(&self, kind: SegmentObjectKind) -> PathBuf {
        self.storage.location(self.name(kind))
    }

    pub(crate) fn open(&self, kind: SegmentObjectKind) -> io::Result<Arc<dyn SegmentObjectReader>> {
        self.storage.open(self.name(kind))
    }

    /// Reads an object completely.
    pub(crate) fn read(&self, kind: SegmentObjectKind) -> io::Result<Vec<u8>> {
        let object = self.open(kind)?;
        let mut bytes = vec![0; usize::try_from(object.length()?).map_err(io::Error::other)?];
        object.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    pub(crate) fn stat(&self, kind: SegmentObjectKind) -> io::Result<SegmentObjectStat> {
        self.storage.stat(self.name(kind))
    }

    /// Returns whether an object exists; false if the storage cannot determine it.
    pub(crate) fn has(&self, kind: SegmentObjectKind) -> bool {
        self.stat(kind).is_ok()
    }

    /// Returns the names of the objects that exist.
    pub(crate) fn existing(&self) -> impl Iterator<Item = SegmentObject> {
        SegmentObjectKind::ALL.into_iter().filter(|kind| self.has(*kind)).map(|kind| self.name(kind))
    }

    pub(crate) fn put(&self, kind: SegmentObjectKind, fill: SegmentObjectFill) -> Result<(), StoreError> {
        self.storage.put(self.name(kind), fill)
    }

    pub(crate) fn delete(&self, kind: SegmentObjectKind) -> io::Result<()> {
        self.storage.delete(self.name(kind))
    }
}

#[cfg(test)]
mod tests;
