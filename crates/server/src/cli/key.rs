//! `hinomi key`: manage ingest keys and their limits.

use std::str::FromStr;
use std::time::Duration;

use clap::Subcommand;
use hinomi_model::api_time::rfc3339;
use hinomi_tables::audit_log::AuditEvent;
use hinomi_tables::metadata::{IngestKey, IngestKeyDay, IngestKeyLimits, IngestKeyPatch, MetadataStore};

use super::audit::record_command;
use super::{CommonArguments, effective_config, open_existing, print_line};
use crate::config::{Config, parse_bytes};
use crate::query_parameters::parse_lifetime;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// List ingest keys: ID, key, name, limits, bytes of today, and when each was last used and expires
    List {
        #[command(flatten)]
        common: CommonArguments,
        /// Project of the keys
        #[arg(long, value_name = "N", default_value_t = 1)]
        project: u64,
    },
    /// Create an ingest key and print it
    Create {
        #[command(flatten)]
        common: CommonArguments,
        /// Name of the key
        name: String,
        /// Project that the key sends to
        #[arg(long, value_name = "N", default_value_t = 1)]
        project: u64,
        #[command(flatten)]
        limits: LimitArguments,
    },
    /// Change the limits of an ingest key; takes effect within a second
    Limit {
        #[command(flatten)]
        common: CommonArguments,
        /// ID of the key, see `hinomi key list`
        id: i64,
        /// Project of the key
        #[arg(long, value_name = "N", default_value_t = 1)]
        project: u64,
        #[command(flatten)]
        limits: LimitArguments,
    },
    /// Replace an ingest key and print the new one; the old one stays valid for a while
    Rotate {
        #[command(flatten)]
        common: CommonArguments,
        /// ID of the key, see `hinomi key list`
        id: i64,
        /// Project of the key
        #[arg(long, value_name = "N", default_value_t = 1)]
        project: u64,
        /// Time for which the old key is accepted, such as 12h, 7d or 4w
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_lifetime)]
        old_valid_for: Duration,
    },
    /// Delete an ingest key; data sent with it is rejected from then on
    Delete {
        #[command(flatten)]
        common: CommonArguments,
        /// ID of the key, see `hinomi key list`
        id: i64,
        /// Project of the key
        #[arg(long, value_name = "N", default_value_t = 1)]
        project: u64,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct LimitArguments {
    /// Maximum number of spans and other items per minute, or none
    #[arg(long, value_name = "N", value_parser = parse_limit::<u64>)]
    items_per_minute: Option<OptionalLimit<u64>>,
    /// Maximum size of the request bodies per day (UTC), such as 500MB, or none
    #[arg(long, value_name = "SIZE", value_parser = parse_limit::<ByteSize>)]
    bytes_per_day: Option<OptionalLimit<ByteSize>>,
    /// Origin of web pages that may send, such as https://*.example.com, or none; can be repeated
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
}

/// A limit or `none`.
#[derive(Debug, Clone, Copy)]
struct OptionalLimit<T>(Option<T>);

/// A number of bytes, which may have a unit.
#[derive(Debug, Clone, Copy)]
struct ByteSize(u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<ByteSize, String> {
        parse_bytes(text).map(ByteSize)
    }
}

fn parse_limit<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<OptionalLimit<T>, String> {
    if text == "none" {
        return Ok(OptionalLimit(None));
    }
    text.parse().map(|limit| OptionalLimit(Some(limit))).map_err(|error: T::Err| format!("{error}; or use none"))
}

impl LimitArguments {
    fn apply(self, before: IngestKeyLimits) -> IngestKeyLimits {
        IngestKeyLimits {
            items_per_minute: self.items_per_minute.map_or(before.items_per_minute, |OptionalLimit(limit)| limit),
            bytes_per_day: self.bytes_per_day.map_or(before.bytes_per_day, |OptionalLimit(limit)| limit.map(|ByteSize(bytes)| bytes)),
            allowed_origins: match self.origins.as_slice() {
                [] => before.allowed_origins,
                [only] if only == "none" => Vec::new(),
                _ => self.origins,
            },
        }
    }
}

impl KeyCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            KeyCommand::List { common, project } => {
                let (_, meta) = open(&common)?;
                meta.project(project)?;
                let now_us = jiff::Timestamp::now().as_microsecond();
                meta.directory().keys_of(project).into_iter().try_for_each(|key| print_line(&format_key(key, now_us)))
            }
            KeyCommand::Create { common, name, project, limits } => {
                let (config, meta) = open(&common)?;
                let key = meta.create_key(project, &name, &limits.apply(IngestKeyLimits::default()))?;
                record(&config, "keys.create", project, key.id, &key.limits)?;
                print_line(&key.public_key)
            }
            KeyCommand::Limit { common, id, project, limits } => {
                let (config, meta) = open(&common)?;
                let limits = limits.apply(meta.project_key(project, id)?.limits);
                let key = meta.update_key(project, id, &IngestKeyPatch { limits: Some(limits), ..IngestKeyPatch::default() })?;
                record(&config, "keys.update", project, id, &key.limits)?;
                print_line(&format_key(&key, jiff::Timestamp::now().as_microsecond()))
            }
            KeyCommand::Rotate { common, id, project, old_valid_for } => {
                let (config, meta) = open(&common)?;
                let valid_us = i64::try_from(old_valid_for.as_micros()).unwrap_or(i64::MAX);
                let (key, _) = meta.rotate_key(project, id, jiff::Timestamp::now().as_microsecond().saturating_add(valid_us))?;
                record(&config, "keys.rotate.create", project, id, &key.limits)?;
                print_line(&key.public_key)
            }
            KeyCommand::Delete { common, id, project } => {
                let (config, meta) = open(&common)?;
                let key = meta.project_key(project, id)?;
                meta.delete_key(project, id)?;
                record(&config, "keys.delete", project, id, &key.limits)?;
                print_line(&format!("deleted key {id} ({})", key.name))
            }
        }
    }
}

fn open(common: &CommonArguments) -> anyhow::Result<(Config, MetadataStore)> {
    let config = effective_config(common, None)?;
    let meta = open_existing(&config)?;
    Ok((config, meta))
}

fn record(config: &Config, action: &str, project: u64, key: i64, limits: &IngestKeyLimits) -> anyhow::Result<()> {
    record_command(config, |actor| {
        let event = AuditEvent { object: format!("key {key}"), project: Some(project), ..AuditEvent::new(actor, action) };
        event.detail("items_per_minute", limits.items_per_minute).detail("bytes_per_day", limits.bytes_per_day)
    })
}

fn format_key(key: &IngestKey, now_us: i64) -> String {
    let IngestKeyLimits { items_per_minute, bytes_per_day, allowed_origins } = &key.limits;
    let limits = [
        items_per_minute.map(|limit| format!("{limit} items per minute")),
        bytes_per_day.map(|limit| format!("{limit} bytes per day")),
        (!allowed_origins.is_empty()).then(|| format!("pages of {}", allowed_origins.join(", "))),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    let limits = if limits.is_empty() { "no limits".to_owned() } else { limits.join("; ") };
    let today = key.last_day.bytes_on(IngestKeyDay::day_of(now_us));
    let used = key.last_used_us.map_or_else(|| "never used".to_owned(), |at| format!("last used {}", rfc3339(at)));
    let expires = match key.expires_us {
        None => "never expires".to_owned(),
        Some(at) => format!("{} {}", if key.is_expired(now_us) { "expired" } else { "expires" }, rfc3339(at)),
    };
    format!("{}\t{}\t{}\t{limits}\t{today} bytes today\t{used}\t{expires}", key.id, key.public_key, key.name)
}
