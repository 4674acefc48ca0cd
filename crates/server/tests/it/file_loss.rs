//! No data is lost because a file is missing, empty or damaged, and every failure is reported.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::envelopes::{call, now, of_item, transaction};
use crate::server::{Server, run};

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn problems(server: &Server) -> String {
    server.get("/api/v1/system").json()["problems"].to_string()
}

/// Returns a stopped server with one segment per trace.
fn stopped(traces: u128) -> Server {
    let mut server = Server::start();
    for trace in 1..=traces {
        assert_eq!(server.envelope(call(trace, "q", &"a long answer ".repeat(50))).status, 200);
        assert_eq!(server.stop(), Some(0));
        if trace < traces {
            server.start_again();
        }
    }
    server
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect();
    files.sort();
    files
}

#[test]
fn empty_manifest_loses_no_segment() {
    let mut server = stopped(2);
    let data = server.data();
    for name in ["manifest.db", "manifest.db-wal", "manifest.db-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }
    std::fs::write(data.join("manifest.db"), "").unwrap();
    let (said, _, status) = server.command(&["doctor"]);
    assert!(status == Some(1) && said.contains("manifest.db is empty, but there are 2 segments"), "{said}");
    server.start_again();
    assert_eq!(segments(&data.join("damaged")).len(), 2);
    let said = "2 segments quarantined because the manifest does not list them";
    assert!(problems(&server).contains(said), "{}", problems(&server));
    let ready = server.get("/readyz");
    assert!(ready.status == 200 && ready.text.contains(said), "{}", ready.text);
    assert!(server.log().contains("store.segment.quarantined"), "{}", server.log());
    // New data is ingested meanwhile.
    assert_eq!(server.envelope(call(3, "q", "a")).status, 200);
    assert_eq!(server.ask("/summary")["spans"], 3);
    let (_, error, status) = server.command(&["doctor", "--repair"]);
    assert!(status == Some(1) && error.contains("in use by"), "{error}");
    assert_eq!(server.stop(), Some(0));
    let (said, error, status) = server.command(&["doctor", "--repair"]);
    assert!(status == Some(0) && said.matches(": added as").count() == 2, "{said}{error}");
    server.start_again();
    assert_eq!((server.ask("/summary")["spans"].clone(), problems(&server).as_str()), (json!(9), "[]"));
}

#[test]
fn incomplete_backup_lists_missing_files_and_is_restorable() {
    let mut server = stopped(3);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (said, error, status) = server.command(&["backup", &path("whole")]);
    assert!(status == Some(0) && said.contains("9 spans") && said.contains("(checked)"), "{said}{error}");
    let files = segments(&server.data().join("segments"));
    let mut bytes = std::fs::read(&files[0]).unwrap();
    bytes[40] ^= 0x10;
    std::fs::write(&files[0], bytes).unwrap();
    for running in [false, true] {
        if running {
            // Another segment is missing too.
            std::fs::remove_file(&files[1]).unwrap();
            server.start_again();
        }
        let (name, folder_name) = (path(&format!("{running}.tar")), path(&format!("{running}")));
        let (said, error, status) = server.command(&["backup", &name]);
        assert!(status == Some(1) && said.contains("INCOMPLETE") && error.contains("segments are missing or damaged"), "{said}{error}");
        assert!(said.contains("missing segments/0000000001.parquet (3 spans)"), "{said}");
        assert_eq!(said.contains("missing segments/0000000002.parquet"), running, "{said}");
        let (said, error, status) = server.command(&["backup", "--allow-missing", &folder_name]);
        assert!(status == Some(0) && said.contains("INCOMPLETE"), "{said}{error}");
    }
    let (disk, archive) = (tempfile::tempdir().unwrap(), path("true.tar"));
    let data = disk.path().join("data");
    let restore = ["restore", &archive, "--data", data.to_str().unwrap()];
    let (_, error, status) = run(&data, &restore);
    assert!(
        status == Some(1) && error.contains("segments/0000000001.parquet with 3 spans") && error.contains("--allow-missing"),
        "{error}"
    );
    let (said, error, status) = run(&data, &[&restore[..], &["--allow-missing"]].concat());
    assert!(status == Some(0) && said.contains("0000000001.parquet") && said.contains("0000000002.parquet"), "{said}{error}");
    let mut restored = Server::start_on(disk.path(), &[]);
    assert_eq!(restored.ask("/summary")["spans"], 3);
    assert!(problems(&restored).contains("0000000001.parquet"), "{}", problems(&restored));
    restored.stop();
    // The files from an older backup repair it.
    for file in &files[..2] {
        let name = file.file_name().unwrap();
        std::fs::copy(folder.path().join("whole/segments").join(name), data.join("segments").join(name)).unwrap();
    }
    restored.start_again();
    assert_eq!(restored.ask("/summary")["spans"], 9);
    assert!(!problems(&restored).contains("parquet"), "{}", problems(&restored));
}

#[test]
fn restored_data_directory_sends_no_notification_until_enabled() {
    let mut server = Server::start();
    assert_eq!(server.envelope(call(1, "q", "a")).status, 200);
    let folder = tempfile::tempdir().unwrap();
    let (archive, data) = (folder.path().join("b.tar"), folder.path().join("data"));
    assert_eq!(server.command(&["backup", archive.to_str().unwrap()]).2, Some(0));
    let (said, error, status) = run(&data, &["restore", archive.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    assert!(status == Some(0) && said.contains("notifications and forwarding are paused"), "{said}{error}");
    let restored = Server::start_on(folder.path(), &[]);
    let paused = "alert notifications and forwarding are paused, for example after a restore";
    assert!(problems(&restored).contains(paused), "{}", problems(&restored));
    let (said, ..) = restored.command(&["notifications", "resume"]);
    assert!(said.contains("notifications and forwarding are resumed"), "{said}");
    until("they go", || problems(&restored) == "[]");
    let (said, ..) = server.command(&["notifications", "pause"]);
    assert!(said.contains("notifications and forwarding are paused"), "{said}");
    until("they wait", || problems(&server).contains(paused));
    server.stop();
}

#[test]
fn files_created_by_root_belong_to_the_directory_owner() {
    if std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() != 0) {
        return;
    }
    const NOBODY_UID: u32 = 65_534;
    let server = stopped(1);
    let foreign = |folder: &Path| -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(of) = folders.pop() {
            for entry in std::fs::read_dir(&of).unwrap().map(|entry| entry.unwrap().path()) {
                if std::fs::metadata(&entry).unwrap().uid() != NOBODY_UID {
                    found.push(entry.clone());
                }
                if entry.is_dir() {
                    folders.push(entry);
                }
            }
        }
        found
    };
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("b.tar");
    assert_eq!(server.command(&["backup", archive.to_str().unwrap()]).2, Some(0));
    for (name, is_there) in [("there", true), ("new", false)] {
        let parent = folder.path().join(format!("of {name}"));
        let data = parent.join("data");
        std::fs::create_dir(&parent).unwrap();
        chown(&parent, Some(NOBODY_UID), Some(NOBODY_UID)).unwrap();
        if is_there {
            std::fs::create_dir(&data).unwrap();
            chown(&data, Some(NOBODY_UID), Some(NOBODY_UID)).unwrap();
        }
        let (said, error, status) = run(&data, &["restore", archive.to_str().unwrap(), "--data", data.to_str().unwrap()]);
        assert_eq!(status, Some(0), "{said}{error}");
        assert_eq!((foreign(&data), std::fs::metadata(&data).unwrap().uid()), (Vec::new(), NOBODY_UID), "{name}");
        let other = folder.path().join(format!("{name}.tar"));
        for arguments in [&["token", "create"][..], &["project", "create", "x"], &["backup", other.to_str().unwrap()]] {
            let (said, error, status) = run(&data, arguments);
            assert_eq!(status, Some(0), "{said}{error}");
            assert_eq!(foreign(&data), Vec::<PathBuf>::new(), "{arguments:?}");
        }
    }
}

#[test]
fn damaged_database_is_reported_everywhere_and_others_work() {
    let mut server = Server::start();
    let event = |id: u32| {
        let event = json!({ "event_id": format!("{id:032x}"), "level": "error", "timestamp": now(),
            "exception": { "values": [{ "type": format!("Error{id}"), "value": "x".repeat(2000) }] } });
        of_item("event", &event)
    };
    for id in 1..=30 {
        assert_eq!(server.envelope(event(id)).status, 200);
    }
    assert_eq!(server.stop(), Some(0));
    let database = server.data().join("errors.db");
    let mut bytes = std::fs::read(&database).unwrap();
    bytes[4096..7096].iter_mut().for_each(|byte| *byte ^= 0x5a);
    std::fs::write(&database, bytes).unwrap();
    server.start_again();
    // The failure is reported without any query.
    until("it is said", || server.get("/readyz").status == 503);
    let ready = server.get("/readyz");
    assert!(ready.text.contains("errors.db fails"), "{}", ready.text);
    assert!(problems(&server).contains("errors.db fails"), "{}", problems(&server));
    let metrics = server.get("/metrics").text;
    assert!(metrics.contains("hinomi_databases_failing 1"), "{metrics}");
    assert_eq!(server.envelope(call(1, "q", "a")).status, 200);
    assert_eq!(server.ask("/summary")["spans"], 3);
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn unreadable_price_file_is_reported_and_last_prices_apply() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    std::fs::write(&file, "[[price]]\nmodel = \"gpt-4o*\"\nprices = { input = 1000000, output = 1000000 }\n").unwrap();
    let mut server = Server::start_with(&[("HINOMI_PRICES", file.to_str().unwrap())]);
    assert_eq!(problems(&server), "[]");
    std::fs::write(&file, "[[price]]\nmodel = ").unwrap();
    until("it is said", || problems(&server).contains("own.toml cannot be used"));
    let mut doctor = crate::server::hinomi(&server.data());
    let output = doctor.arg("doctor").env("HINOMI_PRICES", &file).output().unwrap();
    assert!(output.status.code() == Some(1) && String::from_utf8_lossy(&output.stdout).contains("own.toml cannot be used"));
    server.restart();
    assert!(problems(&server).contains("own.toml cannot be used"), "{}", problems(&server));
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.envelope(call(1, "q", "a")).status, 200);
    let cost = server.ask("/summary")["cost"].clone();
    assert!(cost.as_f64().unwrap_or(0.0) > 1.0, "the price that it had: {cost}");
    std::fs::write(&file, "").unwrap();
    until("it is mended", || problems(&server) == "[]");
}

#[test]
fn deleting_missing_data_fails() {
    let server = Server::start();
    let mut body = transaction(1, "q", "a");
    body["user"] = json!({ "id": "anna" });
    assert_eq!(server.envelope(of_item("transaction", &body)).status, 200);
    for (arguments, said) in [
        (["delete", "trace", "--project", "1", "--yes", "nothex"], "trace \"nothex\" (ID "),
        (["delete", "trace", "--project", "1", "--yes", "000000000000000000000000000000ff"], "trace \"000000000000000000000000000000ff\""),
        (["delete", "user", "--project", "1", "--yes", "anne"], "user \"anne\""),
    ] {
        let (out, error, status) = server.command(&arguments);
        assert!((out.as_str(), status) == ("", Some(1)) && error.contains(said), "{arguments:?}: {out}{error}");
        assert!(error.contains("Nothing was deleted"), "{error}");
    }
    assert_eq!(server.get("/api/v1/deletions").json()["deletions"], json!([]));
    let (out, error, status) = server.command(&["delete", "user", "--project", "1", "--yes", "anna"]);
    assert!(status == Some(0) && out.contains("3 spans"), "{out}{error}");
}

#[test]
fn project_ids_are_not_reused() {
    let mut server = Server::start();
    let (dsn, ..) = server.command(&["project", "create", "old"]);
    let key = dsn.split("//").nth(1).unwrap().split('@').next().unwrap().to_owned();
    let send = |trace| {
        let answer = server.send("POST", &format!("/api/2/envelope/?sentry_key={key}"), &[], call(trace, "q", "OLD TENANT").into());
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    send(1);
    // Only in the WAL, and in a segment.
    for in_segment in [false, true] {
        if in_segment {
            assert_eq!(server.stop(), Some(0));
        } else {
            server.kill();
        }
        for name in ["hinomi.db", "hinomi.db-wal", "hinomi.db-shm"] {
            let _ = std::fs::remove_file(server.data().join(name));
        }
        let (said, _, status) = server.command(&["doctor"]);
        assert!(status == Some(1) && said.contains("hinomi.db is missing"), "{said}");
        std::fs::write(server.data().join("hinomi.db"), "").unwrap();
        let (said, _, status) = server.command(&["doctor"]);
        assert!(status == Some(1) && said.contains("hinomi.db is damaged (the file is empty)"), "{said}");
        server.start_again();
        assert_eq!(server.command(&["project", "create", "newcomer"]).2, Some(0));
        let (listed, ..) = server.command(&["project", "list"]);
        assert!(listed.contains("\n3\tnewcomer"), "{listed}");
    }
    assert!(server.log().contains("metadata.database.recreated"), "{}", server.log());
    let ready = server.get("/readyz");
    assert!(ready.status == 200 && ready.text.contains("hinomi.db was missing or empty"), "{}", ready.text);
}

#[test]
fn spans_beyond_retention_are_not_imported() {
    let server = Server::start_with(&[("HINOMI_RETENTION_DAYS", "30")]);
    let line = |trace: u32, days: f64| -> Value {
        let at = |s: f64| jiff::Timestamp::from_second((now() - days * 86_400.0 + s) as i64).unwrap().to_string();
        json!({ "project_id": 1, "trace_id": format!("{trace:032x}"), "span_id": format!("{trace:016x}"), "name": "x",
            "start_time": at(0.0), "end_time": at(1.0) })
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spans.jsonl");
    let lines: Vec<String> =
        [(1, 1.0), (2, 29.0), (3, 31.0), (4, 400.0)].iter().map(|(trace, days)| line(*trace, *days).to_string()).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let (said, error, status) = server.command(&["import", file.to_str().unwrap()]);
    assert!(
        status == Some(0) && said.contains("4 spans read: 2 stored") && said.contains("2 not stored, because they are older"),
        "{said}{error}"
    );
    assert_eq!(server.ask("/summary?from=-1000d")["spans"], 2);
}
