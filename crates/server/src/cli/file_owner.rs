//! Gives files that root creates in another user's data directory to that user. Otherwise, the server of that user could not write these
//! files.

use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Data directory of this command.
static DATA_DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

/// Records the data directory that this command uses.
pub(super) fn set_data_directory(data: &Path) {
    let _ = DATA_DIRECTORY.set(data.to_owned());
}

/// Returns whether this process runs as root; false if that is unknown.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Calls [`restore_owner`] for the data directory of this command.
pub(super) fn restore_owner_of_used() {
    if let Some(data) = DATA_DIRECTORY.get() {
        restore_owner(data);
    }
}

/// If this process runs as root and the directory belongs to another user, gives root's files in it to that user. Returns their number.
pub(super) fn restore_owner(data: &Path) -> usize {
    let Ok(folder) = std::fs::symlink_metadata(data) else { return 0 };
    if !is_root() || folder.uid() == 0 || !folder.is_dir() {
        return 0;
    }
    let (mut given, mut folders) = (0, vec![data.to_owned()]);
    while let Some(of) = folders.pop() {
        for entry in std::fs::read_dir(&of).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            let Ok(found) = std::fs::symlink_metadata(&path) else { continue };
            if found.uid() == 0 {
                match lchown(&path, Some(folder.uid()), Some(folder.gid())) {
                    Ok(()) => given += 1,
                    Err(error) => super::print_note(&format!("cannot change the owner of {}, which stays root: {error}", path.display())),
                }
            }
            if found.is_dir() {
                folders.push(path);
            }
        }
    }
    given
}

/// Gives a directory that root has just created to the owner of its parent directory.
pub(super) fn inherit_owner(data: &Path) {
    let parent = data.parent().and_then(|parent| std::fs::metadata(parent).ok());
    if let Some(parent) = parent.filter(|parent| is_root() && parent.uid() != 0)
        && let Err(error) = lchown(data, Some(parent.uid()), Some(parent.gid()))
    {
        super::print_note(&format!("cannot change the owner of {}, which stays root: {error}", data.display()));
    }
}
