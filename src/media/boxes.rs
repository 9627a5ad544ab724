//! Boxes of the ISO base media format (ISO/IEC 14496-12) and of QuickTime: one inside the other.

use super::source::{Source, exactly, number};
use super::{MediaError, Patch};

/// Most boxes of a file that are looked at.
const MOST_BOXES: usize = 200_000;

/// A box by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Box {
    pub(super) kind: [u8; 4],
    /// Where it begins.
    pub(super) start: u64,
    /// Where its header ends.
    pub(super) body: u64,
    pub(super) end: u64,
}

/// What a walk may still look at, and the patches it makes.
pub(super) struct Walk<'a> {
    pub(super) source: &'a dyn Source,
    left: usize,
    pub(super) patches: Vec<Patch>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(source: &'a dyn Source) -> Self {
        Self { source, left: MOST_BOXES, patches: Vec::new() }
    }

    /// The boxes between two places. Fewer than 8 bytes behind the last are no box: QuickTime ends
    /// lists with a zero.
    pub(super) fn children(&mut self, from: u64, to: u64) -> Result<Vec<Box>, MediaError> {
        let mut found = Vec::new();
        let mut place = from;
        while place + 8 <= to {
            self.left = self.left.checked_sub(1).ok_or(MediaError::Damaged("a file of too many boxes"))?;
            let head = exactly(self.source, place, (place + 16).min(to))?;
            let (size, body) = match number(&head, 0, 4).unwrap_or(0) {
                0 => (to - place, place + 8),
                1 => (number(&head, 8, 8).unwrap_or(0), place + 16),
                size => (size, place + 8),
            };
            let end = place.checked_add(size).filter(|end| *end <= to && body <= *end);
            let end = end.ok_or(MediaError::Damaged("a box reaches beyond what holds it"))?;
            let kind = head.get(4..8).and_then(|kind| kind.try_into().ok()).unwrap_or_default();
            found.push(Box { kind, start: place, body, end });
            place = end;
        }
        Ok(found)
    }

    /// The body of a box that is not large.
    pub(super) fn body(&self, of: Box) -> Result<Vec<u8>, MediaError> {
        exactly(self.source, of.body, of.end)
    }

    /// Makes a box free space: its room stays, so that nothing moves, what was in it goes.
    pub(super) fn free(&mut self, gone: Box) {
        self.patches.push(Patch { offset: gone.start + 4, bytes: b"free".to_vec(), more: 0, filler: 0 });
        self.blank(gone.body, gone.end);
    }

    /// Overwrites a range with zeros.
    pub(super) fn blank(&mut self, from: u64, to: u64) {
        if let Some(more) = to.checked_sub(from).filter(|more| *more > 0) {
            match self.patches.last_mut() {
                Some(last) if last.filler == 0 && last.offset + last.bytes.len() as u64 + last.more == from => {
                    last.more += more;
                }
                _ => self.patches.push(Patch { offset: from, bytes: Vec::new(), more, filler: 0 }),
            }
        }
    }

    /// Whether a range holds anything but zeros; only the start of a long one is looked at.
    pub(super) fn has_content(&self, from: u64, to: u64) -> Result<bool, MediaError> {
        let end = to.min(from + (1 << 20));
        Ok(end < to || exactly(self.source, from, end)?.iter().any(|byte| *byte != 0))
    }
}
