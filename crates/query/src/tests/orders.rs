//! Requests of real clients, in any order, with flushes, merges and crashes in between: roll-ups and rows give the same results, in every
//! order.

use super::oracle::check_rolled;
use super::support::{CASES, Dice, in_any_order, opened, sent};
use super::*;

/// Returns what the overview shows, computed from rows.
async fn overview(exact: &ProjectSnapshot) -> (UsageSummary, Vec<Vec<BreakdownRow>>) {
    let mut rows = Vec::new();
    for by in ["model", "kind", "pipeline", "agent", "tool", "user"] {
        rows.push(exact.breakdown(&QueryScope::all(), &GroupBy::parse(by).unwrap(), "key", 100).await.unwrap());
    }
    (exact.summary(&QueryScope::all()).await.unwrap(), rows)
}

#[tokio::test]
async fn arrival_order_does_not_change_results() {
    let mut dice = Dice(11);
    let rolling = QueryEngine { min_rollup_rows: 0, ..QueryEngine::new() };
    let exact = QueryEngine { min_rollup_rows: u64::MAX, ..rolling.clone() };
    for (turn, case) in CASES.iter().enumerate() {
        let requests = sent(case);
        let dir = tempfile::tempdir().unwrap();
        let in_order = opened(dir.path());
        for request in &requests {
            let _ = in_order.append(1, request.clone()).await.unwrap();
        }
        let spans: Vec<Span> = requests.into_iter().flatten().collect();
        let (_dir, shuffled) = in_any_order(case, &spans, &mut dice).await;
        // First the last spans are not in a segment yet; then all are, and are merged.
        for round in 0..2 {
            let snapshot = shuffled.snapshot();
            if turn % 2 == round {
                check_rolled(&rolling.project(snapshot.clone(), 1), &exact.project(snapshot.clone(), 1), turn).await;
            }
            let expected = overview(&exact.project(in_order.snapshot(), 1)).await;
            assert_eq!(overview(&exact.project(snapshot, 1)).await, expected, "{case}");
            shuffled.flush().await.unwrap();
            let _ = shuffled.compact().await.unwrap();
        }
    }
}
