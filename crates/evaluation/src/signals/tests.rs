use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::money::Usd;
use hinomi_model::span::{ChatMessage, Cost, CostSource, MessagePart, Span, SpanStatus, SpanType};
use serde_json::json;

use super::wasted_cost::wasted_cost;
use super::*;

fn message(role: &str, part: MessagePart) -> ChatMessage {
    ChatMessage { role: role.into(), parts: vec![part] }
}

fn text(role: &str, text: &str) -> ChatMessage {
    message(role, MessagePart::Text { text: text.into() })
}

fn call(id: u64, output: Vec<ChatMessage>) -> Span {
    let cost = Cost { total: Usd(100), input: None, output: None, source: CostSource::Computed, price: None };
    Span {
        trace_id: TraceId(1),
        span_id: SpanId(id),
        kind: SpanType::Llm,
        start_us: id as i64 * 1_000,
        end_us: id as i64 * 1_000 + 400,
        input_messages: vec![text("user", "Status?")],
        output_messages: output,
        cost: Some(cost),
        ..Span::default()
    }
}

fn request(id: u64, name: &str) -> Vec<ChatMessage> {
    let part = MessagePart::ToolCall { id: Some(format!("call_{id:06}")), name: name.into(), arguments: "{\"a\": 1}".into() };
    vec![message("assistant", part)]
}

fn tool(id: u64, request: u64, name: &str, result: &str) -> Span {
    let result = MessagePart::ToolResult { id: None, name: None, result: result.into() };
    Span {
        trace_id: TraceId(1),
        span_id: SpanId(id),
        kind: SpanType::Tool,
        tool: Some(name.into()),
        tool_call_id: Some(format!("call_{request:06}")),
        start_us: id as i64 * 1_000,
        end_us: id as i64 * 1_000 + 400,
        output_messages: vec![message("tool", result)],
        ..Span::default()
    }
}

fn find(spans: &[Span]) -> Vec<SignalFinding> {
    of_trace(&spans.iter().collect::<Vec<_>>())
}

/// Returns a run that calls a tool four times with the same result: spans 1, 3, 5, 7 request it, 2, 4, 6, 8 carry it out.
fn looping_run() -> Vec<Span> {
    let rounds = (0..4).flat_map(|n| [call(2 * n + 1, request(2 * n + 1, "search")), tool(2 * n + 2, 2 * n + 1, "search", "nothing")]);
    rounds.chain([call(9, vec![text("assistant", "There is nothing new.")])]).collect()
}

#[test]
fn loop_names_its_spans_and_wastes_all_calls_but_the_first() {
    let spans = looping_run();
    let findings = find(&spans);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].kind, findings[0].severity), (FindingKind::ToolLoop, FindingSeverity::Warning));
    assert_eq!(findings[0].span_ids, [2, 4, 6, 8].map(SpanId));
    assert_eq!(
        findings[0].explanation.to_string(),
        "The tool \"search\" was called 4 times with equal arguments and returned the same result."
    );
    let wasted = wasted_cost(&spans.iter().collect::<Vec<_>>(), &findings);
    assert_eq!((wasted.total, wasted.by_finding), (Usd(300), vec![Usd(300)]));
}

#[test]
fn each_call_is_wasted_once_under_the_most_severe_finding() {
    let mut spans = looping_run();
    spans.pop();
    let root = Span {
        span_id: SpanId(100),
        kind: SpanType::Agent,
        status: SpanStatus::Error,
        status_detail: Some("MaxTurnsExceeded: Max turns (4) exceeded".into()),
        end_us: 20_000,
        ..Span::default()
    };
    spans.iter_mut().for_each(|span| span.parent_span_id = Some(SpanId(100)));
    spans.insert(0, root);
    let findings = find(&spans);
    let kinds: Vec<FindingKind> = findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::RunLimit, FindingKind::ToolLoop]);
    assert_eq!(findings[0].explanation, FindingExplanation::LimitReached { limit: RunLimitKind::Turns, maximum: Some(4) });
    let wasted = wasted_cost(&spans.iter().collect::<Vec<_>>(), &findings);
    assert_eq!((wasted.total, wasted.by_finding), (Usd(400), vec![Usd(400), Usd(0)]));
}

#[test]
fn failed_calls_without_a_finding_are_wasted_too() {
    let failed = Span { status: SpanStatus::Error, ..call(1, Vec::new()) };
    let spans = [failed, call(2, vec![text("assistant", "Fine.")])];
    let wasted = wasted_cost(&spans.iter().collect::<Vec<_>>(), &find(&spans));
    assert_eq!((wasted.total, wasted.failed_calls), (Usd(100), Usd(100)));
}

#[test]
fn a_call_in_spans_messages_and_history_counts_once() {
    let mut spans = looping_run();
    spans.truncate(6);
    // The last call resends all requests and results.
    let mut history = vec![text("user", "Status?")];
    for id in [1, 3, 5] {
        history.extend(request(id, "search"));
        let result = MessagePart::ToolResult { id: Some(format!("call_{id:06}")), name: None, result: "nothing".into() };
        history.push(message("tool", result));
    }
    spans.push(Span { input_messages: history, ..call(9, vec![text("assistant", "There is nothing new.")]) });
    assert_eq!(find(&spans), []);
}

#[test]
fn explanations_are_stored_as_code_and_parameters() {
    let finding = &find(&looping_run())[0];
    let stored = serde_json::to_value(finding).unwrap();
    assert_eq!(stored["explanation"], json!({"code": "same_call_same_result", "tool": "search", "calls": 4}));
    assert_eq!((&stored["kind"], &stored["detector"]), (&json!("tool_loop"), &json!("signal")));
    assert_eq!(serde_json::from_value::<SignalFinding>(stored).unwrap(), *finding);
    let explanation =
        FindingExplanation::BadArguments { tool: "f".into(), fault: ArgumentFault::Missing { argument: "city".into() }, corrected: true };
    assert_eq!(
        explanation.to_string(),
        "The model called the tool \"f\" with arguments without the required \"city\"; a later call succeeded."
    );
    let stored = serde_json::to_value(&explanation).unwrap();
    assert_eq!(stored, json!({"code": "bad_arguments", "tool": "f", "fault": "missing", "argument": "city", "corrected": true}));
    assert_eq!(serde_json::from_value::<FindingExplanation>(stored).unwrap(), explanation);
}

#[test]
fn huge_and_strange_texts_are_read_in_part() {
    let huge = "\u{1f600}é".repeat(2_000_000);
    for long in [huge.as_str(), "{", "[[[[", "I can't help", "\u{0}", "```", "'", "„", ""] {
        let mut spans = looping_run();
        spans[0].input_messages = vec![text("system", long), text("user", long)];
        spans[1].output_messages = vec![message("tool", MessagePart::ToolResult { id: None, name: None, result: long.into() })];
        spans[1].status = SpanStatus::Error;
        spans[1].status_detail = Some(long.into());
        spans[2].output_messages.push(message("assistant", MessagePart::ToolCall { id: None, name: long.into(), arguments: long.into() }));
        spans[2].tool_definitions = Some(json!([long, {"name": long}]));
        spans[8].output_messages = vec![text("assistant", long)];
        let evidence = find(&spans).into_iter().filter_map(|finding| finding.evidence);
        assert!(evidence.into_iter().all(|text| text.chars().count() <= SignalFinding::MAX_EVIDENCE_CHARACTERS));
        let spans: Vec<&Span> = spans.iter().collect();
        of_conversation(&[&spans, &spans]);
    }
}

#[test]
fn parents_in_a_circle_and_equal_ids_do_no_harm() {
    let mut spans = looping_run();
    for (at, span) in spans.iter_mut().enumerate() {
        span.parent_span_id = Some(SpanId((at as u64 + 1) % 9 + 1));
    }
    find(&spans);
    spans.iter_mut().for_each(|span| (span.span_id, span.parent_span_id) = (SpanId(1), Some(SpanId(1))));
    find(&spans);
    assert_eq!(find(&[]), []);
    assert_eq!(of_conversation(&[]), []);
}

#[test]
fn history_that_is_sent_again_is_no_repeated_question() {
    let question = "How do I reset my password?";
    let turn =
        |id: u64, messages: Vec<ChatMessage>| vec![Span { input_messages: messages, ..call(id, vec![text("assistant", "See page 4.")]) }];
    let first = turn(1, vec![text("user", question)]);
    let with_history = turn(2, vec![text("user", question), text("assistant", "See page 4."), text("user", "Where is page 4?")]);
    let again = turn(3, vec![text("user", "I asked how to reset my password!")]);
    let of = |traces: &[&Vec<Span>]| {
        let traces: Vec<Vec<&Span>> = traces.iter().map(|trace| trace.iter().collect()).collect();
        of_conversation(&traces.iter().map(Vec::as_slice).collect::<Vec<_>>())
    };
    assert_eq!(of(&[&first, &with_history]), []);
    let findings = of(&[&first, &with_history, &again]);
    assert_eq!(findings[0].explanation, FindingExplanation::AskedAgain { turns_later: 2, reworded: true });
    assert_eq!(findings[0].span_ids, [SpanId(1), SpanId(3)]);
}

#[test]
fn handoffs_of_tools_below_one_agent_are_followed() {
    let run = |handoffs: u64| {
        let tools = |n: u64| if n.is_multiple_of(2) { "transfer_to_billing" } else { "transfer_to_support" };
        let rounds =
            (0..handoffs).flat_map(|n| [call(2 * n + 1, request(2 * n + 1, tools(n))), tool(2 * n + 2, 2 * n + 1, tools(n), "ok")]);
        rounds.map(|span| Span { agent: Some("swarm".into()), ..span }).collect::<Vec<Span>>()
    };
    assert_eq!(find(&run(4)), []);
    let explanation = FindingExplanation::PingPong { first_agent: "support".into(), second_agent: "billing".into(), handoffs: 5 };
    assert_eq!(find(&run(5))[0].explanation, explanation);
}
