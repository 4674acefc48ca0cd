//! How the server itself is doing.

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

/// For how long what has happened is said.
const DAY_US: i64 = 86_400_000_000;

/// The server.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SystemStatus {
    version: &'static str,
    uptime_s: u64,
    data_dir: String,
    disk: DiskUsage,
    spans: SpanCounts,
    segments: u64,
    /// Resident memory; null where the platform does not say.
    memory_bytes: Option<u64>,
    /// What queries and intake may take of it together.
    memory_limit_bytes: u64,
    retention_days: u32,
    /// Start of the oldest span.
    oldest: Option<String>,
    /// Requests of the last 24 hours that brought no valid key, by reason. They count for no project.
    refused: Vec<outcomes::OutcomeRow>,
    /// What is wrong, in words; empty when all is well.
    problems: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DiskUsage {
    segments_bytes: u64,
    log_bytes: u64,
    /// Null where the platform does not say.
    free_bytes: Option<u64>,
    /// While less than this is free, nothing is taken in.
    reserve_bytes: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct SpanCounts {
    stored: u64,
    buffered: u64,
}

/// How the server is doing. For those who may see all projects.
#[utoipa::path(get, path = "/system", tag = "system", responses((status = 200, body = SystemStatus)))]
pub(super) async fn system(State(api): State<Arc<ApiState>>, _: AuthorizedCaller<Admin>) -> Result<Json<SystemStatus>, ApiError> {
    let stats = api.store.stats();
    let (engine, snapshot) = (api.engine.clone(), api.store.snapshot());
    let oldest = tokio::task::spawn_blocking(move || engine.oldest(&snapshot)).await??;
    let mut problems: Vec<String> = api.problems().into_iter().map(|problem| problem.said).collect();
    problems.extend(over_budget(&api).await?);
    let counted = api.outcomes.clone();
    let now_us = jiff::Timestamp::now().as_microsecond();
    let refused = tokio::task::spawn_blocking(move || counted.rows(outcomes::SERVER, now_us - DAY_US, now_us + 1));
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
        segments: stats.segments,
        memory_bytes: crate::memory::resident_bytes(),
        memory_limit_bytes: api.memory_limit,
        retention_days: api.retention_days,
        oldest: oldest.map(rfc3339),
        refused,
        problems,
    }))
}

/// For how long it is said that `hinomi.db` was lost.
const SAID_OF_A_LOSS_US: i64 = 7 * 86_400_000_000;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemProblem {
    /// In words.
    pub said: String,
    /// Whether something that comes in is refused for it.
    pub refuses: bool,
}

impl ApiState {
    /// What is wrong at this moment, as far as is known without asking a database.
    pub fn problems(&self) -> Vec<SystemProblem> {
        let stats = self.store.stats();
        // Counts wait in memory, and what rings or was billed is not what programs send.
        let takes_data = |name: &str| matches!(name, "errors.db" | "scores.db" | "logs.db" | "metrics.db" | "hinomi.db");
        let (refusing, failing): (Vec<_>, Vec<_>) = database::failing(&self.data).into_iter().partition(|(name, _)| takes_data(name));
        let refusing = stats.intake_error.into_iter().chain(refusing.into_iter().map(|(_, said)| said));
        let paused = self.courier.is_paused().then(|| match self.quiet_notifications {
            true => "messages of alerts wait: the server was started with --quiet-notifications".to_owned(),
            false => "messages of alerts wait, as after a restore: `hinomi notifications resume` lets them go".to_owned(),
        });
        let others =
            failing.into_iter().map(|(_, said)| said).chain(stats.background_error).chain(stats.damaged).chain(self.prices.problems());
        let since_us = jiff::Timestamp::now().as_microsecond() - SAID_OF_A_LOSS_US;
        let lost = self.made_anew_us.filter(|made_us| *made_us > since_us).map(|made_us| {
            format!(
                "hinomi.db was missing or empty and was made anew at {}: projects, keys, tokens and settings that were in it are lost; restore it from a backup",
                rfc3339(made_us)
            )
        });
        let others = others.chain(lost).chain(self.holds.current().map(|held| held.told())).chain(paused);
        let problem = |refuses| move |said| SystemProblem { said, refuses };
        refusing.map(problem(true)).chain(others.map(problem(false))).collect()
    }
}

/// Says for a day that the disk budget has taken away spans.
async fn over_budget(api: &Arc<ApiState>) -> Result<Option<String>, ApiError> {
    let receipts = super::projects::change(api, |meta| meta.receipts()).await?;
    let since = rfc3339(jiff::Timestamp::now().as_microsecond() - DAY_US);
    let receipts = receipts.iter().filter_map(|text| serde_json::from_str::<DeletionReceipt>(text).ok());
    let recent: Vec<DeletionReceipt> = receipts.filter(|receipt| receipt.what == "budget" && receipt.at >= since).collect();
    let (spans, until) =
        (recent.iter().map(|receipt| receipt.spans).sum::<u64>(), recent.iter().filter_map(|receipt| receipt.until.clone()).max());
    Ok(until.map(|until| {
        format!("the disk budget (disk.budget_bytes) is reached: within a day {spans} spans were deleted, the oldest first, up to those of {until}")
    }))
}
