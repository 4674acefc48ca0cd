use std::collections::BTreeSet;

use std::collections::HashMap;

use super::*;
use hinomi_model::id::SpanId;

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

fn store() -> (tempfile::TempDir, Errors) {
    let dir = tempfile::tempdir().unwrap();
    let errors = Errors::open(dir.path()).unwrap();
    (dir, errors)
}

#[tokio::test]
async fn an_event_is_stored_once() {
    let (dir, errors) = store();
    let twice = vec![event(1, 1, 10), event(1, 2, 20), event(2, 1, 30)];
    assert_eq!(errors.append(1, 0, twice).await.unwrap(), Appended { stored: 2, duplicates: 1 });
    drop(errors);
    let errors = Errors::open(dir.path()).unwrap();
    assert_eq!(errors.append(1, 0, vec![event(2, 1, 99)]).await.unwrap(), Appended { stored: 0, duplicates: 1 });
    assert_eq!(errors.append(2, 0, vec![event(2, 1, 99)]).await.unwrap(), Appended { stored: 1, duplicates: 0 });
    assert_eq!(errors.count(1, Within::all()).await.unwrap(), 2);
    let issues = errors.issues(1, Within::all(), "-last_seen", 10, None).await.unwrap().issues;
    assert_eq!(issues.len(), 1, "a repeat makes no issue");
    assert_eq!((issues[0].count, issues[0].value.as_str(), issues[0].users), (2, "broke at 30", 2));
}

#[tokio::test]
async fn many_at_a_time() {
    let (_dir, errors) = store();
    let errors = Arc::new(errors);
    let mut watched = errors.changes();
    let tasks: Vec<_> = (0..40u32)
        .map(|id| {
            let errors = errors.clone();
            tokio::spawn(async move { errors.append(1, 0, vec![event(id, (id % 4) as u8, i64::from(id))]).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().stored, 1);
    }
    assert_eq!(errors.count(1, Within::all()).await.unwrap(), 40);
    assert_eq!(watched.recv().await.unwrap().errors, 1);
    errors.close().await;
    assert!(matches!(errors.append(1, 0, vec![event(99, 1, 1)]).await, Err(ErrorsError::Closed)));
    assert_eq!(errors.count(1, Within::all()).await.unwrap(), 40, "what is stored can still be read");
}

#[tokio::test]
async fn ranges_traces_and_buckets() {
    let (_dir, errors) = store();
    errors.append(1, 0, (0..10u32).map(|id| event(id, 1, i64::from(id) * 10)).collect()).await.map(drop).unwrap();
    let range = Within { from_us: 20, to_us: 50, traces: None };
    assert_eq!(errors.count(1, range.clone()).await.unwrap(), 3);
    assert_eq!(errors.points(1, Within::all(), 40).await.unwrap(), [(0, 4), (40, 4), (80, 2)]);
    assert_eq!(errors.count(1, range.clone().of_traces([TraceId(1)])).await.unwrap(), 1);
    assert_eq!(errors.traces(1, 0, 20).await.unwrap(), [TraceId(2), TraceId(1)]);
    let counts = errors.counts_of_traces(1, vec![TraceId(1), TraceId(9)]).await.unwrap();
    assert_eq!(counts, HashMap::from([(TraceId(1), 4)]));
    let of_trace = errors.of_trace(1, TraceId(2)).await.unwrap();
    assert_eq!(of_trace.len(), 3);
    assert_eq!((of_trace[0].time.as_str(), of_trace[0].span_id.as_deref()), ("1970-01-01T00:00:00.000010Z", Some("0000000000000007")));
    let issue = &errors.issues(1, range, "-count", 1, None).await.unwrap().issues[0];
    assert_eq!((issue.count, issue.points.len(), issue.points.iter().map(|(_, n)| n).sum::<u64>()), (3, 24, 3));
    assert_eq!(issue.first_seen, "1970-01-01T00:00:00.000000Z", "of all that is kept");
    let quiet = Within { from_us: 1000, to_us: 2000, traces: None };
    let detail = errors.issue(1, issue.issue_id, quiet).await.unwrap().unwrap();
    assert_eq!((detail.issue.count, detail.events.len()), (0, 0));
    assert!(errors.issue(2, issue.issue_id, Within::all()).await.unwrap().is_none(), "a wall between projects");
}

#[tokio::test]
async fn pages_show_each_issue_once() {
    let (_dir, errors) = store();
    errors.append(1, 0, (0..23u32).map(|id| event(id, id as u8, i64::from(id / 2))).collect()).await.map(drop).unwrap();
    for sort in ["-last_seen", "first_seen", "-count", "type", "-users", "traces"] {
        let mut seen = BTreeSet::new();
        let mut cursor = None;
        loop {
            let page = errors.issues(1, Within::all(), sort, 5, cursor.as_deref()).await.unwrap();
            assert!(page.issues.iter().all(|issue| seen.insert(issue.issue_id)), "{sort}");
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 23, "{sort}");
    }
    assert!(errors.issues(1, Within::all(), "colour", 5, None).await.unwrap_err().is_users());
    assert!(errors.issues(1, Within::all(), "-count", 5, Some("-users:3")).await.unwrap_err().is_users());
}

#[tokio::test]
async fn old_events_go_and_numbers_are_not_given_again() {
    let (_dir, errors) = store();
    errors.append(1, 0, vec![event(1, 1, 10), event(2, 2, 20)]).await.map(drop).unwrap();
    let ids = |page: IssuePage| page.issues.iter().map(|issue| issue.issue_id).collect::<Vec<_>>();
    assert_eq!(ids(errors.issues(1, Within::all(), "first_seen", 9, None).await.unwrap()), [1, 2]);
    assert_eq!(errors.delete_before(1, 30).await.unwrap(), 2);
    errors.append(1, 0, vec![event(3, 1, 40)]).await.map(drop).unwrap();
    assert_eq!(ids(errors.issues(1, Within::all(), "first_seen", 9, None).await.unwrap()), [3]);
    let traces = errors.traces_of_issues(1, vec![3], Within::all()).await.unwrap();
    assert_eq!(traces[&3], [TraceId(1)]);
}

#[tokio::test]
async fn strange_texts_come_back() {
    let (_dir, errors) = store();
    let strange = ErrorEvent { value: "nul \0 and \u{fffd} and 晴れ".into(), ..event(1, 1, 10) };
    errors.append(1, 0, vec![strange.clone()]).await.map(drop).unwrap();
    let detail = errors.issue(1, 1, Within::all()).await.unwrap().unwrap();
    assert_eq!(detail.events[0].summary.value, strange.value);
}
