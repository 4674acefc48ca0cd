//! Projects and their ingest keys.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hinomi_model::mapping::MappingRuleSet;
use rusqlite::Connection;

use super::custom_prices;
use super::custom_prices::CustomPriceRecord;
use super::error::MetadataError;
use super::ingest_keys::{IngestKey, key_from_row};
use super::message_hiding::MessageHiding;

/// A currency in which amounts are displayed. All amounts are stored in US dollars.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisplayCurrency {
    /// ISO 4217 code, such as `JPY`.
    pub code: String,
    /// Amount of the currency that equals one US dollar.
    pub rate: f64,
}

/// Retention of classes of data that differs from the default of the project.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionOverrides {
    /// Days for which the spans of an environment are stored, by environment.
    pub environments: BTreeMap<String, u32>,
    /// Days for which messages, attributes and log lines are stored; null for as long as their spans.
    #[serde(alias = "texts_days")]
    pub message_days: Option<u32>,
    /// Minimum number of days for which traces with errors or scores are stored, including their messages; null for no minimum.
    #[serde(alias = "notable_days")]
    pub flagged_days: Option<u32>,
}

/// Rules for the attributes of a project's own instrumentation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectMapping {
    /// Text of the rule file; empty if there is none.
    pub text: String,
    /// The rules of the text.
    pub rules: Arc<MappingRuleSet>,
}

impl ProjectMapping {
    /// Returns the mapping of a stored text. A text that this version cannot read has no rules.
    fn of_stored(text: String) -> ProjectMapping {
        let rules = MappingRuleSet::from_text(&text).unwrap_or_else(|error| {
            tracing::error!(%error, effect = "the mapping rules of a project are not applied", "metadata.mapping.invalid");
            MappingRuleSet::default()
        });
        ProjectMapping { text, rules: Arc::new(rules) }
    }
}

/// A project, which separates the telemetry of different programs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectRecord {
    /// ID of the project, from 1.
    pub id: u64,
    /// Name of the project.
    pub name: String,
    /// True if `hinomi demo` created the project.
    pub demo: bool,
    /// Days for which spans are stored; `None` for the server's setting.
    pub retention_days: Option<u32>,
    /// Retention of classes of data that differs from `retention_days`.
    pub retention_overrides: RetentionOverrides,
    /// Currency in which amounts are displayed in addition to US dollars.
    pub currency: Option<DisplayCurrency>,
    /// True if the cost that a client reports takes precedence over the computed cost.
    pub prefer_client_cost: bool,
    /// True if the tokens of calls without token usage are estimated from their messages where possible.
    pub estimate_usage: bool,
    /// Whom messages are hidden from.
    pub message_hiding: MessageHiding,
    /// Rules for the attributes of the project's own instrumentation.
    pub mapping: ProjectMapping,
    /// True if the project rejects all incoming data.
    pub disabled: bool,
    /// Time of creation in microseconds since the Unix epoch.
    pub created_us: i64,
    /// Time at which the first span arrived, in microseconds since the Unix epoch.
    pub first_span_us: Option<i64>,
}

/// All projects, ingest keys and custom prices at one moment.
#[derive(Debug, Clone, Default)]
pub struct ProjectDirectory {
    /// Projects by ID.
    pub projects: BTreeMap<u64, ProjectRecord>,
    /// Ingest keys by public key.
    pub keys: HashMap<String, IngestKey>,
    /// Custom prices in the order of their creation.
    pub prices: Vec<CustomPriceRecord>,
}

impl ProjectDirectory {
    /// Returns the key of a project for its DSN: the oldest one that does not expire, if there is one.
    pub fn first_key(&self, project: u64) -> Option<&IngestKey> {
        let now_us = super::now_us();
        let valid = self.keys.values().filter(|key| key.project == project && !key.is_expired(now_us));
        valid.min_by_key(|key| (key.expires_us.is_some(), key.id))
    }

    /// Returns the keys of a project, oldest first.
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
            retention_overrides: serde_json::from_str(&row.get::<_, String>("keep")?).unwrap_or_default(),
            currency: code.zip(rate).map(|(code, rate)| DisplayCurrency { code, rate }),
            prefer_client_cost: row.get("prefer_client_cost")?,
            estimate_usage: row.get("estimate_usage")?,
            message_hiding: row.get("hide_messages")?,
            mapping: ProjectMapping::of_stored(row.get("mapping")?),
            disabled: row.get("disabled")?,
            created_us: row.get("created_us")?,
            first_span_us: row.get("first_span_us")?,
        };
        Ok((project.id, project))
    })?;
    let projects = projects.collect::<Result<_, _>>()?;
    let mut keys = connection.prepare_cached("SELECT * FROM keys")?;
    let keys = keys.query_map([], |row| {
        let key = key_from_row(row)?;
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
    Ok(ProjectDirectory { projects, keys, prices: custom_prices::read_prices(connection)? })
}
