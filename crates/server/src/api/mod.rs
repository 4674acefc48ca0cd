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
mod evaluators;
mod file_response;
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
mod routes;
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

use axum::{Json, Router};
use hinomi_alerting::AlertService;
use hinomi_alerting::delivery::DeliveryWorker;
use hinomi_query::filter::Filter;
use hinomi_query::{QueryEngine, QueryScope};
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

use crate::config::GroupRole;
use crate::evaluation::EvaluationService;
use crate::filter_targets::resolve_targets;
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
pub use repeated_denials::DenialLimiter;
use routes::{described_routes, set_operation_ids};
pub(crate) use scim::role_events;
pub use shares::ShareVisits;
pub use system::SystemProblem;
pub use transfer::MISSING_SEGMENTS_HEADER;

/// Times in seconds without new data after which evaluators run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietTimes {
    /// Time without new spans of a trace.
    pub trace_s: u64,
    /// Time without new traces of a conversation.
    pub session_s: u64,
}

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
    /// Evaluators.
    pub evaluation: Arc<EvaluationService>,
    /// Times after which traces and conversations are evaluated.
    pub quiet_times: QuietTimes,
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
            self.evaluation.evaluators.clone(),
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

    /// Replaces terms by scores and findings in a filter with the targets of those that match.
    async fn resolve_filter(&self, project: u64, filter: Filter) -> Result<Filter, ApiError> {
        if filter.target_tests()?.is_empty() {
            return Ok(filter);
        }
        let (scores, findings) = (self.scores.clone(), self.findings.clone());
        Ok(tokio::task::spawn_blocking(move || resolve_targets((&scores, &findings), project, filter)).await??)
    }

    /// Returns a scope in which terms by scores and findings are resolved.
    async fn resolve_scope(&self, project: u64, scope: QueryScope) -> Result<QueryScope, ApiError> {
        Ok(QueryScope { filter: self.resolve_filter(project, scope.filter).await?, ..scope })
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
