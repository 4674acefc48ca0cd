//! A store with small limits, and spans of real clients stored in any order. Compiled into the tests of several crates, so it uses the
//! store's public name.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hinomi_model::clock::DecodeContext;
use hinomi_model::dedup::exclusion::Exclusion;
use hinomi_model::dedup::{SpanDecision, SpanNode};
use hinomi_model::mapping::MappingRuleSet;
use hinomi_model::otlp::{self, OtlpEncoding, OtlpSignal};
use hinomi_model::price::PriceBook;
use hinomi_model::span::Span;
use hinomi_model::{langfuse, sentry};
use hinomi_store::rows::SpanRow;
use hinomi_store::{RowChangeSubscriber, RowChanges, Store, StoreConfig};
use serde_json::Value;

use super::snapshot_rows::rows;

/// Small limits, so that little data covers every case. Nothing is flushed because of its age.
pub(crate) fn small() -> StoreConfig {
    StoreConfig {
        flush_rows: 12,
        flush_age: Duration::from_secs(3600),
        rows_per_group: 4,
        small_segment_rows: 30,
        min_merged_segments: 3,
        remembered_spans: 10,
        rules: latest_names_the_pipeline,
        ..StoreConfig::default()
    }
}

/// Rules with which nearly every new span changes earlier ones: the pipeline of the trace is the name that its latest span gives, and
/// only the span with the lowest ID is counted.
pub(crate) fn latest_names_the_pipeline(nodes: &[SpanNode]) -> Vec<SpanDecision> {
    let latest = nodes.iter().max_by_key(|node| (node.start_us, node.span_id));
    let lowest = nodes.iter().map(|node| node.span_id).min();
    let decide = |node: &SpanNode| SpanDecision {
        counted: Some(node.span_id) == lowest,
        exclusion: lowest.filter(|lowest| node.span_id != *lowest).map(|span_id| Exclusion::SameResponse { span_id }),
        pipeline: latest.and_then(|latest| latest.local_decision.pipeline.clone()),
        ..node.local_decision.clone()
    };
    nodes.iter().map(decide).collect()
}

/// 2026-11-25T20:00:00Z: after all captures.
const RECEIVED_US: i64 = 1_795_636_800_000_000;

/// Captures that each cover one family of clients, or one way to report a call.
pub(crate) const CASES: &[&str] = &[
    "two-services/proxy-first-two-traces",
    "two-services/client-first-one-trace",
    "claude-code/json-tool-traces",
    "codex/logs-json",
    "gemini-cli/json-tool",
    "langfuse-python-2/manual",
    "litellm/otel",
    "logfire/anthropic-stream",
    "openinference-langchain/agent",
    "otel-openai-v2/tools",
    "sentry-python-2.75/langchain-agent",
    "sentry-node-11/vercel-generate",
    "strands/anthropic",
];

fn decoded(folder: &Path) -> Vec<Span> {
    let context = DecodeContext {
        received_us: RECEIVED_US,
        retention_us: Some(60 * 86_400_000_000),
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    };
    let request: Value = serde_json::from_slice(&std::fs::read(folder.join("request.json")).unwrap()).unwrap();
    let body = std::fs::read(folder.join("body.decoded")).unwrap();
    let path = request["path"].as_str().unwrap();
    let signals = [
        ("traces", OtlpSignal::Traces),
        ("TraceService", OtlpSignal::Traces),
        ("/logs", OtlpSignal::Logs),
        ("LogsService", OtlpSignal::Logs),
    ];
    let signals = signals.into_iter().chain([("/metrics", OtlpSignal::Metrics), ("MetricsService", OtlpSignal::Metrics)]);
    match signals.into_iter().find(|(part, _)| path.contains(part)) {
        Some((_, signal)) => {
            let encoding =
                if request["headers"].to_string().contains("application/json") { OtlpEncoding::Json } else { OtlpEncoding::Binary };
            otlp::decode(body.into(), signal, encoding, &context).unwrap().spans
        }
        None if path.contains("/api/public/ingestion") => langfuse::decode(&body, &context, &|_| None).unwrap().spans,
        None if path.contains("/api/public/") => Vec::new(),
        None => sentry::decode(&body, &context).unwrap().spans,
    }
}

/// Returns the spans of each request of a case, in order.
pub(crate) fn sent(case: &str) -> Vec<Vec<Span>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures").join(case);
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.push(root);
    folders.retain(|folder| folder.join("body.decoded").exists());
    folders.sort();
    folders.iter().map(|folder| decoded(folder)).filter(|spans| !spans.is_empty()).collect()
}

/// The totals that an alert computes.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Totals {
    calls: i64,
    tokens: i64,
    cost: i64,
}

impl Totals {
    fn add(&mut self, row: &SpanRow, sign: i64) {
        if row.span.is_call() && row.span.counted {
            let tokens = row.span.usage.input_tokens().unwrap_or(0) + row.span.usage.output_tokens().unwrap_or(0);
            self.calls += sign;
            self.tokens += sign * tokens as i64;
            self.cost += sign * row.span.cost.as_ref().map_or(0, |cost| cost.total.0);
        }
    }

    fn of(store: &Store) -> Totals {
        let mut totals = Totals::default();
        rows(&store.snapshot()).values().for_each(|row| totals.add(row, 1));
        totals
    }
}

#[derive(Debug)]
pub(crate) struct Watcher(Mutex<Totals>);

impl RowChangeSubscriber for Watcher {
    fn select(&self, row: &SpanRow) -> Option<SpanRow> {
        Some(row.clone())
    }

    fn notify(&self, moved: RowChanges) {
        let mut totals = self.0.lock().unwrap();
        moved.added.iter().for_each(|row| totals.add(row, 1));
        moved.removed.iter().for_each(|row| totals.add(row, -1));
    }
}

/// Opens a store with small limits and the real deduplication rules.
pub(crate) fn opened(dir: &Path) -> Store {
    Store::open(dir, StoreConfig { rules: hinomi_model::dedup::decide_trace, ..small() }).unwrap()
}

pub(crate) fn open(dir: &Path) -> (Store, Arc<Watcher>) {
    let store = opened(dir);
    let watcher = Arc::new(Watcher(Mutex::new(Totals::of(&store))));
    store.subscribe_to_rows(watcher.clone());
    (store, watcher)
}

/// Pseudo-random numbers that are the same in each run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// Stores spans in random order and parts, with flushes, merges and crashes in between.
pub(crate) async fn in_any_order(case: &str, spans: &[Span], dice: &mut Dice) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let mut spans = spans.to_vec();
    for last in (1..spans.len()).rev() {
        spans.swap(last, dice.below(last + 1));
    }
    // Some are sent twice.
    for _ in 0..spans.len() / 4 {
        spans.push(spans[dice.below(spans.len())].clone());
    }
    let (mut store, mut watcher) = open(dir.path());
    while !spans.is_empty() {
        // No request contains a span twice.
        let mut ids = HashSet::new();
        let fresh = spans.iter().take_while(|span| ids.insert((span.trace_id, span.span_id))).count();
        let rest = spans.split_off((1 + dice.below(5)).min(fresh));
        let _ = store.append(1, std::mem::replace(&mut spans, rest)).await.unwrap();
        if dice.below(8) == 0 {
            store.flush().await.unwrap();
        }
        if dice.below(20) == 0 {
            let _ = store.compact().await.unwrap();
        }
        if dice.below(10) == 0 {
            assert_eq!(*watcher.0.lock().unwrap(), Totals::of(&store), "{case}: the watcher has counted along");
            drop(store);
            (store, watcher) = open(dir.path());
        }
    }
    assert_eq!(*watcher.0.lock().unwrap(), Totals::of(&store), "{case}: the watcher has counted along");
    (dir, store)
}
