//! Phrases by which signals read texts, in tables. All are in lower case and are compared with lower-case text.

mod errors;
mod languages;
mod refusals;

pub(super) use errors::{INVALID_ARGUMENTS, RUN_LIMITS, asks_user, error_text, mentions_failure};
pub(super) use languages::names_language;
pub(super) use refusals::declines;

use aho_corasick::{AhoCorasick, MatchKind};

/// Builds the automaton of a table.
fn automaton(phrases: &[&str]) -> AhoCorasick {
    let builder = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(phrases);
    builder.expect("a table of phrases fits into an automaton")
}

/// Returns a text in lower case, with plain apostrophes.
fn folded(text: &str) -> String {
    text.to_lowercase().replace(['’', '‘', 'ʼ'], "'")
}
