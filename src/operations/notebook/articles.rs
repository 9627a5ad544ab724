//! Articles, comments and posts of groups: who they are for, what hangs on them.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::entries::{Place, Target};
use super::{DEFAULT_COUNT, Notebook, Told, unreadable};
use crate::engine::Rejection;
use crate::format::json::{self, Node};
use crate::notebook::model::check::Complaint;
use crate::notebook::model::schema::Form;
use crate::notebook::model::{Mapping, mapping};
use crate::r4::outcome::IssueCode;
use crate::store::{Cell, EntityQuery};

const WHOLE_TEAM: &str = "team";
const ONE_MEMBER: &str = "member";
const FAMILY_PRIVATE: &str = "family-private";
/// Comments shown with an article.
const MOST_COMMENTS: u32 = 500;

fn complaint(field: &str, code: IssueCode, ja: &str, en: &str) -> Complaint {
    Complaint { field: field.to_owned(), code, ja: ja.to_owned(), en: en.to_owned() }
}

impl Notebook<'_> {
    /// Audience and recipients of what is written, where it is not said; what it hangs on must fit.
    pub(super) fn complete_article(
        &self,
        mapping: &Mapping,
        citizen: Option<&str>,
        old: Option<&[Cell]>,
        cells: &mut [Cell],
    ) -> Result<Vec<Complaint>, Rejection> {
        let mut complaints = Vec::new();
        self.check_sender(mapping, old, cells)?;
        if mapping.entity.name == "comment" {
            complaints.extend(self.follow_parent(mapping, citizen, cells)?);
        }
        if let Some(citizen) = citizen {
            let audience = mapping.text(cells, "audience").map(str::to_owned);
            let audience = audience.unwrap_or_else(|| {
                mapping.put(cells, "audience", Cell::Text(WHOLE_TEAM.to_owned()));
                WHOLE_TEAM.to_owned()
            });
            let is_named = mapping.named(cells, "recipients").is_some_and(|cell| *cell != Cell::Nothing);
            if audience == ONE_MEMBER && !is_named {
                complaints.push(complaint(
                    "recipients",
                    IssueCode::Required,
                    "宛先（recipients）は、公開範囲が member のとき必須です",
                    "recipients are required when the audience is member",
                ));
            } else if !is_named {
                let teams = self.teams_of(citizen)?;
                if !teams.is_empty() {
                    mapping.put(cells, "recipients", Cell::Texts(teams));
                }
            }
            complaints.extend(self.check_attachments(mapping, citizen, cells));
        }
        Ok(complaints)
    }

    /// Nobody writes in another's name.
    fn check_sender(&self, mapping: &Mapping, old: Option<&[Cell]>, cells: &[Cell]) -> Result<(), Rejection> {
        let sender = mapping.text(cells, "sender");
        let before = old.and_then(|old| mapping.text(old, "sender"));
        let Some(member) = &self.member else { return Ok(()) };
        let is_own = sender.is_some_and(|sender| member.all.iter().any(|own| own == sender));
        if is_own || (before.is_some() && before == sender && old.is_some_and(|old| old == cells)) {
            return Ok(());
        }
        let ja = "投稿者（sender）は行う本人でなければなりません";
        let en = "only who wrote it (sender) writes or changes it";
        Err(self.refuse(403, IssueCode::Security, ja, en).at_element(&format!("{}.sender", mapping.entity.name)))
    }

    /// A comment is about whom its article is about, and is read by those who read that.
    fn follow_parent(
        &self,
        mapping: &Mapping,
        citizen: Option<&str>,
        cells: &mut [Cell],
    ) -> Result<Vec<Complaint>, Rejection> {
        let parent = mapping.text(cells, "parent").unwrap_or_default().to_owned();
        let unknown = || {
            complaint(
                "parent",
                IssueCode::NotFound,
                &format!("返信先（parent）の {parent:.80} はありません"),
                &format!("parent: {parent:.80} is not here"),
            )
        };
        let Some((kind, id)) = self.local(&parent) else { return Ok(vec![unknown()]) };
        let Ok(version) = self.engine.read_blocking(kind, id) else { return Ok(vec![unknown()]) };
        let resource = json::parse(&version.body).map_err(|_| unreadable())?;
        let article = ["article", "comment"].map(mapped);
        let found = article.into_iter().find_map(|known| {
            let source = known.source_of(kind, &resource)?;
            Some((known, source, known.values(source, &resource, 0)?))
        });
        let Some((known, source, parent_cells)) = found else { return Ok(vec![unknown()]) };
        if citizen.is_some_and(|citizen| !known.citizens_of(source, &resource).iter().any(|id| id == citizen)) {
            return Ok(vec![complaint(
                "parent",
                IssueCode::Invariant,
                "返信先（parent）は別の方についての記事です",
                "parent is about somebody else; a comment is about whom its article is about",
            )]);
        }
        let audience = known.text(&parent_cells, "audience").unwrap_or(WHOLE_TEAM).to_owned();
        match mapping.text(cells, "audience") {
            Some(own) if own != audience && audience != WHOLE_TEAM => {
                return Ok(vec![complaint(
                    "audience",
                    IssueCode::Invariant,
                    &format!("公開範囲（audience）は記事と同じ {audience} でなければなりません"),
                    &format!("audience must be that of the article, {audience}"),
                )]);
            }
            Some(_) => {}
            None => mapping.put(cells, "audience", Cell::Text(audience.clone())),
        }
        let is_named = mapping.named(cells, "recipients").is_some_and(|cell| *cell != Cell::Nothing);
        if audience != WHOLE_TEAM && !is_named {
            let sender = mapping.text(cells, "sender").unwrap_or_default().to_owned();
            let mut all: Vec<String> = known.text(&parent_cells, "sender").map(str::to_owned).into_iter().collect();
            if let Some(Cell::Texts(others)) = known.named(&parent_cells, "recipients") {
                all.extend(others.iter().cloned());
            }
            all.retain(|reference| *reference != sender);
            all.dedup();
            if !all.is_empty() {
                mapping.put(cells, "recipients", Cell::Texts(all));
            }
        }
        Ok(Vec::new())
    }

    /// What is shown along is about the same person.
    fn check_attachments(&self, mapping: &Mapping, citizen: &str, cells: &[Cell]) -> Vec<Complaint> {
        let Some(Cell::Texts(all)) = mapping.named(cells, "attachments") else { return Vec::new() };
        let wrong = |(place, reference): (usize, &String)| {
            let field = format!("attachments.{place}");
            let found = self.local(reference).and_then(|(kind, id)| self.engine.read_blocking(kind, id).ok());
            let Some(version) = found else {
                let ja = format!("添付（attachments）の {reference:.80} はありません");
                return Some(complaint(
                    &field,
                    IssueCode::NotFound,
                    &ja,
                    &format!("attachments: {reference:.80} is not here"),
                ));
            };
            let resource = json::parse(&version.body).ok()?;
            let subject = resource.path(&["subject", "reference"]).and_then(Node::as_str);
            let is_other = subject.is_some_and(|subject| subject != format!("Patient/{citizen}"));
            let ja = format!("添付（attachments）の {reference:.80} は別の方のものです");
            let en = format!("attachments: {reference:.80} is about somebody else");
            is_other.then(|| complaint(&field, IssueCode::Invariant, &ja, &en))
        };
        all.iter().enumerate().filter_map(wrong).collect()
    }

    /// Articles about a citizen, newest first, each with the number of its comments and who read it.
    ///
    /// # Errors
    /// As [`Notebook::list`].
    pub fn articles(&self, citizen: &str) -> Result<Told, Rejection> {
        if let Some(member) = self.unread_by() {
            return self.articles_unread_by(Some(citizen), member);
        }
        let place = Place { citizen: Some(citizen.to_owned()), mapping: mapped("article"), target: None };
        let mut told = self.list(&place)?;
        if let Some(entries) = told.body["entries"].as_array_mut() {
            self.add_reading(entries)?;
        }
        Ok(told)
    }

    /// Articles about all citizens in whose teams who acts is, newest first; with `unread-by` those that a
    /// member has not read.
    ///
    /// # Errors
    /// 400 for parameters that make no sense, and when nobody acts and no member is named.
    pub fn all_articles(&self) -> Result<Told, Rejection> {
        if let Some(member) = self.unread_by() {
            return self.articles_unread_by(None, member);
        }
        let Some(member) = &self.member else {
            let ja = "誰の記事かが必要です（unread-by か X-Notebook-Member）";
            let en = "whose articles? unread-by or X-Notebook-Member is needed";
            return Err(self.refuse(400, IssueCode::Required, ja, en));
        };
        let articles = mapped("article");
        let mut query = EntityQuery {
            citizen: None,
            team: Some(self.membership(member.all.clone())),
            order: Some("sent"),
            ..EntityQuery::of(&articles.table, 0, DEFAULT_COUNT)
        };
        for (name, value) in &self.asked.pairs {
            match name.as_str() {
                "count" => query.count = self.count(value)?,
                "after" => query.after = Some(self.position(value)?),
                _ => return Err(self.unknown_parameter(name, "unread-by, count, after")),
            }
        }
        let (mut entries, next) = self.page_of(articles, query)?;
        self.add_reading(&mut entries)?;
        let next = next.map(|after| self.next_link("articles", &after));
        Ok(Told::of(json!({ "entity": "article", "entries": entries, "next": next })))
    }

    /// Whose unread articles are asked for.
    fn unread_by(&self) -> Option<&str> {
        self.asked.pairs.iter().find(|(name, _)| name == "unread-by").map(|(_, value)| value.as_str())
    }

    /// The number of comments, who has read it, and whether who acts has.
    pub(super) fn add_reading(&self, entries: &mut [Value]) -> Result<(), Rejection> {
        let name = |entry: &Value| format!("Communication/{}", entry["id"].as_str().unwrap_or_default());
        let articles: Vec<String> = entries.iter().map(name).collect();
        let counts: HashMap<String, i64> = self.engine.store().comment_counts(&articles)?.into_iter().collect();
        for (entry, article) in entries.iter_mut().zip(&articles) {
            entry["comments"] = json!(counts.get(article).copied().unwrap_or(0));
            if let Some((kind, id)) = self.local(article)
                && let Ok(version) = self.engine.read_blocking(kind, id)
            {
                self.add_marks(entry, &version)?;
            }
        }
        Ok(())
    }

    /// One article with its comments and read marks.
    ///
    /// # Errors
    /// 404, 410.
    pub fn article(&self, id: &str) -> Result<Told, Rejection> {
        self.no_parameters()?;
        let (place, target) = self.article_place(id)?;
        let mut told = self.read(&place, &target)?;
        let version = self.engine.read_blocking(target.type_name, &target.id)?;
        self.add_marks(&mut told.body, &version)?;
        told.body["comments"] = Value::Array(self.comment_list(id, &place)?);
        Ok(told)
    }

    /// The comments on an article, oldest first.
    ///
    /// # Errors
    /// 404, 410.
    pub fn comments(&self, id: &str) -> Result<Told, Rejection> {
        self.no_parameters()?;
        let (place, _) = self.article_place(id)?;
        Ok(Told::of(json!({ "comments": self.comment_list(id, &place)? })))
    }

    fn comment_list(&self, id: &str, place: &Place) -> Result<Vec<Value>, Rejection> {
        self.may_read_of(&["Communication"])?;
        let comments = mapped("comment");
        let citizen = place.citizen.as_deref().map(|id| self.citizen(id)).transpose()?.map(|(key, _)| key);
        let query = EntityQuery {
            citizen,
            equal: vec![("parent", format!("Communication/{id}"))],
            order: Some("sent"),
            ascending: true,
            ..EntityQuery::of(&comments.table, 0, MOST_COMMENTS)
        };
        let mut list = Vec::new();
        for row in self.engine.store().entities(&query)? {
            if let Some(shown) = self.shown(comments, &row.resource, row.ordinal)? {
                let mut value = Value::Object(shown.value);
                self.add_marks(&mut value, &row.resource.version)?;
                list.push(value);
            }
        }
        Ok(list)
    }

    /// A comment on an article.
    ///
    /// # Errors
    /// As [`Notebook::create`].
    pub fn comment(&self, id: &str) -> Result<Told, Rejection> {
        let (place, _) = self.article_place(id)?;
        let mut body = self.body()?;
        if let Some(written) = body.as_object_mut() {
            written.insert("parent".to_owned(), json!(format!("Communication/{id}")));
        }
        let asked = super::Asked { body: body.to_string().into(), ..self.asked.clone() };
        let inner = Notebook::new(self.engine, asked)?;
        inner.create(&Place { mapping: mapped("comment"), ..place })
    }

    /// An article, comment or post changed by its id alone.
    ///
    /// # Errors
    /// As [`Notebook::change`].
    pub fn change_article(&self, id: &str, form: Form) -> Result<Told, Rejection> {
        let (place, target) = self.article_place(id)?;
        self.change(&place, &target, form)
    }

    /// An article, comment or post deleted by its id alone.
    ///
    /// # Errors
    /// As [`Notebook::remove`].
    pub fn remove_article(&self, id: &str) -> Result<Told, Rejection> {
        let (place, target) = self.article_place(id)?;
        self.remove(&place, &target)
    }

    /// The versions of an article by its id alone.
    ///
    /// # Errors
    /// As [`Notebook::history`].
    pub fn article_history(&self, id: &str) -> Result<Told, Rejection> {
        let (place, target) = self.article_place(id)?;
        self.history(&place, &target)
    }

    /// Where an article is by its id alone: of a citizen, of a group, or itself a comment.
    pub(super) fn article_place(&self, id: &str) -> Result<(Place, Target), Rejection> {
        let kind = "Communication";
        let version = if crate::r4::reference::is_id(id) {
            self.engine.read_blocking(kind, id)?
        } else {
            return Err(Rejection::not_found(kind, id));
        };
        let resource = json::parse(&version.body).map_err(|_| unreadable())?;
        let known = ["article", "comment", "group_post"].map(mapped);
        let found = known.into_iter().find_map(|mapping| {
            let source = mapping.source_of(kind, &resource)?;
            mapping.values(source, &resource, 0)?;
            let citizens = mapping.citizens_of(source, &resource);
            Some((mapping, citizens.into_iter().find(|id| !id.is_empty())))
        });
        let Some((mapping, citizen)) = found else {
            let ja = format!("{id} は連絡帳の記事ではありません");
            return Err(self.refuse(404, IssueCode::NotFound, &ja, &format!("{id} is no article of the notebook")));
        };
        let target = Target { type_name: kind, id: id.to_owned(), ordinal: 0 };
        Ok((Place { citizen, mapping, target: Some(target.clone()) }, target))
    }

    /// A group with its members: who is in it today, and who was or will be.
    ///
    /// # Errors
    /// 404 without the group, 410 when it was deleted.
    pub fn group_members(&self, id: &str) -> Result<Told, Rejection> {
        self.no_parameters()?;
        let missing = || {
            let ja = format!("{id:.64} というグループはありません");
            self.refuse(404, IssueCode::NotFound, &ja, &format!("{id:.64} is no group of the notebook"))
        };
        if !crate::r4::reference::is_id(id) {
            return Err(missing());
        }
        let version = self.engine.read_blocking("Group", id)?;
        let resource = json::parse(&version.body).map_err(|_| unreadable())?;
        let (groups, members) = (mapped("group"), mapped("group_member"));
        let group = self.of_resource(groups, "Group", id, &version, &resource, 0).ok_or_else(missing)?;
        let (mut current, mut others) = (Vec::new(), Vec::new());
        for place in 0..resource.list("member").len() {
            let Some(shown) = self.of_resource(members, "Group", id, &version, &resource, place) else { continue };
            let is_inactive = shown.value.get("inactive").and_then(Value::as_bool).unwrap_or(false);
            let to = if !is_inactive && self.is_current(members, &shown.cells) { &mut current } else { &mut others };
            to.push(Value::Object(shown.value));
        }
        let (version, updated) = (Some(version.version), Some(version.updated));
        let body = json!({ "group": group.value, "members": current, "others": others });
        Ok(Told { version, updated, ..Told::of(body) })
    }

    /// Posts of a group, newest first.
    ///
    /// # Errors
    /// 400 for parameters that make no sense, 404 without the group.
    pub fn group_posts(&self, group: &str) -> Result<Told, Rejection> {
        self.engine.read_blocking("Group", group)?;
        let posts = mapped("group_post");
        let mut query = EntityQuery { order: Some("sent"), ..EntityQuery::of(&posts.table, 0, DEFAULT_COUNT) };
        query.holding.push(("recipients", format!("Group/{group}")));
        for (name, value) in &self.asked.pairs {
            match name.as_str() {
                "count" => query.count = self.count(value)?,
                "after" => query.after = Some(self.position(value)?),
                _ => return Err(self.unknown_parameter(name, "count, after")),
            }
        }
        let (mut entries, next) = self.page_of(posts, query)?;
        self.add_reading(&mut entries)?;
        let next = next.map(|after| self.next_link(&format!("group/{group}/posts"), &after));
        Ok(Told::of(json!({ "entity": "group_post", "entries": entries, "next": next })))
    }
}

/// The mapping of an entity that is there.
pub(super) fn mapped(name: &str) -> &'static Mapping {
    // A name that is wrong here would show in every test of articles.
    mapping(name).unwrap_or_else(crate::notebook::model::citizen_mapping)
}

/// Whether what the family tells the team is kept from a reader.
pub(super) fn is_kept_from_citizen(audience: Option<&str>) -> bool {
    audience == Some(FAMILY_PRIVATE)
}
