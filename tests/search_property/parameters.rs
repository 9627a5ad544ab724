//! Search parameters of R4 by hand: where their values are and of which form, written from the
//! specification's tables (FHIR R4 `<type>.html#search`, compartmentdefinition-patient.html), not
//! from the expressions that the server compiles.

/// The kind of a parameter (FHIR R4 search.html#ptypes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Token,
    Text,
    Date,
    Number,
    Quantity,
    Reference,
    Uri,
    /// Two components below one element.
    Pair,
}

/// How a value at a path is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Code,
    Boolean,
    /// `deceased[x]`: whether somebody died, by a boolean or a time.
    Died,
    Concept,
    Coding,
    Identifier,
    Contact,
    Plain,
    Name,
    Address,
    ConceptText,
    Moment,
    Period,
    Timing,
    Decimal,
    Quantity,
    Range,
    Reference,
    Canonical,
    Uri,
}

/// A path of member names from the resource; lists on the way are flattened. `name=value:` before a
/// path keeps only elements whose member `name` is `value`.
pub(crate) type Path = (&'static str, Form);

pub(crate) struct Parameter {
    pub(crate) code: &'static str,
    pub(crate) kind: Kind,
    pub(crate) paths: &'static [Path],
    /// Types a reference may point at; empty for the other kinds.
    pub(crate) targets: &'static [&'static str],
    /// For pairs: the elements (empty: the resource), then the paths of both components.
    pub(crate) pair: Option<Pair>,
}

#[derive(Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) within: &'static [&'static str],
    pub(crate) first: &'static [Path],
    pub(crate) second: &'static [Path],
    pub(crate) second_kind: Kind,
}

const fn of(code: &'static str, kind: Kind, paths: &'static [Path]) -> Parameter {
    Parameter { code, kind, paths, targets: &[], pair: None }
}

const fn link(code: &'static str, paths: &'static [Path], targets: &'static [&'static str]) -> Parameter {
    Parameter { code, kind: Kind::Reference, paths, targets, pair: None }
}

const fn pair(
    code: &'static str,
    within: &'static [&'static str],
    first: &'static [Path],
    second: &'static [Path],
    second_kind: Kind,
) -> Parameter {
    Parameter {
        code,
        kind: Kind::Pair,
        paths: &[],
        targets: &[],
        pair: Some(Pair { within, first, second, second_kind }),
    }
}

use Form::{
    Address, Boolean, Canonical, Code, Coding, Concept, ConceptText, Contact, Decimal, Died, Identifier, Moment, Name,
    Period, Plain, Quantity as Amount, Range, Reference as Ref, Timing, Uri as UriForm,
};
use Kind::{Date, Number, Quantity, Text, Token, Uri};

/// Takes no modifier.
pub(crate) const LAST_UPDATED: &str = "_lastUpdated";

/// The prefix by its text.
pub(crate) fn prefix(text: &str) -> &'static str {
    PREFIXES.iter().find(|known| **known == text).unwrap()
}

/// FHIR R4 search.html#prefix; none is `eq`.
pub(crate) const PREFIXES: &[&str] = &["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

/// What every resource has (FHIR R4 resource.html#search), `_id` apart.
pub(crate) const COMMON: &[Parameter] = &[
    of(LAST_UPDATED, Date, &[("meta.lastUpdated", Moment)]),
    of("_profile", Uri, &[("meta.profile", Canonical)]),
    of("_security", Token, &[("meta.security", Coding)]),
    of("_source", Uri, &[("meta.source", UriForm)]),
    of("_tag", Token, &[("meta.tag", Coding)]),
];

/// The parameters under test, a list a type.
pub(crate) const TYPES: &[(&str, &[Parameter])] = &[
    ("Patient", PATIENT),
    ("Observation", OBSERVATION),
    ("Condition", CONDITION),
    ("Encounter", ENCOUNTER),
    ("MedicationRequest", MEDICATION_REQUEST),
    ("Communication", COMMUNICATION),
    ("ValueSet", VALUE_SET),
    ("Location", LOCATION),
    ("RiskAssessment", RISK_ASSESSMENT),
    ("DocumentReference", DOCUMENT_REFERENCE),
    ("Practitioner", PRACTITIONER),
    ("Organization", ORGANIZATION),
    ("List", LIST),
];

const PATIENT: &[Parameter] = &[
    of("active", Token, &[("active", Boolean)]),
    of("address", Text, &[("address", Address)]),
    of("address-city", Text, &[("address.city", Plain)]),
    of("address-postalcode", Text, &[("address.postalCode", Plain)]),
    of("address-state", Text, &[("address.state", Plain)]),
    of("address-use", Token, &[("address.use", Code)]),
    of("birthdate", Date, &[("birthDate", Moment)]),
    of("death-date", Date, &[("deceasedDateTime", Moment)]),
    of("deceased", Token, &[("", Died)]),
    of("email", Token, &[("system=email:telecom", Contact)]),
    of("family", Text, &[("name.family", Plain)]),
    of("gender", Token, &[("gender", Code)]),
    link(
        "general-practitioner",
        &[("generalPractitioner", Ref)],
        &["Practitioner", "Organization", "PractitionerRole"],
    ),
    of("given", Text, &[("name.given", Plain)]),
    of("identifier", Token, &[("identifier", Identifier)]),
    of("language", Token, &[("communication.language", Concept)]),
    link("link", &[("link.other", Ref)], &["Patient", "RelatedPerson"]),
    of("name", Text, &[("name", Name)]),
    link("organization", &[("managingOrganization", Ref)], &["Organization"]),
    of("phone", Token, &[("system=phone:telecom", Contact)]),
    of("telecom", Token, &[("telecom", Contact)]),
];

const VALUE_QUANTITY: &[Path] = &[("valueQuantity", Amount)];
const VALUE_CONCEPT: &[Path] = &[("valueCodeableConcept", Concept)];

const OBSERVATION: &[Parameter] = &[
    of("category", Token, &[("category", Concept)]),
    of("code", Token, &[("code", Concept)]),
    pair("code-value-concept", &[""], &[("code", Concept)], VALUE_CONCEPT, Token),
    pair("code-value-date", &[""], &[("code", Concept)], &[("valueDateTime", Moment), ("valuePeriod", Period)], Date),
    pair("code-value-quantity", &[""], &[("code", Concept)], VALUE_QUANTITY, Quantity),
    pair("code-value-string", &[""], &[("code", Concept)], &[("valueString", Plain)], Text),
    of("combo-code", Token, &[("code", Concept), ("component.code", Concept)]),
    pair("combo-code-value-concept", &["", "component"], &[("code", Concept)], VALUE_CONCEPT, Token),
    pair("combo-code-value-quantity", &["", "component"], &[("code", Concept)], VALUE_QUANTITY, Quantity),
    of("combo-value-quantity", Quantity, &[("valueQuantity", Amount), ("component.valueQuantity", Amount)]),
    of("component-code", Token, &[("component.code", Concept)]),
    pair("component-code-value-concept", &["component"], &[("code", Concept)], VALUE_CONCEPT, Token),
    pair("component-code-value-quantity", &["component"], &[("code", Concept)], VALUE_QUANTITY, Quantity),
    of("component-value-quantity", Quantity, &[("component.valueQuantity", Amount)]),
    of("data-absent-reason", Token, &[("dataAbsentReason", Concept)]),
    of(
        "date",
        Date,
        &[
            ("effectiveDateTime", Moment),
            ("effectivePeriod", Period),
            ("effectiveTiming", Timing),
            ("effectiveInstant", Moment),
        ],
    ),
    link("encounter", &[("encounter", Ref)], &["Encounter", "EpisodeOfCare"]),
    link("has-member", &[("hasMember", Ref)], &["Observation", "MolecularSequence", "QuestionnaireResponse"]),
    of("identifier", Token, &[("identifier", Identifier)]),
    link("patient", &[("subject", Ref)], &["Patient"]),
    link(
        "performer",
        &[("performer", Ref)],
        &["Practitioner", "Organization", "CareTeam", "Patient", "PractitionerRole", "RelatedPerson"],
    ),
    of("status", Token, &[("status", Code)]),
    link("subject", &[("subject", Ref)], &["Patient", "Group", "Device", "Location"]),
    of("value-concept", Token, VALUE_CONCEPT),
    of("value-date", Date, &[("valueDateTime", Moment), ("valuePeriod", Period)]),
    of("value-quantity", Quantity, VALUE_QUANTITY),
    of("value-string", Text, &[("valueString", Plain), ("valueCodeableConcept", ConceptText)]),
];

const CONDITION: &[Parameter] = &[
    of("abatement-date", Date, &[("abatementDateTime", Moment), ("abatementPeriod", Period)]),
    of("abatement-string", Text, &[("abatementString", Plain)]),
    link("asserter", &[("asserter", Ref)], &["Practitioner", "PractitionerRole", "Patient", "RelatedPerson"]),
    of("body-site", Token, &[("bodySite", Concept)]),
    of("category", Token, &[("category", Concept)]),
    of("clinical-status", Token, &[("clinicalStatus", Concept)]),
    of("code", Token, &[("code", Concept)]),
    link("encounter", &[("encounter", Ref)], &["Encounter"]),
    of("identifier", Token, &[("identifier", Identifier)]),
    of("onset-age", Quantity, &[("onsetAge", Amount), ("onsetRange", Range)]),
    of("onset-date", Date, &[("onsetDateTime", Moment), ("onsetPeriod", Period)]),
    of("onset-info", Text, &[("onsetString", Plain)]),
    link("patient", &[("subject", Ref)], &["Patient"]),
    of("recorded-date", Date, &[("recordedDate", Moment)]),
    of("severity", Token, &[("severity", Concept)]),
    link("subject", &[("subject", Ref)], &["Patient", "Group"]),
];

const ENCOUNTER: &[Parameter] = &[
    of("class", Token, &[("class", Coding)]),
    of("date", Date, &[("period", Period)]),
    of("identifier", Token, &[("identifier", Identifier)]),
    of("length", Quantity, &[("length", Amount)]),
    link("location", &[("location.location", Ref)], &["Location"]),
    of("location-period", Date, &[("location.period", Period)]),
    link("participant", &[("participant.individual", Ref)], &["Practitioner", "PractitionerRole", "RelatedPerson"]),
    link("part-of", &[("partOf", Ref)], &["Encounter"]),
    link("patient", &[("subject", Ref)], &["Patient"]),
    of("reason-code", Token, &[("reasonCode", Concept)]),
    link("service-provider", &[("serviceProvider", Ref)], &["Organization"]),
    of("status", Token, &[("status", Code)]),
    link("subject", &[("subject", Ref)], &["Patient", "Group"]),
];

const MEDICATION_REQUEST: &[Parameter] = &[
    of("authoredon", Date, &[("authoredOn", Moment)]),
    of("code", Token, &[("medicationCodeableConcept", Concept)]),
    of("date", Date, &[("dosageInstruction.timing.event", Moment)]),
    link("encounter", &[("encounter", Ref)], &["Encounter"]),
    of("identifier", Token, &[("identifier", Identifier)]),
    of("intent", Token, &[("intent", Code)]),
    link("patient", &[("subject", Ref)], &["Patient"]),
    of("priority", Token, &[("priority", Code)]),
    link(
        "requester",
        &[("requester", Ref)],
        &["Practitioner", "Organization", "Patient", "Device", "PractitionerRole", "RelatedPerson"],
    ),
    of("status", Token, &[("status", Code)]),
    link("subject", &[("subject", Ref)], &["Patient", "Group"]),
];

const COMMUNICATION: &[Parameter] = &[
    of("category", Token, &[("category", Concept)]),
    of("identifier", Token, &[("identifier", Identifier)]),
    link("instantiates-canonical", &[("instantiatesCanonical", Canonical)], &["PlanDefinition"]),
    of("instantiates-uri", Uri, &[("instantiatesUri", UriForm)]),
    of("medium", Token, &[("medium", Concept)]),
    link("part-of", &[("partOf", Ref)], &[]),
    link("patient", &[("subject", Ref)], &["Patient"]),
    of("received", Date, &[("received", Moment)]),
    link("recipient", &[("recipient", Ref)], &["Patient", "Practitioner", "Organization"]),
    link("sender", &[("sender", Ref)], &["Patient", "Practitioner", "Organization"]),
    of("sent", Date, &[("sent", Moment)]),
    of("status", Token, &[("status", Code)]),
    link("subject", &[("subject", Ref)], &["Patient", "Group"]),
];

const VALUE_SET: &[Parameter] = &[
    of("context", Token, &[("useContext.valueCodeableConcept", Concept)]),
    of("context-quantity", Quantity, &[("useContext.valueQuantity", Amount), ("useContext.valueRange", Range)]),
    of("context-type", Token, &[("useContext.code", Coding)]),
    pair(
        "context-type-quantity",
        &["useContext"],
        &[("code", Coding)],
        &[("valueQuantity", Amount), ("valueRange", Range)],
        Quantity,
    ),
    pair("context-type-value", &["useContext"], &[("code", Coding)], &[("valueCodeableConcept", Concept)], Token),
    of("date", Date, &[("date", Moment)]),
    of("description", Text, &[("description", Plain)]),
    of("jurisdiction", Token, &[("jurisdiction", Concept)]),
    of("name", Text, &[("name", Plain)]),
    of("publisher", Text, &[("publisher", Plain)]),
    of("reference", Uri, &[("compose.include.system", UriForm)]),
    of("status", Token, &[("status", Code)]),
    of("title", Text, &[("title", Plain)]),
    of("url", Uri, &[("url", UriForm)]),
    of("version", Token, &[("version", Code)]),
];

const LOCATION: &[Parameter] = &[
    of("address", Text, &[("address", Address)]),
    of("address-city", Text, &[("address.city", Plain)]),
    of("address-postalcode", Text, &[("address.postalCode", Plain)]),
    of("address-state", Text, &[("address.state", Plain)]),
    of("address-use", Token, &[("address.use", Code)]),
    of("identifier", Token, &[("identifier", Identifier)]),
    of("name", Text, &[("name", Plain), ("alias", Plain)]),
    of("operational-status", Token, &[("operationalStatus", Coding)]),
    link("organization", &[("managingOrganization", Ref)], &["Organization"]),
    link("partof", &[("partOf", Ref)], &["Location"]),
    of("status", Token, &[("status", Code)]),
    of("type", Token, &[("type", Concept)]),
];

const RISK_ASSESSMENT: &[Parameter] = &[
    of("date", Date, &[("occurrenceDateTime", Moment)]),
    link("condition", &[("condition", Ref)], &["Condition"]),
    of("identifier", Token, &[("identifier", Identifier)]),
    of("method", Token, &[("method", Concept)]),
    link("patient", &[("subject", Ref)], &["Patient"]),
    of("probability", Number, &[("prediction.probabilityDecimal", Decimal)]),
    of("risk", Token, &[("prediction.qualitativeRisk", Concept)]),
    link("subject", &[("subject", Ref)], &["Patient", "Group"]),
];

const DOCUMENT_REFERENCE: &[Parameter] = &[
    link(
        "author",
        &[("author", Ref)],
        &["Practitioner", "Organization", "Device", "Patient", "PractitionerRole", "RelatedPerson"],
    ),
    of("category", Token, &[("category", Concept)]),
    of("contenttype", Token, &[("content.attachment.contentType", Code)]),
    of("date", Date, &[("date", Moment)]),
    of("description", Text, &[("description", Plain)]),
    of("identifier", Token, &[("masterIdentifier", Identifier), ("identifier", Identifier)]),
    of("location", Uri, &[("content.attachment.url", UriForm)]),
    link("patient", &[("subject", Ref)], &["Patient"]),
    of("period", Date, &[("context.period", Period)]),
    link("relatesto", &[("relatesTo.target", Ref)], &["DocumentReference"]),
    of("relation", Token, &[("relatesTo.code", Code)]),
    pair("relationship", &["relatesTo"], &[("code", Code)], &[("target", Ref)], Kind::Reference),
    of("security-label", Token, &[("securityLabel", Concept)]),
    of("status", Token, &[("status", Code)]),
    link("subject", &[("subject", Ref)], &["Patient", "Practitioner", "Group", "Device"]),
    of("type", Token, &[("type", Concept)]),
];

const PRACTITIONER: &[Parameter] = &[
    of("family", Text, &[("name.family", Plain)]),
    of("gender", Token, &[("gender", Code)]),
    of("given", Text, &[("name.given", Plain)]),
    of("identifier", Token, &[("identifier", Identifier)]),
    of("name", Text, &[("name", Name)]),
];

const ORGANIZATION: &[Parameter] = &[
    of("address", Text, &[("address", Address)]),
    of("address-city", Text, &[("address.city", Plain)]),
    of("address-postalcode", Text, &[("address.postalCode", Plain)]),
    of("address-state", Text, &[("address.state", Plain)]),
    of("address-use", Token, &[("address.use", Code)]),
    of("identifier", Token, &[("identifier", Identifier)]),
    of("name", Text, &[("name", Plain), ("alias", Plain)]),
    link("partof", &[("partOf", Ref)], &["Organization"]),
    of("type", Token, &[("type", Concept)]),
];

const LIST: &[Parameter] = &[
    of("code", Token, &[("code", Concept)]),
    of("date", Date, &[("date", Moment)]),
    link("item", &[("entry.item", Ref)], &[]),
    link("patient", &[("subject", Ref)], &["Patient"]),
    of("status", Token, &[("status", Code)]),
    link("subject", &[("subject", Ref)], &["Patient", "Group", "Device", "Location"]),
    of("title", Text, &[("title", Plain)]),
];

/// The types with a compartment here.
pub(crate) const OWNERS: &[&str] = &["Patient", "Encounter", "Practitioner"];

/// The parameters that tie a type to an owner (FHIR R4 compartmentdefinition-patient.html and so on);
/// `{def}` is the owner itself.
pub(crate) fn compartment(owner: &str, member: &str) -> &'static [&'static str] {
    match (owner, member) {
        ("Patient", "Patient") => &["link"],
        ("Patient", "Observation") => &["subject", "performer"],
        ("Patient", "Condition") => &["patient", "asserter"],
        ("Patient", "Encounter") => &["patient"],
        ("Patient", "MedicationRequest" | "RiskAssessment" | "List") => &["subject"],
        ("Patient", "Communication") => &["subject", "sender", "recipient"],
        ("Patient", "DocumentReference") => &["subject", "author"],
        ("Encounter", "Encounter") | ("Practitioner", "Practitioner") => &["{def}"],
        ("Encounter", "Condition" | "Observation" | "MedicationRequest") => &["encounter"],
        ("Practitioner", "Communication") => &["sender", "recipient"],
        ("Practitioner", "Condition") => &["asserter"],
        ("Practitioner", "DocumentReference") => &["subject", "author"],
        ("Practitioner", "Encounter") => &["participant"],
        ("Practitioner", "MedicationRequest") => &["requester"],
        ("Practitioner", "Observation") => &["performer"],
        ("Practitioner", "Patient") => &["general-practitioner"],
        _ => &[],
    }
}

/// A parameter of a type, also of those every type has.
pub(crate) fn find(resource_type: &str, code: &str) -> Option<&'static Parameter> {
    of_type(resource_type).chain(COMMON).find(|parameter| parameter.code == code)
}

/// The parameters of a type, without those every type has.
pub(crate) fn of_type(resource_type: &str) -> impl Iterator<Item = &'static Parameter> {
    TYPES.iter().filter(move |(name, _)| *name == resource_type).flat_map(|(_, list)| list.iter())
}
