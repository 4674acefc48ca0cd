//! Tests with files that are lost, cut or changed.

use std::collections::BTreeMap;

use super::super::data_folder::DataDirectory;
use super::super::manifest::Manifest;
use super::*;

async fn filled(dir: &Path) -> Store {
    let store = Store::open(dir, small()).unwrap();
    for id in 1..=3 {
        let _ = store.append(1, vec![span(id, 1, 10), span(id, 2, 20)]).await.unwrap();
    }
    store
}

/// Returns the WAL file with content.
fn log_file(dir: &Path) -> std::path::PathBuf {
    let files = data_folder::numbered(&dir.join("log"), "log").unwrap();
    files.into_iter().map(|(_, path)| path).max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap()
}

#[tokio::test]
async fn torn_wal_end_is_truncated_silently() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()).await);
    // A write that a crash interrupted was not acknowledged: the start of a frame that no other follows.
    let path = log_file(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_within(20..60);
    std::fs::write(&path, bytes).unwrap();
    for _ in 0..2 {
        let store = Store::open(dir.path(), small()).unwrap();
        assert_eq!(rows(&store.snapshot()).len(), 6);
        assert_eq!(store.stats().damaged, [""; 0]);
    }
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!(store.append(1, vec![span(4, 1, 10), span(4, 2, 20)]).await.unwrap().stored, 2);
}

#[tokio::test]
async fn lost_acknowledged_frames_are_reported() {
    type Loss = fn(&Path);
    let losses: [(Loss, usize); 3] = [
        (|path| std::fs::remove_file(path).unwrap(), 0),
        (|path| std::fs::write(path, "").unwrap(), 0),
        (
            |path| {
                let length = std::fs::metadata(path).unwrap().len();
                std::fs::File::options().write(true).open(path).unwrap().set_len(length - 3).unwrap();
            },
            4,
        ),
    ];
    for (loss, left) in losses {
        let dir = tempfile::tempdir().unwrap();
        drop(filled(dir.path()).await);
        loss(&log_file(dir.path()));
        let findings = doctor::check_store(dir.path(), |_, _| {});
        let told = |severity| {
            findings.iter().any(|found| found.severity == severity && found.description.contains("were acknowledged but are missing"))
        };
        assert!(told(doctor::DoctorSeverity::Problem), "{findings:?}");
        let store = Store::open(dir.path(), small()).unwrap();
        assert_eq!(rows(&store.snapshot()).len(), left);
        let damaged = store.stats().damaged;
        assert!(damaged.last().unwrap().contains("were acknowledged but are missing"), "{damaged:?}");
        // Lost spans can be sent again, after which no damage is reported.
        let _ = store.append(1, vec![span(3, 1, 10), span(3, 2, 20)]).await.unwrap();
        store.close().await.unwrap();
        drop(store);
        assert_eq!(Store::open(dir.path(), small()).unwrap().stats().damaged, [""; 0]);
    }
}

#[tokio::test]
async fn unreadable_last_frame_is_quarantined() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let _ = store.append(1, vec![span(1, 1, 10)]).await.unwrap();
    drop(store);
    let path = log_file(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[60] ^= 0x10;
    std::fs::write(&path, bytes).unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    let damaged = store.stats().damaged;
    assert!(damaged[0].contains("a copy was saved as") && damaged[1].contains("frame 1 of the WAL"), "{damaged:?}");
    assert_eq!(std::fs::read_dir(dir.path().join("damaged")).unwrap().count(), 1);
}

#[tokio::test]
async fn damaged_frame_is_quarantined_and_others_are_read() {
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
    assert!(damaged.len() == 1 && damaged[0].contains("the rest was read; a copy was saved as"), "{damaged:?}");
    assert_eq!(std::fs::read_dir(dir.path().join("damaged")).unwrap().count(), 1);
    store.flush().await.unwrap();
    drop(store);
    assert_eq!(Store::open(dir.path(), small()).unwrap().stats().damaged, [""; 0]);
}

#[tokio::test]
async fn lost_sidecar_file_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path()).await;
    store.close().await.unwrap();
    drop(store);
    let (_, segment) = data_folder::numbered(&dir.path().join("segments"), "parquet").unwrap().remove(0);
    std::fs::remove_file(segment.with_extension("ids")).unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!(store.append(1, vec![span(1, 1, 10)]).await.unwrap().duplicates, 1);
    assert_eq!(rows(&store.snapshot()).len(), 6);
}

#[tokio::test]
async fn damaged_segment_is_reported_and_others_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path()).await;
    store.flush().await.unwrap();
    let _ = store.append(1, vec![span(9, 1, 10)]).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let (_, segment) = data_folder::numbered(&dir.path().join("segments"), "parquet").unwrap().remove(0);
    let length = std::fs::metadata(&segment).unwrap().len();
    std::fs::File::options().write(true).open(&segment).unwrap().set_len(length / 2).unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!(rows(&store.snapshot()).len(), 1);
    let damaged = store.stats().damaged;
    assert!(damaged.len() == 1 && damaged[0].contains("is not read, its file stays in place"), "{damaged:?}");
    // Its spans are still known, and new spans of its traces are stored.
    let appended = store.append(1, vec![span(1, 1, 10), span(1, 3, 30)]).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (1, 1));
    assert!(segment.exists());
}

/// Fills a directory with segments of three traces and of one, merged and not merged, and one trace in the WAL.
async fn of_some_segments(dir: &Path) -> BTreeMap<(u64, TraceId, SpanId), SpanRow> {
    let store = Store::open(dir, StoreConfig { min_merged_segments: 3, ..small() }).unwrap();
    for trace in 1..=3 {
        let _ = store.append(1, vec![span(trace, 1, 10), span(trace, 2, 20)]).await.unwrap();
        store.flush().await.unwrap();
    }
    store.compact().await.unwrap();
    // The new span changes the decisions about the first trace: a row of an older segment is superseded.
    let _ = store.append(1, vec![span(4, 1, 10), span(1, 3, 30)]).await.unwrap();
    store.flush().await.unwrap();
    let _ = store.append(1, vec![span(5, 1, 10)]).await.unwrap();
    rows(&store.snapshot())
}

fn names(folder: &Path, extension: &str) -> Vec<String> {
    let found = data_folder::numbered(folder, extension).unwrap();
    found.iter().map(|(_, path)| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn orphan_segments_are_quarantined_and_repaired() {
    type Loss = fn(&Path);
    let losses: [Loss; 5] = [
        |manifest| std::fs::write(manifest, "").unwrap(),
        |_| {},
        |manifest| drop(Manifest::open(&DataDirectory::open(manifest.parent().unwrap()).unwrap()).unwrap()),
        |manifest| std::fs::write(manifest, "no database at all, but longer than the header of one; ".repeat(20)).unwrap(),
        // A damaged header.
        |manifest| {
            drop(Manifest::open(&DataDirectory::open(manifest.parent().unwrap()).unwrap()).unwrap());
            let mut bytes = std::fs::read(manifest).unwrap();
            bytes[30..90].iter_mut().for_each(|byte| *byte ^= 0x5a);
            std::fs::write(manifest, bytes).unwrap();
        },
    ];
    for (case, loss) in losses.into_iter().enumerate() {
        for start_first in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let expected = of_some_segments(dir.path()).await;
            let segments = names(&dir.path().join("segments"), "parquet");
            assert_eq!(segments.len(), 2, "{segments:?}");
            for name in ["manifest.db", "manifest.db-wal", "manifest.db-shm"] {
                let _ = std::fs::remove_file(dir.path().join(name));
            }
            loss(&dir.path().join("manifest.db"));
            let opened = Store::open(dir.path(), small());
            match opened {
                Ok(store) if start_first => {
                    assert_eq!(rows(&store.snapshot()).len(), 1, "what the log holds");
                    let damaged = store.stats().damaged;
                    assert!(
                        damaged.len() == 1 && damaged[0].contains("2 segments quarantined because the manifest does not list them"),
                        "{damaged:?}"
                    );
                    assert_eq!(names(&dir.path().join("damaged"), "parquet"), segments);
                    // The damage is reported until something is done about it.
                    drop(store);
                    let store = Store::open(dir.path(), small()).unwrap();
                    assert_eq!(store.stats().damaged.len(), 1);
                    let problems = doctor::check_store(dir.path(), |_, _| {});
                    assert!(problems.iter().any(|found| found.description.contains("2 segments are quarantined in")), "{problems:?}");
                }
                Ok(store) => drop(store),
                Err(error) => assert!(case >= 3 && matches!(error, StoreError::Damaged { .. }), "{error}"),
            }
            let findings = repair(dir.path()).unwrap();
            assert!(findings.iter().all(|found| found.severity != doctor::DoctorSeverity::Problem), "{findings:?}");
            let store = Store::open(dir.path(), small()).unwrap();
            assert_eq!(rows(&store.snapshot()), expected, "case {case}");
            assert_eq!(store.stats().damaged, [""; 0]);
            let problems = doctor::check_store(dir.path(), |_, _| {});
            assert!(problems.iter().all(|found| found.severity != doctor::DoctorSeverity::Problem), "{problems:?}");
            assert_eq!(store.append(1, vec![span(1, 1, 10)]).await.unwrap().duplicates, 1);
        }
    }
}

#[tokio::test]
async fn older_manifest_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { min_merged_segments: 2, ..small() }).unwrap();
    let _ = store.append(1, vec![span(1, 1, 10)]).await.unwrap();
    store.flush().await.unwrap();
    let old = tempfile::tempdir().unwrap();
    store.copy_to(old.path()).await.unwrap();
    let _ = store.append(1, vec![span(2, 1, 10)]).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(store.compact().await.unwrap(), 1);
    let expected = rows(&store.snapshot());
    store.close().await.unwrap();
    drop(store);
    for name in ["manifest.db-wal", "manifest.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    std::fs::copy(old.path().join("manifest.db"), dir.path().join("manifest.db")).unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!((rows(&store.snapshot()).len(), store.stats().damaged.len()), (0, 3), "{:?}", store.stats().damaged);
    drop(store);
    repair(dir.path()).unwrap();
    assert_eq!(rows(&Store::open(dir.path(), small()).unwrap().snapshot()), expected);
}

#[tokio::test]
async fn redundant_files_of_a_crash_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path()).await;
    store.close().await.unwrap();
    let expected = rows(&store.snapshot());
    drop(store);
    let segments = dir.path().join("segments");
    let whole = std::fs::read(segments.join("0000000001.parquet")).unwrap();
    let write = |name: &str| std::fs::write(segments.join(name), &whole).unwrap();
    // Left by a merge: removed, or unfinished while its inputs are intact. A sidecar file without a segment, and a file without its final
    // name.
    ["0000000091.parquet", "0000000091.hours", "0000000092.parquet", "0000000093.ids", "0000000098.parquet.new"]
        .into_iter()
        .for_each(write);
    // Unfinished, but its inputs are missing; and one that the manifest does not know.
    ["0000000094.parquet", "0000000095.parquet"].into_iter().for_each(write);
    {
        let folder = DataDirectory::open(dir.path()).unwrap();
        let mut manifest = Manifest::open(&folder).unwrap();
        manifest.forget_files(&[91].into()).unwrap();
        manifest.begin_segment(92, &[1]).unwrap();
        manifest.begin_segment(94, &[1, 7]).unwrap();
    }
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!(names(&segments, "parquet"), ["0000000001.parquet"]);
    assert_eq!(std::fs::read_dir(&segments).unwrap().count(), 3);
    assert_eq!(names(&dir.path().join("damaged"), "parquet"), ["0000000094.parquet", "0000000095.parquet"]);
    assert_eq!(rows(&store.snapshot()), expected);
    // No number is used twice.
    let _ = store.append(1, vec![span(9, 1, 10)]).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(names(&segments, "parquet")[1], "0000000096.parquet");
}

#[tokio::test]
async fn unfinished_flush_is_removed_if_the_wal_has_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()).await);
    let before = tempfile::tempdir().unwrap();
    copy_folder(dir.path(), before.path());
    let store = Store::open(dir.path(), small()).unwrap();
    store.close().await.unwrap();
    let expected = rows(&store.snapshot());
    drop(store);
    let segment = "segments/0000000001.parquet";
    std::fs::copy(dir.path().join(segment), before.path().join(segment)).unwrap();
    let store = Store::open(before.path(), small()).unwrap();
    assert_eq!((rows(&store.snapshot()), store.stats().damaged), (expected, Vec::new()));
    assert!(!before.path().join(segment).exists());
}

#[tokio::test]
async fn a_segment_from_an_older_backup_heals() {
    let dir = tempfile::tempdir().unwrap();
    let expected = of_some_segments(dir.path()).await;
    let name = &names(&dir.path().join("segments"), "parquet")[0];
    let path = dir.path().join("segments").join(name);
    let whole = std::fs::read(&path).unwrap();
    let damage = || {
        let mut bytes = whole.clone();
        bytes[40] ^= 0x10;
        std::fs::write(&path, bytes).unwrap();
    };
    // The damaged file is replaced.
    damage();
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(rows(&Store::open(dir.path(), small()).unwrap().snapshot()), expected);
    // The intact file is added after the damaged one was taken out.
    damage();
    let findings = repair(dir.path()).unwrap();
    assert!(
        findings
            .iter()
            .any(|found| found.severity == doctor::DoctorSeverity::Problem && found.description.contains("removed from the manifest")),
        "{findings:?}"
    );
    let store = Store::open(dir.path(), small()).unwrap();
    assert!(rows(&store.snapshot()).len() < expected.len());
    assert!(dir.path().join("damaged").join(format!("{name}.damaged")).exists());
    drop(store);
    std::fs::write(&path, &whole).unwrap();
    repair(dir.path()).unwrap();
    let store = Store::open(dir.path(), small()).unwrap();
    assert_eq!((rows(&store.snapshot()), store.stats().damaged), (expected, Vec::new()));
}

#[tokio::test]
async fn ingestion_stops_without_flushes_and_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { queue_timeout: Duration::from_millis(50), ..small() }).unwrap();
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
async fn failed_ingestion_is_retried_without_a_request() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { queue_timeout: Duration::from_millis(50), ..small() }).unwrap();
    let (segments, away) = (dir.path().join("segments"), dir.path().join("away"));
    std::fs::rename(&segments, &away).unwrap();
    let mut stored = 0;
    while store.append(1, vec![span(stored + 1, 1, 10)]).await.is_ok() {
        stored += 1;
    }
    store.retry_ingestion().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(store.stats().intake_error.is_some(), "nothing has changed");
    std::fs::rename(&away, &segments).unwrap();
    while store.stats().intake_error.is_some() {
        store.retry_ingestion().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!dir.path().join("log/probe").exists());
    assert_eq!(store.append(1, vec![span(1000, 1, 10)]).await.unwrap().stored, 1);
}

#[tokio::test]
async fn unreadable_segment_does_not_block_compaction() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { min_merged_segments: 100, ..small() }).unwrap();
    for id in 1..=4 {
        let _ = store.append(1, vec![span(id, 1, 10)]).await.unwrap();
        store.flush().await.unwrap();
    }
    store.close().await.unwrap();
    drop(store);
    // The length and the end are right, the rest is not.
    let (_, segment) = data_folder::numbered(&dir.path().join("segments"), "parquet").unwrap().remove(0);
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

#[tokio::test]
async fn ingestion_stops_at_the_disk_reserve_and_resumes() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static FREE_BYTES: AtomicU64 = AtomicU64::new(1000);
    let dir = tempfile::tempdir().unwrap();
    let config =
        StoreConfig { reserve_bytes: 1000, free_bytes: |_| Some(FREE_BYTES.load(Ordering::Relaxed)), min_merged_segments: 2, ..small() };
    let store = Store::open(dir.path(), config).unwrap();
    let _ = store.append(1, vec![span(1, 1, 10)]).await.unwrap();
    FREE_BYTES.store(999, Ordering::Relaxed);
    let error = store.append(1, vec![span(2, 1, 10)]).await.unwrap_err();
    assert!(matches!(error, StoreError::DiskLow { free: 999, reserve: 1000, .. }), "{error}");
    assert!(store.stats().intake_error.unwrap().contains("below the reserve"));
    // Stored spans are still written as a segment.
    store.flush().await.unwrap();
    assert_eq!((store.stats().segments, rows(&store.snapshot()).len()), (1, 1));
    FREE_BYTES.store(1000, Ordering::Relaxed);
    assert_eq!(store.stats().intake_error, None);
    assert_eq!(store.append(1, vec![span(2, 1, 10)]).await.unwrap().stored, 1);
    // Merges wait until there is space for their output.
    store.flush().await.unwrap();
    FREE_BYTES.store(500, Ordering::Relaxed);
    assert_eq!((store.compact().await.unwrap(), store.stats().segments), (0, 2));
}

#[tokio::test]
async fn bit_flips_in_a_segment_are_found_and_others_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreConfig { min_merged_segments: 100, ..small() }).unwrap();
    for trace in 1..=3 {
        let _ = store.append(1, vec![span(trace, 1, 10), span(trace, 2, 20)]).await.unwrap();
        store.flush().await.unwrap();
    }
    assert_eq!(store.quarantine_damaged().await.unwrap(), 0);
    let (_, segment) = data_folder::numbered(&dir.path().join("segments"), "parquet").unwrap().remove(1);
    let whole = std::fs::read(&segment).unwrap();
    for at in [4, whole.len() / 2, whole.len() - 9] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&segment, bytes).unwrap();
        let (live, found) = {
            let state = state::lock(&store.shared.state);
            (state.segments[1].segment.clone(), segment::checksum::check_segment(&state.segments[1].segment))
        };
        assert!(found.is_err(), "byte {at} of {}", live.location.display());
        // A file without a checksum is decoded, which cannot detect damage in the names of columns.
        let findings = doctor::check_store(dir.path(), |_, _| {});
        let problems: Vec<_> = findings.iter().filter(|finding| finding.severity == doctor::DoctorSeverity::Problem).collect();
        assert!(problems.len() == 1 && problems[0].description.contains("0000000002.parquet"), "{problems:?}");
    }
    state::lock(&store.shared.health.last_full_check).take();
    assert_eq!(store.quarantine_damaged().await.unwrap(), 1);
    let traces: Vec<u128> = rows(&store.snapshot()).into_keys().map(|key| key.1.0).collect();
    assert_eq!(traces, [1, 1, 3, 3]);
    let damaged = store.stats().damaged;
    assert!(damaged.len() == 1 && damaged[0].contains("is not read, its file stays in place"), "{damaged:?}");
    let _ = store.append(1, vec![span(4, 1, 10)]).await.unwrap();
}

#[tokio::test]
async fn doctor_reports_wal_damage() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()).await);
    let said = |severity| -> Vec<String> {
        let findings = doctor::check_store(dir.path(), |_, _| {});
        findings.into_iter().filter(|finding| finding.severity == severity).map(|finding| finding.description).collect()
    };
    assert_eq!(said(doctor::DoctorSeverity::Problem), [""; 0]);
    let path = log_file(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[60] ^= 0x10;
    bytes.truncate(bytes.len() - 1);
    std::fs::write(&path, bytes).unwrap();
    let problems = said(doctor::DoctorSeverity::Problem);
    assert!(problems[0].contains("cannot be read"), "{problems:?}");
    assert!(problems[1].contains("incomplete frame at the end"), "{problems:?}");
    assert!(problems[2].contains("frames 1 to 1 of the WAL are missing"), "{problems:?}");
    assert!(problems[3].contains("frames 3 to 3 of the WAL were acknowledged"), "{problems:?}");
    std::fs::write(dir.path().join("segments/0000000077.ids"), "rest of a flush").unwrap();
    assert!(said(doctor::DoctorSeverity::Note).iter().any(|note| note.contains("1 files in segments/ do not belong to a segment")));
}
