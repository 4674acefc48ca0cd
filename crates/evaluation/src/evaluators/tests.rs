use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::money::Usd;
use hinomi_model::span::{ChatMessage, Cost, CostSource, MessagePart, Span, SpanType};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn message(role: &str, parts: Vec<MessagePart>) -> ChatMessage {
    ChatMessage { role: role.to_owned(), parts }
}

fn text(role: &str, text: &str) -> ChatMessage {
    message(role, vec![MessagePart::Text { text: text.to_owned() }])
}

fn call(number: u64, question: &str, answer: &str) -> Span {
    Span {
        trace_id: TraceId(1),
        span_id: SpanId(number),
        kind: SpanType::Llm,
        counted: true,
        start_us: number as i64 * 1_000_000,
        end_us: number as i64 * 1_000_000 + 800_000,
        input_messages: vec![text("user", question)],
        output_messages: vec![text("assistant", answer)],
        ..Span::default()
    }
}

fn evaluate(evaluator_type: &str, config: Value, span: &Span) -> Evaluation {
    CompiledEvaluator::compile(evaluator_type, &config).unwrap().evaluate(&EvaluationInput::Span(span))
}

/// Returns the value for one answer: 1 and 0 for yes and no.
fn value_of(evaluator_type: &str, config: Value, answer: &str) -> f64 {
    match evaluate(evaluator_type, config, &call(1, "How high is the Eiffel Tower?", answer)) {
        Evaluation::Scored(EvaluationResult { value: EvaluationValue::Boolean(yes), .. }) => f64::from(u8::from(yes)),
        Evaluation::Scored(EvaluationResult { value: EvaluationValue::Number(number), .. }) => number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn texts_are_compared() {
    assert_eq!(value_of("exact", json!({ "expected": "Yes" }), " Yes\n"), 1.0);
    assert_eq!(value_of("exact", json!({ "expected": "Yes" }), "yes"), 0.0);
    assert_eq!(value_of("exact", json!({ "expected": "Yes", "ignore_case": true }), "yes"), 1.0);
    assert_eq!(value_of("contains", json!({ "any": ["metres", "meters"] }), "330 Metres"), 1.0);
    assert_eq!(value_of("contains", json!({ "all": ["330", "feet"] }), "330 metres"), 0.0);
    assert_eq!(value_of("contains", json!({ "none": ["sorry"] }), "Sorry, no."), 0.0);
    assert_eq!(value_of("regex", json!({ "pattern": "^\\d+ metres$" }), "330 metres"), 1.0);
    assert_eq!(value_of("regex", json!({ "pattern": "https?://", "must_match": false }), "see http://x"), 0.0);
    assert_eq!(value_of("edit_distance", json!({ "expected": "330 metres" }), "330  Metres"), 1.0);
    assert_eq!(value_of("edit_distance", json!({ "expected": "kitten", "normalize": false }), "sitten"), 5.0 / 6.0);
}

#[test]
fn json_is_checked_with_and_without_a_fence() {
    let schema = json!({ "schema": { "type": "object", "required": ["height"], "properties": { "height": { "type": "integer" } } } });
    assert_eq!(value_of("json_schema", schema.clone(), "```json\n{\"height\": 330}\n```"), 1.0);
    assert_eq!(value_of("json_schema", schema.clone(), "{\"height\": \"high\"}"), 0.0);
    assert_eq!(value_of("json_schema", json!({}), "{\"a\": 1}"), 1.0);
    assert_eq!(value_of("json_schema", json!({}), "It is 330 metres high."), 0.0);
    let Evaluation::Scored(result) = evaluate("json_schema", schema, &call(1, "q", "{\"height\": \"high\"}")) else { panic!() };
    assert!(result.evidence[0].starts_with("/height: "), "{result:?}");
}

#[test]
fn languages_are_expected_or_follow_the_question() {
    let french = "La tour Eiffel a une hauteur de trois cent trente mètres, antennes comprises, et elle se trouve à Paris.";
    let english = "The Eiffel Tower is three hundred and thirty metres high, including its antennas, and it stands in Paris.";
    let japanese = "エッフェル塔の高さは三百三十メートルです。パリにあります。";
    assert_eq!(value_of("language", json!({ "expected": "en" }), english), 1.0);
    assert_eq!(value_of("language", json!({ "expected": "en" }), french), 0.0);
    assert_eq!(value_of("language", json!({ "expected": "ja" }), japanese), 1.0);
    let asked = |question: &str, answer: &str| evaluate("language", json!({}), &call(1, question, answer));
    let value = |evaluation| match evaluation {
        Evaluation::Scored(result) => result.value,
        other => panic!("{other:?}"),
    };
    let question = "Could you please tell me how high the Eiffel Tower in Paris is, with all of its antennas?";
    assert_eq!(value(asked(question, japanese)), EvaluationValue::Boolean(false));
    assert_eq!(value(asked(question, english)), EvaluationValue::Boolean(true));
    assert_eq!(asked(question, "330"), Evaluation::NotApplicable(NotApplicableReason::UnknownLanguage));
}

#[test]
fn repetition_is_found_in_languages_with_and_without_spaces() {
    let once = "The tower was built for the world fair of 1889, and it was the highest building of the world until the year 1930 came.";
    assert_eq!(value_of("repetition", json!({}), once), 0.0);
    assert!(value_of("repetition", json!({}), &once.repeat(4)) > 0.7);
    assert!(value_of("repetition", json!({}), &"東京は日本の首都です。".repeat(5)) > 0.7);
    let short = evaluate("repetition", json!({}), &call(1, "q", "no no no no no"));
    assert_eq!(short, Evaluation::NotApplicable(NotApplicableReason::TextTooShort));
}

#[test]
fn sentences_without_a_source_are_shown() {
    let retrieved = |answer: &str| {
        let document = text("tool", "The Eiffel Tower is 330 metres high. It was completed in March 1889 for the world fair.");
        let retriever = Span { span_id: SpanId(2), kind: SpanType::Retriever, output_messages: vec![document], ..call(0, "q", "") };
        let spans = [&retriever, &call(5, "How high is the tower?", answer)];
        CompiledEvaluator::compile("overlap", &json!({ "min_overlap": 0.8 })).unwrap().evaluate(&EvaluationInput::Trace(&spans))
    };
    let Evaluation::Scored(result) = retrieved("The Eiffel Tower is 330 metres high. Napoleon bought seven elephants there.") else {
        panic!()
    };
    assert_eq!(
        (result.value, &result.evidence[..]),
        (EvaluationValue::Number(0.5), &["Napoleon bought seven elephants there.".to_owned()][..])
    );
    let without = evaluate("overlap", json!({}), &call(1, "How high?", "The Eiffel Tower is 330 metres high."));
    assert_eq!(without, Evaluation::NotApplicable(NotApplicableReason::NoSources));
    assert_eq!(value_of("overlap", json!({ "sources": "input" }), "The Eiffel Tower is high."), 1.0);
}

#[test]
fn numbers_need_a_source() {
    let of = |answer: &str| evaluate("numbers", json!({}), &call(1, "The price is 1,250.00 yen for 12 people.", answer));
    let Evaluation::Scored(right) = of("It costs 1250 yen for 12 people, 3 of them free.") else { panic!() };
    assert_eq!(right.value, EvaluationValue::Boolean(true));
    let Evaluation::Scored(wrong) = of("It costs 1,350 yen.") else { panic!() };
    assert_eq!((wrong.value, wrong.evidence), (EvaluationValue::Boolean(false), vec!["1350".to_owned()]));
}

#[test]
fn tool_arguments_are_checked_against_their_schema() {
    let requested = |arguments: &str, definitions: Option<Value>| {
        let part = MessagePart::ToolCall { id: None, name: "book".into(), arguments: arguments.into() };
        let span = Span { output_messages: vec![message("assistant", vec![part])], tool_definitions: definitions, ..call(1, "q", "") };
        evaluate("tool_arguments", json!({}), &span)
    };
    let definitions = json!([{ "type": "function", "function": { "name": "book", "parameters": {
        "type": "object", "required": ["day"], "properties": {
            "day": { "type": "integer", "maximum": 7 }, "note": { "type": "string" } } } } }]);
    let value = |evaluation| match evaluation {
        Evaluation::Scored(result) => result.value,
        other => panic!("{other:?}"),
    };
    assert_eq!(value(requested("{\"day\": 3}", Some(definitions.clone()))), EvaluationValue::Boolean(true));
    assert_eq!(value(requested("{\"day\": 3, \"note\": null}", Some(definitions.clone()))), EvaluationValue::Boolean(true));
    for wrong in ["{}", "{\"day\": 30}", "day=3", "[3]", "3", "null"] {
        assert_eq!(value(requested(wrong, Some(definitions.clone()))), EvaluationValue::Boolean(false), "{wrong}");
    }
    let of_google = json!([{ "functionDeclarations": [{ "name": "book", "parameters": {
        "type": "OBJECT", "required": ["day"], "properties": { "day": { "type": "INTEGER" } } } }] }]);
    assert_eq!(value(requested("{\"day\": 3}", Some(of_google.clone()))), EvaluationValue::Boolean(true));
    assert_eq!(value(requested("{\"day\": \"x\"}", Some(of_google))), EvaluationValue::Boolean(false));
    let of_anthropic = json!([{ "name": "book", "input_schema": { "type": "object", "properties": { "day": { "enum": [1, 2] } } } }]);
    assert_eq!(value(requested("{\"day\": 2}", Some(of_anthropic.clone()))), EvaluationValue::Boolean(true));
    assert_eq!(value(requested("{\"day\": 3}", Some(of_anthropic))), EvaluationValue::Boolean(false));
    for unknown in [json!(17), json!([{ "name": "look", "input_schema": { "type": "object" } }])] {
        assert_eq!(requested("{\"day\": 3}", Some(unknown)), Evaluation::NotApplicable(NotApplicableReason::NoToolDefinitions));
    }
    assert_eq!(value(requested("{\"day\": ", None)), EvaluationValue::Boolean(false));
    assert_eq!(requested("{\"day\": 3}", None), Evaluation::NotApplicable(NotApplicableReason::NoToolDefinitions));
    let without = evaluate("tool_arguments", json!({}), &call(1, "q", "a"));
    assert_eq!(without, Evaluation::NotApplicable(NotApplicableReason::NoToolCalls));
}

#[test]
fn bounds_need_known_figures() {
    assert_eq!(value_of("latency", json!({ "max_ms": 800 }), "a"), 1.0);
    assert_eq!(value_of("latency", json!({ "max_ms": 799 }), "a"), 0.0);
    let timeless = Span { has_no_duration: true, ..call(1, "q", "a") };
    assert_eq!(evaluate("latency", json!({ "max_ms": 1 }), &timeless), Evaluation::NotApplicable(NotApplicableReason::NoDuration));
    assert_eq!(evaluate("cost", json!({ "max_usd": 1 }), &call(1, "q", "a")), Evaluation::NotApplicable(NotApplicableReason::NoCost));
}

#[test]
fn costs_are_summed_exactly_and_as_in_totals() {
    let costing = |number: u64, picodollars: i64| {
        let cost = Cost { total: Usd(picodollars), input: None, output: None, source: CostSource::Computed, price: None };
        Span { cost: Some(cost), ..call(number, "q", "a") }
    };
    let (first, second) = (costing(1, 100_000_000_000), costing(2, 200_000_000_000));
    let agent = Span { kind: SpanType::Agent, ..costing(3, 300_000_000_000) };
    let evaluator = CompiledEvaluator::compile("cost", &json!({ "max_usd": 0.3 })).unwrap();
    let Evaluation::Scored(result) = evaluator.evaluate(&EvaluationInput::Trace(&[&agent, &first, &second])) else { panic!() };
    assert_eq!(result.value, EvaluationValue::Boolean(true), "{}", result.explanation);
    let third = costing(4, 1);
    let Evaluation::Scored(result) = evaluator.evaluate(&EvaluationInput::Trace(&[&first, &second, &third])) else { panic!() };
    assert_eq!(result.value, EvaluationValue::Boolean(false), "{}", result.explanation);
}

#[test]
fn times_at_the_ends_of_the_range_are_too_long() {
    let endless = Span { start_us: i64::MIN, end_us: i64::MAX, ..call(1, "q", "a") };
    let Evaluation::Scored(result) = evaluate("latency", json!({ "max_ms": 1 }), &endless) else { panic!() };
    assert_eq!(result.value, EvaluationValue::Boolean(false));
}

#[test]
fn answers_in_several_parts_are_read_as_a_whole() {
    let parts = ["The tower is 330", " metres high", ".", "It stands in Paris."];
    let parts = parts.map(|text| MessagePart::Text { text: text.to_owned() });
    let span = Span { output_messages: vec![message("assistant", parts.to_vec())], ..call(1, "q", "") };
    let whole = json!({ "expected": "The tower is 330 metres high.\nIt stands in Paris." });
    for input in [EvaluationInput::Span(&span), EvaluationInput::Trace(&[&span])] {
        let Evaluation::Scored(result) = CompiledEvaluator::compile("exact", &whole).unwrap().evaluate(&input) else { panic!() };
        assert_eq!(result.value, EvaluationValue::Boolean(true));
    }
}

#[test]
fn results_say_when_only_a_part_was_read() {
    let partial = |evaluator_type: &str, config: Value, answer: &str| {
        let Evaluation::Scored(result) = evaluate(evaluator_type, config, &call(1, "The Eiffel Tower stands proudly.", answer)) else {
            panic!()
        };
        (result.is_partial, result.explanation.contains("Only the first"))
    };
    let (a, longer) = ("a".repeat(5_000), "a".repeat(5_001));
    let sentences = |count: usize| "The Eiffel Tower stands proudly. ".repeat(count);
    assert_eq!(partial("edit_distance", json!({ "expected": a }), &a), (false, false));
    assert_eq!(partial("edit_distance", json!({ "expected": longer }), &a), (true, true));
    assert_eq!(partial("overlap", json!({ "sources": "input" }), &sentences(500)), (false, false));
    assert_eq!(partial("overlap", json!({ "sources": "input" }), &sentences(501)), (true, true));
    assert_eq!(partial("language", json!({ "expected": "en" }), &sentences(10)), (false, false));
    assert_eq!(partial("language", json!({ "expected": "en" }), &sentences(200)), (true, true));
    assert_eq!(partial("regex", json!({ "pattern": "[ab]*a[ab]{500}c" }), &"ab".repeat(200_000)), (true, true));
}

#[test]
fn languages_that_are_easily_confused_are_not_judged() {
    let of = |expected: &str, answer: &str| evaluate("language", json!({ "expected": expected }), &call(1, "q", answer));
    assert_eq!(of("ja", "本日休業、営業時間変更"), Evaluation::NotApplicable(NotApplicableReason::UnknownLanguage));
    let chinese = "埃菲尔铁塔位于法国巴黎市中心，是世界著名的建筑物之一。";
    let Evaluation::Scored(result) = of("ja", chinese) else { panic!() };
    assert_eq!(result.value, EvaluationValue::Boolean(false));
}

#[test]
fn answers_of_a_conversation_are_compared_with_the_sources_up_to_their_turn() {
    let retriever = |text_of: &str| Span { kind: SpanType::Retriever, output_messages: vec![text("tool", text_of)], ..call(0, "q", "") };
    let (tower, elephants) = (retriever("The Eiffel Tower stands proudly."), retriever("Napoleon bought seven elephants."));
    let (first, second) = (call(5, "q", "Napoleon bought seven elephants."), call(15, "q", "The Eiffel Tower stands proudly."));
    let traces = [vec![&tower, &first], vec![&elephants, &second]];
    let evaluator = CompiledEvaluator::compile("overlap", &json!({})).unwrap();
    let Evaluation::Scored(result) = evaluator.evaluate(&EvaluationInput::Session(&traces)) else { panic!() };
    assert_eq!(result.value, EvaluationValue::Number(0.5), "{}", result.explanation);
    assert_eq!(result.evidence, ["Napoleon bought seven elephants."]);
}

#[test]
fn conversations_are_as_good_as_their_worst_answer() {
    let (first, second) = (call(1, "q", "Yes, please."), call(9, "q", "No."));
    let traces = [vec![&first], vec![&second]];
    let evaluator = CompiledEvaluator::compile("contains", &json!({ "any": ["please"] })).unwrap();
    let Evaluation::Scored(result) = evaluator.evaluate(&EvaluationInput::Session(&traces)) else { panic!() };
    assert_eq!(result.value, EvaluationValue::Boolean(false));
    assert!(result.explanation.starts_with("Answer 2 of 2: "), "{}", result.explanation);
}

#[test]
fn wrong_configurations_name_their_field() {
    for (evaluator_type, config, field) in [
        ("magic", json!({}), "type"),
        ("exact", json!({}), "expected"),
        ("exact", json!([]), "config"),
        ("exact", json!({ "expected": "a", "shoe": 1 }), "shoe"),
        ("contains", json!({ "any": [] }), "any"),
        ("contains", json!({ "any": [1] }), "any"),
        ("regex", json!({ "pattern": "(" }), "pattern"),
        ("regex", json!({ "pattern": "((a{1000}){1000}){1000}" }), "pattern"),
        ("regex", json!({ "pattern": "(a)\\1" }), "pattern"),
        ("json_schema", json!({ "schema": { "type": "shoe" } }), "schema"),
        ("json_schema", json!({ "schema": { "$ref": "https://example.com/schema.json" } }), "schema"),
        ("json_schema", json!({ "schema": { "$ref": "file:///etc/passwd" } }), "schema"),
        ("language", json!({ "expected": "xx" }), "expected"),
        ("repetition", json!({ "max_share": 2 }), "max_share"),
        ("overlap", json!({ "sources": "web" }), "sources"),
        ("numbers", json!({ "a": 1 }), "a"),
        ("latency", json!({ "max_ms": "fast" }), "max_ms"),
        ("cost", json!({ "max_usd": -1 }), "max_usd"),
    ] {
        let error = CompiledEvaluator::compile(evaluator_type, &config).unwrap_err().to_string();
        assert!(error.contains(field), "{evaluator_type} {config}: {error}");
    }
}

/// A configuration with which each type can be compiled.
fn any_config(evaluator_type: &str) -> Value {
    match evaluator_type {
        "exact" | "edit_distance" => json!({ "expected": "a" }),
        "contains" => json!({ "any": ["a"] }),
        "regex" => json!({ "pattern": "(a|b)*c" }),
        "overlap" => json!({ "sources": "input" }),
        "latency" => json!({ "max_ms": 1 }),
        "cost" => json!({ "max_usd": 1 }),
        _ => json!({}),
    }
}

proptest! {
    #[test]
    fn hostile_texts_never_panic(question in "\\PC{0,200}", answer in "\\PC{0,400}", repeated in 1usize..200) {
        let answer = answer.repeat(repeated);
        let span = call(1, &question, &answer);
        for evaluator_type in EVALUATOR_TYPES {
            let evaluation = evaluate(evaluator_type, any_config(evaluator_type), &span);
            if let Evaluation::Scored(EvaluationResult { value: EvaluationValue::Number(number), .. }) = evaluation {
                prop_assert!((0.0..=1.0).contains(&number), "{evaluator_type}: {number}");
            }
        }
    }
}

#[test]
fn ten_megabytes_are_evaluated_in_part() {
    let answer = "The quick brown fox jumps over 1234 lazy dogs. ".repeat(220_000);
    let span = call(1, &answer, &answer);
    for (evaluator_type, is_partial) in [("contains", true), ("repetition", true), ("edit_distance", true), ("numbers", true)] {
        let Evaluation::Scored(result) = evaluate(evaluator_type, any_config(evaluator_type), &span) else { panic!("{evaluator_type}") };
        assert_eq!(result.is_partial, is_partial, "{evaluator_type}");
    }
}
