//! A handler that works on numbers, through all that can happen to a job.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream;
use hinomi_tables::metadata::{JobFilter, JobRecord, JobState, MetadataError, MetadataStore};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::runner::MAX_RUNNING_JOBS;
use super::*;

/// A gate that never closes.
const OPEN: usize = 10_000;
const NO_DELAY: JobLimits = JobLimits { max_running: 2, max_workers: 3, max_attempts: 3, min_retry_delay: Duration::from_millis(1) };

/// What the handlers of a test do and see.
#[derive(Debug)]
struct WorkProbe {
    /// One permit for each item that may be completed, except the slow one.
    gate: Semaphore,
    /// An item that waits for a permit of its own.
    slow: Option<u64>,
    slow_gate: Semaphore,
    working: AtomicUsize,
    most_working: AtomicUsize,
    /// Items in the order in which work on them began.
    begun: Mutex<Vec<u64>>,
    /// Number of times that an item still fails.
    failures: Mutex<BTreeMap<u64, u32>>,
    interruption: Mutex<Option<JobInterruption>>,
    attempts: AtomicU64,
}

impl WorkProbe {
    fn new(gate: usize) -> Arc<WorkProbe> {
        WorkProbe::with_slow(gate, None)
    }

    fn with_slow(gate: usize, slow: Option<u64>) -> Arc<WorkProbe> {
        Arc::new(WorkProbe {
            gate: Semaphore::new(gate),
            slow,
            slow_gate: Semaphore::new(0),
            working: AtomicUsize::new(0),
            most_working: AtomicUsize::new(0),
            begun: Mutex::default(),
            failures: Mutex::default(),
            interruption: Mutex::default(),
            attempts: AtomicU64::new(0),
        })
    }

    fn fail(&self, item: u64, times: u32) {
        self.failures.lock().unwrap().insert(item, times);
    }

    fn working(&self) -> usize {
        self.working.load(Ordering::SeqCst)
    }

    fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::SeqCst)
    }

    /// Returns the items on which work began, in ascending order.
    fn begun(&self) -> Vec<u64> {
        let mut begun = self.begun.lock().unwrap().clone();
        begun.sort_unstable();
        begun
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct SumTask {
    items: u64,
    /// How an item that fails does so.
    failure: SumFailure,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum SumFailure {
    Temporary,
    Permanent,
    Panic,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct SumProgress {
    next: u64,
    sum: u64,
}

/// Adds the numbers below a limit, one item each. Each `NUMBER` is a kind of its own.
#[derive(Debug)]
struct SumJob<const NUMBER: usize = 0> {
    probe: Arc<WorkProbe>,
    limits: JobLimits,
    rate: RateLimit,
}

impl<const NUMBER: usize> SumJob<NUMBER> {
    fn new(probe: &Arc<WorkProbe>, limits: JobLimits) -> SumJob<NUMBER> {
        SumJob { probe: probe.clone(), limits, rate: RateLimit::new(1_000, Duration::from_secs(1)) }
    }

    async fn add(&self, job: &JobContext<SumJob<NUMBER>>, item: u64) -> Result<u64, JobError> {
        job.acquire(&self.rate).await?;
        self.probe.begun.lock().unwrap().push(item);
        let working = self.probe.working.fetch_add(1, Ordering::SeqCst) + 1;
        self.probe.most_working.fetch_max(working, Ordering::SeqCst);
        let gate = if self.probe.slow == Some(item) { &self.probe.slow_gate } else { &self.probe.gate };
        let passed = job.interrupted().run_until_cancelled(gate.acquire()).await;
        self.probe.working.fetch_sub(1, Ordering::SeqCst);
        passed.ok_or(JobError::Interrupted)?.unwrap().forget();
        let mut failures = self.probe.failures.lock().unwrap();
        let Some(left) = failures.get_mut(&item).filter(|left| **left > 0) else { return Ok(item) };
        *left -= 1;
        drop(failures);
        let reason = format!("item {item} failed");
        match job.task().failure {
            SumFailure::Temporary => Err(JobError::Temporary { reason, retry_after: None }),
            SumFailure::Permanent => Err(JobError::Permanent(reason)),
            SumFailure::Panic => panic!("{reason}"),
        }
    }
}

impl<const NUMBER: usize> JobHandler for SumJob<NUMBER> {
    const KIND: &'static str = ["sum", "sum_one", "sum_two"][NUMBER];
    type Task = SumTask;
    type Progress = SumProgress;

    fn limits(&self) -> JobLimits {
        self.limits
    }

    async fn run(&self, job: &JobContext<SumJob<NUMBER>>) -> Result<(), JobError> {
        self.probe.attempts.fetch_add(1, Ordering::SeqCst);
        let mut progress = job.saved_progress().unwrap_or_default();
        job.counts().set_total(job.task().items);
        let items = stream::iter(progress.next..job.task().items);
        let added = |item: u64| {
            progress = SumProgress { next: item + 1, sum: progress.sum + item };
            job.save_progress(&progress)
        };
        let ended = job.process_items(items, |item| self.add(job, item), added).await;
        *self.probe.interruption.lock().unwrap() = job.interruption();
        ended
    }
}

/// A server's runner on threads of its own.
struct RunningServer {
    threads: Runtime,
    meta: Arc<MetadataStore>,
    jobs: Arc<JobRunner>,
    stop: CancellationToken,
}

impl RunningServer {
    fn start(dir: &TempDir, handlers: JobRegistry) -> RunningServer {
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (meta, stop) = (Arc::new(MetadataStore::open(dir.path()).unwrap()), CancellationToken::new());
        let jobs = JobRunner::new(meta.clone(), handlers, threads.handle().clone(), stop.clone());
        jobs.start().unwrap();
        RunningServer { threads, meta, jobs, stop }
    }

    /// Starts a runner with one kind.
    fn with(dir: &TempDir, probe: &Arc<WorkProbe>, limits: JobLimits) -> RunningServer {
        RunningServer::start(dir, JobRegistry::default().with(SumJob::<0>::new(probe, limits)))
    }

    fn submit(&self, project: u64, items: u64, failure: SumFailure) -> i64 {
        self.jobs.submit_job::<SumJob>(project, &SumTask { items, failure }).unwrap().id
    }

    fn wait(&self, id: i64) -> JobRecord {
        self.threads.block_on(async { tokio::time::timeout(Duration::from_secs(30), self.jobs.wait_for_job(id)).await.unwrap().unwrap() })
    }

    fn cancel(&self, id: i64) -> JobRecord {
        self.threads.block_on(self.jobs.cancel(id)).unwrap()
    }

    fn count(&self, state: JobState) -> usize {
        self.jobs.list(&JobFilter::default(), 100).unwrap().iter().filter(|job| job.state == state).count()
    }

    /// Stops as a server does.
    fn stop(self) {
        self.stop.cancel();
        self.threads.block_on(self.jobs.wait_until_idle());
    }

    /// Drops all that runs, as a killed process does.
    fn kill(self) {
        self.threads.shutdown_timeout(Duration::from_secs(30));
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    panic!("never happened: {what}");
}

fn progress(record: &JobRecord) -> SumProgress {
    record.progress.as_deref().map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default()
}

#[test]
fn several_workers_share_a_job_and_its_progress_is_seen() {
    let (dir, probe) = (tempfile::tempdir().unwrap(), WorkProbe::new(0));
    let server = RunningServer::with(&dir, &probe, NO_DELAY);
    let id = server.submit(1, 40, SumFailure::Temporary);
    until("all workers have an item", || probe.working() == 3);
    probe.gate.add_permits(7);
    until("the progress is saved", || progress(&server.meta.job(id).unwrap()) == SumProgress { next: 7, sum: 21 });
    let now = server.jobs.get(id).unwrap();
    assert_eq!((now.state, now.done, now.total), (JobState::Running, 7, 40));
    probe.gate.add_permits(33);
    let done = server.wait(id);
    assert_eq!((done.state, done.done, done.total, progress(&done)), (JobState::Done, 40, 40, SumProgress { next: 40, sum: 780 }));
    assert_eq!((probe.most_working.load(Ordering::SeqCst), done.attempts, done.reason), (3, 0, None));
}

#[test]
fn a_slow_item_does_not_stop_the_other_workers() {
    let (dir, probe) = (tempfile::tempdir().unwrap(), WorkProbe::with_slow(OPEN, Some(0)));
    let server = RunningServer::with(&dir, &probe, NO_DELAY);
    let id = server.submit(1, 40, SumFailure::Temporary);
    // The others continue as far as results may wait for the first item.
    until("the other items have passed", || probe.begun().len() == 12 && probe.working() == 1);
    assert_eq!(server.jobs.get(id).unwrap().done, 0);
    probe.slow_gate.add_permits(1);
    let done = server.wait(id);
    assert_eq!((done.state, progress(&done)), (JobState::Done, SumProgress { next: 40, sum: 780 }));
    assert_eq!(probe.begun(), (0..40).collect::<Vec<_>>());
}

#[test]
fn a_cancelled_job_keeps_what_it_has_done() {
    let (dir, probe) = (tempfile::tempdir().unwrap(), WorkProbe::new(4));
    let server = RunningServer::with(&dir, &probe, NO_DELAY);
    let (id, second) = (server.submit(1, 40, SumFailure::Temporary), server.submit(1, 3, SumFailure::Temporary));
    until("four items are done", || server.jobs.get(id).unwrap().done == 4);
    // One job per project and kind runs at a time.
    assert_eq!(server.jobs.get(second).unwrap().state, JobState::Queued);
    let cancelled = server.cancel(id);
    assert_eq!((cancelled.state, cancelled.done, progress(&cancelled)), (JobState::Cancelled, 4, SumProgress { next: 4, sum: 6 }));
    assert_eq!(*probe.interruption.lock().unwrap(), Some(JobInterruption::Cancelled));
    assert_eq!(server.cancel(id), cancelled);
    probe.gate.add_permits(3);
    assert_eq!(server.wait(second).state, JobState::Done);
    assert!(matches!(server.jobs.get(99), Err(MetadataError::NoJob(99))));
}

#[test]
fn a_job_continues_from_its_progress_after_a_stop_and_after_a_kill() {
    for is_killed in [false, true] {
        let (dir, probe) = (tempfile::tempdir().unwrap(), WorkProbe::new(4));
        let server = RunningServer::with(&dir, &probe, NO_DELAY);
        let id = server.submit(1, 40, SumFailure::Temporary);
        until("four items are done", || server.jobs.get(id).unwrap().done == 4);
        if is_killed {
            server.kill();
        } else {
            server.stop();
            assert_eq!(*probe.interruption.lock().unwrap(), Some(JobInterruption::Shutdown));
        }
        let probe = WorkProbe::new(OPEN);
        let server = RunningServer::with(&dir, &probe, NO_DELAY);
        let done = server.wait(id);
        assert_eq!((done.state, done.done, progress(&done)), (JobState::Done, 40, SumProgress { next: 40, sum: 780 }));
        assert_eq!(probe.begun(), (4..40).collect::<Vec<_>>());
    }
}

#[test]
fn a_temporary_failure_is_repeated_as_long_as_there_is_progress() {
    let (dir, probe) = (tempfile::tempdir().unwrap(), WorkProbe::new(OPEN));
    // Five failures, but never three in a row without progress. The items are too far apart to be in work at the same time.
    for (item, times) in [(0, 2), (15, 2), (39, 1)] {
        probe.fail(item, times);
    }
    let server = RunningServer::with(&dir, &probe, NO_DELAY);
    let done = server.wait(server.submit(1, 40, SumFailure::Temporary));
    assert_eq!((done.state, done.done, progress(&done)), (JobState::Done, 40, SumProgress { next: 40, sum: 780 }));
    assert_eq!((probe.attempts(), done.attempts, done.reason), (6, 0, None));
    probe.fail(5, 3);
    let failed = server.wait(server.submit(1, 40, SumFailure::Temporary));
    assert_eq!((failed.state, failed.reason.as_deref()), (JobState::Failed, Some("item 5 failed")));
    assert_eq!((probe.attempts(), progress(&failed)), (9, SumProgress { next: 5, sum: 10 }));
}

#[test]
fn failed_attempts_are_counted_across_restarts() {
    let (dir, probe) = (tempfile::tempdir().unwrap(), WorkProbe::new(OPEN));
    probe.fail(2, 9);
    let hours = JobLimits { min_retry_delay: Duration::from_secs(3600), ..NO_DELAY };
    let server = RunningServer::with(&dir, &probe, hours);
    let (id, second) = (server.submit(1, 40, SumFailure::Temporary), server.submit(2, 40, SumFailure::Temporary));
    until("both wait for their next attempt", || server.count(JobState::Paused) == 2);
    // A job that waits can be cancelled, and occupies no slot.
    assert_eq!(server.cancel(second).state, JobState::Cancelled);
    let paused = server.meta.job(id).unwrap();
    assert_eq!((paused.done, paused.attempts, paused.reason.as_deref()), (2, 1, None));
    assert!(paused.retry_us > Some(paused.created_us));
    server.stop();
    // The delay is over when the server starts again. The attempt after that is the second of three.
    let meta = MetadataStore::open(dir.path()).unwrap();
    meta.update_job(&JobRecord { retry_us: Some(paused.created_us), ..paused }).unwrap();
    drop(meta);
    let server = RunningServer::with(&dir, &probe, NO_DELAY);
    let failed = server.wait(id);
    assert_eq!((failed.state, failed.reason.as_deref(), failed.retry_us), (JobState::Failed, Some("item 2 failed"), None));
    assert_eq!(probe.attempts(), 4);
}

#[test]
fn permanent_failures_and_panics_end_a_job_at_once() {
    let (dir, probe) = (tempfile::tempdir().unwrap(), WorkProbe::new(OPEN));
    let server = RunningServer::with(&dir, &probe, NO_DELAY);
    for (failure, expected) in [(SumFailure::Permanent, "item 3 failed"), (SumFailure::Panic, "internal error")] {
        probe.fail(3, 1);
        let failed = server.wait(server.submit(1, 40, failure));
        assert_eq!((failed.state, progress(&failed)), (JobState::Failed, SumProgress { next: 3, sum: 3 }));
        assert!(failed.reason.as_deref().unwrap().contains(expected), "{failed:?}");
    }
    assert_eq!(probe.attempts(), 2);
    assert_eq!(server.wait(server.submit(1, 5, SumFailure::Permanent)).state, JobState::Done);
}

#[test]
fn jobs_of_unknown_kinds_stay_in_the_queue() {
    let (dir, probe) = (tempfile::tempdir().unwrap(), WorkProbe::new(OPEN));
    let server = RunningServer::start(&dir, JobRegistry::default());
    let id = server.submit(1, 5, SumFailure::Temporary);
    let unreadable = server.meta.create_job(2, SumJob::<0>::KIND, r#"{"items":"all"}"#).unwrap();
    server.stop();
    let server = RunningServer::with(&dir, &probe, NO_DELAY);
    assert_eq!(server.wait(id).state, JobState::Done);
    assert_eq!(server.jobs.get(unreadable.id).unwrap(), unreadable);
    assert_eq!(server.cancel(unreadable.id).state, JobState::Cancelled);
}

#[test]
fn jobs_run_within_the_limits_of_their_kind_and_of_all_kinds() {
    let (dir, probe) = (tempfile::tempdir().unwrap(), WorkProbe::new(0));
    let one_worker = JobLimits { max_workers: 1, ..NO_DELAY };
    let handlers = JobRegistry::default()
        .with(SumJob::<0>::new(&probe, one_worker))
        .with(SumJob::<1>::new(&probe, one_worker))
        .with(SumJob::<2>::new(&probe, one_worker));
    let server = RunningServer::start(&dir, handlers);
    let first: Vec<i64> = (1..=4).map(|project| server.submit(project, 5, SumFailure::Temporary)).collect();
    until("two jobs of the kind run", || probe.working() == 2);
    assert_eq!(server.count(JobState::Running), 2);
    let task = SumTask { items: 5, failure: SumFailure::Temporary };
    for project in 1..=2 {
        server.jobs.submit_job::<SumJob<1>>(project, &task).unwrap();
        server.jobs.submit_job::<SumJob<2>>(project, &task).unwrap();
    }
    until("as many run as may", || probe.working() == MAX_RUNNING_JOBS);
    assert_eq!((server.count(JobState::Running), server.count(JobState::Queued)), (MAX_RUNNING_JOBS, 4));
    assert_eq!(server.jobs.get(first[2]).unwrap().state, JobState::Queued);
    probe.gate.add_permits(40);
    until("all are done", || server.count(JobState::Done) == 8);
    assert_eq!(probe.most_working.load(Ordering::SeqCst), MAX_RUNNING_JOBS);
}

#[test]
fn delays_grow_up_to_a_limit_and_respect_what_is_requested() {
    let limits = JobLimits::default();
    let delay = |failed, requested: Option<u64>| limits.retry_delay(failed, requested.map(Duration::from_secs)).as_secs();
    assert_eq!((delay(1, None), delay(2, None), delay(3, None), delay(u32::MAX, None)), (5, 20, 80, 600));
    assert_eq!((delay(1, Some(30)), delay(3, Some(30)), delay(1, Some(u64::MAX))), (30, 80, 6 * 3600));
}
