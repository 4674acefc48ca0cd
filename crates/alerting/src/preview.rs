//! Preview of a rule: evaluates stored spans with the same evaluator and a simulated clock.

use hinomi_model::span::Span;
use hinomi_query::ProjectSnapshot;
use hinomi_store::low_priority::{CancellationFlag, run_blocking};

use super::HumanDuration;
use super::alert_store::AlertRecord;
use super::error::{AlertError, invalid};
use super::evaluator::metric_series::AlertGroupKey;
use super::evaluator::prepared_rule::{ARRIVAL_DELAY, AlertWatch, LATE_SPAN_PERIOD};
use super::evaluator::{EvaluationPass, RuleEvaluator};
use super::incident::Incident;
use super::rule::AlertRule;
use super::rule::metric::MetricFormula;

/// Maximum number of spans in a preview.
const MAX_SPANS: usize = 2_000_000;
/// Number of spans for which memory is reserved at a time.
const RESERVED_SPANS: usize = 10_000;
/// Number of points in the chart.
const CHART_POINTS: i64 = 400;
/// Maximum number of incidents in the result.
const MAX_INCIDENTS: usize = 200;

/// Result of a rule over a past time range.
#[derive(Debug, Clone, PartialEq)]
pub struct RulePreview {
    /// Number of times the rule would have fired.
    pub fired: usize,
    /// Incidents with their times, the oldest first; at most 200.
    pub incidents: Vec<Incident>,
    /// Values over time, with the time in microseconds since the Unix epoch; with groups, the value furthest beyond the threshold.
    pub points: Vec<(i64, Option<f64>)>,
    /// Start of the time range.
    pub from_us: i64,
    /// End of the time range.
    pub to_us: i64,
}

/// Evaluates a rule on the stored spans of a time range.
///
/// # Errors
///
/// Returns an error if the rule is not valid, does not measure spans, or there are too many spans.
pub async fn preview(view: &ProjectSnapshot, rule: &AlertRule, from_us: i64, to_us: i64) -> Result<RulePreview, PreviewError> {
    rule.check()?;
    if matches!(rule.measure.made(), MetricFormula::Polled(_)) {
        return Err(invalid("measure", format!("{} cannot be previewed", rule.measure.name())).into());
    }
    let kept = AlertRecord {
        id: 1,
        project: 1,
        definition: AlertRule { enabled: true, ..rule.clone() },
        muted_until_us: None,
        created_us: 0,
        updated_us: 0,
    };
    let watcher = AlertWatch::rule(kept);
    let Some(spec) = watcher.spec().cloned() else { return Err(AlertError::Unknown("measure").into()) };
    let track = spec.new_series(watcher.kept_steps())?;
    let before_us = track.kept_steps * spec.step_us;
    let mut spans: Vec<Span> = Vec::new();
    let mut is_too_much = false;
    let reserved = view.reserve("spans of a preview");
    let mut is_held = Ok(());
    let matcher = track.matcher.clone();
    let columns = track.required_columns();
    view.each_span(from_us.saturating_sub(before_us), to_us, &columns, |span| {
        if matcher.holds(&span) {
            is_too_much |= spans.len() >= MAX_SPANS;
            if spans.len().is_multiple_of(RESERVED_SPANS) && is_held.is_ok() {
                is_held = reserved.grow(RESERVED_SPANS * size_of::<Span>());
            }
            if !is_too_much && is_held.is_ok() {
                spans.push(span);
            }
        }
    })
    .await?;
    is_held?;
    if is_too_much {
        return Err(invalid("from", format!("the preview covers more than {MAX_SPANS} spans; choose a shorter time range")).into());
    }
    let window = rule.window;
    let run = move |wanted: CancellationFlag| {
        let _reserved = reserved;
        evaluate_spans(watcher, window, track, spans, (from_us, to_us), &wanted)
    };
    run_blocking(run).await.ok().flatten().ok_or(PreviewError::Ended)
}

/// Reason why a preview fails.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The rule is not valid or cannot be previewed.
    #[error(transparent)]
    Rule(#[from] AlertError),
    /// The query engine failed.
    #[error(transparent)]
    Query(#[from] hinomi_query::QueryError),
    /// The preview was cancelled.
    #[error("the preview was cancelled")]
    Ended,
}

/// Evaluates the spans; `None` if nobody waits for the result any more.
fn evaluate_spans(
    watcher: AlertWatch,
    window: HumanDuration,
    track: super::evaluator::metric_series::AlertSeries,
    mut spans: Vec<Span>,
    (from_us, to_us): (i64, i64),
    wanted: &CancellationFlag,
) -> Option<RulePreview> {
    spans.sort_by_key(|span| span.end_us.max(span.start_us));
    let step_us = track.spec.step_us;
    let first_us = from_us.div_euclid(step_us) * step_us;
    let mut evaluator = RuleEvaluator::new(from_us);
    evaluator.note_missed_spans(from_us - window.0.max(LATE_SPAN_PERIOD.0) - ARRIVAL_DELAY.0);
    evaluator.set_watches(vec![watcher]);
    evaluator.add_series(vec![track]);
    let every = HumanDuration((to_us - from_us) / CHART_POINTS).0.max(step_us) / step_us * step_us;
    let mut seen = PreviewIncidents::default();
    let mut points = Vec::new();
    let mut spans = spans.into_iter().peekable();
    let mut at_us = first_us;
    while at_us < to_us {
        if !wanted.is_wanted() {
            return None;
        }
        // Between two passes of the clock, spans are evaluated as they arrive, as they would have been.
        while let Some(span) = spans.next_if(|span| span.end_us.max(span.start_us) < at_us + step_us) {
            evaluator.advance_clock(span.end_us.max(span.start_us).min(to_us));
            evaluator.count_span(1, &span, 1, 1);
            if span.end_us >= from_us {
                let changes = evaluator.evaluate(span.end_us.max(span.start_us), EvaluationPass::RowsArrived);
                seen.record_incidents(&mut evaluator, changes);
            }
        }
        at_us += step_us;
        let changes = evaluator.evaluate(at_us, EvaluationPass::ClockTick);
        seen.record_incidents(&mut evaluator, changes);
        if (at_us - first_us) % every == 0 {
            points.push((at_us, evaluator.current_value(1)));
        }
    }
    Some(RulePreview { fired: seen.fired, incidents: seen.incidents, points, from_us, to_us })
}

/// Incidents so far.
#[derive(Default)]
struct PreviewIncidents {
    fired: usize,
    incidents: Vec<Incident>,
}

impl PreviewIncidents {
    fn record_incidents(&mut self, evaluator: &mut RuleEvaluator, mut changes: Vec<super::alert_store::IncidentChange>) {
        let mut opened: Vec<(AlertGroupKey, i64)> = Vec::new();
        for change in &mut changes {
            let group = AlertGroupKey::from_notification_group(change.incident.group.as_ref());
            if change.incident.id == 0 {
                let known = opened.iter().find(|(known, _)| *known == group).map(|(_, id)| *id);
                change.incident.id = known.unwrap_or_else(|| {
                    self.fired += 1;
                    opened.push((group, self.fired as i64));
                    self.fired as i64
                });
            }
            match self.incidents.iter().position(|known| known.id == change.incident.id) {
                Some(at) => self.incidents[at].clone_from(&change.incident),
                None if self.incidents.len() < MAX_INCIDENTS => self.incidents.push(change.incident.clone()),
                None => {}
            }
        }
        evaluator.apply_changes(changes);
    }
}
