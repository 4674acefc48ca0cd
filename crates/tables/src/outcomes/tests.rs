use hinomi_model::outcome::{OutcomeCategory, OutcomeKind};
use hinomi_model::outcome_reason::OutcomeReason;
use serde_json::json;

use super::*;

fn dropped(reason: &str, quantity: u64) -> Outcome {
    let detail = format!("said {reason}");
    Outcome { reason: reason.to_owned(), quantity, ..Outcome::dropped(OutcomeCategory::Span, OutcomeReason::Other, detail) }
}

fn by(key: &str) -> OutcomeSource<'_> {
    OutcomeSource { key: Some(key), sdk: None }
}

fn all(outcomes: &OutcomeStore, project: u64) -> Vec<OutcomeRow> {
    outcomes.rows(project, i64::MIN, i64::MAX).unwrap()
}

#[test]
fn counts_are_visible_at_once_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let outcomes = OutcomeStore::open(dir.path()).unwrap();
    outcomes.count(1, by("k"), &[dropped("too_old", 2)]);
    assert_eq!(all(&outcomes, 1)[0].quantity, 2, "before it is written");
    outcomes.flush();
    outcomes.count(1, by("k"), &[dropped("too_old", 3)]);
    outcomes.count(2, OutcomeSource::default(), &[dropped("too_old", 9)]);
    let rows = all(&outcomes, 1);
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].quantity, rows[0].detail.as_deref(), rows[0].key.as_deref()), (5, Some("said too_old"), Some("k")));
    drop(outcomes);

    let outcomes = OutcomeStore::open(dir.path()).unwrap();
    outcomes.count(1, by("k"), &[dropped("too_old", 1)]);
    assert_eq!(all(&outcomes, 1)[0].quantity, 6);
    assert_eq!(all(&outcomes, 2)[0].quantity, 9);
    assert!(all(&outcomes, 0).is_empty());
}

#[test]
fn outcome_classes_are_merged_correctly() {
    let dir = tempfile::tempdir().unwrap();
    let outcomes = OutcomeStore::open(dir.path()).unwrap();
    let stored = Outcome { kind: OutcomeKind::Accepted, detail: None, ..dropped("stored", 1) };
    outcomes.count(1, by("k"), std::slice::from_ref(&stored));
    outcomes.count(1, by("l"), std::slice::from_ref(&stored));
    outcomes.count(1, OutcomeSource::default(), std::slice::from_ref(&stored));
    outcomes.count(1, by("k"), &[Outcome { category: OutcomeCategory::Error, ..stored.clone() }]);
    outcomes.count(1, by("k"), std::slice::from_ref(&stored));
    for row in all(&outcomes, 1) {
        let twice = row.key.as_deref() == Some("k") && row.category == "span";
        assert_eq!(row.quantity, if twice { 2 } else { 1 }, "{row:?}");
    }
    assert_eq!(all(&outcomes, 1).len(), 4);
}

#[test]
fn outcome_row_has_the_page_format() {
    let dir = tempfile::tempdir().unwrap();
    let outcomes = OutcomeStore::open(dir.path()).unwrap();
    lock(&outcomes.shared.pending).count(1_000_001, 1, OutcomeSource::default(), &dropped("Too old!", 2));
    let expected = json!([{
        "outcome": "dropped", "reason": "too_old_", "category": "span", "key": null, "sdk": null, "quantity": 2,
        "detail": "said Too old!", "last_at": "1970-01-01T00:00:01.000001Z",
    }]);
    assert_eq!(serde_json::to_value(all(&outcomes, 1)).unwrap(), expected);
    outcomes.flush();
    assert_eq!(serde_json::to_value(all(&outcomes, 1)).unwrap(), expected);
}

#[test]
fn ranges_use_whole_minutes_and_old_counts_expire() {
    let dir = tempfile::tempdir().unwrap();
    let outcomes = OutcomeStore::open(dir.path()).unwrap();
    for minute in 0..10 {
        let at = minute * MINUTE_US + 30_000_000;
        let said = Outcome { detail: Some(format!("minute {minute}")), ..dropped("too_old", 1) };
        lock(&outcomes.shared.pending).count(at, 1, OutcomeSource::default(), &said);
        if minute == 4 {
            outcomes.flush();
        }
    }
    let quantity = |from: i64, to: i64| outcomes.rows(1, from, to).unwrap().first().map(|row| row.quantity);
    assert_eq!(quantity(0, 10 * MINUTE_US), Some(10));
    assert_eq!(quantity(3 * MINUTE_US, 6 * MINUTE_US), Some(3));
    // A partly covered minute is included as a whole: items that were just counted must be visible at once.
    assert_eq!(quantity(3 * MINUTE_US + 1, 6 * MINUTE_US + 1), Some(4));
    assert_eq!(quantity(5, 5), None);
    assert_eq!(quantity(i64::MAX, i64::MIN), None);
    assert_eq!(outcomes.rows(1, 0, 5 * MINUTE_US).unwrap()[0].detail.as_deref(), Some("minute 4"), "the newest of the range");
    outcomes.flush();
    assert_eq!(outcomes.delete_before(4 * MINUTE_US + 1).unwrap(), 4);
    assert_eq!(quantity(i64::MIN, i64::MAX), Some(6));
}

#[test]
fn huge_counts_do_not_overflow() {
    let dir = tempfile::tempdir().unwrap();
    let outcomes = OutcomeStore::open(dir.path()).unwrap();
    for minute in 0..50 {
        for _ in 0..2 {
            lock(&outcomes.shared.pending).count(minute * MINUTE_US, u64::MAX, OutcomeSource::default(), &dropped("claimed", u64::MAX));
            outcomes.flush();
        }
    }
    assert_eq!(all(&outcomes, u64::MAX)[0].quantity, 50 * crate::outcomes::pending_counts::MAX_COUNT_PER_MINUTE);
}

#[test]
fn unwritten_counts_wait_and_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let outcomes = OutcomeStore::open(dir.path()).unwrap();
    lock(&outcomes.shared.connection).busy_timeout(Duration::from_millis(5)).unwrap();
    outcomes.count(1, OutcomeSource::default(), &[dropped("a", 1)]);
    outcomes.flush();
    let other = Connection::open(dir.path().join("outcomes.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    outcomes.count(1, OutcomeSource::default(), &[dropped("a", 2)]);
    assert!(matches!(outcomes.shared.write(), Err(SqliteError::Busy { .. })));
    assert_eq!(all(&outcomes, 1)[0].quantity, 3);
    outcomes.count(1, OutcomeSource::default(), &[dropped("a", 4)]);
    other.execute_batch("COMMIT").unwrap();
    outcomes.shared.write().unwrap();
    assert!(lock(&outcomes.shared.pending).counts().is_empty());
    assert_eq!(all(&outcomes, 1)[0].quantity, 7);
}

#[test]
fn concurrent_counting_during_a_write() {
    let dir = tempfile::tempdir().unwrap();
    let outcomes = OutcomeStore::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for project in 1..=4 {
            let outcomes = &outcomes;
            scope.spawn(move || (0..1_000).for_each(|_| outcomes.count(project, by("k"), &[dropped("a", 1)])));
        }
        for _ in 0..20 {
            let seen = all(&outcomes, 1).iter().map(|row| row.quantity).sum::<u64>();
            outcomes.flush();
            assert!(all(&outcomes, 1).iter().map(|row| row.quantity).sum::<u64>() >= seen, "nothing is out of sight while it is written");
        }
    });
    for project in 1..=4 {
        assert_eq!(all(&outcomes, project).iter().map(|row| row.quantity).sum::<u64>(), 1_000);
    }
}

#[test]
fn counts_are_written_after_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let outcomes = OutcomeStore::open(dir.path()).unwrap();
    outcomes.count(1, OutcomeSource::default(), &[dropped("a", 1)]);
    let reader = crate::database::open_reader(&dir.path().join("outcomes.db")).unwrap();
    let written = || reader.query_row("SELECT count(*) FROM outcomes", [], |row| row.get::<_, i64>(0)).unwrap() == 1;
    let deadline = std::time::Instant::now() + 20 * FLUSH_INTERVAL;
    while !written() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
}
