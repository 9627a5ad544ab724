//! `Measure/$care-gaps` (FHIR R4 operation-measure-care-gaps.html): what a citizen still lacks, as a document.
//!
//! A section a measure that the citizen counts for. A gap is a group whose denominator they are in and whose
//! numerator they are not: a DetectedIssue that names it.

use super::report::{Asked, Kind, report, report_id};
use super::tally::{Scope, Tallied};
use super::{About, about, all_measures, permit, question, wrong};
use crate::engine::{OperationAnswer, Rejection};
use crate::fls::stable_id;
use crate::format::json::{self, Node};
use crate::operations::call::Call;
use crate::operations::fls::catch_up;
use crate::r4::datetime::format_instant;

fn text(value: impl Into<String>) -> Node<'static> {
    Node::string(value.into())
}

fn object(members: Vec<(&'static str, Node<'static>)>) -> Node<'static> {
    Node::object(members)
}

fn reference(value: String) -> Node<'static> {
    object(vec![("reference", text(value))])
}

pub(super) fn care_gaps(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    permit(call.engine)?;
    let question = question(&call)?;
    let topic = call.inputs.text("topic").unwrap_or_default();
    if !matches!(topic, "fls" | "fracture-liaison" | "http://renraku.example/fhir/CodeSystem/care-plan-category|fls") {
        return Err(wrong(
            "topic",
            format!("there are no measures on {topic:.64?} here; the topic that is known is fls"),
        ));
    }
    let subject = call.inputs.text("subject").unwrap_or_default();
    catch_up(call.engine)?;
    let About::Citizen(facts) = about(&call, Some(subject))? else {
        return Err(wrong("subject", "gaps are those of one citizen: send Patient/[id]"));
    };
    let rules = call.engine.liaison_rules();
    let now = jiff::Timestamp::now().as_microsecond();
    let patient = format!("Patient/{}", facts.person.id);
    // A document holds what it is about (FHIR R4 documents.html#content).
    let version = call.engine.read_blocking("Patient", &facts.person.id)?;
    let person = json::parse(&version.body).map_err(|_| Rejection::internal("a stored resource cannot be read"))?;
    let whom = format!("{}/{patient}", call.request.base);
    let (mut sections, mut resources) = (Vec::new(), Vec::new());
    for measured in all_measures(call.engine) {
        if measured.name() == "fls-kpi-02" {
            continue;
        }
        let mut scope = Scope::new(&measured.groups, question.clone());
        scope.lists = true;
        let mut tallied = Tallied::new(scope);
        tallied.add(&facts, &rules)?;
        if tallied.groups.iter().all(|count| count.denominator == 0) {
            continue;
        }
        let asked = Asked {
            measured: &measured,
            kind: Kind::Individual,
            tallied: &tallied,
            subject: Some(patient.clone()),
            small_cell: None,
            guard: None,
            caseload: None,
            insured: None,
            rules: &rules,
            now,
        };
        let id = report_id(&asked);
        let mut node = report(&asked);
        node.set("id", text(id.clone()));
        let mut entries = vec![reference(format!("urn:uuid:{id}"))];
        // Of city outcomes to be in the numerator is no achievement, and of what nobody does there is no gap.
        let wants_more = !measured.is_of_city();
        for (place, (code, count)) in tallied.scope.groups.iter().zip(&tallied.groups).enumerate() {
            if !wants_more || count.numerator >= count.denominator {
                continue;
            }
            let group = measured.definition.list("group").get(place);
            let title = measured.definition.text("title").unwrap_or_default();
            let named = group.and_then(|group| group.path(&["code", "text"])).and_then(Node::as_str).unwrap_or(code);
            let gap = stable_id(&["gap", &id, code]);
            let coding = object(vec![
                ("system", text("http://renraku.example/fhir/CodeSystem/fls-measure-group")),
                ("code", text(code.clone())),
            ]);
            resources.push((
                gap.clone(),
                object(vec![
                    ("resourceType", text("DetectedIssue")),
                    ("id", text(gap.clone())),
                    ("status", text("final")),
                    (
                        "code",
                        object(vec![
                            ("coding", Node::Array(vec![coding])),
                            ("text", text(format!("{title}: {named}"))),
                        ]),
                    ),
                    ("patient", reference(whom.clone())),
                    ("identifiedDateTime", text(format_instant(now))),
                    (
                        "evidence",
                        Node::Array(vec![object(vec![(
                            "detail",
                            Node::Array(vec![reference(format!("urn:uuid:{id}"))]),
                        )])]),
                    ),
                    ("detail", text(format!("{} of {} met", count.numerator, count.denominator))),
                ]),
            ));
            entries.push(reference(format!("urn:uuid:{gap}")));
        }
        sections.push(object(vec![
            ("title", text(measured.definition.text("title").unwrap_or_default())),
            ("entry", Node::Array(entries)),
        ]));
        resources.push((id, node));
    }
    let id = stable_id(&["gaps", &patient, &question.from.to_string(), &question.to.to_string()]);
    let coding = object(vec![
        ("system", text("http://loinc.org")),
        ("code", text("57024-2")),
        ("display", text("Health quality measure document")),
    ]);
    let mut composition = vec![
        ("resourceType", text("Composition")),
        ("id", text(id.clone())),
        ("status", text("final")),
        ("type", object(vec![("coding", Node::Array(vec![coding]))])),
        ("subject", reference(whom.clone())),
        ("date", text(format_instant(now))),
        ("author", Node::Array(vec![object(vec![("display", text("renraku"))])])),
        ("title", text("Care gaps of fracture liaison（二次性骨折予防で残っていること）")),
    ];
    if !sections.is_empty() {
        composition.push(("section", Node::Array(sections)));
    }
    let entry = |id: String, resource: Node<'static>| {
        object(vec![("fullUrl", text(format!("urn:uuid:{id}"))), ("resource", resource)])
    };
    let mut all = vec![entry(id.clone(), object(composition))];
    all.push(object(vec![("fullUrl", text(whom)), ("resource", person.into_owned())]));
    all.extend(resources.into_iter().map(|(id, resource)| entry(id, resource)));
    let bundle = object(vec![
        ("resourceType", text("Bundle")),
        ("identifier", object(vec![("system", text("urn:ietf:rfc:3986")), ("value", text(format!("urn:uuid:{id}")))])),
        ("type", text("document")),
        ("timestamp", text(format_instant(now))),
        ("entry", Node::Array(all)),
    ]);
    Ok(OperationAnswer::Resource(bundle.to_bytes().into()))
}
