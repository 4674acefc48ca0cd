//! `hinomi delete`: a trace, a user or a project, from every file.

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::running::{CommandSession, RunningServer};
use super::{CommonArguments, existing, in_force, say};
use crate::keeping::{DeletionReceipt, receipts_of_user};

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
    /// It cannot be undone: say that it is meant
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
        ensure!(which.yes, "what is deleted is gone from every file and cannot be brought back; add --yes if that is meant");
        let meta = existing(&in_force(&which.common, None)?)?;
        let server = RunningServer::find(&meta, None)?;
        let session = CommandSession::begin(&meta)?;
        let url = format!("{}/api/v1/projects/{}{path}", server.address, which.project);
        let mut answer = session.sign(server.agent.delete(url)).call()?;
        let text = answer.body_mut().read_to_string()?;
        ensure!(answer.status().as_u16() == 200, "{}", super::transfer::said(&text));
        let receipt: DeletionReceipt = serde_json::from_str(&text).context("the server is of another version; restart it")?;
        told(&receipt)
    }
}

fn encoded(id: &str) -> String {
    utf8_percent_encode(id, NON_ALPHANUMERIC).to_string()
}

fn list(common: &CommonArguments, user: Option<&str>) -> anyhow::Result<()> {
    let meta = existing(&in_force(common, None)?)?;
    if let Some(user) = user {
        return receipts_of_user(&meta, user)?.iter().try_for_each(told);
    }
    for text in meta.receipts()? {
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        told(&serde_json::from_value(value).unwrap_or_default())?;
    }
    Ok(())
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
