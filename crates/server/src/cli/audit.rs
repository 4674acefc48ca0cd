//! `hinomi audit`: read and verify the audit log, and record what commands do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Subcommand;
use hinomi_model::api_time::rfc3339;
use hinomi_tables::audit_log::{AuditActor, AuditEntry, AuditEvent, AuditFilter, AuditHead, AuditLog};
use hinomi_tables::metadata::MetadataStore;

use super::{CommonArguments, effective_config, open_existing, print_line};
use crate::audit_heads::read_heads;
use crate::config::Config;
use crate::query_parameters::parse_lifetime;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// List the newest entries: number, time, actor, action, object, project, address and details
    List {
        #[command(flatten)]
        common: CommonArguments,
        /// Number of entries
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// Only entries whose action is this text, or begins with this text and a dot
        #[arg(long)]
        action: Option<String>,
    },
    /// Print the head of the log as JSON; store it elsewhere, so that `verify` detects a log that was cut or rewritten later
    Head {
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Check that no entry was changed or removed (exit status 0: the chain is intact, 1: it is not)
    Verify {
        #[command(flatten)]
        common: CommonArguments,
        /// File with heads, one per line: of `hinomi audit head`, of audit.head_to, of a syslog or of the server's log; - for standard input
        #[arg(long, value_name = "FILE")]
        head: Option<PathBuf>,
    },
    /// Delete old entries; leaves a signed checkpoint, after which the chain continues
    Expire {
        #[command(flatten)]
        common: CommonArguments,
        /// Age of the entries, such as 365d or 52w
        #[arg(long, value_name = "TIME", value_parser = parse_lifetime)]
        older_than: Duration,
    },
}

impl AuditCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            AuditCommand::List { common, limit, action } => {
                let (_, log) = open(&common)?;
                let entries = log.entries(&AuditFilter { action, ..AuditFilter::default() }, limit)?;
                entries.iter().rev().try_for_each(|entry| print_line(&format_entry(entry)))
            }
            AuditCommand::Head { common } => print_line(&serde_json::to_string(&open(&common)?.1.head()?)?),
            AuditCommand::Verify { common, head } => {
                let heads = head.map_or(Ok(Vec::new()), |path| read_head_file(&path))?;
                let (meta, log) = open(&common)?;
                let verified = log.verify(&heads, &meta.audit_key()?)?;
                let expired =
                    if verified.first > 1 { format!(" (entries up to {} have expired)", verified.first - 1) } else { String::new() };
                let confirmed = match heads.len() {
                    0 => "without an exported head (--head), a log that was cut or rewritten is not detected".to_owned(),
                    count => format!("{} of {count} exported heads confirmed", verified.confirmed_heads),
                };
                let (first, last) = (verified.first, verified.head.sequence);
                print_line(&format!("the chain is intact: entries {first} to {last}{expired}; {confirmed}"))?;
                if verified.expired_heads > 0 {
                    print_line(&format!("{} exported heads refer to expired entries and cannot be compared", verified.expired_heads))?;
                }
                Ok(())
            }
            AuditCommand::Expire { common, older_than } => {
                let (meta, log) = open(&common)?;
                let age_us = i64::try_from(older_than.as_micros()).unwrap_or(i64::MAX);
                let before_us = jiff::Timestamp::now().as_microsecond().saturating_sub(age_us);
                let deleted = log.expire(before_us, command_actor(), &meta.audit_key()?)?;
                print_line(&format!("deleted {deleted} entries"))
            }
        }
    }
}

fn open(common: &CommonArguments) -> anyhow::Result<(MetadataStore, AuditLog)> {
    let config = effective_config(common, None)?;
    let meta = open_existing(&config)?;
    let log = AuditLog::open(&config.data)?;
    Ok((meta, log))
}

/// Reads the heads of a file, or of standard input.
fn read_head_file(path: &Path) -> anyhow::Result<Vec<AuditHead>> {
    let text = match path == Path::new("-") {
        true => std::io::read_to_string(std::io::stdin()).context("cannot read standard input")?,
        false => String::from_utf8_lossy(&std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?).into_owned(),
    };
    let heads = read_heads(&text);
    // Otherwise the command would say that the chain holds, without having compared it.
    ensure!(!heads.is_empty(), "{} does not contain heads of an audit log", path.display());
    Ok(heads)
}

fn format_entry(entry: &AuditEntry) -> String {
    let AuditEntry { sequence, time_us, actor, action, object, project_id, details } = entry;
    let project = project_id.map_or_else(|| "-".to_owned(), |project| format!("project {project}"));
    let address = actor.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
    let object = if object.is_empty() { "-" } else { object };
    let details = serde_json::to_string(details).unwrap_or_default();
    let who = format!("{} ({})", actor.name, actor.credential);
    // Names are free text; a line break in one must not look like an entry.
    let line = format!("{sequence}\t{}\t{who}\t{action}\t{object}\t{project}\t{address}\t{details}", rfc3339(*time_us));
    line.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect()
}

/// Records what a command did to a data directory.
pub(super) fn record_command(config: &Config, event: impl FnOnce(AuditActor) -> AuditEvent) -> anyhow::Result<()> {
    AuditLog::open(&config.data)?.append(event(command_actor()))?;
    Ok(())
}

/// Returns the operating system user that runs the command, according to the environment.
fn command_actor() -> AuditActor {
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok()).filter(|user| !user.is_empty());
    AuditActor {
        account_id: None,
        name: user.unwrap_or_else(|| "unknown user".to_owned()),
        credential: "command".to_owned(),
        address: None,
    }
}
