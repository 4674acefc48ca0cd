//! The API under `/api/v1`: the contract that the page and other programs rely on. Each handler is registered once, together with its route
//! and its description. The descriptions are served at `/api/v1/openapi.json`.

mod accounts;
mod alerts;
mod audit;
mod audit_export;
mod auth;
mod bill;
mod channels;
mod credentials;
mod enum_facts;
mod error;
mod file_response;
mod filter_targets;
mod findings;
mod forwards;
mod hints;
mod ingest_keys;
mod issues;
mod jobs;
mod live;
mod logs;
mod mapping;
mod media;
mod members;
mod metrics;
mod middleware;
mod openid_connect;
mod outcomes;
mod params;
mod permission;
mod prices;
mod projects;
mod proxy_session;
mod queries;
mod repeated_denials;
mod reprice;
mod retention;
mod scim;
mod scores;
mod session;
mod shares;
mod sign_in;
mod streaming;
mod system;
mod traces;
mod transfer;
mod visibility;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::time::Instant;

use axum::http::{HeaderName, Method, header};
use axum::{Json, Router};
use hinomi_alerting::delivery::DeliveryWorker;
use hinomi_alerting::{AlertMetric, AlertService};
use hinomi_model::outcome_reason::{OutcomeReason, OutcomeReasonGroup};
use hinomi_model::technical_tag::TechnicalTag;
use hinomi_query::QueryEngine;
use hinomi_query::{QueryScope, SeriesMeasure};
use hinomi_store::Store;
use hinomi_tables::audit_log::AuditLog;
use hinomi_tables::bills::BillStore;
use hinomi_tables::error_events::ErrorStore;
use hinomi_tables::findings::FindingStore;
use hinomi_tables::log_lines::LogStore;
use hinomi_tables::media::MediaStore;
use hinomi_tables::metadata::{MetadataStore, ProjectRecord};
use hinomi_tables::otel_metrics::OtelMetricStore;
use hinomi_tables::outcomes::OutcomeStore;
use hinomi_tables::prices::ActivePrices;
use hinomi_tables::retained_rows::RetainedRows;
use hinomi_tables::scores::ScoreStore;
use hinomi_tables::share_links::ShareLinkStore;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::config::GroupRole;
use crate::forward::ForwardWorker;
use crate::ingest::IngestKeyUsage;
use crate::jobs::JobRunner;
use crate::retention::{RetentionHoldTracker, RetentionResources};
use crate::sign_in::SignInService;
use crate::trace_work::TraceWorkQueue;
pub use accounts::{create_password_link, password_url};
pub use error::ApiError;
pub use file_response::ExportLimiter;
pub use findings::alert_count::FindingCounter;
pub use middleware::shared_queries::QueryScheduler;
use middleware::{audit_trail, quarantine_retry, request_timeout, shared_queries, unknown_params};
use permission::permitted_routes;
pub use repeated_denials::DenialLimiter;
pub(crate) use scim::role_events;
pub use shares::ShareVisits;
pub use system::SystemProblem;
pub use transfer::MISSING_SEGMENTS_HEADER;

/// State that the handlers of the API share.
#[derive(Debug)]
pub struct ApiState {
    /// Projects, ingest keys, API tokens and sessions.
    pub meta: Arc<MetadataStore>,
    /// Audit log.
    pub audit: Arc<AuditLog>,
    /// Ways of signing in.
    pub sign_in: Arc<SignInService>,
    /// Limit of the entries about denials.
    pub denials: DenialLimiter,
    /// Roles of the groups that an identity provider states.
    pub group_roles: Vec<GroupRole>,
    /// Use of the ingest keys.
    pub key_usage: Arc<IngestKeyUsage>,
    /// Spans.
    pub store: Arc<Store>,
    /// Error events.
    pub errors: Arc<ErrorStore>,
    /// Scores.
    pub scores: Arc<ScoreStore>,
    /// Findings of traces.
    pub findings: Arc<FindingStore>,
    /// Traces that wait for the search of faults.
    pub finding_queue: Arc<TraceWorkQueue>,
    /// Log lines.
    pub logs: Arc<LogStore>,
    /// OpenTelemetry metrics.
    pub metrics: Arc<OtelMetricStore>,
    /// Bills of providers.
    pub bills: Arc<BillStore>,
    /// Outcomes of received items, and hints.
    pub outcomes: Arc<OutcomeStore>,
    /// Targets that requests are forwarded to.
    pub forwards: Arc<ForwardWorker>,
    /// Images, audio and files of messages.
    pub media: Arc<MediaStore>,
    /// Share links.
    pub share_links: Arc<ShareLinkStore>,
    /// Visits of share links.
    pub share_visits: ShareVisits,
    /// Notification channels and deliveries.
    pub delivery_worker: Arc<DeliveryWorker>,
    /// Alert rules, budgets and incidents.
    pub alerts: Arc<AlertService>,
    /// Query engine.
    pub engine: QueryEngine,
    /// Active prices.
    pub prices: Arc<ActivePrices>,
    /// Background jobs.
    pub jobs: Arc<JobRunner>,
    /// Time at which `hinomi.db` was created next to existing data, in microseconds since the Unix epoch; `None` if it was not.
    pub recreated_us: Option<i64>,
    /// True if notifications and forwarding are paused regardless of the data directory.
    pub are_notifications_paused: bool,
    /// Base URL of links and DSNs, without a trailing slash.
    pub public_url: String,
    /// Name of the session cookie. It differs by port, because cookies are shared by all ports of a host.
    pub cookie: String,
    /// Data directory.
    pub data: PathBuf,
    /// Days for which spans are stored if a project has no setting of its own.
    pub retention_days: u32,
    /// Free disk space in bytes below which ingestion stops.
    pub reserve_bytes: u64,
    /// Maximum size of the data directory in bytes; 0 for no limit.
    pub budget_bytes: u64,
    /// Pending deletions.
    pub hold_tracker: Arc<RetentionHoldTracker>,
    /// Interval of the retention sweep.
    pub sweep_interval: Duration,
    /// Maximum duration of a query.
    pub query_timeout: Duration,
    /// Limit of concurrent exports.
    pub exports: ExportLimiter,
    /// Scheduler of queries.
    pub query_scheduler: QueryScheduler,
    /// Number of changes made through this API.
    pub changes: AtomicU64,
    /// Lock that deletions hold; see [`RetentionResources`].
    pub deletion_lock: Arc<tokio::sync::Mutex<()>>,
    /// Memory in bytes that queries and ingestion may use in total.
    pub memory_limit: u64,
    /// Time at which the server started.
    pub started: Instant,
    /// Token that ends live streams when the server stops.
    pub shutdown: CancellationToken,
}

impl ApiState {
    /// Returns the DSN of a project; `None` if it has no ingest key.
    pub fn dsn(&self, project: &ProjectRecord) -> Option<String> {
        let directory = self.meta.directory();
        let key = directory.first_key(project.id)?;
        let (scheme, rest) = self.public_url.split_once("://")?;
        Some(format!("{scheme}://{}@{rest}/{}", key.public_key, project.id))
    }

    /// Returns the resources of retention and deletion.
    pub fn retention_resources(&self) -> RetentionResources {
        RetentionResources {
            meta: self.meta.clone(),
            store: self.store.clone(),
            tables: self.retained_tables(),
            engine: self.engine.clone(),
            data: self.data.clone(),
            default_days: self.retention_days,
            budget_bytes: self.budget_bytes,
            sweep_interval: self.sweep_interval,
            hold_tracker: self.hold_tracker.clone(),
            deletion_lock: self.deletion_lock.clone(),
        }
    }

    /// Returns the list of all table modules that store data of projects. A new one is added here.
    fn retained_tables(&self) -> Vec<Arc<dyn RetainedRows>> {
        vec![
            self.errors.clone(),
            self.scores.clone(),
            self.findings.clone(),
            self.logs.clone(),
            self.metrics.clone(),
            self.alerts.clone(),
            self.delivery_worker.outbox().clone(),
            self.bills.clone(),
            self.outcomes.clone(),
            self.forwards.store().clone(),
            self.media.clone(),
            self.share_links.clone(),
        ]
    }

    /// Returns a version that increases with every change that responses about spans and error events depend on, before the change is
    /// acknowledged.
    fn data_version(&self) -> shared_queries::ApiStateVersion {
        [self.store.version(), self.errors.version(), self.changes.load(Ordering::Acquire)]
    }

    /// Returns a scope in which terms by scores and findings are resolved.
    async fn resolve_scope(&self, project: u64, scope: QueryScope) -> Result<QueryScope, ApiError> {
        Ok(QueryScope { filter: filter_targets::resolve_filter(self, project, scope.filter).await?, ..scope })
    }

    /// Returns a snapshot of a project for queries.
    fn snapshot(&self, project: u64) -> hinomi_query::ProjectSnapshot {
        self.engine.project(self.store.snapshot(), project)
    }
}

/// Checks that the caller is signed in or has an API token.
///
/// # Errors
///
/// Returns an error without valid credentials.
pub async fn authenticate(api: &Arc<ApiState>, request: axum::extract::Request) -> Result<(), ApiError> {
    let (mut parts, _) = request.into_parts();
    <auth::ApiCaller as axum::extract::FromRequestParts<_>>::from_request_parts(&mut parts, api).await.map(drop)
}

/// Returns the counters of a project for Prometheus.
///
/// # Errors
///
/// Returns an error without valid credentials, or if the caller may not see the project.
pub async fn scrape_project(api: &Arc<ApiState>, request: axum::extract::Request, project: &str) -> Result<String, ApiError> {
    let (mut parts, _) = request.into_parts();
    let caller = <auth::ApiCaller as axum::extract::FromRequestParts<_>>::from_request_parts(&mut parts, api).await?;
    let project = project.parse().ok().filter(|project| caller.can_see(*project));
    let project = api.meta.project(project.ok_or_else(|| ApiError::not_found("project"))?)?;
    Ok(api.alerts.prometheus_text(project.id))
}

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

/// Returns all routes with their OpenAPI document.
pub fn routes(api: Arc<ApiState>) -> Router {
    let (router, mut description) = described_routes().split_for_parts();
    set_operation_ids(&mut description);
    enum_facts::add(&mut description);
    visibility::describe_hidden_fields(&mut description);
    let description = Arc::new(description);
    let visibility = visibility::VisibilityLayers::new(api.clone(), description.clone());
    // Innermost, so that no other layer sees a message that the caller must not see.
    let router = router.route_layer(axum::middleware::from_fn_with_state(visibility.clone(), visibility::filter_answer));
    // Within the others, so that a change is recorded even if its client disconnects.
    let router = router.route_layer(axum::middleware::from_fn_with_state(api.clone(), audit_trail::record_request));
    let router = router.route_layer(axum::middleware::from_fn_with_state(api.clone(), quarantine_retry::retry_without_damaged));
    // Within it, so that the thread that computes an answer compresses it too.
    let router = router.route_layer(CompressionLayer::new());
    let router = router.route_layer(axum::middleware::from_fn_with_state(api.clone(), request_timeout::limit_request));
    let router = router
        .route_layer(axum::middleware::from_fn_with_state(unknown_params::from_description(&description), unknown_params::reject_unknown));
    // Outermost, so that callers with different access share no response.
    let router = router.route_layer(axum::middleware::from_fn_with_state(visibility, visibility::decide));
    let router = router.route("/api/v1/openapi.json", axum::routing::get(move || async move { Json((*description).clone()) }));
    let router = router.merge(session::routes());
    // Outermost, so that nothing sees the headers of a proxy before they are checked.
    router.layer(axum::middleware::from_fn_with_state(api.clone(), proxy_session::separate_identity)).with_state(api)
}

/// Gives each operation an ID of its own, from its method and path: handlers of several resources have the same name.
fn set_operation_ids(description: &mut utoipa::openapi::OpenApi) {
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

fn described_routes() -> OpenApiRouter<Arc<ApiState>> {
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
