use serde_json::{Value, json};

use super::*;
use crate::clock::TimeSources;
use crate::explain::{AttributeIgnoreReason, explain};
use crate::id::{SpanId, TraceId};
use crate::normalize::attribute_names::AttributeDialect;
use crate::normalize::{RawStatus, mapped_span};
use crate::price::PriceBook;
use crate::span::Span;

const RULES: &str = r#"
[[rule]]
name = "Acme calls"
scope = "acme.*"
attributes = { "acme.step" = "model*" }
kind = "llm"
tokens = "exclusive"

[rule.fields]
"acme.model" = "request_model"
"acme.in" = "usage.input_tokens"
"acme.cached" = "usage.cache_read_tokens"
"acme.out_k" = { field = "usage.output_tokens", unit = "thousand" }
"acme.cents" = { field = "client_cost", unit = "cent" }
"acme.first" = { field = "time_to_first_token", unit = "ms" }
"acme.prompt" = "input_messages"
"acme.answer" = "output_messages"
"#;

fn raw(attributes: Value) -> RawSpan {
    RawSpan {
        trace_id: TraceId(1),
        span_id: SpanId(2),
        parent_span_id: None,
        name: "step 7".into(),
        op: String::new(),
        origin: Some("acme.llm".into()),
        status: RawStatus::Unset,
        status_detail: None,
        start_us: 1_795_510_800_000_000,
        end_us: 1_795_510_802_000_000,
        clock_shift_us: 0,
        time_sources: TimeSources::default(),
        attributes: attributes.as_object().unwrap().clone(),
        measurements: Vec::new(),
        tags: Default::default(),
    }
}

fn attributes() -> Value {
    json!({
        "acme.step": "model.call", "acme.model": "gpt-4o-mini", "acme.in": 1000, "acme.cached": "500", "acme.out_k": 0.2,
        "acme.cents": 0.5, "acme.first": 250, "acme.prompt": "Where is my parcel?", "acme.answer": "In Lyon.", "acme.other": 1,
    })
}

fn read(rules: &str, attributes: Value) -> Span {
    let rules = MappingRuleSet::from_text(rules).unwrap();
    mapped_span(raw(attributes), &AttributeDialect::GENERAL_DIALECT, &rules, PriceBook::embedded())
}

#[test]
fn rule_makes_a_call_of_an_unknown_instrumentation() {
    let span = read(RULES, attributes());
    assert_eq!((span.kind, span.provider.as_deref(), span.operation.as_deref()), (SpanType::Llm, Some("openai"), Some("chat")));
    assert_eq!((span.usage.input, span.usage.cache_read, span.usage.output), (Some(1000), Some(500), Some(200)));
    assert_eq!(span.client_cost.unwrap().dollars(), 0.005);
    // 1,000 × $0.15/M + 500 × $0.075/M + 200 × $0.60/M
    assert_eq!(span.cost.as_ref().unwrap().total.dollars(), 0.0003075);
    assert_eq!(span.time_to_first_token_us, Some(250_000));
    assert!(span.counted && span.input_messages.len() == 1 && span.output_messages.len() == 1, "{span:?}");
    assert!(["acme.prompt", "acme.in"].iter().all(|name| span.attributes.contains_key(*name)), "what was sent stays");
    let source = |field: &str| span.reading.iter().find(|read| read.field == field).map(|read| read.source.clone());
    let rule = |attribute: Option<&str>| FieldSource::MappingRule { rule: "Acme calls".into(), attribute: attribute.map(str::to_owned) };
    assert_eq!(source("kind"), Some(rule(None)));
    assert_eq!(source("usage.input_tokens"), Some(rule(Some("acme.in"))));
    assert_eq!(span.reading.iter().filter(|read| read.field == "request_model").count(), 1, "{:?}", span.reading);

    let without = read("", attributes());
    assert_eq!((without.kind, without.request_model), (SpanType::Other, None));
}

#[test]
fn every_condition_of_a_rule_must_hold() {
    for (change, kind) in [
        (json!({}), SpanType::Llm),
        (json!({ "acme.step": "tool" }), SpanType::Other),
        (json!({ "acme.step": null }), SpanType::Other),
        (json!({ "acme.step": 7 }), SpanType::Other),
    ] {
        let mut changed = attributes();
        changed.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        changed.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        assert_eq!(read(RULES, changed).kind, kind, "{change}");
    }
    let mut other = raw(attributes());
    other.origin = Some("other".into());
    let rules = MappingRuleSet::from_text(RULES).unwrap();
    assert_eq!(mapped_span(other, &AttributeDialect::GENERAL_DIALECT, &rules, PriceBook::embedded()).kind, SpanType::Other);
}

#[test]
fn rule_takes_precedence_over_known_names_and_the_first_rule_over_the_next() {
    let rules = format!(
        "{RULES}\n[[rule]]\nname = \"Later\"\nspan = \"step *\"\nkind = \"tool\"\n[rule.fields]\n\"acme.other\" = \"usage.input_tokens\"\n\"acme.tool\" = \"tool\"\n"
    );
    let mut sent = attributes();
    sent["gen_ai.request.model"] = json!("gpt-4o");
    sent["gen_ai.usage.input_tokens"] = json!(7);
    sent["langfuse.observation.usage_details"] = json!({ "input": 5, "output": 5 });
    let span = read(&rules, sent);
    assert_eq!((span.kind, span.request_model.as_deref(), span.usage.input), (SpanType::Llm, Some("gpt-4o-mini"), Some(1000)));
    let explanation = explain(&span, &crate::dedup::SpanDecision::of(&span), PriceBook::embedded());
    let of = |name: &str| explanation.ignored.iter().find(|ignored| ignored.name == name).map(|ignored| ignored.why);
    assert_eq!(of("gen_ai.request.model"), Some(AttributeIgnoreReason::Better));
    assert_eq!((of("acme.model"), of("acme.other")), (None, Some(AttributeIgnoreReason::NoMeaning)));
    assert!(explanation.input.is_none());
    let models: Vec<_> = explanation.fields.iter().filter(|field| field.field == "request_model").collect();
    assert_eq!((models.len(), models[0].source.rule()), (1, Some("Acme calls")));
}

#[test]
fn unusable_values_stay_unknown() {
    let mut sent = attributes();
    for (name, value) in [("acme.in", json!("many")), ("acme.cents", json!(-3)), ("acme.out_k", json!(true)), ("acme.model", json!({}))] {
        sent[name] = value;
    }
    let span = read(RULES, sent.clone());
    assert_eq!((span.usage.input, span.usage.output, span.client_cost, span.request_model.clone()), (None, None, None, None));
    let trial = MappingTrial::of_stored_span(RULES, &MappingRuleSet::from_text(RULES).unwrap(), &read("", sent), PriceBook::embedded());
    let problem = |name: &str| trial.attributes.iter().find(|mapped| mapped.attribute == name).unwrap().problem;
    assert_eq!(problem("acme.in"), Some(MappedValueProblem::NotNumber));
    assert_eq!(problem("acme.cents"), Some(MappedValueProblem::NotNumber));
    assert_eq!(problem("acme.cached"), None);
}

#[test]
fn trial_shows_what_changes_and_its_fixture_repeats_it() {
    let rules = MappingRuleSet::from_text(RULES).unwrap();
    // The result is the same for a span that was stored before the rule existed, and for one that was read with it.
    for stored in [read("", attributes()), read(RULES, attributes())] {
        let trial = MappingTrial::of_stored_span(RULES, &rules, &stored, PriceBook::embedded());
        assert_eq!(trial.rules, ["Acme calls"]);
        let change = |field: &str| {
            trial.changes.iter().find(|change| change.field == field).map(|change| (change.before.clone(), change.after.clone()))
        };
        assert_eq!(change("kind"), Some((Some("\"other\"".into()), Some("\"llm\"".into()))));
        assert_eq!(change("usage.input_tokens"), Some((None, Some("1500".into()))));
        assert_eq!(change("cost"), Some((None, Some("0.0003075".into()))));
        assert!(change("input_messages").unwrap().1.unwrap().contains("Where is my parcel?"));
        assert_eq!(trial.fixture.differences(), Vec::<String>::new());
        let mut wrong = trial.fixture.clone();
        wrong.expected.insert("kind".into(), json!("tool"));
        assert_eq!(wrong.differences(), ["kind is \"llm\", should be \"tool\""]);
    }
}

#[test]
fn mistakes_in_a_rule_file_are_named() {
    let said = |text: &str| MappingRuleSet::from_text(text).unwrap_err().to_string();
    let rule = |rest: &str| format!("[[rule]]\nname = \"R\"\n{rest}");
    for (text, expected) in [
        (rule("scope = \"a\"\nkind = \"lm\""), "lm"),
        (rule("scop = \"a\"\nkind = \"llm\""), "scop"),
        (rule("kind = \"llm\""), "every span"),
        (rule("scope = \"a\""), "changes nothing"),
        (rule("scope = \"a\"\nfields = { x = \"modle\" }"), "there is no field \"modle\"; use one of operation, provider"),
        (rule("scope = \"a\"\nfields = { x = { field = \"client_cost\", unit = \"ms\" } }"), "use one of plain, cent"),
        (rule("scope = \"a\"\nfields = { x = \"agent\", y = \"agent\" }"), "\"x\" and \"y\" become agent"),
        (format!("{}\n{}", rule("scope = \"a\"\nkind = \"llm\""), rule("scope = \"b\"\nkind = \"llm\"")), "same name"),
        ("[[rules]]\nname = \"R\"".into(), "rules"),
        ("[[rule]]\nname = ".into(), "line 2"),
        ("#".repeat(MAX_MAPPING_BYTES + 1), "64 KiB"),
    ] {
        assert!(said(&text).contains(expected), "{text}: {}", said(&text));
    }
    assert!(MappingRuleSet::from_text("# nothing yet\n").unwrap().is_empty());
}
