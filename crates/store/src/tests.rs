//! Tests of the store as a whole, against its documented behavior.

pub(crate) mod any_span;
mod collisions;
mod damage;
mod durable_subscriptions;
mod faults;
mod model;
mod orders;
pub(crate) mod snapshot_rows;
mod speed;
mod subscribers;
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use hinomi_model::id::SpanId;
use hinomi_model::partial_spans;
use hinomi_model::partial_spans::{PartialSpanState, SpanFragment, SpanFragmentContent};
use hinomi_model::span::{ChatMessage, MessagePart};

use super::rows::SpanRow;
use super::*;
pub(crate) use snapshot_rows::rows;
pub(crate) use support::{latest_names_the_pipeline, small};

pub(crate) fn span(trace: u128, id: u64, start_us: i64) -> Span {
    Span {
        trace_id: TraceId(trace),
        span_id: SpanId(id),
        start_us,
        end_us: start_us + 5,
        name: format!("span {id} of trace {trace}"),
        pipeline: Some(format!("named at {start_us}")),
        ..Span::default()
    }
}

/// Copies a directory as a crash would leave it. Files that vanish meanwhile are left out.
pub(super) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else if let Err(error) = std::fs::copy(&path, &target) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn acknowledged_spans_are_visible_and_published() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let mut changes = store.changes();
    let spans = vec![span(1, 1, 10), span(1, 2, 20), span(1, 1, 30), Span { span_id: SpanId(0), ..span(1, 1, 1) }];
    let appended = store.append(7, spans).await.unwrap();
    assert_eq!(appended, SpanAppendResult { stored: 2, duplicates: 1, without_id: 1, ..SpanAppendResult::default() });
    let seen = rows(&store.snapshot());
    assert_eq!(seen.values().map(|row| row.span.start_us).collect::<Vec<_>>(), [10, 20]);
    let change = changes.recv().await.unwrap();
    assert_eq!((change.project, &change.traces[..], change.spans), (7, &[TraceId(1)][..], 2));

    // The same spans again, with other times, and for another project.
    let again = store.append(7, vec![span(1, 2, 99)]).await.unwrap();
    assert_eq!(again, SpanAppendResult { duplicates: 1, ..SpanAppendResult::default() });
    assert_eq!(store.append(8, vec![span(1, 2, 99)]).await.unwrap().stored, 1);
    store.close().await.unwrap();
    assert!(matches!(store.append(8, vec![span(9, 9, 9)]).await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn duplicates_are_detected_in_memtable_segment_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), small()).unwrap();
    let spans: Vec<Span> = (1..=9).map(|id| span(id.into(), id, 10)).collect();
    for step in 0..4 {
        let appended = store.append(1, spans.clone()).await.unwrap();
        assert_eq!(appended.stored, if step == 0 { 9 } else { 0 }, "step {step}");
        match step {
            0 => store.flush().await.unwrap(),
            1 => {
                drop(store);
                store = Store::open(dir.path(), small()).unwrap();
            }
            _ => {}
        }
    }
    assert_eq!(store.stats().rows, 9);
}

#[tokio::test]
async fn corrections_reach_memtables_and_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), small()).unwrap();
    // Each step leaves the earlier spans in another location.
    for step in 0..6u64 {
        let appended = store.append(1, vec![span(1, 10 - step, step as i64)]).await.unwrap();
        assert_eq!(appended.corrected as u64, step, "step {step}");
        let seen = rows(&store.snapshot());
        assert_eq!(seen.len() as u64, step + 1);
        for row in seen.values() {
            assert_eq!(row.span.pipeline.as_deref(), Some(&*format!("named at {step}")));
            assert_eq!(row.span.counted, row.span.span_id.0 == 10 - step);
            assert_eq!(row.locally().pipeline, Some(format!("named at {}", row.span.start_us)));
        }
        match step {
            1 | 4 => store.flush().await.unwrap(),
            2 | 3 => {
                drop(store);
                store = Store::open(dir.path(), small()).unwrap();
                assert_eq!(rows(&store.snapshot()), seen);
            }
            _ => {}
        }
    }
}

/// A message of a call that arrived separately.
pub(super) fn piece(trace: u128, id: u64, number: i64) -> Span {
    let message = ChatMessage { role: "user".into(), parts: vec![MessagePart::Text { text: format!("message {number}") }] };
    let piece = SpanFragment { key: format!("{number}"), at_us: number, content: SpanFragmentContent::Input(message) };
    let mut span = Span {
        trace_id: TraceId(trace),
        span_id: SpanId(id),
        start_us: number,
        end_us: number,
        joined: Some(Box::new(PartialSpanState { awaited: true, pieces: vec![piece], ..PartialSpanState::default() })),
        ..Span::default()
    };
    partial_spans::fill_messages_from_parts(&mut span);
    span
}

#[tokio::test]
async fn partial_spans_join_stored_spans_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), small()).unwrap();
    let mut changes = store.changes();
    let reports = [piece(1, 1, 3), span(1, 1, 2), piece(1, 1, 1), piece(1, 1, 2)];
    for (step, report) in reports.iter().enumerate() {
        let appended = store.append(1, vec![report.clone(), span(1, 10 + step as u64, 0)]).await.unwrap();
        let joined = usize::from(step > 0);
        assert_eq!((appended.stored, appended.joined, appended.duplicates), (2 - joined, joined, 0), "step {step}");
        assert_eq!(changes.recv().await.unwrap().spans, 2 - joined);
        // Sent again it is a duplicate, wherever the row is.
        for place in 0..3 {
            let again = store.append(1, vec![report.clone()]).await.unwrap();
            assert_eq!(again, SpanAppendResult { duplicates: 1, ..SpanAppendResult::default() }, "step {step}, {place}");
            match (step + place) % 3 {
                0 => store.flush().await.unwrap(),
                1 => {
                    let seen = rows(&store.snapshot());
                    drop(store);
                    store = Store::open(dir.path(), small()).unwrap();
                    changes = store.changes();
                    assert_eq!(rows(&store.snapshot()), seen);
                }
                _ => {}
            }
        }
    }
    let seen = rows(&store.snapshot());
    assert_eq!(seen.len(), 5);
    let whole = &seen[&(1, TraceId(1), SpanId(1))].span;
    assert_eq!((whole.name.as_str(), whole.start_us, whole.counted), ("span 1 of trace 1", 2, true));
    assert_eq!(whole.input_messages.len(), 3);
    assert!(!whole.joined.as_ref().unwrap().awaited);
}

#[tokio::test]
async fn past_day_is_compacted_to_one_segment() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig { quiet_age: Duration::ZERO, small_segment_rows: 3, ..small() };
    let store = Store::open(dir.path(), config).unwrap();
    // Each span of the trace changes the decisions about the earlier ones.
    for ids in [[1, 2, 3], [4, 5, 6]] {
        let _ = store.append(1, ids.map(|id| span(1, id, id as i64)).to_vec()).await.unwrap();
        store.flush().await.unwrap();
    }
    let seen = rows(&store.snapshot());
    let _ = store.compact().await.unwrap();
    let after = store.snapshot();
    assert!(after.segments.iter().all(|view| view.dead.is_empty()) && after.segments.len() == 1, "{:?}", after.segments);
    assert_eq!(after.segments[0].segment.rows, 6);
    assert_eq!((seen.len(), rows(&after)), (6, seen));
    assert_eq!(store.compact().await.unwrap(), 0, "nothing is left to do");
}

#[tokio::test]
async fn a_snapshot_stays_readable_when_its_segments_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    for id in 1..=4 {
        let _ = store.append(1, vec![span(id, 1, 10), span(id, 2, 20)]).await.unwrap();
        store.flush().await.unwrap();
    }
    let before = store.snapshot();
    assert_eq!(before.segments.len(), 4);
    let merges = store.compact().await.unwrap();
    // The background thread may have started merging already.
    assert!(merges as u64 <= store.stats().compactions);
    let after = store.snapshot();
    assert!(after.segments.len() < 4);
    assert_eq!(rows(&before), rows(&after));
    let old = before.segments[0].segment.location.clone();
    assert!(old.exists());
    drop(before);
    assert!(!old.exists() && !old.with_extension("ids").exists());
}

/// Deletes the spans of a project that start before a time.
pub(crate) fn before(project: u64, us: i64) -> RetentionSweep {
    RetentionSweep {
        affects_segment: Arc::new(move |segment| segment.may_contain(project, i64::MIN, us)),
        decide: Arc::new(
            move |seen| if seen.project == project && seen.start_us < us { RetentionDecision::Delete } else { RetentionDecision::Keep },
        ),
    }
}

#[tokio::test]
async fn retention_sweep_deletes_exactly_the_selected_spans() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    // One segment is deleted completely, one has old and new spans of two projects, some spans are in the memtable.
    let _ = store.append(1, vec![span(1, 1, 10), span(2, 1, 20)]).await.unwrap();
    store.flush().await.unwrap();
    let _ = store.append(1, vec![span(3, 1, 30), span(4, 1, 130)]).await.unwrap();
    let _ = store.append(2, vec![span(5, 1, 30)]).await.unwrap();
    store.flush().await.unwrap();
    let _ = store.append(1, vec![span(6, 1, 40), span(7, 1, 140)]).await.unwrap();
    let swept = store.apply_sweep(before(1, 100)).await.unwrap();
    assert_eq!((swept.spans, swept.latest_deleted_us, swept.still_read.len()), (4, Some(40), 0));
    assert!(
        swept.segment_files.len() >= 9 && swept.segment_files.iter().all(|file| !dir.path().join(format!("segments/{file}")).exists()),
        "{swept:?}"
    );
    let traces = |store: &Store| rows(&store.snapshot()).into_keys().map(|key| (key.0, key.1.0)).collect::<Vec<_>>();
    assert_eq!(traces(&store), [(1, 4), (1, 7), (2, 5)]);
    assert_eq!(store.apply_sweep(before(1, 100)).await.unwrap(), RetentionSweepResult::default());
    store.close().await.unwrap();
    drop(store);
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!(traces(&store), [(1, 4), (1, 7), (2, 5)]);
    // Deleted spans may be stored again.
    assert_eq!(store.append(1, vec![span(1, 1, 10)]).await.unwrap().stored, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_rewritten_during_a_sweep_are_deleted_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), small()).unwrap());
    let _ = store.append(1, vec![span(1, 1, 10), span(2, 1, 20)]).await.unwrap();
    store.flush().await.unwrap();
    // While the first segment is swept, a correction of a row in it moves that row into the memtable, and then into another segment.
    let (runtime, writer) = (tokio::runtime::Handle::current(), store.clone());
    let judged = std::sync::atomic::AtomicUsize::new(0);
    let judge = move |seen: &RetentionCandidate| {
        if judged.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2 {
            let rename: SpanReviser = Arc::new(|span: &mut Span| span.name += " again");
            let changed = runtime.block_on(writer.revise(1, vec![(TraceId(1), SpanId(1))], rename)).unwrap();
            assert_eq!(changed, 1);
        }
        if seen.trace == TraceId(1) { RetentionDecision::Delete } else { RetentionDecision::Keep }
    };
    let swept = store.apply_sweep(RetentionSweep { affects_segment: Arc::new(|_| true), decide: Arc::new(judge) }).await.unwrap();
    let left = |store: &Store| rows(&store.snapshot()).into_keys().map(|key| key.1.0).collect::<Vec<_>>();
    assert_eq!((left(&store), swept.spans), (vec![2], 1));
    let copy = tempfile::tempdir().unwrap();
    copy_folder(dir.path(), copy.path());
    assert_eq!(left(&Store::open(copy.path(), small()).unwrap()), [2]);
}

#[tokio::test]
async fn retention_sweep_deletes_messages_once_and_keeps_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let with_text =
        |trace, start| Span { input_messages: piece(1, 1, 1).input_messages, user_id: Some("u".into()), ..span(trace, 1, start) };
    let _ = store.append(1, vec![with_text(1, 10), with_text(2, 200)]).await.unwrap();
    let sweep = || RetentionSweep {
        affects_segment: Arc::new(|_| true),
        decide: Arc::new(|seen| if seen.start_us < 100 { RetentionDecision::DeleteMessages } else { RetentionDecision::Keep }),
    };
    let swept = store.apply_sweep(sweep()).await.unwrap();
    assert_eq!((swept.spans, swept.without_messages), (0, 1));
    let seen = rows(&store.snapshot());
    let texts: Vec<usize> = seen.values().map(|row| row.span.input_messages.len()).collect();
    assert_eq!(texts, [0, 1]);
    assert!(seen.values().all(|row| row.span.user_id.is_some() && !row.span.name.is_empty()));
    assert_eq!(store.apply_sweep(sweep()).await.unwrap(), RetentionSweepResult::default());
    // After a restart the segments are checked once more, and nothing is done.
    store.close().await.unwrap();
    drop(store);
    let store = Store::open(dir.path(), small()).unwrap();
    for _ in 0..2 {
        assert_eq!(store.apply_sweep(sweep()).await.unwrap(), RetentionSweepResult::default());
    }
}

#[tokio::test]
async fn oldest_segments_are_dropped_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { min_merged_segments: 100, ..small() }).unwrap();
    for (trace, start) in [(1, 30), (2, 10), (3, 20)] {
        let _ = store.append(1, vec![span(trace, 1, start)]).await.unwrap();
        store.flush().await.unwrap();
    }
    let traces = |store: &Store| rows(&store.snapshot()).into_keys().map(|key| key.1.0).collect::<Vec<_>>();
    let swept = store.drop_oldest_segments(1).await.unwrap();
    assert_eq!((swept.spans, swept.latest_deleted_us, traces(&store)), (1, Some(10), vec![1, 3]));
    assert_eq!(store.drop_oldest_segments(u64::MAX).await.unwrap().spans, 1);
    assert_eq!(store.drop_oldest_segments(u64::MAX).await.unwrap().spans, 0);
    assert_eq!(traces(&store), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig { flush_rows: 100, flush_age: Duration::from_millis(20), ..small() };
    let store = Arc::new(Store::open(dir.path(), config).unwrap());
    let callers: Vec<_> = (0..8u64)
        .map(|caller| {
            let store = store.clone();
            tokio::spawn(async move {
                for request in 0..25u64 {
                    // Two callers share each trace, and each span is sent twice by one of them.
                    let trace = u128::from(caller / 2 * 100 + request + 1);
                    let spans = vec![span(trace, caller * 1000 + request + 1, request as i64); 2];
                    let appended = store.append(1, spans).await.unwrap();
                    assert_eq!((appended.stored, appended.duplicates), (1, 1));
                    let snapshot = store.snapshot();
                    let live: u64 = snapshot.segments.iter().map(|view| view.live_rows()).sum();
                    assert!(live + snapshot.buffer.iter().map(|batch| batch.num_rows() as u64).sum::<u64>() > request);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let seen = rows(&store.snapshot());
    assert_eq!(seen.len(), 200);
    store.flush().await.unwrap();
    assert_eq!(rows(&store.snapshot()), seen);
    assert!(store.stats().flushes > 0);
    assert_eq!(seen.values().filter(|row| row.span.counted).count(), 100, "one of the two in each trace");
}

#[tokio::test]
async fn old_memtable_is_flushed_automatically() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { flush_age: Duration::from_millis(40), ..small() }).unwrap();
    let _ = store.append(1, vec![span(1, 1, 10)]).await.unwrap();
    let mut waits = 0;
    while store.stats().segments == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        waits += 1;
        assert!(waits < 500, "{:?}", store.stats());
    }
    assert_eq!(store.stats().buffered_rows, 0);
    let logs = crate::data_folder::numbered(&dir.path().join("log"), "log").unwrap();
    assert_eq!(logs.len(), 1, "the log that is covered is gone");
}

#[tokio::test]
async fn a_call_that_two_programs_report_counts_once() {
    let call = |trace: u128, scope: &str, cost: i64| Span {
        kind: hinomi_model::span::SpanType::Llm,
        origin: Some(scope.to_owned()),
        response_id: Some("chatcmpl-1".to_owned()),
        usage: hinomi_model::span::Usage { input: Some(9), output: Some(4), ..Default::default() },
        client_cost: Some(hinomi_model::money::Usd(cost)),
        ..span(trace, trace as u64, 10)
    };
    let (program, gateway) = (call(1, "openai", 5), call(2, "litellm", 3));
    // The second report arrives immediately, after a flush, or after a restart.
    for pause in 0..3 {
        for order in [[&program, &gateway], [&gateway, &program]] {
            let dir = tempfile::tempdir().unwrap();
            let config = || StoreConfig { rules: hinomi_model::dedup::decide_trace, ..small() };
            let mut store = Store::open(dir.path(), config()).unwrap();
            let _ = store.append(1, vec![order[0].clone()]).await.unwrap();
            if pause > 0 {
                store.flush().await.unwrap();
            }
            if pause > 1 {
                drop(store);
                store = Store::open(dir.path(), config()).unwrap();
            }
            let _ = store.append(1, vec![order[1].clone()]).await.unwrap();
            let check = |store: &Store| {
                let seen = rows(&store.snapshot());
                let counted: Vec<bool> = seen.values().map(|row| row.span.counted).collect();
                let also: Vec<u128> = seen.values().filter_map(|row| Some(row.span.also_reported?.trace_id.0)).collect();
                assert_eq!((counted, also), (vec![true, false], vec![2, 1]), "after pause {pause}");
            };
            check(&store);
            store.flush().await.unwrap();
            drop(store);
            check(&Store::open(dir.path(), config()).unwrap());
        }
    }
}

#[tokio::test]
async fn one_of_many_reports_counts_in_any_order() {
    use hinomi_model::span::{SpanType, Usage};
    let call = |trace: u128, scope: &str, usage: Usage, times: (i64, i64)| Span {
        kind: SpanType::Llm,
        origin: Some(scope.to_owned()),
        response_id: Some("chatcmpl-1".to_owned()),
        usage,
        end_us: times.1,
        ..span(trace, trace as u64, times.0)
    };
    let plain = Usage { input: Some(9), output: Some(4), ..Usage::default() };
    let cached = Usage { input: Some(4), cache_read: Some(5), output: Some(4), ..Usage::default() };
    let framework =
        Span { parent_span_id: Some(SpanId(77)), ..call(1, "openinference.instrumentation.langchain", Usage::default(), (0, 90)) };
    let reports = [
        framework,
        call(2, "opentelemetry.instrumentation.openai", plain, (5, 88)),
        call(3, "litellm", cached, (10, 80)),
        call(4, "portkey", plain, (20, 70)),
    ];
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2], [3, 0, 2, 1], [2, 3, 1, 0]];
    for (number, order) in orders.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let config = || StoreConfig { rules: hinomi_model::dedup::decide_trace, ..small() };
        let mut store = Store::open(dir.path(), config()).unwrap();
        for (step, place) in order.into_iter().enumerate() {
            let _ = store.append(1, vec![reports[place].clone()]).await.unwrap();
            if (number + step) % 3 == 1 {
                store.flush().await.unwrap();
            }
            if (number + step) % 3 == 2 {
                drop(store);
                store = Store::open(dir.path(), config()).unwrap();
            }
            let counted = rows(&store.snapshot()).values().filter(|row| row.span.counted).count();
            assert_eq!(counted, 1, "order {order:?}, step {step}");
        }
        let seen = rows(&store.snapshot());
        let shown: Vec<(bool, u128)> =
            seen.values().filter_map(|row| Some((row.span.counted, row.span.also_reported?.trace_id.0))).collect();
        assert_eq!(shown, [(true, 3), (false, 1), (false, 1), (false, 1)], "order {order:?}");
        let counted = seen.values().find(|row| row.span.counted).map(|row| row.span.usage.cache_read);
        assert_eq!(counted, Some(Some(5)), "order {order:?}");
    }
}

#[tokio::test]
async fn failed_spans_are_known_after_reloading_a_trace() {
    use hinomi_model::span::{SpanStatus, SpanType, Usage};
    let usage = Usage { input: Some(10), output: Some(5), ..Usage::default() };
    let outer = Span { kind: SpanType::Llm, usage, origin: Some("framework".into()), end_us: 100, ..span(1, 1, 0) };
    let refused = Span {
        kind: SpanType::Llm,
        status: SpanStatus::Error,
        origin: Some("sdk".into()),
        parent_span_id: Some(SpanId(1)),
        end_us: 50,
        ..span(1, 2, 1)
    };
    let worked = Span { span_id: SpanId(3), status: SpanStatus::Ok, start_us: 51, end_us: 99, ..refused.clone() };
    for pause in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let config = || StoreConfig { rules: hinomi_model::dedup::decide_trace, ..small() };
        let mut store = Store::open(dir.path(), config()).unwrap();
        let _ = store.append(1, vec![outer.clone(), refused.clone()]).await.unwrap();
        if pause {
            store.flush().await.unwrap();
            drop(store);
            store = Store::open(dir.path(), config()).unwrap();
        }
        let _ = store.append(1, vec![worked.clone()]).await.unwrap();
        let counted: Vec<bool> = rows(&store.snapshot()).values().map(|row| row.span.counted).collect();
        assert_eq!(counted, [true, true, false], "the attempt that failed is a call of its own; read again: {pause}");
    }
}

#[tokio::test]
async fn newest_traces_are_loaded_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { flush_rows: 1000, ..small() }).unwrap();
    let _ = store.append(1, (1..=40).map(|trace| span(trace, 1, trace as i64 * 10)).collect()).await.unwrap();
    store.flush().await.unwrap();
    drop(store);
    let (shared, _, _) = super::recovery::open(
        dir.path(),
        small(),
        Arc::new(LocalSegmentStorage::new(dir.path()).unwrap()),
        super::stats::StoreHealth::default(),
    )
    .unwrap();
    let mut traces: Vec<u128> = super::commit::group::newest_traces(&shared, 5).into_keys().map(|(_, trace)| trace.0).collect();
    traces.sort_unstable();
    assert_eq!(traces, [36, 37, 38, 39, 40]);
}

#[tokio::test]
async fn reports_without_id_are_matched_by_their_messages() {
    use hinomi_model::span::{SpanType, Usage};
    let said = |role: &str, text: &str| vec![ChatMessage { role: role.into(), parts: vec![MessagePart::Text { text: text.into() }] }];
    let call = |trace: u128, sdk: &str, times: (i64, i64)| Span {
        kind: SpanType::Llm,
        sdk_name: Some(sdk.to_owned()),
        usage: Usage { input: Some(9), output: Some(4), ..Usage::default() },
        input_messages: said("user", "What is the capital of France?"),
        output_messages: said("assistant", "Paris."),
        end_us: times.1,
        ..span(trace, trace as u64, times.0)
    };
    let sentry = Span { parent_span_id: Some(SpanId(99)), ..call(1, "sentry.python", (0, 900_000)) };
    let first = call(2, "opentelemetry", (15_000, 899_000));
    let again = Span { response_id: Some("chatcmpl-2".into()), ..call(3, "opentelemetry", (2_000_000, 2_900_000)) };
    for pause in 0..3 {
        for order in [[&sentry, &first], [&first, &sentry]] {
            let dir = tempfile::tempdir().unwrap();
            let config = || StoreConfig { rules: hinomi_model::dedup::decide_trace, ..small() };
            let mut store = Store::open(dir.path(), config()).unwrap();
            let _ = store.append(1, vec![again.clone(), order[0].clone()]).await.unwrap();
            if pause > 0 {
                store.flush().await.unwrap();
            }
            if pause > 1 {
                drop(store);
                store = Store::open(dir.path(), config()).unwrap();
            }
            let _ = store.append(1, vec![order[1].clone()]).await.unwrap();
            let counted: Vec<bool> = rows(&store.snapshot()).values().map(|row| row.span.counted).collect();
            assert_eq!(counted, [true, false, true], "after pause {pause}");
        }
    }
}

#[tokio::test]
async fn stopping_store_leaves_sweeps_to_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let _ = store.append(1, vec![span(1, 1, 10), span(2, 2, 20)]).await.unwrap();
    store.flush().await.unwrap();
    store.stop_maintenance();
    assert!(matches!(store.apply_sweep(before(1, 15)).await, Err(StoreError::Closed)));
    store.close().await.unwrap();
    drop(store);
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!(rows(&store.snapshot()).len(), 2, "nothing was deleted yet");
    assert_eq!(store.apply_sweep(before(1, 15)).await.unwrap().spans, 1);
}
