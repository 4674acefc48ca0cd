//! Subscribers to rows: each receives what it selects.

use super::*;

#[derive(Debug, Default)]
struct NameSubscriber {
    /// Part of the names of the selected spans.
    part: &'static str,
    seen: Mutex<Vec<String>>,
}

impl RowChangeSubscriber for NameSubscriber {
    fn select(&self, row: &SpanRow) -> Option<SpanRow> {
        row.span.name.contains(self.part).then(|| row.clone())
    }

    fn notify(&self, changes: RowChanges) {
        let mut seen = self.seen.lock().unwrap();
        seen.extend(changes.removed.iter().map(|row| format!("-{}", row.span.name)));
        seen.extend(changes.added.iter().map(|row| format!("+{}", row.span.name)));
    }
}

#[tokio::test]
async fn each_subscriber_receives_the_rows_that_it_selects() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let [one, all] = ["span 1", "span"].map(|part| Arc::new(NameSubscriber { part, ..NameSubscriber::default() }));
    store.subscribe_to_rows(one.clone());
    store.subscribe_to_rows(all.clone());
    let _ = store.append(7, vec![span(1, 2, 20)]).await.unwrap();
    // According to the rules of these tests, the latest span names the pipeline of all, and only the one with the lowest ID is counted:
    // the first row is corrected.
    let _ = store.append(7, vec![span(1, 1, 10)]).await.unwrap();
    let (one, all) = (one.seen.lock().unwrap().clone(), all.seen.lock().unwrap().clone());
    assert_eq!(one, ["+span 1 of trace 1"]);
    assert_eq!(all, ["+span 2 of trace 1", "-span 2 of trace 1", "+span 1 of trace 1", "+span 2 of trace 1"]);
}

/// Selects nothing, and lets a commit go on only when the test says so.
#[derive(Debug)]
struct SlowSubscriber {
    begun: Mutex<std::sync::mpsc::Sender<()>>,
    may_end: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl RowChangeSubscriber for SlowSubscriber {
    fn select(&self, _row: &SpanRow) -> Option<SpanRow> {
        self.begun.lock().unwrap().send(()).unwrap();
        self.may_end.lock().unwrap().recv().unwrap();
        None
    }

    fn notify(&self, _changes: RowChanges) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_running_commit_did_not_select_are_in_the_next_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), small()).unwrap());
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (end, may_end) = std::sync::mpsc::channel();
    store.subscribe_to_rows(Arc::new(SlowSubscriber { begun: Mutex::new(begun), may_end: Mutex::new(may_end) }));
    let writer = store.clone();
    let append = tokio::spawn(async move { writer.append(7, vec![span(1, 1, 10)]).await.unwrap() });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    let reader = store.clone();
    let version_before = store.snapshot().version;
    let waiting = tokio::task::spawn_blocking(move || {
        reader.wait_for_publication();
        reader.snapshot().version
    });
    assert!(!waiting.is_finished());
    end.send(()).unwrap();
    assert!(waiting.await.unwrap() > version_before);
    let _ = append.await.unwrap();
}
