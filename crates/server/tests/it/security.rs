//! Secrets of other services in the files of a server, and what `hinomi doctor --security` says.

use std::path::Path;

use serde_json::json;

use crate::server::Server;

/// Part of a webhook URL that must be in no file.
const CANARY: &str = "canaryofthehook";

fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if std::fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes())) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn secrets_of_channels_and_forwards_are_in_no_file() {
    let (first, second) = ("1".repeat(64), "2".repeat(64));
    let mut server = Server::start();
    let slack = json!({ "name": "ops", "address": { "kind": "slack" }, "secret": format!("https://hooks.slack.com/services/{CANARY}") });
    assert_eq!(server.change("POST", "/alerts/targets", &slack).status, 201);
    let forward = json!({ "type": "sentry", "url": format!("https://{CANARY}@sentry.example/7"), "enabled": false });
    let answer = server.change("POST", "/forwards", &forward);
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert!(!files_with(&server.data(), CANARY).is_empty(), "without a key, the secrets are stored as they are");
    let (said, _, status) = server.command(&["doctor", "--security"]);
    assert!(said.contains("1 secrets of notification channels are stored unencrypted") && status == Some(0), "{said}");

    server.stop();
    server.set("HINOMI_SECRETS_KEY", &first);
    server.start_again();
    assert_eq!(files_with(&server.data(), CANARY), Vec::<String>::new());
    let (said, _, status) = server.command(&["doctor", "--security", "--verbose"]);
    assert!(said.contains("no secret of forwarding targets is stored unencrypted") && status == Some(0), "{said}");
    assert!(server.ask("/alerts/targets").to_string().contains("hooks.slack.com/…"));

    // A new key in front encrypts again; then the old one is not needed.
    server.stop();
    server.set("HINOMI_SECRETS_KEY", &format!("{second}\n{first}"));
    server.start_again();
    server.stop();
    server.set("HINOMI_SECRETS_KEY", &second);
    server.start_again();
    assert!(server.ask("/alerts/targets").to_string().contains("hooks.slack.com/…"));
    assert_eq!(files_with(&server.data(), CANARY), Vec::<String>::new());
}

#[test]
fn open_doors_are_listed() {
    let mut server = Server::start_with(&[("HINOMI_NOTIFY_ALLOW", "all"), ("HINOMI_INGEST_ANONYMOUS_PROJECT", "none")]);
    let (said, error, status) = server.command(&["doctor", "--security"]);
    assert!(said.contains("PROBLEM") && said.contains("notify.allow") && status == Some(1), "{said}{error}");
    assert!(said.contains("can change all projects of its account and never expires"), "{said}");
    assert!(!said.contains(&server.token), "{said}");
    server.set("HINOMI_NOTIFY_ALLOW", "");
    server.restart();
    let (said, error, status) = server.command(&["doctor", "--security", "--verbose"]);
    assert!(said.contains("data is accepted only with a key") && status == Some(0), "{said}{error}");
}
