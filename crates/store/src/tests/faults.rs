//! Effects of defects in the program on the store.

use hinomi_model::price::PriceBook;

use super::*;

#[tokio::test]
async fn panic_in_a_join_fails_only_that_request() {
    let dir = tempfile::tempdir().unwrap();
    let join = |stored: &Span, new: &Span, book: &PriceBook| {
        assert!(new.start_us != 13, "requested by a test");
        hinomi_model::partial_spans::join_partial_spans(stored, new, book)
    };
    let mut store = Store::open(dir.path(), StoreConfig { join, ..small() }).unwrap();
    let _ = store.append(1, vec![piece(1, 1, 1), span(1, 2, 5)]).await.unwrap();
    for place in 0..3 {
        let number = 20 + place;
        let requests = [vec![piece(1, 1, 13), span(2, 1, 10)], vec![piece(1, 1, number), span(3, number as u64, 10)]];
        let [failed, stored] = requests.map(|spans| store.append(1, spans));
        let (failed, stored) = tokio::join!(failed, stored);
        assert!(matches!(failed, Err(StoreError::InternalError)), "{failed:?}");
        assert_eq!(stored.map(|appended| (appended.stored, appended.joined)).unwrap(), (1, 1));
        assert_eq!(store.stats().intake_error, None);
        match place {
            0 => store.flush().await.unwrap(),
            1 => {
                drop(store);
                store = Store::open(dir.path(), StoreConfig { join, ..small() }).unwrap();
            }
            _ => {}
        }
    }
    let seen = rows(&store.snapshot());
    assert_eq!(seen.len(), 5, "nothing of what was refused is stored");
    assert_eq!(seen[&(1, TraceId(1), SpanId(1))].span.input_messages.len(), 4);
    assert_eq!(seen.values().filter(|row| row.span.trace_id == TraceId(1) && row.span.counted).count(), 1);
}

#[tokio::test]
async fn ended_thread_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let _ = store.append(1, vec![span(1, 1, 10)]).await.unwrap();
    assert_eq!(store.stats().intake_error, None);
    store.commit_commands().unwrap().send(CommitCommand::Panic).await.unwrap();
    assert!(matches!(store.append(1, vec![span(2, 1, 10)]).await, Err(StoreError::Closed)));
    while store.stats().intake_error.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let error = store.stats().intake_error.unwrap();
    assert!(error.contains("store-commit"), "{error}");
    drop(store);
    assert_eq!(rows(&Store::open(dir.path(), small()).unwrap().snapshot()).len(), 1);
}
