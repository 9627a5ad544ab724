//! Lists and connections (FHIR R4 graphql.html#searching): the search of the REST API in other words.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::output::Output;
use super::run::{Collected, Focus, Run, focus};
use super::{Field, Rejection, invalid};
use crate::format::json::{self, Node};
use crate::r4::definitions::{TypeId, definitions};
use crate::r4::outcome::IssueCode;
use crate::search::parse::parse_query;
use crate::search::query::Query;
use crate::search::registry::registry;
use crate::store::{Found, SearchPage};

/// What the arguments of a list or connection say.
struct Asked {
    pairs: Vec<(String, String)>,
    fhirpath: Option<String>,
    cursor: Option<String>,
    is_counted: bool,
}

/// A position in a connection: the search and the place in it.
#[derive(serde::Serialize, serde::Deserialize)]
struct Token {
    t: String,
    q: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    f: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<String>,
}

impl Token {
    fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn read(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

/// A comma separates values in a URL; here arrays do.
fn escape(text: &str) -> String {
    text.replace(',', "\\,")
}

impl<'q> Run<'q> {
    fn asked(&self, id: TypeId, on: Option<Focus<'_>>, field: &Field<'q>) -> Result<Asked, Rejection> {
        let type_name = &definitions().get(id).name;
        let number = definitions().resource_number(type_name).unwrap_or(0);
        let mut asked = Asked { pairs: Vec::new(), fhirpath: None, cursor: None, is_counted: false };
        let mut reference = None;
        for (name, value) in &field.arguments {
            let Some(values) = self.argument(field, value)? else { continue };
            let one = || match values.as_slice() {
                [one] => Ok(one.clone()),
                _ => Err(invalid(field.position, format!("{name} takes one value"))),
            };
            match *name {
                "fhirpath" => asked.fhirpath = Some(one()?),
                "cursor" | "_cursor" => asked.cursor = Some(one()?),
                "_reference" => reference = Some(one()?),
                "_include" | "_revinclude" | "_contained" | "_containedType" | "_summary" | "_elements" | "_total"
                | "_format" | "_pretty" => {
                    return Err(invalid(
                        field.position,
                        format!("{name} has no meaning in GraphQL: select what is wanted"),
                    ));
                }
                "id" | "_id" if on.is_some() => {
                    return Err(invalid(
                        field.position,
                        "an id makes no sense among what refers to a resource".to_owned(),
                    ));
                }
                "_filter" | "_sort" => asked.pairs.push(((*name).to_owned(), one()?)),
                "id" => asked
                    .pairs
                    .push(("_id".to_owned(), values.iter().map(|value| escape(value)).collect::<Vec<_>>().join(","))),
                name => {
                    asked.is_counted |= name == "_count";
                    let code = match name.strip_prefix('_') {
                        Some(_) => name.to_owned(),
                        None if registry().find(number, name).is_some() => name.to_owned(),
                        None => name.replace('_', "-"),
                    };
                    asked.pairs.push((code, values.iter().map(|value| escape(value)).collect::<Vec<_>>().join(",")));
                }
            }
        }
        match (on, reference) {
            (None, None) => {}
            (None, Some(_)) => return Err(invalid(field.position, "_reference needs a resource around it".to_owned())),
            (Some(_), None) => {
                let text =
                    format!("{} needs _reference here: which search parameter of {type_name} refers back", field.name);
                return Err(invalid(field.position, text));
            }
            (Some(on), Some(code)) => {
                let code = if registry().find(number, &code).is_some() { code } else { code.replace('_', "-") };
                let owner = &definitions().get(on.type_id).name;
                let target = definitions().resource_number(owner).unwrap_or(0);
                let is_reference = registry().find(number, &code).is_some_and(|found| {
                    found.kind == crate::r4::parameters::ParameterKind::Reference
                        && (found.targets.is_empty() || found.targets.contains(&target))
                });
                if !is_reference {
                    return Err(invalid(
                        field.position,
                        format!("{code:.64?} is no parameter by which a {type_name} refers to a {owner}"),
                    ));
                }
                asked.pairs.insert(0, (code, format!("{owner}/{}", on.node.text("id").unwrap_or_default())));
            }
        }
        Ok(asked)
    }

    fn parsed(&self, id: TypeId, pairs: &[(String, String)], field: &Field<'q>) -> Result<Query, Rejection> {
        let number = definitions().resource_number(&definitions().get(id).name).unwrap_or(0);
        parse_query(number, pairs, &self.engine.parse_options(false)).map_err(|mut issues| {
            let place = format!("line {} column {}", field.position.line, field.position.column);
            issues.iter_mut().for_each(|issue| issue.diagnostics = format!("{place}: {}", issue.diagnostics));
            Rejection::bad_request(issues)
        })
    }

    fn page(&self, query: &Query, count: u32, with_total: bool) -> Result<SearchPage, Rejection> {
        self.count_search()?;
        Ok(self.engine.store().search(query, count, with_total)?)
    }

    /// Only those for which the expression holds.
    fn filter(&self, found: &mut Vec<Found>, fhirpath: Option<&str>, field: &Field<'q>) -> Result<(), Rejection> {
        let Some(text) = fhirpath else { return Ok(()) };
        let mut kept = Vec::new();
        for one in std::mem::take(found) {
            let body =
                json::parse(&one.version.body).map_err(|_| Rejection::internal("a stored resource cannot be read"))?;
            let holds = self.holds(field, text, focus(&body)?)?;
            drop(body);
            if holds {
                kept.push(one);
            }
        }
        *found = kept;
        Ok(())
    }

    /// `PatientList(…)`: all that match, or an error.
    pub(super) fn list(&self, id: TypeId, on: Option<Focus<'_>>, field: &Field<'q>) -> Result<Vec<Found>, Rejection> {
        let asked = self.asked(id, on, field)?;
        if asked.cursor.is_some() {
            return Err(invalid(field.position, "a list has no pages; use the Connection".to_owned()));
        }
        let query = self.parsed(id, &asked.pairs, field)?;
        let most = self.engine.settings().max_count;
        let mut page = self.page(&query, query.count.map_or(most, |count| count.min(most)), false)?;
        if page.next.is_some() && !asked.is_counted {
            let name = &definitions().get(id).name;
            let text = format!("more than {most} match; narrow {name}List, give it a _count, or use {name}Connection");
            return Err(Rejection::new(422, IssueCode::TooCostly, text));
        }
        self.filter(&mut page.matches, asked.fhirpath.as_deref(), field)?;
        Ok(page.matches)
    }

    /// `PatientConnection(…)`: a page with its links.
    pub(super) fn connection(
        &self,
        id: TypeId,
        on: Option<Focus<'_>>,
        collected: &Collected<'q>,
    ) -> Result<Node<'static>, Rejection> {
        let field = collected.field;
        let mut asked = self.asked(id, on, field)?;
        let type_name = &definitions().get(id).name;
        let mut at = None;
        if let Some(cursor) = &asked.cursor {
            // "The client cannot change the parameters"; "the cursor argument is prohibited, except at the root".
            if on.is_some() || field.arguments.len() > 1 {
                return Err(invalid(field.position, "a cursor stands alone, at the root of the query".to_owned()));
            }
            let token = Token::read(cursor).filter(|token| token.t == *type_name);
            let wrong = || invalid(field.position, "the cursor is not one that this connection gave".to_owned());
            let token = token.ok_or_else(wrong)?;
            (asked.pairs, asked.fhirpath, at) = (token.q, token.f, token.c);
        }
        let mut pairs = asked.pairs.clone();
        pairs.extend(at.clone().map(|cursor| ("_cursor".to_owned(), cursor)));
        let query = self.parsed(id, &pairs, field)?;
        let mut fields = Vec::new();
        self.collect_on(&|name| name == format!("{type_name}Connection"), &collected.sets, &mut fields)?;
        let is_counted = fields.iter().any(|found| found.field.name == "count");
        let settings = self.engine.settings();
        let size = query.count.unwrap_or(settings.default_count).min(settings.max_count);
        let mut page = self.page(&query, size, is_counted)?;
        self.filter(&mut page.matches, asked.fhirpath.as_deref(), field)?;
        let token = |cursor: Option<String>| {
            Node::string(
                Token { t: type_name.clone(), q: asked.pairs.clone(), f: asked.fhirpath.clone(), c: cursor }.write(),
            )
        };
        let number = |number: i64| Node::Number(number.to_string().into());
        let mut output = Output::default();
        for found in &fields {
            let key = found.field.alias.unwrap_or(found.field.name);
            let value = match found.field.name {
                "count" => page.total.map_or(Node::Null, number),
                "offset" if at.is_none() => number(0),
                "pagesize" | "pageSize" => number(i64::from(size)),
                "first" => token(None),
                "next" => page.next.clone().map_or(Node::Null, |cursor| token(Some(cursor))),
                "edges" => self.edges(type_name, &page.matches, found)?,
                "__typename" => Node::string(format!("{type_name}Connection")),
                // Pages follow one another in one direction only.
                _ => Node::Null,
            };
            output.set(key, value);
        }
        output.finish()
    }

    fn edges(&self, type_name: &str, matches: &[Found], collected: &Collected<'q>) -> Result<Node<'static>, Rejection> {
        let mut fields = Vec::new();
        let own = format!("{type_name}Edge");
        self.collect_on(&|name| name == own, &collected.sets, &mut fields)?;
        let mut edges = Vec::with_capacity(matches.len());
        for one in matches {
            let body =
                json::parse(&one.version.body).map_err(|_| Rejection::internal("a stored resource cannot be read"))?;
            let mut edge = Output::default();
            for found in &fields {
                let key = found.field.alias.unwrap_or(found.field.name);
                match found.field.name {
                    "mode" => edge.set(key, Node::string("match")),
                    "__typename" => edge.set(key, Node::string(own.clone())),
                    "resource" => {
                        let mut inner = Output::default();
                        self.fill(Some(focus(&body)?), &found.sets, &mut inner, false, "")?;
                        edge.set(key, inner.finish()?);
                    }
                    _ => edge.set(key, Node::Null),
                }
            }
            edges.push(edge.finish()?);
        }
        Ok(Node::Array(edges))
    }
}
