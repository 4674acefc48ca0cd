//! The server that runs on a data folder, as commands beside it reach it.

use std::time::Duration;

use anyhow::bail;
use ureq::RequestBuilder;

use crate::app::{ADDRESS, LISTENING, cookie_name};
use crate::meta::{Meta, SessionKind};

/// A server that answers.
pub(super) struct Running {
    /// Where it listens, without a slash at the end.
    pub(super) address: String,
    pub(super) agent: ureq::Agent,
}

impl Running {
    /// The server on this data folder. `patience` is how long one request may take; `None` is as long as it likes.
    pub(super) fn find(meta: &Meta, patience: impl Into<Option<Duration>>) -> anyhow::Result<Running> {
        let agent = ureq::Agent::config_builder().timeout_global(patience.into()).http_status_as_error(false).build().new_agent();
        let address = meta.get(LISTENING).unwrap_or_default();
        let answers = !address.is_empty() && agent.get(format!("{address}/healthz")).call().is_ok();
        if !answers {
            bail!("no server is running on this data folder; start `hinomi serve` in another terminal first");
        }
        Ok(Running { address, agent })
    }
}

/// A command may do what the page may: it is signed in for as long as it works.
pub(super) struct Session<'a> {
    meta: &'a Meta,
    secret: String,
    cookie: String,
}

impl Session<'_> {
    pub(super) fn begin(meta: &Meta) -> anyhow::Result<Session<'_>> {
        let secret = meta.create_session(SessionKind::Command, "hinomi, a command")?;
        let cookie = format!("{}={secret}", cookie_name(&meta.get(ADDRESS).unwrap_or_default()));
        Ok(Session { meta, secret, cookie })
    }

    /// Shows who asks.
    pub(super) fn sign<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        request.header("cookie", &self.cookie).header("x-hinomi-page", "1")
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // One that stays ends by itself.
        let _ = self.meta.sign_out(&self.secret);
    }
}
