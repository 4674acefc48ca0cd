//! What an operator of the server sees: signals, file permissions, the greeting, settings.

use std::process::{Command, Stdio};

use crate::server::{Server, hinomi, run};

#[cfg(unix)]
fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { [files(&path), vec![path]].concat() } else { vec![path] }).collect()
}

#[cfg(unix)]
#[test]
fn files_are_accessible_to_their_owner_only() {
    let disk = tempfile::tempdir().unwrap();
    std::fs::create_dir(disk.path().join("data")).unwrap();
    set_mode(&disk.path().join("data"), 0o755);
    let mut server = Server::start_on(disk.path(), &[]);
    assert_eq!(server.envelope(crate::envelopes::call(1, "q", "a")).status, 200);
    let open = |server: &Server| files(&server.data()).into_iter().filter(|path| mode(path) & 0o077 != 0).collect::<Vec<_>>();
    assert_eq!(open(&server), Vec::<std::path::PathBuf>::new());
    assert!(server.log().contains("permissions.directory.too_open"), "{}", server.log());
    // File permissions as an earlier version left them.
    assert_eq!(server.stop(), Some(0));
    files(&server.data()).iter().filter(|path| path.is_file()).for_each(|path| set_mode(path, 0o644));
    server.start_again();
    assert_eq!(open(&server), Vec::<std::path::PathBuf>::new());
    assert!(server.log().contains("permissions.files.restricted"), "{}", server.log());
    assert_eq!(server.ask("/summary")["spans"], 3);
}

#[cfg(unix)]
#[test]
fn signals_without_stop_meaning_do_not_end_the_server() {
    let mut server = Server::start();
    for signal in ["-HUP", "-USR1", "-USR2"] {
        assert!(Command::new("kill").args([signal, &server.pid().to_string()]).status().unwrap().success());
    }
    let said = || server.log().matches("server.signal.ignored").count();
    let started = std::time::Instant::now();
    while said() < 3 && started.elapsed().as_secs() < 30 {
        assert_eq!(server.get("/healthz").status, 200);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(said(), 3, "{}", server.log());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn sign_in_links_are_not_logged_to_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, port_file) = (folder.path().join("journal"), folder.path().join("port"));
    let mut command = hinomi(&folder.path().join("data"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--port-file"]).arg(&port_file);
    let out = std::fs::File::create(&journal).unwrap();
    let mut process = command.stdout(out.try_clone().unwrap()).stderr(Stdio::from(out)).spawn().unwrap();
    let started = std::time::Instant::now();
    while !port_file.exists() && started.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let said = std::fs::read_to_string(&journal).unwrap();
    assert!(said.contains("is ready") && said.contains("hinomi login") && !said.contains("token="), "{said}");
}

#[test]
fn export_overwrites_no_file_unasked() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.jsonl");
    let export = |more: &[&str]| server.command(&[&["export", "--out", out.to_str().unwrap()], more].concat());
    assert_eq!(export(&[]).2, Some(0));
    #[cfg(unix)]
    assert_eq!(mode(&out), 0o600);
    std::fs::write(&out, "precious").unwrap();
    let (_, error, status) = export(&[]);
    assert!(error.contains("--force") && status == Some(1), "{error}");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "precious");
    assert_eq!(export(&["--force"]).2, Some(0));
    assert_ne!(std::fs::read_to_string(&out).unwrap(), "precious");
}

#[test]
fn backup_name_of_a_compressed_archive_is_rejected() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    for name in ["mon.tar.gz", "mon.tgz", "mon.zip", "mon.tar.zst"] {
        let target = folder.path().join(name);
        let (_, error, status) = server.command(&["backup", target.to_str().unwrap()]);
        assert!(error.contains("not compressed") && status == Some(1), "{name}: {error}");
        assert!(!target.exists(), "{name}");
    }
}

#[test]
fn settings_page_shows_the_running_server() {
    let mut server = Server::start_with(&[("HINOMI_RETENTION_DAYS", "33"), ("HINOMI_LOG", "warning")]);
    let (said, error, status) = server.command(&["config"]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    assert!(said.starts_with("# Settings of the running server."), "{said}");
    assert!(said.contains("retention_days = 33\n# A new server would use: retention_days = 90\n"), "{said}");
    assert_eq!(server.stop(), Some(0));
    let (said, ..) = server.command(&["config"]);
    assert!(said.starts_with("# No server is running") && said.contains("\nretention_days = 90\n"), "{said}");
    let mut command = hinomi(&server.data());
    let output = command.arg("config").env("HINOMI_LOG", "verbose").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && error.contains("\"verbose\" is not a valid log level; use off, error, warn"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hinomi.toml");
    std::fs::write(&file, "\n[disk]\nreserve_bytes = \"much\"\n").unwrap();
    let (_, error, status) = run(&server.data(), &["config", "--config", file.to_str().unwrap()]);
    assert!(status == Some(2) && error.contains("line 3, disk.reserve_bytes: "), "{error}");
}
