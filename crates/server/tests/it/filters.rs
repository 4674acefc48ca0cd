//! Filters as long as a request can be: they are answered or rejected, and the server survives.

use serde_json::{Value, json};

use crate::alerts::eventually;
use crate::envelopes::{call, now, of_item, transaction};
use crate::server::{KEY, Server};

/// Queries that have a filter.
const ROUTES: [&str; 11] = [
    "/spans?",
    "/spans?sort=-cost&",
    "/traces?",
    "/traces?sort=-cost&",
    "/summary?",
    "/series?bucket=5m&",
    "/series?bucket=1h&group_by=user&",
    "/breakdown?by=model&",
    "/facets?field=model&",
    "/export?format=csv&",
    "/prices/unpriced?",
];
/// Longest URL that the server reads, in bytes.
const MAX_ADDRESS_LENGTH: usize = 65_000;

/// Returns `count` numbered values, each inserted into `around`.
fn values(count: usize, around: &str) -> String {
    (0..count).map(|number| around.replace('N', &format!("v{number}"))).collect::<Vec<_>>().join(",")
}

#[test]
fn longest_filters_are_answered_and_longer_ones_rejected() {
    let server = Server::start();
    assert_eq!(server.envelope(call(1, "What is the weather?", "Sunny.")).status, 200);
    let ask = |route: &str, filter: &str| server.get(&format!("/api/v1/projects/1{route}q={filter}"));

    let words = |count: usize| vec!["weather"; count].join("+");
    let terms = |field: &str, each: usize| {
        (0..64).map(|at| format!("{field}:{}", values(each, &format!("*N-{at}*")))).collect::<Vec<_>>().join("+")
    };
    let within = [
        words(64),
        vec!["-weather"; 64].join("+"),
        format!("model:{}", values(1000, "N")),
        format!("-model:{}", values(1000, "*N*")),
        format!("tag.plan:{}", values(1000, "N*")),
        format!("trace:{}", values(1000, "N")),
        format!("duration:{}", (0..1000).map(|ms| ms.to_string()).collect::<Vec<_>>().join(",")),
        format!("cost:{}", (0..1000).map(|cents| format!("0.{cents:03}")).collect::<Vec<_>>().join(",")),
        terms("-attr.k", 15),
        vec!["cost:%3E0"; 64].join("+"),
        // The longest phrase.
        format!("%22{}%22", vec!["weather"; 8_000].join("+")),
    ];
    for route in ROUTES {
        for filter in &within {
            let answer = ask(route, filter);
            assert_eq!(answer.status, 200, "{route} {}: {}", &filter[..30], answer.text);
        }
    }
    let fill = |piece: &str| piece.repeat((MAX_ADDRESS_LENGTH - 100) / piece.len());
    let beyond = [
        (words(65), "65 terms; the limit is 64"),
        (fill("x+"), "terms; the limit is 64"),
        (fill("-x+"), "terms; the limit is 64"),
        (format!("model:{}", values(1001, "N")), "1001 values; the limit is 1000"),
        (format!("model:{}", fill("a,")), "values; the limit is 1000"),
    ];
    for route in ROUTES {
        for (filter, says) in &beyond {
            let answer = ask(route, filter);
            assert_eq!(answer.status, 400, "{route}");
            assert!(answer.text.contains(says) && answer.json()["error"]["hint"].is_string(), "{route}: {}", answer.text);
        }
    }
    assert_eq!(server.ask("/summary")["llm_calls"], 1, "the server is still there: {}", server.log());
}

#[test]
fn rules_and_budgets_have_the_same_limits() {
    let server = Server::start();
    assert_eq!(server.envelope(call(1, "?", "!")).status, 200);
    let rule = |filter: &str| json!({ "name": "r", "measure": "calls", "window": "1m", "warning": 0.5, "filter": filter });
    let budget = |filter: &str| json!({ "name": "b", "amount": 1, "period": "day", "time_zone": "UTC", "filter": filter });
    let long = [vec!["word"; 65].join(" "), format!("model:{}", values(1001, "N"))];
    for filter in &long {
        for (path, body) in
            [("/alerts/rules", rule(filter)), ("/alerts/preview", json!({ "rule": rule(filter) })), ("/alerts/budgets", budget(filter))]
        {
            let refused = server.change("POST", path, &body);
            assert!(refused.status == 400 && refused.text.contains("the limit is"), "{path}: {}", refused.text);
        }
    }
    let most = format!("model:gpt-4o-mini*,{} -model:{}", values(499, "N"), values(500, "*N*"));
    assert_eq!(server.change("POST", "/alerts/preview", &json!({ "rule": rule(&most) })).status, 200);
    assert_eq!(server.change("POST", "/alerts/rules", &rule(&most)).status, 201);
    assert_eq!(server.envelope(call(2, "?", "!")).status, 200);
    eventually(&server, "/alerts/incidents", |found| found["open"] == 1);
    assert_eq!(server.ask("/summary")["llm_calls"], 2);
}

#[test]
fn rule_stored_before_the_limits_still_works() {
    let mut server = Server::start();
    // A window of one minute does not contain a call that began in the minute before.
    let rule = json!({ "name": "r", "measure": "calls", "window": "5m", "warning": 0.5, "filter": "model:gpt*" });
    assert_eq!(server.change("POST", "/alerts/rules", &rule).status, 201);
    server.kill();
    let table = rusqlite::Connection::open(server.data().join("alerts.db")).unwrap();
    let filter = format!("model:gpt-4o-mini,{} {}", values(20_000, "N"), vec!["-word"; 2_000].join(" "));
    let body: String = table.query_row("SELECT body FROM rules", [], |row| row.get(0)).unwrap();
    let mut body: Value = serde_json::from_str(&body).unwrap();
    body["filter"] = filter.into();
    assert_eq!(table.execute("UPDATE rules SET body = ?1", [body.to_string()]).unwrap(), 1);
    drop(table);
    server.start_again();
    assert_eq!(server.envelope(call(1, "?", "!")).status, 200);
    eventually(&server, "/alerts/incidents", |found| found["open"] == 1);
    // Its contributors are looked up by a query, which is rejected.
    assert_eq!(server.envelope(call(2, "?", "!")).status, 200);
    assert_eq!(server.ask("/summary")["llm_calls"], 2, "{}", server.log());
}

#[test]
fn a_chain_of_forty_thousand_spans_is_shown() {
    let server = Server::start();
    let start = now() - 60.0;
    let nanos = |at: usize| format!("{:.0}", (start + at as f64 * 1e-4) * 1e9);
    let span = |at: usize| {
        let parent = if at == 0 { String::new() } else { format!("{at:016x}") };
        json!({ "traceId": format!("{:032x}", 7), "spanId": format!("{:016x}", at + 1), "parentSpanId": parent, "name": "step",
            "startTimeUnixNano": nanos(at), "endTimeUnixNano": nanos(50_000) })
    };
    for from in (0..40_000).step_by(10_000) {
        let spans: Vec<Value> = (from..from + 10_000).map(span).collect();
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] });
        let headers = [("content-type", "application/json"), ("x-hinomi-key", KEY)];
        assert_eq!(server.send("POST", "/v1/traces", &headers, body.to_string().into_bytes()).status, 200);
    }
    let shown = server.ask(&format!("/traces/{:032x}", 7));
    assert_eq!(shown["spans"].as_array().map(Vec::len), Some(40_000));
    assert_eq!(server.ask("/traces")["traces"][0]["span_count"], 40_000);
    assert_eq!(server.ask("/spans?limit=1000")["spans"].as_array().map(Vec::len), Some(1000));
    let last = server.ask(&format!("/traces/{:032x}/spans/{:016x}", 7, 40_000));
    assert_eq!(last["span_id"], format!("{:016x}", 40_000));
}

/// Returns a call that failed, as Sentry's SDKs report it: the span says only that it failed, and the exception is an event of its own.
fn failed_call(trace: u128) -> Value {
    let mut transaction = transaction(trace, "What is the weather?", "");
    let call = &mut transaction["spans"][1];
    call["status"] = "internal_error".into();
    let data = call["data"].as_object_mut().unwrap();
    data.retain(|name, _| !name.contains("usage") && !name.contains("response"));
    transaction
}

#[test]
fn failed_calls_have_one_cause_across_providers() {
    let server = Server::start();
    let exception = json!({
        "event_id": format!("{:032x}", 77), "timestamp": now() - 1.0, "platform": "python",
        "exception": { "values": [{ "type": "RateLimitError", "value": "Error code: 429 - slow down", "module": "openai" }] },
        "contexts": { "trace": { "trace_id": format!("{:032x}", 1), "span_id": format!("{:016x}", 3) } },
    });
    assert_eq!(server.envelope(of_item("event", &exception)).status, 200);
    assert_eq!(server.envelope(of_item("transaction", &failed_call(1))).status, 200);
    let mut coded = failed_call(2);
    coded["spans"][1]["status"] = "deadline_exceeded".into();
    assert_eq!(server.envelope(of_item("transaction", &coded)).status, 200);
    assert_eq!(server.envelope(of_item("transaction", &failed_call(3))).status, 200);
    assert_eq!(server.envelope(call(4, "What is the weather?", "Sunny.")).status, 200);

    let spans = server.ask("/spans?q=kind:llm");
    let cause = |trace: u128| {
        let id = format!("{trace:032x}");
        spans["spans"].as_array().unwrap().iter().find(|span| span["trace_id"] == id.as_str()).unwrap()["failure"].clone()
    };
    assert_eq!([cause(1), cause(2), cause(3), cause(4)], [json!("rate_limit"), json!("timeout"), json!("other"), Value::Null]);
    let limited = server.ask("/spans?q=failure:rate_limit");
    assert_eq!(limited["spans"].as_array().unwrap().len(), 1, "{limited}");
    let by_cause = server.ask("/breakdown?by=failure&q=status:error");
    let keys: Vec<_> = by_cause["rows"].as_array().unwrap().iter().map(|row| row["key"].clone()).collect();
    for cause in ["rate_limit", "timeout", "other"] {
        assert!(keys.contains(&json!(cause)), "{by_cause}");
    }
}
