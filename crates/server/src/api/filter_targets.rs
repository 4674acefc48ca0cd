//! Terms by scores and findings in filters: looks up the spans, traces and conversations that they select.

use hinomi_query::filter::{Filter, FilterTargets, TargetTest};
use hinomi_tables::database::SqliteError;
use hinomi_tables::scores::{MAX_SCORE_TARGETS, ScoredTargets};

use super::{ApiError, ApiState};

/// Replaces terms by scores and findings in a filter with the targets of those that match.
pub(super) async fn resolve_filter(api: &ApiState, project: u64, filter: Filter) -> Result<Filter, ApiError> {
    let tests = filter.target_tests()?;
    if tests.is_empty() {
        return Ok(filter);
    }
    let (scores, findings) = (api.scores.clone(), api.findings.clone());
    let read = move || {
        let targets = |test| -> Result<ScoredTargets, SqliteError> {
            match test {
                TargetTest::Score(name, test) => scores.targets_with(project, &name, |value, label| test.passes(value, label)),
                TargetTest::Finding(test) => {
                    let spans = findings.spans_with(project, |detector, kind| test.passes(detector, kind), MAX_SCORE_TARGETS)?;
                    Ok(ScoredTargets { is_truncated: spans.len() > MAX_SCORE_TARGETS, spans, ..ScoredTargets::default() })
                }
            }
        };
        tests.into_iter().map(targets).collect::<Result<Vec<_>, _>>()
    };
    let found = tokio::task::spawn_blocking(read).await?.map_err(ApiError::internal)?;
    if found.iter().any(|targets| targets.is_truncated) {
        let message = format!("more than {MAX_SCORE_TARGETS} spans, traces and conversations have such a score or finding");
        return Err(ApiError::bad_request("too_many", message).hint("Use a narrower condition on the score or finding."));
    }
    let targets = |ScoredTargets { traces, spans, sessions, .. }| FilterTargets { traces, spans, sessions };
    Ok(filter.resolve_targets(found.into_iter().map(targets).collect()))
}
