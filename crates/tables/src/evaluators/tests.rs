use serde_json::json;

use super::*;
use crate::retained_rows::{ErasureSubject, erase};

fn store() -> (tempfile::TempDir, EvaluatorStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = EvaluatorStore::open(dir.path()).unwrap();
    (dir, store)
}

fn draft(change: serde_json::Value) -> EvaluatorDraft {
    let mut draft = json!({ "name": "polite", "type": "contains", "config": { "any": ["please"] }, "target": "trace" });
    draft.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    serde_json::from_value(draft).unwrap()
}

fn put(store: &EvaluatorStore, id: Option<i64>, change: serde_json::Value) -> EvaluatorRecord {
    match store.store_evaluator(1, id, &draft(change), 5).unwrap() {
        EvaluatorChange::Stored(record) => *record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_version_increases_with_the_method_only() {
    let (dir, store) = store();
    let first = put(&store, None, json!({}));
    assert_eq!((first.version, &first.draft.sampling, first.draft.enabled), (1, &EvaluatorSampling::Rate(1.0), true));
    let rules = json!([{ "q": "status:error", "rate": 1.0 }, { "q": "", "rate": 0.05 }]);
    assert_eq!(put(&store, Some(first.id), json!({ "sampling": rules, "enabled": false })).version, 1);
    let changed = put(&store, Some(first.id), json!({ "config": { "any": ["thanks"] } }));
    assert_eq!(changed.version, 2);
    drop(store);
    let store = EvaluatorStore::open(dir.path()).unwrap();
    assert_eq!(store.evaluators(1).unwrap(), std::slice::from_ref(&changed));
    assert!(store.has_enabled());
    put(&store, Some(changed.id), json!({ "enabled": false }));
    assert!(!store.has_enabled());
    assert!(store.evaluators(2).unwrap().is_empty());
}

#[test]
fn names_are_unique_and_unknown_fields_are_refused() {
    let (_dir, store) = store();
    put(&store, None, json!({}));
    let other = put(&store, None, json!({ "name": "short" }));
    assert_eq!(store.store_evaluator(1, None, &draft(json!({})), 5).unwrap(), EvaluatorChange::NameTaken);
    assert_eq!(store.store_evaluator(1, Some(other.id), &draft(json!({})), 5).unwrap(), EvaluatorChange::NameTaken);
    assert_eq!(store.store_evaluator(1, Some(99), &draft(json!({ "name": "new" })), 5).unwrap(), EvaluatorChange::NotFound);
    assert!(serde_json::from_value::<EvaluatorDraft>(json!({ "name": "x", "type": "regex", "target": "trace", "colour": 1 })).is_err());
}

#[test]
fn runs_are_counted_by_outcome_and_deleted_with_the_evaluator() {
    let (dir, store) = store();
    let evaluator = put(&store, None, json!({})).id;
    let tally = |outcome: &str, count| EvaluationTally::from([((evaluator, outcome.to_owned()), count)]);
    store.add_counts(&tally("evaluated", 2), 0).unwrap();
    store.add_counts(&tally("evaluated", 3), 0).unwrap();
    store.add_counts(&tally("no_answer", 1), 3 * 86_400_000_000).unwrap();
    store.add_counts(&EvaluationTally::from([((99, "evaluated".to_owned()), 1)]), 0).unwrap();
    assert_eq!(store.counts_since(1, 0).unwrap()[&evaluator], EvaluationCounts::from([("evaluated".into(), 5), ("no_answer".into(), 1)]));
    assert_eq!(store.counts_since(1, 86_400_000_000).unwrap()[&evaluator], EvaluationCounts::from([("no_answer".into(), 1)]));
    erase(dir.path(), &store, &ErasureSubject { project: 1, names: None }).unwrap();
    assert!(store.counts_since(1, 0).unwrap().is_empty() && store.evaluators(1).unwrap().is_empty());
    store.set_evaluated_until(7).unwrap();
    assert_eq!(store.evaluated_until_us().unwrap(), Some(7));
}
