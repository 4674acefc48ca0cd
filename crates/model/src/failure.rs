//! Cause of a failed call, the same for all providers and clients.
//!
//! Providers, their SDKs and the instrumentations name errors in different ways: a class (`openai.RateLimitError`), a code of the API
//! (`overloaded_error`), an HTTP status, or only a message. [`FailureCause::of`] reads all of them with the tables of this file.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use serde::{Deserialize, Serialize};

use crate::sentry::ErrorEvent;
use crate::span::{Span, SpanStatus, names};

names!(
    /// Cause of a failed call.
    FailureCause {
        /// Too many requests or tokens, or a used-up quota.
        RateLimit = "rate_limit",
        /// The provider has no capacity at the moment.
        Overloaded = "overloaded",
        /// The input, or input and output together, exceed the context window of the model.
        ContextLength = "context_length",
        /// A filter of the provider blocked the input or the output.
        ContentFilter = "content_filter",
        /// The key is missing, wrong or expired, or does not permit the request.
        Authentication = "authentication",
        /// There was no response in time.
        Timeout = "timeout",
        /// The provider rejected the request as invalid, or does not know the model.
        BadRequest = "bad_request",
        /// There was no connection to the provider, or it was interrupted.
        Connection = "connection",
        /// Any other cause, or none that was reported.
        Other = "other",
    }
);

/// Words in names of error classes and codes, in lower case without separators. Earlier rows take precedence.
const TYPE_WORDS: &[(&str, FailureCause)] = &[
    ("contentfilter", FailureCause::ContentFilter),
    ("contentpolicy", FailureCause::ContentFilter),
    ("responsibleai", FailureCause::ContentFilter),
    ("guardrailintervened", FailureCause::ContentFilter),
    ("blockedprompt", FailureCause::ContentFilter),
    ("promptblocked", FailureCause::ContentFilter),
    ("responseblocked", FailureCause::ContentFilter),
    ("moderationblocked", FailureCause::ContentFilter),
    ("stopcandidate", FailureCause::ContentFilter),
    ("contextlength", FailureCause::ContextLength),
    ("contextwindow", FailureCause::ContextLength),
    ("contextoverflow", FailureCause::ContextLength),
    ("stringabovemaxlength", FailureCause::ContextLength),
    ("ratelimit", FailureCause::RateLimit),
    ("toomanyrequests", FailureCause::RateLimit),
    ("throttl", FailureCause::RateLimit),
    ("quota", FailureCause::RateLimit),
    ("resourceexhausted", FailureCause::RateLimit),
    ("overloaded", FailureCause::Overloaded),
    ("unavailable", FailureCause::Overloaded),
    ("modelnotready", FailureCause::Overloaded),
    ("nocapacity", FailureCause::Overloaded),
    ("authentication", FailureCause::Authentication),
    ("unauthorized", FailureCause::Authentication),
    ("unauthenticated", FailureCause::Authentication),
    ("permissiondenied", FailureCause::Authentication),
    ("permissionerror", FailureCause::Authentication),
    ("accessdenied", FailureCause::Authentication),
    ("forbidden", FailureCause::Authentication),
    ("invalidapikey", FailureCause::Authentication),
    ("expiredtoken", FailureCause::Authentication),
    ("unrecognizedclient", FailureCause::Authentication),
    ("nocredentials", FailureCause::Authentication),
    ("loadapikey", FailureCause::Authentication),
    ("timeout", FailureCause::Timeout),
    ("timedout", FailureCause::Timeout),
    ("deadlineexceeded", FailureCause::Timeout),
    ("connect", FailureCause::Connection),
    ("econn", FailureCause::Connection),
    ("enotfound", FailureCause::Connection),
    ("eaiagain", FailureCause::Connection),
    ("socket", FailureCause::Connection),
    ("networkerror", FailureCause::Connection),
    ("remoteprotocol", FailureCause::Connection),
    ("brokenpipe", FailureCause::Connection),
    ("sslerror", FailureCause::Connection),
    ("readerror", FailureCause::Connection),
    ("badrequest", FailureCause::BadRequest),
    ("invalidrequest", FailureCause::BadRequest),
    ("invalidargument", FailureCause::BadRequest),
    ("invalidprompt", FailureCause::BadRequest),
    ("validation", FailureCause::BadRequest),
    ("unprocessable", FailureCause::BadRequest),
    ("notfound", FailureCause::BadRequest),
    ("failedprecondition", FailureCause::BadRequest),
    ("unsupported", FailureCause::BadRequest),
    ("requesttoolarge", FailureCause::BadRequest),
];

/// Phrases in messages, in lower case. Earlier rows take precedence, because a message about a limit per minute also mentions tokens.
const MESSAGE_PHRASES: &[(&str, FailureCause)] = &[
    ("throttling", FailureCause::RateLimit),
    ("rate limit", FailureCause::RateLimit),
    ("rate_limit", FailureCause::RateLimit),
    ("ratelimit", FailureCause::RateLimit),
    ("too many requests", FailureCause::RateLimit),
    ("too many tokens per", FailureCause::RateLimit),
    ("tokens per min", FailureCause::RateLimit),
    ("exceeded your current quota", FailureCause::RateLimit),
    ("insufficient_quota", FailureCause::RateLimit),
    ("quota exceeded", FailureCause::RateLimit),
    ("resource_exhausted", FailureCause::RateLimit),
    ("resource exhausted", FailureCause::RateLimit),
    ("content_filter", FailureCause::ContentFilter),
    ("content filter", FailureCause::ContentFilter),
    ("content management policy", FailureCause::ContentFilter),
    ("content policy", FailureCause::ContentFilter),
    ("content_policy", FailureCause::ContentFilter),
    ("safety system", FailureCause::ContentFilter),
    ("safety filter", FailureCause::ContentFilter),
    ("prohibited_content", FailureCause::ContentFilter),
    ("blocked by guardrail", FailureCause::ContentFilter),
    ("usage policy", FailureCause::ContentFilter),
    ("usage policies", FailureCause::ContentFilter),
    ("context_length", FailureCause::ContextLength),
    ("context length", FailureCause::ContextLength),
    ("context window", FailureCause::ContextLength),
    ("context limit", FailureCause::ContextLength),
    ("context size", FailureCause::ContextLength),
    ("prompt is too long", FailureCause::ContextLength),
    ("input is too long", FailureCause::ContextLength),
    ("input too long", FailureCause::ContextLength),
    ("too many input tokens", FailureCause::ContextLength),
    ("input token count", FailureCause::ContextLength),
    ("maximum number of tokens", FailureCause::ContextLength),
    ("max_total_tokens", FailureCause::ContextLength),
    ("reduce the length", FailureCause::ContextLength),
    ("overloaded", FailureCause::Overloaded),
    ("over capacity", FailureCause::Overloaded),
    ("service unavailable", FailureCause::Overloaded),
    ("serviceunavailable", FailureCause::Overloaded),
    ("temporarily unavailable", FailureCause::Overloaded),
    ("high demand", FailureCause::Overloaded),
    ("bad gateway", FailureCause::Overloaded),
    ("incorrect api key", FailureCause::Authentication),
    ("invalid api key", FailureCause::Authentication),
    ("invalid x-api-key", FailureCause::Authentication),
    ("api key not valid", FailureCause::Authentication),
    ("api key is missing", FailureCause::Authentication),
    ("invalid_api_key", FailureCause::Authentication),
    ("authentication", FailureCause::Authentication),
    ("unauthorized", FailureCause::Authentication),
    ("permission denied", FailureCause::Authentication),
    ("permission_denied", FailureCause::Authentication),
    ("access denied", FailureCause::Authentication),
    ("accessdenied", FailureCause::Authentication),
    ("timed out", FailureCause::Timeout),
    ("timeout", FailureCause::Timeout),
    ("deadline exceeded", FailureCause::Timeout),
    ("deadline_exceeded", FailureCause::Timeout),
    ("connection", FailureCause::Connection),
    ("econnrefused", FailureCause::Connection),
    ("econnreset", FailureCause::Connection),
    ("enotfound", FailureCause::Connection),
    ("fetch failed", FailureCause::Connection),
    ("name or service not known", FailureCause::Connection),
    ("name resolution", FailureCause::Connection),
    ("nodename nor servname", FailureCause::Connection),
    ("no such host", FailureCause::Connection),
    ("dial tcp", FailureCause::Connection),
    ("socket hang up", FailureCause::Connection),
    ("peer closed", FailureCause::Connection),
    ("server disconnected", FailureCause::Connection),
    ("broken pipe", FailureCause::Connection),
    ("tls handshake", FailureCause::Connection),
    ("certificate", FailureCause::Connection),
    ("invalid_request_error", FailureCause::BadRequest),
    ("validationexception", FailureCause::BadRequest),
    ("invalid argument", FailureCause::BadRequest),
    ("invalid_argument", FailureCause::BadRequest),
    ("bad request", FailureCause::BadRequest),
    ("does not exist", FailureCause::BadRequest),
    ("not_found_error", FailureCause::BadRequest),
    ("model not found", FailureCause::BadRequest),
    ("unsupported parameter", FailureCause::BadRequest),
];

/// Words directly before an HTTP status in a message, in lower case.
const STATUS_WORDS: &[&str] =
    &["error code", "status code", "status_code", "statuscode", "status", "http", "http error", "response code", "code"];

/// Characters between such a word and the status.
const STATUS_SEPARATORS: &[char] = &[' ', ':', '=', '"', '\'', '(', '[', '/'];

/// Maximum bytes of a message that are read. Clients repeat the request or the response after that.
const MAX_MESSAGE_BYTES: usize = 4096;

static TYPE_MATCHER: LazyLock<AhoCorasick> = LazyLock::new(|| matcher(TYPE_WORDS));
static MESSAGE_MATCHER: LazyLock<AhoCorasick> = LazyLock::new(|| matcher(MESSAGE_PHRASES));

/// Creates a matcher for all words of a table.
fn matcher(table: &[(&str, FailureCause)]) -> AhoCorasick {
    AhoCorasick::new(table.iter().map(|(word, _)| word)).expect("the words of the tables are few and short")
}

/// Returns the cause of the first row whose word occurs in a text.
fn first_row(matcher: &AhoCorasick, table: &[(&str, FailureCause)], text: &str) -> Option<FailureCause> {
    matcher.find_overlapping_iter(text).map(|found| found.pattern().as_usize()).min().map(|row| table[row].1)
}

/// What a client reports about a failure.
#[derive(Debug, Clone, Copy, Default)]
pub struct FailureReport<'a> {
    /// Class of the exception or code of the API, such as `openai.RateLimitError` or `overloaded_error`.
    pub error_type: Option<&'a str>,
    /// HTTP status of the response.
    pub http_status: Option<u16>,
    /// Message of the error.
    pub message: Option<&'a str>,
}

impl FailureCause {
    /// Returns the cause that a report indicates; [`Other`](FailureCause::Other) if it indicates none.
    ///
    /// An error class is more precise than the HTTP status, except for invalid requests. Providers also report inputs that are too long,
    /// and blocked contents, as invalid requests. Only the message distinguishes these cases.
    pub fn of(report: FailureReport) -> FailureCause {
        let message = report.message.map(|message| {
            let end = message.floor_char_boundary(MAX_MESSAGE_BYTES);
            message[..end].to_ascii_lowercase()
        });
        let in_message = message.as_deref().and_then(|message| first_row(&MESSAGE_MATCHER, MESSAGE_PHRASES, message));
        let by_type = report.error_type.and_then(cause_of_type);
        let by_status = report.http_status.or_else(|| message.as_deref().and_then(status_in_message)).and_then(cause_of_status);
        let refined = in_message.filter(|cause| matches!(cause, FailureCause::ContextLength | FailureCause::ContentFilter));
        match by_type.or(by_status) {
            Some(FailureCause::BadRequest) => refined.or(by_status.filter(|_| by_type.is_none())).or(Some(FailureCause::BadRequest)),
            None => in_message,
            known => known,
        }
        .unwrap_or(FailureCause::Other)
    }

    /// Returns whether an error event can give a more precise cause than this cause.
    pub fn is_vague(self) -> bool {
        matches!(self, FailureCause::Other | FailureCause::BadRequest)
    }
}

/// Returns the cause that a class of exceptions or a code stands for. A number is an HTTP status.
fn cause_of_type(error_type: &str) -> Option<FailureCause> {
    if let Ok(status) = error_type.trim().parse() {
        return cause_of_status(status);
    }
    // The namespace of a class says nothing: `httpx.ConnectError`, but also `urllib3.connectionpool.X`.
    let class = error_type.rsplit(['.', ':', '/', '\\']).next().unwrap_or(error_type);
    let word: String = class.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    first_row(&TYPE_MATCHER, TYPE_WORDS, &word)
}

/// Returns the cause that an HTTP status stands for.
fn cause_of_status(status: u16) -> Option<FailureCause> {
    match status {
        401 | 403 | 407 => Some(FailureCause::Authentication),
        408 | 504 | 524 => Some(FailureCause::Timeout),
        429 => Some(FailureCause::RateLimit),
        502 | 503 | 529 => Some(FailureCause::Overloaded),
        400..=499 => Some(FailureCause::BadRequest),
        _ => None,
    }
}

/// Returns the HTTP status that a message names, as in `Error code: 429 - {…}` or `status_code=503`.
fn status_in_message(message: &str) -> Option<u16> {
    let digits = message.as_bytes().windows(3).enumerate();
    digits
        .filter(|(_, window)| window.iter().all(u8::is_ascii_digit))
        .filter(|(at, _)| !message.as_bytes().get(at + 3).is_some_and(u8::is_ascii_alphanumeric))
        .find_map(|(at, _)| {
            let before = &message[..at];
            let word = before.trim_end_matches(STATUS_SEPARATORS);
            let is_status = at == 0 || (word.len() < before.len() && STATUS_WORDS.iter().any(|known| word.ends_with(known)));
            message[at..at + 3].parse().ok().filter(|status| is_status && (400..600).contains(status))
        })
}

/// If the cause of a failed call is vague or missing, sets the cause from error events of the same span.
pub fn refine_by_errors(spans: &mut [Span], errors: &[ErrorEvent]) {
    for span in spans.iter_mut().filter(|span| span.failure.is_some_and(FailureCause::is_vague)) {
        let (trace_id, span_id) = (Some(span.trace_id), Some(span.span_id));
        for error in errors.iter().filter(|error| error.span_id == span_id && error.trace_id == trace_id) {
            refine(span, FailureReport { error_type: Some(&error.kind), message: Some(&error.value), http_status: None });
        }
    }
}

/// Sets the cause of a failed call from a further report, if the known cause is vague and the report gives a more precise one.
pub fn refine(span: &mut Span, report: FailureReport) {
    let Some(known) = span.failure.filter(|known| known.is_vague()) else { return };
    let found = FailureCause::of(report);
    if found != FailureCause::Other && (known == FailureCause::Other || !found.is_vague()) {
        span.failure = Some(found);
    }
}

/// Sets the failure cause of a span from its status and the reported facts. Only failed calls have a cause.
pub(crate) fn set_cause(span: &mut Span, report: FailureReport) {
    if !span.is_call() || span.status != SpanStatus::Error {
        return;
    }
    // A status without spaces, such as `resource_exhausted`, is a code and no message.
    let detail = span.status_detail.as_deref();
    let code = detail.filter(|detail| !detail.contains(char::is_whitespace));
    let report = FailureReport { error_type: report.error_type.or(code), message: report.message.or(detail), ..report };
    span.failure = Some(FailureCause::of(report));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(error_type: &str, http_status: u16, message: &str) -> &'static str {
        FailureCause::of(FailureReport {
            error_type: Some(error_type).filter(|text| !text.is_empty()),
            http_status: Some(http_status).filter(|status| *status != 0),
            message: Some(message).filter(|text| !text.is_empty()),
        })
        .as_str()
    }

    #[test]
    fn one_cause_for_the_errors_of_all_providers() {
        let cases = [
            ("openai.RateLimitError", 0, "Error code: 429 - {'error': {'code': 'insufficient_quota'}}", "rate_limit"),
            ("RateLimitError", 429, "Request too large for gpt-4o on tokens per min (TPM): Limit 30000", "rate_limit"),
            (
                "ClientError",
                0,
                "An error occurred (ThrottlingException) when calling the Converse operation: Too many tokens",
                "rate_limit",
            ),
            ("google.genai.errors.ClientError", 0, "429 RESOURCE_EXHAUSTED. {'error': {'code': 429}}", "rate_limit"),
            ("AI_APICallError", 0, "Too Many Requests", "rate_limit"),
            ("overloaded_error", 529, "Overloaded", "overloaded"),
            ("anthropic.InternalServerError", 0, "Error code: 529 - {'type': 'error'}", "overloaded"),
            ("ServiceUnavailableException", 0, "", "overloaded"),
            ("UNAVAILABLE", 0, "The model is experiencing high demand", "overloaded"),
            ("BadRequestError", 400, "This model's maximum context length is 8192 tokens", "context_length"),
            ("invalid_request_error", 0, "prompt is too long: 214000 tokens > 200000 maximum", "context_length"),
            ("ValidationException", 0, "Input is too long for requested model.", "context_length"),
            ("litellm.ContextWindowExceededError", 0, "", "context_length"),
            ("INVALID_ARGUMENT", 400, "The input token count (1100000) exceeds the maximum", "context_length"),
            (
                "openai.BadRequestError",
                0,
                "Error code: 400 - The response was filtered due to the prompt triggering Azure OpenAI's content management policy",
                "content_filter",
            ),
            ("ContentFilterFinishReasonError", 0, "", "content_filter"),
            ("AuthenticationError", 401, "Incorrect API key provided: sk-***", "authentication"),
            ("", 403, "", "authentication"),
            ("AccessDeniedException", 0, "", "authentication"),
            ("APITimeoutError", 0, "Request timed out.", "timeout"),
            ("httpx.ReadTimeout", 0, "", "timeout"),
            ("DEADLINE_EXCEEDED", 0, "", "timeout"),
            ("openai.APIConnectionError", 0, "Connection error.", "connection"),
            ("", 0, "connect ECONNREFUSED 127.0.0.1:11434", "connection"),
            ("TypeError", 0, "fetch failed", "connection"),
            ("NotFoundError", 404, "The model `gpt-9` does not exist", "bad_request"),
            ("", 422, "", "bad_request"),
            ("400", 0, "", "bad_request"),
            ("InternalServerError", 500, "The server had an error", "other"),
            ("ValueError", 0, "no answer in 429 tries", "other"),
            ("", 0, "", "other"),
        ];
        for (error_type, status, message, expected) in cases {
            assert_eq!(cause(error_type, status, message), expected, "{error_type} {status} {message}");
        }
    }

    #[test]
    fn only_a_named_number_is_a_status() {
        assert_eq!(status_in_message("error code: 503 - gone"), Some(503));
        assert_eq!(status_in_message("http 401"), Some(401));
        assert_eq!(status_in_message("request failed with status code 404"), Some(404));
        assert_eq!(status_in_message("404 page not found"), Some(404));
        assert_eq!(status_in_message("used 500 tokens"), None);
        assert_eq!(status_in_message("status: 4290"), None);
        assert_eq!(status_in_message("ünï status: 200"), None);
    }

    #[test]
    fn an_error_event_refines_a_vague_cause_and_no_precise_one() {
        let error = |kind: &str, value: &str| ErrorEvent {
            trace_id: Some(crate::id::TraceId(1)),
            span_id: Some(crate::id::SpanId(2)),
            kind: kind.into(),
            value: value.into(),
            ..ErrorEvent::default()
        };
        let span = |failure| Span { trace_id: crate::id::TraceId(1), span_id: crate::id::SpanId(2), failure, ..Span::default() };
        let refined = |failure, errors: &[ErrorEvent]| {
            let mut spans = [span(failure)];
            refine_by_errors(&mut spans, errors);
            spans[0].failure
        };
        let limit = error("RateLimitError", "slow down");
        assert_eq!(refined(Some(FailureCause::Other), std::slice::from_ref(&limit)), Some(FailureCause::RateLimit));
        assert_eq!(refined(Some(FailureCause::Timeout), std::slice::from_ref(&limit)), Some(FailureCause::Timeout));
        assert_eq!(refined(None, std::slice::from_ref(&limit)), None, "a call that succeeded has no cause");
        let elsewhere = ErrorEvent { span_id: Some(crate::id::SpanId(3)), ..limit };
        assert_eq!(refined(Some(FailureCause::Other), &[elsewhere]), Some(FailureCause::Other));
        assert_eq!(refined(Some(FailureCause::BadRequest), &[error("E", "")]), Some(FailureCause::BadRequest));
    }
}
