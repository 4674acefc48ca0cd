//! `hinomi explain`: decodes captured requests without a server and shows how each span was read. Users can report wrong data from a
//! client with this output, which contains messages only on request.

mod body;
mod print;
mod request;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use hinomi_model::dedup::{SpanNode, decide_trace};
use hinomi_model::explain::{SpanExplanation, explain};
use hinomi_model::outcome::{Outcome, OutcomeCategory, OutcomeKind};
use hinomi_model::outcome_reason::OutcomeReason;
use hinomi_model::partial_spans;
use hinomi_model::price::PriceBook;
use hinomi_model::sentry::ErrorEvent;
use hinomi_model::span::Span;
use hinomi_store::rows::SpanRow;

use request::DecodedRequest;

/// Maximum size of a file in bytes, before and after decompression.
const MAX_FILE_BYTES: usize = 256 << 20;

/// Show how captured requests are decoded, without a server
#[derive(Debug, Args)]
pub(super) struct ExplainCommand {
    /// Files with request bodies as a client sent them, compressed or not, in order of arrival; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Format of the bodies [default: detected]
    #[arg(long, value_enum)]
    kind: Option<RequestBodyKind>,
    /// Time of receipt, RFC 3339 [default: time at which the body was sent, if it is given, else now]
    #[arg(long, value_name = "TIME")]
    received: Option<jiff::Timestamp>,
    /// Also print messages and attribute values
    #[arg(long)]
    texts: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Format of a request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RequestBodyKind {
    /// A Sentry envelope
    Sentry,
    /// One event or transaction for Sentry's legacy store endpoint
    SentryStore,
    /// OTLP traces (protobuf or JSON)
    Traces,
    /// OTLP logs (protobuf or JSON)
    Logs,
    /// OTLP metrics (protobuf or JSON)
    Metrics,
    /// A batch for Langfuse's legacy ingestion API
    Langfuse,
}

impl RequestBodyKind {
    fn name(self) -> &'static str {
        match self {
            RequestBodyKind::Sentry => "Sentry envelope",
            RequestBodyKind::SentryStore => "Sentry event (store endpoint)",
            RequestBodyKind::Traces => "OTLP traces",
            RequestBodyKind::Logs => "OTLP logs",
            RequestBodyKind::Metrics => "OTLP metrics",
            RequestBodyKind::Langfuse => "Langfuse batch",
        }
    }
}

/// Decoded content of all requests.
struct ExplainedRequests {
    requests: Vec<print::RequestDescription>,
    spans: Vec<(Span, SpanExplanation)>,
    errors: Vec<ErrorEvent>,
    scores: usize,
    outcomes: Vec<Outcome>,
}

impl ExplainCommand {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let found = self.read_requests()?;
        let out = std::io::stdout().lock();
        if self.json { print::json(out, &found, self.texts) } else { print::text(out, &found, self.texts) }
            .context("cannot write to standard output")
    }

    fn read_requests(&self) -> anyhow::Result<ExplainedRequests> {
        let mut rows: Vec<SpanRow> = Vec::new();
        let mut places = HashMap::new();
        let mut found = ExplainedRequests { requests: vec![], spans: vec![], errors: vec![], scores: 0, outcomes: vec![] };
        for path in &self.files {
            let name = path.display().to_string();
            let bytes = read(path).with_context(|| format!("cannot read {name}"))?;
            let size = bytes.len();
            let unpacked = body::unpack(bytes, MAX_FILE_BYTES).with_context(|| name.clone())?;
            let told = request::read(&unpacked.bytes, self.kind, self.received).with_context(|| name.clone())?;
            found.requests.push(print::RequestDescription {
                file: name,
                kind: told.kind.name(),
                encoding: told.encoding,
                packing: unpacked.removed_layers,
                bytes: size,
                inflated_bytes: unpacked.bytes.len(),
                sdk: told.sdk.clone(),
                received_us: told.received_us,
            });
            let DecodedRequest { spans, errors, scores, outcomes, .. } = told;
            found.errors.extend(errors);
            found.scores += scores;
            found.outcomes.extend(outcomes);
            for span in spans {
                let id = (span.trace_id, span.span_id);
                match places.get(&id) {
                    Some(place) => {
                        let known: &mut SpanRow = &mut rows[*place];
                        match partial_spans::join_partial_spans(&known.span, &span, PriceBook::embedded()) {
                            Some(joined) => known.span = joined,
                            None => found.outcomes.push(duplicate_outcome()),
                        }
                    }
                    None => {
                        places.insert(id, rows.len());
                        rows.push(SpanRow { project_id: 1, span, ..SpanRow::default() });
                    }
                }
            }
        }
        deduplicate(&mut rows);
        for row in rows {
            let explanation = explain(&row.span, &row.locally(), PriceBook::embedded());
            found.spans.push((row.span, explanation));
        }
        Ok(found)
    }
}

fn duplicate_outcome() -> Outcome {
    Outcome {
        kind: OutcomeKind::Duplicate,
        reason: OutcomeReason::Duplicate.as_str().to_owned(),
        category: OutcomeCategory::Span,
        quantity: 1,
        detail: None,
    }
}

/// Applies deduplication to each trace, as the store does.
fn deduplicate(rows: &mut [SpanRow]) {
    let mut traces: BTreeMap<_, Vec<&mut SpanRow>> = BTreeMap::new();
    for row in rows {
        traces.entry(row.span.trace_id).or_default().push(row);
    }
    for trace in traces.values_mut() {
        let nodes: Vec<SpanNode> = trace.iter().map(|row| SpanNode::of(&row.span)).collect();
        for (row, decision) in trace.iter_mut().zip(decide_trace(&nodes)) {
            row.decide(&decision);
        }
    }
}

fn read(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    let limit = MAX_FILE_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    if bytes.len() > MAX_FILE_BYTES {
        bail!("larger than {MAX_FILE_BYTES} bytes");
    }
    Ok(bytes)
}
