//! Annotations and evaluations of OpenInference (Phoenix, Arize): `annotations.N.annotation.*`, on the rated span or on an evaluator that
//! links to it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::{ScoreEvaluator, ScoreTarget};
use super::{MAX_SCORES, ReportedScore, evaluated, json_of, source_of};
use crate::span::{Span, SpanType};

/// What an annotation rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnnotationScope {
    Span,
    Trace,
    Session,
}

/// The part of the name before the number of the annotation, the part after it, and what the annotation rates.
const COLLECTIONS: [(&str, &str, AnnotationScope); 6] = [
    ("annotations.", "annotation.", AnnotationScope::Span),
    ("evaluations.", "evaluation.", AnnotationScope::Span),
    ("trace.annotations.", "annotation.", AnnotationScope::Trace),
    ("trace.evaluations.", "evaluation.", AnnotationScope::Trace),
    ("session.annotations.", "annotation.", AnnotationScope::Session),
    ("session.evaluations.", "evaluation.", AnnotationScope::Session),
];

/// Names in the metadata of an annotation that name the evaluator and its version.
const EVALUATOR_KEYS: [&str; 2] = ["evaluator", "evaluator_name"];
const VERSION_KEYS: [&str; 2] = ["evaluator_version", "version"];

pub(super) fn of_annotations(span: &Span, found: &mut Vec<ReportedScore>) {
    for (start, part, scope) in COLLECTIONS {
        // A set, because the attributes of one annotation need not be neighbors, and numbers may be missing.
        let numbers: BTreeSet<u32> = span.attributes.keys().filter_map(|name| number_in(name, start, part)).collect();
        for number in numbers.into_iter().take(MAX_SCORES) {
            found.extend(annotation(span, &format!("{start}{number}.{part}"), scope));
        }
    }
}

/// Returns the number of the annotation to which an attribute belongs.
fn number_in(name: &str, start: &str, part: &str) -> Option<u32> {
    let (number, field) = name.strip_prefix(start)?.split_once('.')?;
    number.parse().ok().filter(|_| field.starts_with(part))
}

fn annotation(span: &Span, prefix: &str, scope: AnnotationScope) -> Option<ReportedScore> {
    let field = |name: &str| span.attributes.get(&format!("{prefix}{name}")).filter(|value| !value.is_null());
    let text = |name: &str| field(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let (value, label, explanation) = (field("score").cloned(), text("label"), text("explanation"));
    let metadata = match json_of(&span.attributes, &format!("{prefix}metadata")) {
        Some(Value::Object(metadata)) => metadata,
        _ => Map::new(),
    };
    // A result that is only an explanation is a text.
    let is_text = value.is_none() && label.is_none();
    let (explanation, comment) = if is_text { (None, explanation) } else { (explanation, None) };
    Some(ReportedScore {
        name: text("name")?,
        value,
        label,
        explanation,
        comment,
        target: target(span, scope)?,
        source: text("annotator_kind").as_deref().and_then(source_of),
        evaluator: evaluator(&metadata),
        metadata,
        identifier: text("identifier"),
    })
}

fn evaluator(metadata: &Map<String, Value>) -> Option<ScoreEvaluator> {
    let text = |names: [&str; 2]| names.iter().find_map(|name| metadata.get(*name)?.as_str().map(str::to_owned));
    Some(ScoreEvaluator { name: text(EVALUATOR_KEYS)?, version: text(VERSION_KEYS) })
}

/// Returns what an annotation rates. The conventions say that the parent of an evaluator is never the rated span.
fn target(span: &Span, scope: AnnotationScope) -> Option<ScoreTarget> {
    let is_evaluator = span.kind == SpanType::Evaluator;
    let linked = if is_evaluator { evaluated::linked(span) } else { None };
    match scope {
        AnnotationScope::Span => Some(linked.unwrap_or_else(|| {
            let own = Some(span.span_id).filter(|_| !is_evaluator);
            ScoreTarget::trace(span.trace_id, own)
        })),
        AnnotationScope::Trace => {
            let trace_id = linked.and_then(|target| target.trace_id).unwrap_or(span.trace_id);
            Some(ScoreTarget::trace(trace_id, None))
        }
        AnnotationScope::Session => Some(ScoreTarget { session_id: Some(span.session_id.clone()?), ..ScoreTarget::default() }),
    }
}
