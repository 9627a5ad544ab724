//! Random searches over a world. Most values are taken from what is stored, so that most searches find something.

use std::str::FromStr;

use bigdecimal::BigDecimal;
use serde_json::Value;

use crate::naive::{World, may_be_target};
use crate::parameters::{self, COMMON, Form, Kind, LAST_UPDATED, OWNERS, PREFIXES, Parameter, Path, TYPES};
use crate::query::{Include, Operand, Search, Sort, Term};
use crate::random::Random;
use crate::special::{TREE, TREE_CODES, VALUE_SETS};
use crate::values;

/// Types whose resources are parts of others of the type.
const WHOLES: &[&str] = &["Location", "Organization", "Encounter"];

/// Makes searches over a world.
pub(crate) struct Maker<'m> {
    pub(crate) random: &'m mut Random,
    pub(crate) world: &'m World,
}

impl Maker<'_> {
    pub(crate) fn search(&mut self) -> Search {
        let mut search = Search {
            types: Vec::new(),
            compartment: None,
            terms: Vec::new(),
            sort: Vec::new(),
            count: None,
            includes: Vec::new(),
        };
        match self.random.below(20) {
            0 => return self.across(search),
            1 => {
                let owner = self.random.pick(OWNERS);
                search.compartment = Some(format!("{owner}/{}", self.id_of(owner)));
                let members: Vec<&'static str> = TYPES
                    .iter()
                    .map(|(name, _)| *name)
                    .filter(|name| !parameters::compartment(owner, name).is_empty())
                    .collect();
                if self.random.chance(30) {
                    search.types = members;
                    return search;
                }
                search.types.push(self.random.pick(&members));
            }
            _ => {
                let kind = self.random.pick(TYPES).0;
                search.types.push(kind);
            }
        }
        let kind = search.types[0];
        let count = self.random.pick(&[0, 1, 1, 1, 1, 2, 2, 2, 3, 4]);
        for _ in 0..count {
            let term = self.term(kind, 0);
            search.terms.push(term);
        }
        if self.random.chance(25) {
            let keys = 1 + self.random.below(3);
            for _ in 0..keys {
                let sort = self.sort(kind);
                search.sort.push(sort);
            }
        }
        if self.random.chance(25) {
            search.count = Some(1 + self.random.below(12));
        } else if self.random.chance(15) {
            search.includes.extend(self.include(kind, false));
            // Along what was included, also of other types.
            while self.random.chance(50) && search.includes.len() < 3 {
                let kind = if self.random.chance(50) { self.random.pick(TYPES).0 } else { kind };
                search.includes.extend(self.include(kind, true));
            }
        }
        search
    }

    fn across(&mut self, mut search: Search) -> Search {
        while search.types.len() < 2 {
            let kind = self.random.pick(TYPES).0;
            if !search.types.contains(&kind) {
                search.types.push(kind);
            }
        }
        let term = match self.random.below(10) {
            0 | 1 => Term::Id(vec!["x0".to_owned(), "x2".to_owned()]),
            2 => Term::List(self.id_of("List")),
            3 => self.words_term(),
            _ => {
                let parameter = self.random.one_of(COMMON);
                let kind = search.types[0];
                self.plain(kind, parameter, true)
            }
        };
        search.terms.push(term);
        search
    }

    fn words_term(&mut self) -> Term {
        let in_narrative = self.random.chance(60);
        Term::Words { in_narrative, words: self.words(0, in_narrative) }
    }

    pub(crate) fn id_of(&mut self, kind: &str) -> String {
        let ids: Vec<&str> = self.world.of_type(kind).filter_map(|resource| resource["id"].as_str()).collect();
        (self.random.pick(&ids)).to_owned()
    }

    fn term(&mut self, kind: &'static str, depth: usize) -> Term {
        let links: Vec<&'static Parameter> =
            parameters::of_type(kind).filter(|parameter| parameter.kind == Kind::Reference).collect();
        match self.random.below(100) {
            0..4 => Term::Id((0..=self.random.below(3)).map(|_| self.id_of(kind)).collect()),
            4..18 if depth < 3 && !links.is_empty() => self.chain(links, depth),
            18..30 if depth < 3 => self.has(kind, depth),
            30..40 => Term::Filter(self.filter(kind, 0)),
            40..44 => self.words_term(),
            44..47 => Term::List(self.id_of("List")),
            47..60 if kind == "Location" => {
                let (text, place, metres) = self.near();
                Term::Near { text, place, metres }
            }
            _ => {
                let common = self.random.chance(10);
                let list: Vec<&'static Parameter> =
                    if common { COMMON.iter().collect() } else { parameters::of_type(kind).collect() };
                let parameter = self.random.pick(&list);
                self.plain(kind, parameter, true)
            }
        }
    }

    fn chain(&mut self, links: Vec<&'static Parameter>, depth: usize) -> Term {
        let parameter = self.random.pick(&links);
        let known = |kind: &&'static str| TYPES.iter().any(|(name, _)| name == kind);
        let mut targets: Vec<&'static str> = parameter.targets.iter().copied().filter(known).collect();
        if parameter.targets.is_empty() {
            targets = TYPES.iter().map(|(name, _)| *name).collect();
        }
        if targets.is_empty() {
            // Nothing it may point at is in this world: a search all the same.
            let rest = Box::new(Term::Id(vec!["x0".to_owned()]));
            return Term::Chain { code: parameter.code, target_type: None, rest };
        }
        let target = self.random.pick(&targets);
        if !parameter.targets.is_empty() && self.random.chance(50) {
            // Without a type it leads to every type that knows the rest, so the rest is simple.
            let list: Vec<&'static Parameter> = parameters::of_type(target).collect();
            let next = self.random.pick(&list);
            let same_kind = |kind: &&str| parameters::find(kind, next.code).is_none_or(|other| other.kind == next.kind);
            if targets.iter().all(same_kind) {
                let rest = Box::new(self.plain(target, next, false));
                return Term::Chain { code: parameter.code, target_type: None, rest };
            }
        }
        Term::Chain { code: parameter.code, target_type: Some(target), rest: Box::new(self.term(target, depth + 1)) }
    }

    fn has(&mut self, kind: &'static str, depth: usize) -> Term {
        let mut sources: Vec<(&'static str, &'static Parameter)> = Vec::new();
        for (name, list) in TYPES {
            let points_here = |parameter: &&Parameter| {
                parameter.kind == Kind::Reference && (parameter.targets.is_empty() || parameter.targets.contains(&kind))
            };
            sources.extend(list.iter().filter(points_here).map(|parameter| (*name, parameter)));
        }
        let (source_type, parameter) = self.random.pick(&sources);
        Term::Has { source_type, code: parameter.code, rest: Box::new(self.term(source_type, depth + 1)) }
    }

    fn sort(&mut self, kind: &'static str) -> Sort {
        // The order of references is the server's own, and so is that of quantities in several units.
        let list: Vec<&'static str> = parameters::of_type(kind)
            .filter(|parameter| !matches!(parameter.kind, Kind::Reference | Kind::Pair | Kind::Quantity))
            .map(|parameter| parameter.code)
            .chain(["_id"])
            .collect();
        Sort { code: self.random.pick(&list), descending: self.random.chance(50) }
    }

    fn include(&mut self, kind: &'static str, iterate: bool) -> Option<Include> {
        if self.random.chance(10) {
            return Some(Include { reverse: false, iterate, source_type: kind, code: "*", target_type: None });
        }
        let reverse = self.random.chance(50);
        let mut all: Vec<Include> = Vec::new();
        for (name, list) in TYPES {
            for parameter in list.iter().filter(|parameter| parameter.kind == Kind::Reference) {
                let fits = if reverse {
                    parameter.targets.is_empty() || parameter.targets.contains(&kind)
                } else {
                    *name == kind
                };
                if fits {
                    let target_type = match self.random.below(3) {
                        0 if reverse => Some(kind),
                        0 => parameter.targets.first().copied(),
                        _ => None,
                    };
                    all.push(Include { reverse, iterate, source_type: name, code: parameter.code, target_type });
                }
            }
        }
        (!all.is_empty()).then(|| self.random.one_of(&all).clone())
    }

    /// A condition on a parameter of its own type. `free`: negations may be used.
    fn plain(&mut self, kind: &'static str, parameter: &'static Parameter, free: bool) -> Term {
        let code = parameter.code;
        if free && self.has_clear_presence(parameter) && self.random.chance(12) {
            let wanted = if self.random.chance(50) { "true" } else { "false" };
            return Term::Plain { code, modifier: Some("missing"), operands: vec![Operand::Text(wanted.to_owned())] };
        }
        let forms = |wanted: &[Form]| parameter.paths.iter().all(|(_, form)| wanted.contains(form));
        let modifier = match parameter.kind {
            Kind::Token if forms(&[Form::Concept, Form::Coding]) && self.random.chance(20) => {
                Some(self.random.pick(if free {
                    &["in", "not-in", "above", "below"]
                } else {
                    &["in", "above", "below"]
                }))
            }
            Kind::Token if forms(&[Form::Concept, Form::Coding, Form::Identifier]) && self.random.chance(12) => {
                Some("text")
            }
            Kind::Token if forms(&[Form::Identifier]) && self.random.chance(15) => Some("of-type"),
            Kind::Token if free && self.random.chance(15) => Some("not"),
            Kind::Text if self.random.chance(40) => Some(self.random.pick(&["exact", "contains"])),
            Kind::Uri if self.random.chance(30) => Some(self.random.pick(&["below", "below", "above"])),
            Kind::Reference
                if self.random.chance(15) && parameter.paths.iter().all(|(_, form)| *form == Form::Reference) =>
            {
                Some("identifier")
            }
            Kind::Reference
                if self.random.chance(15)
                    && WHOLES.iter().any(|whole| parameter.targets.contains(whole))
                    && parameter.paths.iter().all(|(_, form)| *form == Form::Reference) =>
            {
                Some(self.random.pick(&["above", "below"]))
            }
            Kind::Reference if self.random.chance(20) && parameter.targets.len() > 1 => {
                Some(self.random.pick(parameter.targets))
            }
            _ => None,
        };
        let count = self.random.pick(&[1, 1, 1, 2, 3]);
        let operands = (0..count).map(|_| self.operand(kind, parameter, modifier)).collect();
        Term::Plain { code, modifier, operands }
    }

    /// Whether it is clear when a parameter has a value. Whether a concept without code or a reference without
    /// address is missing, R4 leaves open; "For all parameters (except combination)".
    pub(crate) fn has_clear_presence(&self, parameter: &Parameter) -> bool {
        parameter.kind != Kind::Reference
            && parameter.pair.is_none()
            && parameter.code != LAST_UPDATED
            && parameter.paths.iter().all(|(_, form)| !matches!(form, Form::Concept | Form::Coding))
    }

    /// A resource of the type that has a value at these paths, and the value.
    fn sample(&mut self, kind: &str, within: &[&str], paths: &[Path]) -> Option<(Value, Form)> {
        let all: Vec<&Value> = self.world.of_type(kind).collect();
        for _ in 0..20 {
            let resource = self.random.pick(&all);
            let elements: Vec<&Value> = if within.is_empty() {
                vec![resource]
            } else {
                within.iter().flat_map(|path| values::at(resource, path)).collect()
            };
            let found: Vec<(&Value, Form)> = elements.iter().flat_map(|element| values::all(element, paths)).collect();
            if !found.is_empty() {
                let (value, form) = self.random.pick(&found);
                return Some((value.clone(), form));
            }
        }
        None
    }

    pub(crate) fn operand(&mut self, kind: &str, parameter: &Parameter, modifier: Option<&'static str>) -> Operand {
        if let Some(pair) = parameter.pair {
            let first = self.sample(kind, pair.within, pair.first);
            let second = self.sample(kind, pair.within, pair.second);
            let first = self.token(first.as_ref(), true);
            return Operand::Pair(Box::new(first), Box::new(self.value(pair.second_kind, second.as_ref(), None, true)));
        }
        match (parameter.kind, modifier) {
            (Kind::Token, Some("in" | "not-in")) => {
                return Operand::Text(self.random.one_of(VALUE_SETS).0.to_owned());
            }
            (Kind::Token, Some("above" | "below")) => {
                let code = self.random.pick(TREE_CODES).0.to_owned();
                return Operand::Token { system: Some(TREE.to_owned()), code: Some(code) };
            }
            (Kind::Token, Some("text")) => {
                let sample = self.sample(kind, &[], parameter.paths);
                let texts = sample.map_or_else(Vec::new, |(value, form)| values::token_texts(&value, form));
                let text = if texts.is_empty() { "frac".to_owned() } else { self.random.one_of(&texts).clone() };
                return Operand::Text(self.part(&text, false));
            }
            (Kind::Token, Some("of-type")) => return self.typed(kind, parameter),
            (Kind::Reference, Some("above" | "below")) => {
                let wholes: Vec<&str> =
                    WHOLES.iter().copied().filter(|whole| parameter.targets.contains(whole)).collect();
                let whole = self.random.pick(&wholes);
                return Operand::Text(format!("{whole}/{}", self.id_of(whole)));
            }
            _ => {}
        }
        // A search for what the parameter cannot mean is refused: `patient=Practitioner/x`.
        let is_possible =
            |value: &Value| value["reference"].as_str().is_none_or(|text| may_be_target(text, parameter.targets));
        let sample = self.sample(kind, &[], parameter.paths).filter(|(value, _)| is_possible(value));
        if sample.is_none() && parameter.kind == Kind::Reference {
            let nothing = Operand::Token { system: None, code: Some("none".to_owned()) };
            return if modifier == Some("identifier") { nothing } else { Operand::Text("x0".to_owned()) };
        }
        self.value(parameter.kind, sample.as_ref(), modifier, false)
    }

    fn value(&mut self, kind: Kind, sample: Option<&(Value, Form)>, modifier: Option<&str>, in_pair: bool) -> Operand {
        match kind {
            Kind::Token => self.token(sample, in_pair),
            Kind::Text => {
                let texts = sample.map_or_else(Vec::new, |(value, form)| values::texts(value, *form));
                let text = if texts.is_empty() { "none".to_owned() } else { self.random.one_of(&texts).0.clone() };
                Operand::Text(if modifier == Some("exact") {
                    text
                } else {
                    self.part(&text, modifier == Some("contains"))
                })
            }
            Kind::Date => Operand::Date { prefix: self.random.pick(PREFIXES), text: self.date(sample) },
            Kind::Number | Kind::Quantity => self.number(kind, sample),
            Kind::Uri => {
                let text = sample.and_then(|(value, _)| value.as_str()).unwrap_or("http://example.org/none");
                let cut = modifier == Some("below") && self.random.chance(60);
                // Nothing is below a URN.
                let text = if modifier == Some("below") && text.starts_with("urn:") {
                    "http://example.org/fhir"
                } else {
                    text
                };
                let text = if cut { text.rsplit_once('/').map_or(text, |(start, _)| start) } else { text };
                let text = if self.random.chance(30) { text.split('|').next().unwrap_or(text) } else { text };
                // Nothing is below half a scheme.
                Operand::Text(if text.len() < 9 { "http://example.org".to_owned() } else { text.to_owned() })
            }
            Kind::Reference if modifier == Some("identifier") => {
                let identifier = sample.map(|(value, _)| (value["identifier"].clone(), Form::Identifier));
                self.token(identifier.as_ref(), in_pair)
            }
            Kind::Reference => {
                let text = sample.and_then(|(value, _)| value.as_str().or_else(|| value["reference"].as_str()));
                let text = text.unwrap_or("x0");
                let text = text.split_once("/_history/").map_or(text, |(start, _)| start);
                let is_local = !text.contains(':');
                Operand::Text(match text.split_once('/') {
                    Some((_, id)) if is_local && !in_pair && (modifier.is_some() || self.random.chance(40)) => {
                        id.to_owned()
                    }
                    _ if is_local && modifier.is_some() => "x0".to_owned(),
                    _ => text.to_owned(),
                })
            }
            Kind::Pair => unreachable!("pairs are not nested"),
        }
    }

    /// An identifier by its type.
    fn typed(&mut self, kind: &str, parameter: &Parameter) -> Operand {
        let nothing = || Operand::Typed { system: String::new(), code: "none".to_owned(), value: "0".to_owned() };
        for _ in 0..20 {
            let Some((identifier, _)) = self.sample(kind, &[], parameter.paths) else { return nothing() };
            let types = values::tokens(&identifier["type"], Form::Concept);
            let (Some(value), false) = (identifier["value"].as_str(), types.is_empty()) else { continue };
            let token = self.random.one_of(&types).clone();
            let system = token.system.unwrap_or_default();
            return Operand::Typed { system, code: token.code, value: value.to_owned() };
        }
        nothing()
    }

    fn token(&mut self, sample: Option<&(Value, Form)>, in_pair: bool) -> Operand {
        let tokens = sample.map_or_else(Vec::new, |(value, form)| values::tokens(value, *form));
        if tokens.is_empty() {
            return Operand::Token { system: None, code: Some("true".to_owned()) };
        }
        let token = self.random.one_of(&tokens).clone();
        let mut code = token.code;
        if !token.cased && self.random.chance(20) && !matches!(code.as_str(), "true" | "false") {
            code = if self.random.chance(50) { code.to_uppercase() } else { code.to_lowercase() };
        }
        let Some(system) = token.system else { return Operand::Token { system: None, code: Some(code) } };
        match self.random.below(10) {
            0 if !system.is_empty() && !in_pair => Operand::Token { system: Some(system), code: None },
            1 => Operand::Token { system: Some(String::new()), code: Some(code) },
            2..=5 => Operand::Token { system: Some(system), code: Some(code) },
            _ => Operand::Token { system: None, code: Some(code) },
        }
    }

    /// The start of a text (or a part of it), in another spelling.
    fn part(&mut self, text: &str, anywhere: bool) -> String {
        let letters: Vec<char> = text.chars().collect();
        let start = if anywhere { self.random.below(letters.len()) } else { 0 };
        let length = 1 + self.random.below(letters.len() - start);
        let part: String = letters[start..start + length].iter().collect();
        let part = match self.random.below(4) {
            0 => part.to_uppercase(),
            1 => part.to_lowercase(),
            _ => part,
        };
        // Only spaces and dots fold away to nothing, which would be no condition at all; a space at an
        // end is cut off, and what it would mean between Latin words with it.
        let part = part.trim().to_owned();
        if values::fold(&part).is_empty() { text.to_owned() } else { part }
    }

    fn date(&mut self, sample: Option<&(Value, Form)>) -> String {
        let texts: Vec<&str> = match sample {
            Some((value, Form::Moment)) => value.as_str().into_iter().collect(),
            Some((value, Form::Period)) => ["start", "end"].iter().filter_map(|name| value[*name].as_str()).collect(),
            Some((value, _)) => value["event"].as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
            None => vec!["2024"],
        };
        let text = if texts.is_empty() { "2024" } else { self.random.pick(&texts) };
        let cut = self.random.pick(&[4, 7, 10, 16, 99, 99]);
        match text.get(..cut) {
            Some(start) if cut < 11 || text.len() == cut => start.to_owned(),
            // Hours and minutes need their zone.
            Some(start) if cut == 16 => format!("{start}{}", text.rfind(['Z', '+']).map_or("", |zone| &text[zone..])),
            _ => text.to_owned(),
        }
    }

    fn number(&mut self, kind: Kind, sample: Option<&(Value, Form)>) -> Operand {
        let (number, of) = match sample {
            Some((value, Form::Decimal)) => (value.to_string(), &Value::Null),
            Some((value, Form::Range)) => {
                let end = if value["low"].is_object() { &value["low"] } else { &value["high"] };
                (end["value"].to_string(), end)
            }
            Some((value, _)) => (value["value"].to_string(), value),
            None => ("1".to_owned(), &Value::Null),
        };
        let text = match self.random.below(5) {
            0 => (self
                .random
                .pick(&["5.4", "5", "100", "100.0", "99.5", "110", "0", "-3", "60", "1e2", "1.00e2", "5e0"]))
            .to_owned(),
            1 => number.split('.').next().unwrap_or("1").to_owned(),
            2 if number.contains('.') => format!("{number}0"),
            _ => number,
        };
        let member = |name: &str| of[name].as_str().map(str::to_owned);
        let (system, code) = match self.random.below(4) {
            _ if kind == Kind::Number => (None, None),
            0 | 1 => (None, None),
            2 => (None, member("code").or_else(|| member("unit"))),
            _ => (member("system"), member("code")),
        };
        // The same in another unit.
        let (text, code) = match code.as_deref() {
            Some(unit @ ("kg" | "g")) if system.is_some() && self.random.chance(60) => {
                let other = self.random.pick(&["mg", "g", "kg"]);
                let number = BigDecimal::from_str(&text).unwrap() * values::factor(unit, other).unwrap();
                (number.normalized().to_plain_string(), Some(other.to_owned()))
            }
            _ => (text, code),
        };
        Operand::Number { prefix: self.random.pick(PREFIXES), text, system, code }
    }
}
