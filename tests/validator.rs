//! HL7's validator cases for R4: does the validator find errors where HL7's does, and none where it finds none?
//!
//! A case without a profile asks about the standard (and what the resource claims), one with a profile about that.
//! The shares agreed on are printed with every disagreement, and may not fall below the floors here.
//! The cases are read from `../shared/suites/validator`; where they are absent the test says "skipped".

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use renraku::format::json::{self, Node};
use renraku::r4::canonical::{Canonicals, Definition, Layers, standard};
use renraku::r4::loaded::LoadedPackages;
use renraku::r4::outcome::Severity;
use renraku::terminology::Terminology;
use renraku::validation::{Finding, Language, Options, Validator};

#[path = "validator/probes.rs"]
mod probes;

/// Least shares of cases agreed on, in percent. They only go up.
const BASE_FLOOR: f64 = 97.3;
const PROFILE_FLOOR: f64 = 94.2;

/// Why a case is judged otherwise than by HL7: kind, name, reason. Only true ones may stand here.
const REASONS: &[(&str, &str, &str)] = &[
    ("base", "ext-ctxt-bad-active", ABSENT),
    ("base", "ext-ctxt-bad-address", ABSENT),
    ("base", "ext-ctxt-bad-ext", ABSENT),
    ("base", "exta-ctxt-bad-name", ABSENT),
    ("base", "fixed-quantity-binding-observation", ABSENT),
    ("profile", "document-bad-bad-sections", ABSENT),
    ("profile", "bundle-slice-bad2", ABSENT),
    ("profile", "patient-circle1-bad-source1", "the resource referred to does not come with the case"),
];
const ABSENT: &str = "the definition it claims or uses does not come with the case";

/// What HL7's runs of single cases are set to beyond the defaults, with the same settings here.
fn settings(name: &str) -> Options {
    let defaults = Options::default();
    match name {
        // Extensions nobody knows are allowed in the name spaces of examples only.
        "target-ref-profile-empty" => Options { unknown_extension: Severity::Error, ..defaults },
        "dr-example-org" => Options { allow_examples: false, ..defaults },
        "parameters-reference-bad" => Options { resolve_references: true, ..defaults },
        "bad-markdown-no-html" => Options { allow_html_in_markdown: false, ..defaults },
        "contained-resource-bad-id-ignore" => Options {
            ignored: vec!["value-id".to_owned(), "contained-unnamed@Condition.contained".to_owned()],
            ..defaults
        },
        _ => defaults,
    }
}

/// A definition with its version.
type Versioned = (Option<String>, Definition);

/// The definitions of a case by type and URL.
#[derive(Debug, Default)]
struct Supporting(BTreeMap<(String, String), Vec<Versioned>>);

impl Supporting {
    fn add(&mut self, node: Node<'static>) {
        if let (Some(kind), Some(url)) = (node.text("resourceType"), node.text("url")) {
            let key = (kind.to_owned(), url.to_owned());
            let version = node.text("version").map(str::to_owned);
            self.0.entry(key).or_default().insert(0, (version, Arc::new(node)));
        }
    }
}

impl Canonicals for Supporting {
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Option<Definition> {
        let known = self.0.get(&(resource_type.to_owned(), url.to_owned()))?;
        // `0.2` is any `0.2.x`.
        let fits = |own: &str, wanted: &str| {
            own == wanted || own.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
        };
        let is_it =
            |(own, _): &&Versioned| version.is_none_or(|wanted| own.as_deref().is_some_and(|own| fits(own, wanted)));
        known.iter().find(is_it).map(|(_, definition)| Arc::clone(definition))
    }

    fn list(&self, resource_type: &str) -> Vec<(String, Option<String>)> {
        let of_type = self.0.iter().filter(|((kind, _), _)| kind == resource_type);
        of_type.flat_map(|((_, url), all)| all.iter().map(|(version, _)| (url.clone(), version.clone()))).collect()
    }
}

/// A reference input; none in a clone without them.
fn shared(path: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found =
        ["../shared", "../../shared"].map(|folder| root.join(folder).join(path)).into_iter().find(|p| p.exists());
    if found.is_none() {
        println!("skipped: no shared {path}");
    }
    found
}

/// What is found; text that is no JSON is an error too.
fn run(folder: &Path, case: &Node<'_>, options: &Options) -> Vec<String> {
    let mut supporting = Supporting::default();
    for file in case.list("supporting").iter().filter_map(Node::as_str) {
        let text = fs::read(folder.join(file)).unwrap();
        supporting.add(json::parse(&text).unwrap().into_owned());
    }
    let layers: Arc<dyn Canonicals> = Arc::new(Layers(vec![Arc::new(supporting), standard()]));
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(Arc::clone(&layers))));
    let text = fs::read(folder.join(case.text("file").unwrap())).unwrap();
    let node = match json::parse(&text) {
        Ok(node) => node,
        Err(error) => return vec![error.to_string()],
    };
    let profiles: Vec<&str> = case.text("profile").into_iter().collect();
    errors(&validator.validate(&node, &profiles, options))
}

fn errors(findings: &[Finding]) -> Vec<String> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let shown = |finding: &Finding| {
        format!("{}: {}", finding.expression.as_deref().unwrap_or("-"), finding.text(Language::English))
    };
    errors.map(shown).collect()
}

fn with_package(path: &Path) -> Validator {
    let mut packages = LoadedPackages::default();
    packages.load(fs::File::open(path).unwrap()).unwrap();
    let layers: Arc<dyn Canonicals> = Arc::new(Layers(vec![standard(), Arc::new(packages)]));
    Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(layers)))
}

/// The examples that come with JP Core conform to the profiles they claim: no false errors.
#[test]
fn the_examples_of_jp_core_conform() {
    let Some(path) = shared("samples/packages/jp-core.r4-1.1.2.tgz") else { return };
    let validator = with_package(&path);
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(&path).unwrap()));
    let (mut examples, mut wrong) = (0, Vec::new());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).unwrap();
        let Ok(node) = json::parse(&text) else { continue };
        if node.text("resourceType").is_none() || node.text("url").is_some() {
            continue;
        }
        examples += 1;
        let found = errors(&validator.validate(&node, &[], &Options::default()));
        wrong.extend(found.into_iter().map(|error| format!("{}: {error}", node.text("id").unwrap_or_default())));
    }
    assert!(examples >= 40, "{examples} examples");
    assert_eq!(wrong, Vec::<String>::new());
}

/// What JP Core defines is sound by the rules about definitions, but for texts in it that are empty, which no
/// string may be (datatypes.html#string), and the codes of a tool in its ImplementationGuide, which R4 does not
/// list (ValueSet guide-parameter-code, required).
#[test]
fn the_definitions_of_jp_core_are_sound() {
    let Some(path) = shared("samples/packages/jp-core.r4-1.1.2.tgz") else { return };
    let validator = with_package(&path);
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(&path).unwrap()));
    let (mut definitions, mut wrong) = (0, Vec::new());
    for entry in archive.entries().unwrap() {
        let mut text = Vec::new();
        entry.unwrap().read_to_end(&mut text).unwrap();
        let Ok(node) = json::parse(&text) else { continue };
        if node.text("resourceType").is_none() || node.text("url").is_none() {
            continue;
        }
        definitions += 1;
        let found = errors(&validator.validate(&node, &[], &Options::default()));
        wrong.extend(found.into_iter().map(|error| format!("{}: {error}", node.text("id").unwrap_or_default())));
    }
    assert!(definitions >= 150, "{definitions} definitions");
    wrong.retain(|error| {
        !error.ends_with("found the string \"\"") && !error.contains("ImplementationGuide.definition.parameter[")
    });
    assert_eq!(wrong, Vec::<String>::new());
}

/// Nor do the rules about definitions find anything in what HL7 publishes with R4, but for two profiles that say
/// of themselves that they are of another kind than their base. (Kept here without differentials and narratives.)
#[test]
fn the_definitions_of_the_standard_are_sound() {
    let source = standard();
    let layers: Arc<dyn Canonicals> = Arc::<renraku::r4::canonical::Standard>::clone(&source);
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(layers)));
    let rules = [
        "profile-base",
        "profile-path",
        "profile-max",
        "profile-min",
        "profile-type",
        "profile-value",
        "profile-limit",
        "profile-target",
        "profile-context",
        "composite-",
        "expression",
        "filter-",
        "binding-no",
        "binding-loosened",
        "extension-url",
        "extension-part",
    ];
    let mut wrong = Vec::new();
    for kind in ["StructureDefinition", "SearchParameter", "ValueSet"] {
        for (url, _) in source.list(kind) {
            let Some(node) = source.find(kind, &url, None) else { continue };
            let found = validator.validate(&node, &[], &Options::default());
            let of_rules = found.iter().filter(|finding| rules.iter().any(|start| finding.message.starts_with(start)));
            wrong.extend(of_rules.map(|finding| format!("{url}: {}", finding.text(Language::English))));
        }
    }
    wrong.retain(|found| !found.contains("a constraint has the kind"));
    assert_eq!(wrong, Vec::<String>::new());
}

/// The JSON Schema of a profile never refuses what conforms to it: each example against the profiles it claims.
#[test]
fn schemas_of_profiles_take_what_conforms() {
    let Some(path) = shared("samples/packages/jp-core.r4-1.1.2.tgz") else { return };
    let mut packages = LoadedPackages::default();
    packages.load(fs::File::open(&path).unwrap()).unwrap();
    let layers: Arc<dyn Canonicals> = Arc::new(Layers(vec![standard(), Arc::new(packages)]));
    let terminology = Arc::new(Terminology::new(Arc::clone(&layers)));
    let validator = Validator::new(layers, Arc::<Terminology>::clone(&terminology));
    let codes = |value_set: &str| terminology.few_codes(value_set, 200);
    let mut schemas: BTreeMap<String, jsonschema::Validator> = BTreeMap::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(&path).unwrap()));
    let mut checked = 0;
    for entry in archive.entries().unwrap() {
        let mut text = Vec::new();
        entry.unwrap().read_to_end(&mut text).unwrap();
        let Ok(node) = json::parse(&text) else { continue };
        let claimed = node.get("meta").map_or(&[][..], |meta| meta.list("profile"));
        for profile in claimed.iter().filter_map(Node::as_str) {
            let Ok(schema) = validator.json_schema(profile, &codes) else { continue };
            let compiled =
                schemas.entry(profile.to_owned()).or_insert_with(|| jsonschema::draft202012::new(&schema).unwrap());
            let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
            let complaints: Vec<String> =
                compiled.iter_errors(&value).map(|error| format!("{}: {error:.200}", error.instance_path())).collect();
            assert!(complaints.is_empty(), "{profile}: {complaints:#?}");
            checked += 1;
        }
    }
    assert!(checked >= 40, "{checked} examples");
}

/// A document of a municipal checkup is valid; the one with broken JSON says where it is broken.
#[test]
fn documents_of_checkups() {
    let Some(folder) = shared("samples/municipal-checkup") else { return };
    let layers: Arc<dyn Canonicals> = Arc::new(Layers(vec![standard()]));
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(layers)));
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let good = read("Bundle-example17.json");
    assert_eq!(
        errors(&validator.validate(&json::parse(&good).unwrap(), &[], &Options::default())),
        Vec::<String>::new()
    );
    let broken = read("Bundle-example17-ng-pat-1.json");
    let error = json::parse(&broken).unwrap_err();
    assert_eq!((error.line, error.column), (609, 25));
}

/// What only its profile forbids (a status) is found with a profile that says so, at its place.
#[test]
fn a_status_that_a_profile_fixes() {
    let Some(folder) = shared("samples/municipal-checkup") else { return };
    let profile =
        br#"{"resourceType":"StructureDefinition","url":"http://example.org/final","name":"Final","status":"active",
        "kind":"resource","abstract":false,"type":"Observation","derivation":"constraint",
        "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Observation",
        "differential":{"element":[{"path":"Observation.status","fixedCode":"final"}]}}"#;
    let bundle = br#"{"resourceType":"StructureDefinition","url":"http://example.org/document","name":"Document","status":"active",
        "kind":"resource","abstract":false,"type":"Bundle","derivation":"constraint",
        "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Bundle",
        "differential":{"element":[
            {"path":"Bundle.entry","slicing":{"discriminator":[{"type":"type","path":"resource"}],"rules":"open"}},
            {"path":"Bundle.entry","sliceName":"observation"},
            {"path":"Bundle.entry.resource","type":[{"code":"Observation","profile":["http://example.org/final"]}]}]}}"#;
    let mut supporting = Supporting::default();
    supporting.add(json::parse(profile).unwrap().into_owned());
    supporting.add(json::parse(bundle).unwrap().into_owned());
    let layers: Arc<dyn Canonicals> = Arc::new(Layers(vec![Arc::new(supporting), standard()]));
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(layers)));
    let check = |name: &str| {
        let text = fs::read(folder.join(name)).unwrap();
        let node = json::parse(&text).unwrap();
        errors(&validator.validate(&node, &["http://example.org/document"], &Options::default()))
    };
    assert_eq!(check("Bundle-example17.json"), Vec::<String>::new());
    let found = check("Bundle-example17-ng-obs-1.json");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("Bundle.entry[") && found[0].contains("].resource.status: "), "{found:?}");
}

/// A value set that a profile contains binds (references.html#contained), and its own words for a code are
/// right although the code system has others (ValueSet.compose.include.concept.display).
#[test]
fn a_profile_contains_its_value_set() {
    let profile =
        br##"{"resourceType":"StructureDefinition","url":"http://example.org/kin","version":"1.0","name":"Kin","status":"active",
        "kind":"resource","abstract":false,"type":"Patient","derivation":"constraint",
        "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient",
        "contained":[{"resourceType":"ValueSet","id":"kin","status":"active","compose":{"include":[{
            "system":"http://terminology.hl7.org/CodeSystem/v2-0131","concept":[{"code":"N","display":"Family"}]}]}}],
        "differential":{"element":[{"path":"Patient.contact.relationship",
            "binding":{"strength":"required","valueSet":"#kin"}}]}}"##;
    let mut supporting = Supporting::default();
    supporting.add(json::parse(profile).unwrap().into_owned());
    let layers: Arc<dyn Canonicals> = Arc::new(Layers(vec![Arc::new(supporting), standard()]));
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(layers)));
    let check = |code: &str, display: &str| {
        let text = format!(
            r#"{{"resourceType":"Patient","contact":[{{"name":{{"text":"x"}},"relationship":[{{"coding":[
            {{"system":"http://terminology.hl7.org/CodeSystem/v2-0131","code":"{code}","display":"{display}"}}]}}]}}]}}"#
        );
        let node = json::parse(text.as_bytes()).unwrap().into_owned();
        errors(&validator.validate(&node, &["http://example.org/kin"], &Options::default()))
    };
    assert_eq!(check("N", "Family"), Vec::<String>::new());
    assert_eq!(check("N", "Next-of-Kin"), Vec::<String>::new());
    let wrong = check("N", "Employer");
    assert!(wrong.iter().any(|error| error.contains("'Employer' but should be")), "{wrong:?}");
    let other = check("C", "Emergency Contact");
    assert!(other.iter().any(|error| error.contains("#kin")), "{other:?}");
}

/// An Observation with the LOINC code of a vital sign conforms to its profile (observation-vitalsigns.html).
#[test]
fn a_vital_sign_is_told_by_its_code() {
    let layers: Arc<dyn Canonicals> = standard();
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(layers)));
    let check = |code: &str, category: &str| {
        let text = format!(
            r#"{{"resourceType":"Observation","status":"final",{category}"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},
            "subject":{{"reference":"Patient/1"}},"effectiveDateTime":"2026-01-05",
            "valueQuantity":{{"value":52.4,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}}}}"#
        );
        let node = json::parse(text.as_bytes()).unwrap().into_owned();
        errors(&validator.validate(&node, &[], &Options::default()))
    };
    let category = r#""category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],"#;
    assert_eq!(check("29463-7", category), Vec::<String>::new());
    assert_eq!(check("718-7", ""), Vec::<String>::new());
    let found = check("29463-7", "");
    assert!(!found.is_empty() && found.iter().all(|error| error.contains("category")), "{found:?}");
}

/// Slices told apart by what a slice of their codes must have: the components of a blood pressure.
#[test]
fn components_of_a_blood_pressure() {
    let layers: Arc<dyn Canonicals> = standard();
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(layers)));
    let check = |systolic: &str, unit: &str| {
        let component = |code: &str, unit: &str| {
            format!(
                r#"{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},
                "valueQuantity":{{"value":80,"unit":"x","system":"http://unitsofmeasure.org","code":"{unit}"}}}}"#
            )
        };
        let text = format!(
            r#"{{"resourceType":"Observation","status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}}]}}],
            "code":{{"coding":[{{"system":"http://loinc.org","code":"85354-9"}}]}},"subject":{{"reference":"Patient/1"}},
            "effectiveDateTime":"2026-01-05","component":[{},{}]}}"#,
            component(systolic, unit),
            component("8462-4", "mm[Hg]")
        );
        let node = json::parse(text.as_bytes()).unwrap().into_owned();
        errors(&validator.validate(&node, &[], &Options::default()))
    };
    assert_eq!(check("8480-6", "mm[Hg]"), Vec::<String>::new());
    let unit = check("8480-6", "kPa");
    assert!(unit.iter().any(|error| error.starts_with("Observation.component[0].value.code: ")), "{unit:?}");
    let other = check("8867-4", "mm[Hg]");
    assert!(other.iter().any(|error| error.contains("SystolicBP")), "{other:?}");
}

/// "If both Reference.type and Reference.reference are populated and Reference.reference is a FHIR URL, both SHALL
/// be consistent" (references-definitions.html#Reference.type).
#[test]
fn the_type_of_a_reference_is_that_of_its_target() {
    let layers: Arc<dyn Canonicals> = standard();
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(layers)));
    let check = |subject: &str| {
        let text = format!(
            r##"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},
            "contained":[{{"resourceType":"Patient","id":"p"}}],"focus":[{{"reference":"#p"}}],"subject":{{{subject}}}}}"##
        );
        let node = json::parse(text.as_bytes()).unwrap().into_owned();
        errors(&validator.validate(&node, &[], &Options::default()))
    };
    for fine in [
        r#""reference":"Patient/1","type":"Patient""#,
        r#""reference":"Patient/1","type":"http://hl7.org/fhir/StructureDefinition/Patient""#,
        r##""reference":"#p","type":"Patient""##,
        r#""reference":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","type":"Group""#,
    ] {
        assert_eq!(check(fine), Vec::<String>::new(), "{fine}");
    }
    for wrong in [
        r#""reference":"Patient/1","type":"Group""#,
        r#""reference":"http://example.org/fhir/Patient/1","type":"Group""#,
        r##""reference":"#p","type":"Group""##,
    ] {
        let found = check(wrong);
        assert!(found.len() == 1 && found[0].starts_with("Observation.subject.type: "), "{wrong}: {found:?}");
    }
}

/// Rules that the tables of the standard cannot say, by what breaks them: a resource, the place and a part of
/// the message.
#[test]
fn rules_beyond_the_tables() {
    let layers: Arc<dyn Canonicals> = standard();
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(layers)));
    let patient = |content: &str| format!(r#"{{"resourceType":"Patient",{content}}}"#);
    let narrative = |content: &str| {
        let div = format!(r#"<div xmlns=\"http://www.w3.org/1999/xhtml\">{content}</div>"#);
        patient(&format!(
            r#""id":"p","text":{{"status":"generated","div":"{div}"}},"contact":[{{"id":"c","name":{{"text":"x"}}}}]"#
        ))
    };
    let profile = |of: &str, more: &str, element: &str| {
        let path = element.split('"').nth(3).unwrap_or_default();
        let element = element.replacen('{', &format!(r#"{{"id":"{path}","#), 1);
        format!(
            r#"{{"resourceType":"StructureDefinition","url":"http://a/p","name":"P","status":"active","kind":"resource","abstract":false,
            "type":"{of}","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",{more},
            "differential":{{"element":[{element}]}}}}"#
        )
    };
    for (text, place, message) in [
        // element-definitions.html: the id of an element is unique within the resource
        (patient(r#""name":[{"id":"a","text":"x"},{"id":"a","text":"y"}]"#), "Patient.name[1]", "the id a"),
        (patient(r#""name":[{"id":"a","text":"x"}],"contact":[{"id":"b","name":{"text":"y"}}]"#), "", ""),
        // datatypes.html#Identifier
        (patient(r#""identifier":[{"system":"mrn","value":"1"}]"#), "Patient.identifier[0].system", "absolute"),
        (
            patient(r#""identifier":[{"system":"urn:ietf:rfc:3986","value":"1"}]"#),
            "Patient.identifier[0].value",
            "not absolute",
        ),
        // datatypes.html#Attachment: the SHA-1 of the data
        (patient(r#""photo":[{"contentType":"text/plain","data":"aGVsbG8=","hash":"AAAA"}]"#), "Patient.photo[0].hash", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        // resource.html#Meta: labels are a set
        (
            patient(r#""meta":{"security":[{"system":"http://a","code":"x"},{"system":"http://a","code":"x"}]}"#),
            "Patient.meta.security[1]",
            "http://a#x",
        ),
        // references.html#literal
        (patient(r#""generalPractitioner":[{"reference":"Organization/a b"}]"#), "Patient.generalPractitioner[0].reference", "spaces"),
        // narrative.html#xhtml
        (narrative("<a href=\\\"#c\\\">x</a><a href=\\\"#p\\\">y</a>"), "", ""),
        (narrative("<a href=\\\"#nowhere\\\">x</a>"), "", ""),
        (narrative("<p><table><tr><td>x</td></tr></table></p>"), "Patient.text.div", "<table> may not stand within <p>"),
        (narrative("<p draggable=\\\"true\\\">x</p>"), "Patient.text.div", "draggable"),
        // terminologies.html: HL7's own name space for R4 is complete
        (
            patient(r#""maritalStatus":{"coding":[{"system":"http://hl7.org/fhir/no-such-system","code":"x"}]}"#),
            "Patient.maritalStatus.coding[0].system",
            "defines no code system",
        ),
        // codesystem.html
        (
            r#"{"resourceType":"CodeSystem","url":"http://a/c","status":"active","content":"complete","count":3,"concept":[{"code":"x"}]}"#.to_owned(),
            "CodeSystem.count",
            "has 1 concepts",
        ),
        (
            r#"{"resourceType":"CodeSystem","url":"http://a/c","status":"active","content":"complete","property":[{"code":"p","type":"integer"}],
            "concept":[{"code":"x","property":[{"code":"p","valueString":"1"}]}]}"#.to_owned(),
            "CodeSystem.concept[0].property[0]",
            "declared to be a integer",
        ),
        // valueset.html: concepts are those of the system
        (
            r#"{"resourceType":"ValueSet","url":"http://a/v","status":"active","compose":{"include":[
            {"system":"http://hl7.org/fhir/administrative-gender","concept":[{"code":"male"},{"code":"man"}]}]}}"#.to_owned(),
            "ValueSet.compose.include[0].concept[1].code",
            "man",
        ),
        // questionnaire.html: enableWhen
        (
            r#"{"resourceType":"Questionnaire","status":"active","item":[{"linkId":"1","type":"string","text":"x",
            "enableWhen":[{"question":"2","operator":"exists","answerBoolean":true}]}]}"#.to_owned(),
            "Questionnaire.item[0].enableWhen[0].question",
            "names the question 2",
        ),
        // references.html#canonical
        (
            r#"{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"Questionnaire/1"}"#.to_owned(),
            "QuestionnaireResponse.questionnaire",
            "must be absolute",
        ),
        // terminologies-systems.html
        (
            patient(r#""maritalStatus":{"coding":[{"system":"https://loinc.org","code":"x"}]}"#),
            "Patient.maritalStatus.coding[0].system",
            "is written http://loinc.org",
        ),
        (
            patient(r#""maritalStatus":{"coding":[{"system":"http://snomed.info/sct/","code":"1"}]}"#),
            "Patient.maritalStatus.coding[0].system",
            "is written http://snomed.info/sct",
        ),
        (
            patient(r#""maritalStatus":{"coding":[{"system":"https://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}]}"#),
            "Patient.maritalStatus.coding[0].system",
            "is written http://terminology.hl7.org",
        ),
        // defining-extensions.html#complex
        (
            patient(r#""extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-nationality","extension":[{"url":"land","valueString":"x"}]}]"#),
            "Patient.extension[0].extension[0]",
            "has no part land",
        ),
        // http.html#paging
        (
            r#"{"resourceType":"Bundle","type":"collection","link":[{"relation":"next","url":"http://a/b"}]}"#.to_owned(),
            "Bundle.link[0]",
            "leads to a page",
        ),
        // codesystem.html#properties, #supplements
        (
            r#"{"resourceType":"CodeSystem","url":"http://a/c","status":"active","content":"complete","property":[{"code":"p","type":"string"},{"code":"p","type":"code"}]}"#.to_owned(),
            "CodeSystem.property[1].code",
            "more than one property",
        ),
        (
            r#"{"resourceType":"CodeSystem","url":"http://a/c","status":"active","content":"supplement","supplements":"http://hl7.org/fhir/administrative-gender","concept":[{"code":"man"}]}"#.to_owned(),
            "CodeSystem.concept[0].code",
            "man",
        ),
        // valueset.html: what is imported, what filters say
        (
            r#"{"resourceType":"ValueSet","url":"http://a/v","status":"active","compose":{"include":[{"valueSet":["http://hl7.org/fhir/administrative-gender"]}]}}"#.to_owned(),
            "ValueSet.compose.include[0].valueSet[0]",
            "is a code system",
        ),
        (
            r#"{"resourceType":"ValueSet","url":"http://a/v","status":"active","compose":{"include":[{"system":"http://hl7.org/fhir/administrative-gender",
            "filter":[{"property":"concept","op":"is-a","value":"man"}]}]}}"#.to_owned(),
            "ValueSet.compose.include[0].filter[0].value",
            "man",
        ),
        (
            r#"{"resourceType":"ValueSet","url":"http://a/v","status":"active","compose":{"include":[{"system":"http://a/c",
            "filter":[{"property":"display","op":"regex","value":"("}]}]}}"#.to_owned(),
            "ValueSet.compose.include[0].filter[0].value",
            "is no pattern",
        ),
        // conceptmap.html
        (
            r#"{"resourceType":"ConceptMap","url":"http://a/m","status":"active","group":[{"source":"http://hl7.org/fhir/administrative-gender","target":"http://a/t",
            "element":[{"code":"man","target":[{"code":"x","equivalence":"equal"}]}]}]}"#.to_owned(),
            "ConceptMap.group[0].element[0].code",
            "man",
        ),
        (
            r#"{"resourceType":"Questionnaire","status":"active","item":[{"linkId":"1","type":"group","text":"x",
            "enableWhen":[{"question":"2","operator":"exists","answerBoolean":true}],"item":[{"linkId":"2","type":"string","text":"y"}]}]}"#.to_owned(),
            "Questionnaire.item[0].enableWhen[0].question",
            "is within the item",
        ),
        // searchparameter.html: what an expression asks for is there
        (
            r#"{"resourceType":"SearchParameter","url":"http://a/s","name":"S","status":"active","description":"x","code":"s",
            "base":["Patient"],"type":"string","expression":"Patient.nam"}"#.to_owned(),
            "SearchParameter.expression",
            "nam",
        ),
        (
            r#"{"resourceType":"SearchParameter","url":"http://a/s","name":"S","status":"active","description":"x","code":"s",
            "base":["Patient"],"type":"composite","expression":"Patient","component":[{"definition":"http://a/b","expression":"name"}]}"#.to_owned(),
            "SearchParameter",
            "at least two components",
        ),
        // profiling.html, defining-extensions.html
        (profile("Patient", r#""context":[{"type":"element","expression":"Patient"}]"#, r#"{"path":"Patient"}"#), "StructureDefinition.context[0]", "but this is about Patient"),
        (
            profile("Patient", r#""title":"x""#, r#"{"path":"Patient"}"#).replace(r#""kind":"resource""#, r#""kind":"complex-type""#),
            "StructureDefinition.kind",
            "complex-type should be resource",
        ),
        (profile("Observation", r#""title":"x""#, r#"{"path":"Observation"}"#), "StructureDefinition.type", "Observation should be Patient"),
        (profile("Patient", r#""title":"x""#, r#"{"path":"Patient.nam","min":1}"#), "StructureDefinition.differential.element[0].path", "not an element"),
        (profile("Patient", r#""title":"x""#, r#"{"path":"Patient.gender","max":"*"}"#), "StructureDefinition.differential.element[0].max", "only restrict"),
        (profile("Patient", r#""title":"x""#, r#"{"path":"Patient.name","type":[{"code":"Address"}]}"#), "StructureDefinition.differential.element[0].type[0]", "HumanName"),
        (profile("Patient", r#""title":"x""#, r#"{"path":"Patient.gender","fixedString":"male"}"#), "StructureDefinition.differential.element[0].fixedString", "code"),
        (profile("Patient", r#""title":"x""#, r#"{"path":"Patient.name","minValueInteger":3}"#), "StructureDefinition.differential.element[0].minValueInteger", "have an order"),
        (
            profile("Patient", r#""title":"x""#, r#"{"path":"Patient.gender","binding":{"strength":"required","valueSet":"http://hl7.org/fhir/administrative-gender"}}"#),
            "StructureDefinition.differential.element[0].binding",
            "is a code system",
        ),
        (
            profile("Patient", r#""title":"x""#, r#"{"path":"Patient","constraint":[{"key":"a-1","severity":"error","human":"x","expression":"name.nonsense()"}]}"#),
            "StructureDefinition.differential.element[0].constraint[0].expression",
            "nonsense",
        ),
        // searchparameter.html
        (
            r#"{"resourceType":"SearchParameter","url":"http://a/s","name":"S","status":"active","description":"x","code":"s",
            "base":["Patient"],"type":"string","expression":"Patient.name.("}"#.to_owned(),
            "SearchParameter.expression",
            "is not FHIRPath",
        ),
    ] {
        let node = json::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
        let found = errors(&validator.validate(&node, &[], &Options::default()));
        if place.is_empty() {
            assert_eq!(found, Vec::<String>::new(), "{text}");
        } else {
            let is_it = |error: &String| error.starts_with(&format!("{place}: ")) && error.contains(message);
            assert!(found.len() == 1 && found.iter().any(is_it), "{text}: {found:#?}");
        }
    }
}

#[test]
fn agrees_with_hl7() {
    let Some(folder) = shared("suites/validator") else { return };
    let text = fs::read(folder.join("cases.json")).unwrap();
    let cases = json::parse(&text).unwrap();
    let wanted = std::env::var("CASE").ok();
    let mut shares: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for case in cases.items() {
        let name = case.text("name").unwrap();
        if wanted.as_ref().is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        let kind = case.text("kind").unwrap();
        let expected = match case.get("errors") {
            Some(Node::Number(digits)) => digits.parse::<usize>().unwrap(),
            _ => panic!("{name}: no number of errors"),
        };
        let found = run(&folder, case, &settings(name));
        let agreed = (expected > 0) != found.is_empty();
        let agreed_by_default = (expected > 0) != run(&folder, case, &Options::default()).is_empty();
        let is_listed = REASONS.iter().any(|(of, known, _)| (*of, *known) == (kind, name));
        if agreed && is_listed {
            println!("AGREES {kind} {name} now: it has no place among the reasons");
        }
        let share = shares.entry(if kind == "base" { "base" } else { "profile" }).or_default();
        share.0 += usize::from(agreed);
        share.1 += 1;
        share.2 += usize::from(agreed_by_default);
        if !agreed || wanted.is_some() {
            let listed = REASONS.iter().find(|(of, known, _)| (*of, *known) == (kind, name));
            let reason = listed.filter(|_| !agreed).map_or("", |(_, _, reason)| reason);
            let word = if agreed { "same" } else { "DIFFERS" };
            println!("{word} {kind} {name}: HL7 {expected}, here {} {reason}", found.len());
            for error in found.iter().take(if wanted.is_some() { 100 } else { 3 }) {
                println!("    {error}");
            }
        }
    }
    if wanted.is_some() {
        return;
    }
    for (kind, floor) in [("base", BASE_FLOOR), ("profile", PROFILE_FLOOR)] {
        let (agreed, all, by_default) = shares[kind];
        #[allow(clippy::cast_precision_loss)]
        let percent = agreed as f64 / all as f64 * 100.0;
        println!("{kind}: {agreed} of {all} agree, {percent:.1} %; {by_default} without HL7's settings");
        assert!(percent >= floor, "{kind}: {percent:.1} % is below the floor of {floor} %");
    }
}

/// An element without a type of its own is as an element of another profile: the extension
/// elementdefinition-profile-element says which, and slices are told apart by what that one says.
#[test]
fn a_section_is_as_one_of_a_library() {
    let library = br#"{"resourceType":"StructureDefinition","url":"http://example.org/sections","name":"Sections","status":"active",
        "kind":"resource","abstract":true,"type":"Composition","derivation":"constraint",
        "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Composition",
        "differential":{"element":[
            {"path":"Composition.section","slicing":{"discriminator":[{"type":"pattern","path":"code"}],"rules":"open"}},
            {"path":"Composition.section","sliceName":"fall"},
            {"path":"Composition.section.title","min":1},
            {"path":"Composition.section.code","min":1,"patternCodeableConcept":{"coding":[{"system":"http://example.org/s","code":"fall"}]}},
            {"path":"Composition.section","sliceName":"drugs"},
            {"path":"Composition.section.focus","min":1},
            {"path":"Composition.section.code","min":1,"patternCodeableConcept":{"coding":[{"system":"http://example.org/s","code":"drugs"}]}}]}}"#;
    let part = |id: &str| {
        format!(
            r#""type":[{{"code":"BackboneElement","profile":["http://example.org/sections"],"_profile":[{{"extension":[{{
            "url":"http://hl7.org/fhir/StructureDefinition/elementdefinition-profile-element","valueString":"{id}"}}]}}]}}]"#
        )
    };
    let summary = format!(
        r#"{{"resourceType":"StructureDefinition","url":"http://example.org/summary","name":"Summary","status":"active",
        "kind":"resource","abstract":false,"type":"Composition","derivation":"constraint",
        "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Composition",
        "differential":{{"element":[
            {{"path":"Composition.section","slicing":{{"discriminator":[{{"type":"pattern","path":"code"}}],"rules":"closed"}}}},
            {{"path":"Composition.section","sliceName":"a","min":1,{}}},
            {{"path":"Composition.section","sliceName":"b",{}}}]}}}}"#,
        part("Composition.section:fall"),
        part("Composition.section:drugs"),
    );
    let mut supporting = Supporting::default();
    supporting.add(json::parse(library).unwrap().into_owned());
    supporting.add(json::parse(summary.as_bytes()).unwrap().into_owned());
    let layers: Arc<dyn Canonicals> = Arc::new(Layers(vec![Arc::new(supporting), standard()]));
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(Arc::clone(&layers))));
    let check = |sections: &str| {
        let text = format!(
            r#"{{"resourceType":"Composition","status":"final","type":{{"text":"x"}},"date":"2026-01-01","title":"x",
            "author":[{{"display":"x"}}],"section":[{sections}]}}"#
        );
        let node = json::parse(text.as_bytes()).unwrap().into_owned();
        errors(&validator.validate(&node, &["http://example.org/summary"], &Options::default()))
    };
    let code = |code: &str| format!(r#""code":{{"coding":[{{"system":"http://example.org/s","code":"{code}"}}]}}"#);
    let (fall, drugs) = (code("fall"), code("drugs"));
    let text = r#""text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}"#;
    let good = format!(r#"{{"title":"Fall",{fall},{text}}},{{{drugs},{text},"focus":{{"display":"x"}}}}"#);
    assert_eq!(check(&good), Vec::<String>::new());
    let untitled = check(&format!("{{{fall},{text}}}"));
    assert!(untitled.len() == 1 && untitled[0].starts_with("Composition.section[0]: "), "{untitled:?}");
    let unfocused = check(&format!(r#"{{"title":"Fall",{fall},{text}}},{{{drugs},{text}}}"#));
    assert!(unfocused.len() == 1 && unfocused[0].contains("focus"), "{unfocused:?}");
    let other = check(&format!(r#"{{"title":"Fall",{fall},{text}}},{{{},{text}}}"#, code("other")));
    assert!(other.len() == 1 && other[0].starts_with("Composition.section[1]: "), "{other:?}");
}
