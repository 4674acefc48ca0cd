//! Reconciliation of a bill with the observed cost: by day and model, with the gap and its causes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::BillLine;
use crate::money::Usd;
use crate::span::names;

/// Observed usage of one day and model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObservedModelDay {
    /// Day in UTC.
    pub day: Date,
    /// Provider of the model.
    pub provider: String,
    /// Model; empty if the client did not send it.
    pub model: String,
    /// Number of counted calls.
    pub calls: u64,
    /// Number of calls that report token usage and have no price.
    pub unpriced_calls: u64,
    /// Number of calls whose tokens are estimated.
    pub estimated_calls: u64,
    /// Number of successful calls that report no token usage.
    pub calls_without_usage: u64,
    /// Cost of the calls that have a price.
    pub cost: Usd,
    /// Number of input tokens, including cached ones.
    pub input_tokens: u64,
    /// Number of output tokens, including reasoning.
    pub output_tokens: u64,
}

/// Evidence of sampling.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SamplingEvidence {
    /// Smallest sample rate that a client reports: the fraction of traces that it sends.
    pub sample_rate: Option<f64>,
    /// Number of items that clients report as dropped by sampling.
    pub sampled_out: u64,
}

/// Totals of a day, a model, or the whole bill.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct ReconciliationTotals {
    /// Billed amount in US dollars; null if the bill has none.
    #[schema(required)]
    pub billed: Option<f64>,
    /// Observed cost in US dollars; null if there are no observed calls, or none of them has a price.
    #[schema(required)]
    pub observed: Option<f64>,
    /// Billed amount minus observed cost, in US dollars.
    #[schema(required)]
    pub gap: Option<f64>,
    /// Observed cost divided by billed amount; null if nothing was billed.
    #[schema(required)]
    pub coverage: Option<f64>,
    /// Billed tokens, if the bill contains usage.
    #[schema(required)]
    pub billed_tokens: Option<u64>,
    /// Observed tokens.
    pub observed_tokens: u64,
    /// Number of observed calls.
    pub calls: u64,
    /// Number of observed calls without a price.
    pub unpriced_calls: u64,
}

/// Totals of a day, of a model, or of a day and model.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ReconciliationRow {
    /// Day in UTC, `YYYY-MM-DD`; empty in totals by model.
    pub day: String,
    /// Model without its date; empty for costs without a model, and in totals by day.
    pub model: String,
    /// Totals of the row.
    #[serde(flatten)]
    pub sum: ReconciliationTotals,
}

names!(
    /// Kind of a possible cause of a gap.
    GapCauseKind {
        /// Clients sample their traces.
        Sampled = "sampled",
        /// Calls of the model have no price.
        Unpriced = "unpriced",
        /// The bill has another service tier than the standard one.
        Tier = "tier",
        /// The model is billed, and no call of it was observed.
        NotInstrumented = "not_instrumented",
        /// The bill uses days of another time zone.
        TimeZone = "time_zone",
        /// Token counts of calls are estimated.
        Estimated = "estimated",
        /// Calls report no token usage.
        NoUsage = "no_usage",
        /// Calls of another provider were observed, which is not on the bill.
        NotOnBill = "not_on_bill",
    }
);

/// Possible cause of a gap.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GapCause {
    /// Kind of the cause.
    pub cause: GapCauseKind,
    /// Model with the cause, or the provider for `not_on_bill`; null if the cause is not about a model.
    #[schema(required)]
    pub model: Option<String>,
    /// Number of calls with the cause. For `sampled`, this is the number of items that were not sent.
    #[schema(required)]
    pub count: Option<u64>,
    /// Amount in US dollars.
    #[schema(required)]
    pub amount: Option<f64>,
    /// Sample rate, from 0 to 1.
    #[schema(required)]
    pub rate: Option<f64>,
}

/// Result of a reconciliation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct ReconciliationReport {
    /// First day of the bill, `YYYY-MM-DD`.
    #[schema(required)]
    pub from: Option<String>,
    /// Last day of the bill, `YYYY-MM-DD`.
    #[schema(required)]
    pub to: Option<String>,
    /// Providers of the bill.
    pub providers: Vec<String>,
    /// Totals of the whole bill.
    pub total: ReconciliationTotals,
    /// Totals by model, the largest billed amount first.
    pub models: Vec<ReconciliationRow>,
    /// Totals by day, the earliest first.
    pub days: Vec<ReconciliationRow>,
    /// Totals by day and model.
    pub rows: Vec<ReconciliationRow>,
    /// Possible causes of the gap.
    pub causes: Vec<GapCause>,
}

#[derive(Debug, Clone, Copy, Default)]
struct ReconciliationAccumulator {
    billed: Option<Usd>,
    billed_tokens: Option<u64>,
    observed: Option<Usd>,
    tokens: u64,
    calls: u64,
    unpriced: u64,
    estimated: u64,
    estimable: Usd,
    without_usage: u64,
}

impl ReconciliationAccumulator {
    fn bill(&mut self, line: &BillLine) {
        if let Some(amount) = line.amount {
            self.billed = Some(self.billed.unwrap_or_default() + amount);
        }
        let tokens = [line.input_tokens, line.output_tokens].iter().flatten().copied().reduce(u64::saturating_add);
        if let Some(tokens) = tokens {
            self.billed_tokens = Some(self.billed_tokens.unwrap_or(0).saturating_add(tokens));
        }
    }

    fn add_observed(&mut self, seen: &ObservedModelDay) {
        self.observed = Some(self.observed.unwrap_or_default() + seen.cost);
        self.tokens = self.tokens.saturating_add(seen.input_tokens).saturating_add(seen.output_tokens);
        self.calls += seen.calls;
        self.unpriced += seen.unpriced_calls;
        self.estimated += seen.estimated_calls;
        self.without_usage += seen.calls_without_usage;
        if seen.estimated_calls > 0 {
            self.estimable += seen.cost;
        }
    }

    fn sum(&self) -> ReconciliationTotals {
        // If no call has a price, the cost is unknown.
        let observed = self.observed.filter(|cost| *cost > Usd::ZERO || self.unpriced < self.calls);
        let gap = self.billed.map(|billed| billed - observed.unwrap_or_default());
        ReconciliationTotals {
            billed: self.billed.map(Usd::dollars),
            observed: observed.map(Usd::dollars),
            gap: gap.map(Usd::dollars),
            coverage: self
                .billed
                .filter(|billed| *billed > Usd::ZERO)
                .map(|billed| observed.unwrap_or_default().dollars() / billed.dollars()),
            billed_tokens: self.billed_tokens,
            observed_tokens: self.tokens,
            calls: self.calls,
            unpriced_calls: self.unpriced,
        }
    }
}

/// Returns the name of a model without vendor and date. Bills and spans are matched by this name.
pub fn base_model(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    let name = of_display_name(&name).unwrap_or(name);
    let bare = name.rsplit('/').next().unwrap_or(&name);
    let bare = bare.split(['@', ':']).next().unwrap_or(bare);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = bare.split('-').collect();
    let dated = match parts.as_slice() {
        [.., year, month, day]
            if year.len() == 4 && month.len() == 2 && day.len() == 2 && [year, month, day].iter().all(|part| digits(part)) =>
        {
            3
        }
        [.., date] if date.len() == 8 && digits(date) => 1,
        _ => 0,
    };
    parts[..parts.len() - dated].join("-")
}

/// Converts a name such as "Claude Haiku 4.5" in Anthropic's cost table to the ID `claude-haiku-4-5`. Up to version 3.7, the version
/// preceded the family.
fn of_display_name(name: &str) -> Option<String> {
    let mut words = name.strip_prefix("claude ")?.split_whitespace();
    let (family, version) = (words.next()?, words.next()?.replace('.', "-"));
    let old = version.starts_with('3');
    (words.next().is_none()).then(|| if old { format!("claude-{version}-{family}") } else { format!("claude-{family}-{version}") })
}

/// Reconciles the lines of bills with the observed usage of the same days and providers.
pub fn reconcile(lines: &[BillLine], observed: &[ObservedModelDay], evidence: &SamplingEvidence) -> ReconciliationReport {
    let (Some(from), Some(to)) = (lines.iter().map(|line| line.day).min(), lines.iter().map(|line| line.day).max()) else {
        return ReconciliationReport::default();
    };
    let providers: BTreeSet<&str> = lines.iter().map(|line| line.provider.as_str()).collect();
    // A bill without a provider may be of any provider.
    let on_bill = |seen: &ObservedModelDay| providers.contains("") || providers.contains(seen.provider.as_str());
    let mut pairs: BTreeMap<(Date, String), ReconciliationAccumulator> = BTreeMap::new();
    for line in lines {
        pairs.entry((line.day, base_model(&line.model))).or_default().bill(line);
    }
    // A bill with daily sums has no models, so it is compared with the usage of all models.
    let by_model = lines.iter().any(|line| !line.model.is_empty());
    let within = observed.iter().filter(|seen| (from..=to).contains(&seen.day));
    let mut not_on_bill: BTreeMap<&str, (Usd, u64)> = BTreeMap::new();
    for seen in within {
        if on_bill(seen) {
            let model = if by_model { base_model(&seen.model) } else { String::new() };
            pairs.entry((seen.day, model)).or_default().add_observed(seen);
        } else {
            let other = not_on_bill.entry(&seen.provider).or_default();
            other.0 += seen.cost;
            other.1 += seen.calls;
        }
    }
    let (mut total, mut by_name, mut by_day) = (
        ReconciliationAccumulator::default(),
        BTreeMap::<&str, ReconciliationAccumulator>::new(),
        BTreeMap::<Date, ReconciliationAccumulator>::new(),
    );
    for ((day, model), pair) in &pairs {
        for sum in [&mut total, by_name.entry(model).or_default(), by_day.entry(*day).or_default()] {
            sum.add_totals(pair);
        }
    }
    let row = |day: Option<Date>, model: &str, pair: &ReconciliationAccumulator| ReconciliationRow {
        day: day.map(|day| day.to_string()).unwrap_or_default(),
        model: model.to_owned(),
        sum: pair.sum(),
    };
    let mut models: Vec<ReconciliationRow> = by_name.iter().map(|(model, pair)| row(None, model, pair)).collect();
    models.sort_by(|a, b| b.sum.billed.unwrap_or(0.0).total_cmp(&a.sum.billed.unwrap_or(0.0)).then_with(|| a.model.cmp(&b.model)));
    ReconciliationReport {
        from: Some(from.to_string()),
        to: Some(to.to_string()),
        providers: providers.iter().filter(|provider| !provider.is_empty()).map(|provider| (*provider).to_owned()).collect(),
        total: total.sum(),
        models,
        days: by_day.iter().map(|(day, pair)| row(Some(*day), "", pair)).collect(),
        rows: pairs.iter().map(|((day, model), pair)| row(Some(*day), model, pair)).collect(),
        causes: gap_causes(lines, &pairs, &by_name, &not_on_bill, evidence),
    }
}

impl ReconciliationAccumulator {
    fn add_totals(&mut self, other: &ReconciliationAccumulator) {
        let sum = |own: Option<Usd>, other: Option<Usd>| own.zip(other).map(|(own, other)| own + other).or(own).or(other);
        self.billed = sum(self.billed, other.billed);
        self.observed = sum(self.observed, other.observed);
        self.billed_tokens =
            self.billed_tokens.zip(other.billed_tokens).map(|(own, other)| own + other).or(self.billed_tokens).or(other.billed_tokens);
        self.tokens += other.tokens;
        self.calls += other.calls;
        self.unpriced += other.unpriced;
        self.estimated += other.estimated;
        self.estimable += other.estimable;
        self.without_usage += other.without_usage;
    }
}

fn gap_causes(
    lines: &[BillLine],
    pairs: &BTreeMap<(Date, String), ReconciliationAccumulator>,
    by_name: &BTreeMap<&str, ReconciliationAccumulator>,
    not_on_bill: &BTreeMap<&str, (Usd, u64)>,
    evidence: &SamplingEvidence,
) -> Vec<GapCause> {
    let cause = |cause| GapCause { cause, model: None, count: None, amount: None, rate: None };
    let mut found = Vec::new();
    if evidence.sample_rate.is_some() || evidence.sampled_out > 0 {
        let count = Some(evidence.sampled_out).filter(|count| *count > 0);
        found.push(GapCause { rate: evidence.sample_rate, count, ..cause(GapCauseKind::Sampled) });
    }
    for (model, pair) in by_name {
        let of_model = |name| GapCause { model: Some((*model).to_owned()), ..cause(name) };
        let billed = pair.billed.filter(|billed| *billed > Usd::ZERO);
        if let Some(billed) = billed.filter(|_| pair.calls == 0) {
            found.push(GapCause { amount: Some(billed.dollars()), ..of_model(GapCauseKind::NotInstrumented) });
        }
        if pair.unpriced > 0 {
            found.push(GapCause { count: Some(pair.unpriced), ..of_model(GapCauseKind::Unpriced) });
        }
        if pair.without_usage > 0 {
            found.push(GapCause { count: Some(pair.without_usage), ..of_model(GapCauseKind::NoUsage) });
        }
        if pair.estimated > 0 {
            found.push(GapCause { count: Some(pair.estimated), ..of_model(GapCauseKind::Estimated) });
        }
        if shifts_between_days(pairs, model) {
            found.push(of_model(GapCauseKind::TimeZone));
        }
    }
    let mut tiers: BTreeMap<(&str, String), Usd> = BTreeMap::new();
    for line in lines.iter().filter(|line| !line.tier.is_empty()) {
        *tiers.entry((&line.tier, base_model(&line.model))).or_default() += line.amount.unwrap_or_default();
    }
    found.extend(tiers.into_iter().map(|((_, model), amount)| GapCause {
        model: Some(model),
        amount: Some(amount.dollars()),
        ..cause(GapCauseKind::Tier)
    }));
    let others = not_on_bill.iter().filter(|(_, (_, calls))| *calls > 0);
    found.extend(others.map(|(provider, (cost, calls))| GapCause {
        model: Some((*provider).to_owned()),
        amount: Some(cost.dollars()),
        count: Some(*calls),
        ..cause(GapCauseKind::NotOnBill)
    }));
    found
}

/// Smallest relevant gap, as a fraction of the billed amount.
const MIN_RELEVANT_GAP: f64 = 0.05;

/// Returns whether the surplus of one day compensates for the deficit of another: then the bill uses days of another time zone.
fn shifts_between_days(pairs: &BTreeMap<(Date, String), ReconciliationAccumulator>, model: &str) -> bool {
    let days: Vec<&ReconciliationAccumulator> = pairs.iter().filter(|((_, name), _)| name == model).map(|(_, pair)| pair).collect();
    let steps = |pair: &ReconciliationAccumulator| {
        let billed = pair.billed.unwrap_or_default().dollars();
        (billed, billed - pair.observed.unwrap_or_default().dollars())
    };
    let (billed, gap) = days.iter().map(|pair| steps(pair)).fold((0.0, 0.0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
    let uneven: f64 = days.iter().map(|pair| steps(pair).1.abs()).sum();
    let turns = days.windows(2).filter(|pair| steps(pair[0]).1 * steps(pair[1]).1 < 0.0).count();
    billed > 0.0 && turns > 0 && uneven > 2.0 * MIN_RELEVANT_GAP * billed && gap.abs() < MIN_RELEVANT_GAP * billed
}
