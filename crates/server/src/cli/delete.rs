//! `hinomi delete`: a trace, a user or a project, from every file.

use std::io::IsTerminal as _;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::running_server::{CommandSession, RunningServer};
use super::{CommonArguments, existing, in_force, say};
use crate::retention::{DeletionPreview, DeletionReceipt, receipts_of_user};

/// Delete a trace, a user's data or a project from every file, with a receipt
#[derive(Debug, Subcommand)]
pub(super) enum DeleteCommand {
    /// A trace, with its errors, scores and lines of logs
    Trace {
        #[command(flatten)]
        which: DeleteArguments,
        /// Its id
        id: String,
    },
    /// What a user did
    User {
        #[command(flatten)]
        which: DeleteArguments,
        /// As programs name the user
        id: String,
    },
    /// A project with everything in it; project 1 is emptied and stays
    Project {
        #[command(flatten)]
        which: DeleteArguments,
    },
    /// List the receipts
    List {
        #[command(flatten)]
        common: CommonArguments,
        /// Only those of this user, as programs name the user: a receipt keeps a hash alone
        #[arg(long, value_name = "ID")]
        user: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct DeleteArguments {
    #[command(flatten)]
    common: CommonArguments,
    /// The project
    #[arg(long, value_name = "N")]
    project: u64,
    /// It cannot be undone: say that it is meant. Without this it is said what would be deleted, and asked
    #[arg(long)]
    yes: bool,
}

impl DeleteCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (which, path) = match &self {
            DeleteCommand::List { common, user } => return list(common, user.as_deref()),
            DeleteCommand::Trace { which, id } => (which, format!("/traces/{}", encoded(id))),
            DeleteCommand::User { which, id } => (which, format!("/users/{}", encoded(id))),
            DeleteCommand::Project { which } => (which, String::new()),
        };
        let meta = existing(&in_force(&which.common, None)?)?;
        let server = RunningServer::find(&meta, None)?;
        let session = CommandSession::begin(&meta)?;
        let url = format!("{}/api/v1/projects/{}{path}", server.address, which.project);
        if !which.yes {
            let text = read(session.sign(server.agent.get(format!("{url}/deletion"))).call()?)?;
            let stored: DeletionPreview = serde_json::from_str(&text).context("the server is of another version; restart it")?;
            let DeletionPreview { traces, spans, errors, scores, log_lines, series } = stored;
            say(&format!(
                "to be deleted: {traces} traces, {spans} spans, {errors} errors, {scores} scores, {log_lines} log lines, {series} series of metrics"
            ))?;
            const LAST: &str = "what is deleted is gone from every file and cannot be brought back";
            ensure!(std::io::stdin().is_terminal(), "{LAST}; add --yes if that is meant");
            ensure!(super::confirmed(&format!("{}. Delete it? [y/N] ", LAST.replacen('w', "W", 1)))?, "nothing was deleted");
        }
        let text = read(session.sign(server.agent.delete(url)).call()?)?;
        let receipt: DeletionReceipt = serde_json::from_str(&text).context("the server is of another version; restart it")?;
        told(&receipt)
    }
}

/// What a server that agreed has answered.
fn read(mut answer: ureq::http::Response<ureq::Body>) -> anyhow::Result<String> {
    let text = answer.body_mut().read_to_string()?;
    ensure!(answer.status().as_u16() == 200, "{}", super::transfer::said(&text));
    Ok(text)
}

fn encoded(id: &str) -> String {
    utf8_percent_encode(id, NON_ALPHANUMERIC).to_string()
}

fn list(common: &CommonArguments, user: Option<&str>) -> anyhow::Result<()> {
    let meta = existing(&in_force(common, None)?)?;
    let read = |text: &String| serde_json::from_value(serde_json::from_str::<Value>(text).unwrap_or_default()).unwrap_or_default();
    let receipts: Vec<DeletionReceipt> = match user {
        Some(user) => receipts_of_user(&meta, user)?,
        None => meta.receipts()?.iter().map(read).collect(),
    };
    if receipts.is_empty() {
        return say(if user.is_some() { "nothing of this user was deleted" } else { "nothing was deleted" });
    }
    receipts.iter().try_for_each(told)
}

fn told(receipt: &DeletionReceipt) -> anyhow::Result<()> {
    let DeletionReceipt { at, project, what, subject, spans, errors, scores, log_lines, series, incidents, mentions, .. } = receipt;
    let subject = subject.as_deref().unwrap_or_default();
    say(&format!("{at}  project {project}, {what} {subject}"))?;
    say(&format!(
        "  {spans} spans, {errors} errors, {scores} scores, {log_lines} log lines, {series} series of metrics, {incidents} incidents; name removed from {mentions} alert records"
    ))?;
    say(&format!("  {} files removed or written anew, {} ms", receipt.files.len(), receipt.duration_ms))?;
    for file in &receipt.still_read {
        say(&format!("  {file} is still being read by a query, and is removed when that ends"))?;
    }
    for file in &receipt.unreadable {
        say(&format!("  {file} is damaged and could not be looked into: remove it by hand"))?;
    }
    Ok(())
}
