//! Prices of a project: custom prices, the price table, and models without a price.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hinomi_model::api_time::rfc3339;
use hinomi_model::price::{BucketPrices, CustomPrice, PriceBucket};
use hinomi_query::UnpricedModel;
use hinomi_tables::metadata::CustomPriceRecord;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::params::QueryParameters;
use super::permission::{Admin, Viewer};
use super::projects::run_change;
use super::{ApiError, ApiState};
use crate::query_parameters::FilterParameters;

/// A custom price of a project. Custom prices take precedence over the price table.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CustomPriceView {
    /// ID of the price; null for a price from the price file of the server, which can only be changed there.
    #[schema(required)]
    id: Option<i64>,
    /// Name of the model as clients send it, or a prefix that ends with `*`.
    model: String,
    /// Provider to which the price is limited; null for all providers.
    #[schema(required)]
    provider: Option<String>,
    /// Service tier to which the price is limited, such as `batch`; null for all tiers.
    #[schema(required)]
    service_tier: Option<String>,
    /// Number of input tokens that a call must exceed for the price to apply, including cached ones; null for no limit.
    #[schema(required)]
    input_above: Option<u64>,
    /// First day on which the price applies, `YYYY-MM-DD` (UTC); null for no start.
    #[schema(required)]
    from: Option<String>,
    /// First day on which the price no longer applies, `YYYY-MM-DD` (UTC); null for no end.
    #[schema(required)]
    until: Option<String>,
    /// Prices in US dollars by bucket: per million tokens of `input`, `output`, `cache_read`, `cache_write_5m`, `cache_write_1h`,
    /// `reasoning`, `input_audio`, `output_audio`, `input_image` and `output_image`; per `request`, `web_search`, `image` and
    /// `rerank_unit`; per million `character`s; per `audio_hour` of audio; per `hour` of the duration of the call.
    #[schema(value_type = BTreeMap<PriceBucket, f64>)]
    prices: BucketPrices,
    /// Identifier of the price as the cost of a span names it.
    price: String,
    /// Time at which the price was created (RFC 3339); null for a price from the price file of the server.
    #[schema(required)]
    created_at: Option<String>,
}

/// The built-in table of the list prices of providers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PriceTableSummary {
    /// Day up to which the table is maintained, `YYYY-MM-DD`.
    date: String,
    /// Number of models in the table.
    models: usize,
}

/// Prices of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProjectPriceList {
    /// Custom prices, the newest first.
    prices: Vec<CustomPriceView>,
    /// The price table for models without a custom price.
    table: PriceTableSummary,
}

/// A custom price to create.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "it only describes the form that OwnPrice reads")]
pub(super) struct CustomPriceRequest {
    /// Name of the model as clients send it, with or without a date suffix, or a prefix that ends with `*`.
    model: String,
    /// Provider to which the price is limited. Default: all providers.
    provider: Option<String>,
    /// Service tier to which the price is limited, such as `batch`. Default: all tiers.
    service_tier: Option<String>,
    /// Number of input tokens that a call must exceed for the price to apply, including cached ones. Default: no limit.
    input_above: Option<u64>,
    /// First day on which the price applies, `YYYY-MM-DD` (UTC). Default: no start.
    from: Option<String>,
    /// First day on which the price no longer applies, `YYYY-MM-DD` (UTC). Default: no end.
    until: Option<String>,
    /// Prices in US dollars by bucket, in the same form as in the response; at least one price for something other than output,
    /// reasoning and cached input is required.
    #[schema(value_type = BTreeMap<PriceBucket, f64>)]
    prices: serde_json::Value,
}

fn price_view(price: CustomPrice, set: Option<&CustomPriceRecord>) -> CustomPriceView {
    CustomPriceView {
        id: set.map(|set| set.id),
        price: price.id(),
        from: price.from.map(|day| day.to_string()),
        until: price.until.map(|day| day.to_string()),
        model: price.model,
        provider: price.provider,
        service_tier: price.service_tier,
        input_above: price.input_above,
        prices: price.rates,
        created_at: set.map(|set| rfc3339(set.created_us)),
    }
}

fn stored_price_view(set: &CustomPriceRecord) -> Json<CustomPriceView> {
    Json(price_view(set.price.clone(), Some(set)))
}

/// Lists the custom prices of a project, and describes the price table.
#[utoipa::path(get, path = "/projects/{project}/prices", tag = "prices", params(("project" = u64, Path, description = "ID of the project.")), responses((status = 200, body = ProjectPriceList)))]
pub(super) async fn list(State(api): State<Arc<ApiState>>, authorized: AuthorizedProject<Viewer>) -> Json<ProjectPriceList> {
    let directory = api.meta.directory();
    let set = directory.prices.iter().rev().filter(|set| set.project == authorized.project);
    let from_file = api.prices.from_file(authorized.project).into_iter().map(|price| price_view(price, None));
    let prices = set.map(|set| price_view(set.price.clone(), Some(set))).chain(from_file).collect();
    let table = api.prices.table();
    Json(ProjectPriceList { prices, table: PriceTableSummary { date: table.date().to_owned(), models: table.models() } })
}

/// Creates a custom price.
///
/// The price applies to calls that arrive from now on. `reprice` recalculates the cost of stored calls.
#[utoipa::path(post, path = "/projects/{project}/prices", tag = "prices", params(("project" = u64, Path, description = "ID of the project.")), request_body = CustomPriceRequest,
    responses((status = 201, body = CustomPriceView), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    body: Result<Json<CustomPrice>, JsonRejection>,
) -> Result<(StatusCode, Json<CustomPriceView>), ApiError> {
    let Json(price) = body?;
    let set = run_change(&api, move |meta| meta.set_price(authorized.project, price)).await?;
    reload_prices(&api).await;
    Ok((StatusCode::CREATED, stored_price_view(&set)))
}

/// A new end date of a custom price.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomPriceUpdateRequest {
    /// First day on which the price no longer applies, `YYYY-MM-DD` (UTC); null for no end.
    until: Option<String>,
}

/// Changes the end date of a custom price.
#[utoipa::path(patch, path = "/projects/{project}/prices/{price}", tag = "prices", params(("project" = u64, Path, description = "ID of the project."), ("price" = i64, Path, description = "ID of the custom price.")),
    request_body = CustomPriceUpdateRequest, responses((status = 200, body = CustomPriceView), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn end(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, price)): Path<(String, String)>,
    body: Result<Json<CustomPriceUpdateRequest>, JsonRejection>,
) -> Result<Json<CustomPriceView>, ApiError> {
    let id = number(&price)?;
    let Json(CustomPriceUpdateRequest { until }) = body?;
    let day = |text: String| {
        text.parse().map_err(|_| ApiError::bad_request("invalid_value", format!("until: {text:?} is not a valid day; use YYYY-MM-DD")))
    };
    let until = until.map(day).transpose()?;
    let set = run_change(&api, move |meta| meta.end_price(authorized.project, id, until)).await?;
    reload_prices(&api).await;
    Ok(stored_price_view(&set))
}

/// Deletes a custom price, as if it had never existed.
///
/// If past calls should keep the price, set an end date instead.
#[utoipa::path(delete, path = "/projects/{project}/prices/{price}", tag = "prices", params(("project" = u64, Path, description = "ID of the project."), ("price" = i64, Path, description = "ID of the custom price.")),
    responses((status = 204, description = "The price was deleted."), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn delete(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Admin>,
    Path((_project, price)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = number(&price)?;
    run_change(&api, move |meta| meta.delete_price(authorized.project, id)).await?;
    reload_prices(&api).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Models without a price.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnpricedModelList {
    /// Models, at most 200, in descending order of their number of calls.
    models: Vec<UnpricedModel>,
    /// Number of models without a price.
    count: u64,
}

/// Maximum number of models without a price in a response.
const MAX_UNPRICED_MODELS: usize = 200;

/// Lists the models of calls that report token usage and have no price.
#[utoipa::path(get, path = "/projects/{project}/prices/unpriced", tag = "prices", params(("project" = u64, Path, description = "ID of the project."), FilterParameters),
    responses((status = 200, body = UnpricedModelList), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn unpriced(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(range): QueryParameters<FilterParameters>,
) -> Result<Json<UnpricedModelList>, ApiError> {
    let (models, count) = api
        .snapshot(authorized.project)
        .unpriced(&api.resolve_scope(authorized.project, range.scope()?).await?, MAX_UNPRICED_MODELS)
        .await?;
    Ok(Json(UnpricedModelList { models, count }))
}

fn number(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("price"))
}

/// Applies the changed prices to the calls that arrive from now on.
async fn reload_prices(api: &Arc<ApiState>) {
    let prices = api.prices.clone();
    let _ = tokio::task::spawn_blocking(move || prices.refresh()).await;
}
