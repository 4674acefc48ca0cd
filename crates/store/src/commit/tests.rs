use std::sync::mpsc::channel;

use super::super::maintenance::flush;
use super::super::prepared_append::{AppendResultReceiver, prepare_append};
use super::super::segment_storage::LocalSegmentStorage;
use super::super::stats::StoreHealth;
use super::super::wal::WalFault;
use super::super::{StoreConfig, recovery};
use super::*;
use crate::tests::snapshot_rows::rows;
use crate::tests::{copy_folder, latest_names_the_pipeline, span};

fn opened(dir: &std::path::Path) -> (CommitWorker, std::sync::mpsc::Receiver<FlushCommand>) {
    let config = StoreConfig { rules: latest_names_the_pipeline, ..StoreConfig::default() };
    let (shared, next_sequence, log) =
        recovery::open(dir, config, Arc::new(LocalSegmentStorage::new(dir).unwrap()), StoreHealth::default()).unwrap();
    let (work, tasks) = channel();
    (recovery::commit_worker(&shared, next_sequence, log, broadcast::channel(8).0, work).unwrap(), tasks)
}

fn request(ids: &[u64]) -> (AppendRequest, AppendResultReceiver) {
    prepare_append(1, 5, ids.iter().map(|id| span(1, *id, *id as i64)).collect()).unwrap()
}

fn commit(committer: &mut CommitWorker, ids: &[&[u64]]) -> Vec<Result<SpanAppendResult, StoreError>> {
    let (requests, answers): (Vec<AppendRequest>, Vec<AppendResultReceiver>) = ids.iter().map(|ids| request(ids)).unzip();
    committer.commit_units(requests.into_iter().map(|request| CommitUnit::Append(Box::new(request))).collect());
    answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect()
}

#[test]
fn full_disk_rejects_the_group_and_later_accepts_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut committer, _tasks) = opened(dir.path());
    assert_eq!(commit(&mut committer, &[&[1]])[0].as_ref().unwrap().stored, 1);
    committer.log.fault = Some(WalFault::DiskFull);
    let answers = commit(&mut committer, &[&[2], &[2, 3]]);
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::DiskFull { .. }))), "{answers:?}");
    assert_eq!(committer.shared.stats().rows, 1);
    committer.log.fault = None;
    let stored: Vec<usize> = commit(&mut committer, &[&[2], &[2, 3]]).into_iter().map(|answer| answer.unwrap().stored).collect();
    assert_eq!(stored, [1, 1]);
    drop(committer);
    assert_eq!(opened(dir.path()).0.shared.stats().rows, 3);
}

#[test]
fn a_crash_at_any_point_of_a_flush_finds_each_row_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut committer, _tasks) = opened(dir.path());
    let shared = committer.shared.clone();
    // Each commit corrects all existing rows: in the active memtable, in the frozen one, and in a flushed segment.
    let mut expected = 0;
    for round in 0..3u64 {
        for step in 0..3 {
            let id = round * 10 + step + 1;
            assert_eq!(commit(&mut committer, &[&[id]])[0].as_ref().unwrap().corrected, expected);
            expected += 1;
            match step {
                0 => assert!(matches!(committer.freeze_memtable(), Ok(FreezeResult::Now(_)))),
                1 => flush::flush(&shared).unwrap(),
                _ => {}
            }
            let copy = tempfile::tempdir().unwrap();
            copy_folder(dir.path(), copy.path());
            let seen = rows(&opened(copy.path()).0.shared.snapshot());
            assert_eq!(seen, rows(&shared.snapshot()), "round {round}, step {step}");
            assert_eq!(seen.len(), expected);
        }
    }
}

#[test]
fn failed_sync_stops_ingestion_until_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut committer, _tasks) = opened(dir.path());
    assert!(commit(&mut committer, &[&[1]])[0].is_ok());
    committer.log.fault = Some(WalFault::Sync);
    assert!(matches!(commit(&mut committer, &[&[2]])[0], Err(StoreError::Poisoned { .. })));
    committer.log.fault = None;
    assert!(matches!(commit(&mut committer, &[&[3]])[0], Err(StoreError::Poisoned { .. })));
    assert!(matches!(committer.freeze_memtable(), Err(StoreError::Poisoned { .. })), "another file would hide it");
    assert_eq!(committer.shared.stats().rows, 1);
    drop(committer);
    let (mut committer, _tasks) = opened(dir.path());
    assert!(commit(&mut committer, &[&[3]])[0].is_ok());
}
