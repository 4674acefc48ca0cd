//! `hinomi token`, `hinomi session` and `hinomi logout`: manage API tokens and sessions.

use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Subcommand};
use hinomi_model::api_time::rfc3339;
use hinomi_tables::audit_log::AuditEvent;
use hinomi_tables::metadata::{AccountRole, ApiTokenDraft, ApiTokenKind, ApiTokenRecord, MetadataStore, OPERATOR_ACCOUNT};

use super::audit::record_command;
use super::user::{find_account, parse_role};
use super::{CommonArguments, effective_config, open_existing, print_line, print_note};
use crate::config::Config;
use crate::query_parameters::parse_lifetime;

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Create an API token and print it; it is not shown again
    Create {
        #[command(flatten)]
        common: CommonArguments,
        /// Project that the token can access
        #[arg(long, value_name = "N", default_value_t = 1)]
        project: u64,
        /// Role: viewer, member, admin or owner
        #[arg(long, default_value = "viewer", value_parser = parse_role)]
        role: AccountRole,
        /// Allow everything that an admin may do, in all projects; cannot be combined with --project or --role
        #[arg(long, conflicts_with_all = ["project", "role"])]
        admin: bool,
        /// Create a token with which an identity provider manages users and groups; it has no access to data
        #[arg(long, conflicts_with_all = ["project", "role", "admin"])]
        scim: bool,
        /// E-mail address or ID of the account that the token belongs to; the token never has more access than it [default: 1]
        #[arg(long, value_name = "WHO")]
        account: Option<String>,
        /// Name of the token
        #[arg(long, default_value = "API token")]
        name: String,
        /// Time until the token expires, such as 12h, 30d or 8w [default: never]
        #[arg(long, value_name = "TIME", value_parser = parse_lifetime)]
        expires: Option<Duration>,
    },
    /// List API tokens: ID, name, role, account, and when each was created, last used and expires
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
    /// List sessions: ID, client, account, address, and when each was created, last used and expires
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

/// End all sessions and invalidate unused one-time links
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
            TokenCommand::Create { common, project, role, admin, scim, account, name, expires } => {
                let config = effective_config(&common, None)?;
                let data = &config.data;
                let is_new = !data.join("hinomi.db").exists();
                let meta = MetadataStore::open(data)?;
                if is_new {
                    let data = data.display();
                    print_note(&format!(
                        "created a new data directory {data}; the token is only valid for a server that uses this directory"
                    ));
                }
                let account = account.map_or(Ok(OPERATOR_ACCOUNT), |account| find_account(&meta, &account).map(|found| found.id))?;
                let role = if admin { AccountRole::Admin } else { role };
                let draft = ApiTokenDraft { name, account, role, project: (!admin).then_some(project), lifetime: expires };
                if scim {
                    let is_owner = meta.account(account)?.server_role == Some(AccountRole::Owner);
                    ensure!(is_owner, "account {account} is not an owner of the server; only owners can have a SCIM token");
                }
                let (token, kind) = match scim {
                    true => (meta.create_scim_token(&draft.name, account, draft.lifetime)?, ApiTokenKind::Scim),
                    false => (meta.create_token(&draft)?, ApiTokenKind::Api),
                };
                record_command(&config, |actor| {
                    let project = draft.project.filter(|_| !scim);
                    let role = if scim { AccountRole::Owner } else { role };
                    let event = AuditEvent { project, ..AuditEvent::new(actor, "tokens.create") };
                    let event = event.detail("name", draft.name).detail("role", role.name()).detail("account_id", account);
                    event.detail("kind", kind.name())
                })?;
                print_line(&token)
            }
            TokenCommand::List { common } => {
                let now_us = jiff::Timestamp::now().as_microsecond();
                open_metadata(&common)?.1.tokens()?.iter().try_for_each(|token| print_line(&format_token(token, now_us)))
            }
            TokenCommand::Revoke { common, id } => {
                let (config, meta) = open_metadata(&common)?;
                let name = meta.revoke_token(id, None)?;
                record_command(&config, |actor| AuditEvent { object: format!("token {id}"), ..AuditEvent::new(actor, "tokens.delete") })?;
                print_line(&format!("revoked token {id} ({name})"))
            }
        }
    }
}

impl SessionCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            SessionCommand::List { common } => open_metadata(&common)?.1.sessions()?.iter().try_for_each(|session| {
                let client = if session.client.is_empty() { "unknown client" } else { &session.client };
                let [created, used, expires] = [session.created_us, session.last_used_us, session.expires_us].map(rfc3339);
                let address = if session.address.is_empty() { "unknown address" } else { &session.address };
                let account = &session.account.name;
                print_line(&format!(
                    "{}\t{client}\t{account}\t{address}\tcreated {created}\tlast used {used}\texpires {expires}",
                    session.id
                ))
            }),
            SessionCommand::Revoke { common, id } => {
                let (config, meta) = open_metadata(&common)?;
                meta.revoke_session(id, None)?;
                record_command(&config, |actor| AuditEvent {
                    object: format!("session {id}"),
                    ..AuditEvent::new(actor, "sessions.delete")
                })?;
                print_line(&format!("ended session {id}"))
            }
        }
    }
}

impl LogoutCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        debug_assert!(self.all);
        let (config, meta) = open_metadata(&self.common)?;
        let ended = meta.sign_out_all()?;
        record_command(&config, |actor| AuditEvent::new(actor, "sessions.delete_all").detail("sessions", ended))?;
        print_line(&format!("ended {ended} sessions; `hinomi login` prints a new sign-in link"))
    }
}

/// Opens the metadata of an existing data directory.
fn open_metadata(common: &CommonArguments) -> anyhow::Result<(Config, MetadataStore)> {
    let config = effective_config(common, None)?;
    let meta = open_existing(&config)?;
    Ok((config, meta))
}

fn format_token(record: &ApiTokenRecord, now_us: i64) -> String {
    let ApiTokenRecord { id, name, account, role, project, created_us, expires_us, last_used_us, kind } = record;
    let place = project.map_or_else(|| "all projects".to_owned(), |project| format!("project {project}"));
    let account = &account.name;
    let access = match kind {
        ApiTokenKind::Api => format!("{} of {place}", role.name()),
        ApiTokenKind::Scim => "SCIM".to_owned(),
    };
    let used = last_used_us.map_or_else(|| "never used".to_owned(), |at| format!("last used {}", rfc3339(at)));
    let expires = match expires_us {
        None => "never expires".to_owned(),
        Some(at) => format!("{} {}", if *at <= now_us { "expired" } else { "expires" }, rfc3339(*at)),
    };
    format!("{id}\t{name}\t{access}\t{account}\tcreated {}\t{used}\t{expires}", rfc3339(*created_us))
}
