//! Responses of the API about issues and their events.

use serde::Serialize;
use utoipa::ToSchema;

use super::event_response::IssueEvent;

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
    /// Type of the exception that was raised last.
    #[serde(rename = "type")]
    pub kind: String,
    /// Message of the exception that was raised last; empty if there is none.
    pub value: String,
    /// Function that crashed, if type and message are the same for many errors, for example for signals; null for all other errors.
    #[schema(required)]
    pub title: Option<String>,
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
    /// Function that crashed, if type and message of the newest event are the same for many errors; null for all other issues.
    #[schema(required)]
    pub title: Option<String>,
    /// Place of the newest event in the form `function in file`; null if unknown.
    #[schema(required)]
    pub culprit: Option<String>,
    /// Level of the newest event: `fatal`, `error`, `warning`, `info` or `debug`.
    pub level: String,
    /// False if nothing caught the exception of the newest event; null if the client does not report it.
    #[schema(required)]
    pub handled: Option<bool>,
    /// Version of the grouping algorithm that created the issue.
    pub grouping_version: u32,
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
    /// Newest events in the time range, the newest first, at most 50 and at most 8 MiB of JSON.
    pub events: Vec<IssueEvent>,
}
