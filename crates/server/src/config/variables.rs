//! Values of environment variables, set in the table of the configuration file.

/// Sets the value at a dotted path. The type of the value follows from the text.
pub(super) fn set_value(table: &mut toml::Table, path: &str, text: &str) {
    const TEXT_SETTINGS: &[&str] = &[
        "data",
        "public_url",
        "dsn_key",
        "prices",
        "log",
        "ingest.anonymous_project",
        "notify.allow",
        "notify.ca_file",
        "tls.certificate",
        "tls.key",
        "secrets.key_file",
        "secrets.key",
        "audit.head_to",
    ];
    /// Sections whose settings are texts, except these.
    const TEXT_SECTION: &str = "sign_in.";
    const OTHER_SIGN_IN_SETTINGS: &[&str] = &[
        "sign_in.passwords",
        "sign_in.openid_connect.require_verified_email",
        "sign_in.openid_connect.session_s",
        "sign_in.openid_connect.token_days",
    ];
    let number = || text.parse().map(toml::Value::Integer).ok();
    let flag = || text.parse().map(toml::Value::Boolean).ok();
    // The value of a list is written as in the file.
    let list = || format!("list = {text}").parse::<toml::Table>().ok()?.remove("list").filter(toml::Value::is_array);
    let is_text = TEXT_SETTINGS.contains(&path) || path.starts_with(TEXT_SECTION) && !OTHER_SIGN_IN_SETTINGS.contains(&path);
    let typed = if path == "sign_in.group_roles" { list() } else { None };
    let typed = typed.or_else(|| if is_text { None } else { number().or_else(flag) });
    let value = typed.unwrap_or_else(|| toml::Value::String(text.to_owned()));
    insert_value(table, path, value);
}

fn insert_value(table: &mut toml::Table, path: &str, value: toml::Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((section, field)) => {
            let entry = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(section) = entry {
                insert_value(section, field, value);
            }
        }
    }
}
