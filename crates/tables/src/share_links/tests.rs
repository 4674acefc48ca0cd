use std::sync::Arc;

use super::*;
use crate::retained_rows;
use crate::retained_rows::{ErasedNames, ErasureSubject, ExpiryCutoffs, RetainedRows};

const DAY_US: i64 = 86_400_000_000;

fn draft(project: u64, trace: u128) -> ShareLinkDraft {
    ShareLinkDraft { project, trace: TraceId(trace), messages: true, despite_hiding: false, account: 1, lifetime_us: 7 * DAY_US }
}

fn store() -> (tempfile::TempDir, Arc<ShareLinkStore>) {
    let dir = tempfile::tempdir().unwrap();
    let store = ShareLinkStore::open(dir.path()).unwrap();
    (dir, Arc::new(store))
}

fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

#[test]
fn a_link_is_found_by_its_token_alone_until_it_is_revoked() {
    let (dir, store) = store();
    let (link, token) = store.create(&draft(1, 7), now()).unwrap().unwrap();
    assert_eq!((token.len(), link.trace, link.end), (64, Some(TraceId(7)), None));
    assert_eq!(store.find(&token).unwrap().as_ref(), Some(&link));
    assert_eq!(store.find(&token[..63]).unwrap(), None);
    assert_eq!(store.list(1, Some(TraceId(7)), now()).unwrap(), std::slice::from_ref(&link));
    assert_eq!((store.list(1, Some(TraceId(8)), now()).unwrap().len(), store.list(2, None, now()).unwrap().len()), (0, 0));
    assert_eq!(store.list(1, None, now() + 8 * DAY_US).unwrap(), [], "expired");
    for file in ["shares.db", "shares.db-wal"] {
        let bytes = std::fs::read(dir.path().join(file)).unwrap_or_default();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "{file} contains the token");
    }

    assert!(!store.revoke(2, link.id, now()).unwrap(), "of another project");
    assert!(store.revoke(1, link.id, now()).unwrap());
    assert!(!store.revoke(1, link.id, now()).unwrap(), "only once");
    assert_eq!(store.find(&token).unwrap().unwrap().end, Some(ShareEnd::Revoked));
    assert_eq!(store.list(1, None, now()).unwrap(), []);
}

#[test]
fn a_deleted_trace_ends_its_links_and_leaves_no_trace_of_itself() {
    let (dir, store) = store();
    let (_, first) = store.create(&draft(1, 7), now()).unwrap().unwrap();
    let (revoked, second) = store.create(&draft(1, 7), now()).unwrap().unwrap();
    let (_, other) = store.create(&draft(1, 8), now()).unwrap().unwrap();
    let (_, elsewhere) = store.create(&draft(2, 7), now()).unwrap().unwrap();
    store.revoke(1, revoked.id, now()).unwrap();
    let names = ErasedNames { traces: [TraceId(7)].into(), users: Vec::new() };
    assert_eq!(retained_rows::redact(dir.path(), &*store, 1, &names).unwrap(), 2);
    let found = |token: &str| store.find(token).unwrap().map(|link| (link.trace, link.end));
    assert_eq!(found(&first), Some((None, Some(ShareEnd::Deleted))));
    assert_eq!(found(&second), Some((None, Some(ShareEnd::Revoked))));
    assert_eq!((found(&other), found(&elsewhere)), (Some((Some(TraceId(8)), None)), Some((Some(TraceId(7)), None))));

    let subject = ErasureSubject { project: 1, names: None };
    assert_eq!(retained_rows::erase(dir.path(), &*store, &subject).unwrap().total(), 3);
    assert_eq!((found(&first), found(&other), found(&elsewhere).is_some()), (None, None, true));
}

#[tokio::test]
async fn ended_links_are_deleted_a_month_later() {
    let (_dir, store) = store();
    let (_, fresh) = store.create(&draft(1, 1), now()).unwrap().unwrap();
    let (_, just_expired) = store.create(&draft(1, 2), now() - 30 * DAY_US).unwrap().unwrap();
    let (_, old) = store.create(&draft(1, 3), now() - 60 * DAY_US).unwrap().unwrap();
    assert_eq!(store.clone().expire(1, Arc::new(ExpiryCutoffs::default())).await.unwrap(), 1);
    let is_there = |token: &str| store.find(token).unwrap().is_some();
    assert_eq!((is_there(&fresh), is_there(&just_expired), is_there(&old)), (true, true, false));
}

#[test]
fn the_number_of_working_links_is_limited() {
    let (_dir, store) = store();
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO links (hash, project, target_kind, target, messages, despite_hiding, account, created_us, expires_us)
        SELECT randomblob(32), 1, 'trace', 'x', 0, 0, 1, 0, ?2 FROM n";
    store.lock().execute(fill, params![MAX_LINKS_PER_PROJECT, now() + DAY_US]).unwrap();
    assert!(store.create(&draft(1, 1), now()).unwrap().is_none());
    assert!(store.create(&draft(2, 1), now()).unwrap().is_some());
}
