//! Responses of the API.

use std::collections::BTreeMap;

use hinomi_model::api_time::rfc3339;
use hinomi_model::sentry::{Breadcrumb, ErrorEvent, Exception, StackFrame};
use serde::Serialize;
use utoipa::ToSchema;

/// An error event without its stack trace.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ErrorEvent)]
pub struct ErrorEventSummary {
    /// ID of the event: 32 hexadecimal digits.
    pub event_id: String,
    /// ID of the issue that the event belongs to.
    pub issue_id: i64,
    /// ID of the trace in which the error happened; null if unknown.
    #[schema(required)]
    pub trace_id: Option<String>,
    /// ID of the span in which the error happened; null if unknown.
    #[schema(required)]
    pub span_id: Option<String>,
    /// Type of the exception raised last.
    #[serde(rename = "type")]
    pub kind: String,
    /// Message of the exception raised last; empty if there is none.
    pub value: String,
    /// `fatal`, `error`, `warning`, `info` or `debug`.
    pub level: String,
    /// False if nothing caught the exception; null if the client does not report it.
    #[schema(required)]
    pub handled: Option<bool>,
    /// Time of the error (RFC 3339).
    pub time: String,
    /// Place of the error in the form `function in file`; null if unknown.
    #[schema(required)]
    pub culprit: Option<String>,
}

/// An error event with its stack trace.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IssueEvent {
    /// The event without its stack trace.
    #[serde(flatten)]
    pub summary: ErrorEventSummary,
    /// Stack frames of the exception raised last, the innermost frame last.
    pub frames: Vec<StackFrameResponse>,
    /// Chain of exceptions, the oldest cause first.
    pub exceptions: Vec<ExceptionResponse>,
    /// Tags that the program set.
    pub tags: BTreeMap<String, String>,
    /// ID of the end user; null if unknown.
    #[schema(required)]
    pub user_id: Option<String>,
    /// Environment of the program, such as `production`; null if unknown.
    #[schema(required)]
    pub environment: Option<String>,
    /// Version of the program; null if unknown.
    #[schema(required)]
    pub release: Option<String>,
    /// Events before the error, as the SDK recorded them.
    pub breadcrumbs: Vec<BreadcrumbResponse>,
}

/// A frame of a stack trace. Null means that the client did not report the value.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = StackFrame)]
pub struct StackFrameResponse {
    /// Name of the function.
    #[schema(required)]
    function: Option<String>,
    /// Name of the module.
    #[schema(required)]
    module: Option<String>,
    /// Name of the source file.
    #[schema(required)]
    filename: Option<String>,
    /// Line number in the source file.
    #[schema(required)]
    lineno: Option<u64>,
    /// True if the frame is part of the program and not of a library.
    in_app: bool,
    /// Source line of the frame.
    #[schema(required)]
    context_line: Option<String>,
    /// Source lines before the frame's line.
    pre_context: Vec<String>,
    /// Source lines after the frame's line.
    post_context: Vec<String>,
}

/// An exception in a chain.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Exception)]
pub struct ExceptionResponse {
    /// Type of the exception.
    #[serde(rename = "type")]
    kind: String,
    /// Message of the exception.
    value: String,
    /// Module of the exception type; null if unknown.
    #[schema(required)]
    module: Option<String>,
}

/// A breadcrumb: an event before an error. Null means that the client did not report the value.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Breadcrumb)]
pub struct BreadcrumbResponse {
    /// Time of the breadcrumb (RFC 3339).
    #[schema(required)]
    timestamp: Option<String>,
    /// Category, such as `http`.
    #[schema(required)]
    category: Option<String>,
    /// Severity, such as `info`.
    #[schema(required)]
    level: Option<String>,
    /// Text of the breadcrumb.
    #[schema(required)]
    message: Option<String>,
    /// Further data as JSON text.
    #[schema(required)]
    data: Option<String>,
}

/// An issue: a group of similar error events.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Issue {
    /// ID of the issue.
    pub issue_id: i64,
    /// Exception type of the newest event.
    #[serde(rename = "type")]
    pub kind: String,
    /// Message of the newest event; empty if there is none.
    pub value: String,
    /// Place of the newest event in the form `function in file`; null if unknown.
    #[schema(required)]
    pub culprit: Option<String>,
    /// Level of the newest event: `fatal`, `error`, `warning`, `info` or `debug`.
    pub level: String,
    /// False if nothing caught the exception of the newest event; null if the client does not report it.
    #[schema(required)]
    pub handled: Option<bool>,
    /// Number of events in the time range.
    pub count: u64,
    /// Number of traces with events in the time range.
    pub traces: u64,
    /// Number of users with events in the time range.
    pub users: u64,
    /// Cost of the traces with events in the time range, in US dollars; null if it is unknown.
    #[schema(required)]
    pub cost: Option<f64>,
    /// Time of the oldest stored event (RFC 3339), regardless of the time range.
    pub first_seen: String,
    /// Time of the newest stored event (RFC 3339), regardless of the time range.
    pub last_seen: String,
    /// ID of the trace of the newest event; null if unknown.
    #[schema(required)]
    pub last_trace_id: Option<String>,
    /// ID of the span of the newest event; null if unknown.
    #[schema(required)]
    pub last_span_id: Option<String>,
    /// Start (RFC 3339) and number of events of each of 24 equal parts of the time range.
    pub points: Vec<(String, u64)>,
}

/// One page of a list of issues.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IssuePage {
    /// Issues in the requested order.
    pub issues: Vec<Issue>,
    /// Cursor of the next page; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// An issue with its newest events.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IssueDetail {
    /// The issue.
    pub issue: Issue,
    /// Newest events in the time range, the newest first, at most 50.
    pub events: Vec<IssueEvent>,
}

impl IssueEvent {
    /// Combines the summary with the rest of the stored event.
    pub(super) fn from_parts(summary: ErrorEventSummary, event: ErrorEvent) -> IssueEvent {
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
