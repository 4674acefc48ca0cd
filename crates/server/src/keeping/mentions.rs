//! Stories of alerts name users and traces. Those that are deleted become blanks in them; the story stays.

use std::collections::HashSet;

use rusqlite::Transaction;
use serde_json::Value;

/// What stands where a name was.
const BLANK: &str = "(deleted)";

/// Blanks names in the JSON texts of a table. Returns how many rows named one. `condition` may ask for the project as `?1`.
pub(super) fn blank(
    transaction: &Transaction,
    (table, condition): (&str, &str),
    project: i64,
    names: &HashSet<String>,
) -> rusqlite::Result<u64> {
    let sql = format!("SELECT id, body FROM {table} WHERE {condition}");
    let mut select = transaction.prepare(&sql)?;
    let row = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let rows: Vec<(i64, String)> = if condition.contains("?1") {
        select.query_map([project], row)?.collect::<Result<_, _>>()?
    } else {
        select.query_map([], row)?.collect::<Result<_, _>>()?
    };
    let mut blanked = 0;
    for (id, body) in rows {
        // Longer texts may hold a name too: a message, a link.
        if !names.iter().any(|name| body.contains(name.as_str()) || body.contains(&quoted(name))) {
            continue;
        }
        let Ok(mut value) = serde_json::from_str::<Value>(&body) else { continue };
        if walk(&mut value, names) {
            transaction.execute(&format!("UPDATE {table} SET body = ?2 WHERE id = ?1"), rusqlite::params![id, value.to_string()])?;
            blanked += 1;
        }
    }
    Ok(blanked)
}

/// A name as it stands within a JSON text.
fn quoted(name: &str) -> String {
    Value::from(name).to_string().trim_matches('"').to_owned()
}

/// True if anything was blanked.
fn walk(value: &mut Value, names: &HashSet<String>) -> bool {
    match value {
        Value::String(text) => {
            let found = names.iter().filter(|name| is_named(text, name)).cloned().collect::<Vec<_>>();
            for name in &found {
                *text = text.replace(name.as_str(), BLANK);
            }
            !found.is_empty()
        }
        Value::Array(items) => items.iter_mut().fold(false, |any, item| walk(item, names) | any),
        Value::Object(fields) => fields.values_mut().fold(false, |any, item| walk(item, names) | any),
        _ => false,
    }
}

/// A short name, such as `a`, is only meant where it is the whole text.
fn is_named(text: &str, name: &str) -> bool {
    const SHORT: usize = 6;
    text == name || (name.len() >= SHORT && text.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_blanks_and_nothing_else_changes() {
        let names = HashSet::from(["anna@example.org".to_owned(), "bo".to_owned()]);
        let mut value = serde_json::json!({ "who": ["anna@example.org", "bo", "bob"], "link": "/x?user=anna@example.org", "spent": 3.5 });
        assert!(walk(&mut value, &names));
        assert_eq!(value, serde_json::json!({ "who": [BLANK, BLANK, "bob"], "link": "/x?user=(deleted)", "spent": 3.5 }));
        assert!(!walk(&mut value, &names));
    }
}
