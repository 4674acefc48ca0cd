//! The API under `/api/v1`: the contract that the page and other programs rely on. Each handler is registered once, route and
//! description together; the description is served at `/api/v1/openapi.json`.

mod alerts;
mod auth;
mod bill;
mod credentials;
mod error;
mod file_response;
mod hints;
mod issues;
mod jobs;
mod live;
mod logs;
mod metrics;
mod middleware;
mod outcomes;
mod params;
mod permission;
mod prices;
mod projects;
mod queries;
mod reprice;
mod retention;
mod scores;
mod session;
mod streaming;
mod system;
mod targets;
mod traces;
mod transfer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::{Json, Router};
use hinomi_alerting::AlertService;
use hinomi_alerting::delivery::DeliveryWorker;
use hinomi_query::QueryEngine;
use hinomi_store::Store;
use hinomi_tables::bills::BillStore;
use hinomi_tables::error_events::ErrorStore;
use hinomi_tables::log_lines::LogStore;
use hinomi_tables::metadata::{MetadataStore, ProjectRecord};
use hinomi_tables::otel_metrics::OtelMetricStore;
use hinomi_tables::outcomes::OutcomeStore;
use hinomi_tables::prices::ActivePrices;
use hinomi_tables::scores::ScoreStore;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

pub use crate::api::middleware::shared_queries::QueryScheduler;
use crate::jobs::JobRunner;
use crate::retention::{RetentionHoldTracker, RetentionResources};
pub use error::ApiError;
pub use file_response::ExportLimiter;
use permission::permitted_routes;
pub use system::SystemProblem;
pub use transfer::MISSING;

/// Everything that answering needs.
#[derive(Debug)]
pub struct ApiState {
    /// Projects, keys, tokens, sessions.
    pub meta: Arc<MetadataStore>,
    /// Spans.
    pub store: Arc<Store>,
    /// Error events.
    pub errors: Arc<ErrorStore>,
    /// Judgements of answers.
    pub scores: Arc<ScoreStore>,
    /// Lines of programs' logs.
    pub logs: Arc<LogStore>,
    /// Points of metrics.
    pub metrics: Arc<OtelMetricStore>,
    /// What providers billed.
    pub bills: Arc<BillStore>,
    /// What became of what was sent.
    pub outcomes: Arc<OutcomeStore>,
    /// Targets of alerts, and what is on its way to them.
    pub courier: Arc<DeliveryWorker>,
    /// Rules, budgets, incidents.
    pub alerts: Arc<AlertService>,
    /// Where queries run.
    pub engine: QueryEngine,
    /// The prices in force.
    pub prices: Arc<ActivePrices>,
    /// Long work.
    pub jobs: Arc<JobRunner>,
    /// When `hinomi.db` was made anew beside other data, if it was.
    pub made_anew_us: Option<i64>,
    /// Messages of alerts are held back whatever the folder says.
    pub quiet_notifications: bool,
    /// What links and DSNs are made from, without a slash at the end.
    pub public_url: String,
    /// Name of the session's cookie: cookies of one host are shared by all its ports.
    pub cookie: String,
    /// The data folder.
    pub data: PathBuf,
    /// Days that spans are kept where a project does not say.
    pub retention_days: u32,
    /// Bytes of the disk that intake leaves free.
    pub reserve_bytes: u64,
    /// Bytes that the data folder may take; 0 for any number.
    pub budget_bytes: u64,
    /// What is to be deleted and waits.
    pub holds: Arc<RetentionHoldTracker>,
    /// How often it is looked for what is to be kept no longer.
    pub retain_every: std::time::Duration,
    /// How long a question may take.
    pub query_timeout: std::time::Duration,
    /// Places for exports.
    pub exports: ExportLimiter,
    /// What is being asked.
    pub questions: QueryScheduler,
    /// Counts the changes that were asked for by this API.
    pub changes: AtomicU64,
    /// See [`RetentionResources`].
    pub erasing: Arc<tokio::sync::Mutex<()>>,
    /// Memory that queries and intake may take together, in bytes.
    pub memory_limit: u64,
    /// When the server started.
    pub started: Instant,
    /// Ends the live streams, so that the server can stop.
    pub stop: CancellationToken,
}

impl ApiState {
    /// The address with which programs send to a project.
    pub fn dsn(&self, project: &ProjectRecord) -> Option<String> {
        let directory = self.meta.directory();
        let key = directory.first_key(project.id)?;
        let (scheme, rest) = self.public_url.split_once("://")?;
        Some(format!("{scheme}://{}@{rest}/{}", key.public_key, project.id))
    }

    /// Where all is that is kept.
    pub fn places(&self) -> RetentionResources {
        RetentionResources {
            meta: self.meta.clone(),
            store: self.store.clone(),
            errors: self.errors.clone(),
            scores: self.scores.clone(),
            logs: self.logs.clone(),
            alerts: self.alerts.clone(),
            engine: self.engine.clone(),
            data: self.data.clone(),
            days: self.retention_days,
            budget_bytes: self.budget_bytes,
            every: self.retain_every,
            holds: self.holds.clone(),
            erasing: self.erasing.clone(),
        }
    }

    /// Rises with all that answers about spans and error events depend on, before it is acknowledged.
    fn version(&self) -> crate::api::middleware::shared_queries::ApiStateVersion {
        [self.store.version(), self.errors.version(), self.changes.load(Ordering::Acquire)]
    }

    /// The questions that can be asked of a project at this moment.
    fn ask(&self, project: u64) -> hinomi_query::ProjectSnapshot {
        self.engine.project(self.store.snapshot(), project)
    }
}

/// Lets pass whoever is signed in or has an API token.
///
/// # Errors
///
/// When nobody is.
pub async fn authenticate(api: &Arc<ApiState>, request: axum::extract::Request) -> Result<(), ApiError> {
    let (mut parts, _) = request.into_parts();
    <auth::ApiCaller as axum::extract::FromRequestParts<_>>::from_request_parts(&mut parts, api).await.map(drop)
}

/// A project's counters for Prometheus, for whoever may see it.
///
/// # Errors
///
/// When nobody is signed in, or there is no such project.
pub async fn scrape(api: &Arc<ApiState>, request: axum::extract::Request, project: &str) -> Result<String, ApiError> {
    let (mut parts, _) = request.into_parts();
    let caller = <auth::ApiCaller as axum::extract::FromRequestParts<_>>::from_request_parts(&mut parts, api).await?;
    let project = project.parse().ok().filter(|project| caller.may_see(*project));
    let project = api.meta.project(project.ok_or_else(|| ApiError::not_found("project"))?)?;
    Ok(api.alerts.scrape(project.id))
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Hinomi", description = "LLM monitoring. Times are RFC 3339 in UTC with microseconds, durations are in milliseconds, and amounts of money are in US dollars. Null means unknown, never zero."),
    security(("token" = []), ("session" = [])),
    modifiers(&OpenApiSecurityModifier)
)]
struct OpenApiDocument;

/// How requests are authenticated.
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

/// All routes, with the description that they give of themselves.
pub fn routes(api: Arc<ApiState>) -> Router {
    let (router, description) = described().split_for_parts();
    let router =
        router.route_layer(axum::middleware::from_fn_with_state(api.clone(), crate::api::middleware::quarantine_retry::without_damaged));
    // Within it, so that the thread that computes an answer compresses it too.
    let router = router.route_layer(CompressionLayer::new());
    let router = router.route_layer(axum::middleware::from_fn_with_state(api.clone(), crate::api::middleware::request_timeout::limited));
    let router = router.route_layer(axum::middleware::from_fn_with_state(
        crate::api::middleware::unknown_params::of(&description),
        crate::api::middleware::unknown_params::check,
    ));
    let description = Arc::new(description);
    let router = router.route("/api/v1/openapi.json", axum::routing::get(move || async move { Json((*description).clone()) }));
    router.merge(session::routes()).with_state(api)
}

fn described() -> OpenApiRouter<Arc<ApiState>> {
    let v1 = permitted_routes!(OpenApiRouter::new();
        session::create,
        session::end,
        session::me,
        credentials::tokens,
        credentials::revoke_token,
        credentials::sessions,
        credentials::revoke_session,
        projects::list,
        projects::create,
        projects::get,
        projects::update,
        retention::delete_project,
        projects::keys,
        projects::create_key,
        projects::delete_key,
        prices::list,
        prices::create,
        prices::end,
        prices::delete,
        prices::unpriced,
        reprice::reprice,
        jobs::list,
        jobs::get,
        jobs::cancel,
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
        scores::create,
        logs::logs,
        metrics::list,
        metrics::series,
        issues::issues,
        issues::issue,
        issues::event,
        outcomes::outcomes,
        targets::list,
        targets::create,
        targets::update,
        targets::delete,
        targets::test,
        targets::deliveries,
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
        hints::hints,
        bill::report,
        bill::import,
        live::live,
        transfer::export,
        transfer::import,
        transfer::backup,
        system::system,
    );
    OpenApiRouter::with_openapi(OpenApiDocument::openapi()).nest("/api/v1", v1)
}
