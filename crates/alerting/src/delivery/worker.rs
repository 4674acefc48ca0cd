//! Delivery worker: sends waiting deliveries. Each channel has a task of its own, so no channel waits for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hinomi_tables::database::SqliteError;
use tokio_util::sync::CancellationToken;

use super::allowed_networks::AllowedNetworks;
use super::attempts::NotificationDelivery;
use super::channel_store::NotifyError;
use super::due_tasks::{DATABASE_ERROR_DELAY, DueTaskSet, MAX_POLL_INTERVAL};
use super::notification::{
    AlertNotification, AlertNotificationKind, AlertNotificationLinks, AlertSeverity, MeasureUnit, MessageLanguage, ThresholdDirection,
};
use super::outbox::{ChannelId, DATABASE, NotificationOutbox, now_us};
use super::transport::DeliveryTransport;
use super::trusted_certificates::TrustedCertificates;

/// Delivers notifications to their channels.
#[derive(Debug)]
pub struct DeliveryWorker {
    outbox: Arc<NotificationOutbox>,
    allowed_networks: AllowedNetworks,
    transport: DeliveryTransport,
    tasks: DueTaskSet<ChannelId>,
    /// Whether delivery is paused; notifications then wait.
    is_paused_flag: AtomicBool,
}

impl DeliveryWorker {
    /// Creates a worker that connects to public addresses and to the allowed private networks, and trusts the public and the given
    /// certificate authorities.
    pub fn new(outbox: Arc<NotificationOutbox>, allowed_networks: AllowedNetworks, trust: TrustedCertificates) -> DeliveryWorker {
        DeliveryWorker {
            outbox,
            transport: DeliveryTransport::new(allowed_networks.clone(), trust),
            allowed_networks,
            tasks: DueTaskSet::default(),
            is_paused_flag: AtomicBool::new(false),
        }
    }

    /// Returns the outbox.
    pub fn outbox(&self) -> &Arc<NotificationOutbox> {
        &self.outbox
    }

    /// Returns the private networks that the server's configuration allows.
    pub fn allowed_networks(&self) -> &AllowedNetworks {
        &self.allowed_networks
    }

    /// Pauses or resumes delivery.
    pub fn set_paused(&self, paused: bool) {
        if self.is_paused_flag.swap(paused, Ordering::Relaxed) != paused {
            tracing::info!(paused, "notify.delivery.paused");
            self.outbox.delivery_due.notify_one();
        }
    }

    /// Returns whether delivery is paused.
    pub fn is_paused(&self) -> bool {
        self.is_paused_flag.load(Ordering::Relaxed)
    }

    /// Delivers until `stop` is cancelled.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        match self.run_blocking(NotificationOutbox::resume_interrupted).await {
            Ok(0) => {}
            Ok(deliveries) => tracing::info!(deliveries, "notify.delivery.resumed"),
            Err(error) => tracing::error!(%error, "notify.delivery.resume_failed"),
        }
        while !stop.is_cancelled() {
            let rest = match self.run_blocking(NotificationOutbox::first_waiting).await {
                _ if self.is_paused() => MAX_POLL_INTERVAL,
                Ok(heads) => self.start_due_tasks(heads, &stop),
                Err(error) => {
                    tracing::error!(%error, "notify.queue.read_failed");
                    DATABASE_ERROR_DELAY
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.outbox.delivery_due.notified() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Starts a task for each channel with a due delivery. Returns the time until the next delivery is due.
    fn start_due_tasks(self: &Arc<Self>, heads: Vec<(i64, ChannelId)>, stop: &CancellationToken) -> Duration {
        let heads = heads.into_iter().map(|(next_us, target)| (target, next_us));
        let deliver = |target| {
            let (worker, stop) = (self.clone(), stop.clone());
            async move { worker.deliver_to_channel(target, &stop).await }
        };
        let outbox = self.outbox.clone();
        self.tasks.start_due(heads, now_us(), deliver, move || outbox.delivery_due.notify_one())
    }

    /// Sends the due deliveries of one channel in order. Returns false after an error of the database.
    async fn deliver_to_channel(&self, target: ChannelId, stop: &CancellationToken) -> bool {
        while !stop.is_cancelled() && !self.is_paused() {
            let next = match self.run_blocking(move |outbox| outbox.take_due(target)).await {
                Ok(Some(next)) => next,
                Ok(None) => return true,
                Err(error) => {
                    tracing::error!(%error, target, "notify.queue.take_failed");
                    return false;
                }
            };
            match self.make_attempt(next).await {
                Ok((_, true)) => {}
                Ok((_, false)) => return true,
                Err(error) => {
                    tracing::error!(%error, target, "notify.result.write_failed");
                    return false;
                }
            }
        }
        true
    }

    /// Makes one attempt and records it before and after. Returns the ID of the delivery, and whether the next one can be sent.
    async fn make_attempt(&self, next: super::queue::DueDelivery) -> Result<(i64, bool), SqliteError> {
        let started = Instant::now();
        let ended = self.transport.send(&next.notification, &next.target).await;
        let took = started.elapsed();
        let (delivery, target, kind) = (next.delivery, next.target.id, next.target.configuration.kind());
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match &ended.error {
            None => tracing::debug!(delivery, target, kind, duration_ms = ms, "notify.delivery.succeeded"),
            Some(error) => tracing::warn!(delivery, target, kind, duration_ms = ms, status = ended.status, error, "notify.delivery.failed"),
        }
        let goes_on = self.run_blocking(move |outbox| outbox.record_result(&next, took, &ended)).await?;
        Ok((delivery, goes_on))
    }

    /// Sends a test to a channel immediately, ahead of its queue, and returns the result.
    ///
    /// # Errors
    ///
    /// Returns an error if the channel does not exist, or the database cannot be read or written.
    pub async fn send_test(&self, project: u64, target: ChannelId, page: &str) -> Result<NotificationDelivery, NotifyError> {
        let page = format!("{page}/p/{project}/alerts");
        let taking = move |outbox: &NotificationOutbox| -> Result<_, NotifyError> {
            let target = outbox.target(project, target)?;
            let notification = test_notification(project, &target.name, page);
            Ok(outbox.take_test(notification, target)?)
        };
        let next = self.run_blocking(taking).await?;
        let (delivery, _) = self.make_attempt(next).await?;
        self.run_blocking(move |outbox| outbox.delivery(project, delivery)).await
    }

    /// Runs database work on a blocking thread.
    async fn run_blocking<T: Send + 'static, E: From<SqliteError> + Send + 'static>(
        &self,
        question: impl FnOnce(&NotificationOutbox) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let outbox = self.outbox.clone();
        match tokio::task::spawn_blocking(move || question(&outbox)).await {
            Ok(answer) => answer,
            // The runtime is shutting down, or the work panicked, which is logged already.
            Err(error) => Err(E::from(SqliteError::Failed { path: DATABASE.into(), reason: error.to_string() })),
        }
    }
}

fn test_notification(project: u64, name: &str, page: String) -> AlertNotification {
    let now = now_us();
    AlertNotification {
        idempotency_key: format!("test-{:032x}", rand::random::<u128>()),
        project,
        rule_id: 0,
        rule_name: name.to_owned(),
        incident_id: None,
        kind: AlertNotificationKind::Test,
        severity: AlertSeverity::Warning,
        measure: "test".to_owned(),
        unit: MeasureUnit::Count,
        compare: None,
        value: None,
        threshold: None,
        direction: ThresholdDirection::Above,
        group: None,
        window_from: now,
        window_to: now,
        at: now,
        time_zone: "UTC".to_owned(),
        culprits: Vec::new(),
        culprits_since: None,
        budget: None,
        outlook: None,
        links: AlertNotificationLinks { incident: page, traces: None },
        language: MessageLanguage::En,
        gathered: Vec::new(),
    }
}
