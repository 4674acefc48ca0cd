//! Chooses the cost of a call: computed from its tokens and the price table, or reported by the client.

use serde_json::{Map, Value};

use crate::money::Usd;
use crate::normalize::attribute_names;
use crate::normalize::attribute_names::SpanField;
use crate::normalize::attributes::unquoted;
use crate::notations;
use crate::price::{BillableCall, PriceBook};
use crate::span::{Attributes, Cost, CostSource, Span, SpanStatus};

/// Service tier of calls in a batch, as the price table names it.
const BATCH: &str = "batch";

/// Providers whose reported cost is what they bill.
const BILLING_PROVIDERS: &[&str] = &["openrouter"];

/// Sets the cost of a call, of another priced use of a model, or of an agent whose own usage is counted. Other spans get no cost, because
/// the calls below them have it.
///
/// The result depends only on the span and the prices, so that a stored span can be priced again.
pub fn price(span: &mut Span, book: &PriceBook) {
    if !span.is_call() && !span.is_other_model_use() && !span.is_billed() {
        return;
    }
    let tier = service_tier(&span.attributes);
    let priced = book.explain(&call(span, tier.as_deref()));
    if let Some(own) = priced.as_ref().filter(|priced| priced.is_custom) {
        // Custom prices take precedence over everything else: whoever sets one knows what they pay.
        span.cost = Some(own.cost.clone());
        return;
    }
    let bills_itself = is_provider_bill(span);
    let reads_known = span.usage.cache_read.is_some_and(|reads| reads > 0);
    span.cost = choose_cost(priced.map(|priced| priced.cost), span.client_cost, bills_itself, reads_known);
}

/// Returns the properties of a span that determine its price.
pub fn call<'a>(span: &'a Span, service_tier: Option<&'a str>) -> BillableCall<'a> {
    BillableCall {
        provider: span.provider.as_deref(),
        response_model: span.response_model.as_deref(),
        request_model: span.request_model.as_deref(),
        usage: &span.usage,
        at_us: span.start_us,
        duration_us: span.duration_us(),
        service_tier,
        failed: span.status == SpanStatus::Error,
    }
}

/// Returns the service tier according to the attributes of a span. This is the tier of the response if it is reported, otherwise the
/// requested tier. The requested tier may be only in the parameters of the request.
pub fn service_tier(attributes: &Attributes) -> Option<String> {
    let is_batch = match attribute_names::value_of(attributes, SpanField::Batch) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => unquoted(text).eq_ignore_ascii_case("true"),
        _ => false,
    };
    if is_batch {
        return Some(BATCH.to_owned());
    }
    if let Some(Value::String(tier)) = attribute_names::value_of(attributes, SpanField::ServiceTier) {
        return Some(unquoted(tier.trim()).to_owned());
    }
    // The provider's usage object may name the tier. Anthropic's fast mode is requested with the parameter `speed`.
    let object = |field: SpanField, words: &[&str]| match attribute_names::value_of(attributes, field)? {
        Value::Object(object) => Some(object.clone()),
        Value::String(text) if words.iter().any(|word| text.contains(word)) => notations::object(text),
        _ => None,
    };
    let named = |object: &Map<String, Value>, names: &[&str]| names.iter().find_map(|name| object.get(*name)?.as_str()).map(str::to_owned);
    let usage = object(SpanField::UsageDetails, &["service_tier", TIER_DETAILS]);
    let by_usage = usage.and_then(|usage| named(&usage, &["service_tier"]).or_else(|| tier_of_counts(&usage)));
    let by_parameters = || named(&object(SpanField::Parameters, &["service_tier", "speed"])?, &["service_tier", "speed"]);
    let of_provider = || {
        let metadata = object(SpanField::ProviderMetadata, &["serviceTier"])?;
        metadata.values().find_map(|provider| provider.get("serviceTier")?.as_str()).map(str::to_owned)
    };
    by_usage.or_else(of_provider).or_else(by_parameters)
}

/// Object of counts in which LangChain counts tokens under the name of their tier.
const TIER_DETAILS: &str = "input_token_details";

/// Tiers that have counts of their own there.
const TIERS_OF_COUNTS: &[&str] = &["priority", "flex"];

/// Returns the tier under whose name the tokens of a usage object are counted.
fn tier_of_counts(usage: &Map<String, Value>) -> Option<String> {
    let counts = usage.get(TIER_DETAILS)?.as_object()?;
    TIERS_OF_COUNTS.iter().find(|tier| counts.get(**tier).is_some_and(Value::is_u64)).map(|tier| (*tier).to_owned())
}

/// Returns whether the cost that the client reports is the amount that the provider bills.
pub(crate) fn is_provider_bill(span: &Span) -> bool {
    span.provider.as_deref().is_some_and(|provider| BILLING_PROVIDERS.contains(&provider))
}

/// Returns the computed cost unless the client knows better: if there is no price, if its figure is the provider's own bill, or if it is
/// lower than ours and no cache reads were sent, since some clients know of cached tokens that they do not report. A client's zero means
/// that it does not know.
fn choose_cost(computed: Option<Cost>, client: Option<Usd>, bills_itself: bool, reads_known: bool) -> Option<Cost> {
    let client = client.filter(|cost| *cost > Usd::ZERO);
    let theirs = |total| Cost { total, input: None, output: None, source: CostSource::Client, price: None };
    match (computed, client) {
        (Some(ours), Some(client)) if bills_itself || (!reads_known && client < ours.total) => {
            // A difference in the last digits is a rounding error, not another price.
            let rounding = Usd(1000);
            if ours.total - client < rounding && client - ours.total < rounding { Some(ours) } else { Some(theirs(client)) }
        }
        (Some(ours), _) => Some(ours),
        (None, client) => client.map(theirs),
    }
}

/// Uses the cost that the client reports, for projects that prefer it. A cost of zero means that the client does not know the cost.
pub fn prefer_client(span: &mut Span) {
    if let Some(joined) = &mut span.joined {
        joined.client_cost_preferred = true;
    }
    if let Some(total) = span.client_cost.filter(|cost| *cost != Usd::ZERO) {
        span.cost = Some(Cost { total, input: None, output: None, source: CostSource::Client, price: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(steps: i64) -> Option<Cost> {
        Some(Cost { total: Usd(steps), input: None, output: None, source: CostSource::Computed, price: Some("a:b".into()) })
    }

    fn source(cost: Option<Cost>) -> Option<CostSource> {
        cost.map(|cost| cost.source)
    }

    #[test]
    fn client_cost_is_used_where_it_is_better() {
        let client = Some(Usd(5_000_000));
        assert_eq!(source(choose_cost(None, client, false, false)), Some(CostSource::Client));
        assert_eq!(source(choose_cost(ours(9_000_000), client, false, false)), Some(CostSource::Client));
        assert_eq!(source(choose_cost(ours(9_000_000), client, false, true)), Some(CostSource::Computed));
        assert_eq!(source(choose_cost(ours(4_000_000), client, false, false)), Some(CostSource::Computed));
        assert_eq!(source(choose_cost(ours(4_000_000), client, true, true)), Some(CostSource::Client));
        assert_eq!(source(choose_cost(ours(5_000_001), client, false, false)), Some(CostSource::Computed));
    }

    #[test]
    fn zero_client_cost_is_unknown() {
        assert_eq!(choose_cost(None, Some(Usd::ZERO), false, false), None);
        assert_eq!(source(choose_cost(ours(4), Some(Usd::ZERO), true, false)), Some(CostSource::Computed));
        assert_eq!(choose_cost(None, None, false, false), None);
    }
}
