//! Opening a folder: what the manifest names is checked, what it does not name is removed, and the log is read again.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::{broadcast, watch};

use super::StoreConfig;
use super::bits::Bits;
use super::commit::Committer;
use super::error::StoreError;
use super::folder::{Folder, numbered};
use super::frame;
use super::group::{Group, Readers};
use super::log::{self, Log};
use super::manifest::Manifest;
use super::parallel;
use super::responses::{By, Responses};
use super::segment::ids::Ids;
use super::segment::order::{KEY_COLUMNS, keys};
use super::segment::read::Reader;
use super::segment::write::write_ids;
use super::side;
use super::snapshot::Segment;
use super::state::{Live, Progress, Shared, State, lock};
use super::stats::Health;
use super::traces::Traces;

/// Bytes of frames that are replayed as one group: decoded by all processors, then applied. What a later frame of them corrects need
/// not be looked for. Tests have several groups in a short log.
const REPLAYED_BYTES: usize = if cfg!(test) { 2000 } else { 4 << 20 };

/// Opens a folder and brings back what is stored in it.
pub(super) fn open(root: &Path, config: StoreConfig, health: Health) -> Result<(Arc<Shared>, u64, u64), StoreError> {
    let folder = Folder::open(root)?;
    let is_new = !folder.manifest().exists();
    let on_disk = numbered(&folder.segments(), "parquet")?;
    if is_new && !on_disk.is_empty() {
        let what = format!("it is missing, and {} lie in {}", segments(on_disk.len()), folder.segments().display());
        return Err(StoreError::Damaged { path: folder.manifest(), what });
    }
    let manifest = Manifest::open(&folder)?;
    let contents = manifest.load(&folder)?;
    let named: Vec<u64> = contents.segments.iter().map(|(segment, _)| segment.id).collect();
    remove_orphans(&folder, &named)?;

    // Filters are made of all ids: that takes most of a start.
    let examined = parallel::map(&contents.segments, |(segment, _)| (check(segment), Ids::open(&segment.path.with_extension("ids"))));
    let opened = contents.segments.into_iter().zip(examined);
    let live = opened.filter_map(|((segment, dead), (checked, ids))| open_segment(segment, dead, checked.err(), ids, &health)).collect();
    let last_id = on_disk.iter().map(|(id, _)| *id).chain(named).max().unwrap_or(0);
    let shared = Arc::new(Shared {
        folder,
        state: Mutex::new(State::new(live)),
        moving: Mutex::new(()),
        manifest: Mutex::new(manifest),
        health,
        next_segment: AtomicU64::new(last_id + 1),
        progress: watch::Sender::new(Progress::default()),
        watch: OnceLock::new(),
        config,
    });
    let (last_sequence, last_log) = replay(&shared, contents.covered)?;
    shared.health.log_sequence.store(last_sequence, Ordering::Relaxed);
    Ok((shared, last_sequence + 1, last_log + 1))
}

/// The commit thread's part of an opened store.
pub(super) fn committer(
    shared: &Arc<Shared>,
    next_sequence: u64,
    log: u64,
    changes: broadcast::Sender<super::Change>,
    work: std::sync::mpsc::Sender<super::background::Work>,
) -> Result<Committer, StoreError> {
    Ok(Committer {
        shared: shared.clone(),
        log: Log::create(shared.folder.log(log))?,
        next_log: log + 1,
        next_sequence,
        traces: Traces::new(shared.config.remembered_spans, shared.config.rules),
        // What is found by its texts alone comes within seconds.
        responses: [Responses::new(By::Id, shared.config.remembered_calls), Responses::new(By::Texts, shared.config.remembered_calls / 5)],
        calls_unsure: false,
        readers: Readers::default(),
        changes,
        work,
        frames: Vec::new(),
    })
}

fn segments(count: usize) -> String {
    if count == 1 { "1 segment".to_owned() } else { format!("{count} segments") }
}

/// Removes the files of flushes and merges that never reached the manifest, or left it while someone was still reading.
fn remove_orphans(folder: &Folder, named: &[u64]) -> Result<(), StoreError> {
    let dir = folder.segments();
    for entry in std::fs::read_dir(&dir).map_err(StoreError::io("list", &dir))? {
        let path = entry.map_err(StoreError::io("list", &dir))?.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
        let is_orphan = match (extension, number) {
            (extension, Some(number)) if extension == "parquet" || side::EXTENSIONS.contains(&extension) => !named.contains(&number),
            ("new", _) => true,
            _ => false,
        };
        if is_orphan {
            std::fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Takes a segment into use. One whose Parquet file is damaged is named in the statistics and not read; if even its ids are lost,
/// it is left out.
fn open_segment(segment: Segment, dead: Bits, fault: Option<String>, ids: std::io::Result<Ids>, health: &Health) -> Option<Live> {
    let ids = ids.or_else(|error| match fault {
        None => rebuild_ids(&segment),
        Some(_) => Err(StoreError::io("read", &segment.path)(error)),
    });
    if let Some(fault) = &fault {
        set_aside(health, format!("{}: {fault}; left where it is and not read", segment.path.display()));
    }
    match ids {
        Ok(ids) => {
            let mut live = Live::new(segment, ids, dead);
            live.readable = fault.is_none();
            live.checked = false;
            Some(live)
        }
        Err(error) => {
            set_aside(health, format!("{}: the ids in it are lost too ({error})", segment.path.display()));
            None
        }
    }
}

/// Checks that a Parquet file is there, whole and closed. Reading all of it would take minutes where there is much: damage inside
/// shows when a query or a merge reads it.
fn check(segment: &Segment) -> Result<(), String> {
    let file = File::open(&segment.path).map_err(|error| error.to_string())?;
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    if length != segment.bytes {
        return Err(format!("{length} bytes long instead of {}", segment.bytes));
    }
    let mut end = [0; 4];
    file.read_exact_at(&mut end, length.saturating_sub(4)).map_err(|error| error.to_string())?;
    if &end == b"PAR1" { Ok(()) } else { Err("does not end as a Parquet file does".to_owned()) }
}

/// Makes the side file of a segment again.
fn rebuild_ids(segment: &Segment) -> Result<Ids, StoreError> {
    let rows = Reader::open(&segment.path)?.columns(std::slice::from_ref(&(0..segment.rows as u32)), &KEY_COLUMNS)?;
    write_ids(&segment.path, &keys(&rows, 0, 0))
}

fn set_aside(health: &Health, what: String) {
    tracing::error!(what, "store.damaged");
    lock(&health.damaged).push(what);
}

/// Applies the frames that are in no segment. Returns the last sequence and the number of the last file.
fn replay(shared: &Shared, covered: u64) -> Result<(u64, u64), StoreError> {
    let files = numbered(&shared.folder.logs(), "log")?;
    let last_file = files.last().map_or(0, |(number, _)| *number);
    let mut last_sequence = covered;
    let mut readers = Readers::default();
    for (number, path) in files {
        let contents = log::read(&path)?;
        let torn = contents.torn_at.filter(|_| number == last_file);
        let damage = contents.damage.is_some() || (contents.torn_at.is_some() && torn.is_none());
        if damage {
            let copy = shared.folder.damaged().join(format!("{number:010}.log"));
            let copied = std::fs::copy(&path, &copy).map_err(StoreError::io("copy", &path));
            let lost = contents.damage.as_ref().map_or_else(
                || "its end cannot be read".to_owned(),
                |damage| format!("{} bytes from byte {} on cannot be read", damage.bytes, damage.at),
            );
            let kept = copied.map_or_else(|error| error.to_string(), |_| format!("a copy is in {}", copy.display()));
            set_aside(&shared.health, format!("{}: {lost}; the rest was read; {kept}", path.display()));
        }
        let frames: Vec<(u64, &[u8])> = contents.frames().filter(|(sequence, _)| *sequence > covered).collect();
        last_sequence = frames.last().map_or(last_sequence, |(sequence, _)| last_sequence.max(*sequence));
        let mut bytes = 0;
        let together = |(_, payload): &(u64, &[u8]), _: &_| {
            bytes += payload.len();
            let go_on = bytes < REPLAYED_BYTES;
            bytes *= usize::from(go_on);
            go_on
        };
        for frames in frames.chunk_by(together) {
            let mut group = Group::default();
            for ((sequence, _), read) in frames.iter().zip(parallel::map(frames, |(_, payload)| frame::read(payload))) {
                match read {
                    Ok((head, spans)) => group.add(&head, spans),
                    Err(error) => set_aside(&shared.health, format!("{}: frame {sequence}: {error}", path.display())),
                }
            }
            group.publish(shared, &mut readers);
        }
        if let Some(at) = torn {
            cut(&path, at)?;
        }
        if !frames.is_empty() {
            lock(&shared.state).active.logs.push(path);
        } else {
            std::fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    Ok((last_sequence, last_file))
}

/// Cuts off what a crash left of a write that was never acknowledged.
fn cut(path: &Path, at: u64) -> Result<(), StoreError> {
    let file = File::options().write(true).open(path).map_err(StoreError::io("open", path))?;
    let length = file.metadata().map_err(StoreError::io("read", path))?.len();
    tracing::info!(path = %path.display(), bytes = length - at, "store.log_cut");
    file.set_len(at).and_then(|()| file.sync_data()).map_err(StoreError::io("cut", path))
}
