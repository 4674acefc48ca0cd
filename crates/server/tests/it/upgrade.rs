//! Data directories of earlier versions, in `fixtures/folders`: the current server opens each and returns what its writer returned.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::captures::{replay, requests};
use crate::server::{Server, run};

fn folders() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/folders")
}

/// Returns the names of the stored data directories.
fn kept() -> Vec<String> {
    let names = std::fs::read_dir(folders()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| Some(name.strip_suffix(".tar.gz")?.to_owned())).collect()
}

/// Unpacks a data directory below another directory.
fn unpack(name: &str, into: &Path) -> Value {
    let archive = std::fs::File::open(folders().join(format!("{name}.tar.gz"))).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(into).unwrap();
    serde_json::from_slice(&std::fs::read(folders().join(format!("{name}.expect.json"))).unwrap()).unwrap()
}

/// Returns what a response lacks: it must contain all expected fields, and in lists as many items, each with its fields, in any order.
fn lacking(wanted: &Value, got: &Value, place: &str) -> Option<String> {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            wanted.iter().find_map(|(name, value)| lacking(value, got.get(name).unwrap_or(&Value::Null), &format!("{place}.{name}")))
        }
        (Value::Array(wanted), Value::Array(got)) => {
            let mut left: Vec<&Value> = got.iter().collect();
            for value in wanted {
                match left.iter().position(|item| lacking(value, item, "").is_none()) {
                    Some(at) => drop(left.swap_remove(at)),
                    None => return Some(format!("{place} has no {value}; it has {}", Value::from(got.clone()))),
                }
            }
            (!left.is_empty()).then(|| format!("{place} has {} more: {}", left.len(), left[0]))
        }
        _ => {
            let alike = match (wanted.as_f64(), got.as_f64()) {
                (Some(wanted), Some(got)) => (wanted - got).abs() <= 1e-9 * wanted.abs().max(1.0),
                _ => wanted == got,
            };
            (!alike).then(|| format!("{place} is {got}, was {wanted}"))
        }
    }
}

fn check(server: &Server, expect: &Value) {
    let token = expect["admin"].as_str().unwrap();
    let of = |one: &Value| {
        let path = one["path"].as_str().unwrap();
        let answer = server.get_as(&format!("/api/v1{path}"), token);
        if answer.status != 200 {
            return Some(format!("{path}: {} {}", answer.status, answer.text));
        }
        lacking(&one["answer"], &answer.json(), path)
    };
    let wrong: Vec<String> = expect["answers"].as_array().unwrap().iter().filter_map(of).collect();
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), server.log());
}

/// A data directory, a span of it by trace and ID, and a fact that its writer stored as a sentence: why the span is excluded, or the
/// source of a field.
const FACTS: [(&str, &str, &str, Fact); 4] = [
    (
        "bb20e99",
        "1ed3ac4b5f6fa3c851c2ca461809d2c9",
        "50fab97c2abede67",
        Fact::Excluded("reported_elsewhere", Some("af80d122f32fa7dd"), Some("2943de0b8facd89b93a456dbc12c1cef")),
    ),
    ("bb20e99", "d2a90fa15ba4509ce22d6a66075e4d6b", "089d68c3eb2bf75e", Fact::Excluded("sum_of_calls", None, None)),
    (
        "bb20e99",
        "2943de0b8facd89b93a456dbc12c1cef",
        "af80d122f32fa7dd",
        Fact::Read("usage", "gateway_report", Some("50fab97c2abede67"), Some("1ed3ac4b5f6fa3c851c2ca461809d2c9")),
    ),
    ("bb20e99", "0c059c6382f6229fcc757b454eca0525", "0d98c23bdb687a2f", Fact::Read("provider", "model_vendor", None, None)),
];

#[derive(Clone, Copy)]
enum Fact {
    Excluded(&'static str, Option<&'static str>, Option<&'static str>),
    Read(&'static str, &'static str, Option<&'static str>, Option<&'static str>),
}

/// Facts that earlier versions stored as sentences are served and exported as data.
fn check_facts(server: &Server, name: &str, token: &str) {
    let exported = server.get_as("/api/v1/projects/1/export?format=jsonl", token);
    assert!(!exported.text.contains("not_counted_because") && !exported.text.contains("the vendor of the model"));
    let rows: Vec<Value> = exported.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (_, trace, span, fact) in FACTS.iter().filter(|(folder, ..)| *folder == name) {
        let shown = server.get_as(&format!("/api/v1/projects/1/traces/{trace}/spans/{span}"), token).json();
        let row = rows.iter().find(|row| row["span_id"] == **span && row["trace_id"] == **trace).unwrap();
        match *fact {
            Fact::Excluded(kind, by_span, by_trace) => {
                assert_eq!(shown["exclusion"], json!({ "kind": kind, "span_id": by_span, "trace_id": by_trace }));
                let columns = [&row["exclusion_kind"], &row["exclusion_span_id"], &row["exclusion_trace_id"]];
                assert_eq!(columns, [&json!(kind), &json!(by_span), &json!(by_trace)]);
            }
            Fact::Read(field, kind, by_span, by_trace) => {
                let fields = [&shown["reading"], &shown["explanation"]["fields"]];
                for read in fields.map(|fields| fields.as_array().unwrap().iter().find(|read| read["field"] == field).unwrap()) {
                    let source = &read["source"];
                    assert_eq!(
                        [&source["kind"], &source["span_id"], &source["trace_id"]],
                        [&json!(kind), &json!(by_span), &json!(by_trace)]
                    );
                }
                let read = row["reading"].as_array().unwrap().iter().find(|read| read["field"] == field).unwrap();
                assert_eq!((&read["kind"], read.get("from")), (&json!(kind), None));
            }
        }
    }
}

#[test]
fn data_directories_of_earlier_versions_open_completely() {
    let kept = kept();
    assert!(!kept.is_empty());
    for name in kept {
        let disk = tempfile::tempdir().unwrap();
        let expect = unpack(&name, disk.path());
        // The longest retention that a server accepts, so that the test passes for years.
        let mut server = Server::start_on(disk.path(), &[("HINOMI_RETENTION_DAYS", "3650")]);
        assert!(!server.log().contains("damaged"), "{}", server.log());
        check(&server, &expect);
        check_facts(&server, &name, expect["admin"].as_str().unwrap());

        // Tokens and keys have the permissions that they had.
        let reader = expect["reader"].as_str().unwrap();
        assert_eq!(server.get_as("/api/v1/projects/1/summary", reader).status, 200);
        assert_eq!(server.get_as("/api/v1/projects/2/summary", reader).status / 100, 4, "it is for project 1 alone");
        let keys = expect["keys"].as_object().unwrap().iter().flat_map(|(project, keys)| {
            keys.as_array().unwrap().iter().map(move |key| (project.clone(), key.as_str().unwrap().to_owned()))
        });
        for (project, key) in keys {
            let header = format!("Sentry sentry_key={key}, sentry_version=7");
            let sent = server.send("POST", &format!("/api/{project}/envelope/"), &[("x-sentry-auth", &header)], b"{}\n".to_vec());
            assert_eq!(sent.status, 200, "{project} {key}: {}", sent.text);
        }
        // Duplicates are recognized.
        let cases = folders().join("../captures");
        for case in ["sentry-python-2.75/openai-tools", "logfire/pydantic-ai-agent", "openinference-openai/tools"] {
            requests(&cases.join(case)).iter().for_each(|request| replay(&server, request));
        }
        let without_outcomes: Vec<&Value> = expect["answers"].as_array().unwrap().iter().filter(|one| !about_intake(one)).collect();
        let expect = json!({ "admin": expect["admin"], "answers": without_outcomes });
        check(&server, &expect);

        // Newer features work on it too.
        let admin = format!("Bearer {}", expect["admin"].as_str().unwrap());
        let headers = [("authorization", admin.as_str()), ("content-type", "application/json")];
        let range = json!({ "from": "2000-01-01", "to": "2000-01-02" }).to_string().into_bytes();
        assert_eq!(server.send("POST", "/api/v1/projects/1/reprice", &headers, range).status, 200);
        let jobs = server.get_as("/api/v1/jobs", expect["admin"].as_str().unwrap()).json();
        assert_eq!((jobs["jobs"].as_array().unwrap().len(), &jobs["jobs"][0]["state"]), (1, &json!("done")), "{jobs}");

        // After a kill and a regular stop, and for the operator's commands.
        server.restart();
        check(&server, &expect);
        assert_eq!(server.stop(), Some(0));
        let (said, error, status) = run(&server.data(), &["doctor"]);
        assert_eq!(status, Some(0), "{said}\n{error}");
        server.start_again();
        check(&server, &expect);
        check_facts(&server, &name, expect["admin"].as_str().unwrap());
    }
}

/// Returns whether a response depends on what was ingested since the data directory was written.
fn about_intake(one: &Value) -> bool {
    ["/outcomes", "/hints"].iter().any(|part| one["path"].as_str().unwrap().contains(part))
}
