mod faults;
mod issue_changes;

use std::collections::{BTreeSet, HashMap};

use hinomi_model::clock::DecodeContext;
use hinomi_model::id::SpanId;
use hinomi_model::mapping::MappingRuleSet;
use hinomi_model::price::PriceBook;
use hinomi_model::sentry::{ErrorBreadcrumb, ErrorException, StackFrame};
use serde_json::json;

use super::*;
use crate::retained_rows;
use crate::retained_rows::{ErasedNames, ErasedRowKind, ErasureSubject, ExpiryCutoffs, RetainedRows};

const SECOND_US: i64 = 1_000_000;

fn event(id: u32, group: u8, time_us: i64) -> ErrorEvent {
    ErrorEvent {
        event_id: format!("{id:032x}"),
        kind: format!("Error{group}"),
        value: format!("broke at {time_us}"),
        level: "error".into(),
        time_us,
        trace_id: Some(TraceId(u128::from(id % 3) + 1)),
        span_id: Some(SpanId(7)),
        user_id: Some(format!("user {}", id % 2)),
        group: [group; 32],
        ..ErrorEvent::default()
    }
}

fn store() -> (tempfile::TempDir, ErrorStore) {
    let dir = tempfile::tempdir().unwrap();
    let errors = ErrorStore::open(dir.path()).unwrap();
    (dir, errors)
}

async fn stored(errors: &ErrorStore, project: u64, events: Vec<ErrorEvent>) -> (usize, usize) {
    let appended = errors.append(project, 5, events).await.unwrap();
    (appended.stored, appended.duplicates)
}

async fn listed(errors: &ErrorStore, sort: &str, within: ErrorEventFilter) -> Vec<Issue> {
    let page = errors.issues(1, within, sort, 100, None).await.unwrap();
    assert_eq!(page.next_cursor, None);
    page.issues
}

fn ids(issues: &[Issue]) -> Vec<i64> {
    issues.iter().map(|issue| issue.issue_id).collect()
}

#[tokio::test]
async fn an_event_is_stored_once() {
    let (dir, errors) = store();
    assert_eq!(stored(&errors, 1, vec![event(1, 1, 10), event(1, 2, 20), event(2, 1, 30)]).await, (2, 1));
    assert_eq!(stored(&errors, 1, vec![]).await, (0, 0));
    drop(errors);
    let errors = ErrorStore::open(dir.path()).unwrap();
    assert_eq!(stored(&errors, 1, vec![event(2, 3, 99)]).await, (0, 1));
    let issues = listed(&errors, "-last_seen", ErrorEventFilter::all_events()).await;
    assert_eq!(ids(&issues), [1], "a repeat makes no issue, and the first stays");
    assert_eq!((issues[0].count, issues[0].value.as_str()), (2, "broke at 30"));
}

#[tokio::test]
async fn concurrent_callers_are_all_answered() {
    let (_dir, errors) = store();
    let errors = Arc::new(errors);
    let mut watched = errors.changes();
    // Two callers for each event.
    let tasks: Vec<_> = (0..400u32)
        .map(|n| {
            let errors = errors.clone();
            tokio::spawn(async move { stored(&errors, 1, vec![event(n / 2, (n % 4) as u8, i64::from(n))]).await })
        })
        .collect();
    let mut sums = (0, 0);
    for task in tasks {
        let (stored, duplicates) = task.await.unwrap();
        sums = (sums.0 + stored, sums.1 + duplicates);
    }
    assert_eq!(sums, (200, 200));
    assert_eq!(errors.count(1, ErrorEventFilter::all_events()).await.unwrap(), 200);
    let mut told = 0;
    while let Ok(change) = watched.try_recv() {
        assert_eq!((change.project, change.traces.len()), (1, 1));
        told += change.errors;
    }
    assert_eq!(told, 200, "repeats are no change");
    errors.close().await;
    assert!(matches!(errors.append(1, 0, vec![event(999, 1, 1)]).await, Err(ErrorStoreError::Closed)));
    assert_eq!(errors.count(1, ErrorEventFilter::all_events()).await.unwrap(), 200, "what is stored can still be read");
}

#[tokio::test]
async fn acknowledged_events_survive_without_closing() {
    let (dir, errors) = store();
    for n in 0..20 {
        assert_eq!(stored(&errors, 1, vec![event(n, 1, 1)]).await, (1, 0));
        // The files that a process killed at this moment leaves behind.
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "db" || extension == "db-wal") {
                std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        let after = ErrorStore::open(copy.path()).unwrap();
        assert_eq!(after.count(1, ErrorEventFilter::all_events()).await.unwrap(), u64::from(n) + 1);
    }
    drop(errors);
    assert_eq!(ErrorStore::open(dir.path()).unwrap().count(1, ErrorEventFilter::all_events()).await.unwrap(), 20);
}

#[tokio::test]
async fn closing_leaves_one_file() {
    let (dir, errors) = store();
    assert_eq!(stored(&errors, 1, vec![event(1, 1, 1)]).await, (1, 0));
    assert_eq!(errors.count(1, ErrorEventFilter::all_events()).await.unwrap(), 1);
    errors.close().await;
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["errors.db"]);
    errors.close().await;
}

#[tokio::test]
async fn an_issue_shows_its_newest_event() {
    let (_dir, errors) = store();
    let newest = ErrorEvent { level: "fatal".into(), handled: Some(false), culprit: Some("ask in app.py".into()), ..event(2, 7, 30) };
    // The newest event does not arrive last.
    assert_eq!(stored(&errors, 1, vec![event(1, 7, 20), newest, event(3, 7, 10), event(4, 8, 40)]).await, (4, 0));
    let issues = listed(&errors, "first_seen", ErrorEventFilter::all_events()).await;
    assert_eq!(ids(&issues), [1, 2]);
    let issue = serde_json::to_value(&issues[0]).unwrap();
    let expected = json!({
        "issue_id": 1, "type": "Error7", "value": "broke at 30", "title": null, "culprit": "ask in app.py", "level": "fatal", "handled": false,
        "grouping_version": 2, "count": 3, "traces": 3, "users": 2, "cost": null,
        "first_seen": "1970-01-01T00:00:00.000010Z", "last_seen": "1970-01-01T00:00:00.000030Z",
        "last_trace_id": "00000000000000000000000000000003", "last_span_id": "0000000000000007", "points": issue["points"],
    });
    assert_eq!(issue, expected);
}

#[tokio::test]
async fn event_round_trips() {
    let (_dir, errors) = store();
    let frame = StackFrame {
        function: Some("ask".into()),
        filename: Some("app.py".into()),
        line: Some(3),
        in_app: true,
        before: vec!["a".into()],
        source: Some("b".into()),
        ..StackFrame::default()
    };
    let cause = ErrorException {
        kind: "Cause".into(),
        value: "why".into(),
        module: Some("m".into()),
        frames: vec![frame],
        ..ErrorException::default()
    };
    let last = ErrorException { kind: "Last".into(), ..ErrorException::default() };
    let crumb = ErrorBreadcrumb {
        time_us: Some(SECOND_US),
        category: Some("http".into()),
        message: Some("GET".into()),
        ..ErrorBreadcrumb::default()
    };
    let sent = ErrorEvent {
        exceptions: vec![cause, last],
        breadcrumbs: vec![crumb],
        tags: [("a".to_owned(), "b".to_owned())].into(),
        release: Some("1.2".into()),
        trace_id: None,
        span_id: None,
        ..event(1, 1, 2 * SECOND_US)
    };
    assert_eq!(stored(&errors, 1, vec![sent]).await, (1, 0));
    let detail = errors.issue(1, 1, ErrorEventFilter::all_events()).await.unwrap().unwrap();
    let frame = json!({"function": "ask", "module": null, "filename": "app.py", "abs_path": null, "lineno": 3, "colno": null, "in_app": true,
        "package": null, "instruction_addr": null, "context_line": "b", "pre_context": ["a"], "post_context": [], "vars": {}});
    let exception = |kind: &str, value: &str, module: Option<&str>, frames: &[serde_json::Value]| json!({"type": kind, "value": value, "module": module, "thread_id": null, "mechanism": null, "frames": frames, "frames_cut": 0});
    let mut expected = json!({
        "event_id": "00000000000000000000000000000001", "issue_id": 1, "trace_id": null, "span_id": null, "type": "Error1",
        "value": "broke at 2000000", "title": null, "message": null, "level": "error", "handled": null,
        "time": "1970-01-01T00:00:02.000000Z", "culprit": null, "frames": [frame], "frames_cut": 0,
        "exceptions": [exception("Cause", "why", Some("m"), std::slice::from_ref(&frame)), exception("Last", "", None, &[])],
    });
    let rest = json!({
        "exceptions_cut": 0, "threads": [], "threads_cut": 0, "tags": {"a": "b"}, "user_id": "user 1", "user": null,
        "environment": null, "release": "1.2", "dist": null, "platform": null, "logger": null, "server_name": null,
        "transaction": null, "sdk": null, "request": null, "contexts": {}, "extra": {}, "modules": {}, "fingerprint": [],
        "breadcrumbs": [{"timestamp": "1970-01-01T00:00:01.000000Z", "category": "http", "type": null, "level": null,
            "message": "GET", "data": null}],
        "breadcrumbs_cut": 0, "attachments": [],
    });
    expected.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    assert_eq!(serde_json::to_value(&detail.events).unwrap(), json!([expected]));
    assert_eq!((detail.issue.traces, detail.issue.last_trace_id), (0, None));
}

#[tokio::test]
async fn strange_texts_and_numbers_round_trip() {
    let (_dir, errors) = store();
    let body = r#"{"event_id":"a0000000000000000000000000000001","message":"nul \u0000 half \ud800 晴れ","tags":{"\u0000":"\udc00"}}"#;
    let context = DecodeContext {
        received_us: SECOND_US,
        retention_us: None,
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    };
    let decoded = hinomi_model::sentry::decode_store_event(body.as_bytes(), &context).unwrap().errors;
    let value = decoded[0].value.clone();
    assert_eq!(value, "nul \0 half \u{fffd} 晴れ");
    let extreme = |id, time_us| ErrorEvent {
        trace_id: Some(TraceId(u128::MAX)),
        span_id: Some(SpanId(u64::MAX)),
        kind: "a\0b".into(),
        ..event(id, id as u8, time_us)
    };
    assert_eq!(stored(&errors, u64::MAX, vec![extreme(2, i64::MIN), extreme(3, i64::MAX - 1)]).await, (2, 0));
    assert_eq!(stored(&errors, 1, decoded).await, (1, 0));
    // IDs of zeros mean that there is none.
    assert_eq!(
        stored(&errors, 1, vec![ErrorEvent { trace_id: Some(TraceId(0)), span_id: Some(SpanId(0)), ..event(4, 4, 1) }]).await,
        (1, 0)
    );
    let issues = listed(&errors, "type", ErrorEventFilter::all_events()).await;
    assert_eq!((issues.len(), issues[0].last_trace_id.as_ref(), issues[1].value.as_str()), (2, None, value.as_str()));
    for issue in &issues {
        assert_eq!(errors.issue(1, issue.issue_id, ErrorEventFilter::all_events()).await.unwrap().unwrap().events.len(), 1);
    }
    let page = errors.issues(u64::MAX, ErrorEventFilter::all_events(), "type", 1, None).await.unwrap();
    let next = errors.issues(u64::MAX, ErrorEventFilter::all_events(), "type", 1, page.next_cursor.as_deref()).await.unwrap();
    assert_eq!((page.issues[0].points.iter().map(|(_, n)| n).sum::<u64>(), next.issues.len()), (1, 1));
    let of_trace = errors.events_of_trace(u64::MAX, TraceId(u128::MAX)).await.unwrap();
    assert_eq!(of_trace[0].span_id.as_deref(), Some("ffffffffffffffff"));
}

#[tokio::test]
async fn ranges_traces_and_buckets() {
    let (_dir, errors) = store();
    assert_eq!(stored(&errors, 1, (0..10).map(|id| event(id, 1, i64::from(id) * 10 - 10)).collect()).await, (10, 0));
    let range = ErrorEventFilter::in_range(10, 40);
    assert_eq!(errors.count(1, range.clone()).await.unwrap(), 3);
    assert_eq!(errors.count(1, range.clone().of_traces([TraceId(1), TraceId(77)])).await.unwrap(), 1);
    assert_eq!(errors.count(1, range.clone().of_traces([])).await.unwrap(), 0);
    assert_eq!(errors.counts_by_bucket(1, ErrorEventFilter::all_events(), 40).await.unwrap(), [(-40, 1), (0, 4), (40, 4), (80, 1)]);
    assert_eq!(errors.counts_by_bucket(1, range.clone().of_traces([TraceId(3)]), 40).await.unwrap(), [(0, 1)]);
    assert_eq!(errors.counts_by_bucket(1, range.clone(), 0).await.unwrap().len(), 3);
    assert_eq!(errors.traces(1, -10, 10).await.unwrap(), [TraceId(2), TraceId(1)], "the newest first");
    let found = errors.errors_by_trace(1, vec![TraceId(1), TraceId(9)]).await.unwrap();
    assert_eq!(found.iter().map(|(trace, errors)| (*trace, errors.count)).collect::<Vec<_>>(), [(TraceId(1), 4)]);
    assert!(errors.errors_by_trace(1, vec![]).await.unwrap().is_empty());
    let of_trace = errors.events_of_trace(1, TraceId(2)).await.unwrap();
    let times: Vec<&str> = of_trace.iter().map(|event| &event.time[20..26]).collect();
    assert_eq!(times, ["000000", "000030", "000060"]);

    let issue = &listed(&errors, "-count", range.clone().of_traces([TraceId(1), TraceId(2)])).await[0];
    assert_eq!((issue.count, issue.traces, issue.users), (2, 2, 2));
    assert_eq!(issue.first_seen, "1969-12-31T23:59:59.999990Z", "of all that is kept");
    assert!(listed(&errors, "-count", range.clone().of_traces([TraceId(9)])).await.is_empty());
    let quiet = ErrorEventFilter::in_range(1000, 2000);
    assert!(listed(&errors, "-count", quiet.clone()).await.is_empty());
    let detail = errors.issue(1, 1, quiet).await.unwrap().unwrap();
    assert_eq!((detail.issue.count, detail.events.len(), detail.issue.points.len()), (0, 0, 24), "its link still leads somewhere");
    let traces = errors.traces_of_issues(1, vec![1, 2], range).await.unwrap();
    assert_eq!(traces, HashMap::from([(1, vec![TraceId(2), TraceId(1), TraceId(3)])]));
}

#[tokio::test]
async fn points_cover_the_range() {
    let (_dir, errors) = store();
    assert_eq!(stored(&errors, 1, vec![event(1, 1, 0), event(2, 1, 48 * SECOND_US - 1), event(3, 2, 47 * SECOND_US)]).await, (3, 0));
    let shown = |issue: &Issue| issue.points.iter().map(|(time, n)| (time[17..19].to_owned(), *n)).collect::<Vec<_>>();
    let issues = listed(&errors, "first_seen", ErrorEventFilter::in_range(0, 48 * SECOND_US)).await;
    let points = shown(&issues[0]);
    assert_eq!((points.len(), &points[0], &points[1], &points[23]), (24, &("00".into(), 1), &("02".into(), 0), &("46".into(), 1)));
}

#[tokio::test]
async fn open_range_has_common_bucket_widths() {
    const MINUTE_US: i64 = 60 * SECOND_US;
    const HOUR_US: i64 = 60 * MINUTE_US;
    let (_dir, errors) = store();
    let start = 1_700_000_000 * SECOND_US;
    assert_eq!(stored(&errors, 1, vec![event(1, 1, start), event(2, 1, start + 3 * HOUR_US), event(3, 2, start + HOUR_US)]).await, (3, 0));
    let open = ErrorEventFilter::all_events();
    let width = |issue: &Issue| {
        let at = |place: usize| issue.points[place].0.parse::<jiff::Timestamp>().unwrap().as_microsecond();
        let widths: std::collections::BTreeSet<i64> = (1..24).map(|place| at(place) - at(place - 1)).collect();
        assert_eq!((issue.points.len(), widths.len()), (24, 1));
        (at(0), *widths.first().unwrap(), at(23))
    };
    // All issues of a list have the same range, so that their lines can be compared.
    for issue in listed(&errors, "first_seen", open.clone()).await {
        let (first, width, last) = width(&issue);
        assert_eq!((width, first % width), (15 * MINUTE_US, 0));
        assert!(first <= start && start + 3 * HOUR_US < last + width);
        assert_eq!(issue.points.iter().map(|(_, count)| count).sum::<u64>(), issue.count);
    }
    // A single event, which is in the last bucket.
    let alone = errors.issue(1, 2, open.clone()).await.unwrap().unwrap().issue;
    let (_, of_alone, last) = width(&alone);
    assert_eq!((of_alone, alone.points[23].1), (MINUTE_US, 1));
    assert!((last..last + MINUTE_US).contains(&(start + HOUR_US)));
    // A requested end remains unchanged.
    let since = ErrorEventFilter { from_us: start - 30 * SECOND_US, ..open.clone() };
    let (first, width_of, _) = width(&errors.issue(1, 1, since).await.unwrap().unwrap().issue);
    assert_eq!((first, width_of), (start - 30 * SECOND_US, 15 * MINUTE_US));
    let until = ErrorEventFilter { to_us: start + 4 * HOUR_US, ..open };
    let (_, width_of, last) = width(&errors.issue(1, 1, until).await.unwrap().unwrap().issue);
    assert_eq!((last + width_of, width_of), (start + 4 * HOUR_US, 15 * MINUTE_US));
}

#[test]
fn distant_times_are_bucketed() {
    for (first, end) in [(i64::MIN, i64::MAX), (0, 1), (i64::MAX - 1, i64::MAX), (i64::MIN, i64::MIN + 1)] {
        for (is_first_fixed, is_end_fixed) in [(false, false), (false, true), (true, false), (true, true)] {
            assert!(super::issues::IssueTimeBuckets::of_range(is_first_fixed, is_end_fixed, first, end).width_us > 0);
        }
    }
}

#[tokio::test]
async fn paging_shows_each_issue_once_despite_new_events() {
    let (_dir, errors) = store();
    assert_eq!(stored(&errors, 1, (0..23).map(|id| event(id, id as u8, i64::from(id / 2))).collect()).await, (23, 0));
    let mut next_id = 1000;
    for sort in ["-last_seen", "last_seen", "first_seen", "-first_seen", "-count", "count", "type", "-users", "traces"] {
        let before = listed(&errors, sort, ErrorEventFilter::all_events()).await;
        let mut walked = Vec::new();
        let mut cursor = None;
        loop {
            let page = errors.issues(1, ErrorEventFilter::all_events(), sort, 5, cursor.as_deref()).await.unwrap();
            walked.extend(page.issues);
            cursor = page.next_cursor;
            // Old issues become the newest and the most frequent ones, and new ones are added.
            let more = (0..4).map(|n| event(next_id + n, (next_id % 40) as u8, 100 + i64::from(next_id))).collect();
            assert_eq!(stored(&errors, 1, more).await, (4, 0));
            next_id += 7;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(ids(&walked), ids(&before), "{sort}");
        assert_eq!(walked[0].count, before[0].count, "{sort}");
    }
}

#[tokio::test]
async fn sort_orders_are_correct() {
    let (_dir, errors) = store();
    // Issue 1: 3 events, 1 user; issue 2: 2 events, 2 users; issue 3: 1 event, no user.
    let alone = |id, time_us| ErrorEvent { user_id: Some("u".into()), ..event(id, 9, time_us) };
    let nobody = ErrorEvent { user_id: None, trace_id: None, ..event(6, 5, 1) };
    let events = vec![alone(1, 5), alone(2, 6), alone(3, 7), event(4, 8, 3), event(7, 8, 90), nobody];
    assert_eq!(stored(&errors, 1, events).await, (6, 0));
    let orders: &[(&str, [i64; 3])] = &[
        ("-last_seen", [2, 1, 3]),
        ("last_seen", [3, 1, 2]),
        ("first_seen", [3, 2, 1]),
        ("-count", [1, 2, 3]),
        ("-users", [2, 1, 3]),
        ("traces", [3, 2, 1]),
        ("type", [3, 2, 1]),
        ("-type", [1, 2, 3]),
    ];
    for (sort, expected) in orders {
        assert_eq!(ids(&listed(&errors, sort, ErrorEventFilter::all_events()).await), expected, "{sort}");
    }
    let refused = errors.issues(1, ErrorEventFilter::all_events(), "--count", 5, None).await.unwrap_err();
    assert!(refused.is_users());
    assert!(refused.to_string().contains("last_seen, first_seen, count, users, traces, type"), "{refused}");
    let cursor = errors.issues(1, ErrorEventFilter::all_events(), "-count", 1, None).await.unwrap().next_cursor;
    assert!(errors.issues(1, ErrorEventFilter::all_events(), "-users", 1, cursor.as_deref()).await.unwrap_err().is_users());
}

#[tokio::test]
async fn old_events_are_deleted_and_ids_are_not_reused() {
    let (_dir, errors) = store();
    let many = DELETION_BATCH_ROWS as u32 + 5;
    assert_eq!(stored(&errors, 1, (0..many).map(|id| event(id, 1, i64::from(id))).collect()).await, (many as usize, 0));
    assert_eq!(stored(&errors, 1, vec![event(9_001, 2, 10), event(9_002, 3, i64::from(many))]).await, (2, 0));
    assert_eq!(stored(&errors, 2, vec![event(1, 1, 10)]).await, (1, 0));
    assert_eq!(errors.delete_before(1, i64::from(many) - 1).await.unwrap(), u64::from(many));
    let issues = listed(&errors, "first_seen", ErrorEventFilter::all_events()).await;
    assert_eq!(ids(&issues), [1, 3]);
    assert_eq!((issues[0].count, issues[0].value.clone()), (1, format!("broke at {}", many - 1)));
    assert_eq!(errors.delete_before(1, i64::MAX).await.unwrap(), 2);
    assert_eq!(errors.delete_before(1, i64::MAX).await.unwrap(), 0);
    assert_eq!(errors.count(2, ErrorEventFilter::all_events()).await.unwrap(), 1);
    let contents = errors.read(|database| database.query_row("SELECT count(*) FROM contents", [], |row| row.get::<_, i64>(0)));
    assert_eq!(contents.await.unwrap(), 1);
    assert_eq!(stored(&errors, 1, vec![event(3, 1, 40)]).await, (1, 0), "what was deleted may come again");
    assert_eq!(ids(&listed(&errors, "first_seen", ErrorEventFilter::all_events()).await), [5]);
}

#[tokio::test]
async fn the_first_event_of_a_trace_and_of_a_span_in_one_line() {
    let (_dir, errors) = store();
    let told = |id, time_us, span, kind: &str, value: &str| {
        let event = event(id, 1, time_us);
        ErrorEvent { trace_id: Some(TraceId(7)), span_id: Some(SpanId(span)), kind: kind.into(), value: value.into(), ..event }
    };
    let long = "é".repeat(300);
    let events =
        vec![told(1, 30, 2, "Late", "after the first"), told(2, 20, 2, "RateLimitError", &long), told(3, 10, u64::MAX, "Aborted", "")];
    assert_eq!(stored(&errors, 1, events).await.0, 3);
    let of_trace = errors.errors_by_trace(1, vec![TraceId(7)]).await.unwrap();
    assert_eq!(of_trace[&TraceId(7)], TraceErrors { count: 3, first: "Aborted".into() });
    let spans = vec![(TraceId(7), SpanId(2)), (TraceId(7), SpanId(u64::MAX)), (TraceId(7), SpanId(5)), (TraceId(8), SpanId(2))];
    let of_spans = errors.previews_by_span(1, spans).await.unwrap();
    let first = format!("RateLimitError: {}", "é".repeat(184));
    let expected = [((TraceId(7), SpanId(2)), first.clone()), ((TraceId(7), SpanId(u64::MAX)), "Aborted".into())];
    assert_eq!(of_spans, HashMap::from(expected));
    assert_eq!(errors.previews_by_span(1, Vec::new()).await.unwrap(), HashMap::new());
    let listed = errors.events_of_trace(1, TraceId(7)).await.unwrap();
    assert_eq!(listed.iter().map(preview).collect::<Vec<_>>()[..2], ["Aborted".to_owned(), first], "as the list says it");
}

#[tokio::test]
async fn projects_do_not_see_each_other() {
    let (_dir, errors) = store();
    let same = vec![event(1, 1, 10), event(2, 1, 20)];
    for project in [1, 2] {
        assert_eq!(stored(&errors, project, same.clone()).await, (2, 0));
    }
    assert_eq!(ids(&errors.issues(1, ErrorEventFilter::all_events(), "type", 9, None).await.unwrap().issues), [1]);
    assert_eq!(ids(&errors.issues(2, ErrorEventFilter::all_events(), "type", 9, None).await.unwrap().issues), [2]);
    assert!(errors.issue(2, 1, ErrorEventFilter::all_events()).await.unwrap().is_none());
    assert!(errors.traces_of_issues(2, vec![1], ErrorEventFilter::all_events()).await.unwrap().is_empty());
    assert_eq!(errors.events_of_trace(3, TraceId(2)).await.unwrap(), []);
    assert_eq!(errors.errors_by_trace(1, vec![TraceId(2)]).await.unwrap()[&TraceId(2)].count, 1);
    let seen: BTreeSet<TraceId> = errors.traces(3, i64::MIN, i64::MAX).await.unwrap().into_iter().collect();
    assert!(seen.is_empty() && errors.counts_by_bucket(3, ErrorEventFilter::all_events(), 10).await.unwrap().is_empty());
    assert_eq!(errors.delete_before(3, i64::MAX).await.unwrap(), 0);
}

#[tokio::test]
async fn error_reported_in_several_ways_counts_once() {
    use hinomi_model::sentry::ErrorReporter::{self, LogRecord, Sentry, SpanEvent};
    let report = |id: u32, reporter: ErrorReporter, span: u64, parent: u64, time_us: i64| ErrorEvent {
        value: "slow down".into(),
        reporter,
        trace_id: Some(TraceId(1)),
        span_id: Some(SpanId(span)),
        parent_span_id: Some(SpanId(parent)).filter(|parent| parent.0 != 0),
        ..event(id, u8::from(reporter == Sentry), time_us)
    };
    // All have the type "Error" whatever their group, so only place and time distinguish them.
    let same = |mut event: ErrorEvent| {
        event.kind = if event.reporter == Sentry { "E".into() } else { "lib.E".into() };
        event
    };
    let cases: [(&str, Vec<ErrorEvent>, u64); 7] = [
        ("on its way out", vec![report(1, SpanEvent, 3, 2, 0), report(2, SpanEvent, 2, 1, 10), report(3, SpanEvent, 1, 0, 20)], 1),
        ("two steps that fail alike", vec![report(1, SpanEvent, 3, 2, 0), report(2, SpanEvent, 4, 2, 10)], 2),
        ("told by hand and by the library", vec![report(1, SpanEvent, 3, 2, 0), report(2, SpanEvent, 3, 2, 10)], 1),
        ("twice in one long step", vec![report(1, SpanEvent, 3, 2, 0), report(2, SpanEvent, 3, 2, 5 * SECOND_US)], 2),
        ("a span and a log record", vec![report(1, LogRecord, 3, 0, 0), report(2, SpanEvent, 3, 2, 5 * SECOND_US)], 1),
        ("Sentry beside a span", vec![report(1, Sentry, 9, 0, 0), report(2, SpanEvent, 3, 2, SECOND_US / 2)], 1),
        ("two of Sentry's", vec![report(1, Sentry, 3, 0, 0), report(2, Sentry, 3, 0, 0)], 2),
    ];
    for (what, reports, count) in cases {
        let reports: Vec<ErrorEvent> = reports.into_iter().map(same).collect();
        let orders = [reports.clone(), reports.iter().rev().cloned().collect()];
        for (order, reports) in orders.into_iter().enumerate() {
            let (_dir, errors) = store();
            for report in &reports {
                let _ = errors.append(1, 5, vec![report.clone()]).await.unwrap();
            }
            let again = errors.append(1, 5, reports.clone()).await.unwrap();
            assert_eq!(again.duplicates, reports.len(), "{what}: {again:?}");
            assert_eq!(errors.count(1, ErrorEventFilter::all_events()).await.unwrap(), count, "{what}, order {order}");
            let events = errors.events_of_trace(1, TraceId(1)).await.unwrap();
            if reports.iter().any(|report| report.reporter == Sentry) {
                assert!(events.iter().all(|event| event.kind == "E"), "{what}: the richest report is shown");
                assert_eq!(listed(&errors, "-last_seen", ErrorEventFilter::all_events()).await.len(), 1, "{what}: no empty issue stays");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_removes_what_its_preview_counts_also_from_the_wal() {
    let (dir, errors) = store();
    // Traces 1, 2 and 3 and users 0 and 1 take turns; the two events of trace 3 are the only ones of their issue.
    let events: Vec<ErrorEvent> = (0..6).map(|id| event(id, if id % 3 == 2 { 2 } else { 1 }, i64::from(id))).collect();
    assert_eq!(stored(&errors, 1, events.clone()).await.0, 6);
    assert_eq!(stored(&errors, 2, events).await.0, 6);
    let erased = |traces: &[u128], users: &[&str]| ErasureSubject {
        project: 1,
        names: Some(ErasedNames {
            traces: traces.iter().map(|trace| TraceId(*trace)).collect(),
            users: users.iter().map(|&user| user.to_owned()).collect(),
        }),
    };
    let of_trace = erased(&[3], &[]);
    assert_eq!(retained_rows::count(dir.path(), &errors, &of_trace).unwrap().of(ErasedRowKind::ErrorEvent), 2);
    let counts = retained_rows::erase(dir.path(), &errors, &of_trace).unwrap();
    assert_eq!((counts.of(ErasedRowKind::ErrorEvent), counts.total()), (2, 3), "two events and their issue");
    assert_eq!(std::fs::metadata(dir.path().join("errors.db-wal")).unwrap().len(), 0);
    assert_eq!(ids(&listed(&errors, "-last_seen", ErrorEventFilter::all_events()).await).len(), 1);
    for (subject, expected) in [(of_trace, 0), (erased(&[], &["user 1"]), 2), (ErasureSubject { project: 1, names: None }, 2)] {
        assert_eq!(retained_rows::count(dir.path(), &errors, &subject).unwrap().of(ErasedRowKind::ErrorEvent), expected, "{subject:?}");
        assert_eq!(retained_rows::erase(dir.path(), &errors, &subject).unwrap().of(ErasedRowKind::ErrorEvent), expected, "{subject:?}");
    }
    let left = retained_rows::count(dir.path(), &errors, &ErasureSubject { project: 2, names: None }).unwrap();
    assert_eq!(left.of(ErasedRowKind::ErrorEvent), 6, "another project keeps its events");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_pinned_traces_do_not_expire() {
    let (dir, errors) = store();
    let errors = Arc::new(errors);
    assert_eq!(stored(&errors, 1, (0..6).map(|id| event(id, 1, i64::from(id))).collect()).await.0, 6);
    let rows = errors.rules().expiring.unwrap();
    let expiring = retained_rows::count_expiring(dir.path(), &*errors, &rows, 1, 1, 5).unwrap();
    assert_eq!((expiring.all, expiring.expiring), (6, 4));
    let pinned = ExpiryCutoffs { notable_trace_cutoff_us: 5, pinned: HashSet::from([TraceId(1)]), ..ExpiryCutoffs::default() };
    assert_eq!(errors.clone().expire(1, Arc::new(pinned.clone())).await.unwrap(), 3);
    assert_eq!(retained_rows::notable_traces(dir.path(), &*errors, 1).unwrap(), [1, 3].map(TraceId).into());
    let unpinned = ExpiryCutoffs { pinned: HashSet::new(), ..pinned };
    assert_eq!(errors.clone().expire(1, Arc::new(unpinned)).await.unwrap(), 2);
}
