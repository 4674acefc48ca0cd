//! The trip planner: an agent with tools, a guardrail, a handoff to a second agent, and one customer for whom it loops.

use serde_json::{Value, json};

use super::llm::{
    CLAUDE, DemoChatCall, DemoInstrumentation, DemoTokenUsage, DemoToolCall, GEMINI, GPT_4O, GPT_4O_MINI, asked_for, message, tool_result,
};
use super::random::DemoRng;
use super::texts::{self, TextSlots, text};
use super::trace::{DemoSpanIndex, DemoTrace, ROOT_SPAN_INDEX};

const PLANNER_AGENT: &str = "trip-planner";
const BOOKING_AGENT: &str = "booking-agent";

/// Plans one trip.
pub(super) fn plan(trace: &mut DemoTrace, language: &'static str, turn: u32) {
    let slots = TextSlots::new(&mut trace.rng);
    let part = texts::of("planner");
    let ask = |dice: &mut DemoRng, list: &str| slots.fill(text(&texts::in_language(dice, &part[list], language)[1]));
    let question = ask(&mut trace.rng, "asks");
    let answer = ask(&mut trace.rng, "answers");

    let agent = trace.agent(ROOT_SPAN_INDEX, PLANNER_AGENT);
    guard(trace, agent, &question);
    let ms = trace.rng.service_duration_ms(38);
    trace.leaf(agent, "db.query", "SELECT * FROM travellers WHERE user_id = $1", "auto.db.asyncpg", ms);

    let mut talk = PlannerConversation::new(agent, &question);
    // A second turn includes the messages of the first.
    talk.hidden_tokens = 5_200 + u64::from(turn - 1) * 2_900;
    talk.seen_before = if turn > 1 { 0.62 } else { 0.4 };

    let overloaded = trace.rng.chance(0.02);
    if overloaded {
        trace.failing_chat(agent, &talk.chat(part, "", &[]), "overloaded", Some(529), 600);
        trace.wait(1_500);
    }
    let cancelled = trace.rng.chance(0.035);
    let searches = [
        trace.tool_call("search_flights", json!({"from": "HND", "to": slots.get("code"), "adults": 2, "nights": slots.get("nights")})),
        trace.tool_call("search_hotels", json!({"city": slots.get("city"), "nights": slots.get("nights"), "guests": 2})),
        trace.tool_call("get_weather", json!({"city": slots.get("city"), "days": 4})),
    ];
    let step = ask(&mut trace.rng, "steps");
    talk.add_tool_calls(trace, part, &step, &searches);
    if cancelled {
        // The customer closes the page while the tools run.
        let at = trace.tool(agent, &searches[0], PLANNER_AGENT);
        trace.wait(1_900);
        trace.fail(at, "cancelled");
        trace.close(at);
        trace.fail(agent, "cancelled");
        trace.fail(ROOT_SPAN_INDEX, "cancelled");
        talk.finish_agent(trace, "");
        return;
    }

    let hotels_fail = trace.rng.chance(0.14);
    let found = results(&slots, hotels_fail);
    trace.together(vec![
        Box::new(|t| flights(t, agent, &searches[0], &found[0])),
        Box::new(|t| hotels(t, agent, &searches[1], &found[1], hotels_fail)),
        Box::new(|t| weather(t, agent, &searches[2], &found[2])),
    ]);
    talk.add_tool_results(&searches, &found);

    if hotels_fail || trace.rng.chance(0.35) {
        let again = [trace.tool_call("search_hotels", json!({"city": slots.get("city"), "within_m": 800, "stars_from": 4.2}))];
        let narrow = ask(&mut trace.rng, "narrow");
        talk.add_tool_calls(trace, part, &narrow, &again);
        let result = results(&slots, false).swap_remove(1);
        hotels(trace, agent, &again[0], &result, false);
        rerank(trace, agent, &question);
        talk.add_tool_results(&again, &[result]);
    }
    if trace.rng.chance(0.3) {
        route(trace, agent, &slots);
    }
    if trace.rng.chance(0.38) {
        let reason = ask(&mut trace.rng, "handoff");
        hand_off(trace, agent, &mut talk, &reason);
        let confirm = ask(&mut trace.rng, "confirm");
        let yes = ask(&mut trace.rng, "yes");
        let booked = ask(&mut trace.rng, "booked");
        book(trace, agent, &slots, &reason, [&confirm, &yes, &booked]);
        talk.finish_agent(trace, &booked);
    } else {
        talk.add_answer(trace, part, &answer);
        talk.finish_agent(trace, &answer);
    }
}

/// Hands the conversation to the booking agent.
fn hand_off(trace: &mut DemoTrace, agent: DemoSpanIndex, talk: &mut PlannerConversation, reason: &str) {
    let call = [trace.tool_call("transfer_to_booking_agent", json!({"reason": "plan agreed"}))];
    talk.add_tool_calls(trace, texts::of("planner"), reason, &call);
    let at = trace.open(agent, "gen_ai.handoff", format!("handoff from {PLANNER_AGENT} to {BOOKING_AGENT}"), "auto.ai.langgraph");
    trace.set(at, "gen_ai.operation.name", "handoff");
    trace.wait(24);
    trace.close(at);
}

/// Runs the planner for the customer whose flight search times out, after which the planner searches again and again.
pub(super) fn planner_loop(trace: &mut DemoTrace) {
    let part = texts::of("planner");
    let slots = TextSlots::new(&mut trace.rng);
    let question = text(&part["loop"]);
    let agent = trace.agent(ROOT_SPAN_INDEX, PLANNER_AGENT);
    guard(trace, agent, question);
    let mut talk = PlannerConversation::new(agent, question);
    talk.hidden_tokens = 12_600;
    talk.seen_before = 0.55;
    let rounds = trace.rng.between(30, 31);
    for round in 0..rounds {
        let call = [trace
            .tool_call("search_flights", json!({"from": "CDG", "to": if round % 3 == 2 { "KIX" } else { "HND" }, "day": 28 + round % 7}))];
        let step = text(trace.rng.pick(texts::rows(&part["loop_steps"])));
        talk.add_tool_calls(trace, part, if round == 0 { "" } else { step }, &call);
        let at = trace.tool(agent, &call[0], PLANNER_AGENT);
        let http = trace.open(at, "http.client", "GET http://flights.tabi.internal/v3/offers", "auto.http.httpx");
        trace.wait(4_000);
        trace.fail(http, "deadline_exceeded");
        trace.close(http);
        trace.set(at, "gen_ai.tool.output", "Timeout after 4 s");
        trace.fail(at, "internal_error");
        trace.close(at);
        talk.add_tool_results(&call, &["Timeout after 4 s".to_owned()]);
        talk.seen_before = 0.86;
    }
    trace.fail(agent, "internal_error");
    trace.fail(ROOT_SPAN_INDEX, "internal_error");
    trace.set(ROOT_SPAN_INDEX, "http.response.status_code", 504);
    trace.error(agent, "run_limit", &slots.with("times", rounds));
    talk.finish_agent(trace, "");
}

/// Conversation of the planner, which grows with each step.
struct PlannerConversation {
    agent: DemoSpanIndex,
    messages: Vec<Value>,
    tools: Value,
    hidden_tokens: u64,
    seen_before: f64,
    spent: DemoTokenUsage,
}

impl PlannerConversation {
    fn new(agent: DemoSpanIndex, question: &str) -> PlannerConversation {
        let tools = json!([
            {"name": "search_flights", "description": "Offers for a route and day, cheapest first.", "parameters": {"from": "string", "to": "string", "day": "date", "adults": "integer"}},
            {"name": "search_hotels", "description": "Rooms in a city, with distance from the station.", "parameters": {"city": "string", "nights": "integer", "guests": "integer", "within_m": "integer", "stars_from": "number"}},
            {"name": "get_weather", "description": "Forecast of a city for some days.", "parameters": {"city": "string", "days": "integer"}},
            {"name": "transfer_to_booking_agent", "description": "Hands over once the customer has agreed to a plan.", "parameters": {"reason": "string"}},
        ]);
        let messages = vec![message("user", question)];
        PlannerConversation { agent, messages, tools, hidden_tokens: 5_200, seen_before: 0.4, spent: DemoTokenUsage::default() }
    }

    fn chat<'a>(&'a self, part: &'static Value, answer: &'a str, calls: &'a [DemoToolCall]) -> DemoChatCall<'a> {
        let mut chat = DemoChatCall::new(&CLAUDE, DemoInstrumentation::LangChain, text(&part["system"]), &self.messages, answer);
        chat.agent = Some(PLANNER_AGENT);
        chat.tools = Some(&self.tools);
        chat.calls = calls;
        chat.hidden_tokens = self.hidden_tokens;
        chat.cached_fraction = self.seen_before;
        chat
    }

    /// Adds a call in which the model requests tools.
    fn add_tool_calls(&mut self, trace: &mut DemoTrace, part: &'static Value, words: &str, calls: &[DemoToolCall]) {
        self.spent += trace.successful_chat(self.agent, &self.chat(part, words, calls));
        self.messages.push(asked_for(words, calls));
        self.seen_before = 0.78;
    }

    fn add_tool_results(&mut self, calls: &[DemoToolCall], results: &[String]) {
        self.messages.extend(calls.iter().zip(results).map(|(call, result)| tool_result(call, result)));
        // Offers are long lists, of which the texts here show the first lines.
        self.hidden_tokens += 220 * calls.len() as u64;
    }

    fn add_answer(&mut self, trace: &mut DemoTrace, part: &'static Value, words: &str) {
        let mut chat = self.chat(part, words, &[]);
        chat.streamed = true;
        self.spent += trace.successful_chat(self.agent, &chat);
    }

    fn finish_agent(self, trace: &mut DemoTrace, answer: &str) {
        trace.set(self.agent, "gen_ai.request.messages", Value::from(&self.messages[..1]).to_string());
        trace.agent_done(self.agent, answer, self.spent);
    }
}

fn guard(trace: &mut DemoTrace, parent: DemoSpanIndex, question: &str) {
    let at = trace.open(parent, "function", "check_injection", "manual");
    let messages = [message("user", question)];
    let score = format!("0.0{}", trace.rng.between(1, 6));
    let mut chat = DemoChatCall::new(&GPT_4O_MINI, DemoInstrumentation::OpenAi, text(&texts::of("planner")["guard"]), &messages, &score);
    chat.hidden_tokens = 430;
    trace.successful_chat(at, &chat);
    trace.close(at);
}

fn results(slots: &TextSlots, hotels_fail: bool) -> Vec<String> {
    let flights = json!({"offers": [{"carrier": "JL", "fare": slots.get("fare"), "stops": 0}, {"carrier": "NH", "fare": slots.get("diff"), "stops": 0}], "more": 4});
    let hotels = json!({"rooms": [{"name": slots.get("inn"), "night": slots.get("room"), "station_m": 640}], "more": 41});
    let hotels = if hotels_fail { "Timeout: hotels.partner gave no answer".to_owned() } else { hotels.to_string() };
    vec![flights.to_string(), hotels, json!({"sky": slots.get("sky"), "low": -1, "high": 9}).to_string()]
}

fn flights(trace: &mut DemoTrace, agent: DemoSpanIndex, call: &DemoToolCall, result: &str) {
    let at = trace.tool(agent, call, PLANNER_AGENT);
    // The slow step of most plans.
    let ms = trace.rng.service_duration_ms(2_300);
    let http = trace.leaf(at, "http.client", "GET http://flights.tabi.internal/v3/offers", "auto.http.httpx", ms);
    trace.set(http, "http.response.status_code", 200);
    trace.set(at, "gen_ai.tool.output", result);
    trace.close(at);
}

fn hotels(trace: &mut DemoTrace, agent: DemoSpanIndex, call: &DemoToolCall, result: &str, fails: bool) {
    let at = trace.tool(agent, call, PLANNER_AGENT);
    if fails {
        let refused = trace.leaf(at, "http.client", "POST https://hotels.partner.example/v2/search", "auto.http.httpx", 260);
        trace.set(refused, "http.response.status_code", 429);
        trace.fail(refused, "resource_exhausted");
        trace.wait(2_000);
        let late = trace.leaf(at, "http.client", "POST https://hotels.partner.example/v2/search", "auto.http.httpx", 8_000);
        trace.fail(late, "deadline_exceeded");
        trace.fail(at, "deadline_exceeded");
        trace.error(at, "tool_timeout", &TextSlots::none());
    } else {
        let ms = trace.rng.service_duration_ms(1_500);
        let http = trace.leaf(at, "http.client", "POST https://hotels.partner.example/v2/search", "auto.http.httpx", ms);
        trace.set(http, "http.response.status_code", 200);
    }
    trace.set(at, "gen_ai.tool.output", result);
    trace.close(at);
}

fn weather(trace: &mut DemoTrace, agent: DemoSpanIndex, call: &DemoToolCall, result: &str) {
    let at = trace.tool(agent, call, PLANNER_AGENT);
    let ms = trace.rng.service_duration_ms(620);
    let http = trace.leaf(at, "http.client", "GET http://weather.tabi.internal/v1/forecast", "auto.http.httpx", ms);
    trace.set(http, "http.response.status_code", 200);
    trace.set(at, "gen_ai.tool.output", result);
    trace.close(at);
}

fn rerank(trace: &mut DemoTrace, parent: DemoSpanIndex, question: &str) {
    let ms = trace.rng.service_duration_ms(700);
    let at = trace.leaf(parent, "gen_ai.rerank", "rerank 42 hotels", "manual", ms);
    trace.set(at, "gen_ai.operation.name", "rerank");
    trace.set(at, "gen_ai.request.model", "bge-reranker-v2-m3");
    trace.set(at, "gen_ai.input.messages", json!([{"role": "user", "content": question}]).to_string());
}

/// A second model plans the route between the sights.
fn route(trace: &mut DemoTrace, parent: DemoSpanIndex, slots: &TextSlots) {
    let ask = slots.fill("{see}、{see2}、{see3}を、歩く距離が短い順に回る順番と所要時間を書いてください。");
    let order = slots.fill("{see3} → {see} → {see2}。合わせて徒歩42分、市電2回。{see}は午前が空いています。");
    let messages = [message("user", &ask)];
    let mut chat = DemoChatCall::new(&GEMINI, DemoInstrumentation::Google, "", &messages, &order);
    chat.hidden_tokens = 1_650;
    chat.cached_fraction = 0.5;
    chat.agent = Some(PLANNER_AGENT);
    trace.successful_chat(parent, &chat);
}

/// The second agent reserves the planned trip, asks the customer, and confirms.
fn book(trace: &mut DemoTrace, parent: DemoSpanIndex, slots: &TextSlots, handoff: &str, [confirm, yes, booked]: [&str; 3]) {
    let system = text(&texts::of("planner")["booker"]);
    let agent = trace.agent(parent, BOOKING_AGENT);
    let mut spent = DemoTokenUsage::default();
    let mut messages = vec![message("user", handoff)];
    let ask = |trace: &mut DemoTrace, messages: &[Value], words: &str, calls: &[DemoToolCall], streamed: bool| {
        let mut chat = DemoChatCall::new(&GPT_4O, DemoInstrumentation::LangChain, system, messages, words);
        chat.agent = Some(BOOKING_AGENT);
        chat.calls = calls;
        chat.hidden_tokens = 2_450;
        chat.cached_fraction = if messages.len() > 1 { 0.75 } else { 0.0 };
        chat.streamed = streamed;
        trace.successful_chat(agent, &chat)
    };

    let holds = [
        trace.tool_call("hold_flight", json!({"ref": slots.get("flight_ref"), "fare": slots.get("fare")})),
        trace.tool_call("hold_hotel", json!({"ref": slots.get("hotel_ref"), "nights": slots.get("nights")})),
    ];
    spent += ask(trace, &messages, "", &holds, false);
    let held = |reference: &str| json!({"held_until": "18:00", "ref": reference}).to_string();
    let references = [held(slots.get("flight_ref")), held(slots.get("hotel_ref"))];
    trace.together(vec![
        Box::new(|t| hold(t, agent, &holds[0], "POST http://flights.tabi.internal/v3/holds", &references[0])),
        Box::new(|t| hold(t, agent, &holds[1], "POST https://hotels.partner.example/v2/holds", &references[1])),
    ]);
    messages.push(asked_for("", &holds));
    messages.extend(holds.iter().zip(&references).map(|(call, result)| tool_result(call, result)));

    let question = [trace.tool_call("ask_user", json!({"question": confirm}))];
    let at = trace.tool(agent, &question[0], BOOKING_AGENT);
    // People take their time.
    let ms = trace.rng.service_duration_ms(11_000);
    trace.wait(ms);
    trace.set(at, "gen_ai.tool.output", yes);
    trace.close(at);
    messages.push(asked_for(confirm, &question));
    messages.push(tool_result(&question[0], yes));

    let confirmed = [trace.tool_call("confirm_holds", json!({"refs": [slots.get("flight_ref"), slots.get("hotel_ref")]}))];
    spent += ask(trace, &messages, "", &confirmed, false);
    let at = trace.tool(agent, &confirmed[0], BOOKING_AGENT);
    let ms = trace.rng.service_duration_ms(640);
    trace.leaf(at, "db.query", "UPDATE holds SET state = 'confirmed' WHERE ref = ANY($1)", "auto.db.asyncpg", ms);
    trace.set(at, "gen_ai.tool.output", "2 holds confirmed");
    trace.close(at);
    messages.push(asked_for("", &confirmed));
    messages.push(tool_result(&confirmed[0], "2 holds confirmed"));
    spent += ask(trace, &messages, booked, &[], true);
    trace.agent_done(agent, booked, spent);
}

fn hold(trace: &mut DemoTrace, agent: DemoSpanIndex, call: &DemoToolCall, request: &str, result: &str) {
    let at = trace.tool(agent, call, BOOKING_AGENT);
    let ms = trace.rng.service_duration_ms(1_500);
    let http = trace.leaf(at, "http.client", request, "auto.http.httpx", ms);
    trace.set(http, "http.response.status_code", 201);
    let ms = trace.rng.service_duration_ms(60);
    trace.leaf(at, "db.query", "INSERT INTO holds (ref, until) VALUES ($1, $2)", "auto.db.asyncpg", ms);
    trace.set(at, "gen_ai.tool.output", result);
    trace.close(at);
}
