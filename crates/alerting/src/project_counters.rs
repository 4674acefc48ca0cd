//! Prometheus counters of a project, for alerting in other systems: by provider, model and environment, from the first scrape on. Clients
//! choose the label values, so their number is limited.

use std::collections::BTreeMap;
use std::fmt::Write;

use hinomi_model::money::Usd;
use hinomi_model::span::{Span, SpanStatus};

/// Maximum number of label combinations; further ones are counted as `other`.
const MAX_LABEL_COMBINATIONS: usize = 200;
/// Maximum length of a label value, in characters.
const MAX_LABEL_LENGTH: usize = 100;
/// Upper bounds of the latency buckets, in seconds.
const LATENCY_BOUNDS_S: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0];
const TOKEN_BUCKETS: [&str; 6] = ["input", "cache_read", "cache_write", "output", "reasoning", "audio"];

/// Provider, model and environment.
type CounterLabels = [String; 3];

/// Sums of one label combination. A call that turns out to be excluded is subtracted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct CounterValues {
    calls: i64,
    failed: i64,
    unpriced: i64,
    tokens: [i64; TOKEN_BUCKETS.len()],
    cost: i128,
    /// Number of calls by the smallest bound that they do not exceed; the last element counts longer calls.
    latency: [i64; LATENCY_BOUNDS_S.len() + 1],
    latency_us: i128,
}

/// Counters of one project.
#[derive(Debug, Default)]
pub(super) struct ProjectCounters {
    counters: BTreeMap<CounterLabels, CounterValues>,
    /// Values of the last scrape: a counter never decreases.
    last_values: BTreeMap<String, f64>,
}

impl ProjectCounters {
    /// Adds (1) or removes (-1) a span. Spans that are not calls only change the tokens and the cost.
    pub(super) fn count_span(&mut self, span: &Span, sign: i64) {
        if !span.counted || !(span.is_call() || span.cost.is_some() || !span.usage.is_unknown()) {
            return;
        }
        let label = |text: Option<&str>| text.unwrap_or_default().chars().take(MAX_LABEL_LENGTH).collect::<String>();
        let labels = [label(span.provider.as_deref()), label(span.model()), label(span.environment.as_deref())];
        let is_known = self.counters.contains_key(&labels) || self.counters.len() < MAX_LABEL_COMBINATIONS;
        let sums = self.counters.entry(if is_known { labels } else { ["other", "other", "other"].map(str::to_owned) }).or_default();
        let usage = &span.usage;
        let count = |count: Option<u64>| i64::try_from(count.unwrap_or(0)).unwrap_or(i64::MAX);
        let audio = count(usage.input_audio).saturating_add(count(usage.output_audio));
        let tokens = [
            count(usage.input),
            count(usage.cache_read),
            count(usage.cache_write_tokens()),
            count(usage.output),
            count(usage.reasoning),
            audio,
        ];
        sums.cost += i128::from(sign) * i128::from(span.cost.as_ref().map_or(0, |cost| cost.total.0));
        for (sum, tokens) in sums.tokens.iter_mut().zip(tokens) {
            *sum = sum.saturating_add(sign.saturating_mul(tokens));
        }
        if !span.is_call() {
            return;
        }
        sums.calls += sign;
        sums.failed += sign * i64::from(span.status == SpanStatus::Error);
        sums.unpriced += sign * i64::from(span.cost.is_none() && !usage.is_unknown() && span.status != SpanStatus::Error);
        let Some(us) = span.duration_us() else { return };
        let bucket = LATENCY_BOUNDS_S.iter().position(|bound| us as f64 <= bound * 1e6).unwrap_or(LATENCY_BOUNDS_S.len());
        sums.latency[bucket] += sign;
        sums.latency_us += i128::from(sign) * i128::from(us);
    }

    /// Returns all counters in the Prometheus text format.
    pub(super) fn prometheus_text(&mut self, project: u64) -> String {
        let mut out = String::new();
        let sums = self.counters.clone();
        type CounterReadFn = fn(&CounterValues) -> f64;
        let counters: [(&str, &str, CounterReadFn); 4] = [
            ("hinomi_llm_calls_total", "LLM calls.", |sums| sums.calls as f64),
            ("hinomi_llm_failed_calls_total", "LLM calls that failed.", |sums| sums.failed as f64),
            ("hinomi_llm_unpriced_calls_total", "LLM calls that reported token usage but have no price.", |sums| sums.unpriced as f64),
            ("hinomi_llm_cost_usd_total", "Cost of LLM calls and other uses of models in US dollars.", |sums| {
                sums.cost as f64 / Usd::SCALE
            }),
        ];
        for (name, help, read) in counters {
            write_head(&mut out, name, help, "counter");
            for (labels, sums) in &sums {
                self.write_line(&mut out, name, &format_labels(project, labels, ""), read(sums));
            }
        }
        let name = "hinomi_llm_tokens_total";
        write_head(&mut out, name, "Tokens by bucket; buckets do not overlap.", "counter");
        for (labels, sums) in &sums {
            for (bucket, tokens) in TOKEN_BUCKETS.iter().zip(sums.tokens) {
                self.write_line(&mut out, name, &format_labels(project, labels, &format!(",bucket=\"{bucket}\"")), tokens as f64);
            }
        }
        let name = "hinomi_llm_duration_seconds";
        write_head(&mut out, name, "Duration of LLM calls in seconds.", "histogram");
        for (labels, sums) in &sums {
            let mut below = 0;
            for (index, calls) in sums.latency.iter().enumerate() {
                below += calls;
                let bound = LATENCY_BOUNDS_S.get(index).map_or_else(|| "+Inf".to_owned(), f64::to_string);
                self.write_line(
                    &mut out,
                    &format!("{name}_bucket"),
                    &format_labels(project, labels, &format!(",le=\"{bound}\"")),
                    below as f64,
                );
            }
            self.write_line(&mut out, &format!("{name}_sum"), &format_labels(project, labels, ""), sums.latency_us as f64 / 1e6);
            self.write_line(&mut out, &format!("{name}_count"), &format_labels(project, labels, ""), sums.calls as f64);
        }
        out
    }

    fn write_line(&mut self, out: &mut String, name: &str, labels: &str, value: f64) {
        let series = format!("{name}{{{labels}}}");
        let shown = self.last_values.entry(series.clone()).or_default();
        *shown = shown.max(value);
        // Writing to a string never fails.
        let _ = writeln!(out, "{series} {shown}");
    }
}

fn write_head(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn format_labels(project: u64, [provider, model, environment]: &CounterLabels, more: &str) -> String {
    let safe = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let (provider, model, environment) = (safe(provider), safe(model), safe(environment));
    format!("project=\"{project}\",provider=\"{provider}\",model=\"{model}\",environment=\"{environment}\"{more}")
}

#[cfg(test)]
mod tests {
    use hinomi_model::span::SpanType;

    use super::*;

    fn call(model: &str, us: i64) -> Span {
        Span { kind: SpanType::Llm, request_model: Some(model.to_owned()), end_us: us, ..Span::default() }
    }

    #[test]
    fn counters_never_fall_and_labels_are_bounded() {
        let mut scrape = ProjectCounters::default();
        scrape.count_span(&call("m\"1\n", 300_000), 1);
        scrape.count_span(&call("m\"1\n", 3_000_000), 1);
        let text = scrape.prometheus_text(1);
        let labels = r#"project="1",provider="",model="m\"1\n",environment="""#;
        assert!(text.contains(&format!("hinomi_llm_calls_total{{{labels}}} 2\n")), "{text}");
        assert!(text.contains(&format!("hinomi_llm_duration_seconds_bucket{{{labels},le=\"0.5\"}} 1\n")), "{text}");
        assert!(text.contains(&format!("hinomi_llm_duration_seconds_sum{{{labels}}} 3.3\n")), "{text}");
        // Removing a call lowers the sums, but not the exposed counters.
        scrape.count_span(&call("m\"1\n", 300_000), -1);
        assert!(scrape.prometheus_text(1).contains(&format!("hinomi_llm_calls_total{{{labels}}} 2\n")));
        for number in 0..MAX_LABEL_COMBINATIONS * 2 {
            scrape.count_span(&call(&format!("x{number}"), 1), 1);
        }
        let models = scrape.prometheus_text(1).lines().filter(|line| line.starts_with("hinomi_llm_calls_total")).count();
        assert_eq!(models, MAX_LABEL_COMBINATIONS + 1);
    }
}
