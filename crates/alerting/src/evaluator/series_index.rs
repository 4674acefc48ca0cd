//! Index of the series that a span may belong to: by project and, if a filter requires one of several values, by value. With this index, a
//! thousand rules for a thousand users take one lookup instead of a thousand filters.

use std::collections::HashMap;

use hinomi_model::span::Span;
use hinomi_query::{GroupBy, SpanMatcher};

use super::metric_series::AlertSeries;

/// The series with the same filter.
#[derive(Debug)]
struct SeriesFilterEntry {
    matcher: SpanMatcher,
    series: Vec<usize>,
}

/// The series of one project.
#[derive(Debug, Default)]
struct ProjectSeriesIndex {
    filters: Vec<SeriesFilterEntry>,
    /// Filters that are tested on every span.
    unanchored: Vec<usize>,
    /// Filters that are tested only on spans with a certain value of a column.
    anchored: Vec<(GroupBy, HashMap<String, Vec<usize>>)>,
}

/// The series of all projects.
#[derive(Debug, Default)]
pub(crate) struct SeriesIndex(HashMap<u64, ProjectSeriesIndex>);

impl SeriesIndex {
    /// Builds the index from series with their positions in the list.
    pub(crate) fn new<'a>(series: impl IntoIterator<Item = (usize, &'a AlertSeries)>) -> SeriesIndex {
        let mut index = SeriesIndex::default();
        let mut known: HashMap<(u64, String), usize> = HashMap::new();
        for (place, track) in series {
            let of_project = index.0.entry(track.spec.project).or_default();
            let number = *known.entry((track.spec.project, track.spec.filter.clone())).or_insert_with(|| {
                of_project.filters.push(SeriesFilterEntry { matcher: track.matcher.clone(), series: Vec::new() });
                let number = of_project.filters.len() - 1;
                of_project.anchor_filter(number, &track.matcher);
                number
            });
            of_project.filters[number].series.push(place);
        }
        index
    }

    /// Calls `work` with the position of each series that a span belongs to.
    pub(crate) fn each_series_of(&self, project: u64, span: &Span, mut work: impl FnMut(usize)) {
        let Some(of_project) = self.0.get(&project) else { return };
        let mut ask = |number: &usize| {
            let filtered = &of_project.filters[*number];
            if filtered.matcher.holds(span) {
                filtered.series.iter().for_each(|place| work(*place));
            }
        };
        of_project.unanchored.iter().for_each(&mut ask);
        for (by, values) in &of_project.anchored {
            let found = by.of(span).and_then(|value| values.get(value.as_ref()));
            found.into_iter().flatten().for_each(&mut ask);
        }
    }
}

impl ProjectSeriesIndex {
    fn anchor_filter(&mut self, number: usize, matcher: &SpanMatcher) {
        let Some((column, values)) = matcher.required_texts() else {
            self.unanchored.push(number);
            return;
        };
        let by = GroupBy::Column(column, column);
        let at = self.anchored.iter().position(|(known, _)| *known == by).unwrap_or_else(|| {
            self.anchored.push((by, HashMap::new()));
            self.anchored.len() - 1
        });
        for value in values {
            let filters = self.anchored[at].1.entry(value.to_owned()).or_default();
            if filters.last() != Some(&number) {
                filters.push(number);
            }
        }
    }
}
