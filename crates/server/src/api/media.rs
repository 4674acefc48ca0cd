//! Images, audio and files of messages.
//!
//! The sender of telemetry chooses the bytes. The content type of the response therefore depends only on the bytes, and is a type that
//! cannot contain a script. All other media can only be downloaded.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hinomi_model::media::{is_media_id, sniffed_type};
use hinomi_tables::media::StoredMedia;

use super::auth::AuthorizedProject;
use super::permission::Viewer;
use super::{ApiError, ApiState};

/// Types that a browser shows without running anything.
const SHOWN_TYPES: [&str; 12] = [
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "audio/wav",
    "audio/mpeg",
    "audio/ogg",
    "audio/flac",
    "audio/mp4",
    "video/mp4",
    "video/webm",
];

/// Types that keep their name but are only downloaded.
const DOWNLOADED_TYPES: [&str; 1] = ["application/pdf"];

/// Returns the bytes of an image, audio, video or file of a message.
///
/// The content type depends on the bytes, not on what the client claimed. A type that a browser could execute is sent as an attachment of
/// the type `application/octet-stream`.
#[utoipa::path(get, path = "/projects/{project}/media/{media_id}", tag = "traces",
    params(("project" = u64, Path, description = "ID of the project."), ("media_id" = String, Path, description = "ID of the media, as a part of a message contains it.")),
    responses((status = 200, description = "The bytes."),
        (status = 206, description = "The requested range of the bytes."),
        (status = 304, description = "The client already has these bytes."), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn get(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    path: Path<(u64, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = &path.0.1;
    let found = if is_media_id(id) { api.media.find(authorized.project, id).await? } else { None };
    found.map(|media| media_response(media, id, &headers)).ok_or_else(|| ApiError::not_found("media"))
}

/// Returns the bytes with headers that prevent a browser from executing them.
pub(crate) fn media_response(media: StoredMedia, id: &str, request: &HeaderMap) -> Response {
    let (content_type, is_shown) = served_type(&media.bytes);
    let etag = format!("\"{id}\"");
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    // The bytes of an ID never change, but they may be deleted: then nobody should see them for long.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=300, immutable"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if !is_shown {
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    let asked = |name: header::HeaderName| request.get(name).and_then(|value| value.to_str().ok());
    if asked(header::IF_NONE_MATCH).is_some_and(|known| known.split(',').any(|known| known.trim().trim_start_matches("W/") == etag)) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let size = media.bytes.len();
    let Some((start, end)) = asked(header::RANGE).and_then(|range| requested_range(range, size)) else {
        return (headers, media.bytes).into_response();
    };
    if let Ok(range) = HeaderValue::from_str(&format!("bytes {start}-{}/{size}", end - 1)) {
        headers.insert(header::CONTENT_RANGE, range);
    }
    (StatusCode::PARTIAL_CONTENT, headers, media.bytes[start..end].to_vec()).into_response()
}

/// Returns the type under which bytes are served, and whether a browser may show them.
fn served_type(bytes: &[u8]) -> (&'static str, bool) {
    match sniffed_type(bytes) {
        Some(found) if SHOWN_TYPES.contains(&found) => (found, true),
        Some(found) if DOWNLOADED_TYPES.contains(&found) => (found, false),
        _ => ("application/octet-stream", false),
    }
}

/// Returns the start and the end of a single range, which players of audio ask for. `None` for anything else: the answer has all bytes then.
fn requested_range(range: &str, size: usize) -> Option<(usize, usize)> {
    let (start, end) = range.trim().strip_prefix("bytes=")?.split_once('-')?;
    let range = match (start.parse::<usize>(), end.parse::<usize>()) {
        (Ok(start), Ok(end)) => (start, end.saturating_add(1).min(size)),
        (Ok(start), Err(_)) if end.is_empty() => (start, size),
        (Err(_), Ok(last)) if start.is_empty() => (size.saturating_sub(last), size),
        _ => return None,
    };
    (range.0 < range.1).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_within_the_bytes() {
        for (range, expected) in [
            ("bytes=0-", Some((0, 10))),
            ("bytes=2-3", Some((2, 4))),
            ("bytes=5-99", Some((5, 10))),
            ("bytes=-3", Some((7, 10))),
            ("bytes=-99", Some((0, 10))),
            ("bytes=10-", None),
            ("bytes=3-2", None),
            ("bytes=0-1,4-5", None),
            ("lines=0-1", None),
        ] {
            assert_eq!(requested_range(range, 10), expected, "{range}");
        }
    }

    #[test]
    fn only_harmless_types_are_shown() {
        assert_eq!(served_type(b"\x89PNG\r\n\x1a\n"), ("image/png", true));
        assert_eq!(served_type(b"%PDF-1.7"), ("application/pdf", false));
        for text in ["<svg xmlns='http://www.w3.org/2000/svg'/>", "<html><script>", "text", ""] {
            assert_eq!(served_type(text.as_bytes()), ("application/octet-stream", false), "{text}");
        }
    }
}
