//! `hinomi demo`: a demo project, filled through the regular ingestion endpoint.

use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use hinomi_tables::metadata::ProjectRecord;
use indicatif::{ProgressBar, ProgressStyle};

use super::running_server::RunningServer;
use super::{CommonArguments, effective_config, open_existing, print_line, sign_in_link};
use crate::app::PUBLIC_URL_SETTING;
use crate::demo::{DemoEnvelope, envelopes, live};

/// Name of the demo project, a fictional travel agency.
const PROJECT_NAME: &str = "tabi-desk (demo)";
/// Timeout of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Number of concurrent requests.
const CONCURRENT_REQUESTS: usize = 4;
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Debug, Args)]
pub(super) struct DemoCommand {
    #[command(flatten)]
    common: CommonArguments,
    /// Days of traffic to generate, up to now: 1 to 90
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=90))]
    days: u32,
    /// Then send live traffic until the command is stopped
    #[arg(long)]
    live: bool,
    /// Seed of the random generator; another seed gives different traffic
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl DemoCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = effective_config(&self.common, None)?;
        let meta = open_existing(&config)?;
        let server = RunningServer::find_server(&meta, REQUEST_TIMEOUT)?;
        let known = meta.directory().projects.values().find(|project| project.demo).cloned();
        let (project, filled) = match known {
            Some(project) => (project, true),
            None => (meta.create_project(PROJECT_NAME, true)?, false),
        };
        let key = meta
            .directory()
            .first_key(project.id)
            .context("the demo project has no ingest key; create one on its settings page")?
            .public_key
            .clone();
        let to = DemoDestination { server, project, key };
        if !filled {
            to.send_history(self.seed, DAY * self.days)?;
        } else if !self.live {
            bail!("project {} already has demo traffic; use --live to send new traffic", to.project.id);
        }
        let url = meta.setting(PUBLIC_URL_SETTING).unwrap_or_default();
        print_line(&format!("Open {}", sign_in_link(&meta, &url)?))?;
        print_line(&format!("and select the project {PROJECT_NAME}."))?;
        if self.live {
            print_line("Sending live traffic. Press Ctrl-C to stop.")?;
            to.send_live(self.seed)?;
        }
        Ok(())
    }
}

struct DemoDestination {
    server: RunningServer,
    project: ProjectRecord,
    key: String,
}

impl DemoDestination {
    /// Sends traffic for a past period, several requests at a time.
    fn send_history(&self, seed: u64, span: Duration) -> anyhow::Result<()> {
        let now_us = jiff::Timestamp::now().as_microsecond();
        let bar = ProgressBar::new(span.as_secs()).with_style(ProgressStyle::with_template("{msg} [{bar:30}] {percent}%")?);
        bar.set_message("sending traffic");
        let rest = Mutex::new(envelopes(seed, now_us, span, &self.key));
        let sent = AtomicU64::new(0);
        let start_us = now_us - i64::try_from(span.as_micros())?;
        let work = || -> anyhow::Result<()> {
            loop {
                let next = rest.lock().map_err(|_| anyhow::anyhow!("another sender failed"))?.next();
                let Some(envelope) = next else { return Ok(()) };
                self.send_envelope(&envelope)?;
                sent.fetch_add(1, Ordering::Relaxed);
                bar.set_position(u64::try_from((envelope.end_us - start_us) / 1_000_000).unwrap_or(0));
            }
        };
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..CONCURRENT_REQUESTS).map(|_| scope.spawn(work)).collect();
            senders.into_iter().try_for_each(|sender| sender.join().map_err(|_| anyhow::anyhow!("a sender failed"))?)
        })?;
        bar.finish_and_clear();
        print_line(&format!("Sent {} envelopes to project {} ({PROJECT_NAME}).", sent.load(Ordering::Relaxed), self.project.id))
    }

    /// Sends live traffic until the process ends.
    fn send_live(&self, seed: u64) -> anyhow::Result<()> {
        let now_us = jiff::Timestamp::now().as_microsecond();
        // Each start needs other IDs: repeated ones would be duplicates.
        for envelope in live(seed ^ now_us.unsigned_abs(), now_us, &self.key) {
            let wait_us = envelope.end_us - jiff::Timestamp::now().as_microsecond();
            std::thread::sleep(Duration::from_micros(u64::try_from(wait_us).unwrap_or(0)));
            self.send_envelope(&envelope)?;
        }
        Ok(())
    }

    fn send_envelope(&self, envelope: &DemoEnvelope) -> anyhow::Result<()> {
        let url = format!("{}/api/{}/envelope/?sentry_key={}", self.server.address, self.project.id, self.key);
        loop {
            let mut answer = self.server.agent.post(&url).header("content-type", "application/x-sentry-envelope").send(&envelope.body)?;
            let status = answer.status().as_u16();
            if status / 100 == 2 {
                return Ok(());
            }
            let mut said = String::new();
            let _ = answer.body_mut().as_reader().take(1000).read_to_string(&mut said);
            // Under this load the server may ask to slow down.
            if status != 429 {
                bail!("the server responded with {status}: {said}");
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}
