//! Import of bills, and their comparison with observed usage.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use hinomi_model::bill::{self, ReconciliationReport, SamplingEvidence};
use hinomi_model::hints::InstrumentationHint;
use hinomi_model::outcome::{OutcomeCategory, OutcomeKind};
use hinomi_model::outcome_reason::OutcomeReason;
use hinomi_query::QueryScope;
use hinomi_query::filter::Filter;
use hinomi_tables::bills::BillImport;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::AuthorizedProject;
use super::params::QueryParameters;
use super::permission::{Admin, Viewer};
use super::{ApiError, ApiState};
use crate::query_parameters::TimeRangeParameters;

/// Maximum number of unreadable rows in a response.
const MAX_UNREADABLE_ROWS: usize = 100;

/// Name of an imported bill.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BillImportParameters {
    /// Name of the file, for display. Default: empty.
    #[serde(default)]
    name: String,
}

/// Result of the import of a bill.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BillImportResult {
    /// Detected format of the file.
    format: &'static str,
    /// Number of rows in the file.
    rows: usize,
    /// Number of bill lines: distinct combinations of day, provider, account, model and tier.
    lines: usize,
    /// First day, `YYYY-MM-DD` (UTC); null if no row could be read.
    #[schema(required)]
    from: Option<String>,
    /// Last day, `YYYY-MM-DD` (UTC); null if no row could be read.
    #[schema(required)]
    to: Option<String>,
    /// Number of rows that could not be read.
    unread: usize,
    /// The first rows that could not be read, at most 100, each with its line number and the reason.
    unread_rows: Vec<bill::UnreadBillRow>,
    /// Columns and fields that were ignored because their meaning is unknown.
    unknown_columns: Vec<String>,
}

/// Imports a bill.
///
/// The body is an export of costs or usage from OpenAI or Anthropic, or a table with day, model and amount. Data of a day replaces the
/// data of an earlier import for the same day.
#[utoipa::path(post, path = "/projects/{project}/bill", tag = "queries", params(("project" = u64, Path, description = "ID of the project."), BillImportParameters),
    request_body = String, responses((status = 201, body = BillImportResult), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn import(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    QueryParameters(file): QueryParameters<BillImportParameters>,
    body: Bytes,
) -> Result<(StatusCode, Json<BillImportResult>), ApiError> {
    let bills = api.bills.clone();
    let work = move || {
        let export = bill::read(&body).map_err(|error| ApiError::bad_request("bad_bill", error.to_string()))?;
        bills.import(authorized.project, &file.name, &export).map_err(ApiError::internal)?;
        let day = |day: Option<Date>| day.map(|day| day.to_string());
        Ok(BillImportResult {
            format: export.format,
            rows: export.rows,
            lines: export.lines.len(),
            from: day(export.lines.iter().map(|line| line.day).min()),
            to: day(export.lines.iter().map(|line| line.day).max()),
            unread: export.unread.len(),
            unread_rows: export.unread.into_iter().take(MAX_UNREADABLE_ROWS).collect(),
            unknown_columns: export.unknown_columns,
        })
    };
    let imported: Result<BillImportResult, ApiError> = tokio::task::spawn_blocking(work).await?;
    Ok((StatusCode::CREATED, Json(imported?)))
}

/// The bills of providers compared with observed usage.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BillReconciliationResponse {
    /// Totals, days, models and causes of the difference.
    #[serde(flatten)]
    report: ReconciliationReport,
    /// Imported files, the newest first.
    imports: Vec<BillImport>,
}

/// Compares the bills of providers with observed usage.
///
/// Returns billed and observed amounts, their difference and its causes, by day (UTC) and model.
#[utoipa::path(get, path = "/projects/{project}/bill", tag = "queries", params(("project" = u64, Path, description = "ID of the project."), TimeRangeParameters),
    responses((status = 200, body = BillReconciliationResponse), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn report(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(within): QueryParameters<TimeRangeParameters>,
) -> Result<Json<BillReconciliationResponse>, ApiError> {
    let (from_us, to_us) = within.range()?;
    let day = |us: i64, open: Date| Timestamp::from_microsecond(us).map_or(open, |at| TimeZone::UTC.to_datetime(at).date());
    let (from, to) = (day(from_us, Date::MIN), day(to_us.saturating_sub(1), Date::MAX));
    let (bills, project) = (api.bills.clone(), authorized.project);
    let read = tokio::task::spawn_blocking(move || Ok((bills.lines(project, from, to)?, bills.imports(project)?)));
    let read: Result<_, hinomi_tables::database::SqliteError> = read.await?;
    let (lines, imports) = read.map_err(ApiError::internal)?;
    let (Some(first), Some(last)) = (lines.iter().map(|line| line.day).min(), lines.iter().map(|line| line.day).max()) else {
        return Ok(Json(BillReconciliationResponse { report: ReconciliationReport::default(), imports }));
    };
    // Whole days, as bills have them.
    let start = |day: Date| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).map_or(i64::MIN, Timestamp::as_microsecond);
    let end = last.tomorrow().map_or(i64::MAX, start);
    let scope = QueryScope { from_us: start(first), to_us: end, filter: Filter::default() };
    let observed = api.snapshot(authorized.project).observed(&scope).await?;
    let evidence = sampling_evidence(&api, authorized.project, scope.from_us, scope.to_us).await?;
    Ok(Json(BillReconciliationResponse { report: bill::reconcile(&lines, &observed, &evidence), imports }))
}

/// Returns the evidence of sampling in the time range.
async fn sampling_evidence(api: &ApiState, project: u64, from_us: i64, to_us: i64) -> Result<SamplingEvidence, ApiError> {
    let hints = api.outcomes.hints(project, from_us);
    let rates = hints.iter().filter(|row| row.hint == InstrumentationHint::Sampled.as_str()).filter_map(|row| row.value);
    let sample_rate = rates.min_by(f64::total_cmp);
    let outcomes = api.outcomes.clone();
    let rows = tokio::task::spawn_blocking(move || outcomes.rows(project, from_us, to_us)).await?;
    let rows = rows.map_err(ApiError::internal)?;
    let sampled_out = rows.iter().filter(|row| {
        row.outcome == OutcomeKind::ClientDropped.as_str()
            && row.reason == OutcomeReason::SampleRate.as_str()
            && row.category == OutcomeCategory::Transaction.as_str()
    });
    Ok(SamplingEvidence { sample_rate, sampled_out: sampled_out.map(|row| row.quantity).sum() })
}
