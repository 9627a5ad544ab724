//! Builds the syntax tree by precedence climbing (N1 grammar, rule `expression`).

use super::FhirPathError;
use super::ast::{Binary, Expression, Literal, TypeSpecifier};
use super::lexer::{Placed, Token, tokens};

/// Deepest nesting of an expression; the standard's own need less than 20.
const MAX_DEPTH: usize = 64;
/// Most tokens of an expression: bounds the depth of the tree, and with it every recursion over it.
const MAX_TOKENS: usize = 2_000;

/// Reads one expression.
///
/// # Errors
/// [`FhirPathError::Syntax`] with the place.
pub fn parse(text: &str) -> Result<Expression, FhirPathError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, place: 0, depth: 0, end: text.len() };
    if tokens.len() > MAX_TOKENS {
        return parser.fail("the expression is too long");
    }
    let expression = parser.expression(0)?;
    if parser.place < tokens.len() {
        return parser.fail("an operator or the end of the expression was expected");
    }
    Ok(expression)
}

struct Parser<'t> {
    tokens: &'t [Placed],
    place: usize,
    depth: usize,
    end: usize,
}

/// Binding strength of an infix operator; `None` for the type operators.
fn infix(token: &Token) -> Option<(u8, Option<Binary>)> {
    let (strength, operator) = match token {
        Token::Symbol("*") => (11, Binary::Multiply),
        Token::Symbol("/") => (11, Binary::Divide),
        Token::Symbol("+") => (10, Binary::Add),
        Token::Symbol("-") => (10, Binary::Subtract),
        Token::Symbol("&") => (10, Binary::Concatenate),
        Token::Symbol("|") => (8, Binary::Union),
        Token::Symbol("<=") => (7, Binary::LessOrEqual),
        Token::Symbol("<") => (7, Binary::Less),
        Token::Symbol(">") => (7, Binary::Greater),
        Token::Symbol(">=") => (7, Binary::GreaterOrEqual),
        Token::Symbol("=") => (6, Binary::Equal),
        Token::Symbol("~") => (6, Binary::Equivalent),
        Token::Symbol("!=") => (6, Binary::NotEqual),
        Token::Symbol("!~") => (6, Binary::NotEquivalent),
        Token::Name(word) => match word.as_str() {
            "div" => (11, Binary::Div),
            "mod" => (11, Binary::Mod),
            "is" | "as" => return Some((9, None)),
            "in" => (5, Binary::In),
            "contains" => (5, Binary::Contains),
            "and" => (4, Binary::And),
            "or" => (3, Binary::Or),
            "xor" => (3, Binary::Xor),
            "implies" => (2, Binary::Implies),
            _ => return None,
        },
        _ => return None,
    };
    Some((strength, Some(operator)))
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.place).map(|placed| &placed.token)
    }

    fn next(&mut self) -> Option<&'t Token> {
        let token = self.peek();
        self.place += 1;
        token
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol);
        if found {
            self.place += 1;
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), FhirPathError> {
        if self.accept(symbol) { Ok(()) } else { self.fail(format!("{symbol:?} was expected")) }
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, FhirPathError> {
        let position = self.tokens.get(self.place).map_or(self.end, |placed| placed.position);
        Err(FhirPathError::Syntax { position, message: message.into() })
    }

    fn expression(&mut self, least: u8) -> Result<Expression, FhirPathError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail("the expression is nested too deeply");
        }
        let mut left = self.prefixed()?;
        while let Some((strength, operator)) = self.peek().and_then(infix) {
            if strength < least {
                break;
            }
            let is_test = matches!(self.next(), Some(Token::Name(word)) if word == "is");
            left = match operator {
                Some(operator) => {
                    let right = self.expression(strength + 1)?;
                    Expression::Binary(operator, Box::new(left), Box::new(right))
                }
                None if is_test => Expression::Is(Box::new(left), self.type_specifier()?),
                None => Expression::As(Box::new(left), self.type_specifier()?),
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn prefixed(&mut self) -> Result<Expression, FhirPathError> {
        for (symbol, negative) in [("-", true), ("+", false)] {
            if self.accept(symbol) {
                let operand = Box::new(self.expression(12)?);
                return Ok(Expression::Polarity { negative, operand });
            }
        }
        self.postfixed()
    }

    fn postfixed(&mut self) -> Result<Expression, FhirPathError> {
        let mut left = self.term()?;
        loop {
            if self.accept(".") {
                left = self.invocation(Some(Box::new(left)))?;
            } else if self.accept("[") {
                let index = self.expression(0)?;
                self.expect("]")?;
                left = Expression::Indexer(Box::new(left), Box::new(index));
            } else {
                return Ok(left);
            }
        }
    }

    fn term(&mut self) -> Result<Expression, FhirPathError> {
        let literal = match self.peek() {
            Some(Token::Symbol("(")) => {
                self.place += 1;
                let inner = self.expression(0)?;
                self.expect(")")?;
                return Ok(inner);
            }
            Some(Token::Symbol("{")) => {
                self.place += 1;
                self.expect("}")?;
                return Ok(Expression::Literal(Literal::Empty));
            }
            Some(Token::Symbol("%")) => {
                self.place += 1;
                return match self.next() {
                    Some(Token::Name(name) | Token::Delimited(name) | Token::String(name)) => {
                        Ok(Expression::External(name.clone()))
                    }
                    _ => self.fail("a name was expected after %"),
                };
            }
            Some(Token::Name(word)) if word == "true" => Literal::Boolean(true),
            Some(Token::Name(word)) if word == "false" => Literal::Boolean(false),
            Some(Token::String(text)) => Literal::String(text.clone()),
            Some(Token::Date(text)) => Literal::Date(text.clone()),
            Some(Token::DateTime(text)) => Literal::DateTime(text.clone()),
            Some(Token::Time(text)) => Literal::Time(text.clone()),
            Some(Token::Number(digits)) => self.number(digits),
            _ => return self.invocation(None),
        };
        self.place += 1;
        Ok(Expression::Literal(literal))
    }

    /// A number, with its unit when one follows (`4 days`, `10 'mg'`). Stays on the last token.
    fn number(&mut self, digits: &str) -> Literal {
        const CALENDAR: [&str; 8] = ["year", "month", "week", "day", "hour", "minute", "second", "millisecond"];
        let unit = match self.tokens.get(self.place + 1).map(|placed| &placed.token) {
            Some(Token::String(unit)) => Some(unit),
            Some(Token::Name(word)) if CALENDAR.contains(&word.strip_suffix('s').unwrap_or(word)) => Some(word),
            _ => None,
        };
        match unit {
            Some(unit) => {
                self.place += 1;
                Literal::Quantity(digits.to_owned(), unit.clone())
            }
            None => Literal::Number(digits.to_owned()),
        }
    }

    fn invocation(&mut self, input: Option<Box<Expression>>) -> Result<Expression, FhirPathError> {
        let position = self.tokens.get(self.place).map_or(self.end, |placed| placed.position);
        let name = match self.next() {
            Some(Token::Special(name)) => {
                return match (name.as_str(), input) {
                    ("this", None) => Ok(Expression::This),
                    ("index", None) => Ok(Expression::Index),
                    (_, None) => Ok(Expression::Total),
                    // `Patient.$this` is in the grammar and of no use.
                    _ => self.fail("a special variable cannot follow a dot"),
                };
            }
            Some(Token::Name(name) | Token::Delimited(name)) => name.clone(),
            _ => {
                self.place = self.place.saturating_sub(1);
                return self.fail("a name, literal or parenthesis was expected");
            }
        };
        if !self.accept("(") {
            return Ok(Expression::Member { input, name, position });
        }
        let mut arguments = Vec::new();
        if !self.accept(")") {
            loop {
                arguments.push(self.expression(0)?);
                if self.accept(")") {
                    break;
                }
                self.expect(",")?;
            }
        }
        Ok(Expression::Call { input, name, arguments, position })
    }

    fn type_specifier(&mut self) -> Result<TypeSpecifier, FhirPathError> {
        let name = self.identifier()?;
        if self.accept(".") {
            let inner = self.identifier()?;
            return Ok(TypeSpecifier { namespace: Some(name), name: inner });
        }
        Ok(TypeSpecifier { namespace: None, name })
    }

    fn identifier(&mut self) -> Result<String, FhirPathError> {
        match self.peek() {
            Some(Token::Name(name) | Token::Delimited(name)) => {
                self.place += 1;
                Ok(name.clone())
            }
            _ => self.fail("a type name was expected"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FHIRPath N1 section "Operator Precedence": `as` binds tighter than `|`, `and` than `or`.
    #[test]
    fn operators_bind_as_the_grammar_says() {
        let union = parse("a as X | b").unwrap();
        assert!(matches!(union, Expression::Binary(Binary::Union, left, _) if matches!(*left, Expression::As(..))));
        let logic = parse("a or b and c = d").unwrap();
        assert!(
            matches!(logic, Expression::Binary(Binary::Or, _, right) if matches!(*right, Expression::Binary(Binary::And, ..)))
        );
        let minus = parse("1 - 2 - 3").unwrap();
        assert!(
            matches!(minus, Expression::Binary(Binary::Subtract, left, _) if matches!(*left, Expression::Binary(..)))
        );
    }

    #[test]
    fn keywords_are_names_after_a_dot_and_in_backticks() {
        assert!(parse("Task.for.where(a.contains('x'))").is_ok());
        assert!(parse("`div` div `mod`").is_ok());
        assert!(parse("Patient.is(Patient) and x.as(FHIR.string)").is_ok());
        assert_eq!(parse("4 days").unwrap(), Expression::Literal(Literal::Quantity("4".into(), "days".into())));
    }

    /// The official suite's expressions all parse, save those it marks as invalid.
    #[test]
    fn nonsense_is_refused_with_its_place() {
        for text in ["", "a.", "a b", "(a", "a[1", "a is", "f(a,", "1 +", "a..b", "%"] {
            assert!(matches!(parse(text), Err(FhirPathError::Syntax { .. })), "{text}");
        }
        let deep = format!("{}a{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(parse(&deep).is_err());
        let long = format!("a{}", ".b".repeat(5_000));
        drop(parse(&long));
    }

    /// HL7's FHIRPath cases for R4 parse, save those that are meant to be wrong.
    #[test]
    #[expect(clippy::print_stdout)]
    fn the_official_cases_parse() {
        let given = std::env::var_os("RENRAKU_SHARED").map(std::path::PathBuf::from);
        let near = ["../shared", "../../shared"];
        let near = near.map(|place| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(place));
        let files = given.into_iter().chain(near).map(|folder| folder.join("suites/fhirpath/tests-fhir-r4.xml"));
        let Some(text) = files.filter_map(|file| std::fs::read_to_string(file).ok()).next() else {
            println!("skipped: no FHIRPath cases (set RENRAKU_SHARED)");
            return;
        };
        let mut failed = Vec::new();
        let mut count = 0;
        for case in text.split("<expression").skip(1) {
            let Some((head, rest)) = case.split_once('>') else { continue };
            let Some((body, _)) = rest.split_once("</expression>") else { continue };
            if head.contains("invalid") {
                continue;
            }
            let mut body = body.to_owned();
            let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
            for (entity, letter) in entities {
                body = body.replace(entity, letter);
            }
            count += 1;
            if let Err(error) = parse(&body) {
                failed.push(format!("{body}: {error}"));
            }
        }
        println!("{count} expressions");
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    }
}
