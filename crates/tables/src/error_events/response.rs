//! Answers as the API shows them.

use std::collections::BTreeMap;

use hinomi_model::api_time::rfc3339;
use hinomi_model::sentry::{Breadcrumb, ErrorEvent, Exception, StackFrame};
use serde::Serialize;
use utoipa::ToSchema;

/// An error event as it stands beside spans.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ErrorEvent)]
pub struct ErrorEventSummary {
    /// 32 hex digits.
    pub event_id: String,
    /// The issue that it belongs to.
    pub issue_id: i64,
    /// The trace in which it happened.
    pub trace_id: Option<String>,
    /// The span in which it happened.
    pub span_id: Option<String>,
    /// Type of the exception raised last.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its message.
    pub value: String,
    /// `fatal`, `error`, `warning`, `info`, `debug`.
    pub level: String,
    /// False when nothing caught it; null where the client does not say.
    pub handled: Option<bool>,
    /// When it happened.
    pub time: String,
    /// `function in file`.
    pub culprit: Option<String>,
}

/// An error event in full.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IssueEvent {
    /// As beside spans.
    #[serde(flatten)]
    pub summary: ErrorEventSummary,
    /// The stack of the exception raised last, the innermost frame last.
    pub frames: Vec<StackFrameResponse>,
    /// The chain of exceptions, the oldest cause first.
    pub exceptions: Vec<ExceptionResponse>,
    /// Tags that the program set.
    pub tags: BTreeMap<String, String>,
    /// The end user.
    pub user_id: Option<String>,
    /// Such as `production`.
    pub environment: Option<String>,
    /// Version of the program.
    pub release: Option<String>,
    /// What happened before.
    pub breadcrumbs: Vec<BreadcrumbResponse>,
}

/// A frame of a stack.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = StackFrame)]
pub struct StackFrameResponse {
    function: Option<String>,
    module: Option<String>,
    filename: Option<String>,
    lineno: Option<u64>,
    in_app: bool,
    context_line: Option<String>,
    pre_context: Vec<String>,
    post_context: Vec<String>,
}

/// An exception of a chain.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Exception)]
pub struct ExceptionResponse {
    #[serde(rename = "type")]
    kind: String,
    value: String,
    module: Option<String>,
}

/// A step before an error.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Breadcrumb)]
pub struct BreadcrumbResponse {
    timestamp: Option<String>,
    category: Option<String>,
    level: Option<String>,
    message: Option<String>,
    /// JSON text.
    data: Option<String>,
}

/// Errors that are the same.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Issue {
    /// Its number.
    pub issue_id: i64,
    /// Of its newest event, as the next four.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its message; empty when there is none.
    pub value: String,
    /// `function in file`.
    pub culprit: Option<String>,
    /// `error` and the like.
    pub level: String,
    /// False when nothing caught it.
    pub handled: Option<bool>,
    /// Events in the range.
    pub count: u64,
    /// Traces in the range in which it happened.
    pub traces: u64,
    /// Users in the range to whom it happened.
    pub users: u64,
    /// What the traces cost in which it happened, in US dollars; null when unknown. This store leaves it null: it knows no costs.
    pub cost: Option<f64>,
    /// Of all that is kept.
    pub first_seen: String,
    /// Of all that is kept.
    pub last_seen: String,
    /// The newest event's trace.
    pub last_trace_id: Option<String>,
    /// The newest event's span.
    pub last_span_id: Option<String>,
    /// Events in each of 24 equal parts of the range, with the start of each.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub points: Vec<(String, u64)>,
}

/// Issues of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IssuePage {
    /// In the order asked for.
    pub issues: Vec<Issue>,
    /// Where the list goes on; null at its end.
    pub next_cursor: Option<String>,
}

/// An issue with its newest events.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IssueDetail {
    /// The issue.
    pub issue: Issue,
    /// Its newest events in the range, the newest first, up to 50.
    pub events: Vec<IssueEvent>,
}

impl IssueEvent {
    /// Joins what stands in lists with the rest of the stored event.
    pub(super) fn of(summary: ErrorEventSummary, event: ErrorEvent) -> IssueEvent {
        let deciding = event.exceptions.iter().rfind(|exception| !exception.frames.is_empty());
        let frames = deciding.map(|exception| exception.frames.iter().cloned().map(StackFrameResponse::from).collect());
        IssueEvent {
            summary,
            frames: frames.unwrap_or_default(),
            exceptions: event.exceptions.into_iter().map(ExceptionResponse::from).collect(),
            tags: event.tags,
            user_id: event.user_id,
            environment: event.environment,
            release: event.release,
            breadcrumbs: event.breadcrumbs.into_iter().map(BreadcrumbResponse::from).collect(),
        }
    }
}

impl From<StackFrame> for StackFrameResponse {
    fn from(frame: StackFrame) -> StackFrameResponse {
        let StackFrame { function, module, filename, line, in_app, before, source, after } = frame;
        StackFrameResponse {
            function,
            module,
            filename,
            lineno: line,
            in_app,
            context_line: source,
            pre_context: before,
            post_context: after,
        }
    }
}

impl From<Exception> for ExceptionResponse {
    fn from(exception: Exception) -> ExceptionResponse {
        ExceptionResponse { kind: exception.kind, value: exception.value, module: exception.module }
    }
}

impl From<Breadcrumb> for BreadcrumbResponse {
    fn from(step: Breadcrumb) -> BreadcrumbResponse {
        let Breadcrumb { time_us, category, level, message, data } = step;
        BreadcrumbResponse { timestamp: time_us.map(rfc3339), category, level, message, data }
    }
}
