//! `hinomi delete`: deletes a trace, a user's data or a project from every file.

use std::io::IsTerminal as _;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::running_server::{CommandSession, RunningServer};
use super::{CommonArguments, effective_config, open_existing, print_line};
use crate::retention::{DeletionPreview, DeletionReceipt, receipts_of_user};

/// Delete a trace, a user's data or a project from every file, and record the deletion in a receipt
#[derive(Debug, Subcommand)]
pub(super) enum DeleteCommand {
    /// Delete a trace with its error events, scores and log lines
    Trace {
        #[command(flatten)]
        which: DeleteArguments,
        /// ID of the trace
        id: String,
    },
    /// Delete the data of a user
    User {
        #[command(flatten)]
        which: DeleteArguments,
        /// ID of the user as programs send it
        id: String,
    },
    /// Delete a project with everything in it; project 1 is emptied and stays
    Project {
        #[command(flatten)]
        which: DeleteArguments,
    },
    /// List the receipts of deletions
    List {
        #[command(flatten)]
        common: CommonArguments,
        /// Only receipts of this user ID (receipts contain only the hash of the ID)
        #[arg(long, value_name = "ID")]
        user: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct DeleteArguments {
    #[command(flatten)]
    common: CommonArguments,
    /// Project number
    #[arg(long, value_name = "N")]
    project: u64,
    /// Delete without preview and confirmation; this cannot be undone
    #[arg(long)]
    yes: bool,
}

impl DeleteCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (which, path) = match &self {
            DeleteCommand::List { common, user } => return list(common, user.as_deref()),
            DeleteCommand::Trace { which, id } => (which, format!("/traces/{}", encode_id(id))),
            DeleteCommand::User { which, id } => (which, format!("/users/{}", encode_id(id))),
            DeleteCommand::Project { which } => (which, String::new()),
        };
        let meta = open_existing(&effective_config(&which.common, None)?)?;
        let server = RunningServer::find_server(&meta, None)?;
        let session = CommandSession::begin_session(&meta)?;
        let url = format!("{}/api/v1/projects/{}{path}", server.address, which.project);
        if !which.yes {
            let text = read_body(session.authenticate(server.agent.get(format!("{url}/deletion"))).call()?)?;
            let stored: DeletionPreview =
                serde_json::from_str(&text).context("the running server is another version of Hinomi; restart it")?;
            let DeletionPreview { traces, spans, errors, scores, log_lines, series } = stored;
            print_line(&format!(
                "to be deleted: {traces} traces, {spans} spans, {errors} error events, {scores} scores, {log_lines} log lines, {series} metric series"
            ))?;
            const IRREVERSIBLE_WARNING: &str = "deleted data is removed from every file and cannot be recovered";
            ensure!(std::io::stdin().is_terminal(), "{IRREVERSIBLE_WARNING}; use --yes to confirm");
            ensure!(
                super::ask_confirmation(&format!("{}. Delete it? [y/N] ", IRREVERSIBLE_WARNING.replacen('d', "D", 1)))?,
                "nothing was deleted"
            );
        }
        let text = read_body(session.authenticate(server.agent.delete(url)).call()?)?;
        let receipt: DeletionReceipt =
            serde_json::from_str(&text).context("the running server is another version of Hinomi; restart it")?;
        print_receipt(&receipt)
    }
}

/// Returns the body of a successful response, or the error of the server.
fn read_body(mut answer: ureq::http::Response<ureq::Body>) -> anyhow::Result<String> {
    let text = answer.body_mut().read_to_string()?;
    ensure!(answer.status().as_u16() == 200, "{}", super::transfer::error_message(&text));
    Ok(text)
}

fn encode_id(id: &str) -> String {
    utf8_percent_encode(id, NON_ALPHANUMERIC).to_string()
}

fn list(common: &CommonArguments, user: Option<&str>) -> anyhow::Result<()> {
    let meta = open_existing(&effective_config(common, None)?)?;
    let read = |text: &String| serde_json::from_value(serde_json::from_str::<Value>(text).unwrap_or_default()).unwrap_or_default();
    let receipts: Vec<DeletionReceipt> = match user {
        Some(user) => receipts_of_user(&meta, user)?,
        None => meta.receipts()?.iter().map(read).collect(),
    };
    if receipts.is_empty() {
        return print_line(if user.is_some() { "no receipts for this user" } else { "no deletions" });
    }
    receipts.iter().try_for_each(print_receipt)
}

fn print_receipt(receipt: &DeletionReceipt) -> anyhow::Result<()> {
    let DeletionReceipt { at, project, what, subject, spans, errors, scores, log_lines, series, incidents, mentions, .. } = receipt;
    let subject = subject.as_deref().unwrap_or_default();
    print_line(&format!("{at}  project {project}, {what} {subject}"))?;
    print_line(&format!(
        "  {spans} spans, {errors} error events, {scores} scores, {log_lines} log lines, {series} metric series, {incidents} incidents; name removed from {mentions} alert records"
    ))?;
    print_line(&format!("  {} files removed or rewritten, {} ms", receipt.files.len(), receipt.duration_ms))?;
    for file in &receipt.still_read {
        print_line(&format!("  {file} is still being read by a query and is removed when the query ends"))?;
    }
    for file in &receipt.unreadable {
        print_line(&format!("  {file} is damaged and cannot be read; remove it manually"))?;
    }
    Ok(())
}
