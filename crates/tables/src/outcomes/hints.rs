//! Hints for clients: the problems that were seen, how often, and whether there was evidence against them since.
//!
//! There is one row per project, hint, SDK and subject. SDK and subject may be any text that a client sends, so the number of rows is
//! limited; evidence beyond the limit is dropped.

use std::collections::HashMap;

use hinomi_model::api_time::rfc3339;
use hinomi_model::hints::{HintEvidence, InstrumentationHint};
use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

/// Maximum number of rows per project.
const MAX_ROWS_PER_PROJECT: usize = 500;
/// Maximum number of rows per hint and project: made-up model names would cause many rows about unpriced models.
const MAX_ROWS_PER_HINT: usize = 100;
/// Maximum number of rows in memory for all projects.
const MAX_ROWS: usize = 20_000;
const MAX_TEXT_LENGTH: usize = 100;
/// Evidence for a hint that is older than this before evidence against it was only temporary: the parts of one call arrive in separate
/// requests, in any order.
const LATE_PARTS_PERIOD_US: i64 = 60_000_000;

/// Identity of a hint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct HintKey {
    project: u64,
    hint: &'static str,
    sdk: String,
    subject: String,
}

/// State of a hint.
#[derive(Debug, Clone, PartialEq, Default)]
struct HintState {
    /// Number of times there was evidence for it. While it is 0 there was only evidence against it, and the row is only in memory.
    count: u64,
    first_us: i64,
    last_us: i64,
    against_us: i64,
    value: Option<f64>,
    trace: String,
    span: String,
    is_unwritten: bool,
}

impl HintState {
    fn is_current(&self) -> bool {
        self.count > 0 && self.last_us > self.against_us.saturating_add(LATE_PARTS_PERIOD_US)
    }
}

/// A hint: a client setting that would make more data available.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Hint)]
pub struct HintRow {
    /// Kind of the hint, such as `stream_without_usage`.
    #[schema(value_type = InstrumentationHint)]
    pub hint: &'static str,
    /// Name and version of the SDK, such as `sentry.python 2.75.0`; null if unknown.
    #[schema(required)]
    pub sdk: Option<String>,
    /// Subject of the hint, such as a model; null if the hint applies to the SDK as a whole.
    #[schema(required)]
    pub subject: Option<String>,
    /// Value of the hint: the sample rate for `sampled`, the clock offset in seconds for `clock_off`; null for other hints.
    #[schema(required)]
    pub value: Option<f64>,
    /// Number of requests that showed the problem.
    pub count: u64,
    /// Time at which the problem was first seen (RFC 3339); null for a hint that Hinomi derived from the spans of a single trace.
    #[schema(required)]
    pub first_at: Option<String>,
    /// Time at which the problem was last seen (RFC 3339); null for a hint that Hinomi derived from the spans of a single trace.
    #[schema(required)]
    pub last_at: Option<String>,
    /// ID of the trace in which the problem was last seen; null if unknown.
    #[schema(required)]
    pub trace_id: Option<String>,
    /// ID of the span in which the problem was last seen; null if unknown.
    #[schema(required)]
    pub span_id: Option<String>,
    /// For `unpriced_model`: true if the model has a price now. Stored calls get a cost when you recalculate stored costs.
    pub priced: bool,
}

impl HintRow {
    /// Returns the hint that one span shows, without times.
    pub fn of_evidence(evidence: &HintEvidence) -> HintRow {
        let (trace, span) = evidence.span.unzip();
        HintRow {
            hint: evidence.hint.as_str(),
            sdk: evidence.sdk.clone(),
            subject: evidence.subject.clone(),
            value: evidence.value,
            count: 1,
            first_at: None,
            last_at: None,
            trace_id: trace.map(|id| id.to_string()),
            span_id: span.map(|id| id.to_string()),
            priced: false,
        }
    }
}

/// All hints.
#[derive(Debug, Default)]
pub(super) struct HintTable {
    known: HashMap<HintKey, HintState>,
}

pub(super) const HINTS_TABLE: &str = "
    CREATE TABLE hints (
        project    INTEGER NOT NULL,
        hint       TEXT NOT NULL,
        sdk        TEXT NOT NULL,
        subject    TEXT NOT NULL,
        count      INTEGER NOT NULL,
        first_us   INTEGER NOT NULL,
        last_us    INTEGER NOT NULL,
        against_us INTEGER NOT NULL,
        value      REAL,
        trace      TEXT NOT NULL,
        span       TEXT NOT NULL,
        PRIMARY KEY (project, hint, sdk, subject)
    ) WITHOUT ROWID;
";

impl HintTable {
    /// Reads the stored hints.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<HintTable> {
        let mut statement = connection.prepare("SELECT * FROM hints")?;
        let mut rows = statement.query([])?;
        let mut hints = HintTable::default();
        while let Some(row) = rows.next()? {
            let name: String = row.get("hint")?;
            // A hint of a newer version.
            let Some(hint) = InstrumentationHint::from_name(&name) else { continue };
            let key = HintKey { project: row.get("project")?, hint: hint.as_str(), sdk: row.get("sdk")?, subject: row.get("subject")? };
            let known = HintState {
                count: row.get("count")?,
                first_us: row.get("first_us")?,
                last_us: row.get("last_us")?,
                against_us: row.get("against_us")?,
                value: row.get("value")?,
                trace: row.get("trace")?,
                span: row.get("span")?,
                is_unwritten: false,
            };
            hints.known.insert(key, known);
        }
        Ok(hints)
    }

    /// Records evidence about a project.
    pub(super) fn note_evidence(&mut self, now_us: i64, project: u64, evidence: &HintEvidence) {
        let key = HintKey {
            project,
            hint: evidence.hint.as_str(),
            sdk: sanitize(evidence.sdk.as_deref().unwrap_or_default()),
            subject: sanitize(evidence.subject.as_deref().unwrap_or_default()),
        };
        if !self.known.contains_key(&key) && !self.has_room(&key, evidence.is_against) {
            return;
        }
        let known = self.known.entry(key).or_default();
        if evidence.is_against {
            known.against_us = now_us;
            known.is_unwritten |= known.count > 0;
            return;
        }
        if known.count == 0 {
            known.first_us = now_us;
        }
        known.count += 1;
        known.last_us = now_us;
        known.value = evidence.value.or(known.value);
        if let Some((trace, span)) = evidence.span {
            (known.trace, known.span) = (trace.to_string(), span.to_string());
        }
        known.is_unwritten = true;
    }

    fn has_room(&self, key: &HintKey, against: bool) -> bool {
        if self.known.len() >= MAX_ROWS {
            return false;
        }
        // Evidence against a hint that was not seen only matters if it comes just before the evidence for it. That is not worth storing
        // for most subjects.
        if against && !key.subject.is_empty() {
            return false;
        }
        let of_project = self.known.keys().filter(|known| known.project == key.project);
        let (mut all, mut alike) = (0, 0);
        for known in of_project {
            all += 1;
            alike += usize::from(known.hint == key.hint);
        }
        all < MAX_ROWS_PER_PROJECT && alike < MAX_ROWS_PER_HINT
    }

    /// Writes the changed hints.
    pub(super) fn write(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        if !self.known.values().any(|known| known.is_unwritten) {
            return Ok(());
        }
        let transaction = connection.transaction()?;
        let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO hints VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        for (key, known) in self.known.iter().filter(|(_, known)| known.is_unwritten) {
            let HintKey { project, hint, sdk, subject } = key;
            let count = i64::try_from(known.count).unwrap_or(i64::MAX);
            put.execute(params![
                *project as i64,
                hint,
                sdk,
                subject,
                count,
                known.first_us,
                known.last_us,
                known.against_us,
                known.value,
                known.trace,
                known.span
            ])?;
        }
        drop(put);
        transaction.commit()?;
        self.known.values_mut().for_each(|known| known.is_unwritten = false);
        Ok(())
    }

    /// Returns the open hints of a project that were seen at a time or later, newest first.
    pub(super) fn open(&self, project: u64, since_us: i64) -> Vec<HintRow> {
        let of_project = self.known.iter().filter(|(key, known)| key.project == project && known.is_current() && known.last_us >= since_us);
        let mut open: Vec<(&HintKey, &HintState)> = of_project.collect();
        open.sort_by_key(|(key, known)| (std::cmp::Reverse(known.last_us), key.hint, &key.sdk, &key.subject));
        open.into_iter().map(|(key, known)| hint_row(key, known)).collect()
    }

    /// Removes hints that were not seen since a time from memory; [`delete_before`] removes them from the table.
    pub(super) fn forget_before(&mut self, us: i64) {
        self.known.retain(|_, known| known.last_us.max(known.against_us) >= us);
    }
}

/// Deletes hints that were not seen since a time from the table.
pub(super) fn delete_before(connection: &Connection, us: i64) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM hints WHERE max(last_us, against_us) < ?", [us])
}

fn hint_row(key: &HintKey, known: &HintState) -> HintRow {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    HintRow {
        hint: key.hint,
        sdk: some(&key.sdk),
        subject: some(&key.subject),
        value: known.value,
        count: known.count,
        first_at: Some(rfc3339(known.first_us)),
        last_at: Some(rfc3339(known.last_us)),
        trace_id: some(&known.trace),
        span_id: some(&known.span),
        priced: false,
    }
}

/// Returns the name of an SDK or a model without control characters.
pub(super) fn sanitize(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(MAX_TEXT_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use hinomi_model::hints::InstrumentationHint;

    use super::*;

    const SECOND_US: i64 = 1_000_000;

    fn evidence(hint: InstrumentationHint, is_against: bool) -> HintEvidence {
        HintEvidence { hint, is_against, subject: None, value: None, sdk: Some("sentry.python 2.75.0".into()), span: None }
    }

    #[test]
    fn hint_is_current_until_disproved() {
        let mut hints = HintTable::default();
        let note = |hints: &mut HintTable, at: i64, against| {
            hints.note_evidence(at * SECOND_US, 1, &evidence(InstrumentationHint::PromptsNotSent, against))
        };
        note(&mut hints, 1_000, false);
        assert_eq!(hints.open(1, 0).len(), 1);
        assert!(hints.open(2, 0).is_empty() && hints.open(1, 2_000 * SECOND_US).is_empty());
        note(&mut hints, 1_001, true);
        assert!(hints.open(1, 0).is_empty(), "the texts came by themselves");
        // The messages of another call arrive before the call.
        note(&mut hints, 1_002, true);
        note(&mut hints, 1_003, false);
        assert!(hints.open(1, 0).is_empty());
        note(&mut hints, 1_100, false);
        assert_eq!(hints.open(1, 0)[0].count, 3, "and nothing of the kind since");
    }

    #[test]
    fn hints_survive_a_restart_and_are_limited() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(HINTS_TABLE).unwrap();
        let mut hints = HintTable::default();
        for number in 10..5_000 {
            hints.note_evidence(
                number * 61 * SECOND_US,
                1,
                &HintEvidence { subject: Some(format!("model {number}")), ..evidence(InstrumentationHint::UnpricedModel, false) },
            );
            hints.note_evidence(
                number * 61 * SECOND_US,
                1,
                &HintEvidence { sdk: Some(format!("sdk {number}")), ..evidence(InstrumentationHint::Sampled, false) },
            );
        }
        let open = hints.open(1, 0);
        assert_eq!(open.len(), 2 * MAX_ROWS_PER_HINT);
        hints.write(&mut connection).unwrap();
        hints.write(&mut connection).unwrap();
        assert_eq!(HintTable::read(&connection).unwrap().open(1, 0), open);
        hints.forget_before(60 * 61 * SECOND_US);
        delete_before(&connection, 60 * 61 * SECOND_US).unwrap();
        assert_eq!(hints.open(1, 0).len(), MAX_ROWS_PER_HINT);
        assert_eq!(HintTable::read(&connection).unwrap().open(1, 0), hints.open(1, 0));
    }
}
