//! Files next to a segment that can be rebuilt from it: its roll-up and its n-gram index. If one is missing or damaged, queries read the
//! segment itself, and `rebuild` writes the file again.

pub(crate) mod ngram_index;
pub(crate) mod rebuild;

use std::io;
use std::sync::{Arc, Mutex};

use super::error::StoreError;
use super::segment_storage::{SegmentObjectKind, SegmentObjects};
use super::state::lock;

/// Content of a sidecar file.
pub(super) trait SidecarContent: Sized {
    /// Kind of the file.
    const KIND: SegmentObjectKind;

    /// Reads a file; `None` if it is of no advantage over the segment.
    ///
    /// # Errors
    ///
    /// Returns an error if the file is missing or damaged.
    fn read(objects: &SegmentObjects) -> io::Result<Option<Self>>;
}

/// The sidecar file of one segment, read at its first use.
#[derive(Debug)]
pub(super) struct SidecarCell<T>(Mutex<SidecarState<T>>);

#[derive(Debug)]
enum SidecarState<T> {
    Unread,
    Read(Arc<T>),
    /// The file is damaged.
    Lost,
    /// The file could not be rebuilt, or has no advantage over reading the segment.
    Useless,
}

impl<T> Default for SidecarCell<T> {
    fn default() -> Self {
        SidecarCell(Mutex::new(SidecarState::Unread))
    }
}

impl<T> SidecarState<T> {
    fn from_content(content: Option<T>) -> SidecarState<T> {
        content.map_or(SidecarState::Useless, |content| SidecarState::Read(Arc::new(content)))
    }
}

impl<T: SidecarContent> SidecarCell<T> {
    /// Returns the content of the file, if it is available.
    pub(super) fn get(&self, objects: &SegmentObjects) -> Option<Arc<T>> {
        let mut state = lock(&self.0);
        if let SidecarState::Unread = *state {
            *state = match T::read(objects) {
                Ok(content) => SidecarState::from_content(content),
                // A missing file is built in the background.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
                Err(error) => lost_state::<T>(objects, &error),
            };
        }
        match &*state {
            SidecarState::Read(content) => Some(content.clone()),
            _ => None,
        }
    }

    /// Records that the file turned out to be damaged.
    pub(super) fn mark_lost(&self, objects: &SegmentObjects, error: &io::Error) {
        *lock(&self.0) = lost_state::<T>(objects, error);
    }

    /// Writes the file. A failure to write is only logged: the result of `instead`, if any, is kept in memory.
    pub(super) fn write(&self, objects: &SegmentObjects, bytes: io::Result<Vec<u8>>, instead: impl FnOnce() -> Option<T>) {
        let path = objects.location(T::KIND);
        let written = bytes
            .map_err(StoreError::io_error("encode", &path))
            .and_then(|bytes| objects.put(T::KIND, &mut |file| file.write_all(&bytes).map_err(StoreError::io_error("write", &path))));
        *lock(&self.0) = match written {
            // Most files are read much later, if ever.
            Ok(()) => SidecarState::Unread,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "store.sidecar.write_failed");
                SidecarState::from_content(instead())
            }
        };
    }

    /// Returns whether the file is missing or known to be damaged.
    pub(super) fn is_lost(&self, objects: &SegmentObjects) -> bool {
        match &*lock(&self.0) {
            SidecarState::Lost => true,
            SidecarState::Unread => !objects.has(T::KIND),
            _ => false,
        }
    }

    /// Marks the file as useless: it is not built again.
    pub(super) fn mark_useless(&self) {
        *lock(&self.0) = SidecarState::Useless;
    }

    /// Resets the state, as if the segment had just been opened.
    #[cfg(test)]
    pub(super) fn reset(&self) {
        *lock(&self.0) = SidecarState::Unread;
    }
}

fn lost_state<T: SidecarContent>(objects: &SegmentObjects, error: &io::Error) -> SidecarState<T> {
    tracing::warn!(path = %objects.location(T::KIND).display(), %error, "store.sidecar.read_failed");
    SidecarState::Lost
}
