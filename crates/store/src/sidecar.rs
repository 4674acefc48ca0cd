//! Files next to a segment that can be rebuilt from it: its roll-up and its n-gram index. If one is missing or damaged, queries read the
//! segment itself, and `rebuild` writes the file again.

pub(crate) mod ngram_index;
pub(crate) mod rebuild;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::rollup;
use super::state::lock;

/// Extensions of all sidecar files of a segment.
pub(super) const EXTENSIONS: [&str; 3] = ["ids", rollup::EXTENSION, ngram_index::EXTENSION];

/// Content of a sidecar file.
pub(super) trait SidecarContent: Sized {
    /// File extension.
    const EXTENSION: &'static str;

    /// Reads a file; `None` if it is of no advantage over the segment.
    ///
    /// # Errors
    ///
    /// When the file is missing or damaged.
    fn read(path: &Path) -> io::Result<Option<Self>>;
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
    /// The file could not be rebuilt, or is of no advantage over the segment.
    Useless,
}

impl<T> Default for SidecarCell<T> {
    fn default() -> Self {
        SidecarCell(Mutex::new(SidecarState::Unread))
    }
}

impl<T> SidecarState<T> {
    fn of(content: Option<T>) -> SidecarState<T> {
        content.map_or(SidecarState::Useless, |content| SidecarState::Read(Arc::new(content)))
    }
}

impl<T: SidecarContent> SidecarCell<T> {
    /// Returns the content of the file, if it is available.
    pub(super) fn get(&self, segment: &Path) -> Option<Arc<T>> {
        let mut state = lock(&self.0);
        if let SidecarState::Unread = *state {
            *state = match T::read(&segment.with_extension(T::EXTENSION)) {
                Ok(content) => SidecarState::of(content),
                // A missing file is built in the background.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
                Err(error) => lost::<T>(segment, &error),
            };
        }
        match &*state {
            SidecarState::Read(content) => Some(content.clone()),
            _ => None,
        }
    }

    /// Records that the file turned out to be damaged.
    pub(super) fn lose(&self, segment: &Path, error: &io::Error) {
        *lock(&self.0) = lost::<T>(segment, error);
    }

    /// Writes the file. A failure to write is only logged: the result of `instead`, if any, is kept in memory.
    pub(super) fn write(&self, segment: &Path, bytes: io::Result<Vec<u8>>, instead: impl FnOnce() -> Option<T>) {
        let path = segment.with_extension(T::EXTENSION);
        let temporary = path.with_extension(format!("{}.new", T::EXTENSION));
        let written = bytes.and_then(|bytes| std::fs::write(&temporary, bytes)).and_then(|()| std::fs::rename(&temporary, &path));
        *lock(&self.0) = match written {
            // Most files are read much later, if ever.
            Ok(()) => SidecarState::Unread,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "store.sidecar.write_failed");
                let _ = std::fs::remove_file(&temporary);
                SidecarState::of(instead())
            }
        };
    }

    /// Returns whether the file is missing or known to be damaged.
    pub(super) fn is_lost(&self, segment: &Path) -> bool {
        match &*lock(&self.0) {
            SidecarState::Lost => true,
            SidecarState::Unread => !segment.with_extension(T::EXTENSION).exists(),
            _ => false,
        }
    }

    /// Marks the file as useless: it is not built again.
    pub(super) fn give_up(&self) {
        *lock(&self.0) = SidecarState::Useless;
    }

    /// Resets the state to that of a segment that has just been opened.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        *lock(&self.0) = SidecarState::Unread;
    }
}

fn lost<T: SidecarContent>(segment: &Path, error: &io::Error) -> SidecarState<T> {
    tracing::warn!(path = %segment.with_extension(T::EXTENSION).display(), %error, "store.sidecar.read_failed");
    SidecarState::Lost
}
