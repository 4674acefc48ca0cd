//! Each storage of segments keeps the promises of the trait, and a store works with each.

use std::path::Path;

use hinomi_model::span::Span;

use super::memory::MemorySegmentStorage;
use super::*;
use crate::data_folder::DataDirectory;
use crate::tests::{before, rows, small, span};
use crate::{SpanAppendResult, Store, StoreConfig};

/// Returns one storage of each implementation, with a data directory.
fn all_of(root: &Path) -> [(Arc<dyn SegmentStorage>, PathBuf); 2] {
    let (local, other) = (root.join("local"), root.join("memory"));
    [(Arc::new(LocalSegmentStorage::new(&local).unwrap()), local), (MemorySegmentStorage::shared(), other)]
}

fn name(segment: u64, kind: SegmentObjectKind) -> SegmentObject {
    SegmentObject { segment, kind }
}

fn put(storage: &dyn SegmentStorage, object: SegmentObject, bytes: &[u8]) {
    let location = storage.location(object);
    storage.put(object, &mut |file| file.write_all(bytes).map_err(StoreError::io_error("write", &location))).unwrap();
}

#[test]
fn an_object_is_written_completely_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    for (storage, root) in all_of(dir.path()) {
        drop(DataDirectory::open(&root).unwrap());
        for kind in SegmentObjectKind::ALL {
            let object = name(7, kind);
            assert_eq!(storage.open(object).unwrap_err().kind(), io::ErrorKind::NotFound);
            put(&*storage, object, b"0123456789");
            let failed = storage.put(object, &mut |file| {
                file.write_all(b"other").unwrap();
                Err(StoreError::Closed)
            });
            assert!(matches!(failed, Err(StoreError::Closed)));
            let reader = storage.open(object).unwrap();
            let mut part = [0; 4];
            reader.read_exact_at(&mut part, 3).unwrap();
            assert_eq!((&part, reader.length().unwrap(), storage.stat(object).unwrap().bytes), (b"3456", 10, 10));
            assert_eq!(reader.read_exact_at(&mut part, 8).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            let mut rest = String::new();
            SequentialObjectReader::from_position(reader.clone(), 6).read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "6789");
            // A reader survives the object.
            storage.delete(object).unwrap();
            assert_eq!(storage.delete(object).unwrap_err().kind(), io::ErrorKind::NotFound);
            reader.read_exact_at(&mut part, 0).unwrap();
            assert_eq!(&part, b"0123");
        }
        assert_eq!(storage.list().unwrap(), []);
    }
}

#[test]
fn segments_in_quarantine_are_found_and_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    for (storage, root) in all_of(dir.path()) {
        drop(DataDirectory::open(&root).unwrap());
        let write = |text: &str| SegmentObjectKind::ALL.map(|kind| put(&*storage, name(7, kind), text.as_bytes()));
        for (text, reason) in [("one", QuarantineReason::Unlisted), ("two", QuarantineReason::Unlisted), ("bad", QuarantineReason::Damaged)]
        {
            write(text);
            storage.set_aside(7, reason).unwrap();
            assert_eq!(storage.list().unwrap(), []);
        }
        let found = storage.quarantined().unwrap();
        assert_eq!(found.iter().map(|quarantined| quarantined.segment).collect::<Vec<_>>(), [7, 7]);
        let texts = found.iter().map(|quarantined| {
            let mut text = String::new();
            let object = storage.open_quarantined(quarantined).unwrap();
            SequentialObjectReader::from_position(object, 0).read_to_string(&mut text).unwrap();
            text
        });
        let mut texts: Vec<String> = texts.collect();
        storage.take_back(&found[0], 9).unwrap();
        let back = SegmentObjects::of(&storage, 9).read(SegmentObjectKind::Parquet).unwrap();
        assert_eq!(texts[0].as_bytes(), back);
        assert_eq!((storage.list().unwrap(), storage.quarantined().unwrap().len()), (vec![name(9, SegmentObjectKind::Parquet)], 1));
        texts.sort();
        assert_eq!(texts, ["one", "two"]);
    }
}

#[test]
fn a_file_name_is_that_of_one_object() {
    let object = name(42, SegmentObjectKind::Rollup);
    assert_eq!((object.to_string().as_str(), SegmentObject::from_file_name("0000000042.hours")), ("0000000042.hours", Some(object)));
    for other in ["42.hours", "0000000042.hours.new", "0000000042.2.parquet", "0000000042.log", "last", "000000004x.ids"] {
        assert_eq!(SegmentObject::from_file_name(other), None, "{other}");
    }
}

/// Writes, reads, merges, sweeps and reopens segments.
#[tokio::test]
async fn a_store_works_with_each_storage() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig { unindexed_age: Duration::ZERO, ..small() };
    let mut results = Vec::new();
    for (storage, root) in all_of(dir.path()) {
        let open = || Store::open_with_segments(&root, config.clone(), storage.clone()).unwrap();
        let mut store = open();
        for trace in 1..=4 {
            let _ = store.append(1, vec![span(trace, 1, 10), span(trace, 2, 20)]).await.unwrap();
            store.flush().await.unwrap();
        }
        store.compact().await.unwrap();
        assert!(store.snapshot().segments.len() < 4);
        // A row of an older segment is superseded.
        let appended = store.append(1, vec![span(2, 3, 30)]).await.unwrap();
        assert_eq!(appended, SpanAppendResult { stored: 1, corrected: 2, ..SpanAppendResult::default() });
        let expected = rows(&store.snapshot());
        drop(store);
        store = open();
        assert_eq!((rows(&store.snapshot()), store.stats().damaged), (expected, Vec::new()));
        assert_eq!(store.append(1, vec![span(1, 1, 10)]).await.unwrap().duplicates, 1);

        let swept = store.apply_sweep(before(1, 15)).await.unwrap();
        assert_eq!((swept.spans, swept.still_read.len()), (4, 0));
        assert!(swept.segment_files.iter().all(|file| storage.stat(*file).is_err()), "{swept:?}");
        store.compact().await.unwrap();
        let snapshot = store.snapshot();
        for view in &snapshot.segments {
            assert!(view.segment.rollup().is_some() && view.segment.rows_holding("no such text").is_some(), "{view:?}");
        }
        let checkpoint = store.copy_to(tempfile::tempdir().unwrap().path()).await.unwrap();
        for file in &checkpoint.files {
            let mut bytes = Vec::new();
            file.open().unwrap().read_to_end(&mut bytes).unwrap();
            assert_eq!(file.length_and_crc().unwrap(), (bytes.len() as u64, crc32c::crc32c(&bytes)), "{}", file.name());
        }
        store.close().await.unwrap();
        let names: Vec<String> = storage.list().unwrap().iter().map(SegmentObject::to_string).collect();
        drop((store, snapshot, checkpoint));

        // A segment that the manifest does not list is quarantined, and its spans are not shown.
        let lost: Vec<Span> = rows(&open().snapshot()).into_values().map(|row| row.span).collect();
        for beside in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(root.join(format!("manifest.db{beside}")));
        }
        let store = open();
        assert_eq!((rows(&store.snapshot()).len(), store.stats().damaged.len()), (0, 1));
        assert!(!storage.quarantined().unwrap().is_empty());
        results.push((lost, names));
    }
    assert!(!results[0].0.is_empty());
    assert_eq!(results[0], results[1], "both storages hold the same");
    assert_eq!(std::fs::read_dir(dir.path().join("memory/segments")).unwrap().count(), 0, "nothing is on the disk");
}
