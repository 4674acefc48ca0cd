//! `hinomi notifications`: pauses and resumes notifications and forwarding.

use clap::Subcommand;
use hinomi_tables::metadata::{MetadataError, MetadataStore};

use super::{CommonArguments, effective_config, open_existing, print_line};
use crate::app::PAUSED_SETTING;

/// Pause or resume notifications and forwarding; both are paused after a restore
#[derive(Debug, Subcommand)]
pub(super) enum NotificationsCommand {
    /// Pause notifications and forwarding until `hinomi notifications resume`
    Pause {
        #[command(flatten)]
        common: CommonArguments,
    },
    /// Resume notifications and forwarding, and send the waiting notifications and requests
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
        let meta = open_existing(&effective_config(common, None)?)?;
        let before = meta.setting(PAUSED_SETTING).is_some();
        set_paused(&meta, paused)?;
        print_line(match (before, paused) {
            (true, true) => "notifications were already paused",
            (false, true) => {
                "notifications and forwarding are paused; `hinomi notifications resume` resumes both and sends everything that is waiting"
            }
            (true, false) => "notifications and forwarding are resumed; the server sends the waiting notifications and requests",
            (false, false) => "notifications were not paused",
        })
    }
}

/// Pauses or resumes notifications and forwarding. A running server applies this within seconds.
pub(super) fn set_paused(meta: &MetadataStore, paused: bool) -> Result<(), MetadataError> {
    if paused { meta.set_setting(PAUSED_SETTING, "yes") } else { meta.delete_setting(PAUSED_SETTING) }
}
