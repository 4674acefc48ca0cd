//! Prices of a project: those that its owner has set, the table behind them, and what has no price.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hinomi_model::api_time::rfc3339;
use hinomi_model::price::{BucketPrices, CustomPrice};
use hinomi_query::UnpricedModel;
use hinomi_tables::metadata::CustomPriceRecord;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::params::{FilterParameters, QueryParameters};
use super::permission::{Admin, Viewer};
use super::projects::change;
use super::{ApiError, ApiState};

/// A price that the owner has set. It comes before the table.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CustomPriceView {
    /// Null for one of the owner's file, which is changed there.
    id: Option<i64>,
    /// As clients name the model, or the beginning of its name with `*` behind it.
    model: String,
    /// Only where this provider runs it.
    provider: Option<String>,
    /// Only for calls of this tier of service.
    service_tier: Option<String>,
    /// Only for calls with more tokens of input.
    input_above: Option<u64>,
    /// The first day (UTC); null for always.
    from: Option<String>,
    /// The first day on which it holds no longer.
    until: Option<String>,
    /// Dollars by what they are for: a million tokens of `input`, `output`, `cache_read`, `cache_write_5m`, `cache_write_1h`,
    /// `reasoning`, `input_audio`, `output_audio`, `input_image`, `output_image`; one `request`, `web_search`, `image`; an `hour` of the
    /// call's time.
    #[schema(value_type = Object)]
    prices: BucketPrices,
    /// By what the cost of a span names it.
    price: String,
    /// Null for one of the owner's file.
    created_at: Option<String>,
}

/// The list prices of providers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PriceTableSummary {
    /// Up to which day prices were followed.
    date: String,
    /// How many models it lists.
    models: usize,
}

/// The prices of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProjectPriceList {
    /// Those that its owner has set, the newest first.
    prices: Vec<CustomPriceView>,
    /// What stands behind them.
    table: PriceTableSummary,
}

/// A price to set.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "it only describes what OwnPrice reads")]
pub(super) struct CustomPriceRequest {
    /// As clients name the model, with or without a date behind it, or the beginning of its name with `*` behind it.
    model: String,
    /// Only where this provider runs it.
    provider: Option<String>,
    /// Only for calls of this tier of service, such as `batch`.
    service_tier: Option<String>,
    /// Only for calls with more tokens of input, cached ones included.
    input_above: Option<u64>,
    /// The first day (UTC), `YYYY-MM-DD`; always where left out.
    from: Option<String>,
    /// The first day on which it holds no longer.
    until: Option<String>,
    /// As in the answer; at least one of `input`, `request`, `image`, `hour`.
    #[schema(value_type = Object)]
    prices: serde_json::Value,
}

fn shown(price: CustomPrice, set: Option<&CustomPriceRecord>) -> CustomPriceView {
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

fn shown_set(set: &CustomPriceRecord) -> Json<CustomPriceView> {
    Json(shown(set.price.clone(), Some(set)))
}

/// Lists the own prices of a project, and says which table stands behind them.
#[utoipa::path(get, path = "/projects/{project}/prices", tag = "prices", params(("project" = u64, Path)), responses((status = 200, body = ProjectPriceList)))]
pub(super) async fn list(State(api): State<Arc<ApiState>>, of: AuthorizedProject<Viewer>) -> Json<ProjectPriceList> {
    let directory = api.meta.directory();
    let set = directory.prices.iter().rev().filter(|set| set.project == of.project);
    let from_file = api.prices.from_file(of.project).into_iter().map(|price| shown(price, None));
    let prices = set.map(|set| shown(set.price.clone(), Some(set))).chain(from_file).collect();
    let table = api.prices.table();
    Json(ProjectPriceList { prices, table: PriceTableSummary { date: table.date().to_owned(), models: table.models() } })
}

/// Sets a price. It holds for what comes in from now on; what is stored is priced again by `reprice`.
#[utoipa::path(post, path = "/projects/{project}/prices", tag = "prices", params(("project" = u64, Path)), request_body = CustomPriceRequest,
    responses((status = 201, body = CustomPriceView), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Admin>,
    body: Result<Json<CustomPrice>, JsonRejection>,
) -> Result<(StatusCode, Json<CustomPriceView>), ApiError> {
    let Json(price) = body?;
    let set = change(&api, move |meta| meta.set_price(of.project, price)).await?;
    taken(&api).await;
    Ok((StatusCode::CREATED, shown_set(&set)))
}

/// When a price ends.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomPriceUpdateRequest {
    /// The first day (UTC) on which it holds no longer, `YYYY-MM-DD`; null lets it hold on.
    until: Option<String>,
}

/// Ends a price.
#[utoipa::path(patch, path = "/projects/{project}/prices/{price}", tag = "prices", params(("project" = u64, Path), ("price" = i64, Path)),
    request_body = CustomPriceUpdateRequest, responses((status = 200, body = CustomPriceView), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn end(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Admin>,
    Path((_project, price)): Path<(String, String)>,
    body: Result<Json<CustomPriceUpdateRequest>, JsonRejection>,
) -> Result<Json<CustomPriceView>, ApiError> {
    let id = number(&price)?;
    let Json(CustomPriceUpdateRequest { until }) = body?;
    let day = |text: String| {
        text.parse().map_err(|_| ApiError::bad_request("invalid_value", format!("until: {text:?} is no day; a day is YYYY-MM-DD")))
    };
    let until = until.map(day).transpose()?;
    let set = change(&api, move |meta| meta.end_price(of.project, id, until)).await?;
    taken(&api).await;
    Ok(shown_set(&set))
}

/// Removes a price, as if it had never been set. To keep it for what it was, end it instead.
#[utoipa::path(delete, path = "/projects/{project}/prices/{price}", tag = "prices", params(("project" = u64, Path), ("price" = i64, Path)),
    responses((status = 204, description = "removed"), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn delete(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Admin>,
    Path((_project, price)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = number(&price)?;
    change(&api, move |meta| meta.delete_price(of.project, id)).await?;
    taken(&api).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Models without a price.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnpricedModelList {
    /// Those with most calls first, at most 200.
    models: Vec<UnpricedModel>,
    /// How many there are.
    count: u64,
}

/// Models without a price that one answer lists.
const MAX_UNPRICED: usize = 200;

/// Lists the models of calls that have usage and no price, with what they took.
#[utoipa::path(get, path = "/projects/{project}/prices/unpriced", tag = "prices", params(("project" = u64, Path), FilterParameters),
    responses((status = 200, body = UnpricedModelList), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn unpriced(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    QueryParameters(narrow): QueryParameters<FilterParameters>,
) -> Result<Json<UnpricedModelList>, ApiError> {
    let (models, count) = api.ask(of.project).unpriced(&narrow.scope()?, MAX_UNPRICED).await?;
    Ok(Json(UnpricedModelList { models, count }))
}

fn number(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("price"))
}

/// The next call is priced by what was just changed.
async fn taken(api: &Arc<ApiState>) {
    let prices = api.prices.clone();
    let _ = tokio::task::spawn_blocking(move || prices.refresh()).await;
}
