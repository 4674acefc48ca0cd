//! What the API says of how a span was read, whether it counts, and which others it names: facts with their kinds and ids, never sentences.

use std::borrow::Cow;

use hinomi_model::dedup::exclusion::Exclusion;
use hinomi_model::provenance::{FieldProvenance, FieldSource};
use hinomi_model::span::Attributes;
use hinomi_model::span_links::SpanLink;
use serde::Serialize;
use utoipa::ToSchema;

/// Why a span is excluded from totals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SpanExclusion {
    /// `wraps_call`: it is a wrapper around the same call. `same_response`: another span reports the same response. `duplicate_report`: another
    /// report of a call of this trace. `reported_elsewhere`: a span of another trace reports the same call. `sum_of_calls`: it repeats the
    /// usage of the calls below it.
    pub kind: &'static str,
    /// The span that is in totals instead; null where it is not known, and for `sum_of_calls`.
    pub span_id: Option<String>,
    /// The trace of that span; null where it is the trace of this one.
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

/// What a field was read from, as noted when the span was read.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldReading {
    /// The canonical field, such as `usage.input_tokens`.
    pub field: Cow<'static, str>,
    /// `{"kind":"attribute","attribute":"gen_ai.usage.input_tokens"}`, or what the field was concluded from: `instrumentation`,
    /// `model_vendor`, `rest_of_total`, `gateway_report` and `other_report` with `trace_id` and `span_id`; for a time that was
    /// impossible as sent, `start_time`, `end_time`, `event_time` or `received_at`.
    #[schema(value_type = Object)]
    pub source: FieldSource,
}

impl FieldReading {
    pub(crate) fn of(provenance: FieldProvenance) -> FieldReading {
        FieldReading { field: provenance.field, source: provenance.source }
    }
}

/// A span that another one names.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LinkedSpan {
    /// Its trace.
    pub trace_id: String,
    /// Its id.
    pub span_id: String,
    /// What the client says of the link.
    #[schema(value_type = Object)]
    pub attributes: Attributes,
}

impl LinkedSpan {
    pub(crate) fn of(link: SpanLink) -> LinkedSpan {
        LinkedSpan { trace_id: link.trace_id.to_string(), span_id: link.span_id.to_string(), attributes: link.attributes }
    }
}
