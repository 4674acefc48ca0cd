//! The command line: arguments, help and dispatch of all commands.

mod access;
mod alerts;
mod audit;
mod backup;
mod bill;
mod delete;
mod demo;
mod doctor;
mod explain;
mod file_owner;
mod key;
mod notifications;
mod prices;
mod reprice;
mod retention;
mod running_server;
mod security_findings;
mod serve;
mod transfer;
mod user;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand};
use hinomi_store::doctor::lock_holder;
use hinomi_tables::audit_log::AuditEvent;
use hinomi_tables::metadata::MetadataStore;

use crate::app::PUBLIC_URL_SETTING;
use crate::config::{self, Config, ConfigOverrides};
use crate::query_parameters::{TIME_FORMS, parse_time};

/// LLM monitoring in one binary: traces, token usage, cost and alerts of your LLM calls
#[derive(Debug, Parser)]
#[command(
    name = "hinomi",
    version,
    arg_required_else_help = true,
    after_help = "`hinomi serve` starts the server; other commands operate on the same data directory."
)]
struct Cli {
    #[command(subcommand)]
    command: CliCommand,
}

/// Arguments that every command has.
#[derive(Debug, Args)]
struct CommonArguments {
    /// Data directory [default: per user, see `hinomi config`; env: HINOMI_DATA]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file (TOML) [env: HINOMI_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Start the server
    Serve {
        #[command(flatten)]
        common: CommonArguments,
        /// Address and port to listen on; port 0 lets the system choose [default: 127.0.0.1:8119; env: HINOMI_LISTEN]
        #[arg(long, value_name = "HOST:PORT", value_parser = parse_address)]
        listen: Option<SocketAddr>,
        /// Write the port to this file when the server is ready
        #[arg(long, value_name = "FILE")]
        port_file: Option<PathBuf>,
        /// Send no notifications and forward no requests; both wait until a server runs without this option
        #[arg(long)]
        quiet_notifications: bool,
    },
    /// Print a new one-time sign-in link
    Login {
        #[command(flatten)]
        common: CommonArguments,
    },
    Logout(access::LogoutCommand),
    /// Manage API tokens
    #[command(subcommand)]
    Token(access::TokenCommand),
    /// Manage sessions of signed-in browsers
    #[command(subcommand)]
    Session(access::SessionCommand),
    /// Manage accounts of people and programs
    #[command(subcommand)]
    User(user::UserCommand),
    /// Read and verify the audit log
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Manage projects
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Manage ingest keys and their limits
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Update the price table, or check the price of a call
    #[command(subcommand)]
    Prices(prices::PricesCommand),
    /// Manage alert rules and budgets as a TOML file
    #[command(subcommand)]
    Alerts(alerts::AlertsCommand),
    /// Recalculate the cost of stored calls with current prices
    Reprice(reprice::RepriceCommand),
    /// Fill a demo project with sample traffic; needs no provider API key
    Demo(demo::DemoCommand),
    Explain(explain::ExplainCommand),
    Backup(backup::BackupCommand),
    Restore(backup::RestoreCommand),
    Export(transfer::ExportCommand),
    Import(transfer::ImportCommand),
    #[command(subcommand)]
    Delete(delete::DeleteCommand),
    Doctor(doctor::DoctorCommand),
    Retention(retention::RetentionArguments),
    #[command(subcommand)]
    Notifications(notifications::NotificationsCommand),
    /// Import bills of providers to compare them with the observed cost
    #[command(subcommand)]
    Bill(bill::BillCommand),
    /// Print the effective configuration of the running server as TOML; if no server runs, that of `hinomi serve`
    Config {
        #[command(flatten)]
        common: CommonArguments,
    },
}

#[derive(Debug, Subcommand)]
enum ProjectCommand {
    /// Create a project and print its DSN
    Create {
        #[command(flatten)]
        common: CommonArguments,
        /// Name of the project
        name: String,
    },
    /// List projects with their DSNs
    List {
        #[command(flatten)]
        common: CommonArguments,
    },
}

/// Runs the program. Returns exit status 0 on success, 1 on failure, 2 for invalid arguments or an invalid configuration.
pub fn run() -> ExitCode {
    crate::file_permissions::create_for_owner_only();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_parse_error(&error),
    };
    let done = execute(cli.command);
    file_owner::restore_owner_of_used();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let usage = error.is::<config::ConfigError>();
            let _ = writeln!(std::io::stderr(), "hinomi: {}", error_in_one_line(&error));
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

/// Joins an error and its causes with colons. Omits a cause that the text already contains.
fn error_in_one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match () {
        () if said.contains(&cause) => said,
        () if said.is_empty() => cause,
        () => format!("{said}: {cause}"),
    })
}

/// Prints help and version to standard output, and an argument error as one line to standard error. Returns the exit status.
fn print_parse_error(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
    }
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    // Clap lists missing arguments on separate indented lines.
    let missing: Vec<_> = text.lines().skip(1).take_while(|line| line.starts_with("  ")).map(str::trim).collect();
    let _ =
        writeln!(std::io::stderr(), "hinomi: {line} {}(see hinomi --help)", missing.join(" ") + if missing.is_empty() { "" } else { " " });
    ExitCode::from(2)
}

fn execute(command: CliCommand) -> anyhow::Result<()> {
    match command {
        CliCommand::Serve { common, listen, port_file, quiet_notifications } => {
            let config = Config { quiet_notifications, ..effective_config(&common, listen)? };
            serve::serve(&config, port_file.as_deref())
        }
        CliCommand::Login { common } => {
            let config = effective_config(&common, None)?;
            let meta = open_existing(&config)?;
            let data = config.data.display();
            ensure!(
                lock_holder(&config.data).is_some(),
                "no server is running on {data}; to start one, run `hinomi serve --data {data}`; if your server uses another data directory, pass it with --data (the server prints the path at startup)"
            );
            let link = sign_in_link(&meta, &public_url(&meta, &config))?;
            audit::record_command(&config, |actor| AuditEvent::new(actor, "sign_in_link.create"))?;
            print_line(&link)
        }
        CliCommand::Token(command) => command.run(),
        CliCommand::Session(command) => command.run(),
        CliCommand::User(command) => command.run(),
        CliCommand::Audit(command) => command.run(),
        CliCommand::Logout(logout) => logout.run(),
        CliCommand::Project(ProjectCommand::Create { common, name }) => {
            let config = effective_config(&common, None)?;
            let meta = open_existing(&config)?;
            let project = meta.create_project(&name, false)?;
            let dsn = dsn(&meta, &public_url(&meta, &config), project.id);
            audit::record_command(&config, |actor| AuditEvent { project: Some(project.id), ..AuditEvent::new(actor, "projects.create") })?;
            print_line(&dsn.to_string())
        }
        CliCommand::Project(ProjectCommand::List { common }) => {
            let config = effective_config(&common, None)?;
            let meta = open_existing(&config)?;
            let url = public_url(&meta, &config);
            for project in meta.directory().projects.values() {
                let notes = [(project.demo, " (demo)"), (project.disabled, " (disabled)")];
                // The name of the demo project already ends with this note.
                let notes: String = notes.iter().filter(|(is, note)| *is && !project.name.ends_with(note)).map(|(_, note)| *note).collect();
                print_line(&format!("{}\t{}{notes}\t{}", project.id, project.name, dsn(&meta, &url, project.id)))?;
            }
            Ok(())
        }
        CliCommand::Key(command) => command.run(),
        CliCommand::Prices(command) => command.run(),
        CliCommand::Alerts(command) => command.run(),
        CliCommand::Reprice(reprice) => reprice.run(),
        CliCommand::Demo(demo) => demo.run(),
        CliCommand::Explain(explain) => explain.run(),
        CliCommand::Backup(backup) => backup.run(),
        CliCommand::Restore(restore) => restore.run(),
        CliCommand::Export(export) => export.run(),
        CliCommand::Import(import) => import.run(),
        CliCommand::Delete(delete) => delete.run(),
        CliCommand::Doctor(doctor) => doctor.run(),
        CliCommand::Retention(retention) => retention.run(),
        CliCommand::Notifications(notifications) => notifications.run(),
        CliCommand::Bill(bill) => bill.run(),
        CliCommand::Config { common } => {
            let config = effective_config(&common, None)?;
            print_line(config::to_toml_with_differences(&config, running_server::configuration(&config.data).as_deref()).trim_end())
        }
    }
}

fn effective_config(common: &CommonArguments, listen: Option<SocketAddr>) -> anyhow::Result<Config> {
    let flags = ConfigOverrides { config: common.config.clone(), data: common.data.clone(), listen };
    let config = config::load(&flags, |name| std::env::var(name).ok())?;
    crate::backup::check_finished(&config.data)?;
    file_owner::set_data_directory(&config.data);
    Ok(config)
}

/// Opens the metadata of an existing data directory. Does not create the directory, so a command that only reads leaves no new directory
/// behind.
fn open_existing(config: &Config) -> anyhow::Result<MetadataStore> {
    let is_there = config.data.join("hinomi.db").exists();
    ensure!(
        is_there,
        "{} is not a data directory; pass the data directory of your server with --data (the server prints the path at startup), or create a new one with `hinomi serve`",
        config.data.display()
    );
    Ok(MetadataStore::open(&config.data)?)
}

/// Returns the base URL of links: `public_url` if it is set, otherwise the URL that the running server stored, or the listening address if
/// there is no such URL.
fn public_url(meta: &MetadataStore, config: &Config) -> String {
    if !config.public_url.is_empty() {
        return config.public_url.clone();
    }
    meta.setting(PUBLIC_URL_SETTING).unwrap_or_else(|| format!("http://{}", config.listen))
}

fn sign_in_link(meta: &MetadataStore, public_url: &str) -> anyhow::Result<String> {
    Ok(format!("{public_url}/login?token={}", meta.create_sign_in()?))
}

fn dsn(meta: &MetadataStore, public_url: &str, project: u64) -> String {
    let directory = meta.directory();
    let (scheme, rest) = public_url.split_once("://").unwrap_or(("http", public_url));
    match directory.first_key(project) {
        Some(key) => format!("{scheme}://{}@{rest}/{project}", key.public_key),
        None => "(no key yet; start the server once)".to_owned(),
    }
}

/// Writes a note to standard error, separate from the output of the command.
fn print_note(line: &str) {
    let _ = writeln!(std::io::stderr(), "hinomi: {line}");
}

/// Prints a question to standard error and returns whether the answer on standard input is yes.
fn ask_confirmation(question: &str) -> anyhow::Result<bool> {
    write!(std::io::stderr(), "{question}")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Writes one line to standard output.
fn print_line(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write to standard output")
}

/// Parses `HOST:PORT` and resolves host names such as `localhost`.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    use std::net::ToSocketAddrs;
    let reason = "expected HOST:PORT, such as 127.0.0.1:8119 or 0.0.0.0:8119";
    text.to_socket_addrs().map_err(|_| reason.to_owned())?.next().ok_or_else(|| reason.to_owned())
}

/// Parses a time in the forms of the API, in microseconds since the Unix epoch.
fn time(text: &str) -> Result<i64, String> {
    parse_time(text, jiff::Timestamp::now().as_microsecond()).ok_or_else(|| format!("use {TIME_FORMS}"))
}

/// Returns whether standard error is a terminal.
fn is_interactive() -> bool {
    std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_forms_of_the_api() {
        assert_eq!(time("1970-01-02"), Ok(86_400_000_000));
        assert_eq!(time("1970-01-01T00:00:01Z"), Ok(1_000_000));
        assert!(time("-1d").unwrap() < time("now").unwrap());
        assert_eq!(time("soon"), Err(format!("use {TIME_FORMS}")));
    }

    #[test]
    fn error_cause_is_printed_once() {
        let cause = || std::io::Error::other("no such file");
        let error = anyhow::Error::from(crate::config::ConfigError::Unreadable { path: "x.toml".into(), source: cause() });
        assert_eq!(error_in_one_line(&error), "cannot read the configuration file x.toml: no such file");
        assert_eq!(error_in_one_line(&anyhow::Error::from(cause()).context("cannot start")), "cannot start: no such file");
    }
}
