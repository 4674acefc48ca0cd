use super::*;
use crate::money::Usd;
use crate::span::{Cost, SpanType, UsageSource};

fn call(trace: u128, service: &str, scope: &str, times: (i64, i64)) -> Span {
    Span {
        trace_id: TraceId(trace),
        span_id: SpanId(7),
        kind: SpanType::Llm,
        service: Some(service.into()),
        origin: Some(scope.into()),
        response_id: Some("chatcmpl-1".into()),
        start_us: times.0 * 1000,
        end_us: times.1 * 1000,
        usage: Usage { input: Some(1200), output: Some(85), ..Usage::default() },
        ..Span::default()
    }
}

fn program() -> Span {
    call(1, "shop", "opentelemetry.instrumentation.openai_v2", (0, 9_000))
}

fn gateway() -> Span {
    call(2, "llm-gateway", "litellm", (400, 8_900))
}

fn report(spans: &[&Span]) -> CallReport {
    let nodes: Vec<SpanNode> = spans.iter().map(|span| SpanNode::of(span)).collect();
    of_trace(spans[0].trace_id, &nodes, |_| true)[0]
}

fn same(one: &CallReport, other: &CallReport) -> bool {
    let both = (is_same_call(one, other), is_same_call(other, one));
    assert_eq!(both.0, both.1, "whichever came first");
    both.0
}

fn paired(one: &Span, other: &Span) -> bool {
    let (one, other) = (report(&[one]), report(&[other]));
    same(&one, &other) && one.counting_order() < other.counting_order()
}

#[test]
fn gateway_report_is_distinguished_from_another_call() {
    assert!(paired(&program(), &gateway()));
    type Change = fn(&mut Span);
    let unlike: [(&str, Change); 7] = [
        ("another answer", |span| span.response_id = Some("chatcmpl-2".into())),
        ("other tokens", |span| span.usage.input = Some(1201)),
        ("no tokens", |span| span.usage = Usage::default()),
        ("later", |span| span.end_us = 10_100_000),
        ("earlier", |span| span.start_us = -1_100_000),
        ("no gateway", |span| span.origin = Some("opentelemetry.instrumentation.openai_v2".into())),
        ("the same trace", |span| span.trace_id = TraceId(1)),
    ];
    for (what, change) in unlike {
        let mut other = gateway();
        change(&mut other);
        assert!(!paired(&program(), &other), "{what}");
    }
    let double = Span { trace_id: TraceId(2), ..program() };
    assert!(!paired(&program(), &double), "a program that a test double answers twice");
}

#[test]
fn two_instrumentations_are_distinguished_from_two_programs() {
    let framework = || Span { parent_span_id: Some(SpanId(9)), ..call(1, "shop", "openinference.instrumentation.langchain", (0, 9_000)) };
    let sdk = || call(2, "shop", "opentelemetry.instrumentation.anthropic", (10, 9_020));
    assert!(paired(&framework(), &sdk()), "what stands below something counts");
    assert!(paired(&framework(), &Span { usage: Usage::default(), ..sdk() }), "a stream of which one has no usage");
    let sentry = Span { service: Some("host-7".into()), sdk_name: Some("sentry.python".into()), ..sdk() };
    assert!(paired(&framework(), &sentry), "each SDK has its own name for a program");
    type Change = fn(&mut Span);
    let unlike: [(&str, Change); 5] = [
        ("another answer", |span| span.response_id = Some("chatcmpl-2".into())),
        ("other tokens", |span| span.usage.output = Some(86)),
        ("a cache, later", |span| (span.start_us, span.end_us) = (9_000_001, 9_000_500)),
        ("a cache, the same instrumentation", |span| span.origin = Some("openinference.instrumentation.langchain".into())),
        ("a cache, another program", |span| span.service = Some("search".into())),
    ];
    for (what, change) in unlike {
        let mut other = sdk();
        change(&mut other);
        assert!(!same(&report(&[&framework()]), &report(&[&other])), "{what}");
    }
}

#[test]
fn calls_without_id_match_only_at_the_same_time() {
    let told = |span: &Span| {
        let node = SpanNode { texts: hash_of_texts(Some("Capital of France?"), Some("Paris.")), ..SpanNode::of(span) };
        of_trace(span.trace_id, &[node], |_| true)[0]
    };
    let model = |name: &str| Some(name.to_owned());
    let sentry = Span {
        response_id: None,
        sdk_name: Some("sentry.python".into()),
        request_model: model("gpt-4o"),
        ..call(1, "host", "auto.ai.openai", (0, 900))
    };
    let other =
        || Span { response_model: model("gpt-4o-2024-08-06"), ..call(2, "shop", "openinference.instrumentation.openai", (15, 899)) };
    assert!(has_same_messages(&told(&sentry), &told(&other())));
    type Change = fn(&mut Span);
    let unlike: [(&str, Change); 5] = [
        ("later", |span| (span.start_us, span.end_us) = (100_000, 1_100_000)),
        ("much shorter", |span| span.end_us = 300_000),
        ("another model", |span| span.response_model = Some("gpt-4o-mini".into())),
        ("other tokens", |span| span.usage.output = Some(9)),
        ("the same instrumentation", |span| {
            span.sdk_name = Some("sentry.python".into());
            span.origin = Some("auto.ai.openai".into());
        }),
    ];
    for (what, change) in unlike {
        let mut unlike = other();
        change(&mut unlike);
        assert!(!has_same_messages(&told(&sentry), &told(&unlike)), "{what}");
    }
    assert_eq!(hash_of_texts(Some("a"), Some(" ")), None, "an answer that is not known is not the same as another");
}

#[test]
fn serving_program_may_be_a_gateway() {
    let serving = |trace: u128, service: &str, times| {
        let span = Span { parent_span_id: Some(SpanId(9)), ..call(trace, service, "openai", times) };
        let above = Span { span_id: SpanId(9), op: SERVER_OP.into(), trace_id: TraceId(trace), ..Span::default() };
        report(&[&span, &above])
    };
    let (plain, inner) = (report(&[&program()]), serving(2, "home-made", (100, 8_000)));
    assert!(same(&inner, &plain) && plain.counting_order() < inner.counting_order());
    let outer = serving(1, "shop", (0, 9_000));
    assert!(same(&inner, &outer) && outer.counting_order() < inner.counting_order(), "the one that waits longer made the call");
}

#[test]
fn the_richer_report_gives_usage_and_cost() {
    let cost = |steps, source| Some(Cost { total: Usd(steps), input: None, output: None, source, price: None });
    let mut rich = Span { cost: cost(257, CostSource::Client), client_cost: Some(Usd(257)), ..gateway() };
    let mut own = Span { cost: cost(385, CostSource::Computed), ..program() };
    take_over_report(&mut own, &rich, true);
    assert_eq!((own.cost.clone(), own.client_cost), (rich.cost.clone(), Some(Usd(257))));
    assert!(own.also_reported.is_some_and(|other| other.counts && other.trace_id.0 == 2));

    // A program that knows of cached tokens knows more than a gateway that does not.
    let usage = Usage { input: Some(176), cache_read: Some(1024), output: Some(85), ..Usage::default() };
    let mut own = Span { usage, cost: cost(200, CostSource::Computed), ..program() };
    take_over_report(&mut own, &rich, true);
    assert_eq!((own.usage, own.cost), (usage, cost(200, CostSource::Computed)));

    // Reported usage replaces usage that was estimated from the program's messages.
    let estimated = Usage { input: Some(9), output: Some(2), source: Some(UsageSource::Estimated), ..Usage::default() };
    let mut own = Span { usage: estimated, ..program() };
    take_over_report(&mut own, &rich, true);
    assert_eq!(own.usage.input, Some(1200));

    exclude_for(&mut rich, &report(&[&program()]));
    let decided = crate::dedup::decide_trace(&[SpanNode::of(&rich)]);
    let elsewhere = Exclusion::ReportedElsewhere { trace_id: program().trace_id, span_id: program().span_id };
    assert_eq!((decided[0].counted, decided[0].exclusion), (false, Some(elsewhere)));
}

#[test]
fn totals_are_independent_of_report_order() {
    let cost = |steps, source| Some(Cost { total: Usd(steps), input: None, output: None, source, price: None });
    let cached = Usage { input: Some(176), cache_read: Some(1024), output: Some(85), ..Usage::default() };
    let others = [
        Span { cost: cost(257, CostSource::Client), ..gateway() },
        Span { trace_id: TraceId(3), cost: cost(258, CostSource::Client), usage: cached, ..gateway() },
        Span { trace_id: TraceId(4), cost: cost(259, CostSource::Client), usage: cached, ..gateway() },
        Span { trace_id: TraceId(5), usage: Usage::default(), ..gateway() },
    ];
    let all = |order: &[usize]| {
        let mut own = Span { cost: cost(385, CostSource::Computed), ..program() };
        order.iter().for_each(|place| take_over_report(&mut own, &others[*place], true));
        own
    };
    let expected = all(&[0, 1, 2, 3]);
    assert_eq!((expected.cost.as_ref().unwrap().total, expected.also_reported.unwrap().trace_id.0), (Usd(258), 3));
    for order in [[3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        assert_eq!(all(&order), expected, "{order:?}");
    }
    assert_eq!(all(&[0, 1, 1, 2, 3, 0, 2, 1]), expected, "some again");
    let mut own = program();
    take_over_report(&mut own, &Span { cost: cost(9, CostSource::Client), ..gateway() }, false);
    assert_eq!(own.cost, cost(9, CostSource::Client), "any cost before none");
    let mut own = Span { cost: cost(385, CostSource::Computed), ..program() };
    take_over_report(&mut own, &Span { cost: cost(9, CostSource::Client), ..gateway() }, false);
    assert_eq!(own.cost, cost(385, CostSource::Computed), "another instrumentation bills nothing");
}

#[test]
fn wrapper_or_repeat_of_a_gateway_report_is_not_counted_instead() {
    let mut outer = gateway();
    exclude_for(&mut outer, &report(&[&program()]));
    let inner = Span { span_id: SpanId(8), parent_span_id: Some(SpanId(7)), ..gateway() };
    let decided = crate::dedup::decide_trace(&[SpanNode::of(&outer), SpanNode::of(&inner)]);
    assert_eq!(decided.iter().map(|decision| decision.counted).collect::<Vec<_>>(), [false, false]);
}
