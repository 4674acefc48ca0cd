//! The command line. Flags, help and errors come from one description.

mod access;
mod alerts;
mod backup;
mod bill;
mod delete;
mod demo;
mod doctor;
mod explain;
mod file_owner;
mod notifications;
mod prices;
mod reprice;
mod retention;
mod running_server;
mod serve;
mod transfer;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand};
use hinomi_store::doctor::holder;
use hinomi_tables::metadata::MetadataStore;

use crate::app::ADDRESS;
use crate::config::{self, Config, ConfigOverrides};

/// LLM monitoring in one binary: what your programs ask of language models, what they answer, take and cost.
#[derive(Debug, Parser)]
#[command(
    name = "hinomi",
    version,
    arg_required_else_help = true,
    after_help = "`hinomi serve` starts the server; everything else works beside it."
)]
struct Cli {
    #[command(subcommand)]
    command: CliCommand,
}

/// What every command shares.
#[derive(Debug, Args)]
struct CommonArguments {
    /// Data folder [default: this user's own; env: HINOMI_DATA]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file, TOML [env: HINOMI_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Start the server
    Serve {
        #[command(flatten)]
        common: CommonArguments,
        /// Address and port; port 0 lets the system choose [default: 127.0.0.1:8119; env: HINOMI_LISTEN]
        #[arg(long, value_name = "HOST:PORT", value_parser = address)]
        listen: Option<SocketAddr>,
        /// Write the port to this file when the server is ready
        #[arg(long, value_name = "FILE")]
        port_file: Option<PathBuf>,
        /// Send no messages of alerts; they wait
        #[arg(long)]
        quiet_notifications: bool,
    },
    /// Print a fresh one-time sign-in link
    Login {
        #[command(flatten)]
        common: CommonArguments,
    },
    Logout(access::LogoutCommand),
    /// API tokens
    #[command(subcommand)]
    Token(access::TokenCommand),
    /// Sessions of the page
    #[command(subcommand)]
    Session(access::SessionCommand),
    /// Projects
    #[command(subcommand)]
    Project(ProjectCommand),
    /// The price table and own prices
    #[command(subcommand)]
    Prices(prices::PricesCommand),
    /// Rules and budgets as a file
    #[command(subcommand)]
    Alerts(alerts::AlertsCommand),
    /// Give stored calls the costs that they have by the prices of now
    Reprice(reprice::RepriceCommand),
    /// Fill a project with made-up traffic, to see what Hinomi is for
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
    /// Bills of providers, to stand beside what was observed
    #[command(subcommand)]
    Bill(bill::BillCommand),
    /// Print the configuration of the running server, or that `hinomi serve` would have, as a file that can be used again
    Config {
        #[command(flatten)]
        common: CommonArguments,
    },
}

#[derive(Debug, Subcommand)]
enum ProjectCommand {
    /// Make a project and print its DSN
    Create {
        #[command(flatten)]
        common: CommonArguments,
        /// What it is called
        name: String,
    },
    /// List projects with their DSNs
    List {
        #[command(flatten)]
        common: CommonArguments,
    },
}

/// Runs the program. Exit status: 0 done, 1 failed, 2 asked for in a way that cannot be.
pub fn run() -> ExitCode {
    crate::file_permissions::create_for_owner_only();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return told(&error),
    };
    let done = execute(cli.command);
    file_owner::give_back_used();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let usage = error.is::<config::ConfigError>();
            let _ = writeln!(std::io::stderr(), "hinomi: {}", one_line(&error));
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

/// What happened, and why. A cause that the message before it has already said is not said again.
fn one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match () {
        () if said.contains(&cause) => said,
        () if said.is_empty() => cause,
        () => format!("{said}: {cause}"),
    })
}

/// Help and version go to standard output; a mistake is one clear line on standard error.
fn told(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
    }
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    // Which arguments are missing stands on lines of its own.
    let missing: Vec<_> = text.lines().skip(1).take_while(|line| line.starts_with("  ")).map(str::trim).collect();
    let _ =
        writeln!(std::io::stderr(), "hinomi: {line} {}(see hinomi --help)", missing.join(" ") + if missing.is_empty() { "" } else { " " });
    ExitCode::from(2)
}

fn execute(command: CliCommand) -> anyhow::Result<()> {
    match command {
        CliCommand::Serve { common, listen, port_file, quiet_notifications } => {
            let config = Config { quiet_notifications, ..in_force(&common, listen)? };
            serve::serve(&config, port_file.as_deref())
        }
        CliCommand::Login { common } => {
            let config = in_force(&common, None)?;
            let meta = existing(&config)?;
            let data = config.data.display();
            ensure!(
                holder(&config.data).is_some(),
                "no server is running on {data}, so a link would lead nowhere; start one with `hinomi serve --data {data}`, which prints a link, \
                 or name the folder of the running server with --data: the server prints it at its start"
            );
            say(&sign_in_link(&meta, &public_url(&meta, &config))?)
        }
        CliCommand::Token(command) => command.run(),
        CliCommand::Session(command) => command.run(),
        CliCommand::Logout(logout) => logout.run(),
        CliCommand::Project(ProjectCommand::Create { common, name }) => {
            let config = in_force(&common, None)?;
            let meta = existing(&config)?;
            let project = meta.create_project(&name, false)?;
            let dsn = dsn(&meta, &public_url(&meta, &config), project.id);
            say(&dsn.to_string())
        }
        CliCommand::Project(ProjectCommand::List { common }) => {
            let config = in_force(&common, None)?;
            let meta = existing(&config)?;
            let url = public_url(&meta, &config);
            for project in meta.directory().projects.values() {
                let notes = [(project.demo, " (demo)"), (project.disabled, " (disabled)")];
                // The demo's project has it in its name.
                let notes: String = notes.iter().filter(|(is, note)| *is && !project.name.ends_with(note)).map(|(_, note)| *note).collect();
                say(&format!("{}\t{}{notes}\t{}", project.id, project.name, dsn(&meta, &url, project.id)))?;
            }
            Ok(())
        }
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
            let config = in_force(&common, None)?;
            say(config::print_beside(&config, running_server::configuration(&config.data).as_deref()).trim_end())
        }
    }
}

fn in_force(common: &CommonArguments, listen: Option<SocketAddr>) -> anyhow::Result<Config> {
    let flags = ConfigOverrides { config: common.config.clone(), data: common.data.clone(), listen };
    let config = config::load(&flags, |name| std::env::var(name).ok())?;
    crate::backup::check_finished(&config.data)?;
    file_owner::uses(&config.data);
    Ok(config)
}

/// The database of a data folder that is there: a command that only looks, or works beside a server, makes none.
fn existing(config: &Config) -> anyhow::Result<MetadataStore> {
    let is_there = config.data.join("hinomi.db").exists();
    ensure!(
        is_there,
        "{} is no data folder; name the one of your server with --data (the server prints it at its start), or make one with `hinomi serve`",
        config.data.display()
    );
    Ok(MetadataStore::open(&config.data)?)
}

/// What links are made from: as set, else as the running server wrote it down, else where it would listen.
fn public_url(meta: &MetadataStore, config: &Config) -> String {
    if !config.public_url.is_empty() {
        return config.public_url.clone();
    }
    meta.get(ADDRESS).unwrap_or_else(|| format!("http://{}", config.listen))
}

fn sign_in_link(meta: &MetadataStore, public_url: &str) -> anyhow::Result<String> {
    Ok(format!("{public_url}/login?token={}", meta.create_sign_in()?))
}

fn dsn(meta: &MetadataStore, public_url: &str, project: u64) -> String {
    let directory = meta.directory();
    let (scheme, rest) = public_url.split_once("://").unwrap_or(("http", public_url));
    match directory.first_key(project) {
        Some(key) => format!("{scheme}://{}@{rest}/{project}", key.public_key),
        None => "(no key yet: start the server once)".to_owned(),
    }
}

/// A line on standard error, which nobody takes for the answer.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "hinomi: {line}");
}

/// Asks a person who sits there.
fn confirmed(question: &str) -> anyhow::Result<bool> {
    write!(std::io::stderr(), "{question}")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// One line on standard output.
fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write to standard output")
}

/// `localhost:8119` as well as `127.0.0.1:8119`.
fn address(text: &str) -> Result<SocketAddr, String> {
    use std::net::ToSocketAddrs;
    let reason = "expected HOST:PORT, such as 127.0.0.1:8119 or 0.0.0.0:8119";
    text.to_socket_addrs().map_err(|_| reason.to_owned())?.next().ok_or_else(|| reason.to_owned())
}

/// Whether a person reads what is written.
fn is_interactive() -> bool {
    std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let cause = || std::io::Error::other("no such file");
        let error = anyhow::Error::from(crate::config::ConfigError::Unreadable { path: "x.toml".into(), source: cause() });
        assert_eq!(one_line(&error), "cannot read the configuration file x.toml: no such file");
        assert_eq!(one_line(&anyhow::Error::from(cause()).context("cannot start")), "cannot start: no such file");
    }
}
