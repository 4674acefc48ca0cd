use proptest::prelude::*;

use super::*;

fn node(id: u64, parent: u64, kind: SpanType) -> SpanNode {
    SpanNode {
        span_id: SpanId(id),
        parent_span_id: Some(SpanId(parent)).filter(|parent| parent.0 != 0),
        kind,
        start_us: id as i64,
        end_us: 10_000 - id as i64,
        input_tokens: None,
        output_tokens: None,
        model: None,
        response_id: None,
        base_model: None,
        texts: None,
        is_other_model_use: false,
        units: None,
        failed: false,
        is_written_after_call: false,
        is_joined_from_parts: false,
        reporter: SpanReporter::default(),
        is_gateway: false,
        is_served_request: false,
        also_reported: None,
        local_decision: SpanDecision { counted: true, ..SpanDecision::default() },
    }
}

fn call(id: u64, parent: u64, tokens: (u64, u64)) -> SpanNode {
    SpanNode { input_tokens: Some(tokens.0), output_tokens: Some(tokens.1), ..node(id, parent, SpanType::Llm) }
}

fn counted(nodes: &[SpanNode]) -> Vec<u64> {
    decide_trace(nodes).iter().zip(nodes).filter(|(decision, _)| decision.counted).map(|(_, node)| node.span_id.0).collect()
}

#[test]
fn wrapping_call_is_excluded() {
    assert_eq!(counted(&[node(1, 0, SpanType::Llm), call(2, 1, (10, 5))]), [2], "no usage of its own");
    assert_eq!(counted(&[call(1, 0, (10, 5)), call(2, 1, (10, 5))]), [2], "the usage of the one below");
    assert_eq!(counted(&[call(1, 0, (30, 7)), call(2, 1, (10, 5)), node(3, 1, SpanType::Tool), call(4, 3, (20, 2))]), [2, 3, 4], "the sum");
    assert_eq!(counted(&[call(1, 0, (10, 5)), node(2, 1, SpanType::Llm), call(3, 2, (10, 5))]), [3], "a wrapper round a wrapper");
    let because = decide_trace(&[node(1, 0, SpanType::Llm), call(2, 1, (10, 5))])[0].exclusion;
    assert_eq!(because, Some(Exclusion::WrapsCall { span_id: SpanId(2) }));
}

#[test]
fn parent_link_alone_does_not_exclude() {
    assert_eq!(counted(&[call(1, 0, (10, 5)), call(2, 1, (20, 5))]), [1, 2]);
    let models = |one: &str, two: &str| {
        let with = |node: SpanNode, model: &str| SpanNode { model: Some(model.into()), ..node };
        counted(&[with(call(1, 0, (10, 5)), one), with(call(2, 1, (10, 5)), two)])
    };
    assert_eq!(models("gpt-4o", "gpt-3.5-turbo"), [1, 2]);
    assert_eq!(models("openai/gpt-4o", "gpt-4o-2024-08-06"), [2]);
    let responses = |node: SpanNode, id: &str| SpanNode { response_id: Some(id.into()), ..node };
    assert_eq!(counted(&[responses(call(1, 0, (10, 5)), "a"), responses(call(2, 1, (10, 5)), "b")]), [1, 2]);
    let later = SpanNode { start_us: 50_000_000, end_us: 51_000_000, ..call(2, 1, (10, 5)) };
    assert_eq!(counted(&[call(1, 0, (10, 5)), later]), [1, 2], "a wrapper does not end before what it wraps begins");
    assert_eq!(counted(&[node(1, 0, SpanType::Llm), node(2, 1, SpanType::Embedding)]), [1, 2], "another kind of call");
}

#[test]
fn one_response_is_one_call() {
    let with = |node: SpanNode| SpanNode { response_id: Some("r".into()), ..node };
    assert_eq!(counted(&[with(call(1, 9, (10, 5))), with(call(2, 9, (10, 5)))]), [1], "siblings: the earlier");
    assert_eq!(counted(&[with(call(1, 0, (10, 5))), with(node(2, 1, SpanType::Llm))]), [1], "the one with usage");
    assert_eq!(counted(&[with(call(1, 9, (10, 5))), node(8, 9, SpanType::Tool), with(call(7, 8, (10, 5)))]), [8, 7], "the inner");
    let elsewhen = |node: SpanNode, from: i64| SpanNode { start_us: from, end_us: from + 5, ..node };
    let doubles = [elsewhen(with(call(1, 0, (10, 5))), 100), elsewhen(with(call(2, 0, (11, 6))), 200)];
    assert_eq!(counted(&doubles), [1, 2], "a test double that gives one id twice");
}

#[test]
fn local_decision_of_a_span_is_preserved() {
    let mut agent = call(1, 0, (10, 5));
    agent.kind = SpanType::Agent;
    agent.local_decision.counted = false;
    agent.local_decision.exclusion = Some(Exclusion::SumOfCalls);
    let decisions = decide_trace(&[agent.clone(), call(2, 1, (10, 5))]);
    assert_eq!(decisions[0], agent.local_decision);
    assert!(decisions[1].counted);
    let mut repeated = call(3, 2, (10, 5));
    repeated.local_decision.counted = false;
    assert_eq!(counted(&[call(2, 0, (10, 5)), repeated]), [2], "what is not counted cannot stand for what is");
}

#[test]
fn outermost_pipeline_includes_all_spans_below() {
    let named = |mut node: SpanNode, name: &str| {
        node.local_decision.pipeline = Some(name.into());
        node.local_decision.is_run = true;
        node
    };
    let nodes = [
        node(1, 0, SpanType::Other),
        named(node(2, 1, SpanType::Chain), "outer"),
        named(node(3, 2, SpanType::Agent), "inner"),
        call(4, 3, (1, 1)),
        call(5, 1, (1, 1)),
    ];
    let decisions = decide_trace(&nodes);
    let pipelines: Vec<_> = decisions.iter().map(|decision| (decision.pipeline.as_deref(), decision.is_run)).collect();
    assert_eq!(pipelines, [(None, false), (Some("outer"), true), (Some("outer"), false), (Some("outer"), false), (None, false)]);
}

#[test]
fn cycles_and_missing_parents_are_tolerated() {
    let mut circle = [
        node(1, 3, SpanType::Chain),
        node(2, 1, SpanType::Llm),
        node(3, 2, SpanType::Llm),
        node(4, 3, SpanType::Llm),
        node(5, 99, SpanType::Llm),
        node(6, 6, SpanType::Llm),
    ];
    circle[0].local_decision.pipeline = Some("p".into());
    let decisions = decide_trace(&circle);
    assert!(decisions[..4].iter().all(|decision| decision.pipeline.as_deref() == Some("p")), "cut above the smallest id");
    assert_eq!(decisions[4].pipeline, None);
}

#[test]
fn large_traces_are_decided_quickly() {
    let mut nodes = Vec::new();
    for id in 1..=50_000_u64 {
        let deep = call(id, id - 1, (id % 7, id % 5));
        nodes.push(SpanNode { response_id: Some(format!("r{}", id % 3)), ..deep });
    }
    let begin = std::time::Instant::now();
    decide_trace(&nodes);
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
}

fn any_node() -> impl Strategy<Value = SpanNode> {
    let kind =
        prop::sample::select(vec![SpanType::Llm, SpanType::Llm, SpanType::Embedding, SpanType::Agent, SpanType::Chain, SpanType::Tool]);
    let tokens = prop::option::of((0u64..3, 0u64..3));
    let pipeline = prop::option::weighted(0.2, prop::sample::select(vec!["a", "b"]));
    let response = prop::option::weighted(0.4, prop::sample::select(vec!["r1", "r2"]));
    let told = (0u64..3, any::<bool>(), any::<bool>());
    let all = (1u64..12, 0u64..14, kind, tokens, pipeline, response, 0i64..4, told);
    all.prop_map(|(id, parent, kind, tokens, pipeline, response, start, (reporter, failed, is_written_after_call))| {
        let mut node = SpanNode { failed, is_written_after_call, ..reported(reporter, node(id, parent, kind)) };
        node.start_us = start * 3_000_000;
        node.end_us = node.start_us + 2_000_000;
        node.input_tokens = tokens.map(|tokens| tokens.0);
        node.output_tokens = tokens.map(|tokens| tokens.1);
        node.response_id = response.map(Into::into);
        node.local_decision.pipeline = pipeline.map(Into::into);
        node.local_decision.is_run = pipeline.is_some();
        node.local_decision.counted = matches!(kind, SpanType::Llm | SpanType::Embedding);
        node
    })
}

/// Nodes with distinct IDs, and the same nodes in another order.
fn trace_and_shuffle() -> impl Strategy<Value = (Vec<SpanNode>, Vec<SpanNode>)> {
    let nodes = prop::collection::vec(any_node(), 0..12).prop_map(|mut nodes| {
        nodes.sort_by_key(|node| node.span_id);
        nodes.dedup_by_key(|node| node.span_id);
        nodes
    });
    nodes.prop_flat_map(|nodes| (Just(nodes.clone()), Just(nodes).prop_shuffle()))
}

proptest! {
    #[test]
    fn decisions_are_independent_of_order((nodes, shuffled) in trace_and_shuffle()) {
        let straight: HashMap<SpanId, SpanDecision> = nodes.iter().map(|node| node.span_id).zip(decide_trace(&nodes)).collect();
        let mixed: HashMap<SpanId, SpanDecision> = shuffled.iter().map(|node| node.span_id).zip(decide_trace(&shuffled)).collect();
        prop_assert_eq!(straight, mixed);
    }

    #[test]
    fn a_trace_with_calls_has_a_counted_one((nodes, _) in trace_and_shuffle()) {
        let any_call = nodes.iter().any(SpanNode::is_call);
        let any_counted = nodes.iter().zip(decide_trace(&nodes)).any(|(node, decision)| node.is_call() && decision.counted);
        prop_assert_eq!(any_call, any_counted);
    }
}

#[test]
fn user_and_session_come_from_the_nearest_span_above_that_names_them() {
    let mut nodes = [node(1, 0, SpanType::Chain), node(2, 1, SpanType::Agent), node(3, 2, SpanType::Llm), node(4, 9, SpanType::Llm)];
    nodes[0].local_decision.user_id = Some("outer".into());
    nodes[0].local_decision.session_id = Some("s".into());
    nodes[1].local_decision.user_id = Some("inner".into());
    let said: Vec<_> = decide_trace(&nodes).into_iter().map(|decision| (decision.user_id, decision.session_id)).collect();
    let of = |user: &str| (Some(user.to_owned()), Some("s".to_owned()));
    assert_eq!(said, [of("outer"), of("inner"), of("inner"), (None, None)]);
}

/// Returns a call as one instrumentation reports it.
fn reported(by: u64, node: SpanNode) -> SpanNode {
    SpanNode { reporter: SpanReporter { scope: by, ..SpanReporter::default() }, ..node }
}

#[test]
fn call_without_usage_within_another_instrumentation_is_a_duplicate() {
    let framework = reported(1, call(1, 0, (10, 5)));
    assert_eq!(counted(&[framework.clone(), reported(2, node(2, 1, SpanType::Llm))]), [1]);
    assert_eq!(counted(&[framework.clone(), reported(1, node(2, 1, SpanType::Llm))]), [1, 2], "the same instrumentation: another call");
    let refused = SpanNode { failed: true, ..reported(2, node(2, 1, SpanType::Llm)) };
    assert_eq!(counted(&[framework, refused]), [1, 2], "an attempt that failed before the one that worked");
}

#[test]
fn sibling_spans_of_two_instrumentations_are_one_call() {
    let at = |from: i64, to: i64, node: SpanNode| SpanNode { start_us: from, end_us: to, ..node };
    let pair = [reported(1, at(0, 90, call(1, 9, (10, 5)))), reported(2, at(5, 80, call(2, 9, (10, 5))))];
    assert_eq!(counted(&pair), [2], "the inner in time");
    let third = reported(3, at(6, 70, call(3, 9, (10, 5))));
    assert_eq!(counted(&[pair[0].clone(), pair[1].clone(), third]), [3]);
    let at_once = [1, 2].map(|by| reported(by, at(0, 90, call(by, 9, (10, 5)))));
    let both =
        [at_once[0].clone(), at_once[1].clone(), reported(1, at(1, 90, call(3, 9, (10, 5)))), reported(2, at(1, 90, call(4, 9, (10, 5))))];
    assert_eq!(counted(&both).len(), 2, "two calls at once, each reported twice");
    let refused = |by: u64, from: i64, to: i64| SpanNode { failed: true, ..reported(by, at(from, to, node(by, 9, SpanType::Llm))) };
    assert_eq!(counted(&[refused(1, 0, 90), refused(2, 5, 80)]), [2], "a call that failed");
    assert_eq!(counted(&[refused(1, 0, 90), pair[1].clone()]), [1, 2], "one that failed and one that did not");
    assert_eq!(counted(&[pair[0].clone(), reported(2, at(5, 80, call(2, 9, (11, 5))))]), [1, 2], "other usage");
    assert_eq!(counted(&[pair[0].clone(), reported(2, at(95, 99, call(2, 9, (10, 5))))]), [1, 2], "at another time");
    assert_eq!(counted(&[pair[0].clone(), reported(1, at(5, 80, call(2, 9, (10, 5))))]), [1, 2], "the same instrumentation");
}

#[test]
fn report_after_a_streamed_call_is_the_same_call() {
    let later = |node: SpanNode| reported(1, SpanNode { start_us: 20_000, end_us: 20_000, is_written_after_call: true, ..node });
    let stream = reported(1, node(1, 9, SpanType::Llm));
    assert_eq!(counted(&[stream.clone(), later(call(2, 9, (10, 5)))]), [2], "the one with usage");
    assert_eq!(counted(&[stream.clone(), later(node(2, 9, SpanType::Llm))]), [1], "neither has: the call itself");
    assert_eq!(counted(&[stream.clone(), reported(1, node(3, 9, SpanType::Llm)), later(call(4, 9, (10, 5)))]), [1, 4], "one of two");
    assert_eq!(counted(&[stream, later(call(2, 8, (10, 5)))]), [1, 2], "below another span");
}
