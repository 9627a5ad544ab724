//! Extensions: their definitions, where they may be, profiles that ask for them.

use super::{extension, holds, patient, probes, profile};

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

// versions.html#extensions: elements of other versions of FHIR, by their URLs.
probes!(
    extensions_for_elements_of_other_versions,
    [],
    &[],
    [
        (
            "of R5",
            patient(
                r#""extension":[{"url":"http://hl7.org/fhir/5.0/StructureDefinition/extension-Patient.something","valueString":"x"}]"#
            ),
            []
        ),
        (
            "of no version",
            patient(
                r#""extension":[{"url":"http://hl7.org/fhir/9.9/StructureDefinition/extension-Patient.something","valueString":"x"}]"#
            ),
            [("Patient.extension[0]", "FHIR 9.9")]
        ),
        (
            "of this version",
            patient(
                r#""extension":[{"url":"http://hl7.org/fhir/4.0/StructureDefinition/extension-Patient.gender","valueCode":"male"}]"#
            ),
            [("Patient.extension[0]", "Patient.gender")]
        ),
    ]
);
