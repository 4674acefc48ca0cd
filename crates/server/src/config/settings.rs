//! Every setting: its path in the file, its environment variable, its default and its description.

/// A setting: its path in the file, its environment variable and its description.
pub struct ConfigSetting {
    /// Dotted path in the file, such as `ingest.max_body_bytes`.
    pub path: &'static str,
    /// Name of the environment variable.
    pub variable: &'static str,
    /// Description in one line.
    pub about: &'static str,
}

/// All settings, in the order of the file.
pub const SETTINGS: &[ConfigSetting] = &[
    ConfigSetting { path: "data", variable: "HINOMI_DATA", about: "the data folder" },
    ConfigSetting { path: "listen", variable: "HINOMI_LISTEN", about: "address and port to listen on; port 0 lets the system choose" },
    ConfigSetting { path: "public_url", variable: "HINOMI_PUBLIC_URL", about: "what links and DSNs are made from, behind a proxy" },
    ConfigSetting { path: "dsn_key", variable: "HINOMI_DSN_KEY", about: "key of project 1 at the first start, 32 hex digits" },
    ConfigSetting {
        path: "retention_days",
        variable: "HINOMI_RETENTION_DAYS",
        about: "days that spans are kept, unless a project says otherwise",
    },
    ConfigSetting {
        path: "memory_limit_bytes",
        variable: "HINOMI_MEMORY_LIMIT_BYTES",
        about: "bytes of memory that queries and intake may take together; 0 for a quarter of the machine",
    },
    ConfigSetting {
        path: "query_timeout_ms",
        variable: "HINOMI_QUERY_TIMEOUT_MS",
        about: "milliseconds after which a question is given up",
    },
    ConfigSetting { path: "prices", variable: "HINOMI_PRICES", about: "a file of own prices, TOML or JSON, which come before the table" },
    ConfigSetting { path: "log", variable: "HINOMI_LOG", about: "log lines to write: error, warn, info, debug, or module=level" },
    ConfigSetting { path: "log_format", variable: "HINOMI_LOG_FORMAT", about: "text or json" },
    ConfigSetting { path: "ingest.max_body_bytes", variable: "HINOMI_INGEST_MAX_BODY_BYTES", about: "largest request body as sent" },
    ConfigSetting {
        path: "ingest.max_inflated_bytes",
        variable: "HINOMI_INGEST_MAX_INFLATED_BYTES",
        about: "largest request body after inflating",
    },
    ConfigSetting {
        path: "ingest.max_bytes_in_work",
        variable: "HINOMI_INGEST_MAX_BYTES_IN_WORK",
        about: "bytes of bodies that arrive at the same time, at most",
    },
    ConfigSetting {
        path: "ingest.anonymous_project",
        variable: "HINOMI_INGEST_ANONYMOUS_PROJECT",
        about: "project of requests without a key, but never of those through a proxy: its number, none, or auto (1 while listening on loopback alone without a public URL)",
    },
    ConfigSetting {
        path: "ingest.otlp_ports",
        variable: "HINOMI_INGEST_OTLP_PORTS",
        about: "true opens OTLP's standard ports 4317 and 4318 too",
    },
    ConfigSetting {
        path: "queries.threads",
        variable: "HINOMI_QUERIES_THREADS",
        about: "threads that compute answers, which give way to intake; 0 for one for each processor",
    },
    ConfigSetting {
        path: "queries.max_at_once",
        variable: "HINOMI_QUERIES_MAX_AT_ONCE",
        about: "answers that are computed at the same time, for one caller half of them; 0 for four for each processor",
    },
    ConfigSetting {
        path: "queries.max_waiting",
        variable: "HINOMI_QUERIES_MAX_WAITING",
        about: "questions that may wait or be answered at the same time: more are answered 503",
    },
    ConfigSetting {
        path: "queries.max_waiting_of_caller",
        variable: "HINOMI_QUERIES_MAX_WAITING_OF_CALLER",
        about: "those of one token or session: more are answered 429",
    },
    ConfigSetting {
        path: "disk.reserve_bytes",
        variable: "HINOMI_DISK_RESERVE_BYTES",
        about: "bytes of the disk that are left free: below, nothing is taken in until there is room again",
    },
    ConfigSetting {
        path: "disk.budget_bytes",
        variable: "HINOMI_DISK_BUDGET_BYTES",
        about: "bytes that the data folder may take, such as 100GB: beyond, the oldest spans are deleted; 0 for any number",
    },
    ConfigSetting {
        path: "disk.retain_every_s",
        variable: "HINOMI_DISK_RETAIN_EVERY_S",
        about: "seconds between two looks for what is to be kept no longer",
    },
    ConfigSetting {
        path: "notify.allow",
        variable: "HINOMI_NOTIFY_ALLOW",
        about: "private networks that targets of alerts may be in, such as 10.0.0.0/8, 127.0.0.1, or all",
    },
    ConfigSetting {
        path: "notify.ca_file",
        variable: "HINOMI_NOTIFY_CA_FILE",
        about: "certificates (PEM) of authorities that may vouch for mail servers and webhooks beside the public ones",
    },
];
