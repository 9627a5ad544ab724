//! Entries of every kind, by the table of entities: list, write, read, change, delete, history. Nothing in
//! here knows a kind by its name but the rules that bind several fields or resources ([`super::articles`],
//! [`super::team`]).

use serde_json::{Value, json};

use super::{DEFAULT_COUNT, Notebook, Told, remarks, type_name, unreadable};
use crate::access::Interaction;
use crate::engine::{Answer, Payload, Preconditions, Rejection};
use crate::format::json::{self, Node};
use crate::notebook::model::check::{Complaint, check};
use crate::notebook::model::schema::Form;
use crate::notebook::model::{FieldKind, Fill, Mapping, mapping, measured};
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::reference::is_id;
use crate::store::{Cell, EntityQuery, HistoryQuery, HistoryScope, Version};

/// Where entries are: `[citizens/{id}/]{entity}[/{Type}]/{id}[:{place}]`.
#[derive(Debug, Clone)]
pub struct Place {
    /// The citizen; none for what is about nobody.
    pub citizen: Option<String>,
    /// The kind.
    pub mapping: &'static Mapping,
    /// The entry.
    pub target: Option<Target>,
}

/// One entry.
#[derive(Debug, Clone)]
pub struct Target {
    /// The type of its resource.
    pub type_name: &'static str,
    /// The id of its resource.
    pub id: String,
    /// Its place among the entries of the resource.
    pub ordinal: usize,
}

impl Place {
    /// Reads what stands behind `citizens/{id}` or at the root. `None` when it is no place of entries.
    #[must_use]
    pub fn read(citizen: Option<&str>, parts: &[&str]) -> Option<Self> {
        let (entity, rest) = parts.split_first()?;
        let mapping = mapping(entity).filter(|mapping| mapping.is_about_citizen() == citizen.is_some())?;
        if mapping.entity.name == "citizen" {
            return None;
        }
        let (type_name, token) = match rest {
            [] => return Some(Self { citizen: citizen.map(str::to_owned), mapping, target: None }),
            [token] => (mapping.resource_type(), *token),
            [kind, token] => {
                let number = definitions().resource_number(kind)?;
                (type_name(number), *token)
            }
            _ => return None,
        };
        let (id, ordinal) = match token.split_once(':') {
            Some((id, ordinal)) => (id, ordinal.parse().ok()?),
            None => (token, 0),
        };
        if !is_id(id) || !mapping.has_type(type_name) || mapping.is_of_items() != token.contains(':') {
            return None;
        }
        let target = Some(Target { type_name, id: id.to_owned(), ordinal });
        Some(Self { citizen: citizen.map(str::to_owned), mapping, target })
    }
}

impl Notebook<'_> {
    /// A page of entries of a kind.
    ///
    /// # Errors
    /// 404 without the citizen, 400 for parameters that make no sense.
    pub fn list(&self, place: &Place) -> Result<Told, Rejection> {
        let mapping = place.mapping;
        let dates = mapping.entity.fields.iter().filter(|field| field.kind == FieldKind::Date);
        let date = dates.clone().find(|field| field.indexed).or_else(|| dates.clone().next()).map(|field| field.name);
        let selectable = |kind: FieldKind| matches!(kind, FieldKind::Code | FieldKind::Reference(_) | FieldKind::Text);
        let mut query = EntityQuery { order: date, ..EntityQuery::of(&mapping.table, 0, DEFAULT_COUNT) };
        let (mut from, mut to) = (None, None);
        for (name, value) in &self.asked.pairs {
            match name.as_str() {
                "count" => query.count = self.count(value)?,
                "after" => query.after = Some(self.position(value)?),
                "from" if date.is_some() => from = Some(self.span(name, value)?.low),
                "to" if date.is_some() => to = Some(self.span(name, value)?.high),
                "order" if value == "asc" => query.ascending = true,
                "order" if value == "desc" => query.ascending = false,
                "order" => return Err(self.wrong(name, value, "asc か desc", "asc or desc is expected")),
                _ => {
                    let fields = mapping.entity.fields.iter().filter(|field| selectable(field.kind));
                    let names: Vec<&'static str> = fields.map(|field| field.name).collect();
                    let Some(column) = names.iter().find(|known| *known == name) else {
                        let known = ["from", "to", "order", "count", "after"].iter().chain(&names);
                        let known: Vec<&str> = known.copied().collect();
                        return Err(self.unknown_parameter(name, &known.join(", ")));
                    };
                    query.equal.push((column, value.clone()));
                }
            }
        }
        if let Some(date) = date
            && (from.is_some() || to.is_some())
        {
            query.between.push((date, from, to));
        }
        let path = match &place.citizen {
            Some(id) => {
                query.citizen = Some(self.citizen(id)?.0);
                format!("citizens/{id}/{}", mapping.entity.name)
            }
            None => mapping.entity.name.to_owned(),
        };
        let (entries, next) = self.page_of(mapping, query)?;
        let next = next.map(|after| self.next_link(&path, &after));
        Ok(Told::of(json!({ "entity": mapping.entity.name, "entries": entries, "next": next })))
    }

    /// Entries of a query and where the next page begins.
    pub(super) fn page_of(
        &self,
        mapping: &'static Mapping,
        mut query: EntityQuery,
    ) -> Result<(Vec<Value>, Option<String>), Rejection> {
        let size = query.count as usize;
        query.count += 1;
        let types: Vec<&str> = mapping.entity.sources.iter().map(|source| source.resource).collect();
        self.may_read_of(&types)?;
        let mut found = self.engine.store().entities(&query)?;
        let more = found.len() > size;
        found.truncate(size);
        let last = found.last().filter(|_| more);
        let after = last.map(|last| format!("{}:{}:{}", last.order, last.resource.key, last.ordinal));
        let mut entries = Vec::with_capacity(found.len());
        for row in &found {
            let shown = self.shown(mapping, &row.resource, row.ordinal)?;
            entries.extend(shown.map(|shown| Value::Object(shown.value)));
        }
        Ok((entries, after))
    }

    /// The same list behind a position.
    pub(super) fn next_link(&self, path: &str, after: &str) -> String {
        let mut link = format!("{path}?");
        for (name, value) in self.asked.pairs.iter().filter(|(name, _)| name != "after") {
            link.push_str(&format!("{}={}&", encoded(name), encoded(value)));
        }
        format!("{link}after={after}")
    }

    /// One entry.
    ///
    /// # Errors
    /// 404 when it is not there, 410 when it was deleted.
    pub fn read(&self, place: &Place, target: &Target) -> Result<Told, Rejection> {
        self.no_parameters()?;
        let version = self.engine.read_blocking(target.type_name, &target.id)?;
        self.entry(place, target, &version, Vec::new())
    }

    fn entry(
        &self,
        place: &Place,
        target: &Target,
        version: &Version,
        mut warnings: Vec<Value>,
    ) -> Result<Told, Rejection> {
        let resource = json::parse(&version.body).map_err(|_| unreadable())?;
        let mapping = place.mapping;
        let shown = self.of_resource(mapping, target.type_name, &target.id, version, &resource, target.ordinal);
        let shown = shown.filter(|shown| place.citizen.as_ref().is_none_or(|id| shown.citizens.contains(id)));
        let Some(shown) = shown else { return Err(self.not_an_entry(place, target)) };
        warnings.extend(self.unshown(mapping, target.type_name, &resource));
        let mut value = Value::Object(shown.value);
        if let Some(citizen) = &place.citizen {
            value["citizen"] = json!(citizen);
        }
        if !warnings.is_empty() {
            value["warnings"] = Value::Array(warnings);
        }
        let location = value["self"].as_str().map(str::to_owned);
        let (version, updated) = (Some(version.version), Some(version.updated));
        Ok(Told { status: 200, body: value, page: None, version, updated, location })
    }

    fn not_an_entry(&self, place: &Place, target: &Target) -> Rejection {
        let entity = place.mapping.entity;
        let Target { type_name, id, .. } = target;
        self.refuse(
            404,
            IssueCode::NotFound,
            &format!("{type_name}/{id} はこの方の{}ではありません", entity.ja),
            &format!("{type_name}/{id} is no {} here ({})", entity.name, entity.en),
        )
    }

    /// A new entry.
    ///
    /// # Errors
    /// 422 that names each wrong field and its rule; nothing is stored then.
    pub fn create(&self, place: &Place) -> Result<Told, Rejection> {
        self.no_parameters()?;
        let mapping = place.mapping;
        let body = self.body()?;
        let citizen = place.citizen.as_deref();
        if let Some(id) = citizen {
            self.citizen(id)?;
        }
        let mut complaints = check(mapping, 0, Form::Whole, &body);
        let Value::Object(written) = &body else { return Err(self.complain(mapping, &complaints)) };
        let mut cells = mapping.read(0, written, None, &self.filling());
        if complaints.is_empty() {
            complaints = missing(mapping, &cells);
        }
        if complaints.is_empty() {
            complaints = self.complete(mapping, citizen, None, &mut cells)?;
        }
        if !complaints.is_empty() {
            return Err(self.complain(mapping, &complaints));
        }
        if mapping.is_of_items() {
            let of = written.get("of").and_then(Value::as_str);
            return self.create_item(place, of, &cells);
        }
        let resource = mapping.to_fhir(&cells, citizen.unwrap_or_default(), None);
        let answer = self.engine.create_blocking(mapping.resource_type(), &resource)?;
        let target = Target { type_name: mapping.resource_type(), id: answer.id.clone(), ordinal: 0 };
        self.written(place, &target, &answer)
    }

    /// One more item of a list: of the resource that is named, else of the only one there is.
    fn create_item(&self, place: &Place, of: Option<&str>, cells: &[Cell]) -> Result<Told, Rejection> {
        let mapping = place.mapping;
        if mapping.entity.name == "team_member" {
            return self.join(place, of, cells);
        }
        let found = of.and_then(|of| self.local(of));
        let Some((type_name, id)) = found else {
            let kind = mapping.resource_type();
            let complaint = Complaint {
                field: "of".to_owned(),
                code: IssueCode::Required,
                ja: format!("of（加える先の {kind}/id）は必須です"),
                en: format!("of is required: the {kind}/id that it is added to"),
            };
            return Err(self.complain(mapping, &[complaint]));
        };
        self.add_item(place, type_name, id, cells, |_| Ok(()))
    }

    pub(super) fn add_item(
        &self,
        place: &Place,
        type_name: &'static str,
        id: &str,
        cells: &[Cell],
        may: impl Fn(&Node<'_>) -> Result<(), Rejection>,
    ) -> Result<Told, Rejection> {
        let mapping = place.mapping;
        let target = Target { type_name, id: id.to_owned(), ordinal: 0 };
        let ordinal = std::cell::Cell::new(0);
        let answer = self.engine.change_if(
            type_name,
            id,
            |current| self.asked.conditions.check_write(Some(current), false),
            |resource| {
                let source =
                    mapping.source_of(type_name, &resource).filter(|source| self.is_of(place, *source, &resource));
                let Some(source) = source else { return Err(self.not_an_entry(place, &target)) };
                may(&resource)?;
                let (resource, place) = mapping.add_item(source, resource.into_owned(), cells);
                ordinal.set(place);
                Ok(resource)
            },
        )?;
        let told = self.written(place, &Target { ordinal: ordinal.get(), ..target }, &answer)?;
        Ok(Told { status: 201, ..told })
    }

    fn is_of(&self, place: &Place, source: usize, resource: &Node<'_>) -> bool {
        place.citizen.as_ref().is_none_or(|id| place.mapping.citizens_of(source, resource).contains(id))
    }

    /// An entry in the place of the one that is there, or some of its fields.
    ///
    /// # Errors
    /// 428 without If-Match or `version`, 412 when it changed meanwhile, 422 as for a new one.
    pub fn change(&self, place: &Place, target: &Target, form: Form) -> Result<Told, Rejection> {
        self.no_parameters()?;
        let mapping = place.mapping;
        let body = self.body()?;
        let current = self.engine.read_blocking(target.type_name, &target.id)?;
        let resource = json::parse(&current.body).map_err(|_| unreadable())?;
        let source =
            mapping.source_of(target.type_name, &resource).filter(|source| self.is_of(place, *source, &resource));
        let Some(source) = source else { return Err(self.not_an_entry(place, target)) };
        let complaints = check(mapping, source, form, &body);
        let Value::Object(written) = &body else { return Err(self.complain(mapping, &complaints)) };
        if !complaints.is_empty() {
            return Err(self.complain(mapping, &complaints));
        }
        let conditions = self.conditions_of(written)?;
        let gone = || self.refuse(409, IssueCode::Conflict, "この項目はもうありません", "this item is there no more");
        let answer = self.engine.change_if(
            target.type_name,
            &target.id,
            |current| self.may_write(mapping, target, &conditions, current),
            |resource| {
                let old = mapping.values(source, &resource, target.ordinal).ok_or_else(gone)?;
                let mut base = old.clone();
                if form == Form::Whole {
                    // Who wrote it and when stays where nothing is said.
                    for (cell, field) in base.iter_mut().zip(mapping.entity.fields) {
                        if field.fill == Fill::Nothing {
                            *cell = Cell::Nothing;
                        }
                    }
                }
                let mut cells = mapping.read(source, written, Some(&base), &self.filling());
                let complaints = self.complete(mapping, place.citizen.as_deref(), Some(&old), &mut cells)?;
                if !complaints.is_empty() {
                    return Err(self.complain(mapping, &complaints));
                }
                Ok(mapping.edit(source, resource.into_owned(), target.ordinal, &cells))
            },
        )?;
        self.written(place, target, &answer)
    }

    /// If-Match, or the `version` that came with the entry.
    fn conditions_of(&self, written: &serde_json::Map<String, Value>) -> Result<Preconditions, Rejection> {
        let mut conditions = self.asked.conditions.clone();
        if conditions.if_match.is_none() {
            conditions.if_match =
                written.get("version").and_then(Value::as_i64).map(|version| format!("W/\"{version}\""));
        }
        if conditions.if_match.is_none() {
            return Err(self.refuse(
                428,
                IssueCode::Required,
                "どの版を変更するかが必要です（If-Match か version）。読み直してから送ってください",
                "which version is changed must be said (If-Match or version): read the entry and send its ETag",
            ));
        }
        Ok(conditions)
    }

    /// Whether the version that was read is still current; read marks that came since do not matter.
    fn may_write(
        &self,
        mapping: &Mapping,
        target: &Target,
        conditions: &Preconditions,
        current: &Version,
    ) -> Result<(), Rejection> {
        let refused = match conditions.check_write(Some(current), false) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        let read = conditions
            .if_match
            .as_deref()
            .and_then(|tag| tag.trim().trim_start_matches("W/").trim_matches('"').parse::<i64>().ok());
        let number = definitions().resource_number(target.type_name).unwrap_or(0);
        if let Some(read) = read.filter(|_| mapping.resource_type() == "Communication")
            && let Some(version) = self.engine.store().version(number, &target.id, read)?
            && super::reading::is_same_but_marks(&version, current)
        {
            return Ok(());
        }
        let ja = format!("その間に変更されました（現在の版は {}）。読み直してください: ", current.version);
        let text = refused.issues.first().map(|issue| issue.diagnostics.clone()).unwrap_or_default();
        let issues = vec![Issue::error(IssueCode::Conflict, self.say(&format!("{ja}{text}"), &text))];
        Err(Rejection { issues, ..refused })
    }

    /// Deletes an entry: the resource keeps its history; a member of a team only leaves.
    ///
    /// # Errors
    /// 404, 410, 412.
    pub fn remove(&self, place: &Place, target: &Target) -> Result<Told, Rejection> {
        self.no_parameters()?;
        let mapping = place.mapping;
        // It must be there, and be what the URL says.
        let current = self.engine.read_blocking(target.type_name, &target.id)?;
        self.entry(place, target, &current, Vec::new())?;
        if mapping.entity.name == "team_member" {
            return self.leave(place, target);
        }
        let conditions = self.asked.conditions.clone();
        if !mapping.is_of_items() {
            let answer = self.engine.delete_blocking(target.type_name, &target.id, conditions)?;
            let resource =
                answer.version.map(|version| format!("{}/{}/_history/{version}", target.type_name, target.id));
            let body = json!({ "deleted": true, "entity": mapping.entity.name, "resource": resource });
            return Ok(Told { version: answer.version, updated: answer.updated, ..Told::of(body) });
        }
        let answer = self.engine.change_if(
            target.type_name,
            &target.id,
            |now| {
                conditions.check_write(Some(now), false)?;
                // Places of items are those of the version that was looked at.
                if now.version == current.version {
                    Ok(())
                } else {
                    Err(self.refuse(
                        409,
                        IssueCode::Conflict,
                        "その間に変更されました",
                        "it changed meanwhile; read it again",
                    ))
                }
            },
            |resource| {
                let source = mapping.source_of(target.type_name, &resource).unwrap_or(0);
                Ok(mapping.remove_item(source, resource.into_owned(), target.ordinal))
            },
        )?;
        let body = json!({ "deleted": true, "entity": mapping.entity.name, "resource": answer.location() });
        Ok(Told { version: answer.version, updated: answer.updated, ..Told::of(body) })
    }

    /// All versions of an entry, newest first.
    ///
    /// # Errors
    /// 404 when it never was.
    pub fn history(&self, place: &Place, target: &Target) -> Result<Told, Rejection> {
        let mut count = DEFAULT_COUNT;
        let mut cursor = None;
        for (name, value) in &self.asked.pairs {
            match name.as_str() {
                "count" => count = self.count(value)?,
                "after" => cursor = Some(value.clone()),
                _ => return Err(self.unknown_parameter(name, "count, after")),
            }
        }
        self.engine.permit(Interaction::Read, target.type_name)?;
        let number = definitions().resource_number(target.type_name).unwrap_or(0);
        let page = self.engine.store().history(&HistoryQuery {
            scope: HistoryScope::Instance(number, target.id.clone()),
            since: None,
            at: None,
            list: None,
            ascending: false,
            count,
            cursor,
        })?;
        let mut versions = Vec::new();
        let mut is_here = place.citizen.is_none();
        for change in &page.changes {
            let version = &change.version;
            if version.is_deleted() {
                let resource = format!("{}/{}/_history/{}", target.type_name, target.id, version.version);
                let updated = crate::r4::datetime::format_instant(version.updated);
                versions.push(
                    json!({ "deleted": true, "resource": resource, "version": version.version, "updated": updated }),
                );
                continue;
            }
            let resource = json::parse(&version.body).map_err(|_| unreadable())?;
            let shown =
                self.of_resource(place.mapping, target.type_name, &target.id, version, &resource, target.ordinal);
            let Some(shown) = shown else { continue };
            is_here |= place.citizen.as_ref().is_some_and(|id| shown.citizens.contains(id));
            versions.push(Value::Object(shown.value));
        }
        if versions.is_empty() || !is_here {
            return Err(self.not_an_entry(place, target));
        }
        let path = versions.iter().find_map(|version| version["self"].as_str()).unwrap_or_default().to_owned();
        let next = page.next.map(|after| self.next_link(&format!("{path}/history"), &after));
        Ok(Told::of(
            json!({ "entity": place.mapping.entity.name, "versions": versions, "total": page.total, "next": next }),
        ))
    }

    /// What was written, as it is now.
    pub(super) fn written(&self, place: &Place, target: &Target, answer: &Answer) -> Result<Told, Rejection> {
        let (Some(version), Some(updated), Payload::Resource(body)) = (answer.version, answer.updated, &answer.payload)
        else {
            return Err(Rejection::internal("the write answered no resource"));
        };
        let version = Version { version, updated, method: crate::store::Method::Put, body: body.clone() };
        let told = self.entry(place, target, &version, remarks(answer))?;
        Ok(Told { status: answer.status, ..told })
    }

    /// 422 with everything that is wrong.
    pub(super) fn complain(&self, mapping: &Mapping, complaints: &[Complaint]) -> Rejection {
        let issue = |complaint: &Complaint| {
            let place = match complaint.field.as_str() {
                "" => mapping.entity.name.to_owned(),
                field => format!("{}.{field}", mapping.entity.name),
            };
            Issue::error(complaint.code, self.say(&complaint.ja, &complaint.en)).at(place)
        };
        Rejection { status: 422, issues: complaints.iter().map(issue).collect(), retry_after: None }
    }

    /// Rules over several fields and other resources; what is left open is completed. `old` is what a
    /// change begins with.
    fn complete(
        &self,
        mapping: &Mapping,
        citizen: Option<&str>,
        old: Option<&[Cell]>,
        cells: &mut [Cell],
    ) -> Result<Vec<Complaint>, Rejection> {
        let mut complaints = order(mapping, cells);
        if mapping.entity.name == "measurement" {
            complaints.extend(measured::complete(mapping, old, cells));
        }
        if matches!(mapping.entity.name, "article" | "comment" | "group_post") {
            complaints.extend(self.complete_article(mapping, citizen, old, cells)?);
        }
        Ok(complaints)
    }
}

/// What must be there and was neither said nor filled.
fn missing(mapping: &Mapping, cells: &[Cell]) -> Vec<Complaint> {
    let fields = mapping.entity.fields.iter().zip(cells).enumerate();
    let missing = fields
        .filter(|(place, (field, cell))| field.required && **cell == Cell::Nothing && mapping.is_placed(0, *place));
    missing
        .map(|(_, (field, _))| Complaint {
            field: field.name.to_owned(),
            code: IssueCode::Required,
            ja: format!("{}（{}）は必須です", field.ja, field.name),
            en: format!("{} ({}) is required", field.en, field.name),
        })
        .collect()
}

/// What ends does not end before it starts.
fn order(mapping: &Mapping, cells: &[Cell]) -> Vec<Complaint> {
    let at = |name: &str| match mapping.named(cells, name) {
        Some(Cell::Date(text, Some(at))) => Some((text, *at)),
        _ => None,
    };
    match (at("starts"), at("ends")) {
        (Some((starts, from)), Some((ends, to))) if to < from && !starts.starts_with(ends.as_str()) => {
            vec![Complaint {
                field: "ends".to_owned(),
                code: IssueCode::Invariant,
                ja: format!("終了（ends）{ends} は開始（starts）{starts} より前にできません"),
                en: format!("ends ({ends}) must not be before starts ({starts})"),
            }]
        }
        _ => Vec::new(),
    }
}

/// Percent-encoded for a link.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~:/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
