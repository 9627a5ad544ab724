//! Values, bounds, cardinality, bindings, invariants, references, claims.

use super::{holds, observation, patient, probes, profile};

// elementdefinition.html: fixed is exact, a pattern may be exceeded.
probes!(
    fixed_values_and_patterns,
    [
        profile(
            "f",
            "Observation",
            "Observation",
            "",
            r#"
    {"path":"Observation.code","fixedCodeableConcept":{"coding":[{"system":"http://a/c","code":"a"}]}}"#
        ),
        profile(
            "pt",
            "Observation",
            "Observation",
            "",
            r#"
    {"path":"Observation.code","patternCodeableConcept":{"coding":[{"system":"http://a/c","code":"a"}],"text":"t"}}"#
        ),
        profile(
            "q",
            "Observation",
            "Observation",
            "",
            r#"
    {"path":"Observation.value[x]","patternQuantity":{"system":"http://unitsofmeasure.org","code":"mg"}}"#
        ),
        profile(
            "s",
            "Observation",
            "Observation",
            "",
            r#"
    {"path":"Observation.value[x]","type":[{"code":"string"}],"patternString":"x"}"#
        ),
    ],
    &[],
    [
        (
            "fixed, good",
            observation(r#""code":{"coding":[{"code":"a","system":"http://a/c"}]},"meta":{"profile":["http://a/f"]}"#),
            []
        ),
        (
            "fixed, more",
            observation(
                r#""code":{"coding":[{"code":"a","system":"http://a/c","display":"A"}]},"meta":{"profile":["http://a/f"]}"#
            ),
            [("Observation.code", "must be")]
        ),
        (
            "pattern, good",
            observation(
                r#""code":{"coding":[{"code":"b"},{"code":"a","system":"http://a/c","display":"A"}],"text":"t"},"meta":{"profile":["http://a/pt"]}"#
            ),
            []
        ),
        (
            "pattern, less",
            observation(
                r#""code":{"coding":[{"code":"b"},{"code":"a","system":"http://a/c","display":"A"}]},"meta":{"profile":["http://a/pt"]}"#
            ),
            [("Observation.code", "contain")]
        ),
        (
            "pattern split",
            observation(
                r#""code":{"coding":[{"code":"a"},{"system":"http://a/c","display":"A"}],"text":"t"},"meta":{"profile":["http://a/pt"]}"#
            ),
            [("Observation.code", "contain")]
        ),
        (
            "quantity, good",
            observation(
                r#""meta":{"profile":["http://a/q"]},"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"mg"}"#
            ),
            []
        ),
        (
            "quantity, bad",
            observation(
                r#""meta":{"profile":["http://a/q"]},"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"g"}"#
            ),
            [("Observation.value", "contain")]
        ),
        ("string, good", observation(r#""meta":{"profile":["http://a/s"]},"valueString":"x""#), []),
        (
            "string, bad",
            observation(r#""meta":{"profile":["http://a/s"]},"valueString":"xy""#),
            [("Observation.value", "x")]
        ),
        (
            "string, extension only",
            observation(
                r#""meta":{"profile":["http://a/s"]},"_valueString":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}"#
            ),
            [("Observation.value", "x")]
        ),
    ]
);

probes!(
    bounds,
    [
        profile(
            "p",
            "Observation",
            "Observation",
            "",
            r#"
    {"path":"Observation.value[x]","minValueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"mg"},"maxValueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"g"}}"#
        ),
        profile(
            "d",
            "Patient",
            "Patient",
            "",
            r#"{"path":"Patient.birthDate","min":1,"minValueDate":"1900-01-01","maxValueDate":"2000-12-31"},{"path":"Patient.multipleBirth[x]","type":[{"code":"integer"}],"maxValueInteger":3}"#
        )
    ],
    &[],
    [
        (
            "good",
            observation(
                r#""meta":{"profile":["http://a/p"]},"valueQuantity":{"value":500,"system":"http://unitsofmeasure.org","code":"mg"}"#
            ),
            []
        ),
        (
            "good, other unit",
            observation(
                r#""meta":{"profile":["http://a/p"]},"valueQuantity":{"value":0.5,"system":"http://unitsofmeasure.org","code":"g"}"#
            ),
            []
        ),
        (
            "less",
            observation(
                r#""meta":{"profile":["http://a/p"]},"valueQuantity":{"value":500,"system":"http://unitsofmeasure.org","code":"ug"}"#
            ),
            [("Observation.value", "below")]
        ),
        (
            "more",
            observation(
                r#""meta":{"profile":["http://a/p"]},"valueQuantity":{"value":1001,"system":"http://unitsofmeasure.org","code":"mg"}"#
            ),
            [("Observation.value", "above")]
        ),
        (
            "dates, good",
            patient(r#""meta":{"profile":["http://a/d"]},"birthDate":"1950","multipleBirthInteger":3"#),
            []
        ),
        (
            "dates, bad",
            patient(r#""meta":{"profile":["http://a/d"]},"birthDate":"2001","multipleBirthInteger":4"#),
            [("Patient.birthDate", "above"), ("Patient.multipleBirth", "above")]
        ),
    ]
);

probes!(
    cardinality,
    [profile(
        "p",
        "Patient",
        "Patient",
        "",
        r#"
    {"path":"Patient.photo","max":"0"},{"path":"Patient.name","min":1,"max":"2"},{"path":"Patient.name.family","min":1},{"path":"Patient.contact.name","min":1},{"path":"Patient.deceased[x]","max":"0"}"#
    )],
    &["http://a/p"],
    [
        ("good", patient(r#""name":[{"family":"x"}]"#), []),
        ("none", patient(r#""active":true"#), [("Patient", "name")]),
        (
            "prohibited",
            patient(r#""name":[{"family":"x"}],"photo":[{"title":"x"}],"deceasedBoolean":true"#),
            [("Patient.photo[0]", "photo"), ("Patient.deceased", "deceased")]
        ),
        ("three", patient(r#""name":[{"family":"x"},{"family":"x"},{"family":"x"}]"#), [("Patient", "name")]),
        (
            "below",
            patient(r#""name":[{"family":"x"},{"text":"x"}],"contact":[{"telecom":[{"system":"phone","value":"1"}]}]"#),
            [("Patient.name[1]", "family"), ("Patient.contact[0]", "name")]
        ),
    ]
);

// profiling.html: children of what a content reference names, and of data types, three profiles deep.
probes!(content_references_and_profiles_of_profiles, [
    profile("one", "Questionnaire", "Questionnaire", "", r#"{"path":"Questionnaire.item.text","min":1}"#),
    profile("two", "Questionnaire", "one", "", r#"{"path":"Questionnaire.item.item.text","min":1}"#),
    profile("p", "Questionnaire", "two", "", r#"{"path":"Questionnaire.item.item.item","max":"0"}"#)], &["http://a/p"], [
    ("good", r#"{"resourceType":"Questionnaire","status":"active","item":[{"linkId":"1","type":"group","text":"x","item":[{"linkId":"2","type":"string","text":"y"}]}]}"#.to_owned(), []),
    ("texts", r#"{"resourceType":"Questionnaire","status":"active","item":[{"linkId":"1","type":"group","item":[{"linkId":"2","type":"string"}]}]}"#.to_owned(), [("Questionnaire.item[0]", "text"), ("Questionnaire.item[0].item[0]", "text")]),
    ("too deep", r#"{"resourceType":"Questionnaire","status":"active","item":[{"linkId":"1","type":"group","text":"x","item":[{"linkId":"2","type":"group","text":"y","item":[{"linkId":"3","type":"string","text":"y"}]}]}]}"#.to_owned(), [("Questionnaire.item[0].item[0].item[0]", "item")]),
]);

probes!(
    profiles_of_data_types,
    [
        profile("family", "HumanName", "HumanName", "", r#"{"path":"HumanName.family","min":1}"#),
        profile("text", "HumanName", "HumanName", "", r#"{"path":"HumanName.text","min":1}"#),
        profile(
            "p",
            "Patient",
            "Patient",
            "",
            r#"{"path":"Patient.name","type":[{"code":"HumanName","profile":["http://a/family"]}]}"#
        ),
        profile(
            "any",
            "Patient",
            "Patient",
            "",
            r#"{"path":"Patient.name","type":[{"code":"HumanName","profile":["http://a/family","http://a/text"]}]}"#
        )
    ],
    &[],
    [
        ("good", patient(r#""meta":{"profile":["http://a/p"]},"name":[{"family":"x"}]"#), []),
        ("bad", patient(r#""meta":{"profile":["http://a/p"]},"name":[{"text":"x"}]"#), [("Patient.name[0]", "family")]),
        ("any, good", patient(r#""meta":{"profile":["http://a/any"]},"name":[{"text":"x"},{"family":"x"}]"#), []),
        (
            "any, bad",
            patient(r#""meta":{"profile":["http://a/any"]},"name":[{"given":["x"]}]"#),
            [("Patient.name[0]", "http://a/text")]
        ),
    ]
);

probes!(bindings_of_profiles, [
    r#"{"resourceType":"CodeSystem","url":"http://a/c","status":"active","content":"complete","concept":[{"code":"a","display":"A"},{"code":"b"}]}"#.to_owned(),
    r#"{"resourceType":"ValueSet","url":"http://a/v","status":"active","compose":{"include":[{"system":"http://a/c","concept":[{"code":"a"}]}]}}"#.to_owned(),
    profile("r", "Observation", "Observation", "", r#"{"path":"Observation.code","binding":{"strength":"required","valueSet":"http://a/v"}}"#),
    profile("e", "Observation", "Observation", "", r#"{"path":"Observation.code","binding":{"strength":"extensible","valueSet":"http://a/v"}}"#),
    profile("m", "Observation", "Observation", "", r#"{"path":"Observation.code","binding":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet","valueCanonical":"http://a/v"}],"strength":"preferred","valueSet":"http://a/v"}}"#),
    profile("q", "Observation", "Observation", "", r#"{"path":"Observation.valueCodeableConcept","binding":{"strength":"required","valueSet":"http://a/v"}}"#)], &[], [
    ("good", observation(r#""code":{"coding":[{"system":"http://a/c","code":"b"},{"system":"http://a/c","code":"a"}]},"meta":{"profile":["http://a/r","http://a/e","http://a/m"]}"#), []),
    ("required", observation(r#""code":{"coding":[{"system":"http://a/c","code":"b"}]},"meta":{"profile":["http://a/r"]}"#), [("Observation.code", "http://a/v")]),
    ("required, text", observation(r#""code":{"text":"b"},"meta":{"profile":["http://a/r"]}"#), [("Observation.code", "http://a/v")]),
    ("extensible", observation(r#""code":{"coding":[{"system":"http://a/c","code":"b"}]},"meta":{"profile":["http://a/e"]}"#), []),
    ("extensible, text", observation(r#""code":{"text":"b"},"meta":{"profile":["http://a/e"]}"#), []),
    ("max", observation(r#""code":{"coding":[{"system":"http://a/c","code":"b"}]},"meta":{"profile":["http://a/m"]}"#), [("Observation.code", "http://a/v")]),
    ("choice", observation(r#""meta":{"profile":["http://a/q"]},"valueCodeableConcept":{"coding":[{"system":"http://a/c","code":"b"}]}"#), [("Observation.value", "http://a/v")]),
]);

probes!(
    invariants_of_profiles,
    [profile(
        "p",
        "Patient",
        "Patient",
        "",
        r#"
    {"path":"Patient","constraint":[{"key":"a-1","severity":"error","human":"a name is needed","expression":"name.exists()"},{"key":"a-2","severity":"warning","human":"better with a birth date","expression":"birthDate.exists()"}]},
    {"path":"Patient.contact","constraint":[{"key":"a-3","severity":"error","human":"the resource is active","expression":"%resource.active = true"}]},
    {"path":"Patient.name","constraint":[{"key":"a-4","severity":"error","human":"family or text","expression":"family.exists() or text.exists()"}]}"#
    )],
    &["http://a/p"],
    [
        ("good", patient(r#""active":true,"name":[{"text":"x"}],"contact":[{"name":{"text":"x"}}]"#), []),
        (
            "bad",
            patient(r#""active":false,"contact":[{"name":{"text":"x"}}]"#),
            [("Patient", "a-1"), ("Patient.contact[0]", "a-3")]
        ),
        ("below", patient(r#""name":[{"given":["x"]}]"#), [("Patient.name[0]", "a-4")]),
    ]
);

// elementdefinition.html#type.aggregation, references to profiles
probes!(
    targets_of_references,
    [
        profile("male", "Patient", "Patient", "", r#"{"path":"Patient.gender","min":1,"fixedCode":"male"}"#),
        profile(
            "c",
            "Observation",
            "Observation",
            "",
            r#"{"path":"Observation.subject","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Patient"],"aggregation":["contained"]}]}"#
        ),
        profile(
            "r",
            "Observation",
            "Observation",
            "",
            r#"{"path":"Observation.subject","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Patient"],"aggregation":["referenced"]}]}"#
        ),
        profile(
            "t",
            "Observation",
            "Observation",
            "",
            r#"{"path":"Observation.subject","type":[{"code":"Reference","targetProfile":["http://a/male"]}]}"#
        )
    ],
    &[],
    [
        (
            "contained",
            observation(
                r##""meta":{"profile":["http://a/c"]},"contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}"##
            ),
            []
        ),
        (
            "not contained",
            observation(r##""meta":{"profile":["http://a/c"]},"subject":{"reference":"Patient/1"}"##),
            [("Observation.subject", "contained")]
        ),
        (
            "not referenced",
            observation(
                r##""meta":{"profile":["http://a/r"]},"contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}"##
            ),
            [("Observation.subject", "referenced")]
        ),
        (
            "profile, good",
            observation(
                r##""meta":{"profile":["http://a/t"]},"contained":[{"resourceType":"Patient","id":"p","gender":"male"}],"subject":{"reference":"#p"}"##
            ),
            []
        ),
        (
            "profile, bad",
            observation(
                r##""meta":{"profile":["http://a/t"]},"contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}"##
            ),
            [("Observation.subject", "male")]
        ),
        (
            "type",
            observation(r##""meta":{"profile":["http://a/t"]},"subject":{"reference":"Group/1"}"##),
            [("Observation.subject", "Patient")]
        ),
    ]
);

// resource.html#Meta: a claim may name the version.
probes!(
    claims_with_versions,
    [
        profile("p", "Patient", "Patient", r#""version":"1.0.0","#, r#"{"path":"Patient.gender","min":1}"#),
        profile("p", "Patient", "Patient", r#""version":"2.0.0","#, r#"{"path":"Patient.name","min":1}"#),
        profile("o", "Observation", "Observation", "", r#"{"path":"Observation.subject","min":1}"#)
    ],
    &[],
    [
        ("1", patient(r#""meta":{"profile":["http://a/p|1.0.0"]},"name":[{"text":"x"}]"#), [("Patient", "gender")]),
        ("2", patient(r#""meta":{"profile":["http://a/p|2.0.0"]},"name":[{"text":"x"}]"#), []),
        ("unknown", patient(r#""meta":{"profile":["http://a/p|3.0.0"]},"name":[{"text":"x"}]"#), []),
        ("of another type", patient(r#""meta":{"profile":["http://a/o"]}"#), [("Patient", "Observation")]),
    ]
);
