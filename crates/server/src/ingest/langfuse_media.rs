//! Uploads of media by Langfuse's SDKs.
//!
//! The SDK announces the hash of the bytes, gets a URL, and sends the bytes there without its key. The URL therefore contains a signed
//! token, which contains project, hash and size, and expires. An ingest key cannot read media: the responses about an upload contain no
//! bytes.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hinomi_model::api_time::rfc3339;
use hinomi_model::id::TraceId;
use hinomi_model::langfuse;
use hinomi_model::media::{MAX_MEDIA_BYTES, MediaObject, MediaUse, id_of_hash, is_media_id, is_mime_type};
use hinomi_model::outcome::{Outcome, OutcomeCategory, OutcomeKind};
use hinomi_model::outcome_reason::OutcomeReason;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::langfuse::rejection_response;
use super::otlp::{header_text, sender};
use super::read_body::IncomingBody;
use super::rejection::IngestRejection;
use super::{AuthenticatedSender, IngestState};

/// How long an upload may begin after it was announced, in seconds.
const UPLOAD_VALIDITY_S: i64 = 3600;
/// Maximum size of an announcement or a report, in bytes.
const MAX_JSON_BYTES: usize = 64 << 10;

/// An upload that an SDK announces.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UploadAnnouncement {
    #[serde(default)]
    trace_id: Option<String>,
    content_type: String,
    content_length: usize,
    sha256_hash: String,
}

/// What the token of an upload URL says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct UploadGrant {
    project: u64,
    sha256: [u8; 32],
    size: usize,
    content_type: String,
    trace: Option<String>,
    expires_s: i64,
}

/// Key that signs upload URLs. Each process has its own, so a URL is not valid after a restart.
pub(super) struct UploadSigner([u8; 32]);

impl Default for UploadSigner {
    fn default() -> UploadSigner {
        UploadSigner(rand::random())
    }
}

impl std::fmt::Debug for UploadSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UploadSigner(…)")
    }
}

impl UploadSigner {
    fn token(&self, grant: &UploadGrant) -> String {
        let text = serde_json::to_vec(grant).unwrap_or_default();
        let signature = hmac_sha256::HMAC::mac(&text, self.0);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(signature))
    }

    /// Returns what a token says if this process signed it and it is still valid.
    fn verified(&self, token: &str, now_s: i64) -> Option<UploadGrant> {
        let (text, signature) = token.split_once('.')?;
        let (text, signature) = (URL_SAFE_NO_PAD.decode(text).ok()?, URL_SAFE_NO_PAD.decode(signature).ok()?);
        let signature: [u8; 32] = signature.try_into().ok()?;
        if !hmac_sha256::HMAC::verify(&text, self.0, &signature) {
            return None;
        }
        serde_json::from_slice(&text).ok().filter(|grant: &UploadGrant| grant.expires_s > now_s)
    }
}

/// Announces an upload.
pub(super) async fn announce(State(ingestion): State<Arc<IngestState>>, headers: HeaderMap, body: Body) -> Response {
    match announced(&ingestion, &headers, body).await {
        Ok(answer) => (StatusCode::CREATED, Json(answer)).into_response(),
        Err(refusal) => rejection_response(&ingestion, &headers, refusal),
    }
}

async fn announced(ingestion: &Arc<IngestState>, headers: &HeaderMap, body: Body) -> Result<Value, IngestRejection> {
    let sender = sender(ingestion, None, headers)?;
    ingestion.check_key(&sender, headers)?;
    let announcement: UploadAnnouncement = serde_json::from_slice(&small_body(ingestion, &sender, headers, body).await?)
        .map_err(|_| IngestRejection::MediaUpload("invalid JSON"))?;
    let hash = STANDARD.decode(&announcement.sha256_hash).ok().and_then(|hash| <[u8; 32]>::try_from(hash).ok());
    let sha256 = hash.ok_or(IngestRejection::MediaUpload("sha256Hash must be a SHA-256 in base64"))?;
    let size = announcement.content_length;
    if size == 0 || !is_mime_type(&announcement.content_type) {
        return Err(IngestRejection::MediaUpload("contentLength or contentType is invalid"));
    }
    if size > MAX_MEDIA_BYTES {
        return Err(IngestRejection::MediaTooLarge { limit: MAX_MEDIA_BYTES });
    }
    let (project, id) = (sender.project.id, id_of_hash(&sha256));
    let trace = announcement.trace_id.filter(|trace| !trace.is_empty()).map(|trace| langfuse::trace_id(&trace));
    if ingestion.media.facts(project, &id).await?.is_some() {
        let now_us = jiff::Timestamp::now().as_microsecond();
        ingestion.media.store(project, Vec::new(), uses(&id, trace, now_us), now_us).await?;
        return Ok(json!({ "mediaId": id, "uploadUrl": null }));
    }
    check_quota(ingestion, project, &id, size).await?;
    // The upload itself has no key.
    ingestion.count_bytes(&sender, size);
    let expires_s = jiff::Timestamp::now().as_second() + UPLOAD_VALIDITY_S;
    let trace = trace.map(|trace| trace.to_string());
    let grant = UploadGrant { project, sha256, size, content_type: announcement.content_type, trace, expires_s };
    let url = format!("{}/api/public/media/upload/{}", base_url(ingestion, headers), ingestion.upload_signer.token(&grant));
    Ok(json!({ "mediaId": id, "uploadUrl": url }))
}

/// Returns the uses of an object by a trace, if it is known.
fn uses(id: &str, trace: Option<TraceId>, at_us: i64) -> Vec<MediaUse> {
    trace.map(|trace_id| MediaUse { id: id.to_owned(), trace_id, at_us }).into_iter().collect()
}

async fn check_quota(ingestion: &Arc<IngestState>, project: u64, id: &str, size: usize) -> Result<(), IngestRejection> {
    let (media, id) = (ingestion.media.clone(), id.to_owned());
    let beyond = tokio::task::spawn_blocking(move || media.objects_beyond_quota(project, &[(&id, size as u64)])).await;
    let beyond = beyond.map_err(|_| IngestRejection::Stopping)??;
    if beyond.is_empty() { Ok(()) } else { Err(IngestRejection::MediaQuota) }
}

/// Returns the base URL at which the client reaches the server: the configured one, otherwise the host that it addressed.
fn base_url(ingestion: &IngestState, headers: &HeaderMap) -> String {
    if !ingestion.public_url.is_empty() {
        return ingestion.public_url.trim_end_matches('/').to_owned();
    }
    format!("http://{}", header_text(headers, header::HOST.as_str()).unwrap_or("127.0.0.1"))
}

/// Receives the bytes of an upload.
pub(super) async fn upload(
    State(ingestion): State<Arc<IngestState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let granted = granted(&ingestion, &token);
    let sender = granted.as_ref().ok().map(|(_, sender)| sender.clone());
    let result = match granted {
        Ok((grant, sender)) => uploaded(&ingestion, grant, &sender, &headers, body).await,
        Err(refusal) => Err(refusal),
    };
    match result {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => {
            ingestion.count_rejection(sender.as_ref(), &headers, &refusal);
            refusal.into_langfuse()
        }
    }
}

/// Returns what a token permits, and for which project.
fn granted(ingestion: &IngestState, token: &str) -> Result<(UploadGrant, AuthenticatedSender), IngestRejection> {
    let grant = ingestion.upload_signer.verified(token, jiff::Timestamp::now().as_second());
    let grant = grant.ok_or(IngestRejection::MediaUploadExpired)?;
    let project = ingestion.project(grant.project)?;
    Ok((grant, AuthenticatedSender { prices: ingestion.prices.book_of(project.id), project, key: None, sdk: None }))
}

async fn uploaded(
    ingestion: &Arc<IngestState>,
    grant: UploadGrant,
    sender: &AuthenticatedSender,
    headers: &HeaderMap,
    body: Body,
) -> Result<(), IngestRejection> {
    ingestion.store.check_disk_space()?;
    let admission = ingestion.admission.admission_of(None, ingestion.limits.max_body_bytes);
    let received = IncomingBody::new(body, headers).read_to_end(grant.size, &admission).await?;
    let (bytes, claimed) = (received.bytes.clone(), grant.content_type);
    let object = tokio::task::spawn_blocking(move || MediaObject::new(bytes.to_vec(), Some(&claimed)));
    let object = object.await.map_err(|_| IngestRejection::Stopping)?;
    if object.bytes.len() != grant.size || object.sha256 != grant.sha256 {
        return Err(IngestRejection::MediaUpload("the bytes do not match the announced hash"));
    }
    check_quota(ingestion, grant.project, &object.id, grant.size).await?;
    let trace = grant.trace.and_then(|trace| trace.parse().ok());
    let now_us = jiff::Timestamp::now().as_microsecond();
    let used = uses(&object.id, trace, now_us);
    let stored = ingestion.media.store(grant.project, vec![object], used, now_us).await?;
    let (kind, reason) = match stored {
        0 => (OutcomeKind::Duplicate, OutcomeReason::Duplicate),
        _ => (OutcomeKind::Accepted, OutcomeReason::Stored),
    };
    let outcome = Outcome { kind, reason: reason.as_str().to_owned(), category: OutcomeCategory::Media, quantity: 1, detail: None };
    ingestion.count_outcomes(sender, &[outcome]);
    Ok(())
}

/// Accepts the report of an SDK about its upload, and ignores it: the server knows what it has stored.
pub(super) async fn report(State(ingestion): State<Arc<IngestState>>, headers: HeaderMap, body: Body) -> Response {
    let read = async {
        let sender = sender(&ingestion, None, &headers)?;
        small_body(&ingestion, &sender, &headers, body).await.map(|_| ())
    };
    match read.await {
        Ok(()) => Json(json!({})).into_response(),
        Err(refusal) => rejection_response(&ingestion, &headers, refusal),
    }
}

/// Describes an upload. The URL in the description requires permission to read.
pub(super) async fn describe(State(ingestion): State<Arc<IngestState>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let project = match sender(&ingestion, None, &headers) {
        Ok(sender) => sender.project.id,
        Err(refusal) => return rejection_response(&ingestion, &headers, refusal),
    };
    let found = if is_media_id(&id) { ingestion.media.facts(project, &id).await } else { Ok(None) };
    match found {
        Ok(Some(facts)) => Json(json!({
            "mediaId": id,
            "contentType": facts.mime_type.as_deref().unwrap_or("application/octet-stream"),
            "contentLength": facts.size,
            "uploadedAt": rfc3339(facts.created_us),
            "url": format!("{}/api/v1/projects/{project}/media/{id}", base_url(&ingestion, &headers)),
            "urlExpiry": rfc3339((jiff::Timestamp::now().as_second() + UPLOAD_VALIDITY_S) * 1_000_000),
        }))
        .into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, Json(json!({ "message": "there is no such media", "error": "not_found" }))).into_response(),
        Err(error) => rejection_response(&ingestion, &headers, error.into()),
    }
}

async fn small_body(
    ingestion: &IngestState,
    sender: &AuthenticatedSender,
    headers: &HeaderMap,
    body: Body,
) -> Result<axum::body::Bytes, IngestRejection> {
    let admission = ingestion.admission.admission_of(sender.key.as_ref().map(|key| key.id), ingestion.limits.max_body_bytes);
    Ok(IncomingBody::new(body, headers).read_to_end(MAX_JSON_BYTES, &admission).await?.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_valid_for_its_process_and_for_a_while() {
        let (signer, other) = (UploadSigner::default(), UploadSigner::default());
        let grant = UploadGrant { project: 1, sha256: [7; 32], size: 5, content_type: "image/png".into(), trace: None, expires_s: 100 };
        let token = signer.token(&grant);
        assert_eq!(signer.verified(&token, 99), Some(grant.clone()));
        assert_eq!(signer.verified(&token, 100), None, "expired");
        assert_eq!(other.verified(&token, 99), None, "signed by another process");
        let forged = other.token(&UploadGrant { project: 2, ..grant });
        let mixed = format!("{}.{}", forged.split_once('.').unwrap().0, token.split_once('.').unwrap().1);
        assert_eq!(signer.verified(&mixed, 99), None);
        assert_eq!(signer.verified("", 0), None);
    }
}
