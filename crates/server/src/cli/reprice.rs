//! `hinomi reprice`: recalculates the cost of stored calls with current prices.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use hinomi_model::api_time::rfc3339;
use hinomi_tables::metadata::JobState;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::json;
use ureq::Body;
use ureq::http::Response;

use super::prices::dollars;
use super::running_server::{CommandSession, RunningServer};
use super::{CommonArguments, effective_config, is_interactive, open_existing, print_line, print_note, time};
use crate::reprice::RepriceReport;

const DAY_US: i64 = 86_400_000_000;
/// Interval between two polls of a job.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
const VERSION_MISMATCH: &str = "the running server is another version of Hinomi; restart it";
/// Timeout of one request; a dry run requests one day at a time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3600);

#[derive(Debug, Args)]
pub(super) struct RepriceCommand {
    #[command(flatten)]
    common: CommonArguments,
    /// Start, inclusive: RFC 3339, YYYY-MM-DD, or relative such as -7d
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    from: i64,
    /// End, exclusive, same forms as --from [default: now]
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    to: Option<i64>,
    /// Project number [default: all projects]
    #[arg(long, value_name = "N")]
    project: Option<u64>,
    /// Print what would change without changing anything
    #[arg(long)]
    dry_run: bool,
}

impl RepriceCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = effective_config(&self.common, None)?;
        let meta = open_existing(&config)?;
        let server = RunningServer::find_server(&meta, REQUEST_TIMEOUT)?;
        let to = self.to.unwrap_or_else(|| jiff::Timestamp::now().as_microsecond());
        if to <= self.from {
            bail!("--to must be after --from");
        }
        let projects: Vec<u64> = match self.project {
            Some(project) => vec![meta.project(project)?.id],
            None => meta.directory().projects.keys().copied().collect(),
        };
        self.reprice_projects(&server, &CommandSession::begin_session(&meta)?, &projects, to)
    }

    fn reprice_projects(&self, server: &RunningServer, session: &CommandSession, projects: &[u64], to: i64) -> anyhow::Result<()> {
        for project in projects {
            let bar = ProgressBar::no_length();
            bar.set_message(format!("project {project}"));
            let sum = if self.dry_run {
                self.dry_run(server, session, *project, to, &bar)?
            } else {
                self.run_job(server, session, *project, to, &bar)?
            };
            bar.finish_and_clear();
            self.print_report(*project, &sum)?;
        }
        Ok(())
    }

    /// Requests a dry run for one day at a time and returns the sum.
    fn dry_run(
        &self,
        server: &RunningServer,
        session: &CommandSession,
        project: u64,
        to: i64,
        bar: &ProgressBar,
    ) -> anyhow::Result<RepriceReport> {
        let days = split_into_days(self.from, to);
        bar.set_style(ProgressStyle::with_template("{msg} [{bar:30}] {pos} of {len} days, {eta} left")?);
        bar.set_length(days.len() as u64);
        let mut sum = RepriceReport::default();
        for (from, to) in &days {
            let body = json!({ "from": rfc3339(*from), "to": rfc3339(*to), "dry_run": true });
            let request = server.agent.post(format!("{}/api/v1/projects/{project}/reprice", server.address));
            let text = expect_status(session.authenticate(request).send_json(&body)?, 200)?;
            sum.add(serde_json::from_str(&text).context(VERSION_MISMATCH)?);
            bar.inc(1);
        }
        Ok(sum)
    }

    /// Starts a job on the server and waits until the job ends.
    fn run_job(
        &self,
        server: &RunningServer,
        session: &CommandSession,
        project: u64,
        to: i64,
        bar: &ProgressBar,
    ) -> anyhow::Result<RepriceReport> {
        let body = json!({ "from": rfc3339(self.from), "to": rfc3339(to), "wait": false });
        let request = server.agent.post(format!("{}/api/v1/projects/{project}/reprice", server.address));
        let text = expect_status(session.authenticate(request).send_json(&body)?, 202)?;
        let mut job: RepriceJobReport = serde_json::from_str(&text).context(VERSION_MISMATCH)?;
        if is_interactive() {
            print_note(&format!("job {} continues on the server if you interrupt this command", job.id));
        }
        bar.set_style(ProgressStyle::with_template("{msg} [{bar:30}] {pos} of {len} calls, {eta} left")?);
        loop {
            bar.set_length(job.total);
            bar.set_position(job.done);
            match job.state {
                JobState::Done => return Ok(job.result.unwrap_or_default()),
                JobState::Failed | JobState::Cancelled => {
                    let why = job.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                    let far = job
                        .reached
                        .map(|reached| format!("; calls before {reached} have new costs, later calls may still have their old costs"))
                        .unwrap_or_default();
                    bail!("project {project}: job {} {}{why}{far}; run the command again to finish", job.id, job.state.name())
                }
                JobState::Queued | JobState::Running | JobState::Paused => std::thread::sleep(POLL_INTERVAL),
            }
            let request = server.agent.get(format!("{}/api/v1/jobs/{}", server.address, job.id));
            let text = expect_status(session.authenticate(request).call()?, 200)?;
            job = serde_json::from_str(&text).context(VERSION_MISMATCH)?;
        }
    }

    fn print_report(&self, project: u64, sum: &RepriceReport) -> anyhow::Result<()> {
        let (change, after) = if self.dry_run { ("would change", "would be") } else { ("changed", "is now") };
        print_line(&format!("project {project}: {} of {} calls {change}", sum.changed, sum.calls))?;
        if sum.changed == 0 {
            return Ok(());
        }
        let amount = |amount: Option<f64>| amount.map_or_else(|| "unknown".to_owned(), dollars);
        print_line(&format!("  total cost was {} and {after} {}", amount(sum.cost_before), amount(sum.cost_after)))?;
        if sum.newly_priced > 0 {
            print_line(&format!("  {} had no price before", sum.newly_priced))?;
        }
        if sum.no_longer_priced > 0 {
            print_line(&format!("  {} no longer have a price", sum.no_longer_priced))?;
        }
        for model in &sum.models {
            let prices: Vec<&str> = model.prices.iter().map(String::as_str).collect();
            let name = model.model.as_deref().unwrap_or("(no model)");
            print_line(&format!(
                "  {name}: {} calls, {} to {}  {}",
                model.calls,
                amount(model.cost_before),
                amount(model.cost_after),
                prices.join(", ")
            ))?;
        }
        Ok(())
    }
}

/// Fields of a job that the command reads.
#[derive(Debug, Deserialize)]
struct RepriceJobReport {
    id: i64,
    state: JobState,
    done: u64,
    total: u64,
    reason: Option<String>,
    reached: Option<String>,
    result: Option<RepriceReport>,
}

/// Returns the body of a response, or an error if the response does not have the expected status.
fn expect_status(mut answer: Response<Body>, status: u16) -> anyhow::Result<String> {
    let text = answer.body_mut().read_to_string()?;
    if answer.status().as_u16() != status {
        bail!("the server responded with {}: {text}", answer.status());
    }
    Ok(text)
}

/// Splits the range at midnight UTC.
fn split_into_days(from: i64, to: i64) -> Vec<(i64, i64)> {
    let mut days = Vec::new();
    let mut start = from;
    while start < to {
        let end = ((start.div_euclid(DAY_US) + 1) * DAY_US).min(to);
        days.push((start, end));
        start = end;
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_into_days() {
        assert_eq!(split_into_days(DAY_US / 2, 2 * DAY_US), [(DAY_US / 2, DAY_US), (DAY_US, 2 * DAY_US)]);
        assert_eq!(split_into_days(5, 7), [(5, 7)]);
        assert_eq!(split_into_days(5, 5), []);
    }
}
