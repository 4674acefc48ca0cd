//! Opens the databases of the server.

use std::sync::Arc;

use anyhow::Context;
use hinomi_alerting::AlertService;
use hinomi_alerting::delivery::NotificationOutbox;
use hinomi_store::{Store, StoreConfig};
use hinomi_tables::audit_log::AuditLog;
use hinomi_tables::bills::BillStore;
use hinomi_tables::error_events::ErrorStore;
use hinomi_tables::evaluators::EvaluatorStore;
use hinomi_tables::findings::FindingStore;
use hinomi_tables::forwards::ForwardStore;
use hinomi_tables::log_lines::LogStore;
use hinomi_tables::media::MediaStore;
use hinomi_tables::metadata::MetadataStore;
use hinomi_tables::otel_metrics::OtelMetricStore;
use hinomi_tables::outcomes::OutcomeStore;
use hinomi_tables::prices::ActivePrices;
use hinomi_tables::scores::ScoreStore;
use hinomi_tables::share_links::ShareLinkStore;

use crate::backup;
use crate::config::Config;
use crate::ingest::TelemetryStores;
use crate::memory::MemoryBudget;

/// Databases of the server, opened.
pub(super) struct OpenedServices {
    pub(super) stores: TelemetryStores,
    pub(super) findings: Arc<FindingStore>,
    pub(super) evaluators: Arc<EvaluatorStore>,
    pub(super) prices: Arc<ActivePrices>,
    pub(super) bills: Arc<BillStore>,
    pub(super) share_links: Arc<ShareLinkStore>,
    pub(super) outbox: Arc<NotificationOutbox>,
    pub(super) alerts: Arc<AlertService>,
    pub(super) audit: Arc<AuditLog>,
}

/// Opens the databases in the data directory, and creates those that do not exist.
pub(super) fn open_stores(config: &Config) -> anyhow::Result<OpenedServices> {
    // The metadata store is first because it creates the directory. The store's lock then shows whether another process uses the
    // directory.
    let meta = Arc::new(MetadataStore::open(&config.data)?);
    let prices = ActivePrices::open(meta.clone(), &config.data, &config.prices);
    let of_store = StoreConfig {
        prices: prices.books().clone(),
        reserve_bytes: config.disk.reserve_bytes,
        flush_bytes: MemoryBudget::from_config(config).buffer,
        ..StoreConfig::default()
    };
    // The query engine resolves paths without a working directory, so the path must be absolute.
    let data = std::path::absolute(&config.data).with_context(|| format!("cannot resolve the path {}", config.data.display()))?;
    let store = Store::open(&data, of_store)?;
    backup::remove_leftovers(&config.data);
    // A new metadata store reserves the project numbers that it finds in the databases. The store may know more of them, from its log.
    meta.reserve_numbers(store.snapshot().largest_project())?;
    meta.create_first_key(Some(config.dsn_key.as_str()).filter(|key| !key.is_empty()))?;
    let errors = ErrorStore::open(&config.data)?;
    let scores = ScoreStore::open(&config.data)?;
    let findings = FindingStore::open(&config.data)?;
    let evaluators = EvaluatorStore::open(&config.data)?;
    let logs = LogStore::open(&config.data)?;
    let metrics = OtelMetricStore::open(&config.data)?;
    let bills = BillStore::open(&config.data)?;
    let share_links = ShareLinkStore::open(&config.data)?;
    let outcomes = OutcomeStore::open(&config.data)?;
    let cipher = config.secrets.cipher()?;
    let forwards = ForwardStore::open(&config.data, cipher.clone())?;
    let media = MediaStore::open(&config.data, config.disk.media_quota())?;
    let outbox = NotificationOutbox::open(&config.data, cipher)?;
    let alerts = AlertService::open(&config.data)?;
    let audit = AuditLog::open(&config.data)?;
    let stores = TelemetryStores {
        meta,
        store: Arc::new(store),
        errors: Arc::new(errors),
        scores: Arc::new(scores),
        logs: Arc::new(logs),
        metrics: Arc::new(metrics),
        outcomes: Arc::new(outcomes),
        forwards: Arc::new(forwards),
        media: Arc::new(media),
    };
    Ok(OpenedServices {
        stores,
        findings: Arc::new(findings),
        evaluators: Arc::new(evaluators),
        prices: Arc::new(prices),
        bills: Arc::new(bills),
        share_links: Arc::new(share_links),
        outbox: Arc::new(outbox),
        alerts: Arc::new(alerts),
        audit: Arc::new(audit),
    })
}
