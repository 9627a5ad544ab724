//! `$closure` (FHIR R4 terminology-service.html#closure): a client keeps a table of which of its
//! codes stand below which; this server tells it what to add.
//!
//! The table is remembered by name, so that a client that lost touch can ask again from a version on.

use std::collections::HashSet;

use crate::engine::{OperationAnswer, Rejection};
use crate::format::json::Node;
use crate::operations::call::Call;
use crate::r4::outcome::IssueCode;
use crate::store::{ClosureConcept, ClosureEntry};
use crate::terminology::{Coding, TermError, Terminology};

/// Most concepts in one table.
const MAX_CONCEPTS: usize = 10_000;
/// Most concepts added at once.
const MAX_ADDED: usize = 1_000;
/// How often it is tried again when others add at the same time.
const ATTEMPTS: usize = 4;
/// Longest system and code.
const MAX_KEY: usize = 512;
/// Longest name.
const MAX_NAME: usize = 256;

pub(super) fn run(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let inputs = &call.inputs;
    let name = inputs.text("name").unwrap_or_default();
    if name.len() > MAX_NAME {
        return Err(Rejection::invalid(format!("the name is longer than {MAX_NAME} bytes")));
    }
    let store = call.engine.store();
    let mut concepts: Vec<Coding<'_>> = inputs.values("concept").map(Coding::read).collect();
    concepts.retain(|concept| concept.code.is_some());
    match inputs.text("version") {
        Some(_) if !concepts.is_empty() => {
            Err(Rejection::invalid("send version to ask again, or concepts to add, not both"))
        }
        Some(version) => {
            let since: i64 = version.parse().map_err(|_| {
                Rejection::new(400, IssueCode::Value, format!("version {version:?} is none that this server gave"))
            })?;
            let closure = store.closure(name)?.ok_or_else(|| unknown(name))?;
            if since > closure.version || since < 0 {
                return Err(Rejection::new(
                    400,
                    IssueCode::Value,
                    format!("version {since} was not given; the table {name:?} is at version {}", closure.version),
                ));
            }
            let mut entries = store.closure_entries(name, since)?;
            sort(&mut entries);
            Ok(answer(name, closure.version, &entries))
        }
        None if concepts.is_empty() => {
            store.begin_closure(name)?;
            Ok(answer(name, 0, &[]))
        }
        None => add(&call, name, &concepts),
    }
}

fn unknown(name: &str) -> Rejection {
    Rejection::new(
        404,
        IssueCode::NotFound,
        format!("there is no closure table {name:?}; begin it by $closure with its name alone"),
    )
}

fn add(call: &Call<'_>, name: &str, concepts: &[Coding<'_>]) -> Result<OperationAnswer, Rejection> {
    if concepts.len() > MAX_ADDED {
        return Err(Rejection::new(
            413,
            IssueCode::TooCostly,
            format!("{} concepts came at once; at most {MAX_ADDED} are taken", concepts.len()),
        ));
    }
    let (store, terminology) = (call.engine.store(), call.engine.terminology());
    for _ in 0..ATTEMPTS {
        let closure = store.closure(name)?.ok_or_else(|| unknown(name))?;
        let (new, entries) = relate(terminology, &closure.concepts, concepts)?;
        if new.is_empty() {
            return Ok(answer(name, closure.version, &[]));
        }
        if closure.concepts.len() + new.len() > MAX_CONCEPTS {
            return Err(Rejection::new(
                422,
                IssueCode::TooCostly,
                format!("a closure table holds at most {MAX_CONCEPTS} concepts"),
            ));
        }
        if let Some(version) = store.add_to_closure(name, closure.version, new, entries.clone())? {
            return Ok(answer(name, version, &entries));
        }
    }
    Err(Rejection {
        retry_after: Some(1),
        ..Rejection::new(409, IssueCode::Conflict, "others keep adding to the same closure table; try again")
    })
}

/// What is new among `added`, and how that stands to what is there.
fn relate(
    terminology: &Terminology,
    there: &HashSet<ClosureConcept>,
    added: &[Coding<'_>],
) -> Result<(Vec<ClosureConcept>, Vec<ClosureEntry>), Rejection> {
    let mut new: Vec<ClosureConcept> = Vec::new();
    let mut entries = Vec::new();
    for coding in added {
        let (Some(system), Some(code)) = (coding.system, coding.code) else {
            return Err(Rejection::new(400, IssueCode::Required, "each concept needs its system and code"));
        };
        if system.len() > MAX_KEY || code.len() > MAX_KEY || code.contains('\0') {
            return Err(Rejection::invalid(format!("systems and codes are taken up to {MAX_KEY} bytes")));
        }
        let known = super::code_system(terminology, system, coding.version)?;
        if let crate::terminology::Hierarchy::Other(meaning) = &known.header().hierarchy {
            return Err(TermError::NotSupported(format!(
                "the hierarchy of {system} means {meaning}, which is not subsumption"
            ))
            .into());
        }
        let found = known.find(code).map_err(TermError::from)?.ok_or_else(|| {
            Rejection::new(422, IssueCode::CodeInvalid, format!("{code:?} is not in the code system {system}"))
        })?;
        let concept = (terminology.preferred(system).into_owned(), found.code.clone());
        if there.contains(&concept) || new.contains(&concept) {
            continue;
        }
        for (other_system, other) in there.iter().chain(&new).filter(|(other, _)| *other == concept.0) {
            let pair = if known.is_below(&concept.1, other).map_err(TermError::from)? {
                Some((concept.1.clone(), other.clone()))
            } else if known.is_below(other, &concept.1).map_err(TermError::from)? {
                Some((other.clone(), concept.1.clone()))
            } else {
                None
            };
            entries.extend(pair.map(|(code, above)| ClosureEntry { system: other_system.clone(), code, above }));
        }
        new.push(concept);
    }
    sort(&mut entries);
    Ok((new, entries))
}

fn sort(entries: &mut [ClosureEntry]) {
    entries.sort_by(|left, right| {
        (&left.system, &left.code, &left.above).cmp(&(&right.system, &right.code, &right.above))
    });
}

/// The entries as a ConceptMap: each code with the codes above it.
fn answer(name: &str, version: i64, entries: &[ClosureEntry]) -> OperationAnswer {
    let mut groups: Vec<Node<'_>> = Vec::new();
    for of_system in entries.chunk_by(|left, right| left.system == right.system) {
        let Some(first) = of_system.first() else { continue };
        let elements = of_system.chunk_by(|left, right| left.code == right.code).map(|of_code| {
            let targets = of_code.iter().map(|entry| {
                Node::object([("code", Node::string(entry.above.as_str())), ("equivalence", Node::string("subsumes"))])
            });
            let code = of_code.first().map_or("", |entry| entry.code.as_str());
            Node::object([("code", Node::string(code)), ("target", Node::Array(targets.collect()))])
        });
        groups.push(Node::object([
            ("source", Node::string(first.system.as_str())),
            ("target", Node::string(first.system.as_str())),
            ("element", Node::Array(elements.collect())),
        ]));
    }
    let mut members = vec![
        ("resourceType", Node::string("ConceptMap")),
        ("version", Node::string(version.to_string())),
        ("name", Node::string(name)),
        ("status", Node::string("active")),
        ("experimental", Node::Bool(true)),
        ("date", Node::string(jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_default().to_string())),
    ];
    if !groups.is_empty() {
        members.push(("group", Node::Array(groups)));
    }
    OperationAnswer::Resource(Node::object(members).to_bytes().into())
}
