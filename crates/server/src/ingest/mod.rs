//! Ingestion: from the socket to the store.
//!
//! A request is authenticated (`auth`), read and decompressed within limits (`admission`, `read_body`, `decompress`), decoded by the
//! model, stored, and only then answered with 2xx. The result of each request and of its parts is counted as an outcome. `sentry`
//! implements Sentry's protocol, `otlp` OpenTelemetry's, `langfuse` the older one of Langfuse.

mod admission;
pub mod auth;
pub mod decompress;
mod forwarded;
mod grpc;
mod key_limits;
pub mod keyless;
mod langfuse;
mod langfuse_media;
mod media;
mod observation_traces;
mod otlp;
mod read_body;
mod rejection;
mod scores;
mod sdk_client;
mod sentry;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use hinomi_model::clock::DecodeContext;
use hinomi_model::decode_budget::DecodeLimitExceeded;
use hinomi_model::hints::{self, HintEvidence};
use hinomi_model::log_line::LogLine;
use hinomi_model::media::ExtractedMedia;
use hinomi_model::otel_metric::MetricPoint;
use hinomi_model::outcome::{Outcome, OutcomeCategory, OutcomeKind};
use hinomi_model::outcome_reason::OutcomeReason;
use hinomi_model::price::{PriceBook, PriceBooks};
use hinomi_model::score::{Score, scores_of_span};
use hinomi_model::sentry::ErrorEvent;
use hinomi_model::span::Span;
use hinomi_model::{cost, decode_budget, token_estimate};
use hinomi_store::{PreparedAppend, Store};
use hinomi_tables::error_events::ErrorStore;
use hinomi_tables::forwards::{ForwardStore, ForwardedRequest};
use hinomi_tables::log_lines::LogStore;
use hinomi_tables::media::MediaStore;
use hinomi_tables::metadata::{IngestKey, MetadataStore, ProjectRecord};
use hinomi_tables::otel_metrics::OtelMetricStore;
use hinomi_tables::outcomes;
use hinomi_tables::outcomes::{OutcomeSource, OutcomeStore};
use hinomi_tables::scores::ScoreStore;

use crate::config;
use crate::memory::MemoryBudget;
use admission::{DecodeAttempt, IngestAdmission};
use auth::AuthError;
pub use key_limits::IngestKeyUsage;
use read_body::{IncomingBody, ReceivedBody};
pub(crate) use rejection::IngestRejection;

/// Returns all ingestion routes, without trailing slashes.
pub fn routes(ingest_state: Arc<IngestState>) -> Router {
    sentry::routes(ingest_state.clone()).merge(otlp::routes(ingest_state.clone())).merge(langfuse::routes(ingest_state))
}

pub use otlp::routes as otlp_routes;

/// State of ingestion.
#[derive(Debug)]
pub struct IngestState {
    meta: Arc<MetadataStore>,
    store: Arc<Store>,
    errors: Arc<ErrorStore>,
    scores: Arc<ScoreStore>,
    logs: Arc<LogStore>,
    metrics: Arc<OtelMetricStore>,
    outcomes: Arc<OutcomeStore>,
    forwards: Arc<ForwardStore>,
    media: Arc<MediaStore>,
    prices: Arc<PriceBooks>,
    limits: config::IngestConfig,
    retention_days: u32,
    /// Project of requests without a key.
    keyless: Option<config::KeylessProject>,
    /// Memory limits of requests in progress.
    admission: IngestAdmission,
    /// Configured base URL of the server, or empty.
    public_url: String,
    /// Signs the URLs of Langfuse's uploads.
    upload_signer: langfuse_media::UploadSigner,
    /// Traces of Langfuse's observations.
    observation_traces: observation_traces::ObservationTraceCache,
    /// Use of the keys, for their limits.
    key_usage: Arc<IngestKeyUsage>,
}

/// Authenticated sender of a request: its project, and its key unless it needs none.
#[derive(Debug, Clone)]
struct AuthenticatedSender {
    project: ProjectRecord,
    key: Option<IngestKey>,
    /// Price book of the project.
    prices: Arc<PriceBook>,
    /// SDK and version, if the headers name them.
    sdk: Option<String>,
}

/// Decoded content of a request.
#[derive(Default)]
struct DecodedTelemetry {
    spans: Vec<Span>,
    errors: Vec<ErrorEvent>,
    scores: Vec<Score>,
    lines: Vec<LogLine>,
    points: Vec<MetricPoint>,
    outcomes: Vec<Outcome>,
    /// Evidence for hints that only the request as a whole shows; the evidence of its spans is collected later.
    evidence: Vec<HintEvidence>,
    /// SDK and version, if the body names them.
    sdk: Option<String>,
    /// Sample rate that the client reports.
    sample_rate: Option<f64>,
    /// The request as it is forwarded, if a target of the project takes it.
    forwarded: Option<ForwardedRequest>,
}

/// A decoded request that is ready to be stored.
struct PreparedTelemetry {
    sender: AuthenticatedSender,
    /// Number of items for the limit of the key.
    items: usize,
    spans: Option<PreparedAppend>,
    errors: Vec<ErrorEvent>,
    scores: Vec<Score>,
    lines: Vec<LogLine>,
    points: Vec<MetricPoint>,
    outcomes: Vec<Outcome>,
    evidence: Vec<HintEvidence>,
    forwarded: Option<ForwardedRequest>,
    media: ExtractedMedia,
}

/// Stores of ingested data.
#[derive(Debug, Clone)]
pub struct TelemetryStores {
    /// Projects and their keys.
    pub meta: Arc<MetadataStore>,
    /// Spans.
    pub store: Arc<Store>,
    /// Error events.
    pub errors: Arc<ErrorStore>,
    /// Scores.
    pub scores: Arc<ScoreStore>,
    /// Log lines.
    pub logs: Arc<LogStore>,
    /// Points of OpenTelemetry metrics.
    pub metrics: Arc<OtelMetricStore>,
    /// Outcomes.
    pub outcomes: Arc<OutcomeStore>,
    /// Requests that are forwarded to other services.
    pub forwards: Arc<ForwardStore>,
    /// Images, audio and files of messages.
    pub media: Arc<MediaStore>,
}

impl IngestState {
    /// Creates the state of ingestion into these stores.
    pub fn new(stores: TelemetryStores, prices: Arc<PriceBooks>, config: &config::Config) -> IngestState {
        let TelemetryStores { meta, store, errors, scores, logs, metrics, outcomes, forwards, media } = stores;
        IngestState {
            meta,
            store,
            errors,
            scores,
            logs,
            metrics,
            outcomes,
            forwards,
            media,
            prices,
            limits: config.ingest.clone(),
            retention_days: config.retention_days,
            keyless: config.ingest.keyless_project(config.listen, &config.public_url),
            admission: IngestAdmission::new(MemoryBudget::from_config(config)),
            public_url: config.public_url.clone(),
            upload_signer: langfuse_media::UploadSigner::default(),
            observation_traces: observation_traces::ObservationTraceCache::default(),
            key_usage: Arc::default(),
        }
    }

    /// Authenticates a sender by its key, for a project if the request names one. [`check_key`](Self::check_key) checks the key's limits.
    fn sender(&self, key: &str, project: Option<u64>) -> Result<AuthenticatedSender, IngestRejection> {
        let key = self.meta.key(key).ok_or_else(|| IngestRejection::UnknownKey { key: shorten_key(key) })?;
        if project.is_some_and(|project| project != key.project) {
            return Err(IngestRejection::OtherProject { key: shorten_key(&key.public_key) });
        }
        let project = self.project(key.project)?;
        Ok(AuthenticatedSender { prices: self.prices.book_of(project.id), project, key: Some(key), sdk: None })
    }

    /// Checks that the limits of a sender's key admit a request with these headers.
    fn check_key(&self, sender: &AuthenticatedSender, headers: &HeaderMap) -> Result<(), IngestRejection> {
        let now_us = jiff::Timestamp::now().as_microsecond();
        sender.key.as_ref().map_or(Ok(()), |key| self.key_usage.admit(key, headers, now_us))
    }

    /// Counts bytes that were received from a sender.
    fn count_bytes(&self, sender: &AuthenticatedSender, bytes: usize) {
        if let Some(key) = &sender.key {
            self.key_usage.count_bytes(key, bytes, jiff::Timestamp::now().as_microsecond());
        }
    }

    /// Returns the use of the ingest keys.
    pub fn key_usage(&self) -> &Arc<IngestKeyUsage> {
        &self.key_usage
    }

    /// Returns the sender of a request without a key, if such requests are allowed.
    fn keyless_sender(&self, project: Option<u64>, headers: &HeaderMap) -> Result<AuthenticatedSender, IngestRejection> {
        let keyless = self.keyless.filter(|keyless| project.is_none_or(|project| project == keyless.project)).ok_or(AuthError::NoKey)?;
        keyless::check_keyless(headers, keyless.any_host)?;
        let project = self.project(keyless.project)?;
        Ok(AuthenticatedSender { prices: self.prices.book_of(project.id), project, key: None, sdk: None })
    }

    fn project(&self, id: u64) -> Result<ProjectRecord, IngestRejection> {
        let directory = self.meta.directory();
        let project = directory.projects.get(&id).ok_or(IngestRejection::NoProject)?;
        if project.disabled { Err(IngestRejection::Disabled { project: id }) } else { Ok(project.clone()) }
    }

    /// Writes the use of the keys to the database. Call it periodically.
    pub fn note_used_keys(&self) {
        let used = self.key_usage.take_unwritten();
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.meta.note_key_uses(&used) {
            tracing::warn!(%error, "ingest.key_usage.write_failed");
        }
    }

    fn retention(&self, project: &ProjectRecord) -> Duration {
        Duration::from_secs(u64::from(project.retention_days.unwrap_or(self.retention_days)) * 86_400)
    }

    /// Receives the body of an identified sender, decompresses it (`unpack`, to at most a number of bytes) and decodes it (`decode`, to
    /// at most `items` items) as soon as memory and a thread are free. A request that exceeds the usual budget is decompressed and
    /// decoded again with the exceptional one.
    async fn receive_and_decode<T: Send + 'static>(
        self: &Arc<Self>,
        incoming: IncomingBody,
        sender: &AuthenticatedSender,
        items: usize,
        unpack: impl Fn(Bytes, usize) -> Result<Bytes, IngestRejection> + Send + Sync + 'static,
        is_compressed: bool,
        decode: impl Fn(&IngestState, Bytes) -> Result<T, IngestRejection> + Send + Sync + 'static,
    ) -> Result<T, IngestRejection> {
        self.store.check_disk_space()?;
        let admission = self.admission.admission_of(sender.key.as_ref().map(|key| key.id), self.limits.max_body_bytes);
        let ReceivedBody { bytes, permit } = incoming.read_to_end(self.limits.max_body_bytes, &admission).await?;
        let size = bytes.len();
        self.count_bytes(sender, size);
        // Held by the decoding thread, which continues when the client disconnects.
        let work = Arc::new((unpack, decode, permit));
        let attempt = |attempt: DecodeAttempt| {
            let (ingest_state, work, bytes) = (self.clone(), work.clone(), bytes.clone());
            let attempt = move || ingest_state.decode_once(&attempt, bytes, &work.0, &work.1);
            async { tokio::task::spawn_blocking(attempt).await.unwrap_or(Err(IngestRejection::Stopping)) }
        };
        if let Some(usual) = self.admission.admit_usual(size, is_compressed, items).await? {
            match attempt(usual).await {
                Err(IngestRejection::Exceptional) => {}
                done => return done,
            }
        }
        attempt(self.admission.admit_exceptional(&admission, self.limits.max_inflated_bytes, items).await?).await
    }

    /// Decompresses and decodes a body once. Takes processor time.
    fn decode_once<T>(
        &self,
        attempt: &DecodeAttempt,
        bytes: Bytes,
        unpack: &impl Fn(Bytes, usize) -> Result<Bytes, IngestRejection>,
        decode: &impl Fn(&IngestState, Bytes) -> Result<T, IngestRejection>,
    ) -> Result<T, IngestRejection> {
        let body = match unpack(bytes, attempt.max_inflated.min(self.limits.max_inflated_bytes)) {
            Err(IngestRejection::TooLarge { limit }) if limit < self.limits.max_inflated_bytes => {
                return Err(if attempt.is_exceptional { IngestRejection::TooLarge { limit } } else { IngestRejection::Exceptional });
            }
            unpacked => unpacked?,
        };
        let mut limits = attempt.limits;
        limits.bytes = limits.bytes.saturating_sub(body.len());
        match decode_budget::decode_within(limits, || decode(self, body)) {
            Ok(decoded) => decoded,
            Err(DecodeLimitExceeded::Bytes) if !attempt.is_exceptional => Err(IngestRejection::Exceptional),
            Err(_) => Err(IngestRejection::TooManyItems { items: limits.items }),
        }
    }

    /// Returns the context for decoding a sender's request.
    fn context<'a>(&self, sender: &'a AuthenticatedSender, received_us: i64) -> DecodeContext<'a> {
        let retention_us = i64::try_from(self.retention(&sender.project).as_micros()).ok();
        DecodeContext {
            received_us,
            retention_us,
            price: &sender.prices,
            mapping: &sender.project.mapping.rules,
            earlier_grouping: self.errors.has_earlier_grouping(),
        }
    }

    /// Prepares decoded content for storage. Takes processor time.
    fn prepare(&self, sender: AuthenticatedSender, content: DecodedTelemetry) -> Result<PreparedTelemetry, IngestRejection> {
        let DecodedTelemetry { mut spans, errors, mut scores, lines, points, mut outcomes, mut evidence, sdk, sample_rate, forwarded } =
            content;
        scores.extend(spans.iter().flat_map(scores_of_span));
        let items = spans.len() + errors.len() + scores.len() + lines.len() + points.len();
        let mut sender = sender;
        sender.sdk = sdk.or_else(|| spans.first().and_then(hints::sdk_of)).or(sender.sdk);
        // Hints describe the request as sent, before anything is added to its spans.
        evidence.extend(hints::evidence_in_spans(&spans));
        let key = sender.key.as_ref().map(|key| &key.label);
        // With a sample rate of 0, each received span would stand for infinitely many.
        let sample_rate = sample_rate.filter(|rate| *rate > 0.0 && *rate <= 1.0);
        for span in &mut spans {
            (span.ingest_key, span.sample_rate) = (key.cloned(), sample_rate.or(span.sample_rate));
        }
        if sender.project.estimate_usage {
            for span in &mut spans {
                token_estimate::estimate_usage(span, &sender.prices);
            }
        }
        if sender.project.prefer_client_cost {
            spans.iter_mut().for_each(cost::prefer_client);
        }
        let media = self.take_media(sender.project.id, &mut spans, &mut outcomes)?;
        let spans = if spans.is_empty() { None } else { Some(PreparedAppend::new(sender.project.id, spans)?) };
        Ok(PreparedTelemetry {
            sender,
            items,
            spans,
            errors,
            scores,
            lines,
            points,
            outcomes: merge_outcomes(outcomes),
            evidence,
            forwarded,
            media,
        })
    }

    /// Stores a prepared request and counts its outcomes. When it returns without an error, everything accepted is durable and visible.
    /// Returns the outcomes of items that were not stored.
    async fn store_prepared(&self, received_us: i64, ready: PreparedTelemetry) -> Result<Vec<Outcome>, IngestRejection> {
        let PreparedTelemetry { sender, items, spans, errors, scores, lines, points, mut outcomes, evidence, forwarded, media } = ready;
        if let Some(key) = &sender.key {
            self.key_usage.count_items(key, items, received_us);
        }
        let project = sender.project.id;
        // A request may have both spans and errors. If only one store succeeds, the client sends the request again, and the other store
        // drops its part as a duplicate.
        let in_store = async {
            match spans {
                Some(spans) => self.store.commit(spans).await.map_err(IngestRejection::from),
                None => Ok(Default::default()),
            }
        };
        let in_errors = async {
            if errors.is_empty() {
                return Ok(Default::default());
            }
            self.errors.append(project, received_us, errors).await.map_err(IngestRejection::from)
        };
        let count_of_scores = scores.len();
        let in_scores = self.store_scores(project, scores);
        let in_logs = async { self.logs.append(project, lines).await.map_err(IngestRejection::from) };
        let in_metrics = async { self.metrics.append(project, received_us, points).await.map_err(IngestRejection::from) };
        let in_forwards = async {
            if let Some(request) = forwarded {
                self.forwards.enqueue(project, request, received_us).await;
            }
            Ok(())
        };
        let in_media =
            async { self.media.store(project, media.objects, media.references, received_us).await.map_err(IngestRejection::from) };
        let (of_spans, of_errors, (), of_logs, of_metrics, (), stored_media) =
            tokio::try_join!(in_store, in_errors, in_scores, in_logs, in_metrics, in_forwards, in_media)?;

        let dropped = [
            (OutcomeReason::InvalidId, OutcomeCategory::Span, of_spans.without_id),
            (OutcomeReason::TooManyPieces, OutcomeCategory::Span, of_spans.too_many_pieces),
            (OutcomeReason::TooManyLogs, OutcomeCategory::Log, of_logs.too_many),
            (OutcomeReason::TooManyMetrics, OutcomeCategory::Metric, of_metrics.too_many_metrics),
            (OutcomeReason::TooManySeries, OutcomeCategory::Metric, of_metrics.too_many_series),
        ];
        let dropped = dropped.into_iter().filter(|(.., quantity)| *quantity > 0);
        outcomes.extend(
            dropped.map(|(reason, category, quantity)| Outcome { quantity: quantity as u64, ..Outcome::dropped(category, reason, None) }),
        );
        self.outcomes.note_evidence(project, &evidence);
        let counted = [
            (OutcomeKind::Accepted, OutcomeReason::Stored, OutcomeCategory::Span, of_spans.stored),
            (OutcomeKind::Accepted, OutcomeReason::Joined, OutcomeCategory::Span, of_spans.joined),
            (OutcomeKind::Duplicate, OutcomeReason::Duplicate, OutcomeCategory::Span, of_spans.duplicates),
            (OutcomeKind::Accepted, OutcomeReason::Stored, OutcomeCategory::Error, of_errors.stored),
            (OutcomeKind::Accepted, OutcomeReason::Stored, OutcomeCategory::Score, count_of_scores),
            (OutcomeKind::Duplicate, OutcomeReason::Duplicate, OutcomeCategory::Error, of_errors.duplicates),
            (OutcomeKind::Duplicate, OutcomeReason::SameError, OutcomeCategory::Error, of_errors.same_error),
            (OutcomeKind::Accepted, OutcomeReason::Stored, OutcomeCategory::Log, of_logs.stored),
            (OutcomeKind::Duplicate, OutcomeReason::Duplicate, OutcomeCategory::Log, of_logs.duplicates),
            (OutcomeKind::Accepted, OutcomeReason::Stored, OutcomeCategory::Metric, of_metrics.stored),
            (OutcomeKind::Duplicate, OutcomeReason::Duplicate, OutcomeCategory::Metric, of_metrics.duplicates),
            (OutcomeKind::Accepted, OutcomeReason::Stored, OutcomeCategory::Media, stored_media),
        ];
        let counted = counted.into_iter().filter(|(.., quantity)| *quantity > 0).map(|(kind, reason, category, quantity)| Outcome {
            kind,
            reason: reason.as_str().to_owned(),
            category,
            quantity: quantity as u64,
            detail: None,
        });
        self.count_outcomes(&sender, &outcomes.iter().cloned().chain(counted).collect::<Vec<_>>());
        if of_spans.stored > 0 && sender.project.first_span_us.is_none() {
            self.note_first_span(project).await;
        }
        Ok(outcomes)
    }

    /// Records when a project received its first span. A failure is logged.
    async fn note_first_span(&self, project: u64) {
        let meta = self.meta.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || meta.note_first_span(project)).await {
            tracing::warn!(%error, project, "ingest.first_span.write_failed");
        }
    }

    fn count_outcomes(&self, sender: &AuthenticatedSender, outcomes: &[Outcome]) {
        for outcome in outcomes {
            metrics::counter!("hinomi_outcomes_total", "outcome" => outcome.kind.as_str(), "category" => outcome.category.as_str())
                .increment(outcome.quantity);
        }
        let by = OutcomeSource { key: sender.key.as_ref().map(|key| key.public_key.as_str()), sdk: sender.sdk.as_deref() };
        self.outcomes.count(sender.project.id, by, outcomes);
    }

    /// Counts a rejected request. Without a sender it is counted for the server only: somebody without a key of a project must not be
    /// able to write to what the project sees.
    fn count_rejection(&self, sender: Option<&AuthenticatedSender>, headers: &HeaderMap, rejection: &IngestRejection) {
        let outcome = Outcome {
            kind: OutcomeKind::Refused,
            reason: rejection.reason().as_str().to_owned(),
            category: OutcomeCategory::Request,
            quantity: 1,
            detail: Some(rejection.to_string()),
        };
        metrics::counter!("hinomi_outcomes_total", "outcome" => "refused", "category" => "request").increment(1);
        let sdk = sdk_client::of_headers(headers);
        let key = sender.and_then(|sender| sender.key.as_ref());
        let project = match (sender, rejection) {
            (Some(sender), _) => sender.project.id,
            // Only a valid key of the project leads to this rejection.
            (None, IngestRejection::Disabled { project }) => *project,
            (None, _) => outcomes::SERVER_PROJECT,
        };
        self.outcomes.count(project, OutcomeSource { key: key.map(|key| key.public_key.as_str()), sdk: sdk.as_deref() }, &[outcome]);
        tracing::debug!(project, reason = rejection.reason().as_str(), "ingest.request.rejected");
    }
}

/// Merges outcomes of the same kind, because a request may have one per item. Keeps the last detail.
fn merge_outcomes(outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let mut sums: BTreeMap<(OutcomeKind, OutcomeCategory, String), Outcome> = BTreeMap::new();
    for outcome in outcomes {
        match sums.entry((outcome.kind, outcome.category, outcome.reason.clone())) {
            Entry::Vacant(entry) => _ = entry.insert(outcome),
            Entry::Occupied(mut entry) => {
                let sum = entry.get_mut();
                sum.quantity = sum.quantity.saturating_add(outcome.quantity);
                sum.detail = outcome.detail.or(sum.detail.take());
            }
        }
    }
    sums.into_values().collect()
}

/// Shortens a key in a message: enough to recognize it.
fn shorten_key(key: &str) -> String {
    format!("{}…", key.chars().take(8).collect::<String>())
}
