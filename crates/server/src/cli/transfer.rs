//! `hinomi export` and `hinomi import`: write and read files of spans.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::running_server::{CommandSession, RunningServer};
use super::{CommonArguments, effective_config, open_existing, print_line};
use crate::transfer::{SpanFileFormat, to_json_lines};

/// Export spans of a project as Parquet, JSON lines or CSV
#[derive(Debug, Args)]
pub(super) struct ExportCommand {
    #[command(flatten)]
    common: CommonArguments,
    /// Project number
    #[arg(long, value_name = "N", default_value_t = 1)]
    project: u64,
    /// Start, inclusive: RFC 3339, YYYY-MM-DD, or relative such as -7d [default: oldest span]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// End, exclusive, same forms as --from [default: no end]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// Export only spans that match this filter, such as "model:gpt-4o* status:error" [default: all]
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    query: Option<String>,
    /// File format: parquet, jsonl or csv [default: from the file extension, else jsonl]
    #[arg(long)]
    format: Option<SpanFileFormat>,
    /// Output file, or - for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Overwrite the file if it exists
    #[arg(long)]
    force: bool,
}

/// Import exported spans; spans that are already stored stay unchanged
#[derive(Debug, Args)]
pub(super) struct ImportCommand {
    #[command(flatten)]
    common: CommonArguments,
    /// Project number to import into
    #[arg(long, value_name = "N", default_value_t = 1)]
    project: u64,
    /// Parquet, JSON lines or CSV file
    file: PathBuf,
}

impl ExportCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = effective_config(&self.common, None)?;
        ensure!(
            self.force || self.is_pipe() || !self.out.exists(),
            "{} already exists; choose another name or use --force",
            self.out.display()
        );
        let meta = open_existing(&config)?;
        let server = RunningServer::find_server(&meta, None)?;
        let named = self.out.extension().and_then(|extension| extension.to_str()?.parse().ok());
        let format = self.format.or(named).unwrap_or(SpanFileFormat::Jsonl);
        let session = CommandSession::begin_session(&meta)?;
        let mut request = session
            .authenticate(server.agent.get(format!("{}/api/v1/projects/{}/export", server.address, self.project)))
            .query("format", format.extension());
        for (name, value) in [("from", &self.from), ("to", &self.to), ("q", &self.query)] {
            if let Some(value) = value {
                request = request.query(name, value);
            }
        }
        request.call().map_err(anyhow::Error::from).and_then(|mut answer| {
            if answer.status().as_u16() != 200 {
                bail!("{}", error_message(&answer.body_mut().read_to_string()?));
            }
            let spans = answer.headers().get("x-hinomi-spans").and_then(|value| value.to_str().ok()?.parse().ok());
            self.write(answer.body_mut().with_config().limit(u64::MAX).reader(), format, spans)
        })
    }

    fn is_pipe(&self) -> bool {
        self.out.as_os_str() == "-"
    }

    fn write(&self, mut from: impl Read, format: SpanFileFormat, spans: Option<u64>) -> anyhow::Result<()> {
        let name = self.out.display();
        let to_pipe = self.is_pipe();
        // The file gets its name only when it is complete.
        let beside = PathBuf::from(format!("{name}.part"));
        let mut out: Box<dyn Write> = match to_pipe {
            true => Box::new(io::stdout().lock()),
            false => {
                // Remove the leftover of a killed export, so that the new file has this user's permissions.
                let _ = std::fs::remove_file(&beside);
                let file = File::options().write(true).create_new(true).open(&beside);
                Box::new(file.with_context(|| format!("cannot create {}", beside.display()))?)
            }
        };
        let bar = match spans.filter(|_| format != SpanFileFormat::Parquet) {
            Some(spans) => ProgressBar::new(spans),
            None => ProgressBar::no_length(),
        };
        let form =
            if bar.length().is_some() { "export [{bar:30}] {pos} of {len} spans, {eta} left" } else { "export {bytes}, {bytes_per_sec}" };
        bar.set_style(ProgressStyle::with_template(form)?);
        let mut piece = vec![0; 1 << 18];
        let mut copy = || -> anyhow::Result<()> {
            loop {
                let length = from.read(&mut piece).context("the server ended the response early; see its log")?;
                if length == 0 {
                    return Ok(out.flush()?);
                }
                out.write_all(&piece[..length]).with_context(|| format!("cannot write {name}"))?;
                let lines = || piece[..length].iter().filter(|byte| **byte == b'\n').count();
                bar.inc(if bar.length().is_some() { lines() } else { length } as u64);
            }
        };
        let copied = copy();
        bar.finish_and_clear();
        if to_pipe {
            return copied;
        }
        let named = copied.and_then(|()| std::fs::rename(&beside, &self.out).with_context(|| format!("cannot create {name}")));
        named.inspect_err(|_| drop(std::fs::remove_file(&beside)))?;
        print_line(&format!("{name}: {} spans", spans.map_or_else(|| "unknown number of".to_owned(), |spans| spans.to_string())))
    }
}

impl ImportCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = effective_config(&self.common, None)?;
        let meta = open_existing(&config)?;
        let server = RunningServer::find_server(&meta, None)?;
        let bar = ProgressBar::new(1000);
        bar.set_style(ProgressStyle::with_template("import [{bar:30}] {percent} %, {eta} left")?);
        let session = CommandSession::begin_session(&meta)?;
        let mut sums = [0; 5];
        let done = to_json_lines(&self.file, |lines, part| {
            let url = format!("{}/api/v1/projects/{}/import", server.address, self.project);
            let mut answer = session.authenticate(server.agent.post(url)).send(lines)?;
            let text = answer.body_mut().read_to_string()?;
            ensure!(answer.status().as_u16() == 200, "{}", error_message(&text));
            let counts: Value = serde_json::from_str(&text).context("the running server is another version of Hinomi; restart it")?;
            for (sum, name) in sums.iter_mut().zip(["read", "stored", "duplicates", "joined", "too_old"]) {
                *sum += counts[name].as_u64().unwrap_or(0);
            }
            bar.set_position((part * 1000.0) as u64);
            Ok(())
        });
        bar.finish_and_clear();
        let [read, stored, duplicates, joined, too_old] = sums;
        let mut told = format!("{read} spans read: {stored} stored, {duplicates} already stored, {joined} joined with stored parts");
        if too_old > 0 {
            told += &format!("; {too_old} not stored, because they are older than the retention of project {}", self.project);
        }
        done.with_context(|| format!("{told}; run the same command again to import the rest (nothing is stored twice)"))?;
        print_line(&told)
    }
}

/// Returns the message and hint of an error response, or the text itself.
pub(super) fn error_message(text: &str) -> String {
    let error: Value = serde_json::from_str(text).unwrap_or_default();
    match (error["error"]["message"].as_str(), error["error"]["hint"].as_str()) {
        (Some(message), Some(hint)) => format!("{message}. {hint}"),
        (Some(message), None) => message.to_owned(),
        _ => text.to_owned(),
    }
}
