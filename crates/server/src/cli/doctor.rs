//! `hinomi doctor`: checks a data directory and says what to do about each problem.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use hinomi_alerting;
use hinomi_alerting::delivery;
use hinomi_store::doctor::{DoctorFinding, DoctorSeverity, check_store, lock_holder};
use hinomi_store::free_bytes;
use hinomi_store::repair;
use hinomi_tables::metadata::MetadataStore;
use hinomi_tables::{
    audit_log, bills, database, error_events, evaluators, findings, forwards, log_lines, media, metadata, otel_metrics, outcomes, scores,
    share_links,
};
use indicatif::{ProgressBar, ProgressStyle};

use super::security_findings::check_security;
use super::{CommonArguments, effective_config, print_line};
use crate::config::Config;
use crate::retention;

/// Databases other than the manifest, and the newest supported format of each.
const DATABASES: [(&str, u32); 15] = [
    ("hinomi.db", metadata::FORMAT),
    ("audit.db", audit_log::FORMAT),
    ("errors.db", error_events::FORMAT),
    ("scores.db", scores::FORMAT),
    ("evaluators.db", evaluators::FORMAT),
    ("findings.db", findings::FORMAT),
    ("logs.db", log_lines::FORMAT),
    ("metrics.db", otel_metrics::FORMAT),
    ("alerts.db", hinomi_alerting::FORMAT),
    ("notify.db", delivery::FORMAT),
    ("bill.db", bills::FORMAT),
    ("outcomes.db", outcomes::FORMAT),
    ("forwards.db", forwards::FORMAT),
    ("media.db", media::FORMAT),
    ("shares.db", share_links::FORMAT),
];

/// Check the data directory (exit status 0: no problems, 1: problems found)
#[derive(Debug, Args)]
pub(super) struct DoctorCommand {
    #[command(flatten)]
    common: CommonArguments,
    /// Repair the manifest and quarantined segments first; the server must be stopped (deletes nothing)
    #[arg(long)]
    repair: bool,
    /// Check what is open to others instead: network, keys, tokens, accounts and stored secrets
    #[arg(long, conflicts_with = "repair")]
    security: bool,
    /// Also list checks that passed
    #[arg(long, short)]
    verbose: bool,
}

impl DoctorCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = effective_config(&self.common, None)?;
        let root = &config.data;
        if !root.is_dir() {
            bail!("{} is not a directory; pass the data directory with --data", root.display());
        }
        if self.security {
            return self.print_findings(root, &check_security(root, &config));
        }
        let mut findings = if self.repair { repair(root)? } else { Vec::new() };
        findings
            .iter_mut()
            .filter(|finding| finding.severity == DoctorSeverity::Fine)
            .for_each(|done| done.severity = DoctorSeverity::Note);
        findings.extend(check_environment(root, &config));
        let bar = ProgressBar::new(0);
        bar.set_style(ProgressStyle::with_template("segments [{bar:30}] {pos} of {len}, {eta} left")?);
        findings.extend(check_store(root, |done, of| {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        }));
        bar.finish_and_clear();
        findings.extend(check_databases(root));
        let prices = hinomi_tables::prices::check_sources(root, &config.prices).into_iter();
        findings.extend(
            prices.map(|fault| DoctorFinding::problem(fault.to_string(), "the previous prices stay effective; fix or remove the file")),
        );
        findings.extend(check_retention(root, &config));
        self.print_findings(root, &findings)
    }

    fn print_findings(&self, root: &Path, findings: &[DoctorFinding]) -> anyhow::Result<()> {
        for finding in findings {
            let sign = match finding.severity {
                DoctorSeverity::Fine if !self.verbose => continue,
                DoctorSeverity::Fine => "ok     ",
                DoctorSeverity::Note => "note   ",
                DoctorSeverity::Problem => "PROBLEM",
            };
            print_line(&format!("{sign}  {}", finding.description))?;
            if !finding.remedy.is_empty() {
                print_line(&format!("         {}", finding.remedy))?;
            }
        }
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        let (fine, notes, problems) = (count(DoctorSeverity::Fine), count(DoctorSeverity::Note), count(DoctorSeverity::Problem));
        if problems > 0 {
            bail!("{}: {problems} of {} checks found a problem", root.display(), fine + notes + problems);
        }
        print_line(&format!("{}: no problems found ({fine} checks, {notes} notes)", root.display()))
    }
}

/// Checks which process uses the directory, the free disk space, and owners and permissions.
fn check_environment(root: &Path, config: &Config) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    match lock_holder(root) {
        Some(pid) => findings
            .push(DoctorFinding::note(format!("process {pid} has the directory open; files that it is writing are not checked"), "")),
        None => findings.push(DoctorFinding::fine("no process has the directory open")),
    }
    let reserve = config.disk.reserve_bytes;
    match free_bytes(root) {
        Some(free) if free < reserve => findings.push(DoctorFinding::problem(
            format!("{:.1} MB are free, less than the reserve of {:.1} MB: ingestion is stopped", free as f64 / 1e6, reserve as f64 / 1e6),
            "free some space, move the directory to a larger disk, or lower disk.reserve_bytes",
        )),
        Some(free) => findings.push(DoctorFinding::fine(format!("{:.1} MB are free", free as f64 / 1e6))),
        None => findings.push(DoctorFinding::note("cannot determine the free disk space", "")),
    }
    match check_permissions(root) {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(DoctorFinding::problem(format!("{error:#}"), "give this user permission to read the whole directory")),
    }
    findings
}

/// Finds files that the owner of the directory cannot write, for example after a start as another user. Also checks whether other users can
/// read the directory.
fn check_permissions(root: &Path) -> anyhow::Result<Vec<DoctorFinding>> {
    let of_root = std::fs::metadata(root).with_context(|| root.display().to_string())?;
    let mut findings = Vec::new();
    if of_root.permissions().mode() & 0o077 != 0 {
        let what = format!("other users of this machine can read {}, which contains prompts and keys", root.display());
        findings.push(DoctorFinding::note(what, format!("chmod 700 {}", root.display())));
    }
    let mut foreign = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path: PathBuf = entry?.path();
            // A file may have been removed in the meantime.
            let Ok(found) = std::fs::symlink_metadata(&path) else { continue };
            if found.uid() != of_root.uid() || found.permissions().mode() & 0o200 == 0 {
                foreign.push(path.clone());
            }
            if found.is_dir() {
                folders.push(path);
            }
        }
    }
    match foreign.first() {
        None => findings.push(DoctorFinding::fine("all files belong to the owner of the directory and are writable")),
        Some(first) => findings.push(DoctorFinding::problem(
            format!("{} files, such as {}, belong to another user than the directory, or are read-only", foreign.len(), first.display()),
            format!("run as root: chown -R {}:{} {2}; chmod -R u+rwX {2}", of_root.uid(), of_root.gid(), root.display()),
        )),
    }
    Ok(findings)
}

/// Reports deletions that wait for confirmation, and what a start with this configuration would delete.
fn check_retention(root: &Path, config: &Config) -> Vec<DoctorFinding> {
    let path = root.join("hinomi.db");
    // `check_databases` reports this problem.
    if database::check_database(&path, metadata::FORMAT).is_err() {
        return Vec::new();
    }
    let Ok(meta) = MetadataStore::open(root) else { return Vec::new() };
    let held = retention::stored_hold(&meta).map(|held| DoctorFinding::note(held.description(), "`hinomi retention` shows this too"));
    let shrunk = retention::reduced_settings(&meta, config.retention_days, config.disk.budget_bytes).into_iter().map(|what| {
        DoctorFinding::note(
            format!("retention is shorter than before: {what}"),
            "deleting more than a tenth needs confirmation; if this is not intended, start the server with its previous configuration",
        )
    });
    let enforced = retention::enforced_settings(&meta).into_iter().map(DoctorFinding::fine);
    held.into_iter().chain(shrunk).chain(enforced).collect()
}

fn check_databases(root: &Path) -> Vec<DoctorFinding> {
    let has_data = root.join("manifest.db").exists();
    let examined = DATABASES.iter().map(|(name, known)| {
        let path = root.join(name);
        if !path.exists() && has_data && *name == "hinomi.db" {
            return DoctorFinding::problem(
                format!("{} is missing; it contained projects, keys, tokens and settings", path.display()),
                "restore it from a backup; otherwise the next start creates an empty database, in which new projects get unused numbers",
            );
        }
        if !path.exists() {
            return DoctorFinding::note(
                format!("{} does not exist", path.display()),
                "the next start creates an empty database; if the database existed before, restore a backup",
            );
        }
        match database::check_database(&path, *known) {
            Ok(()) => DoctorFinding::fine(path.display().to_string()),
            Err(error) => DoctorFinding::problem(error.to_string(), ""),
        }
    });
    examined.collect()
}
