//! `_text` and `_content` (FHIR R4 search.html#text, #content), Japanese included.

use serde_json::{Value, json};

use crate::common::{Database, Server, databases, renraku};
use crate::support::{
    bundle, created, entries, entry, finds, got, link, observation, on_each, patient, refused, stored, tagged, unique,
    with,
};

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn narrated(resource: Value, div: &str) -> Value {
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{div}</div>");
    with(resource, json!({ "text": { "status": "generated", "div": div } }))
}

/// Each database with a server that keeps all text.
fn on_each_with_all(test: impl Fn(&Server, &Database)) {
    for database in databases() {
        println!("on {}", database.kind());
        test(&Server::start(&database.url, &["--full-text=all"]), &database);
    }
}

/// search.html#text: words in the narrative, of two letters or one, in any spelling.
#[test]
fn text_finds_words_of_the_narrative() {
    on_each(|server| {
        let tag = unique("text");
        let make = |div: &str| {
            created(server, &narrated(tagged(patient(json!({ "name": [{ "family": "山田" }] })), &tag), div))
        };
        let hip = make("<p>右<b>大腿骨</b>頸部骨折の術後。ｶﾙｼｳﾑ製剤を内服。Hip fracture &amp; osteoporosis</p>");
        let knee = make("<table><tr><td>左膝</td><td>痛み</td></tr></table><p>Knee pain, no fracture</p>");
        let is =
            |words: &str, ids: &[&str]| finds(server, &format!("Patient?_tag={tag}&_text={}", encoded(words)), ids);
        is("骨折", &[&hip]);
        is("大腿骨頸部骨折", &[&hip]);
        is("頸部 大腿骨", &[&hip]);
        is("膝", &[&knee]);
        is("膝痛", &[]);
        is("カルシウム", &[&hip]);
        is("かるしうむ", &[&hip]);
        is("FRACTURE", &[&hip, &knee]);
        is("fract", &[&hip, &knee]);
        is("racture", &[]);
        is("\"hip fracture\"", &[&hip]);
        is("\"fracture hip\"", &[]);
        is("\"fract\"", &[]);
        is("骨折 or 膝", &[&hip, &knee]);
        is("骨折,膝", &[&hip, &knee]);
        is("fracture NOT hip", &[&knee]);
        is("(膝 OR 骨折) and osteoporosis", &[&hip]);
        // The name is not in the narrative, tags are no words.
        is("山田", &[]);
        is("table", &[]);
        finds(server, &format!("Patient?_tag={tag}&_text=fracture&_text=pain"), &[&knee]);
        finds(server, &format!("?_type=Patient,Observation&_tag={tag}&_text=fracture"), &[&hip, &knee]);
    });
}

/// What is superseded or deleted is found no more.
#[test]
fn text_follows_updates() {
    on_each(|server| {
        let id = unique("text");
        let put = |div: &str| stored(server, &narrated(patient(json!({ "id": id })), div));
        let is = |words: &str, ids: &[&str]| finds(server, &format!("Patient?_id={id}&_text={}", encoded(words)), ids);
        put("<p>骨粗鬆症</p>");
        is("粗鬆", &[&id]);
        put("<p>骨粗鬆症 Fall</p>");
        is("粗鬆 fall", &[&id]);
        put("<p>転倒</p>");
        is("粗鬆", &[]);
        is("転倒", &[&id]);
        stored(server, &patient(json!({ "id": id })));
        is("転倒", &[]);
        put("<p>転倒</p>");
        server.delete(&format!("Patient/{id}"));
        is("転倒", &[]);
        put("<p>再転倒</p>");
        is("転倒", &[&id]);
    });
}

/// In chains, filters, batches and over pages.
#[test]
fn text_works_wherever_parameters_do() {
    on_each(|server| {
        let tag = unique("text");
        let mark = format!("印{}", tag.replace('-', ""));
        let one = created(server, &narrated(tagged(patient(json!({})), &tag), &format!("{mark} one")));
        let two = created(server, &narrated(tagged(patient(json!({})), &tag), &format!("{mark} two")));
        let about = |id: &str| {
            created(server, &tagged(observation(json!({ "subject": { "reference": format!("Patient/{id}") } })), &tag))
        };
        let (first, second) = (about(&one), about(&two));
        finds(
            server,
            &format!("Observation?_tag={tag}&subject:Patient._text={}", encoded(&format!("{mark} one"))),
            &[&first],
        );
        finds(server, &format!("Observation?_tag={tag}&subject:Patient._text={}", encoded(&mark)), &[&first, &second]);
        let page = got(server, &format!("Patient?_text={}&_count=1", encoded(&mark)));
        assert_eq!(page["total"], 2);
        assert!(link(server, &page, "self").unwrap().contains("_text="));
        let next = got(server, &link(server, &page, "next").unwrap());
        assert_eq!(entries(&next).len(), 1);
        let path = format!("Patient?_text={}", encoded(&format!("{mark} two")));
        let answer = server.post("", &bundle("batch", vec![entry("GET", &path, Value::Null)]));
        assert_eq!(entries(&answer.body)[0]["resource"]["total"], 1);
    });
}

/// search.html#content: everything that is text, but no attachments, links and technical values.
#[test]
fn content_finds_words_anywhere() {
    on_each_with_all(|server, _| {
        let resource = json!({
            "resourceType": "Observation", "status": "final",
            "code": { "coding": [{ "system": "http://loinc.org", "code": "8302-2", "display": "身長" }], "text": "Body height" },
            "note": [{ "text": "装具なしで測定" }],
            "contained": [{ "resourceType": "Patient", "id": "p", "name": [{ "text": "見本 花子" }] }],
            "subject": { "reference": "#p", "display": "見本様" }
        });
        let id = created(server, &narrated(resource, "<p>立位</p>"));
        let is = |words: &str, ids: &[&str]| finds(server, &format!("Observation?_content={}", encoded(words)), ids);
        for words in ["身長", "装具なし", "立位", "height", "花子", "8302-2", "身長 立位", "見本花子"]
        {
            is(words, &[&id]);
        }
        for words in ["loinc", "体重", "花子装具"] {
            is(words, &[]);
        }
        finds(server, "Observation?_text=%E8%BA%AB%E9%95%B7", &[]);
        let data = json!({ "resourceType": "Binary", "contentType": "text/plain", "data": "c2VjcmV0" });
        created(server, &data);
        finds(server, "Binary?_content=c2VjcmV0", &[]);
        let long = "検査 ".repeat(20_000);
        let long = created(server, &observation(json!({ "note": [{ "text": format!("先頭 {long}末尾") }] })));
        is("先頭", &[&long]);
        server.delete(&format!("Observation/{long}"));
        is("先頭", &[]);
    });
}

/// `renraku reindex` finds the same, and makes what another setting asks for.
#[test]
fn reindex_follows_the_setting() {
    for database in databases() {
        let mut server = Server::start(&database.url, &[]);
        let id = created(&server, &narrated(patient(json!({ "name": [{ "family": "標本" }] })), "<p>骨折</p>"));
        let why = refused(&server.get("Patient?_content=x"), 400);
        assert!(why.contains("full_text = narrative"), "{why}");
        server.terminate();
        let reindex = |mode: &str| {
            let arguments = ["reindex", "--database", &database.url, "--full-text", mode];
            assert!(renraku(std::path::Path::new(".")).args(arguments).status().unwrap().success());
        };
        reindex("all");
        let mut server = Server::start(&database.url, &["--full-text=all"]);
        finds(&server, &format!("Patient?_text={}", encoded("骨折")), &[&id]);
        finds(&server, &format!("Patient?_content={}", encoded("標本")), &[&id]);
        stored(&server, &narrated(patient(json!({ "id": id })), "<p>転倒</p>"));
        finds(&server, &format!("Patient?_content={}", encoded("標本 or 骨折")), &[]);
        server.terminate();
        reindex("off");
        let server = Server::start(&database.url, &["--full-text=off"]);
        refused(&server.get("Patient?_text=x"), 400);
        stored(&server, &narrated(patient(json!({ "id": id })), "<p>再び</p>"));
    }
}

/// Mistakes are named.
#[test]
fn mistakes_are_refused() {
    on_each(|server| {
        for words in ["(a", "a)", "\"a", "a or", "、", "not"] {
            refused(&server.get(&format!("Patient?_text={}", encoded(words))), 400);
        }
        refused(&server.get(&format!("Patient?_text={}", "a+".repeat(60))), 400);
        refused(&server.get("Patient?_text:exact=x"), 400);
    });
}
