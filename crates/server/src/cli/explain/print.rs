//! Prints decoded requests as text and as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use hinomi_model::api_time::rfc3339;
use hinomi_model::dedup::exclusion::Exclusion;
use hinomi_model::explain::{AttributeIgnoreReason, CostBasis, CostExplanation, IgnoredAttribute, SpanExplanation};
use hinomi_model::outcome::Outcome;
use hinomi_model::provenance::FieldSource;
use hinomi_model::span::{ChatMessage, MessagePart, Span};
use hinomi_model::usage::{TokenCountBasis, TokenCountInterpretation, TokenInclusionRule};
use serde::Serialize;
use serde_json::{Value, json};

use super::ExplainedRequests;

/// Format, size and sender of a request.
#[derive(Debug, Serialize)]
pub(super) struct RequestDescription {
    pub(super) file: String,
    pub(super) kind: &'static str,
    pub(super) encoding: &'static str,
    pub(super) packing: Vec<&'static str>,
    pub(super) bytes: usize,
    pub(super) inflated_bytes: usize,
    pub(super) sdk: Option<String>,
    #[serde(skip)]
    pub(super) received_us: i64,
}

/// Writes everything as one JSON object.
pub(super) fn json(mut out: impl Write, found: &ExplainedRequests, texts: bool) -> io::Result<()> {
    let spans: Vec<Value> = found.spans.iter().map(|(span, explanation)| span_json(span, explanation, texts)).collect();
    let error = |error: &hinomi_model::sentry::ErrorEvent| {
        let mut shown = json!({ "event_id": error.event_id, "type": error.kind, "trace_id": error.trace_id });
        if texts {
            shown["event"] = serde_json::to_value(error).unwrap_or_default();
        }
        shown
    };
    let errors: Vec<Value> = found.errors.iter().map(error).collect();
    let all = json!({
        "requests": found.requests, "spans": spans, "errors": errors, "scores": found.scores, "outcomes": found.outcomes,
    });
    writeln!(out, "{all:#}")
}

fn span_json(span: &Span, explanation: &SpanExplanation, texts: bool) -> Value {
    let mut shown = serde_json::to_value(span).unwrap_or_default();
    if let Some(object) = shown.as_object_mut() {
        object.remove("joined");
        object.remove("reading");
        if !texts {
            // Fields that may contain text written by people.
            for name in ["input_messages", "output_messages", "tool_definitions", "attributes", "status_detail"] {
                object.remove(name);
            }
            let names: Vec<&String> = span.attributes.keys().collect();
            object.insert("attribute_names".into(), json!(names));
            object.insert("messages".into(), json!({ "input": span.input_messages.len(), "output": span.output_messages.len() }));
        }
        object.insert("start_time".into(), rfc3339(span.start_us).into());
        object.insert("explanation".into(), serde_json::to_value(explanation).unwrap_or_default());
    }
    shown
}

/// Writes everything as lines of text.
pub(super) fn text(mut out: impl Write, found: &ExplainedRequests, texts: bool) -> io::Result<()> {
    for about in &found.requests {
        let packing: String = about.packing.iter().map(|packing| format!(", {packing}")).collect();
        let size = if about.bytes == about.inflated_bytes { String::new() } else { format!(" ({} decompressed)", about.inflated_bytes) };
        let sdk = about.sdk.as_ref().map(|sdk| format!(", sent by {}", escape_control(sdk))).unwrap_or_default();
        writeln!(out, "{}: {} as {}{packing}, {} bytes{size}{sdk}", escape_control(&about.file), about.kind, about.encoding, about.bytes)?;
        writeln!(out, "  time of receipt: {}", rfc3339(about.received_us))?;
    }
    let counts = [("span", found.spans.len()), ("error event", found.errors.len()), ("score", found.scores)];
    let counts: Vec<String> =
        counts.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{n} {what}{}", if *n == 1 { "" } else { "s" })).collect();
    writeln!(out, "\n{}", if counts.is_empty() { "Nothing to store".to_owned() } else { counts.join(", ") })?;
    let mut order: Vec<&(Span, SpanExplanation)> = found.spans.iter().collect();
    order.sort_by_key(|(span, _)| (span.trace_id, span.start_us, std::cmp::Reverse(span.end_us)));
    let mut trace = None;
    for (span, explanation) in order {
        if trace != Some(span.trace_id) {
            trace = Some(span.trace_id);
            writeln!(out, "\ntrace {}", span.trace_id)?;
        }
        one_span(&mut out, span, explanation, texts)?;
    }
    for error in &found.errors {
        let value = if texts { format!(": {}", error.value) } else { String::new() };
        let trace = error.trace_id.map(|trace| format!(", trace {trace}")).unwrap_or_default();
        writeln!(
            out,
            "\nerror event {}{trace}\n  {}{}",
            escape_control(&error.event_id),
            escape_control(&error.kind),
            escape_control(&value)
        )?;
    }
    outcomes(&mut out, &found.outcomes)
}

fn outcomes(out: &mut impl Write, outcomes: &[Outcome]) -> io::Result<()> {
    let mut sums: BTreeMap<(&str, &str, &str, &str), u64> = BTreeMap::new();
    for outcome in outcomes {
        let detail = outcome.detail.as_deref().unwrap_or_default();
        *sums.entry((outcome.kind.as_str(), outcome.category.as_str(), &outcome.reason, detail)).or_default() += outcome.quantity;
    }
    if !sums.is_empty() {
        writeln!(out, "\nnot stored")?;
    }
    for ((kind, category, reason, detail), quantity) in sums {
        let detail = if detail.is_empty() { String::new() } else { format!(" ({})", escape_control(detail)) };
        writeln!(out, "  {quantity} {category}: {kind}, {}{detail}", escape_control(reason))?;
    }
    Ok(())
}

fn one_span(out: &mut impl Write, span: &Span, told: &SpanExplanation, texts: bool) -> io::Result<()> {
    let parent = span.parent_span_id.map(|parent| format!(", child of {parent}")).unwrap_or_default();
    let took = span.duration_us().map_or_else(|| "unknown duration".to_owned(), |us| format!("{} ms", us as f64 / 1000.0));
    writeln!(out, "\n  {}  [{}] {took}, {}", escape_control(&span.name), span.kind, span.status)?;
    let mut line = |label: &str, value: &str| writeln!(out, "    {label:<22} {}", escape_control(value));
    line("span", &format!("{}{parent}, from {}", span.span_id, rfc3339(span.start_us)))?;
    let names = |told: &SpanExplanation| {
        told.conventions.iter().map(|one| format!("{} ({})", one.name, one.attributes)).collect::<Vec<_>>().join(", ")
    };
    if !told.conventions.is_empty() {
        line("conventions", &names(told))?;
    }
    let reporter = [span.sdk_name.as_deref(), span.sdk_version.as_deref(), span.origin.as_deref().map(|_| "by")];
    let reporter: Vec<&str> =
        reporter.into_iter().flatten().chain(span.origin.as_deref()).chain(told.instrumentation_version.as_deref()).collect();
    if !reporter.is_empty() {
        line("sent by", &reporter.join(" "))?;
    }
    if told.pieces > 0 {
        line("partial spans", &told.pieces.to_string())?;
    }
    if told.clock_shift_us != 0 {
        line("clock", &format!("{} s added to the client's timestamps", told.clock_shift_us as f64 / 1e6))?;
    }
    for field in &told.fields {
        let value = match &field.value {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => "(text)".to_owned(),
        };
        line(&field.field, &format!("{value}  <- {}", describe_source(&field.source)))?;
    }
    for (side, taken) in [("input as sent", told.input), ("output as sent", told.output)] {
        if let Some(taken) = taken {
            line(side, &describe_interpretation(&taken))?;
        }
    }
    if let Some(cost) = &told.cost {
        cost_lines(cost, &mut line)?;
    }
    line("counted", &format!("{}: {}", if told.counted { "yes" } else { "no" }, describe_counted(span)))?;
    for change in &told.corrections {
        let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".into());
        line("trace overrides", &format!("{} is {}; from the span alone: {}", change.field, said(&change.in_trace), said(&change.alone)))?;
    }
    for (messages, side) in [(&span.input_messages, "input_messages"), (&span.output_messages, "output_messages")] {
        if !messages.is_empty() && !texts {
            line(side, &format!("{} messages, {} characters (--texts shows them)", messages.len(), length(messages)))?;
        }
        for message in messages.iter().filter(|_| texts) {
            line(side, &format!("{}: {}", message.role, message_text(message)))?;
        }
    }
    if texts {
        for (name, value) in &span.attributes {
            line("attribute", &format!("{name} = {value}"))?;
        }
    }
    ignored(&told.ignored, &mut line)
}

fn describe_source(source: &FieldSource) -> String {
    match source {
        FieldSource::Attribute(name) => name.clone(),
        FieldSource::AttributePrefix(prefix) => format!("{prefix}.N.…"),
        FieldSource::MappingRule { rule, attribute: Some(name) } => format!("{name}, by the mapping rule {rule:?}"),
        FieldSource::MappingRule { rule, attribute: None } => format!("by the mapping rule {rule:?}"),
        FieldSource::Instrumentation => "inferred from the instrumentation".into(),
        FieldSource::ModelVendor => "inferred from the model vendor".into(),
        FieldSource::RestOfTotal => "inferred as the rest of the total".into(),
        FieldSource::GatewayReport(report) => {
            format!("inferred from the gateway's report: span {} of trace {}", report.span_id, report.trace_id)
        }
        FieldSource::FetchedResponse(report) => format!("from span {}, which fetched the response later", report.span_id),
        FieldSource::OtherReport(report) => format!("inferred from another report: span {} of trace {}", report.span_id, report.trace_id),
        FieldSource::Time(time) => format!("inferred from {time}"),
    }
}

fn describe_counted(span: &Span) -> String {
    match (&span.exclusion, span.is_call()) {
        (Some(Exclusion::WrapsCall { span_id }), _) => format!("same call as its descendant, span {span_id}"),
        (Some(Exclusion::SameResponse { span_id }), _) => format!("same response as span {span_id}"),
        (Some(Exclusion::DuplicateReport { span_id: Some(span_id) }), _) => format!("duplicate report of the call in span {span_id}"),
        (Some(Exclusion::DuplicateReport { span_id: None }), _) => "duplicate report of a call in this trace".into(),
        (Some(Exclusion::ReportedElsewhere { trace_id, span_id }), _) => {
            format!("duplicate report of the call in span {span_id} of trace {trace_id}")
        }
        (Some(Exclusion::FetchedResponse { span_id: None }), _) => "the span only fetched the response of an earlier call".into(),
        (Some(Exclusion::FetchedResponse { span_id: Some(call) }), _) => {
            format!("the span only fetched the response of span {call}, which is counted with this usage")
        }
        (Some(Exclusion::SumOfCalls), _) => format!("a span of kind {} repeats the usage of its LLM calls", span.kind),
        (None, true) => "an LLM call that no other span reports".into(),
        (None, false) => format!("only LLM calls are counted; this is a span of kind {}", span.kind),
    }
}

fn describe_interpretation(taken: &TokenCountInterpretation) -> String {
    let rule = match taken.rule {
        TokenInclusionRule::Inclusive => "includes",
        TokenInclusionRule::Exclusive => "excludes",
        TokenInclusionRule::Partly => "includes cache writes and excludes cache reads of",
    };
    let because = match taken.because {
        TokenCountBasis::TotalAgrees => "this client's convention, confirmed by the total",
        TokenCountBasis::Total => "the only interpretation that adds up to the total",
        TokenCountBasis::Convention => "this client's convention",
        TokenCountBasis::Impossible => "the count is smaller than the number of these tokens",
    };
    format!("{} {rule} {} cached, reasoning or audio tokens; total {} ({because})", taken.sent, taken.special, taken.whole)
}

fn cost_lines(cost: &CostExplanation, line: &mut impl FnMut(&str, &str) -> io::Result<()>) -> io::Result<()> {
    let because = match cost.because {
        CostBasis::Computed | CostBasis::ComputedThen => "tokens times price",
        CostBasis::ProviderBill => "reported by the client: the amount that the provider billed",
        CostBasis::ClientLower => "reported by the client: lower than the computed cost, perhaps because of unreported cached tokens",
        CostBasis::ClientOnly => "reported by the client: the model has no price",
        CostBasis::ClientPreferred => "reported by the client: preferred in the project's settings",
        CostBasis::Failed => "the call failed before it reported token usage",
        CostBasis::NoUsage => "no token usage was reported",
        CostBasis::NoModel => "no model was reported",
        CostBasis::NoPrice => "the model has no price",
    };
    let total = cost.total.map_or("unknown".to_owned(), |total| format!("${total}"));
    line("cost", &format!("{total}: {because}"))?;
    if let Some(price) = &cost.price {
        let tier = cost.service_tier.as_ref().map(|tier| format!(", tier {tier}")).unwrap_or_default();
        let from = cost.price_from.as_ref().map(|from| format!(", effective from {from}")).unwrap_or_default();
        line("price", &format!("{price}{from}{tier}; price table of {}", cost.table_date))?;
    }
    for one in &cost.lines {
        line("", &format!("{} {} x ${}/M = ${}", one.tokens, one.bucket, one.usd_per_million, one.amount))?;
    }
    if let Some(client) = cost.client {
        let difference = cost.computed.map(|ours| format!(", {:+.12} vs. computed", client - ours)).unwrap_or_default();
        line("client's cost", &format!("${client}{difference}"))?;
    }
    Ok(())
}

fn ignored(ignored: &[IgnoredAttribute], line: &mut impl FnMut(&str, &str) -> io::Result<()>) -> io::Result<()> {
    for why in [
        AttributeIgnoreReason::Better,
        AttributeIgnoreReason::Unreadable,
        AttributeIgnoreReason::OtherMeaning,
        AttributeIgnoreReason::Empty,
        AttributeIgnoreReason::NoMeaning,
    ] {
        let names: Vec<String> = ignored
            .iter()
            .filter(|one| one.why == why)
            .map(|one| one.better.as_ref().map_or(one.name.clone(), |better| format!("{} ({better} takes precedence)", one.name)))
            .collect();
        let label = match why {
            AttributeIgnoreReason::Better => "ignored, same meaning",
            AttributeIgnoreReason::Unreadable => "ignored, invalid",
            AttributeIgnoreReason::OtherMeaning => "ignored, other meaning",
            AttributeIgnoreReason::Empty => "ignored, empty",
            AttributeIgnoreReason::NoMeaning => "stored, unknown name",
        };
        if !names.is_empty() {
            line(label, &names.join(", "))?;
        }
    }
    Ok(())
}

fn length(messages: &[ChatMessage]) -> usize {
    messages.iter().map(|message| message_text(message).chars().count()).sum()
}

fn message_text(message: &ChatMessage) -> String {
    let part = |part: &MessagePart| match part {
        MessagePart::Text { text } | MessagePart::Reasoning { text } => text.clone(),
        MessagePart::ToolCall { name, arguments, .. } => format!("{name}({arguments})"),
        MessagePart::ToolResult { result, .. } => result.clone(),
        MessagePart::Media { content, media_id, .. } => content.as_ref().or(media_id.as_ref()).cloned().unwrap_or_default(),
        MessagePart::Other { content } => content.clone(),
    };
    message.parts.iter().map(part).collect::<Vec<_>>().join(" ")
}

/// Replaces control characters, which a terminal would interpret.
fn escape_control(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
