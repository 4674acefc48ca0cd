//! The data folder: where each file lies, who owns the folder, and how a new name is made durable.
//!
//! ```text
//! LOCK                      held by the one process that has the folder open; its text is that process's id
//! manifest.db               which segments there are, and up to where the log is in them
//! log/0000000001.log        spans that are in no segment yet
//! segments/0000000042.parquet, .ids, .hours, .grams
//! log/last                  the number of the last frame that was acknowledged
//! damaged/                  copies of what could not be read, and segments that the manifest does not name, for a person to look at
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// Bytes that must find room before intake is said to work again: more than most requests.
const PROBE: usize = 1 << 20;

/// The data folder, created and locked.
#[derive(Debug)]
pub(super) struct DataFolder {
    root: PathBuf,
    /// Dropping the file gives up the lock.
    _lock: File,
}

impl DataFolder {
    /// Creates what is missing and takes the lock.
    pub(super) fn open(root: &Path) -> Result<DataFolder, StoreError> {
        // The query engine knows files by their whole paths only.
        let root = &std::path::absolute(root).map_err(StoreError::io("find", root))?;
        for folder in [root.to_owned(), root.join("log"), root.join("segments"), root.join("damaged")] {
            fs::create_dir_all(&folder).map_err(not_writable(&folder))?;
        }
        let lock = lock(root)?;
        sync_folder(root)?;
        Ok(DataFolder { root: root.to_owned(), _lock: lock })
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

    pub(super) fn segment(&self, id: u64) -> PathBuf {
        self.segments().join(format!("{id:010}.parquet"))
    }

    pub(super) fn damaged(&self) -> PathBuf {
        self.root.join("damaged")
    }

    /// Tries whether a file can be written and made durable.
    pub(super) fn probe(&self) -> Result<(), StoreError> {
        let path = self.logs().join("probe");
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&[0; PROBE])?;
            file.sync_data()
        });
        let removed = fs::remove_file(&path);
        written.and(removed).map_err(StoreError::io("write", &path))
    }
}

/// Takes the lock of a folder, or says who has it.
fn lock(root: &Path) -> Result<File, StoreError> {
    let path = root.join("LOCK");
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(not_writable(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let read = file.read_to_string(&mut pid);
            let known = read.is_ok() && !pid.trim().is_empty();
            let holder = if known { format!("process {}", pid.trim()) } else { "another process".to_owned() };
            return Err(StoreError::Locked { path: root.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
    }
    // Who holds the lock is told on a best-effort basis: a full disk does not keep a store from opening.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn not_writable(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { path, reason: error.to_string() },
        _ => StoreError::io("create", &path)(error),
    }
}

/// Makes new, renamed and removed names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(StoreError::io("sync", path))
}

/// The files of a folder that end in `.extension` and have a number for a name, rising.
pub(super) fn numbered(folder: &Path, extension: &str) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let path = entry.map_err(StoreError::io("list", folder))?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|e| e == extension)) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// A path in a folder that no file has: `STEM.EXTENSION`, or with a number between the two.
pub(super) fn free_name(folder: &Path, stem: &str, extension: &str) -> PathBuf {
    let names = std::iter::once(format!("{stem}.{extension}")).chain((2..).map(|number| format!("{stem}.{number}.{extension}")));
    names.map(|name| folder.join(name)).find(|path| !path.exists()).unwrap_or_else(|| folder.join(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataFolder::open(dir.path()).unwrap();
        let message = DataFolder::open(dir.path()).unwrap_err().to_string();
        assert!(message.contains(&format!("in use by process {}", std::process::id())), "{message}");
        drop(first);
        DataFolder::open(dir.path()).unwrap();
    }
}
