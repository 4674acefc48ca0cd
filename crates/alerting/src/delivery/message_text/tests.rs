use super::*;
use crate::delivery::notification::{AlertGroup, ComparisonBaseline, MeasureUnit};
use crate::delivery::tests::notification;

#[test]
fn alert_names_number_threshold_contributor_and_spend() {
    let message = message_of(&notification("a"), MessageLanguage::En);
    assert_eq!(message.subject, "[Critical] Budget of the day: Cost $50.42, above $50.00");
    assert_eq!(
        message.sentences,
        [
            "Cost is $50.42; the threshold is $50.00. Window: 2026-11-23 00:00 to 2026-11-24 00:00 (Asia/Tokyo).",
            "At this rate, the cost will reach $67.79 by 2026-11-24 00:00.",
        ]
    );
    assert_eq!(message.lines[0].0, "user u_20481: $6.42, 93 % of the increase; usually $0.0900");
    assert!(message.lines[0].1.as_ref().unwrap().contains("user:u_20481"));
}

/// Notification of a budget of one cent per day at one of its steps.
fn spending(kind: AlertNotificationKind, severity: AlertSeverity, value: f64, step: f64) -> AlertNotification {
    let culprit = |dimension: &str, key: &str, contribution: f64, share: f64| AlertContributor {
        dimension: dimension.to_owned(),
        key: Some(key.to_owned()),
        unit: MeasureUnit::Usd,
        contribution,
        usual: None,
        share: Some(share),
        share_of: ShareOf::Total,
        since: None,
        link: None,
    };
    AlertNotification {
        kind,
        severity,
        value: Some(value),
        threshold: Some(0.01 * step / 100.0),
        budget: Some(BudgetStep { amount: 0.01, period: BudgetPeriod::Day, step }),
        culprits: vec![culprit("user", "bob", 0.0085, 0.57), culprit("model", "gpt-4o-mini", 0.015, 1.0)],
        ..notification("a")
    }
}

#[test]
fn budget_alert_names_amount_period_and_share_spent() {
    let opened = message_of(&spending(AlertNotificationKind::Opened, AlertSeverity::Warning, 0.00512, 50.0), MessageLanguage::En);
    assert_eq!(opened.subject, "[Warning] Budget of the day: Cost $0.00512, 51 % of the daily budget of $0.0100");
    assert_eq!(
        opened.sentences[..2],
        [
            "Cost is $0.00512, 51 % of the daily budget of $0.0100. Period: 2026-11-23 00:00 to 2026-11-24 00:00 (Asia/Tokyo).",
            "The 50 % threshold ($0.005) was reached.",
        ]
    );
    assert_eq!(opened.heading.as_deref(), Some("Budget usage by contributor, 2026-11-23 00:00 to 2026-11-24 00:00"));
    let lines: Vec<&str> = opened.lines.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(lines, ["user bob: $0.0085, 57 % of the spend", "model gpt-4o-mini: $0.0150, 100 % of the spend"]);
    let japanese = message_of(&spending(AlertNotificationKind::Opened, AlertSeverity::Warning, 0.00512, 50.0), MessageLanguage::Ja);
    assert_eq!(japanese.subject, "【警告】Budget of the day: コスト $0.00512(1 日の予算 $0.0100 の 51 %)");
    assert_eq!(japanese.sentences[1], "50 % のしきい値($0.005)に達しました。");
    assert_eq!(japanese.lines[0].0, "ユーザー bob: $0.0085(消費の 57 %)");
    let forecast = message_of(&spending(AlertNotificationKind::Opened, AlertSeverity::Warning, 0.003, 0.0), MessageLanguage::En);
    assert_eq!(forecast.sentences[1], "Even the low estimate of the forecast for the end of the period exceeds the budget.");
    let over = message_of(&spending(AlertNotificationKind::Resolved, AlertSeverity::Critical, 0.015, 100.0), MessageLanguage::En);
    assert_eq!(
        (over.subject.as_str(), over.sentences.len()),
        ("[Resolved] Budget of the day: Cost $0.0150, 150 % of the daily budget of $0.0100", 1)
    );
}

#[test]
fn worsening_notification_names_severity_and_recent_contributors() {
    let mut worse = spending(AlertNotificationKind::Worsened, AlertSeverity::Warning, 0.008, 80.0);
    worse.culprits_since = Some(worse.window_from + 3_600_000_000);
    worse.culprits[0].since = Some(0.003);
    worse.culprits[0].usual = Some(0.001);
    let said = message_of(&worse, MessageLanguage::En);
    assert!(said.subject.starts_with("[Got worse, warning] "), "{}", said.subject);
    assert_eq!(said.lines[0].0, "user bob: $0.0085, 57 % of the spend; usually $0.001; $0.003 since 2026-11-23 01:00");
    assert!(message_of(&worse, MessageLanguage::Ja).subject.starts_with("【悪化・警告】"));
    assert_eq!(
        message_of(&worse, MessageLanguage::Ja).lines[0].0,
        "ユーザー bob: $0.0085(消費の 57 %、通常 $0.001、うち 2026-11-23 01:00 以降 $0.003)"
    );
    worse.severity = AlertSeverity::Critical;
    assert!(message_of(&worse, MessageLanguage::En).subject.starts_with("[Got worse, critical] "));
    assert!(message_of(&worse, MessageLanguage::Ja).subject.starts_with("【悪化・重大】"));
}

#[test]
fn latency_contributor_is_described_by_its_slow_calls() {
    let mut slow = notification("a");
    (slow.unit, slow.culprits[0].unit, slow.culprits[0].contribution) = (MeasureUnit::Ms, MeasureUnit::Count, 81.0);
    slow.culprits[0].usual = Some(0.0);
    assert_eq!(message_of(&slow, MessageLanguage::En).lines[0].0, "user u_20481: 81, 93 % of the increase; usually 0");
}

#[test]
fn notifications_in_japanese() {
    let message = message_of(&notification("a"), MessageLanguage::Ja);
    assert_eq!(message.subject, "【重大】Budget of the day: コスト $50.42(しきい値 $50.00 を超過)");
    assert!(message.sentences[1].contains("2026-11-24 00:00 までのコストは $67.79"));
    assert_eq!(message.lines[0].0, "ユーザー u_20481: $6.42(増加分の 93 %、通常 $0.0900)");
}

#[test]
fn relative_threshold_is_described_as_a_change() {
    let changed = AlertNotification {
        compare: Some(ComparisonBaseline::Previous),
        unit: MeasureUnit::Ratio,
        value: Some(0.62),
        threshold: Some(0.5),
        outlook: None,
        ..notification("a")
    };
    let english = message_of(&changed, MessageLanguage::En);
    assert_eq!(english.subject, "[Critical] Budget of the day: Cost up 62 % compared with the previous window, above 50 %");
    assert!(english.sentences[0].starts_with("Cost is up 62 % compared with the previous window; the threshold is 50 %. Window: "));
    let japanese = message_of(&changed, MessageLanguage::Ja);
    assert_eq!(japanese.subject, "【重大】Budget of the day: コスト 直前の期間比 62 % 増(しきい値 50 % を超過)");
    let fell = AlertNotification {
        compare: Some(ComparisonBaseline::LastWeek),
        value: Some(-0.4),
        threshold: Some(-0.3),
        direction: ThresholdDirection::Below,
        ..changed
    };
    assert!(
        message_of(&fell, MessageLanguage::En).sentences[0]
            .starts_with("Cost is down 40 % compared with the same window last week; the threshold is -30 %.")
    );
    assert!(message_of(&fell, MessageLanguage::Ja).sentences[0].starts_with("コストは 前週の同期間比 40 % 減、しきい値は -30 % です。"));
}

#[test]
fn resolved_notification_has_no_spend_and_unknown_value_is_stated() {
    let resolved = AlertNotification { kind: AlertNotificationKind::Resolved, value: None, ..notification("a") };
    let message = message_of(&resolved, MessageLanguage::En);
    assert_eq!(message.subject, "[Resolved] Budget of the day: Cost no data");
    assert_eq!(message.sentences.len(), 1);
}

#[test]
fn untrusted_name_stays_in_its_line() {
    let group = AlertGroup { name: "user".to_owned(), value: Some(format!("a\r\nBcc: x\u{202e}{}", "y".repeat(500))) };
    let mut hostile = notification("a");
    hostile.group = Some(group);
    hostile.rule_name = "{threshold} {value}".to_owned();
    let message = message_of(&hostile, MessageLanguage::En);
    assert!(message.subject.starts_with("[Critical] {threshold} {value} (user a  Bcc: x "));
    assert!(!message.subject.contains(['\r', '\n', '\u{202e}']) && message.subject.chars().count() < 220);
}

#[test]
fn digest_lists_the_worst_incidents() {
    let many = (0..40).map(|at| {
        let kind = if at < 3 { AlertNotificationKind::Resolved } else { AlertNotificationKind::Opened };
        let group = AlertGroup { name: "user".to_owned(), value: Some(format!("u{at}")) };
        AlertNotification { kind, value: Some(f64::from(50 + at)), group: Some(group), ..notification(&at.to_string()) }
    });
    let digest = AlertNotification { kind: AlertNotificationKind::Digest, gathered: many.collect(), ..notification("digest") };
    let message = message_of(&digest, MessageLanguage::En);
    assert_eq!(message.subject, "[Digest] 40 alerts: 37 opened, 3 resolved");
    assert_eq!(message.lines.len(), 13);
    assert!(message.lines[0].0.contains("user u39"));
    assert_eq!(message.lines[12].0, "and 28 more");
}

#[test]
fn phrase_placeholders_match_in_both_languages() {
    let places = |phrases: &MessagePhrases| {
        [
            phrases.subject,
            phrases.in_group,
            phrases.headline,
            phrases.headline_above,
            phrases.headline_below,
            phrases.headline_budget,
            phrases.number_budget,
            phrases.step,
            phrases.contributors,
            phrases.contributors_budget,
            phrases.contributor_with_share,
            phrases.share_of_rise,
            phrases.share_of_fall,
            phrases.share_of_total,
            phrases.share_of_spent,
            phrases.usual,
            phrases.since,
            phrases.number,
            phrases.up,
            phrases.down,
            phrases.against_previous,
            phrases.against_last_week,
            phrases.forecast_sentence,
        ]
        .iter()
        .chain(&[phrases.contributor, phrases.digest_more, phrases.digest_subject, phrases.digest_sentence, phrases.test_sentence])
        .map(|template| {
            let mut names: Vec<_> = template.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
            names.sort_unstable();
            names
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(places(of_language(MessageLanguage::En)), places(of_language(MessageLanguage::Ja)));
}
