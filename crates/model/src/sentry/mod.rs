//! Sentry's protocol: envelopes with transactions, containers of spans and logs, error events and client reports.
//!
//! Invalid framing rejects the request as a whole. Any other invalid part is dropped without affecting other parts, and adds an
//! [`Outcome`], so that nothing is lost without being counted.

mod client_report;
mod envelope;
mod error_event;
mod event;
mod event_parts;
mod feedback;
mod fingerprint;
mod frame_names;
mod grouping;
mod grouping_v1;
mod lenient;
mod logs;
mod message_format;
mod message_shape;
mod metrics;
mod scrub;
mod shared;
mod span_v1;
mod span_v2;
mod status;
mod transaction;
mod user_agent;

use crate::clock::{ClockDriftCorrector, DecodeContext};
use crate::log_line::{LogLine, OccurrenceKeyGenerator};
use crate::messages::{TextLimit, trim_text};
use crate::normalize::attribute_names::AttributeDialect;
use crate::normalize::{RawSpan, span_kind};
use crate::otel_metric::MetricPoint;
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;
use crate::score::Score;
use crate::span::{Span, SpanType};
use crate::{decode_budget, normalize};
pub use envelope::{EnvelopeError, EnvelopeHeader, EnvelopeItem, EnvelopeItemHeader, SentryEnvelope};
pub use error_event::{
    ErrorAttachment, ErrorBreadcrumb, ErrorDetails, ErrorEvent, ErrorException, ErrorReporter, EventStack, ExceptionMechanism,
    ProgramThread, StackFrame,
};
pub use feedback::ASSOCIATED_EVENT;
pub(crate) use frame_names::{LIBRARY_MODULES, LIBRARY_PLACES};
pub use grouping::GROUPING_VERSION;
pub(crate) use grouping::{deciding_frame, set_default_group};
pub(crate) use scrub::{scrub_attribute, scrub_error, scrub_text};
use shared::SharedEventContext;

/// Contents of an envelope.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DecodedEnvelope {
    /// Header of the envelope.
    pub header: EnvelopeHeader,
    /// Canonical spans, priced, before deduplication.
    pub spans: Vec<Span>,
    /// Error events.
    pub errors: Vec<ErrorEvent>,
    /// Log lines.
    pub lines: Vec<LogLine>,
    /// Metric points.
    pub points: Vec<MetricPoint>,
    /// Feedback of end users.
    pub scores: Vec<Score>,
    /// Outcomes of dropped items, and of items that the client reports as not sent.
    pub outcomes: Vec<Outcome>,
    /// ID for the response: the ID in the header, otherwise the ID of the event. `None` if there is neither.
    pub event_id: Option<String>,
    /// Active integrations of the SDK, if a transaction names them.
    pub integrations: Vec<String>,
    /// True if the envelope contains a client report. Such envelopes must not be rate-limited.
    pub has_client_report: bool,
}

/// Decodes an envelope. An error means that the framing is invalid and nothing is stored.
pub fn decode(body: &[u8], context: &DecodeContext) -> Result<DecodedEnvelope, EnvelopeError> {
    let envelope = SentryEnvelope::parse(body)?;
    if envelope.items.iter().any(|item| item.header.kind == "integration") {
        return Err(EnvelopeError::ForbiddenItem("integration"));
    }
    let mut reader = EnvelopeReader::new(envelope.header, context);
    reader.crash_report = envelope.items.iter().find_map(|item| crash_report(item.header.attachment_type.as_deref()?));
    for item in envelope.items.iter().take_while(|_| !decode_budget::is_exceeded()) {
        read_item(item, &mut reader);
    }
    Ok(reader.finish(context))
}

/// Decodes the body of the older `/store/` endpoint: one event or transaction as JSON.
pub fn decode_store_event(body: &[u8], context: &DecodeContext) -> Result<DecodedEnvelope, EnvelopeError> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(EnvelopeError::Empty);
    }
    if !text.starts_with('{') {
        return Err(EnvelopeError::Event("expected a JSON object".into()));
    }
    #[derive(serde::Deserialize)]
    struct EventTypeProbe<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: lenient::LenientText<'a>,
    }
    let is_transaction = |text: &str| serde_json::from_str(text).map(|sort: EventTypeProbe| sort.kind.as_str() == Some("transaction"));
    let is_transaction = crate::lenient_json::parse_mended(text.as_bytes(), is_transaction);
    let is_transaction =
        is_transaction.map_err(|error| EnvelopeError::Event(format!("not JSON (line {}, column {})", error.line(), error.column())))?;
    let mut reader = EnvelopeReader::new(EnvelopeHeader::default(), context);
    if is_transaction {
        transaction::read(text.as_bytes(), &mut reader);
    } else {
        event::read(text.as_bytes(), &mut reader);
    }
    Ok(reader.finish(context))
}

/// Item types that are accepted but not stored, by design.
const UNSTORED_ITEM_TYPES: &[(&str, OutcomeCategory)] = &[
    ("session", OutcomeCategory::Session),
    ("sessions", OutcomeCategory::Session),
    ("metric_buckets", OutcomeCategory::Other),
    ("metric_meta", OutcomeCategory::Other),
    ("statsd", OutcomeCategory::Other),
    ("profile", OutcomeCategory::Profile),
    ("profile_chunk", OutcomeCategory::Profile),
    ("profile_chunk_ui", OutcomeCategory::Profile),
    ("replay_event", OutcomeCategory::Replay),
    ("replay_recording", OutcomeCategory::Replay),
    ("replay_video", OutcomeCategory::Replay),
    ("check_in", OutcomeCategory::CheckIn),
    ("security", OutcomeCategory::SecurityReport),
    ("raw_security", OutcomeCategory::SecurityReport),
    ("nel", OutcomeCategory::SecurityReport),
    ("form_data", OutcomeCategory::Attachment),
    ("unreal_report", OutcomeCategory::Attachment),
    ("attachment", OutcomeCategory::Attachment),
];

/// Types of attachments that describe a crash of the program, with the type of error that they stand for.
const CRASH_REPORTS: &[(&str, &str)] = &[("event.minidump", "Minidump"), ("event.applecrashreport", "AppleCrashReport")];

fn crash_report(attachment_type: &str) -> Option<&'static str> {
    CRASH_REPORTS.iter().find(|(kind, _)| *kind == attachment_type).map(|(_, error)| *error)
}

/// Maximum number of attachments that are listed with an error event.
const MAX_ATTACHMENTS: usize = 100;
/// Maximum bytes of a name or type of an attachment.
const MAX_ATTACHMENT_NAME: TextLimit = TextLimit::NAME_LIMIT;

fn read_item(item: &EnvelopeItem, reader: &mut EnvelopeReader) {
    match &*item.header.kind {
        "transaction" => transaction::read(item.payload, reader),
        "event" | "error" => event::read(item.payload, reader),
        // Only containers have a count, even if their content type was lost on the way.
        "span" if item.header.item_count.is_some() || item.header.content_type.as_deref().is_some_and(is_container) => {
            span_v2::read(item, reader);
        }
        "span" => transaction::read_standalone(item.payload, reader),
        "client_report" => {
            reader.has_client_report = true;
            client_report::read(item.payload, reader);
        }
        "log" => logs::read(item, reader),
        // Only Sentry's own servers send this type; SDKs send logs as above.
        "otel_log" => reader.drop_container(OutcomeCategory::Log, OutcomeReason::NotSupported, item),
        "trace_metric" => metrics::read(item, reader),
        "feedback" => feedback::read_feedback(item.payload, reader),
        "user_report" => feedback::read_user_report(item.payload, reader),
        kind => match UNSTORED_ITEM_TYPES.iter().find(|(known, _)| *known == kind) {
            Some((kind, category)) => {
                if *category == OutcomeCategory::Attachment {
                    reader.note_attachment(item);
                }
                reader.outcomes.push(Outcome::dropped(*category, OutcomeReason::NotKept, (*kind).to_owned()));
            }
            // An unknown type may be any text.
            None => {
                let detail = client_report::snake_case(kind);
                reader.outcomes.push(Outcome::dropped(OutcomeCategory::Other, OutcomeReason::UnknownItem, detail));
            }
        },
    }
}

fn is_container(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(span_v2::CONTAINER_CONTENT_TYPE))
}

/// Collects the contents of the items of an envelope.
struct EnvelopeReader {
    header: EnvelopeHeader,
    clock: ClockDriftCorrector,
    received_us: i64,
    earlier_grouping: bool,
    event_id: Option<String>,
    raws: Vec<RawSpan>,
    shared: Vec<SharedEventContext>,
    errors: Vec<ErrorEvent>,
    attachments: Vec<ErrorAttachment>,
    /// Type of error of the crash report that the envelope contains.
    crash_report: Option<&'static str>,
    lines: Vec<LogLine>,
    points: Vec<MetricPoint>,
    scores: Vec<Score>,
    keys: OccurrenceKeyGenerator,
    outcomes: Vec<Outcome>,
    has_client_report: bool,
}

impl EnvelopeReader {
    fn new(header: EnvelopeHeader, context: &DecodeContext) -> EnvelopeReader {
        EnvelopeReader {
            clock: ClockDriftCorrector::new(context, header.sent_at_us),
            received_us: context.received_us,
            earlier_grouping: context.earlier_grouping,
            event_id: header.event_id.clone(),
            header,
            raws: Vec::new(),
            shared: Vec::new(),
            errors: Vec::new(),
            attachments: Vec::new(),
            crash_report: None,
            lines: Vec::new(),
            points: Vec::new(),
            scores: Vec::new(),
            keys: OccurrenceKeyGenerator::default(),
            outcomes: Vec::new(),
            has_client_report: false,
        }
    }

    fn add(&mut self, raw: RawSpan) {
        self.raws.push(raw);
    }

    /// Remembers name and size of an attachment for the error event of the envelope.
    fn note_attachment(&mut self, item: &EnvelopeItem) {
        if self.attachments.len() >= MAX_ATTACHMENTS || !decode_budget::charge(decode_budget::OBJECT_BYTES) {
            return;
        }
        let text = |text: Option<&str>| {
            text.map(|text| {
                let mut text = text.to_owned();
                trim_text(&mut text, MAX_ATTACHMENT_NAME);
                text
            })
        };
        self.attachments.push(ErrorAttachment {
            name: text(item.header.filename.as_deref()),
            content_type: text(item.header.content_type.as_deref()),
            kind: text(item.header.attachment_type.as_deref()).or_else(|| Some(item.header.kind.to_string())),
            bytes: item.payload.len() as u64,
        });
    }

    fn drop_container(&mut self, category: OutcomeCategory, reason: OutcomeReason, item: &EnvelopeItem) {
        let quantity = item.header.item_count.unwrap_or(1).max(1);
        self.outcomes.push(Outcome { quantity, ..Outcome::dropped(category, reason, None) });
    }

    /// Normalizes the spans after all items were read, since an item may describe spans of an earlier one.
    fn finish(mut self, context: &DecodeContext) -> DecodedEnvelope {
        if let Some(error) = self.errors.first_mut() {
            error.details.attachments = std::mem::take(&mut self.attachments);
        }
        for score in &mut self.scores {
            let event = score.metadata.get(ASSOCIATED_EVENT).and_then(|event| event.as_str());
            if score.target.trace_id.is_none()
                && let Some(event) = event
            {
                let reported = self.errors.iter().find(|error| error.event_id.eq_ignore_ascii_case(event));
                (score.target.trace_id, score.target.span_id) = reported.map_or((None, None), |error| (error.trace_id, error.span_id));
            }
        }
        let of_header = SharedEventContext::of_header(&self.header);
        let raws = if decode_budget::has_room_for_copies() { self.raws } else { Vec::new() };
        let mut spans = Vec::with_capacity(raws.len());
        // A failed charge exceeds the budget: the whole result is discarded then.
        spans.extend(raws.into_iter().map_while(|raw| {
            let mut span = decode_budget::with_refund(|| {
                normalize::mapped_span(raw, &AttributeDialect::GENERAL_DIALECT, context.mapping, context.price)
            });
            // On a request, this attribute names the other side, elsewhere the reporting host.
            let is_request = matches!(span.kind, SpanType::Http | SpanType::Db) || span_kind::of_op(&span.op) == Some(SpanType::Http);
            if span.service.is_none() && !is_request {
                span.service = span.attributes.get("server.address").and_then(|host| host.as_str()).map(str::to_owned);
            }
            let shared = self.shared.iter().find(|shared| shared.trace_id == Some(span.trace_id));
            shared.unwrap_or(&of_header).fill(&mut span);
            decode_budget::charge_span(&span).then_some(span)
        }));
        DecodedEnvelope {
            spans,
            integrations: self
                .shared
                .into_iter()
                .find(|shared| !shared.integrations.is_empty())
                .map(|shared| shared.integrations)
                .unwrap_or_default(),
            header: self.header,
            errors: self.errors,
            lines: self.lines,
            points: self.points,
            scores: self.scores,
            outcomes: self.outcomes,
            event_id: self.event_id,
            has_client_report: self.has_client_report,
        }
    }
}

#[cfg(test)]
mod tests;
