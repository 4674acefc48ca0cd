use jiff::civil::date;
use proptest::prelude::*;

use super::*;

const OPENAI_COSTS: &str = r#"{"object":"page","data":[
  {"object":"bucket","start_time":1795392000,"end_time":1795478400,"results":[
    {"object":"organization.costs.result","amount":{"value":0.06,"currency":"usd"},"line_item":"gpt-4o-2024-08-06, input","project_id":"proj_a"},
    {"object":"organization.costs.result","amount":{"value":"0.10","currency":"usd"},"line_item":"gpt-4o-2024-08-06, output","project_id":"proj_a"},
    {"object":"organization.costs.result","amount":{"value":0.02,"currency":"usd"},"line_item":null,"project_id":null},
    {"object":"organization.costs.result","amount":{"value":3,"currency":"eur"},"line_item":"gpt-4o, input","project_id":null}]},
  {"object":"bucket","start_time":1795478400,"end_time":1795564800,"results":[
    {"object":"organization.costs.result","amount":{"value":"a lot","currency":"usd"},"line_item":"gpt-4o, input","odd_field":1}]}],
  "has_more":false,"next_page":null}"#;

const ANTHROPIC_COSTS: &str = r#"{"data":[{"starting_at":"2026-11-23T00:00:00Z","ending_at":"2026-11-24T00:00:00Z","results":[
  {"currency":"USD","amount":"123.78912","workspace_id":"w1","description":"Claude Sonnet 4 Usage - Input Tokens","cost_type":"tokens",
   "context_window":"0-200k","model":"claude-sonnet-4-20250514","service_tier":"standard","token_type":"uncached_input_tokens"},
  {"currency":"USD","amount":"50","workspace_id":"w1","model":"claude-sonnet-4-20250514","service_tier":"batch","token_type":"output_tokens"}]}],
  "has_more":false,"next_page":null}"#;

fn amounts(export: &BillExport) -> Vec<(String, &str, &str, f64)> {
    let line = |line: &BillLine| (line.day.to_string(), line.model.clone(), line.tier.clone(), line.amount.map_or(-1.0, Usd::dollars));
    let lines: Vec<_> = export.lines.iter().map(line).collect();
    lines.into_iter().zip(&export.lines).map(|((day, _, _, amount), line)| (day, line.model.as_str(), line.tier.as_str(), amount)).collect()
}

#[test]
fn openai_costs_api_export_is_read() {
    let export = read(OPENAI_COSTS.as_bytes()).unwrap();
    assert_eq!(amounts(&export), [("2026-11-23".into(), "", "", 0.02), ("2026-11-23".into(), "gpt-4o-2024-08-06", "", 0.16)]);
    assert_eq!((export.rows, export.unread.iter().map(|row| row.line).collect::<Vec<_>>()), (5, vec![4, 5]));
    assert!(export.unread[0].why.contains("eur") && export.unread[1].why.contains("not a valid amount"), "{:?}", export.unread);
    assert_eq!(export.unknown_columns, ["odd_field"]);
    assert!(export.lines.iter().all(|line| line.provider == "openai"));
}

#[test]
fn anthropic_counts_cents() {
    let export = read(ANTHROPIC_COSTS.as_bytes()).unwrap();
    let sonnet = "claude-sonnet-4-20250514";
    assert_eq!(amounts(&export), [("2026-11-23".into(), sonnet, "", 1.2378912), ("2026-11-23".into(), sonnet, "batch", 0.5)]);
    assert!(export.unread.is_empty() && export.unknown_columns.is_empty(), "{export:?}");
    let usage = r#"{"data":[{"starting_at":"2026-11-23T00:00:00Z","results":[{"uncached_input_tokens":100,"cache_read_input_tokens":20,
      "cache_creation":{"ephemeral_1h_input_tokens":3,"ephemeral_5m_input_tokens":4},"output_tokens":7,"model":"claude-sonnet-4-20250514",
      "server_tool_use":{"web_search_requests":1},"service_tier":"standard"}]}]}"#;
    let export = read(usage.as_bytes()).unwrap();
    assert_eq!((export.lines[0].input_tokens, export.lines[0].output_tokens, export.lines[0].amount), (Some(127), Some(7), None));
}

#[test]
fn tables_of_provider_pages_are_read() {
    let openai = "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,project_name\n\
        1795392000,1795478400,2026-11-23T00:00:00+00:00,2026-11-24T00:00:00+00:00,1.5,usd,\"gpt-4o-mini-2024-07-18, cached input\",p,Name\n";
    let export = read(openai.as_bytes()).unwrap();
    assert_eq!(amounts(&export), [("2026-11-23".into(), "gpt-4o-mini-2024-07-18", "", 1.5)]);
    assert_eq!((export.format, export.unknown_columns.len()), ("table of OpenAI's platform", 0));
    let usage = "start_time_iso,model,batch,input_tokens,input_cached_tokens,output_tokens,num_model_requests\n2026-11-23T00:00:00Z,gpt-4o-2024-08-06,True,1000,400,50,3\n";
    let line = read(usage.as_bytes()).unwrap().lines.remove(0);
    assert_eq!((line.input_tokens, line.output_tokens, line.requests, line.tier.as_str()), (Some(1000), Some(50), Some(3), "batch"));
    let anthropic = "\u{feff}usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,cost_type\n\
        2026-11-23,claude-sonnet-4-5-20250929,Default,k,standard,<= 200k,input_no_cache,\"$1,234.50\",tokens\n";
    let export = read(anthropic.as_bytes()).unwrap();
    assert_eq!(amounts(&export), [("2026-11-23".into(), "claude-sonnet-4-5-20250929", "", 1234.5)]);
}

#[test]
fn tables_of_provider_pages_of_2026_are_read() {
    let openai = "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,user_id,api_key_id,\
        project_id,organization_id,project_name,organization_name,user_email,api_source\n\
        1795305600,1795392000,2026-11-22T00:00:00+00:00,2026-11-23T00:00:00+00:00,,,,,,,,,,,,,\n\
        1795392000,1795478400,2026-11-23T00:00:00,2026-11-24T00:00:00,0.003835980000000000000000000000,usd,,,,,,,org-1,,Firm,,\n\
        1795392000,1795478400,2026-11-23T00:00:00,2026-11-24T00:00:00,0.5,usd,200,tokens,\"gpt-5-mini-2025-08-07, output\",,,proj_a,org-1,Shop,Firm,,api\n";
    let export = read(openai.as_bytes()).unwrap();
    assert_eq!(amounts(&export), [("2026-11-23".into(), "", "", 0.00383598), ("2026-11-23".into(), "gpt-5-mini-2025-08-07", "", 0.5)]);
    assert_eq!((export.rows, export.unread.len(), export.unknown_columns.len()), (2, 0, 0), "{export:?}");

    let costs = "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,inference_geo,speed,\
        api_key_id,api_key_status\n\
        2026-11-23,Claude Haiku 4.5,Default,demo-key,message,\u{2264} 200k,input_no_cache,0.05,0.05,token,not_available,,apikey_01AAA,archived\n\
        2026-11-23,Claude Haiku 4.5,Default,demo-key,message,\u{2264} 200k,output,0.02,0.02,token,not_available,fast,apikey_01AAA,archived\n\
        2026-11-23,Claude Haiku 4.5,Default,demo-key,batch,\u{2264} 200k,output,0.01,0.02,token,not_available,,apikey_01AAA,archived\n";
    let export = read(costs.as_bytes()).unwrap();
    let haiku = "Claude Haiku 4.5";
    let day = || "2026-11-23".to_owned();
    assert_eq!(amounts(&export), [(day(), haiku, "", 0.05), (day(), haiku, "batch", 0.01), (day(), haiku, "fast", 0.02)]);
    assert!(export.unread.is_empty() && export.unknown_columns.is_empty(), "{export:?}");

    let usage = "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,\
        usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count,inference_geo,speed\n\
        2026-11-23,claude-opus-4-5-20251101,App,Default,standard,\u{2264} 200k,46981,15969,3,4,16932,2,global,\n";
    let export = read(usage.as_bytes()).unwrap();
    assert_eq!((export.lines[0].input_tokens, export.lines[0].output_tokens), (Some(46_981 + 15_969 + 7), Some(16_932)));
    assert!(export.unread.is_empty() && export.unknown_columns.is_empty(), "{export:?}");
}

#[test]
fn display_names_map_to_span_models() {
    for (on_bill, in_spans) in [
        ("Claude Haiku 4.5", "claude-haiku-4-5-20251001"),
        ("Claude Sonnet 4", "anthropic/claude-sonnet-4-20250514"),
        ("Claude Haiku 3.5", "claude-3-5-haiku-20241022"),
        ("Claude Opus 3", "claude-3-opus-20240229"),
    ] {
        assert_eq!(base_model(on_bill), base_model(in_spans));
    }
}

#[test]
fn a_plain_table_and_its_broken_rows() {
    let export = read(b"Day;Model;Amount;Note\n2026-11-23;gpt-4o;1.25;a\nyesterday;gpt-4o;1;b\n2026-11-24;gpt-4o;much;c\n;gpt-4o;2;d\n20261125;mine;3;e\n").unwrap();
    assert_eq!(amounts(&export), [("2026-11-23".into(), "gpt-4o", "", 1.25), ("2026-11-25".into(), "mine", "", 3.0)]);
    assert_eq!(export.unread.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(export.unknown_columns, ["Note"]);
    assert_eq!((export.lines[0].provider.as_str(), export.lines[1].provider.as_str()), ("openai", ""));
}

#[test]
fn invalid_export_is_described() {
    assert_eq!(read(b""), Err(BillError::Empty));
    assert_eq!(read(b"{\"a\": 1}"), Err(BillError::Json));
    assert!(matches!(read(b"{\"data\": ["), Err(BillError::BrokenJson(1, _))));
    assert!(matches!(read(b"a,b\n1,2\n"), Err(BillError::NoColumn { missing: "day", .. })));
    assert!(matches!(read(b"day,b\n2026-11-23,2\n"), Err(BillError::NoColumn { missing: "amount", .. })));
    assert_eq!(read(&[0xff, 0xfe, 1]), Err(BillError::NotText));
}

fn line(day: i8, model: &str, amount: f64) -> BillLine {
    BillLine {
        day: date(2026, 11, day),
        provider: "openai".into(),
        model: model.into(),
        amount: Usd::from_dollars(amount),
        ..BillLine::default()
    }
}

fn seen(day: i8, model: &str, cost: f64) -> ObservedModelDay {
    let day = date(2026, 11, day);
    ObservedModelDay {
        day,
        provider: "openai".into(),
        model: model.into(),
        calls: 10,
        cost: Usd::from_dollars(cost).unwrap(),
        ..ObservedModelDay::default()
    }
}

fn named(report: &ReconciliationReport) -> Vec<(&str, Option<&str>)> {
    report.causes.iter().map(|cause| (cause.cause.as_str(), cause.model.as_deref())).collect()
}

#[test]
fn billed_observed_gap_and_coverage() {
    let lines = [line(23, "gpt-4o-2024-08-06", 10.0), line(23, "o3", 4.0), line(24, "gpt-4o-2024-08-06", 6.0)];
    let observed = [seen(23, "gpt-4o-2024-08-06", 8.0), seen(24, "openai/gpt-4o", 6.0), seen(25, "gpt-4o", 9.0)];
    let report = reconcile(&lines, &observed, &SamplingEvidence::default());
    assert_eq!((report.from.as_deref(), report.to.as_deref()), (Some("2026-11-23"), Some("2026-11-24")));
    let total = &report.total;
    assert_eq!((total.billed, total.observed, total.gap, total.coverage), (Some(20.0), Some(14.0), Some(6.0), Some(0.7)));
    assert_eq!(
        report.models.iter().map(|row| (row.model.as_str(), row.sum.gap)).collect::<Vec<_>>(),
        [("gpt-4o", Some(2.0)), ("o3", Some(4.0))]
    );
    assert_eq!(report.days.iter().map(|row| row.sum.coverage.unwrap()).collect::<Vec<_>>(), [8.0 / 14.0, 1.0]);
    assert_eq!(report.rows.len(), 3);
    assert_eq!(named(&report), [("not_instrumented", Some("o3"))]);
    assert_eq!(reconcile(&[], &observed, &SamplingEvidence::default()), ReconciliationReport::default());
}

#[test]
fn gap_causes_are_named() {
    let batch = BillLine { tier: "batch".into(), ..line(23, "gpt-4o", 1.0) };
    let unpriced = ObservedModelDay { unpriced_calls: 10, cost: Usd::ZERO, ..seen(23, "gpt-4o", 0.0) };
    let elsewhere = ObservedModelDay { provider: "anthropic".into(), ..seen(23, "claude-opus-4", 3.0) };
    let evidence = SamplingEvidence { sample_rate: Some(0.2), sampled_out: 40 };
    let report = reconcile(&[batch, line(23, "gpt-4o", 2.0)], &[unpriced, elsewhere], &evidence);
    assert_eq!(
        named(&report),
        [("sampled", None), ("unpriced", Some("gpt-4o")), ("tier", Some("gpt-4o")), ("not_on_bill", Some("anthropic"))]
    );
    assert_eq!((report.causes[0].rate, report.causes[0].count), (Some(0.2), Some(40)));
    assert_eq!((report.total.observed, report.total.gap), (None, Some(3.0)), "what has no price is not free");
}

#[test]
fn day_boundaries_of_the_provider_are_considered() {
    let lines: Vec<BillLine> = (20..24).map(|day| line(day, "gpt-4o", 10.0)).collect();
    let shifted = [seen(20, "gpt-4o", 7.0), seen(21, "gpt-4o", 13.0), seen(22, "gpt-4o", 8.0), seen(23, "gpt-4o", 12.0)];
    assert_eq!(named(&reconcile(&lines, &shifted, &SamplingEvidence::default())), [("time_zone", Some("gpt-4o"))]);
    let less: Vec<ObservedModelDay> = (20..24).map(|day| seen(day, "gpt-4o", 7.0)).collect();
    assert!(named(&reconcile(&lines, &less, &SamplingEvidence::default())).is_empty());
}

#[test]
fn model_names_match_without_dates() {
    for (name, base) in [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("openai/GPT-4o", "gpt-4o"),
        ("gemini-2.5-pro", "gemini-2.5-pro"),
        ("gpt-4-0613", "gpt-4-0613"),
        ("claude-3-5-sonnet@20241022", "claude-3-5-sonnet"),
        ("", ""),
        ("2024-08-06", ""),
    ] {
        assert_eq!(base_model(name), base, "{name}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_export_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_row_of_a_table_is_lost(rows in proptest::collection::vec("[0-9a-z,\" .-]{0,30}", 0..8)) {
        let text = format!("day,model,amount\n{}", rows.join("\n"));
        if let Ok(export) = read(text.as_bytes()) {
            prop_assert!(export.lines.len() + export.unread.len() <= export.rows);
            prop_assert!(export.rows == 0 || !export.lines.is_empty() || !export.unread.is_empty());
        }
    }
}
