//! `hinomi user`: manage accounts of people and programs.

use clap::Subcommand;
use hinomi_model::api_time::rfc3339;
use hinomi_tables::audit_log::AuditEvent;
use hinomi_tables::metadata::{AccountDraft, AccountPatch, AccountRecord, AccountRole, MetadataError, MetadataStore};
use serde_json::json;

use super::audit::record_command;
use super::{CommonArguments, effective_config, open_existing, print_line, print_note, public_url};
use crate::api::{create_password_link, password_url};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Create an account and print a one-time link with which the person sets a password
    Create {
        #[command(flatten)]
        common: CommonArguments,
        /// E-mail address, by which the person signs in
        email: String,
        /// Role: viewer, member, admin or owner
        #[arg(long, value_parser = parse_role)]
        role: AccountRole,
        /// Project in which the account has the role [default: the whole server]
        #[arg(long, value_name = "N")]
        project: Option<u64>,
        /// Name of the person [default: the e-mail address]
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
    },
    /// Create an account for a program, which uses API tokens and cannot sign in; prints its ID
    CreateService {
        #[command(flatten)]
        common: CommonArguments,
        /// Name of the program
        name: String,
        /// Role: viewer, member, admin or owner
        #[arg(long, value_parser = parse_role)]
        role: AccountRole,
        /// Project in which the account has the role [default: the whole server]
        #[arg(long, value_name = "N")]
        project: Option<u64>,
    },
    /// List accounts: ID, e-mail address, name, state, role on the server and last sign-in
    List {
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Print a one-time link with which a person sets a new password
    Link {
        #[command(flatten)]
        common: CommonArguments,
        /// E-mail address or ID of the account
        account: String,
    },
    /// Change the role of an account
    Role {
        #[command(flatten)]
        common: CommonArguments,
        /// E-mail address or ID of the account
        account: String,
        /// Role: viewer, member, admin, owner or none
        #[arg(value_parser = parse_optional_role)]
        role: OptionalRole,
        /// Project in which the account has the role [default: the whole server]
        #[arg(long, value_name = "N")]
        project: Option<u64>,
    },
    /// Deactivate an account: ends its sessions and revokes its API tokens at once
    Deactivate {
        #[command(flatten)]
        common: CommonArguments,
        /// E-mail address or ID of the account
        account: String,
    },
    /// Unlink an account from its identities at providers: the next identity with its e-mail address gets it
    Unlink {
        #[command(flatten)]
        common: CommonArguments,
        /// E-mail address or ID of the account
        account: String,
    },
    /// Activate a deactivated account again
    Activate {
        #[command(flatten)]
        common: CommonArguments,
        /// E-mail address or ID of the account
        account: String,
    },
}

/// A role or `none`.
#[derive(Debug, Clone, Copy)]
pub(super) struct OptionalRole(Option<AccountRole>);

impl UserCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            UserCommand::Create { common, email, role, project, name } => {
                let (config, meta) = open(&common)?;
                let account = meta.create_account(&draft(Some(email), name, role, project))?;
                record(&config, "accounts.create", account.id, project, Some(role))?;
                print_password_link(&config, &meta, account.id)
            }
            UserCommand::CreateService { common, name, role, project } => {
                let (config, meta) = open(&common)?;
                let account = meta.create_account(&draft(None, name, role, project))?;
                record(&config, "accounts.create", account.id, project, Some(role))?;
                print_note(&format!("create a token with `hinomi token create --account {} --role {}`", account.id, role.name()));
                print_line(&account.id.to_string())
            }
            UserCommand::List { common } => {
                let (_, meta) = open(&common)?;
                meta.accounts()?.iter().try_for_each(|account| print_line(&format_account(account)))
            }
            UserCommand::Link { common, account } => {
                let (config, meta) = open(&common)?;
                let account = find_account(&meta, &account)?;
                record(&config, "accounts.link.create", account.id, None, None)?;
                print_password_link(&config, &meta, account.id)
            }
            UserCommand::Role { common, account, role: OptionalRole(role), project } => {
                let (config, meta) = open(&common)?;
                let account = find_account(&meta, &account)?;
                let before = match project {
                    None => account.server_role,
                    Some(project) => meta.account_access(account.id)?.projects.get(&project).copied(),
                };
                match (project, role) {
                    (None, role) => {
                        let patch = AccountPatch { server_role: Some(role), ..AccountPatch::default() };
                        meta.update_account(account.id, &patch).map(drop)?;
                    }
                    (Some(project), Some(role)) => meta.set_member(project, account.id, role).map(drop)?,
                    (Some(project), None) => meta.remove_member(project, account.id)?,
                }
                record_command(&config, |actor| {
                    let object = format!("account {}", account.id);
                    let changes = json!({ "role": { "before": before.map(AccountRole::name), "after": role.map(AccountRole::name) } });
                    AuditEvent { object, project, ..AuditEvent::new(actor, "accounts.role.update") }
                        .detail("role", role.map(AccountRole::name))
                        .detail("changes", changes)
                })?;
                let place = project.map_or_else(|| "on the server".to_owned(), |project| format!("in project {project}"));
                print_line(&format!("{} has the role {} {place}", account.name, role.map_or("none", AccountRole::name)))
            }
            UserCommand::Unlink { common, account } => {
                let (config, meta) = open(&common)?;
                let account = find_account(&meta, &account)?;
                let removed = meta.unlink_identities(account.id)?;
                record(&config, "accounts.unlink", account.id, None, None)?;
                let unit = if removed == 1 { "identity" } else { "identities" };
                print_line(&format!("{} was unlinked from {removed} {unit}", account.name))
            }
            UserCommand::Deactivate { common, account } => set_deactivated(&common, &account, true),
            UserCommand::Activate { common, account } => set_deactivated(&common, &account, false),
        }
    }
}

fn open(common: &CommonArguments) -> anyhow::Result<(Config, MetadataStore)> {
    let config = effective_config(common, None)?;
    let meta = open_existing(&config)?;
    Ok((config, meta))
}

fn draft(email: Option<String>, name: String, role: AccountRole, project: Option<u64>) -> AccountDraft {
    let server_role = project.is_none().then_some(role);
    AccountDraft { email, name, server_role, project_role: project.map(|project| (project, role)) }
}

fn print_password_link(config: &Config, meta: &MetadataStore, account: i64) -> anyhow::Result<()> {
    let secret = create_password_link(meta, account)?;
    print_line(&password_url(&public_url(meta, config), &secret))
}

fn set_deactivated(common: &CommonArguments, account: &str, deactivated: bool) -> anyhow::Result<()> {
    let (config, meta) = open(common)?;
    let account = find_account(&meta, account)?;
    let changed = meta.update_account(account.id, &AccountPatch { deactivated: Some(deactivated), ..AccountPatch::default() })?;
    record(&config, if deactivated { "accounts.deactivate" } else { "accounts.activate" }, account.id, None, None)?;
    print_line(&format!("{} is {}", changed.name, changed.state.name()))
}

fn record(config: &Config, action: &str, account: i64, project: Option<u64>, role: Option<AccountRole>) -> anyhow::Result<()> {
    record_command(config, |actor| {
        let event = AuditEvent { object: format!("account {account}"), project, ..AuditEvent::new(actor, action) };
        match role {
            Some(role) => event.detail("role", role.name()),
            None => event,
        }
    })
}

/// Finds an account by its e-mail address or ID.
pub(super) fn find_account(meta: &MetadataStore, account: &str) -> anyhow::Result<AccountRecord> {
    if let Ok(id) = account.parse() {
        return Ok(meta.account(id)?);
    }
    let found = meta.account_by_email(account)?;
    found.ok_or_else(|| MetadataError::Invalid(format!("no account has the e-mail address {account}; see `hinomi user list`")).into())
}

fn format_account(account: &AccountRecord) -> String {
    let AccountRecord { id, email, name, state, server_role, last_sign_in_us, .. } = account;
    let email = email.as_deref().unwrap_or("no e-mail address");
    let role = server_role.map_or("roles in projects only", AccountRole::name);
    let seen = last_sign_in_us.map_or_else(|| "never signed in".to_owned(), |at| format!("last sign-in {}", rfc3339(at)));
    format!("{id}\t{email}\t{name}\t{}\t{role}\t{seen}", state.name())
}

/// Parses the name of a role.
pub(super) fn parse_role(text: &str) -> Result<AccountRole, String> {
    AccountRole::from_name(text).ok_or_else(|| "use viewer, member, admin or owner".to_owned())
}

fn parse_optional_role(text: &str) -> Result<OptionalRole, String> {
    if text == "none" {
        return Ok(OptionalRole(None));
    }
    parse_role(text).map(|role| OptionalRole(Some(role))).map_err(|hint| format!("{hint}, or none"))
}
