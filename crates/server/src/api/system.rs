//! State of the server.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hinomi_model::api_time::rfc3339;
use hinomi_store::free_bytes;
use hinomi_tables::{database, outcomes};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::AuthorizedCaller;
use super::permission::Admin;
use super::{ApiError, ApiState};
use crate::retention::DeletionReceipt;

/// Period in microseconds for which past events are reported.
const OUTCOME_PERIOD_US: i64 = 86_400_000_000;

/// State of the server.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SystemStatus {
    /// Version of the server.
    version: &'static str,
    /// Time since the start of the server, in seconds.
    uptime_s: u64,
    /// Path of the data directory on the server.
    data_dir: String,
    /// Use of disk space.
    disk: DiskUsage,
    /// Number of spans.
    spans: SpanCounts,
    /// Number of calls that deduplication across traces has stopped tracking since the server started. Only the newest 100,000
    /// calls are compared; if another report of an older call arrives, it counts as another call.
    evicted_calls: u64,
    /// Number of segments.
    segments: u64,
    /// Resident memory of the server in bytes; null if the platform does not report it.
    #[schema(required)]
    memory_bytes: Option<u64>,
    /// Memory in bytes that queries and ingestion may use in total.
    memory_limit_bytes: u64,
    /// Days for which spans are stored if a project has no setting of its own.
    retention_days: u32,
    /// Start of the oldest span (RFC 3339); null if there are no spans.
    #[schema(required)]
    oldest: Option<String>,
    /// Requests without a valid ingest key in the last 24 hours, by reason. These requests are not part of any project.
    refused: Vec<outcomes::OutcomeRow>,
    /// Current problems as text for administrators; empty if there are none.
    problems: Vec<String>,
}

/// Use of disk space by the server.
#[derive(Debug, Serialize, ToSchema)]
struct DiskUsage {
    /// Size of all segments in bytes.
    segments_bytes: u64,
    /// Size of the write-ahead log in bytes.
    log_bytes: u64,
    /// Free space on the disk in bytes; null if the platform does not report it.
    #[schema(required)]
    free_bytes: Option<u64>,
    /// Free space in bytes below which incoming data is rejected.
    reserve_bytes: u64,
}

/// Number of stored spans.
#[derive(Debug, Serialize, ToSchema)]
struct SpanCounts {
    /// Number of stored spans.
    stored: u64,
    /// Number of spans that are not in a segment yet.
    buffered: u64,
}

/// Returns the state of the server.
///
/// Requires admin permission.
#[utoipa::path(get, path = "/system", tag = "system", responses((status = 200, body = SystemStatus)))]
pub(super) async fn system(State(api): State<Arc<ApiState>>, _: AuthorizedCaller<Admin>) -> Result<Json<SystemStatus>, ApiError> {
    let stats = api.store.stats();
    let (engine, snapshot) = (api.engine.clone(), api.store.snapshot());
    let oldest = tokio::task::spawn_blocking(move || engine.oldest_start_us(&snapshot)).await??;
    let mut problems: Vec<String> = api.problems().into_iter().map(|problem| problem.message).collect();
    problems.extend(disk_budget_problem(&api).await?);
    let counted = api.outcomes.clone();
    let now_us = jiff::Timestamp::now().as_microsecond();
    let refused = tokio::task::spawn_blocking(move || counted.rows(outcomes::SERVER_PROJECT, now_us - OUTCOME_PERIOD_US, now_us + 1));
    let refused = refused.await?.map_err(ApiError::internal)?;
    Ok(Json(SystemStatus {
        version: crate::VERSION,
        uptime_s: api.started.elapsed().as_secs(),
        data_dir: api.data.display().to_string(),
        disk: DiskUsage {
            segments_bytes: stats.segment_bytes,
            log_bytes: stats.log_bytes,
            free_bytes: free_bytes(&api.data),
            reserve_bytes: api.reserve_bytes,
        },
        spans: SpanCounts { stored: stats.rows, buffered: stats.buffered_rows },
        evicted_calls: stats.evicted_calls,
        segments: stats.segments,
        memory_bytes: crate::memory::resident_bytes(),
        memory_limit_bytes: api.memory_limit,
        retention_days: api.retention_days,
        oldest: oldest.map(rfc3339),
        refused,
        problems,
    }))
}

/// Period in microseconds for which the loss of `hinomi.db` is reported.
const LOSS_REPORT_PERIOD_US: i64 = 7 * 86_400_000_000;

/// A problem of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemProblem {
    /// Description of the problem.
    pub message: String,
    /// True if incoming data is rejected because of the problem.
    pub rejects_data: bool,
}

impl ApiState {
    /// Returns the current problems that are known without a database query.
    pub fn problems(&self) -> Vec<SystemProblem> {
        let stats = self.store.stats();
        // Outcomes wait in memory, and programs do not send alerts or bills: failures of those databases do not stop ingestion.
        let takes_data = |name: &str| matches!(name, "errors.db" | "scores.db" | "logs.db" | "metrics.db" | "media.db" | "hinomi.db");
        let (refusing, failing): (Vec<_>, Vec<_>) =
            database::failing_databases(&self.data).into_iter().partition(|(name, _)| takes_data(name));
        let refusing = stats.intake_error.into_iter().chain(refusing.into_iter().map(|(_, said)| said));
        let paused = self.delivery_worker.is_paused().then(|| match self.are_notifications_paused {
            true => "alert notifications and forwarding are paused: the server was started with --quiet-notifications".to_owned(),
            false => {
                "alert notifications and forwarding are paused, for example after a restore; resume both with `hinomi notifications resume`"
                    .to_owned()
            }
        });
        let others =
            failing.into_iter().map(|(_, said)| said).chain(stats.background_error).chain(stats.damaged).chain(self.prices.problems());
        let since_us = jiff::Timestamp::now().as_microsecond() - LOSS_REPORT_PERIOD_US;
        let lost = self.recreated_us.filter(|made_us| *made_us > since_us).map(|made_us| {
            format!(
                "hinomi.db was missing or empty and was created again at {}: its projects, keys, tokens and settings are lost; restore it from a backup",
                rfc3339(made_us)
            )
        });
        let others = others.chain(lost).chain(self.hold_tracker.current_hold().map(|held| held.description())).chain(paused);
        let problem = |rejects_data| move |message| SystemProblem { message, rejects_data };
        refusing.map(problem(true)).chain(others.map(problem(false))).collect()
    }
}

/// Returns a problem for a day after the disk budget caused a deletion of spans.
async fn disk_budget_problem(api: &Arc<ApiState>) -> Result<Option<String>, ApiError> {
    let receipts = super::projects::run_change(api, |meta| meta.receipts()).await?;
    let since = rfc3339(jiff::Timestamp::now().as_microsecond() - OUTCOME_PERIOD_US);
    let receipts = receipts.iter().filter_map(|text| serde_json::from_str::<DeletionReceipt>(text).ok());
    let recent: Vec<DeletionReceipt> = receipts.filter(|receipt| receipt.what == "budget" && receipt.at >= since).collect();
    let (spans, until) =
        (recent.iter().map(|receipt| receipt.spans).sum::<u64>(), recent.iter().filter_map(|receipt| receipt.until.clone()).max());
    Ok(until.map(|until| {
        format!("disk budget (disk.budget_bytes) reached: {spans} spans were deleted within a day, the oldest first, up to {until}")
    }))
}
