//! Files beside a segment that hold nothing but what can be made from it again: its roll-up, its index of texts. Where one is missing or
//! damaged, queries read the segment itself, and `rebuild` writes the file again.

pub(crate) mod ngram_index;
pub(crate) mod rebuild;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::rollup;
use super::state::lock;

/// Extensions of all files beside a segment.
pub(super) const EXTENSIONS: [&str; 3] = ["ids", rollup::EXTENSION, ngram_index::EXTENSION];

/// What such a file holds.
pub(super) trait SidecarContent: Sized {
    /// The file's extension.
    const EXTENSION: &'static str;

    /// Reads a file; `None` when it tells no less than the segment.
    ///
    /// # Errors
    ///
    /// When it is not there, or damaged.
    fn read(path: &Path) -> io::Result<Option<Self>>;
}

/// The file of one segment, read when it is first asked for.
#[derive(Debug)]
pub(super) struct SidecarCell<T>(Mutex<SidecarState<T>>);

#[derive(Debug)]
enum SidecarState<T> {
    Unread,
    Read(Arc<T>),
    /// It is damaged.
    Lost,
    /// It could not be made again, or tells no less than the segment.
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
    /// What the file of a segment holds, if it can be had.
    pub(super) fn get(&self, segment: &Path) -> Option<Arc<T>> {
        let mut state = lock(&self.0);
        if let SidecarState::Unread = *state {
            *state = match T::read(&segment.with_extension(T::EXTENSION)) {
                Ok(content) => SidecarState::of(content),
                // It is made by and by.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
                Err(error) => lost::<T>(segment, &error),
            };
        }
        match &*state {
            SidecarState::Read(content) => Some(content.clone()),
            _ => None,
        }
    }

    /// Notes that the file turned out to be damaged.
    pub(super) fn lose(&self, segment: &Path, error: &io::Error) {
        *lock(&self.0) = lost::<T>(segment, error);
    }

    /// Writes the file. That it cannot be written is no loss: what `instead` gives is held in memory, if anything.
    pub(super) fn write(&self, segment: &Path, bytes: io::Result<Vec<u8>>, instead: impl FnOnce() -> Option<T>) {
        let path = segment.with_extension(T::EXTENSION);
        let temporary = path.with_extension(format!("{}.new", T::EXTENSION));
        let written = bytes.and_then(|bytes| std::fs::write(&temporary, bytes)).and_then(|()| std::fs::rename(&temporary, &path));
        *lock(&self.0) = match written {
            // Most are read long after, if ever.
            Ok(()) => SidecarState::Unread,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "store.sidecar.write_failed");
                let _ = std::fs::remove_file(&temporary);
                SidecarState::of(instead())
            }
        };
    }

    /// True when there is no file, or it is known to be damaged.
    pub(super) fn is_lost(&self, segment: &Path) -> bool {
        match &*lock(&self.0) {
            SidecarState::Lost => true,
            SidecarState::Unread => !segment.with_extension(T::EXTENSION).exists(),
            _ => false,
        }
    }

    /// Leaves it at that there is none.
    pub(super) fn give_up(&self) {
        *lock(&self.0) = SidecarState::Useless;
    }

    /// As if the segment had just been opened.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        *lock(&self.0) = SidecarState::Unread;
    }
}

fn lost<T: SidecarContent>(segment: &Path, error: &io::Error) -> SidecarState<T> {
    tracing::warn!(path = %segment.with_extension(T::EXTENSION).display(), %error, "store.sidecar.read_failed");
    SidecarState::Lost
}
