//! A backup comes back whole, or not at all.

use std::io::Cursor;

use super::*;
use crate::store::StoreConfig;
use crate::store::tests::{rows, span};

async fn filled(data: &Path) -> Store {
    let store = Store::open(data, StoreConfig::default()).unwrap();
    for trace in 1..=5 {
        let _ = store.append(1, vec![span(trace, 1, 10), span(trace, 2, 20)]).await.unwrap();
        if trace == 3 {
            store.flush().await.unwrap();
        }
    }
    drop(sqlite::open(&data.join("scores.db"), &["CREATE TABLE a (x); INSERT INTO a VALUES (7);"]).unwrap());
    store
}

async fn archive(store: &Store, data: &Path) -> Vec<u8> {
    let plan = plan(store, data).await.unwrap();
    let mut bytes = Vec::new();
    plan.write(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, plan.length().unwrap());
    bytes
}

#[tokio::test]
async fn all_that_was_stored_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (data, other) = (dir.path().join("data"), dir.path().join("other"));
    let store = filled(&data).await;
    let bytes = archive(&store, &data).await;
    let left: Vec<_> =
        std::fs::read_dir(&data).unwrap().filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.')).collect();
    assert!(left.is_empty(), "{left:?}");
    let restored = restore(Path::new("-"), || Ok(Box::new(Cursor::new(bytes.clone()))), &other).unwrap();
    assert_eq!(restored.contents.spans, 10);
    let expected = rows(&store.snapshot());
    let again = Store::open(&other, StoreConfig::default()).unwrap();
    assert_eq!(rows(&again.snapshot()), expected);
    let x: i64 = sqlite::open_reader(&other.join("scores.db")).unwrap().query_row("SELECT x FROM a", [], |row| row.get(0)).unwrap();
    assert_eq!(x, 7);
    // What goes on afterwards is stored under new numbers.
    let _ = again.append(1, vec![span(9, 1, 10), span(1, 1, 10)]).await.unwrap();
    again.flush().await.unwrap();
    assert_eq!(rows(&again.snapshot()).len(), 11);

    check_finished(&other).unwrap_err();
    finish(&other).unwrap();
    check_finished(&other).unwrap();
    let refused = restore(Path::new("-"), || Ok(Box::new(Cursor::new(bytes.clone()))), &other).unwrap_err();
    assert!(refused.to_string().contains("is not empty"), "{refused}");
    let (folder, third) = (dir.path().join("folder"), dir.path().join("third"));
    unpack(Cursor::new(&bytes), &folder).unwrap();
    restore(&folder, || bail!("it is a folder"), &third).unwrap();
    assert_eq!(rows(&Store::open(&third, StoreConfig::default()).unwrap().snapshot()), expected);
}

#[tokio::test]
async fn what_is_cut_off_or_changed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let bytes = archive(&filled(&data).await, &data).await;
    verify(Cursor::new(&bytes)).unwrap();
    for cut in [0, 100, 700, 3000, bytes.len() / 2, bytes.len() - 1600] {
        assert!(verify(Cursor::new(&bytes[..cut])).is_err(), "cut at {cut}");
    }
    let list = String::from_utf8_lossy(&bytes[512..6000]).into_owned();
    assert!(list.contains("\"manifest.db\""), "{list}");
    let whole = bytes.clone();
    // In the middle of each of the larger files.
    for at in [bytes.len() / 3, bytes.len() / 2] {
        let mut bytes = bytes.clone();
        bytes[at..at + 600].iter_mut().for_each(|byte| *byte ^= 0xff);
        let other = dir.path().join(format!("changed at {at}"));
        assert!(restore(Path::new("-"), || Ok(Box::new(Cursor::new(bytes.clone()))), &other).is_err(), "changed at {at}");
        assert!(check_finished(&other).unwrap_err().to_string().contains("run `hinomi restore`"));
        // The same folder takes a backup that is whole.
        restore(Path::new("-"), || Ok(Box::new(Cursor::new(whole.clone()))), &other).unwrap();
        finish(&other).unwrap();
        assert_eq!(rows(&Store::open(&other, StoreConfig::default()).unwrap().snapshot()).len(), 10);
    }
    assert!(verify(Cursor::new(b"no archive at all")).unwrap_err().to_string().contains("no backup"));
    let mut archive = tar::Builder::new(Vec::new());
    let list = br#"{"format":1,"version":"0","created_at":"","spans":0,"files":[{"name":"../evil","bytes":1,"crc32c":0}]}"#;
    append(&mut archive, LIST, list.len() as u64, list.as_slice()).unwrap();
    let error = verify(Cursor::new(archive.into_inner().unwrap())).unwrap_err();
    assert!(error.to_string().contains("../evil"), "{error}");
}
