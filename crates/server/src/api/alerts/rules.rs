//! Rules of a project.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hinomi_alerting;
use hinomi_alerting::delivery::notice::{AlertGroup, AlertSeverity};
use hinomi_alerting::{AlertRecord, AlertRule, AlertService, HumanDuration, Incident};
use hinomi_model::api_time::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::definitions::handlers;
use super::{MuteRequest, quiet_shown, read, with};
use crate::api::auth::AuthorizedProject;
use crate::api::permission::{Member, Viewer};
use crate::api::{ApiError, ApiState};

/// A rule and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleShown)]
pub(in crate::api) struct AlertRuleView {
    id: i64,
    project_id: u64,
    #[serde(flatten)]
    #[schema(inline)]
    rule: AlertRule,
    /// Until when nobody is told; null while somebody is, `forever` without an end.
    muted_until: Option<String>,
    created_at: String,
    updated_at: String,
    /// The figure now, of groups the one that is furthest out; null while there is none.
    now: Option<f64>,
    /// How bad the worst open incident is; null while none is open.
    severity: Option<AlertSeverity>,
    open_incidents: usize,
}

fn shown(alerts: &AlertService, kept: AlertRecord<AlertRule>) -> AlertRuleView {
    let state = alerts.rule_state(kept.id);
    AlertRuleView {
        now: state.value,
        severity: state.severity,
        open_incidents: state.open,
        id: kept.id,
        project_id: kept.project,
        rule: kept.what,
        muted_until: quiet_shown(kept.muted_until_us),
        created_at: rfc3339(kept.created_us),
        updated_at: rfc3339(kept.updated_us),
    }
}

handlers!(
    "rule",
    AlertRule,
    AlertRuleView,
    AlertRules,
    rules,
    "/projects/{project}/alerts/rules",
    "/projects/{project}/alerts/rules/{id}",
    "/projects/{project}/alerts/rules/{id}/mute",
    rules,
    rule,
    create_rule,
    replace_rule,
    delete_rule,
    mute_rule
);

/// A rule that is tried.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AlertPreviewRequest {
    /// The rule, which need not be kept.
    rule: AlertRule,
    /// How far back it is tried: `14d` where left out, `35d` at most.
    #[serde(default)]
    back: Option<String>,
}

/// What a rule would have done.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AlertPreview {
    from: String,
    to: String,
    /// How often it would have fired.
    fired: usize,
    /// When and for how long, the oldest first; at most 200.
    incidents: Vec<AlertPreviewIncident>,
    /// Time and figure, of a rule with groups that of the group furthest out; null where there was none.
    points: Vec<(String, Option<f64>)>,
}

/// That it would have rung.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertPreviewRing)]
struct AlertPreviewIncident {
    opened_at: String,
    /// Null where it would still ring.
    resolved_at: Option<String>,
    severity: AlertSeverity,
    /// The figure furthest beyond the threshold.
    peak: Option<f64>,
    group: Option<AlertGroup>,
}

/// Tries a rule on what is stored: how often would it have rung?
#[utoipa::path(post, path = "/projects/{project}/alerts/preview", tag = "alerts", params(("project" = u64, Path)), request_body = AlertPreviewRequest,
    responses((status = 200, body = AlertPreview), (status = 400, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn preview(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    body: Result<Json<AlertPreviewRequest>, JsonRejection>,
) -> Result<Json<AlertPreview>, ApiError> {
    let AlertPreviewRequest { rule, back } = read(body)?;
    let back = match back.as_deref() {
        None => HumanDuration::days(14),
        Some(text) => HumanDuration::parse(text)
            .filter(|length| *length <= HumanDuration::days(35))
            .ok_or_else(|| ApiError::bad_request("bad_time", format!("back: {text:?} is not a length of time up to 35d")))?,
    };
    let now_us = jiff::Timestamp::now().as_microsecond();
    let view = api.ask(of.project);
    let tried = hinomi_alerting::preview(&view, &rule, now_us - back.0, now_us).await?;
    let ring = |incident: Incident| AlertPreviewIncident {
        opened_at: rfc3339(incident.opened_us),
        resolved_at: incident.resolved_us.map(rfc3339),
        severity: incident.worst,
        peak: incident.peak,
        group: incident.group,
    };
    Ok(Json(AlertPreview {
        from: rfc3339(tried.from_us),
        to: rfc3339(tried.to_us),
        fired: tried.fired,
        incidents: tried.incidents.into_iter().map(ring).collect(),
        points: tried.points.into_iter().map(|(at, value)| (rfc3339(at), value)).collect(),
    }))
}
