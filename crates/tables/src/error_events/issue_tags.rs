//! Distribution of tags over the events of an issue.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use utoipa::ToSchema;

use super::error::ErrorStoreError;
use super::read::{ErrorFilterParameters, FILTER_CONDITION, unreadable_row};
use super::{ErrorEventFilter, ErrorStore, row};

/// Maximum number of events that are counted: the newest ones.
const MAX_COUNTED_EVENTS: usize = 5_000;
/// Number of events of which the names of tags are read: the newest ones.
const MAX_NAMING_EVENTS: usize = 50;
/// Maximum number of listed tags.
const MAX_TAGS: usize = 30;
/// Maximum number of listed values of a tag.
const MAX_VALUES: usize = 10;

/// Attributes that are listed like tags, with the names of the tags.
const TAG_ATTRIBUTES: &[(&str, &str)] = &[
    ("environment", "environment"),
    ("release", "release"),
    ("dist", "dist"),
    ("level", "level"),
    ("transaction", "transaction"),
    ("server_name", "server_name"),
    ("logger", "logger"),
    ("error.handled", "handled"),
    ("error.mechanism", "mechanism"),
    ("runtime.name", "runtime"),
    ("os.name", "os"),
    ("browser.name", "browser"),
    ("device.model", "device"),
    ("request.url", "url"),
];

/// Number of events with a value of a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct IssueTagValue {
    /// Value of the tag.
    pub value: String,
    /// Number of events.
    pub count: u64,
}

/// A tag of the events of an issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct IssueTag {
    /// Name of the tag: one that the program sent, or `user`, `environment`, `release`, `dist`, `level`, `transaction`, `server_name`,
    /// `logger`, `handled`, `mechanism`, `runtime`, `os`, `browser`, `device` or `url`.
    pub key: String,
    /// Number of events that have the tag.
    pub count: u64,
    /// Number of different values.
    pub distinct: u64,
    /// The 10 most frequent values.
    pub values: Vec<IssueTagValue>,
}

/// The tags of the events of an issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct IssueTagList {
    /// Number of events that were counted: the events in the range, but at most the newest 5,000.
    pub events: u64,
    /// The 30 most frequent tags.
    pub tags: Vec<IssueTag>,
}

/// Counts of values by tag.
#[derive(Default)]
struct TagCounts(HashMap<String, HashMap<String, u64>>);

impl TagCounts {
    fn add(&mut self, tag: &str, value: &str) {
        let values = match self.0.get_mut(tag) {
            Some(values) => values,
            None => self.0.entry(tag.to_owned()).or_default(),
        };
        match values.get_mut(value) {
            Some(count) => *count += 1,
            None => {
                values.insert(value.to_owned(), 1);
            }
        }
    }

    fn into_tags(self) -> Vec<IssueTag> {
        let tag = |(key, values): (String, HashMap<String, u64>)| {
            let (count, distinct) = (values.values().sum(), values.len() as u64);
            let mut values: Vec<IssueTagValue> = values.into_iter().map(|(value, count)| IssueTagValue { value, count }).collect();
            values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
            values.truncate(MAX_VALUES);
            IssueTag { key, count, distinct, values }
        };
        let mut tags: Vec<IssueTag> = self.0.into_iter().map(tag).collect();
        tags.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        tags.truncate(MAX_TAGS);
        tags
    }
}

impl ErrorStore {
    /// Returns the tags of the events of an issue in a range.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn issue_tags(&self, project: u64, issue: i64, within: ErrorEventFilter) -> Result<IssueTagList, ErrorStoreError> {
        self.read(move |database| {
            let (filter, project) = (ErrorFilterParameters::new(&within), project as i64);
            let parameters = filter.parameters_with(&[(":issue", &issue), (":project", &project)]);
            let events_sql = |columns: &str, limit: usize| {
                format!(
                    "SELECT {columns} FROM events e WHERE e.issue = :issue AND e.project = :project AND {FILTER_CONDITION}
                     ORDER BY e.time_us DESC LIMIT {limit}"
                )
            };
            let sql = events_sql("(SELECT json FROM contents WHERE event = e.id)", MAX_NAMING_EVENTS);
            let mut contents = database.prepare_cached(&sql)?;
            let mut contents = contents.query(&*parameters)?;
            let mut names = BTreeSet::new();
            while let Some(row) = contents.next()? {
                let (event, _) = row::parse_content(row.get_ref(0)?.as_blob()?).map_err(|reason| unreadable_row(0, reason))?;
                names.extend(event.tags.into_keys());
            }
            names.retain(|name| !TAG_ATTRIBUTES.iter().any(|(attribute, tag)| tag == name || attribute == name));

            let sql = events_sql("e.user_id, (SELECT json FROM attributes WHERE event = e.id)", MAX_COUNTED_EVENTS);
            let mut events = database.prepare_cached(&sql)?;
            let mut events = events.query(&*parameters)?;
            let (mut counts, mut counted) = (TagCounts::default(), 0);
            while let Some(row) = events.next()? {
                counted += 1;
                if let Some(user) = row.get_ref(0)?.as_str_or_null()? {
                    counts.add("user", user);
                }
                let Some(json) = row.get_ref(1)?.as_blob_or_null()? else { continue };
                let (attributes, _): (BTreeMap<String, String>, _) =
                    row::parse_compressed(json).map_err(|reason| unreadable_row(1, reason))?;
                let sent = names.iter().map(|name| (name.as_str(), name.as_str()));
                for (attribute, tag) in TAG_ATTRIBUTES.iter().copied().chain(sent) {
                    if let Some(value) = attributes.get(attribute) {
                        counts.add(tag, value);
                    }
                }
            }
            Ok(IssueTagList { events: counted, tags: counts.into_tags() })
        })
        .await
    }
}
