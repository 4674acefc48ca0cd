//! Scores: ratings by people, programs or models.

mod record;
mod reported;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fingerprint::Fingerprint;
use crate::id::{SpanId, TraceId};
use crate::span::names;

pub use record::ScoreRecord;
pub use reported::scores_of_span;
pub(crate) use reported::{EVALUATION_EVENT, MAX_SCORES, ReportPlace, ReportedScore, read_evaluation, scores_of_report, target_of_event};

names!(
    /// Type of the value of a score.
    ScoreDataType {
        /// A number.
        Numeric = "numeric",
        /// Yes or no; the value is 1 or 0.
        Boolean = "boolean",
        /// Name of a category.
        Categorical = "categorical",
        /// A text without a value.
        Text = "text",
    }
);

names!(
    /// Who made a score.
    ScoreSource {
        /// The end user of a program.
        UserFeedback = "user_feedback",
        /// A person who reads traces in Hinomi.
        Annotation = "annotation",
        /// An evaluator without a model.
        Evaluator = "evaluator",
        /// A language model that judges answers.
        Judge = "judge",
        /// A program that reports its own scores with its telemetry.
        Sdk = "sdk",
        /// A client of the API.
        Api = "api",
    }
);

/// What a score rates: a span, a trace, a conversation or an item of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ScoreTarget {
    /// ID of the rated trace, or of the trace of the rated span.
    pub trace_id: Option<TraceId>,
    /// ID of the rated span; `None` if a trace, a conversation or an item is rated as a whole.
    pub span_id: Option<SpanId>,
    /// ID of the rated conversation.
    pub session_id: Option<String>,
    /// ID of the rated item of a dataset.
    pub dataset_item_id: Option<String>,
    /// ID of the experiment (at Langfuse: the dataset run) that is rated, or in which the target was produced.
    pub experiment_id: Option<String>,
    /// ID of the response of the rated call (`gen_ai.response.id`). When a call with this response is known, the score belongs to its span.
    pub response_id: Option<String>,
}

impl ScoreTarget {
    /// Returns the target of a whole trace, or of one of its spans.
    pub fn trace(trace_id: TraceId, span_id: Option<SpanId>) -> ScoreTarget {
        ScoreTarget { trace_id: Some(trace_id), span_id, ..ScoreTarget::default() }
    }

    /// Returns true if nothing is rated.
    pub fn is_empty(&self) -> bool {
        *self == ScoreTarget::default()
    }
}

/// Evaluator or judge that made a score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ScoreEvaluator {
    /// Name of the evaluator.
    pub name: String,
    /// Version of the evaluator; null if it was not reported.
    #[schema(required)]
    pub version: Option<String>,
}

/// A rating of a span, trace, conversation or item of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// ID that the client gave; `None` if it gave none. A score with the same ID supersedes the earlier score.
    pub id: Option<String>,
    /// What is rated.
    pub target: ScoreTarget,
    /// Name of the score, such as `helpful` or `tone`.
    pub name: String,
    /// Type of the value.
    pub data_type: ScoreDataType,
    /// Number; 1 and 0 for a boolean; `None` for a text, and for a category without a number.
    pub value: Option<f64>,
    /// Category, or the label that was reported beside a number.
    pub label: Option<String>,
    /// Reason that an evaluator or judge gave.
    pub explanation: Option<String>,
    /// Comment of a person or program, or the text of a text score.
    pub comment: Option<String>,
    /// Further data of the client.
    pub metadata: Map<String, Value>,
    /// Who made the score.
    pub source: ScoreSource,
    /// Account, user or program that made the score.
    pub author: Option<String>,
    /// Evaluator or judge that made the score.
    pub evaluator: Option<ScoreEvaluator>,
    /// ID of the score definition, as sent.
    pub definition_id: Option<String>,
    /// ID of the annotation queue in which the score was made.
    pub queue_id: Option<String>,
    /// ID of the trace in which the judge worked.
    pub judge_trace_id: Option<String>,
    /// Environment of the program, such as `production`.
    pub environment: Option<String>,
    /// Probability with which the target was selected for scoring: above 0, at most 1.
    pub probability: f64,
    /// Time of the score in microseconds since the Unix epoch.
    pub at_us: i64,
}

impl Score {
    /// Returns a score by a program with a name and a value, without any details.
    pub fn new(target: ScoreTarget, name: impl Into<String>, value: ScoreValue, at_us: i64) -> Score {
        let mut score = Score {
            id: None,
            target,
            name: name.into(),
            data_type: ScoreDataType::Text,
            value: None,
            label: None,
            explanation: None,
            comment: None,
            metadata: Map::new(),
            source: ScoreSource::Sdk,
            author: None,
            evaluator: None,
            definition_id: None,
            queue_id: None,
            judge_trace_id: None,
            environment: None,
            probability: 1.0,
            at_us,
        };
        match value {
            ScoreValue::Number(number) => (score.data_type, score.value) = (ScoreDataType::Numeric, Some(number)),
            ScoreValue::Boolean(yes) => (score.data_type, score.value) = (ScoreDataType::Boolean, Some(f64::from(u8::from(yes)))),
            ScoreValue::Category(label) => (score.data_type, score.label) = (ScoreDataType::Categorical, Some(label)),
            ScoreValue::Text(text) => score.comment = Some(text),
        }
        score
    }

    /// Returns a text that all versions of the same score share. A later score with the same identity supersedes the earlier one.
    ///
    /// Scores with an ID of the client are identified by this ID, annotations by name, author and target, and scores of evaluators and judges
    /// by name, evaluator, version and target. Returns `None` for all others: each of them is a score of its own.
    pub fn identity(&self) -> Option<String> {
        let target = &self.target;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let place = [
            target.trace_id.map(|id| id.to_string()).unwrap_or_default(),
            target.span_id.map(|id| id.to_string()).unwrap_or_default(),
            text(&target.session_id),
            text(&target.dataset_item_id),
            text(&target.experiment_id),
            text(&target.response_id),
        ];
        let of = |kind: &str, parts: &[&str]| {
            let mut texts = vec![kind, self.name.as_str()];
            texts.extend(parts);
            texts.extend(place.iter().map(String::as_str));
            Some(format!("{kind}:{}", Fingerprint::of(&texts).trace_id()))
        };
        match (&self.id, self.source, &self.evaluator) {
            (Some(id), _, _) => Some(format!("id:{id}")),
            (None, ScoreSource::Annotation, _) => of("annotation", &[self.author.as_deref().unwrap_or_default()]),
            (None, ScoreSource::Evaluator | ScoreSource::Judge, Some(evaluator)) => {
                of(self.source.as_str(), &[&evaluator.name, evaluator.version.as_deref().unwrap_or_default()])
            }
            _ => None,
        }
    }

    /// Returns the number of bytes that the texts of the score occupy.
    pub fn text_bytes(&self) -> usize {
        let texts = [&self.id, &self.label, &self.explanation, &self.comment, &self.author, &self.definition_id, &self.queue_id];
        let target = [&self.target.session_id, &self.target.dataset_item_id, &self.target.experiment_id, &self.target.response_id];
        self.name.len() + texts.into_iter().chain(target).flatten().map(String::len).sum::<usize>()
    }
}

/// Value of a score.
#[derive(Debug, Clone, PartialEq)]
pub enum ScoreValue {
    /// A number.
    Number(f64),
    /// Yes or no.
    Boolean(bool),
    /// Name of a category.
    Category(String),
    /// A text.
    Text(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score() -> Score {
        Score::new(ScoreTarget::trace(TraceId(1), None), "tone", ScoreValue::Boolean(true), 5)
    }

    #[test]
    fn evaluators_supersede_themselves_and_people_their_own_scores() {
        assert_eq!(score().identity(), None, "a score of a program without an ID stands alone");
        let by = |version: &str| {
            let evaluator = Some(ScoreEvaluator { name: "length".into(), version: Some(version.into()) });
            Score { source: ScoreSource::Evaluator, evaluator, ..score() }.identity()
        };
        assert!(by("1").is_some());
        assert_eq!(by("1"), by("1"));
        assert_ne!(by("1"), by("2"));
        let of = |author: &str| Score { source: ScoreSource::Annotation, author: Some(author.into()), ..score() }.identity();
        assert_eq!(of("1"), of("1"));
        assert_ne!(of("1"), of("2"));
        let with_id = |name: &str| Score { id: Some("a".into()), name: name.into(), ..score() }.identity();
        assert_eq!(with_id("tone"), with_id("helpful"), "the ID of the client is enough");
    }

    #[test]
    fn values_have_their_type() {
        let of = |value| {
            let score = Score::new(ScoreTarget::default(), "x", value, 0);
            (score.data_type, score.value, score.label, score.comment)
        };
        assert_eq!(of(ScoreValue::Number(0.5)), (ScoreDataType::Numeric, Some(0.5), None, None));
        assert_eq!(of(ScoreValue::Boolean(false)), (ScoreDataType::Boolean, Some(0.0), None, None));
        assert_eq!(of(ScoreValue::Category("a".into())), (ScoreDataType::Categorical, None, Some("a".into()), None));
        assert_eq!(of(ScoreValue::Text("a".into())), (ScoreDataType::Text, None, None, Some("a".into())));
    }
}
