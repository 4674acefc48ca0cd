//! Error events as Hinomi stores them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{SpanId, TraceId};
use crate::span::names;

names!(
    /// Kind of report that an error comes from.
    #[derive(Default)]
    ErrorReporter {
        /// An error event of Sentry's protocol.
        #[default]
        Sentry = "sentry",
        /// An event, or attributes, of an OpenTelemetry span.
        SpanEvent = "span_event",
        /// An OpenTelemetry log record.
        LogRecord = "log_record",
    }
);

/// An error reported by a client.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorEvent {
    /// ID of the event, 32 lower-case hex digits. If the client sent a time but no ID, it is made from the content, so that a repeat has
    /// the same ID.
    pub event_id: String,
    /// ID of the trace in which the error happened.
    pub trace_id: Option<TraceId>,
    /// ID of the span in which the error happened.
    pub span_id: Option<SpanId>,
    /// ID of the parent span of that span, if the report contains it.
    pub parent_span_id: Option<SpanId>,
    /// Kind of the report. Several kinds may report one error.
    pub reporter: ErrorReporter,
    /// Type of the exception that was raised last, such as `RateLimitError`. If there is no exception, `Message`, or the type of the crash
    /// report if the event is a crash report.
    #[serde(rename = "type")]
    pub kind: String,
    /// Message of that exception.
    pub value: String,
    /// Title of an exception whose type and message are the same for many errors: the function that crashed. `None` for all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Message of the event, if it also has an exception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Severity: `fatal`, `error`, `warning`, `info` or `debug`.
    pub level: String,
    /// False if the exception was not caught; `None` if the client does not send it.
    pub handled: Option<bool>,
    /// Time of the error in microseconds since the Unix epoch, after any correction of the client's clock.
    pub time_us: i64,
    /// Correction that was added to the client's time, in microseconds.
    pub clock_shift_us: i64,
    /// Where the error happened: `function in file`.
    pub culprit: Option<String>,
    /// Name of the transaction in which the error happened.
    pub transaction: Option<String>,
    /// The chain of exceptions, the oldest cause first.
    pub exceptions: Vec<ErrorException>,
    /// Stack of an event without an exception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<EventStack>,
    /// Threads of the program at the time of the error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<ProgramThread>,
    /// Tags that the program set.
    pub tags: BTreeMap<String, String>,
    /// End user of the monitored program.
    pub user_id: Option<String>,
    /// Version of the monitored program.
    pub release: Option<String>,
    /// Deployment environment.
    pub environment: Option<String>,
    /// Service or host that reported the error.
    pub service: Option<String>,
    /// SDK that reported the error.
    pub sdk_name: Option<String>,
    /// Version of the SDK.
    pub sdk_version: Option<String>,
    /// Last steps before the error.
    pub breadcrumbs: Vec<ErrorBreadcrumb>,
    /// Other data that the client sent with the error.
    #[serde(skip_serializing_if = "ErrorDetails::is_empty")]
    pub details: ErrorDetails,
    /// Hash of the issue. Errors with the same hash belong to one issue.
    #[serde(with = "hex")]
    pub group: [u8; 32],
    /// Hash of the issue by the previous version of the algorithm, if that version read the same error.
    #[serde(skip)]
    pub earlier_group: Option<[u8; 32]>,
}

/// Further data that a client sends with an error. Sensitive values are replaced, and large values are truncated.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorDetails {
    /// Distribution of the release, such as a build number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dist: Option<String>,
    /// Language or platform of the program, such as `python`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Name of the logger that reported the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logger: Option<String>,
    /// Fingerprint that the program set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fingerprint: Vec<String>,
    /// HTTP request that the program handled.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub request: Map<String, Value>,
    /// All fields of the user.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub user: Map<String, Value>,
    /// Contexts such as `runtime`, `os`, `device` and `trace`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub contexts: Map<String, Value>,
    /// Further data that the program set.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
    /// Installed packages with their versions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub modules: BTreeMap<String, String>,
    /// Names of the active integrations of the SDK.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub integrations: Vec<String>,
    /// Attachments of the envelope. The contents of attachments are not stored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<ErrorAttachment>,
    /// Number of the oldest breadcrumbs that were removed.
    #[serde(skip_serializing_if = "is_zero")]
    pub breadcrumbs_cut: u64,
    /// Number of the oldest causes that were removed.
    #[serde(skip_serializing_if = "is_zero")]
    pub exceptions_cut: u64,
    /// Number of threads that were removed.
    #[serde(skip_serializing_if = "is_zero")]
    pub threads_cut: u64,
}

/// An attachment of an error event, without its contents.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorAttachment {
    /// File name.
    pub name: Option<String>,
    /// MIME type.
    pub content_type: Option<String>,
    /// Type of the attachment, such as `event.minidump`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Size in bytes.
    pub bytes: u64,
}

/// Frames of a stack.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EventStack {
    /// Frames, the innermost last.
    pub frames: Vec<StackFrame>,
    /// Number of the outermost frames that were removed.
    #[serde(skip_serializing_if = "is_zero")]
    pub frames_cut: u64,
}

/// An exception of a chain.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorException {
    /// Type of the exception.
    #[serde(rename = "type")]
    pub kind: String,
    /// Message of the exception.
    pub value: String,
    /// Module that defines the exception.
    pub module: Option<String>,
    /// False if the exception was not caught; `None` if unknown.
    pub handled: Option<bool>,
    /// Stack, innermost frame last.
    pub frames: Vec<StackFrame>,
    /// Number of the outermost frames that were removed.
    #[serde(skip_serializing_if = "is_zero")]
    pub frames_cut: u64,
    /// ID of the thread that raised the exception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// How the SDK got the exception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<Box<ExceptionMechanism>>,
}

/// How an SDK got an exception.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExceptionMechanism {
    /// Type of the mechanism, such as `onerror` or `logging`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// True if type and message are the same for many errors, because one handler creates all exceptions of that kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<bool>,
    /// Description of the mechanism.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// URL of a page about the exception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help_link: Option<String>,
    /// Attribute of the parent exception that contains this exception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Number of the exception in its chain or group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception_id: Option<u64>,
    /// Number of the exception that contains this exception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<u64>,
    /// True if the exception is a group of exceptions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_exception_group: Option<bool>,
    /// Further data.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    /// Codes of the operating system, such as the signal.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
}

/// A thread of the program.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgramThread {
    /// ID of the thread.
    pub id: Option<String>,
    /// Name of the thread.
    pub name: Option<String>,
    /// State of the thread, such as `RUNNABLE`.
    pub state: Option<String>,
    /// True if the error happened in the thread.
    pub crashed: bool,
    /// True if the thread was running when the event was created.
    pub current: bool,
    /// True if the stack of the event is the stack of the thread. In this case, the thread itself has no frames.
    pub has_event_stack: bool,
    /// Stack, innermost frame last.
    pub frames: Vec<StackFrame>,
    /// Number of the outermost frames that were removed.
    pub frames_cut: u64,
}

/// A frame of a stack.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StackFrame {
    /// Name of the function.
    pub function: Option<String>,
    /// Name of the module.
    pub module: Option<String>,
    /// Path of the file, as the client shortens it.
    pub filename: Option<String>,
    /// Line number, starting at 1.
    pub line: Option<u64>,
    /// True if the frame is in the program's own code.
    pub in_app: bool,
    /// Source lines before that line.
    pub before: Vec<String>,
    /// The source line.
    pub source: Option<String>,
    /// Source lines after that line.
    pub after: Vec<String>,
    /// Column number, starting at 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// Full path or URL of the file, if it differs from `filename`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abs_path: Option<String>,
    /// Library or archive that contains the function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Address of the instruction, as the client writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruction_addr: Option<String>,
    /// Local variables.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub vars: Map<String, Value>,
    /// True if the client reports whether the frame is in the program's own code.
    #[serde(skip)]
    pub is_in_app_sent: bool,
}

/// A step before an error.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorBreadcrumb {
    /// Time in microseconds since the Unix epoch.
    pub time_us: Option<i64>,
    /// Category: `http`, `query`, `console`, or any other.
    pub category: Option<String>,
    /// Type, which determines the form of the data: `http`, `navigation`, `error`, `default`, or any other.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Severity.
    pub level: Option<String>,
    /// Text of the breadcrumb.
    pub message: Option<String>,
    /// Additional data as JSON text.
    pub data: Option<String>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl ErrorDetails {
    fn is_empty(&self) -> bool {
        *self == ErrorDetails::default()
    }
}

impl ErrorEvent {
    /// Returns the exception whose stack is the stack of the event: the last one that has a stack.
    pub fn deciding_exception(&self) -> Option<&ErrorException> {
        self.exceptions.iter().rfind(|exception| !exception.frames.is_empty())
    }

    /// Returns the frames of the last exception that has frames; if no exception has frames, the frames of the event itself.
    pub fn frames(&self) -> &[StackFrame] {
        let own = self.stack.as_ref().map(|stack| stack.frames.as_slice());
        self.deciding_exception().map(|exception| exception.frames.as_slice()).or(own).unwrap_or_default()
    }
}

impl ErrorException {
    /// Returns whether type and message are the same for many different errors.
    pub fn is_synthetic(&self) -> bool {
        self.mechanism.as_ref().is_some_and(|mechanism| mechanism.synthetic == Some(true))
    }
}

/// Texts that stand for an unknown function.
const UNKNOWN_FUNCTIONS: &[&str] = &["?", "<unknown>", "unknown", "<redacted>", "stripped_application_code", "??", "(unknown)"];

impl StackFrame {
    /// Returns the name of the function, if it is known.
    pub fn known_function(&self) -> Option<&str> {
        self.function.as_deref().filter(|name| !UNKNOWN_FUNCTIONS.contains(name))
    }

    /// Returns `function in file`, or as much of it as is known.
    pub fn place(&self) -> Option<String> {
        let file = self.filename.as_ref().or(self.module.as_ref()).or(self.package.as_ref());
        match (self.function.as_ref().filter(|name| *name != "?"), file) {
            (Some(function), Some(file)) => Some(format!("{function} in {file}")),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        }
    }
}

/// Serializes hashes as hex digits.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() != 64 || !text.is_ascii() {
            return Err(D::Error::custom("expected 64 hex digits"));
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(D::Error::custom)?;
        }
        Ok(bytes)
    }
}
