//! Custom prices from a file, the API and the command line; unpriced calls; a newer price table; recalculating the cost of stored calls.

use serde_json::{Value, json};

use crate::envelopes::{call, of_item, transaction};
use crate::server::Server;

fn change(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let bearer = format!("Bearer {}", server.token);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let answer = server.send(method, &format!("/api/v1/projects/1{path}"), &headers, body.to_string().into_bytes());
    let body = if answer.text.is_empty() { Value::Null } else { answer.json() };
    (answer.status, body)
}

/// Returns the cost of a trace's call: total, price, source.
fn cost(server: &Server, trace: u128) -> Value {
    server.ask(&format!("/traces/{trace:032x}/spans/{:016x}", 3))["cost"].clone()
}

/// Returns a call of a model that no price table contains: 1,000 input tokens, 500 output tokens, one second long.
fn unlisted(trace: u128, more: Value) -> String {
    let mut sent = transaction(trace, "q", "a");
    let data = sent["spans"][1]["data"].as_object_mut().unwrap();
    data.insert("gen_ai.request.model".into(), json!("kaede-7b"));
    data.remove("gen_ai.system");
    data.extend(more.as_object().unwrap().clone());
    of_item("transaction", &sent)
}

#[test]
fn a_price_is_set_used_ended_and_removed() {
    let server = Server::start();
    server.envelope(unlisted(1, json!({})));
    assert_eq!(cost(&server, 1), Value::Null);
    let unpriced = server.ask("/prices/unpriced");
    let first = &unpriced["models"][0];
    assert_eq!((first["model"].as_str(), first["calls"].as_u64()), (Some("kaede-7b"), Some(1)));
    assert_eq!((first["input_tokens"].as_u64(), first["output_tokens"].as_u64()), (Some(1000), Some(500)));
    assert_eq!(server.ask("/prices/unpriced?from=-30d&to=-20d")["models"], json!([]));

    let has_hint = || server.ask("/hints")["hints"].as_array().unwrap().iter().any(|hint| hint["hint"] == "unpriced_model");
    let of_trace = || {
        let hints = server.ask(&format!("/traces/{:032x}", 1))["hints"].clone();
        hints.as_array().unwrap().iter().find(|hint| hint["hint"] == "unpriced_model").map(|hint| hint["priced"].clone())
    };
    assert_eq!((has_hint(), of_trace()), (true, Some(json!(false))));

    let (status, set) = change(
        &server,
        "POST",
        "/prices",
        &json!({ "model": "kaede*", "from": "2026-01-01", "prices": { "input": 2, "output": 4, "web_search": 0.01 } }),
    );
    assert_eq!(status, 201, "{set}");
    assert_eq!(set["price"], "own:kaede*@2026-01-01");
    assert!(!has_hint(), "it has a price");
    assert_eq!(of_trace(), Some(json!(true)), "the stored call has no cost yet");
    // 1,000 × $2/M + 500 × $4/M + 3 × $0.01
    server.envelope(unlisted(2, json!({ "gen_ai.usage.details.web_search_requests": 3 })));
    let priced = cost(&server, 2);
    assert_eq!((priced["total"].as_f64(), priced["price"].as_str()), (Some(0.034), Some("own:kaede*@2026-01-01")));
    let searches = priced["buckets"].as_array().unwrap().iter().find(|line| line["bucket"] == "web_search").unwrap().clone();
    assert_eq!(searches, json!({ "bucket": "web_search", "tokens": 3, "usd_per_million": 10_000.0, "amount": 0.03 }));
    assert_eq!(server.ask(&format!("/traces/{:032x}/spans/{:016x}", 2, 3))["usage"]["units"]["searches"], 3);
    assert_eq!(cost(&server, 1), Value::Null, "what is stored keeps what it has");

    let id = set["id"].as_i64().unwrap();
    let list = server.ask("/prices");
    assert_eq!((list["prices"][0]["id"].as_i64(), list["prices"][0]["prices"].clone()), (Some(id), set["prices"].clone()));
    assert!(list["table"]["models"].as_u64().unwrap() > 2000);
    let (status, ended) = change(&server, "PATCH", &format!("/prices/{id}"), &json!({ "until": "2026-02-01" }));
    assert_eq!((status, ended["until"].as_str()), (200, Some("2026-02-01")));
    server.envelope(unlisted(3, json!({})));
    assert_eq!(cost(&server, 3), Value::Null, "it has ended");
    assert_eq!(change(&server, "DELETE", &format!("/prices/{id}"), &json!({})).0, 204);
    assert_eq!(server.ask("/prices")["prices"], json!([]));

    let refused = |body: Value| {
        let (status, answer) = change(&server, "POST", "/prices", &body);
        (status, answer["error"]["message"].as_str().unwrap_or_default().to_owned())
    };
    for (body, says) in [
        (json!({ "model": "", "prices": { "input": 1 } }), "model"),
        (json!({ "model": "m", "prices": { "inptu": 1 } }), "inptu"),
        (json!({ "model": "m", "prices": { "input": -1 } }), "at least 0"),
        (json!({ "model": "m", "prices": {} }), "at least one"),
        (json!({ "model": "m", "from": "May", "prices": { "input": 1 } }), "YYYY-MM-DD"),
        (json!({ "model": "m", "from": "2026-02-01", "until": "2026-01-01", "prices": { "input": 1 } }), "after `from`"),
    ] {
        let (status, message) = refused(body);
        assert_eq!(status, 400, "{message}");
        assert!(message.contains(says), "{message}");
    }
    assert_eq!(change(&server, "PATCH", "/prices/99", &json!({ "until": null })).0, 404);
    assert_eq!(change(&server, "DELETE", "/prices/none", &json!({})).0, 404);
}

#[test]
fn price_file_applies_and_reloads_while_running() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    std::fs::write(&file, "[[price]]\nmodel = \"kaede-7b\"\nfrom = 2026-01-01\nprices = { hour = 3.6 }\n").unwrap();
    let server = Server::start_with(&[("HINOMI_PRICES", file.to_str().unwrap())]);
    server.envelope(unlisted(1, json!({})));
    // One second at $3.60 per hour.
    let priced = cost(&server, 1);
    assert_eq!(priced["price"], "own:kaede-7b@2026-01-01");
    assert!((priced["total"].as_f64().unwrap() - 0.001).abs() < 1e-6, "{priced}");
    assert_eq!(server.ask("/prices")["prices"][0]["id"], Value::Null);

    std::fs::write(&file, "[[price]]\nmodel = \"kaede-7b\"\nproject = 1\nprices = { input = 1, output = 1 }\n").unwrap();
    let taken = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        server.ask("/prices")["prices"][0]["price"] == "own:kaede-7b"
    });
    assert!(taken, "{}", server.log());
}

#[test]
fn newer_price_table_is_applied_to_stored_calls() {
    let server = Server::start();
    for trace in 1..=3 {
        server.envelope(call(trace, "q", "a"));
    }
    server.envelope(unlisted(4, json!({})));
    let question = || server.ask("/spans?q=kind:llm")["spans"][0].clone();
    assert_eq!(cost(&server, 1)["total"], 0.00045);

    // A file in the format of genai-prices, with other prices than the built-in ones.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data.json");
    let table = json!([{ "id": "openai", "name": "OpenAI", "models": [
        { "id": "gpt-4o-mini", "match": { "starts_with": "gpt-4o-mini" }, "prices": { "input_mtok": 1, "output_mtok": 2 } },
    ] }]);
    std::fs::write(&file, table.to_string()).unwrap();
    let (said, error, status) = server.command(&["prices", "update", file.to_str().unwrap()]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    assert!(said.contains("1 models") && said.contains("1 changed"), "{said}");
    let (said, _, _) = server.command(&["prices", "check", "gpt-4o-mini", "--input", "1000", "--output", "500"]);
    assert!(said.starts_with("openai:gpt-4o-mini ") && said.contains("$0.002"), "{said}");
    let taken = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        server.ask("/prices")["table"]["models"] == 1
    });
    assert!(taken, "{}", server.log());
    assert_eq!(cost(&server, 1)["total"], 0.00045, "what is stored keeps what it has");
    change(&server, "POST", "/prices", &json!({ "model": "kaede-7b", "prices": { "input": 1, "output": 2 } }));

    let (said, error, status) = server.command(&["reprice", "--from", "2026-01-01", "--dry-run"]);
    assert_eq!(status, Some(0), "{error}");
    assert!(said.contains("4 of 4 calls would change") && said.contains("1 had no price before"), "{said}");
    assert_eq!(cost(&server, 1)["total"], 0.00045, "a dry run changes nothing");

    let before = question();
    let (status, answer) = change(&server, "POST", "/reprice", &json!({ "from": "-1d" }));
    assert_eq!(status, 200, "{answer}");
    assert_eq!((answer["calls"].as_u64(), answer["changed"].as_u64(), answer["newly_priced"].as_u64()), (Some(4), Some(4), Some(1)));
    // Each costs 1,000 × $1/M + 500 × $2/M.
    assert!((answer["cost_after"].as_f64().unwrap() - 0.008).abs() < 1e-12, "{answer}");
    for trace in 1..=3 {
        assert_eq!(
            (cost(&server, trace)["total"].as_f64(), cost(&server, trace)["price"].as_str()),
            (Some(0.002), Some("openai:gpt-4o-mini"))
        );
    }
    assert_eq!(cost(&server, 4)["price"], "own:kaede-7b");
    let after = question();
    assert_eq!(before["input_preview"], after["input_preview"], "nothing else has changed");
    let summary = server.ask("/summary");
    assert_eq!(
        (summary["cost"].as_f64(), summary["llm_calls"].as_u64(), summary["unpriced_calls"].as_u64()),
        (Some(0.008), Some(4), Some(0))
    );
    let (_, again) = change(&server, "POST", "/reprice", &json!({}));
    assert_eq!((again["calls"].as_u64(), again["changed"].as_u64()), (Some(4), Some(0)));

    // Changes are as durable as ingested data.
    let mut server = server;
    server.kill();
    server.restart();
    assert_eq!(server.ask("/summary")["cost"], 0.008);
    let resent = server.envelope(call(1, "q", "a"));
    assert_eq!(resent.status, 200);
    assert_eq!(server.ask("/summary")["cost"], 0.008, "sent again it is a repeat");
}

#[test]
fn client_cost_is_shown_next_to_computed_cost() {
    let server = Server::start();
    let mut sent = transaction(1, "q", "a");
    sent["spans"][1]["data"]["gen_ai.cost.total_tokens"] = json!(0.0002);
    server.envelope(of_item("transaction", &sent));
    // The client's cost is lower than the computed one and the client reports no cache reads: the client's is used, and the computed one
    // is shown as well.
    let priced = cost(&server, 1);
    assert_eq!((priced["source"].as_str(), priced["total"].as_f64()), (Some("client"), Some(0.0002)));
    assert_eq!((priced["client_total"].as_f64(), priced["computed_total"].as_f64()), (Some(0.0002), Some(0.00045)));
}

#[test]
fn mistakes_of_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let said = |arguments: &[&str]| {
        let (_, error, status) = crate::server::run(&folder.path().join("data"), arguments);
        (status, error)
    };
    // Without token counts the price is that of an ordinary call, and a note mentions the other price of long inputs.
    let (tiered, _, _) = crate::server::run(&folder.path().join("data"), &["prices", "check", "claude-sonnet-4-5"]);
    assert!(tiered.contains("1000 × $3.00/M") && tiered.contains("long context: $6.00/M"), "{tiered}");
    let (flat, _, _) = crate::server::run(&folder.path().join("data"), &["prices", "check", "gpt-4o-mini"]);
    assert!(flat.contains("1000 × $0.15/M") && !flat.contains("--input"), "{flat}");
    let (status, error) = said(&["prices", "check", "nobody-s-model"]);
    assert_eq!(status, Some(1));
    assert!(error.contains("no price for nobody-s-model"), "{error}");
    let file = folder.path().join("x.json");
    std::fs::write(&file, "[1]").unwrap();
    assert_eq!(said(&["token", "create"]).0, Some(0), "it makes the folder");
    let (status, error) = said(&["prices", "update", file.to_str().unwrap()]);
    assert_eq!(status, Some(1));
    assert!(error.contains("x.json"), "{error}");
    let (status, error) = said(&["reprice", "--from", "soon"]);
    assert_eq!(status, Some(2), "{error}");
    let (status, error) = said(&["reprice", "--from", "2026-01-01"]);
    assert_eq!(status, Some(1));
    assert!(error.contains("hinomi serve"), "{error}");
}
