use std::sync::Arc;

use hinomi_model::id::TraceId;

use super::*;
use crate::retained_rows::{ErasedNames, ErasureSubject, ExpiryCutoffs, RetainedRows, erase};

fn object(seed: u8) -> MediaObject {
    MediaObject::new(vec![seed; 1000], Some("text/plain"))
}

fn used(seed: u8, trace: u128, at_us: i64) -> MediaUse {
    MediaUse { id: object(seed).id, trace_id: TraceId(trace), at_us }
}

async fn has(store: &MediaStore, seed: u8) -> bool {
    store.facts(1, &object(seed).id).await.unwrap().is_some()
}

#[tokio::test]
async fn an_object_is_stored_once_for_each_project_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = MediaStore::open(dir.path(), 1 << 20).unwrap();
    assert_eq!(store.store(1, vec![object(1)], vec![used(1, 7, 5)], 10).await.unwrap(), 1);
    assert_eq!(store.store(1, vec![object(1)], vec![used(1, 8, 5)], 20).await.unwrap(), 0);
    store.close().await;
    drop(store);
    let store = MediaStore::open(dir.path(), 1 << 20).unwrap();
    let found = store.find(1, &object(1).id).await.unwrap().unwrap();
    assert_eq!(found.bytes, object(1).bytes);
    assert_eq!(found.facts, MediaFacts { mime_type: Some("text/plain".into()), size: 1000, created_us: 10 });
    assert_eq!(store.find(2, &object(1).id).await.unwrap(), None, "another project");
}

#[tokio::test]
async fn objects_beyond_the_quota_are_refused_unless_they_are_stored() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MediaStore::open(dir.path(), 2500).unwrap());
    let beyond = |seeds: &[u8]| {
        let ids: Vec<String> = seeds.iter().map(|seed| object(*seed).id).collect();
        let sizes: Vec<(&str, u64)> = ids.iter().map(|id| (id.as_str(), 1000)).collect();
        store.objects_beyond_quota(1, &sizes).unwrap()
    };
    assert!(beyond(&[1, 2]).is_empty());
    assert_eq!(beyond(&[1, 2, 3]), HashSet::from([object(3).id]));
    store.store(1, vec![object(1), object(2)], vec![used(1, 7, 5), used(2, 7, 5)], 10).await.unwrap();
    assert_eq!(beyond(&[1, 3]), HashSet::from([object(3).id]));
    let subject = ErasureSubject { project: 1, names: Some(ErasedNames { traces: [TraceId(7)].into(), users: Vec::new() }) };
    erase(dir.path(), &*store, &subject).unwrap();
    store.forget(&subject).unwrap();
    assert!(beyond(&[3, 4]).is_empty(), "there is room again");
}

#[tokio::test]
async fn an_object_is_erased_with_the_last_trace_that_uses_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = MediaStore::open(dir.path(), 1 << 20).unwrap();
    store.store(1, vec![object(1), object(2)], vec![used(1, 7, 5), used(1, 8, 5), used(2, 7, 5)], 10).await.unwrap();
    store.store(2, vec![object(2)], vec![used(2, 7, 5)], 10).await.unwrap();
    let of_trace =
        |trace: u128| ErasureSubject { project: 1, names: Some(ErasedNames { traces: [TraceId(trace)].into(), users: Vec::new() }) };
    erase(dir.path(), &store, &of_trace(7)).unwrap();
    assert_eq!((has(&store, 1).await, has(&store, 2).await), (true, false));
    assert!(store.facts(2, &object(2).id).await.unwrap().is_some(), "another project keeps it");
    erase(dir.path(), &store, &of_trace(8)).unwrap();
    assert!(!has(&store, 1).await);
    erase(dir.path(), &store, &ErasureSubject { project: 2, names: None }).unwrap();
    assert!(store.facts(2, &object(2).id).await.unwrap().is_none());
}

#[tokio::test]
async fn objects_expire_with_the_messages_unless_a_trace_is_pinned_or_notable() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MediaStore::open(dir.path(), 1 << 20).unwrap());
    let uses = vec![used(1, 1, 5), used(2, 2, 5), used(3, 3, 5), used(4, 4, 50), used(5, 1, 5), used(5, 4, 50)];
    store.store(1, (1..=6).map(object).collect(), uses, 8).await.unwrap();
    let cutoffs = ExpiryCutoffs {
        before_us: 10,
        notable_trace_cutoff_us: 4,
        log_line_cutoff_us: 10,
        pinned: [TraceId(2)].into(),
        notable: [TraceId(3)].into(),
    };
    assert!(store.clone().expire(1, Arc::new(cutoffs)).await.unwrap() > 0);
    let mut left = Vec::new();
    for seed in 1..=6 {
        left.push(has(&store, seed).await);
    }
    assert_eq!(left, [false, true, true, true, true, false], "the last one has no trace");
}
