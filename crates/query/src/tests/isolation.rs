//! Isolation tests: a query returns only rows of its own project, for every filter and every version that wrote the segment.

use std::sync::Arc;

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rusqlite::Connection;

use super::*;

/// Hostile filters. Each is either accepted or rejected.
const HOSTILE_FILTERS: &[&str] = &[
    "",
    "-model:gpt-4o",
    "-user:ours",
    "user:*",
    "-user:*",
    "user:theirs",
    "user:ours,theirs",
    "name:*",
    "trace:00000000000000000000000000000001",
    "trace:*",
    "span:*",
    "cost:>=0",
    "cost:<1000",
    "-cost:>0",
    "duration:>=0",
    "status:ok,error,cancelled",
    "kind:*",
    "tag.team:*",
    "-tag.team:*",
    "tag.project_id:2",
    "attr.project_id:2",
    "attr.*:2",
    "\"secret of project 2\"",
    "secret",
    "-secret",
    "\"' OR project_id = 2 --\"",
    "user:\"x' OR '1'='1\"",
    "user:\"theirs\\\") OR (project_id:2\"",
    "model:%",
    "model:_____",
    "name:\"\u{0}\"",
    "input_tokens:>-9223372036854775808",
];

fn of(project: u64, id: u64) -> Span {
    let mine = if project == 1 { "ours" } else { "theirs" };
    Span {
        name: format!("secret of project {project}"),
        user_id: Some(mine.into()),
        session_id: Some(mine.into()),
        tags: [("team".to_owned(), mine.to_owned())].into(),
        attributes: [("project_id".to_owned(), serde_json::json!(project))].into_iter().collect(),
        input_messages: said("user", &format!("secret of project {project}")),
        // The IDs are the same in both projects.
        ..call(id % 3 + 1, id, 0, id as i64, "gpt-4o")
    }
}

/// Removes the last columns from a segment file, as if an earlier version without them had written it.
fn without_last_columns(dir: &std::path::Path, segment: u64, count: usize) {
    let path = dir.join(format!("segments/{segment:010}.parquet"));
    let file = std::fs::File::open(&path).unwrap();
    let batches: Vec<_> = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect();
    let kept: Vec<usize> = (0..batches[0].num_columns() - count).collect();
    let schema = Arc::new(batches[0].schema().project(&kept).unwrap());
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), schema, None).unwrap();
    batches.iter().for_each(|batch| writer.write(&batch.project(&kept).unwrap()).unwrap());
    writer.close().unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len() as i64;
    let manifest = Connection::open(dir.join("manifest.db")).unwrap();
    assert_eq!(manifest.execute("UPDATE segments SET bytes = ?, crc = NULL WHERE id = ?", (bytes, segment as i64)).unwrap(), 1);
}

/// Panics if a response contains data of the other project.
fn check(what: &str, filter: &str, answer: &impl serde::Serialize, project: u64) {
    let text = serde_json::to_string(answer).unwrap();
    let (other, name) = if project == 1 { ("theirs", "secret of project 2") } else { ("ours", "secret of project 1") };
    // The text of the filter itself is not a leak.
    let told = text.contains(name) || text.contains(&format!("\"{other}\""));
    assert!(!told, "{what} of project {project} with {filter:?} tells of the other: {text}");
}

#[tokio::test]
async fn no_filter_reaches_another_project() {
    let dir = tempfile::tempdir().unwrap();
    let config = || StoreConfig {
        rows_per_group: 4,
        min_merged_segments: 100,
        flush_age: std::time::Duration::from_secs(3600),
        ..StoreConfig::default()
    };
    let store = Store::open(dir.path(), config()).unwrap();
    // Three segments with both projects, and a memtable with both.
    for part in 0..4u64 {
        for project in [1, 2] {
            let spans = (1..=6).map(|id| of(project, part * 10 + id)).collect();
            let _ = store.append(project, spans).await.unwrap();
        }
        if part < 3 {
            store.flush().await.unwrap();
        }
    }
    drop(store);
    without_last_columns(dir.path(), 1, 5);
    without_last_columns(dir.path(), 2, 1);
    let store = Store::open(dir.path(), config()).unwrap();
    assert_eq!(store.stats().damaged, [""; 0]);
    for min_rollup_rows in [0, u64::MAX] {
        let engine = QueryEngine { min_rollup_rows, ..QueryEngine::new() };
        let snapshot = store.snapshot();
        for project in [1, 2] {
            let asked = engine.project(snapshot.clone(), project);
            assert_eq!(asked.count(&QueryScope::all()).await.unwrap(), 24);
            for filter in HOSTILE_FILTERS {
                let Ok(read) = Filter::parse(filter) else { continue };
                let scope = QueryScope { filter: read, ..QueryScope::all() };
                // A value that cannot be compared with a column is rejected.
                let Ok(spans) = asked.spans(&scope, "-start_time", 100, None).await else { continue };
                check("spans", filter, &spans, project);
                check("traces", filter, &asked.traces(&scope, "-cost", 100, None).await.unwrap(), project);
                let counted = asked.count(&scope).await.unwrap();
                assert_eq!((counted, counted <= 24), (spans.spans.len() as u64, true), "{filter}");
                assert_eq!(asked.summary(&scope).await.unwrap().spans, counted, "{filter}");
                for by in ["user", "session", "name", "tag:team"] {
                    let by = GroupBy::parse(by).unwrap();
                    check("breakdown", filter, &asked.breakdown(&scope, &by, "-cost", 50).await.unwrap(), project);
                }
                let mut rows = asked.rows(&scope).await.unwrap();
                while let Some(batch) = futures::StreamExt::next(&mut rows).await {
                    let projects: BTreeSet<u64> =
                        hinomi_store::rows::from_batch(&batch.unwrap()).iter().map(|row| row.project_id).collect();
                    assert!(projects.iter().all(|found| *found == project), "export with {filter:?}: {projects:?}");
                }
            }
            let trace = asked.trace(&TraceId(1), None).await.unwrap().unwrap();
            check("trace", "", &trace.spans, project);
        }
    }
}
