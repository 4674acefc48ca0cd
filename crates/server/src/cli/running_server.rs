//! The server that runs on a data folder, as commands beside it reach it.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use hinomi_store::doctor::holder;
use hinomi_tables::metadata::{MetadataStore, SessionKind};
use ureq::RequestBuilder;

use crate::app::{ADDRESS, CONFIGURATION, LISTENING, cookie_name};
use crate::server_proof::{CHALLENGE, PROOF, ServerProof};

/// How long the server may take to prove itself.
const FINDING: Duration = Duration::from_secs(10);

/// A server that answers.
pub(super) struct RunningServer {
    /// Where it listens, without a slash at the end.
    pub(super) address: String,
    pub(super) agent: ureq::Agent,
}

impl RunningServer {
    /// The server on this data folder. `patience` is how long one request may take; `None` is as long as it likes.
    pub(super) fn find(meta: &MetadataStore, patience: impl Into<Option<Duration>>) -> anyhow::Result<RunningServer> {
        // Straight to the server: a proxy of the environment is for other machines, and must not see the session. Nor may an answer send it
        // elsewhere.
        let config = ureq::Agent::config_builder().timeout_global(patience.into()).http_status_as_error(false).proxy(None).max_redirects(0);
        let agent = config.build().new_agent();
        let address = meta.get(LISTENING).unwrap_or_default();
        let challenge = format!("{:032x}", rand::random::<u128>());
        let asked = agent.get(format!("{address}/healthz")).header(CHALLENGE, &challenge);
        let asked = asked.config().timeout_global(Some(FINDING)).build();
        let Some(answer) = (if address.is_empty() { None } else { asked.call().ok() }) else {
            bail!("no server is running on this data folder; start `hinomi serve` in another terminal first");
        };
        let expected = meta.server_secret().map(|secret| ServerProof::new(secret, address.clone()).of(&challenge));
        let shown = answer.headers().get(PROOF).and_then(|value| value.to_str().ok());
        if expected.as_deref() != shown || shown.is_none() {
            bail!(
                "what listens at {address} is not the server of this data folder, or another version of it; \
                 start `hinomi serve`, or restart it if it runs"
            );
        }
        Ok(RunningServer { address, agent })
    }
}

/// A command may do what the page may: it is signed in for as long as it works.
pub(super) struct CommandSession<'a> {
    meta: &'a MetadataStore,
    secret: String,
    cookie: String,
}

impl CommandSession<'_> {
    pub(super) fn begin(meta: &MetadataStore) -> anyhow::Result<CommandSession<'_>> {
        let secret = meta.create_session(SessionKind::Command, "hinomi, a command")?;
        let cookie = format!("{}={secret}", cookie_name(&meta.get(ADDRESS).unwrap_or_default()));
        Ok(CommandSession { meta, secret, cookie })
    }

    /// Shows who asks.
    pub(super) fn sign<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        request.header("cookie", &self.cookie).header("x-hinomi-page", "1")
    }
}

impl Drop for CommandSession<'_> {
    fn drop(&mut self) {
        // One that stays ends by itself.
        let _ = self.meta.sign_out(&self.secret);
    }
}

/// The configuration, as TOML, of the server that runs on a data folder; `None` where none runs.
pub(super) fn configuration(data: &Path) -> Option<String> {
    holder(data)?;
    MetadataStore::open(data).ok()?.get(CONFIGURATION)
}
