//! Who may use whom inside the server: the arrows of ARCHITECTURE.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A part of the server and the parts that it may use. `app` and `cli` put all together and may use any.
const ARROWS: [(&str, &[&str]); 27] = [
    ("store", &["threads"]),
    ("errors", &["sqlite", "time"]),
    ("logs", &["sqlite", "time"]),
    ("metrics", &["sqlite", "time"]),
    ("outcomes", &["sqlite", "time"]),
    ("scores", &["sqlite", "time"]),
    ("bills", &["sqlite", "time"]),
    ("meta", &["sqlite"]),
    ("notify", &["sqlite", "time"]),
    ("sqlite", &[]),
    ("time", &[]),
    ("config", &[]),
    ("memory", &["config"]),
    ("page", &[]),
    ("connections", &[]),
    ("unread", &[]),
    ("threads", &[]),
    ("prices", &["meta"]),
    ("reprice", &["query", "store"]),
    ("jobs", &["meta", "prices", "query", "reprice", "store"]),
    ("keeping", &["alert", "errors", "logs", "meta", "query", "scores", "sqlite", "store", "time"]),
    ("transfer", &["store", "time"]),
    ("backup", &["sqlite", "store", "time"]),
    ("ingest", &["config", "errors", "logs", "memory", "meta", "metrics", "outcomes", "scores", "sqlite", "store"]),
    ("query", &["store", "threads", "time"]),
    ("alert", &["meta", "notify", "outcomes", "query", "sqlite", "store", "threads", "time"]),
    (
        "api",
        &[
            "alert", "backup", "bills", "config", "errors", "ingest", "jobs", "keeping", "logs", "memory", "meta", "metrics", "notify",
            "outcomes", "prices", "query", "reprice", "scores", "sqlite", "store", "threads", "time", "transfer",
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

/// Parts named after `crate::` in a source file.
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

#[test]
fn no_part_uses_what_it_must_not_know() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (part, allowed) in ARROWS {
        let files = [sources(&root.join(part)), sources(&root.join(format!("{part}.rs")))].concat();
        assert!(!files.is_empty(), "{part} has sources");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let is_part = |name: &String| root.join(name).exists() || root.join(format!("{name}.rs")).exists();
            let mut strangers = used(&text);
            strangers.retain(|name| name != part && is_part(name) && !allowed.contains(&name.as_str()));
            assert!(strangers.is_empty(), "{} uses {strangers:?}; {part} may use {allowed:?} only", file.display());
        }
    }
}

#[test]
fn one_file_builds_the_bodies_that_are_streamed() {
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
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["api/streaming.rs", "unread.rs"]);
}
