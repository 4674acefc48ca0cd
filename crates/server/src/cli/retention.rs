//! `hinomi retention`: shows and confirms large deletions that wait for confirmation.

use clap::{Args, Subcommand};

use super::{CommonArguments, effective_config, open_existing, print_line};
use crate::retention;

/// Show large deletions that wait for confirmation
#[derive(Debug, Args)]
pub(super) struct RetentionArguments {
    #[command(subcommand)]
    command: Option<RetentionCommand>,
    #[command(flatten)]
    common: CommonArguments,
}

#[derive(Debug, Subcommand)]
enum RetentionCommand {
    /// Confirm the deletions
    Confirm {
        #[command(flatten)]
        common: CommonArguments,
    },
}

impl RetentionArguments {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (common, is_confirmed) = match &self.command {
            Some(RetentionCommand::Confirm { common }) => (common, true),
            None => (&self.common, false),
        };
        let config = effective_config(common, None)?;
        let meta = open_existing(&config)?;
        let held = if is_confirmed { retention::confirm_hold(&meta)? } else { retention::stored_hold(&meta) };
        match held {
            None if is_confirmed => anyhow::bail!("no deletion waits for confirmation"),
            None => print_line("no deletion waits for confirmation"),
            Some(held) if is_confirmed => {
                for what in &held.what {
                    print_line(what)?;
                }
                print_line(
                    "confirmed; a running server deletes the data within seconds, a stopped server within ten minutes of its next start",
                )
            }
            Some(held) => print_line(&held.description()),
        }
    }
}
