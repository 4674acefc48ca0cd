//! Reads usage objects of all providers and clients.
//!
//! Every count gets one path: names in snake case, separated by dots, whether the client nests objects (`promptTokensDetails:
//! {cachedTokens}`), writes dots (`prompt_tokens_details.cached_tokens`) or lists modalities (`[{modality: AUDIO, tokenCount}]`). The table
//! [`COUNT_NAMES`] maps paths to counts.

mod count_names;

use serde_json::{Map, Value};

use super::{ReportedTokenCounts, TokenCountConvention, count};
use count_names::{AUDIO_SECONDS, COUNT_NAMES, TokenCountMeaning};

/// Objects inside a usage object, and the prefix of the paths of their counts.
const OBJECTS: &[(&str, &str)] = &[
    ("prompt_tokens_details", "in"),
    ("prompt_token_details", "in"),
    ("prompt_details", "in"),
    ("input_tokens_details", "in"),
    ("input_token_details", "in"),
    ("input_details", "in"),
    ("completion_tokens_details", "out"),
    ("completion_token_details", "out"),
    ("completion_details", "out"),
    ("output_tokens_details", "out"),
    ("output_token_details", "out"),
    ("output_details", "out"),
    ("candidates_tokens_details", "out"),
    ("response_tokens_details", "out"),
    ("cache_tokens_details", "cached"),
    ("details", ""),
    ("server_tool_use", ""),
    // Cohere.
    ("tokens", ""),
    ("billed_units", ""),
    // LangWatch.
    ("value", ""),
];

/// Names of Anthropic and Bedrock, whose input excludes cached tokens.
const BESIDE_INPUT: &[&str] = &[
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_write_input_tokens",
    "cache_read_input_token_count",
    "cache_write_input_token_count",
];

/// Names of Google, whose output excludes reasoning.
const BESIDE_OUTPUT: &[&str] = &["thoughts_token_count"];

/// Maximum nesting depth of objects, and maximum number of counts that are read.
const MAX_DEPTH: u8 = 4;
const MAX_COUNTS: usize = 200;

/// Counts of a usage object by their path.
#[derive(Debug, Default)]
pub(crate) struct TokenCountPaths(Vec<(String, u64)>);

impl TokenCountPaths {
    /// Adds a count, or all counts of an object or of its text in JSON, Python's or Go's notation. `path` is the sent name of the count or
    /// object.
    pub(crate) fn add(&mut self, path: &str, value: &Value) {
        let known = canonical(path);
        // A count under the name of an object is no object.
        let is_count = known.is_empty() && count(value).is_some();
        self.add_at(if is_count { path } else { &known }, value, MAX_DEPTH);
    }

    /// Returns true if no count is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(details: &Map<String, Value>) -> TokenCountPaths {
        let mut paths = TokenCountPaths::default();
        details.iter().for_each(|(name, value)| paths.add(name, value));
        paths
    }

    fn add_at(&mut self, path: &str, value: &Value, depth: u8) {
        let Some(depth) = depth.checked_sub(1).filter(|_| self.0.len() < MAX_COUNTS) else { return };
        match value {
            Value::Object(object) => object.iter().for_each(|(name, value)| self.add_at(&joined(path, &canonical(name)), value, depth)),
            Value::Array(items) => items.iter().for_each(|item| {
                let get = |names: [&str; 2]| names.iter().find_map(|name| item.get(*name));
                let modality = get(["modality", "type"]).and_then(Value::as_str);
                if let (Some(modality), Some(tokens)) = (modality, get(["tokenCount", "token_count"])) {
                    self.add_at(&joined(path, &canonical(modality)), tokens, depth);
                }
            }),
            value if AUDIO_SECONDS.contains(&path) => self.0.extend(milliseconds(value).map(|ms| (path.to_owned(), ms))),
            value => match (count(value), value) {
                (Some(count), _) => self.0.push((path.to_owned(), count)),
                (None, Value::String(text)) => {
                    if let Some(object) = crate::notations::object(text) {
                        self.add_at(path, &Value::Object(object), depth);
                    }
                }
                _ => {}
            },
        }
    }

    fn at(&self, path: &str) -> Option<u64> {
        self.0.iter().find(|(known, _)| known == path).map(|(_, count)| *count)
    }

    fn has_any(&self, paths: &[&str]) -> bool {
        paths.iter().any(|path| self.at(path).is_some())
    }

    /// Returns the count with the best name.
    fn get(&self, meaning: TokenCountMeaning) -> Option<u64> {
        let (_, names) = COUNT_NAMES.iter().find(|(known, _)| *known == meaning)?;
        let counts = || names.iter().filter_map(|name| self.at(name));
        // A client that sends zero under one name may send the count under another.
        counts().find(|count| *count > 0).or_else(|| counts().next())
    }

    /// Returns the sum of the counts whose path has a prefix and then a wanted modality. Langfuse's handler of LangChain subtracts the tokens
    /// of each modality that Vertex reports from the whole.
    fn modalities(&self, prefix: &str, is_wanted: fn(&str) -> bool) -> Option<u64> {
        let of = self.0.iter().filter(|(path, _)| path.strip_prefix(prefix).is_some_and(is_wanted));
        of.map(|(_, count)| *count).reduce(u64::saturating_add)
    }

    /// Returns the sum of the counts of Langfuse's usage whose name has a prefix and no meaning.
    fn unknown(&self, prefix: &str) -> Option<u64> {
        // Counts of text are parts of the whole.
        let is_known =
            |path: &str| path.contains("_modality_") || path.contains("text") || COUNT_NAMES.iter().any(|(_, names)| names.contains(&path));
        let of = self.0.iter().filter(|(path, _)| path.starts_with(prefix) && !is_known(path));
        of.map(|(_, count)| *count).reduce(u64::saturating_add)
    }

    /// Returns the input that the provider's own tools added to the prompt.
    pub(crate) fn tool_use(&self) -> Option<u64> {
        self.get(TokenCountMeaning::ToolUse)
    }

    /// Returns the counts.
    pub(crate) fn counts(&self) -> ReportedTokenCounts {
        if self.is_empty() {
            return ReportedTokenCounts::default();
        }
        let get = |meaning| self.get(meaning);
        let plain: fn(&str) -> bool = |modality| !matches!(modality, "audio" | "image");
        let read = get(TokenCountMeaning::CacheRead).or_else(|| self.modalities("cached_modality_", |_| true));
        // DeepSeek and others divide the input into what was cached and what was not.
        let (written, hour) = (get(TokenCountMeaning::CacheWrite), get(TokenCountMeaning::CacheWrite1h));
        let short = get(TokenCountMeaning::CacheWrite5m);
        let cached = || [read, written.or(short)].into_iter().flatten().fold(0, u64::saturating_add);
        let divided = || get(TokenCountMeaning::CacheMiss).map(|miss| miss.saturating_add(cached()));
        let input = get(TokenCountMeaning::Input).or_else(divided);
        let input = input.map(|input| input.saturating_add(get(TokenCountMeaning::ToolUse).unwrap_or(0)));
        // Anthropic reports the sum of cache writes and, in addition, the part for each duration. LangChain sets the sum to zero then.
        let rest = written.map(|written| written.saturating_sub(hour.unwrap_or(0)));
        ReportedTokenCounts {
            input: added(input, self.modalities("input_modality_", plain)),
            output: added(get(TokenCountMeaning::Output), self.modalities("output_modality_", plain)),
            total: get(TokenCountMeaning::Total),
            cache_read: read,
            cache_write_5m: rest.max(short),
            cache_write_1h: hour,
            cached_audio: get(TokenCountMeaning::CachedAudio),
            reasoning: get(TokenCountMeaning::Reasoning),
            input_audio: get(TokenCountMeaning::InputAudio),
            output_audio: get(TokenCountMeaning::OutputAudio),
            input_image: get(TokenCountMeaning::InputImage),
            output_image: get(TokenCountMeaning::OutputImage),
            web_searches: get(TokenCountMeaning::WebSearches),
            images: get(TokenCountMeaning::Images),
            characters: get(TokenCountMeaning::Characters),
            audio_ms: get(TokenCountMeaning::AudioMs),
            rerank_units: get(TokenCountMeaning::RerankUnits),
        }
    }
}

impl ReportedTokenCounts {
    /// Reads the counts of one object, as providers, SDKs and wrappers send them, with the conventions for input and output that its shape
    /// implies.
    pub fn from_details(details: &Map<String, Value>) -> (ReportedTokenCounts, TokenCountConvention, TokenCountConvention) {
        let paths = TokenCountPaths::of(details);
        let own_words = details.contains_key("input") || details.contains_key("output");
        let mut counts = paths.counts();
        if own_words {
            // Programs may add counts of any other name to Langfuse's usage, which is the sum of all.
            counts.input = added(counts.input, paths.unknown("input_"));
            counts.output = added(counts.output, paths.unknown("output_"));
        }
        let exclusive = |is_exclusive: bool| if is_exclusive { TokenCountConvention::Exclusive } else { TokenCountConvention::Inclusive };
        let beside = paths.has_any(BESIDE_INPUT);
        (counts, exclusive(own_words || beside), exclusive(own_words || beside || paths.has_any(BESIDE_OUTPUT)))
    }

    /// Returns true for an object in Anthropic's own shape, whose input excludes cached tokens.
    pub(crate) fn is_anthropics(details: &Map<String, Value>) -> bool {
        details.contains_key("input_tokens") && BESIDE_INPUT.iter().any(|name| details.contains_key(*name))
    }
}

/// Returns the milliseconds of a value in seconds.
pub(crate) fn milliseconds(seconds: &Value) -> Option<u64> {
    let seconds = match seconds {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().trim_matches('"').parse().ok(),
        _ => None,
    };
    super::whole_count(seconds? * 1e3)
}

fn added(whole: Option<u64>, part: Option<u64>) -> Option<u64> {
    whole.map(|whole| whole.saturating_add(part.unwrap_or(0))).or(part)
}

fn joined(path: &str, name: &str) -> String {
    match (path, name) {
        ("", name) => name.to_owned(),
        (path, "") => path.to_owned(),
        (path, name) => format!("{path}.{name}"),
    }
}

/// Returns a name in snake case, with the prefix of the object that it starts with.
fn canonical(name: &str) -> String {
    let mut path = String::with_capacity(name.len() + 4);
    let mut before = '.';
    for c in name.chars() {
        if c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            path.push('_');
        }
        path.push(if matches!(c, '-' | ' ') { '_' } else { c.to_ascii_lowercase() });
        before = c;
    }
    let (first, rest) = path.split_once('.').unwrap_or((&path, ""));
    // Objects may be nested (`details.input_tokens_details`), so that the rest of a path starts with one too.
    match OBJECTS.iter().find(|(object, _)| *object == first) {
        Some((_, prefix)) => joined(prefix, &if rest.is_empty() { String::new() } else { canonical(rest) }),
        None => path,
    }
}
