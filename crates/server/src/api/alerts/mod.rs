//! Rules, budgets and incidents.

pub(super) mod budgets;
mod definitions;
pub(super) mod incidents;
pub(super) mod rules;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use hinomi_alerting::{AlertError, AlertService, HumanDuration, PreviewError};
use serde::Deserialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{ApiError, ApiState};

impl From<AlertError> for ApiError {
    fn from(error: AlertError) -> ApiError {
        match error {
            AlertError::Invalid { field, .. } => {
                ApiError::bad_request("invalid_value", error.to_string()).hint(format!("Change the field `{field}`."))
            }
            AlertError::NameTaken { .. } => ApiError::bad_request("name_taken", error.to_string()),
            AlertError::Unknown(what) => ApiError::not_found(what),
            AlertError::Over(_) => ApiError::bad_request("resolved", error.to_string()),
            AlertError::Database(error) => ApiError::internal(error),
        }
    }
}

impl From<PreviewError> for ApiError {
    fn from(error: PreviewError) -> ApiError {
        match error {
            PreviewError::Rule(error) => error.into(),
            PreviewError::Query(error) => error.into(),
            PreviewError::Ended => ApiError::internal(error),
        }
    }
}

/// How long notifications are muted. Set at most one field; without a field, notifications stay muted until you unmute them.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MuteRequest {
    /// Duration from now, such as `2h` or `7d`.
    #[serde(rename = "for")]
    length: Option<String>,
    /// Time at which notifications are sent again (RFC 3339).
    until: Option<String>,
}

impl MuteRequest {
    /// Returns the end in microseconds since the Unix epoch; `i64::MAX` for no end.
    fn until_us(&self) -> Result<i64, ApiError> {
        let now_us = jiff::Timestamp::now().as_microsecond();
        let bad = |field: &str, text: &str, wanted: &str| ApiError::bad_request("bad_time", format!("{field}: {text:?} is not {wanted}"));
        match (&self.length, &self.until) {
            (Some(_), Some(_)) => Err(ApiError::bad_request("bad_time", "`for` and `until` cannot be used together")),
            (Some(text), None) => {
                let length = HumanDuration::parse(text).ok_or_else(|| bad("for", text, "a valid duration; use a form such as 2h or 7d"))?;
                Ok(now_us.saturating_add(length.0))
            }
            (None, Some(text)) => {
                let until: Result<jiff::Timestamp, _> = text.parse();
                until.map(jiff::Timestamp::as_microsecond).map_err(|_| bad("until", text, "a valid RFC 3339 time"))
            }
            (None, None) => Ok(i64::MAX),
        }
    }
}

/// Returns the end of muting for the API: `None` if it is over or was never set, `forever` for no end.
fn muted_until(until_us: Option<i64>) -> Option<String> {
    let until_us = until_us.filter(|until| *until > jiff::Timestamp::now().as_microsecond())?;
    Some(if until_us == i64::MAX { "forever".to_owned() } else { hinomi_model::api_time::rfc3339(until_us) })
}

/// Returns the schema of a definition within an answer: other than in a request, all fields are there, and further ones beside them.
fn sent_whole<T: PartialSchema>() -> RefOr<Schema> {
    let mut schema = T::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.additional_properties = None;
        object.required = object.properties.keys().cloned().collect();
    }
    schema
}

/// Returns the parsed request body.
fn parsed_body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, ApiError> {
    Ok(body?.0)
}

/// Runs work on a thread that may block, because it waits for the disk.
async fn run_blocking<T: Send + 'static>(
    api: &Arc<ApiState>,
    work: impl FnOnce(&AlertService) -> Result<T, AlertError> + Send + 'static,
) -> Result<T, ApiError> {
    let alerts = api.alerts.clone();
    let done = tokio::task::spawn_blocking(move || work(&alerts)).await;
    Ok(done??)
}
