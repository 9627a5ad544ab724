//! Rules of the standard that its tables cannot say, each in a room of its own.
//!
//! The walk of [`super::validator`] calls them for every resource, every element with members and
//! every bare primitive; a room looks at the type and returns at once when it is not its own.

mod bundle;
mod coding;
mod conformance;
mod contained;
mod identity;
mod narrative;
mod operation;
mod profiling;
pub(crate) mod questionnaire;
pub(crate) mod remark;
mod systems;
mod terminology;
pub(super) mod texts;
mod values;
pub(crate) mod vital_signs;

use std::sync::OnceLock;

pub(super) use narrative::anchors;
use remark::Remark;

use super::codes::{CodeRef, Verdict};
use super::instance::node_of;
use super::place::Place;
use super::validator::{Run, Scope, is_example};
use crate::fhirpath::Item;
use crate::format::json::Node;
use crate::r4::canonical::split;
use crate::r4::outcome::IssueCode;
use crate::r4::{Kind, TypeId, definitions};

/// Rules about a whole resource.
pub(super) fn resource<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
    conformance::resource(run, item, place);
    contained::resource(run, item, place);
    identity::resource(run, item, place);
    let node = node_of(&item);
    let type_name = definitions().get(item.type_id).name.as_str();
    terminology::resource(run, type_name, node, place);
    let remarks = match type_name {
        "Bundle" => bundle::check(node),
        "QuestionnaireResponse" => questionnaire(run, node, scope),
        "Questionnaire" => derived(run, node),
        "OperationDefinition" => return operation::resource(run, node, place),
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

/// A Questionnaire against those it says it is derived from.
fn derived(run: &Run<'_, '_>, node: &Node<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (canonical, may_add) in questionnaire::derived::sources(node) {
        let (url, version) = split(canonical);
        if let Some(base) = run.validator.source().find("Questionnaire", url, version) {
            remarks.extend(questionnaire::derived::check(node, &base, may_add));
        }
    }
    remarks
}

/// Rules about an element (a resource is one too).
pub(super) fn element<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
    let mut remarks = Vec::new();
    let node = node_of(&item);
    match class(item.type_id) {
        Class::Coding => {
            let is_value_set = |url: &str| run.validator.source().find("ValueSet", url, None).is_some();
            values::coding(node, is_value_set, &mut remarks);
            remarks.extend(node.text("system").and_then(|system| systems::check(run, system)));
        }
        Class::Attachment => values::attachment(node, &mut remarks),
        Class::Quantity => values::quantity(node, &mut remarks),
        Class::Identifier => identity::identifier(node, &mut remarks),
        Class::Reference => values::reference(node, &mut remarks),
        class => primitive_value(run, class, &item, scope, &mut remarks),
    }
    for remark in remarks {
        run.remark(remark, place);
    }
    identity::element(run, item, place, scope);
    coding::element(run, item, place);
    contained::element(run, item, place, scope);
}

/// Rules about a primitive without id and extensions.
pub(super) fn primitive<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
    let mut remarks = Vec::new();
    primitive_value(run, class(item.type_id), &item, scope, &mut remarks);
    for remark in remarks {
        run.remark(remark, place);
    }
}

fn primitive_value<'r>(
    run: &mut Run<'_, 'r>,
    class: Class,
    item: &Item<'r>,
    scope: &Scope<'_, 'r>,
    remarks: &mut Vec<Remark>,
) {
    match (class, item.text()) {
        (Class::Uri | Class::Canonical, Some(text)) => {
            values::uri(text, remarks);
            if class == Class::Canonical {
                identity::canonical(text, remarks);
            }
            if !run.options.allow_examples && is_example(text) {
                remarks.push(Remark::error(IssueCode::Invalid, "example-url", "").with(text));
            }
        }
        (Class::Text | Class::Markdown, Some(text)) => {
            values::blank(text, remarks);
            values::text(text, remarks);
            let is_refused = if class == Class::Markdown {
                !run.options.allow_html_in_markdown || run.options.security_checks
            } else {
                run.options.security_checks
            };
            if is_refused && values::has_html(text) {
                remarks.push(Remark::error(IssueCode::Security, "text-html", ""));
            }
        }
        (Class::Narrative, Some(text)) => {
            values::narrative(text, remarks);
            let (found, fragments) = narrative::check(text);
            remarks.extend(found);
            for fragment in fragments {
                if !run.has_anchor(&fragment, scope) {
                    // No rule of R4: generators of guides leave such links in real documents.
                    remarks.push(Remark::warning(IssueCode::NotFound, "narrative-link-missing", "").with(fragment));
                }
            }
        }
        _ => {}
    }
}

/// Which rules a type has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Coding,
    Attachment,
    Quantity,
    Identifier,
    Reference,
    Uri,
    Canonical,
    Text,
    Markdown,
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
            "Identifier" => Class::Identifier,
            "Reference" => Class::Reference,
            "uri" | "url" | "oid" | "uuid" => Class::Uri,
            "canonical" => Class::Canonical,
            "string" => Class::Text,
            "markdown" => Class::Markdown,
            "xhtml" => Class::Narrative,
            _ if all.get(id).kind == Kind::Complex && is_a(id, "Quantity") => Class::Quantity,
            _ => Class::Other,
        };
        (0..all.len()).filter_map(|place| u16::try_from(place).ok()).map(|place| of(TypeId(place))).collect()
    });
    classes.get(usize::from(id.0)).copied().unwrap_or(Class::Other)
}
