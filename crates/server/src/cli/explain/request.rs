//! Detects the protocol of a request from its body alone, and decodes it.

use anyhow::{Context as _, anyhow, bail};
use hinomi_model::clock::DecodeContext;
use hinomi_model::langfuse;
use hinomi_model::mapping::MappingRuleSet;
use hinomi_model::otlp::{self, OtlpEncoding, OtlpSignal};
use hinomi_model::outcome::Outcome;
use hinomi_model::outcome_reason::OutcomeReason;
use hinomi_model::price::PriceBook;
use hinomi_model::sentry::{self, ErrorEvent, SentryEnvelope};
use hinomi_model::span::Span;
use serde_json::Value;

use super::RequestBodyKind;

/// Decoded content of a request.
pub(super) struct DecodedRequest {
    pub(super) kind: RequestBodyKind,
    /// `JSON`, `protobuf`, `lines of JSON`.
    pub(super) encoding: &'static str,
    pub(super) sdk: Option<String>,
    pub(super) received_us: i64,
    pub(super) spans: Vec<Span>,
    pub(super) errors: Vec<ErrorEvent>,
    pub(super) scores: usize,
    pub(super) outcomes: Vec<Outcome>,
}

const UNKNOWN_FORMAT_HINT: &str = "expected a Sentry envelope, OTLP (protobuf or JSON) or a Langfuse batch; --kind sets the format";

/// Decodes a body of the given kind, or of the detected kind if no kind is given.
pub(super) fn read(body: &[u8], kind: Option<RequestBodyKind>, received: Option<jiff::Timestamp>) -> anyhow::Result<DecodedRequest> {
    let is_json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
    let kind = match kind {
        Some(kind) => kind,
        None if is_json => json_kind(body)?,
        None => binary_kind(body)?,
    };
    let sent_us = match kind {
        RequestBodyKind::Sentry => SentryEnvelope::parse(body).ok().and_then(|envelope| envelope.header.sent_at_us),
        _ => None,
    };
    let received_us = received.map(|at| at.as_microsecond()).or(sent_us).unwrap_or_else(|| jiff::Timestamp::now().as_microsecond());
    let context = DecodeContext {
        received_us,
        retention_us: None,
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    };
    let read =
        DecodedRequest { kind, encoding: "JSON", sdk: None, received_us, spans: vec![], errors: vec![], scores: 0, outcomes: vec![] };
    let of_sentry = |decoded: sentry::DecodedEnvelope, encoding| {
        let sdk = decoded.header.sdk();
        DecodedRequest { encoding, sdk, spans: decoded.spans, errors: decoded.errors, outcomes: decoded.outcomes, ..read }
    };
    let cannot = || format!("cannot decode the body as {}", kind.name());
    match kind {
        RequestBodyKind::Sentry => Ok(of_sentry(sentry::decode(body, &context).with_context(cannot)?, "lines of JSON")),
        RequestBodyKind::SentryStore => Ok(of_sentry(sentry::decode_store_event(body, &context).with_context(cannot)?, "JSON")),
        RequestBodyKind::Langfuse => {
            let decoded = langfuse::decode(body, &context, &|_| None).with_context(cannot)?;
            Ok(DecodedRequest { spans: decoded.spans, scores: decoded.scores.len(), outcomes: decoded.outcomes, ..read })
        }
        RequestBodyKind::Traces | RequestBodyKind::Logs | RequestBodyKind::Metrics => {
            let encoding = if is_json { OtlpEncoding::Json } else { OtlpEncoding::Binary };
            let decoded = otlp::decode(body.to_vec().into(), otlp_signal(kind), encoding, &context).with_context(cannot)?;
            let encoding = if is_json { "JSON" } else { "protobuf" };
            Ok(DecodedRequest { encoding, spans: decoded.spans, outcomes: decoded.outcomes, ..read })
        }
    }
}

fn otlp_signal(kind: RequestBodyKind) -> OtlpSignal {
    match kind {
        RequestBodyKind::Logs => OtlpSignal::Logs,
        RequestBodyKind::Metrics => OtlpSignal::Metrics,
        _ => OtlpSignal::Traces,
    }
}

/// Top-level field names that identify a kind.
const FIELDS_BY_KIND: &[(&str, RequestBodyKind)] = &[
    ("resourceSpans", RequestBodyKind::Traces),
    ("resource_spans", RequestBodyKind::Traces),
    ("resourceLogs", RequestBodyKind::Logs),
    ("resource_logs", RequestBodyKind::Logs),
    ("resourceMetrics", RequestBodyKind::Metrics),
    ("resource_metrics", RequestBodyKind::Metrics),
    ("batch", RequestBodyKind::Langfuse),
];

fn json_kind(body: &[u8]) -> anyhow::Result<RequestBodyKind> {
    if let Ok(whole) = serde_json::from_slice::<Value>(body) {
        let object = whole.as_object().ok_or_else(|| anyhow!("unknown format (a JSON array): {UNKNOWN_FORMAT_HINT}"))?;
        if let Some((_, kind)) = FIELDS_BY_KIND.iter().find(|(name, _)| object.contains_key(*name)) {
            return Ok(*kind);
        }
        let is_event =
            ["exception", "contexts", "spans", "transaction", "platform", "message"].iter().any(|name| object.contains_key(*name));
        // The header of an envelope without items.
        let is_header = || ["sent_at", "dsn", "sdk", "trace"].iter().any(|name| object.contains_key(*name));
        return match is_event {
            true => Ok(RequestBodyKind::SentryStore),
            false if is_header() => Ok(RequestBodyKind::Sentry),
            false => Err(anyhow!("unknown format (a JSON object without a known field): {UNKNOWN_FORMAT_HINT}")),
        };
    }
    match SentryEnvelope::parse(body) {
        Ok(_) => Ok(RequestBodyKind::Sentry),
        // Malformed JSON that the decoders repair.
        Err(error) => {
            let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
            let marked = FIELDS_BY_KIND.iter().find(|(name, _)| text.contains(&format!("\"{name}\"")));
            marked
                .map(|(_, kind)| *kind)
                .ok_or_else(|| anyhow!("unknown format (neither a JSON object nor a Sentry envelope, {error}): {UNKNOWN_FORMAT_HINT}"))
        }
    }
}

/// The three OTLP messages have the same outer structure. Decoding their parts shows which of the three messages a body is.
fn binary_kind(body: &[u8]) -> anyhow::Result<RequestBodyKind> {
    let context = DecodeContext {
        received_us: i64::MAX / 2,
        retention_us: None,
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    };
    let decode = |signal| otlp::decode(body.to_vec().into(), signal, OtlpEncoding::Binary, &context);
    let broken = |decoded: &otlp::DecodedOtlpRequest| {
        decoded.outcomes.iter().any(|outcome| outcome.reason == OutcomeReason::InvalidProtobuf.as_str())
    };
    let traces = decode(OtlpSignal::Traces)
        .map_err(|error| anyhow!("unknown format (neither JSON nor protobuf, {error}): {UNKNOWN_FORMAT_HINT}"))?;
    if !traces.spans.is_empty() {
        return Ok(RequestBodyKind::Traces);
    }
    let parts: u64 = traces.outcomes.iter().map(|outcome| outcome.quantity).sum();
    if parts == 0 {
        bail!("unknown format (a protobuf message without spans, log records or metrics): {UNKNOWN_FORMAT_HINT}");
    }
    let logs = decode(OtlpSignal::Logs).ok().filter(|logs| !broken(logs));
    if logs.is_some() {
        return Ok(RequestBodyKind::Logs);
    }
    Ok(if broken(&traces) || traces.outcomes.iter().any(|outcome| outcome.reason == OutcomeReason::InvalidTraceId.as_str()) {
        RequestBodyKind::Metrics
    } else {
        RequestBodyKind::Traces
    })
}
