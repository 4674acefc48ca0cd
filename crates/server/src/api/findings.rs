//! Findings: faults of a run that its spans show.

use std::sync::Arc;

use hinomi_evaluation::signals::wasted_cost::wasted_cost;
use hinomi_evaluation::signals::{self, FindingDetector, FindingKind, FindingSeverity, SignalFinding};
use hinomi_model::id::TraceId;
use hinomi_model::money::Usd;
use hinomi_model::span::Span;
use serde::Serialize;
use utoipa::ToSchema;

use super::visibility::MessageVisibility;
use super::{ApiError, ApiState};

/// Maximum number of spans of a trace that is searched for faults. Their messages are read for this.
const MAX_SEARCHED_SPANS: usize = 500;

/// What a detector or signal found.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Finding)]
pub(super) struct FindingView {
    /// Detector that made the finding.
    detector: FindingDetector,
    /// Kind of the finding.
    kind: FindingKind,
    /// Severity of the finding.
    severity: FindingSeverity,
    /// Confidence from 0 to 1. It orders findings and is not a calibrated probability.
    confidence: f64,
    /// IDs of the spans that show the fault, in order of time: at most 100, the first and the last ones.
    span_ids: Vec<String>,
    /// Short excerpt of the text that shows the fault; null if there is none or messages are hidden.
    #[schema(required)]
    evidence: Option<String>,
    /// Reason of the finding: one sentence.
    explanation: String,
}

/// Findings of a trace, and the cost that it wasted.
#[derive(Debug, Default)]
pub(super) struct TraceFindings {
    /// Findings, the most severe first; `None` if the trace has too many spans.
    pub(super) findings: Option<Vec<FindingView>>,
    /// Cost of failed calls, of calls that a loop repeated, and of runs without an answer; `None` if the trace has too many spans.
    pub(super) wasted_cost: Option<Usd>,
}

/// Searches a trace for faults.
pub(super) async fn of_trace(
    api: &Arc<ApiState>,
    project: u64,
    messages: MessageVisibility,
    trace: TraceId,
    span_count: usize,
) -> Result<TraceFindings, ApiError> {
    if span_count > MAX_SEARCHED_SPANS {
        return Ok(TraceFindings::default());
    }
    let rows = api.snapshot(project).full_rows_of_trace(trace).await?;
    let search = move || {
        let spans: Vec<&Span> = rows.iter().map(|row| &row.span).collect();
        let found = signals::of_trace(&spans);
        let wasted = wasted_cost(&spans, &found).total;
        (found, wasted)
    };
    let (found, wasted) = tokio::task::spawn_blocking(search).await?;
    let findings = found.into_iter().map(|finding| view(finding, messages)).collect();
    Ok(TraceFindings { findings: Some(findings), wasted_cost: Some(wasted) })
}

fn view(finding: SignalFinding, messages: MessageVisibility) -> FindingView {
    FindingView {
        detector: finding.detector,
        kind: finding.kind,
        severity: finding.severity,
        confidence: finding.confidence,
        span_ids: finding.span_ids.iter().map(ToString::to_string).collect(),
        evidence: finding.evidence.filter(|_| !messages.is_hidden()),
        explanation: finding.explanation.to_string(),
    }
}
