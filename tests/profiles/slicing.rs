//! Slices of every kind, told apart in every way.

use super::{holds, observation, patient, probes, profile};

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
