//! The table of the notebook API: every path and method, what it takes, what it answers and what does it. The
//! router goes by it and `/notebook/v1/openapi.json` is told from it, so neither can know what the other does not.

use bytes::Bytes;

use super::{Work, documents};
use crate::http::context::Context;
use crate::notebook::model::schema::Form;
use crate::notebook::model::{Mapping, mappings};
use crate::operations::notebook::{Notebook, Place, Target, Told};

/// A path and a method.
pub(super) struct Way {
    /// Below the notebook's base; `{name}` is any one step.
    pub(super) path: &'static str,
    /// HTTP method; HEAD goes with GET.
    pub(super) method: &'static str,
    /// Name of the operation.
    pub(super) id: &'static str,
    /// What it is for, Japanese.
    pub(super) ja: &'static str,
    /// What it is for, English.
    pub(super) en: &'static str,
    /// Parameters of the URL.
    pub(super) query: &'static [Query],
    /// What is sent.
    pub(super) sends: Sends,
    /// What is answered when it is well.
    pub(super) tells: Tells,
    /// What does it.
    pub(super) does: Does,
}

/// A parameter of the URL.
#[derive(Clone, Copy)]
pub(super) enum Query {
    /// Entries on a page.
    Count,
    /// Where the page before ended.
    After,
    /// A date.
    Date(&'static str, &'static str),
    /// `Type/id`.
    Reference(&'static str, &'static str, &'static [&'static str]),
    /// Anything.
    Text(&'static str, &'static str),
    /// One of these, or several of them by commas.
    OneOf(&'static str, &'static str, fn() -> Vec<String>),
    /// The fields of the entity that select, its date span and order.
    Fields,
}

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sends {
    Nothing,
    /// An entry of this kind.
    Entry(&'static str, Form),
    /// An entry of the kind in the path.
    Own(Form),
    /// A comment, without what it answers.
    Comment,
    /// A photo, a video, a PDF.
    File,
    /// Bytes of an upload.
    Part,
}

/// What is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    /// JSON of this schema.
    Json(&'static str),
    /// JSON of this schema, or a page for people.
    Page(&'static str),
    /// 201 with an entry of this kind.
    Created(&'static str),
    /// An entry of the kind in the path, 200.
    Entry,
    /// The same, 201.
    CreatedEntry,
    /// A page of the kind in the path.
    List,
    /// Its versions.
    Versions,
    /// That it was deleted.
    Deleted,
    /// 201 with a photo or video.
    CreatedMedia,
    /// Bytes of this media type.
    Bytes(&'static str),
    /// Nothing but headers, with this status.
    Headers(&'static str),
}

/// What does it.
pub(super) enum Does {
    /// To be done away from the async workers.
    Work(fn(&Caught) -> Option<Work>),
    /// Ready at once: media type and body.
    Ready(fn(&Context, &Caught) -> Option<(&'static str, Bytes)>),
    /// `http::media`.
    Media,
    /// `http::audit_events`.
    Audit,
}

/// What stands in a path at the places of names.
#[derive(Debug, Default)]
pub(super) struct Caught {
    steps: Vec<String>,
    place: Option<Place>,
}

impl Caught {
    /// What stands at the first name.
    pub(super) fn id(&self) -> &str {
        self.steps.first().map_or("", String::as_str)
    }

    fn own(&self) -> String {
        self.id().to_owned()
    }

    fn target(&self) -> Option<(Place, Target)> {
        let place = self.place.clone()?;
        let target = place.target.clone()?;
        Some((place, target))
    }
}

/// Where a path leads.
pub(super) enum Found {
    Way(&'static Way, Caught),
    /// Not by this method: what is allowed.
    Method(String),
    Nowhere,
}

/// The way of a path and a method.
pub(super) fn find(method: &str, parts: &[&str]) -> Found {
    let Some((path, caught)) = WAYS.iter().find_map(|way| way.catch(parts).map(|caught| (way.path, caught))) else {
        return Found::Nowhere;
    };
    let mut of_path = WAYS.iter().filter(|way| way.path == path);
    match of_path.clone().find(|way| way.method == method || matches!(way.does, Does::Media)) {
        Some(way) => Found::Way(way, caught),
        None => {
            let methods: Vec<&str> = of_path
                .by_ref()
                .flat_map(
                    |way| if way.method == "GET" { &["GET", "HEAD"][..] } else { std::slice::from_ref(&way.method) },
                )
                .copied()
                .collect();
            Found::Method(methods.join(", "))
        }
    }
}

/// The types of the resources that entries of a kind are, when there are several.
pub(super) fn types_of(mapping: &Mapping) -> Vec<&'static str> {
    let mut types: Vec<&'static str> = mapping.entity.sources.iter().map(|source| source.resource).collect();
    types.dedup();
    if types.len() > 1 { types } else { Vec::new() }
}

impl Way {
    /// Whether the path is one of entries of any kind.
    pub(super) fn is_of_entries(&self) -> bool {
        self.path.contains("{entity}")
    }

    fn catch(&self, parts: &[&str]) -> Option<Caught> {
        let mut caught = Caught::default();
        let mut steps = self.path.split('/');
        for part in parts {
            let step = steps.next()?;
            if step.starts_with('{') {
                if part.is_empty() {
                    return None;
                }
                caught.steps.push((*part).to_owned());
            } else if step != *part {
                return None;
            }
        }
        if steps.next().is_some() {
            return None;
        }
        if self.is_of_entries() {
            let (citizen, rest) = match parts {
                ["citizens", id, rest @ ..] if self.path.starts_with("citizens/") => (Some(*id), rest),
                rest => (None, rest),
            };
            let rest = if self.path.ends_with("/history") { rest.get(..rest.len().saturating_sub(1))? } else { rest };
            let place = Place::read(citizen, rest)?;
            if self.path.contains("{type}") && types_of(place.mapping).is_empty() {
                return None;
            }
            caught.place = Some(place);
        }
        Some(caught)
    }

    /// The kinds of entries that a path of any kind stands for.
    pub(super) fn kinds(&self) -> Vec<&'static Mapping> {
        let is_citizens = self.path.starts_with("citizens/");
        let has_types = self.path.contains("{type}");
        let fits = |mapping: &&Mapping| {
            mapping.is_about_citizen() == is_citizens && (!has_types || !types_of(mapping).is_empty())
        };
        // Files come and go by ways of their own.
        let is_other = |mapping: &&Mapping| !(mapping.entity.name == "media" && self.path.ends_with("{entity}"));
        mappings().iter().filter(fits).filter(is_other).collect()
    }
}

/// A way whose work needs an id at most.
macro_rules! work {
    (|$notebook:ident, $id:ident| $do:expr) => {
        Does::Work(|caught| {
            let $id = caught.own();
            Some(Box::new(move |$notebook: &Notebook<'_>| $do))
        })
    };
    (|$notebook:ident| $do:expr) => {
        Does::Work(|_| Some(Box::new(|$notebook: &Notebook<'_>| $do)))
    };
}

/// A way of entries of any kind.
macro_rules! entries {
    (|$notebook:ident, $place:ident| $do:expr) => {
        Does::Work(|caught| {
            let $place = caught.place.clone()?;
            Some(Box::new(move |$notebook: &Notebook<'_>| $do))
        })
    };
    (|$notebook:ident, $place:ident, $target:ident| $do:expr) => {
        Does::Work(|caught| {
            let ($place, $target) = caught.target()?;
            Some(Box::new(move |$notebook: &Notebook<'_>| $do))
        })
    };
}

fn create(kind: &'static str, citizen: String) -> Option<Work> {
    let place = Place::read(Some(&citizen), &[kind])?;
    Some(Box::new(move |notebook: &Notebook<'_>| notebook.create(&place)))
}

fn categories() -> Vec<String> {
    crate::notebook::category::CATEGORIES.iter().map(|known| known.code.to_owned()).collect()
}

fn sizes() -> Vec<String> {
    ["small", "medium", "large"].map(str::to_owned).to_vec()
}

const MEMBERS: &[&str] = &["Practitioner", "PractitionerRole", "RelatedPerson", "Patient"];
const PAGE: &[Query] = &[Query::Count, Query::After];
const ARTICLES: &[Query] =
    &[Query::Reference("unread-by", "articles that this member has not read", MEMBERS), Query::Count, Query::After];
const CALENDAR: &[Query] = &[
    Query::Date("from", "first day; today when nothing is said"),
    Query::Date("to", "last day; a month later when nothing is said"),
    Query::Reference("member", "of the citizens in whose teams this member is", MEMBERS),
    Query::Count,
];

const fn way(method: &'static str, path: &'static str, id: &'static str, ja: &'static str, en: &'static str) -> Way {
    Way { path, method, id, ja, en, query: &[], sends: Sends::Nothing, tells: Tells::Json("any"), does: Does::Media }
}

const fn get(path: &'static str, id: &'static str, ja: &'static str, en: &'static str, tells: Tells) -> Way {
    Way { tells, ..way("GET", path, id, ja, en) }
}

/// All of them. What stands first is meant first.
#[rustfmt::skip]
pub(super) static WAYS: &[Way] = &[
    // What describes the API.
    Way { does: Does::Ready(|context, _| Some(("application/json", super::openapi::document(context)))), ..get("openapi.json", "openapi", "この文書", "this document", Tells::Json("any")) },
    Way { does: Does::Ready(|context, _| Some(documents::schemas(context))), ..get("schema", "schemas", "書き込む内容の JSON Schema の一覧", "the JSON Schemas of what is written", Tells::Json("schemas")) },
    Way { does: Does::Ready(|context, caught| documents::schema(context, caught.id())), ..get("schema/{name}", "schema", "書き込む内容の JSON Schema", "the JSON Schema of what is written", Tells::Json("any")) },
    Way { does: work!(|notebook| notebook.mapping(None)), ..get("mapping", "mapping", "連絡帳と FHIR の対応", "how the notebook and FHIR go together, field by field: a page or JSON, by Accept", Tells::Page("mapping")) },
    Way { does: work!(|notebook, name| notebook.mapping(Some(&name))), ..get("mapping/{name}", "mappingOf", "連絡帳と FHIR の対応（1種類）", "the same of one kind of entries", Tells::Page("mapping.entity")) },
    Way { does: work!(|notebook| notebook.categories()), ..get("categories", "categories", "時系列の種別", "the categories of the timeline", Tells::Json("categories")) },
    // Citizens.
    Way { query: &[
            Query::Text("q", "words of the name, the kana (in any script) or a number; all must be met"),
            Query::Reference("municipality", "the municipality", &["Organization"]),
            Query::Reference("facility", "for which somebody of the team works", &["Organization"]),
            Query::Reference("member", "in whose teams this member is", MEMBERS),
            Query::Text("care_level", "codes of the care level that is valid now, by commas"),
            Query::OneOf("fls", "state of an episode of fracture liaison", crate::operations::notebook::liaison_states),
            Query::Count, Query::After],
        does: work!(|notebook| notebook.citizens()), ..get("citizens", "citizens", "支援対象者の一覧", "citizens, a page at a time", Tells::Json("citizens")) },
    Way { sends: Sends::Entry("citizen", Form::Whole), tells: Tells::Created("citizen"), does: work!(|notebook| notebook.create_citizen()),
        ..way("POST", "citizens", "createCitizen", "支援対象者の登録", "a new citizen") },
    Way { does: work!(|notebook, id| notebook.page(&id)), ..get("citizens/{id}", "citizen", "支援対象者のページ", "one citizen's page: basic information, team, care level, diagnoses, medication, next visits, alarms, latest entries", Tells::Json("page")) },
    Way { sends: Sends::Entry("citizen", Form::Whole), tells: Tells::Json("citizen.entry"), does: work!(|notebook, id| notebook.change_citizen(&id, Form::Whole)),
        ..way("PUT", "citizens/{id}", "replaceCitizen", "支援対象者の変更（全体）", "a citizen's own fields, all of them") },
    Way { sends: Sends::Entry("citizen", Form::Part), tells: Tells::Json("citizen.entry"), does: work!(|notebook, id| notebook.change_citizen(&id, Form::Part)),
        ..way("PATCH", "citizens/{id}", "changeCitizen", "支援対象者の変更（一部）", "some of a citizen's own fields") },
    Way { does: work!(|notebook, id| notebook.basics(&id)), ..get("citizens/{id}/basics", "basics", "基本情報", "a citizen's own fields, with warnings of what the notebook does not show", Tells::Json("citizen.entry")) },
    Way { query: PAGE, does: work!(|notebook, id| notebook.citizen_history(&id)), ..get("citizens/{id}/history", "citizenHistory", "基本情報の履歴", "versions of a citizen's own fields", Tells::Json("citizen.versions")) },
    Way { query: &[Query::OneOf("category", "categories, separated by commas", categories), Query::Date("from", "not before"), Query::Date("to", "not after"), Query::Count, Query::After],
        does: work!(|notebook, id| notebook.timeline(&id)), ..get("citizens/{id}/timeline", "timeline", "時系列", "what happened and is planned, newest first", Tells::Json("timeline")) },
    Way { does: work!(|notebook, id| notebook.medication(&id)), ..get("citizens/{id}/medications", "medications", "いまの服薬・注射", "what a citizen takes now, with next doses and gaps", Tells::Json("medications")) },
    Way { query: &[Query::OneOf("type", "which summary", || vec!["care".to_owned(), "drug".to_owned()])],
        does: work!(|notebook, id| Ok(Told { status: 200, page: Some(notebook.summary_page(&id)?), ..Told::default() })),
        ..get("citizens/{id}/summary.html", "summaryPage", "サマリーの印刷用ページ", "a summary to print", Tells::Bytes("text/html")) },
    Way { query: CALENDAR, does: work!(|notebook, id| notebook.calendar(Some(&id))), ..get("citizens/{id}/visits", "citizenVisits", "予定表", "the calendar of a citizen: visits and activities of plans", Tells::Json("calendar")) },
    Way { does: work!(|notebook, id| notebook.team(&id)), ..get("citizens/{id}/team/members", "teamMembers", "チームの一覧", "who is in the team, and who was", Tells::Json("team")) },
    Way { sends: Sends::Entry("team_member", Form::Whole), tells: Tells::Created("team_member"), does: Does::Work(|caught| create("team_member", caught.own())),
        ..way("POST", "citizens/{id}/team/members", "joinTeam", "チームへの参加", "somebody joins the team; leaving is DELETE of the entry, which ends its period") },
    Way { query: PAGE, does: work!(|notebook, id| notebook.unread(Some(&id))), ..get("citizens/{id}/unread", "citizenUnread", "未読の一覧（この方）", "what who acts has not read about a citizen", Tells::Json("unread")) },
    Way { query: &[Query::Reference("unread-by", "articles that this member has not read", MEMBERS), Query::Fields], does: work!(|notebook, id| notebook.articles(&id)),
        ..get("citizens/{id}/articles", "citizenArticles", "記事の一覧（この方）", "articles about a citizen, with comments counted and who read them", Tells::Json("articles")) },
    Way { sends: Sends::Entry("article", Form::Whole), tells: Tells::Created("article"), does: Does::Work(|caught| create("article", caught.own())),
        ..way("POST", "citizens/{id}/articles", "writeArticle", "記事の投稿", "an article: for the whole team, for one member, or from the family to the team alone (audience)") },
    Way { query: PAGE, ..get("citizens/{id}/media", "citizenMedia", "写真・動画の一覧", "photos and videos of a citizen, newest first", Tells::Json("media.files")) },
    Way { sends: Sends::File, tells: Tells::CreatedMedia, ..way("POST", "citizens/{id}/media", "addMedia", "写真・動画・PDF の追加", "a photo, video or PDF: as a form, as the body itself, or a finished upload by its id") },
    Way { query: &[Query::Date("from", "not before"), Query::Date("to", "not after"), Query::Count, Query::After], does: Does::Audit,
        ..get("citizens/{id}/accesses", "accesses", "閲覧記録", "who looked at a notebook, newest first: for its citizen and for auditors, while an audit is kept", Tells::Json("accesses")) },
    // Of all citizens.
    Way { query: CALENDAR_OF_ALL, does: work!(|notebook| notebook.calendar(None)), ..get("visits", "visits", "予定表（担当する方すべて）", "the calendar of all citizens in whose teams somebody is", Tells::Json("calendar")) },
    Way { query: PAGE, does: work!(|notebook| notebook.unread(None)), ..get("unread", "unread", "未読の一覧", "what who acts has not read", Tells::Json("unread")) },
    Way { query: ARTICLES, does: work!(|notebook| notebook.all_articles()), ..get("articles", "articles", "記事の一覧", "articles about all citizens in whose teams who acts is", Tells::Json("articles")) },
    Way { does: work!(|notebook, id| notebook.article(&id)), ..get("articles/{id}", "article", "記事", "an article, comment or post, with comments and read marks", Tells::Json("article.whole")) },
    Way { sends: Sends::Entry("article", Form::Whole), tells: Tells::Json("article.whole"), does: work!(|notebook, id| notebook.change_article(&id, Form::Whole)),
        ..way("PUT", "articles/{id}", "replaceArticle", "記事の変更（全体）", "an article, comment or post, all of it") },
    Way { sends: Sends::Entry("article", Form::Part), tells: Tells::Json("article.whole"), does: work!(|notebook, id| notebook.change_article(&id, Form::Part)),
        ..way("PATCH", "articles/{id}", "changeArticle", "記事の変更（一部）", "some fields of an article, comment or post") },
    Way { tells: Tells::Deleted, does: work!(|notebook, id| notebook.remove_article(&id)), ..way("DELETE", "articles/{id}", "deleteArticle", "記事の削除", "deletes an article, comment or post; its history stays") },
    Way { does: work!(|notebook, id| notebook.comments(&id)), ..get("articles/{id}/comments", "comments", "コメントの一覧", "the comments on an article, oldest first", Tells::Json("comments")) },
    Way { sends: Sends::Comment, tells: Tells::Created("comment"), does: work!(|notebook, id| notebook.comment(&id)),
        ..way("POST", "articles/{id}/comments", "writeComment", "コメントの投稿", "a comment on an article, for those who read that") },
    Way { query: PAGE, does: work!(|notebook, id| notebook.article_history(&id)), ..get("articles/{id}/history", "articleHistory", "記事の履歴", "versions of an article", Tells::Json("article.versions")) },
    Way { tells: Tells::Json("article.whole"), does: work!(|notebook, id| notebook.mark_read(&id)), ..way("POST", "articles/{id}/read", "markRead", "既読にする", "marks an article as read by who acts; once is enough") },
    Way { tells: Tells::Json("article.whole"), does: work!(|notebook, id| notebook.mark_read(&id)), ..way("PUT", "articles/{id}/read", "markReadAgain", "既読にする", "the same by PUT") },
    // Groups.
    Way { does: work!(|notebook, id| notebook.group_members(&id)), ..get("group/{id}/members", "groupMembers", "グループのメンバー", "a group with who is in it today, and who was or will be", Tells::Json("group.members")) },
    Way { query: PAGE, does: work!(|notebook, id| notebook.group_posts(&id)), ..get("group/{id}/posts", "groupPosts", "グループの記事", "the posts of a group, newest first", Tells::Json("group_post.list")) },
    // Files.
    Way { tells: Tells::Headers("201"), ..way("POST", "media/uploads", "beginUpload", "分割アップロードの開始", "begins an upload in parts (tus 1.0.0): Location says where its parts go") },
    Way { tells: Tells::Headers("204"), ..way("OPTIONS", "media/uploads", "uploadOptions", "分割アップロードの設定", "what uploads in parts can do") },
    Way { tells: Tells::Headers("200"), ..way("HEAD", "media/uploads/{upload}", "uploadOffset", "どこまで届いたか", "how much of an upload is here") },
    Way { sends: Sends::Part, tells: Tells::Headers("204"), ..way("PATCH", "media/uploads/{upload}", "continueUpload", "続きの送信", "what follows the offset") },
    Way { tells: Tells::Headers("204"), ..way("DELETE", "media/uploads/{upload}", "endUpload", "分割アップロードの中止", "ends an upload that is not wanted") },
    Way { tells: Tells::Headers("204"), ..way("OPTIONS", "media/uploads/{upload}", "uploadOptionsOfOne", "分割アップロードの設定", "what uploads in parts can do") },
    get("media/{id}", "media", "写真・動画", "one photo or video", Tells::Json("media.file")),
    get("media/{id}/content", "mediaContent", "写真・動画の内容", "the file, whole or in part (Range)", Tells::Bytes("*/*")),
    Way { query: &[Query::OneOf("size", "at most 160, 640 or 1600 pixels a side", sizes)], ..get("media/{id}/thumbnail", "thumbnail", "縮小した写真", "a photo made small", Tells::Bytes("image/jpeg")) },
    // Entries of every kind, about a citizen and about nobody.
    Way { query: &[Query::Fields], does: entries!(|notebook, place| notebook.list(&place)), ..get("citizens/{id}/{entity}", "list", "一覧", "a page of entries", Tells::List) },
    Way { sends: Sends::Own(Form::Whole), tells: Tells::CreatedEntry, does: entries!(|notebook, place| notebook.create(&place)), ..way("POST", "citizens/{id}/{entity}", "create", "新規", "a new entry") },
    Way { does: entries!(|notebook, place, target| notebook.read(&place, &target)), ..get("citizens/{id}/{entity}/{entry}", "read", "1件", "one entry", Tells::Entry) },
    Way { sends: Sends::Own(Form::Whole), tells: Tells::Entry, does: entries!(|notebook, place, target| notebook.change(&place, &target, Form::Whole)), ..way("PUT", "citizens/{id}/{entity}/{entry}", "replace", "変更（全体）", "an entry in the place of the one that is there") },
    Way { sends: Sends::Own(Form::Part), tells: Tells::Entry, does: entries!(|notebook, place, target| notebook.change(&place, &target, Form::Part)), ..way("PATCH", "citizens/{id}/{entity}/{entry}", "change", "変更（一部）", "some fields of an entry") },
    Way { tells: Tells::Deleted, does: entries!(|notebook, place, target| notebook.remove(&place, &target)), ..way("DELETE", "citizens/{id}/{entity}/{entry}", "delete", "削除", "deletes an entry; its history stays") },
    Way { query: PAGE, does: entries!(|notebook, place, target| notebook.history(&place, &target)), ..get("citizens/{id}/{entity}/{entry}/history", "history", "履歴", "versions of an entry", Tells::Versions) },
    Way { does: entries!(|notebook, place, target| notebook.read(&place, &target)), ..get("citizens/{id}/{entity}/{type}/{entry}", "readTyped", "1件", "one entry", Tells::Entry) },
    Way { sends: Sends::Own(Form::Whole), tells: Tells::Entry, does: entries!(|notebook, place, target| notebook.change(&place, &target, Form::Whole)), ..way("PUT", "citizens/{id}/{entity}/{type}/{entry}", "replaceTyped", "変更（全体）", "an entry in the place of the one that is there") },
    Way { sends: Sends::Own(Form::Part), tells: Tells::Entry, does: entries!(|notebook, place, target| notebook.change(&place, &target, Form::Part)), ..way("PATCH", "citizens/{id}/{entity}/{type}/{entry}", "changeTyped", "変更（一部）", "some fields of an entry") },
    Way { tells: Tells::Deleted, does: entries!(|notebook, place, target| notebook.remove(&place, &target)), ..way("DELETE", "citizens/{id}/{entity}/{type}/{entry}", "deleteTyped", "削除", "deletes an entry; its history stays") },
    Way { query: PAGE, does: entries!(|notebook, place, target| notebook.history(&place, &target)), ..get("citizens/{id}/{entity}/{type}/{entry}/history", "historyTyped", "履歴", "versions of an entry", Tells::Versions) },
    Way { query: &[Query::Fields], does: entries!(|notebook, place| notebook.list(&place)), ..get("{entity}", "list", "一覧", "a page of entries", Tells::List) },
    Way { sends: Sends::Own(Form::Whole), tells: Tells::CreatedEntry, does: entries!(|notebook, place| notebook.create(&place)), ..way("POST", "{entity}", "create", "新規", "a new entry") },
    Way { does: entries!(|notebook, place, target| notebook.read(&place, &target)), ..get("{entity}/{entry}", "read", "1件", "one entry", Tells::Entry) },
    Way { sends: Sends::Own(Form::Whole), tells: Tells::Entry, does: entries!(|notebook, place, target| notebook.change(&place, &target, Form::Whole)), ..way("PUT", "{entity}/{entry}", "replace", "変更（全体）", "an entry in the place of the one that is there") },
    Way { sends: Sends::Own(Form::Part), tells: Tells::Entry, does: entries!(|notebook, place, target| notebook.change(&place, &target, Form::Part)), ..way("PATCH", "{entity}/{entry}", "change", "変更（一部）", "some fields of an entry") },
    Way { tells: Tells::Deleted, does: entries!(|notebook, place, target| notebook.remove(&place, &target)), ..way("DELETE", "{entity}/{entry}", "delete", "削除", "deletes an entry; its history stays") },
    Way { query: PAGE, does: entries!(|notebook, place, target| notebook.history(&place, &target)), ..get("{entity}/{entry}/history", "history", "履歴", "versions of an entry", Tells::Versions) },
];

const CALENDAR_OF_ALL: &[Query] = &[
    Query::Date("from", "first day; today when nothing is said"),
    Query::Date("to", "last day; a month later when nothing is said"),
    Query::Reference("citizen", "of this citizen", &["Patient"]),
    Query::Reference("member", "of the citizens in whose teams this member is", MEMBERS),
    Query::Count,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> String {
        match find(method, &path.split('/').collect::<Vec<_>>()) {
            Found::Way(way, _) => way.id.to_owned(),
            Found::Method(allowed) => allowed,
            Found::Nowhere => "nowhere".to_owned(),
        }
    }

    #[test]
    fn a_path_leads_to_one_way() {
        assert_eq!(found("GET", "citizens/a/visits"), "citizenVisits");
        assert_eq!(found("GET", "citizens/a/visit"), "list");
        assert_eq!(found("POST", "citizens/a/team/members"), "joinTeam");
        assert_eq!(found("DELETE", "citizens/a/team/members"), "GET, HEAD, POST");
        assert_eq!(found("PATCH", "citizens/a/medication/MedicationRequest/b"), "changeTyped");
        assert_eq!(found("PATCH", "citizens/a/fall/Observation/b"), "nowhere");
        assert_eq!(found("GET", "citizens/a/team_member/b:0/history"), "history");
        assert_eq!(found("GET", "citizens/a/team_member/b"), "nowhere", "an item has a place");
        assert_eq!(found("GET", "facility/b"), "read");
        assert_eq!(found("GET", "fall/b"), "nowhere", "it is about a citizen");
        assert_eq!(found("GET", "citizen"), "nowhere");
        assert_eq!(found("POST", "facility/b"), "GET, HEAD, PUT, PATCH, DELETE");
        assert_eq!(found("GET", ""), "nowhere");
    }

    /// Ways of one path differ in their methods, names are there once.
    #[test]
    fn no_way_hides_another() {
        let mut all: Vec<(&str, &str)> = WAYS.iter().map(|way| (way.path, way.method)).collect();
        let number = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), number);
    }
}
