//! Effective configuration: defaults, one TOML file, environment variables, flags. Each source overrides the sources before it.

mod audit;
mod byte_size;
mod secrets;
mod settings;
mod sign_in;
#[cfg(test)]
mod tests;
mod tls;
mod variables;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use audit::AuditConfig;
use byte_size::deserialize_bytes;
pub use byte_size::parse_bytes;
pub use secrets::SecretsConfig;
use serde::{Deserialize, Serialize};
pub use settings::{ConfigSetting, SETTINGS};
pub use sign_in::{AccountCreation, ConfigSecret, GroupRole, OpenIdConnectConfig, ProxyHeaderConfig, SignInConfig, is_secure_url};
pub use tls::TlsConfig;
use variables::set_value;

/// All settings. Unknown fields are rejected, so that a misspelled field does not silently keep its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Data directory.
    pub data: PathBuf,
    /// Address and port that the server listens on.
    pub listen: SocketAddr,
    /// URL from which links and the printed DSN are built; the listening address if empty.
    pub public_url: String,
    /// Key of project 1 at the first start, 32 hex digits; random if empty. `hinomi config` never prints it.
    #[serde(skip_serializing)]
    pub dsn_key: String,
    /// Number of days that spans are stored, unless a project has its own setting.
    pub retention_days: u32,
    /// Memory limit of queries and ingestion together, in bytes; 0 for a quarter of the machine's memory.
    #[serde(deserialize_with = "deserialize_bytes")]
    pub memory_limit_bytes: u64,
    /// Milliseconds after which a query times out.
    pub query_timeout_ms: u64,
    /// File of custom prices, TOML or JSON; empty for none.
    pub prices: PathBuf,
    /// Filter of log lines, such as `info` or `warn,hinomi_server=debug`.
    pub log: String,
    /// Format of log lines: `text` or `json`.
    pub log_format: LogFormat,
    /// Limits of ingestion.
    pub ingest: IngestConfig,
    /// Evaluation of answers.
    pub evaluation: EvaluationConfig,
    /// Limits of queries.
    pub queries: QueryLimitsConfig,
    /// Use of the disk.
    pub disk: DiskConfig,
    /// Where notifications may be sent.
    pub notify: NotifyConfig,
    /// TLS of the server's ports.
    pub tls: TlsConfig,
    /// Encryption of stored secrets of other services.
    pub secrets: SecretsConfig,
    /// Audit log.
    pub audit: AuditConfig,
    /// Signing in.
    pub sign_in: SignInConfig,
    /// `--quiet-notifications`: starts with notifications paused.
    #[serde(skip)]
    pub quiet_notifications: bool,
}

/// Settings for the use of the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskConfig {
    /// Bytes of free disk space that ingestion leaves.
    #[serde(deserialize_with = "deserialize_bytes")]
    pub reserve_bytes: u64,
    /// Bytes that the data directory may take: beyond that the oldest spans are deleted. 0 for no limit.
    #[serde(deserialize_with = "deserialize_bytes")]
    pub budget_bytes: u64,
    /// Bytes of images, audio and files that a project may store. 0: none are stored.
    #[serde(deserialize_with = "deserialize_bytes")]
    pub media_quota_bytes: u64,
    /// Seconds between two retention sweeps.
    pub retain_every_s: u64,
}

impl DiskConfig {
    /// Returns the maximum size of the stored media of a project, in bytes. Hinomi deletes only spans to stay within the disk budget, so
    /// media must leave room for spans.
    pub fn media_quota(&self) -> u64 {
        if self.budget_bytes == 0 { self.media_quota_bytes } else { self.media_quota_bytes.min(self.budget_bytes / 4) }
    }
}

impl Default for DiskConfig {
    fn default() -> Self {
        DiskConfig { reserve_bytes: 256 << 20, budget_bytes: 0, media_quota_bytes: 5 << 30, retain_every_s: 3600 }
    }
}

/// Smallest memory limit with which a server can do useful work, in bytes.
pub const MIN_MEMORY_BYTES: u64 = 256 << 20;

/// Smallest disk budget in bytes. A smaller budget is probably a mistake, and would delete nearly all stored data.
pub const MIN_DISK_BUDGET_BYTES: u64 = 256 << 20;

/// Settings for notifications.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotifyConfig {
    /// Private networks that notification channels may be in, such as `10.0.0.0/8, 127.0.0.1`; `all` for any.
    pub allow: String,
    /// PEM file of certificate authorities that are trusted for notification channels, in addition to the public ones.
    pub ca_file: PathBuf,
}

/// Limits of concurrent queries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryLimitsConfig {
    /// Threads that run queries; 0 for one per processor.
    pub threads: usize,
    /// Queries that run at the same time; 0 for four per processor. One caller gets at most half of them.
    pub max_at_once: usize,
    /// Queries that may wait or run at the same time; further ones fail with 503.
    pub max_waiting: usize,
    /// The same limit for one token or session; further queries fail with 429.
    pub max_waiting_of_caller: usize,
}

impl Default for QueryLimitsConfig {
    fn default() -> Self {
        QueryLimitsConfig { threads: 0, max_at_once: 0, max_waiting: 1024, max_waiting_of_caller: 256 }
    }
}

impl QueryLimitsConfig {
    /// Returns how many queries may run at the same time.
    pub fn max_queries(&self) -> usize {
        match self.max_at_once {
            0 => 4 * std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            set => set,
        }
    }

    /// Returns how many queries of one caller may run at the same time.
    pub fn max_queries_per_caller(&self) -> usize {
        self.max_queries().div_ceil(2)
    }
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Plain text.
    Text,
    /// One JSON object per line.
    Json,
}

/// Limits of ingestion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IngestConfig {
    /// Largest request body as sent, in bytes.
    #[serde(deserialize_with = "deserialize_bytes")]
    pub max_body_bytes: usize,
    /// Largest request body after decompression, in bytes.
    #[serde(deserialize_with = "deserialize_bytes")]
    pub max_inflated_bytes: usize,
    /// Total bytes of request bodies that may arrive at the same time; further bodies wait.
    #[serde(deserialize_with = "deserialize_bytes")]
    pub max_bytes_in_work: usize,
    /// Project of requests without a key: its number, `none`, or `auto`, which is project 1 while the server listens on loopback only and
    /// no public URL is set. Requests through a proxy always need a key.
    pub anonymous_project: String,
    /// Whether the server also listens on OTLP's standard ports, 4317 and 4318. If the main port is 0, the server does not listen on these
    /// ports.
    pub otlp_ports: bool,
    /// Seconds without new spans after which the own usage of an agent is counted, if no call below the agent reports usage.
    pub quiet_trace_s: u64,
}

/// Evaluation of answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Seconds without a new trace after which a conversation is evaluated.
    pub quiet_session_s: u64,
}

/// Project of requests without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeylessProject {
    /// Number of the project.
    pub project: u64,
    /// Whether the request may address the server by any host name. If false, the host name must refer to this machine.
    pub any_host: bool,
}

impl IngestConfig {
    /// Returns the project of requests without a key; `None` if the server requires a key. `public_url` is empty if the setting is empty.
    pub fn keyless_project(&self, listen: SocketAddr, public_url: &str) -> Option<KeylessProject> {
        match self.anonymous_project.as_str() {
            "auto" => (listen.ip().is_loopback() && public_url.is_empty()).then_some(KeylessProject { project: 1, any_host: false }),
            number => number.parse().ok().map(|project| KeylessProject { project, any_host: true }),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: default_data_folder(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8119)),
            public_url: String::new(),
            dsn_key: String::new(),
            retention_days: 90,
            memory_limit_bytes: 0,
            query_timeout_ms: 60_000,
            prices: PathBuf::new(),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            ingest: IngestConfig::default(),
            evaluation: EvaluationConfig::default(),
            queries: QueryLimitsConfig::default(),
            disk: DiskConfig::default(),
            notify: NotifyConfig::default(),
            tls: TlsConfig::default(),
            secrets: SecretsConfig::default(),
            audit: AuditConfig::default(),
            sign_in: SignInConfig::default(),
            quiet_notifications: false,
        }
    }
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        EvaluationConfig { quiet_session_s: 1_800 }
    }
}

impl Default for IngestConfig {
    fn default() -> Self {
        IngestConfig {
            max_body_bytes: 32 << 20,
            max_inflated_bytes: 96 << 20,
            max_bytes_in_work: 256 << 20,
            anonymous_project: "auto".to_owned(),
            quiet_trace_s: 60,
            otlp_ports: true,
        }
    }
}

/// Reason why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A file or a variable has an invalid value.
    #[error("{origin}: {reason}")]
    Invalid {
        /// Name of the file or variable.
        origin: String,
        /// Description of the problem.
        reason: String,
    },
}

/// Values of flags; `None` keeps the value of the file, the environment or the default.
#[derive(Debug, Clone, Default)]
pub struct ConfigOverrides {
    /// `--config`: the configuration file.
    pub config: Option<PathBuf>,
    /// `--data`: the data directory.
    pub data: Option<PathBuf>,
    /// `--listen`: the address to listen on.
    pub listen: Option<SocketAddr>,
}

/// Builds the effective configuration. `variable` looks up an environment variable.
///
/// # Errors
///
/// Returns an error if the file cannot be read or a value is invalid.
pub fn load(flags: &ConfigOverrides, variable: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
    let file = flags.config.clone().or_else(|| variable("HINOMI_CONFIG").map(PathBuf::from));
    let mut table = match &file {
        Some(path) => read(path)?,
        None => toml::Table::new(),
    };
    for setting in SETTINGS {
        if let Some(text) = variable(setting.variable).filter(|text| !text.is_empty()) {
            set_value(&mut table, setting.path, &text);
            // Each variable is checked alone, so that the message can name it.
            let mut alone = toml::Table::new();
            set_value(&mut alone, setting.path, &text);
            from_table(alone, || format!("environment variable {}", setting.variable))?;
        }
    }
    let origin = || file.as_ref().map_or_else(|| "configuration".to_owned(), |path| path.display().to_string());
    let mut config = from_table(table, origin)?;
    config.data = flags.data.clone().unwrap_or(config.data);
    config.listen = flags.listen.unwrap_or(config.listen);
    config.public_url = config.public_url.trim_end_matches('/').to_owned();
    config.log = log_filter(&config.log)?;
    check(&config)?;
    Ok(config)
}

fn read(path: &Path) -> Result<toml::Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let invalid =
        |error: toml::de::Error| ConfigError::Invalid { origin: path.display().to_string(), reason: error_with_line(&text, &error) };
    // The values of the file are checked here because the line of an error is known here.
    toml::from_str::<Config>(&text).map_err(invalid)?;
    text.parse().map_err(invalid)
}

/// Returns the message of an error with its line and its key.
fn error_with_line(text: &str, error: &toml::de::Error) -> String {
    let what = error.message().lines().next().unwrap_or_default();
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return what.to_owned() };
    let lines = before.matches('\n').count();
    let key = text.lines().nth(lines).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim()).filter(|key| !key.is_empty());
    let section = before.lines().rev().find_map(|line| line.trim().strip_prefix('[')?.split(']').next());
    match (section, key) {
        (_, None) => format!("line {}: {what}", lines + 1),
        (None, Some(key)) => format!("line {}, {key}: {what}", lines + 1),
        (Some(section), Some(key)) => format!("line {}, {section}.{key}: {what}", lines + 1),
    }
}

fn from_table(table: toml::Table, origin: impl Fn() -> String) -> Result<Config, ConfigError> {
    table.try_into().map_err(|error: toml::de::Error| ConfigError::Invalid { origin: origin(), reason: error.message().to_owned() })
}

/// Returns log directives with valid levels only. An unknown level would be taken for the name of a module, and would silence everything
/// else.
fn log_filter(text: &str) -> Result<String, ConfigError> {
    let level = |word: &str| match word.trim().to_ascii_lowercase().as_str() {
        "warning" => Some("warn".to_owned()),
        known @ ("off" | "error" | "warn" | "info" | "debug" | "trace") => Some(known.to_owned()),
        _ => None,
    };
    let directive = |directive: &str| match directive.rsplit_once('=') {
        Some((target, word)) if !target.trim().is_empty() => level(word).map(|level| format!("{}={level}", target.trim())),
        Some(_) => None,
        None => level(directive),
    };
    let read = |part: &str| {
        directive(part).ok_or_else(|| ConfigError::Invalid {
            origin: "log".to_owned(),
            reason: format!("{part:?} is not a valid log level; use off, error, warn, info, debug, trace or module=level"),
        })
    };
    let parts = text.split(',').filter(|part| !part.trim().is_empty()).map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(parts.join(","))
}

fn check(config: &Config) -> Result<(), ConfigError> {
    let wrong = |setting: &str, reason: &str| Err(ConfigError::Invalid { origin: setting.to_owned(), reason: reason.to_owned() });
    if !(1..=3650).contains(&config.retention_days) {
        return wrong("retention_days", "must be from 1 to 3650");
    }
    let is_url = config.public_url.starts_with("http://") || config.public_url.starts_with("https://");
    if !config.public_url.is_empty() && !is_url {
        return wrong("public_url", "must start with http:// or https://");
    }
    if config.tls.certificate.as_os_str().is_empty() != config.tls.key.as_os_str().is_empty() {
        return wrong("tls.certificate and tls.key", "must both be set, or both be empty");
    }
    if config.tls.is_enabled() && config.public_url.starts_with("http://") {
        return wrong("public_url", "must start with https:// if tls.certificate is set");
    }
    if config.tls.hsts_max_age_s > 0 && !config.tls.is_enabled() && !config.public_url.starts_with("https://") {
        return wrong("tls.hsts_max_age_s", "needs TLS: set tls.certificate, or a public_url that starts with https://");
    }
    let anonymous = config.ingest.anonymous_project.as_str();
    if !matches!(anonymous, "auto" | "none") && anonymous.parse::<u64>().is_err() {
        return wrong("ingest.anonymous_project", "must be a project number, \"none\" or \"auto\"");
    }
    if config.memory_limit_bytes != 0 && config.memory_limit_bytes < MIN_MEMORY_BYTES {
        return wrong("memory_limit_bytes", "must be 0 or at least 268435456 (256MiB)");
    }
    if config.query_timeout_ms == 0 {
        return wrong("query_timeout_ms", "must be at least 1");
    }
    if config.disk.budget_bytes != 0 && config.disk.budget_bytes < MIN_DISK_BUDGET_BYTES {
        return wrong("disk.budget_bytes", "must be 0 (no limit) or at least 268435456 (256MiB); sizes can have a unit, such as \"100GB\"");
    }
    if config.queries.max_waiting == 0 || config.queries.max_waiting_of_caller == 0 {
        return wrong("queries.max_waiting and queries.max_waiting_of_caller", "must be at least 1");
    }
    if config.queries.threads > 1024 {
        return wrong("queries.threads", "must be at most 1024");
    }
    if config.disk.retain_every_s == 0 {
        return wrong("disk.retain_every_s", "must be at least 1");
    }
    if config.ingest.max_inflated_bytes < config.ingest.max_body_bytes {
        return wrong("ingest.max_inflated_bytes", "must not be below ingest.max_body_bytes");
    }
    if config.ingest.max_body_bytes == 0 || config.ingest.max_bytes_in_work < config.ingest.max_body_bytes {
        return wrong("ingest.max_bytes_in_work", "must not be below ingest.max_body_bytes, which must be above 0");
    }
    if let Some((setting, reason)) = config.audit.mistake(&config.data) {
        return wrong(setting, reason);
    }
    if let Some((setting, reason)) = config.sign_in.mistake(config.listen, &config.public_url) {
        return wrong(setting, &reason);
    }
    Ok(())
}

/// Returns the effective configuration as a TOML file that can be loaded again, each setting with its description.
pub fn to_toml(config: &Config) -> String {
    let values = toml::Table::try_from(config).unwrap_or_default();
    let value = |path: &str| {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let fields = rest.split('.').filter(|field| !field.is_empty());
        fields.fold(values.get(first), |section, field| section?.get(field)).cloned()
    };
    let mut text = String::new();
    let mut section = "";
    for setting in SETTINGS {
        let Some(value) = value(setting.path) else { continue };
        let (in_section, field) = setting.path.rsplit_once('.').unwrap_or(("", setting.path));
        if in_section != section {
            text += &format!("[{in_section}]\n\n");
            section = in_section;
        }
        text += &format!("# {} ({})\n{field} = {value}\n\n", setting.description, setting.variable);
    }
    text.trim_end().to_owned() + "\n"
}

/// Returns the configuration of the running server (TOML, as [`to_toml`] wrote it when it started). If a server that starts now would use
/// another value, a comment shows the other value. If no server is running, returns the configuration that a server would use. The first
/// line states which of these two cases applies.
pub fn to_toml_with_differences(here: &Config, running: Option<&str>) -> String {
    let Some(running) = running else {
        return format!("# No server is running on this data directory. `hinomi serve` would use these settings:\n\n{}", to_toml(here));
    };
    let here = to_toml(here);
    let settings = |text: &str| text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).count();
    let mut text = "# Settings of the running server.\n\n".to_owned();
    let same_form = settings(&here) == settings(running);
    for (index, line) in running.lines().enumerate() {
        text.push_str(line);
        text.push('\n');
        if let Some(other) = here.lines().nth(index).filter(|other| same_form && *other != line && !other.starts_with('#')) {
            text.push_str(&format!("# A new server would use: {other}\n"));
        }
    }
    if !same_form {
        text.push_str("# The running server is another version of Hinomi.\n");
    }
    text
}

/// Reads a configuration that [`to_toml`] wrote.
///
/// # Errors
///
/// Returns an error if another version wrote the configuration.
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    toml::from_str(text)
        .map_err(|error| ConfigError::Invalid { origin: "running server".to_owned(), reason: error_with_line(text, &error) })
}

/// Returns the default data directory of this platform.
fn default_data_folder() -> PathBuf {
    let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("."));
    if cfg!(target_os = "macos") {
        return home.join("Library/Application Support/Hinomi");
    }
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    data.unwrap_or_else(|| home.join(".local/share")).join("hinomi")
}
