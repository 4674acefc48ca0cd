//! Old spans are deleted: whole segments where nothing newer is in them, row by row elsewhere. The space of single rows comes back when
//! their segment is merged.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};

use super::bits::Bits;
use super::error::StoreError;
use super::manifest::Change;
use super::segment::read::Reader;
use super::state::{Shared, lock};

/// Deletes the spans of a project that started before a time. Returns how many.
///
/// What is only in a buffer is hidden at once, but a restart before the next flush brings it back until the next call.
pub(super) fn delete_before(shared: &Shared, project: u64, us: i64) -> Result<u64, StoreError> {
    let candidates: Vec<_> = {
        let state = lock(&shared.state);
        let held = state.segments.iter().filter(|live| live.readable && live.segment.may_hold(project, i64::MIN, us));
        held.map(|live| live.segment.clone()).collect()
    };
    let mut condemned: Vec<(u64, Bits)> = Vec::new();
    for segment in candidates {
        let all = 0..segment.rows as u32;
        let rows: Bits = if segment.max_start_us < us && segment.projects == [project] {
            all.collect()
        } else {
            let batch = Reader::open(&segment.path)?.columns(&[all], &["project_id", "start_time"])?;
            starting_before(&batch, project, us).into_iter().collect()
        };
        condemned.push((segment.id, rows));
    }

    let _moving = lock(&shared.moving);
    let mut change = Change::default();
    let mut deleted = 0;
    {
        let mut state = lock(&shared.state);
        for (id, rows) in &condemned {
            let Some(live) = state.live(*id) else { continue };
            let settled: Bits = live.settled().iter().chain(rows.iter()).collect();
            let new = rows.iter().filter(|row| !live.dead.contains(*row)).count();
            deleted += new as u64;
            if settled.len() as u64 == live.segment.rows {
                change.remove.push(*id);
            } else if new > 0 {
                change.dead.push((*id, settled));
            }
        }
    }
    if !change.remove.is_empty() || !change.dead.is_empty() {
        lock(&shared.manifest).commit(&change)?;
    }
    let mut state = lock(&shared.state);
    for (id, rows) in &condemned {
        if let Some(live) = state.live(*id) {
            live.delete(rows);
        }
    }
    state.remove(&change.remove);
    deleted += state.active.kill_where(|batch| starting_before(batch, project, us));
    if let Some(frozen) = &mut state.frozen {
        deleted += frozen.kill_where(|batch| starting_before(batch, project, us));
    }
    state.touch();
    Ok(deleted)
}

/// The numbers of a project's rows that start before a time.
fn starting_before(batch: &RecordBatch, project: u64, us: i64) -> Vec<u32> {
    let (Some(projects), Some(starts)) = (batch.column_by_name("project_id"), batch.column_by_name("start_time")) else {
        return Vec::new();
    };
    let projects = projects.as_primitive::<Int64Type>().values().iter();
    let starts = starts.as_primitive::<TimestampMicrosecondType>().values().iter();
    let rows = (0..).zip(projects.zip(starts));
    rows.filter(|(_, (of, start))| **of as u64 == project && **start < us).map(|(row, _)| row).collect()
}
