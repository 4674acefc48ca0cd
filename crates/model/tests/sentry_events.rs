//! Error events of many SDKs: decodes each case of `fixtures/sentry-events` and compares it with what its program reported.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hinomi_model::clock::DecodeContext;
use hinomi_model::mapping::MappingRuleSet;
use hinomi_model::price::PriceBook;
use hinomi_model::sentry::{self, DecodedEnvelope, ErrorEvent, StackFrame};
use serde_json::{Value, json};

/// 2026-11-24T09:00:00Z.
const RECEIVED_US: i64 = 1_795_510_800_000_000;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/sentry-events");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// Replaces the placeholders of a text: `@event` and `@dashed` for the ID of the event, `@unix:S` and `@iso:S` for a time in seconds after
/// now, `@trace:N` and `@span:N` for IDs.
fn fill(value: &mut Value, event: u64) {
    match value {
        Value::String(text) => {
            let seconds = |mark: &str| text.strip_prefix(mark)?.parse::<f64>().ok();
            if let Some(after) = seconds("@unix:") {
                *value = json!(RECEIVED_US as f64 / 1e6 + after);
            } else if let Some(after) = seconds("@iso:") {
                *text = jiff::Timestamp::from_microsecond(RECEIVED_US + (after * 1e6) as i64).unwrap().to_string();
            } else if let Some(number) = text.strip_prefix("@trace:").or(text.strip_prefix("@id:")) {
                *text = format!("{:0>32}", format!("a{number}"));
            } else if let Some(number) = text.strip_prefix("@span:") {
                *text = format!("{:0>16}", format!("b{number}"));
            } else if text == "@dashed" {
                *text = format!("00000000-0000-4000-8000-{event:012x}");
            } else if text.contains("@event") {
                *text = text.replace("@event", &format!("{event:032x}"));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, event)),
        Value::Object(object) => object.values_mut().for_each(|item| fill(item, event)),
        _ => {}
    }
}

fn decode(request: &Value, event: u64) -> DecodedEnvelope {
    let context = DecodeContext {
        received_us: RECEIVED_US + event as i64,
        retention_us: None,
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    };
    let mut request = request.clone();
    fill(&mut request, event);
    if let Some(body) = request.get("store") {
        return sentry::decode_store_event(body.to_string().as_bytes(), &context).unwrap();
    }
    let mut lines = vec![request["header"].to_string()];
    for item in request["items"].as_array().unwrap() {
        let payload = item[1].as_str().map_or_else(|| item[1].to_string(), str::to_owned);
        let mut header = item[0].clone();
        header["length"] = json!(payload.len());
        lines.extend([header.to_string(), payload]);
    }
    sentry::decode(lines.join("\n").as_bytes(), &context).unwrap()
}

/// Differences of one case.
struct EventDifferences(Vec<String>);

impl EventDifferences {
    fn compare(&mut self, what: &str, got: &Value, want: &Value) {
        let is_missing = |value: &Value| value.is_null() || *value == json!("") || *value == json!(false);
        if got != want && !(is_missing(got) && is_missing(want)) {
            self.0.push(format!("{what} is {got}, should be {want}"));
        }
    }
}

fn frame_member(frame: &StackFrame, name: &str) -> Value {
    match name {
        "function" => json!(frame.function),
        "module" => json!(frame.module),
        "filename" => json!(frame.filename),
        "lineno" => json!(frame.line),
        "colno" => json!(frame.column),
        "in_app" => json!(frame.in_app),
        "context_line" => json!(frame.source),
        "package" => json!(frame.package),
        "instruction_addr" => json!(frame.instruction_addr),
        "vars" => json!(frame.vars),
        other => panic!("unknown member {other} of a frame"),
    }
}

fn compare_frames(error: &ErrorEvent, want: &[Value], differences: &mut EventDifferences) {
    differences.compare("number of frames", &json!(error.frames().len()), &json!(want.len()));
    for (at, (frame, want)) in error.frames().iter().zip(want).enumerate() {
        for (name, value) in want.as_object().unwrap() {
            differences.compare(&format!("{name} of frame {at}"), &frame_member(frame, name), value);
        }
    }
}

/// Compares a field that is shown beside the error. A frame or exception has some of them.
fn compare_field(error: &ErrorEvent, name: &str, want: &Value, differences: &mut EventDifferences) {
    let details = &error.details;
    let any_frame = |member: &str| json!(error.frames().iter().any(|frame| frame_member(frame, member) == *want));
    let got = match name {
        "logger" => json!(details.logger),
        "platform" => json!(details.platform),
        "dist" => json!(details.dist),
        "server_name" => json!(error.service),
        "transaction" => json!(error.transaction),
        "sdk" => json!(error.sdk_name),
        "message_beside" => json!(error.message),
        "mechanism" => json!(error.exceptions.iter().rev().find_map(|exception| exception.mechanism.as_ref()?.kind.clone())),
        "other_threads" => return differences.compare(name, &json!(!error.threads.is_empty()), &json!(true)),
        "colno" | "instruction_addr" | "package" => return differences.compare(name, &any_frame(name), &json!(true)),
        // Members of objects: `request.url`, `user.email`.
        other => {
            let (object, member) = other.split_once('.').unwrap_or_else(|| panic!("unknown field {other}"));
            let object = match object {
                "request" => &details.request,
                "user" => &details.user,
                "contexts" => &details.contexts,
                "extra" => &details.extra,
                "modules" => return differences.compare(name, &json!(details.modules.get(member)), want),
                _ => panic!("unknown field {other}"),
            };
            object.get(member).cloned().unwrap_or_default()
        }
    };
    differences.compare(name, &got, want);
}

fn compare_error(error: &ErrorEvent, want: &Value, differences: &mut EventDifferences) {
    let trimmed = |text: &str| json!(text.trim());
    for (name, value) in want.as_object().unwrap() {
        match name.as_str() {
            "type" => differences.compare(name, &json!(error.kind), value),
            "value" | "message" => differences.compare(name, &trimmed(&error.value), &trimmed(value.as_str().unwrap())),
            "title" => differences.compare(name, &json!(error.title), value),
            "level" => differences.compare(name, &json!(error.level), value),
            "handled" => {
                if error.handled != value.as_bool() {
                    differences.0.push(format!("handled is {:?}, should be {value}", error.handled));
                }
            }
            "culprit" => differences.compare(name, &json!(error.culprit), value),
            "chain" => {
                let chain: Vec<_> = error.exceptions.iter().map(|one| json!([one.kind, one.value.trim()])).collect();
                differences.compare(name, &chain.into(), value);
            }
            "chain_frames" => {
                let counts: Vec<_> = error.exceptions.iter().map(|one| one.frames.len()).collect();
                differences.compare(name, &json!(counts), value);
            }
            "frames" => compare_frames(error, value.as_array().unwrap(), differences),
            "tags" => {
                for (tag, value) in value.as_object().unwrap() {
                    differences.compare(&format!("tag {tag}"), &json!(error.tags.get(tag)), value);
                }
            }
            "environment" => differences.compare(name, &json!(error.environment), value),
            "release" => differences.compare(name, &json!(error.release), value),
            "user_id" => differences.compare(name, &json!(error.user_id), value),
            "trace_id" => differences.compare(name, &json!(error.trace_id.map(|id| id.to_string())), value),
            "span_id" => differences.compare(name, &json!(error.span_id.map(|id| id.to_string())), value),
            "attachments" => {
                let names: Vec<_> = error.details.attachments.iter().map(|attachment| attachment.name.clone()).collect();
                differences.compare(name, &json!(names), value);
            }
            "breadcrumbs" => {
                let count = value.as_u64().unwrap_or_else(|| value.as_array().unwrap().len() as u64);
                differences.compare("number of breadcrumbs", &json!(error.breadcrumbs.len()), &json!(count));
                for (at, (got, want)) in error.breadcrumbs.iter().zip(value.as_array().into_iter().flatten()).enumerate() {
                    differences.compare(&format!("category of breadcrumb {at}"), &json!(got.category), &want["category"]);
                    differences.compare(&format!("message of breadcrumb {at}"), &json!(got.message), &want["message"]);
                    if !want["level"].is_null() {
                        differences.compare(&format!("level of breadcrumb {at}"), &json!(got.level), &want["level"]);
                    }
                }
            }
            "fields" => {
                for (field, value) in value.as_object().unwrap() {
                    compare_field(error, field, value, differences);
                }
            }
            "issues" | "events" | "outcomes" | "logs" | "feedback" => {}
            other => panic!("unknown expectation {other}"),
        }
    }
}

fn differences(case: &Value) -> Vec<String> {
    let mut differences = EventDifferences(Vec::new());
    let mut expect = case["expect"].clone();
    fill(&mut expect, 1);
    let requests = case["send"].as_array().unwrap();
    let decoded: Vec<DecodedEnvelope> = requests.iter().zip(1..).map(|(request, event)| decode(request, event)).collect();
    let errors: Vec<&ErrorEvent> = decoded.iter().flat_map(|decoded| &decoded.errors).collect();
    if let Some(outcomes) = expect.get("outcomes") {
        let kinds: Vec<_> = decoded.iter().flat_map(|decoded| &decoded.outcomes).map(|outcome| outcome.detail.clone()).collect();
        for kind in outcomes.as_array().unwrap() {
            differences.compare("named outcome", &json!(kinds.contains(&kind.as_str().map(str::to_owned))), &json!(true));
        }
    }
    if let Some(feedback) = expect.get("feedback") {
        let comments = decoded.iter().flat_map(|decoded| &decoded.scores).map(|score| json!(score.comment));
        differences.compare("comments of feedback", &comments.collect(), feedback);
    }
    if let Some(issues) = expect.get("issues") {
        let groups: BTreeSet<_> = errors.iter().map(|error| error.group).collect();
        differences.compare("number of issues", &json!(groups.len()), issues);
        let ids: BTreeSet<_> = errors.iter().map(|error| &error.event_id).collect();
        differences.compare("number of events", &json!(ids.len()), &json!(requests.len()));
    } else if let Some(logs) = expect.get("logs") {
        let lines = decoded.iter().flat_map(|decoded| &decoded.lines).map(|line| json!([line.level, line.body]));
        differences.compare("log lines", &lines.collect(), logs);
        let dropped = decoded.iter().map(|decoded| decoded.outcomes.len()).sum::<usize>();
        differences.compare("number of dropped items", &json!(dropped), &json!(0));
    } else if expect.get("outcomes").is_none() {
        differences.compare("number of error events", &json!(errors.len()), &json!(requests.len()));
    }
    if let Some(error) = errors.last() {
        compare_error(error, &expect, &mut differences);
        let json = serde_json::to_string(error).unwrap();
        let stored: ErrorEvent = serde_json::from_str(&json).unwrap();
        differences.compare("stored form", &json!(serde_json::to_string(&stored).unwrap()), &json!(json));
    }
    differences.0
}

#[test]
fn every_event_is_read_as_its_program_reported_it() {
    let mut wrong = Vec::new();
    let cases = cases();
    for path in &cases {
        let case: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy();
        wrong.extend(differences(&case).into_iter().map(|difference| format!("{name}: {difference}")));
    }
    assert!(cases.len() >= 35, "only {} cases were found", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Events of different cases are different errors.
#[test]
fn each_case_is_an_issue_of_its_own() {
    let mut seen = std::collections::BTreeMap::new();
    for path in cases() {
        let case: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let groups: BTreeSet<_> =
            case["send"].as_array().unwrap().iter().flat_map(|request| decode(request, 1).errors).map(|error| error.group).collect();
        for group in groups {
            let other = seen.insert(group, path.clone());
            assert_eq!(other, None, "the issue of {} is also that of another case", path.display());
        }
    }
}
