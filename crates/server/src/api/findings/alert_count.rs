//! Number of traces with findings, for alert rules.

use std::collections::HashSet;
use std::sync::Arc;

use hinomi_model::id::{SpanId, TraceId};
use hinomi_query::QueryEngine;
use hinomi_query::filter::{Filter, FilterTargets, TargetTest};
use hinomi_store::Store;
use hinomi_tables::findings::{FindingStore, FoundSpans};
use hinomi_tables::scores::ScoreStore;

use super::matching_traces;

/// Maximum number of findings that are counted.
const MAX_COUNTED_FINDINGS: usize = 100_000;

/// Counts traces with findings.
#[derive(Debug, Clone)]
pub struct FindingCounter {
    /// Store of spans.
    pub store: Arc<Store>,
    /// Engine that queries run on.
    pub engine: QueryEngine,
    /// Findings of traces.
    pub findings: Arc<FindingStore>,
    /// Scores.
    pub scores: Arc<ScoreStore>,
}

impl FindingCounter {
    /// Returns the number of traces in which something was found between two times, in microseconds since the Unix epoch, and that a filter
    /// selects. Terms by findings select among what was found between these times.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter is not valid, or data cannot be read.
    pub async fn count_traces(&self, project: u64, filter: &str, times_us: (i64, i64)) -> anyhow::Result<u64> {
        let filter = Filter::parse_stored(filter)?;
        let tests = filter.target_tests()?;
        let (findings, scores) = (self.findings.clone(), self.scores.clone());
        let read = move || -> anyhow::Result<(HashSet<TraceId>, Vec<FilterTargets>)> {
            let found = findings.spans_found(project, times_us, MAX_COUNTED_FINDINGS)?;
            let targets = |test: &TargetTest| -> anyhow::Result<FilterTargets> {
                match test {
                    TargetTest::Finding(test) => {
                        let passing = found.iter().filter(|found| test.passes(&found.detector, &found.kind));
                        Ok(FilterTargets { spans: spans_of(passing), ..FilterTargets::default() })
                    }
                    TargetTest::Score(name, test) => {
                        let found = scores.targets_with(project, name, |value, label| test.passes(value, label))?;
                        Ok(FilterTargets { traces: found.traces, spans: found.spans, sessions: found.sessions })
                    }
                }
            };
            let targets = tests.iter().map(targets).collect::<anyhow::Result<Vec<_>>>()?;
            Ok((found.iter().map(|found| found.trace).collect(), targets))
        };
        let (among, targets) = tokio::task::spawn_blocking(read).await??;
        if filter.0.is_empty() || among.is_empty() {
            return Ok(among.len() as u64);
        }
        let snapshot = self.engine.project(self.store.snapshot(), project);
        Ok(matching_traces(&snapshot, &filter.resolve_targets(targets), among).await?.len() as u64)
    }
}

fn spans_of<'a>(found: impl Iterator<Item = &'a FoundSpans>) -> HashSet<(TraceId, SpanId)> {
    found.flat_map(|found| found.spans.iter().map(|span| (found.trace, *span))).collect()
}
