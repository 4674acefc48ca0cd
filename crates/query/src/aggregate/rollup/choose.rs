//! Selection of the roll-ups and rows that cover a time range.

use super::*;

/// Rows of segments, as ranges of row numbers.
pub(crate) type SegmentRows = Vec<(Arc<SegmentView>, Vec<Range<u32>>)>;

/// Returns all live rows of a segment.
pub(super) fn all_live_rows(view: Arc<SegmentView>) -> (Arc<SegmentView>, Vec<Range<u32>>) {
    let all = 0..view.segment.rows as u32;
    let rows = live_rows(std::slice::from_ref(&all), &view.dead);
    (view, rows)
}

pub(super) type RollupsAndRows = (Vec<RollupSelection>, SegmentRows);

/// Selects the hours that are read from roll-ups: hours that are entirely in the range, have no dead rows, and satisfy `is_sufficient`.
/// Returns the rows of all other hours, which must be read individually.
pub(crate) fn select_hours(
    views: Vec<Arc<SegmentView>>,
    project: u64,
    from_us: i64,
    to_us: i64,
    is_sufficient: impl Fn(&RollupHour) -> bool,
) -> RollupsAndRows {
    let mut sources = Vec::new();
    let mut rest = Vec::new();
    for view in views {
        let mut rows: Vec<Range<u32>> = Vec::new();
        match view.segment.rollup() {
            None => rows.push(0..view.segment.rows as u32),
            Some(rollup) => {
                let mut taken = Vec::new();
                for (place, hour) in rollup.hours.iter().enumerate().filter(|(_, hour)| hour.project == project) {
                    let start_us = hour.hour.saturating_mul(HOUR_US);
                    let end_us = start_us.saturating_add(HOUR_US);
                    if end_us <= from_us || start_us >= to_us {
                        continue;
                    }
                    if start_us >= from_us && end_us <= to_us && is_sufficient(hour) && !has_dead_rows(&view, hour) {
                        taken.push(place);
                    } else {
                        rows.extend(hour.rows.iter().cloned());
                    }
                }
                if !taken.is_empty() {
                    sources.push(RollupSelection { segment: view.segment.clone(), rollup, indexes: taken });
                }
            }
        }
        rows.sort_unstable_by_key(|rows| rows.start);
        let rows = live_rows(&rows, &view.dead);
        if !rows.is_empty() {
            rest.push((view, rows));
        }
    }
    (sources, rest)
}

/// Selects days that are grouped by user, in the same way.
pub(super) fn select_user_days(views: Vec<Arc<SegmentView>>, project: u64, from_us: i64, to_us: i64) -> RollupsAndRows {
    let mut sources = Vec::new();
    let mut rest = Vec::new();
    for view in views {
        let rollup = view.segment.rollup().filter(|rollup| !rollup.days.is_empty());
        let Some(rollup) = rollup else {
            rest.push(all_live_rows(view));
            continue;
        };
        let of_day = |hour: &RollupHour| hour.hour.saturating_mul(HOUR_US).div_euclid(DAY_US);
        let mut taken = Vec::new();
        for (place, day) in rollup.days.iter().enumerate().filter(|(_, day)| day.project == project && day.users.is_some()) {
            let start_us = day.day.saturating_mul(DAY_US);
            let hours = || rollup.hours.iter().filter(|hour| hour.project == project && of_day(hour) == day.day);
            if start_us >= from_us && start_us.saturating_add(DAY_US) <= to_us && !hours().any(|hour| has_dead_rows(&view, hour)) {
                taken.push(place);
            }
        }
        let segment = view.segment.clone();
        let is_taken = |hour: &&RollupHour| taken.iter().any(|place| rollup.days[*place].day == of_day(hour));
        let others = rollup.hours.iter().filter(|hour| hour.project == project && !is_taken(hour));
        let mut rows: Vec<Range<u32>> = others.flat_map(|hour| hour.rows.iter().cloned()).collect();
        rows.sort_unstable_by_key(|rows| rows.start);
        let rows = live_rows(&rows, &view.dead);
        if !rows.is_empty() {
            rest.push((view, rows));
        }
        if !taken.is_empty() {
            sources.push(RollupSelection { segment, rollup, indexes: taken });
        }
    }
    (sources, rest)
}

/// Returns whether an hour has dead rows.
pub(super) fn has_dead_rows(view: &SegmentView, hour: &RollupHour) -> bool {
    hour.rows.iter().any(|rows| {
        let first = view.dead.partition_point(|row| *row < rows.start);
        view.dead.get(first).is_some_and(|row| *row < rows.end)
    })
}
