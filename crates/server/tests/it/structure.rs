//! Checks the dependencies in ARCHITECTURE.md. Cargo prevents a crate from using crates that it does not declare; this checks the
//! declarations, and the dependencies between the modules of a crate.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A crate, and the crates of this project that it may use.
const LAYERS: [(&str, &[&str]); 7] = [
    ("model", &[]),
    ("store", &["model"]),
    ("tables", &["model"]),
    ("evaluation", &["model"]),
    ("query", &["model", "store"]),
    ("alerting", &["model", "store", "tables", "query"]),
    ("server", &["model", "store", "tables", "query", "alerting", "evaluation"]),
];

/// A module of a crate, and the other modules of it that it may use. In the server, `app` and `cli` assemble everything and may use any.
const ALLOWED_DEPENDENCIES: [(&str, &str, &[&str]); 42] = [
    ("store", "rows", &["schema"]),
    ("tables", "database", &["secret_cipher"]),
    ("tables", "secret_cipher", &[]),
    ("tables", "secret_columns", &["database", "secret_cipher"]),
    ("tables", "retained_rows", &["database"]),
    ("tables", "audit_log", &["database"]),
    ("tables", "bills", &["database", "retained_rows"]),
    ("tables", "error_events", &["database", "retained_rows"]),
    ("tables", "evaluators", &["database", "retained_rows"]),
    ("tables", "findings", &["database", "retained_rows"]),
    ("tables", "log_lines", &["database", "retained_rows"]),
    ("tables", "metadata", &["database"]),
    ("tables", "otel_metrics", &["database", "retained_rows"]),
    ("tables", "outcomes", &["database", "retained_rows"]),
    ("tables", "prices", &["metadata"]),
    ("tables", "forwards", &["database", "retained_rows", "secret_cipher", "secret_columns"]),
    ("tables", "media", &["database", "retained_rows"]),
    ("tables", "scores", &["database", "retained_rows"]),
    ("tables", "share_links", &["database", "retained_rows"]),
    ("alerting", "delivery", &["name_redaction"]),
    ("server", "config", &[]),
    ("server", "connections", &["config"]),
    ("server", "body_drain", &[]),
    ("server", "web_assets", &[]),
    ("server", "security_headers", &[]),
    ("server", "memory", &["config"]),
    ("server", "jobs", &[]),
    ("server", "reprice", &["jobs"]),
    ("server", "backup", &[]),
    ("server", "transfer", &[]),
    ("server", "retention", &[]),
    ("server", "demo", &[]),
    ("server", "forward", &[]),
    ("server", "ingest", &["config", "memory"]),
    ("server", "query_parameters", &[]),
    ("server", "sign_in", &["config"]),
    ("server", "score_targets", &[]),
    ("server", "filter_targets", &[]),
    ("server", "trace_work", &["filter_targets"]),
    ("server", "evaluation", &["filter_targets", "jobs", "trace_work"]),
    ("server", "finding_search", &["trace_work"]),
    (
        "server",
        "api",
        &[
            "backup",
            "config",
            "evaluation",
            "filter_targets",
            "finding_search",
            "forward",
            "ingest",
            "jobs",
            "memory",
            "query_parameters",
            "reprice",
            "retention",
            "sign_in",
            "trace_work",
            "transfer",
        ],
    ),
];

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    entries.flat_map(|entry| sources(&entry.unwrap().path())).collect()
}

/// Returns the modules that a source file names after `crate::`.
fn used(text: &str) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    for (at, found) in text.match_indices("crate::") {
        let rest = &text[at + found.len()..];
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or(list),
            None => rest.split([';', ' ', '(', ')', '<', '>', '\n']).next().unwrap_or(rest),
        };
        for part in list.split(',') {
            let name: String = part.trim().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            parts.insert(name);
        }
    }
    parts.remove("");
    parts
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn no_crate_depends_on_a_higher_layer() {
    for (name, allowed) in LAYERS {
        let manifest = fs::read_to_string(crates().join(name).join("Cargo.toml")).unwrap();
        let named: BTreeSet<&str> =
            manifest.lines().filter_map(|line| line.strip_prefix("hinomi-")).filter_map(|line| line.split(['.', ' ']).next()).collect();
        let forbidden: Vec<&str> = named.into_iter().filter(|other| !allowed.contains(other)).collect();
        assert!(forbidden.is_empty(), "crates/{name} names {forbidden:?}; it may use {allowed:?} only");
    }
}

#[test]
fn modules_respect_their_allowed_dependencies() {
    for (layer, part, allowed) in ALLOWED_DEPENDENCIES {
        let root = crates().join(layer).join("src");
        let files = [sources(&root.join(part)), sources(&root.join(format!("{part}.rs")))].concat();
        assert!(!files.is_empty(), "{layer}::{part} has sources");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            if file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs") {
                continue;
            }
            let is_part = |name: &String| root.join(name).exists() || root.join(format!("{name}.rs")).exists();
            let mut forbidden = used(code);
            forbidden.retain(|name| name != part && is_part(name) && !allowed.contains(&name.as_str()));
            assert!(forbidden.is_empty(), "{} uses {forbidden:?}; {part} may use {allowed:?} only", file.display());
        }
    }
}

#[test]
fn streamed_bodies_are_built_in_one_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let builders = ["Body::from_stream(", "Sse::new(", "StreamBody::new("];
    let mut found = BTreeSet::new();
    for file in sources(&root) {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        if builders.iter().any(|builder| code.contains(builder)) {
            found.insert(file.strip_prefix(&root).unwrap().display().to_string());
        }
    }
    // The body of a request is never compressed by the server.
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["api/streaming.rs", "body_drain.rs"]);
}

/// A route of the API states its permission only if `permitted_routes!` registers it. The document itself and the sign-in link are public.
#[test]
fn routes_of_the_api_state_their_permission() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut found = BTreeSet::new();
    for file in sources(&root) {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|line| line.contains(".route(") || line.contains(".routes(") && !line.contains("permission::")) {
            found.insert(format!("{}: {}", file.strip_prefix(&root).unwrap().display(), line.trim()));
        }
    }
    let public = [
        "mod.rs: let router = router.route(\"/api/v1/openapi.json\", axum::routing::get(move || async move { Json((*description).clone()) }));",
        "session.rs: Router::new().route(\"/login\", get(login))",
    ];
    assert_eq!(found.into_iter().collect::<Vec<_>>(), public, "register other routes with `permitted_routes!`");
}

/// Sources of the store that use the local disk directly: the data directory with its lock, the WAL, the manifest, and the local storage of
/// segments. Everything else reads and writes segments through `SegmentStorage`.
const LOCAL_DISK: [&str; 8] = [
    "store/src/data_folder.rs",
    "store/src/manifest.rs",
    "store/src/segment_storage/local.rs",
    "store/src/wal.rs",
    "store/src/wal/cursor.rs",
    "store/src/wal/file.rs",
    "store/src/wal/last_sequence.rs",
    "store/src/wal/read.rs",
];

#[test]
fn segments_are_stored_behind_one_trait() {
    let calls = ["std::fs", "tokio::fs", "File::", "OpenOptions", "read_dir(", "remove_file(", ".exists()", ".is_file()", ".metadata()?"];
    let mut found = BTreeSet::new();
    for file in ["store/src", "query/src"].iter().flat_map(|root| sources(&crates().join(root))) {
        let name = file.strip_prefix(crates()).unwrap().display().to_string();
        if name.contains("/tests/") || name.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let mut lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        // `SegmentFile::` is not `File::`.
        let is_word = |line: &str, at: usize| !line[..at].ends_with(char::is_alphanumeric);
        if lines.any(|line| calls.iter().any(|call| line.match_indices(call).any(|(at, _)| call.starts_with('.') || is_word(line, at)))) {
            found.insert(name);
        }
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), LOCAL_DISK);
}
