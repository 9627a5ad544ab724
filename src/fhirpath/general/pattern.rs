//! Regular expressions of `matches()` and its kin: a backtracking matcher that pays for every step
//! from the evaluation's budget, so that a hostile pattern ends in an error.
//!
//! Alternatives, groups, classes, `\d \w \s \b`, anchors and greedy or lazy repetition; anything
//! else (look-around, back references, Unicode classes) is unsupported.

use crate::fhirpath::FhirPathError;

/// Deepest nesting of groups.
const MAX_DEPTH: usize = 30;
/// Most repetitions `{n,m}` may ask for.
const MAX_COUNT: usize = 1_000;
/// Most choices held open at once: bounds the stack.
const MAX_OPEN: usize = 1_000;

#[derive(Debug, Clone)]
enum Piece {
    Letter(char),
    Any,
    /// Ranges, and whether they are excluded.
    Class(Vec<(char, char)>, bool),
    Start,
    End,
    /// `\b`; with `false` `\B`
    Border(bool),
    Group(Vec<Vec<Repeated>>),
}

#[derive(Debug, Clone)]
struct Repeated {
    piece: Piece,
    least: usize,
    most: usize,
    is_lazy: bool,
}

/// A pattern ready to be matched.
#[derive(Debug)]
pub(crate) struct Pattern {
    branches: Vec<Vec<Repeated>>,
}

/// What is still to match, as a linked list on the stack.
enum Rest<'p> {
    Done,
    Sequence(&'p [Repeated], &'p Rest<'p>),
    /// A repetition after so many rounds, the last of which began at a place.
    Again(&'p Repeated, usize, usize, &'p Rest<'p>),
}

struct Match<'t, 'b> {
    letters: &'t [char],
    budget: &'b mut usize,
    must_end: bool,
    open: usize,
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Result<Self, FhirPathError> {
        let letters: Vec<char> = text.chars().collect();
        let mut reader = Reader { letters: &letters, place: 0, depth: 0 };
        let branches = reader.branches()?;
        if reader.place < letters.len() {
            return reader.fail("an unopened parenthesis");
        }
        Ok(Self { branches })
    }

    /// Whether the pattern occurs from character `from` on: start and end in characters.
    pub(super) fn find(
        &self,
        text: &str,
        from: usize,
        budget: &mut usize,
    ) -> Result<Option<(usize, usize)>, FhirPathError> {
        self.find_in(&text.chars().collect::<Vec<char>>(), from, budget)
    }

    pub(super) fn find_in(
        &self,
        letters: &[char],
        from: usize,
        budget: &mut usize,
    ) -> Result<Option<(usize, usize)>, FhirPathError> {
        let mut run = Match { letters, budget, must_end: false, open: 0 };
        for start in from..=letters.len() {
            if let Some(end) = run.branches(&self.branches, start, &Rest::Done)? {
                return Ok(Some((start, end)));
            }
        }
        Ok(None)
    }

    /// Whether the pattern matches the whole text.
    pub(crate) fn covers(&self, text: &str, budget: &mut usize) -> Result<bool, FhirPathError> {
        let letters: Vec<char> = text.chars().collect();
        let mut run = Match { letters: &letters, budget, must_end: true, open: 0 };
        Ok(run.branches(&self.branches, 0, &Rest::Done)?.is_some())
    }
}

type Ended = Result<Option<usize>, FhirPathError>;

impl Match<'_, '_> {
    fn branches(&mut self, branches: &[Vec<Repeated>], at: usize, rest: &Rest<'_>) -> Ended {
        for branch in branches {
            if let Some(end) = self.go(&Rest::Sequence(branch, rest), at)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn go(&mut self, rest: &Rest<'_>, at: usize) -> Ended {
        *self.budget = self.budget.checked_sub(1).ok_or(FhirPathError::TooCostly)?;
        self.open += 1;
        if self.open > MAX_OPEN {
            return Err(FhirPathError::TooCostly);
        }
        let found = match rest {
            Rest::Done => Ok((!self.must_end || at == self.letters.len()).then_some(at)),
            Rest::Sequence([], after) => self.go(after, at),
            Rest::Sequence([first, others @ ..], after) => self.repeat(first, 0, at, &Rest::Sequence(others, after)),
            // A round that took nothing would go on for ever.
            Rest::Again(repeated, rounds, began, after) if *began == at && *rounds >= repeated.least => {
                self.go(after, at)
            }
            Rest::Again(repeated, rounds, _, after) => self.repeat(repeated, *rounds, at, after),
        };
        self.open -= 1;
        found
    }

    fn repeat(&mut self, repeated: &Repeated, rounds: usize, at: usize, after: &Rest<'_>) -> Ended {
        if let Piece::Group(branches) = &repeated.piece {
            if rounds < repeated.least || (!repeated.is_lazy && rounds < repeated.most) {
                let again = Rest::Again(repeated, rounds + 1, at, after);
                if let Some(end) = self.branches(branches, at, &again)? {
                    return Ok(Some(end));
                }
            }
            if rounds < repeated.least {
                return Ok(None);
            }
            if let Some(end) = self.go(after, at)? {
                return Ok(Some(end));
            }
            if repeated.is_lazy && rounds < repeated.most {
                return self.branches(branches, at, &Rest::Again(repeated, rounds + 1, at, after));
            }
            return Ok(None);
        }
        // One letter a round: a loop, not a recursion.
        let mut most = 0;
        while most < repeated.most && self.step(&repeated.piece, at + most) {
            *self.budget = self.budget.checked_sub(1).ok_or(FhirPathError::TooCostly)?;
            most += 1;
            if matches!(repeated.piece, Piece::Start | Piece::End | Piece::Border(_)) {
                return self.go(after, at);
            }
        }
        if most < repeated.least {
            return Ok(None);
        }
        for offset in 0..=most - repeated.least {
            let taken = if repeated.is_lazy { repeated.least + offset } else { most - offset };
            if let Some(end) = self.go(after, at + taken)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn step(&self, piece: &Piece, at: usize) -> bool {
        let here = self.letters.get(at).copied();
        match piece {
            Piece::Letter(letter) => here == Some(*letter),
            Piece::Any => here.is_some(),
            Piece::Class(ranges, excluded) => here
                .is_some_and(|letter| ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter)) != *excluded),
            Piece::Start => at == 0,
            Piece::End => at == self.letters.len(),
            Piece::Border(wanted) => {
                let before = at.checked_sub(1).and_then(|at| self.letters.get(at)).copied().is_some_and(is_word);
                (before != here.is_some_and(is_word)) == *wanted
            }
            Piece::Group(_) => false,
        }
    }
}

struct Reader<'p> {
    letters: &'p [char],
    place: usize,
    depth: usize,
}

impl Reader<'_> {
    fn fail<T>(&self, what: &str) -> Result<T, FhirPathError> {
        Err(FhirPathError::Invalid(format!("the regular expression has {what} at character {}", self.place)))
    }

    fn peek(&self) -> Option<char> {
        self.letters.get(self.place).copied()
    }

    fn accept(&mut self, letter: char) -> bool {
        let found = self.peek() == Some(letter);
        self.place += usize::from(found);
        found
    }

    fn branches(&mut self) -> Result<Vec<Vec<Repeated>>, FhirPathError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(FhirPathError::TooCostly);
        }
        let mut all = vec![Vec::new()];
        while let Some(letter) = self.peek() {
            match letter {
                ')' => break,
                '|' => {
                    self.place += 1;
                    all.push(Vec::new());
                }
                _ => {
                    let repeated = self.repeated()?;
                    if let Some(branch) = all.last_mut() {
                        branch.push(repeated);
                    }
                }
            }
        }
        self.depth -= 1;
        Ok(all)
    }

    fn repeated(&mut self) -> Result<Repeated, FhirPathError> {
        let piece = self.piece()?;
        let (least, most) = match self.peek() {
            Some('*') => (0, usize::MAX),
            Some('+') => (1, usize::MAX),
            Some('?') => (0, 1),
            Some('{') => {
                self.place += 1;
                let least = self.count()?;
                let most = match self.accept(',') {
                    false => least,
                    true if self.peek() == Some('}') => usize::MAX,
                    true => self.count()?,
                };
                if self.peek() != Some('}') || most < least {
                    return self.fail("an unreadable repetition");
                }
                (least, most)
            }
            _ => return Ok(Repeated { piece, least: 1, most: 1, is_lazy: false }),
        };
        self.place += 1;
        let is_lazy = self.accept('?');
        if matches!(self.peek(), Some('*' | '+')) {
            return self.fail("a repetition of a repetition");
        }
        Ok(Repeated { piece, least, most, is_lazy })
    }

    fn count(&mut self) -> Result<usize, FhirPathError> {
        let mut value = 0usize;
        let start = self.place;
        while let Some(digit) = self.peek().and_then(|letter| letter.to_digit(10)) {
            value = value * 10 + digit as usize;
            self.place += 1;
            if value > MAX_COUNT {
                return Err(FhirPathError::TooCostly);
            }
        }
        if start == self.place { self.fail("no number where one is needed") } else { Ok(value) }
    }

    fn piece(&mut self) -> Result<Piece, FhirPathError> {
        let Some(letter) = self.peek() else { return self.fail("an early end") };
        self.place += 1;
        Ok(match letter {
            '.' => Piece::Any,
            '^' => Piece::Start,
            '$' => Piece::End,
            '(' => {
                if self.accept('?') && !self.accept(':') {
                    return Err(FhirPathError::Unsupported("regular expression with (?…)".to_owned()));
                }
                let branches = self.branches()?;
                if !self.accept(')') {
                    return self.fail("an unclosed parenthesis");
                }
                Piece::Group(branches)
            }
            '[' => self.class()?,
            '\\' => match self.peek() {
                Some('b') => {
                    self.place += 1;
                    Piece::Border(true)
                }
                Some('B') => {
                    self.place += 1;
                    Piece::Border(false)
                }
                _ => {
                    let (ranges, excluded) = self.escaped()?;
                    Piece::Class(ranges, excluded)
                }
            },
            '*' | '+' | '?' => return self.fail("a repetition of nothing"),
            other => Piece::Letter(other),
        })
    }

    /// After a backslash.
    fn escaped(&mut self) -> Result<(Vec<(char, char)>, bool), FhirPathError> {
        let Some(letter) = self.peek() else { return self.fail("an early end") };
        self.place += 1;
        let one = |letter: char| (vec![(letter, letter)], false);
        Ok(match letter {
            'd' | 'D' => (vec![('0', '9')], letter == 'D'),
            'w' | 'W' => (vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')], letter == 'W'),
            's' | 'S' => {
                (vec![(' ', ' '), ('\t', '\r'), ('\u{a0}', '\u{a0}'), ('\u{3000}', '\u{3000}')], letter == 'S')
            }
            'n' => one('\n'),
            'r' => one('\r'),
            't' => one('\t'),
            'f' => one('\u{c}'),
            other if other.is_ascii_alphanumeric() => {
                return Err(FhirPathError::Unsupported(format!("regular expression with \\{other}")));
            }
            other => one(other),
        })
    }

    fn class(&mut self) -> Result<Piece, FhirPathError> {
        let excluded = self.accept('^');
        let mut ranges = Vec::new();
        let start = self.place;
        loop {
            let Some(letter) = self.peek() else { return self.fail("an unclosed class") };
            self.place += 1;
            match letter {
                ']' if self.place > start + 1 => return Ok(Piece::Class(ranges, excluded)),
                '[' | '&' if self.peek() == Some(letter) || self.peek() == Some(':') => {
                    return Err(FhirPathError::Unsupported("regular expression with nested classes".to_owned()));
                }
                _ => {}
            }
            let (inner, inverted) = if letter == '\\' { self.escaped()? } else { (vec![(letter, letter)], false) };
            if inverted {
                let mut sorted = inner;
                sorted.sort_unstable();
                let mut low = 0u32;
                for (from, to) in sorted {
                    let below = u32::from(from).checked_sub(1);
                    ranges.extend(char::from_u32(low).zip(below.and_then(char::from_u32)));
                    low = u32::from(to) + 1;
                }
                ranges.extend(char::from_u32(low).map(|low| (low, char::MAX)));
                continue;
            }
            let is_range = self.peek() == Some('-') && !matches!(self.letters.get(self.place + 1), None | Some(']'));
            match inner.as_slice() {
                [(low, high)] if is_range && low == high => {
                    self.place += 1;
                    let Some(end) = self.peek() else { return self.fail("an unclosed class") };
                    self.place += 1;
                    let end = match end {
                        '\\' => self.escaped()?.0.first().map_or('\\', |range| range.0),
                        plain => plain,
                    };
                    ranges.push((*low, end));
                }
                several => ranges.extend_from_slice(several),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).unwrap().find(text, 0, &mut 100_000).unwrap().is_some()
    }

    #[test]
    fn patterns_of_the_standard_match() {
        assert!(finds("^[A-Za-z0-9\\-\\.]{1,64}$", "a-b.9") && !finds("^[A-Za-z0-9\\-\\.]{1,64}$", "a b"));
        assert!(finds("^[^\\s]+(\\s[^\\s]+)*$", "two words") && !finds("^[^\\s]+(\\s[^\\s]+)*$", "two  words"));
        assert!(finds("(a|b)+?c", "xabc") && finds("\\bword\\b", "a word") && !finds("\\d{3}", "12"));
        assert!(finds("[\\S]", "x") && !finds("[\\S]", " ") && finds("^(a*)*$", "aaa") && finds("", "x"));
    }

    #[test]
    fn hostile_patterns_end_in_an_error() {
        let text = "a".repeat(60);
        let run = |pattern: &str| Pattern::new(pattern).and_then(|pattern| pattern.find(&text, 0, &mut 100_000));
        assert_eq!(run("^(a+)+b$"), Err(FhirPathError::TooCostly));
        assert!(
            run(&"(".repeat(100)).is_err() && run("a{9999}").is_err() && run("(?=a)").is_err() && run("[a").is_err()
        );
    }
}
