//! API contract of queries, access control, and the live stream.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::envelopes::{call, of_item, transaction};
use crate::server::Server;

#[test]
fn a_token_sees_its_project_and_changes_nothing() {
    let server = Server::start();
    let other = server.command(&["project", "create", "Other"]).0;
    assert!(other.starts_with("http://") && other.trim().ends_with("/2"), "{other}");
    let token = server.command(&["token", "create"]).0.trim().to_owned();
    assert_eq!(server.get_as("/api/v1/projects/1", &token).status, 200);
    assert_eq!(server.get_as("/api/v1/projects/2", &token).status, 404);
    assert_eq!(server.get_as("/api/v1/projects", &token).json()["projects"].as_array().unwrap().len(), 1);
    assert_eq!(server.get_as("/api/v1/projects/1", "hnm_wrong").status, 401);
    let refused = server.send("GET", "/api/v1/projects/1/summary", &[], Vec::new());
    assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (401, Some("unauthorized")));
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    assert_eq!(server.send("POST", "/api/v1/projects", &headers, br#"{"name":"x"}"#.to_vec()).status, 403);
}

#[test]
fn a_sign_in_link_works_once_and_changes_need_the_page() {
    let server = Server::start();
    let link = server.command(&["login"]).0;
    let path = link.trim().strip_prefix(&server.url).unwrap();
    assert_eq!(server.send("GET", "/login", &[], Vec::new()).header("location"), "/sign-in?error=expired", "a link that was cut");
    // Link trackers add such a parameter.
    let answer = server.send("GET", &format!("{path}&utm_source=mail"), &[], Vec::new());
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    assert!(answer.header("set-cookie").contains("HttpOnly"));
    assert_eq!(server.send("GET", path, &[], Vec::new()).header("location"), "/sign-in?error=expired");
    let me = server.send("GET", "/api/v1/me", &[("cookie", &cookie)], Vec::new());
    assert_eq!(me.json()["projects"][0]["name"], "Default");
    let json = ("content-type", "application/json");
    let rename = br#"{"name":"Shop"}"#.to_vec();
    assert_eq!(server.send("PATCH", "/api/v1/projects/1", &[("cookie", &cookie), json], rename.clone()).status, 403);
    let done = server.send("PATCH", "/api/v1/projects/1", &[("cookie", &cookie), json, ("x-hinomi-page", "1")], rename);
    assert_eq!((done.status, done.json()["name"].as_str()), (200, Some("Shop")));
    assert_eq!(server.send("DELETE", "/api/v1/session", &[("cookie", &cookie), ("x-hinomi-page", "1")], Vec::new()).status, 204);
    assert_eq!(server.send("GET", "/api/v1/me", &[("cookie", &cookie)], Vec::new()).status, 401);
}

#[test]
fn request_mistakes_are_answered_with_valid_values() {
    let server = Server::start();
    let cases = [
        ("/spans?q=modle:x", "model provider op"),
        ("/spans?sort=colour", "start_time"),
        ("/spans?filter=model:x", "Known parameters: cursor from limit q sort to"),
        ("/outcomes?q=x", "from to"),
        ("?q=x", "has no query parameters"),
        ("/spans?cursor=zzz", "cursor"),
        ("/spans?limit=0", "limit"),
        ("/spans?from=yesterday", "RFC 3339"),
        ("/traces?q=cost:%3Emuch", "much"),
        ("/series?measure=beauty", "calls"),
        ("/series?bucket=2h", "1h"),
        ("/breakdown?by=shoe", "model"),
    ];
    for (path, says) in cases {
        let answer = server.get(&format!("/api/v1/projects/1{path}"));
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
        assert!(answer.text.contains(says), "{path}: {}", answer.text);
    }
    assert_eq!(server.get("/api/v1/projects/9/summary").status, 404);
    assert_eq!(server.get("/api/v1/projects/1/traces/abc").status, 404);
    assert_eq!(server.get("/api/v1/nothing").status, 404);
    assert_eq!(server.get("/api/v1/nothing").json()["error"]["code"], "not_found");
}

#[test]
fn an_empty_project_answers_every_query() {
    let server = Server::start();
    let summary = server.ask("/summary");
    assert_eq!((summary["llm_calls"].as_u64(), summary["duration_ms"]["p50"].is_null()), (Some(0), true));
    assert_eq!(server.ask("/traces")["traces"], json!([]));
    assert_eq!(server.ask("/spans")["next_cursor"], json!(null));
    assert_eq!(server.ask("/breakdown?by=model")["rows"], json!([]));
    assert_eq!(server.ask("/series?from=-2h&bucket=1h&measure=calls,errors")["bucket"], "1h");
    assert_eq!(server.ask("/facets?field=model")["values"], json!([]));
    assert_eq!(server.ask("/issues")["issues"], json!([]));
    assert_eq!(server.get("/api/v1/system").json()["spans"]["stored"], 0);
}

/// The page's types are generated from the checked-in document.
#[test]
fn the_openapi_document_is_checked_in() {
    let server = Server::start();
    let mut served = server.get("/api/v1/openapi.json").json();
    // The version changes independently of the API.
    served["info"].as_object_mut().unwrap().remove("version");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let checked_in: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let different = |section: &str| {
        let empty = json!({});
        let [served, checked_in] = [&served, &checked_in].map(|document| document.pointer(section).unwrap_or(&empty));
        let names = [served, checked_in].into_iter().filter_map(Value::as_object).flat_map(|object| object.keys().cloned());
        names.filter(|name| served[name.as_str()] != checked_in[name.as_str()]).collect::<BTreeSet<_>>()
    };
    assert!(
        served == checked_in,
        "docs/openapi.json does not match the server: run `make api-client`. Different: {:?} {:?}",
        different("/paths"),
        different("/components/schemas")
    );
}

/// Fields that an answer may leave out. All others are always there, null if they have no value.
const LEFT_OUT: &[&str] = &[
    "CallCost.buckets",
    "CallCost.computed_total",
    "IgnoredAttribute.better",
    "MessagePart.id",
    "MessagePart.mime_type",
    "MessagePart.name",
    "NotificationChannelView.signing_secret",
    // As SCIM defines it.
    "ScimError.scimType",
];

#[test]
fn answers_have_all_their_fields() {
    let server = Server::start();
    let document = server.get("/api/v1/openapi.json").json();
    let (mut answers, mut requests) = (BTreeSet::new(), BTreeSet::new());
    for operation in document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values()) {
        collect_references(&document, &operation["responses"], &mut answers);
        collect_references(&document, &operation["requestBody"], &mut requests);
    }
    // The definitions of rules and budgets are read and answered in the same form.
    let of_answers = answers.difference(&requests);
    let optional = of_answers.flat_map(|name| {
        let fields = optional_fields(&document["components"]["schemas"][name]);
        // Present only if something is hidden.
        let fields = fields.into_iter().filter(|field| field != "messages_hidden");
        fields.map(move |field| format!("{name}.{field}"))
    });
    assert_eq!(optional.collect::<BTreeSet<_>>(), LEFT_OUT.iter().map(|field| (*field).to_owned()).collect());
}

/// Collects the names of the schemas that a part of an OpenAPI document refers to, directly or not.
fn collect_references(document: &Value, part: &Value, names: &mut BTreeSet<String>) {
    match part {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(Value::as_str).and_then(|text| text.rsplit('/').next())
                && names.insert(name.to_owned())
            {
                collect_references(document, &document["components"]["schemas"][name], names);
            }
            fields.values().for_each(|field| collect_references(document, field, names));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(document, item, names)),
        _ => {}
    }
}

/// Returns the fields of a schema that are not required.
fn optional_fields(schema: &Value) -> Vec<String> {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<BTreeSet<_>>();
    let own = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let own = own.filter(|name| !required.contains(name.as_str()));
    let parts = ["allOf", "oneOf"].into_iter().filter_map(|kind| schema[kind].as_array()).flatten();
    own.chain(parts.flat_map(optional_fields)).collect()
}

#[test]
fn errors_are_shown_at_their_span_and_in_totals() {
    let server = Server::start();
    assert_eq!(server.envelope(call(0xa1, "q", "a")).status, 200);
    let event = json!({
        "event_id": "e".repeat(32), "level": "error", "timestamp": crate::envelopes::now(),
        "contexts": { "trace": { "trace_id": format!("{:032x}", 0xa1), "span_id": format!("{:016x}", 3) } },
        "exception": { "values": [{ "type": "RateLimitError", "value": "slow down", "mechanism": { "handled": false },
            "stacktrace": { "frames": [{ "function": "ask", "filename": "app.py", "lineno": 3, "in_app": true, "context_line": "ask()" }] } }] },
    });
    let answer = server.envelope(of_item("event", &event));
    assert_eq!((answer.status, answer.json()["id"].as_str()), (200, Some("e".repeat(32).as_str())));
    let trace = server.ask(&format!("/traces/{:032x}", 0xa1));
    assert_eq!(trace["errors"][0]["type"], "RateLimitError");
    assert_eq!(trace["errors"][0]["span_id"], format!("{:016x}", 3));
    assert_eq!(trace["trace"]["error_count"], 1);
    let listed = &server.ask("/traces")["traces"][0];
    assert_eq!(listed["error_count"], 1);
    // The reason of a failure is in every list of traces and spans.
    let previews = |spans: &Value| {
        let all = spans.as_array().unwrap().iter();
        all.map(|span| (span["span_id"].as_str().unwrap().to_owned(), span["error_preview"].clone())).collect::<BTreeMap<_, _>>()
    };
    let said = json!("RateLimitError: slow down");
    assert_eq!([&trace["trace"]["error_preview"], &listed["error_preview"]], [&said; 2]);
    let of_spans = previews(&trace["spans"]);
    assert_eq!(of_spans.values().filter(|preview| **preview == said).count(), 1);
    assert_eq!((&of_spans[&format!("{:016x}", 3)], previews(&server.ask("/spans")["spans"])), (&said, of_spans.clone()));
    assert_eq!(server.ask(&format!("/traces/{:032x}/spans/{:016x}", 0xa1, 3))["error_preview"], said);
    assert_eq!(server.ask("/summary?q=model:gpt-4o-mini")["errors"], 1);
    assert_eq!(server.ask("/summary?q=model:other")["errors"], 0);
    let issue = &server.ask("/issues?from=-1h")["issues"][0];
    assert_eq!((issue["type"].as_str(), issue["cost"].as_f64()), (Some("RateLimitError"), Some(0.00045)));
    let detail = server.ask(&format!("/issues/{}", issue["issue_id"]));
    assert_eq!(detail["events"][0]["frames"][0]["lineno"], 3);
    // An event with its ID is found in any time range.
    assert_eq!(server.ask(&format!("/issues/{}?to=2020-01-01", issue["issue_id"]))["events"], json!([]));
    let event = server.ask(&format!("/issues/{}/events/{}", issue["issue_id"], "e".repeat(32)));
    assert_eq!(event, detail["events"][0]);
    for missing in [format!("/issues/{}/events/{}", issue["issue_id"], "f".repeat(32)), format!("/issues/99/events/{}", "e".repeat(32))] {
        assert_eq!(server.get(&format!("/api/v1/projects/1{missing}")).status, 404, "{missing}");
    }
    let points = server.ask("/series?from=-1h&bucket=1h&measure=errors")["groups"][0]["points"].clone();
    let sum: f64 = points.as_array().unwrap().iter().map(|point| point[1].as_f64().unwrap()).sum();
    assert_eq!(sum, 1.0);
}

#[test]
fn a_chart_without_an_end_contains_errors_after_the_last_span() {
    let server = Server::start();
    let mut earlier = transaction(0xa1, "q", "a");
    let then = crate::envelopes::now() - 7200.0;
    for span in earlier["spans"].as_array_mut().unwrap() {
        (span["start_timestamp"], span["timestamp"]) = (json!(then), json!(then + 1.0));
    }
    (earlier["start_timestamp"], earlier["timestamp"]) = (json!(then), json!(then + 1.0));
    assert_eq!(server.envelope(of_item("transaction", &earlier)).status, 200);
    let event = json!({ "event_id": "e".repeat(32), "timestamp": crate::envelopes::now(), "message": "late" });
    assert_eq!(server.envelope(of_item("event", &event)).status, 200);
    let points = server.ask("/series?from=-3h&bucket=1h&measure=errors")["groups"][0]["points"].clone();
    let sum: f64 = points.as_array().unwrap().iter().map(|point| point[1].as_f64().unwrap()).sum();
    assert_eq!(sum, 1.0, "{points}");
}

#[test]
fn trace_list_and_its_totals_use_the_same_filter() {
    let server = Server::start();
    assert_eq!(server.envelope(call(0xa1, "Where is the temple garden?", "North.")).status, 200);
    assert_eq!(server.envelope(call(0xa2, "Where is the station?", "South.")).status, 200);
    // The pipeline and the call are two spans of one trace.
    let q = "q=tool:*+OR+(pipeline:answer+cost:%3E0.0004+%22temple+garden%22)";
    let traces = server.ask(&format!("/traces?{q}"))["traces"].clone();
    assert_eq!((traces.as_array().unwrap().len(), traces[0]["trace_id"].as_str()), (1, Some(format!("{:032x}", 0xa1).as_str())));
    let summary = server.ask(&format!("/summary?{q}&select=traces"));
    assert_eq!((summary["traces"].as_u64(), summary["spans"].as_u64(), summary["llm_calls"].as_u64()), (Some(1), Some(3), Some(1)));
    let facets = server.ask(&format!("/facets?{q}&select=traces&field=kind&values=%5B%22llm%22%5D&limit=1"));
    assert!(facets["values"].as_array().unwrap().contains(&json!({ "value": "llm", "count": 1 })), "{facets}");
    let csv = server.get(&format!("/api/v1/projects/1/export?format=csv&{q}&select=traces"));
    assert_eq!(csv.text.lines().count(), 1 + 3);
    assert_eq!(server.get("/api/v1/projects/1/summary?select=users").status, 400);

    let found = server.ask(&format!("/traces/{:032x}/search?text=TEMPLE%20garden", 0xa1));
    assert_eq!(found["span_ids"], json!([format!("{:016x}", 3)]));
    assert_eq!(server.get(&format!("/api/v1/projects/1/traces/{:032x}/search?text=", 0xa1)).status, 400);

    let nothing = server.ask(&format!("/traces?q={:032x}", 0xa2));
    assert_eq!((&nothing["traces"], &nothing["suggestions"][0]["field"]), (&json!([]), &json!("trace")));
    assert_eq!(server.ask("/traces")["suggestions"], json!([]));
    for (q, says) in [("a+OR", "character 5"), ("(a+OR+b", "character 1"), ("a)", "character 2"), ("((((((((((a", "character 9")] {
        let answer = server.get(&format!("/api/v1/projects/1/traces?q={q}"));
        assert_eq!((answer.status, answer.text.contains(says)), (400, true), "{q}: {}", answer.text);
    }
}

#[test]
fn live_stream_reports_new_data() {
    let server = Server::start();
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    write!(stream, "GET /api/v1/projects/1/live HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\r\n", server.token).unwrap();
    let mut lines = BufReader::new(stream).lines().map(|line| line.unwrap());
    assert!(lines.by_ref().any(|line| line.starts_with(": hello")));
    assert_eq!(server.envelope(call(0xa1, "q", "a")).status, 200);
    let data = lines.find(|line| line.starts_with("data:")).unwrap();
    let change: serde_json::Value = serde_json::from_str(data.trim_start_matches("data:").trim()).unwrap();
    assert_eq!(change, json!({ "traces": [format!("{:032x}", 0xa1)], "spans": 3, "errors": 0, "logs": 0 }));
}
