//! Runs with planted faults.

use hinomi_evaluation::signals::FindingKind;
use hinomi_model::span::{Span, SpanStatus, SpanType};
use serde_json::{Value, json};

use super::dice::SeededDice;
use super::script::{RunScript, RunStyle, ScriptedCall, done, failed, message};
use super::words::*;

/// Returns the traces of a conversation with a fault of a kind.
pub(crate) fn run(kind: FindingKind, dice: &mut SeededDice) -> Vec<Vec<Span>> {
    match kind {
        FindingKind::ToolLoop => vec![tool_loop(dice)],
        FindingKind::AgentPingPong => vec![ping_pong(dice)],
        FindingKind::ToolErrorIgnored => vec![tool_error_ignored(dice)],
        FindingKind::RetryStorm => vec![retry_storm(dice)],
        FindingKind::AnswerTruncated => vec![truncated(dice)],
        FindingKind::AnswerEmpty => vec![empty(dice)],
        FindingKind::QuestionRepeated => question_repeated(dice),
        FindingKind::UnknownTool => vec![unknown_tool(dice)],
        FindingKind::BadToolArguments => vec![bad_arguments(dice)],
        FindingKind::RunLimit => vec![run_limit(dice)],
        FindingKind::ContextGrowth => vec![context_growth(dice)],
        FindingKind::WrongLanguage => vec![wrong_language(dice)],
        FindingKind::Refusal => vec![refusal(dice)],
    }
}

/// Returns a question with an answer in its language.
pub(crate) fn question_and_answer(dice: &mut SeededDice) -> (&'static str, &'static str) {
    let place = dice.number(0, QUESTIONS.len() as u64 / 2 - 1) as usize * 2 + usize::from(dice.held_out);
    let answers = match place {
        8..=11 => ANSWERS_JA,
        12 | 13 => ANSWERS_DE,
        14 | 15 => ANSWERS_FR,
        16 | 17 => ANSWERS_ZH,
        _ => ANSWERS_EN,
    };
    (QUESTIONS[place], dice.phrase(answers))
}

pub(crate) fn tool_name(dice: &mut SeededDice) -> &'static str {
    dice.phrase(&[
        "search_flights",
        "get_order",
        "lookup_customer",
        "weather",
        "read_file",
        "query_database",
        "fetchInvoice",
        "calendar.find",
        "web_search",
        "getInventory",
    ])
}

fn reordered(arguments: &Value, turn: bool) -> String {
    let members: Vec<String> = arguments.as_object().unwrap().iter().map(|(key, value)| format!("{}: {}", json!(key), value)).collect();
    if turn { format!("{{{}}}", members.into_iter().rev().collect::<Vec<_>>().join(", ")) } else { arguments.to_string() }
}

fn tool_loop(dice: &mut SeededDice) -> Vec<Span> {
    let mut script = RunScript::new(dice);
    script.user(dice.phrase(NEUTRAL));
    let answer = dice.phrase(ANSWERS_EN);
    let name = tool_name(dice);
    if dice.chance(30) {
        // The same failure with arguments that differ a little.
        let error = dice.phrase(&[
            "no such column",
            "unknown location",
            "file not found",
            "no match for this filter",
            "invalid date",
            "record does not exist",
        ]);
        let start = dice.number(1, 50);
        for n in 0..dice.number(5, 8) {
            let error = if dice.chance(50) { error.to_owned() } else { format!("{error} {}", start + n) };
            script.act(&[failed(name, json!({"query": format!("status open limit {}", start + n), "table": "orders"}), error)]);
        }
        script.answer(dice.phrase(ADMITTING));
        return script.end();
    }
    let arguments = json!({"city": "Tokyo", "days": dice.number(1, 9), "unit": "c"});
    let result = dice.phrase(&[
        "[]",
        "No results found for the given filters in this catalogue.",
        "{\"items\": [], \"total\": 0, \"status\": \"complete\"}",
        "{\"temperature\": 18, \"sky\": \"clear\"}",
        "Order 1001: in preparation since Monday, no tracking number yet.",
        "null result set returned by the backend",
    ]);
    let fails = dice.chance(15);
    for n in 0..dice.number(4, 9) {
        let text = reordered(&arguments, n % 2 == 1);
        let outcome = if fails { Err(result.to_owned()) } else { Ok(result.to_owned()) };
        script.act(&[ScriptedCall { name: name.into(), arguments: text, outcome }]);
        if dice.chance(40) {
            script.act(&[done("take_note", json!({"note": format!("step {n}")}), format!("saved {n}"))]);
        }
    }
    script.answer(if fails { dice.phrase(ADMITTING) } else { answer });
    script.end()
}

fn ping_pong(dice: &mut SeededDice) -> Vec<Span> {
    let (question, answer) = (dice.phrase(NEUTRAL), dice.phrase(ANSWERS_EN));
    let mut script = RunScript::new(dice);
    if script.style == RunStyle::Messages {
        script.style = RunStyle::Otel;
    }
    script.user(question);
    let (first, second) =
        (dice.phrase(&["triage", "sales", "planner", "writer"]), dice.phrase(&["billing", "support", "executor", "reviewer"]));
    let form = dice.number(0, 3);
    let said = [
        "This belongs to your colleague.",
        "Passing this on.",
        "I think the other team handles this.",
        "Not my area, forwarding.",
        "担当が違うため、引き継ぎます。",
        "Das gehört zu den Kollegen.",
    ];
    for n in 0..dice.number(6, 10) {
        let (from, to) = if n % 2 == 0 { (first, second) } else { (second, first) };
        script.become_agent(from);
        match form {
            0 => {
                let tool = format!("transfer_to_{to}");
                let reason = said[dice.number(0, 5) as usize];
                script.act(&[done(&tool, json!({"reason": reason}), format!("{{\"assistant\": \"{to}\"}}"))]);
            }
            1 => {
                script.answer(said[dice.number(0, 5) as usize]);
                let handoff = script.blank(SpanType::Handoff, &format!("handoff from {from} to {to}"));
                script.spans.push(handoff);
            }
            2 => {
                script.answer(said[dice.number(0, 5) as usize]);
            }
            _ => {
                // The same draft goes back and forth.
                let draft = if n % 2 == 0 {
                    "Draft: our product saves teams many hours each week, because it finds the calls that cost most and shows why they do. It is easy to install and needs no account, and it runs on your own machine."
                } else {
                    "Please revise the draft: the tone should be friendlier, and the second sentence should mention the price. Otherwise this looks good, and I would publish it in the blog as soon as these points are done."
                };
                script.answer(draft);
            }
        }
    }
    script.answer(answer);
    script.end()
}

fn tool_error_ignored(dice: &mut SeededDice) -> Vec<Span> {
    let mut script = RunScript::new(dice);
    script.user(dice.phrase(NEUTRAL));
    let error = dice.phrase(TOOL_ERRORS);
    if dice.chance(40) {
        script.act(&[done("list_tasks", json!({"owner": "me"}), "[{\"id\": 7}]")]);
    }
    script.act(&[failed(tool_name(dice), json!({"id": dice.number(1000, 9999), "region": "north"}), error)]);
    if dice.chance(40) {
        script.act(&[done("get_time", json!({"zone": "UTC"}), "2026-05-03T10:00:00Z")]);
    }
    script.answer(dice.phrase(SILENT));
    script.end()
}

fn retry_storm(dice: &mut SeededDice) -> Vec<Span> {
    let mut script = RunScript::new(dice);
    script.user(dice.phrase(NEUTRAL));
    let answer = dice.phrase(ANSWERS_EN);
    let error = dice.phrase(&[
        "Error code: 429 - rate limit reached",
        "503 overloaded",
        "Connection error.",
        "Request timed out.",
        "500 The server had an error",
        "529 overloaded_error",
    ]);
    let attempts = dice.number(5, 12);
    if dice.chance(50) {
        (0..attempts).for_each(|_| script.failed_call(error));
        if dice.chance(60) {
            script.answer(answer);
        }
        return script.end();
    }
    let name = tool_name(dice);
    let arguments = json!({"id": dice.number(1, 999)});
    if dice.chance(50) || script.style == RunStyle::Messages {
        (0..attempts).for_each(|_| {
            script.act(&[failed(name, arguments.clone(), dice.phrase(TOOL_ERRORS))]);
        });
    } else {
        script.act(&[failed(name, arguments.clone(), error)]);
        (1..attempts).for_each(|_| script.tool(&failed(name, arguments.clone(), error), None));
    }
    script.answer(dice.phrase(ADMITTING));
    script.end()
}

fn truncated(dice: &mut SeededDice) -> Vec<Span> {
    let (question, answer) = question_and_answer(dice);
    let mut script = RunScript::new(dice);
    script.user(question);
    if dice.chance(40) {
        script.act(&[done(tool_name(dice), json!({"id": 4}), "{\"ok\": true, \"rows\": 3}")]);
    }
    let cut: String = answer.chars().take(answer.chars().count() * 2 / 3).collect();
    if dice.chance(75) {
        let reason = dice.phrase(&["length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "Length", "model_length"]);
        script.answer_with(&cut, reason);
    } else {
        script.answer_with(&cut, "");
        let limit = dice.number(100, 4000);
        let last = script.spans.last_mut().unwrap();
        last.usage.output = Some(limit);
        let name = dice.phrase(&[
            "gen_ai.request.max_tokens",
            "gen_ai.request.max_output_tokens",
            "gen_ai.request.max_tokens",
            "gen_ai.request.max_completion_tokens",
        ]);
        last.attributes.insert(name.into(), json!(limit));
    }
    script.end()
}

fn empty(dice: &mut SeededDice) -> Vec<Span> {
    let (question, _) = question_and_answer(dice);
    let mut script = RunScript::new(dice);
    script.user(question);
    if dice.chance(50) {
        script.act(&[done(tool_name(dice), json!({"id": 4}), "{\"rows\": 3}")]);
    }
    let tokens = dice.number(0, 2);
    match dice.number(0, 3) {
        0 => {
            script.call(Vec::new(), "stop", tokens);
        }
        1 => {
            script.call(vec![message("assistant", "")], "stop", tokens);
        }
        2 => {
            script.call(vec![hinomi_model::span::ChatMessage { role: "assistant".into(), parts: vec![] }], "end_turn", tokens);
        }
        _ => {
            script.call(vec![message("assistant", " \n")], "stop", dice.number(1, 30));
        }
    }
    script.end()
}

fn question_repeated(dice: &mut SeededDice) -> Vec<Vec<Span>> {
    let place = dice.number(0, REPEATED.len() as u64 / 2 - 1) as usize * 2 + usize::from(dice.held_out);
    let (first, mut again) = REPEATED[place];
    if dice.chance(25) {
        again = first;
    }
    let mut texts = vec![first];
    if dice.chance(40) {
        texts.push("I am using the mobile version, by the way.");
    }
    texts.push(again);
    conversation(dice, &texts)
}

/// Returns a conversation of one trace for each message, with or without history.
pub(crate) fn conversation(dice: &mut SeededDice, texts: &[&str]) -> Vec<Vec<Span>> {
    let resends = dice.chance(60);
    let mut history = Vec::new();
    let mut traces = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let mut script = RunScript::new(dice);
        script.clock += at as i64 * 60_000_000;
        script.history.retain(|message| message.role == "system");
        if resends {
            script.history.extend(history.clone());
        }
        script.user(text);
        if dice.chance(30) {
            script.act(&[done("search_help", json!({"q": at}), format!("article {at}"))]);
        }
        script.answer("See page 4.");
        history.push(message("user", text));
        history.push(message("assistant", "See page 4."));
        traces.push(script.end());
    }
    traces
}

pub(crate) fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"type": "string", "enum": ["c", "f"]}}, "required": ["city"]})
}

/// Returns a run that knows the tools of its requests.
pub(crate) fn with_tools(dice: &mut SeededDice) -> RunScript {
    let mut script = RunScript::new(dice);
    if script.style == RunStyle::Langfuse {
        script.style = RunStyle::Otel;
    }
    script.offer(dice, &[("get_weather", schema()), ("search_flights", json!({"type": "object", "properties": {}}))]);
    script.user(dice.phrase(NEUTRAL));
    script
}

fn unknown_tool(dice: &mut SeededDice) -> Vec<Span> {
    let mut script = with_tools(dice);
    let name = dice.phrase(&[
        "get_wether_forecast",
        "book_hotel",
        "weather.lookup",
        "send_email",
        "get_weather_v2",
        "search_trains",
        "python",
        "open_browser",
        "search_flight_prices",
        "lookup",
    ]);
    if dice.chance(50) {
        script.act(&[failed(name, json!({"city": "Rome"}), format!("unknown tool: {name}"))]);
        script.answer(dice.phrase(ADMITTING));
    } else {
        let part = hinomi_model::span::MessagePart::ToolCall {
            id: Some("call_99887766".into()),
            name: name.into(),
            arguments: "{\"city\": \"Rome\"}".into(),
        };
        script.call(vec![hinomi_model::span::ChatMessage { role: "assistant".into(), parts: vec![part] }], "tool_calls", 12);
    }
    script.end()
}

fn bad_arguments(dice: &mut SeededDice) -> Vec<Span> {
    let mut script = with_tools(dice);
    let error = dice.phrase(&[
        "invalid arguments: city is missing",
        "1 validation error for get_weather",
        "Missing required parameter 'city'",
        "Input validation error: 'city' is a required property",
        "unexpected keyword argument 'town'",
        "MCP error -32602: Invalid params",
        "get_weather() missing 1 required positional argument: 'city'",
        "ZodError: expected string, received number",
        "引数が不正です: city は必須項目です",
        "参数错误：缺少参数 city",
    ]);
    let arguments = match dice.number(0, 4) {
        0 => dice.phrase(&[
            "{\"city\": \"Rome\"",
            "{\"city\": Rome}",
            "{city: \"Rome\"}",
            "{\"city\": \"Rome\",}",
            "{\"city\" \"Rome\"}",
            "{\"city\": \"Ro\nme\"}",
        ]),
        1 => dice.phrase(&["{}", "{\"town\": \"Rome\"}", "{\"days\": 3}", "{\"City\": \"Rome\"}"]),
        2 => dice.phrase(&["{\"city\": 7}", "{\"city\": \"Rome\", \"days\": \"three\"}", "{\"city\": [\"Rome\"]}", "{\"city\": null}"]),
        3 => dice.phrase(&["{\"city\": \"Rome\", \"unit\": \"kelvin\"}", "{\"city\": \"Rome\", \"unit\": \"C\"}"]),
        _ => {
            // A tool without a known schema rejects the call.
            script.act(&[failed("search_flights", json!({"from": "TYO"}), error)]);
            script.answer(dice.phrase(ADMITTING));
            return script.end();
        }
    };
    script.act(&[ScriptedCall { name: "get_weather".into(), arguments: arguments.into(), outcome: Err(error.into()) }]);
    script.answer(dice.phrase(ADMITTING));
    script.end()
}

fn run_limit(dice: &mut SeededDice) -> Vec<Span> {
    let mut script = RunScript::new(dice);
    script.user(dice.phrase(NEUTRAL));
    for n in 0..dice.number(2, 6) {
        script.act(&[done(tool_name(dice), json!({"page": n}), format!("rows {n}"))]);
    }
    let text = dice.phrase(LIMITS);
    let is_sentence = ["Agent stopped", "Sorry, need", "Reached", "最大", "ステップ", "The run was", "Run stopped"]
        .iter()
        .any(|start| text.starts_with(start));
    let by_answer = is_sentence && dice.chance(50);
    let mut spans = {
        if by_answer && dice.chance(50) {
            script.answer(text);
        }
        script.end()
    };
    let root = &mut spans[0];
    if by_answer {
        root.output_messages = vec![message("assistant", text)];
    } else if text == "error_max_turns" {
        root.finish_reasons = vec![text.into()];
    } else {
        root.status = SpanStatus::Error;
        let (kind, detail) = text.split_once(": ").unwrap_or(("Exception", text));
        if dice.chance(50) && detail.len() > 20 {
            root.status_detail = Some(text.into());
        } else {
            root.attributes.insert("exception.type".into(), json!(kind));
            root.attributes.insert("exception.message".into(), json!(detail));
        }
        root.output_messages.clear();
    }
    spans
}

fn context_growth(dice: &mut SeededDice) -> Vec<Span> {
    let (question, answer) = question_and_answer(dice);
    let mut script = RunScript::new(dice);
    script.user(question);
    let calls = dice.number(4, 12);
    for n in 0..calls {
        script.act(&[done(tool_name(dice), json!({"page": n}), format!("rows {n}"))]);
    }
    script.answer(answer);
    let most = if script.model.starts_with("gemini") { 600_000 } else { dice.number(102_000, 190_000) };
    let first = dice.number(1_000, most / 12);
    let hides = dice.chance(25);
    let mut spans = script.end();
    for (at, span) in (0..).zip(spans.iter_mut().filter(|span| span.kind == SpanType::Llm)) {
        let tokens = first + (most - first) * at / calls;
        (span.usage.input, span.usage.cache_read) =
            if dice.chance(40) { (Some(tokens / 4), Some(tokens - tokens / 4)) } else { (Some(tokens), None) };
        if hides {
            span.input_messages.clear();
            span.output_messages.clear();
        }
    }
    spans
}

fn wrong_language(dice: &mut SeededDice) -> Vec<Span> {
    let sets: &[(&[&str], usize)] = &[(ANSWERS_EN, 0), (ANSWERS_JA, 8), (ANSWERS_DE, 12), (ANSWERS_FR, 14), (ANSWERS_ZH, 16)];
    let (question, _) = question_and_answer(dice);
    let place = QUESTIONS.iter().position(|other| *other == question).unwrap();
    let own = sets.iter().rposition(|(_, start)| place >= *start).unwrap();
    let other = (own + dice.number(1, 4) as usize) % 5;
    let mut script = RunScript::new(dice);
    script.user(question);
    if dice.chance(40) {
        script.act(&[done(tool_name(dice), json!({"q": "x"}), "The result is in English and long enough to confuse the model.")]);
    }
    let answer = dice.phrase(sets[other].0);
    let answer = if dice.chance(30) { format!("{answer}\n\n```python\nprint('hello world')\n```") } else { answer.to_owned() };
    script.answer(&answer);
    script.end()
}

fn refusal(dice: &mut SeededDice) -> Vec<Span> {
    let text = dice.phrase(REFUSALS);
    let mut script = RunScript::new(dice);
    script.user(dice.phrase(NEUTRAL));
    if dice.chance(25) {
        script.act(&[done("check_policy", json!({"topic": "x"}), "policy 4 applies")]);
    }
    script.answer(text);
    script.end()
}
