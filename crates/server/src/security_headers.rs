//! Headers that protect people who open a response in a browser.

use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

/// Policy for responses that are not pages: they load and run nothing, whatever they contain.
const API_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");

/// Paths that contain the token of a share link: no cache, search engine or other site gets to know them.
const SHARED_PATHS: [&str; 2] = ["/share/", "/api/v1/share/"];

const ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");

/// Adds protective headers that the handler did not set: no type sniffing, no scripts, no caching, no referrer to other origins.
pub async fn headers(request: Request, next: Next) -> Response {
    let is_shared = SHARED_PATHS.iter().any(|prefix| request.uri().path().starts_with(prefix));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if is_shared {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(ROBOTS_TAG, HeaderValue::from_static("noindex, nofollow"));
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(API_POLICY);
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    response
}

/// Returns the value of `Strict-Transport-Security` for this number of seconds; `None` for 0. Subdomains are not included, because they
/// may belong to other services.
pub fn hsts_value(max_age_s: u64) -> Option<HeaderValue> {
    if max_age_s == 0 {
        return None;
    }
    HeaderValue::from_str(&format!("max-age={max_age_s}")).ok()
}

/// Adds the header `Strict-Transport-Security` to a response.
pub fn with_hsts(mut response: Response, value: Option<&HeaderValue>) -> Response {
    if let Some(value) = value {
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, value.clone());
    }
    response
}
