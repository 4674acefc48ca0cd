//! Durable subscriptions: each continues after a restart where it has acknowledged, with repeats and without gaps.

use super::super::durable_subscription::{DurableSubscription, SubscriptionChanges};
use super::*;

/// What a subscriber read: the spans with a row, those without, and the last position.
#[derive(Debug, Default, PartialEq)]
struct ReadChanges {
    stored: Vec<(u128, u64)>,
    gone: Vec<(u128, u64)>,
    position: u64,
}

/// Reads everything that has changed. Panics at a gap.
fn read(store: &Store, subscription: &mut DurableSubscription) -> ReadChanges {
    let mut all = ReadChanges::default();
    loop {
        match store.read_changes(subscription).unwrap() {
            SubscriptionChanges::Spans(batch) => {
                assert!(batch.position > all.position);
                all.stored.extend(batch.rows.iter().map(|row| (row.span.trace_id.0, row.span.span_id.0)));
                all.gone.extend(batch.gone.iter().map(|(_, trace, span)| (trace.0, span.0)));
                all.position = batch.position;
            }
            SubscriptionChanges::Nothing => break,
            SubscriptionChanges::Missed(position) => panic!("changes up to {position} were missed"),
        }
    }
    all.stored.sort_unstable();
    all
}

fn log_files(dir: &Path) -> usize {
    data_folder::numbered(&dir.join("log"), "log").unwrap().len()
}

async fn append(store: &Store, trace: u128) {
    assert_eq!(store.append(1, vec![span(trace, 1, 10)]).await.unwrap().stored, 1);
}

#[tokio::test]
async fn two_subscriptions_continue_where_each_has_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    append(&store, 9).await;
    let (mut fast, mut slow) = (store.subscribe_from("fast").unwrap(), store.subscribe_from("slow").unwrap());
    assert_eq!(read(&store, &mut slow), ReadChanges::default(), "a new subscription begins with the next change");
    append(&store, 1).await;
    append(&store, 2).await;
    let first = read(&store, &mut fast);
    assert_eq!(first.stored, [(1, 1), (2, 1)]);
    store.acknowledge_changes(&fast, first.position).unwrap();
    // The file with the first frames is kept for the slow one, although the rows are in a segment.
    store.flush().await.unwrap();
    append(&store, 3).await;
    assert_eq!(log_files(dir.path()), 2);
    store.close().await.unwrap();
    drop((store, fast, slow));

    for _ in 0..2 {
        let store = Store::open(dir.path(), small()).unwrap();
        let (mut fast, mut slow) = (store.subscribe_from("fast").unwrap(), store.subscribe_from("slow").unwrap());
        assert_eq!(read(&store, &mut fast).stored, [(3, 1)]);
        // A crash before it is acknowledged gives a repeat.
        assert_eq!(read(&store, &mut slow).stored, [(1, 1), (2, 1), (3, 1)]);
    }

    let store = Store::open(dir.path(), small()).unwrap();
    let (mut fast, mut slow) = (store.subscribe_from("fast").unwrap(), store.subscribe_from("slow").unwrap());
    for subscription in [&mut fast, &mut slow] {
        let position = read(&store, subscription).position;
        store.acknowledge_changes(subscription, position).unwrap();
    }
    append(&store, 4).await;
    let last = read(&store, &mut fast);
    assert_eq!((last.stored.as_slice(), &read(&store, &mut slow)), ([(4, 1)].as_slice(), &last));
    store.flush().await.unwrap();
    assert_eq!(log_files(dir.path()), 2, "neither has acknowledged the last change");
    store.acknowledge_changes(&fast, last.position).unwrap();
    assert_eq!(log_files(dir.path()), 2, "one has not");
    store.unsubscribe("slow").unwrap();
    assert_eq!(log_files(dir.path()), 1, "nobody needs it");
}

#[tokio::test]
async fn changes_of_stored_spans_are_read_wherever_their_rows_are() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { min_merged_segments: 2, ..small() }).unwrap();
    let mut subscription = store.subscribe_from("one").unwrap();
    let _ = store.append(1, vec![span(1, 2, 10), span(5, 1, 10)]).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(read(&store, &mut subscription).stored, [(1, 2), (5, 1)], "from a segment");
    // The new span names the pipeline of the trace: the earlier row is corrected.
    let _ = store.append(1, vec![span(1, 3, 20)]).await.unwrap();
    let SubscriptionChanges::Spans(batch) = store.read_changes(&mut subscription).unwrap() else { panic!("spans changed") };
    let pipelines: BTreeMap<u64, Option<String>> = batch.rows.into_iter().map(|row| (row.span.span_id.0, row.span.pipeline)).collect();
    assert_eq!(pipelines.into_iter().collect::<Vec<_>>(), [(2, Some("named at 20".into())), (3, Some("named at 20".into()))]);
    // After a merge and a deletion, everything is read again from the start.
    store.flush().await.unwrap();
    store.compact().await.unwrap();
    let _ = store.apply_sweep(before(1, 15)).await.unwrap();
    let mut again = store.subscribe_from("one").unwrap();
    let all = read(&store, &mut again);
    assert_eq!((all.stored.as_slice(), all.gone.contains(&(5, 1))), ([(1, 3)].as_slice(), true), "{all:?}");
}

#[tokio::test]
async fn a_subscription_that_falls_too_far_behind_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { retained_wal_bytes: 0, ..small() }).unwrap();
    let mut subscription = store.subscribe_from("slow").unwrap();
    append(&store, 1).await;
    store.flush().await.unwrap();
    assert_eq!(log_files(dir.path()), 1, "the limit holds");
    append(&store, 2).await;
    let SubscriptionChanges::Missed(position) = store.read_changes(&mut subscription).unwrap() else { panic!("frame 1 is gone") };
    assert_eq!(rows(&store.snapshot()).len(), 2, "a snapshot has everything");
    drop(store);
    // It is told until it acknowledges the position.
    let store = Store::open(dir.path(), small()).unwrap();
    let mut subscription = store.subscribe_from("slow").unwrap();
    assert!(matches!(store.read_changes(&mut subscription).unwrap(), SubscriptionChanges::Missed(same) if same == position));
    store.acknowledge_changes(&subscription, position).unwrap();
    append(&store, 3).await;
    assert_eq!(read(&store, &mut subscription).stored, [(3, 1)]);
    assert_eq!(read(&store, &mut store.subscribe_from("slow").unwrap()).stored, [(3, 1)]);
}

#[tokio::test]
async fn more_than_a_batch_is_read_while_the_log_grows() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { flush_rows: 100_000, ..small() }).unwrap();
    let mut subscription = store.subscribe_from("one").unwrap();
    let mut seen = 0;
    for round in 0..6u128 {
        for request in 0..2u128 {
            let trace = 1 + 2 * round + request;
            let spans: Vec<Span> = (1..=700).map(|id| span(1000 * trace + u128::from(id), id, 10)).collect();
            assert_eq!(store.append(1, spans).await.unwrap().stored, 700);
        }
        if round % 2 == 1 {
            seen += read(&store, &mut subscription).stored.len();
        }
    }
    assert_eq!(seen, 6 * 2 * 700);
}
