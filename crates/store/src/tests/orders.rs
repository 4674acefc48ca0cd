//! Captures of real clients, stored in any order and any parts, with flushes and restarts in between, give the same totals, and so does a
//! subscriber that counts along.

use std::collections::BTreeMap;

use hinomi_model::dedup::SpanDecision;
use hinomi_model::dedup::duplicate_reports::DuplicateReport;
use hinomi_model::money::Usd;

use super::support::{CASES, Dice, in_any_order, open, sent};
use super::*;

/// The summed values, and the properties of a span that depend on others.
#[derive(Debug, PartialEq)]
struct Figures {
    decision: SpanDecision,
    tokens: (Option<u64>, Option<u64>),
    cost: Option<Usd>,
    also: Option<DuplicateReport>,
}

fn figures(store: &Store) -> BTreeMap<(TraceId, SpanId), Figures> {
    let of = |row: &SpanRow| Figures {
        decision: SpanDecision::of(&row.span),
        tokens: (row.span.usage.input_tokens(), row.span.usage.output_tokens()),
        cost: row.span.cost.as_ref().map(|cost| cost.total),
        also: row.span.also_reported,
    };
    rows(&store.snapshot()).into_iter().map(|((_, trace, span), row)| ((trace, span), of(&row))).collect()
}

#[tokio::test]
async fn arrival_order_does_not_change_totals() {
    let mut dice = Dice(7);
    for case in CASES {
        let requests = sent(case);
        assert!(!requests.is_empty(), "{case}");
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open(dir.path());
        for request in &requests {
            let _ = store.append(1, request.clone()).await.unwrap();
        }
        let spans: Vec<Span> = requests.into_iter().flatten().collect();
        let expected = figures(&store);
        for round in 0..2 {
            let (_dir, store) = in_any_order(case, &spans, &mut dice).await;
            let got = figures(&store);
            for (id, figures) in &expected {
                assert_eq!(got.get(id), Some(figures), "{case}, order {round}, span {id:?}");
            }
            assert_eq!(got.len(), expected.len(), "{case}, order {round}");
        }
    }
}
