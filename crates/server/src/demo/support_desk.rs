//! Retrieval-augmented generation: the support desk (Python) and the document search (Node).

use serde_json::{Value, json};

use super::llm::{DemoChatCall, DemoInstrumentation, DemoTokenUsage, GEMINI, GPT_4O, GPT_4O_MINI, GPT_5_MINI, message};
use super::texts::{self, TextSlots, text};
use super::trace::{DemoSpanIndex, DemoTrace, ROOT};

/// Answers a customer's question from passages of the travel conditions.
pub(super) fn support(trace: &mut DemoTrace, language: &'static str, turn: u32) {
    let part = texts::of("support");
    let slots = TextSlots::new(&mut trace.dice);
    let item = texts::in_language(&mut trace.dice, &part["items"], language);
    let refused = trace.dice.chance(0.012);
    let (question, answer) = if refused {
        (slots.fill(text(&part["refused"][0])), slots.fill(text(&part["refused"][1])))
    } else {
        (slots.fill(text(&item[1])), slots.fill(text(&item[3])))
    };
    let passages: Vec<&'static Value> = (0..3).map(|_| trace.dice.pick(texts::rows(&part["items"]))).collect();

    let pipeline = trace.open(ROOT, "ai.pipeline", "support-answer", "manual");
    trace.embed(pipeline, &question);
    retrieve(trace, pipeline, &question, item, &passages);

    let mut messages = Vec::new();
    if turn > 1 {
        let earlier = texts::in_language(&mut trace.dice, &part["items"], language);
        messages.push(message("user", &slots.fill(text(&earlier[1]))));
        messages.push(message("assistant", &slots.fill(text(&earlier[3]))));
    }
    let context: Vec<&str> = std::iter::once(item).chain(passages.iter().copied()).map(|passage| text(&passage[2])).collect();
    messages.push(message("user", &format!("{question}\n\n---\n{}", context.join("\n"))));

    // A few customers have whole conditions compared.
    let long = trace.dice.chance(0.004);
    let mut chat = DemoChatCall::new(&GPT_4O, DemoInstrumentation::OpenAi, text(&part["system"]), &messages, &answer);
    chat.hidden_tokens = if long { 38_000 } else { 1_350 + u64::from(turn - 1) * 240 };
    chat.seen_before = if trace.dice.chance(0.72) { 0.68 } else { 0.0 };
    chat.streamed = trace.dice.chance(0.6);
    // The older service opens streams that do not request usage.
    chat.reports_usage = !(chat.streamed && trace.dice.chance(0.09));
    chat.finish = refused.then_some("refusal");
    if refused {
        chat.streamed = false;
    }
    match trace.dice.weighted(&[0.945, 0.025, 0.02, 0.01]) {
        0 => {
            trace.chat(pipeline, &chat);
        }
        1 => {
            trace.retried_chat(pipeline, &chat);
        }
        2 => {
            // The program itself retries after a pause, with the smaller model.
            trace.failing_chat(pipeline, &chat, "rate_limit", Some(429), 190);
            trace.wait(1_100);
            chat.model = &GPT_4O_MINI;
            trace.chat(pipeline, &chat);
        }
        _ => {
            trace.failing_chat(pipeline, &chat, "rate_limit", Some(429), 190);
            trace.wait(900);
            trace.failing_chat(pipeline, &chat, "rate_limit", Some(429), 210);
            trace.fail(pipeline, "resource_exhausted");
            trace.fail(ROOT, "internal_error");
            trace.set(ROOT, "http.response.status_code", 503);
        }
    }
    if language == "en" && trace.dice.chance(0.3) {
        staff_note(trace, pipeline, &question, &answer);
    }
    trace.close(pipeline);
}

fn retrieve(trace: &mut DemoTrace, parent: DemoSpanIndex, question: &str, item: &'static Value, others: &[&'static Value]) {
    let at = trace.open(parent, "gen_ai.retrieval", "retrieval passages", "manual");
    trace.set(at, "gen_ai.operation.name", "retrieval");
    trace.set(at, "gen_ai.retrieval.query.text", question);
    let found: Vec<Value> = std::iter::once(&item)
        .chain(others)
        .enumerate()
        .map(|(rank, passage)| json!({"id": format!("conditions-2026#{}", 12 + rank * 7), "score": 0.91 - 0.08 * rank as f64, "content": passage[2]}))
        .collect();
    trace.set(at, "gen_ai.retrieval.documents", Value::from(found).to_string());
    let ms = trace.dice.around(55);
    trace.leaf(at, "db.query", "SELECT id, body FROM passages ORDER BY embedding <=> $1 LIMIT 4", "auto.db.asyncpg", ms);
    trace.close(at);
}

/// Adds a note in Japanese for the staff.
fn staff_note(trace: &mut DemoTrace, parent: DemoSpanIndex, question: &str, answer: &str) {
    let messages = [message("user", &format!("次のやり取りを日本語で一文にまとめてください。\nQ: {question}\nA: {answer}"))];
    let chat = DemoChatCall::new(
        &GEMINI,
        DemoInstrumentation::Google,
        "",
        &messages,
        "お客さまは規定を確認され、ご案内どおりに進めることになりました。",
    );
    trace.chat(parent, &chat);
}

/// Answers a search in the documents.
pub(super) fn search(trace: &mut DemoTrace, language: &'static str) {
    let part = texts::of("search");
    let item = texts::in_language(&mut trace.dice, &part["items"], language);
    let (question, section, passage, answer) = (text(&item[1]), text(&item[2]), text(&item[3]), text(&item[4]));
    trace.set(ROOT, "http.request.method", "GET");
    trace.set(ROOT, "http.route", "/api/search");
    trace.embed(ROOT, question);
    let ms = trace.dice.around(48);
    let store = trace.open(ROOT, "db", "qdrant search conditions-2026", "manual");
    trace.wait(ms);
    if trace.dice.chance(0.005) {
        trace.fail(store, "unavailable");
        trace.error(store, "index_gone", &TextSlots::none());
        trace.close(store);
        trace.fail(ROOT, "internal_error");
        trace.set(ROOT, "http.response.status_code", 503);
        return;
    }
    trace.close(store);

    // Questions that need several passages go to the reasoning model.
    let hard = trace.dice.chance(0.12);
    let model = if hard { &GPT_5_MINI } else { &GPT_4O_MINI };
    let agent = trace.open(ROOT, "gen_ai.invoke_agent", "invoke_agent doc-search", "auto.ai.vercelai");
    let prompt = format!("{question}\n\n[{section}] {passage}");
    let messages = [message("user", &prompt)];
    let mut chat = DemoChatCall::new(model, DemoInstrumentation::Vercel, text(&part["system"]), &messages, answer);
    chat.hidden_tokens = trace.dice.between(3_300, 4_100) as u64;
    chat.seen_before = if trace.dice.chance(0.2) { 0.3 } else { 0.0 };
    for (key, value) in [
        ("gen_ai.operation.name", "invoke_agent"),
        ("gen_ai.provider.name", "openai.chat"),
        ("gen_ai.request.model", model.asked),
        ("gen_ai.function_id", "doc-search"),
        ("vercel.ai.operationId", "ai.generateText"),
        ("gen_ai.input.messages", &Value::from(&messages[..]).to_string()),
    ] {
        trace.set(agent, key, value);
    }
    if trace.dice.chance(0.006) {
        trace.failing_chat(agent, &chat, "js_rate_limit", Some(429), 170);
        trace.fail(agent, "resource_exhausted");
        trace.fail(ROOT, "internal_error");
        trace.close(agent);
        return;
    }
    let spent: DemoTokenUsage = trace.chat(agent, &chat);
    trace.spent(agent, DemoInstrumentation::Vercel, spent);
    let said = json!([{"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}]);
    trace.set(agent, "gen_ai.output.messages", said.to_string());
    trace.set(agent, "gen_ai.response.model", model.answers);
    trace.close(agent);
    trace.set(ROOT, "http.response.status_code", 200);
}
