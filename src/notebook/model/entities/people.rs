//! Who there is: family, staff and their professions, facilities and municipalities, care teams, groups.

use super::*;

/// Names told apart by how they are written (JP Core): IDE = ideographic, SYL = syllabic.
const IDE: &str = "name{extension.url=http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation,extension.valueCode=IDE}.text";
const SYL: &str = "name{extension.url=http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation,extension.valueCode=SYL}.text";

/// Citizen.
pub(super) const CITIZEN: Entity = Entity {
    name: "citizen",
    ja: "支援対象者",
    en: "Citizen",
    profile: "",
    fields: &[
        needed("name", "氏名", "Name", Text),
        field("kana", "フリガナ", "Kana", Text),
        field("birth_date", "生年月日", "Date of birth", Date),
        field("gender", "性別", "Gender", Code),
        field("address", "住所", "Address", Text),
        field("phone", "電話", "Telephone", Text),
        field("municipality", "市町村", "Municipality", Reference(&["Organization"])),
        field("notebook_id", "連絡帳番号", "Notebook number", Text),
        field("insured_id", "介護保険被保険者番号", "Long-term care insurance number", Text),
        field("deceased_at", "死亡日", "Died", Date),
    ],
    sources: &[Source {
        resource: "Patient",
        paths: &[
            ("name", IDE),
            ("kana", SYL),
            ("birth_date", "birthDate"),
            ("gender", "gender"),
            ("address", "address.text"),
            ("phone", PHONE),
            ("municipality", "managingOrganization.reference"),
            ("notebook_id", "identifier{system=http://renraku.example/fhir/IdSystem/notebook}.value"),
            ("insured_id", "identifier{system=http://renraku.example/fhir/IdSystem/ltc-insured}.value"),
            ("deceased_at", "deceasedDateTime"),
        ],
        ..SOURCE
    }],
};

/// Family.
pub(super) const FAMILY: Entity = Entity {
    name: "family",
    ja: "家族",
    en: "Family",
    profile: "",
    fields: &[
        needed("name", "氏名", "Name", Text),
        field("relationship", "続柄", "Relationship", Text),
        field("phone", "電話", "Telephone", Text),
        STARTS,
        ENDS,
    ],
    sources: &[Source {
        resource: "RelatedPerson",
        citizen: "patient",
        paths: &[
            ("name", "name.text"),
            ("relationship", "relationship.text"),
            ("phone", PHONE),
            ("starts", "period.start"),
            ("ends", "period.end"),
        ],
        ..SOURCE
    }],
};

/// Member.
pub(super) const MEMBER: Entity = Entity {
    name: "member",
    ja: "職員",
    en: "Member",
    profile: "",
    fields: &[
        needed("name", "氏名", "Name", Text),
        field("phone", "電話", "Telephone", Text),
        field("active", "有効", "Active", Boolean),
    ],
    sources: &[Source {
        resource: "Practitioner",
        paths: &[("name", "name.text"), ("phone", PHONE), ("active", "active")],
        ..SOURCE
    }],
};

/// Profession.
pub(super) const ROLE: Entity = Entity {
    name: "role",
    ja: "職種",
    en: "Profession",
    profile: "",
    fields: &[
        indexed(needed("member", "職員", "Member", Reference(&["Practitioner"]))),
        needed("facility", "所属", "Facility", Reference(&["Organization"])),
        field("code", "職種コード", "Profession code", Code),
        field("name", "職種名", "Profession", Text),
        STARTS,
        ENDS,
    ],
    sources: &[Source {
        resource: "PractitionerRole",
        paths: &[
            ("member", "practitioner.reference"),
            ("facility", "organization.reference"),
            ("code", "code.coding.code"),
            ("name", "code.text"),
            ("starts", "period.start"),
            ("ends", "period.end"),
        ],
        ..SOURCE
    }],
};

/// Facility or municipality.
pub(super) const FACILITY: Entity = Entity {
    name: "facility",
    ja: "機関・市町村",
    en: "Facility or municipality",
    profile: "",
    fields: &[
        needed("name", "名称", "Name", Text),
        field("kind", "種別", "Kind", Text),
        field("part_of", "上位の機関", "Part of", Reference(&["Organization"])),
        field("institution_no", "医療機関番号", "Institution number", Text),
        field("phone", "電話", "Telephone", Text),
    ],
    sources: &[Source {
        resource: "Organization",
        paths: &[
            ("name", "name"),
            ("kind", "type.text"),
            ("part_of", "partOf.reference"),
            (
                "institution_no",
                "identifier{system=http://jpfhir.jp/fhir/core/IdSystem/insurance-medical-institution-no}.value",
            ),
            ("phone", PHONE),
        ],
        ..SOURCE
    }],
};

/// Care team.
pub(super) const TEAM: Entity = Entity {
    name: "team",
    ja: "患者チーム",
    en: "Care team",
    profile: "",
    fields: &[NAME, STATUS, STARTS, ENDS],
    sources: &[Source {
        resource: "CareTeam",
        citizen: "subject",
        defaults: &[("status", "active")],
        paths: &[("name", "name"), ("status", "status"), ("starts", "period.start"), ("ends", "period.end")],
        ..SOURCE
    }],
};

/// Member of a team.
pub(super) const TEAM_MEMBER: Entity = Entity {
    name: "team_member",
    ja: "チームのメンバー",
    en: "Member of a team",
    profile: "",
    fields: &[
        indexed(needed("member", "人・機関", "Who", WHO)),
        field("code", "職種コード", "Profession code", Code),
        field("name", "職種", "Profession", Text),
        field("facility", "所属", "On behalf of", Reference(&["Organization"])),
        needed("starts", "参加日", "Joined", Date),
        ENDS,
    ],
    sources: &[Source {
        resource: "CareTeam",
        citizen: "subject",
        per: "participant*",
        paths: &[
            ("member", "member.reference"),
            ("code", "role.coding.code"),
            ("name", "role.text"),
            ("facility", "onBehalfOf.reference"),
            ("starts", "period.start"),
            ("ends", "period.end"),
        ],
        ..SOURCE
    }],
};

/// Group.
pub(super) const GROUP: Entity = Entity {
    name: "group",
    ja: "グループ",
    en: "Group",
    profile: "",
    fields: &[needed("name", "名称", "Name", Text), field("active", "有効", "Active", Boolean)],
    sources: &[Source {
        resource: "Group",
        fixed: &[("type", "practitioner")],
        defaults: &[("actual", "true")],
        paths: &[("name", "name"), ("active", "active")],
        ..SOURCE
    }],
};

/// Member of a group.
pub(super) const GROUP_MEMBER: Entity = Entity {
    name: "group_member",
    ja: "グループのメンバー",
    en: "Member of a group",
    profile: "",
    fields: &[
        indexed(needed("member", "人", "Who", Reference(&["Practitioner", "PractitionerRole"]))),
        STARTS,
        ENDS,
        field("inactive", "無効", "Inactive", Boolean),
    ],
    sources: &[Source {
        resource: "Group",
        per: "member*",
        fixed: &[("type", "practitioner")],
        paths: &[
            ("member", "entity.reference"),
            ("starts", "period.start"),
            ("ends", "period.end"),
            ("inactive", "inactive"),
        ],
        ..SOURCE
    }],
};
