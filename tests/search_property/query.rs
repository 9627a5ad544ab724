//! A search as a model that the naive evaluator walks, and its text as a client writes it.

use std::fmt::Write as _;

use crate::filter::Filter;
use crate::special::Words;

/// A value to compare with.
#[derive(Debug, Clone)]
pub(crate) enum Operand {
    Token {
        system: Option<String>,
        code: Option<String>,
    },
    /// `:of-type`: system and code of the type, value.
    Typed {
        system: String,
        code: String,
        value: String,
    },
    Text(String),
    Date {
        prefix: &'static str,
        text: String,
    },
    Number {
        prefix: &'static str,
        text: String,
        system: Option<String>,
        code: Option<String>,
    },
    Pair(Box<Operand>, Box<Operand>),
}

/// One parameter; all must hold.
#[derive(Debug, Clone)]
pub(crate) enum Term {
    Id(Vec<String>),
    Plain {
        code: &'static str,
        modifier: Option<&'static str>,
        operands: Vec<Operand>,
    },
    Chain {
        code: &'static str,
        target_type: Option<&'static str>,
        rest: Box<Term>,
    },
    Has {
        source_type: &'static str,
        code: &'static str,
        rest: Box<Term>,
    },
    /// `_text`, `_content`
    Words {
        in_narrative: bool,
        words: Words,
    },
    Near {
        text: String,
        place: (f64, f64),
        metres: f64,
    },
    Filter(Filter),
    /// `_list`, by the id of the List.
    List(String),
}

#[derive(Debug, Clone)]
pub(crate) struct Sort {
    pub(crate) code: &'static str,
    pub(crate) descending: bool,
}

/// `_include` and `_revinclude`.
#[derive(Debug, Clone)]
pub(crate) struct Include {
    pub(crate) reverse: bool,
    /// `:iterate`: also from what was included.
    pub(crate) iterate: bool,
    pub(crate) source_type: &'static str,
    /// `*` for all of the source type.
    pub(crate) code: &'static str,
    pub(crate) target_type: Option<&'static str>,
}

/// A search with what the server is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    /// The types it is about; several or all for a search across types.
    pub(crate) types: Vec<&'static str>,
    /// `Type/id` of the owner whose compartment is searched.
    pub(crate) compartment: Option<String>,
    pub(crate) terms: Vec<Term>,
    pub(crate) sort: Vec<Sort>,
    pub(crate) count: Option<usize>,
    pub(crate) includes: Vec<Include>,
}

impl Operand {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Token { system: None, code } => escape(code.as_deref().unwrap_or_default()),
            Self::Token { system: Some(system), code } => {
                format!("{}|{}", escape(system), escape(code.as_deref().unwrap_or_default()))
            }
            Self::Typed { system, code, value } => format!("{}|{}|{}", escape(system), escape(code), escape(value)),
            Self::Text(text) => escape(text),
            Self::Date { prefix, text } => format!("{prefix}{text}"),
            Self::Number { prefix, text, system: None, code: None } => format!("{prefix}{text}"),
            Self::Number { prefix, text, system, code } => format!(
                "{prefix}{text}|{}|{}",
                escape(system.as_deref().unwrap_or_default()),
                escape(code.as_deref().unwrap_or_default())
            ),
            Self::Pair(first, second) => format!("{}${}", first.text(), second.text()),
        }
    }
}

/// FHIR R4 search.html#escaping.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if matches!(letter, ',' | '|' | '$' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

impl Term {
    fn pair(&self) -> (String, String) {
        match self {
            Self::Id(ids) => ("_id".to_owned(), ids.join(",")),
            Self::Words { in_narrative, words } => {
                ((if *in_narrative { "_text" } else { "_content" }).to_owned(), words.text())
            }
            Self::Near { text, .. } => ("near".to_owned(), text.clone()),
            Self::Filter(filter) => ("_filter".to_owned(), filter.text()),
            Self::List(id) => ("_list".to_owned(), id.clone()),
            Self::Plain { code, modifier, operands } => {
                let name = modifier.map_or_else(|| (*code).to_owned(), |modifier| format!("{code}:{modifier}"));
                // The version of a canonical is no system: its | stands as it is.
                let is_canonical = matches!(*code, "_profile" | "instantiates-canonical");
                let texts: Vec<String> = operands
                    .iter()
                    .map(|operand| if is_canonical { operand.text().replace("\\|", "|") } else { operand.text() })
                    .collect();
                (name, texts.join(","))
            }
            Self::Chain { code, target_type, rest } => {
                let (name, value) = rest.pair();
                let kind = target_type.map_or_else(String::new, |kind| format!(":{kind}"));
                (format!("{code}{kind}.{name}"), value)
            }
            Self::Has { source_type, code, rest } => {
                let (name, value) = rest.pair();
                (format!("_has:{source_type}:{code}:{name}"), value)
            }
        }
    }
}

impl Search {
    /// Path and query below the base; `{base}` in values is for the caller to fill in.
    pub(crate) fn path(&self) -> String {
        let mut pairs: Vec<(String, String)> = self.terms.iter().map(Term::pair).collect();
        let mut path = match (&self.compartment, self.types.as_slice()) {
            (Some(owner), [kind]) => format!("{owner}/{kind}"),
            (Some(owner), _) => format!("{owner}/*"),
            (None, [kind]) => (*kind).to_owned(),
            (None, kinds) => {
                pairs.insert(0, ("_type".to_owned(), kinds.join(",")));
                String::new()
            }
        };
        if !self.sort.is_empty() {
            let key = |sort: &Sort| format!("{}{}", if sort.descending { "-" } else { "" }, sort.code);
            pairs.push(("_sort".to_owned(), self.sort.iter().map(key).collect::<Vec<_>>().join(",")));
        }
        for include in &self.includes {
            let name = if include.reverse { "_revinclude" } else { "_include" };
            let name = if include.iterate { format!("{name}:iterate") } else { name.to_owned() };
            let kind = include.target_type.map_or_else(String::new, |kind| format!(":{kind}"));
            pairs.push((name, format!("{}:{}{kind}", include.source_type, include.code)));
        }
        // What has no limit of its own is read at once.
        pairs.push(("_count".to_owned(), self.count.unwrap_or(1000).to_string()));
        for (place, (name, value)) in pairs.iter().enumerate() {
            path.push(if place == 0 { '?' } else { '&' });
            path.push_str(&format!("{}={}", percent(name), percent(value)));
        }
        path
    }
}

/// Percent-encodes all but what is never special.
fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
