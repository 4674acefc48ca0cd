//! Checks the names of types: nouns with their subject, each used by one type only (docs/glossary.md has the rules).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Words that are not names on their own: pronouns, participles, adjectives, adverbs.
const EMPTY_WORDS: [&str; 54] = [
    "All", "Any", "Apart", "As", "Asked", "Before", "Begun", "Below", "Beside", "Both", "Broken", "By", "Chosen", "Drawn", "Each", "Found",
    "From", "Given", "Gone", "Had", "Heard", "Held", "Here", "How", "Judged", "Kept", "Known", "Live", "Made", "Met", "Most", "Moved",
    "Next", "Of", "Old", "Open", "Opened", "Other", "Placed", "Read", "Said", "Seen", "Sent", "Shown", "Taken", "Then", "There", "Told",
    "Wanted", "What", "Which", "Whole", "Whose", "Written",
];
/// Largest fraction of all types, in thousandths, whose name is a single word: those of protocols, and terms of the field (`Span`,
/// `Usage`).
const MAX_ONE_WORD: usize = 80;
/// Largest fraction of all types, in thousandths, that share a name: types that traits require.
const MAX_SHARED: usize = 40;

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.file_name().is_none_or(|name| name != "tests" && name != "tests.rs"))
        .flat_map(|path| sources(&path))
        .collect()
}

/// Returns the types that a source file defines outside of its tests.
fn types(text: &str) -> Vec<&str> {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    code.lines().filter_map(type_of).collect()
}

fn type_of(line: &str) -> Option<&str> {
    let mut words = line.trim_start();
    if let Some(rest) = words.strip_prefix("pub") {
        words = match rest.strip_prefix('(') {
            Some(rest) => rest.split_once(") ")?.1,
            None => rest.strip_prefix(' ')?,
        };
    }
    let rest = ["struct ", "enum ", "trait ", "type ", "union "].iter().find_map(|keyword| words.strip_prefix(keyword))?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    rest.starts_with(|c: char| c.is_uppercase()).then_some(&rest[..end])
}

#[test]
fn type_names_follow_the_glossary() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let texts: Vec<String> = ["alerting/src", "model/src", "query/src", "server/src", "store/src", "tables/src"]
        .iter()
        .flat_map(|part| sources(&crates.join(part)))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for name in texts.iter().flat_map(|text| types(text)) {
        *count.entry(name).or_default() += 1;
    }
    let all: usize = count.values().sum();
    assert!(all > 500, "only {all} types were found");
    let empty: Vec<_> = count.keys().filter(|name| EMPTY_WORDS.contains(name)).collect();
    assert!(empty.is_empty(), "these say nothing without their neighbors; name the thing: {empty:?}");
    let one_word = |name: &&str| name.chars().filter(|c| c.is_uppercase()).count() == 1;
    let single: Vec<_> = count.keys().filter(|name| one_word(name)).collect();
    let singles: usize = single.iter().map(|name| count[**name]).sum();
    assert!(singles * 1000 <= all * MAX_ONE_WORD, "too many names are one word; say whose or what for: {single:?}");
    let shared: Vec<_> = count.iter().filter(|(_, types)| **types > 1).collect();
    let sharing: usize = shared.iter().map(|(_, types)| **types).sum();
    assert!(sharing * 1000 <= all * MAX_SHARED, "too many types have the name of another one: {shared:?}");
}

/// Returns the name of a log event: the last string in a macro call, up to a colon.
fn event_of(call: &str) -> Option<&str> {
    let end = call.rfind('"')?;
    let start = call[..end].rfind('"')?;
    call[start + 1..end].split(':').next()
}

#[test]
fn log_events_are_named_subsystem_object_verb() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut count = 0;
    for path in ["alerting/src", "query/src", "server/src", "store/src", "tables/src"].iter().flat_map(|part| sources(&crates.join(part))) {
        let text = fs::read_to_string(&path).unwrap();
        for macro_name in ["tracing::error!(", "tracing::warn!(", "tracing::info!(", "tracing::debug!("] {
            for (at, _) in text.match_indices(macro_name) {
                let call = text[at..].split(")\n").next().and_then(|call| call.split(");").next()).unwrap_or_default();
                let Some(event) = event_of(call) else { continue };
                let parts: Vec<&str> = event.split('.').collect();
                let is_word = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                assert!(parts.len() == 3 && parts.iter().all(is_word), "{event:?} in {}", path.display());
                count += 1;
            }
        }
    }
    assert!(count > 50, "only {count} events were found");
}
