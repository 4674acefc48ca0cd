use std::collections::HashSet;
use std::sync::Arc;

use hinomi_model::finding::TruncationSource;

use super::*;
use crate::retained_rows::{ErasedNames, ErasureSubject, ExpiryCutoffs, RetainedRows, erase};

fn store() -> (tempfile::TempDir, FindingStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = FindingStore::open(dir.path()).unwrap();
    (dir, store)
}

fn finding(kind: FindingKind, spans: &[u64]) -> SignalFinding {
    let explanation = match kind {
        FindingKind::ToolLoop => FindingExplanation::SameCallSameResult { tool: "search".into(), calls: 4 },
        _ => FindingExplanation::Truncated { source: TruncationSource::FinishReason, output_tokens: Some(7) },
    };
    SignalFinding {
        detector: FindingDetector::Signal,
        kind,
        severity: FindingSeverity::Warning,
        confidence: 0.9,
        span_ids: spans.iter().map(|span| SpanId(*span)).collect(),
        wasted_call_ids: Vec::new(),
        evidence: Some("text of a user".into()),
        explanation,
    }
}

fn searched(trace: u128, start_us: i64, findings: Vec<(SignalFinding, Usd)>) -> SearchedTrace {
    let wasted_cost = findings.iter().map(|(_, cost)| *cost).sum();
    SearchedTrace { trace: TraceId(trace), start_us, received_us: start_us + 100, session: None, is_searched: true, wasted_cost, findings }
}

fn put(store: &FindingStore, traces: &[SearchedTrace]) {
    assert!(store.replace(1, traces, store.erasure_count()).unwrap());
}

fn list(store: &FindingStore, kind: Option<FindingKind>) -> Vec<StoredFinding> {
    let query = FindingListQuery { kind, times_us: (0, 1_000), limit: 100, ..FindingListQuery::default() };
    store.list_findings(1, &query).unwrap().findings
}

#[test]
fn a_new_search_replaces_the_findings_of_a_trace() {
    let (dir, store) = store();
    put(&store, &[searched(7, 10, vec![(finding(FindingKind::ToolLoop, &[1, 2]), Usd(5))])]);
    put(&store, &[searched(7, 9, vec![(finding(FindingKind::AnswerTruncated, &[3]), Usd(0))]), searched(8, 20, vec![])]);
    drop(store);
    let store = FindingStore::open(dir.path()).unwrap();
    let found = list(&store, None);
    assert_eq!(found.len(), 1);
    let [found] = &found[..] else { panic!() };
    assert_eq!((found.kind, found.start_us, &found.span_ids[..]), (FindingKind::AnswerTruncated, 9, &[SpanId(3)][..]));
    assert_eq!(store.findings_of_traces(1, &[TraceId(7), TraceId(8)]).unwrap().len(), 1);
    assert!(store.findings_of_traces(2, &[TraceId(7)]).unwrap().is_empty(), "another project");
    put(&store, &[searched(7, 9, vec![])]);
    assert!(list(&store, None).is_empty());
    assert!(store.notable_traces(1, (0, 100), 10).unwrap().is_empty());
}

#[test]
fn pages_continue_and_kinds_are_selected() {
    let (_dir, store) = store();
    let kinds = [FindingKind::ToolLoop, FindingKind::AnswerTruncated];
    let traces: Vec<SearchedTrace> =
        (0..5).map(|trace| searched(trace, 10 + trace as i64 / 2, kinds.map(|kind| (finding(kind, &[1]), Usd(1))).to_vec())).collect();
    put(&store, &traces);
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let query = FindingListQuery { times_us: (0, 100), limit: 3, after, ..FindingListQuery::default() };
        let page = store.list_findings(1, &query).unwrap();
        seen.extend(page.findings.into_iter().map(|finding| (finding.trace, finding.kind)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), seen.iter().collect::<HashSet<_>>().len()), (10, 10));
    assert_eq!(list(&store, Some(FindingKind::ToolLoop)).len(), 5);
    let spans = store.spans_with(1, |detector, kind| detector == "signal" && kind == "tool_loop", 10).unwrap();
    assert_eq!(spans.len(), 5);
}

#[test]
fn figures_count_traces_once_by_kind() {
    let (_dir, store) = store();
    let twice = vec![(finding(FindingKind::ToolLoop, &[1]), Usd(2)), (finding(FindingKind::ToolLoop, &[2]), Usd(3))];
    let unsearched = SearchedTrace { is_searched: false, ..searched(3, 30, vec![]) };
    put(&store, &[searched(1, 10, twice.clone()), searched(2, 25, twice), unsearched]);
    let figures = store.finding_figures(1, (0, 40), 20, None).unwrap();
    let kind = &figures.kinds[&FindingKind::ToolLoop];
    assert_eq!((kind.findings, kind.traces, kind.wasted_cost, &kind.buckets[..]), (4, 2, Usd(10), &[1, 1][..]));
    assert_eq!(kind.examples.iter().map(|example| example.trace).collect::<Vec<_>>(), [TraceId(2), TraceId(1)]);
    assert_eq!((figures.traces, figures.unsearched_traces, figures.wasted_cost), (2, 1, Usd(10)));
    let costs = store.wasted_costs(1, &[TraceId(1), TraceId(3), TraceId(4)]).unwrap();
    assert_eq!((costs[&TraceId(1)], costs[&TraceId(3)], costs.get(&TraceId(4))), (Some(Usd(5)), None, None));
    assert_eq!((store.oldest_start_us(1).unwrap(), store.oldest_start_us(2).unwrap()), (Some(10), None));
    let among = HashSet::from([TraceId(1)]);
    let figures = store.finding_figures(1, (0, 40), 20, Some(&among)).unwrap();
    assert_eq!((figures.traces, figures.unsearched_traces, figures.wasted_cost), (1, 0, Usd(5)));
}

#[test]
fn findings_contain_no_text_and_are_erased_with_their_trace() {
    let (dir, store) = store();
    let store = Arc::new(store);
    let found = vec![(finding(FindingKind::ToolLoop, &[1]), Usd(2))];
    let before = store.erasure_count();
    put(&store, &[searched(1, 10, found.clone()), searched(2, 10, found.clone())]);
    let subject = ErasureSubject { project: 1, names: Some(ErasedNames { traces: HashSet::from([TraceId(1)]), users: vec![] }) };
    erase(dir.path(), &*store, &subject).unwrap();
    assert!(store.forget(&subject).unwrap());
    assert_eq!(list(&store, None).len(), 1);
    assert!(!store.replace(1, &[searched(1, 10, found)], before).unwrap(), "was read before the erasure");
    assert_eq!(list(&store, None).len(), 1);
    let bytes = std::fs::read(dir.path().join("findings.db")).unwrap();
    assert!(!bytes.windows(14).any(|window| window == b"text of a user"));
}

#[tokio::test]
async fn findings_expire_with_their_trace() {
    let (_dir, store) = store();
    let store = Arc::new(store);
    let found = vec![(finding(FindingKind::ToolLoop, &[1]), Usd(2))];
    put(&store, &[1, 2, 3].map(|trace| searched(trace, 10 * trace as i64, found.clone())));
    let cutoffs = ExpiryCutoffs { before_us: 25, pinned: HashSet::from([TraceId(1)]), ..ExpiryCutoffs::default() };
    store.clone().expire(1, Arc::new(cutoffs)).await.unwrap();
    assert_eq!(list(&store, None).iter().map(|finding| finding.trace.0).collect::<Vec<_>>(), [3, 1]);
}

#[test]
fn a_kind_is_counted_when_it_was_first_found() {
    let (_dir, store) = store();
    put(&store, &[searched(1, 10, vec![(finding(FindingKind::ToolLoop, &[1]), Usd(0))])]);
    let found = [FindingKind::ToolLoop, FindingKind::AnswerTruncated].map(|kind| (finding(kind, &[1]), Usd(0))).to_vec();
    put(&store, &[SearchedTrace { received_us: 500, ..searched(1, 10, found) }]);
    let spans = |times_us| store.spans_found(1, times_us, 10).unwrap();
    assert_eq!(spans((100, 200)).len(), 1);
    assert_eq!(spans((500, 501)).len(), 1);
    assert!(spans((200, 500)).is_empty());
}

#[test]
fn progress_is_kept() {
    let (dir, store) = store();
    assert_eq!(store.searched_until_us().unwrap(), None);
    store.set_searched_until(5).unwrap();
    store.set_searched_until(7).unwrap();
    drop(store);
    assert_eq!(FindingStore::open(dir.path()).unwrap().searched_until_us().unwrap(), Some(7));
}
