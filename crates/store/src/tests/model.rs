//! Compares the store with a naive model over random histories.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

use hinomi_model::price::PriceBook;
use proptest::prelude::*;

use super::super::key_hash::collisions::colliding_trace;
use super::*;

/// The reported part of a span.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Report {
    /// The whole span, with its start.
    Whole(i64),
    /// One message of it.
    Piece(i64),
}

/// Project, and trace, span and report of each span.
type Spans = (u64, Vec<(u128, u64, Report)>);

#[derive(Debug, Clone)]
enum Step {
    /// One request.
    Append(Spans),
    /// Several concurrent requests.
    Together(Vec<Spans>),
    /// Spans of a project, stored or not, get another name.
    Revise(u64, Vec<(u128, u64)>, u8),
    Flush,
    Merge,
    /// The process ends without warning and starts again.
    Restart,
    /// The directory is copied while the store works, and the copy is opened.
    Crash,
}

fn request() -> impl Strategy<Value = Spans> {
    // Few IDs, for many duplicates and long traces.
    let report = prop_oneof![2 => (0i64..40).prop_map(Report::Whole), 1 => (0i64..4).prop_map(Report::Piece)];
    (1u64..3, proptest::collection::vec((1u128..5, 1u64..12, report), 1..6))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => request().prop_map(Step::Append),
        2 => proptest::collection::vec(request(), 2..5).prop_map(Step::Together),
        2 => (1u64..3, proptest::collection::vec((1u128..5, 1u64..12), 1..6), 0u8..3).prop_map(|(project, spans, name)| Step::Revise(project, spans, name)),
        2 => Just(Step::Flush),
        1 => Just(Step::Merge),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ]
}

/// The expected contents: the first report of each span, joined with all of its parts.
#[derive(Default)]
struct Model(BTreeMap<(u64, TraceId, SpanId), Span>);

impl Model {
    /// Returns the number of new spans, and of those that were joined.
    fn append(&mut self, project: u64, spans: &[Span]) -> (usize, usize) {
        let (mut stored, mut joined) = (0, 0);
        for span in spans {
            match self.0.entry((project, span.trace_id, span.span_id)) {
                Entry::Vacant(place) => {
                    place.insert(span.clone());
                    stored += 1;
                }
                Entry::Occupied(mut known) => {
                    if let Some(whole) = hinomi_model::partial_spans::join_partial_spans(known.get(), span, PriceBook::embedded()) {
                        known.insert(whole);
                        joined += 1;
                    }
                }
            }
        }
        (stored, joined)
    }

    /// Returns the number of changed spans.
    fn revise(&mut self, project: u64, spans: &BTreeSet<(u128, u64)>, name: &str) -> usize {
        let mut changed = 0;
        for (trace, id) in spans {
            let known = self.0.get_mut(&(project, TraceId(*trace), SpanId(*id)));
            for span in known.into_iter().filter(|span| span.name != name) {
                name.clone_into(&mut span.name);
                changed += 1;
            }
        }
        changed
    }

    /// Returns the rows as they should be read: with the rules applied to each whole trace.
    fn expected(&self) -> BTreeMap<(u64, TraceId, SpanId), Span> {
        let mut expected = self.0.clone();
        let keys: Vec<_> = expected.keys().copied().collect();
        for trace in keys.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let nodes: Vec<SpanNode> = trace.iter().map(|key| SpanNode::of(&self.0[key])).collect();
            for (key, decision) in trace.iter().zip(latest_names_the_pipeline(&nodes)) {
                decision.apply(expected.get_mut(key).unwrap());
            }
        }
        expected
    }
}

/// Returns the spans of a request, each of them once.
fn spans(request: &[(u128, u64, Report)], trace: impl Fn(u128) -> u128) -> Vec<Span> {
    let mut known = BTreeSet::new();
    let once = request.iter().filter(|(trace, id, _)| known.insert((*trace, *id)));
    once.map(|(number, id, report)| match report {
        Report::Whole(start) => span(trace(*number), *id, *start),
        Report::Piece(piece_number) => piece(trace(*number), *id, *piece_number),
    })
    .collect()
}

/// Maps a small number to a trace of a project.
type Traces = fn(u64, u128) -> u128;

/// Returns traces that share their hash with other traces, of the same and of another project, as do their spans.
fn colliding(project: u64, number: u128) -> u128 {
    let other = (1, TraceId(number % 2 + 1));
    if project == other.0 && number == other.1.0 { number } else { colliding_trace(other, project, number as u64).0 }
}

/// Runs background work all the time, so that it happens between any two steps.
fn busy() -> StoreConfig {
    StoreConfig { flush_age: Duration::from_millis(15), ..small() }
}

async fn run(steps: Vec<Step>, traces: Traces) {
    let mut dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), busy()).unwrap();
    let mut model = Model::default();
    for step in steps {
        match &step {
            Step::Append((project, request)) => {
                let spans = spans(request, |trace| traces(*project, trace));
                let count = spans.len();
                let (stored, joined) = model.append(*project, &spans);
                let appended = store.append(*project, spans).await.unwrap();
                assert_eq!((appended.stored, appended.joined, appended.duplicates), (stored, joined, count - stored - joined));
            }
            Step::Together(requests) => {
                // They are prepared on several threads in unknown order, so all reports of one span are equal.
                let same = |(trace, id, report): &(u128, u64, Report)| match report {
                    Report::Whole(_) => (*trace, *id, Report::Whole(7)),
                    piece @ Report::Piece(_) => (*trace, *id, *piece),
                };
                let requests = requests.iter().map(|(project, request)| (*project, request.iter().map(same).collect::<Vec<_>>()));
                let requests: Vec<(u64, Vec<Span>)> =
                    requests.map(|(project, request)| (project, spans(&request, |trace| traces(project, trace)))).collect();
                let stored: usize = requests.iter().map(|(project, spans)| model.append(*project, spans).0).sum();
                let appends = requests.into_iter().map(|(project, spans)| store.append(project, spans));
                let appended = futures::future::join_all(appends).await;
                assert_eq!(appended.into_iter().map(|appended| appended.unwrap().stored).sum::<usize>(), stored);
            }
            Step::Revise(project, spans, name) => {
                let name = format!("revised {name}");
                let spans: BTreeSet<(u128, u64)> = spans.iter().map(|(trace, id)| (traces(*project, *trace), *id)).collect();
                let expected = model.revise(*project, &spans, &name);
                let spans = spans.iter().map(|(trace, id)| (TraceId(*trace), SpanId(*id))).collect();
                let revise: SpanReviser = Arc::new(move |span| span.name.clone_from(&name));
                assert_eq!(store.revise(*project, spans, revise).await.unwrap(), expected);
            }
            Step::Flush => store.flush().await.unwrap(),
            Step::Merge => drop(store.compact().await.unwrap()),
            Step::Restart => {
                drop(store);
                store = Store::open(dir.path(), busy()).unwrap();
            }
            Step::Crash => {
                let copy = tempfile::tempdir().unwrap();
                {
                    // Copying takes time and a crash does not: no transaction may happen meanwhile.
                    let _still = lock(&store.shared.manifest);
                    copy_folder(dir.path(), copy.path());
                }
                store = Store::open(copy.path(), busy()).unwrap();
                dir = copy;
            }
        }
        let seen: BTreeMap<_, _> = rows(&store.snapshot()).into_iter().map(|(key, row)| (key, row.span)).collect();
        assert_eq!(store.stats().damaged, [""; 0], "after {step:?}");
        assert_eq!(seen, model.expected(), "after {step:?}");
        assert_eq!(store.stats().rows as usize, seen.len());
        assert_eq!(store.stats().background_error, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn store_agrees_with_the_model(steps in proptest::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(run(steps, |_, trace| trace));
    }

    #[test]
    fn store_agrees_with_the_model_under_hash_collisions(steps in proptest::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(run(steps, colliding));
    }
}
