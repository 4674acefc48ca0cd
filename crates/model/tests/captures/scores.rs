//! Compares the scores of captured requests with `scores` of `expect.json`: each once and on its target, however the requests arrive.

use std::collections::BTreeMap;

use hinomi_model::langfuse;
use hinomi_model::score::{Score, scores_of_span};
use hinomi_model::span::Span;

use super::*;

/// Returns the cases that expect scores.
fn scored_cases() -> Vec<(PathBuf, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures");
    let cases = folders(&root).into_iter().flat_map(|client| folders(&client));
    let read = |case: PathBuf| {
        let expect: Value = serde_json::from_slice(&std::fs::read(case.join("expect.json")).ok()?).unwrap();
        expect.get("scores")?;
        Some((case, expect))
    };
    cases.filter_map(read).collect()
}

/// Returns the folders of all requests of a case.
fn all_requests(case: &Path) -> Vec<PathBuf> {
    let mut requests = folders(case);
    requests.push(case.to_owned());
    requests.retain(|folder| folder.join("body.decoded").exists());
    requests.sort();
    requests
}

/// Returns the scores of one request, received `later_us` microseconds later than usual.
fn scores_of_request(folder: &Path, later_us: i64) -> Vec<Score> {
    let request: Value = serde_json::from_slice(&std::fs::read(folder.join("request.json")).unwrap()).unwrap();
    let body = std::fs::read(folder.join("body.decoded")).unwrap();
    let path = request["path"].as_str().unwrap();
    let context = DecodeContext { received_us: RECEIVED_US + later_us, ..context() };
    let with_spans = |spans: &[Span], mut scores: Vec<Score>| {
        scores.extend(spans.iter().flat_map(scores_of_span));
        scores
    };
    if path.contains("/api/public/scores") {
        return langfuse::read_scores(&body, context.received_us).unwrap().scores;
    }
    if path.contains("/api/public/ingestion") {
        let decoded = langfuse::decode(&body, &context, &|_| None).unwrap();
        return with_spans(&decoded.spans, decoded.scores);
    }
    if let Some(signal) = signal_of(path) {
        let is_json = request["headers"].to_string().contains("application/json");
        let encoding = if is_json { OtlpEncoding::Json } else { OtlpEncoding::Binary };
        let decoded = otlp::decode(body.into(), signal, encoding, &context).unwrap();
        return with_spans(&decoded.spans, decoded.scores);
    }
    let decoded = decode(&body, &context).unwrap();
    with_spans(&decoded.spans, decoded.scores)
}

/// Returns the newest version of each score, as a server stores them.
fn stored(requests: impl Iterator<Item = (PathBuf, i64)>) -> Vec<Score> {
    let mut by_identity = BTreeMap::new();
    for score in requests.flat_map(|(folder, later_us)| scores_of_request(&folder, later_us)) {
        let identity = score.identity().expect("each score of telemetry has an ID");
        by_identity.insert(identity, score);
    }
    by_identity.into_values().collect()
}

fn is_expected(score: &Score, want: &Value) -> bool {
    let text = |name: &str| want[name].as_str();
    let label = text("label").or_else(|| text("value"));
    let target = &score.target;
    // IDs that are UUIDs are kept for traces and hashed for spans.
    let is_span = match text("observation") {
        Some(id) if id.len() == 16 => target.span_id.is_some_and(|span| span.to_string() == id),
        Some(_) => target.span_id.is_some(),
        None => target.span_id.is_none(),
    };
    let is_trace = target.trace_id.map(|id| id.to_string()) == text("trace_id").map(|id| id.replace('-', ""));
    let is_value = want["value"].as_f64().is_none_or(|value| score.value == Some(value));
    let is_label = label.is_none_or(|label| score.label.as_deref() == Some(label));
    let comment = score.explanation.as_deref().or(score.comment.as_deref());
    let is_comment = text("comment").is_none_or(|text| comment == Some(text));
    let is_target = is_span && is_trace && target.session_id.as_deref() == text("session");
    Some(score.name.as_str()) == text("name") && is_target && is_value && is_label && is_comment
}

#[test]
fn each_score_is_read_once_however_its_requests_arrive() {
    let cases = scored_cases();
    assert!(cases.len() >= 6, "only {} cases with scores were found", cases.len());
    let minute_us = 60_000_000;
    let mut wrong = Vec::new();
    for (case, expect) in cases {
        let requests: Vec<(PathBuf, i64)> = all_requests(&case).into_iter().map(|folder| (folder, 0)).collect();
        let later: Vec<(PathBuf, i64)> = requests.iter().map(|(folder, _)| (folder.clone(), minute_us)).collect();
        let ways = [
            ("once", stored(requests.clone().into_iter())),
            ("backwards", stored(requests.clone().into_iter().rev())),
            ("twice", stored(requests.into_iter().chain(later))),
        ];
        let wants = expect["scores"].as_array().unwrap();
        for (way, scores) in &ways {
            let times = |want: &Value| scores.iter().filter(|score| is_expected(score, want)).count();
            let lost = wants.iter().filter(|want| times(want) != 1);
            wrong.extend(lost.map(|want| format!("{} {way}: {want} is read {} times: {scores:#?}", case.display(), times(want))));
            if scores.len() != wants.len() {
                wrong.push(format!("{} {way}: {} scores, should be {}", case.display(), scores.len(), wants.len()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn other_requests_report_no_scores() {
    let scored: Vec<PathBuf> = scored_cases().into_iter().map(|(case, _)| case).collect();
    for case in cases().into_iter().filter(|case| !scored.contains(case)) {
        // `requests` leaves out those that send nothing but scores.
        let scores: Vec<Score> = requests(&case).iter().flat_map(|folder| scores_of_request(folder, 0)).collect();
        assert!(scores.is_empty(), "{}: {scores:#?}", case.display());
    }
}
