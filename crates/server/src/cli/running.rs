//! The server that runs on a data folder, as commands beside it reach it.

use std::time::Duration;

use anyhow::bail;

use crate::app::LISTENING;
use crate::meta::Meta;

/// A server that answers.
pub(super) struct Running {
    /// Where it listens, without a slash at the end.
    pub(super) address: String,
    pub(super) agent: ureq::Agent,
}

impl Running {
    /// The server on this data folder. `patience` is how long one request may take.
    pub(super) fn find(meta: &Meta, patience: Duration) -> anyhow::Result<Running> {
        let agent = ureq::Agent::config_builder().timeout_global(Some(patience)).http_status_as_error(false).build().new_agent();
        let address = meta.get(LISTENING).unwrap_or_default();
        let answers = !address.is_empty() && agent.get(format!("{address}/healthz")).call().is_ok();
        if !answers {
            bail!("no server is running on this data folder; start `hinomi serve` in another terminal first");
        }
        Ok(Running { address, agent })
    }
}
