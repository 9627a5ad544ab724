//! Answers a checked query.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use graphql_parser::query as ast;

use super::check::{self, Check, Meaning, Scope, meaning};
use super::output::{Output, Shape};
use super::request::{self, Asked, scalars};
use super::schema;
use super::{Call, Field, Fragments, MOST_READS, MOST_SEARCHES, MOST_STEPS, MOST_VALUES, Rejection, Set, invalid};
use crate::engine::Engine;
use crate::fhirpath::{Environment, Item, Query};
use crate::format::json::{self, Node};
use crate::r4::definitions::{Kind, TypeId, definitions};
use crate::r4::outcome::IssueCode;
use crate::r4::reference::Reference;
use crate::store::Version;

/// Where a selection is answered from.
#[derive(Clone, Copy)]
pub(super) struct Focus<'n> {
    pub(super) type_id: TypeId,
    pub(super) node: &'n Node<'n>,
    /// The resource it is part of.
    pub(super) root: &'n Node<'n>,
}

/// Fields of the same name and arguments, merged.
pub(super) struct Collected<'q> {
    pub(super) field: &'q Field<'q>,
    pub(super) sets: Vec<&'q Set<'q>>,
}

pub(super) struct Run<'q> {
    pub(super) engine: &'q Engine,
    pub(super) base: &'q str,
    /// Name of the type that the query is on.
    pub(super) root: String,
    fragments: &'q Fragments<'q>,
    variables: HashMap<String, Vec<String>>,
    values: Cell<usize>,
    steps: Cell<usize>,
    reads: Cell<usize>,
    searches: Cell<usize>,
    deadline: Instant,
    expressions: RefCell<HashMap<String, Rc<Query>>>,
}

/// The data of the answer.
pub(super) fn run(call: &Call<'_>, asked: &Asked) -> Result<Node<'static>, Rejection> {
    let document = ast::parse_query::<&str>(&asked.text).map_err(|error| {
        Rejection::new(400, IssueCode::Structure, format!("not a GraphQL query: {}", error.to_string().trim()))
    })?;
    let mut fragments = Fragments::new();
    let mut queries = Vec::new();
    for definition in &document.definitions {
        match definition {
            ast::Definition::Fragment(fragment) => {
                if fragments.insert(fragment.name, fragment).is_some() {
                    return Err(invalid(
                        fragment.position,
                        format!("the fragment {:.64?} is there twice", fragment.name),
                    ));
                }
            }
            ast::Definition::Operation(ast::OperationDefinition::SelectionSet(set)) => {
                queries.push((None, &[][..], set))
            }
            ast::Definition::Operation(ast::OperationDefinition::Query(query)) => {
                queries.push((query.name, query.variable_definitions.as_slice(), &query.selection_set));
            }
            ast::Definition::Operation(
                ast::OperationDefinition::Mutation(_) | ast::OperationDefinition::Subscription(_),
            ) => {
                let text = "only queries are answered; write by the interactions of the REST API";
                return Err(Rejection::new(501, IssueCode::NotSupported, text));
            }
        }
    }
    let chosen = match (&asked.operation, queries.as_slice()) {
        (Some(name), some) => some.iter().find(|(own, ..)| *own == Some(name.as_str())),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let Some((_, definitions_of, set)) = chosen else {
        return Err(Rejection::invalid("which operation? operationName must name one of the queries"));
    };
    let name = call.target.type_name.as_deref();
    let scope = name.and_then(|name| definitions().resource(name)).map_or(Scope::System, Scope::Type);
    Check::new(&fragments).set(scope, set, &mut Vec::new())?;
    let run = Run {
        engine: call.engine,
        base: &call.request.base,
        root: name.unwrap_or("Query").to_owned(),
        fragments: &fragments,
        variables: request::variables(asked, definitions_of)?,
        values: Cell::new(0),
        steps: Cell::new(0),
        reads: Cell::new(0),
        searches: Cell::new(0),
        deadline: Instant::now() + call.engine.settings().search_timeout,
        expressions: RefCell::default(),
    };
    let mut output = Output::default();
    match (name, &call.target.id) {
        (Some(name), Some(id)) => {
            let version = call.engine.read_blocking(name, id)?;
            let body = parse(&version)?;
            run.fill(Some(focus(&body)?), &[set], &mut output, false, "")?;
        }
        _ => run.fill(None, &[set], &mut output, false, "")?,
    }
    output.finish()
}

fn parse(version: &Version) -> Result<Node<'_>, Rejection> {
    json::parse(&version.body).map_err(|_| Rejection::internal("a stored resource cannot be read"))
}

/// A resource as a focus.
pub(super) fn focus<'n>(resource: &'n Node<'n>) -> Result<Focus<'n>, Rejection> {
    let type_id = resource.text("resourceType").and_then(|name| definitions().resource(name));
    let type_id = type_id.ok_or_else(|| Rejection::internal("a resource without a type"))?;
    Ok(Focus { type_id, node: resource, root: resource })
}

fn directive<'f, 'q>(field: &'f Field<'q>, name: &str) -> Option<&'f ast::Directive<'q, &'q str>> {
    field.directives.iter().find(|directive| directive.name == name)
}

impl<'q> Run<'q> {
    fn spend(counter: &Cell<usize>, much: usize, most: usize, what: &str) -> Result<(), Rejection> {
        counter.set(counter.get().saturating_add(much));
        if counter.get() > most {
            let text = format!("the query asks for more than {most} {what}; ask for less at once");
            return Err(Rejection::new(422, IssueCode::TooCostly, text));
        }
        Ok(())
    }

    /// One value more.
    pub(super) fn count_value(&self) -> Result<(), Rejection> {
        Self::spend(&self.values, 1, MOST_VALUES, "values")
    }

    pub(super) fn in_time(&self) -> Result<(), Rejection> {
        if Instant::now() > self.deadline {
            return Err(Rejection::new(503, IssueCode::Timeout, "the query took too long; ask for less at once"));
        }
        Ok(())
    }

    pub(super) fn count_search(&self) -> Result<(), Rejection> {
        self.in_time()?;
        Self::spend(&self.searches, 1, MOST_SEARCHES, "searches")
    }

    /// An argument as texts.
    pub(super) fn argument(
        &self,
        field: &Field<'q>,
        value: &ast::Value<'q, &'q str>,
    ) -> Result<Option<Vec<String>>, Rejection> {
        scalars(value, &self.variables, field.position)
    }

    /// An argument that is one text.
    pub(super) fn one(
        &self,
        field: &Field<'q>,
        name: &str,
        value: &ast::Value<'q, &'q str>,
    ) -> Result<Option<String>, Rejection> {
        match self.argument(field, value)? {
            None => Ok(None),
            Some(mut texts) if texts.len() == 1 => Ok(texts.pop()),
            Some(_) => Err(invalid(field.position, format!("{name} takes one value"))),
        }
    }

    fn is_wanted(&self, directives: &[ast::Directive<'q, &'q str>]) -> Result<bool, Rejection> {
        for directive in directives.iter().filter(|directive| matches!(directive.name, "skip" | "include")) {
            let value =
                directive.arguments.first().map(|(_, value)| scalars(value, &self.variables, directive.position));
            let holds = match value.transpose()?.flatten().as_deref() {
                Some([text]) if text == "true" => true,
                Some([text]) if text == "false" => false,
                _ => return Err(invalid(directive.position, format!("@{}(if: …) takes a boolean", directive.name))),
            };
            if holds == (directive.name == "skip") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The fields of selections, those of fragments on this type included.
    pub(super) fn collect(
        &self,
        type_id: Option<TypeId>,
        sets: &[&'q Set<'q>],
        all: &mut Vec<Collected<'q>>,
    ) -> Result<(), Rejection> {
        self.collect_on(&|name| check::applies(type_id, name), sets, all)
    }

    /// The fields of selections, those of fragments on types of these names included.
    pub(super) fn collect_on(
        &self,
        is_of: &dyn Fn(&str) -> bool,
        sets: &[&'q Set<'q>],
        all: &mut Vec<Collected<'q>>,
    ) -> Result<(), Rejection> {
        let applies = |condition: &ast::TypeCondition<'q, &'q str>| {
            let ast::TypeCondition::On(name) = condition;
            is_of(name)
        };
        for selection in sets.iter().flat_map(|set| &set.items) {
            // Each is compared with those before it.
            Self::spend(&self.steps, 1 + all.len() / 8, MOST_STEPS, "fields")?;
            match selection {
                ast::Selection::Field(field) => {
                    if !self.is_wanted(&field.directives)? {
                        continue;
                    }
                    let is_same = |known: &&mut Collected<'q>| {
                        known.field.name == field.name
                            && known.field.alias == field.alias
                            && known.field.arguments == field.arguments
                            && known
                                .field
                                .directives
                                .iter()
                                .map(|found| found.name)
                                .eq(field.directives.iter().map(|found| found.name))
                    };
                    match all.iter_mut().find(is_same) {
                        Some(known) => known.sets.push(&field.selection_set),
                        None => all.push(Collected { field, sets: vec![&field.selection_set] }),
                    }
                }
                ast::Selection::InlineFragment(fragment) => {
                    if self.is_wanted(&fragment.directives)? && fragment.type_condition.as_ref().is_none_or(applies) {
                        self.collect_on(is_of, &[&fragment.selection_set], all)?;
                    }
                }
                ast::Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.fragments.get(spread.fragment_name)
                        && self.is_wanted(&spread.directives)?
                        && applies(&fragment.type_condition)
                    {
                        self.collect_on(is_of, &[&fragment.selection_set], all)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Answers selections on a focus (none: the whole server).
    pub(super) fn fill(
        &self,
        focus: Option<Focus<'_>>,
        sets: &[&'q Set<'q>],
        output: &mut Output,
        inherited: bool,
        suffix: &str,
    ) -> Result<(), Rejection> {
        self.in_time()?;
        let mut all = Vec::new();
        self.collect(focus.map(|focus| focus.type_id), sets, &mut all)?;
        for collected in &all {
            self.field(focus, collected, output, inherited, suffix)?;
        }
        Ok(())
    }

    fn field(
        &self,
        focus: Option<Focus<'_>>,
        collected: &Collected<'q>,
        output: &mut Output,
        inherited: bool,
        suffix: &str,
    ) -> Result<(), Rejection> {
        let field = collected.field;
        let scope = focus.map_or(Scope::System, |focus| Scope::Type(focus.type_id));
        let Some((meaning, _)) = meaning(scope, field.name) else { return Ok(()) };
        let key = format!("{}{suffix}", field.alias.unwrap_or(field.name));
        let emit = |values: &[Focus<'_>], is_list: bool, output: &mut Output| {
            self.emit(values, is_list, collected, output, inherited, suffix)
        };
        match (meaning, focus) {
            (Meaning::Typename | Meaning::ResourceType, focus) => {
                let name = focus.map_or_else(|| "Query".to_owned(), |focus| schema::graphql_name(focus.type_id));
                let place = output.slot(&key, if inherited { Shape::List } else { Shape::One });
                output.push(place, Node::string(name));
                Ok(())
            }
            (Meaning::Schema, _) => {
                output.set(&key, self.schema(collected)?);
                Ok(())
            }
            (Meaning::OneType, _) => {
                output.set(&key, self.one_type(collected)?);
                Ok(())
            }
            (Meaning::Element { is_beside }, Some(focus)) => {
                let (values, is_list) = self.children(focus, field, is_beside)?;
                emit(&values, is_list, output)
            }
            (Meaning::Target, Some(focus)) => {
                let Some(version) = self.target(focus, field)? else { return Ok(()) };
                match version {
                    Target::Contained(node) => emit(&[Focus { node, ..self::focus(node)? }], false, output),
                    Target::Stored(version) => {
                        let body = parse(&version)?;
                        emit(&[self::focus(&body)?], false, output)
                    }
                }
            }
            (Meaning::Read(id), _) => {
                let version = self.read_by_id(id, field)?;
                let body = parse(&version)?;
                emit(&[self::focus(&body)?], false, output)
            }
            (Meaning::List(id), focus) => {
                let found = self.list(id, focus, field)?;
                let bodies: Vec<Node<'_>> = found.iter().filter_map(|found| parse(&found.version).ok()).collect();
                let values = bodies.iter().map(self::focus).collect::<Result<Vec<_>, _>>()?;
                emit(&values, true, output)?;
                // An empty list says that there is nothing.
                if values.is_empty() && directive(field, "flatten").is_none() {
                    output.set(&key, Node::Array(Vec::new()));
                }
                Ok(())
            }
            (Meaning::Connection(id), focus) => {
                let node = self.connection(id, focus, collected)?;
                output.set(&key, node);
                Ok(())
            }
            (Meaning::Element { .. } | Meaning::Target | Meaning::Link, _) => Ok(()),
        }
    }

    /// Puts values under the name of their field.
    fn emit(
        &self,
        values: &[Focus<'_>],
        is_list: bool,
        collected: &Collected<'q>,
        output: &mut Output,
        inherited: bool,
        suffix: &str,
    ) -> Result<(), Rejection> {
        let field = collected.field;
        let name = field.alias.unwrap_or(field.name);
        let first = directive(field, "first").is_some();
        let flatten = directive(field, "flatten").is_some();
        let slice = directive(field, "slice").and_then(|found| found.arguments.first());
        let lists = inherited || (is_list && !first);
        let shape = match (directive(field, "singleton").is_some(), lists) {
            (true, _) => Shape::Singleton,
            (false, true) => Shape::List,
            (false, false) => Shape::One,
        };
        for (index, value) in values.iter().enumerate() {
            Self::spend(&self.values, 1, MOST_VALUES, "values")?;
            let suffix = match slice {
                None => suffix.to_owned(),
                Some((argument, path)) => {
                    let path = self.one(field, argument, path)?.unwrap_or_default();
                    format!(
                        "{suffix}.{}",
                        if path == "$index" { index.to_string() } else { self.text(field, &path, *value)? }
                    )
                }
            };
            let is_object = matches!(value.node, Node::Object(_));
            if is_object && flatten {
                self.fill(Some(*value), &collected.sets, output, lists, &suffix)?;
            } else {
                let place = output.slot(&format!("{name}{suffix}"), shape);
                if is_object {
                    let mut inner = Output::default();
                    self.fill(Some(*value), &collected.sets, &mut inner, false, "")?;
                    output.push(place, inner.finish()?);
                } else {
                    output.push(place, value.node.clone().into_owned());
                }
            }
            if first {
                break;
            }
        }
        Ok(())
    }

    /// The values of an element that its arguments select, and whether it repeats.
    fn children<'n>(
        &self,
        focus: Focus<'n>,
        field: &Field<'q>,
        is_beside: bool,
    ) -> Result<(Vec<Focus<'n>>, bool), Rejection> {
        let all = definitions();
        let name = if is_beside { field.name.strip_prefix('_').unwrap_or(field.name) } else { field.name };
        let Some(found) = all.get(focus.type_id).field(name) else { return Ok((Vec::new(), false)) };
        let declared = if is_beside { all.type_id("Element").unwrap_or(found.type_id) } else { found.type_id };
        let Some(node) = focus.node.get(field.name) else { return Ok((Vec::new(), found.is_array)) };
        let items = if found.is_array { node.items() } else { std::slice::from_ref(node) };
        let mut values = Vec::with_capacity(items.len());
        for node in items {
            let mut value = Focus { type_id: declared, node, root: focus.root };
            let definition = all.get(declared);
            if definition.kind == Kind::Resource
                && let Ok(resource) = self::focus(node)
            {
                value = Focus { root: if field.name == "contained" { focus.root } else { node }, ..resource };
            }
            if self.selects(field, value)? {
                values.push(value);
            }
        }
        let number = |name: &str| -> Result<Option<usize>, Rejection> {
            let Some((_, value)) = field.arguments.iter().find(|(own, _)| *own == name) else { return Ok(None) };
            let wrong = || invalid(field.position, format!("{name} takes a number from 0"));
            self.one(field, name, value)?.map(|text| text.parse().map_err(|_| wrong())).transpose()
        };
        let (offset, count) = (number("_offset")?.unwrap_or(0), number("_count")?.unwrap_or(usize::MAX));
        Ok((values.into_iter().skip(offset).take(count).collect(), found.is_array))
    }

    /// Whether the arguments of a field select a value.
    fn selects(&self, field: &Field<'q>, value: Focus<'_>) -> Result<bool, Rejection> {
        for (name, argument) in &field.arguments {
            match *name {
                "_offset" | "_count" => {}
                "fhirpath" => {
                    let Some(text) = self.one(field, name, argument)? else { continue };
                    if !self.holds(field, &text, value)? {
                        return Ok(false);
                    }
                }
                name => {
                    let known = definitions().get(value.type_id).field(name).filter(|found| found.is_primitive);
                    if known.is_none() {
                        let text = format!(
                            "{} has no primitive field {name:.64?} to compare",
                            definitions().get(value.type_id).name
                        );
                        return Err(invalid(field.position, text));
                    }
                    let Some(wanted) = self.argument(field, argument)? else { continue };
                    let own = value.node.get(name);
                    let items = match own {
                        Some(Node::Array(items)) => items.as_slice(),
                        Some(one) => std::slice::from_ref(one),
                        None => &[],
                    };
                    if !items.iter().any(|item| wanted.iter().any(|wanted| is_text(item, wanted))) {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    fn expression(&self, field: &Field<'q>, text: &str) -> Result<Rc<Query>, Rejection> {
        if let Some(known) = self.expressions.borrow().get(text) {
            return Ok(Rc::clone(known));
        }
        let query = Query::new(text).map_err(|error| invalid(field.position, error.to_string()))?;
        let query = Rc::new(query);
        self.expressions.borrow_mut().insert(text.to_owned(), Rc::clone(&query));
        Ok(query)
    }

    /// Whether an expression holds for a value.
    pub(super) fn holds(&self, field: &Field<'q>, text: &str, value: Focus<'_>) -> Result<bool, Rejection> {
        self.in_time()?;
        let query = self.expression(field, text)?;
        let environment = Environment { budget: Some(100_000), ..Environment::default() };
        let holds = query.holds(Item::new(value.type_id, value.node), &environment);
        Ok(holds.map_err(|error| invalid(field.position, error.to_string()))? == Some(true))
    }

    /// What an expression answers for a value, as text.
    fn text(&self, field: &Field<'q>, text: &str, value: Focus<'_>) -> Result<String, Rejection> {
        self.in_time()?;
        let query = self.expression(field, text)?;
        let environment = Environment { budget: Some(100_000), ..Environment::default() };
        let found = query.evaluate_with(Item::new(value.type_id, value.node), &environment);
        let found = found.map_err(|failure| invalid(field.position, failure.error.to_string()))?;
        Ok(found.items.first().and_then(|entry| entry.to_text()).unwrap_or_default().into_owned())
    }

    /// `Patient(id: …)`
    fn read_by_id(&self, id: TypeId, field: &Field<'q>) -> Result<Version, Rejection> {
        let name = &definitions().get(id).name;
        let [("id" | "_id", value)] = field.arguments.as_slice() else {
            return Err(invalid(field.position, format!("{name} takes the argument id; {name}List searches")));
        };
        let own = self.one(field, "id", value)?.unwrap_or_default();
        Self::spend(&self.reads, 1, MOST_READS, "resources")?;
        self.engine.read_blocking(name, &own)
    }

    /// What a Reference points at, when it is of the type that is asked for.
    fn target<'n>(&self, focus: Focus<'n>, field: &Field<'q>) -> Result<Option<Target<'n>>, Rejection> {
        let mut optional = false;
        let mut wanted = None;
        for (name, value) in &field.arguments {
            match *name {
                "optional" => optional = self.one(field, name, value)?.as_deref() == Some("true"),
                _ => wanted = self.one(field, name, value)?,
            }
        }
        self.in_time()?;
        Self::spend(&self.reads, 1, MOST_READS, "resources")?;
        let text = focus.node.text("reference").unwrap_or_default();
        let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        let found = match Reference::parse(text) {
            Reference::Fragment(own) => {
                let contained = if own.is_empty() {
                    Some(focus.root)
                } else {
                    focus.root.list("contained").iter().find(|node| node.text("id") == Some(own))
                };
                match contained {
                    Some(node) if is_wanted(node.text("resourceType").unwrap_or_default()) => {
                        Some(Target::Contained(node))
                    }
                    Some(_) => return Ok(None),
                    None => None,
                }
            }
            Reference::Local { resource_type, id, version } => {
                if !is_wanted(resource_type) {
                    return Ok(None);
                }
                self.stored(resource_type, id, version)?
            }
            Reference::Absolute { base, resource_type, id, version } if base == self.base => {
                if !is_wanted(resource_type) {
                    return Ok(None);
                }
                self.stored(resource_type, id, version)?
            }
            _ => None,
        };
        match found {
            Some(found) => Ok(Some(found)),
            None if optional => Ok(None),
            None => Err(Rejection::new(
                404,
                IssueCode::NotFound,
                format!("the reference {text:.200?} cannot be resolved here; resource(optional: true) leaves such out"),
            )),
        }
    }

    fn stored<'n>(
        &self,
        resource_type: &str,
        id: &str,
        version: Option<&str>,
    ) -> Result<Option<Target<'n>>, Rejection> {
        let Some(number) = definitions().resource_number(resource_type) else { return Ok(None) };
        let store = self.engine.store();
        let found = match version.map(str::parse) {
            None => store.current(number, id)?,
            Some(Ok(version)) => store.version(number, id, version)?,
            Some(Err(_)) => None,
        };
        Ok(found.filter(|version| !version.is_deleted()).map(Target::Stored))
    }
}

/// What a reference leads to.
enum Target<'n> {
    Contained(&'n Node<'n>),
    Stored(Version),
}

/// Whether a primitive value is written like a text.
fn is_text(node: &Node<'_>, wanted: &str) -> bool {
    match node {
        Node::String(text) => text == wanted,
        Node::Number(digits) => digits == wanted,
        Node::Bool(value) => value.to_string() == wanted,
        _ => false,
    }
}
