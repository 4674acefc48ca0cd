//! `hinomi serve`: runs the server.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use super::{dsn, print_line, sign_in_link};
use crate::app::{App, write_atomically};
use crate::config::{Config, ConfigError, LogFormat};
use crate::file_permissions;

pub(super) fn serve(config: &Config, port_file: Option<&Path>) -> anyhow::Result<()> {
    init_logging(config)?;
    file_permissions::restrict_permissions(&config.data);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("hinomi").build()?;
    runtime.block_on(async {
        let app = App::open(config).await?;
        let stop = stop_signal()?;
        ignore_signals()?;
        print_start(&app, config)?;
        if let Some(path) = port_file {
            let port = app.port()?.to_string();
            write_atomically(path, &port).with_context(|| format!("cannot write the port file {}", path.display()))?;
        }
        tracing::info!(url = app.api().public_url, data = %config.data.display(), version = crate::VERSION, "server.listener.ready");
        app.serve(stop).await
    })
}

/// Prints the page's URL, the DSN and the data directory.
fn print_start(app: &App, config: &Config) -> anyhow::Result<()> {
    let (meta, url) = (&app.api().meta, &app.api().public_url);
    print_line(&format!("Hinomi {} is ready.\n", crate::VERSION))?;
    // A sign-in link belongs on a terminal, not in a journal that others may read.
    if std::io::stdout().is_terminal() {
        print_line(&format!("  Page     {}", sign_in_link(meta, url)?))?;
        print_line("           (one-time sign-in link, valid for an hour; `hinomi login` prints a new one)")?;
    } else {
        print_line(&format!("  Page     {url}"))?;
        print_line("           (`hinomi login` prints a sign-in link)")?;
    }
    print_line(&format!("  DSN      {}", dsn(meta, url, 1)))?;
    print_line("           (set it as SENTRY_DSN for the Sentry SDK of your program)")?;
    print_line(&format!("  Data     {}\n", config.data.display()))
}

fn init_logging(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| ConfigError::Invalid { origin: "log".into(), reason: format!("{:?}: {error}", config.log) })?;
    // Standard output is for the greeting; log lines go to standard error.
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match config.log_format {
        LogFormat::Text => lines.with_ansi(super::is_interactive()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}

fn signal_ignored(name: &str) {
    tracing::warn!(signal = name, hint = "restart the server to change its settings", "server.signal.ignored");
}

/// Ignores signals that would otherwise end the process. Other servers write more to their log or reopen files on these signals.
fn ignore_signals() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        for (name, kind) in [("SIGUSR1", SignalKind::user_defined1()), ("SIGUSR2", SignalKind::user_defined2())] {
            let mut received = signal(kind)?;
            tokio::spawn(async move {
                while received.recv().await.is_some() {
                    signal_ignored(name);
                }
            });
        }
    }
    Ok(())
}

/// Returns a future that completes when the process should stop.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    Ok(async move {
        #[cfg(unix)]
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return,
                _ = terminate.recv() => return,
                // The terminal was closed; without a terminal, SIGHUP usually means a request to reload the configuration.
                _ = hangup.recv() => if std::io::stdout().is_terminal() { return } else { signal_ignored("SIGHUP") },
            }
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}
