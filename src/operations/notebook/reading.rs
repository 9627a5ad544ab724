//! Who has read what: read marks, and what somebody has not read.

use serde_json::{Value, json};

use super::articles::{is_kept_from_citizen, mapped};
use super::entries::{Place, Target};
use super::{DEFAULT_COUNT, Member, Notebook, Told, unreadable};
use crate::access::Subject;
use crate::engine::Rejection;
use crate::format::json::{self, Node};
use crate::r4::outcome::IssueCode;
use crate::store::notebook::{Reader, UnreadQuery};
use crate::store::{Cell, EntityQuery, Version};

/// Counting what is unread ends here.
const MOST_COUNTED: u32 = 1000;
/// The extension that holds a read mark.
const RECEIPT: &str = "http://renraku.example/fhir/StructureDefinition/read-receipt";
/// Professions of one person.
const MOST_ROLES: u32 = 100;

impl Notebook<'_> {
    /// `PractitionerRole/…` of a Practitioner.
    pub(super) fn roles_of(&self, person: &str) -> Result<Vec<String>, Rejection> {
        let query = EntityQuery {
            equal: vec![("member", person.to_owned())],
            ..EntityQuery::of(&mapped("role").table, 0, MOST_ROLES)
        };
        let roles = self.engine.store().entities(&query)?;
        Ok(roles.into_iter().map(|row| format!("PractitionerRole/{}", row.resource.id)).collect())
    }

    /// Who acts, as a reader.
    pub(super) fn reader(&self, member: &Member) -> Result<Reader, Rejection> {
        let (kind, id) = self.local(&member.reference).unwrap_or_default();
        let mut own = Vec::new();
        if kind == "Patient" {
            own.extend(self.engine.store().citizen(id)?.map(|(key, _)| key));
        }
        if kind == "RelatedPerson" {
            let version = self.engine.read_blocking(kind, id)?;
            let resource = json::parse(&version.body).map_err(|_| unreadable())?;
            let patient = resource.path(&["patient", "reference"]).and_then(Node::as_str);
            if let Some(("Patient", id)) = patient.and_then(|patient| self.local(patient)) {
                own.extend(self.engine.store().citizen(id)?.map(|(key, _)| key));
            }
        }
        Ok(Reader { membership: self.membership(member.all.clone()), own, is_citizen: kind == "Patient" })
    }

    /// How much who acts has not read about a citizen; `None` when nobody acts.
    pub(super) fn unread_count(&self, citizen: i64) -> Result<Option<u64>, Rejection> {
        let Some(member) = &self.member else { return Ok(None) };
        self.may_read_of(&["Communication"])?;
        let reader = self.reader(member)?;
        let query = UnreadQuery { reader, citizen: Some(citizen), only: None, count: MOST_COUNTED, after: None };
        Ok(Some(self.engine.store().count_unread(&query)?))
    }

    /// What who acts has not read, newest first: about one citizen, or all of it.
    ///
    /// # Errors
    /// 400 when nobody acts.
    pub fn unread(&self, citizen: Option<&str>) -> Result<Told, Rejection> {
        let reader = self.reader(self.acting()?)?;
        self.unread_page(reader, citizen, None)
    }

    /// The articles that a member has not read, newest first. Who signed in asks for themselves.
    ///
    /// # Errors
    /// 400 for a member who is nobody, 403 for another than who signed in.
    pub(super) fn articles_unread_by(&self, citizen: Option<&str>, member: &str) -> Result<Told, Rejection> {
        let found = self.find_member(member)?;
        if matches!(self.engine.caller().subject, Subject::Person { .. })
            && self.member.as_ref().is_none_or(|own| !own.all.contains(&found.reference))
        {
            let ja = "unread-by には本人だけを指定できます";
            let en = "unread-by can name nobody but who signed in";
            return Err(self.refuse(403, IssueCode::Forbidden, ja, en).at_element("unread-by"));
        }
        self.unread_page(self.reader(&found)?, citizen, Some("article"))
    }

    fn unread_page(
        &self,
        reader: Reader,
        citizen: Option<&str>,
        only: Option<&'static str>,
    ) -> Result<Told, Rejection> {
        let mut query = UnreadQuery { reader, citizen: None, only, count: DEFAULT_COUNT, after: None };
        for (name, value) in &self.asked.pairs {
            match name.as_str() {
                "count" => query.count = self.count(value)?,
                "after" => query.after = self.position(value).map(|(sent, key, _)| Some((sent, key)))?,
                "unread-by" if only.is_some() => {}
                _ if only.is_some() => return Err(self.unknown_parameter(name, "unread-by, count, after")),
                _ => return Err(self.unknown_parameter(name, "count, after")),
            }
        }
        let list = if only.is_some() { "articles" } else { "unread" };
        let path = match citizen {
            Some(id) => {
                query.citizen = Some(self.citizen(id)?.0);
                format!("citizens/{id}/{list}")
            }
            None => list.to_owned(),
        };
        self.may_read_of(&["Communication"])?;
        let total = UnreadQuery { count: MOST_COUNTED, after: None, ..query.clone() };
        let total = self.engine.store().count_unread(&total)?;
        let size = query.count as usize;
        query.count += 1;
        let mut rows = self.engine.store().unread(&query)?;
        let more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| more);
        let next = next.map(|last| self.next_link(&path, &format!("{}:{}:0", last.sent, last.resource.key)));
        let mut entries = Vec::new();
        for row in &rows {
            let shown = self.shown(mapped(&row.entity), &row.resource, 0)?;
            entries.extend(shown.map(|shown| Value::Object(shown.value)));
        }
        Ok(Told::of(json!({ "count": total, "entries": entries, "next": next })))
    }

    /// Marks an article, a comment or a post of a group as read by who acts. Once is enough.
    ///
    /// # Errors
    /// 400 when nobody acts, 403 when it is not for them, 404, 410.
    pub fn mark_read(&self, id: &str) -> Result<Told, Rejection> {
        self.no_parameters()?;
        let member = self.acting()?;
        let (place, target) = self.article_place(id)?;
        self.may_read(member, &place, &target)?;
        let marks = mapped("read_mark");
        let reader = Cell::Text(member.reference.clone());
        let when = self.filling().date_time();
        let answer = self.engine.change_if(
            target.type_name,
            &target.id,
            |_| Ok(()),
            |resource| {
                let Some(source) = marks.source_of(target.type_name, &resource) else { return Err(unreadable()) };
                if readers(&resource).iter().any(|(known, _)| member.all.iter().any(|own| own == known)) {
                    return Ok(resource);
                }
                let cells = [reader.clone(), Cell::Date(when.clone(), None)];
                Ok(marks.add_item(source, resource.into_owned(), &cells).0)
            },
        )?;
        let mut told = self.written(&place, &target, &answer)?;
        let version = self.engine.read_blocking(target.type_name, &target.id)?;
        self.add_marks(&mut told.body, &version)?;
        Ok(told)
    }

    /// What is meant for one member, or kept from the citizen, is marked by nobody else.
    fn may_read(&self, member: &Member, place: &Place, target: &Target) -> Result<(), Rejection> {
        let version = self.engine.read_blocking(target.type_name, &target.id)?;
        let resource = json::parse(&version.body).map_err(|_| unreadable())?;
        let cells = place
            .mapping
            .source_of(target.type_name, &resource)
            .and_then(|source| place.mapping.values(source, &resource, 0));
        let cells = cells.unwrap_or_default();
        let audience = place.mapping.text(&cells, "audience");
        let is_own = |reference: &str| member.all.iter().any(|own| own == reference);
        let is_named = match place.mapping.named(&cells, "recipients") {
            Some(Cell::Texts(all)) => all.iter().any(|reference| is_own(reference)),
            _ => false,
        };
        let is_sender = place.mapping.text(&cells, "sender").is_some_and(is_own);
        let is_hidden = (audience == Some("member") && !is_named && !is_sender)
            || (is_kept_from_citizen(audience) && member.reference.starts_with("Patient/"));
        if is_hidden {
            let ja = "この記事はあなたに宛てたものではありません";
            return Err(self.refuse(403, IssueCode::Security, ja, "this article is not meant for you"));
        }
        Ok(())
    }

    /// `readBy` and, for who acts, `isRead`.
    pub(super) fn add_marks(&self, entry: &mut Value, version: &Version) -> Result<(), Rejection> {
        let resource = json::parse(&version.body).map_err(|_| unreadable())?;
        let readers = readers(&resource);
        let marks = readers.iter().map(|(who, when)| json!({ "reader": who, "name": self.name(who), "at": when }));
        entry["readBy"] = marks.collect();
        if let Some(member) = &self.member {
            let is_own = |reference: &str| member.all.iter().any(|own| own == reference);
            let is_read = readers.iter().any(|(who, _)| is_own(who)) || entry["sender"].as_str().is_some_and(is_own);
            entry["isRead"] = json!(is_read);
        }
        Ok(())
    }
}

/// The readers of a Communication, and when.
fn readers<'n>(resource: &'n Node<'_>) -> Vec<(&'n str, Option<&'n str>)> {
    let receipts = resource.list("extension").iter().filter(|extension| extension.text("url") == Some(RECEIPT));
    let part = |receipt: &'n Node<'_>, name: &str| {
        receipt.list("extension").iter().find(|part| part.text("url") == Some(name))
    };
    receipts
        .filter_map(|receipt| {
            let who = part(receipt, "who")?.path(&["valueReference", "reference"])?.as_str()?;
            Some((who, part(receipt, "when").and_then(|when| when.text("valueDateTime"))))
        })
        .collect()
}

/// Whether two versions differ in read marks only.
pub(super) fn is_same_but_marks(left: &Version, right: &Version) -> bool {
    let bare = |version: &Version| {
        let mut resource = json::parse(&version.body).ok()?.into_owned();
        let mut meta = resource.remove("meta").unwrap_or(Node::Object(Vec::new()));
        meta.remove("versionId");
        meta.remove("lastUpdated");
        let extensions = match resource.remove("extension") {
            Some(Node::Array(all)) => {
                all.into_iter().filter(|extension| extension.text("url") != Some(RECEIPT)).collect()
            }
            _ => Vec::new(),
        };
        Some((resource, meta, extensions))
    };
    matches!((bare(left), bare(right)), (Some(left), Some(right)) if left == right)
}
