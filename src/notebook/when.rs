//! When something happened: the span it covers and the words it was written in.

use crate::format::json::Node;
use crate::r4::datetime::{self, JST_SECONDS};

/// A time on the timeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct When {
    pub(super) low: Option<i64>,
    pub(super) high: Option<i64>,
    /// As written; empty when nothing is.
    pub(super) text: String,
}

impl When {
    /// A date, dateTime or instant; one without a zone is of Japan (DESIGN §5). What cannot be read as one keeps its text and has no span.
    pub(super) fn date(text: &str) -> Self {
        let span = datetime::span(text, JST_SECONDS);
        Self { low: span.map(|span| span.low), high: span.map(|span| span.high), text: text.to_owned() }
    }

    /// A Period; an open end stays open.
    pub(super) fn period(period: &Node<'_>) -> Option<Self> {
        match (period.text("start"), period.text("end")) {
            (Some(start), Some(end)) => {
                let (first, last) = (Self::date(start), Self::date(end));
                Some(Self { low: first.low, high: last.high, text: format!("{start}〜{end}") })
            }
            (Some(start), None) => Some(Self { low: Self::date(start).low, high: None, text: format!("{start}〜") }),
            // Its end is all that is known: it stands there.
            (None, Some(end)) => Some(Self { text: format!("〜{end}"), ..Self::date(end) }),
            (None, None) => None,
        }
    }

    /// A Timing: its events, else its bounds, else its code in words.
    pub(super) fn timing(timing: &Node<'_>) -> Option<Self> {
        if let Some(event) = timing.list("event").first().and_then(Node::as_str) {
            return Some(Self::date(event));
        }
        let bounds = timing.path(&["repeat", "boundsPeriod"]).and_then(Self::period);
        bounds.or_else(|| super::texts::concept(timing.get("code")?).map(Self::words))
    }

    /// Words that say when, without a date (`術後16週頃`).
    pub(super) fn words(text: impl Into<String>) -> Self {
        Self { low: None, high: None, text: text.into() }
    }

    /// Reads the first of `names` that the resource has; the name's ending says what it is.
    pub(super) fn first(resource: &Node<'_>, names: &[&str]) -> Option<Self> {
        names.iter().find_map(|name| Self::member(resource, name))
    }

    fn member(resource: &Node<'_>, name: &str) -> Option<Self> {
        let value = resource.get(name)?;
        match value {
            Node::String(text) if name.ends_with("String") => Some(Self::words(text.clone())),
            Node::String(text) => Some(Self::date(text)),
            Node::Object(_) if name.ends_with("Timing") => Self::timing(value),
            Node::Object(_) => Self::period(value),
            _ => None,
        }
    }
}
