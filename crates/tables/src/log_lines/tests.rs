use hinomi_model::log_line::LogLevel;

use super::*;
use crate::retained_rows::{ExpiryCutoffs, RetainedRows};

fn line(number: u64, trace: u128, at_us: i64) -> LogLine {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    LogLine {
        key,
        trace_id: (trace > 0).then_some(TraceId(trace)),
        span_id: number.is_multiple_of(2).then_some(SpanId(u64::MAX)),
        at_us,
        level: Some(LogLevel::Warn),
        body: format!("line {number}"),
        attributes: Map::from_iter([("n".to_owned(), number.into())]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_a_trace_in_their_order_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let logs = LogStore::open(dir.path()).unwrap();
    let sent = vec![line(1, 1, 30), line(2, 1, 10), line(3, 1, 10), line(4, 2, 20)];
    assert_eq!(logs.append(1, sent.clone()).await.unwrap(), LogAppendResult { stored: 4, ..LogAppendResult::default() });
    assert_eq!(logs.append(1, sent.clone()).await.unwrap(), LogAppendResult { duplicates: 4, ..LogAppendResult::default() });
    assert_eq!(logs.append(2, sent[..1].to_vec()).await.unwrap().stored, 1, "projects do not share");
    drop(logs);
    let logs = LogStore::open(dir.path()).unwrap();
    let page = logs.lines_of_trace(1, TraceId(1), None, 2).await.unwrap();
    let said = |page: &LogPage| page.logs.iter().map(|line| line.body.clone()).collect::<Vec<_>>();
    assert_eq!(said(&page), ["line 2", "line 3"]);
    let first = &page.logs[0];
    assert_eq!((first.span_id.as_deref(), first.level.as_deref()), (Some("ffffffffffffffff"), Some("warn")));
    assert_eq!(first.attributes["n"], 2);
    let next = logs.lines_of_trace(1, TraceId(1), Some(page.next_cursor.unwrap().parse().unwrap()), 2).await.unwrap();
    assert_eq!((said(&next), next.next_cursor), (vec!["line 1".to_owned()], None));
    assert_eq!(logs.delete_before(1, 30).await.unwrap(), 3);
    let left = logs.extent_of_trace(1, TraceId(1)).await.unwrap();
    assert_eq!(left, TraceLogExtent { lines: 1, times_us: Some((30, 30)) });
    assert_eq!(logs.extent_of_trace(2, TraceId(1)).await.unwrap().lines, 1);
    assert_eq!(logs.extent_of_trace(1, TraceId(9)).await.unwrap(), TraceLogExtent::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_per_trace_are_limited() {
    let dir = tempfile::tempdir().unwrap();
    let logs = LogStore::open(dir.path()).unwrap();
    let lines = |from: u64, to: u64| (from..to).map(|number| line(number, 1, number as i64)).collect::<Vec<_>>();
    let most = MAX_LINES_PER_TRACE as u64;
    assert_eq!(logs.append(1, lines(0, most - 1)).await.unwrap().stored, MAX_LINES_PER_TRACE - 1);
    let appended = logs.append(1, lines(most - 2, most + 2)).await.unwrap();
    assert_eq!(appended, LogAppendResult { stored: 1, duplicates: 1, too_many: 2 });
    assert_eq!(logs.append(1, vec![line(most + 9, 2, 1)]).await.unwrap().stored, 1, "another trace has room");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_expire_like_messages_unless_their_trace_is_stored_longer() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Arc::new(LogStore::open(dir.path()).unwrap());
    let (plain, notable, pinned) = (1, 2, 3);
    // One line is older than everything notable, one older than lines, and one is young.
    let ages = [5, 15, 25];
    let lines = |trace: u128| ages.into_iter().map(move |at_us| line(trace as u64 * 100 + at_us as u64, trace, at_us));
    let all: Vec<LogLine> = [plain, notable, pinned].into_iter().flat_map(lines).collect();
    for project in [1, 2] {
        assert_eq!(logs.append(project, all.clone()).await.unwrap().stored, 9);
    }
    let mut cutoffs = ExpiryCutoffs { before_us: 10, notable_trace_cutoff_us: 10, log_line_cutoff_us: 20, ..ExpiryCutoffs::default() };
    (cutoffs.notable, cutoffs.pinned) = ([TraceId(notable)].into(), [TraceId(pinned)].into());
    assert_eq!(logs.clone().expire(1, Arc::new(cutoffs.clone())).await.unwrap(), 3);
    let mut left = Vec::new();
    for trace in [plain, notable, pinned] {
        left.push(logs.extent_of_trace(1, TraceId(trace)).await.unwrap().lines);
    }
    assert_eq!(left, [1, 2, 3]);
    let without_exceptions = ExpiryCutoffs { notable: Default::default(), pinned: Default::default(), ..cutoffs };
    assert_eq!(logs.clone().expire(1, Arc::new(without_exceptions)).await.unwrap(), 3);
    assert_eq!(logs.extent_of_trace(2, TraceId(plain)).await.unwrap().lines, 3, "another project has its own cutoffs");
}

fn every_line() -> LogListQuery {
    LogListQuery { from_us: i64::MIN, to_us: i64::MAX, trace: None, levels: None, is_ascending: false, after: None, limit: 100 }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_each_selected_line_once_in_both_orders() {
    let dir = tempfile::tempdir().unwrap();
    let logs = LogStore::open(dir.path()).unwrap();
    // Several lines of each moment; every third belongs to no trace, and every fifth is of another level.
    let level = |number: u64| if number.is_multiple_of(5) { LogLevel::Info } else { LogLevel::Error };
    let sent: Vec<LogLine> = (0..100)
        .map(|number| LogLine { level: Some(level(number)), ..line(number, u128::from(number % 3), (number / 4) as i64) })
        .collect();
    assert_eq!(logs.append(1, sent.clone()).await.unwrap().stored, 100);
    assert_eq!(logs.append(2, sent[..4].to_vec()).await.unwrap().stored, 4);

    let pages = async |query: LogListQuery, selects: fn(&LogLine) -> bool| {
        let mut bodies = Vec::new();
        let mut query = LogListQuery { limit: 7, ..query };
        loop {
            let page = logs.list(1, query.clone(), selects).await.unwrap();
            assert!(page.logs.len() <= 7);
            bodies.extend(page.logs.into_iter().map(|line| line.body));
            let Some(next) = page.next_cursor else { return bodies };
            query.after = Some(next.parse().unwrap());
        }
    };
    let bodies = |numbers: &mut dyn Iterator<Item = u64>| numbers.map(|number| format!("line {number}")).collect::<Vec<_>>();
    assert_eq!(pages(every_line(), |_| true).await, bodies(&mut (0..100).rev()));
    assert_eq!(pages(LogListQuery { is_ascending: true, ..every_line() }, |_| true).await, bodies(&mut (0..100)));
    let selected = pages(every_line(), |line| line.trace_id.is_none()).await;
    assert_eq!(selected, bodies(&mut (0..100).rev().filter(|number| number % 3 == 0)));
    let errors = LogListQuery { levels: Some(vec![LogLevel::Error]), ..every_line() };
    let found = pages(errors, |line| line.level == Some(LogLevel::Error)).await;
    assert_eq!(found, bodies(&mut (0..100).rev().filter(|number| number % 5 != 0)));
    let range = LogListQuery { trace: Some(TraceId(1)), from_us: 5, to_us: 10, ..every_line() };
    assert_eq!(pages(range, |_| true).await, bodies(&mut (20..40).rev().filter(|number| number % 3 == 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_enough_matches_continues_after_the_lines_that_it_compared() {
    let dir = tempfile::tempdir().unwrap();
    let logs = LogStore::open(dir.path()).unwrap();
    let sent: Vec<LogLine> = (0..50_010).map(|number| line(number, 0, number as i64)).collect();
    assert_eq!(logs.append(1, sent).await.unwrap().stored, 50_010, "lines without a trace have no limit of a trace");
    let is_oldest = |line: &LogLine| line.at_us == 0;
    let first = logs.list(1, every_line(), is_oldest).await.unwrap();
    assert_eq!(first.logs, []);
    let after = first.next_cursor.unwrap().parse().ok();
    let second = logs.list(1, LogListQuery { after, ..every_line() }, is_oldest).await.unwrap();
    assert_eq!((second.logs.len(), second.next_cursor), (1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_long_lines_ends_before_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let logs = LogStore::open(dir.path()).unwrap();
    let sent = (0..300).map(|number| LogLine { body: "x".repeat(16 << 10), ..line(number, 0, number as i64) });
    assert_eq!(logs.append(1, sent.collect()).await.unwrap().stored, 300);
    let query = LogListQuery { limit: 2000, ..every_line() };
    let first = logs.list(1, query.clone(), |_| true).await.unwrap();
    assert!((200..300).contains(&first.logs.len()), "{}", first.logs.len());
    let after = first.next_cursor.unwrap().parse().ok();
    let second = logs.list(1, LogListQuery { after, ..query }, |_| true).await.unwrap();
    assert_eq!((first.logs.len() + second.logs.len(), second.next_cursor), (300, None));
}
