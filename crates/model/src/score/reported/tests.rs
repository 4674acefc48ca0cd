//! One test for each family of attributes.

use serde_json::json;

use super::*;
use crate::span::{ChatMessage, MessagePart, SpanStatus, SpanType};

const TRACE: TraceId = TraceId(1);
const OWN: Option<SpanId> = Some(SpanId(2));
const PARENT: Option<SpanId> = Some(SpanId(3));

fn span(attributes: Value) -> Span {
    let Value::Object(attributes) = attributes else { panic!("an object") };
    Span { trace_id: TRACE, span_id: SpanId(2), parent_span_id: PARENT, kind: SpanType::Other, attributes, end_us: 9, ..Span::default() }
}

fn evaluator(attributes: Value) -> Span {
    Span { kind: SpanType::Evaluator, ..span(attributes) }
}

/// Returns the span with a link to the span 6 of the trace 5.
fn linked(mut span: Span) -> Span {
    let link = json!([{ "trace_id": TraceId(5), "span_id": SpanId(6) }]).to_string();
    span.attributes.insert("otel.links".to_owned(), link.into());
    span
}

fn one(span: &Span) -> Score {
    let [score] = scores_of_span(span).try_into().unwrap();
    score
}

fn target_of(score: &Score) -> (Option<TraceId>, Option<SpanId>) {
    (score.target.trace_id, score.target.span_id)
}

/// Returns name, value, label and source of each score.
fn summary(scores: &[Score]) -> Vec<(&str, Option<f64>, Option<&str>, ScoreSource)> {
    scores.iter().map(|score| (score.name.as_str(), score.value, score.label.as_deref(), score.source)).collect()
}

#[test]
fn spans_without_results_report_nothing() {
    for attributes in [
        json!({}),
        json!({ "gen_ai.request.model": "m", "eval.framework": "x", "eval.score": 1, "trace.annotations": 1, "annotations.0.x": 1 }),
        json!({ "gen_ai.evaluation.name": "Brevity" }),
        json!({ "gen_ai.evaluation.case.name": "france", "gen_ai.evaluation.score.value": 1 }),
        json!({ "gen_ai.evaluation.name": "Brevity", "gen_ai.evaluation.score.value": "NaN" }),
        json!({ "gen_ai.evaluation.name": " ", "gen_ai.evaluation.score.value": 1 }),
        json!({ "braintrust.scores": "nonsense", "mlflow.assessments": "[1, {}]", "ragas.question": "Why?", "case_name": "a" }),
    ] {
        assert_eq!(scores_of_span(&span(attributes.clone())), [], "{attributes}");
    }
}

#[test]
fn an_evaluator_of_strands_rates_its_parent() {
    let rating = span(json!({
        "gen_ai.evaluation.name": "Brevity", "gen_ai.evaluation.score.value": "0.8", "gen_ai.evaluation.score.label": "YES",
        "gen_ai.evaluation.explanation": "31 characters", "gen_ai.evaluation.test_pass": true, "gen_ai.evaluation.case.name": "france",
    }));
    let score = one(&rating);
    assert_eq!(summary(std::slice::from_ref(&score)), [("Brevity", Some(0.8), Some("YES"), ScoreSource::Evaluator)]);
    assert_eq!((target_of(&score), score.explanation.as_deref()), ((Some(TRACE), PARENT), Some("31 characters")));
    assert_eq!((&score.metadata["passed"], &score.metadata["case_name"]), (&json!(true), &json!("france")));
    assert_eq!(scores_of_span(&rating)[0].id, score.id, "a span that is sent again reports the same score");
    let on_answer = Span { kind: SpanType::Llm, ..rating.clone() };
    assert_eq!((target_of(&one(&on_answer)), one(&on_answer).evaluator), ((Some(TRACE), OWN), None), "a result on the rated call");
    assert_eq!(target_of(&one(&Span { parent_span_id: None, ..rating })), (Some(TRACE), None));
    for result in ["gen_ai.evaluation.score.label", "gen_ai.evaluation.score.value"] {
        let failed = span(json!({ "gen_ai.evaluation.name": "x", result: "0", "error.type": "Timeout" }));
        assert_eq!(scores_of_span(&failed), [], "{result}");
        assert_eq!(one(&Span { kind: SpanType::Llm, ..failed }).name, "x", "the error is that of the rated call");
    }
    let failed = span(json!({ "gen_ai.evaluation.name": "x", "gen_ai.evaluation.score.label": "error" }));
    assert_eq!(scores_of_span(&Span { status: SpanStatus::Error, ..failed }), []);
}

#[test]
fn scores_of_opensearch_rate_the_span_trace_response_or_conversation() {
    let attributes = json!({
        "gen_ai.operation.name": "evaluation", "gen_ai.evaluation.name": "accuracy", "gen_ai.evaluation.score.value": 0.95,
        "gen_ai.response.id": "r", "test.suite.run.id": "run_1", "test.case.id": "case_1", "test.case.result.status": "pass",
    });
    let score = one(&evaluator(attributes.clone()));
    assert_eq!((target_of(&score), score.target.response_id.as_deref()), ((Some(TRACE), PARENT), None));
    assert_eq!((score.target.experiment_id.as_deref(), score.target.dataset_item_id.as_deref()), (Some("run_1"), Some("case_1")));
    assert_eq!(score.metadata["case_status"], "pass");
    let of_trace = Span { trace_id: TraceId(7 << 64 | 3), ..evaluator(attributes.clone()) };
    assert_eq!(target_of(&one(&of_trace)), (Some(of_trace.trace_id), None), "the parent stands for the trace");
    let alone = Span { parent_span_id: None, response_id: Some("r".into()), ..evaluator(attributes) };
    assert_eq!((target_of(&one(&alone)), one(&alone).target.response_id.as_deref()), ((None, None), Some("r")));

    let earlier = |more: Value| {
        let mut attributes =
            json!({ "gen_ai.evaluation.name": "q", "gen_ai.evaluation.score.value": 1, "gen_ai.evaluation.source": "llm-judge" });
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Span { parent_span_id: None, name: "gen_ai.evaluation.result".into(), session_id: Some("s".into()), ..span(attributes) }
    };
    let trace = TraceId(8).to_string();
    let of_span = one(&earlier(json!({
        "gen_ai.evaluation.trace_id": trace, "gen_ai.evaluation.span_id": SpanId(9), "gen_ai.evaluation.metadata.threshold_ms": "500",
    })));
    assert_eq!((target_of(&of_span), of_span.source), ((Some(TraceId(8)), Some(SpanId(9))), ScoreSource::Judge));
    assert_eq!(of_span.metadata["threshold_ms"], "500");
    let of_session = one(&earlier(json!({})));
    assert_eq!((of_session.target.session_id.as_deref(), of_session.target.trace_id), (Some("s"), None));
}

#[test]
fn annotations_of_openinference_rate_their_span_in_any_order() {
    let scores = scores_of_span(&span(json!({
        "annotations.0.annotation.name": "correct", "annotations.0.annotation.score": 1, "annotations.0.annotation.annotator_kind": "LLM",
        "annotations.0.annotation.metadata": "{\"evaluator\":\"judge\",\"evaluator_version\":\"2\",\"rubric\":1}",
        "annotations.10.annotation.name": "tone", "annotations.10.annotation.label": "kind", "annotations.10.annotation.annotator_kind": "HUMAN",
        "annotations.11.annotation.name": "note", "annotations.11.annotation.explanation": "Reads well.",
        "annotations.12.annotation.name": "empty", "annotations.13.annotation.score": 1,
        "evaluations.0.evaluation.name": "relevance", "evaluations.0.evaluation.score": "0.25", "evaluations.0.evaluation.annotator_kind": "CODE",
    })));
    assert_eq!(
        summary(&scores),
        [
            ("correct", Some(1.0), None, ScoreSource::Judge),
            ("tone", None, Some("kind"), ScoreSource::Annotation),
            ("note", None, None, ScoreSource::Sdk),
            ("relevance", Some(0.25), None, ScoreSource::Evaluator),
        ]
    );
    assert!(scores.iter().all(|score| target_of(score) == (Some(TRACE), OWN)));
    let judge = ScoreEvaluator { name: "judge".into(), version: Some("2".into()) };
    assert_eq!((scores[0].evaluator.as_ref(), &scores[0].metadata["rubric"]), (Some(&judge), &json!(1)));
    assert_eq!((scores[2].comment.as_deref(), scores[2].explanation.as_deref()), (Some("Reads well."), None));
    let one_name = |numbers: [u32; 2]| {
        let named = numbers.map(|number| (format!("annotations.{number}.annotation.name"), json!("a")));
        let scored = numbers.map(|number| (format!("annotations.{number}.annotation.score"), json!(number)));
        let scores = scores_of_span(&span(Value::Object(named.into_iter().chain(scored).collect())));
        scores.into_iter().map(|score| score.id).collect::<Vec<_>>()
    };
    assert_eq!(one_name([0, 1]), one_name([3, 7]), "the number is no part of the ID");
}

#[test]
fn annotations_rate_the_trace_or_the_conversation() {
    let annotated = span(json!({
        "trace.annotations.0.annotation.name": "resolved", "trace.annotations.0.annotation.score": true,
        "session.evaluations.0.evaluation.name": "patience", "session.evaluations.0.evaluation.label": "low",
    }));
    let scores = scores_of_span(&Span { session_id: Some("s".into()), ..annotated.clone() });
    assert_eq!((target_of(&scores[0]), scores[0].value), ((Some(TRACE), None), Some(1.0)));
    assert_eq!((scores[1].target.session_id.as_deref(), scores[1].target.trace_id), (Some("s"), None));
    assert_eq!(scores_of_span(&annotated).len(), 1, "without a conversation, nothing is rated");
}

#[test]
fn a_result_that_arrives_later_changes_no_other_id() {
    let of_trace = json!({ "trace.annotations.0.annotation.name": "helpful", "trace.annotations.0.annotation.score": 1 });
    let mut both = of_trace.clone();
    both.as_object_mut()
        .unwrap()
        .extend([("annotations.0.annotation.name".to_owned(), json!("helpful")), ("annotations.0.annotation.score".to_owned(), json!(0))]);
    let scores = scores_of_span(&span(both));
    assert_eq!((scores.len(), target_of(&scores[1])), (2, (Some(TRACE), None)));
    assert_eq!(one(&span(of_trace)).id, scores[1].id);
    assert_ne!(scores[0].id, scores[1].id);
}

#[test]
fn evaluations_of_an_evaluator_rate_the_linked_span_and_never_its_parent() {
    let attributes = json!({
        "openinference.span.kind": "EVALUATOR", "evaluations.0.evaluation.name": "hallucination", "evaluations.0.evaluation.score": 1,
        "evaluations.0.evaluation.identifier": "judge-v2", "trace.evaluations.0.evaluation.name": "solved", "trace.evaluations.0.evaluation.label": "yes",
    });
    let scores = scores_of_span(&linked(evaluator(attributes.clone())));
    let targets: Vec<_> = scores.iter().map(target_of).collect();
    assert_eq!(targets, [(Some(TraceId(5)), Some(SpanId(6))), (Some(TraceId(5)), None)]);
    assert_eq!(target_of(&scores_of_span(&evaluator(attributes.clone()))[0]), (Some(TRACE), None));
    let on_target = Span {
        trace_id: TraceId(5),
        span_id: SpanId(6),
        ..span(json!({
            "annotations.4.annotation.name": "hallucination", "annotations.4.annotation.score": 1, "annotations.4.annotation.identifier": "judge-v2",
        }))
    };
    assert_eq!(one(&on_target).id, scores[0].id, "the same target, name and identifier are the same score");
}

#[test]
fn trulens_rates_the_linked_span() {
    let root = evaluator(json!({
        "ai.observability.span_type": "eval_root", "ai.observability.eval_root.metric_name": "Groundedness",
        "ai.observability.eval_root.score": 0.9, "ai.observability.eval.explanation": "Two sources.",
        "ai.observability.eval.target_record_id": "record-1", "ai.observability.eval.llm_judge_name": "gpt-4o",
    }));
    let score = one(&linked(root.clone()));
    assert_eq!((score.value, target_of(&score)), (Some(0.9), (Some(TraceId(5)), Some(SpanId(6)))));
    assert_eq!((score.source, score.explanation.as_deref()), (ScoreSource::Judge, Some("Two sources.")));
    assert_eq!(target_of(&one(&root)), (Some(TRACE), None));
}

#[test]
fn named_metrics_are_scores() {
    let metrics = json!({
        "eval.answer_relevancy.score": 0.9, "eval.answer_relevancy.label": "relevant", "eval.answer_relevancy.reason": "On topic.",
        "eval.answer_relevancy.threshold": 0.5, "eval.name": "toxicity", "eval.score": 0, "eval.metric_count": 2,
        "trace_eval.solved.label": "yes", "session_eval.patience.score": 1,
    });
    let rated = Span { kind: SpanType::Llm, session_id: Some("s".into()), ..span(metrics) };
    let scores = scores_of_span(&rated);
    let evaluator = ScoreSource::Evaluator;
    assert_eq!(
        summary(&scores),
        [
            ("toxicity", Some(0.0), None, evaluator),
            ("answer_relevancy", Some(0.9), Some("relevant"), evaluator),
            ("solved", None, Some("yes"), evaluator),
            ("patience", Some(1.0), None, evaluator),
        ]
    );
    assert_eq!((target_of(&scores[1]), scores[1].explanation.as_deref()), ((Some(TRACE), OWN), Some("On topic.")));
    assert_eq!((target_of(&scores[2]), scores[3].target.session_id.as_deref()), ((Some(TRACE), None), Some("s")));
    let by_evaluator = Span { kind: SpanType::Evaluator, ..rated };
    assert_eq!(target_of(&scores_of_span(&by_evaluator)[1]), (Some(TRACE), PARENT));
}

#[test]
fn metrics_of_ragas_are_scores() {
    let scored =
        span(json!({ "ragas.faithfulness": 0.75, "ragas.answer_relevancy": 0.5, "ragas.cost_usd": 0.1, "ragas.nan_scores": true }));
    let scores = scores_of_span(&scored);
    let source = ScoreSource::Evaluator;
    assert_eq!(summary(&scores), [("answer_relevancy", Some(0.5), None, source), ("faithfulness", Some(0.75), None, source)]);
    let metric = Span { name: "ragas.metric.static_score".into(), ..evaluator(json!({ "ragas.metric.score": 0.7 })) };
    assert_eq!((one(&metric).name.as_str(), target_of(&one(&metric))), ("static_score", (Some(TRACE), PARENT)));
}

#[test]
fn scores_of_braintrust_rate_the_parent_of_the_scorer() {
    let scorer =
        evaluator(json!({ "braintrust.scores": "{\"Equals\":1,\"Judge\":null}", "braintrust.span_attributes": "{\"type\":\"score\"}" }));
    let score = one(&scorer);
    assert_eq!((score.name.as_str(), score.value, target_of(&score)), ("Equals", Some(1.0), (Some(TRACE), PARENT)));
    assert_eq!(target_of(&one(&Span { kind: SpanType::Llm, ..scorer })), (Some(TRACE), OWN));
}

#[test]
fn assessments_of_mlflow_are_scores() {
    let assessments = json!([
        { "assessment_id": "a-1", "assessment_name": "relevance", "feedback": { "value": "yes" }, "rationale": "On topic.",
          "source": { "source_type": "LLM_JUDGE", "source_id": "databricks" }, "span_id": SpanId(4) },
        { "assessment_name": "helpful", "feedback": { "value": true }, "source": { "source_type": "HUMAN", "source_id": "anna" } },
        { "assessment_name": "expected_response", "expectation": { "value": "Paris" } },
        { "assessment_name": "broken", "feedback": { "error": { "error_code": "TIMEOUT" } } },
    ]);
    let scores = scores_of_span(&span(json!({ "mlflow.assessments": assessments.to_string() })));
    assert_eq!(
        summary(&scores),
        [("relevance", None, Some("yes"), ScoreSource::Judge), ("helpful", Some(1.0), None, ScoreSource::Annotation)]
    );
    assert_eq!((target_of(&scores[0]), target_of(&scores[1])), ((Some(TRACE), Some(SpanId(4))), (Some(TRACE), None)));
    assert_eq!(scores[0].explanation.as_deref(), Some("On topic."));
}

#[test]
fn a_genkit_test_case_is_rated() {
    let case = |output: Value| {
        span(json!({
            "genkit:metadata:evaluator:evalRunId": "run-1", "genkit:path": "/{demo/politeness,t:action}/{Test Case 1}",
            "genkit:output": output.to_string(),
        }))
    };
    let details = json!({ "score": 0.75, "status": "PASS", "details": { "reasoning": "No rude word." } });
    let score = one(&case(json!({ "testCaseId": "1", "evaluation": details })));
    assert_eq!(summary(std::slice::from_ref(&score)), [("demo/politeness", Some(0.75), Some("PASS"), ScoreSource::Evaluator)]);
    assert_eq!((score.explanation.as_deref(), target_of(&score)), (Some("No rude word."), (Some(TRACE), OWN)));
    let aspects =
        scores_of_span(&case(json!({ "evaluation": [{ "id": "a", "score": true }, { "id": "b", "error": "no key", "status": "FAIL" }] })));
    assert_eq!(summary(&aspects), [("demo/politeness/a", Some(1.0), None, ScoreSource::Evaluator)]);
}

#[test]
fn evaluators_of_langsmith_are_rated() {
    let evaluator = |output: Value| Span {
        name: "judged".into(),
        parent_span_id: None,
        ..span(json!({
            "langsmith.metadata.target_run_id": "run-1", "langsmith.metadata.experiment": "capitals-1",
            "langsmith.metadata.reference_example_id": "example-1", "gen_ai.completion": output.to_string(),
        }))
    };
    let score = one(&evaluator(json!({ "key": "helpfulness", "score": 0.9, "value": "good", "comment": "It names the capital." })));
    assert_eq!(summary(std::slice::from_ref(&score)), [("helpfulness", Some(0.9), Some("good"), ScoreSource::Evaluator)]);
    assert_eq!((target_of(&score), score.explanation.as_deref()), ((Some(TRACE), OWN), Some("It names the capital.")));
    assert_eq!((score.target.experiment_id.as_deref(), score.target.dataset_item_id.as_deref()), (Some("capitals-1"), Some("example-1")));
    assert_eq!(score.metadata["target_run_id"], "run-1");
    let alone = one(&evaluator(json!({ "output": true })));
    assert_eq!((alone.name.as_str(), alone.value), ("judged", Some(1.0)));
    let list = scores_of_span(&evaluator(json!({ "results": [
        { "key": "a", "score": 1 }, { "key": "b", "value": "neutral" }, { "key": "c", "comment": "no key", "extra": { "error": true } },
    ] })));
    assert_eq!(summary(&list), [("a", Some(1.0), None, ScoreSource::Evaluator), ("b", None, Some("neutral"), ScoreSource::Evaluator)]);
    assert_eq!(scores_of_span(&evaluator(json!({ "output": null }))), []);
    let step = Span { parent_span_id: PARENT, ..evaluator(json!({ "score": 5 })) };
    assert_eq!(scores_of_span(&step), [], "a step of an evaluator has the same metadata");
}

#[test]
fn evaluators_of_phoenix_and_arize_rate_the_trace() {
    let of_evals = |output: Value| Span {
        name: "tone.evaluate".into(),
        origin: Some("phoenix.evals.tracing".into()),
        ..evaluator(json!({ "output.value": output.to_string() }))
    };
    let result = json!({ "name": "tone", "score": 0.5, "label": "neutral", "explanation": "Calm.", "kind": "llm" });
    let inline = of_evals(json!([result]));
    let score = one(&inline);
    assert_eq!(summary(std::slice::from_ref(&score)), [("tone", Some(0.5), Some("neutral"), ScoreSource::Judge)]);
    assert_eq!((target_of(&score), score.explanation.as_deref()), ((Some(TRACE), None), Some("Calm.")));
    assert_eq!(scores_of_span(&Span { status: SpanStatus::Error, ..inline.clone() }), []);
    assert_eq!(scores_of_span(&Span { origin: None, ..inline.clone() }), [], "any other evaluator may return a score");
    assert_eq!(scores_of_span(&Span { kind: SpanType::Function, ..inline }), []);

    let of_experiment = |attributes: Value| Span { name: "Evaluation: tone".into(), ..evaluator(attributes) };
    let several = of_experiment(json!({ "output.value": "[{\"name\":\"brevity\",\"score\":1.0},{\"label\":\"short\"}]" }));
    let source = ScoreSource::Evaluator;
    assert_eq!(summary(&scores_of_span(&several)), [("brevity", Some(1.0), None, source), ("tone-2", None, Some("short"), source)]);
    let own_span = json!({ "score": 1, "metadata": { "trace_id": TRACE } }).to_string();
    assert_eq!(scores_of_span(&of_experiment(json!({ "output.value": own_span }))), [], "its own span reports the result");
    let of_arize = one(&of_experiment(json!({ "score": 0.5, "label": "neutral", "metadata": "{\"experiment_name\":\"capitals-1\"}" })));
    assert_eq!((of_arize.name.as_str(), of_arize.value, of_arize.target.experiment_id.as_deref()), ("tone", Some(0.5), Some("capitals-1")));
}

#[test]
fn a_case_of_pydantic_evals_is_rated() {
    let result = |value: Value| json!({ "value": value, "reason": "Because.", "source": { "name": "Judge", "arguments": null } });
    let scores = scores_of_span(&span(json!({
        "task_name": "answer", "case_name": "france", "assertions": json!({ "correct": result(json!(true)) }).to_string(),
        "scores": json!({ "brevity": result(json!(0.5)) }).to_string(), "labels": json!({ "tone": result(json!("kind")) }).to_string(),
        "metrics": "{\"tokens\":3}",
    })));
    let evaluator = ScoreSource::Evaluator;
    assert_eq!(
        summary(&scores),
        [("correct", Some(1.0), None, evaluator), ("brevity", Some(0.5), None, evaluator), ("tone", None, Some("kind"), evaluator)]
    );
    assert_eq!((target_of(&scores[0]), scores[0].explanation.as_deref()), ((Some(TRACE), OWN), Some("Because.")));
    assert_eq!((scores[0].evaluator.as_ref().unwrap().name.as_str(), &scores[0].metadata["case_name"]), ("Judge", &json!("france")));
}

#[test]
fn answers_of_typesafe_are_scores() {
    let answers = json!([{ "type": "evaluation", "answers": {
        "grounded": { "type": "noul", "noul": 0.97 }, "tone": { "type": "choice", "choice": "friendly", "confidence": 0.9 },
        "quality": { "type": "score", "score": 2.75 },
    } }]);
    let message = ChatMessage { role: "assistant".into(), parts: vec![MessagePart::Text { text: answers.to_string() }] };
    let judge = Span { op: "gen_ai.evaluate".into(), output_messages: vec![message], ..span(json!({})) };
    let scores = scores_of_span(&judge);
    let source = ScoreSource::Judge;
    assert_eq!(
        summary(&scores),
        [("grounded", Some(0.97), None, source), ("quality", Some(2.75), None, source), ("tone", None, Some("friendly"), source)]
    );
    assert_eq!((target_of(&scores[2]), &scores[2].metadata["confidence"]), ((Some(TRACE), OWN), &json!(0.9)));
    assert_eq!(scores_of_span(&Span { op: "gen_ai.chat".into(), ..judge }), [], "an answer of a model that looks like one is none");
}

#[test]
fn results_are_limited() {
    let metric = |number: usize| (format!("eval.m{number}.score"), json!(number));
    assert_eq!(scores_of_span(&span(Value::Object((0..1000).map(metric).collect()))).len(), MAX_SCORES);
    let results = |number: usize| (format!("m{number}"), json!({ "value": number }));
    let cases = json!({ "case_name": "a", "scores": Value::Object((0..1000).map(results).collect()).to_string() });
    assert_eq!(scores_of_span(&span(cases)).len(), MAX_SCORES);
    let long = one(&span(json!({ "eval.x.label": "é".repeat(1000), "eval.x.reason": "é".repeat(10_000) })));
    assert!(long.label.unwrap().len() < 300 && long.explanation.unwrap().len() < 4200);
}
