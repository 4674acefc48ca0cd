//! Projects and their ingest keys.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Connection;

use super::custom_prices;
use super::custom_prices::CustomPriceRecord;
use super::error::MetadataError;

/// Another currency in which the page shows money. Everything is kept in US dollars.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisplayCurrency {
    /// ISO 4217 code, such as `JPY`.
    pub code: String,
    /// How many of it a dollar is.
    pub rate: f64,
}

/// How long the classes of a project's spans are kept, where that is not the usual time.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionOverrides {
    /// Days for each environment that has its own.
    pub environments: BTreeMap<String, u32>,
    /// Days that texts (messages, attributes, lines of logs) are kept; as long as the numbers where null.
    #[serde(alias = "message_days")]
    pub message_days: Option<u32>,
    /// Days that traces with errors or scores are kept at least, texts included.
    #[serde(alias = "flagged_days")]
    pub flagged_days: Option<u32>,
}

/// A project: the wall between the telemetry of different programs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectRecord {
    /// Its number, from 1.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Filled by `hinomi demo`.
    pub demo: bool,
    /// For how many days its spans are kept; the server's setting where `None`.
    pub retention_days: Option<u32>,
    /// The classes of its spans that are kept for another time.
    pub keep: RetentionOverrides,
    /// Shown beside dollars.
    pub currency: Option<DisplayCurrency>,
    /// Take the client's own cost where it sends one.
    pub prefer_client_cost: bool,
    /// Count the tokens of calls that come without counts from their texts, where that can be done.
    pub estimate_usage: bool,
    /// Nothing is taken in.
    pub disabled: bool,
    /// In microseconds since the Unix epoch.
    pub created_us: i64,
    /// When the first span arrived.
    pub first_span_us: Option<i64>,
}

/// An ingest key. It is public: it stands in the DSN, and may only send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestKey {
    /// Its number.
    pub id: i64,
    /// The project that it sends to.
    pub project: u64,
    /// 32 lower-case letters and digits.
    pub public_key: String,
    /// What it is for.
    pub name: String,
    /// How it is told from the project's others where the key itself must not stand: its name, with its number where another has the same.
    pub label: String,
    /// In microseconds since the Unix epoch.
    pub created_us: i64,
    /// When it was last seen, to the minute.
    pub last_used_us: Option<i64>,
}

/// All projects and keys at one moment.
#[derive(Debug, Clone, Default)]
pub struct ProjectDirectory {
    /// By number.
    pub projects: BTreeMap<u64, ProjectRecord>,
    /// By text.
    pub keys: HashMap<String, IngestKey>,
    /// Prices that owners have set, in the order in which they were.
    pub prices: Vec<CustomPriceRecord>,
}

impl ProjectDirectory {
    /// The oldest key of a project: the one of its DSN.
    pub fn first_key(&self, project: u64) -> Option<&IngestKey> {
        self.keys.values().filter(|key| key.project == project).min_by_key(|key| key.id)
    }

    /// The keys of a project, oldest first.
    pub fn keys_of(&self, project: u64) -> Vec<&IngestKey> {
        let mut keys: Vec<_> = self.keys.values().filter(|key| key.project == project).collect();
        keys.sort_by_key(|key| key.id);
        keys
    }
}

pub(super) fn read(connection: &Connection) -> Result<ProjectDirectory, MetadataError> {
    let mut projects = connection.prepare_cached("SELECT * FROM projects")?;
    let projects = projects.query_map([], |row| {
        let code: Option<String> = row.get("currency_code")?;
        let rate: Option<f64> = row.get("currency_rate")?;
        let project = ProjectRecord {
            id: row.get("id")?,
            name: row.get("name")?,
            demo: row.get("demo")?,
            retention_days: row.get("retention_days")?,
            keep: serde_json::from_str(&row.get::<_, String>("keep")?).unwrap_or_default(),
            currency: code.zip(rate).map(|(code, rate)| DisplayCurrency { code, rate }),
            prefer_client_cost: row.get("prefer_client_cost")?,
            estimate_usage: row.get("estimate_usage")?,
            disabled: row.get("disabled")?,
            created_us: row.get("created_us")?,
            first_span_us: row.get("first_span_us")?,
        };
        Ok((project.id, project))
    })?;
    let projects = projects.collect::<Result<_, _>>()?;
    let mut keys = connection.prepare_cached("SELECT * FROM keys")?;
    let keys = keys.query_map([], |row| {
        let key = IngestKey {
            id: row.get("id")?,
            project: row.get("project_id")?,
            public_key: row.get("public_key")?,
            name: row.get("name")?,
            label: row.get("name")?,
            created_us: row.get("created_us")?,
            last_used_us: row.get("last_used_us")?,
        };
        Ok((key.public_key.clone(), key))
    })?;
    let mut keys: HashMap<String, IngestKey> = keys.collect::<Result<_, _>>()?;
    let mut alike: HashMap<(u64, String), usize> = HashMap::new();
    for key in keys.values() {
        *alike.entry((key.project, key.name.clone())).or_default() += 1;
    }
    for key in keys.values_mut() {
        if alike.get(&(key.project, key.name.clone())).is_some_and(|count| *count > 1) {
            key.label = format!("{} #{}", key.name, key.id);
        }
    }
    Ok(ProjectDirectory { projects, keys, prices: custom_prices::read(connection)? })
}
