//! File permissions: only the owner may read the data directory. It contains prompts, keys and secrets of notification channels.

use std::path::Path;

/// Makes all files that this process creates from now on accessible to its user only.
pub fn create_for_owner_only() {
    #[cfg(unix)]
    #[expect(
        unsafe_code,
        reason = "the call cannot fail and does not access memory; with the safe wrappers, the query engine would be compiled again"
    )]
    // SAFETY: umask(2) takes and returns a number.
    unsafe {
        libc::umask(0o077);
    }
}

/// Removes the permissions of group and others from files in a data directory that belong to this user, and logs a warning about files
/// that stay accessible. The mode of the directory itself is not changed, because its owner may have shared it on purpose.
pub fn restrict_permissions(data: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        const GROUP_AND_OTHERS_BITS: u32 = 0o077;
        let closed = restrict_files(data);
        if closed.tightened > 0 {
            tracing::warn!(data = %data.display(), files = closed.tightened, "permissions.files.restricted");
        }
        if let Some(first) = closed.accessible.first() {
            let hint = "other users can read these files, which belong to another user; run chown and chmod 600 on them";
            tracing::warn!(files = closed.accessible.len(), first = %first.display(), hint, "permissions.files.too_open");
        }
        if let Ok(folder) = std::fs::metadata(data)
            && folder.mode() & GROUP_AND_OTHERS_BITS != 0
        {
            let mode = format!("{:o}", folder.permissions().mode() & 0o777);
            let hint = "other users can list the data directory; run chmod 700 on it";
            tracing::warn!(data = %data.display(), mode, hint, "permissions.directory.too_open");
        }
    }
    #[cfg(not(unix))]
    let _ = data;
}

/// Result of restricting the files of a directory.
#[cfg(unix)]
#[derive(Debug, Default)]
struct FilePermissionReport {
    /// Number of files that others could read or change before.
    tightened: usize,
    /// Files that others can still access.
    accessible: Vec<std::path::PathBuf>,
}

#[cfg(unix)]
fn restrict_files(folder: &Path) -> FilePermissionReport {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let mut closed = FilePermissionReport::default();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            // `metadata` does not follow links: the target of a link is not a file of the directory.
            let Ok(found) = entry.metadata() else { continue };
            let (path, mode) = (entry.path(), found.mode());
            if found.is_dir() {
                folders.push(path.clone());
            }
            if found.is_symlink() || mode & 0o077 == 0 {
                continue;
            }
            match std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode & 0o700)) {
                Ok(()) => closed.tightened += 1,
                Err(_) => closed.accessible.push(path),
            }
        }
    }
    closed
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn files_are_restricted_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::fs::set_permissions(outside.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::create_dir(dir.path().join("segments")).unwrap();
        let names = ["notify.db", "segments/1.parquet"];
        for name in names {
            std::fs::write(dir.path().join(name), "x").unwrap();
            std::fs::set_permissions(dir.path().join(name), std::fs::Permissions::from_mode(0o664)).unwrap();
        }
        symlink(outside.path(), dir.path().join("link")).unwrap();
        let closed = restrict_files(dir.path());
        assert!(closed.tightened >= 2 && closed.accessible.is_empty(), "{closed:?}");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert!(names.iter().all(|name| mode(&dir.path().join(name)) == 0o600));
        assert_eq!(mode(outside.path()), 0o644);
        assert_eq!(restrict_files(dir.path()).tightened, 0);
    }
}
