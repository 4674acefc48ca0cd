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
        description: "seconds without new spans after which the sum of an agent completes a call that reports no usage",
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
        path: "sign_in.group_roles",
        variable: "HINOMI_SIGN_IN_GROUP_ROLES",
        description: "roles of groups at the provider, such as [{ group = 'ops', role = 'admin' }, { group = 'app', role = 'member', project = 2 }]",
    },
];
