//! Rules of a project.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hinomi_alerting;
use hinomi_alerting::delivery::notification::{AlertGroup, AlertSeverity};
use hinomi_alerting::{AlertRecord, AlertRule, AlertService, HumanDuration, Incident};
use hinomi_model::api_time::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::definitions::handlers;
use super::{MuteRequest, muted_until, parsed_body, run_blocking, sent_whole};
use crate::api::auth::AuthorizedProject;
use crate::api::permission::{Member, Viewer};
use crate::api::{ApiError, ApiState};

/// An alert rule and its current state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleShown)]
pub(in crate::api) struct AlertRuleView {
    /// ID of the rule.
    id: i64,
    /// ID of the project.
    project_id: u64,
    // A description of this field would wrap its fields once more.
    #[serde(flatten)]
    #[schema(schema_with = sent_whole::<AlertRule>)]
    rule: AlertRule,
    /// Time until which notifications are muted (RFC 3339), or `forever`; null if the rule is not muted.
    #[schema(required)]
    muted_until: Option<String>,
    /// Time at which the rule was created (RFC 3339).
    created_at: String,
    /// Time of the last change of the rule (RFC 3339).
    updated_at: String,
    /// Current value of the measure in its unit, or its relative change if the rule compares with another period. If the rule has groups,
    /// this is the value of the group that is furthest beyond the threshold. Null if there is no value.
    #[schema(required)]
    now: Option<f64>,
    /// Severity of the worst open incident; null if there is none.
    #[schema(required)]
    severity: Option<AlertSeverity>,
    /// Number of open incidents of the rule.
    open_incidents: usize,
}

fn view_of(alerts: &AlertService, record: AlertRecord<AlertRule>) -> AlertRuleView {
    let state = alerts.rule_state(record.id);
    AlertRuleView {
        now: state.value,
        severity: state.severity,
        open_incidents: state.open_incidents,
        id: record.id,
        project_id: record.project,
        rule: record.definition,
        muted_until: muted_until(record.muted_until_us),
        created_at: rfc3339(record.created_us),
        updated_at: rfc3339(record.updated_us),
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

/// A rule to evaluate against stored data.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AlertPreviewRequest {
    /// The rule. The rule does not have to be saved.
    rule: AlertRule,
    /// Length of the past period to evaluate, such as `7d`; at most `35d`. Default: `14d`.
    #[serde(default)]
    back: Option<String>,
}

/// How a rule would have fired in a past period.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AlertPreview {
    /// Start of the period (RFC 3339).
    from: String,
    /// End of the period (RFC 3339).
    to: String,
    /// Number of times the rule would have fired.
    fired: usize,
    /// Incidents that the rule would have opened, the oldest first; at most 200.
    incidents: Vec<AlertPreviewIncident>,
    /// Pairs of time (RFC 3339) and value, in order of time. If the rule has groups, the value is that of the group that is furthest beyond
    /// the threshold. The value is null if there is no data.
    points: Vec<(String, Option<f64>)>,
}

/// An incident that a rule would have opened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertPreviewRing)]
struct AlertPreviewIncident {
    /// Time at which the rule would have fired (RFC 3339).
    opened_at: String,
    /// Time at which the incident would have been resolved (RFC 3339); null if it would still be open.
    #[schema(required)]
    resolved_at: Option<String>,
    /// Worst severity of the incident.
    severity: AlertSeverity,
    /// Value that was furthest beyond the threshold; null if there was none.
    #[schema(required)]
    peak: Option<f64>,
    /// Group of the rule; null if the rule has no groups.
    #[schema(required)]
    group: Option<AlertGroup>,
}

/// Evaluates an alert rule against stored data.
///
/// Returns how often the rule would have fired. Nothing is saved, and no notification is sent.
#[utoipa::path(post, path = "/projects/{project}/alerts/preview", tag = "alerts", params(("project" = u64, Path, description = "ID of the project.")), request_body = AlertPreviewRequest,
    responses((status = 200, body = AlertPreview), (status = 400, body = crate::api::error::ErrorResponse)))]
pub(in crate::api) async fn preview(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    body: Result<Json<AlertPreviewRequest>, JsonRejection>,
) -> Result<Json<AlertPreview>, ApiError> {
    let AlertPreviewRequest { rule, back } = parsed_body(body)?;
    authorized.messages.check_filter(&rule.filter)?;
    let back = match back.as_deref() {
        None => HumanDuration::days(14),
        Some(text) => HumanDuration::parse(text)
            .filter(|length| *length <= HumanDuration::days(35))
            .ok_or_else(|| ApiError::bad_request("bad_time", format!("back: {text:?} is not a valid duration of at most 35d")))?,
    };
    let now_us = jiff::Timestamp::now().as_microsecond();
    let view = api.snapshot(authorized.project);
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
