use hinomi_model::id::SpanId;

use super::*;

fn score(id: &str, value: ScoreValue, at_us: i64) -> Score {
    Score { id: id.into(), trace_id: TraceId(7), span_id: Some(SpanId(8)), name: "tone".into(), value, comment: None, at_us }
}

#[test]
fn a_score_is_corrected_by_its_id_and_stays_in_its_project() {
    let dir = tempfile::tempdir().unwrap();
    let scores = ScoreStore::open(dir.path()).unwrap();
    let later = score("a", ScoreValue::Label("polite".into()), 20);
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
fn the_scores_of_a_trace_are_bounded_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let scores = ScoreStore::open(dir.path()).unwrap();
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
