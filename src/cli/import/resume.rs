//! Which lines and entries of a source are in already.
//!
//! Every transaction notes what it covers, in itself: `FIRST` → last for lines, `LINE/FIRST` → last
//! for entries of the Bundle on a line. So it does not matter in which order they end, and after a
//! crash what is noted is exactly what is stored.

use std::collections::{BTreeMap, HashMap};

use renraku::store::ImportProgress;

/// A line of a source, or an entry of the Bundle on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) entry: Option<u64>,
}

/// What is done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) finished: bool,
    lines: BTreeMap<u64, u64>,
    entries: HashMap<u64, BTreeMap<u64, u64>>,
}

/// The name and the position under which a transaction from `first` to `last` is noted.
pub(super) fn note(first: Place, last: Place) -> (String, i64) {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    match (first.entry, last.entry) {
        (Some(entry), Some(last)) => (format!("{}/{entry}", first.line), number(last)),
        _ => (first.line.to_string(), number(last.line)),
    }
}

impl Done {
    pub(super) fn of(progress: ImportProgress) -> Self {
        let mut done = Self { finished: progress.finished, ..Self::default() };
        for (part, last) in progress.parts {
            let last = u64::try_from(last).unwrap_or(0);
            let entry = part.split_once('/').map(|(line, entry)| (line.parse::<u64>(), entry.parse::<u64>()));
            match (entry, part.parse::<u64>()) {
                (Some((Ok(line), Ok(entry))), _) => {
                    done.entries.entry(line).or_default().insert(entry, last);
                }
                (None, Ok(first)) => {
                    done.lines.insert(first, last);
                }
                _ => {}
            }
        }
        done
    }

    pub(super) fn contains(&self, place: Place) -> bool {
        let covers = |ranges: &BTreeMap<u64, u64>, number| {
            ranges.range(..=number).next_back().is_some_and(|(_, last)| number <= *last)
        };
        match place.entry {
            None => covers(&self.lines, place.line),
            Some(entry) => {
                covers(&self.lines, place.line)
                    || self.entries.get(&place.line).is_some_and(|ranges| covers(ranges, entry))
            }
        }
    }

    /// Where an import that was stopped goes on; `None` when it was not begun.
    pub(super) fn first_missing(&self) -> Option<u64> {
        if self.lines.is_empty() && self.entries.is_empty() {
            return None;
        }
        let mut next = 1;
        for (first, last) in &self.lines {
            if *first > next {
                break;
            }
            next = next.max(last + 1);
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_found_again() {
        let line = |line| Place { line, entry: None };
        let entry = |line, entry| Place { line, entry: Some(entry) };
        let parts = vec![
            note(line(1), line(500)),
            note(line(700), line(700)),
            note(entry(702, 3), entry(702, 5)),
            note(line(501), line(502)),
        ];
        let done = Done::of(ImportProgress { parts, ..ImportProgress::default() });
        assert!(done.contains(line(1)) && done.contains(line(502)) && done.contains(line(700)));
        assert!(!done.contains(line(503)) && !done.contains(line(701)) && !done.contains(line(702)));
        assert!(done.contains(entry(702, 4)) && !done.contains(entry(702, 6)) && done.contains(entry(700, 1)));
        assert_eq!(done.first_missing(), Some(503));
        assert_eq!(Done::default().first_missing(), None);
    }
}
