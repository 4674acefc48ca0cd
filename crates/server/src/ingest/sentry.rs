//! Sentry's protocol over HTTP: routes and responses.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use hinomi_model::clock::DecodeContext;
use hinomi_model::failure::{self, FailureCause, FailureReport};
use hinomi_model::outcome::{Outcome, OutcomeCategory};
use hinomi_model::outcome_reason::OutcomeReason;
use hinomi_model::sentry::{self, DecodedEnvelope, EnvelopeError, ErrorEvent, SentryEnvelope};
use hinomi_model::span::Span;
use hinomi_model::{decode_budget, hints};
use hinomi_tables::forwards::ForwardedProtocol;
use serde_json::json;
use tower_http::cors::{Any, CorsLayer};

use super::admission::MAX_ITEMS;
use super::auth::{self, AuthError, SentryAuthSources};
use super::decompress::{decompress, is_compressed};
use super::read_body::IncomingBody;
use super::rejection::IngestRejection;
use super::{AuthenticatedSender, DecodedTelemetry, IngestState, sdk_client};

/// Newest version of the protocol.
const PROTOCOL_VERSION: u32 = 7;

/// Transparent image of one pixel: the response to an event that was sent in the URL of an image.
const TRANSPARENT_GIF: &[u8] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// Returns the routes of Sentry, without trailing slashes.
pub(super) fn routes(ingestion: Arc<IngestState>) -> Router {
    let mut router = Router::new()
        .route("/api/{project}/envelope", post(envelope))
        .route("/api/{project}/store", post(store).get(store_by_image_url))
        .route("/api/store", post(store_without_project))
        .route("/api/relay/healthcheck/live", get(healthy))
        .route("/api/relay/healthcheck/ready", get(healthy));
    // Items that Hinomi does not use are accepted and counted, so that the SDK does not report a failure.
    for (path, category, _) in UNSTORED_ADDRESSES {
        let has_get = matches!(category, OutcomeCategory::CheckIn | OutcomeCategory::Feedback);
        router = router.route(path, if has_get { post(discard_request).get(discard_request) } else { post(discard_request) });
    }
    let headers = [
        "x-sentry-auth",
        "x-requested-with",
        "x-forwarded-for",
        "origin",
        "referer",
        "accept",
        "content-type",
        "authentication",
        "authorization",
        "content-encoding",
        "transfer-encoding",
        "sentry-trace",
        "baggage",
    ];
    let exposed = ["x-sentry-error", "x-sentry-rate-limits", "retry-after"];
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::POST, Method::GET])
        .allow_headers(headers.map(HeaderName::from_static))
        .expose_headers(exposed.map(HeaderName::from_static))
        .max_age(Duration::from_secs(3600));
    router.layer(cors).with_state(ingestion)
}

async fn healthy() -> Json<serde_json::Value> {
    Json(json!({ "is_healthy": true }))
}

/// Request of the protocol without its body.
struct SentryRequest {
    project: Option<u64>,
    headers: HeaderMap,
    query: Option<String>,
    /// Path below the project, such as `envelope`; empty if the request is not forwarded.
    path: String,
    /// The sender, once it is identified; a later rejection is counted for its project.
    sender: Arc<OnceLock<AuthenticatedSender>>,
}

impl SentryRequest {
    fn new(project: Option<u64>, headers: HeaderMap, query: Option<String>, path: &str) -> SentryRequest {
        SentryRequest { project, headers, query, path: path.to_owned(), sender: Arc::default() }
    }
}

async fn envelope(
    State(ingestion): State<Arc<IngestState>>,
    Path(project): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let sender_request = SentryRequest::new(project.parse().ok(), headers, query, "envelope");
    event_response(&ingestion, &sender_request, ingest_envelope(&ingestion, &sender_request, None, body, sentry::decode).await)
}

async fn store(
    State(ingestion): State<Arc<IngestState>>,
    Path(project): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let sender_request = SentryRequest::new(project.parse().ok(), headers, query, "store");
    event_response(&ingestion, &sender_request, ingest_envelope(&ingestion, &sender_request, None, body, decode_store).await)
}

/// Handles the oldest endpoint, where only the key determines the project.
async fn store_without_project(
    State(ingestion): State<Arc<IngestState>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let sender_request = SentryRequest::new(None, headers, query, "store");
    event_response(&ingestion, &sender_request, ingest_envelope(&ingestion, &sender_request, None, body, decode_store).await)
}

/// Handles an event in the URL of an image.
async fn store_by_image_url(
    State(ingestion): State<Arc<IngestState>>,
    Path(project): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let data = query.as_deref().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("sentry_data="));
    let data = percent_encoding::percent_decode_str(data.unwrap_or_default()).collect::<Vec<u8>>();
    let sender_request = SentryRequest::new(project.parse().ok(), headers, query, "store");
    match ingest_envelope(&ingestion, &sender_request, None, Body::from(data), decode_store).await {
        Ok(_) => ([(header::CONTENT_TYPE, "image/gif")], TRANSPARENT_GIF).into_response(),
        refused => event_response(&ingestion, &sender_request, refused),
    }
}

/// Addresses of items that are not stored, with the category and the type of the items.
const UNSTORED_ADDRESSES: &[(&str, OutcomeCategory, &str)] = &[
    ("/api/{project}/security", OutcomeCategory::SecurityReport, "security"),
    ("/api/{project}/csp-report", OutcomeCategory::SecurityReport, "security (csp)"),
    ("/api/{project}/nel", OutcomeCategory::SecurityReport, "nel"),
    ("/api/{project}/minidump", OutcomeCategory::Attachment, "minidump"),
    ("/api/{project}/unreal/{key}", OutcomeCategory::Attachment, "unreal_report"),
    ("/api/{project}/playstation", OutcomeCategory::Attachment, "playstation"),
    ("/api/{project}/upload", OutcomeCategory::Attachment, "upload"),
    ("/api/{project}/events/{event}/attachments", OutcomeCategory::Attachment, "attachment"),
    ("/api/{project}/cron/{slug}", OutcomeCategory::CheckIn, "check_in"),
    ("/api/{project}/cron/{slug}/{key}", OutcomeCategory::CheckIn, "check_in"),
    ("/api/{project}/user-feedback", OutcomeCategory::Feedback, "user_report (user feedback)"),
    ("/api/0/projects/{organization}/{slug}/user-feedback", OutcomeCategory::Feedback, "user_report (user feedback)"),
    ("/api/embed/error-page", OutcomeCategory::Feedback, "user_report (user feedback)"),
];

/// Authenticates a request, reads its body and discards it.
async fn discard_request(
    State(ingestion): State<Arc<IngestState>>,
    matched: MatchedPath,
    Path(parts): Path<Vec<(String, String)>>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    // The key in a path is that of this server.
    let part = |name: &str| parts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let is_forwarded = part("project").is_some() && part("key").is_none();
    let path = uri.path().splitn(4, '/').nth(3).filter(|_| is_forwarded).unwrap_or_default();
    let of_dsn = query.as_deref().and_then(auth::key_of_dsn_parameter);
    let sender_request = SentryRequest::new(part("project").and_then(|id| id.parse().ok()), headers, query, path);
    let address = UNSTORED_ADDRESSES.iter().find(|(path, ..)| *path == matched.as_str());
    let (category, kind) = address.map_or((OutcomeCategory::Other, "other"), |(_, category, kind)| (*category, *kind));
    let decode = move |_: &[u8], _: &DecodeContext| {
        let outcomes = vec![Outcome::dropped(category, OutcomeReason::NotKept, kind.to_owned())];
        Ok(DecodedEnvelope { outcomes, ..DecodedEnvelope::default() })
    };
    let key = part("key").or(of_dsn.as_deref());
    event_response(&ingestion, &sender_request, ingest_envelope(&ingestion, &sender_request, key, body, decode).await)
}

/// Builds the response: the ID of the event, or an empty object if there is none.
fn event_response(ingestion: &IngestState, sender_request: &SentryRequest, result: Result<Option<String>, IngestRejection>) -> Response {
    match result {
        Ok(Some(id)) => Json(json!({ "id": id })).into_response(),
        Ok(None) => Json(json!({})).into_response(),
        Err(refusal) => {
            ingestion.count_rejection(sender_request.sender.get(), &sender_request.headers, &refusal);
            refusal.into_response()
        }
    }
}

async fn ingest_envelope(
    ingestion: &Arc<IngestState>,
    sender_request: &SentryRequest,
    key_in_path: Option<&str>,
    body: Body,
    decode: impl Fn(&[u8], &DecodeContext) -> Result<DecodedEnvelope, EnvelopeError> + Send + Sync + 'static,
) -> Result<Option<String>, IngestRejection> {
    let header = |name: &str| sender_request.headers.get(name).and_then(|value| value.to_str().ok());
    let sources = SentryAuthSources {
        sentry_header: header("x-sentry-auth"),
        authorization: header("authorization"),
        query: sender_request.query.as_deref(),
        path: key_in_path,
    };
    if let Some(version) = sources.version().filter(|version| version.parse::<u32>().is_ok_and(|version| version > PROTOCOL_VERSION)) {
        return Err(IngestRejection::Version(version.to_owned()));
    }
    let encoding = header("content-encoding").unwrap_or_default().to_owned();
    let received_us = jiff::Timestamp::now().as_microsecond();
    let mut incoming = IncomingBody::new(body, &sender_request.headers);
    // A request with credentials is authenticated before its body is read, any other by the first line of its body.
    let sender = match sources.key()? {
        Some(key) => ingestion.sender(&key, sender_request.project)?,
        None => sender_of_dsn(ingestion, incoming.first_line(&encoding, &ingestion.admission).await?, sender_request.project)?,
    };
    let _ = sender_request.sender.set(sender.clone());
    ingestion.check_key(&sender, &sender_request.headers)?;
    let sender = AuthenticatedSender { sdk: sdk_client::of_headers(&sender_request.headers), ..sender };
    let from = sender.clone();
    let protocol = ForwardedProtocol::Sentry(sender_request.path.clone());
    let forward = ingestion.forward_source(&sender, &sender_request.headers, protocol)?.filter(|_| !sender_request.path.is_empty());
    let decode = move |ingestion: &IngestState, body: Bytes| {
        let forwarded = forward.as_ref().map(|source| source.with_body(&body));
        let decoded = decode(&body, &ingestion.context(&from, received_us))?;
        if decode_budget::is_exceeded() {
            return Err(IngestRejection::Exceptional);
        }
        if let Some(dsn) = &decoded.header.dsn {
            check_dsn(dsn, &from)?;
        }
        let evidence = hints::evidence_in_envelope(decoded.header.sample_rate, &decoded.integrations, &decoded.spans);
        let sdk = decoded.header.sdk();
        let sample_rate = decoded.header.sample_rate;
        let DecodedEnvelope { mut spans, errors, lines, points, scores, outcomes, event_id, .. } = decoded;
        refine_failures(ingestion, from.project.id, &mut spans, &errors);
        let content = DecodedTelemetry { spans, errors, lines, points, scores, outcomes, evidence, sdk, sample_rate, forwarded };
        Ok((ingestion.prepare(from.clone(), content)?, event_id))
    };
    let is_compressed = is_compressed(&encoding);
    let unpack = move |bytes, limit| Ok(decompress(bytes, &encoding, limit)?);
    let (ready, event_id) = ingestion.receive_and_decode(incoming, &sender, MAX_ITEMS, unpack, is_compressed, decode).await?;
    ingestion.store_prepared(received_us, ready).await?;
    Ok(event_id)
}

/// Completes the cause of failed calls from error events: Sentry's SDKs report the exception in an event of its own, most often before the
/// transaction. Takes a read of the database only for failed calls whose own status says too little.
fn refine_failures(ingestion: &IngestState, project: u64, spans: &mut [Span], errors: &[ErrorEvent]) {
    failure::refine_by_errors(spans, errors);
    let is_vague = |span: &&mut Span| span.failure.is_some_and(FailureCause::is_vague);
    let vague: Vec<_> = spans.iter_mut().filter(is_vague).map(|span| (span.trace_id, span.span_id)).collect();
    if vague.is_empty() {
        return;
    }
    let read = ingestion.errors.previews_by_span(project, vague);
    // The decoding thread is one of those that may block. Without the earlier events, the cause stays as the span says.
    let Ok(previews) = tokio::runtime::Handle::current().block_on(read) else { return };
    for span in spans {
        if let Some(preview) = previews.get(&(span.trace_id, span.span_id)) {
            let error_type = preview.split_once(": ").map(|(class, _)| class);
            failure::refine(span, FailureReport { error_type, message: Some(preview), http_status: None });
        }
    }
}

/// Authenticates a sender by the DSN in the header of an envelope, if the request has no credentials.
fn sender_of_dsn(
    ingestion: &IngestState,
    first_line: Option<Vec<u8>>,
    project: Option<u64>,
) -> Result<AuthenticatedSender, IngestRejection> {
    let header = first_line.and_then(|line| Some(SentryEnvelope::parse(&line).ok()?.header));
    let dsn = header.and_then(|header| header.dsn).ok_or(AuthError::Missing)?;
    ingestion.sender(&auth::dsn_key(&dsn)?, project)
}

/// Checks that the DSN of an envelope names the same sender as the request. A DSN that cannot be read is ignored.
fn check_dsn(dsn: &str, sender: &AuthenticatedSender) -> Result<(), IngestRejection> {
    let project = dsn.trim_end_matches('/').rsplit('/').next().and_then(|id| id.parse::<u64>().ok());
    if project.is_some_and(|project| project != sender.project.id) {
        return Err(IngestRejection::Mismatch("project id"));
    }
    if auth::dsn_key(dsn).is_ok_and(|key| sender.key.as_ref().is_some_and(|known| known.public_key != key)) {
        return Err(IngestRejection::Mismatch("public key"));
    }
    Ok(())
}

/// Decodes the body of the store endpoint: JSON, base64 of JSON, or base64 of compressed JSON.
fn decode_store(body: &[u8], context: &DecodeContext) -> Result<DecodedEnvelope, EnvelopeError> {
    if body.trim_ascii_start().first().is_none_or(|first| *first == b'{') {
        return sentry::decode_store_event(body, context);
    }
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(body.trim_ascii())
        .map_err(|_| EnvelopeError::Event("expected JSON, or JSON as base64".into()))?;
    if bytes.first() == Some(&b'{') {
        return sentry::decode_store_event(&bytes, context);
    }
    const LIMIT: usize = 32 << 20;
    let json = decompress(bytes.into(), "deflate", LIMIT).map_err(|error| EnvelopeError::Event(error.to_string()))?;
    sentry::decode_store_event(&json, context)
}
