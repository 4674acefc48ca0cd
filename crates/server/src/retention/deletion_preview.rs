//! Counts what a deletion would remove, before it is requested.

use std::collections::{BTreeSet, HashSet};

use hinomi_model::id::TraceId;
use hinomi_tables::database::SqliteError;
use hinomi_tables::retained_rows;
use hinomi_tables::retained_rows::{ErasedNames, ErasedRowCounts, ErasedRowKind, ErasureSubject};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DeletionSubject, RetentionError, RetentionResources, run_blocking};

/// Amount of data that a deletion would remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletionPreview {
    /// Number of traces with affected spans.
    pub traces: u64,
    /// Number of spans.
    pub spans: u64,
    /// Number of error events.
    pub errors: u64,
    /// Number of scores.
    pub scores: u64,
    /// Number of log lines.
    pub log_lines: u64,
    /// Number of series of OpenTelemetry metrics.
    pub series: u64,
}

/// Counts the stored data of a subject.
///
/// # Errors
///
/// Returns an error if the data cannot be read.
pub async fn count_stored(places: &RetentionResources, project: u64, subject: DeletionSubject) -> Result<DeletionPreview, RetentionError> {
    places.meta.project(project)?;
    let view = places.engine.project(places.store.snapshot(), project);
    let (users, ids) = match &subject {
        DeletionSubject::Trace(id) => (Vec::new(), HashSet::from([*id])),
        DeletionSubject::User(user) => (vec![user.clone()], view.traces_of_user(user).await?),
        DeletionSubject::Project | DeletionSubject::Budget => (Vec::new(), HashSet::new()),
    };
    let (mut spans, mut traces): (u64, HashSet<TraceId>) = (0, HashSet::new());
    view.each_span(i64::MIN, i64::MAX, &BTreeSet::from(["trace_id", "user_id"]), |span| {
        if subject.contains(span.trace_id, span.user_id.as_deref(), &ids) {
            spans += 1;
            traces.insert(span.trace_id);
        }
    })
    .await?;
    let (data, tables) = (places.data.clone(), places.tables.clone());
    let names = (subject != DeletionSubject::Project).then_some(ErasedNames { traces: ids, users });
    let erased = ErasureSubject { project, names };
    let count = move || -> Result<_, SqliteError> {
        let mut counts = ErasedRowCounts::default();
        for table in &tables {
            counts.add_all(&retained_rows::count(&data, &**table, &erased)?);
        }
        Ok(counts)
    };
    let counts = run_blocking(count).await??;
    Ok(DeletionPreview {
        traces: traces.len() as u64,
        spans,
        errors: counts.of(ErasedRowKind::ErrorEvent),
        scores: counts.of(ErasedRowKind::Score),
        log_lines: counts.of(ErasedRowKind::LogLine),
        series: counts.of(ErasedRowKind::Series),
    })
}
