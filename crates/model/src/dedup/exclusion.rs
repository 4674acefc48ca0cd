//! Why a span is excluded from totals.

use serde::{Deserialize, Serialize};

use crate::id::{SpanId, TraceId};
use crate::span::names;

names!(
    /// Kind of a reason why a span is excluded from totals.
    ExclusionKind {
        /// The span is a wrapper around a call that a span below it reports.
        WrapsCall = "wraps_call",
        /// Another span of the trace reports the same response.
        SameResponse = "same_response",
        /// The span is another report of a call of its trace.
        DuplicateReport = "duplicate_report",
        /// A span of another trace reports the same call.
        ReportedElsewhere = "reported_elsewhere",
        /// The span is not a call, and its usage is the sum of the calls below it.
        SumOfCalls = "sum_of_calls",
        /// The span only fetched the response of a call that was made before.
        FetchedResponse = "fetched_response",
    }
);

/// Reason why a span is excluded from totals and, if known, the span that is included instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Exclusion {
    /// The span is a wrapper around a call that a span below it reports.
    WrapsCall {
        /// ID of the call's span, in the same trace.
        span_id: SpanId,
    },
    /// Another span of the trace reports the same response.
    SameResponse {
        /// ID of that span.
        span_id: SpanId,
    },
    /// The span is another report of a call of its trace: from a second instrumentation, or in addition to a log record of the call.
    DuplicateReport {
        /// ID of the span with the other report, in the same trace, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        span_id: Option<SpanId>,
    },
    /// A span of another trace reports the same call.
    ReportedElsewhere {
        /// ID of the other trace.
        trace_id: TraceId,
        /// ID of the span in that trace.
        span_id: SpanId,
    },
    /// The span is not a call, and its usage is the sum of the calls below it.
    SumOfCalls,
    /// The span only fetched the response of a call that was made before.
    FetchedResponse {
        /// ID of the call that got its usage from this span, in the same trace, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        span_id: Option<SpanId>,
    },
}

impl Exclusion {
    /// Returns the name of the reason in storage and API.
    pub const fn kind(&self) -> &'static str {
        let kind = match self {
            Exclusion::WrapsCall { .. } => ExclusionKind::WrapsCall,
            Exclusion::SameResponse { .. } => ExclusionKind::SameResponse,
            Exclusion::DuplicateReport { .. } => ExclusionKind::DuplicateReport,
            Exclusion::ReportedElsewhere { .. } => ExclusionKind::ReportedElsewhere,
            Exclusion::SumOfCalls => ExclusionKind::SumOfCalls,
            Exclusion::FetchedResponse { .. } => ExclusionKind::FetchedResponse,
        };
        kind.as_str()
    }

    /// Returns the ID of the span that is included instead, if it is known.
    pub const fn span_id(&self) -> Option<SpanId> {
        match self {
            Exclusion::WrapsCall { span_id } | Exclusion::SameResponse { span_id } | Exclusion::ReportedElsewhere { span_id, .. } => {
                Some(*span_id)
            }
            Exclusion::DuplicateReport { span_id } | Exclusion::FetchedResponse { span_id } => *span_id,
            Exclusion::SumOfCalls => None,
        }
    }

    /// Returns the trace of that span; `None` if it is the trace of the excluded span.
    pub const fn trace_id(&self) -> Option<TraceId> {
        match self {
            Exclusion::ReportedElsewhere { trace_id, .. } => Some(*trace_id),
            _ => None,
        }
    }

    /// Returns the ID of the span that is included instead, if the span is in the same trace.
    pub fn counted_in_trace(&self) -> Option<SpanId> {
        self.span_id().filter(|_| self.trace_id().is_none())
    }

    /// Builds an exclusion from its columns; `None` for an unknown kind, or if a required ID is missing.
    pub fn from_columns(kind: &str, span_id: Option<SpanId>, trace_id: Option<TraceId>) -> Option<Exclusion> {
        match ExclusionKind::from_name(kind)? {
            ExclusionKind::WrapsCall => Some(Exclusion::WrapsCall { span_id: span_id? }),
            ExclusionKind::SameResponse => Some(Exclusion::SameResponse { span_id: span_id? }),
            ExclusionKind::DuplicateReport => Some(Exclusion::DuplicateReport { span_id }),
            ExclusionKind::ReportedElsewhere => Some(Exclusion::ReportedElsewhere { trace_id: trace_id?, span_id: span_id? }),
            ExclusionKind::SumOfCalls => Some(Exclusion::SumOfCalls),
            ExclusionKind::FetchedResponse => Some(Exclusion::FetchedResponse { span_id }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclusion_comes_back_from_its_columns_and_from_json() {
        let (span_id, trace_id) = (SpanId(1), TraceId(2));
        let all = [
            Exclusion::WrapsCall { span_id },
            Exclusion::SameResponse { span_id },
            Exclusion::DuplicateReport { span_id: Some(span_id) },
            Exclusion::DuplicateReport { span_id: None },
            Exclusion::ReportedElsewhere { trace_id, span_id },
            Exclusion::SumOfCalls,
            Exclusion::FetchedResponse { span_id: Some(span_id) },
            Exclusion::FetchedResponse { span_id: None },
        ];
        for exclusion in all {
            assert_eq!(Exclusion::from_columns(exclusion.kind(), exclusion.span_id(), exclusion.trace_id()), Some(exclusion));
            let json = serde_json::to_value(exclusion).unwrap();
            assert_eq!(json["kind"], exclusion.kind());
            assert_eq!(serde_json::from_value::<Exclusion>(json).unwrap(), exclusion);
        }
        assert_eq!(Exclusion::from_columns("wraps_call", None, None), None);
        assert_eq!(Exclusion::from_columns("unknown", Some(span_id), None), None);
        assert_eq!(Exclusion::ReportedElsewhere { trace_id, span_id }.counted_in_trace(), None);
    }
}
