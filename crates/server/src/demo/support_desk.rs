//! Retrieval-augmented generation: the support desk (Python) and the document search (Node).

use serde_json::{Value, json};

use super::llm::{DemoChatCall, DemoInstrumentation, DemoTokenUsage, GEMINI, GPT_4O, GPT_4O_MINI, GPT_5_MINI, message};
use super::texts::{self, TextSlots, text};
use super::trace::{DemoSpanIndex, DemoTrace, ROOT_SPAN_INDEX};

/// Answers a customer's question from passages of the travel conditions.
pub(super) fn support(trace: &mut DemoTrace, language: &'static str, turn: u32) {
    let part = texts::of("support");
    let slots = TextSlots::new(&mut trace.rng);
    let item = texts::in_language(&mut trace.rng, &part["items"], language);
    let refused = trace.rng.chance(0.012);
    let (question, answer) = if refused {
        (slots.fill(text(&part["refused"][0])), slots.fill(text(&part["refused"][1])))
    } else {
        (slots.fill(text(&item[1])), slots.fill(text(&item[3])))
    };
    let passages: Vec<&'static Value> = (0..3).map(|_| trace.rng.pick(texts::rows(&part["items"]))).collect();

    let pipeline = trace.open(ROOT_SPAN_INDEX, "ai.pipeline", "support-answer", "manual");
    trace.embed(pipeline, &question);
    retrieve(trace, pipeline, &question, item, &passages);

    let mut messages = Vec::new();
    if turn > 1 {
        let earlier = texts::in_language(&mut trace.rng, &part["items"], language);
        messages.push(message("user", &slots.fill(text(&earlier[1]))));
        messages.push(message("assistant", &slots.fill(text(&earlier[3]))));
    }
    let context: Vec<&str> = std::iter::once(item).chain(passages.iter().copied()).map(|passage| text(&passage[2])).collect();
    messages.push(message("user", &format!("{question}\n\n---\n{}", context.join("\n"))));

    // A few customers have whole conditions compared.
    let long = trace.rng.chance(0.004);
    let mut chat = DemoChatCall::new(&GPT_4O, DemoInstrumentation::OpenAi, text(&part["system"]), &messages, &answer);
    chat.hidden_tokens = if long { 38_000 } else { 1_350 + u64::from(turn - 1) * 240 };
    chat.cached_fraction = if trace.rng.chance(0.72) { 0.68 } else { 0.0 };
    chat.streamed = trace.rng.chance(0.6);
    // The older service opens streams that do not request usage.
    chat.reports_usage = !(chat.streamed && trace.rng.chance(0.09));
    chat.finish = refused.then_some("refusal");
    if refused {
        chat.streamed = false;
    }
    match trace.rng.weighted(&[0.945, 0.025, 0.02, 0.01]) {
        0 => {
            trace.successful_chat(pipeline, &chat);
        }
        1 => {
            trace.retried_chat(pipeline, &chat);
        }
        2 => {
            // The program itself retries after a pause, with the smaller model.
            trace.failing_chat(pipeline, &chat, "rate_limit", Some(429), 190);
            trace.wait(1_100);
            chat.model = &GPT_4O_MINI;
            trace.successful_chat(pipeline, &chat);
        }
        _ => {
            trace.failing_chat(pipeline, &chat, "rate_limit", Some(429), 190);
            trace.wait(900);
            trace.failing_chat(pipeline, &chat, "rate_limit", Some(429), 210);
            trace.fail(pipeline, "resource_exhausted");
            trace.fail(ROOT_SPAN_INDEX, "internal_error");
            trace.set(ROOT_SPAN_INDEX, "http.response.status_code", 503);
        }
    }
    if language == "en" && trace.rng.chance(0.3) {
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
    let ms = trace.rng.service_duration_ms(55);
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
    trace.successful_chat(parent, &chat);
}

/// Answers a search in the documents.
pub(super) fn search(trace: &mut DemoTrace, language: &'static str) {
    let part = texts::of("search");
    let item = texts::in_language(&mut trace.rng, &part["items"], language);
    let (question, section, passage, answer) = (text(&item[1]), text(&item[2]), text(&item[3]), text(&item[4]));
    trace.set(ROOT_SPAN_INDEX, "http.request.method", "GET");
    trace.set(ROOT_SPAN_INDEX, "http.route", "/api/search");
    trace.embed(ROOT_SPAN_INDEX, question);
    let ms = trace.rng.service_duration_ms(48);
    let store = trace.open(ROOT_SPAN_INDEX, "db", "qdrant search conditions-2026", "manual");
    trace.wait(ms);
    if trace.rng.chance(0.005) {
        trace.fail(store, "unavailable");
        trace.error(store, "index_gone", &TextSlots::none());
        trace.close(store);
        trace.fail(ROOT_SPAN_INDEX, "internal_error");
        trace.set(ROOT_SPAN_INDEX, "http.response.status_code", 503);
        return;
    }
    trace.close(store);

    // Questions that need several passages go to the reasoning model.
    let hard = trace.rng.chance(0.12);
    let model = if hard { &GPT_5_MINI } else { &GPT_4O_MINI };
    let agent = trace.open(ROOT_SPAN_INDEX, "gen_ai.invoke_agent", "invoke_agent doc-search", "auto.ai.vercelai");
    let prompt = format!("{question}\n\n[{section}] {passage}");
    let messages = [message("user", &prompt)];
    let mut chat = DemoChatCall::new(model, DemoInstrumentation::Vercel, text(&part["system"]), &messages, answer);
    chat.hidden_tokens = trace.rng.between(3_300, 4_100) as u64;
    chat.cached_fraction = if trace.rng.chance(0.2) { 0.3 } else { 0.0 };
    for (key, value) in [
        ("gen_ai.operation.name", "invoke_agent"),
        ("gen_ai.provider.name", "openai.chat"),
        ("gen_ai.request.model", model.requested),
        ("gen_ai.function_id", "doc-search"),
        ("vercel.ai.operationId", "ai.generateText"),
        ("gen_ai.input.messages", &Value::from(&messages[..]).to_string()),
    ] {
        trace.set(agent, key, value);
    }
    if trace.rng.chance(0.006) {
        trace.failing_chat(agent, &chat, "js_rate_limit", Some(429), 170);
        trace.fail(agent, "resource_exhausted");
        trace.fail(ROOT_SPAN_INDEX, "internal_error");
        trace.close(agent);
        return;
    }
    let spent: DemoTokenUsage = trace.successful_chat(agent, &chat);
    trace.add_usage(agent, DemoInstrumentation::Vercel, spent);
    let said = json!([{"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}]);
    trace.set(agent, "gen_ai.output.messages", said.to_string());
    trace.set(agent, "gen_ai.response.model", model.answering);
    trace.close(agent);
    trace.set(ROOT_SPAN_INDEX, "http.response.status_code", 200);
}
