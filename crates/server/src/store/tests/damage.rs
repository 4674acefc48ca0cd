//! What is left when files are lost, cut or changed.

use super::*;

async fn filled(dir: &Path) -> Store {
    let store = Store::open(dir, small()).unwrap();
    for id in 1..=3 {
        let _ = store.append(1, vec![span(id, 1, 10), span(id, 2, 20)]).await.unwrap();
    }
    store
}

/// The one log file that holds something.
fn log_file(dir: &Path) -> std::path::PathBuf {
    let files = folder::numbered(&dir.join("log"), "log").unwrap();
    files.into_iter().map(|(_, path)| path).max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap()
}

#[tokio::test]
async fn a_torn_end_of_the_log_is_cut_and_not_told() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()).await);
    let path = log_file(dir.path());
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(length - 3).unwrap();
    for _ in 0..2 {
        let store = Store::open(dir.path(), small()).unwrap();
        assert_eq!(rows(&store.snapshot()).len(), 4);
        assert_eq!(store.stats().damaged, [""; 0]);
    }
    let store = Store::open(dir.path(), small()).unwrap();
    // What was torn off can come again.
    assert_eq!(store.append(1, vec![span(3, 1, 10), span(3, 2, 20)]).await.unwrap().stored, 2);
}

#[tokio::test]
async fn a_damaged_frame_is_set_aside_and_the_rest_is_read() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()).await);
    let path = log_file(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let at = 60;
    bytes[at] ^= 0x10;
    std::fs::write(&path, bytes).unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!(rows(&store.snapshot()).len(), 4);
    let damaged = store.stats().damaged;
    assert!(damaged.len() == 1 && damaged[0].contains("the rest was read; a copy is in"), "{damaged:?}");
    assert_eq!(std::fs::read_dir(dir.path().join("damaged")).unwrap().count(), 1);
    store.flush().await.unwrap();
    drop(store);
    assert_eq!(Store::open(dir.path(), small()).unwrap().stats().damaged, [""; 0]);
}

#[tokio::test]
async fn a_lost_side_file_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path()).await;
    store.close().await.unwrap();
    drop(store);
    let (_, segment) = folder::numbered(&dir.path().join("segments"), "parquet").unwrap().remove(0);
    std::fs::remove_file(segment.with_extension("ids")).unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!(store.append(1, vec![span(1, 1, 10)]).await.unwrap().duplicates, 1);
    assert_eq!(rows(&store.snapshot()).len(), 6);
}

#[tokio::test]
async fn a_damaged_segment_is_named_and_the_rest_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path()).await;
    store.flush().await.unwrap();
    let _ = store.append(1, vec![span(9, 1, 10)]).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let (_, segment) = folder::numbered(&dir.path().join("segments"), "parquet").unwrap().remove(0);
    let length = std::fs::metadata(&segment).unwrap().len();
    std::fs::File::options().write(true).open(&segment).unwrap().set_len(length / 2).unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!(rows(&store.snapshot()).len(), 1);
    let damaged = store.stats().damaged;
    assert!(damaged.len() == 1 && damaged[0].contains("not read"), "{damaged:?}");
    // Its spans are still known, and what comes for its traces is stored.
    let appended = store.append(1, vec![span(1, 1, 10), span(1, 3, 30)]).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (1, 1));
    assert!(segment.exists());
}

#[tokio::test]
async fn segments_without_a_manifest_are_not_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path()).await;
    store.close().await.unwrap();
    drop(store);
    for name in ["manifest.db", "manifest.db-wal", "manifest.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    let error = Store::open(dir.path(), small()).unwrap_err();
    assert!(error.to_string().contains("it is missing, and 1 segment lie"), "{error}");
}

#[tokio::test]
async fn what_no_manifest_names_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path()).await;
    store.close().await.unwrap();
    drop(store);
    let segments = dir.path().join("segments");
    for name in ["0000000099.parquet", "0000000099.ids", "0000000099.hours", "0000000098.parquet.new"] {
        std::fs::write(segments.join(name), "rest of a flush").unwrap();
    }
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!(std::fs::read_dir(&segments).unwrap().count(), 3);
    assert_eq!(rows(&store.snapshot()).len(), 6);
}

#[tokio::test]
async fn intake_stops_when_nothing_can_be_flushed_and_goes_on_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { patience: Duration::from_millis(50), ..small() }).unwrap();
    let (segments, away) = (dir.path().join("segments"), dir.path().join("away"));
    std::fs::rename(&segments, &away).unwrap();
    let mut stored = 0;
    let refused = loop {
        match store.append(1, vec![span(stored + 1, 1, 10)]).await {
            Ok(appended) => stored += appended.stored as u128,
            Err(error) => break error,
        }
    };
    assert!(matches!(&refused, StoreError::Busy { reason, .. } if reason.contains("segments")), "{refused}");
    assert_eq!(rows(&store.snapshot()).len() as u128, stored, "what is stored can be read");
    let stats = store.stats();
    assert!(stats.intake_error.is_some() && stats.background_error.is_some(), "{stats:?}");
    assert!(store.flush().await.is_err());

    std::fs::rename(&away, &segments).unwrap();
    while store.append(1, vec![span(1000, 1, 10)]).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    store.flush().await.unwrap();
    assert_eq!(rows(&store.snapshot()).len() as u128, stored + 1);
    let stats = store.stats();
    assert_eq!((stats.intake_error, stats.background_error), (None, None));
}

#[tokio::test]
async fn intake_that_failed_is_tried_again_without_a_request() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { patience: Duration::from_millis(50), ..small() }).unwrap();
    let (segments, away) = (dir.path().join("segments"), dir.path().join("away"));
    std::fs::rename(&segments, &away).unwrap();
    let mut stored = 0;
    while store.append(1, vec![span(stored + 1, 1, 10)]).await.is_ok() {
        stored += 1;
    }
    store.probe().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(store.stats().intake_error.is_some(), "nothing has changed");
    std::fs::rename(&away, &segments).unwrap();
    while store.stats().intake_error.is_some() {
        store.probe().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!dir.path().join("log/probe").exists());
    assert_eq!(store.append(1, vec![span(1000, 1, 10)]).await.unwrap().stored, 1);
}

#[tokio::test]
async fn a_segment_that_cannot_be_read_does_not_keep_others_from_being_merged() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { merge_at: 100, ..small() }).unwrap();
    for id in 1..=4 {
        let _ = store.append(1, vec![span(id, 1, 10)]).await.unwrap();
        store.flush().await.unwrap();
    }
    store.close().await.unwrap();
    drop(store);
    // The length and the end are right, the rest is not.
    let (_, segment) = folder::numbered(&dir.path().join("segments"), "parquet").unwrap().remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    let end = bytes.len() - 8;
    bytes[..end].fill(0x55);
    std::fs::write(&segment, bytes).unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    while store.stats().compactions == 0 {
        let _ = store.compact().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let stats = store.stats();
    assert_eq!((stats.segments, stats.damaged.len()), (2, 1), "{stats:?}");
}
