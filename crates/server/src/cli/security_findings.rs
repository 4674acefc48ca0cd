//! `hinomi doctor --security`: what of a server and its data directory is open to others.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hinomi_alerting::delivery;
use hinomi_store::doctor::DoctorFinding;
use hinomi_tables::audit_log::AuditLog;
use hinomi_tables::forwards;
use hinomi_tables::metadata::{AccountRole, AccountState, MetadataStore};
use hinomi_tables::secret_columns::count_plain_secrets;

use super::running_server;
use crate::config::Config;

/// Age in microseconds from which an unused credential is reported.
const UNUSED_AFTER_US: i64 = 90 * 86_400_000_000;

/// Checks the configuration, the credentials and the stored secrets. The configuration is that of the running server, if one is running.
pub(super) fn check_security(root: &Path, here: &Config) -> Vec<DoctorFinding> {
    let running = running_server::configuration(root).and_then(|text| toml::from_str::<Config>(&text).ok());
    let config = running.as_ref().unwrap_or(here);
    let mut findings = check_network(config);
    findings.extend(check_key_files(root, config));
    findings.extend(check_stored_secrets(root));
    match MetadataStore::open(root) {
        Ok(meta) => findings.extend(check_credentials(&meta).unwrap_or_else(|error| vec![DoctorFinding::problem(error.to_string(), "")])),
        Err(error) => findings.push(DoctorFinding::problem(error.to_string(), "")),
    }
    findings.extend(check_audit_log(root));
    findings
}

fn check_network(config: &Config) -> Vec<DoctorFinding> {
    let is_loopback = config.listen.ip().is_loopback();
    let mut findings = Vec::new();
    findings.push(match (is_loopback, config.tls.is_enabled(), config.public_url.starts_with("https://")) {
        (true, ..) => DoctorFinding::fine(format!("the server listens only on this machine ({})", config.listen)),
        (false, true, _) => DoctorFinding::fine("all ports use TLS"),
        (false, false, true) => DoctorFinding::note(
            format!("{} accepts connections without TLS from other machines; public_url promises a proxy with TLS", config.listen),
            "let the server listen only where the proxy connects, such as 127.0.0.1, or set tls.certificate and tls.key",
        ),
        (false, false, false) => DoctorFinding::problem(
            format!(
                "{} accepts connections without TLS from other machines: keys, sessions and prompts cross the network unencrypted",
                config.listen
            ),
            "set tls.certificate and tls.key, or put a proxy with TLS in front and set public_url",
        ),
    });
    match config.ingest.keyless_project(config.listen, &config.public_url) {
        Some(keyless) if !is_loopback => findings.push(DoctorFinding::problem(
            format!("anybody who reaches the server can send data to project {} without a key", keyless.project),
            "set ingest.anonymous_project = \"none\"",
        )),
        Some(keyless) => findings.push(DoctorFinding::note(
            format!("programs on this machine can send data to project {} without a key", keyless.project),
            "set ingest.anonymous_project = \"none\" if other people use this machine",
        )),
        None => findings.push(DoctorFinding::fine("data is accepted only with a key")),
    }
    if !is_loopback {
        findings.push(DoctorFinding::note(
            "/metrics shows the totals of the whole server without a token to programs that connect directly",
            "let only the proxy and Prometheus connect directly",
        ));
    }
    findings.push(match config.notify.allow.trim() {
        "" => DoctorFinding::fine("notifications and forwarded requests are not sent to private networks"),
        "all" => DoctorFinding::problem(
            "admins of projects can make the server send requests to any address of your private networks (notify.allow = \"all\")",
            "list only the networks that are needed",
        ),
        networks => DoctorFinding::note(format!("notifications and forwarded requests may be sent to the private networks {networks}"), ""),
    });
    findings
}

/// Checks who can read the files with keys.
fn check_key_files(root: &Path, config: &Config) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    for (setting, path) in [("tls.key", &config.tls.key), ("secrets.key_file", &config.secrets.key_file)] {
        if path.as_os_str().is_empty() {
            continue;
        }
        let shown = path.display();
        match std::fs::metadata(path) {
            Ok(found) if found.permissions().mode() & 0o077 != 0 => findings.push(DoctorFinding::problem(
                format!("other users of this machine can read {shown} ({setting})"),
                format!("chmod 600 {shown}"),
            )),
            Ok(_) => findings.push(DoctorFinding::fine(format!("only its owner can read {shown}"))),
            Err(error) => findings.push(DoctorFinding::problem(format!("cannot read {shown} ({setting}): {error}"), "")),
        }
        let inside = path.canonicalize().ok().zip(root.canonicalize().ok()).is_some_and(|(path, root)| path.starts_with(root));
        if inside {
            findings.push(DoctorFinding::note(
                format!("{shown} is in the data directory, beside what it protects"),
                format!("move it elsewhere and change {setting}"),
            ));
        }
    }
    findings
}

/// Counts secrets of other services that are stored without encryption.
fn check_stored_secrets(root: &Path) -> Vec<DoctorFinding> {
    let places = [(delivery::SECRET_COLUMN, "notification channels"), (forwards::SECRET_COLUMN, "forwarding targets")];
    let check = |(column, what)| match count_plain_secrets(root, column) {
        Ok(0) => DoctorFinding::fine(format!("no secret of {what} is stored unencrypted")),
        Ok(count) => DoctorFinding::note(
            format!("{count} secrets of {what} are stored unencrypted: who reads the data directory or a backup can read them"),
            "put a key (`openssl rand -hex 32`) into a file outside of the data directory, and set secrets.key_file",
        ),
        Err(error) => DoctorFinding::problem(error.to_string(), ""),
    };
    places.into_iter().map(check).collect()
}

fn check_credentials(meta: &MetadataStore) -> anyhow::Result<Vec<DoctorFinding>> {
    let now_us = jiff::Timestamp::now().as_microsecond();
    let unused_before_us = now_us - UNUSED_AFTER_US;
    let mut findings = Vec::new();
    for token in meta.tokens()? {
        let what = format!("token {} ({}, role {})", token.id, token.name, token.role.name());
        let remedy = format!("hinomi token revoke {}", token.id);
        if token.expires_us.is_some_and(|expires| expires <= now_us) {
            continue;
        }
        if token.last_used_us.unwrap_or(token.created_us) < unused_before_us {
            findings.push(DoctorFinding::note(format!("{what} was not used for 90 days"), remedy.clone()));
        }
        if token.role >= AccountRole::Admin && token.expires_us.is_none() {
            let scope = token.project.map_or_else(|| "all projects of its account".to_owned(), |project| format!("project {project}"));
            let advice = "create one that expires: hinomi token create --expires 90d";
            findings.push(DoctorFinding::note(format!("{what} can change {scope} and never expires"), advice));
        }
    }
    let accounts = meta.accounts()?;
    let active: Vec<_> = accounts.iter().filter(|account| account.state == AccountState::Active).collect();
    for account in &active {
        let who = account.email.as_deref().unwrap_or(&account.name);
        let last = account.last_sign_in_us.unwrap_or(account.created_us);
        if account.email.is_some() && account.server_role.is_some() && last < unused_before_us {
            findings.push(DoctorFinding::note(format!("{who} has not signed in for 90 days"), format!("hinomi user deactivate {who}")));
        }
    }
    let owners = active.iter().filter(|account| account.server_role == Some(AccountRole::Owner)).count();
    findings.push(DoctorFinding::fine(format!("{owners} of {} active accounts own the server", active.len())));
    Ok(findings)
}

fn check_audit_log(root: &Path) -> Vec<DoctorFinding> {
    let verified = AuditLog::open(root).and_then(|log| log.head());
    vec![match verified {
        Ok(head) => {
            DoctorFinding::fine(format!("the audit log has {} entries; `hinomi audit verify --head FILE` checks them", head.sequence))
        }
        Err(error) => DoctorFinding::problem(error.to_string(), ""),
    }]
}
