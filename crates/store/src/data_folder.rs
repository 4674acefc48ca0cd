//! The data directory: the paths of its files, the lock of the process that uses it, and how new names are made durable.
//!
//! ```text
//! LOCK                      locked by the one process that has the directory open; contains that process's ID
//! manifest.db               the list of segments, and the last WAL frame that they cover
//! log/0000000001.log        spans that are not in a segment yet
//! segments/0000000042.parquet, .ids, .hours, .grams
//! log/last                  the number of the last acknowledged frame
//! damaged/                  copies of unreadable files, and segments that the manifest does not name, for manual inspection
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// Number of bytes that must fit on the disk before ingestion is reported to work again: more than most requests need.
const PROBE_BYTES: usize = 1 << 20;

/// The data directory, created and locked.
#[derive(Debug)]
pub(super) struct DataDirectory {
    root: PathBuf,
    /// Dropping the file releases the lock.
    _lock: File,
}

impl DataDirectory {
    /// Creates missing directories and takes the lock.
    pub(super) fn open(root: &Path) -> Result<DataDirectory, StoreError> {
        // The query engine requires absolute paths.
        let root = &std::path::absolute(root).map_err(StoreError::io_error("find", root))?;
        for folder in [root.to_owned(), root.join("log"), root.join("segments"), root.join("damaged")] {
            fs::create_dir_all(&folder).map_err(write_error(&folder))?;
        }
        let lock = lock_directory(root)?;
        sync_folder(root)?;
        Ok(DataDirectory { root: root.to_owned(), _lock: lock })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn manifest(&self) -> PathBuf {
        self.root.join("manifest.db")
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(super) fn log(&self, number: u64) -> PathBuf {
        self.logs().join(format!("{number:010}.log"))
    }

    pub(super) fn segments(&self) -> PathBuf {
        self.root.join("segments")
    }

    pub(super) fn damaged_directory(&self) -> PathBuf {
        self.root.join("damaged")
    }

    /// Checks that a file can be written and made durable.
    pub(super) fn check_writable(&self) -> Result<(), StoreError> {
        let path = self.logs().join("probe");
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&[0; PROBE_BYTES])?;
            file.sync_data()
        });
        let removed = fs::remove_file(&path);
        written.and(removed).map_err(StoreError::io_error("write", &path))
    }
}

/// Returns the ID of the process that has a data directory open, or an empty string if it is unknown; `None` if no process has it open.
pub(super) fn holder(root: &Path) -> Option<String> {
    let mut file = File::open(root.join("LOCK")).ok()?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            Some(pid.trim().to_owned())
        }
        _ => None,
    }
}

/// Takes the lock of a directory. The error names the process that holds it.
fn lock_directory(root: &Path) -> Result<File, StoreError> {
    let path = root.join("LOCK");
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(write_error(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let read = file.read_to_string(&mut pid);
            let known = read.is_ok() && !pid.trim().is_empty();
            let holder = if known { format!("process {}", pid.trim()) } else { "another process".to_owned() };
            return Err(StoreError::Locked { path: root.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(StoreError::io_error("lock", &path)(error)),
    }
    // Recording the process ID is best effort: a full disk must not prevent a store from opening.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn write_error(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { path, reason: error.to_string() },
        _ => StoreError::io_error("create", &path)(error),
    }
}

/// Makes new, renamed and removed names in a directory durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(StoreError::io_error("sync", path))
}

/// Returns the number of copies of damaged files in a directory: of WAL files, and of segments with a wrong checksum.
pub(super) fn count_damaged_copies(folder: &Path) -> usize {
    let is_copy = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "log" || extension == "damaged");
    fs::read_dir(folder).map_or(0, |entries| entries.filter_map(Result::ok).filter(is_copy).count())
}

/// Returns the files of a directory that are named `NUMBER.extension`, in ascending order.
pub(super) fn numbered(folder: &Path, extension: &str) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(StoreError::io_error("list", folder))? {
        let path = entry.map_err(StoreError::io_error("list", folder))?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|e| e == extension)) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Returns an unused path in a directory: `STEM.EXTENSION`, or `STEM.NUMBER.EXTENSION` if that path is used.
pub(super) fn free_name(folder: &Path, stem: &str, extension: &str) -> PathBuf {
    let names = std::iter::once(format!("{stem}.{extension}")).chain((2..).map(|number| format!("{stem}.{number}.{extension}")));
    names.map(|name| folder.join(name)).find(|path| !path.exists()).unwrap_or_else(|| folder.join(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_process_is_told_which_process_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDirectory::open(dir.path()).unwrap();
        let message = DataDirectory::open(dir.path()).unwrap_err().to_string();
        assert!(message.contains(&format!("in use by process {}", std::process::id())), "{message}");
        drop(first);
        DataDirectory::open(dir.path()).unwrap();
    }
}
