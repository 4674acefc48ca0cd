use std::sync::Arc;

use super::*;

const NOW_US: i64 = 1_795_510_800_000_000;

fn draft(kind: ForwardType) -> ForwardDraft {
    ForwardDraft { kind, url: "https://x.example/1".into(), key: Some(ForwardKey::new("secret")), enabled: true }
}

fn request(protocol: ForwardedProtocol, body: &str) -> ForwardedRequest {
    ForwardedRequest { protocol, content_type: "application/json".into(), hops: String::new(), body: body.to_owned().into() }
}

fn envelope(body: &str) -> ForwardedRequest {
    request(ForwardedProtocol::Sentry("envelope".into()), body)
}

async fn due_for(store: &ForwardStore, target: i64, now_us: i64) -> Vec<DueForward> {
    store.due_for(target, now_us, 10, 1 << 20).await.unwrap()
}

async fn state(store: &ForwardStore) -> Vec<(u64, u64, u64)> {
    store.list(1).await.unwrap().into_iter().map(|(_, state)| (state.queued, state.delivered, state.failed)).collect()
}

#[tokio::test]
async fn requests_wait_for_each_target_of_their_protocol_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = ForwardStore::open(dir.path(), SecretCipher::default()).unwrap();
    assert!(store.enabled(1).is_none());
    store.enqueue(1, envelope("nobody wants it"), NOW_US).await;
    let sentry = store.create(1, draft(ForwardType::Sentry), NOW_US).await.unwrap().unwrap();
    store.create(1, draft(ForwardType::Otlp), NOW_US).await.unwrap().unwrap();
    store.enqueue(1, envelope("first"), NOW_US).await;
    store.enqueue(1, envelope("first"), NOW_US).await;
    store.enqueue(1, envelope("second"), NOW_US + 1).await;
    store.enqueue(1, request(ForwardedProtocol::Otlp("metrics".into()), "first"), NOW_US).await;
    store.enqueue(2, envelope("another project"), NOW_US).await;
    assert_eq!(state(&store).await, [(2, 0, 0), (1, 0, 0)], "a repeat is not queued again");
    let instance = store.hop(1);
    store.close().await;
    drop(store);

    let store = Arc::new(ForwardStore::open(dir.path(), SecretCipher::default()).unwrap());
    assert_eq!(store.hop(1), instance);
    let mut due = due_for(&store, sentry, NOW_US).await;
    due.extend(due_for(&store, sentry + 1, NOW_US).await);
    let bodies: Vec<_> = due.iter().map(|due| (due.forward.id, String::from_utf8_lossy(&due.request.body).into_owned())).collect();
    assert_eq!(bodies, [(sentry, "first".into()), (sentry, "second".into()), (sentry + 1, "first".into())]);
    store.finish_attempt(sentry, due[0].request_id, ForwardResult::Delivered, NOW_US).await.unwrap();
    let later = ForwardResult::Retry { due_us: NOW_US + 5, error: "HTTP 503".into() };
    store.finish_attempt(sentry, due[1].request_id, later, NOW_US).await.unwrap();
    let gone = ForwardResult::Failed { error: "HTTP 400".into() };
    store.finish_attempt(sentry + 1, due[2].request_id, gone, NOW_US).await.unwrap();
    assert_eq!(state(&store).await, [(1, 1, 0), (0, 0, 1)]);
    assert_eq!(store.list(1).await.unwrap()[0].1.last_error.as_deref(), Some("HTTP 503"));
    assert_eq!((due_for(&store, sentry, NOW_US).await, store.next_due().await.unwrap()), (vec![], vec![(sentry, NOW_US + 5)]));
    assert_eq!(due_for(&store, sentry, NOW_US + 5).await[0].attempts, 1);

    assert_eq!(store.expire_requests(NOW_US + queue::MAX_AGE_US + 2).await.unwrap(), 1);
    assert_eq!(state(&store).await, [(0, 1, 1), (0, 0, 1)]);
    store.enqueue(1, envelope("first"), NOW_US + queue::MAX_AGE_US + 2).await;
    assert_eq!(state(&store).await[0].0, 1, "after an hour, equal bodies are different requests");
}

#[tokio::test]
async fn bodies_are_deleted_when_no_target_waits_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = ForwardStore::open(dir.path(), SecretCipher::default()).unwrap();
    let first = store.create(1, draft(ForwardType::Sentry), NOW_US).await.unwrap().unwrap();
    let second = store.create(1, draft(ForwardType::Sentry), NOW_US).await.unwrap().unwrap();
    store.enqueue(1, envelope("text"), NOW_US).await;
    let bodies = || store.database.read(|t| t.query_row("SELECT count(body) FROM requests", (), |row| row.get::<_, i64>(0)));
    let request = due_for(&store, first, NOW_US).await[0].request_id;
    store.finish_attempt(first, request, ForwardResult::Delivered, NOW_US).await.unwrap();
    assert_eq!(bodies().await.unwrap(), 1);
    assert!(!store.delete(2, second).await.unwrap(), "a target of another project");
    assert!(store.delete(1, second).await.unwrap());
    assert_eq!(bodies().await.unwrap(), 0);
    let bytes = store.database.read(|t| t.query_row("SELECT bytes FROM queue_size", (), |row| row.get::<_, i64>(0)));
    assert_eq!(bytes.await.unwrap(), 0);
}

#[tokio::test]
async fn a_disabled_target_gets_nothing_and_keeps_its_key_when_it_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let store = ForwardStore::open(dir.path(), SecretCipher::default()).unwrap();
    let id = store.create(1, draft(ForwardType::Sentry), NOW_US).await.unwrap().unwrap();
    store.enqueue(1, envelope("waits"), NOW_US).await;
    let disabled = ForwardDraft { key: None, enabled: false, ..draft(ForwardType::Sentry) };
    assert!(store.update(1, id, disabled.clone()).await.unwrap());
    store.enqueue(1, envelope("is not taken"), NOW_US).await;
    assert_eq!((due_for(&store, id, NOW_US).await.len(), state(&store).await), (0, vec![(1, 0, 0)]));
    store.update(1, id, ForwardDraft { enabled: true, ..disabled }).await.unwrap();
    let due = due_for(&store, id, NOW_US).await;
    assert_eq!((due.len(), due[0].forward.key.reveal()), (1, "secret"));
    assert!(!format!("{due:?}").contains("secret"), "a key in a log");
    for _ in 1..MAX_FORWARDS {
        assert!(store.create(1, draft(ForwardType::Otlp), NOW_US).await.unwrap().is_some());
    }
    assert!(store.create(1, draft(ForwardType::Otlp), NOW_US).await.unwrap().is_none());
}

#[tokio::test]
async fn a_request_that_cannot_be_written_counts_as_failed() {
    let dir = tempfile::tempdir().unwrap();
    let store = ForwardStore::open(dir.path(), SecretCipher::default()).unwrap();
    store.create(1, draft(ForwardType::Sentry), NOW_US).await.unwrap();
    store.close().await;
    store.enqueue(1, envelope("text"), NOW_US).await;
    assert_eq!(state(&store).await, [(0, 0, 1)]);
}
