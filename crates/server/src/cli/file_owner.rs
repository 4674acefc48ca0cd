//! Files that a command of root makes in the data folder of another user are that user's: a server that runs as the user could not write them.

use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The data folder of this command.
static USED: OnceLock<PathBuf> = OnceLock::new();

/// Notes the data folder that this command works on.
pub(super) fn uses(data: &Path) {
    let _ = USED.set(data.to_owned());
}

/// Whether this process is root's; false where the system does not say.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// [`give_back`] for that folder.
pub(super) fn give_back_used() {
    if let Some(data) = USED.get() {
        give_back(data);
    }
}

/// Where this process is root's and the folder another user's, gives that user the files of root in it. Returns how many there were.
pub(super) fn give_back(data: &Path) -> usize {
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
                    Err(error) => super::note(&format!("{} stays root's: {error}", path.display())),
                }
            }
            if found.is_dir() {
                folders.push(path);
            }
        }
    }
    given
}

/// Gives a folder that root has just made to the user who owns the one that it lies in.
pub(super) fn inherit(data: &Path) {
    let parent = data.parent().and_then(|parent| std::fs::metadata(parent).ok());
    if let Some(parent) = parent.filter(|parent| is_root() && parent.uid() != 0)
        && let Err(error) = lchown(data, Some(parent.uid()), Some(parent.gid()))
    {
        super::note(&format!("{} stays root's: {error}", data.display()));
    }
}
