//! `hinomi backup` and `hinomi restore`.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use hinomi_store::doctor::lock_holder;
use hinomi_store::{Store, StoreConfig};
use hinomi_tables::metadata::MetadataStore;
use indicatif::{ProgressBar, ProgressStyle};

use super::notifications::set_paused;
use super::running_server::{CommandSession, RunningServer};
use super::{CommonArguments, effective_config, file_owner, open_existing, print_line};
use crate::api::MISSING_SEGMENTS_HEADER;
use crate::backup::{self, BackupManifest, MissingFilePolicy, plan, unpack, verify};

/// Path that means standard input or output.
const PIPE_PATH: &str = "-";

/// Back up the data directory (works with or without a running server)
#[derive(Debug, Args)]
pub(super) struct BackupCommand {
    #[command(flatten)]
    common: CommonArguments,
    /// Tar file (NAME.tar), new or empty directory, or - for a tar archive on standard output
    target: PathBuf,
    /// Exit with status 0 even if the backup is incomplete because segments are missing or damaged
    #[arg(long)]
    allow_missing: bool,
}

/// Restore a backup into a new data directory
#[derive(Debug, Args)]
pub(super) struct RestoreCommand {
    /// Backup: a tar archive, a directory, or - for a tar archive on standard input
    source: PathBuf,
    /// Data directory to create; may be empty or left by an interrupted restore
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Restore an incomplete backup and list what is missing
    #[arg(long)]
    allow_missing: bool,
}

impl BackupCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        check_channel(&self.target)?;
        let config = effective_config(&self.common, None)?;
        let data = config.data.clone();
        ensure!(data.join("manifest.db").exists(), "{} contains no data to back up; pass the data directory with --data", data.display());
        let meta = open_existing(&config)?;
        // No timeout: a backup may take hours.
        match RunningServer::find_server(&meta, None) {
            Ok(server) => {
                let session = CommandSession::begin_session(&meta)?;
                let answer = session.authenticate(server.agent.get(format!("{}/api/v1/backup", server.address))).call();
                answer.map_err(anyhow::Error::from).and_then(|mut answer| {
                    if answer.status().as_u16() != 200 {
                        bail!("the server responded with {}: {}", answer.status(), answer.body_mut().read_to_string()?);
                    }
                    let length = answer.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
                    let missing =
                        answer.headers().get(MISSING_SEGMENTS_HEADER).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
                    self.receive_archive(answer.body_mut().with_config().limit(u64::MAX).reader(), length, missing)
                })
            }
            Err(error) if lock_holder(&data).is_some() => {
                Err(error.context("the process that uses the data directory does not respond; stop it"))
            }
            Err(_) => self.back_up_offline(&data),
        }
    }

    fn back_up_offline(&self, data: &Path) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let store = Store::open(data, StoreConfig::default())?;
        backup::remove_leftovers(data);
        let plan = runtime.block_on(plan(&store, data))?;
        let length = plan.length()?;
        let (reader, writer) = io::pipe()?;
        std::thread::scope(|scope| {
            let written = scope.spawn(|| plan.write(io::BufWriter::with_capacity(1 << 20, writer)));
            self.receive_archive(reader, Some(length), plan.backup_contents().missing.len())?;
            written.join().map_err(|_| anyhow::anyhow!("cannot write the archive"))?.map_err(anyhow::Error::from)
        })
    }

    /// Writes an archive to the target and prints what it contains.
    fn receive_archive(&self, archive: impl Read, length: Option<u64>, missing: usize) -> anyhow::Result<()> {
        let bar = byte_progress("backup", length)?;
        let archive = bar.wrap_read(archive);
        let target = &self.target;
        if target.as_os_str() == PIPE_PATH {
            let mut out = io::stdout().lock();
            let copied = io::copy(&mut { archive }, &mut out).context("cannot write to standard output")?;
            out.flush()?;
            bar.finish_and_clear();
            ensure!(length.is_none_or(|length| length == copied), "the backup ended after {copied} bytes and is incomplete");
            return self.check_missing(missing, "; backup.json in the archive lists the missing segments");
        }
        let contents = if target.extension().is_some_and(|extension| extension == "tar") {
            self.write_archive(archive)?
        } else {
            unpack(archive, target)?
        };
        bar.finish_and_clear();
        let checked = if contents.missing.is_empty() { "checked" } else { "checked; INCOMPLETE" };
        print_line(&format!("{}: {} ({checked})", target.display(), describe(&contents)))?;
        for lacking in &contents.missing {
            print_line(&format!("  missing {} ({} spans): {}", lacking.name, lacking.spans, lacking.fault))?;
        }
        self.check_missing(contents.missing.len(), "")
    }

    /// Fails if segments are missing, so that a rotation does not silently replace a complete backup with an incomplete backup.
    fn check_missing(&self, missing: usize, where_named: &str) -> anyhow::Result<()> {
        ensure!(
            missing == 0 || self.allow_missing,
            "the backup is incomplete: {missing} segments are missing or damaged{where_named}; keep the last complete backup \
             (to repair this directory, copy these files from it into segments/), or accept this with --allow-missing"
        );
        Ok(())
    }

    /// Writes the archive to a temporary file next to the target, verifies it and renames it.
    fn write_archive(&self, mut archive: impl Read) -> anyhow::Result<BackupManifest> {
        let target = &self.target;
        ensure!(!target.exists(), "{} already exists; choose another name", target.display());
        let beside = target.with_extension("tar.part");
        let mut write = || {
            let mut options = File::options();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&beside).with_context(|| format!("cannot create {}", beside.display()))?;
            io::copy(&mut archive, &mut file).with_context(|| format!("cannot write {}", beside.display()))?;
            file.sync_all()?;
            let contents = verify(BufReader::with_capacity(1 << 20, File::open(&beside)?))?;
            std::fs::rename(&beside, target).with_context(|| format!("cannot create {}", target.display()))?;
            let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()?;
            Ok(contents)
        };
        write().inspect_err(|_| drop(std::fs::remove_file(&beside)))
    }
}

/// Rejects names of compressed archives, such as `x.tar.gz`: backups are not compressed, and a name that does not end in `.tar` would
/// create a directory.
fn check_channel(target: &Path) -> anyhow::Result<()> {
    const COMPRESSED_EXTENSIONS: [&str; 9] = ["gz", "tgz", "zst", "tzst", "bz2", "xz", "txz", "zip", "lz4"];
    let extension = target.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    let name = target.display();
    ensure!(
        !COMPRESSED_EXTENSIONS.contains(&extension.as_str()),
        "backups are not compressed (segments already are); use a name that ends in .tar, or run: hinomi backup - | gzip > {name}"
    );
    Ok(())
}

impl RestoreCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let RestoreCommand { source, data, allow_missing } = &self;
        let (length, is_file) = match std::fs::metadata(source) {
            Ok(found) if source.as_os_str() != PIPE_PATH => (found.is_file().then_some(found.len()), true),
            _ => (None, false),
        };
        ensure!(is_file || source.as_os_str() == PIPE_PATH, "{} does not exist", source.display());
        let bar = byte_progress("restore", length)?;
        let archive = || -> anyhow::Result<Box<dyn Read>> {
            if source.as_os_str() == PIPE_PATH {
                return Ok(Box::new(bar.wrap_read(io::stdin().lock())));
            }
            let file = File::open(source).with_context(|| format!("cannot read {}", source.display()))?;
            Ok(Box::new(bar.wrap_read(BufReader::with_capacity(1 << 20, file))))
        };
        let is_new = !data.exists();
        let gaps = if *allow_missing { MissingFilePolicy::Allowed } else { MissingFilePolicy::Refused };
        let restored = backup::restore(source, archive, data, gaps)?;
        bar.finish_and_clear();
        // Sessions and the listening address belong to the other directory.
        let meta = MetadataStore::open(data)?;
        meta.forget_server()?;
        // A copy of a directory must not send notifications a second time.
        set_paused(&meta, true)?;
        drop(meta);
        backup::finish(data)?;
        if is_new {
            file_owner::inherit_owner(data);
        }
        file_owner::restore_owner(data);
        print_line(&format!(
            "{}: {}, created {} by version {}",
            data.display(),
            describe(&restored.contents),
            restored.contents.created_at,
            restored.contents.version
        ))?;
        if restored.missing.is_empty() {
            print_line("all files match the backup; sessions have ended, keys and tokens stay valid")?;
        } else {
            print_line("all other files match the backup; sessions have ended; missing:")?;
            restored.missing.iter().try_for_each(|missing| print_line(&format!("  {missing}")))?;
        }
        print_line(
            "notifications and forwarding are paused; run `hinomi notifications resume` once this server replaces the original server",
        )?;
        print_line(&format!("start the server with: hinomi serve --data {}", data.display()))
    }
}

fn describe(contents: &BackupManifest) -> String {
    let bytes: u64 = contents.files.iter().map(|file| file.bytes).sum();
    let segments = contents.files.iter().filter(|file| file.name.ends_with(".parquet")).count();
    format!("{} spans in {segments} segments, {} files, {:.1} MB", contents.spans, contents.files.len(), bytes as f64 / 1e6)
}

pub(super) fn byte_progress(what: &str, length: Option<u64>) -> anyhow::Result<ProgressBar> {
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let form = if length.is_some() { "{msg} [{bar:30}] {bytes} of {total_bytes}, {eta} left" } else { "{msg} {bytes}, {bytes_per_sec}" };
    bar.set_style(ProgressStyle::with_template(form)?);
    bar.set_message(what.to_owned());
    Ok(bar)
}
