//! Turns a syntax tree into operations with names resolved against the R4 tables.
//!
//! While the type of a path is known, a step is the list of JSON names to look for, each with the
//! type it yields; a cast right after a step only shortens that list. After `Bundle.entry.resource`
//! and after a choice of several types, names are looked up in the tables while evaluating.

use super::FhirPathError;
use super::ast::{Binary, Expression, Literal, TypeSpecifier};
use super::parser;
use crate::r4::{Kind, TypeId, definitions};

/// An expression ready to be evaluated.
#[derive(Debug)]
pub struct Compiled {
    pub(super) operation: Operation,
    types: Option<Vec<TypeId>>,
}

impl Compiled {
    /// The types the results can have; `None` when that is known only while evaluating.
    #[must_use]
    pub fn types(&self) -> Option<&[TypeId]> {
        self.types.as_deref()
    }
}

#[derive(Debug)]
pub(super) enum Operation {
    Nothing,
    Focus,
    /// The focus when it is of the type.
    FocusOf(TypeId),
    /// `%resource`, `%context`, `%rootResource`
    Root,
    Boolean(bool, TypeId),
    Number(Box<str>, TypeId),
    Text(Box<str>, TypeId),
    Steps(Box<Operation>, Vec<Step>),
    Union(Vec<Operation>),
    Where(Box<Operation>, Box<Operation>),
    /// Whether there is anything; with `false` whether there is nothing.
    Exists(Box<Operation>, bool),
    First(Box<Operation>),
    Last(Box<Operation>),
    At(Box<Operation>, usize),
    OfType(Box<Operation>, TypeId),
    Is(Box<Operation>, TypeId),
    Resolve(Box<Operation>),
    Extension(Box<Operation>, Box<str>),
    HasExtension(Box<Operation>, Box<str>),
    HasValue(Box<Operation>),
    Not(Box<Operation>),
    And(Box<Operation>, Box<Operation>),
    Or(Box<Operation>, Box<Operation>),
    /// `=`, with `false` `!=`
    Equal(Box<Operation>, Box<Operation>, bool),
}

#[derive(Debug)]
pub(super) enum Step {
    Known(Vec<Alternative>),
    Named(Box<str>),
}

/// One JSON member a step may find.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alternative {
    pub(super) json: &'static str,
    pub(super) type_id: TypeId,
    pub(super) is_primitive: bool,
    /// `Bundle.entry.resource`: the type is in the value.
    pub(super) is_resource: bool,
}

/// What is known of the results of an operation.
#[derive(Clone)]
struct Typed(Option<Vec<TypeId>>);

impl Typed {
    fn one(id: TypeId) -> Self {
        Self(Some(vec![id]))
    }

    fn single(&self) -> Option<TypeId> {
        match self.0.as_deref() {
            Some([only]) => Some(*only),
            _ => None,
        }
    }
}

/// Compiles an expression for a focus of any type.
///
/// # Errors
/// Syntax errors, unknown names and types, and what is not supported yet.
pub fn compile(text: &str) -> Result<Compiled, FhirPathError> {
    tree(&parser::parse(text)?, None)
}

/// Compiles an expression for a focus of one type.
///
/// # Errors
/// As [`compile`]; besides, names that the types do not have.
pub fn compile_for(text: &str, focus: TypeId) -> Result<Compiled, FhirPathError> {
    tree(&parser::parse(text)?, Some(focus))
}

/// Compiles a syntax tree.
///
/// # Errors
/// As [`compile_for`].
pub fn tree(expression: &Expression, focus: Option<TypeId>) -> Result<Compiled, FhirPathError> {
    let compiler = Compiler { root: Typed(focus.map(|id| vec![id])) };
    let (operation, types) = compiler.expression(expression, &compiler.root)?;
    Ok(Compiled { operation, types: types.0 })
}

/// Compiles a syntax tree for a focus that is part of a resource of type `root`.
///
/// # Errors
/// As [`compile_for`].
pub fn tree_in(expression: &Expression, focus: TypeId, root: TypeId) -> Result<Compiled, FhirPathError> {
    let compiler = Compiler { root: Typed::one(root) };
    let (operation, types) = compiler.expression(expression, &Typed::one(focus))?;
    Ok(Compiled { operation, types: types.0 })
}

/// The member alternatives of `name` in a type; `None` when it has no such element.
pub(super) fn alternatives(of: TypeId, name: &str) -> Option<impl Iterator<Item = Alternative>> {
    let all = definitions();
    let element = all.get(of).elements.iter().find(|element| element.name == name)?;
    Some(element.types.iter().map(move |possible| {
        let definition = all.get(possible.type_id);
        Alternative {
            json: &possible.json_name,
            type_id: possible.type_id,
            is_primitive: matches!(definition.kind, Kind::Primitive | Kind::System),
            is_resource: definition.kind == Kind::Resource,
        }
    }))
}

struct Compiler {
    root: Typed,
}

type Built = Result<(Operation, Typed), FhirPathError>;

impl Compiler {
    fn expression(&self, expression: &Expression, focus: &Typed) -> Built {
        let boolean = || Typed::one(system("System.Boolean"));
        match expression {
            Expression::Literal(literal) => literal_value(literal),
            Expression::This => Ok((Operation::Focus, focus.clone())),
            Expression::External(name) if matches!(name.as_str(), "resource" | "context" | "rootResource") => {
                Ok((Operation::Root, self.root.clone()))
            }
            Expression::External(name) => unsupported(format!("variable %{name}")),
            Expression::Index => unsupported("$index"),
            Expression::Total => unsupported("$total"),
            Expression::Polarity { .. } => unsupported("sign"),
            Expression::Member { input: None, name, .. } => leading(name, focus),
            Expression::Member { input: Some(input), name, .. } => {
                let (operation, types) = self.expression(input, focus)?;
                step(operation, &types, name)
            }
            Expression::Call { input, name, arguments, .. } => {
                let (operation, types) = match input {
                    Some(input) => self.expression(input, focus)?,
                    None => (Operation::Focus, focus.clone()),
                };
                self.call(operation, types, name, arguments)
            }
            Expression::Indexer(input, index) => {
                let (operation, types) = self.expression(input, focus)?;
                match index.as_ref() {
                    Expression::Literal(Literal::Number(digits)) => match digits.parse() {
                        Ok(place) => Ok((Operation::At(Box::new(operation), place), types)),
                        Err(_) => unsupported(format!("index [{digits}]")),
                    },
                    _ => unsupported("computed index"),
                }
            }
            Expression::Is(input, specifier) => {
                let (operation, _) = self.expression(input, focus)?;
                Ok((Operation::Is(Box::new(operation), named_type(specifier)?), boolean()))
            }
            Expression::As(input, specifier) => {
                let (operation, types) = self.expression(input, focus)?;
                Ok(cast(operation, &types, named_type(specifier)?))
            }
            Expression::Binary(operator, left, right) => {
                let (left, left_types) = self.expression(left, focus)?;
                let (right, right_types) = self.expression(right, focus)?;
                let (left_box, right_box) = (Box::new(left), Box::new(right));
                let operation = match operator {
                    Binary::Union => return Ok(union(*left_box, &left_types, *right_box, &right_types)),
                    Binary::And => Operation::And(left_box, right_box),
                    Binary::Or => Operation::Or(left_box, right_box),
                    Binary::Equal => Operation::Equal(left_box, right_box, true),
                    Binary::NotEqual => Operation::Equal(left_box, right_box, false),
                    other => return unsupported(format!("operator {}", other.symbol())),
                };
                Ok((operation, boolean()))
            }
        }
    }

    fn call(&self, input: Operation, types: Typed, name: &str, arguments: &[Expression]) -> Built {
        let boolean = Typed::one(system("System.Boolean"));
        let input = Box::new(input);
        let built = match (name, arguments) {
            ("where", [criteria]) => {
                let (criteria, _) = self.expression(criteria, &types)?;
                (Operation::Where(input, Box::new(criteria)), types)
            }
            ("exists", [criteria]) => {
                let (criteria, _) = self.expression(criteria, &types)?;
                let filtered = Operation::Where(input, Box::new(criteria));
                (Operation::Exists(Box::new(filtered), true), boolean)
            }
            ("exists", []) => (Operation::Exists(input, true), boolean),
            ("empty", []) => (Operation::Exists(input, false), boolean),
            ("first", []) => (Operation::First(input), types),
            ("last", []) => (Operation::Last(input), types),
            ("not", []) => (Operation::Not(input), boolean),
            ("hasValue", []) => (Operation::HasValue(input), boolean),
            ("resolve", []) => (Operation::Resolve(input), Typed(None)),
            ("extension", [Expression::Literal(Literal::String(url))]) => {
                let extension = definitions().type_id("Extension").map(|id| vec![id]);
                (Operation::Extension(input, url.as_str().into()), Typed(extension))
            }
            ("hasExtension", [Expression::Literal(Literal::String(url))]) => {
                (Operation::HasExtension(input, url.as_str().into()), boolean)
            }
            ("ofType" | "as", [name]) => cast(*input, &types, type_argument(name)?),
            ("is", [name]) => (Operation::Is(input, type_argument(name)?), boolean),
            (
                "where" | "exists" | "empty" | "first" | "last" | "not" | "hasValue" | "resolve" | "ofType" | "as"
                | "is" | "extension" | "hasExtension",
                _,
            ) => return unsupported(format!("{name}() with these parameters")),
            _ => return unsupported(format!("function {name}()")),
        };
        Ok(built)
    }
}

fn unsupported<T>(what: impl Into<String>) -> Result<T, FhirPathError> {
    Err(FhirPathError::Unsupported(what.into()))
}

/// A type that is always in the tables.
fn system(name: &str) -> TypeId {
    definitions().type_id(name).unwrap_or(TypeId(0))
}

fn literal_value(literal: &Literal) -> Built {
    Ok(match literal {
        Literal::Empty => (Operation::Nothing, Typed(Some(Vec::new()))),
        Literal::Boolean(value) => {
            let id = system("System.Boolean");
            (Operation::Boolean(*value, id), Typed::one(id))
        }
        Literal::String(text) => {
            let id = system("System.String");
            (Operation::Text(text.as_str().into(), id), Typed::one(id))
        }
        Literal::Number(digits) => {
            let id = system(if digits.contains('.') { "System.Decimal" } else { "System.Integer" });
            (Operation::Number(digits.as_str().into(), id), Typed::one(id))
        }
        Literal::Date(_) | Literal::DateTime(_) | Literal::Time(_) => return unsupported("date and time literal"),
        Literal::Quantity(..) => return unsupported("quantity literal"),
    })
}

/// The first name of a path: the type of the focus itself, or one of its elements.
fn leading(name: &str, focus: &Typed) -> Built {
    let all = definitions();
    let named = all.type_id(name).filter(|_| name.starts_with(|first: char| first.is_ascii_uppercase()));
    let Some(named) = named else { return step(Operation::Focus, focus, name) };
    match focus.single() {
        Some(id) if all.is_a(id, named) => Ok((Operation::Focus, focus.clone())),
        // `Patient.name` evaluated on an Observation selects nothing.
        Some(id) if !all.is_a(named, id) => Ok((Operation::Nothing, Typed(Some(Vec::new())))),
        _ => Ok((Operation::FocusOf(named), Typed::one(named))),
    }
}

/// Appends one member step.
fn step(input: Operation, types: &Typed, name: &str) -> Built {
    let all = definitions();
    let (step, result) = match types.0.as_deref() {
        Some([]) => return Ok((Operation::Nothing, Typed(Some(Vec::new())))),
        Some([only]) => {
            let Some(found) = alternatives(*only, name) else {
                let types = all.get(*only).name.clone();
                return Err(FhirPathError::UnknownName { name: name.to_owned(), types });
            };
            let found: Vec<Alternative> = found.collect();
            let open = found.iter().any(|alternative| alternative.is_resource);
            let result = found.iter().map(|alternative| alternative.type_id).collect();
            (Step::Known(found), Typed((!open).then_some(result)))
        }
        Some(several) => {
            let mut result: Vec<TypeId> = Vec::new();
            let mut open = false;
            let mut any = false;
            for alternative in several.iter().filter_map(|id| alternatives(*id, name)).flatten() {
                any = true;
                open |= alternative.is_resource;
                if !result.contains(&alternative.type_id) {
                    result.push(alternative.type_id);
                }
            }
            if !any {
                let names: Vec<&str> = several.iter().map(|id| all.get(*id).name.as_str()).collect();
                return Err(FhirPathError::UnknownName { name: name.to_owned(), types: names.join(", ") });
            }
            (Step::Named(name.into()), Typed((!open).then_some(result)))
        }
        None => (Step::Named(name.into()), Typed(None)),
    };
    let operation = match input {
        Operation::Steps(start, mut steps) => {
            steps.push(step);
            Operation::Steps(start, steps)
        }
        other => Operation::Steps(Box::new(other), vec![step]),
    };
    Ok((operation, result))
}

/// Keeps the values of one type; right after a choice this shortens the list of names.
fn cast(input: Operation, types: &Typed, target: TypeId) -> (Operation, Typed) {
    let all = definitions();
    let Some(known) = types.0.as_deref() else {
        return (Operation::OfType(Box::new(input), target), Typed(None));
    };
    let kept: Vec<TypeId> = known.iter().copied().filter(|id| all.is_a(*id, target)).collect();
    if kept.is_empty() {
        return (Operation::Nothing, Typed(Some(kept)));
    }
    if kept.len() == known.len() {
        return (input, Typed(Some(kept)));
    }
    let operation = match input {
        Operation::Steps(start, mut steps) => {
            if let Some(Step::Known(last)) = steps.last_mut() {
                last.retain(|alternative| all.is_a(alternative.type_id, target));
                Operation::Steps(start, steps)
            } else {
                Operation::OfType(Box::new(Operation::Steps(start, steps)), target)
            }
        }
        other => Operation::OfType(Box::new(other), target),
    };
    (operation, Typed(Some(kept)))
}

fn union(left: Operation, left_types: &Typed, right: Operation, right_types: &Typed) -> (Operation, Typed) {
    let types = match (&left_types.0, &right_types.0) {
        (Some(left), Some(right)) => {
            let mut all = left.clone();
            all.extend(right.iter().filter(|id| !left.contains(id)));
            Some(all)
        }
        _ => None,
    };
    let operation = match (left, right) {
        (Operation::Nothing, only) | (only, Operation::Nothing) => only,
        (Operation::Union(mut branches), last) => {
            branches.push(last);
            Operation::Union(branches)
        }
        (first, second) => Operation::Union(vec![first, second]),
    };
    (operation, Typed(types))
}

/// `ofType(Quantity)`, `is(FHIR.Patient)`: the parameter is a type, not a path.
fn type_argument(argument: &Expression) -> Result<TypeId, FhirPathError> {
    match argument {
        Expression::Member { input: None, name, .. } => {
            named_type(&TypeSpecifier { namespace: None, name: name.clone() })
        }
        Expression::Member { input: Some(namespace), name, .. } => match namespace.as_ref() {
            Expression::Member { input: None, name: namespace, .. } => {
                named_type(&TypeSpecifier { namespace: Some(namespace.clone()), name: name.clone() })
            }
            _ => unsupported("type given by an expression"),
        },
        _ => unsupported("type given by an expression"),
    }
}

fn named_type(specifier: &TypeSpecifier) -> Result<TypeId, FhirPathError> {
    let all = definitions();
    let name = specifier.name.as_str();
    let found = match specifier.namespace.as_deref() {
        Some("System") => all.type_id(&format!("System.{name}")),
        // The standard writes `value.as(DateTime)` in Observation-code-value-date: FHIR's dateTime.
        _ => all.type_id(name).or_else(|| all.type_id(&lower_first(name))),
    };
    found.ok_or_else(|| FhirPathError::UnknownType(name.to_owned()))
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
