//! Scores that spans report: the spans of evaluators and judges, and rated spans.
//!
//! Each framework writes its results into attributes of its own. [`ReportFamily`] recognizes them by the starts of their names, so that a
//! span without such an attribute costs one pass over its attribute names.

mod annotations;
mod evaluated;
mod evaluation;
mod metrics;
mod outputs;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Score, ScoreEvaluator, ScoreSource, ScoreTarget, ScoreValue};
use crate::fingerprint::Fingerprint;
use crate::id::{SpanId, TraceId};
use crate::messages::{TextLimit, trim_text};
use crate::span::Span;

pub(crate) use evaluated::target_of_event;
pub(crate) use evaluation::{EVALUATION_EVENT, read_evaluation};

/// Maximum number of scores of one span or log record.
pub(crate) const MAX_SCORES: usize = 100;
/// Maximum bytes of a name or label, and of an explanation or comment.
const NAME_LIMIT: TextLimit = TextLimit(200);
const EXPLANATION_LIMIT: TextLimit = TextLimit(4096);

/// Attributes in which one kind of client reports scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReportFamily {
    /// `gen_ai.evaluation.*`: Strands, OpenSearch.
    GenAiEvaluation,
    /// Annotations and evaluations of OpenInference.
    OpenInference,
    TruLens,
    /// `eval.NAME.score` and the like.
    NamedMetrics,
    Ragas,
    Braintrust,
    Mlflow,
    Genkit,
    PydanticEvals,
    LangSmith,
}

impl ReportFamily {
    /// All families, in the order in which they are read.
    const ALL: [ReportFamily; 10] = [
        ReportFamily::GenAiEvaluation,
        ReportFamily::OpenInference,
        ReportFamily::TruLens,
        ReportFamily::NamedMetrics,
        ReportFamily::Ragas,
        ReportFamily::Braintrust,
        ReportFamily::Mlflow,
        ReportFamily::Genkit,
        ReportFamily::PydanticEvals,
        ReportFamily::LangSmith,
    ];

    /// Returns the family of an attribute by the start of its name; `None` for most attributes.
    ///
    /// It is called for each attribute of each span. The first and the eighth byte decide for nearly all names: many begin with `gen_ai.`
    /// or `session.`.
    #[inline]
    fn of_attribute(name: &str) -> Option<ReportFamily> {
        let starts = |start: &str| name.starts_with(start);
        let [first, _, _, _, _, _, _, eighth, ..] = name.as_bytes() else { return None };
        match (first, eighth) {
            (b'g', b'e') if starts("gen_ai.evaluation.") => Some(ReportFamily::GenAiEvaluation),
            (b'g', b'm') if starts("genkit:metadata:evaluator") => Some(ReportFamily::Genkit),
            (b'a', b'i') if starts("annotations.") => Some(ReportFamily::OpenInference),
            (b'a', b'r') if starts("ai.observability.eval_root.") => Some(ReportFamily::TruLens),
            (b'b', b'u') if starts("braintrust.scores") => Some(ReportFamily::Braintrust),
            (b'c', b'm') if starts("case_name") => Some(ReportFamily::PydanticEvals),
            (b'e', b'i') if starts("evaluations.") => Some(ReportFamily::OpenInference),
            (b'e', _) if starts("eval.") => Some(ReportFamily::NamedMetrics),
            (b'l', b't') if starts("langsmith.metadata.target_run_id") => Some(ReportFamily::LangSmith),
            (b'm', b'a') if starts("mlflow.assessments") => Some(ReportFamily::Mlflow),
            (b'r', _) if starts("ragas.") => Some(ReportFamily::Ragas),
            (b's', b'.') if starts("session.annotations.") || starts("session.evaluations.") => Some(ReportFamily::OpenInference),
            (b's', b'_') if starts("session_eval.") => Some(ReportFamily::NamedMetrics),
            (b't', b'n') if starts("trace.annotations.") => Some(ReportFamily::OpenInference),
            (b't', b'v') if starts("trace.evaluations.") => Some(ReportFamily::OpenInference),
            (b't', b'v') if starts("trace_eval.") => Some(ReportFamily::NamedMetrics),
            _ => None,
        }
    }

    /// Reads the scores of the family.
    fn read(self, span: &Span, found: &mut Vec<ReportedScore>) {
        match self {
            ReportFamily::GenAiEvaluation => evaluation::of_evaluator_span(span, found),
            ReportFamily::OpenInference => annotations::of_annotations(span, found),
            ReportFamily::TruLens => metrics::of_trulens(span, found),
            ReportFamily::NamedMetrics => metrics::of_named_metrics(span, found),
            ReportFamily::Ragas => metrics::of_ragas(span, found),
            ReportFamily::Braintrust => metrics::of_braintrust(span, found),
            ReportFamily::Mlflow => metrics::of_mlflow(span, found),
            ReportFamily::Genkit => outputs::of_genkit(span, found),
            ReportFamily::PydanticEvals => outputs::of_pydantic_evals(span, found),
            ReportFamily::LangSmith => outputs::of_langsmith(span, found),
        }
    }
}

/// A result of an evaluation, as a span, event or log record reports it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ReportedScore {
    pub(crate) name: String,
    /// Number, boolean or text; a text that is not a number is a category.
    pub(crate) value: Option<Value>,
    pub(crate) label: Option<String>,
    pub(crate) explanation: Option<String>,
    pub(crate) comment: Option<String>,
    pub(crate) target: ScoreTarget,
    /// `None` for the source of programs that report their own scores.
    pub(crate) source: Option<ScoreSource>,
    pub(crate) evaluator: Option<ScoreEvaluator>,
    pub(crate) metadata: Map<String, Value>,
    /// ID that the reporter uses for all results with the same name and target, which supersede each other.
    pub(crate) identifier: Option<String>,
}

/// Where scores were reported. A report that is sent again has the same place, and its scores get the same IDs.
#[derive(Debug)]
pub(crate) struct ReportPlace<'a> {
    /// Trace of the report; `None` if it names only the rated response or conversation.
    pub(crate) trace_id: Option<TraceId>,
    /// Span of the report.
    pub(crate) span_id: Option<SpanId>,
    /// Text that separates reports of the same span, such as the time as sent.
    pub(crate) moment: &'a str,
}

impl ReportPlace<'_> {
    fn text(&self) -> String {
        let trace = self.trace_id.map(|id| id.to_string()).unwrap_or_default();
        let span = self.span_id.map(|id| id.to_string()).unwrap_or_default();
        format!("{trace}-{span}-{}", self.moment)
    }
}

/// Returns the scores that the attributes and messages of a span report. The same span, sent again, reports the same scores with the same
/// IDs.
pub fn scores_of_span(span: &Span) -> Vec<Score> {
    let mut reported = Vec::new();
    let mut families = [false; ReportFamily::ALL.len()];
    for family in span.attributes.keys().filter_map(|name| ReportFamily::of_attribute(name)) {
        families[family as usize] = true;
    }
    for family in ReportFamily::ALL.into_iter().filter(|family| families[*family as usize]) {
        family.read(span, &mut reported);
    }
    outputs::of_typesafe(span, &mut reported);
    if reported.is_empty() {
        outputs::of_phoenix(span, &mut reported);
    }
    if reported.is_empty() {
        return Vec::new();
    }
    let place = ReportPlace { trace_id: Some(span.trace_id), span_id: Some(span.span_id), moment: "" };
    let scores = scores_of_report(reported, &place, span.end_us);
    scores.into_iter().map(|score| Score { environment: span.environment.clone(), ..score }).collect()
}

/// Returns the scores of a report. Results without a name, without a result, and those after [`MAX_SCORES`] are left out.
pub(crate) fn scores_of_report(reported: Vec<ReportedScore>, place: &ReportPlace, at_us: i64) -> Vec<Score> {
    // The order of a list has no meaning, and a part of the span that arrives later may have more results: results are numbered only among
    // those with the same name and target.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut scores: Vec<Score> = Vec::new();
    for one in reported.into_iter().take(MAX_SCORES) {
        let identifier = one.identifier.clone();
        let Some(mut score) = one.into_score(at_us) else { continue };
        let mut id = match &identifier {
            Some(identifier) => fingerprint(&score, &["identifier", identifier]),
            None => fingerprint(&score, &["place", &place.text(), score.evaluator.as_ref().map_or("", |evaluator| &evaluator.name)]),
        };
        if identifier.is_none() {
            let number = numbers.entry(id.clone()).or_default();
            *number += 1;
            if *number > 1 {
                id = fingerprint(&score, &["repeated", &id, &number.to_string()]);
            }
        }
        // The same result in two forms is one score.
        if scores.iter().all(|other| other.id.as_ref() != Some(&id)) {
            score.id = Some(id);
            scores.push(score);
        }
    }
    scores
}

/// Returns an ID that depends on the name and target of a score, and on further texts.
fn fingerprint(score: &Score, texts: &[&str]) -> String {
    let target = &score.target;
    let trace = target.trace_id.map(|id| id.to_string()).unwrap_or_default();
    let span = target.span_id.map(|id| id.to_string()).unwrap_or_default();
    let session = target.session_id.as_deref().unwrap_or_default();
    let response = target.response_id.as_deref().unwrap_or_default();
    let all = [&[trace.as_str(), &span, session, response, &score.name], texts].concat();
    Fingerprint::of(&all).trace_id().to_string()
}

impl ReportedScore {
    /// Returns the score without an ID; `None` without a name or a result.
    fn into_score(self, at_us: i64) -> Option<Score> {
        let name = shortened(self.name, NAME_LIMIT)?;
        let label = self.label.and_then(|label| shortened(label, NAME_LIMIT));
        let comment = self.comment.and_then(|text| shortened(text, EXPLANATION_LIMIT));
        let explanation = self.explanation.and_then(|text| shortened(text, EXPLANATION_LIMIT));
        let value = self.value.and_then(value_of).or_else(|| label.clone().map(ScoreValue::Category));
        let value = value.or_else(|| comment.clone().map(ScoreValue::Text))?;
        let mut score = Score::new(self.target, name, value, at_us);
        score.label = label.or(score.label.take());
        score.comment = comment.or(score.comment.take());
        score.explanation = explanation;
        score.source = self.source.unwrap_or(ScoreSource::Sdk);
        score.evaluator = self.evaluator;
        score.metadata = self.metadata;
        Some(score)
    }
}

/// Returns the value as sent; `None` if it is no value of a score, such as an infinite number.
fn value_of(value: Value) -> Option<ScoreValue> {
    match value {
        Value::Bool(yes) => Some(ScoreValue::Boolean(yes)),
        Value::Number(number) => number.as_f64().filter(|number| number.is_finite()).map(ScoreValue::Number),
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) => number.is_finite().then_some(ScoreValue::Number(number)),
            Err(_) => shortened(text, NAME_LIMIT).map(ScoreValue::Category),
        },
        _ => None,
    }
}

/// Returns the text within the limit; `None` if it is blank.
fn shortened(mut text: String, limit: TextLimit) -> Option<String> {
    trim_text(&mut text, limit);
    let is_blank = text.trim().is_empty();
    (!is_blank).then_some(text)
}

/// Returns the first of the attributes that is a text and not blank.
fn first_text<'a>(attributes: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    let texts = names.iter().filter_map(|name| attributes.get(*name)?.as_str());
    texts.map(str::trim).find(|text| !text.is_empty())
}

/// Returns the JSON in an attribute. Nested attributes of a span are stored as JSON text.
fn json_of(attributes: &Map<String, Value>, name: &str) -> Option<Value> {
    match attributes.get(name)? {
        Value::String(json) => serde_json::from_str(json).ok(),
        other => Some(other.clone()),
    }
}

/// Names of those who make scores, in any spelling of the families, without separators.
const SOURCES: [(&str, ScoreSource); 14] = [
    ("llm", ScoreSource::Judge),
    ("llmjudge", ScoreSource::Judge),
    ("llmasajudge", ScoreSource::Judge),
    ("aijudge", ScoreSource::Judge),
    ("model", ScoreSource::Judge),
    ("code", ScoreSource::Evaluator),
    ("deterministic", ScoreSource::Evaluator),
    ("heuristic", ScoreSource::Evaluator),
    ("statistical", ScoreSource::Evaluator),
    ("rule", ScoreSource::Evaluator),
    ("human", ScoreSource::Annotation),
    ("annotation", ScoreSource::Annotation),
    ("user", ScoreSource::UserFeedback),
    ("sdk", ScoreSource::Sdk),
];

/// Returns the source that a text names.
fn source_of(text: &str) -> Option<ScoreSource> {
    let word: String = text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    SOURCES.iter().find(|(name, _)| *name == word).map(|(_, source)| *source)
}
