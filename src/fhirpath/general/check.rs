//! Checks names against the R4 tables before an expression runs. Where a type is not known
//! (`descendants()`, `resolve()`), everything passes.

use super::FhirPathError;
use super::plan::is_function;
use crate::fhirpath::ast::{Expression, Literal, TypeSpecifier};
use crate::fhirpath::compile::alternatives;
use crate::r4::{Kind, TypeId, definitions};

/// The types an expression may yield; `None` when not known.
type Types = Option<Vec<TypeId>>;

/// With the place of the name that is wrong.
type Checked<T> = Result<T, (FhirPathError, usize)>;

/// Depth of a syntax tree.
pub(super) fn depth(expression: &Expression) -> usize {
    let deepest = match expression {
        Expression::Member { input, .. } => input.as_deref().map_or(0, depth),
        Expression::Call { input, arguments, .. } => {
            let inner = arguments.iter().map(depth).max().unwrap_or(0);
            inner.max(input.as_deref().map_or(0, depth))
        }
        Expression::Indexer(left, right) | Expression::Binary(_, left, right) => depth(left).max(depth(right)),
        Expression::Polarity { operand, .. } => depth(operand),
        Expression::Is(inner, _) | Expression::As(inner, _) => depth(inner),
        _ => 0,
    };
    deepest + 1
}

/// Checks an expression for an input of one type.
pub(super) fn check(expression: &Expression, focus: TypeId) -> Checked<()> {
    types(expression, &Some(vec![focus])).map(|_| ())
}

fn system(name: &str) -> Types {
    definitions().type_id(&format!("System.{name}")).map(|id| vec![id])
}

fn named(specifier: &TypeSpecifier) -> Types {
    match specifier.namespace.as_deref() {
        Some("System") => system(&specifier.name),
        _ => definitions().type_id(&specifier.name).map(|id| vec![id]),
    }
}

fn types(expression: &Expression, focus: &Types) -> Checked<Types> {
    Ok(match expression {
        Expression::This => focus.clone(),
        Expression::Literal(literal) => match literal {
            Literal::Empty => Some(Vec::new()),
            Literal::Boolean(_) => system("Boolean"),
            Literal::String(_) => system("String"),
            Literal::Number(digits) => system(if digits.contains('.') { "Decimal" } else { "Integer" }),
            Literal::Date(_) => system("Date"),
            Literal::DateTime(_) => system("DateTime"),
            Literal::Time(_) => system("Time"),
            Literal::Quantity(..) => system("Quantity"),
        },
        Expression::Member { input: None, name, position } => leading(name, focus, *position)?,
        Expression::Member { input: Some(input), name, position } => {
            let input = types(input, focus)?;
            member(&input, name, *position)?
        }
        Expression::Call { input, name, arguments, position } => {
            let input = match input {
                Some(input) => types(input, focus)?,
                None => focus.clone(),
            };
            call(&input, name, arguments, focus, *position)?
        }
        Expression::Indexer(input, index) => {
            types(index, focus)?;
            types(input, focus)?
        }
        Expression::Polarity { operand, .. } => types(operand, focus)?,
        Expression::Is(input, _) => {
            types(input, focus)?;
            system("Boolean")
        }
        Expression::As(input, specifier) => {
            types(input, focus)?;
            named(specifier)
        }
        Expression::Binary(operator, left, right) => {
            let (left, right) = (types(left, focus)?, types(right, focus)?);
            match operator.symbol() {
                "|" => left.zip(right).map(|(mut left, right)| {
                    left.extend(right);
                    left
                }),
                "+" | "-" | "*" | "/" | "div" | "mod" | "&" => None,
                _ => system("Boolean"),
            }
        }
        Expression::External(_) | Expression::Index | Expression::Total => None,
    })
}

fn leading(name: &str, focus: &Types, position: usize) -> Checked<Types> {
    let all = definitions();
    let is_type = name.starts_with(|first: char| first.is_ascii_uppercase());
    let (Some(id), Some(possible)) = (all.type_id(name).filter(|_| is_type), focus) else {
        return member(focus, name, position);
    };
    if possible.iter().any(|type_id| all.is_a(*type_id, id)) {
        return Ok(focus.clone());
    }
    if possible.iter().any(|type_id| all.is_a(id, *type_id)) {
        return Ok(Some(vec![id]));
    }
    Err((unknown(name, possible), position))
}

fn unknown(name: &str, possible: &[TypeId]) -> FhirPathError {
    let names: Vec<&str> = possible.iter().map(|id| definitions().get(*id).name.as_str()).collect();
    FhirPathError::UnknownName { name: name.to_owned(), types: names.join(", ") }
}

fn member(input: &Types, name: &str, position: usize) -> Checked<Types> {
    let Some(possible) = input else { return Ok(None) };
    if possible.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut found = Vec::new();
    for alternative in possible.iter().filter_map(|id| alternatives(*id, name)).flatten() {
        if alternative.is_resource {
            return Ok(None);
        }
        if !found.contains(&alternative.type_id) {
            found.push(alternative.type_id);
        }
    }
    if found.is_empty() { Err((unknown(name, possible), position)) } else { Ok(Some(found)) }
}

/// Whether every possible type is an object: no text, number or boolean.
fn only_objects(input: &Types) -> bool {
    let is_object = |id: &TypeId| !matches!(definitions().get(*id).kind, Kind::Primitive | Kind::System);
    input.as_ref().is_some_and(|possible| !possible.is_empty() && possible.iter().all(is_object))
}

fn call(input: &Types, name: &str, arguments: &[Expression], focus: &Types, position: usize) -> Checked<Types> {
    let all = definitions();
    let invalid = |message: String| Err((FhirPathError::Invalid(message), position));
    if !is_function(name) {
        return Err((FhirPathError::Unsupported(format!("function {name}()")), position));
    }
    let each = |scope: &Types| -> Checked<Types> {
        let mut last = None;
        for argument in arguments {
            last = types(argument, scope)?;
        }
        Ok(last)
    };
    Ok(match name {
        "is" => system("Boolean"),
        "as" | "ofType" => match arguments {
            [argument] => super::plan::type_argument(argument).ok().and_then(|specifier| named(&specifier)),
            _ => None,
        },
        "where" | "sort" | "trace" => {
            each(input)?;
            input.clone()
        }
        "select" => each(input)?,
        "repeat" | "aggregate" => None,
        "all" | "exists" => {
            each(input)?;
            system("Boolean")
        }
        "iif" => {
            let [condition, ..] = arguments else { return invalid("iif() needs a condition".to_owned()) };
            let condition = types(condition, input)?;
            let is_boolean = |id: &TypeId| matches!(all.get(*id).name.as_str(), "System.Boolean" | "boolean");
            if condition.is_some_and(|possible| !possible.is_empty() && !possible.iter().any(is_boolean)) {
                return invalid("the condition of iif() is a Boolean".to_owned());
            }
            arguments.iter().skip(1).try_for_each(|argument| types(argument, input).map(|_| ()))?;
            None
        }
        "startsWith" | "endsWith" | "contains" | "matches" | "length" | "upper" | "lower" | "substring" | "indexOf"
            if only_objects(input) =>
        {
            return invalid(format!("{name}() is for strings"));
        }
        "first" | "last" | "tail" | "skip" | "take" | "single" | "distinct" | "exclude" | "intersect" => {
            each(focus)?;
            input.clone()
        }
        "not" | "empty" | "hasValue" | "isDistinct" | "allTrue" | "anyTrue" | "allFalse" | "anyFalse" => {
            system("Boolean")
        }
        "count" | "length" => system("Integer"),
        "extension" => all.type_id("Extension").map(|id| vec![id]),
        _ => {
            each(focus)?;
            None
        }
    })
}
