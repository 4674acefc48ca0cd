//! `hinomi token`, `hinomi session` and `hinomi logout`: manage API tokens and sessions.

use std::time::Duration;

use clap::{Args, Subcommand};
use hinomi_model::api_time::rfc3339;
use hinomi_tables::metadata::{ApiTokenRecord, ApiTokenScope, MetadataStore};

use super::{CommonArguments, existing, in_force, note, say};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Create an API token and print it; it is not shown again
    Create {
        #[command(flatten)]
        common: CommonArguments,
        /// Project that the token can read
        #[arg(long, value_name = "N", default_value_t = 1)]
        project: u64,
        /// Allow reading all projects and making changes; not with --project
        #[arg(long, conflicts_with = "project")]
        admin: bool,
        /// Name of the token
        #[arg(long, default_value = "API token")]
        name: String,
        /// Time until the token expires, such as 12h, 30d or 8w [default: never]
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        expires: Option<Duration>,
    },
    /// List API tokens: ID, name, permissions, and when each was created, last used and expires
    List {
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Revoke an API token; takes effect immediately
    Revoke {
        #[command(flatten)]
        common: CommonArguments,
        /// ID of the token, see `hinomi token list`
        id: i64,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// List sessions: ID, client, and when each was created, last used and expires
    List {
        #[command(flatten)]
        common: CommonArguments,
    },
    /// End a session; takes effect immediately
    Revoke {
        #[command(flatten)]
        common: CommonArguments,
        /// ID of the session, see `hinomi session list`
        id: i64,
    },
}

/// End all sessions and invalidate unused sign-in links
#[derive(Debug, Args)]
pub(super) struct LogoutCommand {
    #[command(flatten)]
    common: CommonArguments,
    /// Sign out everyone (required)
    #[arg(long, required = true)]
    all: bool,
}

impl TokenCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            TokenCommand::Create { common, project, admin, name, expires } => {
                let data = in_force(&common, None)?.data;
                let is_new = !data.join("hinomi.db").exists();
                let meta = MetadataStore::open(&data)?;
                if is_new {
                    let data = data.display();
                    note(&format!("created a new data directory {data}; the token is only valid for a server that uses this directory"));
                }
                let token = ApiTokenScope { project: (!admin).then_some(project), admin };
                say(&meta.create_token(&name, token, expires)?)
            }
            TokenCommand::List { common } => {
                let now_us = jiff::Timestamp::now().as_microsecond();
                meta(&common)?.tokens()?.iter().try_for_each(|token| say(&token_line(token, now_us)))
            }
            TokenCommand::Revoke { common, id } => {
                let name = meta(&common)?.revoke_token(id)?;
                say(&format!("revoked token {id} ({name})"))
            }
        }
    }
}

impl SessionCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            SessionCommand::List { common } => meta(&common)?.sessions()?.iter().try_for_each(|session| {
                let client = if session.client.is_empty() { "unknown client" } else { &session.client };
                let [created, used, expires] = [session.created_us, session.last_used_us, session.expires_us].map(rfc3339);
                say(&format!("{}\t{client}\tcreated {created}\tlast used {used}\texpires {expires}", session.id))
            }),
            SessionCommand::Revoke { common, id } => {
                meta(&common)?.revoke_session(id)?;
                say(&format!("ended session {id}"))
            }
        }
    }
}

impl LogoutCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        debug_assert!(self.all);
        let ended = meta(&self.common)?.sign_out_all()?;
        say(&format!("ended {ended} sessions; `hinomi login` prints a new sign-in link"))
    }
}

/// Opens the metadata of an existing data directory.
fn meta(common: &CommonArguments) -> anyhow::Result<MetadataStore> {
    existing(&in_force(common, None)?)
}

fn token_line(record: &ApiTokenRecord, now_us: i64) -> String {
    let ApiTokenRecord { id, name, token, created_us, expires_us, last_used_us } = record;
    let rights = match token {
        ApiTokenScope { admin: true, .. } => "admin of all projects".to_owned(),
        ApiTokenScope { project: Some(project), .. } => format!("reads project {project}"),
        ApiTokenScope { project: None, .. } => "reads all projects".to_owned(),
    };
    let used = last_used_us.map_or_else(|| "never used".to_owned(), |at| format!("last used {}", rfc3339(at)));
    let expires = match expires_us {
        None => "never expires".to_owned(),
        Some(at) => format!("{} {}", if *at <= now_us { "expired" } else { "expires" }, rfc3339(*at)),
    };
    format!("{id}\t{name}\t{rights}\tcreated {}\t{used}\t{expires}", rfc3339(*created_us))
}

/// Parses a lifetime such as `12h`, `30d` or `8w`.
fn lifetime(text: &str) -> Result<Duration, String> {
    const HOUR: u64 = 3600;
    let seconds = |unit: char| match unit {
        'h' => Some(HOUR),
        'd' => Some(24 * HOUR),
        'w' => Some(7 * 24 * HOUR),
        _ => None,
    };
    let parsed =
        text.chars().last().and_then(seconds).zip(text.get(..text.len().saturating_sub(1)).and_then(|count| count.parse::<u32>().ok()));
    match parsed {
        Some((unit, count)) if count > 0 => Ok(Duration::from_secs(unit * u64::from(count))),
        _ => Err("use a number of hours, days or weeks, such as 12h, 30d or 8w".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes() {
        assert_eq!(lifetime("12h"), Ok(Duration::from_secs(43_200)));
        assert_eq!(lifetime("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(lifetime("8w"), Ok(Duration::from_secs(56 * 86_400)));
        for wrong in ["", "d", "0d", "-1d", "30", "1.5d", "30m", "日"] {
            assert!(lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
