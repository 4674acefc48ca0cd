//! Terms by scores and findings in filters: looks up the spans, traces and conversations that they select.

use hinomi_query::QueryError;
use hinomi_query::filter::{Filter, FilterTargets, TargetTest};
use hinomi_tables::database::SqliteError;
use hinomi_tables::findings::FindingStore;
use hinomi_tables::scores::{MAX_SCORE_TARGETS, ScoreStore, ScoredTargets};

/// Reason why the targets of a filter could not be looked up.
#[derive(Debug, thiserror::Error)]
pub enum FilterTargetError {
    /// The filter is not valid.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A database could not be read.
    #[error(transparent)]
    Database(#[from] SqliteError),
    /// A term selects too many targets.
    #[error("more than {MAX_SCORE_TARGETS} spans, traces and conversations have such a score or finding")]
    TooMany,
}

/// Replaces terms by scores and findings in a filter with the targets of those that match. Blocks the calling thread if there are such terms.
///
/// # Errors
///
/// Returns an error if the filter is not valid, a database cannot be read, or a term selects too many targets.
pub fn resolve_targets(
    (scores, findings): (&ScoreStore, &FindingStore),
    project: u64,
    filter: Filter,
) -> Result<Filter, FilterTargetError> {
    let mut found = Vec::new();
    for test in filter.target_tests()? {
        let ScoredTargets { traces, spans, sessions, is_truncated } = match test {
            TargetTest::Score(name, test) => scores.targets_with(project, &name, |value, label| test.passes(value, label))?,
            TargetTest::Finding(test) => {
                let spans = findings.spans_with(project, |detector, kind| test.passes(detector, kind), MAX_SCORE_TARGETS)?;
                ScoredTargets { is_truncated: spans.len() > MAX_SCORE_TARGETS, spans, ..ScoredTargets::default() }
            }
        };
        if is_truncated {
            return Err(FilterTargetError::TooMany);
        }
        found.push(FilterTargets { traces, spans, sessions });
    }
    Ok(filter.resolve_targets(found))
}
