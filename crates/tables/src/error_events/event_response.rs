//! Responses of the API about one error event.

use std::collections::BTreeMap;

use hinomi_model::api_time::rfc3339;
use hinomi_model::sentry::{ErrorAttachment, ErrorBreadcrumb, ErrorEvent, ErrorException, ExceptionMechanism, ProgramThread, StackFrame};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::response::ErrorEventSummary;

/// An error event with everything that the client sent. Sensitive values are replaced by `[Filtered]`, and large values are truncated.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IssueEvent {
    /// The event without its stack trace.
    #[serde(flatten)]
    pub summary: ErrorEventSummary,
    /// Stack frames of the exception that was raised last, or of the thread that crashed. The innermost frame is last.
    pub frames: Vec<StackFrameResponse>,
    /// Number of the outermost frames that were removed, because a stack has at most 250.
    pub frames_cut: u64,
    /// Chain of exceptions, the oldest cause first.
    pub exceptions: Vec<ExceptionResponse>,
    /// Number of the oldest causes that were removed, because a chain has at most 20.
    pub exceptions_cut: u64,
    /// Threads of the program.
    pub threads: Vec<ProgramThreadResponse>,
    /// Number of threads that were removed, because an event has at most 100.
    pub threads_cut: u64,
    /// Message that the program sent in addition to the exception; null if there is none.
    #[schema(required)]
    pub message: Option<String>,
    /// Tags that the program set.
    pub tags: BTreeMap<String, String>,
    /// ID of the end user; null if unknown.
    #[schema(required)]
    pub user_id: Option<String>,
    /// All fields of the end user; null if none were sent.
    #[schema(required, value_type = Option<BTreeMap<String, Value>>)]
    pub user: Option<Map<String, Value>>,
    /// Environment of the program, such as `production`; null if unknown.
    #[schema(required)]
    pub environment: Option<String>,
    /// Version of the program; null if unknown.
    #[schema(required)]
    pub release: Option<String>,
    /// Distribution of the release, such as a build number; null if unknown.
    #[schema(required)]
    pub dist: Option<String>,
    /// Language or platform of the program, such as `python`; null if unknown.
    #[schema(required)]
    pub platform: Option<String>,
    /// Name of the logger that reported the error; null if unknown.
    #[schema(required)]
    pub logger: Option<String>,
    /// Host or service that reported the error; null if unknown.
    #[schema(required)]
    pub server_name: Option<String>,
    /// Name of the transaction in which the error happened; null if unknown.
    #[schema(required)]
    pub transaction: Option<String>,
    /// SDK that reported the error; null if unknown.
    #[schema(required)]
    pub sdk: Option<ErrorReportingSdk>,
    /// HTTP request that the program handled; null if none was sent.
    #[schema(required, value_type = Option<BTreeMap<String, Value>>)]
    pub request: Option<Map<String, Value>>,
    /// Contexts such as `runtime`, `os` and `device`.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub contexts: Map<String, Value>,
    /// Further data that the program set.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub extra: Map<String, Value>,
    /// Installed packages with their versions.
    pub modules: BTreeMap<String, String>,
    /// Parts of the fingerprint that the program set.
    pub fingerprint: Vec<String>,
    /// Events before the error, as the SDK recorded them.
    pub breadcrumbs: Vec<BreadcrumbResponse>,
    /// Number of the oldest breadcrumbs that were removed, because an event has at most 100.
    pub breadcrumbs_cut: u64,
    /// Attachments. The contents of attachments are not stored.
    pub attachments: Vec<ErrorAttachmentResponse>,
}

/// The SDK that reported an error.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ErrorReportingSdk {
    /// Name of the SDK; null if unknown.
    #[schema(required)]
    name: Option<String>,
    /// Version of the SDK; null if unknown.
    #[schema(required)]
    version: Option<String>,
    /// Active integrations.
    integrations: Vec<String>,
}

/// An attachment of an error event. Null means that the client did not report the value.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ErrorAttachment)]
pub struct ErrorAttachmentResponse {
    /// File name.
    #[schema(required)]
    name: Option<String>,
    /// MIME type.
    #[schema(required)]
    content_type: Option<String>,
    /// Type of the attachment, such as `event.minidump`.
    #[schema(required)]
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Size in bytes.
    bytes: u64,
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
    /// Full path or URL of the source file, if it differs from `filename`.
    #[schema(required)]
    abs_path: Option<String>,
    /// Line number in the source file.
    #[schema(required)]
    lineno: Option<u64>,
    /// Column number in the line.
    #[schema(required)]
    colno: Option<u64>,
    /// Library or archive that contains the function.
    #[schema(required)]
    package: Option<String>,
    /// Address of the instruction.
    #[schema(required)]
    instruction_addr: Option<String>,
    /// True if the frame is part of the program and not of a library.
    in_app: bool,
    /// Source line of the frame.
    #[schema(required)]
    context_line: Option<String>,
    /// Source lines before the frame's line.
    pre_context: Vec<String>,
    /// Source lines after the frame's line.
    post_context: Vec<String>,
    /// Local variables.
    #[schema(value_type = BTreeMap<String, Value>)]
    vars: Map<String, Value>,
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
    /// ID of the thread that raised the exception; null if unknown.
    #[schema(required)]
    thread_id: Option<String>,
    /// How the SDK got the exception; null if unknown.
    #[schema(required)]
    mechanism: Option<ExceptionMechanismResponse>,
    /// Stack frames, the innermost frame last.
    frames: Vec<StackFrameResponse>,
    /// Number of the outermost frames that were removed.
    frames_cut: u64,
}

/// How an SDK got an exception. Null means that the client did not report the value.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ExceptionMechanism)]
pub struct ExceptionMechanismResponse {
    /// Type of the mechanism, such as `onerror`.
    #[schema(required)]
    #[serde(rename = "type")]
    kind: Option<String>,
    /// False if nothing caught the exception.
    #[schema(required)]
    handled: Option<bool>,
    /// True if type and message are the same for many errors.
    #[schema(required)]
    synthetic: Option<bool>,
    /// Description of the mechanism.
    #[schema(required)]
    description: Option<String>,
    /// URL of a page about the exception.
    #[schema(required)]
    help_link: Option<String>,
    /// Attribute of the parent exception that contains this exception.
    #[schema(required)]
    source: Option<String>,
    /// Number of the exception in its chain or group.
    #[schema(required)]
    exception_id: Option<u64>,
    /// Number of the exception that contains this exception.
    #[schema(required)]
    parent_id: Option<u64>,
    /// True if the exception is a group of exceptions.
    #[schema(required)]
    is_exception_group: Option<bool>,
    /// Further data.
    #[schema(value_type = BTreeMap<String, Value>)]
    data: Map<String, Value>,
    /// Codes of the operating system, such as the signal.
    #[schema(value_type = BTreeMap<String, Value>)]
    meta: Map<String, Value>,
}

/// A thread of the program. Null means that the client did not report the value.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ProgramThread)]
pub struct ProgramThreadResponse {
    /// ID of the thread.
    #[schema(required)]
    id: Option<String>,
    /// Name of the thread.
    #[schema(required)]
    name: Option<String>,
    /// State of the thread.
    #[schema(required)]
    state: Option<String>,
    /// True if the error happened in the thread.
    crashed: bool,
    /// True if the thread was running when the event was created.
    current: bool,
    /// True if `frames` of the event are the frames of the thread. In this case, the `frames` of the thread are empty.
    has_event_stack: bool,
    /// Stack frames, the innermost frame last.
    frames: Vec<StackFrameResponse>,
    /// Number of the outermost frames that were removed, because only the thread with the error can have more than 100 frames.
    frames_cut: u64,
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
    /// Type, such as `navigation`, which determines the form of the data.
    #[schema(required)]
    #[serde(rename = "type")]
    kind: Option<String>,
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

fn sent(object: Map<String, Value>) -> Option<Map<String, Value>> {
    Some(object).filter(|object| !object.is_empty())
}

fn frames_of(frames: Vec<StackFrame>) -> Vec<StackFrameResponse> {
    frames.into_iter().map(StackFrameResponse::from).collect()
}

impl IssueEvent {
    /// Combines the summary with the rest of the stored event.
    pub(super) fn from_parts(summary: ErrorEventSummary, event: ErrorEvent) -> IssueEvent {
        let of_exception = event.deciding_exception().map(|exception| exception.frames_cut);
        let of_stack = event.stack.as_ref().map(|stack| stack.frames_cut);
        let details = event.details.clone();
        let sdk =
            ErrorReportingSdk { name: event.sdk_name.clone(), version: event.sdk_version.clone(), integrations: details.integrations };
        IssueEvent {
            summary,
            frames: frames_of(event.frames().to_vec()),
            frames_cut: of_exception.or(of_stack).unwrap_or_default(),
            exceptions: event.exceptions.into_iter().map(ExceptionResponse::from).collect(),
            exceptions_cut: details.exceptions_cut,
            threads: event.threads.into_iter().map(ProgramThreadResponse::from).collect(),
            threads_cut: details.threads_cut,
            message: event.message,
            tags: event.tags,
            user_id: event.user_id,
            user: sent(details.user),
            environment: event.environment,
            release: event.release,
            dist: details.dist,
            platform: details.platform,
            logger: details.logger,
            server_name: event.service,
            transaction: event.transaction,
            sdk: Some(sdk).filter(|sdk| sdk.name.is_some() || sdk.version.is_some()),
            request: sent(details.request),
            contexts: details.contexts,
            extra: details.extra,
            modules: details.modules,
            fingerprint: details.fingerprint,
            breadcrumbs: event.breadcrumbs.into_iter().map(BreadcrumbResponse::from).collect(),
            breadcrumbs_cut: details.breadcrumbs_cut,
            attachments: details.attachments.into_iter().map(ErrorAttachmentResponse::from).collect(),
        }
    }
}

impl From<StackFrame> for StackFrameResponse {
    fn from(frame: StackFrame) -> StackFrameResponse {
        StackFrameResponse {
            function: frame.function,
            module: frame.module,
            filename: frame.filename,
            abs_path: frame.abs_path,
            lineno: frame.line,
            colno: frame.column,
            package: frame.package,
            instruction_addr: frame.instruction_addr,
            in_app: frame.in_app,
            context_line: frame.source,
            pre_context: frame.before,
            post_context: frame.after,
            vars: frame.vars,
        }
    }
}

impl From<ErrorException> for ExceptionResponse {
    fn from(exception: ErrorException) -> ExceptionResponse {
        let ErrorException { kind, value, module, handled, frames, frames_cut, thread_id, mechanism } = exception;
        let mechanism = match (mechanism, handled) {
            (Some(mechanism), _) => Some(*mechanism),
            // Earlier versions stored only this part.
            (None, Some(_)) => Some(ExceptionMechanism::default()),
            (None, None) => None,
        };
        let mechanism = mechanism.map(|mechanism| ExceptionMechanismResponse::new(mechanism, handled));
        ExceptionResponse { kind, value, module, thread_id, mechanism, frames: frames_of(frames), frames_cut }
    }
}

impl ExceptionMechanismResponse {
    fn new(mechanism: ExceptionMechanism, handled: Option<bool>) -> ExceptionMechanismResponse {
        let ExceptionMechanism { kind, synthetic, description, help_link, source, exception_id, parent_id, is_exception_group, data, meta } =
            mechanism;
        ExceptionMechanismResponse {
            kind,
            handled,
            synthetic,
            description,
            help_link,
            source,
            exception_id,
            parent_id,
            is_exception_group,
            data,
            meta,
        }
    }
}

impl From<ProgramThread> for ProgramThreadResponse {
    fn from(thread: ProgramThread) -> ProgramThreadResponse {
        let ProgramThread { id, name, state, crashed, current, has_event_stack, frames, frames_cut } = thread;
        ProgramThreadResponse { id, name, state, crashed, current, has_event_stack, frames: frames_of(frames), frames_cut }
    }
}

impl From<ErrorAttachment> for ErrorAttachmentResponse {
    fn from(attachment: ErrorAttachment) -> ErrorAttachmentResponse {
        let ErrorAttachment { name, content_type, kind, bytes } = attachment;
        ErrorAttachmentResponse { name, content_type, kind, bytes }
    }
}

impl From<ErrorBreadcrumb> for BreadcrumbResponse {
    fn from(step: ErrorBreadcrumb) -> BreadcrumbResponse {
        let ErrorBreadcrumb { time_us, category, kind, level, message, data } = step;
        BreadcrumbResponse { timestamp: time_us.map(rfc3339), category, kind, level, message, data }
    }
}
