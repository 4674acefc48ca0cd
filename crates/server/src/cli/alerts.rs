//! `hinomi alerts`: manages rules and budgets as a TOML file.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use hinomi_alerting::delivery::NotificationOutbox;
use hinomi_alerting::{AlertFile, AlertFileChange, AlertFileChangeKind, AlertService, ChannelNames, read_file, write_file};

use super::{CommonArguments, effective_config, open_existing, print_line};

#[derive(Debug, Subcommand)]
pub(super) enum AlertsCommand {
    /// Apply rules and budgets from a TOML file; shows the changes and asks first
    Apply {
        #[command(flatten)]
        of: AlertsProjectArguments,
        /// TOML file as written by `hinomi alerts export`
        file: PathBuf,
        /// Apply without asking for confirmation
        #[arg(long)]
        yes: bool,
        /// Delete rules and budgets that are not in the file
        #[arg(long)]
        prune: bool,
    },
    /// List rules and budgets
    List {
        #[command(flatten)]
        of: AlertsProjectArguments,
    },
    /// Print rules and budgets as a TOML file
    Export {
        #[command(flatten)]
        of: AlertsProjectArguments,
    },
}

/// Arguments that select a project.
#[derive(Debug, Args)]
pub(super) struct AlertsProjectArguments {
    #[command(flatten)]
    common: CommonArguments,
    /// Project number
    #[arg(long, value_name = "N", default_value_t = 1)]
    project: u64,
}

struct AlertsCommandContext {
    alerts: AlertService,
    project: u64,
    targets: ChannelNames,
}

impl AlertsProjectArguments {
    fn open(&self) -> anyhow::Result<AlertsCommandContext> {
        let config = effective_config(&self.common, None)?;
        let project = open_existing(&config)?.project(self.project)?.id;
        let cipher = config.secrets.cipher()?;
        let data = config.data;
        let targets =
            NotificationOutbox::open(&data, cipher)?.targets(project)?.into_iter().map(|target| (target.name, target.id)).collect();
        Ok(AlertsCommandContext { alerts: AlertService::open(&data)?, project, targets })
    }
}

impl AlertsCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            AlertsCommand::Apply { of, file, yes, prune } => apply(&of.open()?, &file, yes, prune),
            AlertsCommand::List { of } => print_list(&of.open()?),
            AlertsCommand::Export { of } => {
                let context = of.open()?;
                let AlertsCommandContext { alerts, project, targets } = &context;
                let rules = alerts.rules(*project)?.into_iter().map(|kept| kept.definition).collect();
                let budgets = alerts.budgets(*project)?.into_iter().map(|kept| kept.definition).collect();
                print_line(write_file(&AlertFile { rules, budgets }, targets)?.trim_end())
            }
        }
    }
}

fn apply(context: &AlertsCommandContext, path: &std::path::Path, yes: bool, prune: bool) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = read_file(&text, &context.targets).with_context(|| format!("cannot apply {}", path.display()))?;
    let differences = context.alerts.compare_file(context.project, &file, &context.targets)?;
    for difference in &differences {
        print_difference(difference, prune)?;
    }
    if differences.iter().all(|difference| difference.kind == AlertFileChangeKind::Missing && !prune) {
        return print_line("No changes.");
    }
    if !yes && !is_confirmed()? {
        bail!("nothing changed");
    }
    context.alerts.apply_file(context.project, &file, prune)?;
    print_line("Applied. A running server uses the changes within a second.")
}

fn print_difference(difference: &AlertFileChange, prune: bool) -> anyhow::Result<()> {
    let AlertFileChange { source, name, kind } = difference;
    let source = source.name();
    match kind {
        AlertFileChangeKind::Added => print_line(&format!("+ {source} {name:?}")),
        AlertFileChangeKind::Changed(fields) => {
            print_line(&format!("~ {source} {name:?}"))?;
            fields.iter().try_for_each(|(field, before, after)| print_line(&format!("    {field}: {before} -> {after}")))
        }
        AlertFileChangeKind::Missing if prune => print_line(&format!("- {source} {name:?}")),
        AlertFileChangeKind::Missing => print_line(&format!("  {source} {name:?} is not in the file and stays; use --prune to delete it")),
    }
}

fn is_confirmed() -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nothing changed; use --yes to apply without confirmation");
    }
    super::ask_confirmation("Apply these changes? [y/N] ")
}

fn print_list(context: &AlertsCommandContext) -> anyhow::Result<()> {
    for kept in context.alerts.rules(context.project)? {
        let rule = kept.definition;
        let thresholds = [("warning", rule.warning), ("critical", rule.critical)];
        let thresholds: Vec<String> = thresholds.iter().filter_map(|(name, value)| value.map(|value| format!("{name} {value}"))).collect();
        let off = if rule.enabled { "" } else { " (disabled)" };
        print_line(&format!(
            "rule\t{}\t{}{off}\t{} over {}\t{}",
            kept.id,
            rule.name,
            rule.measure.name(),
            rule.window,
            thresholds.join(", ")
        ))?;
    }
    for kept in context.alerts.budgets(context.project)? {
        let budget = kept.definition;
        let off = if budget.enabled { "" } else { " (disabled)" };
        let period = format!("{:?}", budget.period).to_lowercase();
        print_line(&format!(
            "budget\t{}\t{}{off}\t{} {} per {period} ({})",
            kept.id,
            budget.name,
            budget.amount,
            budget.measure.name(),
            budget.time_zone
        ))?;
    }
    Ok(())
}
