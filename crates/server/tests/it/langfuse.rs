//! Langfuse's older ingestion API: what its SDKs call and what they get, and that events about one observation end up in one trace.

use serde_json::{Value, json};

use crate::ingest::counted;
use crate::server::{KEY, Server};

fn basic() -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{KEY}:{KEY}")))
}

fn send(server: &Server, events: &Value) -> Value {
    let body = json!({ "batch": events, "metadata": { "sdk_name": "javascript", "sdk_version": "3.38.0" } });
    let answer = server.send("POST", "/api/public/ingestion", &[("authorization", &basic())], body.to_string().into_bytes());
    assert_eq!(answer.status, 207, "{}", answer.text);
    answer.json()
}

/// Returns a time of today, `seconds` after a common start.
fn at(seconds: i64) -> String {
    let start = crate::envelopes::now() as i64 / 1000 * 1000 - 1000;
    jiff::Timestamp::from_second(start + seconds).unwrap().to_string()
}

#[test]
fn langfuse_sdks_check_the_connection() {
    let server = Server::start();
    let health = server.send("GET", "/api/public/health", &[], Vec::new());
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("OK")));
    let projects = server.send("GET", "/api/public/projects", &[("authorization", &basic())], Vec::new());
    assert_eq!(projects.json()["data"][0]["id"], "1", "{}", projects.text);
    let stranger = server.send("GET", "/api/public/projects", &[("authorization", &format!("Bearer {}", "f".repeat(32)))], Vec::new());
    assert_eq!((stranger.status, stranger.json()["error"].as_str()), (401, Some("unknown_key")));
    let broken = server.send("POST", "/api/public/ingestion", &[("authorization", &basic())], b"{".to_vec());
    assert_eq!((broken.status, broken.json()["error"].as_str()), (400, Some("invalid_batch")));
}

#[test]
fn updates_users_and_free_text_ids_in_any_order() {
    let mut server = Server::start();
    let update = json!({ "id": "e2", "type": "generation-update", "timestamp": at(5), "body": {
        "id": "call one", "traceId": "order 17/東京", "endTime": at(4), "output": "晴れです。", "usage": { "input": 1000, "output": 500, "unit": "TOKENS" },
    } });
    let said = send(&server, &json!([update, { "id": "e9", "type": "what-is-this", "body": {} }]));
    assert_eq!((said["successes"][0]["id"].as_str(), said["errors"][0]["status"].as_i64()), (Some("e2"), Some(400)), "{said}");
    server.restart();
    let create = json!({ "id": "e1", "type": "generation-create", "timestamp": at(1), "body": {
        "id": "call one", "traceId": "order 17/東京", "name": "answer", "startTime": at(2), "model": "gpt-4o-mini", "input": "天気は？",
    } });
    send(&server, &json!([create, update]));
    let trace = json!({ "id": "e3", "type": "trace-create", "timestamp": at(6), "body": {
        "id": "order 17/東京", "name": "weather", "timestamp": at(1), "userId": "u-1", "sessionId": "s-1",
    } });
    send(&server, &json!([trace]));
    send(&server, &json!([trace, create, update]));

    let path = "/traces/order%2017%2F%E6%9D%B1%E4%BA%AC";
    let found = server.ask(path);
    assert_eq!((found["trace"]["name"].as_str(), found["trace"]["cost"].as_f64()), (Some("weather"), Some(0.00045)), "{found}");
    let spans = found["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 2);
    assert!(spans.iter().all(|span| span["user_id"] == "u-1" && span["session_id"] == "s-1"), "the trace's user reaches its spans");
    let call = server.ask(&format!("{path}/spans/call%20one"));
    assert_eq!((call["duration_ms"].as_f64(), call["model"].as_str()), (Some(2000.0), Some("gpt-4o-mini")));
    assert_eq!(call["output_messages"][0]["parts"][0]["text"], "晴れです。");
    assert_eq!(server.ask("/summary?q=user:u-1")["llm_calls"], 1);
    assert!(counted(&server, "duplicate", "duplicate") >= 2);
}

/// Asserts that the call `id` is one call in the trace, with the fields of its creation and of its update.
fn assert_one_call(server: &Server, id: &str, trace: &str) {
    let call = server.ask(&format!("/traces/{trace}/spans/{id}"));
    assert_eq!((call["model"].as_str(), call["duration_ms"].as_f64()), (Some("gpt-4o-mini"), Some(3000.0)), "{call}");
    assert_eq!(call["output_messages"][0]["parts"][0]["text"], "It arrives tomorrow.");
    assert_eq!(call["usage"]["input_tokens"], 1000);
    assert_eq!(server.ask(&format!("/traces/{trace}"))["spans"].as_array().unwrap().len(), 2);
    let token = format!("Bearer {}", server.token);
    let stray = server.send("GET", &format!("/api/v1/projects/1/traces/{id}"), &[("authorization", &token)], Vec::new());
    assert_eq!(stray.status, 404, "no trace of its own: {}", stray.text);
}

#[test]
fn an_update_that_names_only_its_observation_finds_it_in_either_order() {
    let mut server = Server::start();
    let create = |id: &str, trace: &str| {
        json!({ "id": format!("c-{id}"), "type": "generation-create", "timestamp": at(1), "body": {
            "id": id, "traceId": trace, "name": "ChatModel", "startTime": at(1), "endTime": "0001-01-01T00:00:00Z", "model": "gpt-4o-mini",
            "input": "Where is my parcel?",
        } })
    };
    let update = |id: &str| {
        json!({ "id": format!("u-{id}"), "type": "generation-update", "timestamp": at(4), "body": {
            "id": id, "startTime": "0001-01-01T00:00:00Z", "endTime": at(4), "output": "It arrives tomorrow.",
            "usage": { "input": 1000, "output": 500, "unit": "TOKENS" },
        } })
    };
    // In one request, in two, and in two in reverse order.
    send(&server, &json!([update("one"), create("one", "trace-one")]));
    send(&server, &json!([create("two", "trace-two")]));
    send(&server, &json!([update("two")]));
    send(&server, &json!([update("three")]));
    assert_eq!(server.ask("/traces/three")["spans"].as_array().unwrap().len(), 2, "visible before its creation comes");
    send(&server, &json!([create("three", "trace-three")]));
    // Across restarts, and with one of the two in a segment.
    send(&server, &json!([create("four", "trace-four"), update("five")]));
    server.stop();
    server.start_again();
    send(&server, &json!([create("six", "trace-six"), update("seven")]));
    server.restart();
    send(&server, &json!([update("four"), create("five", "trace-five"), update("six"), create("seven", "trace-seven")]));

    let all = ["one", "two", "three", "four", "five", "six", "seven"];
    let check = |server: &Server| {
        all.iter().for_each(|id| assert_one_call(server, id, &format!("trace-{id}")));
        let sums = server.ask("/summary");
        assert_eq!(
            (sums["llm_calls"].as_u64(), sums["traces"].as_u64(), sums["input_tokens"].as_u64()),
            (Some(7), Some(7), Some(7000)),
            "{sums}"
        );
    };
    check(&server);
    // Sent again in any order, they are duplicates.
    all.iter().for_each(|id| _ = send(&server, &json!([update(id)])));
    all.iter().for_each(|id| _ = send(&server, &json!([create(id, &format!("trace-{id}"))])));
    check(&server);
    server.restart();
    check(&server);
    server.stop();
    server.start_again();
    check(&server);
}

#[test]
fn scores_by_either_way_are_shown_with_their_trace() {
    let server = Server::start();
    send(&server, &json!([{ "id": "e", "type": "trace-create", "timestamp": at(1), "body": { "id": "t", "name": "n" } }]));
    let score = json!({ "id": "s", "traceId": "t", "name": "helpful", "value": 1 });
    let answer = server.send("POST", "/api/public/scores", &[("authorization", &basic())], score.to_string().into_bytes());
    assert_eq!((answer.status, answer.json()["id"].as_str()), (200, Some("s")));
    let own = json!([{ "trace_id": "t", "name": "tone", "value": "polite" }]).to_string().into_bytes();
    let token = format!("Bearer {}", server.token);
    let answer = server.send("POST", "/api/v1/projects/1/scores", &[("authorization", &token)], own.clone());
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(server.send("POST", "/api/v1/projects/1/scores", &[], own).status, 401);
    let scores = server.ask("/traces/t")["scores"].clone();
    let said: Vec<_> =
        scores.as_array().unwrap().iter().map(|score| (score["name"].clone(), score["value"].clone(), score["label"].clone())).collect();
    assert_eq!(said, [(json!("helpful"), json!(1.0), Value::Null), (json!("tone"), Value::Null, json!("polite"))]);
    let bad = server.send("POST", "/api/v1/projects/1/scores", &[("authorization", &token)], b"{\"name\":\"x\"}".to_vec());
    assert_eq!((bad.status, bad.json()["error"]["code"].as_str()), (400, Some("bad_score")));
}

#[test]
fn an_invalid_score_does_not_affect_the_others_of_its_list() {
    let server = Server::start();
    send(&server, &json!([{ "id": "e", "type": "trace-create", "timestamp": at(1), "body": { "id": "t", "name": "n" } }]));
    let post = |scores: Value| server.send("POST", "/api/public/scores", &[("authorization", &basic())], scores.to_string().into_bytes());
    let good = |id: &str| json!({ "id": id, "traceId": "t", "name": "helpful", "value": 1 });
    let without_target = json!({ "id": "b", "name": "helpful", "value": 1 });
    let answer = post(json!([good("a"), without_target, 7, { "id": "d", "sessionId": "s", "name": "helpful", "value": 1 }, good("c")]));
    assert_eq!((answer.status, answer.json()["id"].as_str()), (200, Some("c")));
    assert_eq!(server.ask("/traces/t")["scores"].as_array().unwrap().len(), 2);
    let outcomes = server.ask("/outcomes").to_string();
    assert!(outcomes.contains("score_without_trace") && outcomes.contains("score_without_name"), "{outcomes}");
    assert_eq!(server.ask("/scores?session=s")["scores"].as_array().unwrap().len(), 1);
    assert_eq!(post(json!([without_target])).status, 400);
}

#[test]
fn updates_of_one_trace_write_a_bounded_amount() {
    let server = Server::start();
    let update = |number: usize, value: &str| {
        let field = format!("k{number}");
        let body = json!({ "id": "much", "name": "much", "metadata": { field: value } });
        json!({ "id": format!("u{number}"), "type": "trace-create", "timestamp": at(number as i64), "body": body })
    };
    // Sixty kilobytes that zstd can hardly compress.
    let mut state = 7u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{state:016x}")
    };
    let updates = 45;
    for number in 0..updates {
        let value: String = (0..3750).map(|_| noise()).collect();
        send(&server, &json!([update(number, &value)]));
    }
    let (joined, refused) = (counted(&server, "accepted", "joined"), counted(&server, "dropped", "too_many_pieces"));
    assert!(joined > 20 && refused > 0 && joined + refused == updates as u64 - 1, "{joined} {refused}");
    let log: u64 = std::fs::read_dir(server.data().join("log")).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(log < 64 << 20, "{log} bytes");
    // The stored trace is shown, and other spans of the trace are ingested.
    let call =
        json!({ "id": "c", "type": "generation-create", "timestamp": at(50), "body": { "id": "call", "traceId": "much", "name": "call" } });
    send(&server, &json!([call]));
    let found = server.ask("/traces/much");
    assert_eq!((found["trace"]["name"].as_str(), found["spans"].as_array().map(Vec::len)), (Some("much"), Some(2)));
}
