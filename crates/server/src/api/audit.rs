//! The audit log: reading it, and recording what callers do.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hinomi_model::api_time::rfc3339;
use hinomi_tables::audit_log::{AuditActor, AuditEntry, AuditEvent, AuditFilter};
use hinomi_tables::metadata::{AccountRecord, AccountRole};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::audit_export::{AuditFileFormat, file_response};
use super::auth::{ApiCaller, AuthorizedCaller, CallerCredential, RequestOrigin};
use super::params::QueryParameters;
use super::permission::Admin;
use super::{ApiError, ApiState};
use crate::query_parameters::parse_time;

/// Default and maximum number of entries of a page.
const DEFAULT_ENTRIES: usize = 100;
const MAX_ENTRIES: usize = 1000;

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
struct AuditActorView {
    /// ID of the account; null for a person who is not signed in, and for commands.
    #[schema(required)]
    account_id: Option<i64>,
    /// Name of the account, or another description.
    name: String,
    /// How the actor was authenticated, such as `session 3`, `token 7` or `command`; empty for no authentication.
    credential: String,
}

/// An entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditEntryView {
    /// Sequence number of the entry, from 1, without gaps.
    sequence: u64,
    /// Time (RFC 3339).
    time: String,
    /// Who did it.
    actor: AuditActorView,
    /// What was done, such as `keys.create`. Ends with `.denied` if a role did not permit it.
    action: String,
    /// Object of the action, such as `key 5`; empty if the action already names it.
    object: String,
    /// ID of the project; null for the whole server.
    #[schema(required)]
    project_id: Option<u64>,
    /// Address from which the request came, or address of the last proxy; null for commands.
    #[schema(required)]
    address: Option<String>,
    /// More about the action.
    details: BTreeMap<String, Value>,
}

impl AuditEntryView {
    pub(super) fn of(entry: AuditEntry) -> AuditEntryView {
        let AuditEntry { sequence, time_us, actor, action, object, project_id, details } = entry;
        AuditEntryView {
            sequence,
            time: rfc3339(time_us),
            address: actor.address.map(|address| address.to_string()),
            actor: AuditActorView { account_id: actor.account_id, name: actor.name, credential: actor.credential },
            action,
            object,
            project_id,
            details,
        }
    }

    /// Returns the cells of a CSV file, in the order of its columns.
    pub(super) fn cells(&self) -> [String; 10] {
        let number = |value: Option<String>| value.unwrap_or_default();
        [
            self.sequence.to_string(),
            self.time.clone(),
            number(self.actor.account_id.map(|id| id.to_string())),
            self.actor.name.clone(),
            self.actor.credential.clone(),
            self.action.clone(),
            self.object.clone(),
            number(self.project_id.map(|id| id.to_string())),
            number(self.address.clone()),
            serde_json::to_string(&self.details).unwrap_or_default(),
        ]
    }
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditPage {
    /// Entries, the newest first.
    entries: Vec<AuditEntryView>,
    /// Cursor of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Selects entries of the audit log.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParameters {
    /// Start of the time range: RFC 3339, Unix seconds, or relative to now such as `-24h`. Default: the oldest entry.
    from: Option<String>,
    /// End of the time range. Default: now.
    to: Option<String>,
    /// ID of a project. Only entries about this project are returned.
    project: Option<u64>,
    /// Only entries whose action is this text, or begins with this text and a dot.
    action: Option<String>,
    /// ID of an account. Only entries about actions of this account are returned.
    account: Option<i64>,
    /// Maximum number of entries, at most 1000. Default: 100; of a file, all.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// `json` for a page, or a file with all entries: `jsonl` (one JSON object per line) or `csv`. Default: `json`.
    format: Option<String>,
}

/// Lists the audit log: who did what to which object, when, and from which address.
///
/// A file (`format`) has the newest entry first and ends early if it is incomplete; exporting one is itself recorded. In CSV, a cell that a
/// spreadsheet would execute begins with `'`. Requires admin permission.
#[utoipa::path(get, path = "/audit", tag = "accounts", params(AuditParameters), responses((status = 200, body = AuditPage), (status = 400, body = super::error::ErrorResponse), (status = 403, body = super::error::ErrorResponse)))]
pub(super) async fn list(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Admin>,
    origin: RequestOrigin,
    QueryParameters(which): QueryParameters<AuditParameters>,
) -> Result<Response, ApiError> {
    let format = which.format.as_deref().filter(|format| *format != "json");
    let format: Option<AuditFileFormat> =
        format.map(str::parse).transpose().map_err(|reason: String| ApiError::bad_request("bad_parameter", reason))?;
    // The database holds signed numbers.
    let position = |cursor: String| cursor.parse::<i64>().ok().and_then(|number| u64::try_from(number).ok());
    let bad_cursor = || ApiError::bad_request("bad_cursor", "cursor does not belong to this list; start again without a cursor");
    let before = which.cursor.map(|cursor| position(cursor).ok_or_else(bad_cursor)).transpose()?;
    let filter = AuditFilter {
        projects: which.project.map(|project| vec![project]),
        action: which.action,
        account: which.account,
        from_us: which.from.map(|text| time_of("from", &text)).transpose()?,
        to_us: which.to.map(|text| time_of("to", &text)).transpose()?,
        before,
    };
    let log = api.audit.clone();
    if let Some(format) = format {
        let event = AuditEvent { project: which.project, ..AuditEvent::new(caller.audit_actor(&origin), "audit.export.read") };
        record(&api, event).await;
        return Ok(file_response(log, filter, which.limit, format));
    }
    let limit = which.limit.unwrap_or(DEFAULT_ENTRIES).clamp(1, MAX_ENTRIES);
    let found = tokio::task::spawn_blocking(move || log.entries(&filter, limit + 1)).await?;
    let mut entries = found.map_err(ApiError::internal)?;
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next_cursor = entries.last().filter(|_| has_more).map(|entry| entry.sequence.to_string());
    Ok(Json(AuditPage { entries: entries.into_iter().map(AuditEntryView::of).collect(), next_cursor }).into_response())
}

fn time_of(name: &str, text: &str) -> Result<i64, ApiError> {
    let time = parse_time(text, jiff::Timestamp::now().as_microsecond());
    time.ok_or_else(|| ApiError::bad_request("bad_parameter", format!("{name}: \"{text}\" is not a time")))
}

impl ApiCaller {
    /// Returns the caller as an actor of the audit log.
    pub(super) fn audit_actor(&self, origin: &RequestOrigin) -> AuditActor {
        let credential = match self.credential {
            CallerCredential::Session(id) => format!("session {id}"),
            CallerCredential::Token(id) => format!("token {id}"),
        };
        AuditActor { account_id: Some(self.account.id), name: self.account.name.clone(), credential, address: origin.address() }
    }
}

/// Records a sign-in.
pub(super) async fn record_sign_in(api: &Arc<ApiState>, origin: &RequestOrigin, session: &str, method: &str) {
    let Ok(Some(found)) = api.meta.session(session) else { return };
    let caller = ApiCaller { account: found.account, access: found.access, credential: CallerCredential::Session(found.session) };
    record(api, AuditEvent::new(caller.audit_actor(origin), "session.create").detail("method", method)).await;
}

/// Records a failed attempt to sign in with a password. If no account has the address, the address is not recorded: it may be a password
/// that was entered in the wrong field.
pub(super) async fn record_failed_sign_in(api: &Arc<ApiState>, origin: &RequestOrigin, email: &str) {
    let actor = AuditActor { account_id: None, name: "not signed in".to_owned(), credential: String::new(), address: origin.address() };
    let known = api.meta.account_by_email(email).ok().flatten();
    let object = known.map_or_else(|| "unknown account".to_owned(), |account| format!("account {}", account.id));
    record_denial(api, AuditEvent { object, ..AuditEvent::new(actor, "session.create.failed") }).await;
}

/// Records that something was denied or failed for want of a permission or password. Many in a minute are counted in one entry.
pub(super) async fn record_denial(api: &Arc<ApiState>, event: AuditEvent) {
    for event in api.denials.admit(event, jiff::Timestamp::now().as_microsecond()) {
        record(api, event).await;
    }
}

/// Returns the changed properties of an account, each with its value before and after, for the details of an entry.
pub(super) fn account_changes(before: &AccountRecord, after: &AccountRecord) -> Value {
    let role = |account: &AccountRecord| json!(account.server_role.map(AccountRole::name));
    let properties = [
        ("name", json!(before.name), json!(after.name)),
        ("email", json!(before.email), json!(after.email)),
        ("role", role(before), role(after)),
        ("state", json!(before.state.name()), json!(after.state.name())),
    ];
    let changed = properties.into_iter().filter(|(_, before, after)| before != after);
    changed.map(|(name, before, after)| (name.to_owned(), json!({ "before": before, "after": after }))).collect()
}

/// Appends an event to the audit log. If that fails, the failure is logged, because the recorded action cannot be undone.
pub(super) async fn record(api: &Arc<ApiState>, event: AuditEvent) {
    let log = api.audit.clone();
    let action = event.action.clone();
    let done = tokio::task::spawn_blocking(move || log.append(event)).await;
    let failure = match done {
        Ok(Ok(_)) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(error = %failure, %action, "audit.entry.write_failed");
}
