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
