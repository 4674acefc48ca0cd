//! `hinomi notifications`: whether messages of alerts are sent.

use clap::Subcommand;

use super::{Common, existing, in_force, say};
use crate::app::PAUSED;
use crate::meta::{Meta, MetaError};

/// Pause and resume the messages of alerts; a restored folder is paused
#[derive(Debug, Subcommand)]
pub(super) enum Notifications {
    /// Send none from now on; they wait
    Pause {
        #[command(flatten)]
        common: Common,
    },
    /// Send those that wait, and all that follow
    Resume {
        #[command(flatten)]
        common: Common,
    },
}

impl Notifications {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (common, paused) = match &self {
            Notifications::Pause { common } => (common, true),
            Notifications::Resume { common } => (common, false),
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
pub(super) fn set_paused(meta: &Meta, paused: bool) -> Result<(), MetaError> {
    if paused { meta.set(PAUSED, "yes") } else { meta.unset(PAUSED) }
}
