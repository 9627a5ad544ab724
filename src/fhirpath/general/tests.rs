//! Any text is read or refused, any expression ends: no panic, no work beyond the budget.

use proptest::prelude::*;

use crate::fhirpath::{Environment, FhirPathError, Item, Query, Typing, compile, parser};
use crate::format::json;
use crate::r4::definitions;

const PATIENT: &str = r##"{"resourceType":"Patient","active":true,"birthDate":"1942-05","_birthDate":{"extension":[{"url":"u","valueCode":"x"}]},
    "name":[{"family":"A","given":["b","c"],"period":{"start":"2001-05-06"}},{"given":[null,"e"],"_given":[{"extension":[{"url":"u"}]},null]}],
    "multipleBirthInteger":2,"extension":[{"url":"q","valueQuantity":{"value":1.50,"code":"mg","system":"http://unitsofmeasure.org"}}],
    "generalPractitioner":[{"reference":"#p"}],"contained":[{"resourceType":"Practitioner","id":"p"}]}"##;

/// What expressions are made of, whole and broken.
const PIECES: &[&str] = &[
    "name",
    "given",
    "family",
    "extension.value",
    "birthDate",
    "multipleBirth",
    "Patient",
    "$this",
    "$index",
    "$total",
    "%resource",
    "%context",
    "%ucum",
    "%`a b`",
    "{}",
    "true",
    "1",
    "2.50",
    "-",
    "'x'",
    "'(a+)+$'",
    "@2015-02",
    "@T10:30",
    "@2015-02-04T14:34:28.123+09:00",
    "4 days",
    "1 'mg'",
    ".",
    "(",
    ")",
    "[",
    "]",
    ",",
    " + ",
    " - ",
    " * ",
    " / ",
    " div ",
    " mod ",
    " & ",
    " | ",
    " = ",
    " ~ ",
    " != ",
    " < ",
    " >= ",
    " and ",
    " or ",
    " xor ",
    " implies ",
    " in ",
    " contains ",
    " is ",
    " as ",
    "string",
    "Quantity",
    "System.Integer",
    ".where(",
    ".select(",
    ".repeat(",
    ".all(",
    ".exists()",
    ".count()",
    ".first()",
    ".tail()",
    ".skip(1)",
    ".children()",
    ".descendants()",
    ".matches(",
    ".replaceMatches(",
    ".substring(",
    ".indexOf(",
    ".toString()",
    ".toInteger()",
    ".toQuantity()",
    ".lowBoundary()",
    ".highBoundary(",
    ".ofType(",
    ".resolve()",
    ".aggregate(",
    ".iif(",
    "iif(",
    ".sort(",
    ".combine(",
    ".distinct()",
    ".split(",
    ".join(",
    ".encode('hex')",
    ".power(",
    ".round(",
    ".trace('t')",
    ".defineVariable('v', ",
    "%v",
    ".type()",
    ".extension('u')",
    ".htmlChecks()",
    "now()",
    "/* c */",
    "//",
    "`",
    "'",
    "\\",
    "é",
    "\u{0}",
    "@",
    "$",
    "%",
];

/// Evaluates in all forms; whatever comes is fine as long as it comes.
fn try_all(text: &str) -> Result<(), TestCaseError> {
    let node = json::parse(PATIENT.as_bytes()).unwrap();
    let patient = definitions().resource("Patient").unwrap();
    let focus = Item::new(patient, &node);
    let environment = Environment { budget: Some(20_000), ..Environment::default() };
    for (focus_type, typing) in [(Some(patient), Typing::Strict), (None, Typing::Strict), (None, Typing::Lenient)] {
        let Ok(query) = Query::build(text, focus_type, typing) else { continue };
        match query.evaluate_with(focus, &environment) {
            Ok(done) => prop_assert!(done.steps <= 20_000),
            Err(failure) => prop_assert!(failure.position.is_none_or(|at| at <= text.len())),
        }
        let held = query.holds(focus, &environment);
        let reads = !matches!(held, Err(FhirPathError::Syntax { .. }));
        prop_assert!(reads);
    }
    if let Ok(compiled) = compile(text) {
        let _ = compiled.evaluate(focus);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        if let Err(FhirPathError::Syntax { position, .. }) = parser::parse(&text) {
            prop_assert!(position <= text.len());
        }
        try_all(&text)?;
    }

    #[test]
    fn any_expression_ends(pieces in prop::collection::vec(prop::sample::select(PIECES), 1..14)) {
        try_all(&pieces.concat())?;
    }

    /// Well-formed more often than not: names with functions, compared with each other.
    #[test]
    fn likely_expressions_end(
        left in prop::sample::select(&PIECES[..10]),
        functions in prop::collection::vec(prop::sample::select(vec![
            ".where($this.exists())", ".select($this | $this)", ".repeat(children())", ".children()", ".descendants()", ".count()",
            ".first()", ".tail()", ".toString()", ".toDecimal()", ".power(3)", ".lowBoundary()", ".highBoundary()", ".sort()",
            ".aggregate($this & $total, '')", ".distinct()", ".not()", ".ofType(string)", ".length()", ".replaceMatches('.', '$0$0')",
            ".split('')", ".join(',')", ".encode('base64')", ".upper()", ".type().name", ".combine(%resource.descendants())", "[0]",
        ]), 0..6),
        operator in prop::sample::select(vec![" = ", " ~ ", " < ", " + ", " & ", " | ", " in ", " * ", " and ", " implies "]),
        right in prop::sample::select(&PIECES[..26]),
    ) {
        let path = functions.concat();
        try_all(&format!("{left}{path}{operator}{right}"))?;
        try_all(&format!("{right}{operator}{left}{path}"))?;
    }
}

/// FHIRPath N1 "Boolean logic": the right side is not asked where the left decides.
#[test]
fn conditions_stop_where_they_are_decided() {
    let node = json::parse(PATIENT.as_bytes()).unwrap();
    let focus = Item::new(definitions().resource("Patient").unwrap(), &node);
    let holds = |text: &str| Query::lenient(text).unwrap().holds(focus, &Environment::default());
    assert_eq!(holds("false and name.given.single()"), Ok(Some(false)));
    assert_eq!(holds("true or name.given.single()"), Ok(Some(true)));
    assert_eq!(holds("photo.exists() implies name.given.single()"), Ok(Some(true)));
    assert_eq!(holds("{} and true"), Ok(None));
    assert!(holds("true and name.given.single()").is_err());
}
