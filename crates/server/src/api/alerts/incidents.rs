//! What rang.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use hinomi_alerting;
use hinomi_alerting::delivery::notice::{AlertContributor, AlertGroup, AlertSeverity, ComparisonBaseline, MeasureUnit, ThresholdDirection};
use hinomi_alerting::{
    AlertError, AlertService, AlertSource, Incident, IncidentAction, IncidentEventKind, IncidentFilter, IncidentState as Stands,
    IncidentTimelineEntry, ThresholdLine,
};
use hinomi_model::api_time::rfc3339;
use hinomi_model::money::Usd;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MuteRequest, quiet_shown, read, with};
use crate::api::auth::AuthorizedProject;
use crate::api::params::QueryParameters;
use crate::api::permission::{Member, Viewer};
use crate::api::{ApiError, ApiState};

/// Incidents of a page, where the caller does not say.
const PAGE: usize = 50;
const LONGEST_NOTE: usize = 4000;
const LONGEST_NAME: usize = 100;

/// An incident.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Incident)]
pub(in crate::api) struct IncidentView {
    id: i64,
    project_id: u64,
    /// `rule` or `budget`
    source: AlertSource,
    /// The rule or budget, which may have been taken away since.
    rule_id: i64,
    rule_name: String,
    /// Null where the rule has no groups.
    group: Option<AlertGroup>,
    state: Stands,
    severity: AlertSeverity,
    /// The worst that it was.
    worst: AlertSeverity,
    measure: String,
    unit: MeasureUnit,
    /// What the figures are changes against; null where they are what was measured itself.
    compare: Option<ComparisonBaseline>,
    direction: ThresholdDirection,
    threshold: f64,
    /// The figure at the last change; null where there was none.
    value: Option<f64>,
    /// The figure furthest beyond the threshold.
    peak: Option<f64>,
    window_from: String,
    window_to: String,
    /// In which the rule or budget counts days and writes its messages; null where it was taken away.
    time_zone: Option<String>,
    opened_at: String,
    acknowledged_at: Option<String>,
    acknowledged_by: Option<String>,
    resolved_at: Option<String>,
    /// Null where the figure went back by itself.
    resolved_by: Option<String>,
    snoozed_until: Option<String>,
    /// What moved the figure, the most important first.
    culprits: Vec<AlertContributor>,
    /// From when on `since` of the culprits is counted: when the figure passed the threshold before. Null where it passed none before, or did so
    /// within the last minute.
    culprits_since: Option<String>,
    outlook: Option<IncidentCostProjection>,
}

/// What the bill will be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentOutlook)]
struct IncidentCostProjection {
    /// Dollars at the end of the period if the current rate continues.
    projected_usd: f64,
    until: String,
}

fn shown(alerts: &AlertService, incident: Incident) -> IncidentView {
    IncidentView {
        time_zone: alerts.zone_of(incident.rule),
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
        threshold: Usd::exactly(incident.threshold),
        value: incident.value,
        peak: incident.peak,
        window_from: rfc3339(incident.window_from_us),
        window_to: rfc3339(incident.window_to_us),
        opened_at: rfc3339(incident.opened_us),
        acknowledged_at: incident.acknowledged_us.map(rfc3339),
        acknowledged_by: incident.acknowledged_by,
        resolved_at: incident.resolved_us.map(rfc3339),
        resolved_by: incident.resolved_by,
        snoozed_until: quiet_shown(incident.snoozed_until_us),
        culprits: incident.culprits,
        culprits_since: incident.culprits_since_us.map(rfc3339),
        outlook: incident
            .outlook
            .map(|outlook| IncidentCostProjection { projected_usd: Usd::exactly(outlook.projected_usd), until: rfc3339(outlook.until) }),
    }
}

/// One line of an incident's story.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentEntry)]
struct IncidentTimelineEntryView {
    at: String,
    happened: IncidentEventKind,
    value: Option<f64>,
    severity: Option<AlertSeverity>,
    by: Option<String>,
    text: Option<String>,
}

fn line(entry: IncidentTimelineEntry) -> IncidentTimelineEntryView {
    let IncidentTimelineEntry { at_us, happened, value, severity, by, text } = entry;
    IncidentTimelineEntryView { at: rfc3339(at_us), happened, value, severity, by, text }
}

/// Which incidents.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct IncidentListParameters {
    /// `open` (acknowledged ones too), `resolved`; left out: all.
    state: Option<String>,
    /// Only of this rule or budget.
    rule: Option<i64>,
    /// Only those before this one: `next_before` of the page before.
    before: Option<i64>,
    /// At most so many.
    limit: Option<usize>,
}

/// A page of incidents.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Incidents)]
pub(in crate::api) struct IncidentList {
    /// The newest first.
    incidents: Vec<IncidentView>,
    /// How many of the project are open, on whatever page.
    open: u64,
    /// Where the next page goes on; null on the last.
    next_before: Option<i64>,
}

/// Lists incidents.
#[utoipa::path(get, path = "/projects/{project}/alerts/incidents", tag = "alerts", params(("project" = u64, Path), IncidentListParameters),
    responses((status = 200, body = IncidentList), (status = 400, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn list(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    QueryParameters(which): QueryParameters<IncidentListParameters>,
) -> Result<Json<IncidentList>, ApiError> {
    let open = match which.state.as_deref() {
        None | Some("") => None,
        Some("open") => Some(true),
        Some("resolved") => Some(false),
        Some(other) => return Err(ApiError::bad_request("bad_parameter", format!("state: {other:?} is neither open nor resolved"))),
    };
    let limit = which.limit.unwrap_or(PAGE).clamp(1, 500);
    let wanted = IncidentFilter { open, rule: which.rule, before: which.before, limit: limit + 1 };
    let found = with(&api, move |alerts| Ok((alerts.incidents(of.project, &wanted)?, alerts.open_incidents(of.project)?))).await?;
    let (mut incidents, open) = found;
    let is_more = incidents.len() > limit;
    incidents.truncate(limit);
    let next_before = incidents.last().map(|incident| incident.id).filter(|_| is_more);
    Ok(Json(IncidentList { incidents: incidents.into_iter().map(|incident| shown(&api.alerts, incident)).collect(), open, next_before }))
}

/// An incident with its story.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct IncidentDetail {
    incident: IncidentView,
    /// The oldest line first.
    timeline: Vec<IncidentTimelineEntryView>,
}

/// One incident.
#[utoipa::path(get, path = "/projects/{project}/alerts/incidents/{incident}", tag = "alerts",
    params(("project" = u64, Path), ("incident" = i64, Path)),
    responses((status = 200, body = IncidentDetail), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn get(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    Path((_project, id)): Path<(String, String)>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let id = number(&id)?;
    let (incident, entries) = with(&api, move |alerts| alerts.incident(of.project, id)).await?;
    Ok(Json(IncidentDetail { incident: shown(&api.alerts, incident), timeline: entries.into_iter().map(line).collect() }))
}

/// The figure around an incident.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentChart)]
pub(in crate::api) struct IncidentChartView {
    from: String,
    to: String,
    /// Time and figure, rising; null where there was none. Of a budget what was spent since its period began.
    points: Vec<(String, Option<f64>)>,
    levels: Vec<IncidentChartThreshold>,
}

/// A threshold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncidentLevel)]
struct IncidentChartThreshold {
    /// Null for the one at which it is over.
    severity: Option<AlertSeverity>,
    value: f64,
}

/// The figure around an incident and its thresholds, counted again from what is stored; of what cannot be, the figures of its story.
#[utoipa::path(get, path = "/projects/{project}/alerts/incidents/{incident}/chart", tag = "alerts",
    params(("project" = u64, Path), ("incident" = i64, Path)),
    responses((status = 200, body = IncidentChartView), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn chart(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    Path((_project, id)): Path<(String, String)>,
) -> Result<Json<IncidentChartView>, ApiError> {
    let id = number(&id)?;
    let (incident, story, of_what) = with(&api, move |alerts| {
        let (incident, story) = alerts.incident(of.project, id)?;
        let of_what = match incident.source {
            AlertSource::Rule => {
                alerts.rule(of.project, incident.rule).map(|kept| hinomi_alerting::IncidentDefinition::Rule(Box::new(kept.what)))
            }
            AlertSource::Budget => {
                alerts.budget(of.project, incident.rule).map(|kept| hinomi_alerting::IncidentDefinition::Budget(Box::new(kept)))
            }
        };
        match of_what {
            Ok(of_what) => Ok((incident, story, of_what)),
            Err(AlertError::Unknown(_)) => Ok((incident, story, hinomi_alerting::IncidentDefinition::Nothing)),
            Err(error) => Err(error),
        }
    })
    .await?;
    let now_us = jiff::Timestamp::now().as_microsecond();
    let chart = hinomi_alerting::chart(&api.ask(of.project), &incident, &story, of_what, now_us).await?;
    Ok(Json(IncidentChartView {
        from: rfc3339(chart.from_us),
        to: rfc3339(chart.to_us),
        points: chart.points.into_iter().map(|(at, value)| (rfc3339(at), value)).collect(),
        levels: chart.levels.into_iter().map(|ThresholdLine { severity, value }| IncidentChartThreshold { severity, value }).collect(),
    }))
}

/// Who does something.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::api) struct IncidentActionRequest {
    /// A name, as the person says it.
    by: Option<String>,
}

/// What somebody writes down.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct IncidentNoteRequest {
    /// 1 to 4000 characters.
    text: String,
    /// A name, as the person says it.
    by: Option<String>,
}

/// Somebody looks at it: it is not told again, and not to anyone else.
#[utoipa::path(post, path = "/projects/{project}/alerts/incidents/{incident}/acknowledge", tag = "alerts",
    params(("project" = u64, Path), ("incident" = i64, Path)), request_body = IncidentActionRequest,
    responses((status = 200, body = IncidentView), (status = 400, body = crate::api::error::ErrorResponse), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn acknowledge(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Member>,
    Path((_project, id)): Path<(String, String)>,
    body: Result<Json<IncidentActionRequest>, JsonRejection>,
) -> Result<Json<IncidentView>, ApiError> {
    act(&api, of, &id, IncidentAction::Acknowledge, read(body)?.by).await
}

/// It is over. It rings again if the figure passes a threshold anew.
#[utoipa::path(post, path = "/projects/{project}/alerts/incidents/{incident}/resolve", tag = "alerts",
    params(("project" = u64, Path), ("incident" = i64, Path)), request_body = IncidentActionRequest,
    responses((status = 200, body = IncidentView), (status = 400, body = crate::api::error::ErrorResponse), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn resolve(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Member>,
    Path((_project, id)): Path<(String, String)>,
    body: Result<Json<IncidentActionRequest>, JsonRejection>,
) -> Result<Json<IncidentView>, ApiError> {
    act(&api, of, &id, IncidentAction::Resolve, read(body)?.by).await
}

/// Writes something down.
#[utoipa::path(post, path = "/projects/{project}/alerts/incidents/{incident}/notes", tag = "alerts",
    params(("project" = u64, Path), ("incident" = i64, Path)), request_body = IncidentNoteRequest,
    responses((status = 200, body = IncidentView), (status = 400, body = crate::api::error::ErrorResponse), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn note(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Member>,
    Path((_project, id)): Path<(String, String)>,
    body: Result<Json<IncidentNoteRequest>, JsonRejection>,
) -> Result<Json<IncidentView>, ApiError> {
    let IncidentNoteRequest { text, by } = read(body)?;
    let text = text.trim().to_owned();
    if !(1..=LONGEST_NOTE).contains(&text.chars().count()) {
        return Err(ApiError::bad_request("invalid_value", format!("text: must have 1 to {LONGEST_NOTE} characters")));
    }
    act(&api, of, &id, IncidentAction::Note(text), by).await
}

/// Nobody is told of it for a while.
#[utoipa::path(post, path = "/projects/{project}/alerts/incidents/{incident}/snooze", tag = "alerts",
    params(("project" = u64, Path), ("incident" = i64, Path)), request_body = MuteRequest,
    responses((status = 200, body = IncidentView), (status = 400, body = crate::api::error::ErrorResponse), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn snooze(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Member>,
    Path((_project, id)): Path<(String, String)>,
    body: Result<Json<MuteRequest>, JsonRejection>,
) -> Result<Json<IncidentView>, ApiError> {
    let until_us = read(body)?.until_us()?;
    act(&api, of, &id, IncidentAction::Snooze(Some(until_us)), None).await
}

/// People are told of it again.
#[utoipa::path(delete, path = "/projects/{project}/alerts/incidents/{incident}/snooze", tag = "alerts",
    params(("project" = u64, Path), ("incident" = i64, Path)),
    responses((status = 200, body = IncidentView), (status = 404, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn wake(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Member>,
    Path((_project, id)): Path<(String, String)>,
) -> Result<Json<IncidentView>, ApiError> {
    act(&api, of, &id, IncidentAction::Snooze(None), None).await
}

fn number(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("incident"))
}

async fn act(
    api: &Arc<ApiState>,
    of: AuthorizedProject<Member>,
    id: &str,
    deed: IncidentAction,
    by: Option<String>,
) -> Result<Json<IncidentView>, ApiError> {
    let id = number(id)?;
    let by = by.map(|by| by.trim().chars().take(LONGEST_NAME).collect::<String>()).filter(|by| !by.is_empty());
    let incident = with(api, move |alerts| alerts.act(of.project, id, &deed, by)).await?;
    Ok(Json(shown(&api.alerts, incident)))
}
