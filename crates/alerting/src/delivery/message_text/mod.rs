//! Text of a notice, the same for all targets with the same language: what happened, the value and its threshold, the contributors, the
//! projected cost, and links. The phrases of each language are in a table ([`phrases`]).

mod figures;
mod phrases;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::notice::{
    AlertContributor, AlertNotice, AlertNoticeKind, AlertSeverity, BudgetPeriod, BudgetStep, ComparisonBaseline, MeasureUnit,
    MessageLanguage, ShareOf, ThresholdDirection,
};
use figures::figure;
use phrases::{MessagePhrases, of};

/// Maximum length of the name of a rule, user or prompt in a message, in characters.
const NAME_LIMIT: usize = 120;
/// Maximum number of contributors, or of changes of a digest, in a message.
const MOST_LINES: usize = 12;

/// Text for people. Every part is one line and contains untrusted names: renderers must escape it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NotificationMessage {
    /// Language as in HTML's `lang`.
    pub(super) lang: &'static str,
    /// Summary in one line.
    pub(super) subject: String,
    /// Sentences.
    pub(super) sentences: Vec<String>,
    /// Heading of the lines.
    pub(super) heading: Option<String>,
    /// Contributors, or the changes of a digest, each with its link.
    pub(super) lines: Vec<(String, Option<String>)>,
    /// Labels and URLs of links.
    pub(super) links: Vec<(&'static str, String)>,
}

/// Returns the text of a notice in a language.
pub(super) fn message(notice: &AlertNotice, language: MessageLanguage) -> NotificationMessage {
    let phrases = of(language);
    let mut links = vec![(phrases.open_incident, notice.links.incident.clone())];
    links.extend(notice.links.traces.iter().map(|traces| (phrases.open_traces, traces.clone())));
    let empty =
        NotificationMessage { lang: phrases.lang, subject: String::new(), sentences: Vec::new(), heading: None, lines: Vec::new(), links };
    match notice.kind {
        AlertNoticeKind::Test => NotificationMessage {
            subject: phrases.test_subject.to_owned(),
            sentences: vec![fill(phrases.test_sentence, &[("name", &plain(&notice.rule_name))])],
            ..empty
        },
        AlertNoticeKind::Digest => digest(notice, phrases, empty),
        _ => change(notice, phrases, empty),
    }
}

fn change(notice: &AlertNotice, phrases: &MessagePhrases, message: NotificationMessage) -> NotificationMessage {
    let state = state_of(notice, phrases);
    let subject = fill(phrases.subject, &[("state", state), ("what", &headline(notice, phrases))]);
    let mut sentences = vec![number(notice, phrases)];
    sentences.extend(notice.budget.filter(|_| notice.kind != AlertNoticeKind::Resolved).map(|budget| step(notice, budget, phrases)));
    if matches!(notice.kind, AlertNoticeKind::Reminder | AlertNoticeKind::Escalated) {
        sentences.insert(0, phrases.unheard.to_owned());
    }
    if let Some(outlook) = notice.outlook.as_ref().filter(|_| notice.kind != AlertNoticeKind::Resolved) {
        let figure = figures::usd(outlook.projected_usd);
        sentences.push(fill(phrases.outlook, &[("cost", &figure), ("until", &time(outlook.until, &notice.time_zone))]));
    }
    let culprits: Vec<_> = notice.culprits.iter().take(MOST_LINES).map(|culprit| line(culprit, notice, phrases)).collect();
    let heading = if notice.budget.is_some() { phrases.culprits_budget } else { phrases.culprits };
    let heading = (!culprits.is_empty()).then(|| fill(heading, &[("from", &from(notice)), ("to", &to(notice))]));
    NotificationMessage { subject, sentences, heading, lines: culprits, ..message }
}

fn digest(notice: &AlertNotice, phrases: &MessagePhrases, message: NotificationMessage) -> NotificationMessage {
    let count = |kind: fn(AlertNoticeKind) -> bool| notice.gathered.iter().filter(|change| kind(change.kind)).count().to_string();
    let all = notice.gathered.len();
    let values = [
        ("all", all.to_string()),
        ("opened", count(|kind| kind == AlertNoticeKind::Opened)),
        ("resolved", count(|kind| kind == AlertNoticeKind::Resolved)),
        ("other", count(|kind| !matches!(kind, AlertNoticeKind::Opened | AlertNoticeKind::Resolved))),
    ];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut worst: Vec<&AlertNotice> = notice.gathered.iter().collect();
    worst.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
    let mut lines: Vec<_> = worst
        .iter()
        .take(MOST_LINES)
        .map(|change| {
            let text = fill(phrases.subject, &[("state", state_of(change, phrases)), ("what", &headline(change, phrases))]);
            (text, Some(change.links.incident.clone()))
        })
        .collect();
    if all > MOST_LINES {
        lines.push((fill(phrases.more, &[("count", &(all - MOST_LINES).to_string())]), Some(notice.links.incident.clone())));
    }
    NotificationMessage {
        subject: fill(phrases.digest_subject, &values),
        sentences: vec![fill(phrases.digest_sentence, &values)],
        heading: Some(phrases.worst.to_owned()),
        lines,
        ..message
    }
}

/// Returns the sort weight of a change in a digest: open before resolved, then critical ones, then by distance from the threshold.
fn weight(notice: &AlertNotice) -> f64 {
    let severity = if notice.severity == AlertSeverity::Critical { 1e6 } else { 0.0 };
    let going_on = if notice.kind == AlertNoticeKind::Resolved { 0.0 } else { 1e9 };
    let beyond = match (notice.value, notice.threshold, notice.direction) {
        (Some(value), Some(threshold), ThresholdDirection::Above) if threshold > 0.0 => value / threshold,
        (Some(value), Some(threshold), ThresholdDirection::Below) if value > 0.0 => threshold / value,
        _ => 0.0,
    };
    going_on + severity + beyond.clamp(0.0, 1e5)
}

fn state_of(notice: &AlertNotice, phrases: &MessagePhrases) -> &'static str {
    let critical = notice.severity == AlertSeverity::Critical;
    match notice.kind {
        AlertNoticeKind::Resolved => phrases.resolved,
        AlertNoticeKind::Worsened if critical => phrases.worsened_critical,
        AlertNoticeKind::Worsened => phrases.worsened_warning,
        AlertNoticeKind::Improved => phrases.improved,
        AlertNoticeKind::Escalated => phrases.escalated,
        AlertNoticeKind::Reminder => phrases.reminder,
        _ if critical => phrases.critical,
        _ => phrases.warning,
    }
}

/// Returns the headline: the rule with its group, the value and the threshold.
fn headline(notice: &AlertNotice, phrases: &MessagePhrases) -> String {
    let mut rule = plain(&notice.rule_name);
    if let Some(group) = &notice.group {
        let which = group.value.as_deref().map_or_else(|| phrases.unknown.to_owned(), plain);
        rule = fill(phrases.in_group, &[("rule", &rule), ("group", &dimension(&group.name, phrases)), ("value", &which)]);
    }
    let value = notice.value.map_or_else(|| phrases.no_data.to_owned(), |value| told(value, notice, phrases));
    if let Some(budget) = notice.budget {
        return spent(phrases.headline_budget, notice, budget, phrases, &rule);
    }
    let template = match (notice.kind, notice.threshold, notice.direction) {
        (AlertNoticeKind::Resolved, ..) | (_, None, _) => phrases.headline,
        (_, Some(_), ThresholdDirection::Above) => phrases.headline_above,
        (_, Some(_), ThresholdDirection::Below) => phrases.headline_below,
    };
    let threshold = notice.threshold.map(|threshold| figure(threshold, notice.unit)).unwrap_or_default();
    let measure = phrases.measure(&notice.measure);
    fill(template, &[("rule", &rule), ("measure", &measure), ("value", &value), ("threshold", &threshold)])
}

/// Returns the current value; if it is relative, with the baseline that it is compared with.
fn told(value: f64, notice: &AlertNotice, phrases: &MessagePhrases) -> String {
    let against = match notice.compare {
        None => return figure(value, notice.unit),
        Some(ComparisonBaseline::Previous) => phrases.against_previous,
        Some(ComparisonBaseline::LastWeek) => phrases.against_last_week,
    };
    let template = if value < 0.0 { phrases.down } else { phrases.up };
    let change = fill(template, &[("change", &figures::percent(value.abs()))]);
    fill(against, &[("change", &change)])
}

/// Fills a phrase about a budget.
fn spent(template: &str, notice: &AlertNotice, budget: BudgetStep, phrases: &MessagePhrases, rule: &str) -> String {
    let (value, percent) = match notice.value {
        Some(value) => (figure(value, notice.unit), figures::percent_spent(value / budget.amount)),
        None => (phrases.no_data.to_owned(), phrases.unknown.to_owned()),
    };
    let period = match budget.period {
        BudgetPeriod::Day => phrases.day,
        BudgetPeriod::Week => phrases.week,
        BudgetPeriod::Month => phrases.month,
    };
    let values = [
        ("rule", rule),
        ("measure", &*phrases.measure(&notice.measure)),
        ("value", &value),
        ("percent", &percent),
        ("period", period),
        ("amount", &figure(budget.amount, notice.unit)),
        ("from", &from(notice)),
        ("to", &to(notice)),
        ("zone", &notice.time_zone),
    ];
    fill(template, &values)
}

/// Returns why a budget fired.
fn step(notice: &AlertNotice, budget: BudgetStep, phrases: &MessagePhrases) -> String {
    if budget.step <= 0.0 {
        return phrases.forecast.to_owned();
    }
    let threshold = figure(budget.amount * budget.step / 100.0, notice.unit);
    fill(phrases.step, &[("step", &format!("{} %", budget.step)), ("threshold", &threshold)])
}

fn number(notice: &AlertNotice, phrases: &MessagePhrases) -> String {
    if let Some(budget) = notice.budget {
        return spent(phrases.number_budget, notice, budget, phrases, "");
    }
    let value = notice.value.map_or_else(|| phrases.no_data.to_owned(), |value| told(value, notice, phrases));
    let threshold = notice.threshold.map_or_else(|| phrases.no_threshold.to_owned(), |threshold| figure(threshold, notice.unit));
    let measure = phrases.measure(&notice.measure);
    let values = [
        ("measure", measure.as_str()),
        ("value", &value),
        ("threshold", &threshold),
        ("from", &from(notice)),
        ("to", &to(notice)),
        ("zone", &notice.time_zone),
    ];
    fill(phrases.number, &values)
}

fn line(culprit: &AlertContributor, notice: &AlertNotice, phrases: &MessagePhrases) -> (String, Option<String>) {
    let key = culprit.key.as_deref().map_or_else(|| phrases.unknown.to_owned(), plain);
    let said = |value: f64| figure(value, culprit.unit);
    let dimension = dimension(&culprit.dimension, phrases);
    let text = fill(phrases.culprit, &[("dimension", &dimension), ("key", &key), ("contribution", &said(culprit.contribution))]);
    let share_of = match (culprit.share_of, notice.direction) {
        (ShareOf::Total, _) if notice.budget.is_some() && notice.unit == MeasureUnit::Usd => phrases.share_of_spent,
        (ShareOf::Total, _) => phrases.share_of_total,
        (ShareOf::Change, ThresholdDirection::Above) => phrases.share_of_rise,
        (ShareOf::Change, ThresholdDirection::Below) => phrases.share_of_fall,
    };
    let share = culprit.share.map(|share| fill(share_of, &[("share", &figures::percent(share))]));
    let usual = culprit.usual.map(|usual| fill(phrases.usual, &[("usual", &said(usual))]));
    let since = culprit.since.filter(|since| *since > 0.0).zip(notice.culprits_since);
    let since = since.map(|(since, us)| fill(phrases.since, &[("since", &said(since)), ("time", &time(us, &notice.time_zone))]));
    let more: Vec<String> = [share, usual, since].into_iter().flatten().collect();
    let text = if more.is_empty() { text } else { fill(phrases.culprit_with, &[("culprit", &text), ("more", &more.join(phrases.and))]) };
    (text, culprit.link.clone())
}

/// Returns the start of the window.
fn from(notice: &AlertNotice) -> String {
    time(notice.window_from, &notice.time_zone)
}

/// Returns the end of the window.
fn to(notice: &AlertNotice) -> String {
    time(notice.window_to, &notice.time_zone)
}

fn dimension(name: &str, phrases: &MessagePhrases) -> String {
    phrases.dimension(name).map_or_else(|| plain(name), str::to_owned)
}

/// Formats a time in a time zone, to the minute, in the same way in all languages.
fn time(us: i64, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let time = Timestamp::from_microsecond(us).unwrap_or_default();
    time.to_zoned_datetime(zone).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Returns an untrusted text as part of one line: without control characters, and shortened.
fn plain(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).take(NAME_LIMIT + 1).collect();
    if line.chars().count() > NAME_LIMIT {
        line.pop();
        line.push('…');
    }
    line
}

/// Returns whether a character changes the text direction or breaks lines, with which a name could imitate other text.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Replaces the `{name}` placeholders of a template. Placeholders in values are not replaced.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len() + 40);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        text.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
        rest = after;
    }
    text.push_str(rest);
    text
}
