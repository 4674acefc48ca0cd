use super::*;

fn with(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hinomi.toml");
    std::fs::write(&path, file).unwrap();
    let flags = ConfigOverrides { config: Some(path), listen: Some("127.0.0.1:1".parse().unwrap()), ..ConfigOverrides::default() };
    load(&flags, |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
}

#[test]
fn flags_win_over_environment_over_file() {
    let config = with(
        "retention_days = 7\nlisten = \"0.0.0.0:2\"\n[ingest]\nmax_body_bytes = 1000\n",
        &[("HINOMI_RETENTION_DAYS", "30"), ("HINOMI_PUBLIC_URL", "https://x.example/h/"), ("HINOMI_DATA", "123")],
    )
    .unwrap();
    assert_eq!((config.retention_days, config.listen.port()), (30, 1));
    assert_eq!((config.public_url.as_str(), config.ingest.max_body_bytes), ("https://x.example/h", 1000));
    assert_eq!(config.data, PathBuf::from("123"));
}

#[test]
fn mistakes_are_named() {
    let said = |file: &str, variables: &[(&str, &str)]| with(file, variables).unwrap_err().to_string();
    assert!(said("retension = 1", &[]).contains("retension"));
    assert!(said("retention_days = 0", &[]).contains("from 1 to 3650"));
    assert!(said("", &[("HINOMI_RETENTION_DAYS", "week")]).contains("HINOMI_RETENTION_DAYS"));
    assert!(said("public_url = \"x\"", &[]).contains("http://"));
    assert!(said("listen = ", &[]).contains("hinomi.toml"));
    assert!(said("", &[("HINOMI_INGEST_ANONYMOUS_PROJECT", "first")]).contains("anonymous_project"));
    assert!(said("", &[("HINOMI_INGEST_OTLP_PORTS", "7")]).contains("OTLP_PORTS"));
    assert!(said("[disk]\nbudget_bytes = 100\n", &[]).contains("disk.budget_bytes: must be 0 (no limit) or at least"));
    assert!(said("[disk]\nbudget_bytes = \"100 gigs\"\n", &[]).contains("such as 100GB"));
    assert!(said("", &[("HINOMI_DISK_BUDGET_BYTES", "-1GB")]).contains("HINOMI_DISK_BUDGET_BYTES"));
}

#[test]
fn sizes_may_have_units() {
    let config =
        with("memory_limit_bytes = \"1 GiB\"\n[disk]\nbudget_bytes = \"100GB\"\n", &[("HINOMI_DISK_RESERVE_BYTES", "64mib")]).unwrap();
    assert_eq!(config.disk, DiskConfig { reserve_bytes: 64 << 20, budget_bytes: 100_000_000_000, ..DiskConfig::default() });
    assert_eq!(config.memory_limit_bytes, 1 << 30);
    for (text, bytes) in
        [("7", Some(7)), ("7B", Some(7)), ("2 tb", Some(2_000_000_000_000)), ("1.5GB", None), ("GB", None), ("99999999999TiB", None)]
    {
        assert_eq!(parse_bytes(text).ok(), bytes, "{text}");
    }
}

#[test]
fn mistakes_in_a_file_name_line_and_key() {
    let said = |file: &str| with(file, &[]).unwrap_err().to_string();
    for (file, says) in [
        ("# days\nretention_days = \"7\"\n", "line 2, retention_days: invalid type: string \"7\""),
        ("[ingest]\n\nmax_body_bytes = -1", "line 3, ingest.max_body_bytes: "),
        ("retention_days = 7\n[disk]\nreserve = 5", "line 3, disk.reserve: unknown field `reserve`"),
        ("retention_days = 7\nlisten 5", "line 2"),
        ("listen = \"nowhere\"", "line 1, listen: "),
    ] {
        let said = said(file);
        assert!(said.contains("hinomi.toml: ") && said.contains(says), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
}

#[test]
fn log_levels_are_levels() {
    let log = |value: &str| with("", &[("HINOMI_LOG", value)]).map(|config| config.log);
    for (value, read) in [
        ("warning", "warn"),
        ("WARN", "warn"),
        ("info,hinomi_server::store=debug", "info,hinomi_server::store=debug"),
        ("hinomi_server=Warning, error", "hinomi_server=warn,error"),
    ] {
        assert_eq!(log(value).unwrap(), read, "{value}");
    }
    for wrong in ["verbose", "warnings", "info,loud", "=debug", "hinomi_server=loud", "hinomi_server"] {
        assert!(log(wrong).unwrap_err().to_string().contains("off, error, warn"), "{wrong}");
    }
}

#[test]
fn printed_configuration_is_loadable() {
    let config = with("retention_days = 7", &[("HINOMI_DSN_KEY", "0123456789abcdef0123456789abcdef")]).unwrap();
    let text = to_toml(&config);
    assert!(!text.contains("0123456789abcdef"));
    assert_eq!(with(&text, &[]).unwrap(), Config { dsn_key: String::new(), ..config });
}

#[test]
fn settings_of_signing_in_come_from_file_and_environment() {
    let file =
        "[sign_in]\ngroup_roles = [{ group = \"ops\", role = \"admin\" }]\n[sign_in.openid_connect]\nissuer = \"https://a.example\"\n";
    let variables = [
        ("HINOMI_SIGN_IN_OPENID_CONNECT_CLIENT_ID", "17"),
        ("HINOMI_SIGN_IN_OPENID_CONNECT_CLIENT_SECRET", "hush"),
        ("HINOMI_SIGN_IN_OPENID_CONNECT_SESSION_S", "60"),
        ("HINOMI_SIGN_IN_PASSWORDS", "false"),
    ];
    let config = with(file, &variables).unwrap();
    let sign_in = &config.sign_in;
    assert_eq!((sign_in.passwords, sign_in.openid_connect.client_id.as_str(), sign_in.openid_connect.session_s), (false, "17", 60));
    assert_eq!(sign_in.openid_connect.client_secret.reveal(), "hush");
    let text = to_toml(&config);
    assert!(text.contains("[sign_in.openid_connect]\n") && !text.contains("hush") && !format!("{config:?}").contains("hush"), "{text}");
    assert_eq!(with(&text, &[]).unwrap().sign_in.group_roles, sign_in.group_roles);
    let roles = [("HINOMI_SIGN_IN_GROUP_ROLES", "[{ group = \"app\", role = \"member\", project = 2 }]")];
    let roles = with("", &roles).unwrap().sign_in.group_roles;
    assert_eq!((roles[0].group.as_str(), roles[0].project), ("app", Some(2)));
    let said = |name: &str, value: &str| with("", &[(name, value)]).unwrap_err().to_string();
    assert!(said("HINOMI_SIGN_IN_GROUP_ROLES", "ops=admin").contains("GROUP_ROLES"));
    assert!(said("HINOMI_SIGN_IN_ACCOUNTS", "all").contains("SIGN_IN_ACCOUNTS"));
    assert!(said("HINOMI_SIGN_IN_PROXY_HEADER_NAME", "x-email").contains("sign_in.proxy_header.addresses"));
}

#[test]
fn running_server_configuration_is_shown() {
    let here = with("retention_days = 7", &[]).unwrap();
    let running = to_toml(&with("retention_days = 30", &[]).unwrap());
    let alone = to_toml_with_differences(&here, None);
    assert!(alone.starts_with("# No server is running") && alone.contains("\nretention_days = 7\n"), "{alone}");
    let beside = to_toml_with_differences(&here, Some(&running));
    assert!(beside.starts_with("# Settings of the running server.\n"), "{beside}");
    assert!(beside.contains("\nretention_days = 30\n# A new server would use: retention_days = 7\n"), "{beside}");
    assert_eq!(beside.matches("would use").count(), 1, "{beside}");
    assert_eq!(parse(&beside).unwrap().retention_days, 30);
    assert!(with(&alone, &[]).is_ok() && with(&beside, &[]).is_ok());
}

#[test]
fn keyless_senders_are_configured() {
    let keyless = |listen: &str, value: &str, public_url: &str| {
        let ingest = IngestConfig { anonymous_project: value.into(), ..IngestConfig::default() };
        ingest.keyless_project(listen.parse().unwrap(), public_url).map(|keyless| (keyless.project, keyless.any_host))
    };
    assert_eq!(keyless("127.0.0.1:8119", "auto", ""), Some((1, false)));
    assert_eq!(keyless("127.0.0.1:8119", "auto", "https://hinomi.example"), None);
    assert_eq!(keyless("127.0.0.1:8119", "auto", "http://127.0.0.1:8119"), None);
    assert_eq!(keyless("0.0.0.0:8119", "auto", ""), None);
    assert_eq!(keyless("0.0.0.0:8119", "3", "https://hinomi.example"), Some((3, true)));
    assert_eq!(keyless("[::1]:8119", "none", ""), None);
}

#[test]
fn every_setting_is_printed() {
    let table = toml::Table::try_from(Config::default()).unwrap();
    fn leaves(table: &toml::Table) -> usize {
        table.values().map(|value| value.as_table().map_or(1, leaves)).sum()
    }
    // `dsn_key`, `secrets.key` and the secret of the OpenID Connect client have descriptions but are not serialized.
    assert_eq!(SETTINGS.len(), leaves(&table) + 3);
}

#[test]
fn tls_needs_both_files_and_an_https_url() {
    let said = |file: &str| with(file, &[]).unwrap_err().to_string();
    assert!(said("[tls]\ncertificate = 'a.pem'").contains("must both be set"));
    assert!(said("public_url = 'http://a.example'\n[tls]\ncertificate = 'a.pem'\nkey = 'a.key'").contains("https://"));
    assert!(said("[tls]\nhsts_max_age_s = 60").contains("needs TLS"));
    let config = with("[tls]\ncertificate = 'a.pem'\nkey = 'a.key'", &[("HINOMI_TLS_HSTS_MAX_AGE_S", "60")]).unwrap();
    assert!(config.tls.is_enabled() && config.tls.hsts_max_age_s == 60);
}

#[test]
fn keys_of_secrets_come_from_file_and_variable() {
    let key = |digit: char| digit.to_string().repeat(64);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secrets.key");
    std::fs::write(&path, key('a')).unwrap();
    let config = with(&format!("[secrets]\nkey_file = {path:?}"), &[("HINOMI_SECRETS_KEY", &key('1'))]).unwrap();
    assert!(config.secrets.cipher().unwrap().has_key());
    for text in [to_toml(&config), format!("{config:?}")] {
        assert!(!text.contains(&key('1')), "{text}");
    }
    std::fs::write(&path, "# no key").unwrap();
    assert!(format!("{:#}", config.secrets.cipher().unwrap_err()).contains("contains no key"));
    std::fs::remove_file(&path).unwrap();
    assert!(format!("{:#}", config.secrets.cipher().unwrap_err()).contains("cannot read"));
    assert!(!SecretsConfig::default().cipher().unwrap().has_key());
}
