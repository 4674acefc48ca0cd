//! The command line.

use crate::server::{Server, run};

#[test]
fn help_version_and_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let (version, _, status) = run(folder.path(), &["--version"]);
    assert_eq!((version.trim(), status), (concat!("hinomi ", env!("CARGO_PKG_VERSION")), Some(0)));
    let (help, _, status) = run(folder.path(), &["--help"]);
    assert!(help.contains("serve") && status == Some(0));
    for arguments in [
        &["serve", "--colour"][..],
        &["serve", "--listen", "nowhere"],
        &["token", "create", "--project", "x"],
        &["fly"],
        &["project", "create"],
    ] {
        let (said, error, status) = run(folder.path(), arguments);
        assert_eq!((said.as_str(), status), ("", Some(2)), "{arguments:?}: {error}");
        assert_eq!(error.trim().lines().count(), 1, "{arguments:?}: {error}");
    }
}

#[test]
fn a_token_before_the_first_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new/data");
    let (token, error, status) = run(&data, &["token", "create"]);
    assert_eq!((status, token.trim().lines().count()), (Some(0), 1));
    assert!(error.contains("created a new data directory") && error.trim().lines().count() == 1, "{error}");
    let (_, error, status) = run(&data, &["token", "create"]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    let (_, error, status) = run(&data, &["token", "create", "--project", "7"]);
    assert_eq!(status, Some(1));
    assert!(error.contains("project 7 not found"), "{error}");
}

#[test]
fn read_only_commands_create_no_data_directory() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("mistyped");
    let file = folder.path().join("x.jsonl");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    for arguments in [
        &["login"][..],
        &["project", "list"],
        &["project", "create", "x"],
        &["alerts", "list"],
        &["reprice", "--from", "2026-01-01"],
        &["demo"],
        &["backup", "x.tar"],
        &["export", "--out", "-"],
        &["import", file],
        &["delete", "list"],
        &["delete", "trace", "--project", "1", "--yes", "abc"],
        &["doctor"],
        &["retention"],
        &["retention", "confirm"],
        &["notifications", "resume"],
        &["notifications", "pause"],
        &["prices", "update", file],
        &["token", "list"],
        &["token", "revoke", "1"],
        &["session", "list"],
        &["logout", "--all"],
        &["bill", "import", file],
    ] {
        let (said, error, status) = run(&data, arguments);
        assert_eq!((said.as_str(), status), ("", Some(1)), "{arguments:?}: {error}");
        assert!(error.contains("mistyped") && error.contains("--data"), "{arguments:?}: {error}");
        assert!(!data.exists(), "{arguments:?}");
    }
}

#[test]
fn a_sign_in_link_leads_to_a_running_server() {
    let mut server = Server::start();
    assert!(server.command(&["login"]).0.starts_with(&format!("{}/login?token=", server.url)));
    server.kill();
    let (said, error, status) = server.command(&["login"]);
    assert_eq!((said.as_str(), status), ("", Some(1)), "{error}");
    assert!(error.contains("hinomi serve --data") && error.contains(server.data().to_str().unwrap()), "{error}");
}

#[test]
fn effective_configuration_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hinomi.toml");
    std::fs::write(&file, "retention_days = 7\n").unwrap();
    let (text, error, status) = run(folder.path(), &["config", "--config", file.to_str().unwrap()]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    assert!(text.contains("retention_days = 7"), "{text}");
    std::fs::write(&file, "retention_dais = 7\n").unwrap();
    let (_, error, status) = run(folder.path(), &["config", "--config", file.to_str().unwrap()]);
    assert_eq!(status, Some(2));
    assert!(error.contains("retention_dais"), "{error}");
}

#[test]
fn data_directory_has_one_server() {
    let server = Server::start();
    let (_, error, status) = run(&server.data(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(status, Some(1));
    assert!(error.contains("is in use by"), "{error}");
}

#[test]
fn graceful_stop_flushes() {
    let mut server = Server::start();
    assert_eq!(server.envelope(crate::envelopes::call(0xa1, "q", "a")).status, 200);
    assert_eq!(server.stop(), Some(0));
    let segments = std::fs::read_dir(server.data().join("segments")).unwrap().count();
    assert!(segments >= 1);
    server.start_again();
    assert_eq!(server.ask("/summary")["spans"], 3);
}

#[test]
fn demo_fills_its_own_project() {
    let server = Server::start();
    let (said, error, status) = server.command(&["demo", "--days", "1"]);
    assert_eq!(status, Some(0), "{said}{error}");
    let (listed, _, _) = server.command(&["project", "list"]);
    assert_eq!(listed.matches("(demo)").count(), 1, "{listed}");
    let projects = server.get("/api/v1/projects").json();
    let demo = projects["projects"].as_array().unwrap().iter().find(|project| project["demo"] == true).unwrap().clone();
    let summary = server.get(&format!("/api/v1/projects/{}/summary?from=-2d", demo["id"])).json();
    assert!(summary["llm_calls"].as_u64().unwrap() > 1000, "{summary}");
    assert!(summary["failed_llm_calls"].as_u64().unwrap() > 0 && summary["unpriced_calls"].as_u64().unwrap() > 0, "{summary}");
    assert_eq!(server.ask("/summary")["spans"], 0, "project 1 is left alone");
    let (_, error, status) = server.command(&["demo"]);
    assert_eq!(status, Some(1));
    assert!(error.contains("already has demo traffic"), "{error}");
}
