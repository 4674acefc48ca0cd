//! `hinomi bill`: imports bills from the exports of providers.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use hinomi_model::bill;
use hinomi_tables::bills::BillStore;

use super::{CommonArguments, effective_config, open_existing, print_line};

/// Maximum number of unreadable rows that the command prints.
const MAX_PRINTED_ROWS: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum BillCommand {
    /// Import a cost or usage export of OpenAI or Anthropic, or a table with day, model and amount
    Import {
        #[command(flatten)]
        common: CommonArguments,
        /// Project number
        #[arg(long, value_name = "N", default_value_t = 1)]
        project: u64,
        /// CSV or JSON file
        file: PathBuf,
    },
}

impl BillCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let BillCommand::Import { common, project, file } = self;
        let config = effective_config(&common, None)?;
        let meta = open_existing(&config)?;
        let name = file.display().to_string();
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {name}"))?;
        let export = bill::read(&bytes).with_context(|| name.clone())?;
        meta.project(project)?;
        let file_name = file.file_name().map_or_else(|| name.clone(), |name| name.to_string_lossy().into_owned());
        BillStore::open(&config.data)?.import(project, &file_name, &export)?;
        let days = export.lines.iter().map(|line| line.day);
        let range = days.clone().min().zip(days.max()).map(|(from, to)| format!(", {from} to {to}")).unwrap_or_default();
        print_line(&format!("{}: {} rows, {} imported{range}", export.format, export.rows, export.rows - export.unread.len()))?;
        if !export.unknown_columns.is_empty() {
            print_line(&format!("ignored columns: {}", export.unknown_columns.join(", ")))?;
        }
        for row in export.unread.iter().take(MAX_PRINTED_ROWS) {
            print_line(&format!("line {}: {}", row.line, row.why))?;
        }
        if export.unread.len() > MAX_PRINTED_ROWS {
            print_line(&format!("and {} more unreadable rows", export.unread.len() - MAX_PRINTED_ROWS))?;
        }
        Ok(())
    }
}
