use proptest::prelude::*;

use super::read::WalDamage;
use super::*;

/// Writes a WAL file with these payloads, and returns its path and the end of each frame.
fn written(dir: &Path, payloads: &[Vec<u8>]) -> (PathBuf, Vec<u64>) {
    let path = dir.join("0000000001.log");
    let mut log = WalWriter::create(path.clone()).unwrap();
    let mut ends = Vec::new();
    for (index, payload) in payloads.iter().enumerate() {
        let mut group = Vec::new();
        log.append_frame(&mut group, 10 + index as u64, payload);
        log.write_group(&group).unwrap();
        ends.push(log.bytes());
    }
    (path, ends)
}

fn read_back(path: &Path) -> Vec<(u64, Vec<u8>)> {
    read(path).unwrap().frame_payloads().map(|(sequence, payload)| (sequence, payload.to_vec())).collect()
}

fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_file_cut_anywhere_gives_the_frames_before_the_cut(payloads in payloads(), cut in any::<prop::sample::Index>()) {
        let dir = tempfile::tempdir().unwrap();
        let (path, ends) = written(dir.path(), &payloads);
        let length = cut.index(*ends.last().unwrap() as usize + 1) as u64;
        File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
        let contents = read(&path).unwrap();
        let whole = ends.iter().filter(|end| **end <= length).count();
        prop_assert_eq!(contents.frame_payloads().count(), whole);
        prop_assert!(contents.frame_payloads().zip(&payloads).all(|(frame, payload)| frame.1 == payload));
        prop_assert_eq!(&contents.damage, &None);
        let is_edge = length == FILE_HEADER_BYTES as u64 || ends.contains(&length);
        prop_assert_eq!(contents.torn_at.is_some(), !is_edge);
    }

    #[test]
    fn flipped_bit_loses_at_most_its_frame(payloads in payloads(), byte in any::<prop::sample::Index>(), bit in 0u32..8) {
        let dir = tempfile::tempdir().unwrap();
        let (path, ends) = written(dir.path(), &payloads);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = byte.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        std::fs::write(&path, &bytes).unwrap();
        // A header of another version is rejected; any other change of it loses nothing.
        let mut expected: Vec<(u64, Vec<u8>)> = (10..).zip(payloads.iter().cloned()).collect();
        if at >= FILE_HEADER_BYTES {
            expected.remove(ends.iter().filter(|end| **end <= at as u64).count());
        }
        prop_assert_eq!(read_back(&path), expected);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        std::fs::write(&path, &bytes).unwrap();
        prop_assert_eq!(read_back(&path), []);
    }
}

#[test]
fn damage_position_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ends) = written(dir.path(), &[vec![1; 50], vec![2; 50], vec![3; 50]]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[ends[0] as usize + 3..ends[1] as usize].fill(0xaa);
    std::fs::write(&path, &bytes).unwrap();
    let contents = read(&path).unwrap();
    assert_eq!(contents.frame_payloads().map(|(sequence, _)| sequence).collect::<Vec<_>>(), [10, 12]);
    assert_eq!(contents.damage, Some(WalDamage { position: ends[0], bytes: ends[1] - ends[0] }));
    assert_eq!(contents.torn_at, None);
}

#[test]
fn a_full_disk_leaves_the_file_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = WalWriter::create(dir.path().join("1.log")).unwrap();
    let mut group = Vec::new();
    log.append_frame(&mut group, 1, b"first");
    log.fault = Some(WalFault::DiskFull);
    assert!(matches!(log.write_group(&group), Err(StoreError::DiskFull { .. })));
    assert_eq!(std::fs::metadata(log.path()).unwrap().len(), FILE_HEADER_BYTES as u64);
    log.fault = None;
    log.write_group(&group).unwrap();
    assert_eq!(read_back(log.path()), [(1, b"first".to_vec())]);
}

#[test]
fn a_failed_sync_is_never_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = WalWriter::create(dir.path().join("1.log")).unwrap();
    let mut group = Vec::new();
    log.append_frame(&mut group, 1, b"first");
    log.fault = Some(WalFault::Sync);
    assert!(matches!(log.write_group(&group), Err(StoreError::Poisoned { .. })));
    log.fault = None;
    let message = log.write_group(&group).unwrap_err().to_string();
    assert!(message.contains("to disk (asked to fail)"), "{message}");
}

#[test]
fn a_file_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = written(dir.path(), &[vec![1]]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[7] = 9;
    let crc = crc32c::crc32c(&bytes[..16]);
    bytes[16..20].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(read(&path), Err(StoreError::Newer { found: 9, known: 1, .. })));
}
