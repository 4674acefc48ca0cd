//! Serves the web page, which is embedded in the binary.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct WebAssets;

/// Shown in a browser when the page was not built into the binary.
const PAGE_MISSING_HTML: &str = "<!doctype html><meta charset=utf-8><title>Hinomi</title><p>The server runs, but its page was not built into this binary. Build it with <code>make build</code>.";

/// Policy of the page: only files and addresses of this server. Inline styles are allowed because the charts set them on their elements.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; media-src 'self'; font-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Serves a file of the page. For any other path that may be a view of the page, serves the page itself.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") || path == "api" {
        let said = serde_json::json!({ "error": { "code": "not_found", "message": format!("there is nothing at /{path}"), "hint": "The API is described at /api/v1/openapi.json." } });
        return (StatusCode::NOT_FOUND, axum::Json(said)).into_response();
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    if let Some(file) = WebAssets::get(path).filter(|_| path != "index.html") {
        // Names of built files contain a hash of their content.
        let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "public, max-age=3600" };
        return file_response(&file, cache, &headers);
    }
    // A missing asset is an error: its path is not a view.
    if path.starts_with("assets/") {
        return StatusCode::NOT_FOUND.into_response();
    }
    match WebAssets::get("index.html") {
        Some(file) => file_response(&file, "no-cache", &headers),
        None => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE_MISSING_HTML).into_response(),
    }
}

fn file_response(file: &EmbeddedFile, cache: &'static str, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    let unchanged = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    // A browser replaces the stored headers with those of a 304. Without the policy here, the cached page would get the API's policy,
    // under which no script runs.
    let common =
        [(header::ETAG, tag), (header::CACHE_CONTROL, cache.to_owned()), (header::CONTENT_SECURITY_POLICY, PAGE_POLICY.to_owned())];
    if unchanged {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = file.metadata.mimetype();
    let kind = if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
    // Images have the policy too: an image that is opened alone is a document of its own.
    (common, [(header::CONTENT_TYPE, kind)], file.data.to_vec()).into_response()
}
