//! The part of gRPC that unary calls need. Hinomi uses no gRPC library, so gRPC bodies have the same limits as all other bodies.
//!
//! A message is preceded by a flag (1: compressed) and its length in 4 bytes. The status is in trailers, or in the headers if there is no
//! message.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use bytes::Buf;
use http_body_util::{BodyExt, Full};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::decompress::decompress;
use super::rejection::IngestRejection;

/// Bytes of the prefix of a message.
const FRAME_PREFIX_BYTES: usize = 5;
/// Characters that are escaped in `grpc-message`.
const ESCAPED_CHARACTERS: &AsciiSet = &CONTROLS.add(b'%');
/// Compressions that a message may have.
const ENCODINGS: HeaderValue = HeaderValue::from_static("identity,gzip,deflate,zstd");
/// Content type of requests and responses.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// Returns the message of a body.
pub(super) fn unframe(mut body: Bytes, compression: &str, limit: usize) -> Result<Bytes, IngestRejection> {
    let (flag, length) = match body.first_chunk::<FRAME_PREFIX_BYTES>() {
        Some([flag, length @ ..]) => (*flag, u32::from_be_bytes(*length) as usize),
        None => return Err(IngestRejection::Frame),
    };
    if body.len() - FRAME_PREFIX_BYTES != length || flag > 1 {
        return Err(IngestRejection::Frame);
    }
    body.advance(FRAME_PREFIX_BYTES);
    Ok(decompress(body, if flag == 1 { compression } else { "" }, limit)?)
}

/// Builds a response with a message.
pub(super) fn message_response(message: &[u8]) -> Response {
    let mut framed = Vec::with_capacity(FRAME_PREFIX_BYTES + message.len());
    framed.push(0);
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(message);
    let trailers = HeaderMap::from_iter([(header::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let body = Full::new(Bytes::from(framed)).with_trailers(std::future::ready(Some(Ok(trailers))));
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], Body::new(body)).into_response()
}

/// Builds a response without a message. `status` is the error as `google.rpc.Status`, which gives details to clients that read it.
pub(super) fn error_response(code: i32, why: &str, status: &[u8]) -> Response {
    let mut response = [(header::CONTENT_TYPE, CONTENT_TYPE)].into_response();
    let headers = response.headers_mut();
    headers.insert("grpc-status", HeaderValue::from(code));
    if let Ok(why) = HeaderValue::from_str(&utf8_percent_encode(why, ESCAPED_CHARACTERS).to_string()) {
        headers.insert("grpc-message", why);
    }
    if let Ok(status) = HeaderValue::from_str(&base64::engine::general_purpose::STANDARD_NO_PAD.encode(status)) {
        headers.insert("grpc-status-details-bin", status);
    }
    headers.insert("grpc-accept-encoding", ENCODINGS);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        assert_eq!(unframe(vec![0, 0, 0, 0, 2, 7, 8].into(), "", 10).unwrap()[..], [7, 8]);
        assert_eq!(unframe(vec![0, 0, 0, 0, 0].into(), "gzip", 10).unwrap()[..], b""[..]);
        for broken in [vec![], vec![0, 0, 0, 0, 3, 7, 8], vec![2, 0, 0, 0, 0], vec![0, 0, 0, 0, 0, 1]] {
            assert!(matches!(unframe(broken.into(), "", 10), Err(IngestRejection::Frame)));
        }
        assert!(matches!(unframe(vec![0, 0, 0, 0, 2, 7, 8].into(), "", 1), Err(IngestRejection::TooLarge { limit: 1 })));
        assert!(matches!(unframe(vec![1, 0, 0, 0, 2, 7, 8].into(), "gzip", 10), Err(IngestRejection::Body(_))));
    }
}
