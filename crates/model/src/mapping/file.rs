//! Reads the rule file of a project: TOML with a list `rule`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::pattern::NamePattern;
use super::{FieldMapping, MAPPABLE_FIELDS, MappableField, MappedValueUnit, MappingRule, MappingRuleSet};
use crate::span::SpanType;
use crate::usage::TokenCountConvention;

/// Maximum size of a rule file in bytes.
pub const MAX_MAPPING_BYTES: usize = 64 << 10;
/// Maximum number of rules in a file.
const MAX_RULES: usize = 100;
/// Maximum number of fields of a rule, and of its conditions on attributes.
const MAX_ENTRIES: usize = 100;
/// Maximum length of a name or a pattern in bytes.
const MAX_NAME_BYTES: usize = 200;

/// Why a rule file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingFileError {
    /// The file is too large.
    #[error("the rule file has more than {} KiB", MAX_MAPPING_BYTES >> 10)]
    TooLarge,
    /// The file is not TOML, or has an entry that no rule has. The message contains the line number.
    #[error("{0}")]
    NotToml(String),
    /// There are too many rules.
    #[error("the rule file has more than {MAX_RULES} rules")]
    TooManyRules,
    /// A rule is invalid.
    #[error("rule {rule:?}: {reason}")]
    InvalidRule {
        /// Name of the rule.
        rule: String,
        /// What is invalid.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingFile {
    #[serde(default)]
    rule: Vec<RuleEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleEntry {
    name: String,
    scope: Option<String>,
    span: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    kind: Option<SpanType>,
    tokens: Option<TokensEntry>,
    #[serde(default)]
    fields: BTreeMap<String, FieldEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum TokensEntry {
    Inclusive,
    Exclusive,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a field is a name such as \"request_model\", or { field = \"client_cost\", unit = \"cent\" }")]
enum FieldEntry {
    Name(String),
    WithUnit(UnitEntry),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnitEntry {
    field: String,
    unit: MappedValueUnit,
}

impl MappingRuleSet {
    /// Reads the text of a rule file.
    ///
    /// # Errors
    ///
    /// Returns an error with the place and the reason if the text is not TOML, or a rule is invalid.
    pub fn from_text(text: &str) -> Result<MappingRuleSet, MappingFileError> {
        if text.len() > MAX_MAPPING_BYTES {
            return Err(MappingFileError::TooLarge);
        }
        let file: MappingFile = toml::from_str(text).map_err(|error| MappingFileError::NotToml(error.to_string().trim_end().to_owned()))?;
        if file.rule.len() > MAX_RULES {
            return Err(MappingFileError::TooManyRules);
        }
        let mut rules: Vec<MappingRule> = Vec::with_capacity(file.rule.len());
        for entry in file.rule {
            let name = entry.name.clone();
            let is_known = rules.iter().any(|rule| rule.name == name);
            let rule = if is_known { Err("another rule has the same name".to_owned()) } else { checked_rule(entry) };
            rules.push(rule.map_err(|reason| MappingFileError::InvalidRule { rule: name, reason })?);
        }
        Ok(MappingRuleSet { rules })
    }
}

fn checked_rule(entry: RuleEntry) -> Result<MappingRule, String> {
    if entry.name.trim().is_empty() || entry.name.len() > MAX_NAME_BYTES {
        return Err(format!("`name` must have 1 to {MAX_NAME_BYTES} bytes"));
    }
    if entry.scope.is_none() && entry.span.is_none() && entry.attributes.is_empty() {
        return Err("the rule would apply to every span; add `scope`, `span` or `attributes`".to_owned());
    }
    if entry.kind.is_none() && entry.fields.is_empty() {
        return Err("the rule changes nothing; add `kind` or `fields`".to_owned());
    }
    if entry.fields.len() > MAX_ENTRIES || entry.attributes.len() > MAX_ENTRIES {
        return Err(format!("the rule has more than {MAX_ENTRIES} attributes"));
    }
    let mut fields: BTreeMap<String, FieldMapping> = BTreeMap::new();
    for (attribute, field) in entry.fields {
        let mapping = checked_field(field)?;
        if let Some((other, _)) = fields.iter().find(|(_, known)| known.field == mapping.field) {
            return Err(format!("both {other:?} and {attribute:?} become {}", mapping.field.name));
        }
        fields.insert(checked_name(attribute)?, mapping);
    }
    let attributes = entry
        .attributes
        .into_iter()
        .map(|(name, value)| Ok((checked_name(name)?, checked_pattern(value)?)))
        .collect::<Result<_, String>>()?;
    Ok(MappingRule {
        name: entry.name,
        scope: entry.scope.map(checked_pattern).transpose()?,
        span: entry.span.map(checked_pattern).transpose()?,
        attributes,
        kind: entry.kind,
        tokens: entry.tokens.map(|tokens| match tokens {
            TokensEntry::Inclusive => TokenCountConvention::Inclusive,
            TokensEntry::Exclusive => TokenCountConvention::Exclusive,
        }),
        fields,
    })
}

fn checked_field(entry: FieldEntry) -> Result<FieldMapping, String> {
    let (name, unit) = match entry {
        FieldEntry::Name(name) => (name, MappedValueUnit::Plain),
        FieldEntry::WithUnit(UnitEntry { field, unit }) => (field, unit),
    };
    let field = MappableField::from_name(&name).ok_or_else(|| {
        let known: Vec<_> = MAPPABLE_FIELDS.iter().map(|field| field.name).collect();
        format!("there is no field {name:?}; use one of {}", known.join(", "))
    })?;
    let units = field.value_type.units();
    if !units.contains(&unit) {
        let known: Vec<_> = units.iter().map(|unit| unit.as_str()).collect();
        return Err(format!("the unit {unit:?} is not valid for {name}; use one of {}", known.join(", "), unit = unit.as_str()));
    }
    Ok(FieldMapping { field, unit })
}

fn checked_name(name: String) -> Result<String, String> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        Err(format!("an attribute name must have 1 to {MAX_NAME_BYTES} bytes"))
    } else {
        Ok(name)
    }
}

fn checked_pattern(text: String) -> Result<NamePattern, String> {
    let pattern = if text.is_empty() || text.len() > MAX_NAME_BYTES { None } else { NamePattern::new(&text) };
    pattern.ok_or_else(|| format!("a pattern must have 1 to {MAX_NAME_BYTES} bytes and at most 8 `*`"))
}
