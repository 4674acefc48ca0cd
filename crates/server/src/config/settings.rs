//! Every setting: its path in the file, its environment variable, its default and its description.

/// A setting: its path in the file, its environment variable and its description.
pub struct ConfigSetting {
    /// Dotted path in the file, such as `ingest.max_body_bytes`.
    pub path: &'static str,
    /// Name of the environment variable.
    pub variable: &'static str,
    /// Description in one line.
    pub description: &'static str,
}

/// All settings, in the order of the file.
pub const SETTINGS: &[ConfigSetting] = &[
    ConfigSetting { path: "data", variable: "HINOMI_DATA", description: "data directory" },
    ConfigSetting {
        path: "listen",
        variable: "HINOMI_LISTEN",
        description: "address and port to listen on; port 0 lets the system choose",
    },
    ConfigSetting {
        path: "public_url",
        variable: "HINOMI_PUBLIC_URL",
        description: "base URL of links and DSNs, required behind a proxy; empty: the listening address",
    },
    ConfigSetting {
        path: "dsn_key",
        variable: "HINOMI_DSN_KEY",
        description: "ingest key of project 1 at the first start, 32 hex digits; empty: random",
    },
    ConfigSetting {
        path: "retention_days",
        variable: "HINOMI_RETENTION_DAYS",
        description: "default retention of spans in days, 1 to 3650; projects can override it",
    },
    ConfigSetting {
        path: "memory_limit_bytes",
        variable: "HINOMI_MEMORY_LIMIT_BYTES",
        description: "memory limit of queries and ingestion together in bytes; 0: a quarter of the machine or container",
    },
    ConfigSetting { path: "query_timeout_ms", variable: "HINOMI_QUERY_TIMEOUT_MS", description: "timeout of a query in milliseconds" },
    ConfigSetting {
        path: "prices",
        variable: "HINOMI_PRICES",
        description: "file of custom prices (TOML or JSON), which take precedence over the price table",
    },
    ConfigSetting {
        path: "log",
        variable: "HINOMI_LOG",
        description: "log level: off, error, warn, info, debug, trace, or module=level, separated by commas",
    },
    ConfigSetting { path: "log_format", variable: "HINOMI_LOG_FORMAT", description: "format of log lines: text or json" },
    ConfigSetting {
        path: "ingest.max_body_bytes",
        variable: "HINOMI_INGEST_MAX_BODY_BYTES",
        description: "maximum size of a request body as sent, in bytes",
    },
    ConfigSetting {
        path: "ingest.max_inflated_bytes",
        variable: "HINOMI_INGEST_MAX_INFLATED_BYTES",
        description: "maximum size of a decompressed request body, in bytes",
    },
    ConfigSetting {
        path: "ingest.max_bytes_in_work",
        variable: "HINOMI_INGEST_MAX_BYTES_IN_WORK",
        description: "maximum total size of request bodies that are received at the same time, in bytes",
    },
    ConfigSetting {
        path: "ingest.anonymous_project",
        variable: "HINOMI_INGEST_ANONYMOUS_PROJECT",
        description: "project of requests without a key (never behind a proxy): a number, none, or auto (1 on loopback without public_url)",
    },
    ConfigSetting {
        path: "ingest.otlp_ports",
        variable: "HINOMI_INGEST_OTLP_PORTS",
        description: "also listen on the standard OTLP ports 4317 and 4318: true or false",
    },
    ConfigSetting {
        path: "ingest.quiet_trace_s",
        variable: "HINOMI_INGEST_QUIET_TRACE_S",
        description: "seconds without new spans after which a trace is complete: it is evaluated, and an agent's own usage is counted if no call below it reports usage",
    },
    ConfigSetting {
        path: "evaluation.quiet_session_s",
        variable: "HINOMI_EVALUATION_QUIET_SESSION_S",
        description: "seconds without a new trace after which a conversation is evaluated",
    },
    ConfigSetting {
        path: "queries.threads",
        variable: "HINOMI_QUERIES_THREADS",
        description: "number of query threads, which have a lower priority than ingestion; 0: one per processor",
    },
    ConfigSetting {
        path: "queries.max_at_once",
        variable: "HINOMI_QUERIES_MAX_AT_ONCE",
        description: "maximum number of concurrent queries, half of them per caller; 0: four per processor",
    },
    ConfigSetting {
        path: "queries.max_waiting",
        variable: "HINOMI_QUERIES_MAX_WAITING",
        description: "maximum number of running and waiting queries; further ones fail with 503",
    },
    ConfigSetting {
        path: "queries.max_waiting_of_caller",
        variable: "HINOMI_QUERIES_MAX_WAITING_OF_CALLER",
        description: "maximum number of running and waiting queries per token or session; further ones fail with 429",
    },
    ConfigSetting {
        path: "disk.reserve_bytes",
        variable: "HINOMI_DISK_RESERVE_BYTES",
        description: "free disk space in bytes below which ingestion stops until there is space again",
    },
    ConfigSetting {
        path: "disk.budget_bytes",
        variable: "HINOMI_DISK_BUDGET_BYTES",
        description: "maximum size of the data directory, such as 100GB; above it the oldest spans are deleted; 0: no limit",
    },
    ConfigSetting {
        path: "disk.media_quota_bytes",
        variable: "HINOMI_DISK_MEDIA_QUOTA_BYTES",
        description: "maximum size of the images, audio and files of a project, such as 5GiB; 0: none are stored",
    },
    ConfigSetting {
        path: "disk.retain_every_s",
        variable: "HINOMI_DISK_RETAIN_EVERY_S",
        description: "interval of the retention sweep in seconds",
    },
    ConfigSetting {
        path: "notify.allow",
        variable: "HINOMI_NOTIFY_ALLOW",
        description: "private networks that notifications may be sent to, such as 10.0.0.0/8, 127.0.0.1; or all",
    },
    ConfigSetting {
        path: "notify.ca_file",
        variable: "HINOMI_NOTIFY_CA_FILE",
        description: "additional CA certificates (PEM file) for mail servers and webhooks",
    },
    ConfigSetting {
        path: "tls.certificate",
        variable: "HINOMI_TLS_CERTIFICATE",
        description: "certificate chain (PEM file) of the server; all ports then use TLS; a renewed file takes effect within a minute",
    },
    ConfigSetting { path: "tls.key", variable: "HINOMI_TLS_KEY", description: "private key (PEM file) of the certificate" },
    ConfigSetting {
        path: "tls.hsts_max_age_s",
        variable: "HINOMI_TLS_HSTS_MAX_AGE_S",
        description: "seconds for which browsers use only https for the whole host, all its ports included; 0: no such header",
    },
    ConfigSetting {
        path: "secrets.key_file",
        variable: "HINOMI_SECRETS_KEY_FILE",
        description: "file with keys (64 hex digits, one per line) that encrypt stored webhook URLs and passwords; the first one encrypts",
    },
    ConfigSetting {
        path: "secrets.key",
        variable: "HINOMI_SECRETS_KEY",
        description: "the same keys as a value; they precede those of the file",
    },
    ConfigSetting {
        path: "audit.head_to",
        variable: "HINOMI_AUDIT_HEAD_TO",
        description: "where the head of the audit log is sent: a file, syslog, syslog://HOST, or the URL of a webhook; empty: nowhere",
    },
    ConfigSetting {
        path: "audit.head_every_s",
        variable: "HINOMI_AUDIT_HEAD_EVERY_S",
        description: "seconds between two heads of the audit log, in the server's log and at audit.head_to",
    },
    ConfigSetting {
        path: "audit.retention_days",
        variable: "HINOMI_AUDIT_RETENTION_DAYS",
        description: "days for which entries of the audit log are stored; a signed checkpoint replaces older ones; 0: no limit",
    },
    ConfigSetting {
        path: "sign_in.passwords",
        variable: "HINOMI_SIGN_IN_PASSWORDS",
        description: "sign in with passwords: true or false; one-time links of the command line always work",
    },
    ConfigSetting {
        path: "sign_in.accounts",
        variable: "HINOMI_SIGN_IN_ACCOUNTS",
        description: "who gets an account at the first sign-in with a provider or proxy: invited (invited people) or first_sign_in (everybody)",
    },
    ConfigSetting {
        path: "sign_in.email_domains",
        variable: "HINOMI_SIGN_IN_EMAIL_DOMAINS",
        description: "domains of e-mail addresses that may sign in with a provider or proxy, such as example.com, example.org; empty: any",
    },
    ConfigSetting {
        path: "sign_in.default_role",
        variable: "HINOMI_SIGN_IN_DEFAULT_ROLE",
        description: "role of new accounts, or with group_roles of everybody: viewer, member, admin or owner; empty: none",
    },
    ConfigSetting {
        path: "sign_in.group_roles",
        variable: "HINOMI_SIGN_IN_GROUP_ROLES",
        description: "roles of groups at the provider, such as [{ group = 'ops', role = 'admin' }, { group = 'app', role = 'member', project = 2 }]",
    },
    ConfigSetting {
        path: "sign_in.openid_connect.issuer",
        variable: "HINOMI_SIGN_IN_OPENID_CONNECT_ISSUER",
        description: "issuer of the OpenID Connect provider, such as https://login.example.com; empty: no provider",
    },
    ConfigSetting {
        path: "sign_in.openid_connect.client_id",
        variable: "HINOMI_SIGN_IN_OPENID_CONNECT_CLIENT_ID",
        description: "ID of the client that is registered at the provider",
    },
    ConfigSetting {
        path: "sign_in.openid_connect.client_secret",
        variable: "HINOMI_SIGN_IN_OPENID_CONNECT_CLIENT_SECRET",
        description: "secret of the client; empty: none, or that of the file",
    },
    ConfigSetting {
        path: "sign_in.openid_connect.client_secret_file",
        variable: "HINOMI_SIGN_IN_OPENID_CONNECT_CLIENT_SECRET_FILE",
        description: "file with the secret of the client",
    },
    ConfigSetting {
        path: "sign_in.openid_connect.scopes",
        variable: "HINOMI_SIGN_IN_OPENID_CONNECT_SCOPES",
        description: "scopes that are requested, separated by spaces",
    },
    ConfigSetting {
        path: "sign_in.openid_connect.groups_claim",
        variable: "HINOMI_SIGN_IN_OPENID_CONNECT_GROUPS_CLAIM",
        description: "claim with the groups of a person; dots separate nested names, such as realm_access.roles",
    },
    ConfigSetting {
        path: "sign_in.openid_connect.require_verified_email",
        variable: "HINOMI_SIGN_IN_OPENID_CONNECT_REQUIRE_VERIFIED_EMAIL",
        description: "reject addresses that the provider does not state as verified (email_verified): true or false",
    },
    ConfigSetting {
        path: "sign_in.openid_connect.label",
        variable: "HINOMI_SIGN_IN_OPENID_CONNECT_LABEL",
        description: "text of the button on the sign-in page; empty: a general text",
    },
    ConfigSetting {
        path: "sign_in.openid_connect.session_s",
        variable: "HINOMI_SIGN_IN_OPENID_CONNECT_SESSION_S",
        description: "seconds after which the provider must confirm a session, 10 to 3600",
    },
    ConfigSetting {
        path: "sign_in.openid_connect.token_days",
        variable: "HINOMI_SIGN_IN_OPENID_CONNECT_TOKEN_DAYS",
        description: "days after the last sign-in at the provider during which API tokens of the person work; 0: no limit",
    },
    ConfigSetting {
        path: "sign_in.openid_connect.allow",
        variable: "HINOMI_SIGN_IN_OPENID_CONNECT_ALLOW",
        description: "private networks that the provider may be in, such as 10.0.0.0/8, 127.0.0.1, in addition to notify.allow",
    },
    ConfigSetting {
        path: "sign_in.proxy_header.name",
        variable: "HINOMI_SIGN_IN_PROXY_HEADER_NAME",
        description: "header in which an authenticating proxy sends the e-mail address, such as x-forwarded-email; empty: no proxy",
    },
    ConfigSetting {
        path: "sign_in.proxy_header.addresses",
        variable: "HINOMI_SIGN_IN_PROXY_HEADER_ADDRESSES",
        description: "addresses and networks of the proxy, such as 10.0.0.5; the header is ignored from others",
    },
    ConfigSetting {
        path: "sign_in.proxy_header.groups_name",
        variable: "HINOMI_SIGN_IN_PROXY_HEADER_GROUPS_NAME",
        description: "header in which the proxy sends groups, separated by commas; empty: none",
    },
    ConfigSetting {
        path: "sign_in.proxy_header.sign_out_url",
        variable: "HINOMI_SIGN_IN_PROXY_HEADER_SIGN_OUT_URL",
        description: "URL at which the proxy ends its session; the page opens it after signing out",
    },
];
