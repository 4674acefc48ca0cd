use std::collections::HashSet;

use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::score::{Score, ScoreDataType, ScoreEvaluator, ScoreRecord, ScoreSource, ScoreTarget, ScoreValue};

use super::*;
use crate::retained_rows::{ErasedNames, ErasureSubject, RetainedRows, notable_traces};

fn store() -> (tempfile::TempDir, ScoreStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = ScoreStore::open(dir.path()).unwrap();
    (dir, store)
}

fn score(id: &str, value: ScoreValue, at_us: i64) -> Score {
    Score { id: Some(id.into()), ..Score::new(ScoreTarget::trace(TraceId(7), Some(SpanId(8))), "tone", value, at_us) }
}

fn list(store: &ScoreStore, with_superseded: bool) -> Vec<ScoreRecord> {
    store.list_scores(1, &ScoreListQuery { with_superseded, limit: 100, ..ScoreListQuery::default() }).unwrap().scores
}

#[test]
fn a_score_is_corrected_by_its_id_and_stays_in_its_project() {
    let (dir, scores) = store();
    let later = score("a", ScoreValue::Category("polite".into()), 20);
    scores.store_scores(1, &[score("b", ScoreValue::Number(0.5), 5), later.clone()]).unwrap();
    scores.store_scores(1, &[score("a", ScoreValue::Number(0.1), 10)]).unwrap();
    scores.store_scores(2, &[later]).unwrap();
    drop(scores);
    let scores = ScoreStore::open(dir.path()).unwrap();
    let said: Vec<_> = scores.scores_of_trace(1, TraceId(7)).unwrap().0.into_iter().map(|row| (row.id, row.value, row.label)).collect();
    assert_eq!(said, [("b".into(), Some(0.5), None), ("a".into(), None, Some("polite".into()))]);
    assert_eq!(scores.scores_of_trace(1, TraceId(9)).unwrap(), (vec![], 0));
    assert_eq!(scores.delete_before(1, 10).unwrap(), 1);
    assert_eq!((scores.scores_of_trace(1, TraceId(7)).unwrap().1, scores.scores_of_trace(2, TraceId(7)).unwrap().1), (1, 1));
}

#[test]
fn versions_are_kept_and_repeats_are_not_stored() {
    let (_dir, scores) = store();
    let by = |version: &str, value: f64, at_us: i64| Score {
        id: None,
        source: ScoreSource::Evaluator,
        evaluator: Some(ScoreEvaluator { name: "length".into(), version: Some(version.into()) }),
        ..score("", ScoreValue::Number(value), at_us)
    };
    assert_eq!(scores.store_scores(1, &[by("1", 0.1, 10), by("1", 0.2, 20), by("1", 0.2, 30), by("1", 0.1, 10)]).unwrap().duplicates, 2);
    scores.store_scores(1, &[by("2", 0.9, 5), by("1", 0.0, 15)]).unwrap();
    let newest: Vec<_> = list(&scores, false).into_iter().map(|row| (row.value, row.superseded)).collect();
    assert_eq!(newest, [(Some(0.2), false), (Some(0.9), false)]);
    let all: Vec<_> = list(&scores, true).into_iter().map(|row| (row.value.unwrap(), row.superseded)).collect();
    assert_eq!(all, [(0.2, false), (0.0, true), (0.1, true), (0.9, false)]);
    let own = Score { id: None, ..score("", ScoreValue::Number(1.0), 40) };
    let ids = scores.store_scores(1, &[own.clone(), own]).unwrap().ids;
    assert_ne!(ids[0], ids[1], "scores without an identity are separate");
    assert_eq!(scores.delete_score(1, &list(&scores, false)[2].id, None).unwrap(), 3, "with its earlier versions");
}

#[test]
fn people_delete_only_their_own_scores() {
    let (_dir, scores) = store();
    let by = |author: &str| Score {
        id: None,
        source: ScoreSource::Annotation,
        author: Some(author.into()),
        ..score("", ScoreValue::Boolean(true), 10)
    };
    let ids = scores.store_scores(1, &[by("1"), by("2")]).unwrap().ids;
    assert_eq!(scores.delete_score(1, &ids[1], Some("1")).unwrap(), 0);
    assert_eq!(scores.delete_score(1, &ids[0], Some("1")).unwrap(), 1);
    assert_eq!(scores.delete_score(2, &ids[1], None).unwrap(), 0, "another project");
    assert_eq!(scores.delete_score(1, &ids[1], None).unwrap(), 1);
}

#[test]
fn the_scores_of_a_trace_are_bounded_and_counted() {
    let (_dir, scores) = store();
    let many: Vec<Score> = (0..2_000).map(|number| score(&format!("s{number:04}"), ScoreValue::Number(1.0), number)).collect();
    scores.store_scores(1, &many).unwrap();
    let (rows, count) = scores.scores_of_trace(1, TraceId(7)).unwrap();
    assert_eq!((rows.len(), count), (MAX_SCORES_PER_TRACE, 2_000));
    assert_eq!((rows[0].id.as_str(), rows[MAX_SCORES_PER_TRACE - 1].id.as_str()), ("s1500", "s1999"));
    let long =
        |number: i64| Score { comment: Some("c".repeat(300_000)), ..score(&format!("l{number}"), ScoreValue::Number(1.0), 3_000 + number) };
    scores.store_scores(1, &(0..20).map(long).collect::<Vec<_>>()).unwrap();
    let (rows, count) = scores.scores_of_trace(1, TraceId(7)).unwrap();
    assert_eq!((rows.len(), count), (3, 2_020));
}

#[test]
fn pages_follow_each_other() {
    let (_dir, scores) = store();
    let many: Vec<Score> = (0..25).map(|number| score(&format!("s{number:02}"), ScoreValue::Number(1.0), number / 2)).collect();
    scores.store_scores(1, &many).unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = scores.list_scores(1, &ScoreListQuery { limit: 10, after, ..ScoreListQuery::default() }).unwrap();
        seen.extend(page.scores.into_iter().map(|row| row.id));
        let Some(cursor) = page.next_cursor else { break };
        after = cursor.split_once('.').map(|(at, row)| (at.parse().unwrap(), row.parse().unwrap()));
    }
    assert_eq!((seen.len(), seen.iter().collect::<HashSet<_>>().len()), (25, 25));
}

#[test]
fn targets_of_selected_scores() {
    let (_dir, scores) = store();
    let session = ScoreTarget { session_id: Some("s1".into()), ..ScoreTarget::default() };
    let on = |target, value| Score::new(target, "tone", ScoreValue::Number(value), 1);
    let all = [
        on(ScoreTarget::trace(TraceId(1), None), 0.1),
        on(ScoreTarget::trace(TraceId(2), Some(SpanId(3))), 0.2),
        on(session, 0.3),
        on(ScoreTarget::trace(TraceId(4), None), 0.9),
    ];
    scores.store_scores(1, &all).unwrap();
    let found = scores.targets_with(1, "tone", |value, _| value.is_some_and(|value| value < 0.5)).unwrap();
    assert_eq!(found.traces, HashSet::from([TraceId(1)]));
    assert_eq!(found.spans, HashSet::from([(TraceId(2), SpanId(3))]));
    assert_eq!(found.sessions, HashSet::from(["s1".to_owned()]));
    assert!(!found.is_truncated);
}

fn definition(draft: serde_json::Value) -> ScoreDefinitionDraft {
    serde_json::from_value(draft).unwrap()
}

#[test]
fn figures_are_weighted_and_know_what_is_bad() {
    let (_dir, scores) = store();
    let draft = definition(serde_json::json!({ "name": "tone", "data_type": "numeric", "better": "higher", "bad_from": 0.2 }));
    assert!(matches!(scores.store_definition(1, None, &draft).unwrap(), DefinitionChange::Stored(_)));
    let sampled = |id: &str, value: f64, probability: f64| Score { probability, ..score(id, ScoreValue::Number(value), 10) };
    scores.store_scores(1, &[sampled("a", 0.0, 1.0), sampled("b", 1.0, 0.25), score("c", ScoreValue::Category("x".into()), 11)]).unwrap();
    let summary = scores.summarize(1, (0, 100), None).unwrap();
    let [tone] = summary.as_slice() else { panic!("{summary:?}") };
    assert_eq!((tone.n, tone.values.n, tone.data_type), (3, 2, ScoreDataType::Numeric));
    assert_eq!((tone.values.mean(), tone.bad.unwrap().mean()), (Some(0.8), Some(0.2)), "one failure, and a sample that stands for four");
    assert_eq!(tone.labels, [ScoreLabelCount { label: "x".into(), n: 1 }]);
    assert_eq!(scores.mean_score(1, "tone", 0, 100).unwrap(), Some(0.8));
    assert_eq!(scores.mean_score(1, "tone", 20, 100).unwrap(), None);
    let series = scores.series(1, "tone", (0, 100), 5).unwrap();
    assert_eq!(series.iter().map(|bucket| (bucket.start_us, bucket.values.n)).collect::<Vec<_>>(), [(10, 2)]);
    assert_eq!(scores.extent(1, "tone", (0, 100)).unwrap(), Some((10, 11)));
}

#[test]
fn definitions_are_checked_and_their_names_are_unique() {
    let (_dir, scores) = store();
    let draft = definition(
        serde_json::json!({ "name": "tone", "data_type": "categorical", "categories": [{ "label": "rude" }, { "label": "kind" }], "bad_labels": ["rude"] }),
    );
    assert_eq!(draft.check(), Ok(()));
    assert_eq!(
        (draft.is_bad(None, Some("rude")), draft.is_bad(None, Some("kind")), draft.is_bad(Some(1.0), None)),
        (Some(true), Some(false), None)
    );
    let DefinitionChange::Stored(stored) = scores.store_definition(1, None, &draft).unwrap() else { panic!() };
    assert_eq!(scores.store_definition(1, None, &draft).unwrap(), DefinitionChange::NameTaken);
    assert!(matches!(scores.store_definition(1, Some(&stored.id), &draft).unwrap(), DefinitionChange::Stored(_)));
    assert_eq!(
        scores.store_definition(1, Some("99"), &definition(serde_json::json!({ "name": "x", "data_type": "text" }))).unwrap(),
        DefinitionChange::NotFound
    );
    assert_eq!(scores.definitions(1).unwrap(), std::slice::from_ref(&stored));
    assert!(scores.definitions(2).unwrap().is_empty());
    assert!(scores.delete_definition(1, &stored.id).unwrap());
    for wrong in [
        serde_json::json!({ "name": "", "data_type": "text" }),
        serde_json::json!({ "name": "x", "data_type": "numeric", "min": 2.0, "max": 1.0 }),
        serde_json::json!({ "name": "x", "data_type": "numeric", "bad_from": 1.0 }),
        serde_json::json!({ "name": "x", "data_type": "text", "min": 1.0 }),
        serde_json::json!({ "name": "x", "data_type": "categorical" }),
        serde_json::json!({ "name": "x", "data_type": "categorical", "categories": [{ "label": "a" }], "bad_labels": ["b"] }),
    ] {
        assert!(definition(wrong.clone()).check().is_err(), "{wrong}");
    }
}

#[test]
fn scores_of_format_1_are_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let old = crate::database::open(&dir.path().join(DATABASE), &schema::MIGRATIONS[..1]).unwrap();
    let trace = TraceId(7).to_string();
    old.execute(
        "INSERT INTO scores VALUES (1, 'a', ?1, NULL, 'tone', NULL, 'rude', 'why', 5), (1, 'b', ?1, NULL, 'n', 0.5, NULL, NULL, 6)",
        [&trace],
    )
    .unwrap();
    drop(old);
    let scores = ScoreStore::open(dir.path()).unwrap();
    let (rows, count) = scores.scores_of_trace(1, TraceId(7)).unwrap();
    let said: Vec<_> = rows.into_iter().map(|row| (row.id, row.data_type, row.value, row.label, row.comment)).collect();
    assert_eq!(count, 2);
    assert_eq!(said[0], ("a".into(), ScoreDataType::Categorical, None, Some("rude".into()), Some("why".into())));
    assert_eq!(said[1], ("b".into(), ScoreDataType::Numeric, Some(0.5), None, None));
    // A later version of the client's score supersedes the migrated one.
    let later = Score { target: ScoreTarget::trace(TraceId(7), None), ..score("b", ScoreValue::Number(0.9), 9) };
    scores.store_scores(1, &[later]).unwrap();
    assert_eq!(scores.scores_of_trace(1, TraceId(7)).unwrap().1, 2);
}

#[test]
fn scores_of_a_response_wait_for_its_call() {
    let (_dir, scores) = store();
    let target = |response: &str| ScoreTarget { response_id: Some(response.into()), ..ScoreTarget::default() };
    let rating = Score { id: Some("a".into()), ..Score::new(target("r1"), "tone", ScoreValue::Number(1.0), 10) };
    scores.store_scores(1, &[rating.clone(), Score::new(target("r2"), "tone", ScoreValue::Number(1.0), 5)]).unwrap();
    let waiting: Vec<_> = scores.waiting_scores(6, 10).unwrap().into_iter().map(|score| score.response_id).collect();
    assert_eq!(waiting, ["r1"]);
    assert_eq!(scores.assign_response(1, "r1", (TraceId(1), SpanId(2))).unwrap(), 1);
    assert!(scores.waiting_scores(6, 10).unwrap().is_empty());
    assert_eq!(scores.scores_of_trace(1, TraceId(1)).unwrap().0[0].span_id, Some(SpanId(2).to_string()));
    // The client sends its request again.
    assert_eq!(scores.store_scores(1, &[rating]).unwrap().duplicates, 1);
    assert!(scores.waiting_scores(6, 10).unwrap().is_empty());
}

#[test]
fn scores_of_the_own_evaluators_do_not_make_a_trace_notable() {
    let (dir, scores) = store();
    let by = |trace: u128, author: Option<&str>| Score {
        source: ScoreSource::Evaluator,
        author: author.map(str::to_owned),
        evaluator: Some(ScoreEvaluator { name: "tone".into(), version: Some("1".into()) }),
        ..Score::new(ScoreTarget::trace(TraceId(trace), None), "tone", ScoreValue::Boolean(true), 5)
    };
    scores.store_scores(1, &[by(1, Some(SERVER_AUTHOR)), by(2, None), by(3, Some("someone"))]).unwrap();
    let notable = notable_traces(dir.path(), &scores, 1).unwrap();
    assert_eq!(notable, HashSet::from([TraceId(2), TraceId(3)]));
}

#[test]
fn results_that_were_computed_before_an_erasure_are_not_stored() {
    let (_dir, scores) = store();
    let result = Score { source: ScoreSource::Evaluator, ..score("a", ScoreValue::Boolean(true), 5) };
    let read_at = scores.erasure_count();
    assert!(scores.store_evaluated(1, std::slice::from_ref(&result), read_at).unwrap().is_some());
    let names = ErasedNames { traces: HashSet::from([TraceId(7)]), ..ErasedNames::default() };
    scores.forget(&ErasureSubject { project: 1, names: Some(names) }).unwrap();
    assert!(list(&scores, true).is_empty(), "what was stored meanwhile is deleted, too");
    assert_eq!(scores.store_evaluated(1, &[result], read_at).unwrap(), None);
    assert!(list(&scores, true).is_empty());
}
