//! Export and import of spans, and backups of the data directory.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use hinomi_model::span::Span;
use hinomi_query::{ProjectSnapshot, QueryScope};
use hinomi_store::low_priority::lower_thread_priority;
use hinomi_store::{RetentionCandidate, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use super::auth::{AuthorizedCaller, AuthorizedProject};
use super::params::QueryParameters;
use super::permission::{Admin, Viewer};
use super::streaming::streamed_body;
use super::{ApiError, ApiState};
use crate::backup;
use crate::query_parameters::{FilterParameters, FilterSelection};
use crate::retention::RetentionRules;
use crate::transfer::{SpanFileFormat, SpanFileWriter, rows};

/// Header with the number of spans, for a progress bar.
pub(crate) const SPAN_COUNT_HEADER: &str = "x-hinomi-spans";
/// Header with the number of segments that a backup lacks.
pub const MISSING_SEGMENTS_HEADER: &str = "x-hinomi-missing";
/// Maximum size of the body of an import in bytes.
const MAX_IMPORT_BYTES: usize = 64 << 20;
/// Number of chunks that wait for a slow client.
const BUFFERED_CHUNKS: usize = 1;
/// Size of the chunks of a backup in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// File format of an export.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportFormatParameters {
    /// `parquet`, `jsonl` (one JSON object per line) or `csv`. Default: `jsonl`.
    format: Option<String>,
}

/// Exports spans as a file.
///
/// The file has all columns of the matching spans, in no particular order. The header `x-hinomi-spans` holds the number of spans. A
/// response that ends early is incomplete.
#[utoipa::path(get, path = "/projects/{project}/export", tag = "transfer", params(("project" = u64, Path, description = "ID of the project."), FilterParameters, FilterSelection, ExportFormatParameters),
    responses((status = 200, description = "The file."), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn export(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(range): QueryParameters<FilterParameters>,
    QueryParameters(selection): QueryParameters<FilterSelection>,
    QueryParameters(form): QueryParameters<ExportFormatParameters>,
) -> Result<Response, ApiError> {
    let format: SpanFileFormat =
        form.format.as_deref().unwrap_or("jsonl").parse().map_err(|reason: String| ApiError::bad_request("bad_parameter", reason))?;
    let scope = api.resolve_scope(authorized.project, range.scope()?).await?;
    let place = api.exports.acquire(authorized.project).await.ok_or_else(ApiError::too_many_exports)?;
    let asked = api.snapshot(authorized.project);
    let scope = selection.select_spans(&asked, scope).await?;
    let count = asked.count(&scope).await?;
    let writer = SpanFileWriter::new(format).map_err(ApiError::internal)?;
    let (to, chunks) = mpsc::channel(BUFFERED_CHUNKS);
    // A thread of its own, with all that the engine does for it: the page's questions have the others.
    let run = move || {
        let _place = place;
        lower_thread_priority();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let done =
            runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(send_export(&asked, &scope, writer, &to)));
        if let Err(error) = done {
            tracing::error!(error, "api.export.interrupted");
            let _ = to.blocking_send(Err(io::Error::other(error)));
        }
    };
    std::thread::Builder::new().name("export".into()).spawn(run).map_err(ApiError::internal)?;
    let name = format!("spans-of-project-{}.{}", authorized.project, format.extension());
    let mut response = streamed_file(chunks, format.media_type(), &name);
    response.headers_mut().insert(HeaderName::from_static(SPAN_COUNT_HEADER), HeaderValue::from(count));
    Ok(response)
}

/// Sends the bytes of an export until it is complete or the client disconnects.
async fn send_export(
    asked: &ProjectSnapshot,
    scope: &QueryScope,
    mut writer: SpanFileWriter,
    to: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), String> {
    let mut batches = asked.rows(scope).await.map_err(|error| error.to_string())?;
    loop {
        // Where little is found, nothing is sent for long.
        let batch = tokio::select! {
            batch = batches.next() => batch,
            () = to.closed() => return Ok(()),
        };
        let Some(batch) = batch else { break };
        for part in SpanFileWriter::parts(&batch.map_err(|error| error.to_string())?) {
            let bytes = writer.write(&part).map_err(|error| error.to_string())?;
            if !bytes.is_empty() && to.send(Ok(Bytes::from(bytes))).await.is_err() {
                return Ok(());
            }
        }
    }
    let _ = to.send(Ok(Bytes::from(writer.finish().map_err(|error| error.to_string())?))).await;
    Ok(())
}

fn streamed_file(chunks: mpsc::Receiver<io::Result<Bytes>>, media_type: &'static str, name: &str) -> Response {
    let chunks = futures::stream::unfold(chunks, |mut chunks| async move { Some((chunks.recv().await?, chunks)) });
    let mut response = streamed_body(chunks).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// Result of the import of spans.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SpanImportResult {
    /// Number of spans in the file.
    read: usize,
    /// Number of new spans that were stored.
    stored: usize,
    /// Number of spans that were already stored (with the same project, trace ID and span ID).
    duplicates: usize,
    /// Number of spans that were joined with a stored span of the same ID.
    joined: usize,
    /// Number of spans that were not stored because they are older than the retention of the project.
    too_old: usize,
}

/// Imports exported spans.
///
/// The body has one JSON object per line and at most 64 MiB. Spans that are older than the retention of the project are skipped. If a
/// line cannot be read, nothing is stored. Importing the same file again changes nothing.
#[utoipa::path(post, path = "/projects/{project}/import", tag = "transfer", params(("project" = u64, Path, description = "ID of the project.")),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, body = SpanImportResult), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn import(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    body: Body,
) -> Result<Json<SpanImportResult>, ApiError> {
    let body = axum::body::to_bytes(body, MAX_IMPORT_BYTES).await.map_err(|error| {
        ApiError::bad_request("body_too_large", format!("request body is incomplete or larger than {MAX_IMPORT_BYTES} bytes: {error}"))
            .hint("Use `hinomi import`, which sends a file in parts.")
    })?;
    let project = authorized.project;
    let keeper = api.clone();
    let decode = move || -> Result<_, ApiError> {
        let unreadable = |reason: String| {
            ApiError::bad_request("bad_import", reason).hint("Send JSON lines as written by `hinomi export --format jsonl`.")
        };
        let text = std::str::from_utf8(&body).map_err(|error| unreadable(format!("request body is not UTF-8: {error}")))?;
        let mut rows = rows(text, 1).map_err(unreadable)?;
        for row in &mut rows {
            // The decisions of the whole trace are made again; start from the span alone.
            row.locally().apply(&mut row.span);
        }
        let read = rows.len();
        let is_past = expiry_check(&keeper, project)?;
        rows.retain(|row| !is_past(&row.span));
        let too_old = read - rows.len();
        Ok((read, too_old, rows.into_iter().map(|row| row.span).collect()))
    };
    let (read, too_old, spans): (usize, usize, Vec<Span>) = tokio::task::spawn_blocking(decode).await??;
    let appended = api.store.append(project, spans).await.map_err(import_error)?;
    if appended.stored > 0 {
        super::projects::run_change(&api, move |meta| meta.note_first_span(project)).await?;
    }
    Ok(Json(SpanImportResult { read, stored: appended.stored, duplicates: appended.duplicates, joined: appended.joined, too_old }))
}

/// Returns a check for spans that are older than the retention of a project.
fn expiry_check(api: &ApiState, project: u64) -> Result<impl Fn(&Span) -> bool + use<>, ApiError> {
    let directory = api.meta.directory();
    let known = directory.projects.get(&project).cloned().unwrap_or_default();
    let mut rules = RetentionRules::of_project(&known, api.retention_days, jiff::Timestamp::now().as_microsecond());
    rules.set_kept_traces(HashSet::new(), api.meta.pins(project)?.into_iter().collect());
    Ok(move |span: &Span| {
        rules.is_expired_in_all_classes(&RetentionCandidate {
            project,
            trace: span.trace_id,
            start_us: span.start_us,
            environment: span.environment.as_deref(),
            user: span.user_id.as_deref(),
        })
    })
}

fn import_error(error: StoreError) -> ApiError {
    match error {
        StoreError::TooLargeForWal { .. } => ApiError::bad_request("unfit", error.to_string()),
        StoreError::Busy { .. } | StoreError::DiskFull { .. } | StoreError::DiskLow { .. } => ApiError::unavailable(error.to_string()),
        other => ApiError::internal(other),
    }
}

/// Downloads a backup of the data directory as a tar archive.
///
/// `hinomi restore` reads the archive. Missing and damaged segments are omitted: the header `x-hinomi-missing` holds their number, and the
/// archive lists them. The archive contains ingest keys and the secrets of notification channels. Requires admin permission.
#[utoipa::path(get, path = "/backup", tag = "transfer", responses((status = 200, description = "The tar archive.")))]
pub(super) async fn backup(State(api): State<Arc<ApiState>>, _: AuthorizedCaller<Admin>) -> Result<Response, ApiError> {
    // It takes as long as reading all of them, which holds up no deletion.
    api.store.quarantine_damaged().await.map_err(import_error)?;
    let nothing_is_deleted = api.deletion_lock.lock().await;
    let plan = backup::plan(&api.store, &api.data).await;
    drop(nothing_is_deleted);
    let plan = plan.map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "api.backup.failed");
        ApiError::unavailable(format!("backup failed: {error:#}"))
    })?;
    let length = plan.length().map_err(ApiError::internal)?;
    let missing = plan.backup_contents().missing.len();
    let (to, chunks) = mpsc::channel(BUFFERED_CHUNKS);
    tokio::task::spawn_blocking(move || {
        let began = std::time::Instant::now();
        let files = plan.backup_contents().files.len();
        match plan.write(io::BufWriter::with_capacity(CHUNK_BYTES, ResponseBodyWriter(to.clone()))) {
            Ok(()) => tracing::info!(files, bytes = length, duration_ms = began.elapsed().as_millis() as u64, "backup.archive.written"),
            Err(error) => {
                tracing::warn!(%error, "backup.archive.failed");
                let _ = to.blocking_send(Err(error));
            }
        }
    });
    let mut response = streamed_file(chunks, "application/x-tar", "hinomi-backup.tar");
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response.headers_mut().insert(HeaderName::from_static(MISSING_SEGMENTS_HEADER), HeaderValue::from(missing));
    Ok(response)
}

/// Writes chunks to a response body.
struct ResponseBodyWriter(mpsc::Sender<io::Result<Bytes>>);

impl Write for ResponseBodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the client disconnected");
        self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
