//! Batch work and the small programs: review digests, intents, the three-line script.

use serde_json::json;

use super::llm::{DemoChatCall, DemoInstrumentation, GPT_3_5, GPT_4O_MINI, SWALLOW_70B, message};
use super::texts::{self, TextSlots, text};
use super::trace::{DemoTrace, ROOT_SPAN_INDEX};

/// Summarizes the newest reviews of one hotel.
pub(super) fn summarize_reviews(trace: &mut DemoTrace) {
    let part = texts::of("reviews");
    let pipeline = trace.open(ROOT_SPAN_INDEX, "ai.pipeline", "review-digest", "manual");
    let ms = trace.rng.service_duration_ms(25);
    trace.leaf(pipeline, "db.query", "SELECT id, body FROM reviews WHERE hotel_id = $1 AND digest IS NULL LIMIT 9", "auto.db.asyncpg", ms);
    for _ in 0..trace.rng.between(3, 9) {
        let review = trace.rng.pick(texts::rows(&part["items"]));
        let messages = [message("user", text(&review[0]))];
        let answer = json!({"digest": review[1], "mood": review[2]}).to_string();
        let mut chat = DemoChatCall::new(&GPT_4O_MINI, DemoInstrumentation::OpenAi, text(&part["system"]), &messages, &answer);
        // Each request includes twenty examples.
        chat.hidden_tokens = 2_300;
        chat.cached_fraction = 0.1;
        if trace.rng.chance(0.004) {
            trace.failing_chat(pipeline, &chat, "api_timeout", None, 20_000);
            trace.fail(pipeline, "deadline_exceeded");
            trace.fail(ROOT_SPAN_INDEX, "internal_error");
            trace.close(pipeline);
            return;
        }
        trace.successful_chat(pipeline, &chat);
    }
    let ms = trace.rng.service_duration_ms(30);
    trace.leaf(pipeline, "db.query", "UPDATE reviews SET digest = $2 WHERE id = $1", "auto.db.asyncpg", ms);
    trace.close(pipeline);
}

/// Classifies one utterance with a self-hosted model.
pub(super) fn classify_utterance(trace: &mut DemoTrace) {
    let part = texts::of("intents");
    let slots = TextSlots::new(&mut trace.rng);
    let item = trace.rng.pick(texts::rows(&part["items"]));
    let question = slots.fill(text(&item[0]));
    let pipeline = trace.open(ROOT_SPAN_INDEX, "ai.pipeline", "intent-lab", "manual");
    let messages = [message("user", &question)];
    let confidence = trace.rng.between(71, 99) as f64 / 100.0;
    let mut answer = json!({"intent": item[1], "confidence": confidence}).to_string();
    let broken = trace.rng.chance(0.016);
    if broken {
        answer = answer.replace(',', "");
    }
    let mut chat = DemoChatCall::new(&SWALLOW_70B, DemoInstrumentation::OpenAi, text(&part["system"]), &messages, &answer);
    chat.hidden_tokens = 390;
    trace.successful_chat(pipeline, &chat);
    if broken {
        trace.error(pipeline, "bad_json", &slots);
        trace.fail(pipeline, "internal_error");
        trace.fail(ROOT_SPAN_INDEX, "internal_error");
    }
    trace.close(pipeline);
}

/// Sends one question to a model, with only a pipeline around it.
pub(super) fn answer_question(trace: &mut DemoTrace) {
    let item = &texts::rows(texts::of("article"))[trace.rng.weighted(&[0.6, 0.2, 0.2])];
    let pipeline = trace.open(ROOT_SPAN_INDEX, "ai.pipeline", "GPT-3.5 Pipeline", "manual");
    let messages = [message("user", text(&item[0]))];
    let mut chat = DemoChatCall::new(&GPT_3_5, DemoInstrumentation::OpenAi, "", &messages, text(&item[1]));
    chat.counts = item[2].as_u64().zip(item[3].as_u64());
    trace.successful_chat(pipeline, &chat);
    trace.close(pipeline);
}
