//! Which figure is the cost of a call: ours, from its tokens and the price table, or the client's.

use serde_json::Value;

use crate::money::Usd;
use crate::normalize::attribute_names;
use crate::normalize::attribute_names::SpanField;
use crate::price::{BillableCall, PriceBook};
use crate::span::{Attributes, Cost, CostSource, Span, SpanStatus};

/// Providers that bill by themselves, whose figure is what is really paid.
const BILLERS: &[&str] = &["openrouter"];

/// Sets the cost of a call of a model. Spans of other kinds have none of their own: what they cost is the sum of the calls below.
///
/// The answer depends on the span and the prices alone, so that a stored span can be priced again.
pub fn price(span: &mut Span, book: &PriceBook) {
    if !span.is_call() {
        return;
    }
    let tier = service_tier(&span.attributes);
    let priced = book.explain(&call(span, tier.as_deref()));
    if let Some(own) = priced.as_ref().filter(|priced| priced.own) {
        // Who sets a price knows what they pay.
        span.cost = Some(own.cost.clone());
        return;
    }
    let bills_itself = bills_itself(span);
    let reads_known = span.usage.cache_read.is_some_and(|reads| reads > 0);
    span.cost = choose(priced.map(|priced| priced.cost), span.client_cost, bills_itself, reads_known);
}

/// What of a span its price depends on.
pub fn call<'a>(span: &'a Span, service_tier: Option<&'a str>) -> BillableCall<'a> {
    BillableCall {
        provider: span.provider.as_deref(),
        response_model: span.response_model.as_deref(),
        request_model: span.request_model.as_deref(),
        usage: &span.usage,
        at_us: span.start_us,
        duration_us: span.end_us.saturating_sub(span.start_us),
        service_tier,
        failed: span.status == SpanStatus::Error,
    }
}

/// The tier of service as a span's attributes tell it: that of the answer where it is told, else that which was asked for, also where it
/// stands among the parameters of the request only.
pub fn service_tier(attributes: &Attributes) -> Option<String> {
    if let Some(Value::String(tier)) = attribute_names::value_of(attributes, SpanField::ServiceTier) {
        return Some(tier.trim().to_owned());
    }
    let parameters = match attribute_names::value_of(attributes, SpanField::Parameters)? {
        Value::Object(object) => object.clone(),
        Value::String(text) => crate::lenient_json::object(text).ok()?,
        _ => return None,
    };
    // Anthropic's faster service is asked for by its speed.
    let tier = ["service_tier", "speed"].iter().find_map(|name| parameters.get(*name)?.as_str());
    tier.map(str::to_owned)
}

/// Whether the client's figure is the provider's own bill.
pub(crate) fn bills_itself(span: &Span) -> bool {
    span.provider.as_deref().is_some_and(|provider| BILLERS.contains(&provider))
}

/// The computed cost, unless the client knows better: it does where we have no price, where the figure is the provider's own bill,
/// and where it is lower than ours and no cache reads were sent, since some clients know of cached tokens that they do not report.
/// A client's zero is no knowledge.
fn choose(computed: Option<Cost>, client: Option<Usd>, bills_itself: bool, reads_known: bool) -> Option<Cost> {
    let client = client.filter(|cost| *cost > Usd::ZERO);
    let theirs = |total| Cost { total, input: None, output: None, source: CostSource::Client, price: None };
    match (computed, client) {
        (Some(ours), Some(client)) if bills_itself || (!reads_known && client < ours.total) => {
            // A difference in the last digits is a floating-point number's, not another price.
            let rounding = Usd(1000);
            if ours.total - client < rounding && client - ours.total < rounding { Some(ours) } else { Some(theirs(client)) }
        }
        (Some(ours), _) => Some(ours),
        (None, client) => client.map(theirs),
    }
}

/// Takes the client's own figure, as a project can be set to. A client's zero means that it does not know.
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
    fn the_client_counts_where_it_knows_better() {
        let client = Some(Usd(5_000_000));
        assert_eq!(source(choose(None, client, false, false)), Some(CostSource::Client));
        assert_eq!(source(choose(ours(9_000_000), client, false, false)), Some(CostSource::Client));
        assert_eq!(source(choose(ours(9_000_000), client, false, true)), Some(CostSource::Computed));
        assert_eq!(source(choose(ours(4_000_000), client, false, false)), Some(CostSource::Computed));
        assert_eq!(source(choose(ours(4_000_000), client, true, true)), Some(CostSource::Client));
        assert_eq!(source(choose(ours(5_000_001), client, false, false)), Some(CostSource::Computed));
    }

    #[test]
    fn a_clients_zero_is_unknown() {
        assert_eq!(choose(None, Some(Usd::ZERO), false, false), None);
        assert_eq!(source(choose(ours(4), Some(Usd::ZERO), true, false)), Some(CostSource::Computed));
        assert_eq!(choose(None, None, false, false), None);
    }
}
