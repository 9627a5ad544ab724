use crate::notebook::category::category;

use super::*;
use crate::format::json::parse;

fn rows(json: &str) -> Vec<EntryRow> {
    let resource = parse(json.as_bytes()).unwrap();
    project(resource.text("resourceType").unwrap(), &resource).entries
}

fn title(json: &str) -> (&'static str, String) {
    let row = rows(json).remove(0);
    (category(&row.category).unwrap().code, row.title)
}

#[test]
fn nothing_that_r4_has_makes_it_fail() {
    let Some(examples) = crate::validation::shared("suites/r4-examples") else { return };
    let mut projected = 0;
    for file in std::fs::read_dir(examples).unwrap() {
        let path = file.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let Ok(resource) = parse(&bytes) else { continue };
        let type_name = resource.text("resourceType").unwrap().to_owned();
        let rows = project(&type_name, &resource);
        let named: Vec<String> = subjects(&type_name, &resource);
        for row in &rows.entries {
            assert!(named.contains(&row.subject_id));
            for text in [&row.title, &row.detail, &row.status, &row.date_text] {
                assert!(!text.trim().is_empty() && !text.contains("None"), "{}: {row:?}", path.display());
            }
            assert!(super::super::category::category(&row.category).is_some());
        }
        for other in crate::r4::definitions().resources() {
            let _ = project(&crate::r4::definitions().get(*other).name, &resource);
        }
        projected += usize::from(!rows.entries.is_empty());
    }
    assert!(projected >= 20, "{projected}");
}

#[test]
fn entered_in_error_and_strangers_are_not_shown() {
    let with = |rest: &str| format!(r#"{{"resourceType":"Observation","code":{{"text":"体重"}},{rest}}}"#);
    assert_eq!(rows(&with(r#""status":"final","subject":{"reference":"Patient/1"}"#)).len(), 1);
    assert_eq!(rows(&with(r#""status":"entered-in-error","subject":{"reference":"Patient/1"}"#)).len(), 0);
    assert_eq!(rows(&with(r#""status":"final","subject":{"reference":"http://other/fhir/Patient/1"}"#)).len(), 0);
    assert_eq!(rows(&with(r#""status":"final","subject":{"reference":"Group/1"}"#)).len(), 0);
    let refuted = r#"{"resourceType":"Condition","subject":{"reference":"Patient/1"},
        "verificationStatus":{"coding":[{"code":"entered-in-error"}]}}"#;
    assert_eq!(rows(refuted).len(), 0);
}

#[test]
fn what_is_missing_is_said() {
    let row = rows(r#"{"resourceType":"Condition","subject":{"reference":"Patient/1/_history/2"}}"#).remove(0);
    assert_eq!((row.title.as_str(), row.detail.as_str()), ("診断：（記載なし）", "（記載なし）"));
    assert_eq!((row.date_text.as_str(), row.happened_low, row.status.as_str()), ("（記載なし）", None, "（記載なし）"));
    assert_eq!(row.subject_id, "1");
}

#[test]
fn dates_are_of_japan_and_keep_their_precision() {
    let of = |rest: &str| {
        rows(&format!(
            r#"{{"resourceType":"Encounter","class":{{"code":"IMP"}},"subject":{{"reference":"Patient/1"}},{rest}}}"#
        ))
    };
    let stay = of(r#""period":{"start":"2025-08","end":"2025-09-02"}"#);
    assert_eq!(stay.len(), 2);
    assert_eq!(stay[0].date_text, "2025-08");
    assert_eq!(stay[0].happened_low, Some(1_753_974_000_000_000), "2025-07-31T15:00:00Z");
    assert_eq!(stay[0].happened_high, Some(1_756_652_399_999_999), "2025-08-31T14:59:59.999999Z");
    assert_eq!((stay[1].title.as_str(), stay[1].ordinal), ("退院", 1));
    let open = rows(
        r#"{"resourceType":"CareTeam","name":"A","subject":{"reference":"Patient/1"},"period":{"start":"2025-08-01"}}"#,
    );
    assert_eq!((open[0].date_text.as_str(), open[0].happened_high), ("2025-08-01〜", None));
}

#[test]
fn medication_reads_as_on_the_label() {
    let json = r#"{"resourceType":"MedicationRequest","subject":{"reference":"Patient/1"},
        "medicationCodeableConcept":{"text":"デノタスチュアブル配合錠"},
        "dosageInstruction":[{"text":"1日1回 朝食後 1回2錠 28日分","timing":{"code":{"text":"1日1回 朝食後"}}}],
        "dispenseRequest":{"expectedSupplyDuration":{"value":28,"code":"d"}}}"#;
    assert_eq!(title(json), ("medication", "服薬：デノタスチュアブル配合錠 1日1回 朝食後 28日分".to_owned()));
    let given = |rest: &str| {
        format!(r#"{{"resourceType":"MedicationAdministration","subject":{{"reference":"Patient/1"}},{rest}}}"#)
    };
    let injected = given(r#""medicationCodeableConcept":{"text":"デノスマブ"},"dosage":{"route":{"text":"皮下注射"}}"#);
    assert_eq!(title(&injected), ("injection", "注射：デノスマブ".to_owned()));
    let swallowed = given(r#""medicationCodeableConcept":{"text":"アムロジピンOD錠5mg"}"#);
    assert_eq!(title(&swallowed), ("medication", "与薬：アムロジピンOD錠5mg".to_owned()));
}

#[test]
fn measurements_show_value_and_unit() {
    let of = |rest: &str| format!(r#"{{"resourceType":"Observation","subject":{{"reference":"Patient/1"}},{rest}}}"#);
    let grip = of(r#""code":{"text":"握力（右）"},"valueQuantity":{"value":14.5,"unit":"kg"}"#);
    assert_eq!(title(&grip), ("function", "握力（右）14.5 kg".to_owned()));
    let level = of(r#""code":{"text":"要介護状態区分"},"valueCodeableConcept":{"text":"要介護2"}"#);
    assert_eq!(title(&level), ("care-level", "要介護状態区分：要介護2".to_owned()));
    let pressure = of(
        r#""code":{"text":"血圧"},"component":[{"code":{"text":"収縮期"},"valueQuantity":{"value":128,"unit":"mmHg"}},
        {"code":{"text":"拡張期"},"dataAbsentReason":{"text":"測定不能"}}]"#,
    );
    assert_eq!(title(&pressure), ("observation", "血圧：収縮期 128 mmHg、拡張期 測定不能".to_owned()));
    assert_eq!(title(&of(r#""code":{"text":"転倒"},"valueBoolean":true"#)), ("fall", "転倒：はい".to_owned()));
}

#[test]
fn people_share() {
    let article = r#"{"resourceType":"Communication","subject":{"reference":"Patient/1"},"sent":"2025-08-01T10:00:00+09:00",
        "topic":{"text":"訪問リハビリの様子"},"payload":[{"contentString":"歩行器で庭まで歩けました。"}],"sender":{"display":"見本 律子"}}"#;
    let row = rows(article).remove(0);
    assert_eq!((row.category.as_ref(), row.title.as_str()), ("article", "記事：訪問リハビリの様子"));
    assert_eq!(row.detail, "歩行器で庭まで歩けました。／投稿者：見本 律子");
    let video = r#"{"resourceType":"Media","subject":{"reference":"Patient/1"},"content":{"contentType":"video/mp4","title":"廊下の歩行"}}"#;
    assert_eq!(title(video), ("photo-video", "動画：廊下の歩行".to_owned()));
}

#[test]
fn a_citizen_has_name_reading_and_numbers() {
    let patient = parse(
        r#"{"resourceType":"Patient","identifier":[{"system":"urn:oid:1.2.392.100495.20.3.51.12399999999","value":"7"}],
        "name":[{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation","valueCode":"SYL"}],"text":"ミホン　ハナコ"},
        {"family":"見本","given":["花子"]}],"birthDate":"1943","address":[{"state":"見本県","city":"サンプル市","line":["1-2"]}]}"#
            .as_bytes(),
    )
    .unwrap();
    let citizen = project("Patient", &patient).citizen.unwrap();
    assert_eq!((citizen.name.as_str(), citizen.kana.as_str()), ("見本 花子", "ミホン　ハナコ"));
    assert_eq!((citizen.hospital_id.as_str(), citizen.insured_id.as_str()), ("7", ""));
    assert_eq!(citizen.address, "見本県サンプル市1-2");
}

#[test]
fn titles_say_what_took_place_and_what_was_allowed_in_words() {
    let visit = |status: &str| {
        title(&format!(
            r#"{{"resourceType":"Appointment","status":"{status}","description":"訪問看護","start":"2026-01-05T10:00:00+09:00",
            "participant":[{{"actor":{{"reference":"Patient/1"}},"status":"accepted"}}]}}"#
        ))
    };
    assert_eq!(visit("booked"), ("visit", "受診予定：訪問看護".to_owned()));
    assert_eq!(visit("fulfilled"), ("visit", "受診・訪問：訪問看護".to_owned()));
    let dispense = r#"{"resourceType":"MedicationDispense","status":"completed","subject":{"reference":"Patient/1"},
        "medicationCodeableConcept":{"text":"見本錠"},"whenHandedOver":"2026-01-05"}"#;
    assert_eq!(title(dispense), ("medication", "調剤：見本錠".to_owned()));
    let consent = r#"{"resourceType":"Consent","status":"active","patient":{"reference":"Patient/1"},"dateTime":"2026-01-05",
        "scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},
        "organization":[{"display":"見本病院"}],
        "provision":{"type":"permit","actor":[{"role":{"text":"r"},"reference":{"display":"見本在宅"}}]}}"#;
    let row = rows(consent).remove(0);
    assert_eq!(row.title, "同意：情報の共有");
    assert_eq!(row.detail, "内容：許可／管理：見本病院／相手：見本在宅");
}

#[test]
fn what_is_eaten_is_nutrition_though_it_is_an_activity_too() {
    let meal = r#"{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/1"},
        "category":[{"coding":[{"code":"activity"}]}],
        "code":{"coding":[{"system":"http://renraku.example/fhir/CodeSystem/observation-code","code":"meal-intake"}],"text":"昼食"},
        "valueQuantity":{"value":80,"unit":"%"}}"#;
    assert_eq!(title(meal), ("nutrition", "昼食：80 %".to_owned()));
}
