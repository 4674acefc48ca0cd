//! Filters of the trace list: which traces a filter selects.
//!
//! `cost`, `duration`, tokens, `name` and `status` test the trace as the list shows it. Every other term is true if at least one span of
//! the trace satisfies the term and starts in the range. `-` negates a term or the terms in parentheses. The selected traces become one
//! term ([`FilterTerm::InTraces`]), so lists, sums and charts of these traces are computed in the same way as for any other filter.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use datafusion::prelude::{DataFrame, Expr, col, lit};
use futures::StreamExt;
use hinomi_model::id::TraceId;

use super::fields::{self, FilterColumnType};
use super::matcher::{ValueTest, prepare_test};
use super::{Filter, FilterTerm};
use crate::aggregate::summary::{is_call, is_counted};
use crate::error::QueryError;
use crate::scan::row_lookup::DETAIL_COLUMNS;
use crate::{ProjectSnapshot, QueryScope, ScanMode};

/// Distance outside of the range up to which spans of its traces are searched, in microseconds: one day.
const SEARCH_MARGIN_US: i64 = 86_400_000_000;
/// Approximate memory of a trace while it is tested, in bytes.
const BYTES_PER_TRACE: usize = 256;
/// Maximum number of candidate traces to which a text search is restricted. With more candidates, all spans are searched.
const MAX_SEARCHED_TRACES: usize = 10_000;

/// A filter as conditions on a trace. `Test` refers to a test by its index, which is also its bit in [`TraceTotals`].
enum TraceCondition {
    All(Vec<TraceCondition>),
    Any(Vec<TraceCondition>),
    Not(Box<TraceCondition>),
    Test(usize),
}

/// A test of a trace.
enum TraceTest {
    /// Passes if one span satisfies the condition. Conditions on long texts are evaluated separately.
    AnySpan {
        condition: Expr,
        is_long: bool,
    },
    /// Passes if the root span satisfies the condition, because a trace has the name and status of its root span.
    Root(Expr),
    Total(TraceFigure, ValueTest),
}

/// A total of a trace that the list shows.
#[derive(Clone, Copy)]
enum TraceFigure {
    Cost,
    Duration,
    InputTokens,
    OutputTokens,
    TotalTokens,
}

impl TraceFigure {
    /// Returns the total that a field of the filter language refers to, and its type.
    fn of(field: &str) -> Option<(TraceFigure, FilterColumnType)> {
        Some(match field {
            "cost" => (TraceFigure::Cost, FilterColumnType::Money),
            "duration" => (TraceFigure::Duration, FilterColumnType::Duration),
            "input_tokens" => (TraceFigure::InputTokens, FilterColumnType::Count),
            "output_tokens" => (TraceFigure::OutputTokens, FilterColumnType::Count),
            "total_tokens" => (TraceFigure::TotalTokens, FilterColumnType::Count),
            _ => return None,
        })
    }
}

/// A filter, split into a condition and the tests that it combines.
pub(crate) struct TraceFilter {
    condition: TraceCondition,
    tests: Vec<TraceTest>,
}

impl TraceFilter {
    fn new(filter: &Filter) -> Result<TraceFilter, QueryError> {
        let mut tests = Vec::new();
        let condition = Self::all_terms(filter, &mut tests)?;
        Ok(TraceFilter { condition, tests })
    }

    fn all_terms(filter: &Filter, tests: &mut Vec<TraceTest>) -> Result<TraceCondition, QueryError> {
        Ok(TraceCondition::All(filter.0.iter().map(|term| Self::term(term, tests)).collect::<Result<_, _>>()?))
    }

    fn term(term: &FilterTerm, tests: &mut Vec<TraceTest>) -> Result<TraceCondition, QueryError> {
        let (not, plain) = match term {
            FilterTerm::Group { not, any } => {
                let any = any.iter().map(|filter| Self::all_terms(filter, tests)).collect::<Result<_, _>>()?;
                return Ok(if *not { TraceCondition::Not(Box::new(TraceCondition::Any(any))) } else { TraceCondition::Any(any) });
            }
            FilterTerm::Field { not, field, test } => (*not, FilterTerm::Field { not: false, field: field.clone(), test: test.clone() }),
            FilterTerm::Text { not, text } => (*not, FilterTerm::Text { not: false, text: text.clone() }),
            FilterTerm::InTraces(traces) => (false, FilterTerm::InTraces(traces.clone())),
            FilterTerm::InTargets { not, targets } => (*not, FilterTerm::InTargets { not: false, targets: targets.clone() }),
        };
        let condition = || fields::condition(&Filter(vec![plain.clone()])).map(|condition| condition.unwrap_or_else(|| lit(true)));
        tests.push(match &plain {
            FilterTerm::Field { field, .. } if field == "name" || field == "status" => TraceTest::Root(condition()?),
            FilterTerm::Field { field, test, .. } => match TraceFigure::of(field) {
                Some((total, holds)) => TraceTest::Total(total, prepare_test(field, holds, test)?),
                None => TraceTest::any_span(condition()?),
            },
            _ => TraceTest::any_span(condition()?),
        });
        let test = TraceCondition::Test(tests.len() - 1);
        Ok(if not { TraceCondition::Not(Box::new(test)) } else { test })
    }

    /// Returns whether the filter is one test of spans: a trace passes exactly if one of its spans in the range does.
    fn is_single_span_test(&self) -> bool {
        let is_test = matches!(self.condition.innermost(), TraceCondition::Test(_));
        is_test && matches!(self.tests.as_slice(), [TraceTest::AnySpan { .. }])
    }

    /// Returns the filter of whole traces; `None` for a filter that the trace list can evaluate span by span.
    pub(crate) fn from_filter(filter: &Filter) -> Result<Option<TraceFilter>, QueryError> {
        let taken_apart = TraceFilter::new(filter)?;
        Ok(if filter.0.is_empty() || taken_apart.is_single_span_test() { None } else { Some(taken_apart) })
    }

    /// Returns the tests that every selected trace must pass, each with the condition that one of its spans must satisfy.
    fn required_tests(&self) -> Vec<(usize, &Expr)> {
        let TraceCondition::All(conditions) = &self.condition else { return Vec::new() };
        let test = |condition: &TraceCondition| match condition {
            TraceCondition::Test(at) => match &self.tests[*at] {
                TraceTest::AnySpan { condition, is_long: false } | TraceTest::Root(condition) => Some((*at, condition)),
                _ => None,
            },
            _ => None,
        };
        conditions.iter().filter_map(test).collect()
    }
}

impl TraceTest {
    fn any_span(condition: Expr) -> TraceTest {
        let is_long = condition.column_refs().iter().any(|column| DETAIL_COLUMNS.contains(&column.name.as_str()));
        TraceTest::AnySpan { condition, is_long }
    }
}

impl TraceCondition {
    /// Returns the innermost condition if this one consists of only one, otherwise itself.
    fn innermost(&self) -> &TraceCondition {
        match self {
            TraceCondition::All(conditions) | TraceCondition::Any(conditions) if conditions.len() == 1 => conditions[0].innermost(),
            other => other,
        }
    }

    /// Returns whether the condition holds; `None` if that depends on a test without a result.
    fn holds(&self, answer: &impl Fn(usize) -> Option<bool>) -> Option<bool> {
        match self {
            TraceCondition::Test(at) => answer(*at),
            TraceCondition::Not(inner) => inner.holds(answer).map(|holds| !holds),
            TraceCondition::All(all) => decide(all, answer, false),
            TraceCondition::Any(any) => decide(any, answer, true),
        }
    }
}

/// Returns `decisive` if one of the conditions has this result, its opposite if none can have it, and `None` if that is unknown.
fn decide(conditions: &[TraceCondition], answer: &impl Fn(usize) -> Option<bool>, decisive: bool) -> Option<bool> {
    let mut decided = Some(!decisive);
    for condition in conditions {
        match condition.holds(answer) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => decided = None,
        }
    }
    decided
}

/// Results and totals of a trace.
#[derive(Debug, Clone, Default)]
struct TraceTotals {
    /// Whether a span of the trace starts in the range.
    has_span_in_range: bool,
    /// Bits of the tests that a span in the range passes.
    passed_tests: u64,
    /// Sort key of the root: the span with the smallest key is the root.
    root: Option<(bool, i64, Reverse<i64>, String)>,
    /// Bits of the tests that the root passes.
    root_passes: u64,
    start_us: i64,
    end_us: i64,
    calls: u64,
    cost: Option<i128>,
    input_tokens: i64,
    output_tokens: i64,
    total_tokens: i64,
}

impl TraceTotals {
    fn holds(&self, total: TraceFigure, value_test: &ValueTest) -> bool {
        let number = |number: i64| value_test.passes_number(Some(number as f64));
        match total {
            TraceFigure::Cost => {
                let cost = self.cost.or((self.calls == 0).then_some(0));
                value_test.passes_amount(cost.map(|cost| i64::try_from(cost).unwrap_or(i64::MAX)))
            }
            TraceFigure::Duration => number(self.end_us - self.start_us),
            TraceFigure::InputTokens => number(self.input_tokens),
            TraceFigure::OutputTokens => number(self.output_tokens),
            TraceFigure::TotalTokens => number(self.total_tokens),
        }
    }
}

impl ProjectSnapshot {
    /// Returns a scope of all spans in the range that belong to the traces that the filter selects in the trace list.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`summary`](ProjectSnapshot::summary), and an error if the traces need more memory than allowed.
    pub async fn scope_of_traces(&self, scope: &QueryScope) -> Result<QueryScope, QueryError> {
        if scope.filter.0.is_empty() {
            return Ok(scope.clone());
        }
        let filter = TraceFilter::new(&scope.filter)?;
        if filter.is_single_span_test() {
            let traces = self.traces_with(scope, None).await?;
            return Ok(QueryScope { filter: Filter(vec![FilterTerm::InTraces(Arc::new(traces))]), ..scope.clone() });
        }
        self.scope_of_selected(scope, &filter).await
    }

    /// Returns a scope of all spans in the range that belong to the traces that a filter selects.
    pub(crate) async fn scope_of_selected(&self, scope: &QueryScope, filter: &TraceFilter) -> Result<QueryScope, QueryError> {
        let traces = self.selected_traces(scope, filter, SEARCH_MARGIN_US).await?;
        Ok(QueryScope { filter: Filter(vec![FilterTerm::InTraces(Arc::new(traces))]), ..scope.clone() })
    }

    /// Returns a scope of the spans of the selected traces, for traces that start in the range. For other traces, the result may be wrong.
    pub(crate) async fn scope_of_starting(&self, scope: &QueryScope, filter: &TraceFilter) -> Result<QueryScope, QueryError> {
        let traces = self.selected_traces(scope, filter, 0).await?;
        Ok(QueryScope { filter: Filter(vec![FilterTerm::InTraces(Arc::new(traces))]), ..scope.clone() })
    }

    /// Returns the traces of the spans in a scope, restricted to spans that satisfy the condition, if there is one.
    async fn traces_with(&self, scope: &QueryScope, condition: Option<Expr>) -> Result<HashSet<TraceId>, QueryError> {
        let reserved = self.engine.reserve("traces of a filter");
        let mut spans = self.spans_in_scope(ScanMode::FewRows, scope).await?;
        if let Some(condition) = condition {
            spans = spans.filter(condition)?;
        }
        let ids = spans.select_columns(&["trace_id"])?.distinct()?;
        let mut batches = ids.execute_stream().await?;
        let mut traces = HashSet::new();
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            reserved.try_grow(batch.num_rows() * size_of::<TraceId>() * 2)?;
            let ids = batch.column(0).as_string_view();
            traces.extend(ids.iter().flatten().filter_map(|id| id.parse::<TraceId>().ok()));
        }
        Ok(traces)
    }

    /// Returns the traces that a filter selects. Their spans are searched from `before_us` microseconds before the range.
    async fn selected_traces(&self, scope: &QueryScope, filter: &TraceFilter, before_us: i64) -> Result<HashSet<TraceId>, QueryError> {
        let around = QueryScope {
            from_us: scope.from_us.saturating_sub(before_us),
            to_us: scope.to_us.saturating_add(SEARCH_MARGIN_US),
            filter: Filter::default(),
        };
        // Test the required conditions first: a selective filter leaves few candidate traces.
        let required = filter.required_tests();
        let mut spans = around.clone();
        if !required.is_empty() {
            let any = fields::join_balanced(required.iter().map(|(_, condition)| (*condition).clone()).collect(), Expr::or)
                .unwrap_or_else(|| lit(true));
            let rows = self.spans_in_scope(ScanMode::FewRows, &around).await?.filter(any)?;
            let all: u64 = required.iter().map(|(test, _)| 1 << test).fold(0, |bits, bit| bits | bit);
            let candidates = self.totals(rows, scope, filter, true).await?;
            let passes = |totals: &TraceTotals| (totals.passed_tests | totals.root_passes) & all == all;
            let traces = candidates.into_iter().filter(|(_, totals)| passes(totals)).map(|(trace, _)| trace).collect();
            spans.filter = Filter(vec![FilterTerm::InTraces(Arc::new(traces))]);
        }
        self.traces_that_pass(&spans, scope, filter).await
    }

    /// Returns the traces, out of the given ones, that a filter selects in the trace list, whenever they started.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`scope_of_traces`](ProjectSnapshot::scope_of_traces).
    pub async fn select_among(&self, filter: &Filter, among: &HashSet<TraceId>) -> Result<HashSet<TraceId>, QueryError> {
        let given = FilterTerm::InTraces(Arc::new(among.clone()));
        let spans = QueryScope { filter: Filter(vec![given]), ..QueryScope::all() };
        self.traces_that_pass(&spans, &spans, &TraceFilter::new(filter)?).await
    }

    /// Returns the traces of these spans that a filter selects. Spans outside of the scope count only for the totals and the root of a trace.
    async fn traces_that_pass(&self, spans: &QueryScope, scope: &QueryScope, filter: &TraceFilter) -> Result<HashSet<TraceId>, QueryError> {
        let mut traces = self.totals(self.spans_in_scope(ScanMode::MostRows, spans).await?, scope, filter, false).await?;
        let answer = |totals: &TraceTotals, at: usize| match &filter.tests[at] {
            TraceTest::AnySpan { is_long: true, .. } => None,
            TraceTest::AnySpan { .. } => Some(totals.passed_tests >> at & 1 == 1),
            TraceTest::Root(_) => Some(totals.root_passes >> at & 1 == 1),
            TraceTest::Total(total, value_test) => Some(totals.holds(*total, value_test)),
        };
        traces.retain(|_, totals| totals.has_span_in_range && filter.condition.holds(&|at| answer(totals, at)) != Some(false));
        let mut with_text: HashMap<usize, HashSet<TraceId>> = HashMap::new();
        for (at, test) in filter.tests.iter().enumerate() {
            let TraceTest::AnySpan { condition, is_long: true } = test else { continue };
            let open = traces.iter().filter(|(_, totals)| filter.condition.holds(&|at| answer(totals, at)).is_none());
            let open: HashSet<TraceId> = open.map(|(trace, _)| *trace).collect();
            let among =
                if open.len() <= MAX_SEARCHED_TRACES { Filter(vec![FilterTerm::InTraces(Arc::new(open))]) } else { Filter::default() };
            let found = self.traces_with(&QueryScope { filter: among, ..scope.clone() }, Some(condition.clone())).await?;
            with_text.insert(at, found);
        }
        let answer = |trace: &TraceId, totals: &TraceTotals, at: usize| {
            answer(totals, at).or_else(|| with_text.get(&at).map(|traces| traces.contains(trace)))
        };
        traces.retain(|trace, totals| filter.condition.holds(&|at| answer(trace, totals, at)) == Some(true));
        Ok(traces.into_keys().collect())
    }

    /// Computes the totals of traces from these spans. With `only_bits`, computes only which tests they pass.
    async fn totals(
        &self,
        spans: DataFrame,
        range: &QueryScope,
        filter: &TraceFilter,
        only_bits: bool,
    ) -> Result<HashMap<TraceId, TraceTotals>, QueryError> {
        let mut columns = vec![col("trace_id"), col("start_time")];
        let has_totals = !only_bits && filter.tests.iter().any(|test| matches!(test, TraceTest::Total(..)));
        let has_root = !only_bits && filter.tests.iter().any(|test| matches!(test, TraceTest::Root(_)));
        if has_root {
            columns.extend([col("parent_span_id"), col("span_id")]);
        }
        if has_root || has_totals {
            columns.push(col("end_time"));
        }
        if has_totals {
            columns.extend([
                is_call().alias("is_call"),
                is_counted().alias("is_counted"),
                col("cost"),
                col("input_tokens"),
                col("output_tokens"),
                col("total_tokens"),
            ]);
        }
        let mut tested = Vec::new();
        for (at, test) in filter.tests.iter().enumerate() {
            let (condition, of_root) = match test {
                TraceTest::AnySpan { condition, is_long: false } => (condition, false),
                TraceTest::Root(condition) => (condition, !only_bits),
                _ => continue,
            };
            columns.push(condition.clone().alias(format!("test{at}")));
            // The root may start outside of the range.
            tested.push((at, of_root, matches!(test, TraceTest::Root(_))));
        }
        let reserved = self.engine.reserve("traces of a filter");
        let mut batches = spans.select(columns)?.execute_stream().await?;
        let mut traces: HashMap<TraceId, TraceTotals> = HashMap::new();
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            self.check_cancelled()?;
            let before = traces.len();
            add_rows(&mut traces, &batch, range, &tested);
            reserved.try_grow((traces.len() - before) * BYTES_PER_TRACE)?;
        }
        Ok(traces)
    }
}

/// Adds the rows of a batch to the totals of their traces. `tested` contains, for each test, its index, whether it tests the root, and
/// whether spans outside of the range count too.
fn add_rows(
    traces: &mut HashMap<TraceId, TraceTotals>,
    batch: &RecordBatch,
    range: &QueryScope,
    tested: &[(usize, bool, bool)],
) -> Option<()> {
    let text = |name: &str| batch.column_by_name(name).map(|column| column.as_string_view());
    let int = |name: &str| batch.column_by_name(name).map(|column| column.as_primitive::<Int64Type>());
    let time = |name: &str| batch.column_by_name(name).map(|column| column.as_primitive::<TimestampMicrosecondType>());
    let (ids, starts, ends) = (text("trace_id")?, time("start_time")?, time("end_time"));
    let (parents, span_ids) = (text("parent_span_id"), text("span_id"));
    let calls = batch.column_by_name("is_call").map(|column| column.as_boolean());
    let counted = batch.column_by_name("is_counted").map(|column| column.as_boolean());
    let costs = batch.column_by_name("cost").map(|column| column.as_primitive::<Decimal128Type>());
    let tokens = [int("input_tokens"), int("output_tokens"), int("total_tokens")];
    let passes: Vec<(usize, bool, bool, &BooleanArray)> = tested
        .iter()
        .filter_map(|(at, of_root, anywhere)| Some((*at, *of_root, *anywhere, batch.column_by_name(&format!("test{at}"))?.as_boolean())))
        .collect();
    for row in 0..batch.num_rows() {
        let Ok(id) = ids.value(row).parse::<TraceId>() else { continue };
        let totals = traces.entry(id).or_default();
        let start_us = starts.value(row);
        let in_range = (range.from_us..range.to_us).contains(&start_us);
        let (mut of_span, mut of_root) = (0, 0);
        for (at, is_of_root, anywhere, passes) in &passes {
            if passes.is_valid(row) && passes.value(row) {
                if *is_of_root {
                    of_root |= 1 << at;
                } else if in_range || *anywhere {
                    of_span |= 1 << at;
                }
            }
        }
        totals.has_span_in_range |= in_range;
        totals.passed_tests |= of_span;
        let Some(end_us) = ends.map(|ends| ends.value(row)) else { continue };
        let is_first = totals.end_us == 0 && totals.start_us == 0;
        totals.start_us = if is_first { start_us } else { totals.start_us.min(start_us) };
        totals.end_us = if is_first { end_us } else { totals.end_us.max(end_us) };
        if let Some((parents, span_ids)) = parents.zip(span_ids) {
            let root = (parents.is_valid(row), start_us, Reverse(end_us), span_ids.value(row));
            let is_root = totals.root.as_ref().is_none_or(|known| root < (known.0, known.1, known.2, known.3.as_str()));
            if is_root {
                totals.root = Some((root.0, root.1, root.2, root.3.to_owned()));
                totals.root_passes = of_root;
            }
        }
        let is_set = |flags: Option<&BooleanArray>| flags.is_some_and(|flags| flags.is_valid(row) && flags.value(row));
        totals.calls += u64::from(is_set(calls));
        if is_set(counted) {
            if let Some(costs) = costs.filter(|costs| costs.is_valid(row)) {
                totals.cost = Some(totals.cost.unwrap_or(0) + costs.value(row));
            }
            let [input, output, all] =
                tokens.map(|column| column.filter(|column| column.is_valid(row)).map_or(0, |column| column.value(row)));
            totals.input_tokens = totals.input_tokens.saturating_add(input);
            totals.output_tokens = totals.output_tokens.saturating_add(output);
            totals.total_tokens = totals.total_tokens.saturating_add(all);
        }
    }
    Some(())
}
