//! The value of `_text` and `_content`: words, "phrases", AND (or a space), OR (or a comma), NOT and
//! parentheses, as in `(bone OR liver) and metastases` (FHIR R4 search.html#text).

use crate::search::query::Condition;
use crate::search::text::{FullText, Phrase};

use super::{Parsed, Parser, malformed, unknown};

/// Most words of one value.
const MOST_WORDS: usize = 50;
/// Deepest parentheses.
const DEEPEST: usize = 16;

impl Parser<'_> {
    pub(super) fn words(&self) -> Parsed<Option<Condition>> {
        let in_narrative = self.name == "_text";
        let kept = self.options.full_text;
        if kept == FullText::Off || (kept == FullText::Narrative && !in_narrative) {
            let right = if in_narrative { "narrative or all" } else { "all" };
            return unknown(format!(
                "{} is not supported here: this server runs with full_text = {}, it takes {right}",
                self.name,
                kept.name()
            ));
        }
        let mut reader = Reader { rest: self.value, words: 0, depth: 0, in_narrative };
        let found = match reader.any() {
            Ok(found) if reader.rest.is_empty() => found,
            Ok(_) => return malformed(format!("{}={}: a ) ends nothing", self.name, self.value)),
            Err(why) => return malformed(format!("{}={}: {why}", self.name, self.value)),
        };
        Ok(Some(found))
    }
}

struct Reader<'v> {
    rest: &'v str,
    words: usize,
    depth: usize,
    in_narrative: bool,
}

enum Token<'v> {
    Open,
    Close,
    Or,
    And,
    Not,
    Word(&'v str),
    Quoted(&'v str),
}

type Read<T> = Result<T, String>;

impl<'v> Reader<'v> {
    /// The next token and what follows it.
    fn token(&self) -> Read<Option<(Token<'v>, &'v str)>> {
        let rest = self.rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(None) };
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        Ok(Some(match first {
            '(' => (Token::Open, after),
            ')' => (Token::Close, after),
            ',' => (Token::Or, after),
            '"' => {
                let Some((quoted, after)) = after.split_once('"') else {
                    return Err("a quotation mark is not ended".to_owned());
                };
                (Token::Quoted(quoted), after)
            }
            _ => {
                let ends = |letter: char| letter.is_whitespace() || matches!(letter, '(' | ')' | ',' | '"');
                let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
                let token = match word {
                    _ if word.eq_ignore_ascii_case("or") => Token::Or,
                    _ if word.eq_ignore_ascii_case("and") => Token::And,
                    _ if word.eq_ignore_ascii_case("not") => Token::Not,
                    _ => Token::Word(word),
                };
                (token, after)
            }
        }))
    }

    fn any(&mut self) -> Read<Condition> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("it is nested deeper than {DEEPEST}"));
        }
        let mut list = vec![self.all()?];
        while let Some((Token::Or, after)) = self.token()? {
            self.rest = after;
            list.push(self.all()?);
        }
        self.depth -= 1;
        Ok(one_or(list, Condition::Any))
    }

    fn all(&mut self) -> Read<Condition> {
        let mut list = vec![self.operand()?];
        loop {
            match self.token()? {
                None => self.rest = "",
                Some((Token::And, after)) => {
                    self.rest = after;
                    list.push(self.operand()?);
                    continue;
                }
                Some((Token::Or | Token::Close, _)) => {}
                Some(_) => {
                    list.push(self.operand()?);
                    continue;
                }
            }
            return Ok(one_or(list, Condition::All));
        }
    }

    fn operand(&mut self) -> Read<Condition> {
        let Some((token, after)) = self.token()? else { return Err("a word is expected at its end".to_owned()) };
        self.rest = after;
        match token {
            Token::Open => {
                let inner = self.any()?;
                match self.token()? {
                    Some((Token::Close, after)) => self.rest = after,
                    _ => return Err("a ( is not ended".to_owned()),
                }
                Ok(inner)
            }
            Token::Not => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(format!("it is nested deeper than {DEEPEST}"));
                }
                let inner = self.operand()?;
                self.depth -= 1;
                Ok(Condition::Not(Box::new(inner)))
            }
            Token::Word(word) => self.phrase(word, false),
            Token::Quoted(words) => self.phrase(words, true),
            Token::Close | Token::Or | Token::And => {
                Err("a word is expected where and, or, or ) stands; put quotation marks around words of these names"
                    .to_owned())
            }
        }
    }

    fn phrase(&mut self, text: &str, is_exact: bool) -> Read<Condition> {
        self.words += 1;
        if self.words > MOST_WORDS {
            return Err(format!("it has more than {MOST_WORDS} words"));
        }
        match Phrase::of(text, is_exact) {
            Some(phrase) => Ok(Condition::Text { in_narrative: self.in_narrative, phrase }),
            None => Err(format!("{text:?} has neither letters nor digits")),
        }
    }
}

fn one_or(mut list: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match (list.len(), list.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            list.extend(last);
            join(list)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(condition: &Condition) -> String {
        let list = |list: &[Condition], word: &str| list.iter().map(outline).collect::<Vec<_>>().join(word);
        match condition {
            Condition::All(all) => format!("({})", list(all, " & ")),
            Condition::Any(any) => format!("({})", list(any, " | ")),
            Condition::Not(inner) => format!("!{}", outline(inner)),
            Condition::Text { phrase, .. } => {
                format!("{}{}", phrase.tokens.join("_"), if phrase.is_open { "*" } else { "" })
            }
            other => format!("{other:?}"),
        }
    }

    fn read(text: &str) -> String {
        let mut reader = Reader { rest: text, words: 0, depth: 0, in_narrative: true };
        match reader.any() {
            Ok(condition) if reader.rest.is_empty() => outline(&condition),
            Ok(_) => "left".to_owned(),
            Err(why) => why,
        }
    }

    /// FHIR R4 search.html#text gives this example.
    #[test]
    fn words_are_joined() {
        assert_eq!(read("(bone OR liver) and metastases"), "((bone* | liver*) & metastases*)");
        assert_eq!(read("bone liver or heart"), "((bone* & liver*) | heart*)");
        assert_eq!(read("骨折　手術,転倒"), "((骨折 & 手術) | 転倒)");
        assert_eq!(read("\"hip fracture\" not left"), "(hip_fracture & !left*)");
        assert_eq!(read("\"or\""), "or");
    }

    #[test]
    fn mistakes_are_named() {
        for text in ["", "(a", "a)", "or", "a or", "not", "\"a", "・", ","] {
            let read = read(text);
            assert!(!read.contains('*'), "{text}: {read}");
        }
        assert!(read(&"(".repeat(100_000)).contains("deeper"));
        assert!(read(&"not ".repeat(100_000)).contains("deeper"));
        assert!(read(&"a ".repeat(51)).contains("50"));
    }
}
