use proptest::prelude::*;

use super::*;

const KEY: &str = "key of checkpoints";

fn log() -> (tempfile::TempDir, AuditLog) {
    let dir = tempfile::tempdir().unwrap();
    let log = AuditLog::open(dir.path()).unwrap();
    (dir, log)
}

fn actor(account: i64) -> AuditActor {
    AuditActor { account_id: Some(account), name: "Ann".into(), credential: "session 3".into(), address: "192.0.2.7".parse().ok() }
}

fn event(account: i64, action: &str, project: Option<u64>) -> AuditEvent {
    AuditEvent { project, object: "key 5".into(), ..AuditEvent::new(actor(account), action) }.detail("name", "日本\n\"x\"")
}

/// Fills a log. Returns the head after each entry.
fn filled(log: &AuditLog, count: i64) -> Vec<AuditHead> {
    (0..count).map(|number| log.append(event(number, "keys.create", Some(1))).unwrap()).collect()
}

fn violation(log: &AuditLog, heads: &[AuditHead]) -> AuditViolation {
    match log.verify(heads, KEY) {
        Err(AuditLogError::Violation(violation)) => violation,
        other => panic!("{other:?}"),
    }
}

/// Writes all hashes anew from an entry on, as whoever can write the file can.
fn rehash(log: &AuditLog, from: u64) {
    let connection = log.lock();
    let read = |sql: &str, at: u64| connection.query_row(sql, [at], |row| row.get(0));
    let last: u64 = connection.query_row("SELECT max(sequence) FROM entries", [], |row| row.get(0)).unwrap();
    for sequence in from..=last {
        let before: ChainHash = read("SELECT hash FROM entries WHERE sequence = ?1 - 1", sequence).unwrap_or_default();
        let text: String = connection.query_row("SELECT entry FROM entries WHERE sequence = ?1", [sequence], |row| row.get(0)).unwrap();
        connection.execute("UPDATE entries SET hash = ?2 WHERE sequence = ?1", params![sequence, next_hash(&before, &text)]).unwrap();
    }
}

fn attack(log: &AuditLog, sql: &str) {
    try_attack(log, sql).unwrap();
}

fn try_attack(log: &AuditLog, sql: &str) -> rusqlite::Result<()> {
    log.lock().execute_batch(&format!("DROP TRIGGER IF EXISTS entries_are_append_only; {sql}"))
}

#[test]
fn entries_are_listed_newest_first_and_filtered() {
    let (_dir, log) = log();
    for (account, action, project) in
        [(1, "keys.create", Some(1)), (2, "keys.delete", Some(2)), (1, "keyset.create", None), (1, "keys", Some(1))]
    {
        log.append(event(account, action, project)).unwrap();
    }
    let listed = |filter: AuditFilter| log.entries(&filter, 10).unwrap().iter().map(|entry| entry.sequence).collect::<Vec<_>>();
    assert_eq!(listed(AuditFilter::default()), [4, 3, 2, 1]);
    assert_eq!(listed(AuditFilter { action: Some("keys".into()), ..AuditFilter::default() }), [4, 2, 1]);
    assert_eq!(listed(AuditFilter { account: Some(2), ..AuditFilter::default() }), [2]);
    assert_eq!(listed(AuditFilter { projects: Some(vec![1]), before: Some(4), ..AuditFilter::default() }), [1]);
    assert_eq!(listed(AuditFilter { projects: Some(vec![]), ..AuditFilter::default() }), [0; 0]);
    let entry = log.entries(&AuditFilter::default(), 1).unwrap().remove(0);
    assert_eq!((entry.actor, &entry.details["name"]), (actor(1), &serde_json::json!("日本\n\"x\"")));
    let (from_us, to_us) = (Some(entry.time_us), Some(entry.time_us + 1));
    assert!(listed(AuditFilter { from_us, to_us, ..AuditFilter::default() }).contains(&4));
    assert_eq!(listed(AuditFilter { from_us: to_us, ..AuditFilter::default() }), [0; 0]);
}

#[test]
fn several_processes_append_to_one_chain() {
    let (dir, log) = log();
    let beside = AuditLog::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for log in [&log, &beside] {
            scope.spawn(move || filled(log, 50));
        }
    });
    let verified = log.verify(&[], KEY).unwrap();
    assert_eq!((verified.first, verified.head.sequence), (1, 100));
    assert_eq!(beside.head().unwrap(), verified.head);
}

#[test]
fn entries_cannot_be_changed_by_mistake() {
    let (_dir, log) = log();
    filled(&log, 2);
    let error = log.lock().execute("UPDATE entries SET entry = '{}'", []).unwrap_err();
    assert!(error.to_string().contains("append-only"), "{error}");
    assert_eq!(AuditLog::open(log.path().parent().unwrap()).unwrap().verify(&[], KEY).unwrap().head.sequence, 2);
}

#[test]
fn cut_tail_is_found_with_a_head() {
    let (_dir, log) = log();
    let heads = filled(&log, 10);
    assert_eq!(log.verify(&heads, KEY).unwrap().confirmed_heads, 10);
    attack(&log, "DELETE FROM entries WHERE sequence > 7");
    assert_eq!(log.verify(&heads[..7], KEY).unwrap().head, heads[6], "earlier heads do not show it");
    assert_eq!(violation(&log, &heads[8..9]), AuditViolation::CutTail { head: 9, last: 7 });
    attack(&log, "DELETE FROM entries");
    assert_eq!(violation(&log, &heads), AuditViolation::CutTail { head: 10, last: 0 });
    // What is appended afterwards does not hide it.
    filled(&log, 10);
    assert_eq!(violation(&log, &heads), AuditViolation::Rewritten { sequence: 1 });
}

#[test]
fn complete_rewrite_is_found_with_a_head() {
    let (_dir, log) = log();
    let heads = filled(&log, 10);
    attack(&log, "UPDATE entries SET entry = replace(entry, 'keys.create', 'keys.delete') WHERE sequence = 4");
    assert_eq!(violation(&log, &[]), AuditViolation::EditedEntry { sequence: 4 });
    rehash(&log, 4);
    assert_eq!(log.verify(&heads[..3], KEY).unwrap().head.sequence, 10, "without a later head, it is a valid chain");
    assert_eq!(violation(&log, &heads[5..]), AuditViolation::Rewritten { sequence: 6 });
}

#[test]
fn expired_entries_leave_a_signed_checkpoint() {
    let (_dir, log) = log();
    let heads = filled(&log, 10);
    assert_eq!(log.expire(0, actor(1), KEY).unwrap(), 0);
    let sixth = log.entries(&AuditFilter { before: Some(7), ..AuditFilter::default() }, 1).unwrap()[0].time_us;
    let deleted = log.expire(sixth, actor(1), KEY).unwrap();
    assert!(deleted <= 5 && deleted > 0, "{deleted}");
    let verified = log.verify(&heads, KEY).unwrap();
    assert_eq!((verified.first, verified.head.sequence), (deleted + 1, 11));
    assert_eq!(verified.expired_heads as u64, deleted - 1, "the checkpoint is one of the heads");
    let newest = log.entries(&AuditFilter::default(), 1).unwrap().remove(0);
    assert_eq!((newest.action.as_str(), &newest.details["through"]), ("audit.expire", &serde_json::json!(deleted)));

    assert!(matches!(log.verify(&heads, "another key"), Err(AuditLogError::Violation(AuditViolation::InvalidCheckpoint))));
    // All but the newest, twice; then the chain goes on.
    log.expire(i64::MAX, actor(1), KEY).unwrap();
    assert_eq!(log.verify(&[], KEY).unwrap().head.sequence, 12);
    assert_eq!(violation(&log, &heads), AuditViolation::NoComparableHead { through: 11 }, "a rewrite would look the same");
    log.append(event(1, "keys.create", None)).unwrap();
    assert_eq!(log.verify(&[log.head().unwrap()], KEY).unwrap().confirmed_heads, 1);
    // Without its checkpoint the log has no beginning, and an own checkpoint has no signature.
    attack(&log, "UPDATE checkpoints SET checkpoint = replace(checkpoint, 'through', 'through ')");
    assert_eq!(violation(&log, &[]), AuditViolation::InvalidCheckpoint);
    attack(&log, "DELETE FROM checkpoints");
    assert_eq!(violation(&log, &[]), AuditViolation::MissingEntry { sequence: 1 });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_single_change_is_found(count in 1..12_i64, chosen in any::<prop::sample::Index>(), change in 0..5_u8, digit in 0..64_usize) {
        let (_dir, log) = log();
        let heads = filled(&log, count);
        let at = chosen.index(usize::try_from(count).unwrap()) as u64 + 1;
        let sql = match change {
            0 => format!("UPDATE entries SET entry = replace(entry, '\"account_id\":{}', '\"account_id\":77') WHERE sequence = {at}", at - 1),
            1 => format!("DELETE FROM entries WHERE sequence = {at}"),
            2 => format!("UPDATE entries SET hash = zeroblob(32) WHERE sequence = {at}"),
            3 => format!("UPDATE entries SET sequence = sequence + 1000 WHERE sequence = {at}"),
            _ => format!("UPDATE entries SET entry = substr(entry, 1, {digit}) || ' ' || substr(entry, {digit} + 1) WHERE sequence = {at}"),
        };
        // SQLite refuses a text that is not JSON, of which the other columns are computed.
        if try_attack(&log, &sql).is_err() {
            return Ok(());
        }
        prop_assert!(log.verify(&heads[heads.len() - 1..], KEY).is_err(), "{sql}");
        prop_assert!(log.verify(&heads, KEY).is_err());
    }
}
