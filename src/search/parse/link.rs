//! Parameters that go along references: chains, `_has` and `_list` (FHIR R4 search.html#chaining,
//! #has, #list).
//!
//! A chain without a type goes to every type the reference may point at that knows the rest of it.
//! The branches are counted while they are made: eight references to any type would be millions.

use crate::r4::definitions;
use crate::r4::parameters::ParameterKind;
use crate::r4::reference::is_id;
use crate::search::query::Condition;
use crate::search::registry::{Parameter, Registry};

use super::{MOST_VALUES, Parsed, Parser, RANGE, Refusal, malformed, unknown, value, weight};

/// Most references one parameter may follow.
const MOST_REFERENCES: usize = 8;

/// What is left of a parameter, read at a type it leads to.
pub(super) type Rest<'f> = &'f dyn Fn(&Parser<'_>) -> Parsed<Option<Condition>>;

/// A chain by references, and by canonicals where the parameter has them (a canonical may also be
/// the address of a resource here).
fn chained(registry: &Registry, parameter: &Parameter, targets: Vec<(u8, Condition)>) -> Condition {
    let number = parameter.number;
    let mut ways = Vec::new();
    if parameter.forms.canonical {
        ways.extend(targets.iter().filter_map(|(target, condition)| {
            let target = registry.named(*target)?;
            Some(Condition::Naming { parameter: number, target, condition: Box::new(condition.clone()) })
        }));
    }
    let by_id = Condition::Chain { parameter: number, targets };
    if ways.is_empty() {
        return by_id;
    }
    ways.push(by_id);
    Condition::Any(ways)
}

impl<'p> Parser<'p> {
    /// `reference.rest` and `reference:Type.rest`.
    pub(super) fn chain(&self, reference: &str, rest: &str) -> Parsed<Option<Condition>> {
        self.along(reference, rest, &|parser| Parser { name: rest, ..*parser }.condition())
    }

    /// Follows a reference; `rest` is the rest of the parameter as refusals name it.
    pub(super) fn along(&self, reference: &str, rest: &str, read: Rest<'_>) -> Parsed<Option<Condition>> {
        let (code, type_name) = match reference.split_once(':') {
            Some((code, type_name)) => (code, Some(type_name)),
            None => (reference, None),
        };
        let parameter = self.link(code)?;
        let everything = || (1..=u8::try_from(definitions().resources().len()).unwrap_or(u8::MAX)).collect();
        let possible: Vec<u8> = if parameter.targets.is_empty() { everything() } else { parameter.targets.clone() };
        let possible = match type_name {
            None => possible,
            Some(name) => match definitions().resource_number(name).filter(|number| possible.contains(number)) {
                Some(number) => vec![number],
                None => return self.unknown_modifier(parameter, name),
            },
        };
        let mut targets = Vec::new();
        let mut refusal = None;
        let mut is_known = false;
        for target in &possible {
            match self.follow(*target, rest, read) {
                Ok(condition) => {
                    is_known = true;
                    targets.extend(condition.map(|condition| (*target, condition)));
                }
                Err(Refusal::Unknown(issue)) => refusal = Some(issue),
                Err(malformed) => return Err(malformed),
            }
        }
        match refusal {
            Some(issue) if !is_known && possible.len() == 1 => Err(Refusal::Unknown(issue)),
            _ if !is_known => unknown(format!(
                "{}: none of the types {}.{code} may point at has the search parameter {rest:?}; one type is named as in \
                 {code}:Patient.{rest}",
                self.name,
                self.type_name()
            )),
            _ if targets.is_empty() => Ok(None),
            _ => Ok(Some(chained(self.registry(), parameter, targets))),
        }
    }

    /// `_has:Type:reference:rest`, without its start.
    pub(super) fn has(&self, path: &str) -> Parsed<Option<Condition>> {
        let mut parts = path.splitn(3, ':');
        let (Some(type_name), Some(code), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return malformed(format!(
                "{} is not _has:Type:reference:parameter, for example _has:Observation:patient:code",
                self.name
            ));
        };
        self.referred(type_name, code, &|parser| Parser { name: rest, ..*parser }.condition())
    }

    /// Resources that one of a type refers to by a parameter.
    pub(super) fn referred(&self, type_name: &str, code: &str, read: Rest<'_>) -> Parsed<Option<Condition>> {
        let Some(source) = definitions().resource_number(type_name) else {
            return unknown(format!("{}: {type_name:?} is not a resource type of FHIR R4", self.name));
        };
        let parameter = Self { type_number: source, ..*self }.link(code)?;
        if !parameter.targets.is_empty() && !parameter.targets.contains(&self.type_number) {
            return unknown(format!("{}: {type_name}.{code} cannot point at {}", self.name, self.type_name()));
        }
        let condition = self.follow(source, "…", read)?;
        let number = parameter.number;
        let named = self.registry().named(self.type_number).filter(|_| parameter.forms.canonical);
        Ok(condition.map(|condition| match named {
            None => Condition::Has { parameter: number, condition: Box::new(condition) },
            Some(target) => {
                let by_url = Condition::NamedBy { parameter: number, target, condition: Box::new(condition.clone()) };
                let by_id = Condition::Has { parameter: number, condition: Box::new(condition) };
                Condition::Any(vec![by_url, by_id])
            }
        }))
    }

    /// `_list=id`: what the entries of a List point at; `_list=$current-problems`: of functional ones.
    pub(super) fn list(&self) -> Parsed<Option<Condition>> {
        let items = definitions().resource_number("List").and_then(|number| self.registry().find(number, "item"));
        let Some(parameter) = items else { return self.unknown_name("_list") };
        let mut ids = Vec::new();
        let mut ways = Vec::new();
        for text in value::alternatives(self.value) {
            let text = value::unescape(text);
            let id = text.strip_prefix("List/").unwrap_or(&text);
            if let Some(name) = id.strip_prefix('$') {
                ways.extend(self.functional(name)?);
                continue;
            }
            if !is_id(id) {
                return malformed(format!("{}={text} is not the id of a List", self.name));
            }
            ids.push(id.to_owned());
        }
        if !ids.is_empty() {
            let condition = Box::new(Condition::Id(ids));
            ways.push(Condition::Has { parameter: parameter.number, condition });
        }
        Ok(if ways.len() > 1 { Some(Condition::Any(ways)) } else { ways.pop() })
    }

    /// A reference parameter of this type.
    fn link(&self, code: &str) -> Parsed<&'p Parameter> {
        let Some(parameter) = self.registry().find(self.type_number, code) else { return self.unknown_name(code) };
        if parameter.kind != ParameterKind::Reference {
            return unknown(format!(
                "{}: {code} is a {} parameter of {}; only references can be followed",
                self.name,
                parameter.kind.code(),
                self.type_name()
            ));
        }
        Ok(parameter)
    }

    /// What is left of the parameter, at a type it leads to.
    fn follow(&self, type_number: u8, rest: &str, read: Rest<'_>) -> Parsed<Option<Condition>> {
        let depth = self.depth + 1;
        if depth > MOST_REFERENCES {
            return malformed(format!("a search parameter follows at most {MOST_REFERENCES} references"));
        }
        let condition = read(&Self { type_number, depth, ..*self })?;
        // What a link weighs itself; its own condition has been counted where it was made.
        let added = match &condition {
            None => 0,
            Some(Condition::Chain { .. } | Condition::Has { .. } | Condition::Any(_)) => RANGE,
            Some(condition) => RANGE + weight(condition),
        };
        self.spent.set(self.spent.get() + added);
        if self.spent.get() > MOST_VALUES {
            return malformed(format!(
                "the chained parameter leads to too many types; name them, as in subject:Patient.{rest}"
            ));
        }
        Ok(condition)
    }
}
