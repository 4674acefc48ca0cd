//! Langfuse's older ingestion API, and the endpoints that its SDKs call to check the connection.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use hinomi_model::decode_budget;
use hinomi_model::id::SpanId;
use hinomi_model::langfuse::{self, LangfuseEventResult, ObservationTrace};
use hinomi_tables::forwards::ForwardedProtocol;
use hinomi_tables::scores::random_id;
use serde_json::{Value, json};
use tower_http::cors::{Any, CorsLayer};

use super::admission::MAX_EVENTS;
use super::decompress::{decompress, is_compressed};
use super::otlp::{count, header_text, sender};
use super::read_body::IncomingBody;
use super::rejection::IngestRejection;
use super::{AuthenticatedSender, DecodedTelemetry, IngestState, PreparedTelemetry, langfuse_media};

/// Returns the routes of Langfuse, without trailing slashes.
pub(super) fn routes(ingest_state: Arc<IngestState>) -> Router {
    let headers = ["content-type", "content-encoding", "authorization", "x-hinomi-key", "x-langfuse-sdk-name", "x-langfuse-sdk-version"];
    let headers = headers.into_iter().chain(["x-ms-blob-type", "x-amz-checksum-sha256"]);
    let headers = headers.chain(["x-langfuse-sdk-variant", "x-langfuse-sdk-integration", "x-langfuse-public-key"]);
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH])
        .allow_headers(headers.map(HeaderName::from_static).collect::<Vec<_>>())
        .max_age(Duration::from_secs(3600));
    Router::new()
        .route("/api/public/ingestion", post(ingestion))
        .route("/api/public/scores", post(scores))
        .route("/api/public/media", post(langfuse_media::announce))
        .route("/api/public/media/{media_id}", get(langfuse_media::describe).patch(langfuse_media::report))
        .route("/api/public/media/upload/{token}", put(langfuse_media::upload))
        .route("/api/public/health", get(health))
        .route("/api/public/projects", get(projects))
        .layer(cors)
        .with_state(ingest_state)
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "OK", "version": env!("CARGO_PKG_VERSION") }))
}

/// Returns the only project of the key.
async fn projects(State(ingestion): State<Arc<IngestState>>, headers: HeaderMap) -> Response {
    match sender(&ingestion, None, &headers) {
        Ok(sender) => {
            let project = json!({ "id": sender.project.id.to_string(), "name": sender.project.name, "metadata": {} });
            Json(json!({ "data": [project] })).into_response()
        }
        Err(refusal) => rejection_response(&ingestion, &headers, refusal),
    }
}

async fn ingestion(State(ingestion): State<Arc<IngestState>>, headers: HeaderMap, body: Body) -> Response {
    match ingest_batch(&ingestion, &headers, body).await {
        Ok(verdicts) => {
            let (refused, taken): (Vec<LangfuseEventResult>, Vec<LangfuseEventResult>) =
                verdicts.into_iter().partition(|verdict| verdict.refused.is_some());
            let success = |verdict: LangfuseEventResult| json!({ "id": verdict.id, "status": 201 });
            let error = |verdict: LangfuseEventResult| json!({ "id": verdict.id, "status": 400, "message": verdict.refused, "error": "Invalid event" });
            let successes: Vec<Value> = taken.into_iter().map(success).collect();
            let errors: Vec<Value> = refused.into_iter().map(error).collect();
            (StatusCode::MULTI_STATUS, Json(json!({ "successes": successes, "errors": errors }))).into_response()
        }
        Err(refusal) => rejection_response(&ingestion, &headers, refusal),
    }
}

async fn ingest_batch(ingestion: &Arc<IngestState>, headers: &HeaderMap, body: Body) -> Result<Vec<LangfuseEventResult>, IngestRejection> {
    let sender = sender(ingestion, None, headers)?;
    ingestion.check_key(&sender, headers)?;
    let received_us = jiff::Timestamp::now().as_microsecond();
    let compression = header_text(headers, "content-encoding").unwrap_or_default().to_owned();
    let is_compressed = is_compressed(&compression);
    let unpack = move |bytes, limit| Ok(decompress(bytes, &compression, limit)?);
    let from = sender.clone();
    let forward = ingestion.forward_source(&sender, headers, ForwardedProtocol::Langfuse("ingestion".to_owned()))?;
    let work = move |ingestion: &IngestState, body: Bytes| {
        let forwarded = forward.as_ref().map(|source| source.with_body(&body));
        let decoded = decode(ingestion, &body, &from, received_us)?;
        if decode_budget::is_exceeded() {
            return Err(IngestRejection::Exceptional);
        }
        // A concurrent request may report the traces of stray observations.
        let langfuse::DecodedLangfuseBatch { spans, scores, event_results, outcomes, observations_without_trace, .. } = decoded;
        let again = (!observations_without_trace.is_empty()).then_some((body, observations_without_trace));
        let content = DecodedTelemetry { spans, scores, outcomes, forwarded, ..DecodedTelemetry::default() };
        Ok((ingestion.prepare(from.clone(), content)?, event_results, again))
    };
    let incoming = IncomingBody::new(body, headers);
    let (ready, verdicts, again) = ingestion.receive_and_decode(incoming, &sender, MAX_EVENTS, unpack, is_compressed, work).await?;
    ingestion.store_prepared(received_us, ready).await?;
    let project = sender.project.id;
    let is_known = |stray: &SpanId| ingestion.observation_traces.trace_of(project, *stray).is_some();
    if let Some((body, strays)) = again.filter(|(_, strays)| strays.iter().any(is_known)) {
        let admission = ingestion.admission.admission_of(sender.key.as_ref().map(|key| key.id), ingestion.limits.max_body_bytes);
        let attempt = ingestion.admission.admit_exceptional(&admission, ingestion.limits.max_inflated_bytes, MAX_EVENTS).await?;
        let knows = ingestion.clone();
        let found =
            move || decode_budget::decode_within(attempt.limits, || resolved_observations(&knows, &body, sender, received_us, &strays));
        let found = tokio::task::spawn_blocking(found).await.map_err(|_| IngestRejection::Stopping)?;
        if let Some(ready) = found.unwrap_or(Ok(None))? {
            // Its items have been counted.
            ingestion.store_prepared(received_us, PreparedTelemetry { items: 0, ..ready }).await?;
        }
    }
    Ok(verdicts)
}

/// Decodes a request with the known traces of its observations.
fn decode(
    ingestion: &IngestState,
    body: &[u8],
    sender: &AuthenticatedSender,
    received_us: i64,
) -> Result<langfuse::DecodedLangfuseBatch, IngestRejection> {
    let (context, project) = (ingestion.context(sender, received_us), sender.project.id);
    let read = || langfuse::decode(body, &context, &|observation| ingestion.observation_traces.trace_of(project, observation));
    let before = decode_budget::savepoint();
    let decoded = read()?;
    ingestion.observation_traces.remember(project, &decoded.observation_traces);
    if decoded.observations_without_trace.is_empty() {
        return Ok(decoded);
    }
    drop(decoded);
    decode_budget::refund_since(before);
    ingestion.observation_traces.load_stored(&ingestion.store);
    Ok(read()?)
}

/// Returns the observations of a request whose traces have become known since it was decoded, ready to be stored in those traces.
fn resolved_observations(
    ingestion: &IngestState,
    body: &[u8],
    sender: AuthenticatedSender,
    received_us: i64,
    strays: &[SpanId],
) -> Result<Option<PreparedTelemetry>, IngestRejection> {
    let home = |stray: &SpanId| Some((*stray, ingestion.observation_traces.trace_of(sender.project.id, *stray)?));
    let found: Vec<(SpanId, ObservationTrace)> = strays.iter().filter_map(home).collect();
    if found.is_empty() {
        return Ok(None);
    }
    let mut spans = decode(ingestion, body, &sender, received_us)?.spans;
    spans.retain(|span| {
        found.iter().any(|(stray, home)| span.trace_id == home.trace_id && (span.span_id == *stray || span.span_id == home.root))
    });
    ingestion.prepare(sender, DecodedTelemetry { spans, ..DecodedTelemetry::default() }).map(Some)
}

async fn scores(State(ingestion): State<Arc<IngestState>>, headers: HeaderMap, body: Body) -> Response {
    match ingest_scores(&ingestion, &headers, body).await {
        Ok(Some(id)) => Json(json!({ "id": id })).into_response(),
        Ok(None) => Json(json!({})).into_response(),
        Err(refusal) => rejection_response(&ingestion, &headers, refusal),
    }
}

/// Returns the ID of the last score.
async fn ingest_scores(ingestion: &Arc<IngestState>, headers: &HeaderMap, body: Body) -> Result<Option<String>, IngestRejection> {
    let sender = sender(ingestion, None, headers)?;
    ingestion.check_key(&sender, headers)?;
    let received_us = jiff::Timestamp::now().as_microsecond();
    let compression = header_text(headers, "content-encoding").unwrap_or_default().to_owned();
    let is_compressed = is_compressed(&compression);
    let unpack = move |bytes, limit| Ok(decompress(bytes, &compression, limit)?);
    let from = sender.clone();
    let forward = ingestion.forward_source(&sender, headers, ForwardedProtocol::Langfuse("scores".to_owned()))?;
    let decode = move |ingestion: &IngestState, body: Bytes| {
        let forwarded = forward.as_ref().map(|source| source.with_body(&body));
        let langfuse::DecodedScores { mut scores, outcomes } = langfuse::read_scores(&body, received_us).map_err(IngestRejection::Score)?;
        // The answer names the ID before the score is stored.
        let id = scores.last_mut().map(|score| score.id.get_or_insert_with(random_id).clone());
        let content = DecodedTelemetry { scores, outcomes, forwarded, ..DecodedTelemetry::default() };
        Ok((ingestion.prepare(from.clone(), content)?, id))
    };
    let incoming = IncomingBody::new(body, headers);
    let (ready, id) = ingestion.receive_and_decode(incoming, &sender, MAX_EVENTS, unpack, is_compressed, decode).await?;
    ingestion.store_prepared(received_us, ready).await?;
    Ok(id)
}

pub(super) fn rejection_response(ingestion: &IngestState, headers: &HeaderMap, refusal: IngestRejection) -> Response {
    count(ingestion, None, headers, &refusal);
    refusal.into_langfuse()
}
