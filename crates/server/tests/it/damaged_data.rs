//! Operating a data directory: a disk that fills up, damaged files, and `hinomi doctor`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::envelopes::call;
use crate::server::{Server, run};

/// Waits with a generous timeout until a condition is true.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A file system of 64 MB; `None` if mounting is not permitted.
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
fn ingestion_stops_before_the_disk_is_full_and_resumes() {
    // Tests of the store do the same with a number in place of a disk.
    let Some(disk) = SmallDisk::mount() else { return };
    let server = Server::start_on(disk.0.path(), &[("HINOMI_DISK_RESERVE_BYTES", "16000000")]);
    assert_eq!(server.envelope(call(1, "q", "a")).status, 200);
    assert_eq!(server.get("/readyz").status, 200);
    let ballast = disk.0.path().join("ballast");
    let free = |path: &Path| hinomi_store::free_bytes(path).unwrap();
    std::fs::write(&ballast, vec![7; (free(disk.0.path()) - 15_000_000) as usize]).unwrap();
    let answer = server.envelope(call(2, "q", "a"));
    assert_eq!((answer.status, answer.header("retry-after")), (503, "10"), "{}", answer.text);
    assert!(answer.text.contains("below the reserve"), "{}", answer.text);
    let otlp = server.send("POST", "/v1/logs", &[("content-type", "application/json")], b"{\"resourceLogs\":[]}".to_vec());
    assert_eq!(otlp.status, 503, "{}", otlp.text);
    let ready = server.get("/readyz");
    assert!(ready.status == 503 && ready.text.contains("below the reserve"), "{}", ready.text);
    let problems = server.get("/api/v1/system").json()["problems"].to_string();
    assert!(problems.contains("below the reserve"), "{problems}");
    assert_eq!(server.ask("/summary")["spans"], 3, "what is stored can be read");
    let (said, error, status) = run(&server.data(), &["doctor"]);
    assert!(status == Some(1) && said.contains("are free, less than the reserve"), "{said}{error}");
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
fn damaged_segment_is_isolated_and_reported_by_the_doctor() {
    let mut server = Server::start();
    for trace in 1..=3 {
        assert_eq!(server.envelope(call(trace, "q", &"a long answer ".repeat(50))).status, 200);
        assert_eq!(server.stop(), Some(0));
        server.start_again();
    }
    let (said, error, status) = server.command(&["doctor", "--verbose"]);
    assert_eq!(status, Some(0), "{said}{error}");
    assert!(said.contains("3 segments with 9 spans checked") && said.contains("has the directory open"), "{said}");
    let files = segments(&server.data());
    assert_eq!(files.len(), 3);
    spoil(&files[1]);
    let (said, error, status) = server.command(&["doctor"]);
    assert_eq!(status, Some(1), "{said}{error}");
    assert!(said.contains("0000000002.parquet: checksum mismatch"), "{said}");
    // A query that reads the damaged segment is answered from the other two.
    assert_eq!(server.ask("/spans?limit=100")["spans"].as_array().unwrap().len(), 6);
    let problems = server.get("/api/v1/system").json()["problems"].to_string();
    assert!(problems.contains("0000000002.parquet"), "{problems}");
    assert_eq!(server.ask("/summary")["spans"], 6);
    assert_eq!(server.envelope(call(9, "q", "a")).status, 200);
    assert!(server.log().contains("store.data.damaged"), "{}", server.log());

    // A single changed bit that no query may ever read is found after the next start.
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
fn doctor_reports_what_it_cannot_check() {
    let folder = tempfile::tempdir().unwrap();
    let (_, error, status) = run(&folder.path().join("none"), &["doctor"]);
    assert!(status == Some(1) && error.contains("is not a directory"), "{error}");
    let mut server = Server::start();
    server.stop();
    let database = server.data().join("scores.db");
    std::fs::write(&database, "no database at all, but longer than the header of one; ".repeat(20)).unwrap();
    let (said, error, status) = server.command(&["doctor"]);
    assert!(status == Some(1) && said.contains("scores.db is damaged"), "{said}{error}");
}

/// Returns all spans of a project by trace and span ID, as the API shows them.
fn shown(server: &Server) -> BTreeMap<(String, String), Value> {
    let mut found = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = server.ask(&format!("/spans?limit=1000{cursor}"));
        for span in page["spans"].as_array().unwrap() {
            let id = |name: &str| span[name].as_str().unwrap().to_owned();
            assert!(found.insert((id("trace_id"), id("span_id")), span.clone()).is_none(), "twice: {span}");
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[test]
fn backup_under_load_contains_acknowledged_data() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let next = AtomicU64::new(1);
    let acknowledged = Mutex::new(BTreeSet::new());
    let done = AtomicBool::new(false);
    let mut before = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let trace = next.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(server.envelope(call(u128::from(trace), "q", "a")).status, 200);
                    acknowledged.lock().unwrap().insert(trace);
                }
            });
        }
        for target in ["one.tar", "two", "three.tar"] {
            until("something has come in meanwhile", || acknowledged.lock().unwrap().len() > before.len() * 20 + 20);
            before.push((target, acknowledged.lock().unwrap().clone()));
            let (said, error, status) = server.command(&["backup", &path(target)]);
            assert!(status == Some(0) && said.contains("(checked)"), "{said}{error}");
        }
        done.store(true, Ordering::Relaxed);
    });
    let (_, error, status) = server.command(&["backup", &path("one.tar")]);
    assert!(status == Some(1) && error.contains("already exists"), "{error}");
    let sent = next.load(Ordering::Relaxed);
    for (target, acknowledged) in before {
        let disk = tempfile::tempdir().unwrap();
        let data = disk.path().join("data");
        let (said, error, status) = run(&data, &["restore", &path(target), "--data", data.to_str().unwrap()]);
        assert!(status == Some(0) && said.contains("all files match the backup"), "{said}{error}");
        let (_, error, status) = run(&data, &["restore", &path(target), "--data", data.to_str().unwrap()]);
        assert!(status == Some(1) && error.contains("is not empty"), "{error}");
        let restored = Server::start_on(disk.path(), &[]);
        let spans = shown(&restored);
        let traces: BTreeSet<u64> = spans.keys().map(|(trace, _)| u64::from_str_radix(&trace[16..], 16).unwrap()).collect();
        assert!(acknowledged.is_subset(&traces), "{:?} are lost", acknowledged.difference(&traces));
        assert!(traces.iter().all(|trace| *trace < sent));
        let (said, error, status) = restored.command(&["doctor"]);
        assert_eq!(status, Some(0), "{said}{error}");
        // The key is valid, and a repeated span is recognized.
        let again = *acknowledged.first().unwrap();
        assert_eq!(restored.envelope(call(u128::from(again), "q", "a")).status, 200);
        assert_eq!(shown(&restored).len(), spans.len());
    }
}

#[test]
fn offline_backup_works_and_truncated_backup_is_rejected() {
    let mut server = Server::start();
    assert_eq!(server.envelope(call(1, "q", "a")).status, 200);
    // The spans are only in the WAL.
    server.kill();
    let folder = tempfile::tempdir().unwrap();
    let (archive, other) = (folder.path().join("b.tar"), folder.path().join("other"));
    let (said, error, status) = server.command(&["backup", archive.to_str().unwrap()]);
    assert!(status == Some(0) && said.contains("3 spans"), "{said}{error}");
    let bytes = std::fs::read(&archive).unwrap();
    std::fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
    let (_, error, status) = run(&other, &["restore", archive.to_str().unwrap(), "--data", other.to_str().unwrap()]);
    assert!(status == Some(1) && error.contains("truncated"), "{error}");
    let (_, error, status) = run(&other, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(status == Some(1), "half a folder does not start: {error}");
    let (_, error, status) = run(&other, &["restore", "/nowhere.tar", "--data", other.to_str().unwrap()]);
    assert!(status == Some(1) && error.contains("does not exist"), "{error}");
}

#[test]
fn export_and_import_round_trip() {
    let server = Server::start();
    for trace in 1..=30u64 {
        let mut body = crate::envelopes::transaction(u128::from(trace), "質問, \"quoted\"\nand more", "an answer");
        body["user"] = json!({ "id": format!("user-{}", trace % 3) });
        body["environment"] = json!(if trace % 2 == 0 { "prod" } else { "dev" });
        assert_eq!(server.envelope(crate::envelopes::of_item("transaction", &body)).status, 200);
    }
    // Some of the spans are in segments, some in memory.
    let folder = tempfile::tempdir().unwrap();
    let (said, error, status) = server.command(&["backup", folder.path().join("x").to_str().unwrap()]);
    assert_eq!(status, Some(0), "{said}{error}");
    assert_eq!(server.envelope(call(31, "q", "a")).status, 200);
    let expected = shown(&server);
    for format in ["parquet", "jsonl", "csv"] {
        let file = folder.path().join("spans").with_extension(format);
        let file = file.to_str().unwrap();
        let (said, error, status) = server.command(&["export", "--out", file]);
        assert!(status == Some(0) && said.contains("93 spans"), "{said}{error}");
        let other = Server::start();
        let (said, error, status) = other.command(&["import", file]);
        assert_eq!((status, said.trim()), (Some(0), "93 spans read: 93 stored, 0 already stored, 0 joined with stored parts"), "{error}");
        assert_eq!(shown(&other), expected, "{format}");
        for question in ["/summary", "/breakdown?by=user", "/breakdown?by=environment", "/traces?limit=100"] {
            assert_eq!(other.ask(question), server.ask(question), "{format} {question}");
        }
        let detail = "/traces/00000000000000000000000000000005/spans/0000000000000003";
        let of = |server: &Server| {
            let mut detail = server.ask(detail);
            // The only field that differs.
            detail.as_object_mut().unwrap().remove("received_at").unwrap();
            detail
        };
        assert_eq!(of(&other), of(&server), "{format}");
        let (said, ..) = other.command(&["import", file]);
        assert!(said.contains("0 stored, 93 already stored"), "{said}");
        // In another project they are different spans.
        assert_eq!(other.command(&["project", "create", "copy"]).2, Some(0));
        let (said, ..) = other.command(&["import", "--project", "2", file]);
        assert!(said.contains("93 stored"), "{said}");
    }
    let part = folder.path().join("part.jsonl");
    let (said, error, status) =
        server.command(&["export", "--query", "user:user-1 environment:prod kind:llm", "--from", "-1d", "--out", part.to_str().unwrap()]);
    assert!(status == Some(0) && said.contains("5 spans"), "{said}{error}");
    let (_, error, status) = server.command(&["export", "--force", "--query", "nonsense:1", "--out", part.to_str().unwrap()]);
    assert!(status == Some(1) && error.contains("nonsense"), "{error}");
    let (_, error, status) = server.command(&["export", "--force", "--project", "7", "--out", part.to_str().unwrap()]);
    assert!(status == Some(1) && error.contains("project not found"), "{error}");
    std::fs::write(&part, "{\"trace_id\":1}").unwrap();
    let (_, error, status) = server.command(&["import", part.to_str().unwrap()]);
    assert!(status == Some(1) && error.contains("line 1: ") && error.contains("is missing"), "{error}");
}

#[test]
fn slow_query_times_out_and_ingestion_continues() {
    let mut server = Server::start();
    for trace in 1..=20 {
        assert_eq!(server.envelope(call(trace, "q", "a")).status, 200);
    }
    server.set("HINOMI_QUERY_TIMEOUT_MS", "1");
    server.restart();
    // The plan alone of a filter with many terms takes more than a millisecond. Each query is different, so no response is cached.
    let terms: String = (0..40).map(|number| format!("%20-word{number}")).collect();
    let mut answers = (1..=200).map(|limit| server.get(&format!("/api/v1/projects/1/traces?q=model:gpt*{terms}&limit={limit}")));
    let answer = answers.find(|answer| answer.status == 504).expect("no question took longer than a millisecond");
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (504, Some("timeout")), "{}", answer.text);
    assert!(answer.text.contains("query_timeout_ms"), "{}", answer.text);
    assert_eq!(server.envelope(call(30, "q", "a")).status, 200);
    server.set("HINOMI_QUERY_TIMEOUT_MS", "60000");
    server.restart();
    assert_eq!(server.ask("/traces?q=model:gpt*&limit=100")["traces"].as_array().unwrap().len(), 21);
    let (_, error, status) = run(&server.data(), &["config", "--data", "x"]);
    assert_eq!((error.as_str(), status), ("", Some(0)));
}
