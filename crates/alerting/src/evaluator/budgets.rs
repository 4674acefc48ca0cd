//! Evaluation of budgets: spend and crossed steps.

use super::notification_plan::PERIOD_ENDED_REASON;
use super::{FORECAST_STEP, RuleEvaluator};
use crate::alert_store::IncidentChange;
use crate::delivery::notification::{AlertNotificationKind, AlertSeverity, CostProjection, MeasureUnit};
use crate::evaluator::forecast;
use crate::evaluator::forecast::SpendForecast;
use crate::evaluator::metric_series::{AlertGroupKey, AlertSeries};
use crate::evaluator::prepared_rule::{AlertWatch, BudgetWatch};
use crate::evaluator::state::BudgetGroupState;
use crate::incident::{AlertSource, Incident, IncidentEventKind, IncidentTimelineEntry};
use crate::rule::metric::{SeriesAggregation, SpanQuantity};

/// Spend of a budget in a period.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BudgetPeriodSpend {
    /// Start and end of the period, in microseconds since the Unix epoch.
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
    /// Spend in the unit of the budget.
    pub(crate) spent: f64,
    /// Estimated spend of calls that clients did not send because of sampling, in the unit of the budget.
    pub(crate) sampled_out: f64,
    pub(crate) forecast: Option<SpendForecast>,
}

impl RuleEvaluator {
    pub(super) fn evaluate_budget(
        &self,
        watch: &BudgetWatch,
        series: &AlertSeries,
        group: &AlertGroupKey,
        oldest: Option<i64>,
        ticked: bool,
        changes: &mut Vec<IncidentChange>,
    ) {
        let instance = (watch.record.id, group.clone());
        let (from_us, to_us) = watch.calendar.period_around(self.now_us);
        if let Some(incident) = self.open_incidents.get(&instance)
            && incident.window_to_us <= self.now_us
            && incident.window_from_us != from_us
        {
            changes.push(self.resolve_change(incident, Some(PERIOD_ENDED_REASON), incident.value));
        }
        // Late spend of the previous period still fires, once.
        if let Some(oldest) = oldest
            && oldest * series.spec.step_us < from_us
        {
            let previous = watch.calendar.period_around(from_us - 1);
            if previous.0 >= watch.record.updated_us || self.fired_steps.contains_key(&(instance, previous.0)) {
                changes.extend(self.evaluate_period(watch, series, group, previous, false));
            }
        }
        changes.extend(self.evaluate_period(watch, series, group, (from_us, to_us), ticked));
    }

    fn evaluate_period(
        &self,
        watch: &BudgetWatch,
        series: &AlertSeries,
        group: &AlertGroupKey,
        period: (i64, i64),
        ticked: bool,
    ) -> Vec<IncidentChange> {
        let budget = &watch.record.definition;
        let instance = (watch.record.id, group.clone());
        let (sum, quantity) = (sum_in_period(series, group, period), spend_quantity(watch));
        let spent = quantity.to_api_value(sum);
        let told = self.fired_steps.get(&(instance.clone(), period.0)).copied();
        let is_now = self.now_us < period.1;
        let open = self.open_incidents.get(&instance).filter(|incident| incident.window_from_us == period.0);
        let mut step = budget.steps.iter().copied().rfind(|step| sum >= quantity.to_sum(budget.amount * step / 100.0));
        let mut forecast = None;
        if budget.alert_on_forecast && step.is_none_or(|step| step < 100.0) && told.is_none_or(|told| told < 100.0) && ticked {
            forecast = self.forecast_spend(watch, series, group, period, spent).filter(|forecast| forecast.low > budget.amount);
            if forecast.is_some() && step.is_none() {
                step = Some(FORECAST_STEP);
            }
        }
        let Some(step) = step else {
            // Spend falls only if spans or prices were corrected.
            let over = open.filter(|_| told.is_some_and(|told| told > FORECAST_STEP));
            return over.map(|incident| self.resolve_change(incident, None, Some(spent))).into_iter().collect();
        };
        if told.is_some_and(|told| step <= told) {
            return Vec::new();
        }
        let severity = if step >= budget.critical_from { AlertSeverity::Critical } else { AlertSeverity::Warning };
        let threshold = if step == FORECAST_STEP { budget.amount } else { budget.amount * step / 100.0 };
        let (kind, happened) = if open.is_some() {
            (AlertNotificationKind::Worsened, IncidentEventKind::Worsened)
        } else {
            (AlertNotificationKind::Opened, IncidentEventKind::Opened)
        };
        let mut incident = open.cloned().unwrap_or_else(|| self.budget_incident(watch, group, period, severity));
        if incident.severity < severity {
            // The severity is worse than the one that was acknowledged.
            incident.acknowledged_us = None;
            incident.acknowledged_by = None;
        }
        incident.severity = severity.max(incident.severity);
        incident.worst = incident.severity;
        incident.threshold = threshold;
        incident.value = Some(spent);
        incident.peak = Some(incident.peak.unwrap_or(spent).max(spent));
        incident.steps.extend(budget.steps.iter().copied().filter(|one| *one <= step && told.is_none_or(|told| *one > told)));
        if step == FORECAST_STEP {
            incident.steps.push(FORECAST_STEP);
        }
        if is_now && group == &AlertGroupKey::AllSpans && budget.measure.unit() == MeasureUnit::Usd {
            let forecast = forecast.or_else(|| self.forecast_spend(watch, series, group, period, spent));
            incident.outlook = forecast.map(|forecast| CostProjection { projected_usd: forecast.projected, until: period.1 });
        }
        let text = if step == FORECAST_STEP { "forecast".to_owned() } else { format!("{step} %") };
        let entry = IncidentTimelineEntry {
            value: Some(spent),
            severity: Some(severity),
            text: Some(text),
            ..IncidentTimelineEntry::new(self.now_us, happened)
        };
        let mut changes = vec![self.notified_change(incident, kind, entry)];
        if !is_now && let Some(change) = changes.first() {
            // The period ended before the step was known to be crossed.
            let over = self.resolve_change(&change.incident, Some(PERIOD_ENDED_REASON), Some(spent));
            changes.push(over);
        }
        changes
    }

    /// Returns a new incident of a budget.
    fn budget_incident(&self, watch: &BudgetWatch, group: &AlertGroupKey, period: (i64, i64), severity: AlertSeverity) -> Incident {
        let budget = &watch.record.definition;
        let opening_us = self.next_opening_us(&(watch.record.id, group.clone()));
        Incident {
            group: group.to_notification_group(budget.group_by.as_deref()),
            severity,
            window_from_us: period.0,
            window_to_us: period.1,
            ..Incident::open(AlertSource::Budget, &watch.record, &budget.name, budget.measure, opening_us)
        }
    }

    /// Returns the forecast of a budget, for the whole budget only.
    fn forecast_spend(
        &self,
        watch: &BudgetWatch,
        series: &AlertSeries,
        group: &AlertGroupKey,
        period: (i64, i64),
        spent: f64,
    ) -> Option<SpendForecast> {
        let quantity = spend_quantity(watch);
        let sums = series.group_sums(group)?;
        let amount = watch.record.definition.amount;
        forecast::forecast_spend(sums, series.spec.step_us, period, self.now_us, spent, amount, |sum| quantity.to_api_value(sum))
    }

    /// Returns the current minute since the Unix epoch.
    pub(crate) fn current_minute(&self) -> i64 {
        self.now_us.div_euclid(60_000_000)
    }

    /// Returns the spend of a group in the current period. Computes the forecast only on request, since it takes longer.
    pub(crate) fn period_spend(&self, id: i64, group: &AlertGroupKey, with_forecast: bool) -> Option<BudgetPeriodSpend> {
        let Some(AlertWatch::Budget(watch)) = self.watches.get(&id) else { return None };
        let series = &self.series[*self.series_by_spec.get(&watch.spec)?];
        let (from_us, to_us) = watch.calendar.period_around(self.now_us);
        let spent = spend_in_period(watch, series, group, (from_us, to_us));
        let forecast = if with_forecast { self.forecast_spend(watch, series, group, (from_us, to_us), spent) } else { None };
        Some(BudgetPeriodSpend {
            from_us,
            to_us,
            spent,
            sampled_out: sampled_out_in_period(watch, series, group, (from_us, to_us)),
            forecast,
        })
    }

    /// Returns the spend of all groups of a budget in the current period, the largest first.
    pub(crate) fn group_spends(&self, id: i64) -> Vec<BudgetGroupState> {
        let Some(AlertWatch::Budget(watch)) = self.watches.get(&id) else { return Vec::new() };
        let Some(series) = self.series_by_spec.get(&watch.spec).map(|instance| &self.series[*instance]) else { return Vec::new() };
        let period = watch.calendar.period_around(self.now_us);
        let state = |group: &AlertGroupKey| {
            BudgetGroupState::new(group, spend_in_period(watch, series, group, period), sampled_out_in_period(watch, series, group, period))
        };
        let mut groups: Vec<BudgetGroupState> = series.groups().map(state).collect();
        groups.retain(|group| group.spent != 0.0);
        groups.sort_by(|a, b| b.spent.total_cmp(&a.spent).then_with(|| a.key.cmp(&b.key)));
        groups
    }
}

fn spend_quantity(watch: &BudgetWatch) -> SpanQuantity {
    match watch.spec.aggregation {
        SeriesAggregation::Sums(_, quantity) => quantity,
        SeriesAggregation::Sketches(_) => SpanQuantity::Count,
    }
}

fn spend_in_period(watch: &BudgetWatch, series: &AlertSeries, group: &AlertGroupKey, (from_us, to_us): (i64, i64)) -> f64 {
    spend_quantity(watch).to_api_value(sum_in_period(series, group, (from_us, to_us)))
}

fn sum_in_period(series: &AlertSeries, group: &AlertGroupKey, (from_us, to_us): (i64, i64)) -> i128 {
    series.aggregate(group, from_us.div_euclid(series.spec.step_us), to_us.div_euclid(series.spec.step_us), 0.0).quantity
}

/// Returns the spend of a period that clients probably left out by sampling, according to their sample rates.
fn sampled_out_in_period(watch: &BudgetWatch, series: &AlertSeries, group: &AlertGroupKey, (from_us, to_us): (i64, i64)) -> f64 {
    let step = |us: i64| us.div_euclid(series.spec.step_us);
    spend_quantity(watch).to_api_value(series.sampled_out(group, step(from_us), step(to_us)))
}
