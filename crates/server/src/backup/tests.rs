//! Tests that a backup is restored completely or not at all.

use std::io::Cursor;

use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::span::Span;
use hinomi_store::StoreConfig;

use super::*;
use crate::test_rows::rows;

fn span(trace: u128, id: u64, start_us: i64) -> Span {
    Span { trace_id: TraceId(trace), span_id: SpanId(id), start_us, end_us: start_us + 5, ..Span::default() }
}

async fn filled(data: &Path) -> Store {
    let store = Store::open(data, StoreConfig::default()).unwrap();
    for trace in 1..=5 {
        let _ = store.append(1, vec![span(trace, 1, 10), span(trace, 2, 20)]).await.unwrap();
        if trace == 3 {
            store.flush().await.unwrap();
        }
    }
    drop(hinomi_tables::database::open(&data.join("scores.db"), &["CREATE TABLE a (x); INSERT INTO a VALUES (7);"]).unwrap());
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
async fn backup_restores_all_stored_data() {
    let dir = tempfile::tempdir().unwrap();
    let (data, other) = (dir.path().join("data"), dir.path().join("other"));
    let store = filled(&data).await;
    let bytes = archive(&store, &data).await;
    let left: Vec<_> =
        std::fs::read_dir(&data).unwrap().filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.')).collect();
    assert!(left.is_empty(), "{left:?}");
    let restored = restore(Path::new("-"), || Ok(Box::new(Cursor::new(bytes.clone()))), &other, MissingFilePolicy::Refused).unwrap();
    assert_eq!(restored.contents.spans, 10);
    let expected = rows(&store.snapshot());
    let again = Store::open(&other, StoreConfig::default()).unwrap();
    assert_eq!(rows(&again.snapshot()), expected);
    let x: i64 =
        hinomi_tables::database::open_reader(&other.join("scores.db")).unwrap().query_row("SELECT x FROM a", [], |row| row.get(0)).unwrap();
    assert_eq!(x, 7);
    // New segments get new numbers.
    let _ = again.append(1, vec![span(9, 1, 10), span(1, 1, 10)]).await.unwrap();
    again.flush().await.unwrap();
    assert_eq!(rows(&again.snapshot()).len(), 11);

    check_finished(&other).unwrap_err();
    finish(&other).unwrap();
    check_finished(&other).unwrap();
    let refused = restore(Path::new("-"), || Ok(Box::new(Cursor::new(bytes.clone()))), &other, MissingFilePolicy::Refused).unwrap_err();
    assert!(refused.to_string().contains("is not empty"), "{refused}");
    let (folder, third) = (dir.path().join("folder"), dir.path().join("third"));
    unpack(Cursor::new(&bytes), &folder).unwrap();
    restore(&folder, || bail!("it is a folder"), &third, MissingFilePolicy::Refused).unwrap();
    assert_eq!(rows(&Store::open(&third, StoreConfig::default()).unwrap().snapshot()), expected);
}

#[tokio::test]
async fn truncated_or_changed_backup_is_rejected() {
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
    // The damage is inside each of the larger files.
    for at in [bytes.len() / 3, bytes.len() / 2] {
        let mut bytes = bytes.clone();
        bytes[at..at + 600].iter_mut().for_each(|byte| *byte ^= 0xff);
        let other = dir.path().join(format!("changed at {at}"));
        assert!(
            restore(Path::new("-"), || Ok(Box::new(Cursor::new(bytes.clone()))), &other, MissingFilePolicy::Refused).is_err(),
            "changed at {at}"
        );
        assert!(check_finished(&other).unwrap_err().to_string().contains("run `hinomi restore`"));
        // A complete backup can be restored into the same directory.
        restore(Path::new("-"), || Ok(Box::new(Cursor::new(whole.clone()))), &other, MissingFilePolicy::Refused).unwrap();
        finish(&other).unwrap();
        assert_eq!(rows(&Store::open(&other, StoreConfig::default()).unwrap().snapshot()).len(), 10);
    }
    assert!(verify(Cursor::new(b"no archive at all")).unwrap_err().to_string().contains("not a backup"));
    let mut archive = tar::Builder::new(Vec::new());
    let list = br#"{"format":1,"version":"0","created_at":"","spans":0,"files":[{"name":"../evil","bytes":1,"crc32c":0}]}"#;
    append(&mut archive, CONTENTS_FILE, list.len() as u64, list.as_slice()).unwrap();
    let error = verify(Cursor::new(archive.into_inner().unwrap())).unwrap_err();
    assert!(error.to_string().contains("../evil"), "{error}");
}

#[tokio::test]
async fn missing_or_damaged_files_are_skipped_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let (data, good) = (dir.path().join("data"), dir.path().join("good"));
    let store = filled(&data).await;
    unpack(Cursor::new(archive(&store, &data).await), &good).unwrap();
    let expected = rows(&store.snapshot());
    let path = data.join("segments/0000000001.parquet");
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[40] ^= 0x10;
    type Damage<'a> = Box<dyn Fn() + 'a>;
    let damages: [(&str, Damage); 2] = [
        ("flipped", Box::new(|| std::fs::write(&path, &flipped).unwrap())),
        ("missing", Box::new(|| std::fs::remove_file(&path).unwrap())),
    ];
    drop(store);
    for (case, damage) in damages {
        let store = Store::open(&data, StoreConfig::default()).unwrap();
        damage();
        let bytes = archive(&store, &data).await;
        let contents = verify(Cursor::new(&bytes)).unwrap();
        assert_eq!(
            (contents.spans, contents.missing[0].name.as_str(), contents.missing[0].spans),
            (4, "segments/0000000001.parquet", 6),
            "{case}"
        );
        let of = |name: &str| dir.path().join(format!("{name} {case}"));
        let refused =
            restore(Path::new("-"), || Ok(Box::new(Cursor::new(bytes.clone()))), &of("refused"), MissingFilePolicy::Refused).unwrap_err();
        assert!(
            refused.to_string().contains("0000000001.parquet with 6 spans") && refused.to_string().contains("--allow-missing"),
            "{refused}"
        );
        let restored =
            restore(Path::new("-"), || Ok(Box::new(Cursor::new(bytes.clone()))), &of("taken"), MissingFilePolicy::Allowed).unwrap();
        assert!(restored.missing.len() == 1 && restored.missing[0].contains("0000000001.parquet"), "{:?}", restored.missing);
        let again = Store::open(&of("taken"), StoreConfig::default()).unwrap();
        assert_eq!((rows(&again.snapshot()).len(), again.stats().damaged.is_empty()), (4, false));
        drop(again);
        // The same file from an older backup repairs both.
        std::fs::copy(good.join("segments/0000000001.parquet"), of("taken").join("segments/0000000001.parquet")).unwrap();
        let again = Store::open(&of("taken"), StoreConfig::default()).unwrap();
        assert_eq!((rows(&again.snapshot()), again.stats().damaged), (expected.clone(), Vec::new()));
        drop(store);
        std::fs::write(&path, &whole).unwrap();
    }
}

#[tokio::test]
async fn readable_part_of_a_damaged_backup_is_restored() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let bytes = archive(&filled(&data).await, &data).await;
    let taken = |name: &str, bytes: &[u8]| {
        let (bytes, other) = (bytes.to_vec(), dir.path().join(name));
        let restored = restore(Path::new("-"), move || Ok(Box::new(Cursor::new(bytes))), &other, MissingFilePolicy::Allowed)?;
        anyhow::Ok((restored.missing.len(), rows(&Store::open(&other, StoreConfig::default())?.snapshot()).len()))
    };
    assert_eq!(taken("whole", &bytes).unwrap(), (0, 10));
    let mut missing = 0;
    for (case, at) in [bytes.len() - 4000, bytes.len() * 2 / 3].into_iter().enumerate() {
        let (lacks, spans) = taken(&format!("cut {case}"), &bytes[..at]).unwrap();
        assert!(lacks > missing && spans <= 10, "cut at {at}: {lacks} {spans}");
        missing = lacks;
    }
    // Without the manifest nothing can be restored.
    assert!(taken("nothing", &bytes[..4000]).is_err());
}
