//! The grammar of `_filter` (FHIR R4 search_filter.html): text to a tree, places kept.
//!
//! Knows no search parameters. `and` and `or` are evaluated left to right without precedence, as the
//! standard says; runs of one of them become one node.

/// Deepest nesting of parentheses, brackets and `not`.
const DEEPEST: usize = 32;
/// Most comparisons in one filter.
const MOST_TESTS: usize = 100;

/// What is wrong, and where: the number of characters before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) at: usize,
    pub(super) text: String,
}

/// A filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Compare(Comparison),
}

/// `path operator value`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comparison {
    /// The references to follow, outermost first.
    pub(super) links: Vec<Step>,
    /// The parameter that is compared.
    pub(super) name: String,
    pub(super) operator: Operator,
    pub(super) value: String,
    /// Where the path and the value begin.
    pub(super) at: usize,
    pub(super) value_at: usize,
}

/// A step of a path before its last name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// `subject`, `subject:Patient`, or `_has:Observation:patient`.
    pub(super) name: String,
    /// `name[filter]`
    pub(super) filter: Option<Filter>,
}

/// FHIR R4 search_filter.html#ops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Lt,
    Ge,
    Le,
    Ap,
    Sa,
    Eb,
    Pr,
    Po,
    Ss,
    Sb,
    In,
    Ni,
    Re,
}

impl Operator {
    const ALL: [(&'static str, Self); 19] = [
        ("eq", Self::Eq),
        ("ne", Self::Ne),
        ("co", Self::Co),
        ("sw", Self::Sw),
        ("ew", Self::Ew),
        ("gt", Self::Gt),
        ("lt", Self::Lt),
        ("ge", Self::Ge),
        ("le", Self::Le),
        ("ap", Self::Ap),
        ("sa", Self::Sa),
        ("eb", Self::Eb),
        ("pr", Self::Pr),
        ("po", Self::Po),
        ("ss", Self::Ss),
        ("sb", Self::Sb),
        ("in", Self::In),
        ("ni", Self::Ni),
        ("re", Self::Re),
    ];

    fn of(code: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == code).map(|(_, operator)| *operator)
    }

    /// As it is written.
    pub(super) fn code(self) -> &'static str {
        Self::ALL.iter().find(|(_, operator)| *operator == self).map_or("", |(code, _)| code)
    }
}

type Read<T> = Result<T, Mistake>;

/// Parses a whole filter.
pub(super) fn parse(text: &str) -> Read<Filter> {
    let mut reader = Reader { letters: text.chars().collect(), place: 0, depth: 0, tests: 0 };
    let filter = reader.filter()?;
    reader.space();
    match reader.peek() {
        None => Ok(filter),
        Some(letter) => reader.wrong(format!("and, or, or the end is expected, not {letter:?}")),
    }
}

struct Reader {
    letters: Vec<char>,
    place: usize,
    depth: usize,
    tests: usize,
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.place).copied()
    }

    fn wrong<T>(&self, text: impl Into<String>) -> Read<T> {
        wrong_at(self.place, text)
    }

    fn space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.place += 1;
        }
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let start = self.place;
        while self.peek().is_some_and(&fits) {
            self.place += 1;
        }
        self.letters.get(start..self.place).unwrap_or_default().iter().collect()
    }

    /// Takes a word of letters when it is one of these and ends there.
    fn word(&mut self, words: &[&'static str]) -> Option<&'static str> {
        let start = self.place;
        let word = self.take_while(is_name);
        let found = words.iter().find(|known| **known == word).copied();
        if found.is_none() {
            self.place = start;
        }
        found
    }

    /// `x`, `x and y`, `x or y and z`, …
    fn filter(&mut self) -> Read<Filter> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.wrong(format!("the filter is nested deeper than {DEEPEST}"));
        }
        let mut filter = self.operand()?;
        loop {
            let end = self.place;
            self.space();
            let Some(word) = self.word(&["and", "or"]) else {
                self.place = end;
                break;
            };
            let next = self.operand()?;
            filter = match (word, filter) {
                ("and", Filter::All(mut list)) => {
                    list.push(next);
                    Filter::All(list)
                }
                ("and", other) => Filter::All(vec![other, next]),
                (_, Filter::Any(mut list)) => {
                    list.push(next);
                    Filter::Any(list)
                }
                (_, other) => Filter::Any(vec![other, next]),
            };
        }
        self.depth -= 1;
        Ok(filter)
    }

    fn operand(&mut self) -> Read<Filter> {
        self.space();
        if self.peek() == Some('(') {
            return self.enclosed(')');
        }
        let start = self.place;
        if self.word(&["not"]).is_some() {
            self.space();
            if self.peek() == Some('(') {
                return Ok(Filter::Not(Box::new(self.enclosed(')')?)));
            }
            // A search parameter might be named so.
            self.place = start;
        }
        self.comparison().map(Filter::Compare)
    }

    /// `( … )` or `[ … ]`, at its opening.
    fn enclosed(&mut self, end: char) -> Read<Filter> {
        let start = self.place;
        self.place += 1;
        let filter = self.filter()?;
        self.space();
        match self.peek() {
            Some(letter) if letter == end => {
                self.place += 1;
                Ok(filter)
            }
            None => wrong_at(start, format!("what begins here is not ended by {end:?}")),
            Some(letter) => self.wrong(format!("and, or, or {end:?} is expected, not {letter:?}")),
        }
    }

    fn comparison(&mut self) -> Read<Comparison> {
        self.tests += 1;
        if self.tests > MOST_TESTS {
            return self.wrong(format!("the filter has more than {MOST_TESTS} comparisons"));
        }
        let at = self.place;
        let mut links = Vec::new();
        let name = loop {
            let name = self.name()?;
            let filter = if self.peek() == Some('[') { Some(self.enclosed(']')?) } else { None };
            let is_last = match (self.peek(), &filter) {
                (Some('.'), _) => false,
                (_, Some(_)) => {
                    return self.wrong("a name is expected after the filter in brackets, as in name[filter].name");
                }
                _ => true,
            };
            if is_last {
                break name;
            }
            self.place += 1;
            links.push(Step { name, filter });
        };
        let (name, links) = split_has(name, links);
        let operator = self.operator()?;
        self.space();
        let value_at = self.place;
        let value = self.value()?;
        Ok(Comparison { links, name, operator, value, at, value_at })
    }

    fn name(&mut self) -> Read<String> {
        let starts = |letter: char| letter == '_' || letter.is_ascii_alphabetic();
        match self.peek() {
            Some(letter) if starts(letter) => Ok(self.take_while(|letter| is_name(letter) || letter == ':')),
            Some(letter) => self.wrong(format!("the name of a search parameter is expected, not {letter:?}")),
            None => self.wrong("the name of a search parameter is expected"),
        }
    }

    fn operator(&mut self) -> Read<Operator> {
        let codes = || Operator::ALL.map(|(code, _)| code).join(", ");
        if !self.peek().is_some_and(char::is_whitespace) {
            return self.wrong(format!("a space and an operator are expected: {}", codes()));
        }
        self.space();
        let start = self.place;
        let word = self.take_while(|letter| !letter.is_whitespace());
        match Operator::of(&word) {
            Some(operator) => Ok(operator),
            None => wrong_at(start, format!("{word:?} is no operator; operators are {}", codes())),
        }
    }

    /// A JSON string or a token.
    fn value(&mut self) -> Read<String> {
        let start = self.place;
        if self.peek() == Some('"') {
            let mut escaped = false;
            self.place += 1;
            loop {
                match self.peek() {
                    None => return wrong_at(start, "the string that begins here is not ended"),
                    Some('"') if !escaped => break,
                    Some(letter) => escaped = letter == '\\' && !escaped,
                }
                self.place += 1;
            }
            self.place += 1;
            let quoted: String = self.letters.get(start..self.place).unwrap_or_default().iter().collect();
            return serde_json::from_str(&quoted)
                .or_else(|_| wrong_at(start, format!("{quoted} is not a string of JSON: write \\\" and \\\\ inside")));
        }
        let token = self.take_while(|letter| !letter.is_whitespace() && !matches!(letter, ')' | ']'));
        if token.is_empty() { self.wrong("a value is expected") } else { Ok(token) }
    }
}

fn wrong_at<T>(at: usize, text: impl Into<String>) -> Read<T> {
    Err(Mistake { at, text: text.into() })
}

/// `_has:Observation:patient:code` is a step and a name.
fn split_has(name: String, mut links: Vec<Step>) -> (String, Vec<Step>) {
    let mut rest = name.as_str();
    while let Some(path) = rest.strip_prefix("_has:") {
        let mut parts = path.splitn(3, ':');
        let (Some(source), Some(reference), Some(last)) = (parts.next(), parts.next(), parts.next()) else { break };
        links.push(Step { name: format!("_has:{source}:{reference}"), filter: None });
        rest = last;
    }
    (rest.to_owned(), links)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compare(name: &str, operator: Operator, value: &str) -> Filter {
        let Ok(Filter::Compare(found)) = parse(&format!("{name} {} {value:?}", operator.code())) else {
            panic!("{name} {operator:?} {value}")
        };
        Filter::Compare(found)
    }

    /// Names, operators and values in order, to compare trees without places.
    fn outline(filter: &Filter) -> String {
        let list = |list: &[Filter], word: &str| list.iter().map(outline).collect::<Vec<_>>().join(word);
        match filter {
            Filter::All(all) => format!("({})", list(all, " & ")),
            Filter::Any(any) => format!("({})", list(any, " | ")),
            Filter::Not(inner) => format!("!{}", outline(inner)),
            Filter::Compare(found) => {
                let steps: String = found
                    .links
                    .iter()
                    .map(|step| match &step.filter {
                        Some(filter) => format!("{}[{}].", step.name, outline(filter)),
                        None => format!("{}.", step.name),
                    })
                    .collect();
                format!("{steps}{} {} {}", found.name, found.operator.code(), found.value)
            }
        }
    }

    fn read(text: &str) -> String {
        parse(text).map_or_else(|mistake| format!("{}: {}", mistake.at, mistake.text), |filter| outline(&filter))
    }

    /// search_filter.html: "evaluated left to right, with no precedence between and and or".
    #[test]
    fn and_and_or_have_no_precedence() {
        assert_eq!(read("a eq 1 or b eq 2 and c eq 3"), "((a eq 1 | b eq 2) & c eq 3)");
        assert_eq!(read("a eq 1 and b eq 2 and c eq 3 or d eq 4"), "((a eq 1 & b eq 2 & c eq 3) | d eq 4)");
        assert_eq!(read("a eq 1 or (b eq 2 and c eq 3)"), "(a eq 1 | (b eq 2 & c eq 3))");
        assert_eq!(read("not (a eq 1 or b eq 2) and not(c pr true)"), "(!(a eq 1 | b eq 2) & !c pr true)");
    }

    /// The examples of the page.
    #[test]
    fn the_examples_of_the_standard_parse() {
        assert_eq!(read("name co \"pet\""), "name co pet");
        assert_eq!(
            read("given eq \"peter\" and birthdate ge 2014-10-10"),
            "(given eq peter & birthdate ge 2014-10-10)"
        );
        assert_eq!(read("code eq http://loinc.org|1234-5"), "code eq http://loinc.org|1234-5");
        assert_eq!(read("subject.name co \"pet\""), "subject.name co pet");
        assert_eq!(
            read("related[type eq \"has-component\"].target pr true"),
            "related[type eq has-component].target pr true"
        );
        assert_eq!(read("_has:Observation:patient:code eq x"), "_has:Observation:patient.code eq x");
    }

    #[test]
    fn a_string_may_hold_what_ends_a_token() {
        assert_eq!(read(r#"(name eq "a) \"b\" ] \u5c71")"#), "name eq a) \"b\" ] 山");
        assert_eq!(read("(a eq x)"), "a eq x");
    }

    #[test]
    fn mistakes_say_where() {
        for (text, at) in [
            ("", 0),
            ("name", 4),
            ("name co", 7),
            ("name is x", 5),
            ("name co \"x", 8),
            ("(name co x", 0),
            ("name co x)", 9),
            ("name co x and", 13),
            ("name co x birthdate eq 1", 10),
            ("a[b eq 1] eq 2", 9),
            ("山 eq 1", 0),
            ("a eq \"\\x\"", 5),
        ] {
            assert_eq!(parse(text).map_err(|mistake| mistake.at), Err(at), "{text}: {}", read(text));
        }
    }

    #[test]
    fn nesting_and_length_are_bounded() {
        let deep = format!("{}a eq 1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(parse(&deep).is_err());
        assert!(parse(&vec!["a eq 1"; MOST_TESTS].join(" or ")).is_ok());
        assert!(parse(&vec!["a eq 1"; MOST_TESTS + 1].join(" or ")).is_err());
    }

    proptest! {
        #[test]
        fn every_string_comes_back(value in "\\PC{0,12}", name in "[a-z][a-z-]{0,6}") {
            let quoted = serde_json::to_string(&value).unwrap();
            let Ok(Filter::Compare(found)) = parse(&format!("{name} eq {quoted}")) else { panic!("{quoted}") };
            prop_assert_eq!((found.name, found.value), (name, value));
        }

        #[test]
        fn nothing_panics(text in "[a-z\"\\\\()\\[\\]. :]{0,24}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn operators_have_their_codes() {
        assert!(matches!(compare("a", Operator::Po, "2024"), Filter::Compare(found) if found.operator == Operator::Po));
    }
}
