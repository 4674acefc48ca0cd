//! Rules and budgets in a TOML file under version control, and comparison with the stored ones.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::AlertRule;
use super::budget::Budget;
use crate::alert_store::{AlertDefinition, AlertRecord};
use crate::error::{AlertError, invalid};
use crate::{AlertService, AlertSource};

/// Contents of a file: `[[rule]]` and `[[budget]]`. The file refers to notification channels by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlertFile {
    /// Alert rules.
    pub rules: Vec<AlertRule>,
    /// Budgets.
    pub budgets: Vec<Budget>,
}

/// IDs of the notification channels of a project by name.
pub type ChannelNames = BTreeMap<String, i64>;

/// One difference between a file and the stored rules.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertFileChange {
    /// Whether a rule or a budget differs.
    pub source: AlertSource,
    /// Name of the rule or budget.
    pub name: String,
    /// Difference.
    pub kind: AlertFileChangeKind,
}

/// Difference of a rule or budget.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertFileChangeKind {
    /// The rule or budget will be created.
    Added,
    /// Fields will change: name, old value and new value.
    Changed(Vec<(String, String, String)>),
    /// The rule or budget is not in the file.
    Missing,
}

/// Parses a file.
///
/// # Errors
///
/// Returns an error with the position if the text is not valid TOML, a field is unknown, a rule is not valid, or a channel does not exist.
pub fn parse_file(text: &str, targets: &ChannelNames) -> Result<AlertFile, AlertError> {
    let table: BTreeMap<String, Value> = toml::from_str(text).map_err(|error| invalid("file", error.to_string()))?;
    let mut file = AlertFile::default();
    for (name, value) in table {
        match name.as_str() {
            "rule" => file.rules = parse_items(value, targets)?,
            "budget" => file.budgets = parse_items(value, targets)?,
            other => return Err(invalid("file", format!("unknown entry {other:?}; use [[rule]] and [[budget]]"))),
        }
    }
    check_unique_names(&file.rules)?;
    check_unique_names(&file.budgets)?;
    Ok(file)
}

fn parse_items<T: AlertDefinition>(value: Value, targets: &ChannelNames) -> Result<Vec<T>, AlertError> {
    let Value::Array(values) = value else {
        return Err(invalid("file", format!("{0} must be a list; write [[{0}]] with two brackets", T::SOURCE.name())));
    };
    let item = |(index, mut value): (usize, Value)| {
        let name = value.get("name").and_then(Value::as_str).map_or_else(|| format!("number {}", index + 1), |name| format!("{name:?}"));
        let at = |reason: String| invalid("file", format!("{} {name}: {reason}", T::SOURCE.name()));
        if let Some(notify) = value.get_mut("notify").and_then(Value::as_object_mut) {
            replace_names_by_ids(notify, targets).map_err(at)?;
        }
        let item: T = serde_json::from_value(value).map_err(|error| at(error.to_string()))?;
        item.check().map_err(|error| at(error.to_string()))?;
        Ok(item)
    };
    values.into_iter().enumerate().map(item).collect()
}

/// Replaces the names of channels by their IDs.
fn replace_names_by_ids(notify: &mut Map<String, Value>, targets: &ChannelNames) -> Result<(), String> {
    for field in ["targets", "escalate_to"] {
        for name in notify.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(text) = name.as_str() else { return Err(format!("notify.{field}: must contain names of notification channels")) };
            let known = || targets.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            let number = targets
                .get(text)
                .ok_or_else(|| format!("notify.{field}: notification channel {text:?} not found; available: {}", known()))?;
            *name = Value::from(*number);
        }
    }
    Ok(())
}

fn check_unique_names<T: AlertDefinition>(items: &[T]) -> Result<(), AlertError> {
    let mut names: Vec<&str> = items.iter().map(AlertDefinition::name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(invalid("file", format!("duplicate {} {:?}", T::SOURCE.name(), pair[0]))),
        None => Ok(()),
    }
}

/// Writes rules and budgets as a file that [`parse_file`] parses to the same rules and budgets.
///
/// # Errors
///
/// Returns an error if a number cannot be represented in TOML.
pub fn write_file(file: &AlertFile, targets: &ChannelNames) -> Result<String, AlertError> {
    let named = |value: Value| replace_ids_by_names(value, targets);
    let mut tables: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    tables.insert("rule", file.rules.iter().map(to_plain_json).map(named).collect());
    tables.insert("budget", file.budgets.iter().map(to_plain_json).map(named).collect());
    tables.retain(|_, items| !items.is_empty());
    toml::to_string_pretty(&tables).map_err(|error| invalid("file", error.to_string()))
}

/// Converts an item to JSON without fields that are not set.
fn to_plain_json(item: &impl Serialize) -> Value {
    fn without_nulls(value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
                Value::Object(fields.map(|(name, value)| (name, without_nulls(value))).filter(|(_, value)| !is_empty_json(value)).collect())
            }
            other => other,
        }
    }
    fn is_empty_json(value: &Value) -> bool {
        matches!(value, Value::Object(fields) if fields.is_empty()) || matches!(value, Value::Array(items) if items.is_empty())
    }
    without_nulls(serde_json::to_value(item).unwrap_or_default())
}

/// Replaces the IDs of channels by their names. Deleted channels are left out.
fn replace_ids_by_names(mut value: Value, targets: &ChannelNames) -> Value {
    if let Some(notify) = value.get_mut("notify").and_then(Value::as_object_mut) {
        for field in ["targets", "escalate_to"] {
            if let Some(numbers) = notify.get_mut(field).and_then(Value::as_array_mut) {
                let name = |number: &Value| {
                    targets.iter().find(|(_, id)| Some(**id) == number.as_i64()).map(|(name, _)| Value::from(name.clone()))
                };
                *numbers = numbers.iter().filter_map(name).collect();
            }
        }
    }
    value
}

impl AlertService {
    /// Returns the differences between a file and the stored rules and budgets of a project, the rules first.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn compare_file(&self, project: u64, file: &AlertFile, targets: &ChannelNames) -> Result<Vec<AlertFileChange>, AlertError> {
        let mut differences = compare_items(&self.store.list_definitions::<AlertRule>(Some(project))?, &file.rules, targets);
        differences.extend(self::compare_items(&self.store.list_definitions::<Budget>(Some(project))?, &file.budgets, targets));
        Ok(differences)
    }

    /// Creates and updates rules and budgets of a project as in a file. With `deletes_missing`, deletes rules and budgets that are not in
    /// the file.
    ///
    /// # Errors
    ///
    /// Returns an error if a rule or budget cannot be stored. Rules and budgets before it are already stored.
    pub fn apply_file(&self, project: u64, file: &AlertFile, deletes_missing: bool) -> Result<(), AlertError> {
        self.apply_items(project, &file.rules, deletes_missing)?;
        self.apply_items(project, &file.budgets, deletes_missing)?;
        self.reload_definitions();
        Ok(())
    }

    fn apply_items<T: AlertDefinition + DeserializeOwned>(
        &self,
        project: u64,
        items: &[T],
        deletes_missing: bool,
    ) -> Result<(), AlertError> {
        let stored = self.store.list_definitions::<T>(Some(project))?;
        let now_us = crate::now_us();
        for item in items {
            match stored.iter().find(|stored| stored.definition.name() == item.name()) {
                Some(stored) if to_plain_json(&stored.definition) != to_plain_json(item) => {
                    drop(self.store.replace_definition(project, stored.id, item, now_us)?)
                }
                Some(_) => {}
                None => drop(self.store.create_definition(project, item, now_us)?),
            }
        }
        for gone in stored.iter().filter(|stored| deletes_missing && items.iter().all(|item| item.name() != stored.definition.name())) {
            self.store.delete_definition::<T>(project, gone.id)?;
        }
        Ok(())
    }
}

fn compare_items<T: AlertDefinition>(stored: &[AlertRecord<T>], items: &[T], targets: &ChannelNames) -> Vec<AlertFileChange> {
    let difference = |name: &str, kind: AlertFileChangeKind| AlertFileChange { source: T::SOURCE, name: name.to_owned(), kind };
    let shown = |item: &T| replace_ids_by_names(to_plain_json(item), targets);
    let of_item = |item: &T| match stored.iter().find(|stored| stored.definition.name() == item.name()) {
        None => Some(difference(item.name(), AlertFileChangeKind::Added)),
        Some(stored) => {
            let changed = changed_fields(&shown(&stored.definition), &shown(item));
            (!changed.is_empty()).then(|| difference(item.name(), AlertFileChangeKind::Changed(changed)))
        }
    };
    let missing = stored.iter().filter(|stored| items.iter().all(|item| item.name() != stored.definition.name()));
    let mut all: Vec<AlertFileChange> = items.iter().filter_map(of_item).collect();
    all.extend(missing.map(|stored| difference(stored.definition.name(), AlertFileChangeKind::Missing)));
    all
}

/// Returns the fields that differ.
fn changed_fields(before: &Value, after: &Value) -> Vec<(String, String, String)> {
    let empty = Map::new();
    let (before, after) = (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let text = |value: Option<&Value>| value.map_or_else(|| "not set".to_owned(), Value::to_string);
    let differ = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    differ.map(|name| (name.clone(), text(before.get(name)), text(after.get(name)))).collect()
}
