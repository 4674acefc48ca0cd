//! Prometheus metrics of the server and of a project, and the readiness of the server.

use super::*;

/// Returns whether the server ingests data and answers queries. The text also lists problems that do not stop the server.
pub(super) fn readiness(api: &ApiState) -> (StatusCode, String) {
    let problems = api.problems();
    let refuses: Vec<&str> = problems.iter().filter(|problem| problem.rejects_data).map(|problem| problem.message.as_str()).collect();
    if !refuses.is_empty() {
        return (StatusCode::SERVICE_UNAVAILABLE, refuses.join("\n"));
    }
    let said = problems.iter().map(|problem| format!("\nproblem: {}", problem.message)).collect::<String>();
    (StatusCode::OK, format!("ready{said}"))
}

/// State of the endpoint for the server's own metrics.
#[derive(Clone)]
pub(super) struct ServerMetricsState {
    pub(super) handle: Option<PrometheusHandle>,
    /// Whether the server listens on loopback only.
    pub(super) is_local: bool,
}

/// Responds to a scrape with the metrics of the server or, if the query names a project, with the metrics of the project's programs.
pub(super) async fn answer_scrape(request: Request, measured: &ServerMetricsState, api: &Arc<ApiState>) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    if let Some(project) = query.split('&').find_map(|pair| pair.strip_prefix("project=")) {
        return api::scrape_project(api, request, project).await.into_response();
    }
    // A Prometheus server in the same network connects directly. A request through a proxy may come from anywhere.
    let headers = request.headers();
    let is_near = keyless::proxy_header(headers).is_none() && (!measured.is_local || keyless::is_for_this_machine(headers));
    if !is_near && let Err(error) = api::authenticate(api, request).await {
        return error.into_response();
    }
    metrics_text(measured.handle.as_ref(), api).into_response()
}

/// Returns the server's own metrics in the text format of Prometheus.
pub(super) fn metrics_text(handle: Option<&PrometheusHandle>, api: &ApiState) -> String {
    let stats = api.store.stats();
    let problems = api.problems();
    let gauges = [
        ("hinomi_spans_stored", stats.rows),
        ("hinomi_memtable_spans", stats.buffered_rows),
        ("hinomi_memtable_bytes", stats.buffered_bytes),
        ("hinomi_segments", stats.segments),
        ("hinomi_segment_bytes", stats.segment_bytes),
        ("hinomi_wal_bytes", stats.log_bytes),
        ("hinomi_ingestion_failing", u64::from(stats.intake_error.is_some())),
        ("hinomi_problems", problems.len() as u64),
        ("hinomi_databases_failing", database::failing_databases(&api.data).len() as u64),
        ("hinomi_damaged_files", stats.damaged.len() as u64),
        ("hinomi_resident_memory_bytes", crate::memory::resident_bytes().unwrap_or(0)),
        ("hinomi_queries_in_flight", api.query_scheduler.queued()),
        ("hinomi_queries_executing", api.query_scheduler.running()),
        ("hinomi_exports_executing", api.exports.running()),
    ];
    let counters = [
        ("hinomi_flushes_total", stats.flushes),
        ("hinomi_compactions_total", stats.compactions),
        ("hinomi_queries_abandoned_total", api.query_scheduler.disconnected.load(Ordering::Relaxed)),
        ("hinomi_queries_shared_total", api.query_scheduler.shared.load(Ordering::Relaxed)),
        ("hinomi_queries_rejected_total", api.query_scheduler.refused.load(Ordering::Relaxed)),
        ("hinomi_queries_timed_out_total", api.query_scheduler.timed_out.load(Ordering::Relaxed)),
    ];
    for (name, value) in gauges {
        metrics::gauge!(name).set(value as f64);
    }
    for (name, value) in counters {
        metrics::counter!(name).absolute(value);
    }
    handle.map(PrometheusHandle::render).unwrap_or_default()
}
