//! Provenance of spans, estimates and hints.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::captures::replay;
use crate::server::Server;

fn capture(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures").join(case)
}

fn hints(server: &Server) -> Vec<(String, Option<String>)> {
    let hints = server.ask("/hints");
    let hint = |row: &Value| (row["hint"].as_str().unwrap().to_owned(), row["sdk"].as_str().map(str::to_owned));
    hints["hints"].as_array().unwrap().iter().map(hint).collect()
}

#[test]
fn call_without_usage_is_estimated_marked_and_gives_a_hint() {
    let mut server = Server::start();
    replay(&server, &capture("sentry-python-2.75/openai-stream-no-usage"));
    let (trace, span) = ("b02ca5785689423bb22a5a5704a64483", "a5081402e2ee865e");
    let detail = server.ask(&format!("/traces/{trace}/spans/{span}"));
    assert_eq!(
        (&detail["usage"]["source"], &detail["usage"]["input_tokens"], &detail["usage"]["output_tokens"]),
        (&"estimated".into(), &24.into(), &7.into())
    );
    assert_eq!((&detail["cost"]["estimated"], &detail["cost"]["total"]), (&true.into(), &0.0000078.into()));
    let shown = server.ask(&format!("/traces/{trace}"));
    assert_eq!((&shown["trace"]["estimated_calls"], &shown["trace"]["calls_without_usage"]), (&1.into(), &0.into()));
    assert!(shown["hints"].as_array().unwrap().iter().any(|hint| hint["hint"] == "stream_without_usage"), "{}", shown["hints"]);
    let summary = server.ask("/summary");
    assert_eq!((&summary["estimated_calls"], &summary["estimated_cost"]), (&1.into(), &0.0000078.into()));
    let by = server.ask("/breakdown?by=model");
    assert_eq!(by["rows"][0]["estimated_calls"], 1);

    let expected = ("stream_without_usage".to_owned(), Some("sentry.python 2.75.0".to_owned()));
    assert!(hints(&server).contains(&expected), "{:?}", hints(&server));
    assert_eq!(server.stop(), Some(0));
    server.start_again();
    assert!(hints(&server).contains(&expected), "after a restart");
    replay(&server, &capture("sentry-python-2.75/openai-stream-usage"));
    assert!(!hints(&server).contains(&expected), "it tells its counts now");
    let accepted = server.ask("/outcomes");
    let accepted = accepted["outcomes"].as_array().unwrap().iter().find(|row| row["outcome"] == "accepted" && row["category"] == "span");
    assert_eq!(accepted.unwrap()["sdk"], "sentry.python 2.75.0");
}

#[test]
fn each_span_reports_its_provenance() {
    let server = Server::start();
    replay(&server, &capture("openinference-openai/chat"));
    let spans = server.ask("/spans?q=kind:llm");
    let span = &spans["spans"][0];
    let detail = server.ask(&format!("/traces/{}/spans/{}", span["trace_id"].as_str().unwrap(), span["span_id"].as_str().unwrap()));
    let told = &detail["explanation"];
    assert_eq!(told["conventions"][0]["name"], "OpenInference");
    let fields = told["fields"].as_array().unwrap();
    let model = fields.iter().find(|field| field["field"] == "request_model").unwrap();
    assert_eq!((&model["source"]["attribute"], &model["value"]), (&"llm.model_name".into(), &detail["request_model"]));
    assert_eq!((&told["cost"]["because"], &told["cost"]["total"]), (&"computed".into(), &detail["cost"]["total"]));
    assert_eq!(told["cost"]["lines"].as_array().unwrap().len(), detail["cost"]["buckets"].as_array().unwrap().len());
    assert_eq!(told["counted"], true);
}

#[test]
fn captured_requests_are_explained_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let body = capture("sentry-python-2.75/blog-example").join("body.decoded");
    let (said, error, status) = crate::server::run(folder.path(), &["explain", body.to_str().unwrap()]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    for part in ["Sentry envelope", "sentry.python 2.75.0", "gen_ai.request.model", "$0.0003385", "counted", "--texts shows them"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (json, _, status) = crate::server::run(folder.path(), &["explain", "--json", body.to_str().unwrap()]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((status, json["spans"].as_array().unwrap().iter().filter(|span| span["kind"] == "llm").count()), (Some(0), 1));
    let broken = folder.path().join("broken");
    std::fs::write(&broken, "half a").unwrap();
    let (_, error, status) = crate::server::run(folder.path(), &["explain", broken.to_str().unwrap()]);
    assert_eq!((status, error.trim().lines().count()), (Some(1), 1), "{error}");
}
