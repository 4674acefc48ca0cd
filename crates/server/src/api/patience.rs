//! What becomes of a request, by its sort. A question waits for its turn and is given up when it takes too long; so is one whose client
//! has gone: its work ends when nobody waits for the answer. A change goes on to its end. All of it is done by threads that give way to intake.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, Query, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::{Caller, bearer, cookie};
use super::shared::{Asking, Same, aside, ask, to_its_end};
use super::turns::CallerId;
use super::{Api, ApiError, ask as parameters, file};

/// Where the routes of a project begin.
const OF_PROJECT: &str = "/api/v1/projects/{project}/";
/// Routes of it that only read and are not asked by `GET`.
const TRIALS: [&str; 1] = ["alerts/preview"];
/// Answers that depend on nothing but spans and error events: see [`Api::version`].
const KEPT: [&str; 6] = ["summary", "series", "breakdown", "facets", "spans", "traces"];

/// The sorts of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// It asks what takes time: it waits for a turn, and equal ones have one answer.
    Question,
    /// It asks what takes time of what it sends.
    Trial,
    /// It asks what takes none.
    Look,
    /// It takes as long as it is read.
    File,
    /// It goes on.
    Live,
    /// It changes something.
    Change,
}

impl Sort {
    fn of(method: &Method, path: &str) -> Sort {
        let reads = method == Method::GET || method == Method::HEAD;
        match (reads, path.strip_prefix(OF_PROJECT)) {
            (true, Some("export")) => Sort::File,
            (true, Some("live")) => Sort::Live,
            (true, Some(_)) => Sort::Question,
            (false, Some(route)) if method == Method::POST && TRIALS.contains(&route) => Sort::Trial,
            (true, None) if path == "/api/v1/backup" => Sort::File,
            (true, None) if path == "/api/v1/system" => Sort::Question,
            (true, None) => Sort::Look,
            (false, _) => Sort::Change,
        }
    }
}

/// Does what is to be done with a request of its sort.
pub(super) async fn limited(State(api): State<Arc<Api>>, path: MatchedPath, request: Request, next: Next) -> Response {
    match Sort::of(request.method(), path.as_str()) {
        sort @ (Sort::Question | Sort::Trial) => {
            let (mut parts, body) = request.into_parts();
            // Who may not ask is told so by the route itself.
            let permission = Caller::from_request_parts(&mut parts, &api).await.ok().map(|caller| format!("{:?}", caller.rights()));
            let request = Request::from_parts(parts, body);
            let Some(permission) = permission else { return aside(&api, request, next).await };
            let caller = caller_id(request.headers(), &api.cookie);
            let parameters = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).map(|Query(pairs)| pairs);
            let asking = match parameters {
                Ok(parameters) if sort == Sort::Question => {
                    let is_kept = path.as_str().strip_prefix(OF_PROJECT).is_some_and(|route| KEPT.contains(&route));
                    let keeps = if is_kept { parameters::kept_for(&parameters) } else { Duration::ZERO };
                    Asking { caller, same: Some(same(&request, parameters, permission)), keeps }
                }
                _ => Asking { caller, same: None, keeps: Duration::ZERO },
            };
            ask(&api, asking, request, next).await
        }
        Sort::Look => match tokio::time::timeout(api.query_timeout, aside(&api, request, next)).await {
            Ok(response) => response,
            Err(_) => ApiError::timeout(api.query_timeout).into_response(),
        },
        Sort::File => file::handed_on(aside(&api, request, next).await, api.questions.threads()),
        Sort::Live => aside(&api, request, next).await,
        Sort::Change => {
            let response = to_its_end(&api, request, next).await;
            api.changes.fetch_add(1, Ordering::Relaxed);
            response
        }
    }
}

fn same(request: &Request, mut parameters: Vec<(String, String)>, permission: String) -> Same {
    parameters.sort();
    let encoding = request.headers().get(header::ACCEPT_ENCODING).cloned();
    Same { method: request.method().clone(), path: request.uri().path().to_owned(), parameters, permission, encoding }
}

/// Who asks, by the secret that was shown.
fn caller_id(headers: &HeaderMap, session: &str) -> CallerId {
    static KEYED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYED.hash_one(bearer(headers).or_else(|| cookie(headers, session)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_of_its_sort() {
        let sort = |method: Method, path: &str| Sort::of(&method, &format!("/api/v1{path}"));
        assert_eq!(sort(Method::GET, "/projects/{project}/summary"), Sort::Question);
        assert_eq!(sort(Method::HEAD, "/projects/{project}/traces/{trace}"), Sort::Question);
        assert_eq!(sort(Method::GET, "/system"), Sort::Question);
        assert_eq!(sort(Method::GET, "/projects"), Sort::Look);
        assert_eq!(sort(Method::GET, "/projects/{project}/export"), Sort::File);
        assert_eq!(sort(Method::GET, "/backup"), Sort::File);
        assert_eq!(sort(Method::GET, "/projects/{project}/live"), Sort::Live);
        assert_eq!(sort(Method::POST, "/projects/{project}/alerts/preview"), Sort::Trial);
        assert_eq!(sort(Method::POST, "/projects/{project}/scores"), Sort::Change);
        assert_eq!(sort(Method::DELETE, "/projects/{project}/traces/{trace}"), Sort::Change);
    }
}
