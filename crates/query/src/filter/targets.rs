//! Terms by scores (`score.NAME:<0.5`, `score.NAME:label`, `score.NAME:*`) and by findings (`finding:KIND`, `finding:DETECTOR`, `finding:*`).
//!
//! Scores and findings are not stored with spans. Before a query runs, the caller resolves such terms: it looks up the targets of the
//! matching scores and findings, and the term becomes [`FilterTerm::InTargets`]. A span passes if the span, its trace or its conversation is such a target.

use std::collections::HashSet;

use hinomi_model::id::{SpanId, TraceId};

use super::matcher::{ValueTest, WildcardPattern, prepare_test};
use super::{FieldTest, Filter, FilterTerm};
use crate::error::QueryError;
use crate::filter::fields::FilterColumnType;

/// Prefix of the fields; the name of the score follows.
pub(super) const SCORE_PREFIX: &str = "score.";

/// Field of terms by findings.
const FINDING_FIELD: &str = "finding";

/// Names of the fields that are resolved, in addition to `score.NAME`.
pub(super) const FIELD_NAMES: &[&str] = &[FINDING_FIELD];

/// Returns whether the terms of a field are resolved before a query runs.
pub(super) fn is_target_field(field: &str) -> bool {
    field == FINDING_FIELD || field.starts_with(SCORE_PREFIX)
}

/// Spans, and traces and conversations as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterTargets {
    /// Traces.
    pub traces: HashSet<TraceId>,
    /// Spans.
    pub spans: HashSet<(TraceId, SpanId)>,
    /// IDs of conversations.
    pub sessions: HashSet<String>,
}

impl FilterTargets {
    /// Returns whether a span, its trace or its conversation is a target.
    pub(crate) fn contains(&self, trace: TraceId, span: SpanId, session: Option<&str>) -> bool {
        self.traces.contains(&trace)
            || self.spans.contains(&(trace, span))
            || session.is_some_and(|session| self.sessions.contains(session))
    }

    /// Returns the traces of all targets; `None` if conversations are targets, whose traces are unknown.
    pub(crate) fn all_traces(&self) -> Option<HashSet<TraceId>> {
        let of_spans = self.spans.iter().map(|(trace, _)| *trace);
        self.sessions.is_empty().then(|| self.traces.iter().copied().chain(of_spans).collect())
    }
}

/// Condition on a score.
#[derive(Debug, Clone)]
pub struct ScoreTest(ScoreTestKind);

#[derive(Debug, Clone)]
enum ScoreTestKind {
    Present,
    Labels(Vec<WildcardPattern>, Vec<f64>),
    Value(ValueTest),
}

impl ScoreTest {
    fn new(field: &str, test: &FieldTest) -> Result<ScoreTest, QueryError> {
        Ok(ScoreTest(match test {
            FieldTest::Present => ScoreTestKind::Present,
            FieldTest::Compare(..) => ScoreTestKind::Value(prepare_test(field, FilterColumnType::Count, test)?),
            FieldTest::OneOf(values) => {
                let number = |value: &String| match value.as_str() {
                    "true" => Some(1.0),
                    "false" => Some(0.0),
                    other => other.parse().ok(),
                };
                ScoreTestKind::Labels(
                    values.iter().map(|value| WildcardPattern::new(value)).collect(),
                    values.iter().filter_map(number).collect(),
                )
            }
        }))
    }

    /// Returns whether a score with this value and label passes.
    pub fn passes(&self, value: Option<f64>, label: Option<&str>) -> bool {
        match &self.0 {
            ScoreTestKind::Present => true,
            ScoreTestKind::Labels(labels, numbers) => {
                label.is_some_and(|label| labels.iter().any(|pattern| pattern.holds(label)))
                    || value.is_some_and(|value| numbers.contains(&value))
            }
            ScoreTestKind::Value(test) => test.passes_number(value),
        }
    }
}

/// Condition on a finding.
#[derive(Debug, Clone)]
pub struct FindingTest(Option<Vec<WildcardPattern>>);

impl FindingTest {
    fn new(test: &FieldTest) -> Result<FindingTest, QueryError> {
        match test {
            FieldTest::Present => Ok(FindingTest(None)),
            FieldTest::OneOf(values) => Ok(FindingTest(Some(values.iter().map(|value| WildcardPattern::new(value)).collect()))),
            FieldTest::Compare(..) => Err(QueryError::BadValue {
                field: FINDING_FIELD.to_owned(),
                value: ">".to_owned(),
                wanted: "a kind or detector of findings, which cannot be compared",
            }),
        }
    }

    /// Returns whether a finding of this detector and kind passes.
    pub fn passes(&self, detector: &str, kind: &str) -> bool {
        self.0.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.holds(kind) || pattern.holds(detector)))
    }
}

/// Condition of a term that is resolved before a query runs.
#[derive(Debug, Clone)]
pub enum TargetTest {
    /// Condition on the scores with a name.
    Score(String, ScoreTest),
    /// Condition on findings.
    Finding(FindingTest),
}

impl TargetTest {
    /// Returns the condition of a term; `None` for a term of another field.
    fn of_term(field: &str, test: &FieldTest) -> Result<Option<TargetTest>, QueryError> {
        if field == FINDING_FIELD {
            return FindingTest::new(test).map(TargetTest::Finding).map(Some);
        }
        let Some(name) = field.strip_prefix(SCORE_PREFIX) else { return Ok(None) };
        Ok(Some(TargetTest::Score(name.to_owned(), ScoreTest::new(field, test)?)))
    }
}

impl Filter {
    /// Returns the conditions on scores and findings that [`resolve_targets`](Filter::resolve_targets) needs, in its order.
    ///
    /// # Errors
    ///
    /// Returns an error if a score is compared with something that is no number, or a finding is compared.
    pub fn target_tests(&self) -> Result<Vec<TargetTest>, QueryError> {
        let mut tests = Vec::new();
        collect_tests(self, &mut tests)?;
        Ok(tests)
    }

    /// Replaces the terms by scores and findings with the targets of those that match. `targets` has one element for each of
    /// [`target_tests`](Filter::target_tests).
    #[must_use]
    pub fn resolve_targets(mut self, targets: Vec<FilterTargets>) -> Filter {
        replace_terms(&mut self, &mut targets.into_iter());
        self
    }
}

fn collect_tests(filter: &Filter, tests: &mut Vec<TargetTest>) -> Result<(), QueryError> {
    for term in &filter.0 {
        match term {
            FilterTerm::Field { field, test, .. } => tests.extend(TargetTest::of_term(field, test)?),
            FilterTerm::Group { any, .. } => any.iter().try_for_each(|filter| collect_tests(filter, tests))?,
            FilterTerm::Text { .. } | FilterTerm::InTraces(_) | FilterTerm::InTargets { .. } => {}
        }
    }
    Ok(())
}

fn replace_terms(filter: &mut Filter, targets: &mut std::vec::IntoIter<FilterTargets>) {
    for term in &mut filter.0 {
        match term {
            FilterTerm::Field { not, field, .. } if is_target_field(field) => {
                *term = FilterTerm::InTargets { not: *not, targets: targets.next().unwrap_or_default().into() };
            }
            FilterTerm::Group { any, .. } => any.iter_mut().for_each(|filter| replace_terms(filter, targets)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(text: &str, value: Option<f64>, label: Option<&str>) -> bool {
        let tests = Filter::parse(text).unwrap().target_tests().unwrap();
        matches!(&tests[..], [TargetTest::Score(_, test)] if test.passes(value, label))
    }

    #[test]
    fn scores_are_compared_by_value_or_label() {
        assert!(passes("score.tone:<0.5", Some(0.4), None));
        assert!(!passes("score.tone:<0.5", Some(0.5), None));
        assert!(!passes("score.tone:<0.5", None, Some("rude")));
        assert!(passes("score.tone:rude,ang*", None, Some("angry")));
        assert!(passes("score.resolved:false", Some(0.0), None));
        assert!(passes("score.resolved:1", Some(1.0), Some("yes")));
        assert!(passes("score.tone:*", None, None));
        assert!(Filter::parse("score.tone:>x").unwrap().target_tests().is_err());
        assert!(Filter::parse("score.:1").is_err());
    }

    #[test]
    fn terms_are_resolved_in_order() {
        let filter = Filter::parse("score.a:1 (model:x OR -score.b:2)").unwrap();
        let tests = filter.target_tests().unwrap();
        assert!(matches!(&tests[..], [TargetTest::Score(a, _), TargetTest::Score(b, _)] if a == "a" && b == "b"));
        let of = |trace: u128| FilterTargets { traces: HashSet::from([TraceId(trace)]), ..FilterTargets::default() };
        let resolved = filter.resolve_targets(vec![of(1), of(2)]);
        assert!(resolved.target_tests().unwrap().is_empty());
        assert_eq!(resolved.0[0], FilterTerm::InTargets { not: false, targets: of(1).into() });
    }

    #[test]
    fn findings_are_selected_by_kind_or_detector() {
        let passes = |text: &str| {
            let tests = Filter::parse(text).unwrap().target_tests().unwrap();
            matches!(&tests[..], [TargetTest::Finding(test)] if test.passes("signal", "tool_loop"))
        };
        assert!(passes("finding:tool_loop"));
        assert!(passes("finding:refusal,tool_*"));
        assert!(passes("finding:signal"));
        assert!(passes("-finding:*"), "the term is negated, not the test");
        assert!(!passes("finding:refusal"));
        assert!(Filter::parse("finding:>1").unwrap().target_tests().is_err());
    }
}
