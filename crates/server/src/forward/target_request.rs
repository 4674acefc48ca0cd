//! The request that a target gets: the body as the client sent it, with the address and the key of the target.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hinomi_alerting::delivery::outbound_http::HttpPostRequest;
use hinomi_tables::forwards::{DueForward, ForwardRecord, ForwardType, ForwardedProtocol, HOPS_HEADER};
use serde_json::{Map, Value};

use super::target_address;

/// Returns the request for a target. `own` is the name of this project in the list of servers that the request has passed.
pub(super) fn http_request(due: DueForward, own: &str) -> HttpPostRequest {
    let DueForward { forward, request, .. } = due;
    let hops = if request.hops.is_empty() { own.to_owned() } else { format!("{},{own}", request.hops) };
    let mut headers: Vec<(Cow<'static, str>, String)> =
        vec![(HOPS_HEADER.into(), hops), ("content-type".into(), request.content_type.clone())];
    headers.extend(credentials(&forward).into_iter().map(|(name, value)| (name.into(), value)));
    let is_envelope = request.protocol == ForwardedProtocol::Sentry("envelope".to_owned());
    let body = Vec::from(request.body);
    let body = if is_envelope { without_dsn(body) } else { body };
    HttpPostRequest { url: url(&forward, &request.protocol), headers, body }
}

/// Returns the URL for a protocol.
fn url(forward: &ForwardRecord, protocol: &ForwardedProtocol) -> String {
    let base = &forward.url;
    let (host, project) = base.rsplit_once('/').unwrap_or((base, ""));
    match (forward.kind, protocol) {
        (ForwardType::Sentry, ForwardedProtocol::Sentry(path)) => format!("{host}/api/{project}/{path}/"),
        (ForwardType::Sentry, ForwardedProtocol::Otlp(signal)) => format!("{host}/api/{project}/integration/otlp/v1/{signal}"),
        (ForwardType::Langfuse, ForwardedProtocol::Otlp(signal)) => format!("{base}/api/public/otel/v1/{signal}"),
        (_, ForwardedProtocol::Otlp(signal)) => format!("{base}/v1/{signal}"),
        (_, ForwardedProtocol::Langfuse(path)) => format!("{base}/api/public/{path}"),
        // Not queued: the service does not take the protocol.
        (_, ForwardedProtocol::Sentry(path)) => format!("{base}/{path}"),
    }
}

/// Returns the headers with the key of a target.
fn credentials(forward: &ForwardRecord) -> Vec<(String, String)> {
    let key = forward.key.reveal();
    match forward.kind {
        _ if key.is_empty() => Vec::new(),
        ForwardType::Sentry => {
            let client = concat!("hinomi/", env!("CARGO_PKG_VERSION"));
            vec![("x-sentry-auth".to_owned(), format!("Sentry sentry_version=7, sentry_client={client}, sentry_key={key}"))]
        }
        ForwardType::Langfuse => vec![("authorization".to_owned(), format!("Basic {}", STANDARD.encode(key)))],
        ForwardType::Otlp => target_address::otlp_headers(key).unwrap_or_default(),
    }
}

/// Removes the DSN from the header of an envelope, which names another project than the target's. Everything after the first line stays as
/// it is.
fn without_dsn(body: Vec<u8>) -> Vec<u8> {
    let end = body.iter().position(|byte| *byte == b'\n').unwrap_or(body.len());
    let Ok(mut header) = serde_json::from_slice::<Map<String, Value>>(&body[..end]) else { return body };
    if header.remove("dsn").is_none() {
        return body;
    }
    let mut rewritten = Value::Object(header).to_string().into_bytes();
    rewritten.extend_from_slice(&body[end..]);
    rewritten
}

#[cfg(test)]
mod tests {
    use hinomi_tables::forwards::{ForwardKey, ForwardedRequest};

    use super::*;

    fn request(kind: ForwardType, url: &str, key: &str, protocol: ForwardedProtocol, body: &[u8]) -> HttpPostRequest {
        let key = ForwardKey::new(key);
        let forward = ForwardRecord { id: 1, project: 1, kind, url: url.into(), key, enabled: true, created_us: 0 };
        let request = ForwardedRequest { protocol, content_type: "text/plain".into(), hops: "b2/1".into(), body: body.to_vec().into() };
        http_request(DueForward { forward, request_id: 1, received_us: 0, attempts: 0, request }, "a1/1")
    }

    #[test]
    fn each_service_has_its_paths_and_its_credentials() {
        let envelope = || ForwardedProtocol::Sentry("envelope".into());
        let traces = || ForwardedProtocol::Otlp("traces".into());
        let cases = [
            (ForwardType::Sentry, "https://h/sub/7", "k", envelope(), "https://h/sub/api/7/envelope/", "x-sentry-auth"),
            (ForwardType::Sentry, "https://h/7", "k", traces(), "https://h/api/7/integration/otlp/v1/traces", "x-sentry-auth"),
            (ForwardType::Otlp, "https://h", "a=b", traces(), "https://h/v1/traces", "a"),
            (ForwardType::Otlp, "https://h", "token", traces(), "https://h/v1/traces", "authorization"),
            (ForwardType::Langfuse, "https://h", "p:s", traces(), "https://h/api/public/otel/v1/traces", "authorization"),
            (
                ForwardType::Langfuse,
                "https://h",
                "p:s",
                ForwardedProtocol::Langfuse("ingestion".into()),
                "https://h/api/public/ingestion",
                "authorization",
            ),
        ];
        for (kind, url, key, protocol, expected, header) in cases {
            let sent = request(kind, url, key, protocol, b"{}");
            assert_eq!(sent.url, expected);
            assert!(sent.headers.iter().any(|(name, _)| name == header), "{:?}", sent.headers);
            assert!(sent.headers.contains(&(HOPS_HEADER.into(), "b2/1,a1/1".to_owned())));
        }
    }

    #[test]
    fn only_the_dsn_of_an_envelope_is_removed() {
        let body = b"{\"event_id\":\"9e\",\"dsn\":\"https://k@h/1\",\"sent_at\":\"2026\"}\n{\"type\":\"x\",\"length\":3}\n\xff\n{\n";
        let sent = request(ForwardType::Sentry, "https://h/7", "k", ForwardedProtocol::Sentry("envelope".into()), body);
        assert_eq!(sent.body, b"{\"event_id\":\"9e\",\"sent_at\":\"2026\"}\n{\"type\":\"x\",\"length\":3}\n\xff\n{\n");
        for unchanged in [&b"{\"sent_at\" : 1}\n{}\n"[..], b"not JSON\nx", b"{}"] {
            assert_eq!(without_dsn(unchanged.to_vec()), unchanged);
        }
    }
}
