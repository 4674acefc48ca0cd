//! Facts about a span in the API: sources of its fields, why it is excluded, and its links, as kinds and IDs instead of sentences.

use std::borrow::Cow;

use hinomi_model::dedup::exclusion::{Exclusion, ExclusionKind};
use hinomi_model::provenance::{FieldProvenance, FieldSource};
use hinomi_model::span::Attributes;
use hinomi_model::span_links::SpanLink;
use serde::Serialize;
use utoipa::ToSchema;

/// Why a span is excluded from totals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SpanExclusion {
    /// `wraps_call`: the span is a wrapper around the same call. `same_response`: another span reports the same response.
    /// `duplicate_report`: the span is another report of a call of this trace. `reported_elsewhere`: a span of another trace reports the
    /// same call. `sum_of_calls`: the span repeats the usage of the calls below it. `fetched_response`: the span only fetched the response
    /// of an earlier call.
    #[schema(value_type = ExclusionKind)]
    pub kind: &'static str,
    /// ID of the span that is included in totals instead; null if it is unknown, and for `sum_of_calls`.
    #[schema(required)]
    pub span_id: Option<String>,
    /// ID of the trace of that span; null if it is the same trace.
    #[schema(required)]
    pub trace_id: Option<String>,
}

impl SpanExclusion {
    pub(crate) fn of(exclusion: &Exclusion) -> SpanExclusion {
        SpanExclusion {
            kind: exclusion.kind(),
            span_id: exclusion.span_id().map(|id| id.to_string()),
            trace_id: exclusion.trace_id().map(|id| id.to_string()),
        }
    }
}

/// Source of a field of a span, recorded when the span was decoded.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldReading {
    /// Field of the span, such as `usage.input_tokens`.
    pub field: Cow<'static, str>,
    /// `{"kind":"attribute","attribute":"gen_ai.usage.input_tokens"}`, or what the field was inferred from: `instrumentation`,
    /// `model_vendor`, `rest_of_total`, `mapping_rule` with `rule` and `attribute`, and `gateway_report`, `other_report` or
    /// `fetched_response` with `trace_id` and `span_id`; for a time that was invalid
    /// as sent, `start_time`, `end_time`, `event_time` or `received_at`.
    pub source: FieldSource,
}

impl FieldReading {
    pub(crate) fn of(provenance: FieldProvenance) -> FieldReading {
        FieldReading { field: provenance.field, source: provenance.source }
    }
}

/// A span that another span links to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LinkedSpan {
    /// ID of the trace of the linked span.
    pub trace_id: String,
    /// ID of the linked span.
    pub span_id: String,
    /// Attributes of the link, as the client sent them.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub attributes: Attributes,
}

impl LinkedSpan {
    pub(crate) fn of(link: SpanLink) -> LinkedSpan {
        LinkedSpan { trace_id: link.trace_id.to_string(), span_id: link.span_id.to_string(), attributes: link.attributes }
    }
}
