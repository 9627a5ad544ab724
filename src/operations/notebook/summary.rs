//! A citizen's summary: the same sections as a FHIR document and as a page to print.
//!
//! Sections and their codes are those of the International Patient Summary where they fit; team and care
//! level are ours. What a section lists is in it as a resource too.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::articles::mapped;
use super::{Notebook, type_name, unreadable};
use crate::engine::Rejection;
use crate::format::json::{self, Node};
use crate::notebook::medication_now::State;
use crate::notebook::project;
use crate::r4::datetime::format_instant;
use crate::r4::definitions;
use crate::r4::reference::Reference;
use crate::search::parse::parse_query;
use crate::store::{EntityQuery, Found};

/// Which summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SummaryKind {
    /// All sections.
    Care,
    /// Medicines and allergies.
    Drug,
}

impl SummaryKind {
    /// LOINC code, Japanese and English title.
    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Care => ("60591-5", "医療・介護サマリー", "Medical and care summary"),
            Self::Drug => ("56445-0", "お薬サマリー", "Medication summary"),
        }
    }
}

const LOINC: &str = "http://loinc.org";
const OWN: &str = "http://renraku.example/fhir/CodeSystem/observation-code";

/// What a section shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Problems,
    Past,
    Medications,
    All(&'static str),
    Results,
    Function,
    Social,
    Plans,
    Team,
    CareLevel,
}

/// Code system, code, Japanese, English, what, whether it is there when it is empty, whether in the drug summary.
type Line = (&'static str, &'static str, &'static str, &'static str, What, bool, bool);

const SECTIONS: &[Line] = &[
    (LOINC, "11450-4", "病名・問題", "Problems", What::Problems, true, false),
    (LOINC, "10160-0", "服薬・注射", "Medication", What::Medications, true, true),
    (LOINC, "48765-2", "アレルギー", "Allergies", What::All("AllergyIntolerance"), true, true),
    (LOINC, "11348-0", "既往歴", "Past illness", What::Past, false, false),
    (LOINC, "47519-4", "手術・処置", "Procedures", What::All("Procedure"), false, false),
    (LOINC, "30954-2", "検査・測定", "Results", What::Results, false, false),
    (LOINC, "47420-5", "ADL・運動機能", "Functional status", What::Function, false, false),
    (LOINC, "11369-6", "予防接種", "Immunizations", What::All("Immunization"), false, false),
    (LOINC, "29762-2", "生活歴", "Social history", What::Social, false, false),
    (LOINC, "18776-5", "計画", "Plan of care", What::Plans, false, false),
    (LOINC, "85847-2", "ケアチーム", "Care team", What::Team, false, false),
    (OWN, "care-level", "要介護度", "Care level", What::CareLevel, false, false),
];

/// Resources of a section.
const MOST: u32 = 100;
/// Results are looked for among so many.
const MOST_RESULTS: u32 = 300;
/// People, organizations and medicines that come along.
const MOST_ALONG: usize = 300;

/// A section with what it lists.
pub(super) struct Section {
    line: &'static Line,
    entries: Vec<Found>,
    lines: Vec<[String; 3]>,
}

impl Notebook<'_> {
    fn found(
        &self,
        type_name: &str,
        patient: &str,
        more: &[(&str, &str)],
        count: u32,
    ) -> Result<Vec<Found>, Rejection> {
        self.may_read_of(&[type_name])?;
        let number = definitions().resource_number(type_name).unwrap_or(0);
        let mut pairs = vec![("patient".to_owned(), format!("Patient/{patient}"))];
        pairs.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let query = parse_query(number, &pairs, &self.engine.parse_options(false)).map_err(Rejection::bad_request)?;
        Ok(self.engine.store().search(&query, count, false)?.matches)
    }

    /// The sections of a summary, those that are empty only where their absence would mislead.
    pub(super) fn sections(&self, id: &str, kind: SummaryKind) -> Result<Vec<Section>, Rejection> {
        let (key, _) = self.citizen(id)?;
        let mut sections = Vec::new();
        for line in SECTIONS.iter().filter(|line| kind == SummaryKind::Care || line.6) {
            let mut section = match line.4 {
                What::Medications => self.medication_section(line, key)?,
                What::Problems => self.listed(line, self.found("Condition", id, &[], MOST)?, |node| !is_over(node)),
                What::Past => self.listed(line, self.found("Condition", id, &[], MOST)?, is_over),
                What::All(type_name) => self.listed(line, self.found(type_name, id, &[], MOST)?, |_| true),
                What::Results => self.results(line, id)?,
                What::Function => self.of_entity(line, "adl", key)?,
                What::Social => {
                    let found = self.found("Observation", id, &[("category", "social-history")], MOST)?;
                    self.listed(line, found, |_| true)
                }
                What::Plans => {
                    let is_on = |node: &Node<'_>| {
                        !matches!(
                            node.text("status").or_else(|| node.text("lifecycleStatus")),
                            Some("revoked" | "completed" | "cancelled" | "rejected")
                        )
                    };
                    let mut found = self.found("CarePlan", id, &[], MOST)?;
                    found.extend(self.found("Goal", id, &[], MOST)?);
                    self.listed(line, found, is_on)
                }
                What::Team => self.of_entity(line, "team", key)?,
                What::CareLevel => self.of_entity(line, "care_level", key)?,
            };
            if line.4 == What::CareLevel {
                section.lines.truncate(1);
                section.entries.truncate(1);
            }
            if line.5 || !section.entries.is_empty() {
                sections.push(section);
            }
        }
        Ok(sections)
    }

    fn listed(&self, line: &'static Line, found: Vec<Found>, wanted: impl Fn(&Node<'_>) -> bool) -> Section {
        let mut section = Section { line, entries: Vec::new(), lines: Vec::new() };
        for found in found {
            let Ok(resource) = json::parse(&found.version.body) else { continue };
            let is_wrong = resource.text("status") == Some("entered-in-error") || is_error(&resource);
            if is_wrong || !wanted(&resource) {
                continue;
            }
            section.lines.push(line_of(type_name(found.type_number), &resource));
            section.entries.push(found);
        }
        section
    }

    fn of_entity(&self, line: &'static Line, entity: &str, key: i64) -> Result<Section, Rejection> {
        let mapping = mapped(entity);
        let types: Vec<&str> = mapping.entity.sources.iter().map(|source| source.resource).collect();
        self.may_read_of(&types)?;
        let order = mapping.entity.fields.iter().find(|field| field.kind == crate::notebook::model::FieldKind::Date);
        let query = EntityQuery { order: order.map(|field| field.name), ..EntityQuery::of(&mapping.table, key, MOST) };
        let rows = self.engine.store().entities(&query)?;
        Ok(self.listed(line, rows.into_iter().map(|row| row.resource).collect(), |_| true))
    }

    /// The newest measurement of each kind.
    fn results(&self, line: &'static Line, id: &str) -> Result<Section, Rejection> {
        let found = self.found("Observation", id, &[("_sort", "-date")], MOST_RESULTS)?;
        let seen = std::cell::RefCell::new(BTreeSet::new());
        Ok(self.listed(line, found, |node| {
            let categories = crate::notebook::model::mapping("adl");
            let is_function = categories.is_some_and(|adl| adl.source_of("Observation", node).is_some());
            let has_value =
                node.members().iter().any(|(name, _)| matches!(name.as_ref(), "valueQuantity" | "component"));
            let code = node.get("code").map(Node::to_bytes).unwrap_or_default();
            has_value && !is_function && seen.borrow_mut().insert(code)
        }))
    }

    fn medication_section(&self, line: &'static Line, key: i64) -> Result<Section, Rejection> {
        let mut section = Section { line, entries: Vec::new(), lines: Vec::new() };
        for course in self.courses(key)? {
            if matches!(course.state, State::Stopped | State::NotTaken) {
                continue;
            }
            let (_, ja, en) = course.state.names();
            let mut detail = vec![format!("{ja} / {en}")];
            detail.extend(course.usage.clone());
            let next = course.next.map(|(day, _)| format!("次回 / next: {day}"));
            let until = course.until.map(|day| format!("〜{day}"));
            detail.extend(next.into_iter().chain(until));
            for (from, to) in &course.gaps {
                detail.push(format!("空白 / gap: {from}〜{to}"));
            }
            let since = course.since.map(|day| format!("{day}〜")).unwrap_or_default();
            section.lines.push([since, course.name.clone(), detail.join("／")]);
            for (kind, id) in course.sources.iter().take(2).filter_map(|reference| self.local(reference)) {
                section.entries.extend(self.stored(kind, id)?);
            }
        }
        Ok(section)
    }

    fn stored(&self, kind: &str, id: &str) -> Result<Option<Found>, Rejection> {
        let number = definitions().resource_number(kind).unwrap_or(0);
        Ok(self.engine.store().by_ids(number, &[id.to_owned()])?.pop())
    }

    /// The summary as a document Bundle.
    ///
    /// # Errors
    /// 404 without the citizen.
    pub fn document(&self, id: &str, kind: SummaryKind) -> Result<Node<'static>, Rejection> {
        let sections = self.sections(id, kind)?;
        let patient = self.stored("Patient", id)?.ok_or_else(|| Rejection::not_found("Patient", id))?;
        let (_, row) = self.citizen(id)?;
        let (code, ja, en) = kind.names();
        let reference = |found: &Found| Node::string(format!("{}/{}", type_name(found.type_number), found.id));
        let mut all: Vec<&Found> = vec![&patient];
        all.extend(sections.iter().flat_map(|section| &section.entries));
        let along = self.along(&all)?;
        all.extend(&along);
        let composition_id = uuid::Uuid::now_v7().to_string();
        let composition = Node::object([
            ("resourceType", Node::string("Composition")),
            ("id", Node::string(composition_id.clone())),
            ("status", Node::string("final")),
            ("type", concept(LOINC, code, &format!("{ja} / {en}"))),
            (
                "subject",
                Node::object([("reference", reference(&patient)), ("display", Node::string(row.name.clone()))]),
            ),
            ("date", Node::string(self.filling().date_time())),
            ("author", Node::Array(vec![Node::object([("display", Node::string("renraku"))])])),
            ("title", Node::string(format!("{ja} / {en}"))),
            ("section", Node::Array(sections.iter().map(|section| section.node(&reference)).collect())),
        ]);
        let entry = |url: String, resource: Node<'static>| {
            Node::object([("fullUrl", Node::string(url)), ("resource", resource)])
        };
        // On this server's base: only so do relative references lead to the other entries (bundle.html#references).
        let mut entries = vec![entry(format!("{}/Composition/{composition_id}", self.asked.base), composition)];
        let mut seen = BTreeSet::new();
        for found in all.into_iter().filter(|found| seen.insert(found.key)) {
            let resource = json::parse(&found.version.body).map_err(|_| unreadable())?.into_owned();
            let url = format!("{}/{}/{}", self.asked.base, type_name(found.type_number), found.id);
            entries.push(entry(url, resource));
        }
        let value = format!("urn:uuid:{}", uuid::Uuid::now_v7());
        let identifier = Node::object([("system", Node::string("urn:ietf:rfc:3986")), ("value", Node::string(value))]);
        Ok(Node::object([
            ("resourceType", Node::string("Bundle")),
            ("identifier", identifier),
            ("type", Node::string("document")),
            ("timestamp", Node::string(format_instant(self.now))),
            ("entry", Node::Array(entries)),
        ]))
    }

    /// People, organizations and medicines that the resources refer to, two steps far.
    fn along(&self, all: &[&Found]) -> Result<Vec<Found>, Rejection> {
        const KINDS: [&str; 7] =
            ["Practitioner", "PractitionerRole", "RelatedPerson", "Organization", "Medication", "Location", "Device"];
        let mut along: Vec<Found> = Vec::new();
        let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
        let mut wanted = Vec::new();
        for found in all {
            let resource = json::parse(&found.version.body).map_err(|_| unreadable())?;
            references(&resource, &mut wanted);
        }
        for _ in 0..2 {
            let mut next = Vec::new();
            for (kind, id) in std::mem::take(&mut wanted) {
                if along.len() >= MOST_ALONG
                    || !KINDS.contains(&kind.as_str())
                    || !seen.insert((kind.clone(), id.clone()))
                {
                    continue;
                }
                if let Some(found) = self.stored(&kind, &id)? {
                    let resource = json::parse(&found.version.body).map_err(|_| unreadable())?;
                    references(&resource, &mut next);
                    along.push(found);
                }
            }
            wanted = next;
        }
        Ok(along)
    }

    /// The summary as a page to print.
    ///
    /// # Errors
    /// 404 without the citizen, 400 for parameters that make no sense.
    pub fn summary_page(&self, id: &str) -> Result<String, Rejection> {
        let mut kind = SummaryKind::Care;
        for (name, value) in &self.asked.pairs {
            match (name.as_str(), value.as_str()) {
                ("type", "care") => kind = SummaryKind::Care,
                ("type", "drug") => kind = SummaryKind::Drug,
                ("type", other) => return Err(self.wrong("type", other, "care か drug", "care or drug is expected")),
                (name, _) => return Err(self.unknown_parameter(name, "type")),
            }
        }
        let (_, row) = self.citizen(id)?;
        let (_, ja, en) = kind.names();
        let title = self.say(ja, en);
        let lang = if self.asked.tongue == super::Tongue::English { "en" } else { "ja" };
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\"><title>{}</title><style>{STYLE}</style></head><body>\n<h1>{}</h1>\n<dl>",
            escaped(&format!("{title} {}", row.name)),
            escaped(&title)
        );
        for (ja, en, value) in [
            ("氏名", "Name", &row.name),
            ("フリガナ", "Kana", &row.kana),
            ("生年月日", "Date of birth", &row.birth_date),
            ("性別", "Gender", &row.gender),
            ("住所", "Address", &row.address),
            ("作成日時", "Made", &self.filling().date_time()),
        ] {
            if !value.is_empty() {
                let _ = write!(page, "<dt>{}</dt><dd>{}</dd>", escaped(&self.say(ja, en)), escaped(value));
            }
        }
        page.push_str("</dl>\n");
        for section in self.sections(id, kind)? {
            let (_, _, ja, en, ..) = section.line;
            let _ = write!(page, "<section><h2>{}</h2>", escaped(&self.say(ja, en)));
            if section.lines.is_empty() {
                let _ = write!(page, "<p>{}</p>", escaped(&self.say("記録はありません", "nothing is recorded")));
            } else {
                page.push_str("<table>");
                for [date, title, detail] in &section.lines {
                    let _ = write!(
                        page,
                        "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                        escaped(date),
                        escaped(title),
                        escaped(detail)
                    );
                }
                page.push_str("</table>");
            }
            page.push_str("</section>\n");
        }
        page.push_str("</body></html>\n");
        Ok(page)
    }
}

/// The style of the page; its hash is in the policy of the answer.
pub const STYLE: &str = "body{font-family:sans-serif;max-width:60rem;margin:1rem auto;line-height:1.5}h1{font-size:1.4rem}h2{font-size:1.1rem;border-bottom:1px solid #888;margin-bottom:.3rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}dt{color:#555}dd{margin:0}table{border-collapse:collapse;width:100%}td{vertical-align:top;padding:.15rem .6rem .15rem 0;border-bottom:1px dotted #ccc}td:first-child{white-space:nowrap;color:#555}section{break-inside:avoid}@media print{body{margin:0;max-width:none;font-size:10pt}@page{size:A4;margin:15mm}}";

impl Section {
    fn node(&self, reference: &dyn Fn(&Found) -> Node<'static>) -> Node<'static> {
        let (system, code, ja, en, ..) = self.line;
        let title = format!("{ja} / {en}");
        let mut div = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\">");
        if self.lines.is_empty() {
            div.push_str("<p>記録はありません / nothing is recorded</p>");
        } else {
            div.push_str("<ul>");
            for line in &self.lines {
                let parts: Vec<String> =
                    line.iter().filter(|part| !part.is_empty()).map(|part| escaped(part)).collect();
                let _ = write!(div, "<li>{}</li>", parts.join(" "));
            }
            div.push_str("</ul>");
        }
        div.push_str("</div>");
        let mut members = vec![
            ("title", Node::string(title.clone())),
            ("code", concept(system, code, &title)),
            ("text", Node::object([("status", Node::string("generated")), ("div", Node::string(div))])),
        ];
        if self.entries.is_empty() {
            let system = "http://terminology.hl7.org/CodeSystem/list-empty-reason";
            members.push(("emptyReason", concept(system, "unavailable", "Unavailable")));
        } else {
            let mut seen = BTreeSet::new();
            let entries = self.entries.iter().filter(|found| seen.insert(found.key));
            members.push((
                "entry",
                Node::Array(entries.map(|found| Node::object([("reference", reference(found))])).collect()),
            ));
        }
        Node::object(members)
    }
}

fn concept(system: &str, code: &str, text: &str) -> Node<'static> {
    let coding = Node::object([("system", Node::string(system.to_owned())), ("code", Node::string(code.to_owned()))]);
    Node::object([("coding", Node::Array(vec![coding])), ("text", Node::string(text.to_owned()))])
}

fn has_code(node: &Node<'_>, name: &str, codes: &[&str]) -> bool {
    let codings = node.get(name).map_or(&[][..], |concept| concept.list("coding"));
    codings.iter().filter_map(|coding| coding.text("code")).any(|code| codes.contains(&code))
}

fn is_error(node: &Node<'_>) -> bool {
    has_code(node, "verificationStatus", &["entered-in-error"])
}

fn is_over(node: &Node<'_>) -> bool {
    has_code(node, "clinicalStatus", &["resolved", "inactive", "remission"])
}

/// A resource as the timeline says it: date, title, detail.
fn line_of(type_name: &str, resource: &Node<'_>) -> [String; 3] {
    let rows = project(type_name, resource);
    let Some(entry) = rows.entries.first() else { return [String::new(), type_name.to_owned(), String::new()] };
    // The section says the kind already.
    let title = entry.title.split_once('：').map_or(entry.title.as_str(), |(_, title)| title);
    let shown = |text: &str| if text == "（記載なし）" { String::new() } else { text.to_owned() };
    [shown(&entry.date_text), title.to_owned(), shown(&entry.detail)]
}

fn references(node: &Node<'_>, found: &mut Vec<(String, String)>) {
    node.items().iter().for_each(|item| references(item, found));
    for (name, value) in node.members() {
        match value.as_str() {
            Some(text) if name == "reference" => {
                if let Reference::Local { resource_type, id, .. } = Reference::parse(text) {
                    found.push((resource_type.to_owned(), id.to_owned()));
                }
            }
            Some(_) => {}
            None => references(value, found),
        }
    }
}

/// Text in HTML and XHTML.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // What XML cannot hold.
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                out.push('\u{fffd}')
            }
            letter => out.push(letter),
        }
    }
    out
}
