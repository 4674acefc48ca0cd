//! Text of a notification, the same for all channels with the same language: what happened, the value and its threshold, the contributors,
//! the projected cost, and links. The phrases of each language are in a table ([`phrases`]).

mod figures;
mod phrases;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::notification::{
    AlertContributor, AlertNotification, AlertNotificationKind, AlertSeverity, BudgetPeriod, BudgetStep, ComparisonBaseline, MeasureUnit,
    MessageLanguage, ShareOf, ThresholdDirection,
};
use figures::format_value;
use phrases::{MessagePhrases, of_language};

/// Maximum length of the name of a rule, user or prompt in a message, in characters.
const MAX_NAME_LENGTH: usize = 120;
/// Maximum number of contributors, or of changes of a digest, in a message.
const MAX_LISTED_ITEMS: usize = 12;

/// Text for people. Every part is one line. A part contains untrusted names, so renderers must escape it.
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

/// Returns the text of a notification in a language.
pub(super) fn message_of(notification: &AlertNotification, language: MessageLanguage) -> NotificationMessage {
    let phrases = of_language(language);
    let mut links = vec![(phrases.open_incident, notification.links.incident.clone())];
    links.extend(notification.links.traces.iter().map(|traces| (phrases.open_traces, traces.clone())));
    let empty =
        NotificationMessage { lang: phrases.lang, subject: String::new(), sentences: Vec::new(), heading: None, lines: Vec::new(), links };
    match notification.kind {
        AlertNotificationKind::Test => NotificationMessage {
            subject: phrases.test_subject.to_owned(),
            sentences: vec![fill_template(phrases.test_sentence, &[("name", &sanitize(&notification.rule_name))])],
            ..empty
        },
        AlertNotificationKind::Digest => digest_message(notification, phrases, empty),
        _ => change_message(notification, phrases, empty),
    }
}

fn change_message(notification: &AlertNotification, phrases: &MessagePhrases, message: NotificationMessage) -> NotificationMessage {
    let state = state_phrase(notification, phrases);
    let subject = fill_template(phrases.subject, &[("state", state), ("what", &headline(notification, phrases))]);
    let mut sentences = vec![value_sentence(notification, phrases)];
    sentences.extend(
        notification
            .budget
            .filter(|_| notification.kind != AlertNotificationKind::Resolved)
            .map(|budget| step_sentence(notification, budget, phrases)),
    );
    if matches!(notification.kind, AlertNotificationKind::Reminder | AlertNotificationKind::Escalated) {
        sentences.insert(0, phrases.no_data_received.to_owned());
    }
    if let Some(outlook) = notification.outlook.as_ref().filter(|_| notification.kind != AlertNotificationKind::Resolved) {
        let figure = figures::format_usd(outlook.projected_usd);
        sentences.push(fill_template(
            phrases.forecast_sentence,
            &[("cost", &figure), ("until", &format_time(outlook.until, &notification.time_zone))],
        ));
    }
    let culprits: Vec<_> = notification
        .culprits
        .iter()
        .take(MAX_LISTED_ITEMS)
        .map(|contributor| contributor_line(contributor, notification, phrases))
        .collect();
    let heading = if notification.budget.is_some() { phrases.contributors_budget } else { phrases.contributors };
    let heading =
        (!culprits.is_empty()).then(|| fill_template(heading, &[("from", &window_start(notification)), ("to", &window_end(notification))]));
    NotificationMessage { subject, sentences, heading, lines: culprits, ..message }
}

fn digest_message(notification: &AlertNotification, phrases: &MessagePhrases, message: NotificationMessage) -> NotificationMessage {
    let count =
        |kind: fn(AlertNotificationKind) -> bool| notification.gathered.iter().filter(|change| kind(change.kind)).count().to_string();
    let all = notification.gathered.len();
    let values = [
        ("all", all.to_string()),
        ("opened", count(|kind| kind == AlertNotificationKind::Opened)),
        ("resolved", count(|kind| kind == AlertNotificationKind::Resolved)),
        ("other", count(|kind| !matches!(kind, AlertNotificationKind::Opened | AlertNotificationKind::Resolved))),
    ];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut worst: Vec<&AlertNotification> = notification.gathered.iter().collect();
    worst.sort_by(|one, other| digest_weight(other).total_cmp(&digest_weight(one)));
    let mut lines: Vec<_> = worst
        .iter()
        .take(MAX_LISTED_ITEMS)
        .map(|change| {
            let text = fill_template(phrases.subject, &[("state", state_phrase(change, phrases)), ("what", &headline(change, phrases))]);
            (text, Some(change.links.incident.clone()))
        })
        .collect();
    if all > MAX_LISTED_ITEMS {
        lines.push((
            fill_template(phrases.digest_more, &[("count", &(all - MAX_LISTED_ITEMS).to_string())]),
            Some(notification.links.incident.clone()),
        ));
    }
    NotificationMessage {
        subject: fill_template(phrases.digest_subject, &values),
        sentences: vec![fill_template(phrases.digest_sentence, &values)],
        heading: Some(phrases.digest_worst.to_owned()),
        lines,
        ..message
    }
}

/// Returns the sort weight of a change in a digest: open before resolved, then critical ones, then by distance from the threshold.
fn digest_weight(notification: &AlertNotification) -> f64 {
    let severity = if notification.severity == AlertSeverity::Critical { 1e6 } else { 0.0 };
    let going_on = if notification.kind == AlertNotificationKind::Resolved { 0.0 } else { 1e9 };
    let beyond = match (notification.value, notification.threshold, notification.direction) {
        (Some(value), Some(threshold), ThresholdDirection::Above) if threshold > 0.0 => value / threshold,
        (Some(value), Some(threshold), ThresholdDirection::Below) if value > 0.0 => threshold / value,
        _ => 0.0,
    };
    going_on + severity + beyond.clamp(0.0, 1e5)
}

fn state_phrase(notification: &AlertNotification, phrases: &MessagePhrases) -> &'static str {
    let critical = notification.severity == AlertSeverity::Critical;
    match notification.kind {
        AlertNotificationKind::Resolved => phrases.resolved,
        AlertNotificationKind::Worsened if critical => phrases.worsened_critical,
        AlertNotificationKind::Worsened => phrases.worsened_warning,
        AlertNotificationKind::Improved => phrases.improved,
        AlertNotificationKind::Escalated => phrases.escalated,
        AlertNotificationKind::Reminder => phrases.reminder,
        _ if critical => phrases.critical,
        _ => phrases.warning,
    }
}

/// Returns the headline: the rule with its group, the value and the threshold.
fn headline(notification: &AlertNotification, phrases: &MessagePhrases) -> String {
    let mut rule = sanitize(&notification.rule_name);
    if let Some(group) = &notification.group {
        let which = group.value.as_deref().map_or_else(|| phrases.unknown.to_owned(), sanitize);
        rule = fill_template(phrases.in_group, &[("rule", &rule), ("group", &dimension_name(&group.name, phrases)), ("value", &which)]);
    }
    let value = notification.value.map_or_else(|| phrases.no_data.to_owned(), |value| current_value(value, notification, phrases));
    if let Some(budget) = notification.budget {
        return fill_budget_phrase(phrases.headline_budget, notification, budget, phrases, &rule);
    }
    let template = match (notification.kind, notification.threshold, notification.direction) {
        (AlertNotificationKind::Resolved, ..) | (_, None, _) => phrases.headline,
        (_, Some(_), ThresholdDirection::Above) => phrases.headline_above,
        (_, Some(_), ThresholdDirection::Below) => phrases.headline_below,
    };
    let threshold = notification.threshold.map(|threshold| format_value(threshold, notification.unit)).unwrap_or_default();
    let measure = phrases.metric_name(&notification.measure);
    fill_template(template, &[("rule", &rule), ("measure", &measure), ("value", &value), ("threshold", &threshold)])
}

/// Returns the current value; if it is relative, with the baseline that it is compared with.
fn current_value(value: f64, notification: &AlertNotification, phrases: &MessagePhrases) -> String {
    let against = match notification.compare {
        None => return format_value(value, notification.unit),
        Some(ComparisonBaseline::Previous) => phrases.against_previous,
        Some(ComparisonBaseline::LastWeek) => phrases.against_last_week,
    };
    let template = if value < 0.0 { phrases.down } else { phrases.up };
    let change = fill_template(template, &[("change", &figures::format_percent(value.abs()))]);
    fill_template(against, &[("change", &change)])
}

/// Fills a phrase about a budget.
fn fill_budget_phrase(
    template: &str,
    notification: &AlertNotification,
    budget: BudgetStep,
    phrases: &MessagePhrases,
    rule: &str,
) -> String {
    let (value, percent) = match notification.value {
        Some(value) => (format_value(value, notification.unit), figures::format_percent_spent(value / budget.amount)),
        None => (phrases.no_data.to_owned(), phrases.unknown.to_owned()),
    };
    let period = match budget.period {
        BudgetPeriod::Day => phrases.day,
        BudgetPeriod::Week => phrases.week,
        BudgetPeriod::Month => phrases.month,
    };
    let values = [
        ("rule", rule),
        ("measure", &*phrases.metric_name(&notification.measure)),
        ("value", &value),
        ("percent", &percent),
        ("period", period),
        ("amount", &format_value(budget.amount, notification.unit)),
        ("from", &window_start(notification)),
        ("to", &window_end(notification)),
        ("zone", &notification.time_zone),
    ];
    fill_template(template, &values)
}

/// Returns why a budget fired.
fn step_sentence(notification: &AlertNotification, budget: BudgetStep, phrases: &MessagePhrases) -> String {
    if budget.step <= 0.0 {
        return phrases.forecast.to_owned();
    }
    let threshold = format_value(budget.amount * budget.step / 100.0, notification.unit);
    fill_template(phrases.step, &[("step", &format!("{} %", budget.step)), ("threshold", &threshold)])
}

fn value_sentence(notification: &AlertNotification, phrases: &MessagePhrases) -> String {
    if let Some(budget) = notification.budget {
        return fill_budget_phrase(phrases.number_budget, notification, budget, phrases, "");
    }
    let value = notification.value.map_or_else(|| phrases.no_data.to_owned(), |value| current_value(value, notification, phrases));
    let threshold =
        notification.threshold.map_or_else(|| phrases.no_threshold.to_owned(), |threshold| format_value(threshold, notification.unit));
    let measure = phrases.metric_name(&notification.measure);
    let values = [
        ("measure", measure.as_str()),
        ("value", &value),
        ("threshold", &threshold),
        ("from", &window_start(notification)),
        ("to", &window_end(notification)),
        ("zone", &notification.time_zone),
    ];
    fill_template(phrases.number, &values)
}

fn contributor_line(
    contributor: &AlertContributor,
    notification: &AlertNotification,
    phrases: &MessagePhrases,
) -> (String, Option<String>) {
    let key = contributor.key.as_deref().map_or_else(|| phrases.unknown.to_owned(), sanitize);
    let said = |value: f64| format_value(value, contributor.unit);
    let dimension = dimension_name(&contributor.dimension, phrases);
    let text =
        fill_template(phrases.contributor, &[("dimension", &dimension), ("key", &key), ("contribution", &said(contributor.contribution))]);
    let share_of = match (contributor.share_of, notification.direction) {
        (ShareOf::Total, _) if notification.budget.is_some() && notification.unit == MeasureUnit::Usd => phrases.share_of_spent,
        (ShareOf::Total, _) => phrases.share_of_total,
        (ShareOf::Change, ThresholdDirection::Above) => phrases.share_of_rise,
        (ShareOf::Change, ThresholdDirection::Below) => phrases.share_of_fall,
    };
    let share = contributor.share.map(|share| fill_template(share_of, &[("share", &figures::format_percent(share))]));
    let usual = contributor.usual.map(|usual| fill_template(phrases.usual, &[("usual", &said(usual))]));
    let since = contributor.since.filter(|since| *since > 0.0).zip(notification.culprits_since);
    let since = since
        .map(|(since, us)| fill_template(phrases.since, &[("since", &said(since)), ("time", &format_time(us, &notification.time_zone))]));
    let more: Vec<String> = [share, usual, since].into_iter().flatten().collect();
    let text = if more.is_empty() {
        text
    } else {
        fill_template(phrases.contributor_with_share, &[("culprit", &text), ("more", &more.join(phrases.and))])
    };
    (text, contributor.link.clone())
}

/// Returns the start of the window.
fn window_start(notification: &AlertNotification) -> String {
    format_time(notification.window_from, &notification.time_zone)
}

/// Returns the end of the window.
fn window_end(notification: &AlertNotification) -> String {
    format_time(notification.window_to, &notification.time_zone)
}

fn dimension_name(name: &str, phrases: &MessagePhrases) -> String {
    phrases.dimension_name(name).map_or_else(|| sanitize(name), str::to_owned)
}

/// Formats a time in a time zone, to the minute, in the same way in all languages.
fn format_time(us: i64, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let time = Timestamp::from_microsecond(us).unwrap_or_default();
    time.to_zoned_datetime(zone).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Returns an untrusted text as part of one line: without control characters, and shortened.
fn sanitize(text: &str) -> String {
    let mut line: String =
        text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).take(MAX_NAME_LENGTH + 1).collect();
    if line.chars().count() > MAX_NAME_LENGTH {
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
fn fill_template(template: &str, values: &[(&str, &str)]) -> String {
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
