//! Hidden messages: a viewer of a project that hides them gets no text of a message from any route.

use serde_json::{Value, json};

use crate::accounts::{get, join};
use crate::envelopes::{now, of_item, transaction};
use crate::server::{Answer, KEY, Server};

const JSON: (&str, &str) = ("content-type", "application/json");
const KEY_HEADER: (&str, &str) = ("x-hinomi-key", KEY);
/// In every field that holds a text which a model, a tool, a person or a program wrote.
const CANARY: &str = "CANARY";
/// What stays visible: names, IDs and tags.
const METADATA: [&str; 4] = ["gpt-4o-mini", "visible-tag", "visible-user", "VisibleError"];

fn canary(place: &str) -> String {
    format!("{CANARY}-{place}")
}

/// An error event with a text in each part.
fn error_event() -> Value {
    let frame = json!({ "function": "ask", "module": "shop", "filename": "shop.py", "lineno": 7, "in_app": true,
        "vars": { "prompt": canary("vars"), "deep": { "list": [canary("vars-list")] } } });
    let mechanism = json!({ "type": "generic", "handled": false, "data": { "text": canary("mechanism") }, "meta": { "text": canary("meta") },
        "description": canary("mechanism-description") });
    let exception =
        |kind: &str| json!({ "type": kind, "value": canary("error"), "mechanism": mechanism, "stacktrace": { "frames": [frame] } });
    json!({
        "event_id": format!("{:032x}", 1), "level": "error", "timestamp": now() - 1.0, "transaction": "ask",
        "logentry": { "message": canary("message"), "formatted": canary("formatted") },
        "exception": { "values": [exception("CauseError"), exception("VisibleError")] },
        "threads": { "values": [{ "id": 1, "name": "main", "stacktrace": { "frames": [frame] } }] },
        "breadcrumbs": { "values": [{ "category": "http", "message": canary("breadcrumb"), "data": { "body": canary("breadcrumb-data") } }] },
        "request": { "url": format!("http://shop/{}", canary("url")), "data": { "body": canary("body") },
            "query_string": canary("query"), "headers": { "X-Text": canary("header") } },
        "user": { "id": "visible-user", "name": canary("user-name"), "note": canary("user-note") },
        "extra": { "text": canary("extra") }, "fingerprint": [canary("fingerprint")], "tags": { "plan": "visible-tag" },
        "contexts": { "shop": { "text": canary("context") },
            "trace": { "trace_id": format!("{:032x}", 1), "span_id": format!("{:016x}", 3) } },
    })
}

/// A call in OTLP with a text in each part: input, output, tool call, attributes, status, events and links.
fn otlp_call() -> Value {
    let at = |seconds: f64| format!("{:.0}", (now() - seconds) * 1e9);
    let text = |key: &str, value: String| json!({ "key": key, "value": { "stringValue": value } });
    let input = json!([{ "role": "user", "parts": [{ "type": "text", "content": canary("otlp-input") }] },
        { "role": "tool", "parts": [{ "type": "tool_call_response", "id": "c1", "response": canary("tool-result") }] }]);
    let output = json!([{ "role": "assistant", "parts": [{ "type": "text", "content": canary("otlp-output") },
        { "type": "reasoning", "content": canary("reasoning") },
        { "type": "tool_call", "id": "c2", "name": "search", "arguments": { "q": canary("tool-arguments") } }] }]);
    let attributes = [
        text("gen_ai.operation.name", "chat".into()),
        text("gen_ai.request.model", "gpt-4o-mini".into()),
        text("gen_ai.input.messages", input.to_string()),
        text("gen_ai.output.messages", output.to_string()),
        text("gen_ai.system_instructions", json!([{ "type": "text", "content": canary("system") }]).to_string()),
        text(
            "gen_ai.tool.definitions",
            json!([{ "type": "function", "name": "search", "description": canary("tool-definition") }]).to_string(),
        ),
        text("shop.note", canary("attribute")),
    ];
    let event = json!({ "name": "exception", "timeUnixNano": at(1.2), "attributes": [text("exception.type", "OtherError".into()),
        text("exception.message", canary("otlp-exception")), text("exception.stacktrace", canary("otlp-stack"))] });
    let link = json!({ "traceId": format!("{:032x}", 9), "spanId": format!("{:016x}", 9), "attributes": [text("why", canary("link"))] });
    let span = json!({ "traceId": format!("{:032x}", 2), "spanId": format!("{:016x}", 1), "name": "chat gpt-4o-mini",
        "startTimeUnixNano": at(2.0), "endTimeUnixNano": at(1.0), "attributes": attributes, "events": [event], "links": [link],
        "status": { "code": 2, "message": canary("status") } });
    json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] })
}

/// Sends texts in every field that a client can fill: traces 1 to 3, an issue, log lines, a score, a picture.
fn fill(server: &Server) {
    let mut body = transaction(1, &canary("question"), &canary("answer"));
    body["user"] = json!({ "id": "visible-user" });
    body["tags"] = json!({ "plan": "visible-tag" });
    body["extra"] = json!({ "text": canary("transaction-extra") });
    body["contexts"]["trace"]["data"] = json!({ "note": canary("trace-data") });
    assert_eq!(server.envelope(of_item("transaction", &body)).status, 200);
    assert_eq!(server.envelope(of_item("event", &error_event())).status, 200);
    let send = |path: &str, body: &Value| server.send("POST", path, &[JSON, KEY_HEADER], body.to_string().into_bytes());
    assert_eq!(send("/v1/traces", &otlp_call()).status, 200);
    // Of trace 3, there is only a log line.
    for trace in [1, 3] {
        let record = json!({ "traceId": format!("{trace:032x}"), "spanId": format!("{:016x}", 3), "severityNumber": 17,
            "timeUnixNano": format!("{:.0}", (now() - 1.0) * 1e9), "body": { "stringValue": canary("line") },
            "attributes": [{ "key": "note", "value": { "stringValue": canary("line-attribute") } }] });
        let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "scope": { "name": "shop" }, "logRecords": [record] }] }] });
        assert_eq!(send("/v1/logs", &logs).status, 200);
    }
    let score = json!({ "trace_id": format!("{:032x}", 1), "name": "good", "value": 0, "comment": canary("comment") });
    let token = format!("Bearer {}", server.token);
    let answer = server.send("POST", "/api/v1/projects/1/scores", &[("authorization", &token), JSON], score.to_string().into_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text);
    let image = json!([{ "role": "user", "content": [{ "type": "image_url",
        "image_url": { "url": format!("data:image/png;base64,{}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, picture())) } }] }]);
    let mut call = otlp_call();
    let span = &mut call["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    span["spanId"] = json!(format!("{:016x}", 2));
    span["attributes"] = json!([
        { "key": "gen_ai.operation.name", "value": { "stringValue": "chat" } },
        { "key": "gen_ai.request.model", "value": { "stringValue": "gpt-4o-mini" } },
        { "key": "gen_ai.request.messages", "value": { "stringValue": image.to_string() } },
    ]);
    assert_eq!(send("/v1/traces", &call).status, 200);
}

/// Returns a picture that is large enough to be stored separately.
fn picture() -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n".as_slice(), CANARY.repeat(200).as_bytes()].concat()
}

fn picture_id() -> String {
    use sha2::Digest;
    base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, sha2::Sha256::digest(picture()))[..22].to_owned()
}

/// Returns the addresses of all operations that a viewer may call, with IDs of what is stored, each with its method and body.
fn viewer_requests(server: &Server) -> Vec<(String, String, Vec<u8>)> {
    let description = server.get("/api/v1/openapi.json").json();
    let issue =
        server.ask("/issues")["issues"].as_array().unwrap().iter().find(|issue| issue["type"] == "VisibleError").unwrap()["issue_id"]
            .clone();
    let mut requests = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let is_read = method == "get" || path.ends_with("/preview");
            if operation["x-permission"] != "viewer" || !is_read || path.ends_with("/live") {
                continue;
            }
            for (trace, span) in [(1, 3), (2, 1), (2, 2), (3, 3)] {
                let path = path
                    .replace("{project}", "1")
                    .replace("{trace}", &format!("{trace:032x}"))
                    .replace("{span}", &format!("{span:016x}"))
                    .replace("{issue}", &issue.to_string())
                    .replace("{event}", &format!("{:032x}", 1))
                    .replace("{media_id}", &picture_id());
                let path = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/");
                let body = match path.as_str() {
                    path if path.ends_with("alerts/preview") => {
                        json!({ "rule": { "name": "r", "measure": "calls", "window": "1h", "warning": 0, "group_by": "user" } })
                    }
                    path if path.ends_with("mapping/preview") => json!({
                        "text": "[[rule]]\nname = \"r\"\nspan = \"*\"\nfields = { \"shop.note\" = \"pipeline\" }\n",
                        "trace_id": format!("{trace:032x}"), "span_id": format!("{span:016x}") }),
                    _ => Value::Null,
                };
                let query = match path.as_str() {
                    path if path.ends_with("/search") => "?text=CANAR",
                    path if path.ends_with("/export") => "?format=jsonl",
                    path if path.ends_with("/breakdown") => "?by=user",
                    path if path.ends_with("/facets") => "?field=user",
                    path if path.ends_with("/series") && !path.contains("metrics") => "?bucket=1h&measure=calls&group_by=model",
                    _ => "",
                };
                let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
                requests.push((method.to_uppercase(), format!("{path}{query}"), body));
            }
        }
    }
    requests.sort();
    requests.dedup();
    requests
}

fn hide(server: &Server, from: &str) -> Answer {
    let token = format!("Bearer {}", server.token);
    let body = json!({ "hide_messages": from }).to_string().into_bytes();
    server.send("PATCH", "/api/v1/projects/1", &[("authorization", &token), JSON], body)
}

/// Sends all requests. Returns the responses by address.
fn walk(server: &Server, token: &str) -> Vec<(String, Answer)> {
    let bearer = format!("Bearer {token}");
    let sent = viewer_requests(server).into_iter().map(|(method, path, body)| {
        let answer = server.send(&method, &path, &[("authorization", &bearer), JSON], body);
        (format!("{method} {path}"), answer)
    });
    sent.collect()
}

#[test]
fn viewer_of_a_project_that_hides_messages_gets_none_from_any_route() {
    let server = Server::start();
    fill(&server);
    let viewer = server.command(&["token", "create"]).0.trim().to_owned();
    let before = walk(&server, &viewer);
    let with_text: Vec<&str> = before.iter().filter(|(_, answer)| answer.text.contains(CANARY)).map(|(path, _)| path.as_str()).collect();
    for part in ["/traces", "/spans", "/spans/", "/issues", "/events/", "/logs", "/export", "/media/", "/groups", "/mapping/preview"] {
        assert!(with_text.iter().any(|path| path.contains(part)), "{part} shows texts to a viewer who may see them: {with_text:#?}");
    }

    let answer = hide(&server, "viewer");
    assert_eq!((answer.status, &answer.json()["hide_messages"]), (200, &json!("viewer")), "{}", answer.text);
    let after = walk(&server, &viewer);
    let shown: Vec<_> =
        after.iter().filter(|(_, answer)| answer.text.contains(CANARY)).map(|(path, answer)| (path, &answer.text)).collect();
    assert!(shown.is_empty(), "{shown:#?}");
    // The metadata is still there, and says that the rest is hidden.
    for name in METADATA {
        assert!(after.iter().any(|(_, answer)| answer.text.contains(name)), "{name} is hidden too");
    }
    for ((path, before), (_, after)) in before.iter().zip(&after) {
        let is_message_route = ["/export", "/media/", "/search", "/mapping/preview"].iter().any(|part| path.contains(part));
        assert_eq!(after.status, if is_message_route { 403 } else { before.status }, "{path}: {}", after.text);
        let was_json = before.header("content-type").starts_with("application/json");
        // The list of tags leaves the address of the request out.
        let is_marked = !is_message_route && !path.ends_with("/tags");
        if before.status == 200 && was_json && before.text.contains(CANARY) && is_marked {
            assert!(after.text.contains("\"messages_hidden\":true"), "{path}: {}", after.text);
        }
    }
    let span = server.get_as(&format!("/api/v1/projects/1/traces/{:032x}/spans/{:016x}", 1, 3), &viewer).json();
    assert_eq!(
        (&span["messages_hidden"], &span["input_messages"], &span["model"], &span["usage"]["input_tokens"], &span["tags"]["plan"]),
        (&json!(true), &json!([]), &json!("gpt-4o-mini"), &json!(1000), &json!("visible-tag"))
    );
    let trace = format!("/api/v1/projects/1/traces/{:032x}", 1);
    let head = server.send("HEAD", &trace, &[("authorization", &format!("Bearer {viewer}"))], Vec::new());
    let shown = server.get_as(&trace, &viewer).text;
    assert_eq!((head.status, head.header("content-length")), (200, &*shown.len().to_string()), "the length is that without texts");

    // Filters and groups do not reveal what they compare.
    for path in [
        "/traces?q=CANARY",
        "/spans?q=-%22CANARY%22",
        "/summary?q=(model:x%20OR%20attr.shop.note:CANARY*)",
        "/issues?q=attr.extra:*",
        "/logs?q=body:CANARY*",
        "/logs?q=attr.note:*",
        "/facets?field=attr.shop.note",
    ] {
        let answer = server.get_as(&format!("/api/v1/projects/1{path}"), &viewer);
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (403, &json!("messages_hidden")), "{path}");
    }
    let preview = json!({ "rule": { "name": "r", "measure": "calls", "window": "1h", "warning": 0, "filter": "CANARY" } }).to_string();
    let bearer = format!("Bearer {viewer}");
    let answer = server.send("POST", "/api/v1/projects/1/alerts/preview", &[("authorization", &bearer), JSON], preview.into_bytes());
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (403, &json!("messages_hidden")), "{}", answer.text);

    // A viewer of the whole server is a viewer too. Those above see everything.
    let (ann, bob) = (join(&server, "ann@example.com", "viewer", None), join(&server, "bob@example.com", "member", None));
    assert!(!get(&server, &trace, &ann).text.contains(CANARY));
    assert!(get(&server, &trace, &bob).text.contains(CANARY));
    assert_eq!(hide(&server, "all").status, 200);
    assert!(!get(&server, &trace, &bob).text.contains(CANARY) && !server.get(&trace).text.contains(CANARY));
    assert_eq!(hide(&server, "nobody").status, 200);
    assert!(get(&server, &trace, &ann).text.contains(CANARY));
    assert_eq!(hide(&server, "everybody").status, 400);
}

#[test]
fn views_of_messages_that_are_hidden_from_others_are_recorded() {
    let server = Server::start();
    fill(&server);
    let (ann, bob) = (join(&server, "ann@example.com", "viewer", None), join(&server, "bob@example.com", "member", None));
    let trace = |number: u128| format!("/api/v1/projects/1/traces/{number:032x}");
    let views = || server.get("/api/v1/audit?action=messages.read").json()["entries"].as_array().unwrap().clone();
    get(&server, &trace(1), &bob);
    assert_eq!(views(), Vec::<Value>::new(), "nothing is hidden");
    assert_eq!(hide(&server, "viewer").status, 200);
    let changes = server.get("/api/v1/audit?action=projects.update").json();
    assert_eq!(changes["entries"][0]["details"], json!({ "hide_messages": "viewer" }));
    for _ in 0..2 {
        get(&server, &trace(1), &bob);
        get(&server, &format!("{}/spans/{:016x}", trace(1), 3), &bob);
        get(&server, &trace(2), &bob);
        get(&server, &trace(1), &ann);
        get(&server, "/api/v1/projects/1/summary", &bob);
    }
    let seen: Vec<_> =
        views().iter().map(|one| (one["actor"]["name"].clone(), one["project_id"].clone(), one["details"]["trace"].clone())).collect();
    let view = |number: u128| (json!("bob@example.com"), json!(1), json!(format!("{number:032x}")));
    assert_eq!(seen, [view(2), view(1)]);
}
