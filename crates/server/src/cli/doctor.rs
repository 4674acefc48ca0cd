//! `hinomi doctor`: what is wrong with a data folder, and what to do about it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use hinomi_alerting;
use hinomi_alerting::delivery;
use hinomi_store::doctor::{DoctorFinding, DoctorSeverity, examine, holder};
use hinomi_store::free_bytes;
use hinomi_store::repair;
use hinomi_tables::metadata::MetadataStore;
use hinomi_tables::{bills, database, error_events, log_lines, metadata, otel_metrics, outcomes, scores};
use indicatif::{ProgressBar, ProgressStyle};

use super::{CommonArguments, in_force, say};
use crate::config::Config;
use crate::retention;

/// Databases beside the store's own, and the newest format of each that is read.
const DATABASES: [(&str, u32); 9] = [
    ("hinomi.db", metadata::FORMAT),
    ("errors.db", error_events::FORMAT),
    ("scores.db", scores::FORMAT),
    ("logs.db", log_lines::FORMAT),
    ("metrics.db", otel_metrics::FORMAT),
    ("alerts.db", hinomi_alerting::FORMAT),
    ("notify.db", delivery::FORMAT),
    ("bill.db", bills::FORMAT),
    ("outcomes.db", outcomes::FORMAT),
];

/// Check a data folder: exit status 0 when all is well, 1 when something is wrong
#[derive(Debug, Args)]
pub(super) struct DoctorCommand {
    #[command(flatten)]
    common: CommonArguments,
    /// First make whole what can be, while the server is stopped: take in segments that were set aside, make a manifest anew that
    /// cannot be read. Deletes nothing
    #[arg(long)]
    repair: bool,
    /// Say what is fine too
    #[arg(long, short)]
    verbose: bool,
}

impl DoctorCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = in_force(&self.common, None)?;
        let root = &config.data;
        if !root.is_dir() {
            bail!("{} is no folder; name the data folder with --data", root.display());
        }
        let mut findings = if self.repair { repair(root)? } else { Vec::new() };
        findings
            .iter_mut()
            .filter(|finding| finding.severity == DoctorSeverity::Fine)
            .for_each(|done| done.severity = DoctorSeverity::Note);
        findings.extend(around(root, &config));
        let bar = ProgressBar::new(0);
        bar.set_style(ProgressStyle::with_template("segments [{bar:30}] {pos} of {len}, {eta} left")?);
        findings.extend(examine(root, |done, of| {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        }));
        bar.finish_and_clear();
        findings.extend(databases(root));
        let prices = hinomi_tables::prices::faults(root, &config.prices).into_iter();
        findings.extend(
            prices.map(|fault| DoctorFinding::problem(fault.to_string(), "what was in force before stays; mend the file, or take it away")),
        );
        findings.extend(retention(root, &config));
        self.tell(root, &findings)
    }

    fn tell(&self, root: &Path, findings: &[DoctorFinding]) -> anyhow::Result<()> {
        for finding in findings {
            let sign = match finding.severity {
                DoctorSeverity::Fine if !self.verbose => continue,
                DoctorSeverity::Fine => "ok     ",
                DoctorSeverity::Note => "note   ",
                DoctorSeverity::Problem => "PROBLEM",
            };
            say(&format!("{sign}  {}", finding.what))?;
            if !finding.todo.is_empty() {
                say(&format!("         {}", finding.todo))?;
            }
        }
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        let (fine, notes, problems) = (count(DoctorSeverity::Fine), count(DoctorSeverity::Note), count(DoctorSeverity::Problem));
        if problems > 0 {
            bail!("{}: {problems} of {} checks found something wrong", root.display(), fine + notes + problems);
        }
        say(&format!("{}: all is well ({fine} checks, {notes} notes)", root.display()))
    }
}

/// Who has the folder, whose it is, and how much room there is.
fn around(root: &Path, config: &Config) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    match holder(root) {
        Some(pid) => findings
            .push(DoctorFinding::note(format!("process {pid} has the folder open: what it is writing right now is not looked at"), "")),
        None => findings.push(DoctorFinding::fine("no process has the folder open")),
    }
    let reserve = config.disk.reserve_bytes;
    match free_bytes(root) {
        Some(free) if free < reserve => findings.push(DoctorFinding::problem(
            format!("{:.1} MB are free, and intake leaves {:.1} MB free: nothing is taken in", free as f64 / 1e6, reserve as f64 / 1e6),
            "free some space, move the folder to a larger disk, or set disk.reserve_bytes lower",
        )),
        Some(free) => findings.push(DoctorFinding::fine(format!("{:.1} MB are free", free as f64 / 1e6))),
        None => findings.push(DoctorFinding::note("the system does not say how much of the disk is free", "")),
    }
    match rights(root) {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(DoctorFinding::problem(format!("{error:#}"), "give this user the right to read all of the folder")),
    }
    findings
}

/// Files that the folder's owner cannot write, as one start under another user leaves them, and a folder that others may read.
fn rights(root: &Path) -> anyhow::Result<Vec<DoctorFinding>> {
    let of_root = std::fs::metadata(root).with_context(|| root.display().to_string())?;
    let mut findings = Vec::new();
    if of_root.permissions().mode() & 0o077 != 0 {
        let what = format!("other users of this machine may look into {}, where prompts and keys lie", root.display());
        findings.push(DoctorFinding::note(what, format!("chmod 700 {}", root.display())));
    }
    let mut foreign = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path: PathBuf = entry?.path();
            // What has gone meanwhile is no matter.
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
        None => findings.push(DoctorFinding::fine("all files belong to the owner of the folder, who may write them")),
        Some(first) => findings.push(DoctorFinding::problem(
            format!("{} files, such as {}, belong to another user than the folder, or may not be written", foreign.len(), first.display()),
            format!("as root: chown -R {}:{} {2}; chmod -R u+rwX {2}", of_root.uid(), of_root.gid(), root.display()),
        )),
    }
    Ok(findings)
}

/// What a start with this configuration would delete, or a server waits to.
fn retention(root: &Path, config: &Config) -> Vec<DoctorFinding> {
    let path = root.join("hinomi.db");
    // What is wrong with it has been said.
    if database::examine(&path, metadata::FORMAT).is_err() {
        return Vec::new();
    }
    let Ok(meta) = MetadataStore::open(root) else { return Vec::new() };
    let held = retention::held(&meta).map(|held| DoctorFinding::note(held.told(), "`hinomi retention` says the same"));
    let shrunk = retention::shrunk(&meta, config.retention_days, config.disk.budget_bytes).into_iter().map(|what| {
        DoctorFinding::note(
            format!("less is to be kept than before: {what}"),
            "the server asks before it deletes more than a tenth; start it with the configuration that it had if that is not meant",
        )
    });
    let enforced = retention::enforced(&meta).into_iter().map(DoctorFinding::fine);
    held.into_iter().chain(shrunk).chain(enforced).collect()
}

fn databases(root: &Path) -> Vec<DoctorFinding> {
    let has_data = root.join("manifest.db").exists();
    let examined = DATABASES.iter().map(|(name, known)| {
        let path = root.join(name);
        if !path.exists() && has_data && *name == "hinomi.db" {
            return DoctorFinding::problem(
                format!("{} is missing: it held projects, keys, tokens and settings", path.display()),
                "restore it from a backup; the next start makes an empty one, and gives new projects numbers above those of the old",
            );
        }
        if !path.exists() {
            return DoctorFinding::note(
                format!("{} is not there", path.display()),
                "the next start makes an empty one; if there was one, restore a backup",
            );
        }
        match database::examine(&path, *known) {
            Ok(()) => DoctorFinding::fine(path.display().to_string()),
            Err(error) => DoctorFinding::problem(error.to_string(), ""),
        }
    });
    examined.collect()
}
