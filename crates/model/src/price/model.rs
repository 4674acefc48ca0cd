//! Spellings of models, and how they are matched with entries.

use std::collections::HashMap;
use std::sync::OnceLock;

use regex::Regex;
use serde::Deserialize;

use super::entry::PriceEntry;

/// Names of a model.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Vec<String>")]
pub(super) enum ModelNames {
    /// The ID is the only name.
    #[default]
    OnlyId,
    /// The model has these names. The list is empty if only rules apply.
    These(Vec<String>),
}

impl From<Vec<String>> for ModelNames {
    fn from(names: Vec<String>) -> ModelNames {
        ModelNames::These(names)
    }
}

/// A rule for a lower-case name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ModelNameRule {
    Starts(String),
    Ends(String),
    Has(String),
    Regex(LazyRegex),
    NoRegex(LazyRegex),
    All(Vec<ModelNameRule>),
}

impl ModelNameRule {
    fn is_satisfied_by(&self, name: &str) -> bool {
        match self {
            ModelNameRule::Starts(text) => name.starts_with(text.as_str()),
            ModelNameRule::Ends(text) => name.ends_with(text.as_str()),
            ModelNameRule::Has(text) => name.contains(text.as_str()),
            ModelNameRule::Regex(pattern) => pattern.is_match(name),
            ModelNameRule::NoRegex(pattern) => !pattern.is_match(name),
            ModelNameRule::All(clauses) => clauses.iter().all(|clause| clause.is_satisfied_by(name)),
        }
    }

    pub(super) fn patterns(&self) -> Vec<&LazyRegex> {
        match self {
            ModelNameRule::Regex(pattern) | ModelNameRule::NoRegex(pattern) => vec![pattern],
            ModelNameRule::All(clauses) => clauses.iter().flat_map(ModelNameRule::patterns).collect(),
            ModelNameRule::Starts(_) | ModelNameRule::Ends(_) | ModelNameRule::Has(_) => Vec::new(),
        }
    }
}

/// A regular expression that is compiled at first use; most are never used.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
pub(super) struct LazyRegex {
    source: String,
    /// Literal prefix of all matches, which is known without compiling.
    prefix: String,
    regex: OnceLock<Option<Regex>>,
}

impl From<String> for LazyRegex {
    fn from(source: String) -> LazyRegex {
        LazyRegex { prefix: literal_prefix(&source), source, regex: OnceLock::new() }
    }
}

impl LazyRegex {
    fn is_match(&self, name: &str) -> bool {
        name.starts_with(&self.prefix)
            && self.regex.get_or_init(|| Regex::new(&self.source).ok()).as_ref().is_some_and(|regex| regex.is_match(name))
    }

    /// Returns the error of an invalid expression.
    pub(super) fn error(&self) -> Option<String> {
        Regex::new(&self.source).err().map(|e| e.to_string())
    }
}

/// Returns the literal prefix of an expression that is anchored at the start.
fn literal_prefix(source: &str) -> String {
    let mut prefix = String::new();
    let Some(rest) = source.strip_prefix('^') else { return prefix };
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped) if !escaped.is_ascii_alphanumeric() => prefix.push(escaped),
                _ => break,
            },
            c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | ':' | '@') => prefix.push(c),
            // A quantifier makes the last character optional.
            '?' | '*' | '{' => {
                prefix.pop();
                break;
            }
            _ => break,
        }
    }
    prefix
}

/// Models of one provider by name. The first match in the price table wins.
#[derive(Debug, Default)]
pub(super) struct ProviderModels {
    entries: Vec<PriceEntry>,
    exact: HashMap<String, usize>,
    /// Indexes of the entries with rules.
    rule_entries: Vec<usize>,
}

impl ProviderModels {
    pub(super) fn new(entries: Vec<PriceEntry>) -> ProviderModels {
        let mut exact = HashMap::with_capacity(entries.len() * 2);
        for (place, entry) in entries.iter().enumerate() {
            for name in entry.names() {
                exact.entry(name).or_insert(place);
            }
        }
        let rule_entries = entries.iter().enumerate().filter(|(_, e)| !e.like.is_empty()).map(|(place, _)| place).collect();
        ProviderModels { entries, exact, rule_entries }
    }

    /// Returns the entry for a lower-case name in any spelling that clients use for one model.
    pub(super) fn find(&self, name: &str) -> Option<&PriceEntry> {
        spellings(name).iter().find_map(|spelling| self.first(spelling, |_| true))
    }

    /// Returns the entry for a lower-case name if it is unknown whether the model is this provider's. A word within the name is not
    /// sufficient then: `my-moderation-7b` may be anybody's model.
    pub(super) fn find_unnamed(&self, name: &str) -> Option<&PriceEntry> {
        let proves = |clause: &ModelNameRule| !matches!(clause, ModelNameRule::Has(_) | ModelNameRule::Ends(_));
        spellings(name).iter().find_map(|spelling| self.first(spelling, proves))
    }

    fn first(&self, name: &str, trusted: impl Fn(&ModelNameRule) -> bool) -> Option<&PriceEntry> {
        let by_name = self.exact.get(name).copied();
        let before = by_name.unwrap_or(self.entries.len());
        let holds = |place: &usize| self.entries[*place].like.iter().any(|clause| trusted(clause) && clause.is_satisfied_by(name));
        let by_rule = self.rule_entries.iter().copied().take_while(|place| *place < before).find(holds);
        by_rule.or(by_name).map(|place| &self.entries[place])
    }

    pub(super) fn entries(&self) -> &[PriceEntry] {
        &self.entries
    }
}

/// Returns the name, then the name with less and less of its version. A dated name with a price of its own is found first, so that
/// `gpt-4o-2024-05-13` does not get today's price of `gpt-4o`.
pub(super) fn spellings(name: &str) -> Vec<String> {
    let mut found = vec![name.to_owned()];
    if let Some(dashed) = with_dashed_date(name) {
        found.push(dashed);
    }
    let mut rest = name;
    // At most a date and two versions: `anthropic.claude-3-haiku-20240307-v1:0`.
    for _ in 0..3 {
        let Some(shorter) = without_version(rest).filter(|shorter| !shorter.is_empty()) else { break };
        found.push(shorter.to_owned());
        rest = shorter;
    }
    found
}

/// Returns `gpt-5.2-20251211` as `gpt-5.2-2025-12-11`.
fn with_dashed_date(name: &str) -> Option<String> {
    let at = name.len().checked_sub(9)?;
    let date = name.get(at..)?.strip_prefix('-')?;
    is_date(date).then(|| format!("{}-{}-{}-{}", &name[..at], &date[..4], &date[4..6], &date[6..]))
}

/// Returns the name without its last `-20251211`, `-2025-12-11`, `@20251211`, `-v1`, `-v1:0`, `:0`, `@default` or `-latest`.
fn without_version(name: &str) -> Option<&str> {
    if let Some(at) = name.len().checked_sub(11)
        && let Some(date) = name.get(at..).and_then(|tail| tail.strip_prefix(['-', '@']))
        && date.as_bytes()[4] == b'-'
        && date.as_bytes()[7] == b'-'
        && is_date(&date.replace('-', ""))
    {
        return Some(&name[..at]);
    }
    let at = name.rfind(['-', '@', ':'])?;
    let (rest, tail) = (&name[..at], &name[at + 1..]);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_version = match name.as_bytes()[at] {
        b':' => digits(tail),
        b'@' => is_date(tail) || matches!(tail, "default" | "latest"),
        _ => is_date(tail) || tail == "latest" || tail.strip_prefix('v').is_some_and(digits),
    };
    is_version.then_some(rest)
}

/// Returns true for eight digits that can be year, month and day.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 8
        && bytes.iter().all(u8::is_ascii_digit)
        && bytes.starts_with(b"20")
        && matches!(&bytes[4..6], b"01" | b"02" | b"03" | b"04" | b"05" | b"06" | b"07" | b"08" | b"09" | b"10" | b"11" | b"12")
}

/// A model's name as a client writes it.
#[derive(Debug)]
pub(super) struct ModelSpelling {
    /// Full name in lower case, trimmed.
    pub(super) full_name: String,
}

impl ModelSpelling {
    /// Returns `None` for a text that is not the name of a model: empty, or the address of a server (`https://...`).
    pub(super) fn new(model: &str) -> Option<ModelSpelling> {
        let full_name = model.trim().to_lowercase();
        (!full_name.is_empty() && !full_name.contains("://")).then_some(ModelSpelling { full_name })
    }

    /// Splits at the first `/`, before which routers write the provider (`openai/gpt-4o`).
    pub(super) fn prefix(&self) -> Option<(&str, &str)> {
        self.full_name.split_once('/').filter(|(prefix, rest)| !prefix.is_empty() && !rest.is_empty())
    }

    /// Returns the name after a path of the provider's own (`models/x`, `publishers/google/models/x`, a Bedrock ARN).
    pub(super) fn resource(&self) -> Option<&str> {
        let own = ["models/", "publishers/", "projects/", "arn:aws:bedrock:"].iter().any(|start| self.full_name.starts_with(start));
        own.then(|| self.last_segment())
    }

    /// Returns the name without the parts that only Bedrock uses: `eu.anthropic.claude-x` is `claude-x`. The vendors' own services reject
    /// such names.
    pub(super) fn bedrock(&self) -> Option<&str> {
        const BEDROCK_REGIONS: [&str; 9] = ["us", "us-gov", "eu", "apac", "jp", "au", "ca", "in", "global"];
        const BEDROCK_VENDORS: [&str; 16] = [
            "ai21",
            "amazon",
            "anthropic",
            "cohere",
            "deepseek",
            "google",
            "meta",
            "minimax",
            "mistral",
            "moonshotai",
            "nvidia",
            "openai",
            "qwen",
            "stability",
            "writer",
            "zai",
        ];
        let (mut vendor, mut rest) = self.last_segment().split_once('.')?;
        if BEDROCK_REGIONS.contains(&vendor) {
            (vendor, rest) = rest.split_once('.')?;
        }
        BEDROCK_VENDORS.contains(&vendor).then_some(rest)
    }

    /// Returns the name after the last `/`.
    pub(super) fn last_segment(&self) -> &str {
        self.full_name.rsplit_once('/').map_or(self.full_name.as_str(), |(_, last)| last)
    }

    /// Returns the name without any of these prefixes.
    pub(super) fn without_prefixes(&self) -> &str {
        self.bedrock().or(self.resource()).unwrap_or(&self.full_name)
    }
}
