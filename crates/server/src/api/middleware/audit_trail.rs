//! Records in the audit log what callers of the API do: every change, every export and backup, and every request that a role does not
//! permit.
//!
//! New routes are recorded automatically. An entry contains no bodies, and only numbers from the path. For example, it does not contain the
//! ID of a user of the monitored program, because it must be possible to delete this ID. A handler adds details to its response as
//! [`AuditDetails`].

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use hinomi_tables::audit_log::AuditEvent;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::api::auth::{ApiCaller, RequestOrigin};
use crate::api::{ApiState, audit};

/// Prefix of the routes of a project.
const PROJECT_PREFIX: &str = "/api/v1/projects/{project}";

/// Ends of routes that are not recorded here: previews change nothing, telemetry is counted as outcomes, and signing in and out is recorded
/// elsewhere.
const UNRECORDED_ROUTES: [&str; 5] = ["/preview", "/scores", "/feedback", "/session", "/password"];

/// Ends of routes that read but are recorded.
const RECORDED_READS: [&str; 2] = ["/export", "/backup"];

/// Part of the path of SCIM that says nothing about an operation.
const SCIM_VERSION: &str = "v2";

/// Details that a handler adds to the audit entry of its request.
#[derive(Debug, Clone)]
pub(in crate::api) struct AuditDetails(BTreeMap<String, Value>);

/// Returns an extension for a response, which adds details to the audit entry of the request.
pub(in crate::api) fn audit_details<const N: usize>(details: [(&str, Value); N]) -> Extension<AuditDetails> {
    Extension(AuditDetails(details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

/// Runs a request, and records it if requests of this kind are recorded.
pub(in crate::api) async fn record_request(State(api): State<Arc<ApiState>>, path: MatchedPath, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let route = path.as_str();
    let is_recorded = match is_read {
        true => RECORDED_READS.iter().any(|end| route.ends_with(end)),
        false => !UNRECORDED_ROUTES.iter().any(|end| route.ends_with(end)),
    };
    if !is_recorded {
        return next.run(request).await;
    }
    let action = action_of(request.method(), route);
    let (project, object) = (project_of(route, request.uri().path()), object_of(route, request.uri().path()));
    let (mut parts, body) = request.into_parts();
    // Without a valid credential, the route itself answers.
    let caller = ApiCaller::from_request_parts(&mut parts, &api).await.ok();
    let origin = RequestOrigin::of(&parts);
    let response = next.run(Request::from_parts(parts, body)).await;
    let Some(caller) = caller else { return response };
    let details = response.extensions().get::<AuditDetails>().map(|AuditDetails(details)| details.clone());
    let event =
        AuditEvent { object, project, details: details.unwrap_or_default(), ..AuditEvent::new(caller.audit_actor(&origin), action) };
    match response.status() {
        StatusCode::FORBIDDEN => {
            let action = format!("{}.denied", event.action);
            audit::record_denial(&api, AuditEvent { action, ..event }).await;
        }
        status if status.is_success() => audit::record(&api, event).await,
        _ => {}
    }
    response
}

/// Returns the name of an operation, such as `keys.create`: the words of its route without parameters, and a verb.
fn action_of(method: &Method, route: &str) -> String {
    let rest = route.strip_prefix(PROJECT_PREFIX).or_else(|| route.strip_prefix("/api/v1")).unwrap_or(route);
    let mut words: Vec<&str> = rest.split('/').filter(|word| !word.is_empty() && !word.starts_with('{')).collect();
    if words.is_empty() {
        words.push("projects");
    }
    words.retain(|word| *word != SCIM_VERSION);
    words.push(match *method {
        Method::GET | Method::HEAD => "read",
        Method::POST => "create",
        Method::PUT => "replace",
        Method::PATCH => "update",
        Method::DELETE => "delete",
        _ => "other",
    });
    words.join(".").to_lowercase()
}

/// Returns the numeric parameters of a path with their values, read as the handlers read them: decoded, and with a sign if there is one.
fn parameters<'a>(route: &'a str, path: &'a str) -> impl Iterator<Item = (&'a str, i64)> {
    route.split('/').zip(path.split('/')).filter_map(|(name, value)| {
        let value = percent_decode_str(value).decode_utf8().ok()?;
        Some((name.strip_prefix('{')?.strip_suffix('}')?, value.parse().ok()?))
    })
}

fn project_of(route: &str, path: &str) -> Option<u64> {
    parameters(route, path).find(|(name, _)| *name == "project").and_then(|(_, id)| u64::try_from(id).ok())
}

/// Returns what a request is about, such as `key 5`: the last number in its path that is not the ID of telemetry. The receipt of a deletion
/// says what was deleted.
fn object_of(route: &str, path: &str) -> String {
    let is_own = |name: &str| !["project", "trace", "user"].contains(&name);
    let found = parameters(route, path).filter(|(name, _)| is_own(name)).last();
    found.map_or_else(String::new, |(name, value)| format!("{name} {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_and_objects_are_those_of_the_route() {
        let of = |method: Method, route: &str, path: &str| {
            let (route, path) = (format!("/api/v1{route}"), format!("/api/v1{path}"));
            (action_of(&method, &route), project_of(&route, &path), object_of(&route, &path))
        };
        let cases = [
            (Method::POST, "/projects/{project}/keys", "/projects/2/keys".to_owned(), ("keys.create", Some(2), String::new())),
            (Method::DELETE, "/projects/{project}/keys/{key}", "/projects/2/keys/5".to_owned(), ("keys.delete", Some(2), "key 5".into())),
            (
                Method::DELETE,
                "/projects/{project}/keys/{key}",
                "/projects/%32/keys/+5".to_owned(),
                ("keys.delete", Some(2), "key 5".into()),
            ),
            (Method::PATCH, "/projects/{project}", "/projects/2".to_owned(), ("projects.update", Some(2), String::new())),
            (Method::PATCH, "/accounts/{account}", "/accounts/3".to_owned(), ("accounts.update", None, "account 3".into())),
            // What was erased must not remain here.
            (
                Method::DELETE,
                "/projects/{project}/traces/{trace}",
                "/projects/1/traces/12".to_owned(),
                ("traces.delete", Some(1), String::new()),
            ),
            (
                Method::DELETE,
                "/projects/{project}/users/{user}",
                "/projects/1/users/12".to_owned(),
                ("users.delete", Some(1), String::new()),
            ),
            (
                Method::POST,
                "/projects/{project}/alerts/rules/{rule}/mute",
                "/projects/1/alerts/rules/a12/mute".to_owned(),
                ("alerts.rules.mute.create", Some(1), String::new()),
            ),
            (Method::POST, "/scim/v2/Users", "/scim/v2/Users".to_owned(), ("scim.users.create", None, String::new())),
            (Method::GET, "/backup", "/backup".to_owned(), ("backup.read", None, String::new())),
        ];
        for (method, route, path, (action, project, object)) in cases {
            assert_eq!(of(method, route, &path), (action.to_owned(), project, object), "{route}");
        }
    }
}
