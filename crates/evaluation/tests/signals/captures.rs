//! Runs the signals on the requests of real clients.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use hinomi_evaluation::signals;
use hinomi_model::clock::DecodeContext;
use hinomi_model::dedup::{SpanNode, decide_trace};
use hinomi_model::mapping::MappingRuleSet;
use hinomi_model::otlp::{self, OtlpEncoding, OtlpSignal};
use hinomi_model::partial_spans::join_partial_spans;
use hinomi_model::price::PriceBook;
use hinomi_model::sentry;
use hinomi_model::span::Span;

/// 2026-11-30T09:00:00Z, after the captures were made.
const RECEIVED_US: i64 = 1_796_029_200_000_000;

fn folders(path: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Decodes one request; `None` if it has no spans.
fn decoded(folder: &Path) -> Option<Vec<Span>> {
    let mapping = MappingRuleSet::none();
    let retention_us = Some(30 * 86_400_000_000);
    let context = DecodeContext { received_us: RECEIVED_US, retention_us, price: PriceBook::embedded(), mapping, earlier_grouping: true };
    let request: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("request.json")).ok()?).unwrap();
    let body = std::fs::read(folder.join("body.decoded")).ok()?;
    let path = request["path"].as_str().unwrap();
    let is_json = request["headers"].to_string().contains("application/json");
    let encoding = if is_json { OtlpEncoding::Json } else { OtlpEncoding::Binary };
    if path.contains("traces") || path.contains("TraceService") {
        return Some(otlp::decode(body.into(), OtlpSignal::Traces, encoding, &context).unwrap().spans);
    }
    if path.contains("/logs") || path.contains("LogsService") {
        return Some(otlp::decode(body.into(), OtlpSignal::Logs, encoding, &context).unwrap().spans);
    }
    if path.contains("/envelope") { sentry::decode(&body, &context).ok().map(|decoded| decoded.spans) } else { None }
}

/// Returns the traces of a case, as they are stored.
fn traces(case: &Path) -> BTreeMap<u128, Vec<Span>> {
    let mut traces: BTreeMap<u128, Vec<Span>> = BTreeMap::new();
    let mut places = HashMap::new();
    for folder in std::iter::once(case.to_owned()).chain(folders(case)) {
        for span in decoded(&folder).into_iter().flatten() {
            let trace = traces.entry(span.trace_id.0).or_default();
            match places.get(&(span.trace_id, span.span_id)) {
                Some(place) => {
                    let known: &mut Span = &mut trace[*place];
                    *known = join_partial_spans(known, &span, PriceBook::embedded()).unwrap_or_else(|| known.clone());
                }
                None => {
                    places.insert((span.trace_id, span.span_id), trace.len());
                    trace.push(span);
                }
            }
        }
    }
    for trace in traces.values_mut() {
        let nodes: Vec<SpanNode> = trace.iter().map(SpanNode::of).collect();
        let decisions = decide_trace(&nodes);
        trace.iter_mut().zip(decisions).for_each(|(span, decision)| decision.apply(span));
    }
    traces
}

/// The only faults of the captured runs, which their programs made on purpose.
const EXPECTED: &[&str] = &["codex/refused: retry_storm The same call of the model \"gpt-5-mini\" failed 6 times."];

#[test]
fn captured_runs_have_no_findings_but_those_made_on_purpose() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures");
    let mut found = Vec::new();
    let mut spans = 0;
    for case in folders(&root).iter().flat_map(|client| folders(client)) {
        let name = case.strip_prefix(&root).unwrap().display().to_string();
        for trace in traces(&case).values() {
            spans += trace.len();
            let trace: Vec<&Span> = trace.iter().collect();
            let findings = signals::of_trace(&trace).into_iter().chain(signals::of_conversation(&[&trace]));
            found.extend(findings.map(|finding| format!("{name}: {} {}", finding.kind, finding.explanation)));
        }
    }
    assert!(spans > 300, "{spans} spans");
    assert_eq!(found, EXPECTED);
}
