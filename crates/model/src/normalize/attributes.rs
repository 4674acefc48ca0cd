//! The recognized attributes of a span.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::mapping::MappedFieldValue;
use crate::normalize::attribute_names::{AttributeDialect, SpanField, field_of_ending, is_out_of_place, is_placeholder};
use crate::normalize::span_kind;
use crate::span::Attributes;
use crate::{notations, usage};

/// Recognized attributes of a span, the best for each field.
pub(crate) struct RecognizedAttributes<'a> {
    pub(crate) attributes: &'a Attributes,
    best_matches: [Option<AttributeMatch<'a>>; SpanField::ALL.len()],
    /// True if an attribute has a count that is not in `best_matches`. Such an attribute is not in the table, is another attribute of the
    /// same field, or is an object. Spans without such an attribute need no further search for counts.
    pub(super) has_unlisted_counts: bool,
}

/// Best attribute for a field: its rank, name and value.
type AttributeMatch<'a> = (usize, &'a str, &'a Value);

/// Rank of the best ending, after those of all listed names.
const FIRST_RANK_OF_ENDINGS: usize = 1 << 16;

/// Attribute that the table of names does not list: the field that the end of its name means, the rank of the ending, name and value.
type UnlistedAttribute<'a> = (SpanField, u8, &'a str, &'a Value);

/// Ends of names that only a step of a traced program has.
const ENDS_OF_STEPS: &[&str] = &[".span.input", ".span.output", ".trace.input", ".trace.output"];

/// First words of the names of counts that only a step of a program that uses models has.
const STARTS_OF_COUNTS: &[&str] = &["ai.", "genai."];

/// Returns true for a name that only a step of a program that uses models has.
fn is_of_step(field: SpanField, name: &str) -> bool {
    let is_count = || matches!(field, SpanField::InputTokens | SpanField::OutputTokens);
    name.split('.').any(|word| word == "llm")
        || ENDS_OF_STEPS.iter().any(|end| name.ends_with(end))
        || (is_count() && STARTS_OF_COUNTS.iter().any(|start| name.starts_with(start)))
}

/// Fields whose endings belong together: both of a row on one span, under names with the same beginning, are those of a step.
const FIELDS_OF_STEPS: &[(SpanField, SpanField)] = &[
    (SpanField::InputTokens, SpanField::RequestModel),
    (SpanField::Tool, SpanField::ToolArguments),
    (SpanField::Tool, SpanField::ToolResult),
    (SpanField::Agent, SpanField::Session),
];

/// Returns true if two names of a product together tell that the span is a step of a program that uses models.
fn is_of_call<'a>(unlisted: &[UnlistedAttribute<'a>]) -> bool {
    let of_field = |wanted: SpanField| unlisted.iter().filter(move |(field, ..)| *field == wanted);
    let product = |(_, _, name, _): &UnlistedAttribute<'a>| name.split('.').next();
    FIELDS_OF_STEPS.iter().any(|(one, other)| {
        let products: HashSet<Option<&str>> = of_field(*one).map(product).collect();
        !products.is_empty() && of_field(*other).any(|found| products.contains(&product(found)))
    })
}

/// Returns true for the name of a count of tokens below the word usage.
fn is_token_count(name: &str) -> bool {
    path_of_count(name).is_some_and(|path| path.ends_with("_tokens") || path.ends_with("Tokens"))
}

/// Returns true if the value of an attribute can be one of the field that the end of its name means.
fn is_plausible(field: SpanField, name: &str, value: &Value) -> bool {
    use SpanField::*;
    match field {
        SpanKind => value.as_str().is_some_and(|kind| span_kind::of_span_kind(kind).is_some()),
        Provider | RequestModel | ResponseModel | Session | User | Agent | Tool => {
            value.as_str().is_some_and(|text| !text.is_empty() && !is_placeholder(text))
        }
        // Counts below the word usage are read by their path.
        InputTokens | OutputTokens | TotalTokens | CacheRead | CacheWrite | Reasoning => {
            path_of_count(name).is_none() && usage::count(value).is_some()
        }
        Input | Output | EmbeddingInput | RetrievalQuery | RetrievalDocuments | ToolArguments | ToolResult => {
            !is_empty(value) && !value.is_number() && !value.is_boolean()
        }
        UsageDetails => match value {
            Value::Object(object) => object.keys().any(|name| name.contains("okens") || name == "input"),
            Value::String(text) => text.starts_with('{') && (text.contains("okens") || text.contains("\"input\"")),
            _ => false,
        },
        _ => !is_empty(value),
    }
}

/// Attribute of Vercel's SDK whose presence means that the names of its other attributes start with the operation (`stream.response.text`)
/// where they start with `ai` otherwise.
const NAMED_AFTER_OPERATION: &str = "aisdk.model.id";

impl<'a> RecognizedAttributes<'a> {
    pub(crate) fn new(attributes: &'a Attributes, dialect: &AttributeDialect) -> RecognizedAttributes<'a> {
        let mut best_matches = [None; SpanField::ALL.len()];
        let named_after_operation = attributes.contains_key(NAMED_AFTER_OPERATION);
        let of_operation = |name: &str| {
            let (_, rest) = if named_after_operation { name.split_once('.')? } else { return None };
            dialect.lookup(&format!("ai.{rest}"))
        };
        let mut has_unlisted_counts = false;
        let mut unlisted = Vec::new();
        for (name, value) in attributes {
            let found = dialect.lookup(name).or_else(|| of_operation(name));
            if found.is_none()
                && let Some((field, rank)) = field_of_ending(name).filter(|_| dialect.names.is_empty())
            {
                unlisted.push((field, rank, name.as_str(), value));
            }
            let is_matched = found.is_some_and(|(field, ..)| value.is_number() && best_matches[field as usize].is_none());
            has_unlisted_counts = has_unlisted_counts || (!is_matched && path_of_count(name).is_some());
            if let Some((field, rank, _)) = found {
                let known: &mut Option<AttributeMatch> = &mut best_matches[field as usize];
                let is_better = known.is_none_or(|(known, ..)| rank < known);
                // The names of a dialect have their meaning without other attributes.
                let is_out_of_place = || rank >= dialect.names.len() && is_out_of_place(name, attributes);
                if is_better && !is_empty(value) && !is_no_name(field, value, attributes) && !is_out_of_place() {
                    *known = Some((rank, name, value));
                }
            }
        }
        let mut recognized = RecognizedAttributes { attributes, best_matches, has_unlisted_counts };
        if !unlisted.is_empty() {
            recognized.add_unlisted(unlisted);
        }
        recognized
    }

    /// Fills fields that no listed name has from attributes whose names the table does not list but end like those of everybody. Only for
    /// steps of programs that use models: elsewhere, such names can mean anything.
    fn add_unlisted(&mut self, mut unlisted: Vec<UnlistedAttribute<'a>>) {
        unlisted.retain(|(field, _, name, value)| !self.has(*field) && is_plausible(*field, name, value));
        unlisted.sort_by_key(|(_, rank, ..)| *rank);
        let has_kind = unlisted.iter().any(|(field, ..)| *field == SpanField::SpanKind);
        let is_step = || {
            self.has(SpanField::SpanKind)
                || self.has(SpanField::VercelOperation)
                || self.attributes.keys().any(|name| name.starts_with("gen_ai."))
                || unlisted.iter().any(|(field, _, name, _)| is_of_step(*field, name))
                || is_of_call(&unlisted)
                || (self.has_unlisted_counts && self.attributes.keys().any(|name| is_token_count(name)))
        };
        if !has_kind && !is_step() {
            return;
        }
        let kind =
            unlisted.iter().find(|(field, ..)| *field == SpanField::SpanKind).map(|(.., value)| *value).or(self.value(SpanField::SpanKind));
        let of_model = kind.and_then(Value::as_str).and_then(span_kind::of_span_kind).is_some_and(span_kind::uses_model);
        let has_counts = self.has_unlisted_counts || unlisted.iter().any(|(field, ..)| *field == SpanField::InputTokens);
        let is_operation = self.str(SpanField::Operation).is_some_and(span_kind::is_known_operation);
        for (field, rank, name, value) in unlisted {
            let fits = match field {
                SpanField::SpanKind => !is_operation,
                SpanField::RequestModel | SpanField::ResponseModel | SpanField::Provider => of_model || has_counts,
                _ => true,
            };
            if fits && !self.has(field) {
                self.best_matches[field as usize] = Some((FIRST_RANK_OF_ENDINGS + usize::from(rank), name, value));
            }
        }
    }

    /// Sets a field that a rule of the project maps. A rule for input, output or all tokens also takes precedence over objects with all
    /// counts.
    pub(super) fn set_mapped(&mut self, mapped: &'a MappedFieldValue) {
        if matches!(mapped.field, SpanField::InputTokens | SpanField::OutputTokens | SpanField::TotalTokens) {
            self.best_matches[SpanField::UsageDetails as usize] = None;
            self.best_matches[SpanField::ProviderMetadata as usize] = None;
        }
        self.best_matches[mapped.field as usize] = Some((0, &mapped.attribute, &mapped.value));
    }

    pub(crate) fn name(&self, field: SpanField) -> Option<&'a str> {
        self.best_matches[field as usize].map(|(_, name, _)| name)
    }

    pub(crate) fn has(&self, field: SpanField) -> bool {
        self.best_matches[field as usize].is_some()
    }

    /// Returns true if no listed name has the field, only one that ends like it.
    pub(super) fn is_by_ending(&self, field: SpanField) -> bool {
        self.best_matches[field as usize].is_some_and(|(rank, ..)| rank >= FIRST_RANK_OF_ENDINGS)
    }

    pub(super) fn value(&self, field: SpanField) -> Option<&'a Value> {
        self.best_matches[field as usize].map(|(.., value)| value)
    }

    /// Returns the attribute as text, without the quotes of JSON.
    pub(super) fn str(&self, field: SpanField) -> Option<&'a str> {
        self.value(field)?.as_str().map(unquoted)
    }

    pub(crate) fn text(&self, field: SpanField) -> Option<String> {
        match self.value(field)? {
            Value::String(text) => Some(unquoted(text.trim())).filter(|text| !text.is_empty()).map(str::to_owned),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    pub(super) fn flag(&self, field: SpanField) -> Option<bool> {
        match self.value(field)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if unquoted(text).eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if unquoted(text).eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    pub(super) fn number(&self, field: SpanField) -> Option<f64> {
        match self.value(field)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => unquoted(text.trim()).trim().parse().ok(),
            _ => None,
        }
        .filter(|number| number.is_finite())
    }

    pub(super) fn count(&self, field: SpanField) -> Option<u64> {
        usage::count(self.value(field)?)
    }

    /// Returns the attribute as an object; it may also be text in JSON, Python's or Go's notation.
    pub(super) fn object(&self, field: SpanField) -> Option<Map<String, Value>> {
        match self.value(field)? {
            Value::Object(object) => Some(object.clone()),
            Value::String(text) => notations::object(text),
            _ => None,
        }
    }

    /// Returns the names of attributes that are not stored in addition to their field.
    pub(super) fn replaced_attributes(&self) -> Vec<String> {
        let replaced = SpanField::ALL.iter().filter(|field| field.replaces_its_attribute());
        replaced.filter_map(|field| self.name(*field)).map(str::to_owned).collect()
    }
}

/// Prefixes of the names of counts.
const COUNT_PREFIXES: &[&str] = &["llm.token_count.", "usage.", "gen_ai_usage_", "llm_usage_", "llm_token_count_", "braintrust.metrics."];
/// Part of a name before the count. Vercel's SDK and Mastra write the operation in front of it.
const COUNT_INFIX: &str = ".usage.";

/// Returns the part of an attribute name that names a count. This function is called for every attribute of every span, so it must be fast.
pub(super) fn path_of_count(name: &str) -> Option<&str> {
    let first = name.as_bytes().first();
    let by_prefix = COUNT_PREFIXES.iter().filter(|prefix| prefix.as_bytes().first() == first).find_map(|prefix| name.strip_prefix(prefix));
    let bytes = name.as_bytes();
    let is_usage = |at: &usize| bytes[*at] == b'.' && bytes[at + 1] == b'u' && name[*at..].starts_with(COUNT_INFIX);
    by_prefix.or_else(|| (0..bytes.len().saturating_sub(COUNT_INFIX.len())).find(is_usage).map(|at| &name[at + COUNT_INFIX.len()..]))
}

/// Returns a text without the quotes of JSON around it, which some clients write around every attribute.
pub(crate) fn unquoted(text: &str) -> &str {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.filter(|inner| !inner.contains(['"', '\\'])).unwrap_or(text)
}

/// Returns true for a value that does not identify a model, provider, session or user: a placeholder for an unknown one; Logfire's
/// placeholder for scrubbed values, which would merge all of them; and the ID of the call's own response, which Sentry takes for a
/// conversation of Vercel's AI SDK, and which would make each call a conversation.
fn is_no_name(field: SpanField, value: &Value, attributes: &Attributes) -> bool {
    use SpanField::{Provider, RequestModel, ResponseModel, SpanKind};
    if matches!(field, Provider | RequestModel | ResponseModel | SpanKind) {
        return value.as_str().is_some_and(|text| is_placeholder(unquoted(text)));
    }
    // A number is a thread of the operating system.
    if field == SpanField::Session && !value.is_string() && attributes.get("thread_id") == Some(value) {
        return true;
    }
    let is_scrubbed = || value.as_str().is_some_and(|text| text.starts_with("[Scrubbed due to "));
    matches!(field, SpanField::Session | SpanField::User) && (is_scrubbed() || attributes.get("gen_ai.response.id") == Some(value))
}

pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::path_of_count;

    #[test]
    fn path_of_a_count_follows_a_known_prefix() {
        for (name, path) in [
            ("llm.token_count.prompt", Some("prompt")),
            ("usage.input", Some("input")),
            ("gen_ai.usage.details.cache_read", Some("details.cache_read")),
            ("stream.response.usage.total", Some("total")),
            ("a.usage.b.usage.c", Some("b.usage.c")),
            ("gen_ai.usage", None),
            ("my_usage.input", None),
            ("", None),
        ] {
            assert_eq!(path_of_count(name), path, "{name}");
        }
    }
}
