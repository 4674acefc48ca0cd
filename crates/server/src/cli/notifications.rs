//! `hinomi notifications`: whether messages of alerts are sent.

use clap::Subcommand;
use hinomi_tables::metadata::{MetadataError, MetadataStore};

use super::{CommonArguments, existing, in_force, say};
use crate::app::PAUSED;

/// Pause and resume the messages of alerts; a restored folder is paused
#[derive(Debug, Subcommand)]
pub(super) enum NotificationsCommand {
    /// Send none from now on; they wait
    Pause {
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Send those that wait, and all that follow
    Resume {
        #[command(flatten)]
        common: CommonArguments,
    },
}

impl NotificationsCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (common, paused) = match &self {
            NotificationsCommand::Pause { common } => (common, true),
            NotificationsCommand::Resume { common } => (common, false),
        };
        let meta = existing(&in_force(common, None)?)?;
        let before = meta.get(PAUSED).is_some();
        set_paused(&meta, paused)?;
        say(match (before, paused) {
            (true, true) => "messages of alerts were paused already",
            (false, true) => "messages of alerts wait from now on; `hinomi notifications resume` lets them go",
            (true, false) => "messages of alerts are sent again, those that waited too",
            (false, false) => "messages of alerts were not paused",
        })
    }
}

/// Holds messages back, or lets them go. A running server sees it within seconds.
pub(super) fn set_paused(meta: &MetadataStore, paused: bool) -> Result<(), MetadataError> {
    if paused { meta.set(PAUSED, "yes") } else { meta.unset(PAUSED) }
}
