//! Client reports: what an SDK dropped before sending, which explains why calls are missing.

use serde::Deserialize;

use super::EnvelopeReader;
use super::lenient::LenientText;
use crate::lenient_json::{ChargedItems, parse_mended};
use crate::outcome::{Outcome, OutcomeCategory, OutcomeKind};
use crate::outcome_reason::OutcomeReason;

/// Maximum number of entries of a report; no SDK has as many reasons.
const MAX_REPORT_ENTRIES: usize = 100;

#[derive(Deserialize)]
struct ClientReport<'a> {
    #[serde(borrow, default)]
    discarded_events: ChargedItems<DiscardedEventCount<'a>>,
    #[serde(borrow, default)]
    rate_limited_events: ChargedItems<DiscardedEventCount<'a>>,
    #[serde(borrow, default)]
    filtered_events: ChargedItems<DiscardedEventCount<'a>>,
    #[serde(borrow, default)]
    filtered_sampling_events: ChargedItems<DiscardedEventCount<'a>>,
}

#[derive(Deserialize)]
struct DiscardedEventCount<'a> {
    #[serde(borrow, default)]
    reason: LenientText<'a>,
    #[serde(borrow, default)]
    category: LenientText<'a>,
    #[serde(default)]
    quantity: Option<u64>,
}

/// Our categories for Sentry's.
const CATEGORIES_BY_NAME: &[(&str, OutcomeCategory)] = &[
    ("span", OutcomeCategory::Span),
    ("span_indexed", OutcomeCategory::Span),
    ("transaction", OutcomeCategory::Transaction),
    ("transaction_indexed", OutcomeCategory::Transaction),
    ("error", OutcomeCategory::Error),
    ("default", OutcomeCategory::Error),
    ("log_item", OutcomeCategory::Log),
    ("trace_metric", OutcomeCategory::Metric),
];

pub(super) fn read(payload: &[u8], reader: &mut EnvelopeReader) {
    let losses = parse_mended(payload, |text| {
        let report: ClientReport = serde_json::from_str(text)?;
        let lists = [report.discarded_events, report.rate_limited_events, report.filtered_events, report.filtered_sampling_events];
        Ok(lists.into_iter().flat_map(|ChargedItems(losses)| losses).take(MAX_REPORT_ENTRIES).filter_map(outcome).collect::<Vec<_>>())
    });
    match losses {
        Ok(losses) => reader.outcomes.extend(losses),
        Err(_) => reader.outcomes.push(Outcome::dropped(OutcomeCategory::Other, OutcomeReason::InvalidJson, "a client report".to_owned())),
    }
}

fn outcome(loss: DiscardedEventCount) -> Option<Outcome> {
    let quantity = loss.quantity.filter(|quantity| *quantity > 0)?;
    let category = loss.category.as_str().unwrap_or("default");
    let known = CATEGORIES_BY_NAME.iter().find(|(name, _)| *name == category).map(|(_, category)| *category);
    Some(Outcome {
        kind: OutcomeKind::ClientDropped,
        reason: snake_case(loss.reason.as_str().unwrap_or(OutcomeReason::Unknown.as_str())),
        category: known.unwrap_or(OutcomeCategory::Other),
        quantity,
        detail: if known.is_some() { None } else { Some(snake_case(category)) },
    })
}

/// Returns a reason in snake case with at most 64 characters, since reasons become rows of a table.
pub(super) fn snake_case(text: &str) -> String {
    let clean = text.chars().take(64).map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    clean.collect()
}
