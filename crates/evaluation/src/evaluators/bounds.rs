//! `latency` and `cost`: figures of the target compared with a limit.

use hinomi_model::money::Usd;

use super::config::{ConfigFields, EvaluatorConfigError, invalid};
use super::input::spans;
use super::{EvaluationInput, EvaluationResult, EvaluationValueType, EvaluatorMethod, NotApplicableReason};

/// Largest limit of a duration in milliseconds: one day.
const MAX_MILLISECONDS: f64 = 86_400_000.0;
/// Largest limit of a cost in US dollars.
const MAX_DOLLARS: f64 = 1_000_000.0;

/// The target takes at most a time. Of a conversation, each trace does.
#[derive(Debug)]
pub(super) struct LatencyBound {
    max_ms: f64,
}

impl LatencyBound {
    pub(super) fn new(fields: &mut ConfigFields) -> Result<LatencyBound, EvaluatorConfigError> {
        let max_ms = fields.number("max_ms", 0.0..=MAX_MILLISECONDS)?.ok_or_else(|| invalid("max_ms", "this field is required"))?;
        Ok(LatencyBound { max_ms })
    }
}

/// Returns the time from the first start to the last end of spans in microseconds.
fn duration_us(spans: &[&hinomi_model::span::Span]) -> Option<i64> {
    let known = || spans.iter().filter(|span| !span.has_no_duration);
    Some(known().map(|span| span.end_us).max()?.saturating_sub(known().map(|span| span.start_us).min()?))
}

impl EvaluatorMethod for LatencyBound {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Boolean
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let slowest_us = match input {
            EvaluationInput::Span(span) => duration_us(&[span]),
            EvaluationInput::Trace(spans) => duration_us(spans),
            EvaluationInput::Session(traces) => traces.iter().filter_map(|spans| duration_us(spans)).max(),
        };
        let milliseconds = slowest_us.ok_or(NotApplicableReason::NoDuration)? as f64 / 1e3;
        let explanation = format!("{milliseconds:.0} ms were measured, and {} ms are allowed.", self.max_ms);
        Ok(EvaluationResult::boolean(milliseconds <= self.max_ms, explanation))
    }
}

/// The target costs at most an amount.
#[derive(Debug)]
pub(super) struct CostBound {
    max_cost: Usd,
}

impl CostBound {
    pub(super) fn new(fields: &mut ConfigFields) -> Result<CostBound, EvaluatorConfigError> {
        let max_usd = fields.number("max_usd", 0.0..=MAX_DOLLARS)?.ok_or_else(|| invalid("max_usd", "this field is required"))?;
        let max_cost = Usd::from_dollars(max_usd).ok_or_else(|| invalid("max_usd", "this amount is too large"))?;
        Ok(CostBound { max_cost })
    }
}

impl EvaluatorMethod for CostBound {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Boolean
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let spans = spans(input);
        let is_unknown = spans.iter().any(|span| span.counted && span.is_call() && span.cost.is_none());
        // The same spans as in the totals: an agent may report a sum that its calls contain.
        let costs: Vec<Usd> = spans.iter().filter(|span| span.is_billed()).filter_map(|span| Some(span.cost.as_ref()?.total)).collect();
        if is_unknown || costs.is_empty() {
            return Err(NotApplicableReason::NoCost);
        }
        let cost: Usd = costs.into_iter().sum();
        let explanation = format!("The cost is {:.6} US dollars, and {} are allowed.", cost.dollars(), self.max_cost.dollars());
        Ok(EvaluationResult::boolean(cost <= self.max_cost, explanation))
    }
}
