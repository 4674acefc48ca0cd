//! Streamed responses: compressed or not, read at once, slowly, or not to the end.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::json;

use crate::disconnects::{gauge, until};
use crate::envelopes::call;
use crate::server::{Server, run};

const GZIP: [(&str, &str); 1] = [("accept-encoding", "gzip, deflate, br, zstd")];
const PLAIN: [(&str, &str); 1] = [("accept-encoding", "identity")];

/// Routes of files.
const FILES: [&str; 5] = [
    "/api/v1/projects/1/export?format=csv",
    "/api/v1/projects/1/export?format=jsonl",
    "/api/v1/projects/1/export?format=parquet",
    "/api/v1/projects/1/export?format=csv&q=model:nothing",
    "/api/v1/backup",
];

/// Starts a server whose files have several chunks and are larger than the buffers of a connection.
fn filled() -> Server {
    let server = Server::start();
    for trace in 1..=12u64 {
        // Text that is still long when it is compressed.
        let mut number = trace;
        let mut question = String::new();
        while question.len() < 800_000 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            question.push_str(&format!("{number:x} "));
        }
        assert_eq!(server.envelope(call(trace.into(), &question, "a")).status, 200);
        server.ask("/summary");
    }
    server
}

/// Returns a body, decompressed if it was compressed.
fn read(server: &Server, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut response = server.open(path, headers);
    assert_eq!(response.status(), 200, "{path}");
    let is_gzip = response.headers().get("content-encoding").is_some_and(|encoding| encoding == "gzip");
    assert_eq!(is_gzip, headers == GZIP, "{path}");
    let sent = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap_or_else(|error| panic!("{path}: {error}"));
    if !is_gzip {
        return sent;
    }
    let mut inflated = Vec::new();
    GzDecoder::new(&sent[..]).read_to_end(&mut inflated).unwrap_or_else(|error| panic!("{path}: {error}"));
    inflated
}

/// Restores a backup, which verifies the checksums of all files. Returns the number of its segments.
fn restored(archive: &[u8], folder: &Path) -> usize {
    std::fs::create_dir_all(folder).unwrap();
    let file = folder.join("backup.tar");
    std::fs::write(&file, archive).unwrap();
    let data = folder.join("data");
    let (_, error, status) = run(&data, &["restore", file.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{error}");
    std::fs::read_dir(data.join("segments")).unwrap().count()
}

#[test]
fn a_compressed_file_is_the_same_file() {
    let server = filled();
    let folder = tempfile::tempdir().unwrap();
    for path in FILES {
        let (plain, inflated) = (read(&server, path, &PLAIN), read(&server, path, &GZIP));
        if path == "/api/v1/backup" {
            // The databases change meanwhile, and a backup contains its time.
            let [plain, inflated] =
                [("plain", &plain), ("gzip", &inflated)].map(|(name, archive)| restored(archive, &folder.path().join(name)));
            assert_eq!(inflated, plain);
        } else {
            assert!(plain == inflated, "{path}: {} bytes, compressed {}", plain.len(), inflated.len());
        }
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn stalled_or_slow_client_does_not_affect_others() {
    let server = filled();
    for path in FILES.into_iter().filter(|path| !path.contains("nothing")) {
        for headers in [GZIP, PLAIN] {
            let mut stopped = server.open(path, &headers).into_body().into_reader();
            stopped.read_exact(&mut [0; 1000]).unwrap();
            drop(stopped);

            let mut slow = server.open(path, &headers).into_body().into_reader();
            let mut piece = vec![0; 256 << 10];
            let mut sent = Vec::new();
            loop {
                let count = slow.read(&mut piece).unwrap_or_else(|error| panic!("{path}: {error}"));
                if count == 0 {
                    break;
                }
                sent.extend_from_slice(&piece[..count]);
                std::thread::sleep(Duration::from_millis(1));
            }
            if !path.contains("backup") {
                let all = if headers == GZIP { inflate(&sent, path) } else { sent };
                assert!(all == read(&server, path, &PLAIN), "{path}");
            }
        }
    }
    until("places are free again", || gauge(&server, "hinomi_exports_executing") == 0);
    let log = server.log();
    assert!(!log.contains("panicked") && !log.contains("export_broke_off"), "{log}");
}

fn inflate(sent: &[u8], path: &str) -> Vec<u8> {
    let mut inflated = Vec::new();
    GzDecoder::new(sent).read_to_end(&mut inflated).unwrap_or_else(|error| panic!("{path}: {error}"));
    inflated
}

#[test]
fn live_events_arrive_at_a_client_that_takes_gzip_and_end_with_the_server() {
    let mut server = Server::start();
    let mut lines = Vec::new();
    for headers in [GZIP, PLAIN] {
        let response = server.open("/api/v1/projects/1/live", &headers);
        // A compressed event would wait in the encoder for the next one.
        assert!(response.headers().get("content-encoding").is_none());
        lines.push(BufReader::new(response.into_body().into_reader()).lines());
    }
    drop(server.open("/api/v1/projects/1/live", &GZIP));
    assert_eq!(server.envelope(call(1, "a", "b")).status, 200);
    for lines in &mut lines {
        let data = lines.find_map(|line| line.unwrap().strip_prefix("data: ").map(str::to_owned)).unwrap();
        let change: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_eq!(change["traces"], json!([format!("{:032x}", 1)]), "{change}");
    }
    assert_eq!(server.stop(), Some(0));
    for lines in lines {
        let rest: Vec<String> = lines.map(|line| line.expect("the stream ends as streams end")).collect();
        assert!(rest.iter().all(String::is_empty), "{rest:?}");
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
