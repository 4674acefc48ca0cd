//! Scores: where they are shown, versions, definitions, figures, filters, and feedback of end users.

use serde_json::{Value, json};

use crate::envelopes::call;
use crate::server::{Answer, KEY, Server};

const JSON: (&str, &str) = ("content-type", "application/json");

fn trace_id(trace: u128) -> String {
    format!("{trace:032x}")
}

/// Starts a server with the traces 1 to 4. Returns it with the IDs of the call of each trace.
fn with_traces() -> (Server, Vec<String>) {
    let server = Server::start();
    let spans = (1..=4).map(|trace| {
        assert_eq!(server.envelope(call(trace, "a question", "an answer")).status, 200);
        let spans = server.ask(&format!("/traces/{}", trace_id(trace)))["spans"].clone();
        let call = spans.as_array().unwrap().iter().find(|span| span["kind"] == "llm").unwrap_or_else(|| panic!("{spans}"));
        call["span_id"].as_str().unwrap().to_owned()
    });
    let spans = spans.collect();
    (server, spans)
}

fn post(server: &Server, scores: &Value) -> Answer {
    server.change("POST", "/scores", scores)
}

fn names(found: &Value) -> Vec<String> {
    found["scores"].as_array().unwrap().iter().map(|score| score["name"].as_str().unwrap().to_owned()).collect()
}

fn found_traces(server: &Server, filter: &str) -> Vec<String> {
    let found = server.ask(&format!("/traces?sort=start_time&q={}", filter.replace('<', "%3C").replace('>', "%3E").replace(' ', "%20")));
    let mut ids: Vec<String> = found["traces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trace| trace["trace_id"].as_str().unwrap().trim_start_matches('0').to_owned())
        .collect();
    ids.sort();
    ids
}

#[test]
fn scores_are_shown_with_their_target_and_select_it() {
    let (server, spans) = with_traces();
    let sent = json!([
        { "trace_id": trace_id(1), "name": "tone", "value": 0.2 },
        { "trace_id": trace_id(2), "span_id": spans[1], "name": "tone", "value": 0.9, "explanation": "Kind.", "source": "judge",
          "evaluator": { "name": "tone", "version": "2" }, "probability": 0.5 },
        { "trace_id": trace_id(3), "name": "resolved", "value": false },
        { "session_id": "s-7", "name": "satisfaction", "value": 4.5 },
        { "trace_id": trace_id(4), "name": "topic", "value": "travel" },
    ]);
    let stored = post(&server, &sent);
    assert_eq!((stored.status, stored.json()["ids"].as_array().unwrap().len()), (201, 5), "{}", stored.text);
    // The same score of an evaluator is no new version.
    assert_eq!(post(&server, &sent[1]).status, 201);
    assert_eq!(server.ask("/scores")["scores"].as_array().unwrap().len(), 5);
    assert_eq!(names(&server.ask("/scores?session=s-7")), ["satisfaction"]);
    assert_eq!(names(&server.ask(&format!("/scores?span={}", spans[1]))), ["tone"]);
    let of_span = server.ask(&format!("/traces/{}/spans/{}", trace_id(2), spans[1]))["scores"][0].clone();
    assert_eq!(
        (&of_span["evaluator"]["version"], &of_span["probability"], &of_span["source"]),
        (&json!("2"), &json!(0.5), &json!("judge"))
    );
    let of_trace = server.ask(&format!("/traces/{}", trace_id(2)));
    let scored: Vec<&Value> = of_trace["spans"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|span| span["scores"].as_array().is_some_and(|list| !list.is_empty()))
        .collect();
    assert_eq!((scored.len(), &scored[0]["scores"][0]["value"]), (1, &json!(0.9)));
    let listed = server.ask("/traces?sort=start_time");
    let shown = listed["traces"].as_array().unwrap().iter().filter(|trace| trace["scores"].as_array().unwrap().len() == 1).count();
    assert_eq!(shown, 4);

    assert_eq!(found_traces(&server, "score.tone:<0.5"), ["1"]);
    assert_eq!(found_traces(&server, "score.tone:*"), ["1", "2"]);
    assert_eq!(found_traces(&server, "score.tone:>=0.5 OR score.topic:travel"), ["2", "4"]);
    assert_eq!(found_traces(&server, "-score.tone:*"), ["3", "4"]);
    assert_eq!(found_traces(&server, "score.resolved:false model:*"), ["3"]);
    assert_eq!(server.ask("/summary?q=score.tone:*")["llm_calls"], 2);
    assert_eq!(server.ask("/spans?q=score.tone:0.9")["spans"].as_array().unwrap().len(), 1, "only the rated span");
    let wrong = server.get("/api/v1/projects/1/traces?q=score.tone:%3Ex");
    assert_eq!((wrong.status, wrong.text.contains("score.tone")), (400, true), "{}", wrong.text);
    let alert = server.get("/api/v1/projects/1/logs?q=score.tone:1");
    assert_eq!(alert.status, 400, "log lines have no scores");

    let series = server.ask("/series?measure=score&name=tone&bucket=1d");
    let values: Vec<&Value> = series["groups"][0]["points"].as_array().unwrap().iter().map(|point| &point[1]).collect();
    // A mean weighted with 1 / probability: (0.2 + 2 * 0.9) / 3.
    assert!((values.last().unwrap().as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{series}");
    assert_eq!(server.get("/api/v1/projects/1/series?measure=score").status, 400);
}

#[test]
fn versions_of_people_and_their_definitions() {
    let (server, _) = with_traces();
    let draft = json!({ "name": "quality", "data_type": "numeric", "min": 1, "max": 5, "better": "higher", "bad_from": 2 });
    let created = server.change("POST", "/score-definitions", &draft);
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(server.change("POST", "/score-definitions", &draft).status, 409);
    assert_eq!(server.change("POST", "/score-definitions", &json!({ "name": "x", "data_type": "text", "min": 1 })).status, 400);
    let rate = |trace: u128, value: f64| {
        post(
            &server,
            &json!({ "trace_id": trace_id(trace), "name": "quality", "value": value, "source": "annotation", "author": "account:99" }),
        )
    };
    let first = rate(1, 4.0).json()["ids"][0].clone();
    assert_eq!(rate(1, 2.0).json()["ids"][0], first, "the same person rates the same trace again");
    rate(2, 5.0);
    let newest = server.ask("/scores?name=quality");
    assert_eq!(newest["scores"].as_array().unwrap().len(), 2);
    assert!(newest["scores"][0]["author"].as_str().is_some_and(|author| !author.contains("99")), "{newest}");
    assert_eq!(server.ask("/scores?name=quality&superseded=true")["scores"].as_array().unwrap().len(), 3);
    let summary = server.ask("/scores/summary?from=-1h")["scores"][0].clone();
    assert_eq!(
        (&summary["n"], &summary["mean"], &summary["bad_rate"], &summary["bad_of"]),
        (&json!(2), &json!(3.5), &json!(0.5), &json!(2))
    );
    assert!(summary["bad_low"].as_f64().unwrap() < 0.1 && summary["bad_high"].as_f64().unwrap() > 0.9, "{summary}");
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.change("DELETE", &format!("/score-definitions/{id}"), &json!({})).status, 204);
    assert_eq!(server.ask("/scores/summary")["scores"][0]["bad_rate"], Value::Null, "unknown without a definition");
    assert_eq!(server.change("DELETE", &format!("/scores/{}", first.as_str().unwrap()), &json!({})).status, 204);
    assert_eq!(server.ask("/scores?superseded=true")["scores"].as_array().unwrap().len(), 1, "with its versions");
}

#[test]
fn scores_that_cannot_be_read_are_refused() {
    let (server, _) = with_traces();
    for (wrong, reason) in [
        (json!({ "trace_id": "t", "value": 1 }), "score_without_name"),
        (json!({ "name": "n", "value": 1 }), "score_without_trace"),
        (json!({ "trace_id": "t", "name": "n" }), "score_without_value"),
        (json!({ "trace_id": "t", "name": "n", "value": 1, "probability": 2 }), "invalid_score"),
    ] {
        let answer = post(&server, &wrong);
        assert_eq!((answer.status, answer.text.contains(reason)), (400, true), "{}", answer.text);
    }
    assert!(server.ask("/scores")["scores"].as_array().unwrap().is_empty());
}

#[test]
fn browsers_send_feedback_for_traces_that_exist() {
    let (server, spans) = with_traces();
    let path = "/api/v1/projects/1/feedback";
    let origin = ("origin", "https://shop.example");
    let preflight = [origin, ("access-control-request-method", "POST"), ("access-control-request-headers", "content-type,x-hinomi-key")];
    let answer = server.send("OPTIONS", path, &preflight, Vec::new());
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "*"), "{}", answer.text);
    let send = |body: Value| server.send("POST", path, &[JSON, origin, ("x-hinomi-key", KEY)], body.to_string().into_bytes());
    let answer = send(json!({ "trace_id": trace_id(1), "span_id": spans[0], "value": false, "comment": "Wrong city." }));
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (201, "*"), "{}", answer.text);
    assert_eq!(send(json!({ "name": "mood", "trace_id": trace_id(1), "label": "angry", "token": null })).status, 201);
    let shown = server.ask(&format!("/scores?source=user_feedback&trace={}", trace_id(1)));
    assert_eq!(names(&shown), ["mood", "feedback"]);
    assert_eq!((&shown["scores"][1]["value"], &shown["scores"][1]["comment"]), (&json!(0.0), &json!("Wrong city.")));
    assert_eq!(found_traces(&server, "score.feedback:false"), ["1"]);
    for (body, status) in [
        (json!({ "trace_id": trace_id(9), "value": 1 }), 404),
        (json!({ "trace_id": trace_id(1), "span_id": "00000000000000ff", "value": 1 }), 404),
        (json!({ "trace_id": trace_id(1) }), 400),
        (json!({ "trace_id": trace_id(1), "value": 1, "comment": "c".repeat(20_000) }), 400),
        (json!({ "trace_id": trace_id(1), "value": 1, "source": "judge" }), 422),
    ] {
        let answer = send(body);
        assert!(answer.status == status || status == 422 && answer.status == 400, "{status}: {} {}", answer.status, answer.text);
    }
    assert_eq!(server.send("POST", path, &[JSON], b"{}".to_vec()).status, 401);
    assert_eq!(server.ask("/scores")["scores"].as_array().unwrap().len(), 2);
}

#[test]
fn scores_of_a_response_find_its_call_in_either_order() {
    let server = Server::start();
    let at = || format!("{}", (crate::envelopes::now() * 1e9) as u64);
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let rate = |response: &str| {
        let attributes = json!([
            text("gen_ai.evaluation.name", "tone"),
            text("gen_ai.evaluation.score.label", "kind"),
            text("gen_ai.response.id", response),
        ]);
        let record = json!({ "timeUnixNano": at(), "eventName": "gen_ai.evaluation.result", "attributes": attributes });
        let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] }).to_string().into_bytes();
        assert_eq!(server.send("POST", "/v1/logs", &[JSON, ("x-hinomi-key", KEY)], body).status, 200);
    };
    let call = |number: u8, response: &str| {
        let attributes =
            json!([text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "gpt-4o"), text("gen_ai.response.id", response)]);
        let span = json!({
            "traceId": format!("{number:032x}"), "spanId": format!("{number:016x}"), "name": "chat", "startTimeUnixNano": at(), "endTimeUnixNano": at(),
            "attributes": attributes,
        });
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] }).to_string().into_bytes();
        assert_eq!(server.send("POST", "/v1/traces", &[JSON, ("x-hinomi-key", KEY)], body).status, 200);
    };
    rate("resp-early");
    call(1, "resp-early");
    call(2, "resp-late");
    rate("resp-late");
    rate("resp-never");
    crate::disconnects::until("the scores have their calls", || {
        (1..=2_u8).all(|number| server.ask(&format!("/scores?span={number:016x}"))["scores"].as_array().unwrap().len() == 1)
    });
    assert_eq!(server.ask("/scores")["scores"].as_array().unwrap().len(), 3, "the third one is kept without a call");
}
