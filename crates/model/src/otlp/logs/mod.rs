//! What log records tell of calls of models.
//!
//! A record may hold a message of a call whose span comes by itself, or be the whole report of what a coding agent did. All others
//! are not kept.

mod messages;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use super::agents;
use super::binary::Groups;
use super::record::Record;
use super::span::Around;
use super::{Category, Decoded, NOT_LLM_TELEMETRY, Outcome};
use crate::clock::{Clock, Context};
use crate::fingerprint::Fingerprint;
use crate::id::{SpanId, TraceId};
use crate::joining::{self, Joined, Piece};
use crate::map::RawSpan;
use crate::messages::{Limit, trim_messages};
use crate::span::Span;

/// Reads the log records of a request.
pub(super) fn read(groups: Groups<Record>, context: &Context) -> Decoded {
    let mut reader = Reader::new(context);
    for (around, records) in groups {
        for record in records {
            let kept = record.map_err(Dropped::Broken).and_then(|record| reader.record(&record, &around));
            match kept {
                Ok(()) => {}
                Err(Dropped::Broken(outcome)) => reader.outcomes.push(Outcome { category: Category::Log, ..outcome }),
                Err(Dropped::NotWanted(reason)) => *reader.not_wanted.entry(reason).or_default() += 1,
            }
        }
    }
    let not_wanted = reader.not_wanted.into_iter();
    let not_wanted = not_wanted.map(|(reason, quantity)| Outcome { quantity, ..Outcome::dropped(Category::Log, reason, None) });
    let mut outcomes = reader.outcomes;
    outcomes.extend(not_wanted);
    Decoded { spans: reader.spans, outcomes }
}

/// Why nothing came of a record.
pub(super) enum Dropped {
    /// It cannot be read, or has no place in time.
    Broken(Outcome),
    /// It can be read and is none of our business. These are many, and counted together.
    NotWanted(&'static str),
}

impl From<Outcome> for Dropped {
    fn from(outcome: Outcome) -> Dropped {
        Dropped::Broken(outcome)
    }
}

/// Records that tell of no call.
pub(super) const NOT_LLM: Dropped = Dropped::NotWanted(NOT_LLM_TELEMETRY);

/// Gathers what the records of a request tell.
pub(super) struct Reader<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) clock: Clock,
    spans: Vec<Span>,
    /// Where the first span of an id stands.
    places: HashMap<(TraceId, SpanId), usize>,
    /// The records that a span has of one time, in the order of the request.
    same_time: HashMap<(TraceId, SpanId, u64), Vec<Fingerprint>>,
    outcomes: Vec<Outcome>,
    not_wanted: BTreeMap<&'static str, u64>,
}

impl<'a> Reader<'a> {
    fn new(context: &'a Context<'a>) -> Reader<'a> {
        Reader {
            context,
            // The protocol does not say when a request was sent.
            clock: Clock::new(context, None),
            spans: Vec::new(),
            places: HashMap::new(),
            same_time: HashMap::new(),
            outcomes: Vec::new(),
            not_wanted: BTreeMap::new(),
        }
    }

    fn record(&mut self, record: &Record, around: &Around) -> Result<(), Dropped> {
        if let Some(held) = messages::of(record) {
            return messages::read(held, record, around, self);
        }
        match agents::of_record(record, around) {
            Some((family, name)) => agents::event::read(family, name, record, around, self),
            // An application's own log within a trace is not shown yet.
            None if record.trace().is_some() => Err(Dropped::NotWanted("not_supported_yet")),
            None => Err(NOT_LLM),
        }
    }

    /// Takes a span. What belongs to one that came before it in the request is joined to it at once.
    pub(super) fn add(&mut self, span: Span) {
        let id = (span.trace_id, span.span_id);
        match self.places.get(&id).map(|place| &mut self.spans[*place]) {
            Some(known) if known.joined.is_some() || span.joined.is_some() => {
                if let Some(joined) = joining::join(known, &span, self.context.price) {
                    *known = joined;
                }
            }
            Some(_) => self.spans.push(span),
            None => {
                self.places.insert(id, self.spans.len());
                self.spans.push(span);
            }
        }
    }

    /// Announces a span that the records only tell of, with the pieces of it that they hold.
    pub(super) fn announce(&mut self, mut span: Span, mut pieces: Vec<Piece>) {
        for piece in &mut pieces {
            if let joining::Content::Input(message) | joining::Content::Output(message) = &mut piece.content {
                trim_messages(std::slice::from_mut(message), Limit::default());
            }
        }
        span.joined = Some(Box::new(Joined { awaited: true, pieces, ..Joined::default() }));
        joining::show_pieces(&mut span);
        self.add(span);
    }

    /// What puts records of one time in the order in which they were sent: a record that is sent again gets the same.
    pub(super) fn place(&mut self, raw: &RawSpan, at_ns: u64, fingerprint: Fingerprint) -> usize {
        let group = self.same_time.entry((raw.trace_id, raw.span_id, at_ns)).or_default();
        let known = group.iter().position(|known| *known == fingerprint);
        known.unwrap_or_else(|| {
            group.push(fingerprint);
            group.len() - 1
        })
    }
}
