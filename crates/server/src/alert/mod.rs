//! The bell: rules and budgets, what they ring for, and why.
//!
//! `rule`, `budget` and `incident` say what there is; `table` keeps it in `alerts.db`. What is told to whom goes to `notify`.

#[allow(dead_code)]
mod bell;
#[allow(dead_code)]
mod buckets;
mod budget;
#[allow(dead_code)]
mod calendar;
#[allow(dead_code)]
mod clock;
mod error;
#[allow(dead_code)]
mod forecast;
mod incident;
#[allow(dead_code)]
mod index;
#[allow(dead_code)]
mod judge;
mod length;
mod measure;
mod rule;
mod table;
#[cfg(test)]
mod tests;
#[allow(dead_code)]
mod track;
#[allow(dead_code)]
mod watcher;

use std::path::Path;

pub use budget::{Budget, Period, WeekStart};
pub use error::AlertError;
pub use incident::{Entry, Happened, Incident, Source, State};
pub use length::Length;
pub use measure::Measure;
pub use rule::{Compare, NoData, Rule, Telling};
pub use table::{Kept, Wanted};

use crate::sqlite::SqliteError;
use table::Table;

/// Rules, budgets and incidents of all projects. Its methods block while they read or write.
#[derive(Debug)]
pub struct Alerts {
    table: Table,
}

/// What somebody does with an incident.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Says that they look at it.
    Acknowledge,
    /// Says that it is over.
    Resolve,
    /// Writes something down.
    Note(String),
    /// Wants nobody to be told until then; `None` ends that.
    Snooze(Option<i64>),
}

macro_rules! kept {
    ($what:literal, $type:ty, $list:ident, $get:ident, $create:ident, $replace:ident, $delete:ident, $mute:ident) => {
        #[doc = concat!("The ", $what, "s of a project, the oldest first.\n\n# Errors\n\nWhen the database cannot be read.")]
        pub fn $list(&self, project: u64) -> Result<Vec<Kept<$type>>, AlertError> {
            Ok(self.table.list(Some(project))?)
        }

        #[doc = concat!("One ", $what, ".\n\n# Errors\n\nWhen there is none with this number.")]
        pub fn $get(&self, project: u64, id: i64) -> Result<Kept<$type>, AlertError> {
            self.table.get(project, id)
        }

        #[doc = concat!("Makes a ", $what, ".\n\n# Errors\n\nWhen it cannot be, or another one has its name.")]
        pub fn $create(&self, project: u64, what: &$type) -> Result<Kept<$type>, AlertError> {
            self.table.create(project, what, now_us())
        }

        #[doc = concat!("Puts another ", $what, " in its place.\n\n# Errors\n\nAs making one; also when there is none with this number.")]
        pub fn $replace(&self, project: u64, id: i64, what: &$type) -> Result<Kept<$type>, AlertError> {
            self.table.replace(project, id, what, now_us())
        }

        #[doc = concat!("Takes a ", $what, " away. What it rang for stays.\n\n# Errors\n\nWhen there is none with this number.")]
        pub fn $delete(&self, project: u64, id: i64) -> Result<(), AlertError> {
            self.table.delete::<$type>(project, id)
        }

        #[doc = concat!("Says until when nobody is told of a ", $what, "; `None` ends that.\n\n# Errors\n\nWhen there is none with this number.")]
        pub fn $mute(&self, project: u64, id: i64, until_us: Option<i64>) -> Result<Kept<$type>, AlertError> {
            self.table.mute(project, id, until_us)
        }
    };
}

impl Alerts {
    /// Opens them in a data folder: `alerts.db`.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, or a newer version wrote it.
    pub fn open(dir: &Path) -> Result<Alerts, SqliteError> {
        Ok(Alerts { table: Table::open(dir)? })
    }

    kept!("rule", Rule, rules, rule, create_rule, replace_rule, delete_rule, mute_rule);
    kept!("budget", Budget, budgets, budget, create_budget, replace_budget, delete_budget, mute_budget);

    /// Incidents of a project, the newest first.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn incidents(&self, project: u64, wanted: &Wanted) -> Result<Vec<Incident>, AlertError> {
        Ok(self.table.incidents(project, wanted)?)
    }

    /// How many incidents of a project are open.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn open_incidents(&self, project: u64) -> Result<u64, AlertError> {
        Ok(self.table.count_open(project)?)
    }

    /// An incident and its story, the oldest line first.
    ///
    /// # Errors
    ///
    /// When there is none with this number.
    pub fn incident(&self, project: u64, id: i64) -> Result<(Incident, Vec<Entry>), AlertError> {
        self.table.incident(project, id)
    }

    /// Does something with an incident. To acknowledge twice changes nothing.
    ///
    /// # Errors
    ///
    /// When there is none with this number, or it is over; notes can be written all the same.
    pub fn act(&self, project: u64, id: i64, deed: &Deed, by: Option<String>) -> Result<Incident, AlertError> {
        let now_us = now_us();
        self.table.change_incident(project, id, |incident| act(incident, deed, by, now_us))
    }
}

fn act(incident: &mut Incident, deed: &Deed, by: Option<String>, now_us: i64) -> Result<Vec<Entry>, AlertError> {
    let line = |happened| Entry { by: by.clone(), ..Entry::new(now_us, happened) };
    if let Deed::Note(text) = deed {
        return Ok(vec![Entry { text: Some(text.clone()), ..line(Happened::Note) }]);
    }
    if incident.resolved_us.is_some() {
        return Err(AlertError::Over(incident.id));
    }
    Ok(match deed {
        Deed::Acknowledge if incident.acknowledged_us.is_some() => Vec::new(),
        Deed::Acknowledge => {
            incident.acknowledged_us = Some(now_us);
            incident.acknowledged_by = by.clone();
            vec![line(Happened::Acknowledged)]
        }
        Deed::Resolve => {
            incident.resolved_us = Some(now_us);
            incident.resolved_by = Some(by.clone().unwrap_or_else(|| "by hand".to_owned()));
            vec![line(Happened::Resolved)]
        }
        Deed::Snooze(until_us) => {
            incident.snoozed_until_us = *until_us;
            vec![Entry { text: until_us.map(crate::time::rfc3339), ..line(Happened::Snoozed) }]
        }
        Deed::Note(_) => Vec::new(),
    })
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
