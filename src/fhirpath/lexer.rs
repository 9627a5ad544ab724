//! Splits FHIRPath text into tokens (N1 grammar, lexer rules). Comments and space are dropped.

use super::FhirPathError;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A bare name; keywords too, the parser tells them apart by place.
    Name(String),
    /// A name in backticks: never a keyword.
    Delimited(String),
    /// `'text'`, unescaped.
    String(String),
    /// Digits with an optional fraction.
    Number(String),
    /// `@2015-02`
    Date(String),
    /// `@2015-02-04T14:34`
    DateTime(String),
    /// `@T14:34`
    Time(String),
    /// `$this`, `$index`, `$total`
    Special(String),
    /// Punctuation and operators.
    Symbol(&'static str),
}

/// A token with the byte offset where it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The token.
    pub token: Token,
    /// Where it starts.
    pub position: usize,
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 25] = [
    "<=", ">=", "!=", "!~", ".", ",", "(", ")", "[", "]", "{", "}", "+", "-", "*", "/", "&", "|", "<", ">", "=", "~",
    "%", "!", "@",
];

/// All tokens of an expression.
///
/// # Errors
/// [`FhirPathError::Syntax`] for characters outside the grammar and unclosed quotes.
pub fn tokens(text: &str) -> Result<Vec<Placed>, FhirPathError> {
    let mut lexer = Lexer { text, position: 0 };
    let mut all = Vec::new();
    loop {
        lexer.skip()?;
        let position = lexer.position;
        match lexer.next()? {
            Some(token) => all.push(Placed { token, position }),
            None => return Ok(all),
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    position: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, FhirPathError> {
        Err(FhirPathError::Syntax { position: self.position, message: message.into() })
    }

    /// Takes the characters that satisfy `accept`.
    fn take(&mut self, accept: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|letter| !accept(letter)).unwrap_or(rest.len());
        self.position += end;
        rest.get(..end).unwrap_or_default()
    }

    fn skip(&mut self) -> Result<(), FhirPathError> {
        loop {
            self.take(char::is_whitespace);
            if self.rest().starts_with("//") {
                self.take(|letter| letter != '\n');
            } else if self.rest().starts_with("/*") {
                match self.rest().find("*/") {
                    Some(end) => self.position += end + 2,
                    None => return self.fail("comment without end"),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Option<Token>, FhirPathError> {
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        let token = match first {
            '\'' => Token::String(self.quoted('\'')?),
            '`' => Token::Delimited(self.quoted('`')?),
            '0'..='9' => Token::Number(self.number()),
            'A'..='Z' | 'a'..='z' | '_' => {
                Token::Name(self.take(|letter| letter.is_ascii_alphanumeric() || letter == '_').to_owned())
            }
            '$' => {
                self.position += 1;
                let name = self.take(|letter| letter.is_ascii_alphabetic());
                match name {
                    "this" | "index" | "total" => Token::Special(name.to_owned()),
                    other => return self.fail(format!("${other} is none of $this, $index, $total")),
                }
            }
            '@' => self.moment()?,
            _ => match SYMBOLS.iter().find(|symbol| self.rest().starts_with(**symbol)) {
                Some(symbol) => {
                    self.position += symbol.len();
                    Token::Symbol(symbol)
                }
                None => return self.fail(format!("unexpected character {first:?}")),
            },
        };
        Ok(Some(token))
    }

    fn number(&mut self) -> String {
        let mut digits = self.take(|letter| letter.is_ascii_digit()).to_owned();
        let mut after = self.rest().chars();
        // `1.first()` is a call on 1: a fraction needs a digit.
        if after.next() == Some('.') && after.next().is_some_and(|letter| letter.is_ascii_digit()) {
            self.position += 1;
            digits.push('.');
            digits.push_str(self.take(|letter| letter.is_ascii_digit()));
        }
        digits
    }

    /// `@2015`, `@2015-02-04T14:34:28.123+09:00`, `@T14:34`
    fn moment(&mut self) -> Result<Token, FhirPathError> {
        self.position += 1;
        let is_clock = |letter: char| letter.is_ascii_digit() || letter == ':';
        if self.rest().starts_with('T') {
            self.position += 1;
            let time = self.clock(is_clock);
            return if time.is_empty() { self.fail("time expected after @T") } else { Ok(Token::Time(time)) };
        }
        let date = self.take(|letter| letter.is_ascii_digit() || letter == '-').to_owned();
        if date.len() < 4 {
            return self.fail("year expected after @");
        }
        if !self.rest().starts_with('T') {
            return Ok(Token::Date(date));
        }
        self.position += 1;
        let mut text = format!("{date}T{}", self.clock(is_clock));
        if self.rest().starts_with('Z') {
            self.position += 1;
            text.push('Z');
        } else if self.rest().starts_with(['+', '-']) && is_offset(self.rest()) {
            text.push_str(self.rest().get(..6).unwrap_or_default());
            self.position += 6;
        }
        Ok(Token::DateTime(text))
    }

    /// Hours to fractions of a second.
    fn clock(&mut self, is_clock: impl Fn(char) -> bool) -> String {
        let mut text = self.take(is_clock).to_owned();
        let mut after = self.rest().chars();
        if after.next() == Some('.') && after.next().is_some_and(|letter| letter.is_ascii_digit()) {
            self.position += 1;
            text.push('.');
            text.push_str(self.take(|letter| letter.is_ascii_digit()));
        }
        text
    }

    fn quoted(&mut self, quote: char) -> Result<String, FhirPathError> {
        let mut out = String::new();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((offset, letter)) = letters.next() {
            match letter {
                found if found == quote => {
                    self.position += offset + quote.len_utf8();
                    return Ok(out);
                }
                '\\' => match letters.next().map(|(_, escaped)| escaped) {
                    Some('n') => out.push('\n'),
                    Some('r') => out.push('\r'),
                    Some('t') => out.push('\t'),
                    Some('f') => out.push('\u{c}'),
                    Some('u') => {
                        let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                        match u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32) {
                            Some(decoded) if digits.len() == 4 => out.push(decoded),
                            _ => return self.fail("four hexadecimal digits expected after \\u"),
                        }
                    }
                    Some(plain @ ('\'' | '"' | '`' | '\\' | '/')) => out.push(plain),
                    _ => return self.fail("unknown escape sequence"),
                },
                other => out.push(other),
            }
        }
        self.fail(format!("text without closing {quote}"))
    }
}

/// `+09:00`
fn is_offset(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes, [_, a, b, b':', c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<Token> {
        tokens(text).unwrap().into_iter().map(|placed| placed.token).collect()
    }

    /// FHIRPath N1 section "Literals".
    #[test]
    fn literals_keep_their_text() {
        assert_eq!(plain("@2015-02-04T14:34:28.123+09:00"), [Token::DateTime("2015-02-04T14:34:28.123+09:00".into())]);
        assert_eq!(plain("@T14:30"), [Token::Time("14:30".into())]);
        assert_eq!(plain("@2015-02"), [Token::Date("2015-02".into())]);
        assert_eq!(plain(r"'it\'s \u0041'"), [Token::String("it's A".into())]);
        assert_eq!(plain("1.50"), [Token::Number("1.50".into())]);
        assert_eq!(
            plain("1.a // note\n/* x */"),
            [Token::Number("1".into()), Token::Symbol("."), Token::Name("a".into())]
        );
    }

    #[test]
    fn what_is_outside_the_grammar_is_an_error() {
        for text in ["'open", "`open", "/* open", "#", "$that", "@", r"'\q'", "@Tx"] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }
}
