//! Access of commands to the server that is running on a data directory.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use hinomi_store::doctor::lock_holder;
use hinomi_tables::metadata::MetadataStore;
use ureq::RequestBuilder;

use crate::app::{CONFIGURATION_SETTING, LISTEN_ADDRESS_SETTING, PUBLIC_URL_SETTING, cookie_name};
use crate::server_proof::{CHALLENGE_HEADER, PROOF_HEADER, ServerProof};

/// Timeout of the request by which the server proves its identity.
const PROOF_TIMEOUT: Duration = Duration::from_secs(10);

/// A running server whose identity has been verified.
pub(super) struct RunningServer {
    /// URL at which the server listens, without a trailing slash.
    pub(super) address: String,
    pub(super) agent: ureq::Agent,
}

impl RunningServer {
    /// Finds the server that is running on this data directory. `timeout` is the timeout of one request; `None` means no timeout.
    pub(super) fn find_server(meta: &MetadataStore, timeout: impl Into<Option<Duration>>) -> anyhow::Result<RunningServer> {
        // Bypass proxies and redirects: neither a proxy from the environment nor another server may see the session. The certificate of the
        // server names its public host and not the loopback address, so the server's proof takes the place of the certificate's check.
        let tls = ureq::tls::TlsConfig::builder().disable_verification(true).build();
        let config = ureq::Agent::config_builder().timeout_global(timeout.into()).http_status_as_error(false).proxy(None).max_redirects(0);
        let config = config.tls_config(tls);
        let agent = config.build().new_agent();
        let address = meta.setting(LISTEN_ADDRESS_SETTING).unwrap_or_default();
        let challenge = format!("{:032x}", rand::random::<u128>());
        let asked = agent.get(format!("{address}/healthz")).header(CHALLENGE_HEADER, &challenge);
        let asked = asked.config().timeout_global(Some(PROOF_TIMEOUT)).build();
        let Some(answer) = (if address.is_empty() { None } else { asked.call().ok() }) else {
            bail!("no server is running on this data directory; start `hinomi serve` in another terminal first");
        };
        let expected = meta.server_secret().map(|secret| ServerProof::new(secret, address.clone()).proof_of(&challenge));
        let shown = answer.headers().get(PROOF_HEADER).and_then(|value| value.to_str().ok());
        if expected.as_deref() != shown || shown.is_none() {
            bail!(
                "the process listening at {address} is not the server of this data directory, or runs another version of Hinomi; \
                 start or restart `hinomi serve`"
            );
        }
        Ok(RunningServer { address, agent })
    }
}

/// Session of a command, with the permissions of the page. Dropping this value ends the session.
pub(super) struct CommandSession<'a> {
    meta: &'a MetadataStore,
    secret: String,
    cookie: String,
}

impl CommandSession<'_> {
    pub(super) fn begin_session(meta: &MetadataStore) -> anyhow::Result<CommandSession<'_>> {
        let secret = meta.create_command_session("hinomi, a command")?;
        let cookie = format!("{}={secret}", cookie_name(&meta.setting(PUBLIC_URL_SETTING).unwrap_or_default()));
        Ok(CommandSession { meta, secret, cookie })
    }

    /// Adds the session to a request.
    pub(super) fn authenticate<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        request.header("cookie", &self.cookie).header("x-hinomi-page", "1")
    }
}

impl Drop for CommandSession<'_> {
    fn drop(&mut self) {
        // If this fails, the session expires.
        let _ = self.meta.sign_out(&self.secret);
    }
}

/// Returns the configuration, as TOML, of the server that is running on a data directory; `None` if none is running.
pub(super) fn configuration(data: &Path) -> Option<String> {
    lock_holder(data)?;
    MetadataStore::open(data).ok()?.setting(CONFIGURATION_SETTING)
}
