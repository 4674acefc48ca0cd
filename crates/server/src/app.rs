//! Assembles the server: everything that runs in `hinomi serve`.

mod alert_sources;
mod chores;
mod metrics_page;
mod opened_services;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use hinomi_alerting::delivery::{AllowedNetworks, DeliveryWorker, TrustedCertificates};
use hinomi_query::QueryEngine;
use hinomi_store::low_priority::LowPriorityRuntime;
use hinomi_tables::database;
use hinomi_tables::metadata::MetadataStore;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::Layer;
use tower::util::{MapRequestLayer, MapResponseLayer};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use crate::api::{self, ApiState, DenialLimiter, ExportLimiter, QueryScheduler, QuietTimes, ShareVisits};
use crate::config::{self, Config};
use crate::connections::{ConnectionRegistry, ServerTls, raise_file_limit};
use crate::evaluation::{EvaluationBackfillJob, EvaluationService, EvaluationWork};
use crate::finding_search::{FindingSearch, MAX_SEARCH_QUIET};
use crate::forward::ForwardWorker;
use crate::ingest::{self, IngestState, TelemetryStores, keyless};
use crate::jobs::{JobRegistry, JobRunner};
use crate::memory::{MemoryBudget, return_freed_memory};
use crate::reprice::RepriceJob;
use crate::score_targets::ScoreTargetWorker;
use crate::server_proof::ServerProof;
use crate::sign_in::SignInService;
use crate::trace_work::{TraceWorkDependencies, TraceWorkQueue, TraceWorker};
use crate::usage_completion::UsageCompletionWorker;
use crate::{body_drain, retention, security_headers, web_assets};
use alert_sources::start_alert_evaluator;
use chores::{ChoreSettings, apply_group_roles, log_audit_head, run_chores, write_denial_surplus, write_last_uses};
use metrics_page::{ServerMetricsState, answer_scrape, readiness};
use opened_services::{OpenedServices, open_stores};

/// Metadata key of the server's public URL, from which other commands build links.
pub const PUBLIC_URL_SETTING: &str = "public_url";
/// Metadata key of the address that the server listens on.
pub const LISTEN_ADDRESS_SETTING: &str = "listening";
/// Metadata key that exists while notifications and forwarding are paused.
pub const PAUSED_SETTING: &str = "notifications_paused";

/// Metadata key of the effective configuration, as TOML.
pub const CONFIGURATION_SETTING: &str = "configuration";

/// Interval at which the server checks for changed prices.
const PRICE_REFRESH_INTERVAL: Duration = Duration::from_secs(2);
/// Interval at which the last use of keys is written to the database.
const KEY_USE_INTERVAL: Duration = Duration::from_secs(20);
/// Delay of the first retention sweep after a start.
const FIRST_SWEEP_DELAY: Duration = Duration::from_secs(600);
/// Interval at which the store retries after a failed commit.
const STORE_PROBE_INTERVAL: Duration = Duration::from_secs(3);
/// Time that requests in progress get to finish when the server stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Standard ports of OTLP: gRPC and HTTP. Each of the two accepts both protocols.
const OTLP_PORTS: [u16; 2] = [4317, 4318];

/// A server that is ready to serve.
pub struct App {
    api: Arc<ApiState>,
    ingestion: Arc<IngestState>,
    metrics: Option<PrometheusHandle>,
    listener: TcpListener,
    otlp: Vec<TcpListener>,
    proof: ServerProof,
    /// Value of the header `Strict-Transport-Security`.
    hsts: Option<HeaderValue>,
    connections: Arc<ConnectionRegistry>,
    low_priority: LowPriorityRuntime,
    completion: UsageCompletionWorker,
    finding_search: TraceWorker<FindingSearch>,
    evaluation_worker: TraceWorker<EvaluationWork>,
    chores: ChoreSettings,
}

impl App {
    /// Opens the data directory, recovers everything that was acknowledged, and listens.
    ///
    /// # Errors
    ///
    /// Returns an error if the data directory is in use, cannot be written or read, or the address is taken. The message says what to do.
    pub async fn open(config: &Config) -> anyhow::Result<App> {
        let listen = config.listen;
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}; choose another address with --listen"))?;
        let otlp = if config.ingest.otlp_ports && listen.port() != 0 { otlp_listeners(listen).await } else { Vec::new() };
        let tls = ServerTls::from_config(&config.tls)?;
        let listening = reachable_url(listener.local_addr()?, tls.is_some());
        let public_url = if config.public_url.is_empty() { listening.clone() } else { config.public_url.clone() };
        let opening = {
            let config = config.clone();
            move || open_stores(&config)
        };
        let OpenedServices { stores, findings, evaluators, prices, bills, share_links, outbox, alerts, audit } =
            tokio::task::spawn_blocking(opening).await??;
        let shares = MemoryBudget::from_config(config);
        tracing::info!(limit = shares.limit, queries = shares.queries, "server.memory.limited");
        let allowed = AllowedNetworks::parse(&config.notify.allow).map_err(|reason| anyhow::anyhow!("notify.allow: {reason}"))?;
        let trust = TrustedCertificates::read_file(&config.notify.ca_file).map_err(|reason| anyhow::anyhow!("notify.ca_file: {reason}"))?;
        let sign_in = SignInService::new(config, &public_url, &trust)?;
        record_addresses(&stores.meta, config, &public_url, &listening)?;
        let chores = ChoreSettings::new(config, &allowed, &trust, &public_url);
        let proof = ServerProof::new(stores.meta.create_server_secret()?, listening);
        let ingestion = IngestState::new(stores.clone(), prices.books().clone(), config);
        let TelemetryStores { meta, store, errors, scores, logs, metrics, outcomes, forwards, media } = stores;
        let recreated_us = meta.recreated_us();
        let low_priority = LowPriorityRuntime::start_runtime(config.queries.threads).context("cannot start the threads of queries")?;
        let (engine, shutdown) = (QueryEngine::with_memory(shares.queries, shares.exports), CancellationToken::new());
        let reprice = RepriceJob { meta: meta.clone(), store: store.clone(), engine: engine.clone(), prices: prices.clone() };
        let quiet = Duration::from_secs(config.ingest.quiet_trace_s);
        let finding_queue = Arc::new(TraceWorkQueue::default());
        let work = TraceWorkDependencies { store: store.clone(), engine: engine.clone(), meta: meta.clone() };
        let search = FindingSearch::new(store.clone(), engine.clone(), findings.clone());
        let finding_search = TraceWorker::new(work.clone(), finding_queue.clone(), quiet.min(MAX_SEARCH_QUIET), search);
        let evaluation_queue = Arc::new(TraceWorkQueue::active_while(evaluators.enabled_flag()));
        let evaluation = (store.clone(), engine.clone());
        let evaluation = Arc::new(EvaluationService::new(evaluation, scores.clone(), findings.clone(), evaluators));
        let quiet_session = Duration::from_secs(config.evaluation.quiet_session_s);
        let evaluation_worker = TraceWorker::new(work, evaluation_queue, quiet, EvaluationWork::new(evaluation.clone(), quiet_session));
        let completion = UsageCompletionWorker::new(store.clone(), engine.clone(), meta.clone(), prices.clone(), quiet);
        let kinds = JobRegistry::default().with(reprice).with(EvaluationBackfillJob { service: evaluation.clone() });
        let jobs = JobRunner::new(meta.clone(), kinds, low_priority.handle().clone(), shutdown.clone());
        let api = ApiState {
            meta,
            audit,
            sign_in: Arc::new(sign_in),
            denials: DenialLimiter::default(),
            group_roles: config.sign_in.group_roles.clone(),
            key_usage: ingestion.key_usage().clone(),
            store,
            errors,
            scores,
            findings,
            finding_queue,
            evaluation,
            quiet_times: QuietTimes { trace_s: config.ingest.quiet_trace_s, session_s: config.evaluation.quiet_session_s },
            logs,
            metrics,
            bills,
            share_links,
            share_visits: ShareVisits::default(),
            outcomes,
            forwards: Arc::new(ForwardWorker::new(forwards, allowed.clone(), &trust)),
            media,
            delivery_worker: Arc::new(DeliveryWorker::new(outbox, allowed, trust)),
            alerts,
            engine,
            prices,
            jobs,
            are_notifications_paused: config.quiet_notifications,
            recreated_us,
            cookie: cookie_name(&public_url),
            public_url,
            data: config.data.clone(),
            retention_days: config.retention_days,
            reserve_bytes: config.disk.reserve_bytes,
            query_timeout: Duration::from_millis(config.query_timeout_ms),
            exports: ExportLimiter::default(),
            query_scheduler: QueryScheduler::new(config.queries.clone(), low_priority.handle().clone()),
            changes: AtomicU64::new(0),
            deletion_lock: Arc::default(),
            memory_limit: shares.limit,
            budget_bytes: config.disk.budget_bytes,
            hold_tracker: Arc::default(),
            sweep_interval: Duration::from_secs(config.disk.retain_every_s),
            started: Instant::now(),
            shutdown,
        };
        update_pause(&api);
        apply_group_roles(&api)?;
        start_alert_evaluator(&api, low_priority.handle())?;
        // If two servers run in one process, as tests may do, only the first has metrics.
        let metrics = PrometheusBuilder::new().install_recorder().ok();
        if let Some(tls) = tls.clone() {
            tokio::spawn(tls.run_renewal(api.shutdown.clone()));
        }
        let connections = ConnectionRegistry::new(raise_file_limit(), shares.limit, tls);
        tracing::info!(limit = connections.limit(), "server.connections.limited");
        Ok(App {
            api: Arc::new(api),
            ingestion: Arc::new(ingestion),
            metrics,
            listener,
            otlp,
            proof,
            hsts: security_headers::hsts_value(config.tls.hsts_max_age_s),
            connections,
            low_priority,
            completion,
            finding_search,
            evaluation_worker,
            chores,
        })
    }

    /// Returns the state of the API, which answers queries and builds links.
    pub fn api(&self) -> &ApiState {
        &self.api
    }

    /// Returns the port that the server listens on.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system does not report the port.
    pub fn port(&self) -> anyhow::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Serves until `stop` completes, then waits for requests in progress, flushes and closes.
    ///
    /// # Errors
    ///
    /// Returns an error if the last flush failed. The write-ahead log still contains all acknowledged data.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
        let App {
            api,
            ingestion,
            metrics,
            listener,
            otlp,
            proof,
            hsts,
            connections,
            low_priority,
            completion,
            finding_search,
            evaluation_worker,
            chores: settings,
        } = self;
        let base = api.public_url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        let base = base.map_or_else(String::new, |(_, path)| format!("/{path}"));
        let rewritten = MapRequestLayer::new(move |request| normalize_path(&base, request));
        let is_local = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
        let router = router(api.clone(), ingestion.clone(), ServerMetricsState { handle: metrics, is_local }, proof);
        let service =
            MapResponseLayer::new(move |answer| security_headers::with_hsts(answer, hsts.as_ref())).layer(rewritten.layer(router));
        let heads = settings.heads.clone();
        let chores = tokio::spawn(run_chores(api.clone(), ingestion.clone(), settings));
        api.jobs.start().context("cannot resume unfinished jobs")?;
        let delivery_worker = tokio::spawn(api.delivery_worker.clone().run(api.shutdown.clone()));
        let completion_worker = low_priority.handle().spawn(completion.run(api.shutdown.clone()));
        let score_targets = ScoreTargetWorker::new(api.store.clone(), api.engine.clone(), api.scores.clone());
        let score_worker = low_priority.handle().spawn(score_targets.run(api.shutdown.clone()));
        let finding_worker = low_priority.handle().spawn(finding_search.run(api.shutdown.clone()));
        let evaluation_worker = low_priority.handle().spawn(evaluation_worker.run(api.shutdown.clone()));
        let forward_worker = tokio::spawn(api.forwards.clone().run(api.shutdown.clone()));

        for listener in otlp {
            let service = MapRequestLayer::new(|request| normalize_path("", request)).layer(otlp_router(ingestion.clone()));
            connections.serve(listener, service, api.shutdown.clone());
        }
        connections.serve(listener, service, api.shutdown.clone());
        let sweeping = {
            let (connections, stop) = (connections.clone(), api.shutdown.clone());
            tokio::spawn(async move { connections.run_sweeps(stop).await })
        };
        tokio::spawn(return_freed_memory(api.memory_limit, api.shutdown.clone()));
        stop.await;
        tracing::info!("server.process.stopping");
        api.shutdown.cancel();
        let _ = sweeping.await;
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, connections.wait_for_all()).await.is_err() {
            tracing::warn!(grace_s = SHUTDOWN_TIMEOUT.as_secs(), "server.requests.interrupted");
        }
        // A deletion that waits for its turn is recorded and continues at the next start.
        api.store.stop_maintenance();
        let _ = chores.await;
        let _ = delivery_worker.await;
        let _ = forward_worker.await;
        let _ = completion_worker.await;
        let _ = score_worker.await;
        let _ = finding_worker.await;
        let _ = evaluation_worker.await;
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, api.jobs.wait_until_idle()).await.is_err() {
            tracing::warn!(grace_s = SHUTDOWN_TIMEOUT.as_secs(), "server.jobs.interrupted");
        }
        write_last_uses(&ingestion, &api.meta);
        write_denial_surplus(&api, true);
        let log = api.audit.clone();
        let _ = tokio::task::spawn_blocking(move || log_audit_head(&log, heads.as_deref())).await;
        let alerts = api.alerts.clone();
        let _ = tokio::task::spawn_blocking(move || alerts.stop()).await;
        api.outcomes.flush();
        api.forwards.store().close().await;
        api.media.close().await;
        api.errors.close().await;
        api.logs.close().await;
        api.metrics.close().await;
        api.store.close().await.context("the final flush failed; the next start replays the WAL")?;
        tracing::info!("server.process.stopped");
        Ok(())
    }
}

/// Pauses or resumes what the server sends by itself: notifications and forwarded requests.
fn update_pause(api: &ApiState) {
    let paused = api.are_notifications_paused || api.meta.setting(PAUSED_SETTING).is_some();
    api.delivery_worker.set_paused(paused);
    api.forwards.set_paused(paused);
}

/// Writes the addresses and the configuration to the database, for commands, and warns if data crosses the network unencrypted.
fn record_addresses(meta: &MetadataStore, config: &Config, public_url: &str, listening: &str) -> anyhow::Result<()> {
    meta.set_setting(PUBLIC_URL_SETTING, public_url)?;
    meta.set_setting(LISTEN_ADDRESS_SETTING, listening)?;
    meta.set_setting(CONFIGURATION_SETTING, &config::to_toml(config))?;
    let listen = config.listen;
    if !listen.ip().is_loopback() && !config.tls.is_enabled() && !public_url.starts_with("https://") {
        let hint = "keys, sessions and prompts cross the network unencrypted; set tls.certificate, or put a proxy with TLS in front and set public_url";
        tracing::warn!(%listen, hint, "server.listener.unencrypted");
    }
    Ok(())
}

/// Returns the URL at which a program on this machine reaches the server. Loopback replaces "all addresses", which is not a destination.
fn reachable_url(listening: SocketAddr, has_tls: bool) -> String {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let scheme = if has_tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(ip, listening.port()))
}

/// Returns the name of the session cookie. All ports and paths of a host share cookies. The name therefore contains port and path, so that
/// two servers on one machine do not overwrite each other's cookies. Over TLS it begins with `__Host-`, so that no other host can set it.
pub fn cookie_name(public_url: &str) -> String {
    let (scheme, rest) = public_url.split_once("://").unwrap_or(("http", public_url));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_port = |port: &&str| !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(is_port);
    let mut name = if scheme == "https" { "__Host-hinomi_session".to_owned() } else { "hinomi_session".to_owned() };
    for part in port.into_iter().chain(path.split('/')).filter(|part| !part.is_empty()) {
        name.push('_');
        name.extend(part.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }));
    }
    name
}

fn router(api: Arc<ApiState>, ingestion: Arc<IngestState>, measured: ServerMetricsState, proof: ServerProof) -> Router {
    let ready = api.clone();
    let of_api = api.clone();
    Router::new()
        .route("/healthz", get(move |headers: HeaderMap| async move { (proof.response_headers(&headers), "ok") }))
        .route("/readyz", get(move || async move { readiness(&ready) }))
        .route("/metrics", get(move |request: Request| async move { answer_scrape(request, &measured, &of_api).await }))
        .merge(api::routes(api))
        .fallback(web_assets::serve)
        .layer(middleware::from_fn(security_headers::headers))
        .merge(ingest::routes(ingestion))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(body_drain::drain_body))
}

fn otlp_router(ingestion: Arc<IngestState>) -> Router {
    ingest::otlp_routes(ingestion).layer(CatchPanicLayer::new()).layer(middleware::from_fn(body_drain::drain_body))
}

/// Listens on OTLP's standard ports, if they are free: another collector may use them, and the server's own port accepts the same data.
async fn otlp_listeners(listen: SocketAddr) -> Vec<TcpListener> {
    let mut listeners = Vec::new();
    for port in OTLP_PORTS.into_iter().filter(|port| *port != listen.port()) {
        match TcpListener::bind((listen.ip(), port)).await {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                tracing::warn!(%error, port, hint = "send OTLP data to the port in the setting `listen`", "server.otlp_port.in_use")
            }
        }
    }
    listeners
}

/// Normalizes the path of a request: no repeated or trailing slashes, and without the path prefix of a proxy. If the URI contains a host,
/// as in HTTP/2, it is copied to the header `host`.
fn normalize_path(base: &str, mut request: Request) -> Request {
    let named = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = named {
        request.headers_mut().insert(header::HOST, host);
    }
    let path = request.uri().path();
    let stripped = path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path);
    let mut plain = String::with_capacity(stripped.len() + 1);
    for part in stripped.split('/').filter(|part| !part.is_empty()) {
        plain.push('/');
        plain.push_str(part);
    }
    if plain.is_empty() {
        plain.push('/');
    }
    if plain == path {
        return request;
    }
    if let Some(query) = request.uri().query() {
        plain = format!("{plain}?{query}");
    }
    if let Ok(uri) = plain.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    request
}

/// Writes a text to a file atomically: a reader sees either the whole new text or none of it, even after a power failure.
///
/// # Errors
///
/// Returns an error if the file cannot be written.
pub fn write_atomically(path: &Path, text: &str) -> std::io::Result<()> {
    // The random name prevents that somebody else has prepared it, for example as a link to another file.
    let beside = PathBuf::from(format!("{}.{:016x}.tmp", path.display(), rand::random::<u64>()));
    let write = || {
        let mut file = File::options().write(true).create_new(true).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    };
    write().inspect_err(|_| drop(std::fs::remove_file(&beside)))
}
