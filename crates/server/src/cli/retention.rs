//! `hinomi retention`: what is to be deleted and waits for somebody to say that it is meant.

use clap::{Args, Subcommand};

use super::{CommonArguments, existing, in_force, say};
use crate::retention;

/// What the server is about to delete and does not without being told to
#[derive(Debug, Args)]
pub(super) struct RetentionArguments {
    #[command(subcommand)]
    command: Option<RetentionCommand>,
    #[command(flatten)]
    common: CommonArguments,
}

#[derive(Debug, Subcommand)]
enum RetentionCommand {
    /// Let it be deleted
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
        let config = in_force(common, None)?;
        let meta = existing(&config)?;
        let held = if is_confirmed { retention::confirm(&meta)? } else { retention::held(&meta) };
        match held {
            None if is_confirmed => anyhow::bail!("nothing waits to be deleted"),
            None => say("nothing waits to be deleted"),
            Some(held) if is_confirmed => {
                for what in &held.what {
                    say(what)?;
                }
                say("confirmed; a running server deletes it within seconds, another one within ten minutes of its start")
            }
            Some(held) => say(&held.told()),
        }
    }
}
