//! Figures of scores: sums by name and over time, from which means, rates and intervals are computed.
//!
//! Every sum is weighted with 1 / probability, so that a target that was selected with a low probability counts for those that were not.

use hinomi_model::score::{ScoreDataType, ScoreSource};
use rusqlite::{Row, Transaction, params};

use super::definitions::{ScoreDefinition, ScoreDirection, select_definitions};
use super::{ScoreStore, key};
use crate::database::SqliteError;

/// Maximum number of names of scores in a summary.
const MAX_NAMES: usize = 500;
/// Maximum number of labels of a name in a summary.
const MAX_LABELS: usize = 20;

/// Weighted sums over scores.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ScoreFigures {
    /// Number of scores that the sums cover.
    pub n: u64,
    /// Sum of the weights.
    pub weight: f64,
    /// Sum of the squares of the weights.
    pub squared_weight: f64,
    /// Sum of weight times value.
    pub sum: f64,
    /// Sum of weight times the square of the value.
    pub square_sum: f64,
}

impl ScoreFigures {
    /// Returns the weighted mean; `None` without scores.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0 && self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// Number of scores with a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreLabelCount {
    /// Label.
    pub label: String,
    /// Number of scores.
    pub n: u64,
}

/// Figures of the scores with one name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedScoreFigures {
    /// Name of the scores.
    pub name: String,
    /// Type of their values; the most frequent one if they differ.
    pub data_type: ScoreDataType,
    /// Number of all scores, with or without a value.
    pub n: u64,
    /// Sums of the values.
    pub values: ScoreFigures,
    /// Sums of 1 for bad and 0 for other scores; `None` if no definition says which scores are bad.
    pub bad: Option<ScoreFigures>,
    /// Number of scores by source.
    pub sources: Vec<(ScoreSource, u64)>,
    /// Number of scores by label, the most frequent first.
    pub labels: Vec<ScoreLabelCount>,
}

/// Figures of one bucket of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreBucket {
    /// Start of the bucket in microseconds since the Unix epoch.
    pub start_us: i64,
    /// Sums of the values.
    pub values: ScoreFigures,
}

const SUMS: &str = "count(value), coalesce(sum(1 / probability) FILTER (WHERE value IS NOT NULL), 0), \
     coalesce(sum(1 / (probability * probability)) FILTER (WHERE value IS NOT NULL), 0), coalesce(sum(value / probability), 0), \
     coalesce(sum(value * value / probability), 0)";

fn read_sums(row: &Row, first: usize) -> rusqlite::Result<ScoreFigures> {
    Ok(ScoreFigures {
        n: row.get(first)?,
        weight: row.get(first + 1)?,
        squared_weight: row.get(first + 2)?,
        sum: row.get(first + 3)?,
        square_sum: row.get(first + 4)?,
    })
}

impl ScoreStore {
    /// Returns the figures of a project's scores in `from_us..to_us` by name, and of an environment only if it is given. Blocks the calling
    /// thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn summarize(
        &self,
        project: u64,
        (from_us, to_us): (i64, i64),
        environment: Option<&str>,
    ) -> Result<Vec<NamedScoreFigures>, SqliteError> {
        self.database.read(|transaction| {
            let project = key(project);
            let definitions = select_definitions(transaction, project)?;
            let mut select = transaction.prepare_cached(&format!(
                "SELECT name, count(*), {SUMS} FROM scores
                 WHERE project = ?1 AND superseded = 0 AND at_us >= ?2 AND at_us < ?3 AND (?4 IS NULL OR environment = ?4)
                 GROUP BY name ORDER BY count(*) DESC, name LIMIT {MAX_NAMES}"
            ))?;
            let named = |row: &Row| Ok((row.get(0)?, row.get(1)?, read_sums(row, 2)?));
            let rows: Vec<(String, u64, ScoreFigures)> =
                select.query_map(params![project, from_us, to_us, environment], named)?.collect::<rusqlite::Result<_>>()?;
            let scope = FigureScope { transaction, project, from_us, to_us, environment };
            rows.into_iter()
                .map(|(name, n, values)| {
                    let definition = definitions.iter().find(|definition| definition.draft.name == name);
                    Ok(NamedScoreFigures {
                        data_type: scope.data_type(&name)?,
                        bad: definition.map(|definition| scope.bad(definition)).transpose()?.flatten(),
                        sources: scope.sources(&name)?,
                        labels: scope.labels(&name)?,
                        name,
                        n,
                        values,
                    })
                })
                .collect()
        })
    }

    /// Returns the figures of the scores with a name in `from_us..to_us` by bucket; buckets without scores are left out. Blocks the calling
    /// thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn series(&self, project: u64, name: &str, (from_us, to_us): (i64, i64), length_us: i64) -> Result<Vec<ScoreBucket>, SqliteError> {
        self.database.read(|transaction| {
            let mut select = transaction.prepare_cached(&format!(
                "SELECT at_us / ?5 * ?5, {SUMS} FROM scores
                 WHERE project = ?1 AND superseded = 0 AND name = ?2 AND at_us >= ?3 AND at_us < ?4 GROUP BY at_us / ?5 ORDER BY 1"
            ))?;
            let bucket = |row: &Row| Ok(ScoreBucket { start_us: row.get(0)?, values: read_sums(row, 1)? });
            select.query_map(params![key(project), name, from_us, to_us, length_us.max(1)], bucket)?.collect()
        })
    }

    /// Returns the times of the first and the last score with a name in `from_us..to_us`, in microseconds since the Unix epoch. Blocks the
    /// calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn extent(&self, project: u64, name: &str, (from_us, to_us): (i64, i64)) -> Result<Option<(i64, i64)>, SqliteError> {
        self.database.read(|transaction| {
            let select = "SELECT min(at_us), max(at_us) FROM scores
                 WHERE project = ?1 AND superseded = 0 AND name = ?2 AND at_us >= ?3 AND at_us < ?4";
            let times: (Option<i64>, Option<i64>) = transaction
                .prepare_cached(select)?
                .query_row(params![key(project), name, from_us, to_us], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(times.0.zip(times.1))
        })
    }

    /// Returns the weighted mean of the scores with a name in `from_us..to_us`; `None` if there are none with a value. Blocks the calling
    /// thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn mean_score(&self, project: u64, name: &str, from_us: i64, to_us: i64) -> Result<Option<f64>, SqliteError> {
        self.database.read(|transaction| {
            let select =
                format!("SELECT {SUMS} FROM scores WHERE project = ?1 AND superseded = 0 AND name = ?2 AND at_us >= ?3 AND at_us < ?4");
            let sums =
                transaction.prepare_cached(&select)?.query_row(params![key(project), name, from_us, to_us], |row| read_sums(row, 0))?;
            Ok(sums.mean())
        })
    }
}

impl ScoreStore {
    /// Returns the number of scores with a name in `from_us..to_us`. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn count_scores(&self, project: u64, name: &str, (from_us, to_us): (i64, i64)) -> Result<u64, SqliteError> {
        self.database.read(|transaction| {
            let select = "SELECT count(*) FROM scores WHERE project = ?1 AND superseded = 0 AND name = ?2 AND at_us >= ?3 AND at_us < ?4";
            transaction.prepare_cached(select)?.query_row(params![key(project), name, from_us, to_us], |row| row.get(0))
        })
    }

    /// Returns the weighted fraction of bad scores with a name in `from_us..to_us`; `None` if there are no scores, or no score definition
    /// says which are bad. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn bad_rate(&self, project: u64, name: &str, (from_us, to_us): (i64, i64)) -> Result<Option<f64>, SqliteError> {
        self.database.read(|transaction| {
            let project = key(project);
            let definitions = select_definitions(transaction, project)?;
            let Some(definition) = definitions.iter().find(|definition| definition.draft.name == name) else { return Ok(None) };
            let scope = FigureScope { transaction, project, from_us, to_us, environment: None };
            Ok(scope.bad(definition)?.filter(|bad| bad.n > 0).and_then(|bad| bad.mean()))
        })
    }
}

/// Scores that the figures of one summary cover.
struct FigureScope<'a> {
    transaction: &'a Transaction<'a>,
    project: i64,
    from_us: i64,
    to_us: i64,
    environment: Option<&'a str>,
}

impl FigureScope<'_> {
    fn rows<T>(&self, name: &str, what: &str, read: impl FnMut(&Row) -> rusqlite::Result<T>) -> rusqlite::Result<Vec<T>> {
        let mut select = self.transaction.prepare_cached(&format!(
            "SELECT {what}, count(*) FROM scores WHERE project = ?1 AND superseded = 0 AND name = ?2 AND at_us >= ?3 AND at_us < ?4
             AND (?5 IS NULL OR environment = ?5) AND {what} IS NOT NULL GROUP BY {what} ORDER BY count(*) DESC, {what} LIMIT {MAX_LABELS}"
        ))?;
        select.query_map(params![self.project, name, self.from_us, self.to_us, self.environment], read)?.collect()
    }

    fn data_type(&self, name: &str) -> rusqlite::Result<ScoreDataType> {
        let types = self.rows(name, "data_type", |row| Ok(ScoreDataType::from_name(row.get_ref(0)?.as_str()?)))?;
        Ok(types.into_iter().flatten().next().unwrap_or(ScoreDataType::Text))
    }

    fn sources(&self, name: &str) -> rusqlite::Result<Vec<(ScoreSource, u64)>> {
        self.rows(name, "source", |row| Ok((ScoreSource::from_name(row.get_ref(0)?.as_str()?).unwrap_or(ScoreSource::Sdk), row.get(1)?)))
    }

    fn labels(&self, name: &str) -> rusqlite::Result<Vec<ScoreLabelCount>> {
        self.rows(name, "label", |row| Ok(ScoreLabelCount { label: row.get(0)?, n: row.get(1)? }))
    }

    /// Returns the sums of 1 for bad and 0 for other scores; `None` if the definition does not say which are bad.
    fn bad(&self, definition: &ScoreDefinition) -> rusqlite::Result<Option<ScoreFigures>> {
        let draft = &definition.draft;
        let labels = serde_json::to_string(&draft.bad_labels).unwrap_or_default();
        let (is_rated, is_bad) = match (draft.data_type, draft.bad_from.zip(draft.better)) {
            (ScoreDataType::Categorical, _) if !draft.bad_labels.is_empty() => {
                ("label IS NOT NULL AND ?6 IS NULL", "label IN (SELECT value FROM json_each(?7))")
            }
            (ScoreDataType::Categorical, _) | (_, None) => return Ok(None),
            (_, Some((_, ScoreDirection::Higher))) => ("value IS NOT NULL AND ?7 IS NOT NULL", "value <= ?6"),
            (_, Some((_, ScoreDirection::Lower))) => ("value IS NOT NULL AND ?7 IS NOT NULL", "value >= ?6"),
        };
        let mut select = self.transaction.prepare_cached(&format!(
            "SELECT {SUMS} FROM (
                 SELECT probability, CASE WHEN {is_bad} THEN 1.0 ELSE 0.0 END AS value FROM scores
                 WHERE project = ?1 AND superseded = 0 AND name = ?2 AND at_us >= ?3 AND at_us < ?4 AND (?5 IS NULL OR environment = ?5)
                 AND {is_rated})"
        ))?;
        let bound = if draft.data_type == ScoreDataType::Categorical { None } else { draft.bad_from };
        let sums = select
            .query_row(params![self.project, draft.name, self.from_us, self.to_us, self.environment, bound, labels], |row| {
                read_sums(row, 0)
            })?;
        Ok(Some(sums))
    }
}
