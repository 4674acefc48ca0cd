//! Links in notifications: filters for the spans of a rule or contributor, and URLs of the page.

use crate::delivery::notification;
use crate::delivery::notification::AlertContributor;

/// Returns the filter of a rule, restricted to one of its groups.
pub(crate) fn group_filter_text(filter: &str, group: Option<&notification::AlertGroup>) -> String {
    let by_group = group.map(|group| format!(" {}", filter_term(&group.name, group.value.as_deref()))).unwrap_or_default();
    format!("{filter}{by_group}").trim().to_owned()
}

fn quote_value(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns the filter term for one value of a property.
fn filter_term(by: &str, value: Option<&str>) -> String {
    let field = quote_value(&by.replacen("tag:", "tag.", 1));
    match value {
        Some(value) => format!("{field}:{}", quote_value(value)),
        None => format!("-{field}:*"),
    }
}

/// Returns the URL of a contributor's traces.
pub(crate) fn contributor_link(public_url: &str, project: u64, contributor: &AlertContributor, window: (i64, i64)) -> String {
    let key = contributor.key.as_deref();
    if contributor.dimension == "trace" {
        return format!("{public_url}/p/{project}/traces/{}", key.unwrap_or_default());
    }
    traces_link(public_url, project, window, &filter_term(&contributor.dimension, key))
}

/// Returns the URL of the trace list for a window and a filter.
pub(crate) fn traces_link(public_url: &str, project: u64, (from_us, to_us): (i64, i64), filter: &str) -> String {
    let q = percent_encoding::utf8_percent_encode(filter, percent_encoding::NON_ALPHANUMERIC);
    let (from, to) = (hinomi_model::api_time::rfc3339(from_us), hinomi_model::api_time::rfc3339(to_us));
    format!("{public_url}/p/{project}/traces?from={from}&to={to}&q={q}")
}
