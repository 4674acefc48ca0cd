//! Rejects unknown query parameters: a misspelled filter would otherwise return everything.
//!
//! The known parameters are read from the OpenAPI document.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

use crate::api::ApiError;
use crate::api::scim::SCIM_PREFIX;

/// Routes that others add parameters to: an identity provider to its response.
const FOREIGN_PARAMETER_ROUTES: [&str; 1] = ["/auth/oidc/callback"];

/// Names of query parameters by method and path.
pub(in crate::api) type KnownParameterNames = Arc<HashMap<(Method, String), BTreeSet<String>>>;

/// Returns the query parameters of the OpenAPI document.
pub(in crate::api) fn from_description(description: &OpenApi) -> KnownParameterNames {
    let names = |operation: &Operation| {
        let parameters = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter),
            RefOr::Ref(_) => None,
        });
        parameters.filter(|parameter| parameter.parameter_in == ParameterIn::Query).map(|parameter| parameter.name.clone()).collect()
    };
    let mut known = HashMap::new();
    for (path, item) in description.paths.paths.iter().filter(|(path, _)| !FOREIGN_PARAMETER_ROUTES.contains(&path.as_str())) {
        let operations = [
            (Method::GET, &item.get),
            (Method::POST, &item.post),
            (Method::PUT, &item.put),
            (Method::PATCH, &item.patch),
            (Method::DELETE, &item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                known.insert((method, path.clone()), names(operation));
            }
        }
    }
    Arc::new(known)
}

/// Rejects a request with an unknown query parameter.
pub(in crate::api) async fn reject_unknown(
    State(known): State<KnownParameterNames>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    // Providers send parameters that SCIM defines and that have no effect here.
    if path.as_str().starts_with(SCIM_PREFIX) {
        return next.run(request).await;
    }
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let sent = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    if let (Some(known), Ok(Query(sent))) = (known.get(&(method, path.as_str().to_owned())), sent)
        && let Some((name, _)) = sent.iter().find(|(name, _)| !known.contains(name))
    {
        let message = format!("unknown parameter {name:?}");
        let hint = match known.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => "This endpoint has no query parameters.".to_owned(),
            names => format!("Known parameters: {}", names.join(" ")),
        };
        return ApiError::bad_request("unknown_parameter", message).hint(hint).into_response();
    }
    next.run(request).await
}
