//! A data folder over the years: a disk that fills up, files that are damaged, and what `hinomi doctor` says.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::envelopes::call;
use crate::server::{Server, run};

/// Waits, generously, until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A file system of 64 MB of its own; none where that is not permitted.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(dir.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| SmallDisk(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn intake_stops_before_the_disk_is_full_and_resumes() {
    // The same with a number in the place of a disk is tested beside the store.
    let Some(disk) = SmallDisk::mount() else { return };
    let server = Server::start_on(disk.0.path(), &[("HINOMI_DISK_RESERVE_BYTES", "16000000")]);
    assert_eq!(server.envelope(call(1, "q", "a")).status, 200);
    assert_eq!(server.get("/readyz").status, 200);
    let ballast = disk.0.path().join("ballast");
    let free = |path: &Path| hinomi_server::store::free_bytes(path).unwrap();
    std::fs::write(&ballast, vec![7; (free(disk.0.path()) - 15_000_000) as usize]).unwrap();
    let answer = server.envelope(call(2, "q", "a"));
    assert_eq!((answer.status, answer.header("retry-after")), (503, "10"), "{}", answer.text);
    assert!(answer.text.contains("kept in reserve"), "{}", answer.text);
    let otlp = server.send("POST", "/v1/logs", &[("content-type", "application/json")], b"{\"resourceLogs\":[]}".to_vec());
    assert_eq!(otlp.status, 503, "{}", otlp.text);
    let ready = server.get("/readyz");
    assert!(ready.status == 503 && ready.text.contains("kept in reserve"), "{}", ready.text);
    let problems = server.get("/api/v1/system").json()["problems"].to_string();
    assert!(problems.contains("kept in reserve"), "{problems}");
    assert_eq!(server.ask("/summary")["spans"], 3, "what is stored can be read");
    let (said, error, status) = run(&server.data(), &["doctor"]);
    assert!(status == Some(1) && said.contains("are free, and intake leaves"), "{said}{error}");
    std::fs::remove_file(ballast).unwrap();
    assert_eq!(server.envelope(call(2, "q", "a")).status, 200);
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.get("/api/v1/system").json()["problems"].to_string(), "[]");
    assert_eq!(server.ask("/summary")["spans"], 6);
}

fn segments(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect();
    files.sort();
    files
}

/// Changes every byte of a Parquet file before its footer.
fn spoil(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let footer = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap()) as usize + 8;
    let end = bytes.len() - footer;
    bytes[4..end].iter_mut().for_each(|byte| *byte ^= 0xff);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_segment_costs_itself_and_the_doctor_names_it() {
    let mut server = Server::start();
    for trace in 1..=3 {
        assert_eq!(server.envelope(call(trace, "q", &"a long answer ".repeat(50))).status, 200);
        assert_eq!(server.stop(), Some(0));
        server.start_again();
    }
    let (said, error, status) = server.command(&["doctor", "--verbose"]);
    assert_eq!(status, Some(0), "{said}{error}");
    assert!(said.contains("3 segments with 9 spans looked at") && said.contains("has the folder open"), "{said}");
    let files = segments(&server.data());
    assert_eq!(files.len(), 3);
    spoil(&files[1]);
    let (said, error, status) = server.command(&["doctor"]);
    assert_eq!(status, Some(1), "{said}{error}");
    assert!(said.contains("0000000002.parquet: its bytes are not those that were written"), "{said}");
    // The question that meets it is answered from the other two.
    assert_eq!(server.ask("/spans?limit=100")["spans"].as_array().unwrap().len(), 6);
    let problems = server.get("/api/v1/system").json()["problems"].to_string();
    assert!(problems.contains("0000000002.parquet"), "{problems}");
    assert_eq!(server.ask("/summary")["spans"], 6);
    assert_eq!(server.envelope(call(9, "q", "a")).status, 200);
    assert!(server.log().contains("store.damaged"), "{}", server.log());

    // One bit that no question may ever meet is found after the next start.
    let mut bytes = std::fs::read(&files[2]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&files[2], bytes).unwrap();
    server.restart();
    until("both damaged segments are named", || {
        let problems = server.get("/api/v1/system").json()["problems"].to_string();
        problems.contains("0000000002.parquet") && problems.contains("0000000003.parquet")
    });
    assert_eq!(server.ask("/summary")["spans"], 6);
}

#[test]
fn the_doctor_says_what_it_cannot_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let (_, error, status) = run(&folder.path().join("none"), &["doctor"]);
    assert!(status == Some(1) && error.contains("is no folder"), "{error}");
    let mut server = Server::start();
    server.stop();
    let database = server.data().join("scores.db");
    std::fs::write(&database, "no database at all, but longer than the header of one; ".repeat(20)).unwrap();
    let (said, error, status) = server.command(&["doctor"]);
    assert!(status == Some(1) && said.contains("scores.db is damaged"), "{said}{error}");
}
