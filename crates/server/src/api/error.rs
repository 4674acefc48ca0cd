//! The one form of error at the edge: `{"error":{"code":"snake_case","message":"...","hint":"..."}}`.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hinomi_query::QueryError;
use hinomi_query::filter::FilterError;
use hinomi_tables::error_events::ErrorStoreError;
use hinomi_tables::metadata::MetadataError;
use serde::Serialize;
use utoipa::ToSchema;

use super::middleware::quarantine_retry::SuspectedSegmentDamage;
use super::middleware::query_slots::QueryQueueFull;

/// Why a request was not answered.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    said: ErrorResponseDetail,
    /// Whether damaged files make an answer fail so.
    perhaps_damaged: bool,
    /// After how many seconds it is worth to ask again.
    retry_after_s: Option<u64>,
}

/// What a client reads.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorResponse {
    /// The error.
    error: ErrorResponseDetail,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErrorSaid)]
struct ErrorResponseDetail {
    /// Snake case, for programs.
    code: &'static str,
    /// What happened, to what.
    message: String,
    /// What to do about it.
    hint: Option<String>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError {
            status,
            said: ErrorResponseDetail { code, message: message.into(), hint: None },
            perhaps_damaged: false,
            retry_after_s: None,
        }
    }

    /// Says what to do about it.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> ApiError {
        self.said.hint = Some(hint.into());
        self
    }

    /// The request says something that cannot be.
    pub(super) fn bad_request(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// There is no such thing, or none that the caller may see.
    pub(super) fn not_found(what: &str) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// A trace or span that is not there.
    pub(super) fn no_span(what: &str) -> ApiError {
        ApiError::not_found(what).hint("It may be older than what is kept, or not have arrived yet.")
    }

    /// Nobody is signed in.
    pub(super) fn unauthorized() -> ApiError {
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "sign in, or send an API token")
            .hint("`hinomi login` prints a sign-in link, `hinomi token create` an API token.")
    }

    /// The caller may read, not change.
    pub(super) fn forbidden(message: &str, hint: &str) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).hint(hint)
    }

    /// What was asked for met something else that was asked for.
    pub(super) fn conflict(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::CONFLICT, code, message)
    }

    /// It cannot be done now, and may be later.
    pub(super) fn unavailable(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// There are as many questions as may wait.
    pub(super) fn full(full: QueryQueueFull) -> ApiError {
        let (status, code, message) = match full {
            QueryQueueFull::OfCaller(count) => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_questions", format!("{count} questions of this token or session wait already"))
            }
            QueryQueueFull::Altogether(count) => (StatusCode::SERVICE_UNAVAILABLE, "busy", format!("{count} questions wait already")),
        };
        let hint = "Ask again when others are answered; queries.max_waiting and queries.max_waiting_of_caller say how many may wait.";
        ApiError { retry_after_s: Some(1), ..ApiError::new(status, code, message).hint(hint) }
    }

    /// It waited too long for others to be answered.
    pub(super) fn no_turn(limit: std::time::Duration) -> ApiError {
        let message = format!("the question waited {} s for others to be answered", limit.as_secs_f64());
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).hint("Ask again later, or for less at the same time.");
        ApiError { retry_after_s: Some(5), ..error }
    }

    /// There are as many exports as there may be.
    pub(super) fn too_many_exports() -> ApiError {
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_exports", "other exports have all places")
            .hint("Ask again when one has ended; those of a project have two places.");
        ApiError { retry_after_s: Some(10), ..error }
    }

    /// It took too long, and has been given up.
    pub(super) fn timeout(limit: std::time::Duration) -> ApiError {
        let message = format!("the question took longer than {} s and was given up", limit.as_secs_f64());
        ApiError::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message)
            .hint("Ask for a shorter range or a narrower filter, or set query_timeout_ms higher.")
    }

    /// The server ends, and broke it off.
    pub(super) fn stopping() -> ApiError {
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server is being stopped").hint("Ask again soon.");
        ApiError { retry_after_s: Some(5), ..error }
    }

    /// What is asked for is not known yet, and will be soon.
    pub(super) fn not_yet(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_yet", message).hint("Ask again in a second.")
    }

    /// Our own fault. What it was goes to the log, where it is handled once.
    pub(super) fn internal(error: impl std::fmt::Display) -> ApiError {
        tracing::error!(%error, "api.request.failed");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server could not answer; its log says why")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorResponse { error: self.said })).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.perhaps_damaged {
            response.extensions_mut().insert(SuspectedSegmentDamage);
        }
        response
    }
}

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> ApiError {
        let hint = error.hint();
        ApiError::bad_request("bad_filter", error.to_string()).hint(hint)
    }
}

impl From<tokio::task::JoinError> for ApiError {
    /// Of a task for a question, which ends early when it panics, or when the server ends.
    fn from(error: tokio::task::JoinError) -> ApiError {
        if error.is_cancelled() { ApiError::stopping() } else { ApiError::internal(error) }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> ApiError {
        if error.is_users() {
            return ApiError::bad_request("bad_query", error.to_string());
        }
        if error.is_of_memory() {
            tracing::warn!(%error, "api.query.out_of_memory");
            return ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_much_memory",
                "the question needs more memory than questions may take",
            )
            .hint("Ask for a shorter range or less detail, or set memory_limit_bytes higher.");
        }
        if error.is_of_end() {
            return ApiError::stopping();
        }
        let perhaps_damaged = error.is_of_files();
        ApiError { perhaps_damaged, ..ApiError::internal(error) }
    }
}

impl From<ErrorStoreError> for ApiError {
    fn from(error: ErrorStoreError) -> ApiError {
        if error.is_users() { ApiError::bad_request("bad_query", error.to_string()) } else { ApiError::internal(error) }
    }
}

impl From<MetadataError> for ApiError {
    fn from(error: MetadataError) -> ApiError {
        match error {
            MetadataError::NoProject(_) => ApiError::not_found("project"),
            MetadataError::NoKey { .. } => ApiError::not_found("key"),
            MetadataError::NoPrice { .. } => ApiError::not_found("price"),
            MetadataError::NoToken(_) => ApiError::not_found("token"),
            MetadataError::NoJob(_) => ApiError::not_found("job"),
            MetadataError::NoSession(_) => ApiError::not_found("session"),
            MetadataError::Invalid(reason) => ApiError::bad_request("invalid_value", reason),
            other => ApiError::internal(other),
        }
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> ApiError {
        ApiError::bad_request("invalid_body", rejection.body_text()).hint("Send JSON with `content-type: application/json`.")
    }
}
