//! Prepared rules and budgets: the series that they use, and how far back they look.

use hinomi_model::span::{Cost, Span};

use super::metric_series::{AlertGroupKey, AlertSeries, AlertSeriesSpec, WindowAggregate};
use super::thresholds::RuleThresholds;
use crate::alert_store::AlertRecord;
use crate::delivery::notification::ComparisonBaseline;
use crate::error::AlertError;
use crate::rule::budget::Budget;
use crate::rule::calendar::BudgetCalendar;
use crate::rule::duration::HumanDuration;
use crate::rule::metric::{MetricFormula, SeriesAggregation, SpanQuantity};
use crate::rule::{AlertRule, NotificationPolicy, check_group, check_zone, stored_filter};

/// Time after the end of a window during which the window is evaluated again if spans arrive late.
pub(crate) const LATE_SPAN_PERIOD: HumanDuration = HumanDuration::hours(1);
/// Time after the end of a window that rules for low values or missing data wait for late spans before they evaluate the window.
pub(crate) const ARRIVAL_DELAY: HumanDuration = HumanDuration::minutes(1);
/// History that a forecast uses.
const FORECAST_HISTORY: HumanDuration = HumanDuration::days(35);
/// Time that budgets are counted back: two months, so late spend of the previous month still counts.
const BUDGET_HISTORY: HumanDuration = HumanDuration::days(63);
/// Step of a budget: a quarter of an hour, because midnight in every time zone is at a multiple of a quarter of an hour in UTC.
pub(crate) const BUDGET_STEP: HumanDuration = HumanDuration::minutes(15);
/// Maximum number of steps in a window. Every evaluation adds them up.
const MAX_SUM_STEPS: i64 = 1440;
/// Maximum number of steps in a window of percentiles, whose steps are larger.
const MAX_SKETCH_STEPS: i64 = 120;
const WEEK: HumanDuration = HumanDuration::days(7);

/// An active rule.
#[derive(Debug, Clone)]
pub(crate) struct RuleWatch {
    pub(crate) record: AlertRecord<AlertRule>,
    pub(crate) thresholds: RuleThresholds,
    /// Series of the rule; `None` if its value is queried elsewhere.
    pub(crate) spec: Option<AlertSeriesSpec>,
    /// Number of steps that the rule needs.
    kept_steps: i64,
}

/// An active budget.
#[derive(Debug, Clone)]
pub(crate) struct BudgetWatch {
    pub(crate) record: AlertRecord<Budget>,
    pub(crate) calendar: BudgetCalendar,
    pub(crate) spec: AlertSeriesSpec,
}

/// An active rule or budget.
#[derive(Debug, Clone)]
pub(crate) enum AlertWatch {
    Rule(Box<RuleWatch>),
    Budget(Box<BudgetWatch>),
}

impl AlertWatch {
    pub(crate) fn rule(record: AlertRecord<AlertRule>) -> AlertWatch {
        let rule = &record.definition;
        let mut kept_steps = 0;
        let spec = SeriesAggregation::of(rule.measure.made()).map(|aggregation| {
            let max_steps = if matches!(aggregation, SeriesAggregation::Sums(..)) { MAX_SUM_STEPS } else { MAX_SKETCH_STEPS };
            let step = step_length(rule.window, max_steps);
            let compared = match rule.compare {
                None => 0,
                Some(ComparisonBaseline::Previous) => rule.window.0,
                Some(ComparisonBaseline::LastWeek) => WEEK.0,
            };
            kept_steps = (rule.window.0 + compared + LATE_SPAN_PERIOD.0) / step.0 + 2;
            AlertSeriesSpec {
                project: record.project,
                filter: rule.filter.trim().to_owned(),
                group_by: rule.group_by.clone(),
                max_groups: rule.max_groups,
                aggregation,
                step_us: step.0,
                with_sampled_out: false,
            }
        });
        AlertWatch::Rule(Box::new(RuleWatch { thresholds: RuleThresholds::of_rule(rule), spec, kept_steps, record }))
    }

    /// # Errors
    ///
    /// Returns an error if the time zone of the budget is no longer known.
    pub(crate) fn budget(record: AlertRecord<Budget>) -> Result<AlertWatch, AlertError> {
        let budget = &record.definition;
        let calendar = BudgetCalendar { period: budget.period, zone: check_zone(&budget.time_zone)?, week_starts: budget.week_starts };
        let aggregation = SeriesAggregation::of(budget.measure.made()).ok_or(AlertError::Unknown("measure"))?;
        let spec = AlertSeriesSpec {
            project: record.project,
            filter: budget.filter.trim().to_owned(),
            group_by: budget.group_by.clone(),
            max_groups: budget.max_groups,
            aggregation,
            step_us: BUDGET_STEP.0,
            with_sampled_out: true,
        };
        Ok(AlertWatch::Budget(Box::new(BudgetWatch { record, calendar, spec })))
    }

    pub(crate) fn id(&self) -> i64 {
        match self {
            AlertWatch::Rule(watch) => watch.record.id,
            AlertWatch::Budget(watch) => watch.record.id,
        }
    }

    pub(crate) fn project(&self) -> u64 {
        match self {
            AlertWatch::Rule(watch) => watch.record.project,
            AlertWatch::Budget(watch) => watch.record.project,
        }
    }

    pub(crate) fn spec(&self) -> Option<&AlertSeriesSpec> {
        match self {
            AlertWatch::Rule(watch) => watch.spec.as_ref(),
            AlertWatch::Budget(watch) => Some(&watch.spec),
        }
    }

    /// Returns the number of steps that the series must keep.
    pub(crate) fn kept_steps(&self) -> i64 {
        match self {
            AlertWatch::Rule(watch) => watch.kept_steps,
            AlertWatch::Budget(_) => BUDGET_HISTORY.0.max(FORECAST_HISTORY.0) / BUDGET_STEP.0,
        }
    }

    pub(crate) fn notification_policy(&self) -> &NotificationPolicy {
        match self {
            AlertWatch::Rule(watch) => &watch.record.definition.notify,
            AlertWatch::Budget(watch) => &watch.record.definition.notify,
        }
    }

    pub(crate) fn time_zone(&self) -> &str {
        match self {
            AlertWatch::Rule(watch) => &watch.record.definition.time_zone,
            AlertWatch::Budget(watch) => &watch.record.definition.time_zone,
        }
    }

    pub(crate) fn group_by(&self) -> Option<&str> {
        match self {
            AlertWatch::Rule(watch) => watch.record.definition.group_by.as_deref(),
            AlertWatch::Budget(watch) => watch.record.definition.group_by.as_deref(),
        }
    }

    pub(crate) fn filter(&self) -> &str {
        match self {
            AlertWatch::Rule(watch) => &watch.record.definition.filter,
            AlertWatch::Budget(watch) => &watch.record.definition.filter,
        }
    }

    /// Returns the quantity that a budget sums.
    pub(crate) fn quantity(&self) -> Option<SpanQuantity> {
        match self.spec()?.aggregation {
            SeriesAggregation::Sums(_, quantity) => Some(quantity),
            SeriesAggregation::Sketches(_) => None,
        }
    }

    pub(crate) fn is_muted(&self, now_us: i64) -> bool {
        match self {
            AlertWatch::Rule(watch) => watch.record.is_muted(now_us),
            AlertWatch::Budget(watch) => watch.record.is_muted(now_us),
        }
    }
}

impl AlertSeriesSpec {
    /// Creates an empty series that keeps this many steps.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter or group is not valid any more.
    pub(crate) fn new_series(&self, kept_steps: i64) -> Result<AlertSeries, AlertError> {
        let matcher = stored_filter(&self.filter)?;
        let by = check_group(self.group_by.as_deref(), self.max_groups)?;
        Ok(AlertSeries::new(self.clone(), kept_steps, by, matcher))
    }
}

/// Returns the length of a step: the shortest one that divides the window into at most `max_steps` steps.
fn step_length(window: HumanDuration, max_steps: i64) -> HumanDuration {
    let minutes = window.as_minutes();
    let steps = [1, 5, 15, 30, 60, 240, 480].into_iter().find(|step| minutes % step == 0 && minutes / step <= max_steps);
    HumanDuration::minutes(steps.unwrap_or(1))
}

/// Value of a rule in a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum WindowValue {
    Value(f64),
    /// Too little data to evaluate.
    Nothing,
}

impl RuleWatch {
    /// Returns the number of steps in the window.
    pub(crate) fn steps_in_window(&self, step_us: i64) -> i64 {
        self.record.definition.window.0 / step_us
    }

    /// Returns the value of the window that ends with step `last`, inclusive.
    pub(crate) fn window_value(&self, series: &AlertSeries, group: &AlertGroupKey, last: i64) -> WindowValue {
        let rule = &self.record.definition;
        let steps = self.steps_in_window(series.spec.step_us);
        let part = if let MetricFormula::Percentile(_, part) = rule.measure.made() { part } else { 0.0 };
        let aggregate = |last: i64| series.aggregate(group, last - steps + 1, last + 1, part);
        let least = rule.min_samples.and_then(|least| i64::try_from(least).ok()).unwrap_or(0);
        let now = aggregate(last);
        let is_nothing = now.spans < least || (now.spans <= 0 && rule.no_data.is_some());
        let Some(value) = self.value_of(&now).filter(|_| !is_nothing) else { return WindowValue::Nothing };
        let Some(compare) = rule.compare else { return WindowValue::Value(value) };
        let back = match compare {
            ComparisonBaseline::Previous => steps,
            ComparisonBaseline::LastWeek => WEEK.0 / series.spec.step_us,
        };
        let then = aggregate(last - back);
        match self.value_of(&then).filter(|_| then.spans >= least.max(1)) {
            Some(then) if then > 0.0 => WindowValue::Value((value - then) / then),
            _ => WindowValue::Nothing,
        }
    }

    fn value_of(&self, aggregate: &WindowAggregate) -> Option<f64> {
        match self.record.definition.measure.made() {
            MetricFormula::Sum(_, quantity) => Some(quantity.to_api_value(aggregate.quantity)),
            MetricFormula::Share(..) => (aggregate.spans > 0).then(|| aggregate.quantity as f64 / aggregate.spans as f64),
            MetricFormula::Percentile(..) => aggregate.percentile.map(|us| us / 1000.0),
            MetricFormula::Polled(_) => None,
        }
    }
}

/// Copies the fields of a span that series need.
pub(crate) fn strip_span(span: &Span, columns: &RequiredSpanFields) -> Span {
    let text = |wanted: bool, text: &Option<String>| if wanted { text.clone() } else { None };
    let mut record = Span {
        trace_id: span.trace_id,
        span_id: span.span_id,
        kind: span.kind,
        status: span.status,
        start_us: span.start_us,
        end_us: span.end_us,
        time_to_first_token_us: span.time_to_first_token_us,
        usage: span.usage,
        cost: span.cost.as_ref().map(|cost| Cost { total: cost.total, input: None, output: None, source: cost.source, price: None }),
        counted: span.counted,
        sample_rate: span.sample_rate,
        ..Span::default()
    };
    // Nearly all rules need some of these fields, which are short.
    record.request_model = text(columns.texts, &span.request_model);
    record.response_model = text(columns.texts, &span.response_model);
    record.provider = text(columns.texts, &span.provider);
    record.user_id = text(columns.texts, &span.user_id);
    record.environment = text(columns.texts, &span.environment);
    record.pipeline = text(columns.texts, &span.pipeline);
    record.agent = text(columns.texts, &span.agent);
    record.tool = text(columns.texts, &span.tool);
    record.prompt = text(columns.texts, &span.prompt);
    record.release = text(columns.texts, &span.release);
    record.session_id = text(columns.texts, &span.session_id);
    record.service = text(columns.texts, &span.service);
    record.thread = text(columns.texts, &span.thread);
    record.ingest_key = text(columns.texts, &span.ingest_key);
    if columns.texts {
        record.name.clone_from(&span.name);
        record.op.clone_from(&span.op);
    }
    if columns.tags {
        record.tags.clone_from(&span.tags);
    }
    if columns.attributes {
        record.attributes.clone_from(&span.attributes);
    }
    if columns.messages {
        record.input_messages.clone_from(&span.input_messages);
        record.output_messages.clone_from(&span.output_messages);
    }
    record
}

/// Span fields that series need in addition to the measured values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RequiredSpanFields {
    pub(crate) texts: bool,
    pub(crate) tags: bool,
    pub(crate) attributes: bool,
    pub(crate) messages: bool,
}

impl RequiredSpanFields {
    /// Adds the fields that a series needs.
    pub(crate) fn add_fields_of(&mut self, series: &AlertSeries) {
        const ALWAYS_READ_COLUMNS: [&str; 22] = [
            "kind",
            "status",
            "start_time",
            "end_time",
            "duration_us",
            "counted",
            "cost",
            "time_to_first_token_us",
            "trace_id",
            "span_id",
            "usage_input",
            "usage_cache_read",
            "usage_cache_write_5m",
            "usage_cache_write_1h",
            "usage_input_audio",
            "usage_output",
            "usage_reasoning",
            "usage_output_audio",
            "usage_input_image",
            "usage_output_image",
            "total_tokens",
            "sample_rate",
        ];
        for column in series.required_columns() {
            match column {
                "tags" => self.tags = true,
                "attributes" => self.attributes = true,
                "input_messages" | "output_messages" => self.messages = true,
                aggregate if ALWAYS_READ_COLUMNS.contains(&aggregate) => {}
                _ => self.texts = true,
            }
        }
    }

    /// Returns whether these fields include all fields of `other`.
    pub(crate) fn covers(&self, other: &RequiredSpanFields) -> bool {
        let pairs =
            [(self.texts, other.texts), (self.tags, other.tags), (self.attributes, other.attributes), (self.messages, other.messages)];
        pairs.into_iter().all(|(own, other)| own || !other)
    }
}
