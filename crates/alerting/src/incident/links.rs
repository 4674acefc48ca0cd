//! Where a person who was told of something looks further: filters of what a rule or a culprit means, and addresses on the page.

use crate::delivery::notice;
use crate::delivery::notice::AlertContributor;

/// The filter of a rule, for one of its groups that has a value of its own.
pub(crate) fn narrowed_text(filter: &str, group: Option<&notice::AlertGroup>) -> String {
    let by_group = group.map(|group| format!(" {}", term(&group.name, group.value.as_deref()))).unwrap_or_default();
    format!("{filter}{by_group}").trim().to_owned()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The term of the filter language for one value of what spans can be grouped by.
fn term(by: &str, value: Option<&str>) -> String {
    let field = quoted(&by.replacen("tag:", "tag.", 1));
    match value {
        Some(value) => format!("{field}:{}", quoted(value)),
        None => format!("-{field}:*"),
    }
}

/// Where a culprit's traces are.
pub(crate) fn link(public_url: &str, project: u64, culprit: &AlertContributor, window: (i64, i64)) -> String {
    let key = culprit.key.as_deref();
    if culprit.dimension == "trace" {
        return format!("{public_url}/p/{project}/traces/{}", key.unwrap_or_default());
    }
    traces(public_url, project, window, &term(&culprit.dimension, key))
}

/// The page's list of traces for a window and a filter.
pub(crate) fn traces(public_url: &str, project: u64, (from_us, to_us): (i64, i64), filter: &str) -> String {
    let q = percent_encoding::utf8_percent_encode(filter, percent_encoding::NON_ALPHANUMERIC);
    let (from, to) = (hinomi_model::api_time::rfc3339(from_us), hinomi_model::api_time::rfc3339(to_us));
    format!("{public_url}/p/{project}/traces?from={from}&to={to}&q={q}")
}
