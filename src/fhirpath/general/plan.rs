//! Lowers a syntax tree into what the evaluator runs: names with a cache of where they lead,
//! functions known by name and number of parameters, types looked up, literals and regular
//! expressions read, chains of names as one path. Done once an expression.

use std::sync::atomic::{AtomicU32, Ordering};

use regex::Regex;

use super::pattern::regex;
use super::{Entry, FhirPathError, Target, Typing, invalid, unsupported};
use crate::fhirpath::ast::{Binary, Expression, Literal, TypeSpecifier};
use crate::r4::definitions::Element;
use crate::r4::{TypeId, definitions};

/// The name of an element, with the place it had in the type it was last looked up in.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) text: Box<str>,
    /// Type in the upper half, place in the lower; [`NOWHERE`] is no place.
    cache: AtomicU32,
}

const NOWHERE: u32 = 0xffff;

impl Name {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.into(), cache: AtomicU32::new(u32::MAX) }
    }

    /// The element of this name in a type.
    pub(super) fn element(&self, of: TypeId) -> Option<&'static Element> {
        let elements = &definitions().get(of).elements;
        let cached = self.cache.load(Ordering::Relaxed);
        let place = if cached >> 16 == u32::from(of.0) {
            cached & NOWHERE
        } else {
            let found = elements.iter().position(|element| *element.name == *self.text);
            let place = found.and_then(|place| u32::try_from(place).ok()).unwrap_or(NOWHERE);
            self.cache.store(u32::from(of.0) << 16 | place, Ordering::Relaxed);
            place
        };
        elements.get(usize::try_from(place).ok()?)
    }
}

/// One operation of an expression.
#[derive(Debug)]
pub(super) enum Op {
    Constant(Vec<Entry<'static>>),
    This,
    Index,
    Total,
    Variable(Box<str>),
    /// A name at the start of a path that is also a type: `Patient`.
    Type(Name, TypeId),
    /// Members of members, from a start.
    Path(Box<Op>, Vec<Name>),
    Indexer(Box<Op>, Box<Op>),
    Sign(bool, Box<Op>),
    Is(Box<Op>, Target),
    As(Box<Op>, Target),
    OfType(Box<Op>, Target),
    Binary(Binary, Box<Op>, Box<Op>),
    Exists(Box<Op>),
    Empty(Box<Op>),
    Not(Box<Op>),
    HasValue(Box<Op>),
    Count(Box<Op>),
    Where(Box<Op>, Box<Op>),
    All(Box<Op>, Box<Op>),
    Select(Box<Op>, Box<Op>),
    /// `matches()` with a pattern known beforehand.
    Matches(Box<Op>, Box<Regex>),
    Call(Box<Call>),
}

/// A call of any other function.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) input: Op,
    pub(super) name: &'static str,
    pub(super) arguments: Vec<Op>,
    pub(super) position: usize,
    /// `sort(-name)`: which criteria descend.
    pub(super) descending: Vec<bool>,
}

/// All functions with the least and most number of their parameters.
const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("abs", 0, 0),
    ("aggregate", 1, 2),
    ("all", 1, 1),
    ("allFalse", 0, 0),
    ("allTrue", 0, 0),
    ("anyFalse", 0, 0),
    ("anyTrue", 0, 0),
    ("as", 1, 1),
    ("ceiling", 0, 0),
    ("checkModifiers", 0, usize::MAX),
    ("children", 0, 0),
    ("combine", 1, 1),
    ("comparable", 1, 1),
    ("conformsTo", 1, 1),
    ("contains", 1, 1),
    ("convertsToBoolean", 0, 0),
    ("convertsToDate", 0, 0),
    ("convertsToDateTime", 0, 0),
    ("convertsToDecimal", 0, 0),
    ("convertsToInteger", 0, 0),
    ("convertsToQuantity", 0, 1),
    ("convertsToString", 0, 0),
    ("convertsToTime", 0, 0),
    ("count", 0, 0),
    ("decode", 1, 1),
    ("defineVariable", 1, 2),
    ("descendants", 0, 0),
    ("distinct", 0, 0),
    ("elementDefinition", 0, 0),
    ("empty", 0, 0),
    ("encode", 1, 1),
    ("endsWith", 1, 1),
    ("escape", 1, 1),
    ("exclude", 1, 1),
    ("exists", 0, 1),
    ("exp", 0, 0),
    ("extension", 1, 1),
    ("first", 0, 0),
    ("floor", 0, 0),
    ("getValue", 0, 0),
    ("hasExtension", 1, 1),
    ("hasValue", 0, 0),
    ("highBoundary", 0, 1),
    ("htmlChecks", 0, 0),
    ("iif", 2, 3),
    ("indexOf", 1, 1),
    ("intersect", 1, 1),
    ("is", 1, 1),
    ("isDistinct", 0, 0),
    ("join", 0, 1),
    ("last", 0, 0),
    ("lastIndexOf", 1, 1),
    ("length", 0, 0),
    ("ln", 0, 0),
    ("log", 1, 1),
    ("lowBoundary", 0, 1),
    ("lower", 0, 0),
    ("matches", 1, 2),
    ("matchesFull", 1, 2),
    ("memberOf", 1, 1),
    ("not", 0, 0),
    ("now", 0, 0),
    ("ofType", 1, 1),
    ("power", 1, 1),
    ("precision", 0, 0),
    ("repeat", 1, 1),
    ("replace", 2, 2),
    ("replaceMatches", 2, 2),
    ("resolve", 0, 0),
    ("round", 0, 1),
    ("select", 1, 1),
    ("single", 0, 0),
    ("skip", 1, 1),
    ("slice", 2, 2),
    ("sort", 0, usize::MAX),
    ("split", 1, 1),
    ("sqrt", 0, 0),
    ("startsWith", 1, 1),
    ("subsetOf", 1, 1),
    ("substring", 1, 2),
    ("subsumedBy", 1, 1),
    ("subsumes", 1, 1),
    ("supersetOf", 1, 1),
    ("tail", 0, 0),
    ("take", 1, 1),
    ("timeOfDay", 0, 0),
    ("toBoolean", 0, 0),
    ("toChars", 0, 0),
    ("toDate", 0, 0),
    ("toDateTime", 0, 0),
    ("toDecimal", 0, 0),
    ("toInteger", 0, 0),
    ("toQuantity", 0, 1),
    ("toString", 0, 0),
    ("toTime", 0, 0),
    ("today", 0, 0),
    ("trace", 1, 2),
    ("trim", 0, 0),
    ("truncate", 0, 0),
    ("type", 0, 0),
    ("unescape", 1, 1),
    ("union", 1, 1),
    ("upper", 0, 0),
    ("where", 1, 1),
];

/// Whether a function of this name exists.
pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.iter().any(|row| row.0 == name)
}

/// Where building an expression stopped.
pub(super) type Stopped = (FhirPathError, Option<usize>);

/// Lowers a tree.
pub(super) fn lower(expression: &Expression, typing: Typing) -> Result<Op, Stopped> {
    let boxed = |inner: &Expression| lower(inner, typing).map(Box::new);
    let near = |error: FhirPathError| (error, None);
    Ok(match expression {
        Expression::Literal(found) => Op::Constant(super::literal(found).map_err(near)?),
        Expression::This => Op::This,
        Expression::Index => Op::Index,
        Expression::Total => Op::Total,
        Expression::External(name) => Op::Variable(name.as_str().into()),
        Expression::Member { input: None, name, .. } => match capitalised_type(name) {
            Some(id) => Op::Type(Name::new(name), id),
            None => Op::Path(Box::new(Op::This), vec![Name::new(name)]),
        },
        Expression::Member { input: Some(input), name, .. } => match lower(input, typing)? {
            Op::Path(start, mut names) => {
                names.push(Name::new(name));
                Op::Path(start, names)
            }
            start => Op::Path(Box::new(start), vec![Name::new(name)]),
        },
        Expression::Indexer(input, index) => Op::Indexer(boxed(input)?, boxed(index)?),
        Expression::Polarity { negative, operand } => Op::Sign(*negative, boxed(operand)?),
        Expression::Is(input, specifier) => Op::Is(boxed(input)?, target_of(specifier, typing).map_err(near)?),
        Expression::As(input, specifier) if typing == Typing::Lenient => {
            Op::OfType(boxed(input)?, target_of(specifier, typing).map_err(near)?)
        }
        Expression::As(input, specifier) => Op::As(boxed(input)?, target_of(specifier, typing).map_err(near)?),
        Expression::Binary(operator, left, right) => Op::Binary(*operator, boxed(left)?, boxed(right)?),
        Expression::Call { input, name, arguments, position } => {
            let input = match input {
                Some(input) => lower(input, typing)?,
                None => Op::This,
            };
            call(input, name, arguments, *position, typing)?
        }
    })
}

fn target_of(specifier: &TypeSpecifier, typing: Typing) -> Result<Target, FhirPathError> {
    if typing == Typing::Lenient { Target::lenient(specifier) } else { Target::new(specifier) }
}

fn capitalised_type(name: &str) -> Option<TypeId> {
    definitions().type_id(name).filter(|_| name.starts_with(|first: char| first.is_ascii_uppercase()))
}

fn call(input: Op, name: &str, arguments: &[Expression], position: usize, typing: Typing) -> Result<Op, Stopped> {
    let here = |error: FhirPathError| (error, Some(position));
    let Some((name, least, most)) = FUNCTIONS.iter().find(|row| row.0 == name) else {
        return unsupported(format!("function {name}()")).map_err(here);
    };
    if !(*least..=*most).contains(&arguments.len()) {
        let wanted = match (*least, *most) {
            (least, most) if least == most => least.to_string(),
            (least, usize::MAX) => format!("{least} or more"),
            (least, most) => format!("{least} to {most}"),
        };
        return invalid(format!("{name}() takes {wanted} parameters, not {}", arguments.len())).map_err(here);
    }
    let boxed = |argument: &Expression| lower(argument, typing).map(Box::new);
    let target = |argument: &Expression| target_of(&type_argument(argument).map_err(here)?, typing).map_err(here);
    let input_box = Box::new(input);
    Ok(match (*name, arguments) {
        ("exists", []) => Op::Exists(input_box),
        ("exists", [criteria]) => Op::Exists(Box::new(Op::Where(input_box, boxed(criteria)?))),
        ("empty", []) => Op::Empty(input_box),
        ("not", []) => Op::Not(input_box),
        ("hasValue", []) => Op::HasValue(input_box),
        ("count", []) => Op::Count(input_box),
        ("where", [criteria]) => Op::Where(input_box, boxed(criteria)?),
        ("all", [criteria]) => Op::All(input_box, boxed(criteria)?),
        ("select", [projection]) => Op::Select(input_box, boxed(projection)?),
        ("is", [argument]) => Op::Is(input_box, target(argument)?),
        ("as", [argument]) if typing == Typing::Lenient => Op::OfType(input_box, target(argument)?),
        ("as", [argument]) => Op::As(input_box, target(argument)?),
        ("ofType", [argument]) => Op::OfType(input_box, target(argument)?),
        ("matches" | "matchesFull", [Expression::Literal(Literal::String(pattern))]) => {
            let compiled = regex(pattern, "", *name == "matchesFull").map_err(here)?;
            Op::Matches(input_box, Box::new(compiled))
        }
        (name, arguments) => {
            let is_sort = name == "sort";
            let mut lowered = Vec::with_capacity(arguments.len());
            let mut descending = Vec::new();
            for argument in arguments {
                match argument {
                    Expression::Polarity { negative: true, operand } if is_sort => {
                        lowered.push(lower(operand, typing)?);
                        descending.push(true);
                    }
                    other => {
                        lowered.push(lower(other, typing)?);
                        descending.push(false);
                    }
                }
            }
            let descending = if is_sort { descending } else { Vec::new() };
            Op::Call(Box::new(Call { input: *input_box, name, arguments: lowered, position, descending }))
        }
    })
}

/// `ofType(Quantity)`, `is(FHIR.Patient)`: the parameter is a type, not a path.
pub(super) fn type_argument(argument: &Expression) -> Result<TypeSpecifier, FhirPathError> {
    match argument {
        Expression::Member { input: None, name, .. } => Ok(TypeSpecifier { namespace: None, name: name.clone() }),
        Expression::Member { input: Some(namespace), name, .. } => match namespace.as_ref() {
            Expression::Member { input: None, name: namespace, .. } => {
                Ok(TypeSpecifier { namespace: Some(namespace.clone()), name: name.clone() })
            }
            _ => unsupported("type given by an expression"),
        },
        _ => unsupported("type given by an expression"),
    }
}
