//! Japanese names in searches (FHIR R4 search.html#string): however they are typed, and `:exact` as
//! they are written.

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{created, finds, on_each, patient, tagged, unique};

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn named(server: &Server, tag: &str, names: Value) -> String {
    created(server, &tagged(patient(json!({ "name": names })), tag))
}

/// Family and given name are found together, with any space or none between them.
#[test]
fn a_full_name_is_found_however_it_is_typed() {
    on_each(|server| {
        let tag = unique("names");
        let parts = named(server, &tag, json!([{ "family": "見本", "given": ["太郎"] }]));
        let whole = named(server, &tag, json!([{ "text": "見本　太郎" }]));
        let other = named(server, &tag, json!([{ "family": "見本", "given": ["花子"] }]));
        let both = [parts.as_str(), whole.as_str()];
        for typed in ["見本太郎", "見本 太郎", "見本　太郎", "見本・太郎"] {
            finds(server, &format!("Patient?_tag={tag}&name={}", encoded(typed)), &both);
        }
        finds(server, &format!("Patient?_tag={tag}&name={}", encoded("見本")), &[&parts, &whole, &other]);
        finds(server, &format!("Patient?_tag={tag}&name={}", encoded("太郎見本")), &[]);
        finds(server, &format!("Patient?_tag={tag}&name:contains={}", encoded("本太")), &both);
    });
}

/// Kana are one, whether hiragana, katakana or half width.
#[test]
fn kana_are_found_in_any_spelling() {
    on_each(|server| {
        let tag = unique("names");
        let representation = |code: &str| json!([{ "url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation", "valueCode": code }]);
        let id = named(
            server,
            &tag,
            json!([
                { "extension": representation("IDE"), "family": "山田", "given": ["太郎"] },
                { "extension": representation("SYL"), "family": "ヤマダ", "given": ["タロウ"] }
            ]),
        );
        for typed in ["やまだ", "ヤマダ", "ﾔﾏﾀﾞ", "ヤマダタロウ", "やまだ　たろう", "ﾔﾏﾀﾞ ﾀﾛｳ"]
        {
            for name in ["name", "kana"] {
                finds(server, &format!("Patient?_tag={tag}&{name}={}", encoded(typed)), &[&id]);
            }
        }
        // The kana name is the one that is marked.
        finds(server, &format!("Patient?_tag={tag}&kana={}", encoded("山田")), &[]);
    });
}

/// `:exact` tells compatibility ideographs and ideographic variants apart, which other searches do not.
#[test]
fn exact_is_as_written() {
    on_each(|server| {
        let tag = unique("names");
        let spelled = ["神谷", "\u{fa19}谷", "葛西", "葛\u{e0100}西", "高橋", "髙橋"];
        let ids = spelled.map(|family| named(server, &tag, json!([{ "family": family }])));
        for (family, id) in spelled.iter().zip(&ids) {
            finds(server, &format!("Patient?_tag={tag}&family:exact={}", encoded(family)), &[id]);
        }
        for pair in [0, 2, 4] {
            let both = [ids[pair].as_str(), ids[pair + 1].as_str()];
            for family in &spelled[pair..pair + 2] {
                finds(server, &format!("Patient?_tag={tag}&family={}", encoded(family)), &both);
            }
        }
    });
}
