//! The routes of the API, with their OpenAPI document.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, Method, header};
use hinomi_alerting::AlertMetric;
use hinomi_model::outcome_reason::{OutcomeReason, OutcomeReasonGroup};
use hinomi_model::technical_tag::TechnicalTag;
use hinomi_query::SeriesMeasure;
use tower_http::cors::{Any, CorsLayer};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use super::permission::permitted_routes;
use super::{
    ApiState, accounts, alerts, audit, bill, channels, credentials, evaluators, findings, forwards, hints, ingest_keys, issues, jobs, live,
    logs, mapping, media, members, metrics, openid_connect, outcomes, prices, projects, queries, reprice, retention, scim, scores, session,
    shares, sign_in, system, traces, transfer,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Hinomi", description = "LLM monitoring. Times are RFC 3339 in UTC with microseconds, durations are in milliseconds, and amounts of money are in US dollars. Null means unknown, never zero."),
    security(("token" = []), ("session" = [])),
    components(schemas(AlertMetric, OutcomeReason, OutcomeReasonGroup, SeriesMeasure, TechnicalTag)),
    modifiers(&OpenApiSecurityModifier)
)]
struct OpenApiDocument;

/// Adds the authentication methods to the OpenAPI document.
struct OpenApiSecurityModifier;

impl utoipa::Modify for OpenApiSecurityModifier {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let token =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("API token, created with `hinomi token create`.")).build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let session = ApiKeyValue::with_description(
            "hinomi_session",
            "Session cookie of the page. Changes also require the header `x-hinomi-page: 1`.",
        );
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    }
}

/// Gives each operation an ID of its own, from its method and path: handlers of several resources have the same name.
pub(super) fn set_operation_ids(description: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut description.paths.paths {
        let words: Vec<&str> =
            path.trim_start_matches("/api/v1").split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let methods = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
            ("patch", &mut item.patch),
        ];
        for (method, operation) in methods {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}_{}", words.join("_")));
            }
        }
    }
}

pub(super) fn described_routes() -> OpenApiRouter<Arc<ApiState>> {
    let v1 = account_routes().merge(telemetry_routes()).merge(score_routes()).merge(alert_routes()).merge(system_routes());
    OpenApiRouter::with_openapi(OpenApiDocument::openapi())
        .nest("/api/v1", v1)
        .nest(scim::SCIM_PREFIX, scim::routes())
        .merge(provider_routes())
}

/// Routes to which an identity provider sends browsers and reports.
fn provider_routes() -> OpenApiRouter<Arc<ApiState>> {
    permitted_routes!(OpenApiRouter::new();
        openid_connect::start,
        openid_connect::callback,
        openid_connect::back_channel_logout,
    )
}

/// Routes of sessions, credentials, projects, prices and jobs.
fn account_routes() -> OpenApiRouter<Arc<ApiState>> {
    permitted_routes!(OpenApiRouter::new();
        session::create,
        session::end,
        session::set_password,
        session::me,
        session::change_password,
        sign_in::options,
        accounts::list,
        accounts::create,
        accounts::update,
        accounts::create_link,
        members::list,
        members::add,
        members::update,
        members::remove,
        audit::list,
        credentials::tokens,
        credentials::create_token,
        credentials::revoke_token,
        credentials::sessions,
        credentials::revoke_session,
        projects::list,
        projects::create,
        projects::get,
        projects::update,
        retention::delete_project,
        ingest_keys::list,
        ingest_keys::create,
        ingest_keys::update,
        ingest_keys::rotate,
        ingest_keys::delete,
        prices::list,
        prices::create,
        prices::end,
        prices::delete,
        prices::unpriced,
        reprice::reprice,
        shares::list,
        shares::create,
        shares::get,
        shares::revoke,
        shares::shared::trace,
        shares::shared::span,
        shares::shared::logs,
        shares::shared::media,
        jobs::list,
        jobs::get,
        jobs::cancel,
    )
}

/// Routes of stored telemetry and of its retention.
fn telemetry_routes() -> OpenApiRouter<Arc<ApiState>> {
    permitted_routes!(OpenApiRouter::new();
        queries::summary,
        queries::series,
        queries::breakdown,
        queries::facets,
        traces::spans,
        traces::traces,
        traces::trace,
        retention::delete_trace,
        traces::span,
        traces::search,
        retention::pin,
        retention::unpin,
        retention::delete_user,
        retention::of_trace,
        retention::of_user,
        retention::of_project,
        retention::list,
        retention::confirm,
        logs::logs,
        logs::project_logs,
        media::get,
        metrics::list,
        metrics::series,
        issues::issues,
        issues::issue,
        issues::event,
        issues::tags,
        issues::groups,
        issues::merge,
        issues::split,
        outcomes::outcomes,
    )
}

/// Routes of scores. Browsers of any origin may send feedback; the key may name the origins that it admits.
fn score_routes() -> OpenApiRouter<Arc<ApiState>> {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::POST])
        .allow_headers([header::CONTENT_TYPE, HeaderName::from_static("x-hinomi-key")])
        .max_age(Duration::from_secs(3600));
    let feedback = permitted_routes!(OpenApiRouter::new(); scores::feedback::create,).layer(cors);
    permitted_routes!(OpenApiRouter::new();
        scores::create,
        scores::list,
        scores::delete,
        scores::summary::get,
        findings::list,
        findings::summary::get,
        scores::definitions::list,
        scores::definitions::create,
        scores::definitions::replace,
        scores::definitions::delete,
        evaluators::list,
        evaluators::create,
        evaluators::preview::preview,
        evaluators::get,
        evaluators::replace,
        evaluators::delete,
        evaluators::backfill::start,
    )
    .merge(feedback)
}

/// Routes of alert rules, budgets, incidents and notification channels.
fn alert_routes() -> OpenApiRouter<Arc<ApiState>> {
    permitted_routes!(OpenApiRouter::new();
        channels::list,
        channels::create,
        channels::update,
        channels::delete,
        channels::test,
        channels::deliveries,
        alerts::rules::list,
        alerts::rules::create,
        alerts::rules::get,
        alerts::rules::replace,
        alerts::rules::delete,
        alerts::rules::mute,
        alerts::rules::unmute,
        alerts::rules::preview,
        alerts::budgets::list,
        alerts::budgets::create,
        alerts::budgets::get,
        alerts::budgets::replace,
        alerts::budgets::delete,
        alerts::budgets::mute,
        alerts::budgets::unmute,
        alerts::budgets::state,
        alerts::incidents::list,
        alerts::incidents::get,
        alerts::incidents::chart,
        alerts::incidents::acknowledge,
        alerts::incidents::resolve,
        alerts::incidents::note,
        alerts::incidents::snooze,
        alerts::incidents::wake,
    )
}

/// Routes of the server itself: forwards, mapping rules, bills, hints, live changes, exports, backups and the state of the system.
fn system_routes() -> OpenApiRouter<Arc<ApiState>> {
    permitted_routes!(OpenApiRouter::new();
        forwards::list,
        forwards::create,
        forwards::get,
        forwards::update,
        forwards::delete,
        mapping::get,
        mapping::replace,
        mapping::preview,
        hints::hints,
        bill::report,
        bill::import,
        live::live,
        transfer::export,
        transfer::import,
        transfer::backup,
        system::system,
    )
}
