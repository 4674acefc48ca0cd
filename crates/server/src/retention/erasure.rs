//! Deletion of one trace, one user or one project from every file, with a receipt.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hinomi_model::api_time::rfc3339;
use hinomi_model::id::TraceId;
use hinomi_store::segment_storage::SegmentObject;
use hinomi_store::{RetentionDecision, RetentionSweep, RetentionSweepResult};
use hinomi_tables::metadata::{MetadataError, MetadataStore, ProjectPatch};
use hinomi_tables::retained_rows;
use hinomi_tables::retained_rows::{ErasedNames, ErasedRowCounts, ErasedRowKind, ErasureSubject, RetainedRows};
use hmac_sha256::HMAC;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::{RetentionError, RetentionResources, run_blocking};

/// Subject of a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionSubject {
    /// One trace, with its errors, scores and log lines.
    Trace(TraceId),
    /// The spans of a user, and the traces that name no other user.
    User(String),
    /// A project with all its data. Project 1 is emptied, but remains.
    Project,
    /// The oldest spans of all projects, because the disk budget is reached.
    Budget,
}

impl DeletionSubject {
    /// Returns whether a span of the project belongs to the subject. For a user, these are spans that name the user, and spans of
    /// `traces` that name no user.
    pub(super) fn contains(&self, trace: TraceId, user: Option<&str>, traces: &HashSet<TraceId>) -> bool {
        match self {
            DeletionSubject::Project => true,
            DeletionSubject::Trace(id) => trace == *id,
            DeletionSubject::User(meant) => user.map_or_else(|| traces.contains(&trace), |found| found == meant),
            DeletionSubject::Budget => false,
        }
    }
}

/// Kind of the subject of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DeletionSubjectKind {
    /// One trace.
    Trace,
    /// The data of an end user.
    User,
    /// A project with all its data.
    Project,
    /// The oldest spans of all projects, because the disk budget was reached.
    Budget,
}

impl DeletionSubjectKind {
    /// Returns the name in receipts.
    const fn as_str(self) -> &'static str {
        match self {
            DeletionSubjectKind::Trace => "trace",
            DeletionSubjectKind::User => "user",
            DeletionSubjectKind::Project => "project",
            DeletionSubjectKind::Budget => "budget",
        }
    }
}

/// A deletion that has begun, stored until there is a receipt: the traces of a user can only be found while they are stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct PendingDeletion {
    project: u64,
    /// Name of the project.
    name: String,
    /// Whether the project was disabled before.
    disabled: bool,
    subject: DeletionSubject,
    /// Traces of the subject.
    traces: HashSet<TraceId>,
}

/// Receipt of a deletion: what was deleted, how much, from which files, and when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct DeletionReceipt {
    /// Time of the deletion (RFC 3339).
    #[schema(required)]
    pub at: String,
    /// ID of the project; 0 for all projects.
    #[schema(required)]
    pub project: u64,
    /// What was deleted.
    #[schema(required, value_type = DeletionSubjectKind)]
    pub what: String,
    /// ID of the trace, or name of the project. For a user, a hash of the ID: `hmac-sha256:` with a secret of the data directory, or
    /// `sha256:` without a secret in receipts of earlier versions. Null if it does not apply.
    #[schema(required)]
    pub subject: Option<String>,
    /// Number of deleted spans.
    #[schema(required)]
    pub spans: u64,
    /// Number of deleted error events.
    #[schema(required)]
    pub errors: u64,
    /// Number of deleted scores.
    #[schema(required)]
    pub scores: u64,
    /// Number of deleted log lines.
    #[schema(required)]
    pub log_lines: u64,
    /// Number of deleted series of OpenTelemetry metrics.
    #[schema(required)]
    pub series: u64,
    /// Number of deleted incidents.
    #[schema(required)]
    pub incidents: u64,
    /// Number of incident timelines and notifications from which a name was removed.
    #[schema(required)]
    pub mentions: u64,
    /// Latest start of a deleted span (RFC 3339); null if no span was deleted.
    #[schema(required)]
    pub until: Option<String>,
    /// Names of the removed segments. The remaining rows of these segments are in new segments.
    #[schema(required)]
    pub files: Vec<String>,
    /// Names of segments that a query was still reading. These segments are removed when the query ends.
    #[schema(required)]
    pub still_read: Vec<String>,
    /// Names of damaged segments that could not be checked. No query reads these segments; remove their files manually.
    #[schema(required)]
    pub unreadable: Vec<String>,
    /// True if the server stopped during the deletion, and finished the deletion after the next start. Data deleted before the stop is not
    /// included in the numbers.
    #[schema(required)]
    pub resumed: bool,
    /// Duration of the deletion in milliseconds.
    #[schema(required)]
    pub duration_ms: u64,
}

impl DeletionReceipt {
    pub(super) fn of(project: u64, subject: DeletionSubject, swept: &RetentionSweepResult) -> DeletionReceipt {
        let names = |files: &[SegmentObject]| -> Vec<String> { files.iter().map(SegmentObject::to_string).collect() };
        let (what, subject) = match subject {
            DeletionSubject::Trace(id) => (DeletionSubjectKind::Trace, Some(id.to_string())),
            // The hash needs a secret, which is not available here.
            DeletionSubject::User(_) => (DeletionSubjectKind::User, None),
            DeletionSubject::Project => (DeletionSubjectKind::Project, None),
            DeletionSubject::Budget => (DeletionSubjectKind::Budget, None),
        };
        DeletionReceipt {
            at: rfc3339(jiff::Timestamp::now().as_microsecond()),
            project,
            what: what.as_str().to_owned(),
            subject,
            spans: swept.spans,
            until: swept.latest_deleted_us.map(rfc3339),
            files: names(&swept.segment_files),
            still_read: names(&swept.still_read),
            unreadable: names(&swept.unreadable),
            ..DeletionReceipt::default()
        }
    }

    /// Sets the numbers of deleted rows, and of rows in which a name was redacted.
    fn count_rows(&mut self, counts: &ErasedRowCounts, mentions: u64) {
        self.errors = counts.of(ErasedRowKind::ErrorEvent);
        self.scores = counts.of(ErasedRowKind::Score);
        self.log_lines = counts.of(ErasedRowKind::LogLine);
        self.series = counts.of(ErasedRowKind::Series);
        self.incidents = counts.of(ErasedRowKind::Incident);
        self.mentions = mentions;
    }

    /// Returns whether anything was deleted, or may be left in a segment that cannot be read.
    fn is_effective(&self) -> bool {
        let DeletionReceipt { spans, errors, scores, log_lines, series, incidents, mentions, .. } = self;
        [spans, errors, scores, log_lines, series, incidents, mentions].into_iter().any(|count| *count > 0) || !self.unreadable.is_empty()
    }

    fn to_json(&self) -> Result<String, RetentionError> {
        serde_json::to_string(self).map_err(|error| RetentionError::Internal(error.to_string()))
    }

    /// Stores the receipt.
    pub(super) async fn store_receipt(&self, resources: &RetentionResources) -> Result<(), RetentionError> {
        let (meta, text) = (resources.meta.clone(), self.to_json()?);
        Ok(run_blocking(move || meta.add_receipt(&text)).await??)
    }
}

/// Returns the hash that names a user in receipts. Without the secret nobody can test names.
fn keyed_hash(key: &str, user: &str) -> String {
    format!("hmac-sha256:{}", hex::encode(HMAC::mac(user, key)))
}

/// Returns the receipts of a user's deletions, the newest first. Receipts of earlier versions are included.
///
/// # Errors
///
/// Returns an error if the database cannot be read.
pub fn receipts_of_user(meta: &MetadataStore, user: &str) -> Result<Vec<DeletionReceipt>, MetadataError> {
    let names = [keyed_hash(&meta.receipt_key()?, user), format!("sha256:{}", hex::encode(Sha256::digest(user)))];
    let receipts = meta.receipts()?;
    let read = receipts.iter().filter_map(|text| serde_json::from_str::<DeletionReceipt>(text).ok());
    Ok(read.filter(|receipt| receipt.what == "user" && receipt.subject.as_ref().is_some_and(|subject| names.contains(subject))).collect())
}

/// Returns the sweep that deletes the spans of a subject.
fn deletion_sweep(project: u64, subject: DeletionSubject, traces: HashSet<TraceId>) -> RetentionSweep {
    RetentionSweep {
        affects_segment: Arc::new(move |segment| segment.projects.binary_search(&project).is_ok()),
        decide: Arc::new(move |seen| {
            let is_meant = seen.project == project && subject.contains(seen.trace, seen.user, &traces);
            if is_meant { RetentionDecision::Delete } else { RetentionDecision::Keep }
        }),
    }
}

/// Deletes a subject from every file. When it returns, no data of the subject remains, except in the files that the receipt lists.
///
/// # Errors
///
/// Returns [`RetentionError::NotFound`] if no data of the trace or user is stored. Returns another error if something cannot be read or
/// written: data that was already deleted stays deleted, and a repeated call or [`finish_interrupted`] deletes the rest.
pub async fn erase_subject(
    resources: &RetentionResources,
    project: u64,
    subject: DeletionSubject,
) -> Result<DeletionReceipt, RetentionError> {
    let _alone = resources.deletion_lock.lock().await;
    let known = resources.meta.project(project)?;
    let traces: HashSet<TraceId> = match &subject {
        DeletionSubject::Trace(id) => HashSet::from([*id]),
        DeletionSubject::User(user) => resources.engine.project(resources.store.snapshot(), project).traces_of_user(user).await?,
        DeletionSubject::Project | DeletionSubject::Budget => HashSet::new(),
    };
    let mut begun = PendingDeletion { project, name: known.name, disabled: known.disabled, subject, traces };
    // A deletion that failed halfway knows traces that are not in any file any more.
    for (id, before) in interrupted_deletions(resources)? {
        if (before.project, &before.subject) == (project, &begun.subject) {
            begun.traces.extend(&before.traces);
            begun.disabled = before.disabled;
            return run_deletion(resources, id, begun, DeletionTrigger::RepeatedRequest).await;
        }
    }
    let text = serde_json::to_string(&begun).map_err(|error| RetentionError::Internal(error.to_string()))?;
    let meta = resources.meta.clone();
    let id = run_blocking(move || meta.begin_deletion(&text)).await??;
    run_deletion(resources, id, begun, DeletionTrigger::Request).await
}

/// Finishes deletions that a crash or a failure interrupted.
///
/// # Errors
///
/// Returns the same errors as [`erase_subject`].
pub async fn finish_interrupted(resources: &RetentionResources) -> Result<(), RetentionError> {
    let _alone = resources.deletion_lock.lock().await;
    for (id, begun) in interrupted_deletions(resources)? {
        run_deletion(resources, id, begun, DeletionTrigger::Start).await?;
    }
    Ok(())
}

fn interrupted_deletions(resources: &RetentionResources) -> Result<Vec<(i64, PendingDeletion)>, RetentionError> {
    let kept = resources.meta.unfinished_deletions()?;
    let read = |text: &str| serde_json::from_str(text).map_err(|error| RetentionError::Internal(error.to_string()));
    kept.into_iter().map(|(id, text)| Ok((id, read(&text)?))).collect()
}

/// Why a deletion is processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeletionTrigger {
    /// It was requested.
    Request,
    /// The deletion was requested again after it had failed halfway.
    RepeatedRequest,
    /// The deletion was found unfinished after a start.
    Start,
}

/// Erases a subject from the databases of all tables. Returns the number of deleted rows, and of rows in which a name was redacted.
fn erase_rows(data: &Path, tables: &[Arc<dyn RetainedRows>], subject: &ErasureSubject) -> Result<(ErasedRowCounts, u64), RetentionError> {
    let mut counts = ErasedRowCounts::default();
    if subject.names.is_none() {
        // Rules of the project must not write incidents any more.
        forget(tables, subject)?;
    }
    for table in tables {
        counts.add_all(&retained_rows::erase(data, &**table, subject)?);
    }
    let mut mentions = 0;
    if let Some(names) = &subject.names {
        forget(tables, subject)?;
        for table in tables {
            mentions += retained_rows::redact(data, &**table, subject.project, names)?;
        }
    }
    Ok((counts, mentions))
}

/// Removes a subject from memory. Fails if a part of the program still works with it: it could write a deleted name after the databases
/// were searched.
fn forget(tables: &[Arc<dyn RetainedRows>], subject: &ErasureSubject) -> Result<(), RetentionError> {
    for table in tables {
        if !table.forget(subject)? {
            let database = table.rules().database;
            return Err(RetentionError::Internal(format!("changes of {database} took too long to complete; repeat the deletion")));
        }
    }
    Ok(())
}

/// Processes a deletion. Each step may have been done before.
async fn run_deletion(
    resources: &RetentionResources,
    id: i64,
    begun: PendingDeletion,
    begin: DeletionTrigger,
) -> Result<DeletionReceipt, RetentionError> {
    let resumed = begin == DeletionTrigger::Start;
    let began = Instant::now();
    let PendingDeletion { project, name, disabled, subject, traces } = begun;
    let is_project = subject == DeletionSubject::Project;
    let set_disabled = |disabled: bool| match resources
        .meta
        .update_project(project, &ProjectPatch { disabled: Some(disabled), ..ProjectPatch::default() })
    {
        Err(MetadataError::NoProject(_)) => Ok(()),
        set => set.map(drop),
    };
    if is_project {
        // Data that arrives during the deletion would remain.
        set_disabled(true)?;
    }
    let swept = resources.store.apply_sweep(deletion_sweep(project, subject.clone(), traces.clone())).await?;
    let mut receipt = DeletionReceipt { resumed, ..DeletionReceipt::of(project, subject.clone(), &swept) };
    if is_project {
        receipt.subject = Some(name);
    }
    if let DeletionSubject::User(user) = &subject {
        receipt.subject = Some(keyed_hash(&resources.meta.receipt_key()?, user));
    }
    let users: Vec<String> = if let DeletionSubject::User(user) = &subject { vec![user.clone()] } else { Vec::new() };
    let erased = ErasureSubject { project, names: (!is_project).then_some(ErasedNames { traces, users }) };
    let (data, meta, tables) = (resources.data.clone(), resources.meta.clone(), resources.tables.clone());
    let rest = move || -> Result<_, RetentionError> {
        let erased_rows = erase_rows(&data, &tables, &erased)?;
        match erased.names {
            Some(names) => meta.unpin(project, names.traces)?,
            None => meta.delete_project(project)?,
        }
        Ok(erased_rows)
    };
    let (counts, mentions) = run_blocking(rest).await??;
    if is_project {
        // Data that was arriving when the project was disabled.
        receipt.spans += resources.store.apply_sweep(deletion_sweep(project, DeletionSubject::Project, HashSet::new())).await?.spans;
    }
    if is_project && project == 1 {
        set_disabled(disabled)?;
    }
    receipt.count_rows(&counts, mentions);
    receipt.duration_ms = began.elapsed().as_millis() as u64;
    let (meta, text) = (resources.meta.clone(), receipt.to_json()?);
    if begin == DeletionTrigger::Request && !is_project && !receipt.is_effective() {
        // A receipt would claim the deletion of something that was never stored, most likely because of a mistyped ID.
        run_blocking(move || meta.cancel_deletion(id)).await??;
        return Err(RetentionError::NotFound);
    }
    run_blocking(move || meta.end_deletion(id, &text)).await??;
    tracing::info!(project, what = receipt.what, spans = receipt.spans, files = receipt.files.len(), resumed, "erasure.subject.deleted");
    Ok(receipt)
}
