//! Evaluators, checked and ready to select and evaluate targets.

use std::sync::{Arc, PoisonError};

use hinomi_evaluation::evaluators::{CompiledEvaluator, EvaluatorConfigError};
use hinomi_query::filter::{Filter, FilterError, FilterTargets};
use hinomi_query::{QueryError, SpanMatcher};
use hinomi_tables::evaluators::{EvaluatorDraft, EvaluatorRecord, EvaluatorSampling};

use super::EvaluationService;
use crate::filter_targets::resolve_targets;
use crate::trace_work::TraceWorkError;

/// Maximum number of characters of the name of an evaluator, which is also the name of its scores.
const MAX_NAME_CHARACTERS: usize = 200;
/// Maximum number of sampling rules of an evaluator.
const MAX_SAMPLING_RULES: usize = 20;

/// Reason why an evaluator is not valid.
#[derive(Debug, thiserror::Error)]
pub enum EvaluatorDraftError {
    /// The name is empty or too long.
    #[error("name must have 1 to {MAX_NAME_CHARACTERS} characters")]
    Name,
    /// Type or configuration are not valid.
    #[error(transparent)]
    Config(#[from] EvaluatorConfigError),
    /// A filter is not valid.
    #[error("{field}: {error}")]
    Filter {
        /// Field of the evaluator.
        field: &'static str,
        /// Reason.
        error: FilterError,
    },
    /// A filter compares a value that cannot be compared.
    #[error("{field}: {error}")]
    FilterValue {
        /// Field of the evaluator.
        field: &'static str,
        /// Reason.
        error: Box<QueryError>,
    },
    /// A rate is not between 0 and 1.
    #[error("sampling: {0} is not a rate; use a number from 0 to 1")]
    Rate(f64),
    /// There are no sampling rules, or too many.
    #[error("sampling: use 1 to {MAX_SAMPLING_RULES} rules")]
    RuleCount,
    /// The budget is negative.
    #[error("daily_budget: {0} is not an amount; use a number of US dollars from 0, or null")]
    Budget(f64),
}

/// Checks an evaluator that somebody wants to store or to try.
///
/// # Errors
///
/// Returns an error that names the invalid field.
pub fn check_draft(draft: &EvaluatorDraft) -> Result<CompiledEvaluator, EvaluatorDraftError> {
    let characters = draft.name.trim().chars().count();
    if characters == 0 || characters > MAX_NAME_CHARACTERS || draft.name.chars().any(char::is_control) {
        return Err(EvaluatorDraftError::Name);
    }
    let filter = |field, q: &str| -> Result<(), EvaluatorDraftError> {
        let parsed = Filter::parse(q).map_err(|error| EvaluatorDraftError::Filter { field, error })?;
        check_values(parsed).map_err(|error| EvaluatorDraftError::FilterValue { field, error: Box::new(error) })
    };
    filter("q", &draft.q)?;
    let rates: Vec<f64> = match &draft.sampling {
        EvaluatorSampling::Rate(rate) => vec![*rate],
        EvaluatorSampling::Rules(rules) if (1..=MAX_SAMPLING_RULES).contains(&rules.len()) => {
            rules.iter().try_for_each(|rule| filter("sampling", &rule.q))?;
            rules.iter().map(|rule| rule.rate).collect()
        }
        EvaluatorSampling::Rules(_) => return Err(EvaluatorDraftError::RuleCount),
    };
    if let Some(rate) = rates.into_iter().find(|rate| !(0.0..=1.0).contains(rate)) {
        return Err(EvaluatorDraftError::Rate(rate));
    }
    if let Some(budget) = draft.daily_budget.filter(|budget| !budget.is_finite() || *budget < 0.0) {
        return Err(EvaluatorDraftError::Budget(budget));
    }
    Ok(CompiledEvaluator::compile(&draft.evaluator_type, &draft.config)?)
}

/// Checks that the values of a filter can be compared with their fields.
fn check_values(filter: Filter) -> Result<(), QueryError> {
    let no_targets = vec![FilterTargets::default(); filter.target_tests()?.len()];
    SpanMatcher::new(&filter.resolve_targets(no_targets)).map(drop)
}

/// The rate at which the targets of a filter are selected.
#[derive(Debug, Clone)]
pub(super) struct SamplingRate {
    /// Filter in addition to the filter of the evaluator.
    pub(super) filter: Filter,
    /// Fraction of the targets that is selected, from 0 to 1.
    pub(super) rate: f64,
}

/// An evaluator that is ready to select and evaluate targets. Its filters contain the targets of scores and findings of the time at which it
/// was prepared.
#[derive(Debug)]
pub struct PreparedEvaluator {
    /// The evaluator.
    pub record: EvaluatorRecord,
    /// Its method.
    pub(super) method: Arc<CompiledEvaluator>,
    /// Filter of its targets.
    pub(super) filter: Filter,
    /// Rates; the first whose filter matches applies.
    pub(super) rates: Vec<SamplingRate>,
    /// Seed of the sampling.
    pub(super) seed: u64,
}

/// Reason why a stored evaluator cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    /// The evaluator is not valid any more.
    #[error(transparent)]
    Draft(#[from] EvaluatorDraftError),
    /// Targets of a filter could not be looked up.
    #[error(transparent)]
    Targets(#[from] crate::filter_targets::FilterTargetError),
}

impl EvaluationService {
    /// Prepares an evaluator. Blocks the calling thread.
    pub(super) fn prepare(&self, record: EvaluatorRecord) -> Result<PreparedEvaluator, PrepareError> {
        let method = self.method_of(&record)?;
        let filter = |field, q: &str| -> Result<Filter, PrepareError> {
            let filter = Filter::parse_stored(q).map_err(|error| EvaluatorDraftError::Filter { field, error })?;
            Ok(resolve_targets((&self.scores, &self.findings), record.project, filter)?)
        };
        let rates = match &record.draft.sampling {
            EvaluatorSampling::Rate(rate) => vec![SamplingRate { filter: Filter::default(), rate: *rate }],
            EvaluatorSampling::Rules(rules) => {
                let rate = |rule: &hinomi_tables::evaluators::SamplingRuleDraft| -> Result<SamplingRate, PrepareError> {
                    Ok(SamplingRate { filter: filter("sampling", &rule.q)?, rate: rule.rate })
                };
                rules.iter().map(rate).collect::<Result<_, _>>()?
            }
        };
        let seed = record.draft.seed.unwrap_or(record.project);
        Ok(PreparedEvaluator { method, filter: filter("q", &record.draft.q)?, rates, seed, record })
    }

    /// Prepares an evaluator that need not be stored.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not valid, or a database cannot be read.
    pub async fn prepare_one(self: &Arc<Self>, record: EvaluatorRecord) -> Result<PreparedEvaluator, TraceWorkError> {
        let service = self.clone();
        let prepared = tokio::task::spawn_blocking(move || service.prepare(record)).await.map_err(|_| TraceWorkError::Stopping)?;
        prepared.map_err(|error| match error {
            PrepareError::Targets(error) => error.into(),
            PrepareError::Draft(error) => TraceWorkError::Evaluator(error.to_string()),
        })
    }

    /// Prepares the enabled evaluators of a project. Evaluators that cannot be used are logged and left out.
    pub(super) async fn prepare_enabled(self: &Arc<Self>, project: u64) -> Result<Vec<PreparedEvaluator>, TraceWorkError> {
        let service = self.clone();
        let prepare = move || -> Result<Vec<PreparedEvaluator>, TraceWorkError> {
            let records = service.evaluators.evaluators(project)?;
            service.forget_methods_except(project, &records);
            let mut prepared = Vec::new();
            for record in records.into_iter().filter(|record| record.draft.enabled) {
                let id = record.id;
                match service.prepare(record) {
                    Ok(evaluator) => prepared.push(evaluator),
                    Err(PrepareError::Targets(error @ crate::filter_targets::FilterTargetError::Database(_))) => return Err(error.into()),
                    Err(error) => tracing::warn!(project, evaluator = id, %error, "evaluator.prepare.failed"),
                }
            }
            Ok(prepared)
        };
        tokio::task::spawn_blocking(prepare).await.map_err(|_| TraceWorkError::Stopping)?
    }

    /// Returns the compiled method of an evaluator. Evaluators without an ID are not remembered.
    fn method_of(&self, record: &EvaluatorRecord) -> Result<Arc<CompiledEvaluator>, EvaluatorDraftError> {
        let key = (record.id, record.version);
        let known = self.compiled.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(method) = known.filter(|_| record.id != 0) {
            return Ok(method);
        }
        let method = Arc::new(CompiledEvaluator::compile(&record.draft.evaluator_type, &record.draft.config)?);
        if record.id != 0 {
            self.compiled.lock().unwrap_or_else(PoisonError::into_inner).insert(key, method.clone());
        }
        Ok(method)
    }

    /// Forgets the compiled methods of former versions of a project's evaluators.
    fn forget_methods_except(&self, project: u64, records: &[EvaluatorRecord]) {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = |id: i64| records.iter().find(|record| record.id == id && record.project == project).map(|record| record.version);
        compiled.retain(|(id, version), _| newest(*id).is_none_or(|newest| newest == *version));
    }
}
