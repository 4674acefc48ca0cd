//! Runs each request according to its class. A query waits for its turn, times out, and is cancelled when its client disconnects and
//! nobody else waits for the response. A change always runs to its end. All of it runs on low-priority threads.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, Query, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::query_slots::CallerId;
use super::shared_queries::{QuerySubmission, SharedQueryKey, aside, ask, to_its_end};
use crate::api::auth::{ApiCaller, bearer, cookie};
use crate::api::{ApiError, ApiState, file_response, params as parameters};

/// Path prefix of the routes of a project.
const OF_PROJECT: &str = "/api/v1/projects/{project}/";
/// Routes of a project that only read but do not use `GET`.
const TRIALS: [&str; 1] = ["alerts/preview"];
/// Routes whose responses depend on spans and error events only: see [`ApiState::version`].
const KEPT: [&str; 6] = ["summary", "series", "breakdown", "facets", "spans", "traces"];

/// Classes of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestClass {
    /// A query: it waits for a turn, and equal queries share one response.
    Question,
    /// A query whose parameters are in the request body.
    Trial,
    /// A read that takes little time.
    Look,
    /// A file that is produced while the client reads it.
    File,
    /// A stream without an end.
    Live,
    /// A change of stored data or settings.
    Change,
}

impl RequestClass {
    fn of(method: &Method, path: &str) -> RequestClass {
        let reads = method == Method::GET || method == Method::HEAD;
        match (reads, path.strip_prefix(OF_PROJECT)) {
            (true, Some("export")) => RequestClass::File,
            (true, Some("live")) => RequestClass::Live,
            (true, Some(_)) => RequestClass::Question,
            (false, Some(route)) if method == Method::POST && TRIALS.contains(&route) => RequestClass::Trial,
            (true, None) if path == "/api/v1/backup" => RequestClass::File,
            (true, None) if path == "/api/v1/system" => RequestClass::Question,
            (true, None) => RequestClass::Look,
            (false, _) => RequestClass::Change,
        }
    }
}

/// Runs a request according to its class.
pub(in crate::api) async fn limited(State(api): State<Arc<ApiState>>, path: MatchedPath, request: Request, next: Next) -> Response {
    match RequestClass::of(request.method(), path.as_str()) {
        sort @ (RequestClass::Question | RequestClass::Trial) => {
            let (mut parts, body) = request.into_parts();
            // If the caller has no access, the route itself answers.
            let permission = ApiCaller::from_request_parts(&mut parts, &api).await.ok().map(|caller| format!("{:?}", caller.rights()));
            let request = Request::from_parts(parts, body);
            let Some(permission) = permission else { return aside(&api, request, next).await };
            let caller = caller_id(request.headers(), &api.cookie);
            let parameters = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).map(|Query(pairs)| pairs);
            let asking = match parameters {
                Ok(parameters) if sort == RequestClass::Question => {
                    let is_kept = path.as_str().strip_prefix(OF_PROJECT).is_some_and(|route| KEPT.contains(&route));
                    let keeps = if is_kept { parameters::kept_for(&parameters) } else { Duration::ZERO };
                    QuerySubmission { caller, same: Some(same(&request, parameters, permission)), keeps }
                }
                _ => QuerySubmission { caller, same: None, keeps: Duration::ZERO },
            };
            ask(&api, asking, request, next).await
        }
        RequestClass::Look => match tokio::time::timeout(api.query_timeout, aside(&api, request, next)).await {
            Ok(response) => response,
            Err(_) => ApiError::timeout(api.query_timeout).into_response(),
        },
        RequestClass::File => file_response::handed_on(aside(&api, request, next).await, api.questions.threads()),
        RequestClass::Live => aside(&api, request, next).await,
        RequestClass::Change => {
            let response = to_its_end(&api, request, next).await;
            api.changes.fetch_add(1, Ordering::Relaxed);
            response
        }
    }
}

fn same(request: &Request, mut parameters: Vec<(String, String)>, permission: String) -> SharedQueryKey {
    parameters.sort();
    let encoding = request.headers().get(header::ACCEPT_ENCODING).cloned();
    SharedQueryKey { method: request.method().clone(), path: request.uri().path().to_owned(), parameters, permission, encoding }
}

/// Returns the caller, identified by the secret that it sent.
fn caller_id(headers: &HeaderMap, session: &str) -> CallerId {
    static KEYED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYED.hash_one(bearer(headers).or_else(|| cookie(headers, session)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_of_its_sort() {
        let sort = |method: Method, path: &str| RequestClass::of(&method, &format!("/api/v1{path}"));
        assert_eq!(sort(Method::GET, "/projects/{project}/summary"), RequestClass::Question);
        assert_eq!(sort(Method::HEAD, "/projects/{project}/traces/{trace}"), RequestClass::Question);
        assert_eq!(sort(Method::GET, "/system"), RequestClass::Question);
        assert_eq!(sort(Method::GET, "/projects"), RequestClass::Look);
        assert_eq!(sort(Method::GET, "/projects/{project}/export"), RequestClass::File);
        assert_eq!(sort(Method::GET, "/backup"), RequestClass::File);
        assert_eq!(sort(Method::GET, "/projects/{project}/live"), RequestClass::Live);
        assert_eq!(sort(Method::POST, "/projects/{project}/alerts/preview"), RequestClass::Trial);
        assert_eq!(sort(Method::POST, "/projects/{project}/scores"), RequestClass::Change);
        assert_eq!(sort(Method::DELETE, "/projects/{project}/traces/{trace}"), RequestClass::Change);
    }
}
