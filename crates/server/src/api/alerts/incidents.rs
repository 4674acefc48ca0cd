//! Incidents of a project.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use hinomi_alerting;
use hinomi_alerting::delivery::notification::{
    AlertContributor, AlertGroup, AlertSeverity, ComparisonBaseline, MeasureUnit, ThresholdDirection,
};
use hinomi_alerting::{
    AlertError, AlertService, AlertSource, Incident, IncidentAction, IncidentEventKind, IncidentFilter, IncidentState as Stands,
    IncidentTimelineEntry, ThresholdLine,
};
use hinomi_model::api_time::rfc3339;
use hinomi_model::money::Usd;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MuteRequest, muted_until, parsed_body, run_blocking};
use crate::api::auth::AuthorizedProject;
use crate::api::params::QueryParameters;
use crate::api::permission::{Member, Viewer};
use crate::api::{ApiError, ApiState};

/// Default number of incidents in a response.
const DEFAULT_INCIDENTS: usize = 50;
const MAX_NOTE_LENGTH: usize = 4000;
const MAX_NAME_LENGTH: usize = 100;

/// An incident: the time from when an alert rule or budget fires until its metric is back to normal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Incident)]
pub(in crate::api) struct IncidentView {
    /// ID of the incident.
    id: i64,
    /// ID of the project.
    project_id: u64,
    /// `rule` for an alert rule, `budget` for a budget.
    source: AlertSource,
    /// ID of the rule or budget that fired. The rule or budget may have been deleted since.
    rule_id: i64,
    /// Name of the rule or budget when the incident opened.
    rule_name: String,
    /// Group of the rule or budget; null if it has no groups.
    #[schema(required)]
    group: Option<AlertGroup>,
    /// `open`, `acknowledged` or `resolved`.
    state: Stands,
    /// Current severity, or the last one of a resolved incident.
    severity: AlertSeverity,
    /// Worst severity so far.
    worst: AlertSeverity,
    /// What is measured, such as `cost` or `duration_p95`.
    measure: String,
    /// Unit of `threshold`, `value` and `peak`.
    unit: MeasureUnit,
    /// Period that the values are compared with. The values are then relative changes, where 0.5 is 50 percent more. Null if the values are
    /// absolute, in `unit`.
    #[schema(required)]
    compare: Option<ComparisonBaseline>,
    /// Whether the rule fires above or below the threshold.
    direction: ThresholdDirection,
    /// Threshold that was crossed last.
    threshold: f64,
    /// Value at the last change; null if there was none.
    #[schema(required)]
    value: Option<f64>,
    /// Value that was furthest beyond the threshold; null if there was none.
    #[schema(required)]
    peak: Option<f64>,
    /// Start of the window at the last change (RFC 3339).
    window_from: String,
    /// End of the window at the last change (RFC 3339).
    window_to: String,
    /// IANA time zone in which the rule or budget counts days and writes messages; null if the rule or budget was deleted.
    #[schema(required)]
    time_zone: Option<String>,
    /// Time at which the rule or budget fired (RFC 3339).
    opened_at: String,
    /// Time at which the incident was acknowledged (RFC 3339); null if nobody has acknowledged it.
    #[schema(required)]
    acknowledged_at: Option<String>,
    /// Name of the person who acknowledged the incident; null if unknown.
    #[schema(required)]
    acknowledged_by: Option<String>,
    /// Time at which the incident was resolved (RFC 3339); null while it is open.
    #[schema(required)]
    resolved_at: Option<String>,
    /// Name of the person who resolved the incident; null if the metric returned to normal or no name was given.
    #[schema(required)]
    resolved_by: Option<String>,
    /// Time until which notifications are snoozed (RFC 3339), or `forever`; null if the incident is not snoozed.
    #[schema(required)]
    snoozed_until: Option<String>,
    /// Main contributors to the change, the largest first.
    culprits: Vec<AlertContributor>,
    /// Time of the previous crossing of a threshold (RFC 3339). The field `since` of a contributor covers the time from then on. Null if
    /// there was no previous crossing, or if it was less than a minute before.
    #[schema(required)]
    culprits_since: Option<String>,
    /// Projected cost at the end of the period, for a budget in US dollars without groups; null for other incidents, or if the cost is
    /// unknown.
    #[schema(required)]
    outlook: Option<IncidentCostProjection>,
}

/// Projected cost at the end of a period.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentOutlook)]
struct IncidentCostProjection {
    /// Cost in US dollars at the end of the period if spending continues at the current rate.
    projected_usd: f64,
    /// End of the period (RFC 3339).
    until: String,
}

fn incident_view(alerts: &AlertService, incident: Incident) -> IncidentView {
    IncidentView {
        time_zone: alerts.time_zone_of(incident.rule),
        id: incident.id,
        project_id: incident.project,
        source: incident.source,
        rule_id: incident.rule,
        state: incident.state(),
        rule_name: incident.rule_name,
        group: incident.group,
        severity: incident.severity,
        worst: incident.worst,
        measure: incident.measure,
        unit: incident.unit,
        compare: incident.compare,
        direction: incident.direction,
        // A budget's step is a part of its amount.
        threshold: Usd::round_to_units(incident.threshold),
        value: incident.value,
        peak: incident.peak,
        window_from: rfc3339(incident.window_from_us),
        window_to: rfc3339(incident.window_to_us),
        opened_at: rfc3339(incident.opened_us),
        acknowledged_at: incident.acknowledged_us.map(rfc3339),
        acknowledged_by: incident.acknowledged_by,
        resolved_at: incident.resolved_us.map(rfc3339),
        resolved_by: incident.resolved_by,
        snoozed_until: muted_until(incident.snoozed_until_us),
        culprits: incident.culprits,
        culprits_since: incident.culprits_since_us.map(rfc3339),
        outlook: incident.outlook.map(|outlook| IncidentCostProjection {
            projected_usd: Usd::round_to_units(outlook.projected_usd),
            until: rfc3339(outlook.until),
        }),
    }
}

/// One entry in the timeline of an incident.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentEntry)]
struct IncidentTimelineEntryView {
    /// Time of the event (RFC 3339).
    at: String,
    /// What happened.
    happened: IncidentEventKind,
    /// Value of the measure at that time; null if there was none.
    #[schema(required)]
    value: Option<f64>,
    /// Severity at that time; null if it does not apply.
    #[schema(required)]
    severity: Option<AlertSeverity>,
    /// Name of the person who acted; null for the server, or if no name was given.
    #[schema(required)]
    by: Option<String>,
    /// Text of a note, or the reason for the event; null if there is none.
    #[schema(required)]
    text: Option<String>,
}

fn timeline_entry_view(entry: IncidentTimelineEntry) -> IncidentTimelineEntryView {
    let IncidentTimelineEntry { at_us, happened, value, severity, by, text } = entry;
    IncidentTimelineEntryView { at: rfc3339(at_us), happened, value, severity, by, text }
}

/// Selects incidents.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct IncidentListParameters {
    /// `open` for open and acknowledged incidents, or `resolved`. Default: all.
    state: Option<String>,
    /// ID of a rule or budget: only its incidents are returned.
    rule: Option<i64>,
    /// Cursor: `next_before` of the previous page.
    before: Option<i64>,
    /// Maximum number of incidents, from 1 to 500. Default: 50.
    limit: Option<usize>,
}

/// One page of incidents.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Incidents)]
pub(in crate::api) struct IncidentList {
    /// Incidents, the newest first.
    incidents: Vec<IncidentView>,
    /// Number of open incidents of the project, on all pages.
    open: u64,
    /// Value of `before` for the next page; null on the last page.
    #[schema(required)]
    next_before: Option<i64>,
}

/// Lists the incidents of a project, the newest first.
#[utoipa::path(get, path = "/projects/{project}/alerts/incidents", tag = "alerts", params(("project" = u64, Path, description = "ID of the project."), IncidentListParameters),
    responses((status = 200, body = IncidentList), (status = 400, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn list(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(which): QueryParameters<IncidentListParameters>,
) -> Result<Json<IncidentList>, ApiError> {
    let open = match which.state.as_deref() {
        None | Some("") => None,
        Some("open") => Some(true),
        Some("resolved") => Some(false),
        Some(other) => {
            return Err(ApiError::bad_request("bad_parameter", format!("state: {other:?} is not a valid state; use open or resolved")));
        }
    };
    let limit = which.limit.unwrap_or(DEFAULT_INCIDENTS).clamp(1, 500);
    let wanted = IncidentFilter { open, rule: which.rule, before: which.before, limit: limit + 1 };
    let (mut incidents, open) = run_blocking(&api, move |alerts| alerts.incidents(authorized.project, &wanted)).await?;
    let is_more = incidents.len() > limit;
    incidents.truncate(limit);
    let next_before = incidents.last().map(|incident| incident.id).filter(|_| is_more);
    Ok(Json(IncidentList {
        incidents: incidents.into_iter().map(|incident| incident_view(&api.alerts, incident)).collect(),
        open,
        next_before,
    }))
}

/// An incident with its timeline.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct IncidentDetail {
    /// The incident.
    incident: IncidentView,
    /// Timeline of the incident, the oldest entry first.
    timeline: Vec<IncidentTimelineEntryView>,
}

/// Returns an incident with its timeline.
#[utoipa::path(get, path = "/projects/{project}/alerts/incidents/{incident}", tag = "alerts",
    params(("project" = u64, Path, description = "ID of the project."), ("incident" = i64, Path, description = "ID of the incident.")),
    responses((status = 200, body = IncidentDetail), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn get(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    Path((_project, id)): Path<(String, String)>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let id = parse_id(&id)?;
    let (incident, entries) = run_blocking(&api, move |alerts| alerts.incident(authorized.project, id)).await?;
    Ok(Json(IncidentDetail {
        incident: incident_view(&api.alerts, incident),
        timeline: entries.into_iter().map(timeline_entry_view).collect(),
    }))
}

/// Values of the measure around an incident, and its thresholds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentChart)]
pub(in crate::api) struct IncidentChartView {
    /// Start of the chart (RFC 3339).
    from: String,
    /// End of the chart (RFC 3339).
    to: String,
    /// Pairs of time (RFC 3339) and value, in order of time; the value is null if there is none. For a budget, the amount spent since the
    /// start of the period.
    points: Vec<(String, Option<f64>)>,
    /// Thresholds of the rule or budget.
    levels: Vec<IncidentChartThreshold>,
}

/// A threshold of a rule or budget.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentLevel)]
struct IncidentChartThreshold {
    /// Severity beyond the threshold; null for the value at which the incident is resolved.
    #[schema(required)]
    severity: Option<AlertSeverity>,
    /// Value of the threshold.
    value: f64,
}

/// Returns the values and thresholds around an incident.
///
/// The values are computed again from stored data. If that is not possible, the response contains the values of the timeline.
#[utoipa::path(get, path = "/projects/{project}/alerts/incidents/{incident}/chart", tag = "alerts",
    params(("project" = u64, Path, description = "ID of the project."), ("incident" = i64, Path, description = "ID of the incident.")),
    responses((status = 200, body = IncidentChartView), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn chart(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    Path((_project, id)): Path<(String, String)>,
) -> Result<Json<IncidentChartView>, ApiError> {
    let id = parse_id(&id)?;
    let (incident, story, of_what) = run_blocking(&api, move |alerts| {
        let (incident, story) = alerts.incident(authorized.project, id)?;
        let of_what = match incident.source {
            AlertSource::Rule => alerts
                .rule(authorized.project, incident.rule)
                .map(|kept| hinomi_alerting::IncidentDefinition::Rule(Box::new(kept.definition))),
            AlertSource::Budget => {
                alerts.budget(authorized.project, incident.rule).map(|kept| hinomi_alerting::IncidentDefinition::Budget(Box::new(kept)))
            }
        };
        match of_what {
            Ok(of_what) => Ok((incident, story, of_what)),
            Err(AlertError::Unknown(_)) => Ok((incident, story, hinomi_alerting::IncidentDefinition::Deleted)),
            Err(error) => Err(error),
        }
    })
    .await?;
    let now_us = jiff::Timestamp::now().as_microsecond();
    let chart = hinomi_alerting::incident_chart(&api.snapshot(authorized.project), &incident, &story, of_what, now_us).await?;
    Ok(Json(IncidentChartView {
        from: rfc3339(chart.from_us),
        to: rfc3339(chart.to_us),
        points: chart.points.into_iter().map(|(at, value)| (rfc3339(at), value)).collect(),
        levels: chart.thresholds.into_iter().map(|ThresholdLine { severity, value }| IncidentChartThreshold { severity, value }).collect(),
    }))
}

/// An action on an incident.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::api) struct IncidentActionRequest {
    /// Name of the person who acts, for the timeline. The name is not verified; at most 100 characters are kept.
    by: Option<String>,
}

/// A note for the timeline of an incident.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct IncidentNoteRequest {
    /// Text of 1 to 4000 characters.
    text: String,
    /// Name of the author. The name is not verified; at most 100 characters are kept.
    by: Option<String>,
}

/// Acknowledges an incident.
///
/// Stops reminders and escalation for the incident.
#[utoipa::path(post, path = "/projects/{project}/alerts/incidents/{incident}/acknowledge", tag = "alerts",
    params(("project" = u64, Path, description = "ID of the project."), ("incident" = i64, Path, description = "ID of the incident.")), request_body = IncidentActionRequest,
    responses((status = 200, body = IncidentView), (status = 400, body = crate::api::error::ErrorResponse), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn acknowledge(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    Path((_project, id)): Path<(String, String)>,
    body: Result<Json<IncidentActionRequest>, JsonRejection>,
) -> Result<Json<IncidentView>, ApiError> {
    act(&api, authorized, &id, IncidentAction::Acknowledge, parsed_body(body)?.by).await
}

/// Resolves an incident.
///
/// The rule or budget fires again if its value crosses a threshold again.
#[utoipa::path(post, path = "/projects/{project}/alerts/incidents/{incident}/resolve", tag = "alerts",
    params(("project" = u64, Path, description = "ID of the project."), ("incident" = i64, Path, description = "ID of the incident.")), request_body = IncidentActionRequest,
    responses((status = 200, body = IncidentView), (status = 400, body = crate::api::error::ErrorResponse), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn resolve(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    Path((_project, id)): Path<(String, String)>,
    body: Result<Json<IncidentActionRequest>, JsonRejection>,
) -> Result<Json<IncidentView>, ApiError> {
    act(&api, authorized, &id, IncidentAction::Resolve, parsed_body(body)?.by).await
}

/// Adds a note to the timeline of an incident.
#[utoipa::path(post, path = "/projects/{project}/alerts/incidents/{incident}/notes", tag = "alerts",
    params(("project" = u64, Path, description = "ID of the project."), ("incident" = i64, Path, description = "ID of the incident.")), request_body = IncidentNoteRequest,
    responses((status = 200, body = IncidentView), (status = 400, body = crate::api::error::ErrorResponse), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn note(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    Path((_project, id)): Path<(String, String)>,
    body: Result<Json<IncidentNoteRequest>, JsonRejection>,
) -> Result<Json<IncidentView>, ApiError> {
    let IncidentNoteRequest { text, by } = parsed_body(body)?;
    let text = text.trim().to_owned();
    if !(1..=MAX_NOTE_LENGTH).contains(&text.chars().count()) {
        return Err(ApiError::bad_request("invalid_value", format!("text: must have 1 to {MAX_NOTE_LENGTH} characters")));
    }
    act(&api, authorized, &id, IncidentAction::Note(text), by).await
}

/// Snoozes the notifications of an incident.
#[utoipa::path(post, path = "/projects/{project}/alerts/incidents/{incident}/snooze", tag = "alerts",
    params(("project" = u64, Path, description = "ID of the project."), ("incident" = i64, Path, description = "ID of the incident.")), request_body = MuteRequest,
    responses((status = 200, body = IncidentView), (status = 400, body = crate::api::error::ErrorResponse), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn snooze(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    Path((_project, id)): Path<(String, String)>,
    body: Result<Json<MuteRequest>, JsonRejection>,
) -> Result<Json<IncidentView>, ApiError> {
    let until_us = parsed_body(body)?.until_us()?;
    act(&api, authorized, &id, IncidentAction::Snooze(Some(until_us)), None).await
}

/// Ends the snooze of an incident.
#[utoipa::path(delete, path = "/projects/{project}/alerts/incidents/{incident}/snooze", tag = "alerts",
    params(("project" = u64, Path, description = "ID of the project."), ("incident" = i64, Path, description = "ID of the incident.")),
    responses((status = 200, body = IncidentView), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn wake(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Member>,
    Path((_project, id)): Path<(String, String)>,
) -> Result<Json<IncidentView>, ApiError> {
    act(&api, authorized, &id, IncidentAction::Snooze(None), None).await
}

fn parse_id(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("incident"))
}

async fn act(
    api: &Arc<ApiState>,
    authorized: AuthorizedProject<Member>,
    id: &str,
    deed: IncidentAction,
    by: Option<String>,
) -> Result<Json<IncidentView>, ApiError> {
    let id = parse_id(id)?;
    let by = by.map(|by| by.trim().chars().take(MAX_NAME_LENGTH).collect::<String>()).filter(|by| !by.is_empty());
    let incident = run_blocking(api, move |alerts| alerts.act_on_incident(authorized.project, id, &deed, by)).await?;
    Ok(Json(incident_view(&api.alerts, incident)))
}
