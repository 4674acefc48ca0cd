//! The format of all error responses: `{"error":{"code":"snake_case","message":"...","hint":"..."}}`.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hinomi_query::QueryError;
use hinomi_tables::database::SqliteError;
use hinomi_tables::error_events::ErrorStoreError;
use hinomi_tables::metadata::MetadataError;
use serde::Serialize;
use utoipa::ToSchema;

use super::middleware::quarantine_retry::SuspectedSegmentDamage;
use super::middleware::query_slots::QueryQueueFull;
use crate::filter_targets::FilterTargetError;
use crate::ingest::IngestRejection;
use crate::query_parameters::QueryParameterError;

/// An error response.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    detail: ErrorResponseDetail,
    /// True if damaged files can cause the error.
    may_be_damage: bool,
    /// Seconds after which the client should retry.
    retry_after_s: Option<u64>,
}

/// Body of every error response.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorResponse {
    /// The error.
    error: ErrorResponseDetail,
}

/// An error in detail.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErrorSaid)]
struct ErrorResponseDetail {
    /// Machine-readable code in snake case, such as `not_found` or `bad_parameter`.
    code: &'static str,
    /// What happened, and to what.
    message: String,
    /// How to fix the problem; null if there is no advice.
    #[schema(required)]
    hint: Option<String>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError {
            status,
            detail: ErrorResponseDetail { code, message: message.into(), hint: None },
            may_be_damage: false,
            retry_after_s: None,
        }
    }

    /// Adds advice on how to fix the problem.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> ApiError {
        self.detail.hint = Some(hint.into());
        self
    }

    /// Returns the status and the message, for a response in another form.
    pub(super) fn status_and_message(self) -> (StatusCode, String) {
        (self.status, self.detail.message)
    }

    /// Returns an error for an invalid request.
    pub(super) fn bad_request(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// Returns an error for an object that does not exist, or that the caller may not see.
    pub(super) fn not_found(what: &str) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("{what} not found"))
    }

    /// Returns an error for a trace or span that is not stored.
    pub(super) fn span_not_found(what: &str) -> ApiError {
        ApiError::not_found(what).hint("The data may have expired, or may not have arrived yet.")
    }

    /// Returns an error for a caller without valid credentials.
    pub(super) fn unauthorized() -> ApiError {
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "not signed in, and no valid API token was sent")
            .hint("Run `hinomi login` for a sign-in link, or `hinomi token create` for an API token.")
    }

    /// Returns an error for a session that its identity provider must confirm again.
    pub(super) fn renewal_required() -> ApiError {
        ApiError::new(StatusCode::UNAUTHORIZED, "renewal_required", "the identity provider must confirm the session again")
            .hint("Open /auth/oidc/start?prompt=none in the browser.")
    }

    /// Returns an error for an API token of a person whom the identity provider has not confirmed for too long.
    pub(super) fn unconfirmed_token() -> ApiError {
        let message = "the owner of this API token has not signed in at the identity provider for too long";
        ApiError::new(StatusCode::UNAUTHORIZED, "unconfirmed_token", message)
            .hint("Sign in on the page again, or use the token of a service account (`hinomi user create-service`).")
    }

    /// Returns an error for somebody whom an authenticating proxy has identified and who has no access.
    pub(super) fn sign_in_rejected(code: &'static str, message: String) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, code, message)
    }

    /// Returns an error for a password that cannot be used, because passwords are turned off or the account belongs to a provider.
    pub(super) fn password_not_used(message: &str) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, "password_not_used", message)
            .hint("Sign in with the identity provider. The operator of the server can also run `hinomi login`.")
    }

    /// Returns an error for a wrong e-mail address or password. It does not show which of them is wrong.
    pub(super) fn wrong_password() -> ApiError {
        ApiError::new(StatusCode::UNAUTHORIZED, "wrong_password", "the e-mail address or the password is wrong")
            .hint("Ask an admin of this server for a link that sets a new password.")
    }

    /// Returns an error for a one-time link that is used, expired or unknown.
    pub(super) fn expired_link() -> ApiError {
        ApiError::new(StatusCode::UNAUTHORIZED, "expired_link", "the link was used before, or has expired")
            .hint("Ask an admin of this server for a new link.")
    }

    /// Returns an error for too many attempts to sign in.
    pub(super) fn too_many_attempts(wait: std::time::Duration) -> ApiError {
        let seconds = wait.as_secs().max(1);
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", "too many attempts to sign in")
            .hint(format!("Retry in {seconds} s, or sign in with a link."));
        ApiError { retry_after_s: Some(seconds), ..error }
    }

    /// Returns an error for an address that opened too many share links that do not exist.
    pub(super) fn too_many_unknown_links(wait: std::time::Duration) -> ApiError {
        let seconds = wait.as_secs().max(1);
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", "too many share links that do not exist")
            .hint(format!("Retry in {seconds} s."));
        ApiError { retry_after_s: Some(seconds), ..error }
    }

    /// Returns an error for telemetry that the limits of an ingest key do not admit.
    pub(super) fn from_rejection(rejection: IngestRejection) -> ApiError {
        let (status, reason) = rejection.status_and_reason();
        let retry_after_s = rejection.retry_s().map(u64::from);
        ApiError { retry_after_s, ..ApiError::new(status, reason.as_str(), rejection.to_string()) }
    }

    /// Returns an error for a caller without the required permission.
    pub(super) fn forbidden(message: &str, hint: &str) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).hint(hint)
    }

    /// Returns an error for a request whose response would reveal messages that the project hides from the caller.
    pub(super) fn messages_hidden() -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, "messages_hidden", "the settings of this project hide messages from you")
            .hint("Names, IDs, tokens, costs and durations are visible. A search in texts or attributes, exports and media are not.")
    }

    /// Returns an error for something that existed and does not exist any more.
    pub(super) fn gone(code: &'static str, message: &str) -> ApiError {
        ApiError::new(StatusCode::GONE, code, message)
    }

    /// Returns whether something does not exist, or the caller may not see it.
    pub(super) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// Returns an error for a request that conflicts with another one.
    pub(super) fn conflict(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::CONFLICT, code, message)
    }

    /// Returns an error for a request that is temporarily impossible.
    pub(super) fn unavailable(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// Returns an error for a full query queue.
    pub(super) fn queue_full(full: QueryQueueFull) -> ApiError {
        let (status, code, message) = match full {
            QueryQueueFull::Caller(count) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_questions",
                format!("too many queries: {count} of this token or session are waiting"),
            ),
            QueryQueueFull::Total(count) => (StatusCode::SERVICE_UNAVAILABLE, "busy", format!("too many queries: {count} are waiting")),
        };
        let hint = "Retry when other queries have finished, or raise queries.max_waiting and queries.max_waiting_of_caller.";
        ApiError { retry_after_s: Some(1), ..ApiError::new(status, code, message).hint(hint) }
    }

    /// Returns an error for a query that was not started within the time limit.
    pub(super) fn queue_timeout(limit: std::time::Duration) -> ApiError {
        let message = format!("query was not started within {} s because the server is busy", limit.as_secs_f64());
        let error =
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).hint("Retry later, or send fewer queries at the same time.");
        ApiError { retry_after_s: Some(5), ..error }
    }

    /// Returns an error for too many concurrent exports.
    pub(super) fn too_many_exports() -> ApiError {
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_exports", "too many exports are running")
            .hint("Retry when another export has finished. A project can run two at a time.");
        ApiError { retry_after_s: Some(10), ..error }
    }

    /// Returns an error for a query that exceeded the time limit.
    pub(super) fn timeout(limit: std::time::Duration) -> ApiError {
        let message = format!("query timed out after {} s", limit.as_secs_f64());
        ApiError::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message)
            .hint("Use a shorter time range or a narrower filter, or raise query_timeout_ms.")
    }

    /// Returns an error for a request that a shutdown interrupted.
    pub(super) fn stopping() -> ApiError {
        let error =
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server is shutting down").hint("Retry in a few seconds.");
        ApiError { retry_after_s: Some(5), ..error }
    }

    /// Returns an error for a value that is not computed yet.
    pub(super) fn not_computed_yet(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_yet", message).hint("Retry in a second.")
    }

    /// Returns an error for a failure of the server, and logs its cause.
    pub(super) fn internal(error: impl std::fmt::Display) -> ApiError {
        tracing::error!(%error, "api.request.failed");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error; see the server log")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorResponse { error: self.detail })).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.may_be_damage {
            response.extensions_mut().insert(SuspectedSegmentDamage);
        }
        response
    }
}

impl From<SqliteError> for ApiError {
    fn from(error: SqliteError) -> ApiError {
        ApiError::internal(error)
    }
}

impl From<FilterTargetError> for ApiError {
    fn from(error: FilterTargetError) -> Self {
        match error {
            FilterTargetError::Query(error) => error.into(),
            FilterTargetError::Database(error) => ApiError::internal(error),
            FilterTargetError::TooMany => {
                ApiError::bad_request("too_many", error.to_string()).hint("Use a narrower condition on the score or finding.")
            }
        }
    }
}

impl From<QueryParameterError> for ApiError {
    fn from(error: QueryParameterError) -> ApiError {
        if let QueryParameterError::BadQuery(error) = error {
            return error.into();
        }
        let rejected = ApiError::bad_request(error.code(), error.to_string());
        match error.hint() {
            Some(hint) => rejected.hint(hint),
            None => rejected,
        }
    }
}

impl From<tokio::task::JoinError> for ApiError {
    /// Converts the error of a query task, which ends early if it panics or the server shuts down.
    fn from(error: tokio::task::JoinError) -> ApiError {
        if error.is_cancelled() { ApiError::stopping() } else { ApiError::internal(error) }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> ApiError {
        if error.is_user_error() {
            return ApiError::bad_request("bad_query", error.to_string());
        }
        if error.is_out_of_memory() {
            tracing::warn!(%error, "api.query.out_of_memory");
            return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_much_memory", "query exceeds the memory limit")
                .hint("Use a shorter time range, a narrower filter or fewer groups, or raise memory_limit_bytes.");
        }
        if error.is_shutdown() {
            return ApiError::stopping();
        }
        let may_be_damage = error.is_file_error();
        ApiError { may_be_damage, ..ApiError::internal(error) }
    }
}

impl From<ErrorStoreError> for ApiError {
    fn from(error: ErrorStoreError) -> ApiError {
        match error {
            ErrorStoreError::UnknownIssue(_) => ApiError::not_found("issue"),
            ErrorStoreError::MovingEvents => ApiError::conflict("moving_events", error.to_string()),
            error if error.is_users() => ApiError::bad_request("bad_query", error.to_string()),
            error => ApiError::internal(error),
        }
    }
}

impl From<MetadataError> for ApiError {
    fn from(error: MetadataError) -> ApiError {
        match error {
            MetadataError::NoProject(_) => ApiError::not_found("project"),
            MetadataError::NoKey { .. } => ApiError::not_found("key"),
            MetadataError::NoPrice { .. } => ApiError::not_found("price"),
            MetadataError::NoAccount(_) => ApiError::not_found("account"),
            MetadataError::NoToken(_) => ApiError::not_found("token"),
            MetadataError::NoJob(_) => ApiError::not_found("job"),
            MetadataError::NoSession(_) => ApiError::not_found("session"),
            MetadataError::NoGroup(_) => ApiError::not_found("group"),
            MetadataError::Taken(reason) => ApiError::conflict("taken", reason),
            MetadataError::LastOwner(_) => ApiError::bad_request("last_owner", error.to_string()),
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
