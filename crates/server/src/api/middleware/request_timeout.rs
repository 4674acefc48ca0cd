//! Runs each request according to its class. A query waits for its turn, may time out, and is cancelled if its client disconnects and no
//! other client waits for the response. A change always runs to its end. All requests run on low-priority threads.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, Query, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hinomi_tables::metadata::AccessGrant;

use super::query_slots::CallerId;
use super::shared_queries::{QuerySubmission, SharedQueryKey, run_on_query_threads, run_shared, run_to_completion};
use crate::api::auth::{ApiCaller, bearer, cookie};
use crate::api::visibility::MessageVisibility;
use crate::api::{ApiError, ApiState, file_response, params as parameters};

/// Path prefix of the routes of a project.
const PROJECT_PREFIX: &str = "/api/v1/projects/{project}/";
/// Path prefix of the routes that share links open.
pub(super) const SHARE_PREFIX: &str = "/api/v1/share/";
/// Routes of a project that only read but do not use `GET`.
const READING_POST_ROUTES: [&str; 1] = ["alerts/preview"];
/// Routes whose responses depend on spans and error events only: see [`ApiState::data_version`].
const CACHEABLE_ROUTES: [&str; 6] = ["summary", "series", "breakdown", "facets", "spans", "traces"];

/// Routes whose responses also depend on headers, and are large: they are not shared.
const UNSHARED_ROUTES: [&str; 1] = ["/media/{media_id}"];

/// Classes of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestClass {
    /// A query: it waits for a turn, and equal queries share one response.
    Query,
    /// A query whose parameters are in the request body.
    PostedQuery,
    /// A query of somebody who has a share link and no account.
    SharedQuery,
    /// A read that takes little time.
    QuickRead,
    /// A file that is produced while the client reads it.
    File,
    /// A stream without an end.
    Live,
    /// A change of stored data or settings.
    Change,
}

impl RequestClass {
    fn classify(method: &Method, path: &str) -> RequestClass {
        let reads = method == Method::GET || method == Method::HEAD;
        match (reads, path.strip_prefix(PROJECT_PREFIX)) {
            (true, Some("export")) => RequestClass::File,
            (true, Some("live")) => RequestClass::Live,
            (true, Some(_)) => RequestClass::Query,
            (false, Some(route)) if method == Method::POST && READING_POST_ROUTES.contains(&route) => RequestClass::PostedQuery,
            (true, None) if path.starts_with(SHARE_PREFIX) => RequestClass::SharedQuery,
            (true, None) if path == "/api/v1/backup" => RequestClass::File,
            (true, None) if path == "/api/v1/system" => RequestClass::Query,
            (true, None) => RequestClass::QuickRead,
            (false, _) => RequestClass::Change,
        }
    }
}

/// Runs a request according to its class.
pub(in crate::api) async fn limit_request(State(api): State<Arc<ApiState>>, path: MatchedPath, request: Request, next: Next) -> Response {
    match RequestClass::classify(request.method(), path.as_str()) {
        sort @ (RequestClass::Query | RequestClass::PostedQuery) => {
            let (mut parts, body) = request.into_parts();
            // If the caller has no access, the route itself answers.
            let access = ApiCaller::from_request_parts(&mut parts, &api).await.ok().map(|caller| caller.access);
            let request = Request::from_parts(parts, body);
            let Some(access) = access else { return run_on_query_threads(&api, request, next).await };
            let caller = caller_id(request.headers(), &api.cookie);
            let parameters = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).map(|Query(pairs)| pairs);
            let asking = match parameters {
                Ok(parameters) if sort == RequestClass::Query && !UNSHARED_ROUTES.iter().any(|route| path.as_str().ends_with(route)) => {
                    let is_kept = path.as_str().strip_prefix(PROJECT_PREFIX).is_some_and(|route| CACHEABLE_ROUTES.contains(&route));
                    let cache_duration = if is_kept { parameters::cache_duration(&parameters) } else { Duration::ZERO };
                    QuerySubmission { caller, shared_key: Some(shared_key_of(&request, parameters, access)), cache_duration }
                }
                _ => QuerySubmission { caller, shared_key: None, cache_duration: Duration::ZERO },
            };
            run_shared(&api, asking, request, next).await
        }
        RequestClass::SharedQuery => {
            // Each link waits in a queue of its own, as each caller does.
            let caller = secret_hash(request.uri().path().split('/').nth(4).unwrap_or_default());
            run_shared(&api, QuerySubmission { caller, shared_key: None, cache_duration: Duration::ZERO }, request, next).await
        }
        RequestClass::QuickRead => match tokio::time::timeout(api.query_timeout, run_on_query_threads(&api, request, next)).await {
            Ok(response) => response,
            Err(_) => ApiError::timeout(api.query_timeout).into_response(),
        },
        RequestClass::File => {
            file_response::stream_response(run_on_query_threads(&api, request, next).await, api.query_scheduler.threads())
        }
        RequestClass::Live => run_on_query_threads(&api, request, next).await,
        RequestClass::Change => {
            let response = run_to_completion(&api, request, next).await;
            api.changes.fetch_add(1, Ordering::Relaxed);
            response
        }
    }
}

fn shared_key_of(request: &Request, mut parameters: Vec<(String, String)>, access: AccessGrant) -> SharedQueryKey {
    parameters.sort();
    let encoding = request.headers().get(header::ACCEPT_ENCODING).cloned();
    let messages = request.extensions().get::<MessageVisibility>().copied();
    SharedQueryKey { method: request.method().clone(), path: request.uri().path().to_owned(), parameters, access, messages, encoding }
}

/// Returns the caller, identified by the secret that it sent.
fn caller_id(headers: &HeaderMap, session: &str) -> CallerId {
    secret_hash(bearer(headers).or_else(|| cookie(headers, session)).unwrap_or_default())
}

fn secret_hash(secret: &str) -> CallerId {
    static CALLER_HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    CALLER_HASHER.hash_one(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_its_class() {
        let sort = |method: Method, path: &str| RequestClass::classify(&method, &format!("/api/v1{path}"));
        assert_eq!(sort(Method::GET, "/projects/{project}/summary"), RequestClass::Query);
        assert_eq!(sort(Method::HEAD, "/projects/{project}/traces/{trace}"), RequestClass::Query);
        assert_eq!(sort(Method::GET, "/system"), RequestClass::Query);
        assert_eq!(sort(Method::GET, "/projects"), RequestClass::QuickRead);
        assert_eq!(sort(Method::GET, "/share/{token}/spans/{span}"), RequestClass::SharedQuery);
        assert_eq!(sort(Method::GET, "/projects/{project}/shares"), RequestClass::Query);
        assert_eq!(sort(Method::GET, "/projects/{project}/export"), RequestClass::File);
        assert_eq!(sort(Method::GET, "/backup"), RequestClass::File);
        assert_eq!(sort(Method::GET, "/projects/{project}/live"), RequestClass::Live);
        assert_eq!(sort(Method::POST, "/projects/{project}/alerts/preview"), RequestClass::PostedQuery);
        assert_eq!(sort(Method::POST, "/projects/{project}/scores"), RequestClass::Change);
        assert_eq!(sort(Method::DELETE, "/projects/{project}/traces/{trace}"), RequestClass::Change);
    }
}
