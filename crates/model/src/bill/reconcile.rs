//! The bill beside what was observed: by day and model, with the gap and what explains it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Serialize;

use super::BillLine;
use crate::money::Usd;

/// What was observed of a day and model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObservedModelDay {
    /// The day, in UTC.
    pub day: Date,
    /// Who runs the model.
    pub provider: String,
    /// The model; empty where the client did not say.
    pub model: String,
    /// Calls that count.
    pub calls: u64,
    /// Those with usage and without a price.
    pub unpriced_calls: u64,
    /// Those whose tokens were estimated.
    pub estimated_calls: u64,
    /// Successful ones without usage.
    pub calls_without_usage: u64,
    /// What the priced ones cost.
    pub cost: Usd,
    /// All input.
    pub input_tokens: u64,
    /// All output.
    pub output_tokens: u64,
}

/// What is known beside bill and spans.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SamplingEvidence {
    /// The smallest part of all traces that a client says it sends.
    pub sample_rate: Option<f64>,
    /// What clients say that they left out by sampling.
    pub sampled_out: u64,
}

/// Figures of a day, a model, or all.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ReconciliationTotals {
    /// What the bill says; null where it has nothing.
    pub billed: Option<f64>,
    /// What was observed; null where nothing was.
    pub observed: Option<f64>,
    /// Billed less observed.
    pub gap: Option<f64>,
    /// Observed over billed; null where nothing was billed.
    pub coverage: Option<f64>,
    /// Tokens on the bill, where it tells of usage.
    pub billed_tokens: Option<u64>,
    /// Tokens observed.
    pub observed_tokens: u64,
    /// Calls observed.
    pub calls: u64,
    /// Those without a price.
    pub unpriced_calls: u64,
}

/// One day and model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReconciliationRow {
    /// The day, in UTC, as `YYYY-MM-DD`.
    pub day: String,
    /// The model, without its date; empty for what is of no model.
    pub model: String,
    /// Its figures.
    #[serde(flatten)]
    pub sum: ReconciliationTotals,
}

/// Something that explains a gap.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GapCause {
    /// `sampled`, `unpriced`, `tier`, `not_instrumented`, `time_zone`, `estimated`, `no_usage`, `not_on_bill`.
    pub cause: &'static str,
    /// The model that it is about; `None` for all.
    pub model: Option<String>,
    /// How many calls or traces it concerns.
    pub count: Option<u64>,
    /// How many dollars.
    pub amount: Option<f64>,
    /// A part of the whole, from 0 to 1.
    pub rate: Option<f64>,
}

/// The bill beside what was observed.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ReconciliationReport {
    /// First day of the bill.
    pub from: Option<String>,
    /// Last day of the bill.
    pub to: Option<String>,
    /// Whose bills these are.
    pub providers: Vec<String>,
    /// All days and models of the bill.
    pub total: ReconciliationTotals,
    /// By model, the largest bill first.
    pub models: Vec<ReconciliationRow>,
    /// By day, the first one first.
    pub days: Vec<ReconciliationRow>,
    /// By day and model.
    pub rows: Vec<ReconciliationRow>,
    /// What explains the gap.
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

    fn observe(&mut self, seen: &ObservedModelDay) {
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
        // Calls of which none is priced cost we do not know what.
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

/// The name of a model without who runs it and without its date, by which a bill and spans find each other.
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

/// What Anthropic's table of costs calls "Claude Haiku 4.5" has the id `claude-haiku-4-5`; up to 3.7 the number came first.
fn of_display_name(name: &str) -> Option<String> {
    let mut words = name.strip_prefix("claude ")?.split_whitespace();
    let (family, version) = (words.next()?, words.next()?.replace('.', "-"));
    let old = version.starts_with('3');
    (words.next().is_none()).then(|| if old { format!("claude-{version}-{family}") } else { format!("claude-{family}-{version}") })
}

/// Puts the lines of bills beside what was observed of the same days and providers.
pub fn reconcile(lines: &[BillLine], observed: &[ObservedModelDay], evidence: &SamplingEvidence) -> ReconciliationReport {
    let (Some(from), Some(to)) = (lines.iter().map(|line| line.day).min(), lines.iter().map(|line| line.day).max()) else {
        return ReconciliationReport::default();
    };
    let providers: BTreeSet<&str> = lines.iter().map(|line| line.provider.as_str()).collect();
    // A bill that does not say whose it is may be for anything.
    let on_bill = |seen: &ObservedModelDay| providers.contains("") || providers.contains(seen.provider.as_str());
    let mut pairs: BTreeMap<(Date, String), ReconciliationAccumulator> = BTreeMap::new();
    for line in lines {
        pairs.entry((line.day, base_model(&line.model))).or_default().bill(line);
    }
    // A bill in sums of days has no models: then what was seen of any stands beside it.
    let by_model = lines.iter().any(|line| !line.model.is_empty());
    let within = observed.iter().filter(|seen| (from..=to).contains(&seen.day));
    let mut not_on_bill: BTreeMap<&str, (Usd, u64)> = BTreeMap::new();
    for seen in within {
        if on_bill(seen) {
            let model = if by_model { base_model(&seen.model) } else { String::new() };
            pairs.entry((seen.day, model)).or_default().observe(seen);
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
            sum.join(pair);
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
        causes: causes(lines, &pairs, &by_name, &not_on_bill, evidence),
    }
}

impl ReconciliationAccumulator {
    fn join(&mut self, other: &ReconciliationAccumulator) {
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

fn causes(
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
        found.push(GapCause { rate: evidence.sample_rate, count, ..cause("sampled") });
    }
    for (model, pair) in by_name {
        let of_model = |name| GapCause { model: Some((*model).to_owned()), ..cause(name) };
        let billed = pair.billed.filter(|billed| *billed > Usd::ZERO);
        if let Some(billed) = billed.filter(|_| pair.calls == 0) {
            found.push(GapCause { amount: Some(billed.dollars()), ..of_model("not_instrumented") });
        }
        if pair.unpriced > 0 {
            found.push(GapCause { count: Some(pair.unpriced), ..of_model("unpriced") });
        }
        if pair.without_usage > 0 {
            found.push(GapCause { count: Some(pair.without_usage), ..of_model("no_usage") });
        }
        if pair.estimated > 0 {
            found.push(GapCause { count: Some(pair.estimated), ..of_model("estimated") });
        }
        if shifts_between_days(pairs, model) {
            found.push(of_model("time_zone"));
        }
    }
    let mut tiers: BTreeMap<(&str, String), Usd> = BTreeMap::new();
    for line in lines.iter().filter(|line| !line.tier.is_empty()) {
        *tiers.entry((&line.tier, base_model(&line.model))).or_default() += line.amount.unwrap_or_default();
    }
    found.extend(tiers.into_iter().map(|((_, model), amount)| GapCause {
        model: Some(model),
        amount: Some(amount.dollars()),
        ..cause("tier")
    }));
    let others = not_on_bill.iter().filter(|(_, (_, calls))| *calls > 0);
    found.extend(others.map(|(provider, (cost, calls))| GapCause {
        model: Some((*provider).to_owned()),
        amount: Some(cost.dollars()),
        count: Some(*calls),
        ..cause("not_on_bill")
    }));
    found
}

/// A gap that matters, as a part of what was billed.
const MATTERS: f64 = 0.05;

/// Whether what lacks on one day is too much on the next: the bill cuts days elsewhere.
fn shifts_between_days(pairs: &BTreeMap<(Date, String), ReconciliationAccumulator>, model: &str) -> bool {
    let days: Vec<&ReconciliationAccumulator> = pairs.iter().filter(|((_, name), _)| name == model).map(|(_, pair)| pair).collect();
    let steps = |pair: &ReconciliationAccumulator| {
        let billed = pair.billed.unwrap_or_default().dollars();
        (billed, billed - pair.observed.unwrap_or_default().dollars())
    };
    let (billed, gap) = days.iter().map(|pair| steps(pair)).fold((0.0, 0.0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
    let uneven: f64 = days.iter().map(|pair| steps(pair).1.abs()).sum();
    let turns = days.windows(2).filter(|pair| steps(pair[0]).1 * steps(pair[1]).1 < 0.0).count();
    billed > 0.0 && turns > 0 && uneven > 2.0 * MATTERS * billed && gap.abs() < MATTERS * billed
}
