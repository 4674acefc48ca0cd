//! OpenTelemetry's protocol over HTTP and gRPC: routes and responses.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, post};
use hinomi_model::decode_budget;
use hinomi_model::otlp::{self, DecodedOtlpRequest, OtlpEncoding, OtlpSignal};
use hinomi_tables::forwards::ForwardedProtocol;
use tower_http::cors::{Any, CorsLayer};

use super::admission::MAX_ITEMS;
use super::decompress::{decompress, is_compressed};
use super::read_body::IncomingBody;
use super::rejection::IngestRejection;
use super::{AuthenticatedSender, DecodedTelemetry, IngestState, auth, grpc, sdk_client};

/// Signals with the last segment of their path and their gRPC method.
const SIGNALS: [(OtlpSignal, &str, &str); 3] = [
    (OtlpSignal::Traces, "traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
    (OtlpSignal::Logs, "logs", "/opentelemetry.proto.collector.logs.v1.LogsService/Export"),
    (OtlpSignal::Metrics, "metrics", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"),
];

/// Path prefixes of a signal: OTLP's own, Sentry's, Langfuse's.
const PATHS: [&str; 3] = ["/v1", "/api/{project}/integration/otlp/v1", "/api/public/otel/v1"];

/// Returns the routes of OTLP, without trailing slashes.
pub fn routes(ingestion: Arc<IngestState>) -> Router {
    let mut router = Router::new();
    for (signal, name, method) in SIGNALS {
        for path in PATHS {
            router = router.route(&format!("{path}/{name}"), http_route(signal));
        }
        router = router.route(method, grpc_route(signal));
    }
    let headers =
        ["content-type", "content-encoding", "authorization", "x-hinomi-key", "x-sentry-auth", "traceparent", "tracestate", "baggage"];
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::POST])
        .allow_headers(headers.map(HeaderName::from_static))
        .expose_headers([header::RETRY_AFTER])
        .max_age(Duration::from_secs(3600));
    router.layer(cors).with_state(ingestion)
}

fn http_route(signal: OtlpSignal) -> MethodRouter<Arc<IngestState>> {
    post(move |State(ingestion): State<Arc<IngestState>>, path: Path<Vec<(String, String)>>, headers: HeaderMap, body: Body| async move {
        let project = path.iter().find(|(name, _)| name == "project").map(|(_, id)| id.parse().unwrap_or(0));
        let content_type = header_text(&headers, header::CONTENT_TYPE.as_str()).unwrap_or_default().to_owned();
        let Some((encoding, own_type)) = encoding(&content_type) else {
            let refusal = IngestRejection::ContentType(content_type);
            count(&ingestion, project, &headers, &refusal);
            return refusal.into_otlp(OtlpEncoding::Json, "application/json");
        };
        let compression = header_text(&headers, "content-encoding").unwrap_or_default().to_owned();
        let is_compressed = is_compressed(&compression);
        let unpack = move |bytes, limit| Ok(decompress(bytes, &compression, limit)?);
        match ingest_request(&ingestion, project, &headers, body, (signal, encoding), unpack, is_compressed).await {
            Ok(answer) => ([(header::CONTENT_TYPE, own_type)], answer).into_response(),
            Err(refusal) => {
                count(&ingestion, project, &headers, &refusal);
                refusal.into_otlp(encoding, own_type)
            }
        }
    })
}

fn grpc_route(signal: OtlpSignal) -> MethodRouter<Arc<IngestState>> {
    post(move |State(ingestion): State<Arc<IngestState>>, headers: HeaderMap, body: Body| async move {
        let compression = header_text(&headers, "grpc-encoding").unwrap_or_default().to_owned();
        let is_compressed = is_compressed(&compression);
        let unpack = move |bytes, limit| grpc::unframe(bytes, &compression, limit);
        match ingest_request(&ingestion, None, &headers, body, (signal, OtlpEncoding::Binary), unpack, is_compressed).await {
            Ok(answer) => grpc::message_response(&answer),
            Err(refusal) => {
                count(&ingestion, None, &headers, &refusal);
                refusal.into_grpc()
            }
        }
    })
}

/// Returns the last segment of a signal's path.
fn signal_name(signal: OtlpSignal) -> &'static str {
    SIGNALS.iter().find(|(known, ..)| *known == signal).map_or("", |(_, name, _)| name)
}

/// Returns the encoding of a content type, and the content type of the response.
fn encoding(content_type: &str) -> Option<(OtlpEncoding, &'static str)> {
    match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/x-protobuf" | "application/protobuf" => Some((OtlpEncoding::Binary, "application/x-protobuf")),
        "application/json" => Some((OtlpEncoding::Json, "application/json")),
        _ => None,
    }
}

pub(super) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Ingests a request. Returns the body of the response.
async fn ingest_request(
    ingestion: &Arc<IngestState>,
    project: Option<u64>,
    headers: &HeaderMap,
    body: Body,
    (signal, encoding): (OtlpSignal, OtlpEncoding),
    unpack: impl Fn(Bytes, usize) -> Result<Bytes, IngestRejection> + Send + Sync + 'static,
    is_compressed: bool,
) -> Result<Vec<u8>, IngestRejection> {
    let sender = sender(ingestion, project, headers)?;
    ingestion.check_key(&sender, headers)?;
    let received_us = jiff::Timestamp::now().as_microsecond();
    let from = sender.clone();
    let forward = ingestion.forward_source(&sender, headers, ForwardedProtocol::Otlp(signal_name(signal).to_owned()))?;
    // A message of gRPC has no content type of its own.
    let forward = forward.map(|source| source.of_encoding(encoding));
    let decode = move |ingestion: &IngestState, body: Bytes| {
        let forwarded = forward.as_ref().map(|source| source.with_body(&body));
        let DecodedOtlpRequest { spans, errors, scores, lines, points, outcomes } =
            otlp::decode(body, signal, encoding, &ingestion.context(&from, received_us))?;
        if decode_budget::is_exceeded() {
            return Err(IngestRejection::Exceptional);
        }
        let content = DecodedTelemetry { spans, errors, scores, lines, points, outcomes, forwarded, ..DecodedTelemetry::default() };
        ingestion.prepare(from.clone(), content)
    };
    let incoming = IncomingBody::new(body, headers);
    let ready = ingestion.receive_and_decode(incoming, &sender, MAX_ITEMS, unpack, is_compressed, decode).await?;
    let outcomes = ingestion.store_prepared(received_us, ready).await?;
    Ok(otlp::response(signal, encoding, &outcomes))
}

/// Counts a rejection for the project of its sender.
pub(super) fn count(ingestion: &IngestState, project: Option<u64>, headers: &HeaderMap, refusal: &IngestRejection) {
    ingestion.count_rejection(sender(ingestion, project, headers).ok().as_ref(), headers, refusal);
}

/// Authenticates a sender by any of the headers that may contain a key. A request without a key gets the project for requests without a
/// key.
pub(super) fn sender(ingestion: &IngestState, project: Option<u64>, headers: &HeaderMap) -> Result<AuthenticatedSender, IngestRejection> {
    let key =
        auth::otlp_key(header_text(headers, "x-hinomi-key"), header_text(headers, "authorization"), header_text(headers, "x-sentry-auth"))?;
    let sdk = sdk_client::of_headers(headers);
    let sender = match key {
        Some(key) => ingestion.sender(&key, project)?,
        None => ingestion.keyless_sender(project, headers)?,
    };
    Ok(AuthenticatedSender { sdk, ..sender })
}
