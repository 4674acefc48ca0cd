//! Redacts the names of deleted users and traces in incident timelines and notifications, in each form in which they are written there.
//! The timeline stays, and a pending notification is sent without the name.

use std::collections::HashSet;

use hinomi_tables::retained_rows::ErasedNames;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rusqlite::Transaction;
use serde_json::Value;

/// Replacement for a deleted name.
const BLANK: &str = "(deleted)";
/// Bytes from which a name is replaced anywhere in a text; a shorter one may be part of another word.
const LONG: usize = 6;
/// Bytes from which a name is replaced where it is a whole word; a shorter one may be a common word.
const WORD: usize = 3;
const TRACE_DIGITS: usize = 32;

/// Fields of incidents, timelines and notifications that may contain names. All others have values of the program itself, such as `cost`,
/// whatever a user is called.
const FIELDS: [&str; 9] = ["key", "value", "link", "traces", "text", "by", "acknowledged_by", "resolved_by", "rule_name"];
/// Fields that people wrote.
const WRITTEN: [&str; 4] = ["text", "by", "acknowledged_by", "resolved_by"];

/// Names to redact.
#[derive(Debug)]
struct DeletedNames {
    people: Vec<DeletedUser>,
    traces: HashSet<String>,
}

#[derive(Debug)]
struct DeletedUser {
    id: String,
    /// Escaped as part of a JSON string.
    quoted: String,
    /// Quoted value in a filter in a URL, percent-encoded with the quotes.
    linked: String,
    /// Percent-encoded in a URL without quotes.
    encoded: String,
}

impl DeletedNames {
    fn new(names: &ErasedNames) -> DeletedNames {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let person = |id: &String| DeletedUser {
            id: id.clone(),
            quoted: Value::from(id.as_str()).to_string().trim_matches('"').to_owned(),
            linked: encoded(&format!("\"{}\"", id.replace('\\', "\\\\").replace('"', "\\\""))),
            encoded: encoded(id),
        };
        DeletedNames { people: names.users.iter().map(person).collect(), traces: names.traces.iter().map(ToString::to_string).collect() }
    }

    /// Returns whether a JSON text may contain any of the names.
    fn may_be_in(&self, body: &str) -> bool {
        let has = |person: &DeletedUser| {
            [&person.id, &person.quoted, &person.linked, &person.encoded].into_iter().any(|form| body.contains(form))
        };
        self.people.iter().any(has) || self.trace_in(body).is_some()
    }

    /// Returns the first trace that a text names.
    fn trace_in<'a>(&self, text: &'a str) -> Option<&'a str> {
        let mut runs = text.split(|c: char| !c.is_ascii_hexdigit()).filter(|run| run.len() == TRACE_DIGITS);
        if self.traces.is_empty() { None } else { runs.find(|run| self.traces.contains(*run)) }
    }

    /// Returns the text of a field without the names; `None` if it contains none of them.
    fn blanked(&self, field: &str, text: &str) -> Option<String> {
        let mut left = text.to_owned();
        for person in self.people.iter().filter(|person| !person.id.is_empty()) {
            if left == person.id {
                BLANK.clone_into(&mut left);
            }
            left = left.replace(&person.linked, &utf8_percent_encode(&format!("\"{BLANK}\""), NON_ALPHANUMERIC).to_string());
            if person.id.len() >= LONG {
                left = left.replace(&person.id, BLANK).replace(&person.encoded, BLANK);
            } else if person.id.len() >= WORD && WRITTEN.contains(&field) {
                left = without_word(&left, &person.id);
            }
        }
        while let Some(trace) = self.trace_in(&left).map(str::to_owned) {
            left = left.replace(&trace, BLANK);
        }
        (left != text).then_some(left)
    }

    /// Redacts all fields of a value. Returns whether anything was redacted.
    fn walk(&self, field: &str, value: &mut Value) -> bool {
        match value {
            Value::String(text) if FIELDS.contains(&field) => match self.blanked(field, text) {
                Some(left) => {
                    *text = left;
                    true
                }
                None => false,
            },
            Value::Array(items) => items.iter_mut().fold(false, |any, item| self.walk(field, item) | any),
            Value::Object(fields) => fields.iter_mut().fold(false, |any, (field, value)| self.walk(field, value) | any),
            _ => false,
        }
    }
}

/// Replaces a name wherever it is a whole word.
fn without_word(text: &str, word: &str) -> String {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut left = String::with_capacity(text.len());
    let mut from = 0;
    for (at, found) in text.match_indices(word) {
        let (before, after) = (text[..at].chars().next_back(), text[at + found.len()..].chars().next());
        left.push_str(&text[from..at]);
        left.push_str(if is_part(before) || is_part(after) { found } else { BLANK });
        from = at + found.len();
    }
    left + &text[from..]
}

/// Redacts names in the JSON texts (`body`) of tables. Returns the number of changed rows. Each table has a condition in SQL that selects
/// the rows of the project `?1`.
pub(crate) fn redact_bodies(
    transaction: &Transaction,
    tables: &[(&str, &str)],
    project: i64,
    names: &ErasedNames,
) -> rusqlite::Result<u64> {
    let names = DeletedNames::new(names);
    tables.iter().map(|(table, condition)| redact_table(transaction, table, condition, project, &names)).sum()
}

fn redact_table(transaction: &Transaction, table: &str, condition: &str, project: i64, names: &DeletedNames) -> rusqlite::Result<u64> {
    let sql = format!("SELECT id, body FROM {table} WHERE {condition}");
    let mut select = transaction.prepare(&sql)?;
    let row = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let rows: Vec<(i64, String)> = select.query_map([project], row)?.collect::<Result<_, _>>()?;
    let mut redacted = 0;
    for (id, body) in rows {
        if !names.may_be_in(&body) {
            continue;
        }
        let Ok(mut value) = serde_json::from_str::<Value>(&body) else { continue };
        if names.walk("", &mut value) {
            transaction.execute(&format!("UPDATE {table} SET body = ?2 WHERE id = ?1"), rusqlite::params![id, value.to_string()])?;
            redacted += 1;
        }
    }
    Ok(redacted)
}

#[cfg(test)]
mod tests {
    use hinomi_model::id::TraceId;
    use serde_json::json;

    use super::*;

    fn names(people: &[&str]) -> DeletedNames {
        let users = people.iter().map(|&id| id.to_owned()).collect();
        DeletedNames::new(&ErasedNames { traces: HashSet::from([TraceId(0xab)]), users })
    }

    #[test]
    fn deleted_names_are_redacted_in_every_form() {
        let names = names(&["anna@example.org", "bo", "carol", "o\"neil"]);
        let trace = format!("{:032x}", 0xab);
        let link =
            |user: &str| format!("http://x/p/1/traces?from=2026&q={}", utf8_percent_encode(&format!("user:\"{user}\""), NON_ALPHANUMERIC));
        let mut value = json!({
            "culprits": [
                { "dimension": "user", "key": "anna@example.org", "link": link("anna@example.org") },
                { "dimension": "user", "key": "bo", "link": link("bo") },
                { "dimension": "user", "key": "bob", "link": link("bob") },
                { "dimension": "user", "key": "o\"neil", "link": link("o\\\"neil") },
                { "dimension": "trace", "key": trace, "link": format!("http://x/p/1/traces/{trace}") },
            ],
            "group": { "name": "user", "value": "carol" }, "links": { "traces": link("carol") },
            "text": "carol, not carola; bo", "spent": 3.5,
        });
        assert!(names.may_be_in(&value.to_string()) && names.walk("", &mut value));
        let blank = |dimension: &str| json!({ "dimension": dimension, "key": BLANK, "link": link(BLANK) });
        assert_eq!(value["culprits"][0], blank("user"));
        assert_eq!(value["culprits"][1], blank("user"));
        assert_eq!(value["culprits"][2], json!({ "dimension": "user", "key": "bob", "link": link("bob") }));
        assert_eq!(value["culprits"][3], blank("user"));
        assert_eq!(value["culprits"][4], json!({ "dimension": "trace", "key": BLANK, "link": format!("http://x/p/1/traces/{BLANK}") }));
        assert_eq!((&value["group"]["value"], &value["links"]["traces"]), (&json!(BLANK), &json!(link(BLANK))));
        assert_eq!((&value["text"], &value["spent"]), (&json!("(deleted), not carola; bo"), &json!(3.5)));
        assert!(!names.walk("", &mut value));
    }

    #[test]
    fn redaction_keeps_messages_valid_for_any_name() {
        let names = names(&["cost", "opened", "user", "warning", "usd", "critical"]);
        let mut notification = json!({ "kind": "opened", "severity": "warning", "measure": "cost", "unit": "usd", "group": { "name": "user", "value": "user" },
            "culprits": [{ "dimension": "user", "unit": "usd", "key": "critical" }] });
        assert!(names.walk("", &mut notification));
        let expected = json!({ "kind": "opened", "severity": "warning", "measure": "cost", "unit": "usd", "group": { "name": "user", "value": BLANK },
            "culprits": [{ "dimension": "user", "unit": "usd", "key": BLANK }] });
        assert_eq!(notification, expected);
    }
}
