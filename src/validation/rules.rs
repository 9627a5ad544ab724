//! Rules of the standard that its tables cannot say, each in a room of its own.
//!
//! The walk of [`super::validator`] calls them for every resource, every element with members and
//! every bare primitive; a room looks at the type and returns at once when it is not its own.

mod bundle;
mod coding;
mod conformance;
mod contained;
pub(crate) mod questionnaire;
pub(crate) mod remark;
pub(super) mod texts;
mod values;
pub(crate) mod vital_signs;

use std::sync::OnceLock;

use remark::Remark;

use super::codes::{CodeRef, Verdict};
use super::instance::node_of;
use super::place::Place;
use super::validator::{Run, Scope};
use crate::fhirpath::Item;
use crate::format::json::Node;
use crate::r4::canonical::split;
use crate::r4::outcome::IssueCode;
use crate::r4::{Kind, TypeId, definitions};

/// Rules about a whole resource.
pub(super) fn resource<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
    conformance::resource(run, item, place);
    contained::resource(run, item, place);
    let node = node_of(&item);
    let remarks = match definitions().get(item.type_id).name.as_str() {
        "Bundle" => bundle::check(node),
        "QuestionnaireResponse" => questionnaire(run, node, scope),
        _ => return,
    };
    for remark in remarks {
        run.remark(remark, place);
    }
}

fn questionnaire<'r>(run: &Run<'_, 'r>, node: &Node<'_>, scope: &Scope<'_, 'r>) -> Vec<Remark> {
    let Some(canonical) = node.text("questionnaire") else { return Vec::new() };
    let known;
    let form = match canonical.strip_prefix('#') {
        Some(id) => node_of(&scope.root).list("contained").iter().find(|inner| inner.text("id") == Some(id)),
        None => {
            let (url, version) = split(canonical);
            known = run.validator.source().find("Questionnaire", url, version);
            known.as_deref()
        }
    };
    let Some(form) = form else {
        let remark = Remark::warning(IssueCode::NotFound, "qr-not-found", ".questionnaire");
        return vec![remark.with(canonical)];
    };
    questionnaire::check(node, form, &|set, coding| {
        let code = CodeRef {
            system: coding.text("system"),
            version: coding.text("version"),
            code: coding.text("code")?,
            display: coding.text("display"),
        };
        match run.validator.codes().in_value_set(set, code) {
            Verdict::Yes | Verdict::WrongDisplay(_) => Some(true),
            Verdict::No(_) => Some(false),
            Verdict::Unknown(_) => None,
        }
    })
}

/// Rules about an element (a resource is one too).
pub(super) fn element<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
    let mut remarks = Vec::new();
    let node = node_of(&item);
    match class(item.type_id) {
        Class::Coding => {
            let is_value_set = |url: &str| run.validator.source().find("ValueSet", url, None).is_some();
            values::coding(node, is_value_set, &mut remarks);
        }
        Class::Attachment => values::attachment(node, &mut remarks),
        Class::Quantity => values::quantity(node, &mut remarks),
        class => primitive_value(class, &item, &mut remarks),
    }
    for remark in remarks {
        run.remark(remark, place);
    }
    coding::element(run, item, place);
    contained::element(run, item, place, scope);
}

/// Rules about a primitive without id and extensions.
pub(super) fn primitive<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>) {
    let mut remarks = Vec::new();
    primitive_value(class(item.type_id), &item, &mut remarks);
    for remark in remarks {
        run.remark(remark, place);
    }
}

fn primitive_value(class: Class, item: &Item<'_>, remarks: &mut Vec<Remark>) {
    match (class, item.text()) {
        (Class::Uri, Some(text)) => values::uri(text, remarks),
        (Class::Text, Some(text)) => values::text(text, remarks),
        (Class::Narrative, Some(text)) => values::narrative(text, remarks),
        _ => {}
    }
}

/// Which rules a type has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Coding,
    Attachment,
    Quantity,
    Uri,
    Text,
    Narrative,
    Other,
}

fn class(id: TypeId) -> Class {
    static CLASSES: OnceLock<Vec<Class>> = OnceLock::new();
    let classes = CLASSES.get_or_init(|| {
        let all = definitions();
        let is_a = |id, name| all.type_id(name).is_some_and(|ancestor| all.is_a(id, ancestor));
        let of = |id: TypeId| match all.get(id).name.as_str() {
            "Coding" => Class::Coding,
            "Attachment" => Class::Attachment,
            "uri" | "url" | "canonical" | "oid" | "uuid" => Class::Uri,
            "string" | "markdown" => Class::Text,
            "xhtml" => Class::Narrative,
            _ if all.get(id).kind == Kind::Complex && is_a(id, "Quantity") => Class::Quantity,
            _ => Class::Other,
        };
        (0..all.len()).filter_map(|place| u16::try_from(place).ok()).map(|place| of(TypeId(place))).collect()
    });
    classes.get(usize::from(id.0)).copied().unwrap_or(Class::Other)
}
