//! What was agreed: consent, agreements between municipalities.

use super::*;

/// Consent.
pub(super) const CONSENT: Entity = Entity {
    name: "consent",
    ja: "同意",
    en: "Consent",
    profile: "sharing-consent",
    fields: &[
        STATUS,
        needed("kind", "許可・拒否", "Permit or deny", Code),
        needed("given_at", "同意日", "Given", Date),
        needed("organization", "同意を得た機関", "Organization", Reference(&["Organization"])),
        needed("actor", "相手", "To whom", WHO),
        needed("starts", "開始", "Starts", Date),
        ENDS,
        field("purpose", "目的", "Purpose", Code),
    ],
    sources: &[Source {
        resource: "Consent",
        citizen: "patient",
        defaults: &[
            ("status", "active"),
            ("scope.coding{system=http://terminology.hl7.org/CodeSystem/consentscope}.code", "patient-privacy"),
            ("category.coding{system=http://loinc.org}.code", "59284-0"),
            ("policy.uri", "http://renraku.example/fhir/policy/notebook"),
            (
                "provision.actor.role.coding{system=http://terminology.hl7.org/CodeSystem/v3-ParticipationType}.code",
                "IRCP",
            ),
        ],
        paths: &[
            ("status", "status"),
            ("kind", "provision.type"),
            ("given_at", "dateTime"),
            ("organization", "organization.reference"),
            ("actor", "provision.actor.reference.reference"),
            ("starts", "provision.period.start"),
            ("ends", "provision.period.end"),
            ("purpose", "provision.purpose{system=http://renraku.example/fhir/CodeSystem/sharing-purpose}.code"),
        ],
        ..SOURCE
    }],
};

/// Agreement between municipalities.
pub(super) const AGREEMENT: Entity = Entity {
    name: "agreement",
    ja: "広域連携協定",
    en: "Agreement between municipalities",
    profile: "",
    fields: &[
        needed("title", "名称", "Title", Text),
        STATUS,
        needed("parties", "当事者", "Parties", References(&["Organization"])),
        needed("starts", "開始", "Starts", Date),
        ENDS,
    ],
    sources: &[Source {
        resource: "Contract",
        present: &["authority"],
        defaults: &[("status", "executed")],
        paths: &[
            ("title", "title"),
            ("status", "status"),
            ("parties", "authority*"),
            ("starts", "applies.start"),
            ("ends", "applies.end"),
        ],
        ..SOURCE
    }],
};
