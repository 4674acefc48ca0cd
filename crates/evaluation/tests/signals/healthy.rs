//! Healthy runs that look like faults.

use hinomi_evaluation::signals::FindingKind;
use hinomi_model::span::{ChatMessage, MessagePart, Span, SpanType};
use serde_json::json;

use super::dice::SeededDice;
use super::healthy_answers::{no_limit, no_refusal, right_language};
use super::planted::{conversation, question_and_answer, schema, tool_name, with_tools};
use super::script::{RunScript, RunStyle, ScriptedCall, done, failed, message};
use super::words::*;

/// Returns the traces of a healthy conversation that resembles a fault of a kind.
pub(crate) fn run(kind: FindingKind, dice: &mut SeededDice) -> Vec<Vec<Span>> {
    match kind {
        FindingKind::ToolLoop => vec![no_loop(dice)],
        FindingKind::AgentPingPong => vec![no_ping_pong(dice)],
        FindingKind::ToolErrorIgnored => vec![error_handled(dice)],
        FindingKind::RetryStorm => vec![few_retries(dice)],
        FindingKind::AnswerTruncated => vec![not_truncated(dice)],
        FindingKind::AnswerEmpty => vec![not_empty(dice)],
        FindingKind::QuestionRepeated => not_repeated(dice),
        FindingKind::UnknownTool => vec![known_tool(dice)],
        FindingKind::BadToolArguments => vec![good_arguments(dice)],
        FindingKind::RunLimit => vec![no_limit(dice)],
        FindingKind::ContextGrowth => vec![no_growth(dice)],
        FindingKind::WrongLanguage => vec![right_language(dice)],
        FindingKind::Refusal => vec![no_refusal(dice)],
    }
}

fn no_loop(dice: &mut SeededDice) -> Vec<Span> {
    let (question, answer) = question_and_answer(dice);
    let mut script = RunScript::new(dice);
    script.user(question);
    let name = tool_name(dice);
    match dice.number(0, 7) {
        // Polling: the state changes in the end.
        0 => {
            let arguments = json!({"job": dice.number(1, 99)});
            let waiting = dice.phrase(&["{\"state\": \"pending\"}", "still running", "in progress", "queued"]);
            (0..dice.number(4, 12)).for_each(|_| {
                script.act(&[done("get_job_status", arguments.clone(), waiting)]);
            });
            script.act(&[done("get_job_status", arguments, "{\"state\": \"done\", \"rows\": 42}")]);
        }
        // Polling with progress.
        1 => (0..9).for_each(|n| {
            script.act(&[done("check_progress", json!({"job": 4}), format!("{}%", n * 10))]);
        }),
        // Paging.
        2 => (1..10).for_each(|n| {
            script.act(&[done(name, json!({"page": n, "q": "open"}), format!("[{{\"id\": {}}}]", n * 7))]);
        }),
        // Paging by a tool that only acknowledges.
        3 => (0..8).for_each(|_| {
            script.act(&[done("scroll_page", json!({"direction": "down"}), "ok")]);
        }),
        // Equal calls at the same time.
        4 => {
            let calls: Vec<ScriptedCall> = (0..6).map(|_| done(name, json!({"q": "same"}), "same result")).collect();
            script.act_in(&calls, true);
        }
        // A different task asks for the same.
        5 => {
            for n in 0..6 {
                script.user(&format!("And now task number {n}: plan the visit of city {n}."));
                script.act(&[done("get_date", json!({}), "2026-05-03")]);
                script.answer(&format!("The visit number {n} is planned."));
            }
            return script.end();
        }
        // Different items of a list.
        6 => (0..8).for_each(|n| {
            script.act(&[done(name, json!({"id": 100 + n}), "not in stock")]);
        }),
        // Three equal calls.
        _ => (0..3).for_each(|_| {
            script.act(&[done(name, json!({"q": "x"}), "nothing new")]);
        }),
    }
    script.answer(answer);
    script.end()
}

fn no_ping_pong(dice: &mut SeededDice) -> Vec<Span> {
    let mut script = RunScript::new(dice);
    if script.style == RunStyle::Messages {
        script.style = RunStyle::Sentry;
    }
    script.user(dice.phrase(NEUTRAL));
    let form = dice.number(0, 3);
    let (first, second) =
        (dice.phrase(&["writer", "orchestrator", "coder", "planner"]), dice.phrase(&["critic", "researcher", "tester", "worker"]));
    for n in 0..dice.number(6, 12) {
        let agent = if n % 2 == 0 { first } else { second };
        match form {
            // The draft changes each time.
            0 => {
                script.become_agent(agent);
                let parts = [
                    "The harbour was quiet",
                    "Sales rose in the north",
                    "A new bridge opened",
                    "The museum moved house",
                    "Rain fell for three days",
                    "Tickets sold out early",
                    "The choir sang outside",
                    "Two ferries were late",
                    "Lanterns lit the square",
                    "Bakers ran out of bread",
                    "Children flew kites",
                    "The mayor gave a speech",
                ];
                let (one, two) = (parts[n as usize % 12], parts[(n as usize * 5 + 3) % 12]);
                script.answer(&format!("Version {n}. {one} while {} and nobody expected what came next. {two}, and so the story of chapter {n} ends with a walk along the river at dusk.", two.to_lowercase()));
            }
            // Each agent does new work with tools.
            1 => {
                script.become_agent(agent);
                script.act(&[done("search", json!({"q": n}), format!("document {n}"))]);
                script.answer("Passing on.");
            }
            // A short chain of handoffs, then work.
            2 if n < 4 => {
                script.become_agent(agent);
                script.act(&[done(
                    &format!("transfer_to_{}", if n % 2 == 0 { second } else { first }),
                    json!({"reason": "other team"}),
                    "ok",
                )]);
            }
            2 => {}
            // Handoffs through several agents.
            _ => {
                script.become_agent(["intake", "sales", "billing", "shipping", "support", "legal"][n as usize % 6]);
                script.answer("Forwarding.");
            }
        }
    }
    script.answer(dice.phrase(ANSWERS_EN));
    script.end()
}

fn error_handled(dice: &mut SeededDice) -> Vec<Span> {
    let mut script = RunScript::new(dice);
    script.user(dice.phrase(NEUTRAL));
    let (error, name) = (dice.phrase(TOOL_ERRORS), tool_name(dice));
    let arguments = json!({"id": dice.number(1000, 9999), "region": "north"});
    match dice.number(0, 4) {
        // Retried with success.
        0 => {
            script.act(&[failed(name, arguments.clone(), error)]);
            script.act(&[done(name, arguments, "{\"status\": \"sent\"}")]);
            script.answer(dice.phrase(SILENT));
        }
        // Replaced by another tool with the same arguments.
        1 => {
            script.act(&[failed(name, arguments.clone(), error)]);
            script.act(&[done("backup_source", arguments, "{\"status\": \"sent\"}")]);
            script.answer(dice.phrase(SILENT));
        }
        // A word about errors in a result that is not a failure.
        2 => {
            let result = dice.phrase(&[
                "{\"error\": null, \"rows\": 3}",
                "{\"errors\": [], \"total\": 4}",
                "Errors in the log: 0",
                "{\"text\": \"The error rate fell to 0.1 %\"}",
                "The failed payment of 3 May was repeated with success.",
                "{\"status\": \"failed\", \"order\": 1001}",
            ]);
            script.act(&[done(name, arguments, result)]);
            script.answer(dice.phrase(SILENT));
        }
        // Mentioned, or asked.
        _ => {
            script.act(&[failed(name, arguments, error)]);
            script.answer(dice.phrase(ADMITTING));
        }
    }
    script.end()
}

fn few_retries(dice: &mut SeededDice) -> Vec<Span> {
    let (question, answer) = question_and_answer(dice);
    let mut script = RunScript::new(dice);
    script.user(question);
    let error = "429 rate limit";
    match dice.number(0, 3) {
        // A few retries, then success.
        0 => (0..dice.number(1, 4)).for_each(|_| script.failed_call(error)),
        // Different calls fail.
        1 => {
            for n in 0..6 {
                script.failed_call(error);
                script.act(&[done("next_item", json!({"n": n}), format!("item {n}"))]);
            }
        }
        // Parallel requests fail together.
        2 => {
            let start = script.clock;
            for _ in 0..6 {
                script.clock = start;
                script.failed_call(error);
            }
        }
        // A tool fails once, then succeeds.
        _ => {
            let name = tool_name(dice);
            script.act(&[failed(name, json!({"id": 5}), "timeout")]);
            script.act(&[done(name, json!({"id": 5}), "{\"rows\": 2}")]);
        }
    }
    script.answer(answer);
    script.end()
}

fn not_truncated(dice: &mut SeededDice) -> Vec<Span> {
    let (question, answer) = question_and_answer(dice);
    let mut script = RunScript::new(dice);
    script.user(question);
    match dice.number(0, 3) {
        // Continued.
        0 => {
            let half: String = answer.chars().take(answer.chars().count() / 2).collect();
            script.answer_with(&half, "length");
            script.user("1");
            script.answer(answer);
        }
        // One word on purpose.
        1 => {
            script.answer_with("yes", "length");
            let last = script.spans.last_mut().unwrap();
            last.usage.output = Some(1);
            last.attributes.insert("gen_ai.request.max_tokens".into(), json!(dice.number(1, 10)));
        }
        // Tokens below the limit.
        2 => {
            script.answer_with(answer, "");
            script.spans.last_mut().unwrap().attributes.insert("gen_ai.request.max_tokens".into(), json!(4096));
        }
        // Exactly the limit, but the model stopped.
        _ => {
            script.answer(answer);
            let last = script.spans.last_mut().unwrap();
            last.usage.output = Some(256);
            last.attributes.insert("gen_ai.request.max_tokens".into(), json!(256));
        }
    }
    script.end()
}

fn not_empty(dice: &mut SeededDice) -> Vec<Span> {
    let (question, answer) = question_and_answer(dice);
    let mut script = RunScript::new(dice);
    script.user(question);
    match dice.number(0, 5) {
        // The client does not record texts.
        0 => {
            script.answer(answer);
            let mut spans = script.end();
            for span in &mut spans {
                span.input_messages.clear();
                span.output_messages.clear();
            }
            return spans;
        }
        // Only inputs are recorded.
        1 => {
            script.answer(answer);
            let mut spans = script.end();
            spans.iter_mut().for_each(|span| span.output_messages.clear());
            return spans;
        }
        // A failed call has no output.
        2 => script.failed_call("500 server error"),
        // The answer is a picture, or an object.
        3 => {
            let part = if dice.chance(50) {
                MessagePart::Media {
                    modality: "image".into(),
                    mime_type: None,
                    media_id: None,
                    content: Some("https://example.com/a.png".into()),
                }
            } else {
                MessagePart::Other { content: "{\"celsius\": 18}".into() }
            };
            script.call(vec![ChatMessage { role: "assistant".into(), parts: vec![part] }], "stop", 2);
        }
        // A tool ends the run.
        4 => {
            script.act(&[done("final_answer", json!({"answer": "18 degrees"}), "ok")]);
        }
        // A call in the middle was empty.
        _ => {
            script.call(vec![message("assistant", "")], "stop", 1);
            script.answer(answer);
        }
    }
    script.end()
}

fn not_repeated(dice: &mut SeededDice) -> Vec<Vec<Span>> {
    let place = dice.number(0, DIFFERENT.len() as u64 / 2 - 1) as usize * 2 + usize::from(dice.held_out);
    let (first, second) = DIFFERENT[place];
    match dice.number(0, 3) {
        0 => {
            // Far apart.
            let (again, _) = REPEATED[place % REPEATED.len()];
            conversation(dice, &[again, "Where is the station?", "How tall is the tower?", "Who wrote this book?", again])
        }
        _ => conversation(dice, &[first, second]),
    }
}

fn known_tool(dice: &mut SeededDice) -> Vec<Span> {
    let mut script = with_tools(dice);
    match dice.number(0, 3) {
        0 => {
            let name = dice.phrase(&[
                "get_weather",
                "getWeather",
                "functions.get_weather",
                "get-weather",
                "GetWeather",
                "default_api.get_weather",
                "mcp__server__get_weather",
                "search_flights",
                "server:get_weather",
                "Search_Flights",
            ]);
            script.act(&[done(name, json!({"city": "Rome"}), "18 C")]);
        }
        // A tool of the provider, or one that hands over.
        1 => {
            let name = dice.phrase(&[
                "web_search",
                "code_interpreter",
                "transfer_to_billing",
                "transfer_to_support",
                "file_search",
                "computer_use",
            ]);
            script.act(&[done(name, json!({"city": "Rome"}), "ok then")]);
        }
        // The tools are unknown.
        2 => {
            script.tools = None;
            script.act(&[done("anything", json!({"a": 1}), "18 C")]);
        }
        // The list of tools was cut.
        _ => {
            script.tools = Some(json!("[{\"name\": \"get_weather\", \"descr… [2000 bytes cut]"));
            script.act(&[done("search_trains", json!({"a": 1}), "18 C")]);
        }
    }
    script.answer(dice.phrase(ANSWERS_EN));
    script.end()
}

fn good_arguments(dice: &mut SeededDice) -> Vec<Span> {
    let mut script = with_tools(dice);
    let arguments = dice.phrase(&[
        "{\"city\": \"Rome\"}",
        "{\"city\": \"Rome\", \"days\": 3}",
        "{\"unit\": \"c\", \"city\": \"Rome\"}",
        "{\"city\": \"東京\", \"days\": null}",
        "{\"city\": \"Rome\", \"extra\": true}",
        "{'city': 'Rome', 'days': None}",
        "{\"city\": \"Ro… [900 bytes cut]",
        "{\"city\": \"A long name...",
        "{\"city\": \"\"}",
        "{\"city\": \"Rome\", \"days\": 2.0}",
    ]);
    if dice.chance(25) {
        // The tool fails for another reason.
        script.act(&[ScriptedCall {
            name: "get_weather".into(),
            arguments: arguments.into(),
            outcome: Err(dice.phrase(TOOL_ERRORS).into()),
        }]);
        script.answer(dice.phrase(ADMITTING));
        return script.end();
    }
    if dice.chance(25) {
        script.tools = Some(
            json!([{"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}}]),
        );
        script.act(&[done("get_weather", json!({"city": 5}), "18 C")]);
    } else {
        assert!(schema().is_object());
        script.act(&[ScriptedCall { name: "get_weather".into(), arguments: arguments.into(), outcome: Ok("18 C".into()) }]);
    }
    script.answer(dice.phrase(ANSWERS_EN));
    script.end()
}

fn no_growth(dice: &mut SeededDice) -> Vec<Span> {
    let (question, answer) = question_and_answer(dice);
    let mut script = RunScript::new(dice);
    script.user(question);
    let form = dice.number(0, 3);
    for n in 0..6u64 {
        if form == 3 {
            // Independent documents of different sizes.
            script.history.retain(|message| message.role == "system");
            script.user(&format!("Document {n}."));
        }
        script.act(&[done("read_document", json!({"n": n}), format!("text {n}"))]);
    }
    script.answer(answer);
    let sizes: [u64; 7] = match form {
        0 => [30_000, 40_000, 60_000, 80_000, 100_000, 110_000, 120_000],
        1 => [500, 1_000, 5_000, 9_000, 20_000, 30_000, 45_000],
        2 => [90_000, 9_000, 8_000, 9_500, 7_000, 8_000, 9_000],
        _ => [2_000, 120_000, 3_000, 1_000, 150_000, 900, 1_200],
    };
    let mut spans = script.end();
    let calls = spans.iter_mut().filter(|span| span.kind == SpanType::Llm);
    calls.zip(sizes).for_each(|(span, size)| span.usage.input = Some(size));
    spans
}
