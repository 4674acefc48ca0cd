//! Reasons for rejecting a request, and the responses for Sentry's, OpenTelemetry's and Langfuse's protocols.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hinomi_model::langfuse::LangfuseError;
use hinomi_model::otlp::{self, OtlpEncoding, OtlpError};
use hinomi_model::outcome_reason::OutcomeReason;
use hinomi_model::sentry::EnvelopeError;
use hinomi_store::StoreError;
use hinomi_tables::database::SqliteError;
use hinomi_tables::error_events::ErrorStoreError;
use serde_json::json;

use super::auth::AuthError;
use super::decompress::BodyError;
use super::grpc;

/// Seconds after which a client may retry when the server is busy or its disk is full.
const RETRY_AFTER_S: u32 = 10;

/// Hint for requests that need a key.
const KEY_REQUIRED_HINT: &str = "send the header Authorization: Bearer KEY, with an ingest key of the project";

/// Reason why no data of a request is stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngestRejection {
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("unknown key {key}; copy the DSN from the project's Set up page")]
    UnknownKey { key: String },
    #[error("key {key} belongs to another project; copy the DSN from the project's Set up page")]
    OtherProject { key: String },
    #[error("the key was replaced and is no longer valid; copy the DSN from the project's Set up page")]
    KeyExpired,
    #[error("pages of {0} cannot send with this key; add the origin to the key's allowed origins in the project's settings")]
    Origin(String),
    #[error("the key has used up its {limit} items per minute; send again in {retry_s} s, or raise the limit in the project's settings")]
    KeyRateLimit { limit: u64, retry_s: u32 },
    #[error("the key has used up its {limit} bytes of today (UTC); send again tomorrow, or raise the limit in the project's settings")]
    KeyQuota { limit: u64, retry_s: u32 },
    #[error("unknown project")]
    NoProject,
    #[error("project {project} is disabled; enable it in its settings")]
    Disabled { project: u64 },
    #[error("{0} header mismatch between envelope and request")]
    Mismatch(&'static str),
    #[error("protocol version {0} is not supported; this server supports version 7")]
    Version(String),
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the request contains more than {items} spans, log records, points or events, or needs too much memory; send it in parts")]
    TooManyItems { items: usize },
    /// Internal to ingestion: the request is decoded again with the exceptional budget.
    #[error("the request needs more memory than usual")]
    Exceptional,
    #[error("the body is incomplete or took longer than {seconds} s")]
    Interrupted { seconds: u64 },
    #[error(transparent)]
    Body(BodyError),
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    #[error(transparent)]
    Langfuse(#[from] LangfuseError),
    #[error("invalid score: {0}")]
    Score(&'static str),
    #[error("invalid upload: {0}")]
    MediaUpload(&'static str),
    #[error("the upload URL is not valid, or has expired; announce the upload again")]
    MediaUploadExpired,
    #[error("the file is larger than {limit} bytes")]
    MediaTooLarge { limit: usize },
    #[error("the project has no room for more media (setting disk.media_quota_bytes)")]
    MediaQuota,
    #[error("content type {0:?} is not supported; send application/x-protobuf or application/json")]
    ContentType(String),
    #[error("a page in a browser ({0}) cannot send without a key; {KEY_REQUIRED_HINT}")]
    KeylessPage(String),
    #[error("the request came through a proxy (header {0}) without a key; {KEY_REQUIRED_HINT}")]
    KeylessProxy(String),
    #[error("the request has no key and is for host {0:?}, which is not a name of this machine; {KEY_REQUIRED_HINT}")]
    KeylessHost(String),
    #[error("malformed gRPC message: its frame does not match the body")]
    Frame,
    #[error("the server is overloaded; send again later")]
    Overloaded,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Errors(#[from] ErrorStoreError),
    #[error(transparent)]
    Database(#[from] SqliteError),
    #[error("the request was forwarded in a loop; delete one of the forwards between these servers")]
    ForwardLoop,
    #[error("the server is stopping; send again later")]
    Stopping,
}

impl From<BodyError> for IngestRejection {
    fn from(error: BodyError) -> IngestRejection {
        match error {
            BodyError::TooLarge { limit } => IngestRejection::TooLarge { limit },
            other => IngestRejection::Body(other),
        }
    }
}

impl IngestRejection {
    /// Returns the status and the reason of each rejection.
    pub(crate) fn status_and_reason(&self) -> (StatusCode, OutcomeReason) {
        use StatusCode as S;
        match self {
            IngestRejection::Auth(AuthError::Missing | AuthError::NoKey) => (S::UNAUTHORIZED, OutcomeReason::MissingKey),
            IngestRejection::Auth(AuthError::Multiple) => (S::UNAUTHORIZED, OutcomeReason::MultipleKeys),
            IngestRejection::Auth(AuthError::Malformed) => (S::BAD_REQUEST, OutcomeReason::MalformedKey),
            IngestRejection::UnknownKey { .. } => (S::UNAUTHORIZED, OutcomeReason::UnknownKey),
            IngestRejection::OtherProject { .. } => (S::UNAUTHORIZED, OutcomeReason::KeyOfOtherProject),
            IngestRejection::KeyExpired => (S::UNAUTHORIZED, OutcomeReason::KeyExpired),
            IngestRejection::Origin(_) => (S::FORBIDDEN, OutcomeReason::OriginNotAllowed),
            IngestRejection::KeyRateLimit { .. } => (S::TOO_MANY_REQUESTS, OutcomeReason::KeyRateLimit),
            IngestRejection::KeyQuota { .. } => (S::TOO_MANY_REQUESTS, OutcomeReason::KeyQuota),
            IngestRejection::NoProject => (S::UNAUTHORIZED, OutcomeReason::UnknownProject),
            IngestRejection::Disabled { .. } => (S::FORBIDDEN, OutcomeReason::ProjectDisabled),
            IngestRejection::Mismatch(_) => (S::BAD_REQUEST, OutcomeReason::DsnMismatch),
            IngestRejection::Version(_) => (S::BAD_REQUEST, OutcomeReason::ProtocolVersion),
            IngestRejection::TooLarge { .. } => (S::PAYLOAD_TOO_LARGE, OutcomeReason::TooLarge),
            IngestRejection::TooManyItems { .. } | IngestRejection::Exceptional => (S::PAYLOAD_TOO_LARGE, OutcomeReason::TooManyItems),
            IngestRejection::Interrupted { .. } => (S::BAD_REQUEST, OutcomeReason::BodyBrokenOff),
            IngestRejection::Body(BodyError::Encoding(_)) => (S::UNSUPPORTED_MEDIA_TYPE, OutcomeReason::UnknownEncoding),
            IngestRejection::Body(BodyError::TooManyEncodings) => (S::UNSUPPORTED_MEDIA_TYPE, OutcomeReason::TooManyEncodings),
            IngestRejection::Body(_) => (S::BAD_REQUEST, OutcomeReason::DamagedBody),
            IngestRejection::Envelope(_) => (S::BAD_REQUEST, OutcomeReason::InvalidEnvelope),
            IngestRejection::Otlp(_) => (S::BAD_REQUEST, OutcomeReason::InvalidOtlp),
            IngestRejection::Langfuse(_) => (S::BAD_REQUEST, OutcomeReason::InvalidBatch),
            IngestRejection::Score(_) => (S::BAD_REQUEST, OutcomeReason::InvalidScore),
            IngestRejection::MediaUpload(_) => (S::BAD_REQUEST, OutcomeReason::InvalidValue),
            IngestRejection::MediaUploadExpired => (S::FORBIDDEN, OutcomeReason::UnknownKey),
            IngestRejection::MediaTooLarge { .. } => (S::PAYLOAD_TOO_LARGE, OutcomeReason::MediaTooLarge),
            IngestRejection::MediaQuota => (S::PAYLOAD_TOO_LARGE, OutcomeReason::MediaQuota),
            IngestRejection::ContentType(_) => (S::UNSUPPORTED_MEDIA_TYPE, OutcomeReason::ContentType),
            IngestRejection::KeylessPage(_) => (S::UNAUTHORIZED, OutcomeReason::PageWithoutKey),
            IngestRejection::KeylessProxy(_) => (S::UNAUTHORIZED, OutcomeReason::ProxyWithoutKey),
            IngestRejection::KeylessHost(_) => (S::UNAUTHORIZED, OutcomeReason::HostWithoutKey),
            IngestRejection::Frame => (S::BAD_REQUEST, OutcomeReason::InvalidGrpcFrame),
            IngestRejection::Store(StoreError::TooLargeForWal { .. }) => (S::PAYLOAD_TOO_LARGE, OutcomeReason::Unfit),
            IngestRejection::Store(StoreError::InternalError) => (S::INTERNAL_SERVER_ERROR, OutcomeReason::Fault),
            IngestRejection::Overloaded
            | IngestRejection::Store(StoreError::Busy { .. })
            | IngestRejection::Errors(ErrorStoreError::Busy { .. })
            | IngestRejection::Database(SqliteError::Busy { .. }) => (S::TOO_MANY_REQUESTS, OutcomeReason::Overloaded),
            IngestRejection::Store(StoreError::DiskFull { .. } | StoreError::DiskLow { .. })
            | IngestRejection::Errors(ErrorStoreError::DiskFull { .. }) => (S::SERVICE_UNAVAILABLE, OutcomeReason::DiskFull),
            IngestRejection::Database(SqliteError::DiskFull { .. }) => (S::SERVICE_UNAVAILABLE, OutcomeReason::DiskFull),
            IngestRejection::Store(_) | IngestRejection::Errors(_) | IngestRejection::Database(_) => {
                (S::SERVICE_UNAVAILABLE, OutcomeReason::StorageFailed)
            }
            IngestRejection::ForwardLoop => (S::LOOP_DETECTED, OutcomeReason::ForwardLoop),
            IngestRejection::Stopping => (S::SERVICE_UNAVAILABLE, OutcomeReason::Stopping),
        }
    }

    /// Returns the reason of the outcome.
    pub(super) fn reason(&self) -> OutcomeReason {
        self.status_and_reason().1
    }

    /// Returns the seconds after which the same request may be sent again; `None` if it would be rejected again.
    pub(crate) fn retry_s(&self) -> Option<u32> {
        match self {
            IngestRejection::KeyRateLimit { retry_s, .. } | IngestRejection::KeyQuota { retry_s, .. } => Some(*retry_s),
            _ => matches!(self.status_and_reason().0, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
                .then_some(RETRY_AFTER_S),
        }
    }

    /// Returns the scope of the limit, as Sentry's header `X-Sentry-Rate-Limits` names it.
    fn rate_limit_scope(&self) -> &'static str {
        match self {
            IngestRejection::KeyRateLimit { .. } | IngestRejection::KeyQuota { .. } => "key",
            _ => "organization",
        }
    }

    /// Returns the gRPC status code.
    fn grpc_code(&self) -> i32 {
        match self.status_and_reason().0 {
            StatusCode::UNAUTHORIZED => 16,
            StatusCode::FORBIDDEN => 7,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => 12,
            // Not 8 (RESOURCE_EXHAUSTED), after which some clients retry: the same request would be rejected again.
            StatusCode::PAYLOAD_TOO_LARGE => 3,
            // UNAVAILABLE is the only code after which clients retry.
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => 14,
            StatusCode::INTERNAL_SERVER_ERROR => 13,
            _ => 3,
        }
    }

    /// Builds the response of OTLP over HTTP: `google.rpc.Status` in the encoding of the request.
    pub(super) fn into_otlp(self, encoding: OtlpEncoding, content_type: &'static str) -> Response {
        let body = otlp::error(encoding, self.grpc_code(), &self.to_string(), self.retry_s());
        let mut response = (self.status_and_reason().0, [(header::CONTENT_TYPE, content_type)], body).into_response();
        if let Some(seconds) = self.retry_s() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// Builds the response of OTLP over gRPC.
    pub(super) fn into_grpc(self) -> Response {
        let (code, why) = (self.grpc_code(), self.to_string());
        grpc::error_response(code, &why, &otlp::error(OtlpEncoding::Binary, code, &why, self.retry_s()))
    }

    /// Builds the response of Langfuse's API.
    pub(super) fn into_langfuse(self) -> Response {
        let (status, reason) = self.status_and_reason();
        let mut response = (status, axum::Json(json!({ "message": self.to_string(), "error": reason }))).into_response();
        if let Some(seconds) = self.retry_s() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// Returns the detail and the causes of an error in Sentry's format.
    fn detail_and_causes(&self) -> (String, Vec<String>) {
        match self {
            IngestRejection::Envelope(error) => (error.detail().to_owned(), error.causes()),
            other => (other.to_string(), Vec::new()),
        }
    }
}

impl IntoResponse for IngestRejection {
    fn into_response(self) -> Response {
        let (status, reason) = self.status_and_reason();
        let (detail, causes) = self.detail_and_causes();
        let mut response = (status, axum::Json(json!({ "detail": detail, "causes": causes }))).into_response();
        let headers = response.headers_mut();
        if let Ok(text) = HeaderValue::from_str(&detail) {
            headers.insert(HeaderName::from_static("x-sentry-error"), text);
        }
        if let Some(seconds) = self.retry_s() {
            // Seconds, categories (empty means all), scope, reason. Without this header a client pauses for a minute.
            if let Ok(limits) = HeaderValue::from_str(&format!("{seconds}::{}:{reason}", self.rate_limit_scope())) {
                headers.insert(HeaderName::from_static("x-sentry-rate-limits"), limits);
            }
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;

    fn said<'a>(answer: &'a Response, name: &str) -> &'a str {
        answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[test]
    fn retryable_rejections_have_a_retry_time() {
        let busy = || IngestRejection::Overloaded;
        let answer = busy().into_otlp(OtlpEncoding::Json, "application/json");
        assert_eq!((answer.status(), said(&answer, "retry-after")), (StatusCode::TOO_MANY_REQUESTS, "10"));
        let answer = busy().into_grpc();
        assert_eq!((answer.status(), said(&answer, "grpc-status")), (StatusCode::OK, "14"));
        let details = base64::engine::general_purpose::STANDARD_NO_PAD.decode(said(&answer, "grpc-status-details-bin")).unwrap();
        assert!(String::from_utf8_lossy(&details).contains("google.rpc.RetryInfo"));
        let limited = IngestRejection::KeyRateLimit { limit: 5, retry_s: 12 }.into_response();
        assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!((said(&limited, "retry-after"), said(&limited, "x-sentry-rate-limits")), ("12", "12::key:key_rate_limit"));
        assert_eq!(said(&IngestRejection::KeyQuota { limit: 5, retry_s: 900 }.into_grpc(), "grpc-status"), "14");
        let full = IngestRejection::Database(SqliteError::DiskFull { path: "x".into() });
        assert_eq!(full.into_otlp(OtlpEncoding::Json, "application/json").status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn permanent_rejections_have_no_retry_time() {
        for refusal in [
            || IngestRejection::TooLarge { limit: 1 },
            || IngestRejection::TooManyItems { items: 1 },
            || IngestRejection::Frame,
            || IngestRejection::NoProject,
            || IngestRejection::KeyExpired,
            || IngestRejection::Origin("https://evil.example".into()),
        ] {
            assert_eq!(said(&refusal().into_otlp(OtlpEncoding::Json, "application/json"), "retry-after"), "");
            assert!(!["8", "14"].contains(&said(&refusal().into_grpc(), "grpc-status")), "codes that clients send again");
        }
    }
}
