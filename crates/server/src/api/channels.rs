//! Notification channels, test messages and deliveries.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use hinomi_alerting::delivery;
use hinomi_alerting::delivery::notification::MessageLanguage;
use hinomi_alerting::delivery::{
    ChannelConfiguration, ChannelError, ChannelSecret, DeliveryFilter, DeliveryState, DeliveryWorker, NotificationChannelDraft,
    NotificationDelivery, NotifyError,
};
use hinomi_model::api_time::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::AuthorizedProject;
use super::permission::{Admin, Viewer};
use super::{ApiError, ApiState};

/// Default number of deliveries in a response.
const DEFAULT_DELIVERIES: usize = 50;
const MAX_DELIVERIES: usize = 500;

/// A notification channel without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationChannelView {
    /// ID of the channel.
    id: i64,
    /// Name of the channel.
    name: String,
    /// Language of the notifications; null for the language of the rule.
    #[schema(required)]
    language: Option<MessageLanguage>,
    /// True if nothing is sent to the channel.
    disabled: bool,
    /// Kind and configuration of the channel.
    address: ChannelConfiguration,
    /// Short readable form of the address without its secret parts, such as the recipients or the host of the webhook.
    shown: String,
    /// Number of notifications waiting for delivery.
    waiting: i64,
    /// Time at which the channel was created (RFC 3339).
    created_at: String,
    /// Secret for verifying webhook signatures. Only the response to the request that generated the secret contains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    signing_secret: Option<String>,
}

/// Notification channels of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationChannelList {
    /// Notification channels.
    targets: Vec<NotificationChannelView>,
}

/// A notification channel to create or replace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChannelDraft)]
pub(super) struct NotificationChannelRequest {
    /// Name of 1 to 100 characters.
    name: String,
    /// Language of the notifications. If omitted or null: the language of the rule.
    #[serde(default)]
    language: Option<MessageLanguage>,
    /// True if nothing is sent to the channel. Default: false.
    #[serde(default)]
    disabled: bool,
    /// Kind and configuration of the channel.
    address: ChannelConfiguration,
    /// Secret of the channel: the webhook URL of Slack, Discord or Teams, the password for the mail server, the routing key of PagerDuty,
    /// or the signing secret of a webhook. If omitted, the stored secret is kept; for a new webhook, a secret is generated.
    #[serde(default)]
    secret: Option<String>,
}

impl NotificationChannelRequest {
    fn into_draft(self) -> NotificationChannelDraft {
        let NotificationChannelRequest { name, language, disabled, address, secret } = self;
        NotificationChannelDraft {
            name,
            language,
            disabled,
            configuration: address,
            secret: secret.filter(|secret| !secret.is_empty()).map(ChannelSecret::new),
        }
    }
}

fn channel_view(target: delivery::NotificationChannel, waiting: i64, made: Option<ChannelSecret>) -> NotificationChannelView {
    NotificationChannelView {
        id: target.id,
        name: target.name,
        language: target.language,
        disabled: target.disabled,
        shown: target.configuration.describe(&target.secret),
        address: target.configuration,
        waiting,
        created_at: rfc3339(target.created_us),
        signing_secret: made.map(ChannelSecret::into_revealed),
    }
}

/// Lists the notification channels of a project.
#[utoipa::path(get, path = "/projects/{project}/alerts/targets", tag = "alerts", params(("project" = u64, Path, description = "ID of the project.")),
    responses((status = 200, body = NotificationChannelList)))]
pub(super) async fn list(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
) -> Result<Json<NotificationChannelList>, ApiError> {
    let (targets, waiting) = run_outbox_query(&api, move |delivery_worker| -> Result<_, NotifyError> {
        Ok((delivery_worker.outbox().targets(authorized.project)?, delivery_worker.outbox().waiting_by_channel(authorized.project)?))
    })
    .await?;
    let waiting: HashMap<_, _> = waiting.into_iter().collect();
    let targets = targets.into_iter().map(|target| {
        let count = waiting.get(&target.id).copied().unwrap_or(0);
        channel_view(target, count, None)
    });
    Ok(Json(NotificationChannelList { targets: targets.collect() }))
}

/// Creates a notification channel.
#[utoipa::path(post, path = "/projects/{project}/alerts/targets", tag = "alerts", params(("project" = u64, Path, description = "ID of the project.")), request_body = NotificationChannelRequest,
    responses((status = 201, body = NotificationChannelView), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    body: Result<Json<NotificationChannelRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<NotificationChannelView>), ApiError> {
    let draft = body?.0.into_draft();
    let (target, made) = run_outbox_query(&api, move |delivery_worker| {
        delivery_worker.outbox().create_channel(authorized.project, draft, delivery_worker.allowed_networks())
    })
    .await?;
    Ok((StatusCode::CREATED, Json(channel_view(target, 0, made))))
}

/// Replaces a notification channel.
///
/// If the secret is omitted, the stored secret is kept, unless the channel moves to another host. Waiting notifications are retried
/// immediately, or cancelled if the channel is disabled.
#[utoipa::path(put, path = "/projects/{project}/alerts/targets/{target}", tag = "alerts",
    params(("project" = u64, Path, description = "ID of the project."), ("target" = i64, Path, description = "ID of the notification channel.")), request_body = NotificationChannelRequest,
    responses((status = 200, body = NotificationChannelView), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn update(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    path: Path<(u64, i64)>,
    body: Result<Json<NotificationChannelRequest>, JsonRejection>,
) -> Result<Json<NotificationChannelView>, ApiError> {
    let (draft, id) = (body?.0.into_draft(), path.0.1);
    let (target, made, waiting) = run_outbox_query(&api, move |delivery_worker| {
        let (target, made) = delivery_worker.outbox().update_channel(authorized.project, id, draft, delivery_worker.allowed_networks())?;
        let waiting = delivery_worker.outbox().waiting_by_channel(authorized.project)?;
        Ok::<_, NotifyError>((target, made, waiting))
    })
    .await?;
    let count = waiting.iter().find(|(id, _)| *id == target.id).map_or(0, |(_, count)| *count);
    Ok(Json(channel_view(target, count, made)))
}

/// Deletes a notification channel.
///
/// The delivery log and the waiting notifications of the channel are deleted too.
#[utoipa::path(delete, path = "/projects/{project}/alerts/targets/{target}", tag = "alerts",
    params(("project" = u64, Path, description = "ID of the project."), ("target" = i64, Path, description = "ID of the notification channel.")), responses((status = 204, description = "The channel was deleted."), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn delete(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    path: Path<(u64, i64)>,
) -> Result<StatusCode, ApiError> {
    let id = path.0.1;
    run_outbox_query(&api, move |delivery_worker| delivery_worker.outbox().delete_channel(authorized.project, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a test message to a notification channel.
///
/// The message is tried once. The response describes the attempt.
#[utoipa::path(post, path = "/projects/{project}/alerts/targets/{target}/test", tag = "alerts",
    params(("project" = u64, Path, description = "ID of the project."), ("target" = i64, Path, description = "ID of the notification channel.")),
    responses((status = 200, body = NotificationDelivery), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn test(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    path: Path<(u64, i64)>,
) -> Result<Json<NotificationDelivery>, ApiError> {
    Ok(Json(api.delivery_worker.send_test(authorized.project, path.0.1, &api.public_url).await?))
}

/// Selects deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveryListParameters {
    /// ID of an incident: only its deliveries are returned.
    incident: Option<i64>,
    /// ID of a notification channel: only its deliveries are returned.
    target: Option<i64>,
    /// State of the deliveries. Default: all.
    #[param(value_type = Option<DeliveryState>)]
    state: Option<String>,
    /// Maximum number of deliveries, from 1 to 500. Default: 50.
    limit: Option<usize>,
    /// Cursor: `next_cursor` of the previous page.
    cursor: Option<String>,
}

/// One page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryPage {
    /// Deliveries, the newest first.
    deliveries: Vec<NotificationDelivery>,
    /// Cursor of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Lists deliveries with all their attempts, the newest first.
#[utoipa::path(get, path = "/projects/{project}/alerts/deliveries", tag = "alerts", params(("project" = u64, Path, description = "ID of the project."), DeliveryListParameters),
    responses((status = 200, body = DeliveryPage)))]
pub(super) async fn deliveries(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    asked: Result<Query<DeliveryListParameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<DeliveryPage>, ApiError> {
    let Query(asked) = asked.map_err(|error| ApiError::bad_request("bad_query", error.body_text()))?;
    let limit = asked.limit.unwrap_or(DEFAULT_DELIVERIES).clamp(1, MAX_DELIVERIES);
    let before = asked.cursor.map(|cursor| cursor.parse::<i64>()).transpose();
    let before = before.map_err(|_| ApiError::bad_request("bad_cursor", "cursor does not belong to this list"))?;
    let which = DeliveryFilter { incident: asked.incident, target: asked.target, state: asked.state, before, limit: limit + 1 };
    let mut deliveries = run_outbox_query(&api, move |delivery_worker| {
        delivery_worker.outbox().deliveries(authorized.project, &which).map_err(NotifyError::from)
    })
    .await?;
    let more = deliveries.len() > limit;
    deliveries.truncate(limit);
    let next_cursor = deliveries.last().filter(|_| more).map(|delivery| delivery.id.to_string());
    Ok(Json(DeliveryPage { deliveries, next_cursor }))
}

/// Runs a query of the outbox on a thread that may block.
async fn run_outbox_query<T: Send + 'static>(
    api: &Arc<ApiState>,
    question: impl FnOnce(&DeliveryWorker) -> Result<T, NotifyError> + Send + 'static,
) -> Result<T, ApiError> {
    let delivery_worker = api.delivery_worker.clone();
    Ok(tokio::task::spawn_blocking(move || question(&delivery_worker)).await??)
}

/// Returns how to allow a private address.
pub(super) fn allow_hint(address: IpAddr) -> String {
    format!(
        "Allow it in the configuration file (`allow = \"{address}\"` under `[notify]`) or with `HINOMI_NOTIFY_ALLOW={address}`, and restart the \
         server. Separate several addresses with commas; `10.0.0.0/8` allows a network, `all` allows every address."
    )
}

impl From<NotifyError> for ApiError {
    fn from(error: NotifyError) -> ApiError {
        match error {
            NotifyError::Missing(what) => ApiError::not_found(what),
            NotifyError::Invalid(error @ ChannelError::NotAllowed { address, .. }) => {
                ApiError::bad_request("target_not_allowed", error.to_string()).hint(allow_hint(address))
            }
            NotifyError::Invalid(error) => ApiError::bad_request("invalid_value", error.to_string()),
            NotifyError::Sqlite(error) => ApiError::internal(error),
        }
    }
}
