//! Slices, values, bounds, bindings, invariants, references, extensions: the plain cases.

use super::{extension, holds, observation, patient, probes, profile};

// Slicing by value, closed, with a minimum: profiling.html#slicing.
probes!(
    slices_by_value_at_a_path,
    [profile(
        "p",
        "Patient",
        "Patient",
        "",
        r#"
    {"id":"Patient.identifier","path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"closed"}},
    {"id":"Patient.identifier:mrn","path":"Patient.identifier","sliceName":"mrn","min":1,"max":"1"},
    {"id":"Patient.identifier:mrn.system","path":"Patient.identifier.system","min":1,"fixedUri":"http://a/mrn"},
    {"id":"Patient.identifier:mrn.value","path":"Patient.identifier.value","min":1,"maxLength":3},
    {"id":"Patient.identifier:ins","path":"Patient.identifier","sliceName":"ins"},
    {"id":"Patient.identifier:ins.system","path":"Patient.identifier.system","min":1,"fixedUri":"http://a/ins"}"#
    )],
    &["http://a/p"],
    [
        (
            "good",
            patient(
                r#""identifier":[{"system":"http://a/ins","value":"12345"},{"system":"http://a/mrn","value":"123"}]"#
            ),
            []
        ),
        ("missing", patient(r#""identifier":[{"system":"http://a/ins","value":"12345"}]"#), [("Patient", "mrn")]),
        (
            "twice",
            patient(r#""identifier":[{"system":"http://a/mrn","value":"1"},{"system":"http://a/mrn","value":"2"}]"#),
            [("Patient", "mrn")]
        ),
        (
            "other",
            patient(r#""identifier":[{"system":"http://a/mrn","value":"1"},{"system":"http://a/other","value":"2"}]"#),
            [("Patient.identifier[1]", "not match any")]
        ),
        (
            "within",
            patient(r#""identifier":[{"system":"http://a/mrn","value":"1234"}]"#),
            [("Patient.identifier[0].value", "3")]
        ),
        ("no value", patient(r#""identifier":[{"system":"http://a/mrn"}]"#), [("Patient.identifier[0]", "value")]),
    ]
);

// #discriminator: pattern on $this, exists, several discriminators.
probes!(
    slices_by_pattern_of_the_element_itself,
    [profile(
        "p",
        "Observation",
        "Observation",
        "",
        r#"
    {"path":"Observation.category","slicing":{"discriminator":[{"type":"pattern","path":"$this"}],"rules":"open"}},
    {"path":"Observation.category","sliceName":"lab","min":1,"max":"1","patternCodeableConcept":{"coding":[{"system":"http://a/c","code":"lab"}]}}"#
    )],
    &["http://a/p"],
    [
        (
            "good",
            observation(
                r#""category":[{"text":"x"},{"coding":[{"system":"http://a/d","code":"y"},{"system":"http://a/c","code":"lab","display":"Lab"}]}]"#
            ),
            []
        ),
        (
            "missing",
            observation(r#""category":[{"coding":[{"system":"http://a/c","code":"x"}]}]"#),
            [("Observation", "lab")]
        ),
        (
            "twice",
            observation(
                r#""category":[{"coding":[{"system":"http://a/c","code":"lab"}]},{"coding":[{"system":"http://a/c","code":"lab"}]}]"#
            ),
            [("Observation", "lab")]
        ),
    ]
);

probes!(
    slices_by_existence,
    [profile(
        "p",
        "Patient",
        "Patient",
        "",
        r#"
    {"path":"Patient.identifier","slicing":{"discriminator":[{"type":"exists","path":"period"}],"rules":"closed"}},
    {"path":"Patient.identifier","sliceName":"old","max":"1"},
    {"path":"Patient.identifier.period","min":1},
    {"path":"Patient.identifier","sliceName":"now","max":"1"},
    {"path":"Patient.identifier.period","max":"0"},
    {"path":"Patient.identifier.system","min":1}"#
    )],
    &["http://a/p"],
    [
        (
            "good",
            patient(r#""identifier":[{"value":"1","period":{"start":"2020"}},{"system":"http://a/b","value":"2"}]"#),
            []
        ),
        (
            "two old",
            patient(
                r#""identifier":[{"value":"1","period":{"start":"2020"}},{"value":"2","period":{"start":"2020"}}]"#
            ),
            [("Patient", "old")]
        ),
        ("now without system", patient(r#""identifier":[{"value":"1"}]"#), [("Patient.identifier[0]", "system")]),
    ]
);

probes!(
    slices_by_two_discriminators,
    [profile(
        "p",
        "Patient",
        "Patient",
        "",
        r#"
    {"path":"Patient.telecom","slicing":{"discriminator":[{"type":"value","path":"system"},{"type":"value","path":"use"}],"rules":"open"}},
    {"path":"Patient.telecom","sliceName":"home","min":1},
    {"path":"Patient.telecom.system","min":1,"fixedCode":"phone"},
    {"path":"Patient.telecom.use","min":1,"fixedCode":"home"}"#
    )],
    &["http://a/p"],
    [
        ("good", patient(r#""telecom":[{"system":"phone","use":"home","value":"1"}]"#), []),
        (
            "half",
            patient(
                r#""telecom":[{"system":"phone","use":"work","value":"1"},{"system":"email","use":"home","value":"1"}]"#
            ),
            [("Patient", "home")]
        ),
    ]
);

// A required binding tells slices apart as well as a fixed value.
probes!(
    slices_by_binding,
    [profile(
        "p",
        "Patient",
        "Patient",
        "",
        r#"
    {"path":"Patient.contact","slicing":{"discriminator":[{"type":"value","path":"gender"}],"rules":"open"}},
    {"path":"Patient.contact","sliceName":"g","max":"1"},
    {"path":"Patient.contact.gender","min":1,"binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/administrative-gender"}}"#
    )],
    &["http://a/p"],
    [
        ("good", patient(r#""contact":[{"gender":"male","name":{"text":"x"}},{"name":{"text":"x"}}]"#), []),
        (
            "two",
            patient(r#""contact":[{"gender":"male","name":{"text":"x"}},{"gender":"female","name":{"text":"x"}}]"#),
            [("Patient", "g")]
        ),
    ]
);

probes!(
    slices_of_choices,
    [
        profile(
            "p",
            "Observation",
            "Observation",
            "",
            r#"
    {"id":"Observation.value[x]","path":"Observation.value[x]","slicing":{"discriminator":[{"type":"type","path":"$this"}],"rules":"open"}},
    {"id":"Observation.value[x]:valueQuantity","path":"Observation.value[x]","sliceName":"valueQuantity","type":[{"code":"Quantity"}]},
    {"id":"Observation.value[x]:valueQuantity.code","path":"Observation.value[x].code","min":1,"fixedCode":"mg"}"#
        ),
        profile(
            "closed",
            "Observation",
            "Observation",
            "",
            r#"
    {"path":"Observation.value[x]","slicing":{"discriminator":[{"type":"type","path":"$this"}],"rules":"closed"}},
    {"path":"Observation.value[x]","sliceName":"valueQuantity","min":1,"type":[{"code":"Quantity"}]}"#
        )
    ],
    &["http://a/p"],
    [
        ("good", observation(r#""valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"mg"}"#), []),
        ("another type", observation(r#""valueString":"x""#), []),
        (
            "other unit",
            observation(r#""valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"g"}"#),
            [("Observation.value.code", "mg")]
        ),
        (
            "closed",
            observation(r#""meta":{"profile":["http://a/closed"]},"valueString":"x""#),
            [("Observation", "valueQuantity"), ("Observation.value", "not match any")]
        ),
        (
            "closed, good",
            observation(
                r#""meta":{"profile":["http://a/closed"]},"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"mg"}"#
            ),
            []
        ),
    ]
);

probes!(
    choices_by_their_short_form,
    [
        profile(
            "p",
            "Observation",
            "Observation",
            "",
            r#"
    {"path":"Observation.valueQuantity","min":1},
    {"path":"Observation.valueQuantity.unit","min":1}"#
        ),
        profile("n", "Patient", "Patient", "", r#"{"path":"Patient.deceased[x]","type":[{"code":"boolean"}]}"#)
    ],
    &[],
    [
        ("good", observation(r#""meta":{"profile":["http://a/p"]},"valueQuantity":{"value":1,"unit":"x"}"#), []),
        (
            "no unit",
            observation(r#""meta":{"profile":["http://a/p"]},"valueQuantity":{"value":1}"#),
            [("Observation.value", "unit")]
        ),
        (
            "none",
            observation(r#""meta":{"profile":["http://a/p"]},"dataAbsentReason":{"text":"x"}"#),
            [("Observation", "value")]
        ),
        ("narrowed, good", patient(r#""meta":{"profile":["http://a/n"]},"deceasedBoolean":true"#), []),
        (
            "narrowed, bad",
            patient(r#""meta":{"profile":["http://a/n"]},"deceasedDateTime":"2020""#),
            [("Patient.deceased", "boolean")]
        ),
    ]
);

probes!(
    slices_within_slices,
    [profile(
        "p",
        "Observation",
        "Observation",
        "",
        r#"
    {"id":"Observation.component","path":"Observation.component","slicing":{"discriminator":[{"type":"pattern","path":"code"}],"rules":"open"}},
    {"id":"Observation.component:a","path":"Observation.component","sliceName":"a","min":1},
    {"id":"Observation.component:a.code","path":"Observation.component.code","patternCodeableConcept":{"coding":[{"system":"http://a/c","code":"a"}]}},
    {"id":"Observation.component:a.interpretation","path":"Observation.component.interpretation","slicing":{"discriminator":[{"type":"value","path":"text"}],"rules":"open"}},
    {"id":"Observation.component:a.interpretation:i","path":"Observation.component.interpretation","sliceName":"i","min":1},
    {"id":"Observation.component:a.interpretation:i.text","path":"Observation.component.interpretation.text","min":1,"fixedString":"i"},
    {"id":"Observation.component:a.value[x]","path":"Observation.component.value[x]","min":1,"type":[{"code":"string"}]}"#
    )],
    &["http://a/p"],
    [
        (
            "good",
            observation(
                r#""component":[{"code":{"coding":[{"system":"http://a/c","code":"a"}]},"interpretation":[{"text":"z"},{"text":"i"}],"valueString":"x"},{"code":{"text":"other"},"valueInteger":1}]"#
            ),
            []
        ),
        (
            "inner slice",
            observation(
                r#""component":[{"code":{"coding":[{"system":"http://a/c","code":"a"}]},"interpretation":[{"text":"z"}],"valueString":"x"}]"#
            ),
            [("Observation.component[0]", "slice 'i'")]
        ),
        (
            "type",
            observation(
                r#""component":[{"code":{"coding":[{"system":"http://a/c","code":"a"}]},"interpretation":[{"text":"i"}],"valueInteger":1}]"#
            ),
            [("Observation.component[0].value", "string")]
        ),
    ]
);

probes!(
    slices_of_slices,
    [
        profile(
            "base",
            "Patient",
            "Patient",
            "",
            r#"
    {"id":"Patient.identifier","path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}},
    {"id":"Patient.identifier:s","path":"Patient.identifier","sliceName":"s","min":1},
    {"id":"Patient.identifier:s.system","path":"Patient.identifier.system","min":1,"fixedUri":"http://a/s"}"#
        ),
        profile(
            "p",
            "Patient",
            "base",
            "",
            r#"
    {"id":"Patient.identifier:s","path":"Patient.identifier","sliceName":"s","slicing":{"discriminator":[{"type":"value","path":"use"}],"rules":"closed"}},
    {"id":"Patient.identifier:s/o","path":"Patient.identifier","sliceName":"s/o","min":1,"max":"1"},
    {"id":"Patient.identifier:s/o.use","path":"Patient.identifier.use","min":1,"fixedCode":"official"},
    {"id":"Patient.identifier:s/u","path":"Patient.identifier","sliceName":"s/u"},
    {"id":"Patient.identifier:s/u.use","path":"Patient.identifier.use","min":1,"fixedCode":"usual"}"#
        )
    ],
    &["http://a/p"],
    [
        (
            "good",
            patient(
                r#""identifier":[{"system":"http://a/s","use":"official","value":"1"},{"system":"http://a/t","use":"temp","value":"2"}]"#
            ),
            []
        ),
        (
            "inner missing",
            patient(r#""identifier":[{"system":"http://a/s","use":"usual","value":"1"}]"#),
            [("Patient", "s/o")]
        ),
        (
            "inner closed",
            patient(
                r#""identifier":[{"system":"http://a/s","use":"official","value":"1"},{"system":"http://a/s","use":"temp","value":"1"}]"#
            ),
            [("Patient.identifier[1]", "not match any")]
        ),
        (
            "outer missing",
            patient(r#""identifier":[{"system":"http://a/t","use":"official","value":"1"}]"#),
            [("Patient", "slice 's'"), ("Patient", "s/o")]
        ),
    ]
);

probes!(
    ordered_slices_and_ends,
    [profile(
        "p",
        "Patient",
        "Patient",
        "",
        r#"
    {"path":"Patient.name","slicing":{"discriminator":[{"type":"value","path":"use"}],"ordered":true,"rules":"openAtEnd"}},
    {"path":"Patient.name","sliceName":"o"},{"path":"Patient.name.use","min":1,"fixedCode":"official"},
    {"path":"Patient.name","sliceName":"n"},{"path":"Patient.name.use","min":1,"fixedCode":"nickname"}"#
    )],
    &["http://a/p"],
    [
        (
            "good",
            patient(r#""name":[{"use":"official","text":"x"},{"use":"nickname","text":"x"},{"use":"old","text":"x"}]"#),
            []
        ),
        (
            "order",
            patient(r#""name":[{"use":"nickname","text":"x"},{"use":"official","text":"x"}]"#),
            [("Patient.name[1]", "o")]
        ),
        (
            "end",
            patient(r#""name":[{"use":"old","text":"x"},{"use":"official","text":"x"}]"#),
            [("Patient.name[1]", "openAtEnd")]
        ),
    ]
);

// #discriminator: resolve(), by type and by profile, contained and bundled.
probes!(
    slices_by_what_a_reference_leads_to,
    [
        profile("male", "Patient", "Patient", "", r#"{"path":"Patient.gender","min":1,"fixedCode":"male"}"#),
        profile(
            "p",
            "Observation",
            "Observation",
            "",
            r#"
    {"path":"Observation.performer","slicing":{"discriminator":[{"type":"type","path":"resolve()"}],"rules":"closed"}},
    {"path":"Observation.performer","sliceName":"o","min":1,"max":"1","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Organization"]}]},
    {"path":"Observation.performer","sliceName":"m","max":"1","type":[{"code":"Reference","targetProfile":["http://a/male"]}]}"#
        )
    ],
    &["http://a/p"],
    [
        (
            "good",
            observation(
                r##""contained":[{"resourceType":"Organization","id":"o","name":"x"}],"performer":[{"reference":"#o"}]"##
            ),
            []
        ),
        ("good, elsewhere", observation(r##""performer":[{"reference":"Organization/1"}]"##), []),
        ("missing", observation(r##""performer":[{"reference":"Patient/1"}]"##), [("Observation", "slice 'o'")]),
        (
            "target",
            observation(
                r##""contained":[{"resourceType":"Patient","id":"o","gender":"female"}],"performer":[{"reference":"#o"},{"reference":"Organization/1"}]"##
            ),
            [("Observation.performer[0]", "male")]
        ),
        (
            "closed",
            observation(r##""performer":[{"reference":"Practitioner/1"},{"reference":"Organization/1"}]"##),
            [("Observation.performer[0]", "not match any")]
        ),
    ]
);

probes!(slices_of_bundles, [
    profile("male", "Patient", "Patient", "", r#"{"path":"Patient.gender","min":1,"fixedCode":"male"}"#),
    profile("p", "Bundle", "Bundle", "", r#"
    {"path":"Bundle.entry","slicing":{"discriminator":[{"type":"profile","path":"resource"}],"rules":"open"}},
    {"path":"Bundle.entry","sliceName":"m","min":1,"max":"1"},
    {"path":"Bundle.entry.resource","min":1,"type":[{"code":"Patient","profile":["http://a/male"]}]}"#),
    profile("t", "Bundle", "Bundle", "", r#"
    {"path":"Bundle.entry","slicing":{"discriminator":[{"type":"type","path":"resource"}],"rules":"closed"}},
    {"path":"Bundle.entry","sliceName":"m","min":1,"max":"1"},
    {"path":"Bundle.entry.resource","min":1,"type":[{"code":"Patient","profile":["http://a/male"]}]}"#)], &[], [
    ("good", r#"{"resourceType":"Bundle","meta":{"profile":["http://a/p","http://a/t"]},"type":"collection","entry":[{"fullUrl":"http://a/Patient/1","resource":{"resourceType":"Patient","id":"1","gender":"male"}}]}"#.to_owned(), []),
    ("none", r#"{"resourceType":"Bundle","meta":{"profile":["http://a/p"]},"type":"collection","entry":[{"fullUrl":"http://a/Patient/1","resource":{"resourceType":"Patient","id":"1","gender":"female"}}]}"#.to_owned(), [("Bundle", "slice 'm'")]),
    ("by type", r#"{"resourceType":"Bundle","meta":{"profile":["http://a/t"]},"type":"collection","entry":[{"fullUrl":"http://a/Patient/1","resource":{"resourceType":"Patient","id":"1","gender":"female"}}]}"#.to_owned(), [("Bundle.entry[0].resource.gender", "male")]),
]);

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

// defining-extensions.html
probes!(
    extensions,
    [
        extension(
            "simple",
            r#"{"type":"element","expression":"Patient"}"#,
            "",
            r#"{"path":"Extension.extension","max":"0"},{"path":"Extension.value[x]","min":1,"type":[{"code":"string"}]}"#
        ),
        extension(
            "complex",
            r#"{"type":"element","expression":"Patient"}"#,
            "",
            r#"
        {"id":"Extension.extension","path":"Extension.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}},
        {"id":"Extension.extension:a","path":"Extension.extension","sliceName":"a","min":1,"max":"1"},
        {"id":"Extension.extension:a.url","path":"Extension.extension.url","fixedUri":"a"},
        {"id":"Extension.extension:a.value[x]","path":"Extension.extension.value[x]","min":1,"type":[{"code":"integer"}]},
        {"id":"Extension.extension:b","path":"Extension.extension","sliceName":"b"},
        {"id":"Extension.extension:b.url","path":"Extension.extension.url","fixedUri":"b"},
        {"id":"Extension.value[x]","path":"Extension.value[x]","max":"0"}"#
        ),
        extension(
            "modifier",
            r#"{"type":"element","expression":"Patient"}"#,
            "",
            r#"{"path":"Extension","isModifier":true,"isModifierReason":"x"},{"path":"Extension.value[x]","type":[{"code":"boolean"}]}"#
        ),
        extension("family", r#"{"type":"element","expression":"HumanName.family"}"#, "", ""),
        extension("contact", r#"{"type":"element","expression":"Patient.contact"}"#, "", ""),
        extension("within", r#"{"type":"extension","expression":"http://a/open"}"#, "", ""),
        extension("open", r#"{"type":"element","expression":"Element"}"#, "", ""),
        extension("path", r#"{"type":"fhirpath","expression":"Patient.name.where(use = 'official')"}"#, "", ""),
        extension("strings", r#"{"type":"element","expression":"string"}"#, "", ""),
        extension("resources", r#"{"type":"element","expression":"DomainResource"}"#, "", ""),
        extension(
            "invariant",
            r#"{"type":"element","expression":"Patient"}"#,
            r#""contextInvariant":["birthDate.exists()"],"#,
            ""
        ),
    ],
    &[],
    [
        ("simple", patient(r#""extension":[{"url":"http://a/simple","valueString":"x"}]"#), []),
        (
            "simple, type",
            patient(r#""extension":[{"url":"http://a/simple","valueInteger":1}]"#),
            [("Patient.extension[0].value", "string")]
        ),
        (
            "simple, no value",
            patient(r#""extension":[{"url":"http://a/simple","id":"x"}]"#),
            [("Patient.extension[0]", "ext-1"), ("Patient.extension[0]", "value")]
        ),
        (
            "simple, elsewhere",
            patient(r#""name":[{"text":"x","extension":[{"url":"http://a/simple","valueString":"x"}]}]"#),
            [("Patient.name[0].extension[0]", "Patient")]
        ),
        (
            "complex",
            patient(
                r#""extension":[{"url":"http://a/complex","extension":[{"url":"a","valueInteger":1},{"url":"b","valueString":"x"}]}]"#
            ),
            []
        ),
        (
            "complex, missing",
            patient(r#""extension":[{"url":"http://a/complex","extension":[{"url":"b","valueString":"x"}]}]"#),
            [("Patient.extension[0]", "slice 'a'")]
        ),
        (
            "complex, type",
            patient(r#""extension":[{"url":"http://a/complex","extension":[{"url":"a","valueString":"x"}]}]"#),
            [("Patient.extension[0].extension[0].value", "integer")]
        ),
        (
            "complex, unknown part",
            patient(
                r#""extension":[{"url":"http://a/complex","extension":[{"url":"a","valueInteger":1},{"url":"z","valueString":"x"}]}]"#
            ),
            [("Patient.extension[0].extension[1]", "z")]
        ),
        (
            "complex, with value",
            patient(r#""extension":[{"url":"http://a/complex","valueString":"x"}]"#),
            [("Patient.extension[0].value", "value"), ("Patient.extension[0]", "slice 'a'")]
        ),
        ("modifier", patient(r#""modifierExtension":[{"url":"http://a/modifier","valueBoolean":true}]"#), []),
        (
            "modifier as extension",
            patient(r#""extension":[{"url":"http://a/modifier","valueBoolean":true}]"#),
            [("Patient.extension[0]", "modifier")]
        ),
        (
            "extension as modifier",
            patient(r#""modifierExtension":[{"url":"http://a/simple","valueString":"x"}]"#),
            [("Patient.modifierExtension[0]", "modifier")]
        ),
        (
            "unknown modifier",
            patient(r#""modifierExtension":[{"url":"http://a/unknown","valueString":"x"}]"#),
            [("Patient.modifierExtension[0]", "unknown")]
        ),
        (
            "of a data type's element",
            patient(
                r#""name":[{"family":"x","_family":{"extension":[{"url":"http://a/family","valueString":"x"}]}}],"contact":[{"name":{"family":"x","_family":{"extension":[{"url":"http://a/family","valueString":"x"}]}}}]"#
            ),
            []
        ),
        (
            "of another element",
            patient(r#""name":[{"text":"x","_text":{"extension":[{"url":"http://a/family","valueString":"x"}]}}]"#),
            [("Patient.name[0].text.extension[0]", "HumanName.family")]
        ),
        (
            "of a part",
            patient(r#""contact":[{"name":{"text":"x"},"extension":[{"url":"http://a/contact","valueString":"x"}]}]"#),
            []
        ),
        (
            "in an extension",
            patient(
                r#""extension":[{"url":"http://a/open","extension":[{"url":"http://a/within","valueString":"x"}]}]"#
            ),
            []
        ),
        (
            "not in an extension",
            patient(r#""extension":[{"url":"http://a/within","valueString":"x"}]"#),
            [("Patient.extension[0]", "http://a/open")]
        ),
        (
            "by a path",
            patient(
                r#""name":[{"use":"official","text":"x","extension":[{"url":"http://a/path","valueString":"x"}]}]"#
            ),
            []
        ),
        (
            "not by a path",
            patient(r#""name":[{"use":"usual","text":"x","extension":[{"url":"http://a/path","valueString":"x"}]}]"#),
            [("Patient.name[0].extension[0]", "official")]
        ),
        (
            "on a primitive of a type",
            patient(r#""name":[{"text":"x","_text":{"extension":[{"url":"http://a/strings","valueString":"x"}]}}]"#),
            []
        ),
        (
            "on a primitive of another type",
            patient(r#""active":true,"_active":{"extension":[{"url":"http://a/strings","valueString":"x"}]}"#),
            [("Patient.active.extension[0]", "string")]
        ),
        ("on any resource", patient(r#""extension":[{"url":"http://a/resources","valueString":"x"}]"#), []),
        (
            "invariant of the context",
            patient(r#""birthDate":"2000-01-01","extension":[{"url":"http://a/invariant","valueString":"x"}]"#),
            []
        ),
        (
            "invariant of the context, broken",
            patient(r#""extension":[{"url":"http://a/invariant","valueString":"x"}]"#),
            [("Patient.extension[0]", "birthDate")]
        ),
        (
            "twice",
            patient(
                r#""extension":[{"url":"http://a/simple","valueString":"x"},{"url":"http://a/simple","valueString":"y"}]"#
            ),
            []
        ),
    ]
);

probes!(
    slices_of_extensions,
    [
        extension(
            "simple",
            r#"{"type":"element","expression":"Patient"}"#,
            "",
            r#"{"path":"Extension.value[x]","min":1,"type":[{"code":"string"}]}"#
        ),
        profile(
            "p",
            "Patient",
            "Patient",
            "",
            r#"
    {"id":"Patient.extension","path":"Patient.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}},
    {"id":"Patient.extension:s","path":"Patient.extension","sliceName":"s","min":1,"max":"1","type":[{"code":"Extension","profile":["http://a/simple"]}]},
    {"id":"Patient.extension:s.value[x]","path":"Patient.extension.value[x]","fixedString":"x"}"#
        ),
        profile(
            "c",
            "Patient",
            "Patient",
            "",
            r#"
    {"id":"Patient.extension","path":"Patient.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"closed"}},
    {"id":"Patient.extension:s","path":"Patient.extension","sliceName":"s","type":[{"code":"Extension","profile":["http://a/simple"]}]}"#
        )
    ],
    &[],
    [
        (
            "good",
            patient(r#""meta":{"profile":["http://a/p"]},"extension":[{"url":"http://a/simple","valueString":"x"}]"#),
            []
        ),
        ("missing", patient(r#""meta":{"profile":["http://a/p"]},"active":true"#), [("Patient", "slice 's'")]),
        (
            "value",
            patient(r#""meta":{"profile":["http://a/p"]},"extension":[{"url":"http://a/simple","valueString":"y"}]"#),
            [("Patient.extension[0].value", "x")]
        ),
        (
            "twice",
            patient(
                r#""meta":{"profile":["http://a/p"]},"extension":[{"url":"http://a/simple","valueString":"x"},{"url":"http://a/simple","valueString":"x"}]"#
            ),
            [("Patient", "slice 's'")]
        ),
        (
            "closed",
            patient(r#""meta":{"profile":["http://a/c"]},"extension":[{"url":"http://a/other","valueString":"x"}]"#),
            [("Patient.extension[0]", "not match any")]
        ),
    ]
);

// A slice that takes what no other does (`@default`).
probes!(
    default_slices,
    [profile(
        "p",
        "Observation",
        "Observation",
        "",
        r#"
    {"path":"Observation.category","slicing":{"discriminator":[{"type":"value","path":"text"}],"rules":"closed"}},
    {"path":"Observation.category","sliceName":"a"},{"path":"Observation.category.text","min":1,"fixedString":"a"},
    {"path":"Observation.category","sliceName":"@default"},{"path":"Observation.category.coding","min":1}"#
    )],
    &["http://a/p"],
    [
        ("good", observation(r#""category":[{"text":"a"},{"text":"b","coding":[{"code":"c"}]}]"#), []),
        ("bad", observation(r#""category":[{"text":"a"},{"text":"b"}]"#), [("Observation.category[1]", "coding")]),
    ]
);
