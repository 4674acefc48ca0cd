//! `hinomi notifications`: pauses and resumes notifications.

use clap::Subcommand;
use hinomi_tables::metadata::{MetadataError, MetadataStore};

use super::{CommonArguments, existing, in_force, say};
use crate::app::PAUSED;

/// Pause or resume notifications; they are paused after a restore
#[derive(Debug, Subcommand)]
pub(super) enum NotificationsCommand {
    /// Pause notifications; they wait in the outbox
    Pause {
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Resume notifications, and send those that wait in the outbox
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
            (true, true) => "notifications were already paused",
            (false, true) => "notifications are paused and wait in the outbox; `hinomi notifications resume` sends them",
            (true, false) => "notifications are resumed, including those in the outbox",
            (false, false) => "notifications were not paused",
        })
    }
}

/// Pauses or resumes notifications. A running server applies this within seconds.
pub(super) fn set_paused(meta: &MetadataStore, paused: bool) -> Result<(), MetadataError> {
    if paused { meta.set(PAUSED, "yes") } else { meta.unset(PAUSED) }
}
