//! Behavior when the disk is full, the database is locked, or the program has a defect.

use std::time::Duration;

use rusqlite::Connection;

use super::*;

impl ErrorStore {
    /// Lends the connection of the writing thread, after what is queued.
    async fn lend(&self, borrow: impl FnOnce(&mut Connection) + Send + 'static) {
        assert!(self.commands.as_ref().unwrap().send(ErrorWriterCommand::LendConnection(Box::new(borrow))).await.is_ok());
    }
}

/// Blocks the writing thread until something is sent. It has taken nothing else from its queue.
async fn hold_up(errors: &ErrorStore) -> std::sync::mpsc::Sender<()> {
    let (go, wait) = std::sync::mpsc::channel();
    let (begin, begun) = oneshot::channel();
    let stop = move |_: &mut Connection| {
        begin.send(()).unwrap();
        wait.recv().unwrap();
    };
    errors.lend(stop).await;
    begun.await.unwrap();
    go
}

/// Waits until this many commands are queued for the writing thread, which is blocked meanwhile.
async fn until_queued(errors: &ErrorStore, commands: usize) {
    let queue = errors.commands.as_ref().unwrap();
    while queue.max_capacity() - queue.capacity() < commands {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn full_disk_rejects_and_ingestion_resumes() {
    let (_dir, errors) = store();
    assert_eq!(stored(&errors, 1, vec![event(1, 1, 1)]).await, (1, 0));
    errors.lend(|connection| connection.execute_batch("PRAGMA max_page_count = 1").unwrap()).await;
    let large = || ErrorEvent { value: "x".repeat(100_000), ..event(2, 2, 2) };
    for _ in 0..2 {
        let error = errors.append(1, 0, vec![large()]).await.unwrap_err();
        assert!(matches!(error, ErrorStoreError::DiskFull { .. }), "{error}");
        assert!(!error.is_users());
    }
    assert_eq!(errors.count(1, ErrorEventFilter::all_events()).await.unwrap(), 1, "what is there can be read");
    errors.lend(|connection| connection.execute_batch("PRAGMA max_page_count = 1000000").unwrap()).await;
    assert_eq!(stored(&errors, 1, vec![large(), event(3, 1, 3)]).await, (2, 0));
    assert_eq!(ids(&listed(&errors, "first_seen", ErrorEventFilter::all_events()).await), [1, 2]);
}

#[tokio::test]
async fn locked_database_rejects_and_ingestion_resumes() {
    let (dir, errors) = store();
    errors.lend(|connection| connection.busy_timeout(Duration::from_millis(20)).unwrap()).await;
    let other = Connection::open(dir.path().join("errors.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = errors.append(1, 0, vec![event(1, 1, 1)]).await.unwrap_err();
    assert!(matches!(error, ErrorStoreError::Busy { .. }), "{error}");
    assert_eq!(errors.count(1, ErrorEventFilter::all_events()).await.unwrap(), 0);
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(stored(&errors, 1, vec![event(1, 1, 1)]).await, (1, 0));
}

#[tokio::test]
async fn failed_request_does_not_fail_its_group() {
    let (_dir, errors) = store();
    let errors = Arc::new(errors);
    let go = hold_up(&errors).await;
    // All of these form one group.
    let tasks: Vec<_> = (0..6u32)
        .map(|id| {
            let errors = errors.clone();
            tokio::spawn(async move {
                if id == 3 {
                    errors.request_write(ErrorWriteOperation::Panic).await.map(|_| 0)
                } else {
                    Ok(stored(&errors, 1, vec![event(id, 1, 1)]).await.0)
                }
            })
        })
        .collect();
    until_queued(&errors, 6).await;
    go.send(()).unwrap();
    for (id, task) in tasks.into_iter().enumerate() {
        let answer = task.await.unwrap();
        assert_eq!(answer.is_err(), id == 3, "{answer:?}");
    }
    assert_eq!(stored(&errors, 1, vec![event(9, 1, 1)]).await, (1, 0), "the thread lives");
    assert_eq!(errors.count(1, ErrorEventFilter::all_events()).await.unwrap(), 6);
}

#[tokio::test]
async fn waiting_requests_share_a_transaction() {
    let (_dir, errors) = store();
    let errors = Arc::new(errors);
    errors.lend(|connection| connection.execute_batch("PRAGMA max_page_count = 1").unwrap()).await;
    let go = hold_up(&errors).await;
    let tasks: Vec<_> = (0..50u32)
        .map(|id| {
            let errors = errors.clone();
            // All but one would fit into the existing pages.
            let value = "x".repeat(if id == 49 { 100_000 } else { 1 });
            tokio::spawn(async move { errors.append(1, 0, vec![ErrorEvent { value, ..event(id, 1, 1) }]).await })
        })
        .collect();
    until_queued(&errors, 50).await;
    go.send(()).unwrap();
    for task in tasks {
        assert!(matches!(task.await.unwrap(), Err(ErrorStoreError::DiskFull { .. })));
    }
    assert_eq!(stored(&errors, 1, vec![event(1, 1, 1)]).await, (1, 0));
}

#[test]
fn newer_format_is_untouched() {
    let dir = tempfile::tempdir().unwrap();
    drop(ErrorStore::open(dir.path()).unwrap());
    Connection::open(dir.path().join("errors.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = ErrorStore::open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("newer version of Hinomi (format 99"), "{error}");
}
