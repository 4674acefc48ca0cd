use super::*;
use crate::notify::notice::{AlertGroup, ComparisonBaseline, MeasureUnit};
use crate::notify::tests::notice;

#[test]
fn a_ring_says_number_threshold_culprit_and_bill() {
    let message = message(&notice("a"), MessageLanguage::En);
    assert_eq!(message.subject, "[Critical] Budget of the day: Cost $50.42, above $50.00");
    assert_eq!(
        message.sentences,
        [
            "Cost is $50.42; the threshold is $50.00. Window: 2026-11-23 00:00 to 2026-11-24 00:00 (Asia/Tokyo).",
            "If it goes on like this, the bill will be $67.79 by 2026-11-24 00:00.",
        ]
    );
    assert_eq!(message.lines[0].0, "user u_20481: $6.42, usually $0.0900 (93 % of the rise)");
    assert!(message.lines[0].1.as_ref().unwrap().contains("user:u_20481"));
}

#[test]
fn a_culprit_of_slowness_is_told_by_how_many_were_slow() {
    let mut slow = notice("a");
    (slow.unit, slow.culprits[0].unit, slow.culprits[0].contribution) = (MeasureUnit::Ms, MeasureUnit::Count, 81.0);
    slow.culprits[0].usual = Some(0.0);
    assert_eq!(message(&slow, MessageLanguage::En).lines[0].0, "user u_20481: 81, usually 0 (93 % of the rise)");
}

#[test]
fn the_same_in_japanese() {
    let message = message(&notice("a"), MessageLanguage::Ja);
    assert_eq!(message.subject, "【重大】Budget of the day: コスト $50.42(しきい値 $50.00 を超過)");
    assert!(message.sentences[1].contains("2026-11-24 00:00 までの費用は $67.79"));
    assert!(message.lines[0].0.starts_with("ユーザー u_20481: $6.42(通常 $0.0900)"));
}

#[test]
fn a_change_is_told_as_one() {
    let changed = AlertNotice {
        compare: Some(ComparisonBaseline::Previous),
        unit: MeasureUnit::Ratio,
        value: Some(0.62),
        threshold: Some(0.5),
        outlook: None,
        ..notice("a")
    };
    let english = message(&changed, MessageLanguage::En);
    assert_eq!(english.subject, "[Critical] Budget of the day: Cost up 62 % against the window before, above 50 %");
    assert!(english.sentences[0].starts_with("Cost is up 62 % against the window before; the threshold is 50 %. Window: "));
    let japanese = message(&changed, MessageLanguage::Ja);
    assert_eq!(japanese.subject, "【重大】Budget of the day: コスト 直前の期間比 62 % 増(しきい値 50 % を超過)");
    let fell = AlertNotice {
        compare: Some(ComparisonBaseline::LastWeek),
        value: Some(-0.4),
        threshold: Some(-0.3),
        direction: ThresholdDirection::Below,
        ..changed
    };
    assert!(
        message(&fell, MessageLanguage::En).sentences[0].starts_with("Cost is down 40 % against the week before; the threshold is -30 %.")
    );
    assert!(message(&fell, MessageLanguage::Ja).sentences[0].starts_with("コストは 前週の同期間比 40 % 減、しきい値は -30 % です。"));
}

#[test]
fn what_is_over_tells_no_bill_and_what_is_unknown_says_so() {
    let resolved = AlertNotice { kind: AlertNoticeKind::Resolved, value: None, ..notice("a") };
    let message = message(&resolved, MessageLanguage::En);
    assert_eq!(message.subject, "[Resolved] Budget of the day: Cost no data");
    assert_eq!(message.sentences.len(), 1);
}

#[test]
fn a_stranger_s_name_stays_in_its_line() {
    let group = AlertGroup { name: "user".to_owned(), value: Some(format!("a\r\nBcc: x\u{202e}{}", "y".repeat(500))) };
    let mut hostile = notice("a");
    hostile.group = Some(group);
    hostile.rule_name = "{threshold} {value}".to_owned();
    let message = message(&hostile, MessageLanguage::En);
    assert!(message.subject.starts_with("[Critical] {threshold} {value} (user a  Bcc: x "));
    assert!(!message.subject.contains(['\r', '\n', '\u{202e}']) && message.subject.chars().count() < 220);
}

#[test]
fn a_digest_names_the_worst() {
    let many = (0..40).map(|at| {
        let kind = if at < 3 { AlertNoticeKind::Resolved } else { AlertNoticeKind::Opened };
        let group = AlertGroup { name: "user".to_owned(), value: Some(format!("u{at}")) };
        AlertNotice { kind, value: Some(f64::from(50 + at)), group: Some(group), ..notice(&at.to_string()) }
    });
    let digest = AlertNotice { kind: AlertNoticeKind::Digest, gathered: many.collect(), ..notice("digest") };
    let message = message(&digest, MessageLanguage::En);
    assert_eq!(message.subject, "[Digest] 40 alerts: 37 opened, 3 resolved");
    assert_eq!(message.lines.len(), 13);
    assert!(message.lines[0].0.contains("user u39"));
    assert_eq!(message.lines[12].0, "and 28 more");
}

#[test]
fn every_phrase_has_its_places_in_both_languages() {
    let places = |phrases: &MessagePhrases| {
        [
            phrases.subject,
            phrases.in_group,
            phrases.headline,
            phrases.headline_above,
            phrases.headline_below,
            phrases.number,
            phrases.up,
            phrases.down,
            phrases.against_previous,
            phrases.against_last_week,
            phrases.outlook,
        ]
        .iter()
        .chain(&[phrases.culprit, phrases.share, phrases.more, phrases.digest_subject, phrases.digest_sentence, phrases.test_sentence])
        .map(|template| {
            let mut names: Vec<_> = template.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
            names.sort_unstable();
            names
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(places(of(MessageLanguage::En)), places(of(MessageLanguage::Ja)));
}
