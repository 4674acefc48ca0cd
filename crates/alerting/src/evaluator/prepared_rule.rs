//! Prepared rules and budgets: the series that they use, and how far back they look.

use hinomi_model::span::{Cost, Span};

use super::metric_series::{AlertGroupKey, AlertSeries, AlertSeriesSpec, WindowAggregate};
use super::thresholds::RuleThresholds;
use crate::alert_store::AlertRecord;
use crate::delivery::notice::ComparisonBaseline;
use crate::error::AlertError;
use crate::rule::budget::Budget;
use crate::rule::calendar::BudgetCalendar;
use crate::rule::duration::HumanDuration;
use crate::rule::metric::{MetricFormula, SeriesAggregation, SpanQuantity};
use crate::rule::{AlertRule, NotificationPolicy, check_group, check_zone, stored_filter};

/// Time after its end during which a window is evaluated again when spans arrive late.
pub(crate) const LATE: HumanDuration = HumanDuration::hours(1);
/// Time after its end until which a window waits for spans before low values or missing data are evaluated.
pub(crate) const GRACE: HumanDuration = HumanDuration::minutes(1);
/// History that a forecast uses.
const HISTORY: HumanDuration = HumanDuration::days(35);
/// Time that budgets are counted back: two months, so late spend of the previous month still counts.
const MONTHS: HumanDuration = HumanDuration::days(63);
/// Step of a budget. Midnight in every time zone is at a whole quarter of an hour.
pub(crate) const QUARTER: HumanDuration = HumanDuration::minutes(15);
/// Maximum number of steps in a window. Every evaluation adds them up.
const MOST_STEPS: i64 = 1440;
/// Maximum number of steps in a window of percentiles, whose steps are larger.
const MOST_SKETCHES: i64 = 120;
const WEEK: HumanDuration = HumanDuration::days(7);

/// An active rule.
#[derive(Debug, Clone)]
pub(crate) struct RuleWatch {
    pub(crate) kept: AlertRecord<AlertRule>,
    pub(crate) limits: RuleThresholds,
    /// Series of the rule; `None` if its value is queried elsewhere.
    pub(crate) spec: Option<AlertSeriesSpec>,
    /// Number of steps that the rule needs.
    keep: i64,
}

/// An active budget.
#[derive(Debug, Clone)]
pub(crate) struct BudgetWatch {
    pub(crate) kept: AlertRecord<Budget>,
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
    pub(crate) fn rule(kept: AlertRecord<AlertRule>) -> AlertWatch {
        let rule = &kept.what;
        let mut keep = 0;
        let spec = SeriesAggregation::of(rule.measure.made()).map(|gathers| {
            let most = if matches!(gathers, SeriesAggregation::Sums(..)) { MOST_STEPS } else { MOST_SKETCHES };
            let step = step(rule.window, most);
            let compared = match rule.compare {
                None => 0,
                Some(ComparisonBaseline::Previous) => rule.window.0,
                Some(ComparisonBaseline::LastWeek) => WEEK.0,
            };
            keep = (rule.window.0 + compared + LATE.0) / step.0 + 2;
            AlertSeriesSpec {
                project: kept.project,
                filter: rule.filter.trim().to_owned(),
                by: rule.group_by.clone(),
                max_groups: rule.max_groups,
                gathers,
                step_us: step.0,
                with_unsent: false,
            }
        });
        AlertWatch::Rule(Box::new(RuleWatch { limits: RuleThresholds::of(rule), spec, keep, kept }))
    }

    /// # Errors
    ///
    /// When its time zone is not known any more.
    pub(crate) fn budget(kept: AlertRecord<Budget>) -> Result<AlertWatch, AlertError> {
        let budget = &kept.what;
        let calendar = BudgetCalendar { period: budget.period, zone: check_zone(&budget.time_zone)?, week_starts: budget.week_starts };
        let gathers = SeriesAggregation::of(budget.measure.made()).ok_or(AlertError::Unknown("measure"))?;
        let spec = AlertSeriesSpec {
            project: kept.project,
            filter: budget.filter.trim().to_owned(),
            by: budget.group_by.clone(),
            max_groups: budget.max_groups,
            gathers,
            step_us: QUARTER.0,
            with_unsent: true,
        };
        Ok(AlertWatch::Budget(Box::new(BudgetWatch { kept, calendar, spec })))
    }

    pub(crate) fn id(&self) -> i64 {
        match self {
            AlertWatch::Rule(watch) => watch.kept.id,
            AlertWatch::Budget(watch) => watch.kept.id,
        }
    }

    pub(crate) fn project(&self) -> u64 {
        match self {
            AlertWatch::Rule(watch) => watch.kept.project,
            AlertWatch::Budget(watch) => watch.kept.project,
        }
    }

    pub(crate) fn spec(&self) -> Option<&AlertSeriesSpec> {
        match self {
            AlertWatch::Rule(watch) => watch.spec.as_ref(),
            AlertWatch::Budget(watch) => Some(&watch.spec),
        }
    }

    /// Returns the number of steps that the series must keep.
    pub(crate) fn keep(&self) -> i64 {
        match self {
            AlertWatch::Rule(watch) => watch.keep,
            AlertWatch::Budget(_) => MONTHS.0.max(HISTORY.0) / QUARTER.0,
        }
    }

    pub(crate) fn telling(&self) -> &NotificationPolicy {
        match self {
            AlertWatch::Rule(watch) => &watch.kept.what.notify,
            AlertWatch::Budget(watch) => &watch.kept.what.notify,
        }
    }

    pub(crate) fn time_zone(&self) -> &str {
        match self {
            AlertWatch::Rule(watch) => &watch.kept.what.time_zone,
            AlertWatch::Budget(watch) => &watch.kept.what.time_zone,
        }
    }

    pub(crate) fn group_by(&self) -> Option<&str> {
        match self {
            AlertWatch::Rule(watch) => watch.kept.what.group_by.as_deref(),
            AlertWatch::Budget(watch) => watch.kept.what.group_by.as_deref(),
        }
    }

    pub(crate) fn filter(&self) -> &str {
        match self {
            AlertWatch::Rule(watch) => &watch.kept.what.filter,
            AlertWatch::Budget(watch) => &watch.kept.what.filter,
        }
    }

    /// Returns the quantity that a budget sums.
    pub(crate) fn quantity(&self) -> Option<SpanQuantity> {
        match self.spec()?.gathers {
            SeriesAggregation::Sums(_, quantity) => Some(quantity),
            SeriesAggregation::Sketches(_) => None,
        }
    }

    pub(crate) fn is_muted(&self, now_us: i64) -> bool {
        match self {
            AlertWatch::Rule(watch) => watch.kept.is_muted(now_us),
            AlertWatch::Budget(watch) => watch.kept.is_muted(now_us),
        }
    }
}

impl AlertSeriesSpec {
    /// Creates an empty series that keeps this many steps.
    ///
    /// # Errors
    ///
    /// When the filter or group is not valid any more.
    pub(crate) fn track(&self, keep: i64) -> Result<AlertSeries, AlertError> {
        let matcher = stored_filter(&self.filter)?;
        let by = check_group(self.by.as_deref(), self.max_groups)?;
        Ok(AlertSeries::new(self.clone(), keep, by, matcher))
    }
}

/// Returns the length of a step: the shortest one that divides the window into at most `most` steps.
fn step(window: HumanDuration, most: i64) -> HumanDuration {
    let minutes = window.as_minutes();
    let steps = [1, 5, 15, 30, 60, 240, 480].into_iter().find(|step| minutes % step == 0 && minutes / step <= most);
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
    pub(crate) fn steps(&self, step_us: i64) -> i64 {
        self.kept.what.window.0 / step_us
    }

    /// Returns the value of the window that ends with step `last`, inclusive.
    pub(crate) fn read(&self, track: &AlertSeries, group: &AlertGroupKey, last: i64) -> WindowValue {
        let rule = &self.kept.what;
        let steps = self.steps(track.spec.step_us);
        let part = if let MetricFormula::Percentile(_, part) = rule.measure.made() { part } else { 0.0 };
        let figure = |last: i64| track.figure(group, last - steps + 1, last + 1, part);
        let least = rule.min_samples.and_then(|least| i64::try_from(least).ok()).unwrap_or(0);
        let now = figure(last);
        let is_nothing = now.spans < least || (now.spans <= 0 && rule.no_data.is_some());
        let Some(value) = self.value(&now).filter(|_| !is_nothing) else { return WindowValue::Nothing };
        let Some(compare) = rule.compare else { return WindowValue::Value(value) };
        let back = match compare {
            ComparisonBaseline::Previous => steps,
            ComparisonBaseline::LastWeek => WEEK.0 / track.spec.step_us,
        };
        let then = figure(last - back);
        match self.value(&then).filter(|_| then.spans >= least.max(1)) {
            Some(then) if then > 0.0 => WindowValue::Value((value - then) / then),
            _ => WindowValue::Nothing,
        }
    }

    fn value(&self, figure: &WindowAggregate) -> Option<f64> {
        match self.kept.what.measure.made() {
            MetricFormula::Sum(_, quantity) => Some(quantity.shown(figure.quantity)),
            MetricFormula::Share(..) => (figure.spans > 0).then(|| figure.quantity as f64 / figure.spans as f64),
            MetricFormula::Percentile(..) => figure.percentile.map(|us| us / 1000.0),
            MetricFormula::Asked(_) => None,
        }
    }
}

/// Copies the fields of a span that series need.
pub(crate) fn strip(span: &Span, columns: &RequiredSpanFields) -> Span {
    let text = |wanted: bool, text: &Option<String>| if wanted { text.clone() } else { None };
    let mut kept = Span {
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
    kept.request_model = text(columns.texts, &span.request_model);
    kept.response_model = text(columns.texts, &span.response_model);
    kept.provider = text(columns.texts, &span.provider);
    kept.user_id = text(columns.texts, &span.user_id);
    kept.environment = text(columns.texts, &span.environment);
    kept.pipeline = text(columns.texts, &span.pipeline);
    kept.agent = text(columns.texts, &span.agent);
    kept.tool = text(columns.texts, &span.tool);
    kept.prompt = text(columns.texts, &span.prompt);
    kept.release = text(columns.texts, &span.release);
    kept.session_id = text(columns.texts, &span.session_id);
    kept.service = text(columns.texts, &span.service);
    kept.thread = text(columns.texts, &span.thread);
    kept.ingest_key = text(columns.texts, &span.ingest_key);
    if columns.texts {
        kept.name.clone_from(&span.name);
        kept.op.clone_from(&span.op);
    }
    if columns.tags {
        kept.tags.clone_from(&span.tags);
    }
    if columns.attributes {
        kept.attributes.clone_from(&span.attributes);
    }
    if columns.messages {
        kept.input_messages.clone_from(&span.input_messages);
        kept.output_messages.clone_from(&span.output_messages);
    }
    kept
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
    pub(crate) fn add(&mut self, track: &AlertSeries) {
        const FIGURES: [&str; 19] = [
            "kind",
            "status",
            "start_time",
            "end_time",
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
            "total_tokens",
            "sample_rate",
        ];
        for column in track.columns() {
            match column {
                "tags" => self.tags = true,
                "attributes" => self.attributes = true,
                "input_messages" | "output_messages" => self.messages = true,
                figure if FIGURES.contains(&figure) => {}
                _ => self.texts = true,
            }
        }
    }

    /// Returns whether these fields include all those of `other`.
    pub(crate) fn covers(&self, other: &RequiredSpanFields) -> bool {
        let pairs =
            [(self.texts, other.texts), (self.tags, other.tags), (self.attributes, other.attributes), (self.messages, other.messages)];
        pairs.into_iter().all(|(own, other)| own || !other)
    }
}
