//! Settings of signing in: passwords, OpenID Connect, and an authenticating proxy.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use hinomi_tables::metadata::AccountRole;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Limits of `sign_in.openid_connect.session_s`, in seconds. Each sign-in takes a redirect of the browser; after an hour at the latest the
/// provider must confirm that the person still has access.
const SESSION_LIMITS_S: std::ops::RangeInclusive<u64> = 10..=3600;

/// Settings of signing in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignInConfig {
    /// Whether people sign in with passwords. One-time links of the command line work in any case.
    pub passwords: bool,
    /// Who gets an account at the first sign-in with a provider or a proxy.
    pub accounts: AccountCreation,
    /// Domains of e-mail addresses that may sign in with a provider or a proxy, such as `example.com, example.org`; empty for any.
    pub email_domains: String,
    /// Role on the server of new accounts, or with `group_roles` of everybody; empty for none.
    pub default_role: String,
    /// Roles of the groups that the provider states. If there are any, they replace all other roles at each sign-in.
    pub group_roles: Vec<GroupRole>,
    /// An OpenID Connect provider.
    pub openid_connect: OpenIdConnectConfig,
    /// An authenticating proxy.
    pub proxy_header: ProxyHeaderConfig,
}

/// Who gets an account at the first sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountCreation {
    /// People who were invited.
    Invited,
    /// Everybody whom the provider lets sign in.
    FirstSignIn,
}

/// Role of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRole {
    /// Name of the group at the provider.
    pub group: String,
    /// Role of its members.
    pub role: AccountRole,
    /// ID of the only project in which they have the role; left out for the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<u64>,
}

/// Settings of an OpenID Connect provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenIdConnectConfig {
    /// Issuer, exactly as the provider states it; empty for no provider.
    pub issuer: String,
    /// ID of the client that is registered for this server.
    pub client_id: String,
    /// Secret of the client. `hinomi config` never prints it.
    #[serde(skip_serializing)]
    pub client_secret: ConfigSecret,
    /// File with the secret of the client.
    pub client_secret_file: PathBuf,
    /// Scopes that are requested.
    pub scopes: String,
    /// Claim with the groups of a person; a dot separates the names of nested claims.
    pub groups_claim: String,
    /// Whether the provider must state that it has verified the e-mail address.
    pub require_verified_email: bool,
    /// Text of the button on the sign-in page; empty for a general one.
    pub label: String,
    /// Seconds after which the provider must confirm a session.
    pub session_s: u64,
    /// Days after the last sign-in at the provider during which API tokens of the person work; 0 for no limit.
    pub token_days: u32,
    /// Private networks that the provider may be in, in addition to `notify.allow`.
    pub allow: String,
}

/// Settings of an authenticating proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyHeaderConfig {
    /// Name of the header with the e-mail address of the person; empty for no proxy.
    pub name: String,
    /// Addresses and networks from which the proxy connects, such as `10.0.0.5, 10.1.0.0/24`.
    pub addresses: String,
    /// Name of the header with the groups of the person, separated by commas; empty for none.
    pub groups_name: String,
    /// URL at which the proxy ends its own session; empty if unknown.
    pub sign_out_url: String,
}

/// A secret, which is not shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigSecret(String);

impl ConfigSecret {
    /// Wraps a secret.
    pub fn new(text: &str) -> ConfigSecret {
        ConfigSecret(text.to_owned())
    }

    /// Returns the secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ConfigSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "…" })
    }
}

impl Default for SignInConfig {
    fn default() -> Self {
        SignInConfig {
            passwords: true,
            accounts: AccountCreation::Invited,
            email_domains: String::new(),
            default_role: String::new(),
            group_roles: Vec::new(),
            openid_connect: OpenIdConnectConfig::default(),
            proxy_header: ProxyHeaderConfig::default(),
        }
    }
}

impl Default for OpenIdConnectConfig {
    fn default() -> Self {
        OpenIdConnectConfig {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: ConfigSecret::default(),
            client_secret_file: PathBuf::new(),
            scopes: "openid email profile".to_owned(),
            groups_claim: "groups".to_owned(),
            require_verified_email: true,
            label: String::new(),
            session_s: 3600,
            token_days: 7,
            allow: String::new(),
        }
    }
}

impl OpenIdConnectConfig {
    /// Returns whether a provider is configured.
    pub fn is_enabled(&self) -> bool {
        !self.issuer.is_empty()
    }
}

impl ProxyHeaderConfig {
    /// Returns whether a proxy is configured.
    pub fn is_enabled(&self) -> bool {
        !self.name.is_empty()
    }

    /// Returns the networks from which the proxy connects.
    ///
    /// # Errors
    ///
    /// With the part that is not an address or network.
    pub fn networks(&self) -> Result<Vec<IpNet>, String> {
        let parts = self.addresses.split(',').map(str::trim).filter(|part| !part.is_empty());
        let read = |part: &str| part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from)).map_err(|_| part.to_owned());
        parts.map(read).collect()
    }
}

impl SignInConfig {
    /// Returns the role of new accounts; `None` for no role.
    pub fn parsed_default_role(&self) -> Option<AccountRole> {
        AccountRole::from_name(&self.default_role)
    }

    /// Returns the name of a setting that cannot be used, and why.
    pub(super) fn mistake(&self, listen: SocketAddr, public_url: &str) -> Option<(&'static str, String)> {
        if !self.default_role.is_empty() && self.parsed_default_role().is_none() {
            return Some(("sign_in.default_role", "must be viewer, member, admin or owner, or empty".to_owned()));
        }
        let has_other = self.openid_connect.is_enabled() || self.proxy_header.is_enabled();
        if has_other && self.accounts == AccountCreation::FirstSignIn && self.default_role.is_empty() && self.group_roles.is_empty() {
            let reason = "new accounts would have no role; set sign_in.default_role or sign_in.group_roles";
            return Some(("sign_in.accounts", reason.to_owned()));
        }
        if self.group_roles.iter().any(|role| role.group.trim().is_empty()) {
            return Some(("sign_in.group_roles", "each entry needs the name of a group".to_owned()));
        }
        self.openid_connect.mistake(listen, public_url).or_else(|| self.proxy_header.mistake())
    }
}

impl OpenIdConnectConfig {
    fn mistake(&self, listen: SocketAddr, public_url: &str) -> Option<(&'static str, String)> {
        let wrong = |setting: &'static str, reason: &str| Some((setting, reason.to_owned()));
        if !self.is_enabled() {
            let is_set = !self.client_id.is_empty() || self.client_secret != ConfigSecret::default();
            return if is_set { wrong("sign_in.openid_connect.issuer", "must be set if a client is set") } else { None };
        }
        if !is_secure_url(&self.issuer) {
            return wrong("sign_in.openid_connect.issuer", "must be an https:// URL; http:// is accepted on this machine only");
        }
        if self.client_id.is_empty() {
            return wrong("sign_in.openid_connect.client_id", "must be set to the ID of the client that is registered at the provider");
        }
        if self.client_secret != ConfigSecret::default() && !self.client_secret_file.as_os_str().is_empty() {
            return wrong("sign_in.openid_connect.client_secret_file", "is set in addition to a client secret; use one of them");
        }
        if !self.scopes.split_whitespace().any(|scope| scope == "openid") {
            return wrong("sign_in.openid_connect.scopes", "must contain openid");
        }
        if !SESSION_LIMITS_S.contains(&self.session_s) {
            return wrong("sign_in.openid_connect.session_s", "must be from 10 to 3600");
        }
        if public_url.is_empty() && !listen.ip().is_loopback() {
            return wrong("public_url", "must be set for OpenID Connect: the provider sends browsers back to it");
        }
        None
    }
}

impl ProxyHeaderConfig {
    fn mistake(&self) -> Option<(&'static str, String)> {
        if !self.is_enabled() {
            let is_set = !self.addresses.is_empty() || !self.groups_name.is_empty();
            return is_set.then(|| ("sign_in.proxy_header.name", "must be set if addresses or groups_name are set".to_owned()));
        }
        for (setting, name) in [("sign_in.proxy_header.name", &self.name), ("sign_in.proxy_header.groups_name", &self.groups_name)] {
            if !name.is_empty() && axum::http::HeaderName::try_from(name.as_str()).is_err() {
                return Some((setting, format!("{name:?} is not the name of a header")));
            }
        }
        match self.networks() {
            Err(part) => Some((
                "sign_in.proxy_header.addresses",
                format!("{part:?} is not an address or network; use one such as 10.0.0.5 or 10.0.0.0/8"),
            )),
            Ok(networks) if networks.is_empty() => Some((
                "sign_in.proxy_header.addresses",
                "must name the addresses of the proxy: anybody else could send the header and sign in as anybody".to_owned(),
            )),
            Ok(networks) if networks.iter().any(|network| network.prefix_len() == 0) => {
                Some(("sign_in.proxy_header.addresses", "must not contain all addresses: anybody could sign in as anybody".to_owned()))
            }
            Ok(_) => None,
        }
    }
}

/// Returns whether a URL uses TLS, or addresses this machine.
pub fn is_secure_url(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    let is_local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" && url.host().is_some() || url.scheme() == "http" && is_local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(change: impl FnOnce(&mut SignInConfig)) -> Option<&'static str> {
        let mut config = SignInConfig::default();
        change(&mut config);
        config.mistake("0.0.0.0:8119".parse().unwrap(), "https://hinomi.example.com").map(|(setting, _)| setting)
    }

    fn with_provider(config: &mut SignInConfig) {
        config.openid_connect.issuer = "https://login.example.com".into();
        config.openid_connect.client_id = "hinomi".into();
    }

    #[test]
    fn mistakes_name_the_setting() {
        assert_eq!(mistake(|_| ()), None);
        assert_eq!(mistake(with_provider), None);
        type SettingChange = fn(&mut SignInConfig);
        let cases: [(&str, SettingChange); 8] = [
            ("sign_in.default_role", |config| config.default_role = "root".into()),
            ("sign_in.accounts", |config| config.accounts = AccountCreation::FirstSignIn),
            ("sign_in.openid_connect.issuer", |config| config.openid_connect.issuer = "http://login.example.com".into()),
            ("sign_in.openid_connect.client_id", |config| config.openid_connect.client_id = String::new()),
            ("sign_in.openid_connect.scopes", |config| config.openid_connect.scopes = "email".into()),
            ("sign_in.openid_connect.session_s", |config| config.openid_connect.session_s = 7200),
            ("sign_in.proxy_header.addresses", |config| config.proxy_header.name = "x-email".into()),
            ("sign_in.proxy_header.name", |config| config.proxy_header.addresses = "10.0.0.1".into()),
        ];
        for (setting, change) in cases {
            let found = mistake(|config| {
                with_provider(config);
                change(config);
            });
            assert_eq!(found, Some(setting));
        }
        let mut config = SignInConfig::default();
        with_provider(&mut config);
        assert_eq!(config.mistake("0.0.0.0:8119".parse().unwrap(), "").map(|(setting, _)| setting), Some("public_url"));
        assert_eq!(config.mistake("127.0.0.1:8119".parse().unwrap(), ""), None);
    }

    #[test]
    fn proxy_addresses_are_checked() {
        for (addresses, is_fine) in
            [("10.0.0.5, ::1/128", true), ("", false), ("proxy", false), ("0.0.0.0/0", false), ("10.0.0.1,::/0", false)]
        {
            let found = mistake(|config| {
                config.proxy_header = ProxyHeaderConfig { name: "x-email".into(), addresses: addresses.into(), ..Default::default() };
            });
            assert_eq!(found.is_none(), is_fine, "{addresses}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for url in ["https://a.example", "http://127.0.0.1:9", "http://localhost/x", "http://[::1]:8"] {
            assert!(is_secure_url(url), "{url}");
        }
        for url in ["http://a.example", "http://localhost.a.example", "http://127.0.0.1.a.example", "ftp://localhost", "a.example", ""] {
            assert!(!is_secure_url(url), "{url}");
        }
    }

    #[test]
    fn secret_is_not_shown() {
        let secret: ConfigSecret = toml::Value::from("hush").try_into().unwrap();
        assert_eq!((format!("{secret:?}"), secret.reveal()), ("…".to_owned(), "hush"));
    }
}
