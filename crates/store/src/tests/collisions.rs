//! Spans and traces whose hashes were made to collide, as a sender of another project can do: none replaces another, and none is joined
//! with another.

use super::super::key_hash::SpanKey;
use super::super::key_hash::collisions::{colliding_span, colliding_trace};
use super::*;

/// Location of the earlier spans when a later one arrives.
const PLACES: [&str; 3] = ["buffer", "segment", "segment after a restart"];

async fn moved(store: Store, dir: &Path, place: &str) -> Store {
    if place == "buffer" {
        return store;
    }
    store.flush().await.unwrap();
    if place == "segment" {
        return store;
    }
    drop(store);
    Store::open(dir, small()).unwrap()
}

fn of(key: SpanKey, make: impl Fn(u128, u64) -> Span) -> Span {
    make(key.trace.0, key.span.0)
}

/// Two keys with the same hash, of two projects or of one.
fn pairs() -> [(SpanKey, SpanKey); 2] {
    let victim = SpanKey { project: 1, trace: TraceId(0xabcd << 64 | 7), span: SpanId(42) };
    [(victim, colliding_span(victim, 2, TraceId(9))), (victim, colliding_span(victim, 1, TraceId(9)))]
}

#[tokio::test]
async fn colliding_spans_are_stored_and_found() {
    for place in PLACES {
        for (one, other) in pairs() {
            let dir = tempfile::tempdir().unwrap();
            let mut store = Store::open(dir.path(), small()).unwrap();
            for (step, key) in [one, other].into_iter().enumerate() {
                let appended = store.append(key.project, vec![of(key, |trace, id| span(trace, id, 10))]).await.unwrap();
                assert_eq!((appended.stored, appended.duplicates), (1, 0), "{place}, {step}");
                store = moved(store, dir.path(), place).await;
            }
            for key in [one, other] {
                let again = store.append(key.project, vec![of(key, |trace, id| span(trace, id, 99))]).await.unwrap();
                assert_eq!((again.stored, again.duplicates), (0, 1), "{place}");
            }
            let revise: SpanReviser = Arc::new(|span| "revised".clone_into(&mut span.name));
            assert_eq!(store.revise(other.project, vec![(other.trace, other.span)], revise).await.unwrap(), 1);
            let seen = rows(&store.snapshot());
            let name = |key: SpanKey| seen[&(key.project, key.trace, key.span)].span.name.as_str();
            assert_eq!((seen.len(), name(other)), (2, "revised"), "{place}");
            assert!(name(one).starts_with("span 42"), "{place}");
        }
    }
}

#[tokio::test]
async fn partial_span_joins_only_its_own_span() {
    for place in PLACES {
        for (one, other) in pairs() {
            let dir = tempfile::tempdir().unwrap();
            let mut store = Store::open(dir.path(), small()).unwrap();
            let _ = store.append(one.project, vec![of(one, |trace, id| span(trace, id, 10))]).await.unwrap();
            store = moved(store, dir.path(), place).await;
            for (key, stored, joined) in [(other, 1, 0), (one, 0, 1)] {
                let appended = store.append(key.project, vec![of(key, |trace, id| piece(trace, id, key.trace.0 as i64))]).await.unwrap();
                assert_eq!((appended.stored, appended.joined, appended.duplicates), (stored, joined, 0), "{place}");
                store = moved(store, dir.path(), place).await;
            }
            let seen = rows(&store.snapshot());
            assert_eq!(seen.len(), 2, "{place}");
            for key in [one, other] {
                let span = &seen[&(key.project, key.trace, key.span)].span;
                let joined = span.joined.as_ref().unwrap();
                assert_eq!((joined.awaited, joined.pieces.len()), (key == other, 1), "{place}");
                assert_eq!(span.input_messages, of(key, |trace, id| piece(trace, id, key.trace.0 as i64)).input_messages, "{place}");
            }
        }
    }
}

#[tokio::test]
async fn both_of_one_request_are_stored() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let [_, (one, other)] = pairs();
    let appended = store.append(1, [one, other].map(|key| of(key, |trace, id| span(trace, id, 10))).to_vec()).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (2, 0));
    drop(store);
    assert_eq!(rows(&Store::open(dir.path(), small()).unwrap().snapshot()).len(), 2);
}

#[tokio::test]
async fn a_long_trace_does_not_hide_another_with_the_same_hash() {
    let dir = tempfile::tempdir().unwrap();
    let config = || StoreConfig { flush_rows: 100_000, rows_per_group: 16_384, ..small() };
    let mut store = Store::open(dir.path(), config()).unwrap();
    let victim = (2, TraceId(7));
    let _ = store.append(victim.0, vec![span(victim.1.0, 2, 10)]).await.unwrap();
    // Rows of project 1 come first in a segment.
    let other = colliding_trace(victim, 1, 8);
    let spans = (1..=super::super::commit::trace_state_cache::MAX_TRACE_SPANS as u64 + 1).map(|id| span(other.0, id, id as i64));
    let _ = store.append(1, spans.collect()).await.unwrap();
    store.flush().await.unwrap();
    drop(store);
    store = Store::open(dir.path(), config()).unwrap();
    let appended = store.append(victim.0, vec![span(victim.1.0, 1, 20)]).await.unwrap();
    assert_eq!((appended.stored, appended.corrected), (1, 1), "what is stored of its own trace is known");
}
