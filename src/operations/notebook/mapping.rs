//! The mapping between notebook and FHIR, for people (a page) and for programs (JSON): told by
//! [`describe`], which tells the tables that map.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::summary::escaped;
use super::{Notebook, STYLE, Told, Tongue};
use crate::engine::Rejection;
use crate::notebook::model::describe::{self, Described, Placed};
use crate::notebook::model::{Mapping, mapping};
use crate::r4::guide::CANONICAL;
use crate::r4::outcome::IssueCode;

/// The concept maps of the guide that say the same of codes.
pub(super) const CONCEPT_MAPS: &[&str] =
    &["notebook-entity-to-resource", "written-unit-to-ucum", "measurement-to-category"];

impl Notebook<'_> {
    /// How everything is mapped, or one entity.
    ///
    /// # Errors
    /// 404 for an entity that is none.
    pub fn mapping(&self, entity: Option<&str>) -> Result<Told, Rejection> {
        self.no_parameters()?;
        let all: Vec<&Mapping> = match entity {
            None => describe::all().collect(),
            Some(name) => vec![mapping(name).ok_or_else(|| {
                let known: Vec<&str> = describe::all().map(|known| known.entity.name).collect();
                let known = known.join(", ");
                let ja = format!("{name:.64} という種類はありません。あるもの: {known}");
                self.refuse(404, IssueCode::NotFound, &ja, &format!("there is no entity {name:.64}; there are {known}"))
            })?],
        };
        if self.asked.wants_page {
            return Ok(Told { status: 200, page: Some(self.mapping_page(&all)), ..Told::default() });
        }
        let entities: Vec<Value> = all.iter().map(|mapping| describe::to_json(mapping)).collect();
        let maps: Vec<String> = CONCEPT_MAPS.iter().map(|id| format!("{CANONICAL}/ConceptMap/{id}")).collect();
        Ok(Told::of(match entity {
            Some(_) => entities.into_iter().next().unwrap_or_default(),
            None => json!({ "fhirVersion": "4.0.1", "entities": entities, "conceptMaps": maps }),
        }))
    }

    fn mapping_page(&self, all: &[&Mapping]) -> String {
        let title = escaped(&self.say("連絡帳と FHIR R4 の対応", "The notebook and FHIR R4"));
        let lang = if self.asked.tongue == Tongue::English { "en" } else { "ja" };
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
        );
        let how = self.say(
            "この表は、対応づけを行う表そのものから作られています。連絡帳に書いた内容は各種類の最初の型のリソースになり、ほかの型のものも表示・変更できます。連絡帳に置く場所のない要素は、リソースにそのまま残り、記録を読むときに warnings で示されます。",
            "This is told by the tables that map. What is written in the notebook becomes a resource of the first type of its kind; those of other types are shown and changed as well. Elements without a place in the notebook stay in the resource and are named in warnings when an entry is read.",
        );
        let _ = writeln!(page, "<p>{}</p>", escaped(&how));
        if all.len() > 1 {
            page.push_str("<p>");
            for mapping in all {
                let entity = mapping.entity;
                let _ = write!(page, "<a href=\"#{}\">{}</a> ", entity.name, escaped(&self.say(entity.ja, entity.en)));
            }
            page.push_str("</p>\n");
        }
        for mapping in all {
            let entity = mapping.entity;
            for (number, source) in describe::describe(mapping).iter().enumerate() {
                let anchor = if number == 0 { format!(" id=\"{}\"", entity.name) } else { String::new() };
                let _ = writeln!(
                    page,
                    "<section{anchor}><h2>{} <code>{}</code> {} <code>{}</code></h2>",
                    escaped(&self.say(entity.ja, entity.en)),
                    entity.name,
                    if number == 0 { "⇄" } else { "←" },
                    source.resource
                );
                self.source(&mut page, mapping, number, source);
                page.push_str("</section>\n");
            }
        }
        page.push_str("</body></html>\n");
        page
    }

    fn source(&self, page: &mut String, mapping: &Mapping, number: usize, source: &Described) {
        let mut line = |ja: &str, en: &str, text: String| {
            if !text.is_empty() {
                let _ = writeln!(page, "<p>{}: {text}</p>", escaped(&self.say(ja, en)));
            }
        };
        let pairs = |pairs: &[(String, String)]| {
            let one = |(path, value): &(String, String)| format!("<code>{} = {}</code>", escaped(path), escaped(value));
            pairs.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        let profile = Some(mapping.entity.profile).filter(|id| number == 0 && !id.is_empty());
        line(
            "プロファイル",
            "Profile",
            profile.map(|id| format!("<code>{CANONICAL}/StructureDefinition/{id}</code>")).unwrap_or_default(),
        );
        line(
            "1件にあたる要素",
            "An entry is an item of",
            if source.items.is_empty() { String::new() } else { format!("<code>{}</code>", escaped(&source.items)) },
        );
        line("条件", "Belongs here when", pairs(&source.requires));
        line("あわせて書かれる内容", "Written along", pairs(&source.along));
        let heads = [
            ("項目", "Field"),
            ("種類", "Kind"),
            ("方向", "Direction"),
            ("FHIR の場所", "Place in FHIR"),
            ("コード・参照先", "Codes, targets"),
        ];
        page.push_str("<table><tr>");
        for (ja, en) in heads {
            let _ = write!(page, "<td><b>{}</b></td>", escaped(&self.say(ja, en)));
        }
        page.push_str("</tr>\n");
        for (place, placed) in source.fields.iter().enumerate() {
            self.field(page, mapping, (number, place), placed, source.resource);
        }
        page.push_str("</table>\n");
        if !source.unheld.is_empty() {
            let _ = writeln!(
                page,
                "<p>{}: <code>{}</code></p>",
                escaped(&self.say(
                    "連絡帳に場所のない要素（リソースに残ります）",
                    "Elements without a place in the notebook (they stay in the resource)"
                )),
                source.unheld.join(", ")
            );
        }
    }

    fn field(&self, page: &mut String, mapping: &Mapping, at: (usize, usize), placed: &Placed, resource: &str) {
        let field = placed.field;
        let (_, ja, en) = placed.direction.names();
        let required = if field.required { " *" } else { "" };
        let place = if placed.path.is_empty() {
            String::new()
        } else {
            format!("<code>{resource}: {}</code> ({})", escaped(&placed.path), placed.fhir_type)
        };
        let mut codes = placed.system.map(|system| format!("<code>{}</code><br>", escaped(system))).unwrap_or_default();
        if let Some(known) = mapping.codes(at.0, at.1) {
            let names = known.iter().map(|code| {
                let name = if self.asked.tongue == Tongue::English { &code.en } else { &code.ja };
                escaped(&format!("{} {name}", code.code))
            });
            codes.push_str(&names.collect::<Vec<_>>().join(", "));
        }
        if let crate::notebook::model::FieldKind::Reference(types)
        | crate::notebook::model::FieldKind::References(types) = field.kind
        {
            codes.push_str(&types.join(", "));
        }
        let _ = writeln!(
            page,
            "<tr><td>{}{required}<br><code>{}</code></td><td>{}</td><td>{}</td><td>{place}</td><td>{codes}</td></tr>",
            escaped(&self.say(field.ja, field.en)),
            field.name,
            describe::kind_name(field.kind),
            escaped(&self.say(ja, en)),
        );
    }
}
