//! The manifest: the list of segments, their dead rows, and the last WAL frame that they contain.
//!
//! One SQLite transaction is the moment at which a flush, a merge or a deletion takes effect. Before the transaction, the manifest does not
//! list the new files; after the transaction, it does not list the old files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::{Connection, ErrorCode, params};

use super::data_folder::{DataDirectory, free_name, sync_folder};
use super::error::StoreError;
use super::row_bit_set::RowBitSet;
use super::segment_storage::{SegmentObjectKind, SegmentObjects, SegmentStorage};
use super::sidecar::SidecarCell;
use super::snapshot::Segment;

/// Format version of the tables.
pub(super) const MANIFEST_FORMAT: u32 = 5;

/// Largest format version that any program will ever write: a file with a larger number is damaged, not newer.
pub(crate) const LAST_FORMAT: u32 = 999;

const CREATE_TABLES: &str = "
    CREATE TABLE log (covered INTEGER NOT NULL);
    INSERT INTO log VALUES (0);
    CREATE TABLE segments (
        id           INTEGER PRIMARY KEY,
        rows         INTEGER NOT NULL,
        bytes        INTEGER NOT NULL,
        min_start_us INTEGER NOT NULL,
        max_start_us INTEGER NOT NULL,
        projects     TEXT NOT NULL,
        dead         BLOB NOT NULL,
        crc          INTEGER
    );
    PRAGMA user_version = 2;
";

/// Migrates the first format to the second: adds checksums of files, which are unknown for existing segments.
const ADD_CHECKSUMS: &str = "ALTER TABLE segments ADD COLUMN crc INTEGER; PRAGMA user_version = 2;";

/// Migrates the second format to the third: adds the reasons why `segments/` may contain a file that is not one of the segments.
const ADD_FILE_REASONS: &str = "
    -- Segments that were taken out: what stays of them is in others. Their files may be removed.
    CREATE TABLE removed (id INTEGER PRIMARY KEY);
    -- Segments that are being written from others (a JSON list of numbers), which hold until this one does.
    CREATE TABLE unfinished (id INTEGER PRIMARY KEY, inputs TEXT NOT NULL);
    PRAGMA user_version = 3;
";

/// Migrates the third format to the fourth: the tables are the same, but segments and WAL contain facts as data, which earlier versions
/// stored as sentences and would not read. Existing files remain as they are.
const MARK_FACTS_AS_DATA: &str = "PRAGMA user_version = 4;";

/// Migrates the fourth format to the fifth: adds the positions of durable subscriptions. An earlier version would remove WAL files that
/// they need.
const WITH_SUBSCRIPTIONS: &str = "
    -- Number of the last WAL frame that a subscription has processed.
    CREATE TABLE subscriptions (name TEXT PRIMARY KEY, position INTEGER NOT NULL);
    PRAGMA user_version = 5;
";

/// An open manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    path: PathBuf,
    connection: Connection,
}

/// Contents of the manifest.
#[derive(Debug)]
pub(super) struct ManifestContents {
    /// Number of the last WAL frame that is in a segment.
    pub(super) last_flushed_frame: u64,
    /// Segments in ascending order of their numbers, each with its dead rows.
    pub(super) segments: Vec<(Segment, RowBitSet)>,
    /// Segments that were removed and whose files may still exist.
    pub(super) removed: HashSet<u64>,
    /// Segments that were being written, each with the segments that it was being made from.
    pub(super) unfinished: HashMap<u64, Vec<u64>>,
    /// Number of the last processed WAL frame, by durable subscription.
    pub(super) positions: BTreeMap<String, u64>,
}

/// A change that happens completely or not at all.
#[derive(Debug, Default)]
pub(super) struct ManifestEdit<'a> {
    /// Number of the last WAL frame that is in a segment after the change.
    pub(super) last_flushed_frame: Option<u64>,
    /// New segments.
    pub(super) add: Vec<&'a Segment>,
    /// Segments to remove.
    pub(super) remove: Vec<u64>,
    /// Dead rows: the complete set for each segment that is listed.
    pub(super) dead: Vec<(u64, RowBitSet)>,
}

impl Manifest {
    /// Opens or creates the manifest of a data directory.
    pub(super) fn open(folder: &DataDirectory) -> Result<Manifest, StoreError> {
        let path = folder.manifest();
        let connect = || -> rusqlite::Result<(Connection, u32)> {
            let connection = Connection::open(&path)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            let steps: &[&str] = match version {
                0 => &[CREATE_TABLES, ADD_FILE_REASONS, MARK_FACTS_AS_DATA, WITH_SUBSCRIPTIONS],
                1 => &[ADD_CHECKSUMS, ADD_FILE_REASONS, MARK_FACTS_AS_DATA, WITH_SUBSCRIPTIONS],
                2 => &[ADD_FILE_REASONS, MARK_FACTS_AS_DATA, WITH_SUBSCRIPTIONS],
                3 => &[MARK_FACTS_AS_DATA, WITH_SUBSCRIPTIONS],
                4 => &[WITH_SUBSCRIPTIONS],
                _ => &[],
            };
            connection.execute_batch(&format!("BEGIN; {} COMMIT;", steps.concat()))?;
            Ok((connection, version))
        };
        let (connection, found) = connect().map_err(manifest_error("open the manifest", &path))?;
        if found > LAST_FORMAT {
            return Err(StoreError::Damaged { path, what: unknown_format_message(found) });
        }
        if found > MANIFEST_FORMAT {
            return Err(StoreError::Newer { path, found, known: MANIFEST_FORMAT });
        }
        Ok(Manifest { path, connection })
    }

    /// Reads the contents.
    pub(super) fn load(&self, storage: &Arc<dyn SegmentStorage>) -> Result<ManifestContents, StoreError> {
        read(&self.connection, MANIFEST_FORMAT, storage).map_err(manifest_error("read the manifest", &self.path))
    }

    /// Writes a copy for a directory that contains only the segments.
    pub(super) fn copy_to(&self, target: &Path) -> Result<(), StoreError> {
        let copy = || -> rusqlite::Result<()> {
            self.connection.execute("VACUUM INTO ?", [target.to_string_lossy()])?;
            // The copy must not depend on a WAL file next to it.
            let copy = Connection::open(target)?;
            copy.pragma_update(None, "journal_mode", "DELETE")?;
            copy.execute_batch("BEGIN; DELETE FROM removed; DELETE FROM unfinished; COMMIT;")
        };
        copy().map_err(manifest_error("copy the manifest", target))
    }

    /// Records that a segment is about to be written from others, which remain valid until it is committed. If a crash leaves a file of the
    /// new segment, this file may be removed.
    pub(super) fn begin_segment(&self, id: u64, inputs: &[u64]) -> Result<(), StoreError> {
        let inputs = serde_json::to_string(inputs).unwrap_or_default();
        let begun = self.connection.execute("INSERT OR REPLACE INTO unfinished VALUES (?, ?)", params![id as i64, inputs]);
        begun.map(drop).map_err(manifest_error("write the manifest", &self.path))
    }

    /// Deletes the records of segments that were never finished and of removed segments, because their files are deleted. Records the
    /// segments in `but` as removed, because their files still exist.
    pub(super) fn forget_files(&mut self, but: &HashSet<u64>) -> Result<(), StoreError> {
        let forget = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM unfinished", [])?;
            transaction.execute("DELETE FROM removed", [])?;
            for id in but {
                transaction.execute("INSERT INTO removed VALUES (?)", [*id as i64])?;
            }
            transaction.commit()
        };
        forget(&mut self.connection).map_err(manifest_error("write the manifest", &self.path))
    }

    /// Removes segments whose files were moved elsewhere. If a file of the same name appears again, it is not deleted.
    pub(super) fn remove_segments(&mut self, ids: &[u64]) -> Result<(), StoreError> {
        let leave = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            for id in ids {
                transaction.execute("DELETE FROM segments WHERE id = ?", [*id as i64])?;
            }
            transaction.commit()
        };
        leave(&mut self.connection).map_err(manifest_error("write the manifest", &self.path))
    }

    /// Sets or removes the position of a durable subscription.
    pub(super) fn set_position(&self, name: &str, position: Option<u64>) -> Result<(), StoreError> {
        let written = match position {
            Some(position) => self.connection.execute("INSERT OR REPLACE INTO subscriptions VALUES (?, ?)", params![name, position as i64]),
            None => self.connection.execute("DELETE FROM subscriptions WHERE name = ?", [name]),
        };
        written.map(drop).map_err(manifest_error("write the manifest", &self.path))
    }

    /// Applies a change durably.
    pub(super) fn commit(&mut self, change: &ManifestEdit) -> Result<(), StoreError> {
        let path = self.path.clone();
        self.write(change).map_err(manifest_error("write the manifest", &path))
    }

    fn write(&mut self, change: &ManifestEdit) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for segment in &change.add {
            let projects = serde_json::to_string(&segment.projects).unwrap_or_default();
            let Segment { id, rows, bytes, crc, min_start_us, max_start_us, .. } = segment;
            transaction.execute(
                "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, x'', ?)",
                params![*id as i64, *rows as i64, *bytes as i64, min_start_us, max_start_us, projects, crc],
            )?;
            transaction.execute("DELETE FROM unfinished WHERE id = ?", [*id as i64])?;
            transaction.execute("DELETE FROM removed WHERE id = ?", [*id as i64])?;
        }
        for (id, dead) in &change.dead {
            let rows: Vec<u8> = dead.iter().flat_map(u32::to_le_bytes).collect();
            transaction.execute("UPDATE segments SET dead = ? WHERE id = ?", params![rows, *id as i64])?;
        }
        for id in &change.remove {
            transaction.execute("DELETE FROM segments WHERE id = ?", [*id as i64])?;
            transaction.execute("INSERT OR IGNORE INTO removed VALUES (?)", [*id as i64])?;
        }
        if let Some(covered) = change.last_flushed_frame {
            transaction.execute("UPDATE log SET covered = ?", [covered as i64])?;
        }
        transaction.commit()
    }
}

/// Reads the contents of a manifest with the given format. `storage` contains the segments of the manifest.
pub(super) fn read(connection: &Connection, format: u32, storage: &Arc<dyn SegmentStorage>) -> rusqlite::Result<ManifestContents> {
    let covered: i64 = connection.query_row("SELECT covered FROM log", [], |row| row.get(0))?;
    let crc = if format > 1 { "crc" } else { "NULL" };
    let sql = format!("SELECT id, rows, bytes, min_start_us, max_start_us, projects, dead, {crc} FROM segments ORDER BY id");
    let mut statement = connection.prepare(&sql)?;
    let segments = statement.query_map([], |row| {
        let id = row.get::<_, i64>(0)? as u64;
        let objects = SegmentObjects::of(storage, id);
        let segment = Segment {
            id,
            location: objects.location(SegmentObjectKind::Parquet),
            objects,
            rows: row.get::<_, i64>(1)? as u64,
            bytes: row.get::<_, i64>(2)? as u64,
            crc: row.get(7)?,
            min_start_us: row.get(3)?,
            max_start_us: row.get(4)?,
            projects: serde_json::from_str(&row.get::<_, String>(5)?).unwrap_or_default(),
            rollup: SidecarCell::default(),
            ngram_index: SidecarCell::default(),
            is_replaced: AtomicBool::new(false),
        };
        let dead = row.get::<_, Vec<u8>>(6)?;
        Ok((segment, dead.as_chunks::<4>().0.iter().map(|row| u32::from_le_bytes(*row)).collect()))
    })?;
    let segments = segments.collect::<rusqlite::Result<_>>()?;
    let (mut removed, mut unfinished) = (HashSet::new(), HashMap::new());
    if format > 2 {
        let mut statement = connection.prepare("SELECT id FROM removed")?;
        removed = statement.query_map([], |row| Ok(row.get::<_, i64>(0)? as u64))?.collect::<rusqlite::Result<_>>()?;
        let mut statement = connection.prepare("SELECT id, inputs FROM unfinished")?;
        let inputs = |text: String| serde_json::from_str(&text).unwrap_or_default();
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)? as u64, inputs(row.get(1)?))))?;
        unfinished = rows.collect::<rusqlite::Result<_>>()?;
    }
    let mut positions = BTreeMap::new();
    if format > 4 {
        let mut statement = connection.prepare("SELECT name, position FROM subscriptions")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
        positions = rows.collect::<rusqlite::Result<_>>()?;
    }
    Ok(ManifestContents { last_flushed_frame: covered as u64, segments, removed, unfinished, positions })
}

/// Returns whether a manifest is `missing` or `empty`, or `None` if it has content.
pub(super) fn state_without_content(path: &Path) -> Option<&'static str> {
    match fs::metadata(path) {
        Ok(found) if found.len() > 0 => None,
        Ok(_) => Some("empty"),
        Err(_) => Some("missing"),
    }
}

/// Moves a manifest that cannot be read to `damaged/`, and returns its new path.
pub(super) fn set_aside(folder: &DataDirectory) -> Result<PathBuf, StoreError> {
    let path = folder.manifest();
    let aside = free_name(&folder.damaged_directory(), "manifest", "db");
    for beside in ["", "-wal", "-shm"] {
        let from = PathBuf::from(format!("{}{beside}", path.display()));
        if from.exists() {
            fs::rename(&from, format!("{}{beside}", aside.display())).map_err(StoreError::io_error("move", &from))?;
        }
    }
    sync_folder(&folder.damaged_directory())?;
    sync_folder(folder.root())?;
    Ok(aside)
}

/// Returns the message about a format number that no version writes.
pub(super) fn unknown_format_message(found: u32) -> String {
    format!("its header names a format {found}, which no version writes")
}

fn manifest_error(doing: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    move |error| match error.sqlite_error_code() {
        // SQLite's message about an unknown format in the header.
        Some(ErrorCode::Unknown) if error.to_string().contains("unsupported file format") => {
            StoreError::Damaged { path, what: error.to_string() }
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path, what: error.to_string() },
        Some(ErrorCode::DiskFull) => StoreError::DiskFull { path },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly { path, reason: error.to_string() },
        _ => StoreError::Manifest { doing, path, reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment_storage::memory::MemorySegmentStorage;

    fn segment(storage: &Arc<dyn SegmentStorage>, id: u64) -> Segment {
        let objects = SegmentObjects::of(storage, id);
        let projects = vec![1, u64::MAX];
        Segment {
            id,
            location: objects.location(SegmentObjectKind::Parquet),
            objects,
            rows: 9,
            bytes: 99,
            crc: Some(u32::MAX),
            min_start_us: -5,
            max_start_us: 5,
            projects,
            rollup: SidecarCell::default(),
            ngram_index: SidecarCell::default(),
            is_replaced: AtomicBool::new(false),
        }
    }

    #[test]
    fn committed_edits_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataDirectory::open(dir.path()).unwrap();
        let storage = MemorySegmentStorage::shared();
        let mut manifest = Manifest::open(&folder).unwrap();
        assert_eq!(manifest.load(&storage).unwrap().last_flushed_frame, 0);
        let (one, two) = (segment(&storage, 1), segment(&storage, 2));
        manifest.commit(&ManifestEdit { last_flushed_frame: Some(7), add: vec![&one, &two], ..ManifestEdit::default() }).unwrap();
        let dead = vec![(2, RowBitSet::from_iter([3, 8]))];
        manifest.commit(&ManifestEdit { remove: vec![1], dead: dead.clone(), ..ManifestEdit::default() }).unwrap();
        manifest.begin_segment(9, &[2]).unwrap();
        drop(manifest);
        let mut manifest = Manifest::open(&folder).unwrap();
        let contents = manifest.load(&storage).unwrap();
        assert_eq!((contents.removed, contents.unfinished), (HashSet::from([1]), HashMap::from([(9, vec![2])])));
        manifest.forget_files(&HashSet::from([5])).unwrap();
        let contents = manifest.load(&storage).unwrap();
        assert_eq!((contents.last_flushed_frame, &contents.removed, contents.unfinished.len()), (7, &HashSet::from([5]), 0));
        let [(found, found_dead)] = &contents.segments[..] else { panic!("{contents:?}") };
        assert_eq!((found.id, &found.projects, found.min_start_us, found.crc), (2, &two.projects, -5, Some(u32::MAX)));
        assert_eq!(*found_dead, dead[0].1);
    }

    #[test]
    fn segments_of_the_first_format_have_no_checksum() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataDirectory::open(dir.path()).unwrap();
        let before = CREATE_TABLES
            .replace("dead         BLOB NOT NULL,", "dead BLOB NOT NULL")
            .replace("crc          INTEGER", "")
            .replace("= 2", "= 1");
        let connection = Connection::open(folder.manifest()).unwrap();
        connection.execute_batch(&before).unwrap();
        connection.execute_batch("INSERT INTO segments VALUES (4, 9, 99, 0, 1, '[1]', x'')").unwrap();
        drop(connection);
        let storage = MemorySegmentStorage::shared();
        for _ in 0..2 {
            let segments = Manifest::open(&folder).unwrap().load(&storage).unwrap().segments;
            assert_eq!(segments.iter().map(|(segment, _)| (segment.id, segment.crc)).collect::<Vec<_>>(), [(4, None)]);
        }
    }

    #[test]
    fn unknown_manifest_formats_are_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataDirectory::open(dir.path()).unwrap();
        std::fs::write(folder.manifest(), "no database at all, but longer than the header of one; ".repeat(20)).unwrap();
        assert!(matches!(Manifest::open(&folder), Err(StoreError::Damaged { .. })));
        std::fs::remove_file(folder.manifest()).unwrap();
        drop(Manifest::open(&folder).unwrap());
        Connection::open(folder.manifest()).unwrap().pragma_update(None, "user_version", MANIFEST_FORMAT + 1).unwrap();
        assert!(
            matches!(Manifest::open(&folder), Err(StoreError::Newer { found, known: MANIFEST_FORMAT, .. }) if found == MANIFEST_FORMAT + 1)
        );
        Connection::open(folder.manifest()).unwrap().pragma_update(None, "user_version", 0x5a5a_5a58).unwrap();
        assert!(matches!(Manifest::open(&folder), Err(StoreError::Damaged { .. })));
    }
}
