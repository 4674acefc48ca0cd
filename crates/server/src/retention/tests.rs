//! The list of table modules is complete, and a module takes part in expiry, erasure and redaction by being on it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use hinomi_model::id::TraceId;
use hinomi_tables::database;
use hinomi_tables::retained_rows;
use hinomi_tables::retained_rows::{
    ErasedNames, ErasedRowKind, ErasureSubject, ExpiringRows, ExpiryCutoffs, ExpiryFuture, RowSelection, TableRetention, blocking_expiry,
    delete_expired,
};
use rusqlite::{Connection, Transaction, params};

use super::*;
use crate::app::App;
use crate::config::Config;

/// Databases that no table module with [`RetainedRows`] owns, and what deletes from them instead.
const OTHER_DATABASES: [(&str, &str); 3] = [
    ("audit.db", "its entries contain no telemetry and stay; `hinomi audit expire` deletes old ones"),
    ("hinomi.db", "`MetadataStore::delete_project` and `MetadataStore::unpin`; project 1 keeps its settings"),
    ("manifest.db", "the sweep of the store, which rewrites segments and lists the new ones"),
];

/// Columns with traces or users whose rows stay, and why: database, table, column, reason.
const OTHER_COLUMNS: [(&str, &str, &str, &str); 1] = [(
    "outcomes.db",
    "hints",
    "trace",
    "an example of where a problem was last seen; it contains only the ID and is replaced by the next one",
)];

/// Columns by which rows belong to a project.
const PROJECT_COLUMNS: [&str; 2] = ["project", "project_id"];
/// Columns by which rows belong to traces or users.
const NAME_COLUMNS: [&str; 4] = ["trace", "trace_id", "user", "user_id"];

/// Opens a server on a new data directory.
async fn new_server() -> (tempfile::TempDir, App) {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data: dir.path().join("data"), listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Config::default() };
    let app = App::open(&config).await.unwrap();
    (dir, app)
}

async fn stop(app: App) {
    let alerts = app.api().alerts.clone();
    tokio::task::spawn_blocking(move || alerts.stop()).await.unwrap();
}

fn texts(connection: &Connection, sql: &str, parameters: &[&str]) -> Vec<String> {
    let mut select = connection.prepare(sql).unwrap();
    let found = select.query_map(rusqlite::params_from_iter(parameters), |row| row.get(0)).unwrap();
    found.collect::<Result<_, _>>().unwrap()
}

/// Returns whether rows of a table are deleted by a selection, or by a foreign key together with rows that are.
fn is_selected(connection: &Connection, table: &str, selected: &BTreeSet<&str>) -> bool {
    let parents = "SELECT \"table\" FROM pragma_foreign_key_list(?1) WHERE on_delete = 'CASCADE' AND \"table\" <> ?1";
    selected.contains(table) || texts(connection, parents, &[table]).iter().any(|parent| is_selected(connection, parent, selected))
}

/// Returns the columns with projects, traces or users whose rows no module deletes.
fn uncovered(data: &Path, modules: &[Arc<dyn RetainedRows>]) -> Vec<String> {
    let mut found = Vec::new();
    let files = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "db")) {
        let database = path.file_name().unwrap().to_str().unwrap();
        if OTHER_DATABASES.iter().any(|(other, _)| *other == database) {
            continue;
        }
        let own = || modules.iter().filter(|module| module.rules().database == database);
        let of_project: BTreeSet<&str> = own().flat_map(|module| module.rules().of_project).map(|rows| rows.table).collect();
        let of_names: BTreeSet<&str> = own().flat_map(|module| module.rules().of_names).map(|rows| rows.table).collect();
        let connection = database::open_reader(&path).unwrap();
        for table in texts(&connection, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", &[]) {
            for column in texts(&connection, "SELECT name FROM pragma_table_info(?1)", &[&table]) {
                let is_other = OTHER_COLUMNS.iter().any(|other| (other.0, other.1, other.2) == (database, &*table, &*column));
                let lacks_project = PROJECT_COLUMNS.contains(&&*column) && !is_selected(&connection, &table, &of_project);
                let lacks_names = NAME_COLUMNS.contains(&&*column) && !is_selected(&connection, &table, &of_names);
                if (lacks_project || lacks_names) && !is_other {
                    found.push(format!("{database}: {table}.{column}"));
                }
            }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_of_a_new_data_directory_is_expired_and_erased_by_its_module() {
    let (_dir, app) = new_server().await;
    let places = app.api().retention_resources();
    let uncovered = uncovered(&places.data, &places.tables);
    assert!(
        uncovered.is_empty(),
        "nothing deletes the rows of {uncovered:?} with their project, trace or user: implement `RetainedRows` in their module and add it to \
         `ApiState::retained_tables`, or name the exception and its reason here"
    );
    for (other, reason) in OTHER_DATABASES {
        assert!(places.data.join(other).exists(), "{other} is not stored any more ({reason})");
    }
    for (database, table, column, reason) in OTHER_COLUMNS {
        let connection = database::open_reader(&places.data.join(database)).unwrap();
        let columns = texts(&connection, "SELECT name FROM pragma_table_info(?1)", &[table]);
        assert!(columns.iter().any(|found| found == column), "{database}: {table}.{column} is not stored any more ({reason})");
    }
    stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_of_a_module_fits_its_tables() {
    let (_dir, app) = new_server().await;
    let RetentionResources { tables, data, .. } = app.api().retention_resources();
    let names = ErasedNames { traces: [TraceId(1)].into(), users: vec!["anna".to_owned()] };
    let pinned = ExpiryCutoffs { pinned: [TraceId(1)].into(), notable: [TraceId(2)].into(), ..ExpiryCutoffs::default() };
    for table in tables {
        let database = table.rules().database;
        for names in [None, Some(names.clone())] {
            let subject = ErasureSubject { project: 1, names };
            assert_eq!(retained_rows::count(&data, &*table, &subject).unwrap().total(), 0, "{database}");
            assert_eq!(retained_rows::erase(&data, &*table, &subject).unwrap().total(), 0, "{database}");
        }
        assert_eq!(retained_rows::redact(&data, &*table, 1, &names).unwrap(), 0, "{database}");
        assert!(retained_rows::notable_traces(&data, &*table, 1).unwrap().is_empty(), "{database}");
        if let Some(rows) = table.rules().expiring {
            let found = retained_rows::count_expiring(&data, &*table, &rows, 1, 0, 1).unwrap();
            assert_eq!((found.all, found.expiring), (0, 0), "{database}");
        }
        for cutoffs in [ExpiryCutoffs::default(), pinned.clone()] {
            assert_eq!(table.clone().expire(1, Arc::new(cutoffs)).await.unwrap(), 0, "{database}");
        }
        assert_eq!(table.expire_of_all_projects(0).await.unwrap(), 0, "{database}");
    }
    stop(app).await;
}

/// A table module that only this test has.
#[derive(Debug)]
struct NoteTable {
    path: PathBuf,
    /// Whether a part of the program still works with notes.
    is_busy: AtomicBool,
}

const NOTES: RowSelection = RowSelection::new("notes", "project = ?1").counted_as(ErasedRowKind::Score);
const NOTES_OF_NAMES: RowSelection = RowSelection {
    condition: "project = ?1 AND (trace IN (SELECT text FROM temp.traces) OR user_id IN (SELECT id FROM temp.people))",
    ..NOTES
};
const EXPIRED_NOTES: RowSelection =
    RowSelection { condition: "project = ?1 AND at_us < ?2 AND trace NOT IN (SELECT text FROM temp.traces)", ..NOTES };

impl NoteTable {
    fn open(data: &Path) -> NoteTable {
        let path = data.join("notes.db");
        let schema =
            "CREATE TABLE notes (project INTEGER NOT NULL, trace TEXT NOT NULL, user_id TEXT, at_us INTEGER NOT NULL, text TEXT NOT NULL);";
        drop(database::open(&path, &[schema]).unwrap());
        NoteTable { path, is_busy: AtomicBool::new(false) }
    }

    fn add(&self, project: u64, trace: u128, user: &str, days_ago: i64, text: &str) {
        let at_us = jiff::Timestamp::now().as_microsecond() - days_ago * 86_400_000_000;
        let connection = database::open_existing(&self.path).unwrap();
        let note = params![project, TraceId(trace).to_string(), user, at_us, text];
        connection.execute("INSERT INTO notes VALUES (?1, ?2, ?3, ?4, ?5)", note).unwrap();
    }

    /// Returns the texts of all notes, and checks that no other text of `deleted` is left in the files.
    fn texts(&self, deleted: &[&str]) -> Vec<String> {
        let connection = database::open_reader(&self.path).unwrap();
        let found = texts(&connection, "SELECT text FROM notes ORDER BY text", &[]);
        let wal = std::fs::read(self.path.with_extension("db-wal")).unwrap_or_default();
        let files = [std::fs::read(&self.path).unwrap(), wal].concat();
        for text in deleted {
            assert!(!files.windows(text.len()).any(|window| window == text.as_bytes()), "{text:?} is left in a file");
        }
        found
    }
}

static RULES: TableRetention = TableRetention {
    of_names: &[NOTES_OF_NAMES],
    expiring: Some(ExpiringRows { label: "notes", table: "notes", time_us: "at_us", cutoff: |cutoffs| cutoffs.before_us }),
    redaction: Some(redact_notes),
    ..TableRetention::new("notes.db", &[NOTES])
};

impl RetainedRows for NoteTable {
    fn rules(&self) -> &'static TableRetention {
        &RULES
    }

    fn expire(self: Arc<Self>, project: u64, cutoffs: Arc<ExpiryCutoffs>) -> ExpiryFuture {
        blocking_expiry("notes.db", move || {
            Ok(delete_expired(&self.path, &[EXPIRED_NOTES], project, cutoffs.before_us, &cutoffs.pinned)?.total())
        })
    }

    fn forget(&self, _subject: &ErasureSubject) -> Result<bool, SqliteError> {
        Ok(!self.is_busy.load(Ordering::Relaxed))
    }
}

fn redact_notes(transaction: &Transaction, project: u64, names: &ErasedNames) -> rusqlite::Result<u64> {
    let redact = "UPDATE notes SET text = replace(text, ?2, '(deleted)') WHERE project = ?1 AND instr(text, ?2) > 0";
    names.users.iter().map(|user| transaction.execute(redact, params![project, user]).map(|rows| rows as u64)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_table_module_expires_is_erased_and_redacted_by_being_listed() {
    let (_dir, app) = new_server().await;
    let mut places = app.api().retention_resources();
    let notes = Arc::new(NoteTable::open(&places.data));
    assert_eq!(uncovered(&places.data, &places.tables), ["notes.db: notes.project", "notes.db: notes.trace", "notes.db: notes.user_id"]);
    places.tables.push(notes.clone());
    assert_eq!(uncovered(&places.data, &places.tables), Vec::<String>::new());
    let pinned = TraceId(4);
    places.meta.pin(1, pinned).unwrap();
    notes.add(1, 1, "carla", 10, "a note of carla");
    notes.add(1, 2, "boris", 10, "boris about annabel");
    notes.add(1, 3, "carla", 100, "the old one");
    notes.add(1, pinned.0, "carla", 100, "the pinned one");
    notes.add(2, 1, "dora", 100, "of another project");

    // An unusual deletion waits, because the retention of this data directory is unknown.
    assert!(super::delete_expired(&places).await.unwrap().is_empty());
    assert_eq!(notes.texts(&[]).len(), 5);
    let waiting = places.hold_tracker.current_hold().unwrap().what.join("\n");
    assert!(waiting.contains("2 of 4 notes of project 1 would be deleted"), "{waiting}");
    confirm_hold(&places.meta).unwrap().unwrap();
    assert!(super::delete_expired(&places).await.unwrap().is_empty());
    let left = ["a note of carla", "boris about annabel", "of another project", "the pinned one"];
    assert_eq!(notes.texts(&["the old one"]), left);

    let preview = count_stored(&places, 1, DeletionSubject::Trace(TraceId(1))).await.unwrap();
    assert_eq!(preview.scores, 1);
    let receipt = erase_subject(&places, 1, DeletionSubject::Trace(TraceId(1))).await.unwrap();
    assert_eq!((receipt.scores, receipt.mentions), (1, 0));
    assert_eq!(notes.texts(&["a note of carla"]), &left[1..]);

    // A deletion that a busy module interrupts is finished later.
    notes.is_busy.store(true, Ordering::Relaxed);
    let user = DeletionSubject::User("annabel".to_owned());
    assert!(matches!(erase_subject(&places, 1, user).await, Err(RetentionError::Internal(_))));
    assert_eq!(notes.texts(&[]), &left[1..]);
    notes.is_busy.store(false, Ordering::Relaxed);
    finish_interrupted(&places).await.unwrap();
    assert_eq!(notes.texts(&["annabel"]), ["boris about (deleted)", "of another project", "the pinned one"]);
    let receipts = receipts_of_user(&places.meta, "annabel").unwrap();
    assert_eq!((receipts.len(), receipts[0].mentions, receipts[0].resumed), (1, 1, true));

    let receipt = erase_subject(&places, 1, DeletionSubject::Project).await.unwrap();
    assert_eq!(receipt.scores, 2);
    assert_eq!(notes.texts(&["boris", "the pinned one"]), ["of another project"]);
    stop(app).await;
}
