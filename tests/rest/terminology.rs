//! Terminology operations (FHIR R4 terminology-service.html and the operation definitions).

use serde_json::{Value, json};

use crate::common::{Answer, Server};
use crate::support::{bundle, created, entry, finds, got, on_each, refused, unique};

const GENDERS: &str = "http://hl7.org/fhir/administrative-gender";
const GENDER_SET: &str = "http://hl7.org/fhir/ValueSet/administrative-gender";

fn parameters(list: Value) -> Value {
    json!({ "resourceType": "Parameters", "parameter": list })
}

/// The value of a parameter of an answer; null when it is not there.
fn out<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let none = &Value::Null;
    let found = answer["parameter"].as_array().and_then(|list| list.iter().find(|one| one["name"] == name));
    let Some(found) = found.and_then(Value::as_object) else { return none };
    found.iter().find(|(key, _)| key.starts_with("value")).map_or(none, |(_, value)| value)
}

fn ok(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body.clone()
}

fn codes(value_set: &Value) -> Vec<String> {
    let contains = value_set["expansion"]["contains"].as_array().cloned().unwrap_or_default();
    contains.iter().map(|one| one["code"].as_str().unwrap_or_default().to_owned()).collect()
}

/// A code system and a value set of all of it, of this test alone: answers their URLs.
fn animals(server: &Server) -> (String, String) {
    let name = unique("animals");
    let (system, set) = (format!("http://example.org/{name}"), format!("http://example.org/{name}/all"));
    let system_body = json!({
        "resourceType": "CodeSystem", "id": name, "url": system, "version": "1.0", "name": "Animals", "status": "active",
        "content": "complete", "caseSensitive": true, "hierarchyMeaning": "is-a",
        "property": [{ "code": "legs", "type": "integer", "description": "How many" },
            { "code": "inactive", "uri": "http://hl7.org/fhir/concept-properties#inactive", "type": "boolean" }],
        "concept": [{ "code": "mammal", "display": "Mammal",
            "property": [{ "code": "notSelectable", "valueBoolean": true }],
            "concept": [
                { "code": "dog", "display": "Dog", "definition": "It barks", "designation": [{ "language": "ja", "value": "イヌ" }],
                  "property": [{ "code": "legs", "valueInteger": 4 }] },
                { "code": "aurochs", "display": "Aurochs", "property": [{ "code": "inactive", "valueBoolean": true }] }] }]
    });
    let set_body = json!({
        "resourceType": "ValueSet", "id": name, "url": set, "version": "2.0", "name": "AllAnimals", "status": "active",
        "compose": { "include": [{ "system": system }] }
    });
    for body in [system_body, set_body] {
        let path = format!("{}/{name}", body["resourceType"].as_str().unwrap());
        assert_eq!(server.put(&path, &body).status, 201);
    }
    (system, set)
}

/// valueset-operation-expand.html: by URL, of a stored value set by its id, of one that is sent along.
#[test]
fn a_value_set_is_expanded() {
    on_each(|server| {
        let answer = got(server, &format!("ValueSet/$expand?url={GENDER_SET}"));
        assert_eq!(codes(&answer), ["male", "female", "other", "unknown"]);
        assert_eq!(answer["expansion"]["total"], 4);
        assert_eq!(answer["expansion"]["contains"][0]["display"], "Male");
        assert_eq!(answer["url"], GENDER_SET);
        assert!(answer.get("compose").is_none());
        let used = answer["expansion"]["parameter"].as_array().unwrap();
        assert!(used.iter().any(|one| one["name"] == "version" && one["valueUri"] == format!("{GENDERS}|4.0.1")));

        let (system, set) = animals(server);
        let id = system.rsplit('/').next().unwrap();
        assert_eq!(codes(&got(server, &format!("ValueSet/{id}/$expand"))), ["mammal", "dog", "aurochs"]);
        assert_eq!(codes(&got(server, &format!("ValueSet/$expand?url={set}&valueSetVersion=2.0"))).len(), 3);
        let own = json!({ "resourceType": "ValueSet", "status": "draft", "compose": { "include": [
            { "system": system, "filter": [{ "property": "legs", "op": "=", "value": "4" }] }] } });
        assert_eq!(codes(&ok(&server.post("ValueSet/$expand", &own))), ["dog"]);
        let body = parameters(
            json!([{ "name": "valueSet", "resource": own }, { "name": "includeDefinition", "valueBoolean": true }]),
        );
        let answer = ok(&server.post("ValueSet/$expand", &body));
        assert_eq!((codes(&answer), &answer["compose"]), (vec!["dog".to_owned()], &own["compose"]));
    });
}

/// Filter, page, language, designations, inactive and abstract concepts.
#[test]
fn an_expansion_is_shaped_by_its_parameters() {
    on_each(|server| {
        let (_, set) = animals(server);
        let ask = |more: &str| got(server, &format!("ValueSet/$expand?url={set}&{more}"));
        assert_eq!(codes(&ask("filter=%E3%81%84%E3%81%AC")), ["dog"], "hiragana finds katakana");
        assert_eq!(codes(&ask("filter=DOG")), ["dog"]);
        assert_eq!(codes(&ask("activeOnly=true")), ["mammal", "dog"]);
        assert_eq!(codes(&ask("excludeNotForUI=true")), ["dog", "aurochs"]);
        let page = ask("offset=1&count=1");
        assert_eq!(
            (codes(&page), &page["expansion"]["total"], &page["expansion"]["offset"]),
            (vec!["dog".to_owned()], &json!(3), &json!(1))
        );
        assert_eq!((codes(&ask("count=0")).len(), &ask("count=0")["expansion"]["total"]), (0, &json!(3)));
        let japanese = ask("displayLanguage=ja&includeDesignations=true");
        assert_eq!(japanese["expansion"]["contains"][1]["display"], "イヌ");
        assert_eq!(japanese["expansion"]["contains"][1]["designation"][0]["language"], "ja");
        let nested = ask("excludeNested=false");
        assert_eq!(nested["expansion"]["contains"][0]["contains"][0]["code"], "dog");
        assert_eq!(nested["expansion"]["contains"][0]["abstract"], true);
        let all = ask("");
        assert_eq!(all["expansion"]["contains"][2]["inactive"], true);
    });
}

/// What cannot be expanded says why.
#[test]
fn what_cannot_be_expanded_says_why() {
    on_each(|server| {
        refused(&server.get("ValueSet/$expand"), 400);
        assert!(refused(&server.get("ValueSet/$expand?url=http://example.org/none"), 404).contains("not here"));
        assert!(
            refused(&server.get("ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/condition-code"), 422)
                .contains("http://snomed.info/sct")
        );
        refused(&server.get("ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/mimetypes"), 422);
        // It is here; what it imports is not.
        refused(&server.get("ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/media-modality"), 422);
        refused(&server.get(&format!("ValueSet/$expand?url={GENDER_SET}&count=-1")), 400);
        refused(&server.get(&format!("ValueSet/$expand?url={GENDER_SET}&date=2020-01-01")), 501);
        refused(&server.get("ValueSet/$expand?context=http://example.org/x"), 501);
        refused(&server.get("ValueSet/nobody/$expand"), 404);
        refused(&server.get(&format!("ValueSet/$expand?url={GENDER_SET}&check-system-version={GENDERS}%7C9")), 400);
    });
}

/// valueset-operation-validate-code.html
#[test]
fn a_code_is_validated_against_a_value_set() {
    on_each(|server| {
        let ask = |more: &str| got(server, &format!("ValueSet/$validate-code?url={GENDER_SET}&{more}"));
        let right = ask(&format!("code=female&system={GENDERS}"));
        assert_eq!((out(&right, "result"), out(&right, "display")), (&json!(true), &json!("Female")));
        assert_eq!(out(&ask("code=female"), "result"), &json!(true), "the only system of the value set");
        let wrong = ask(&format!("code=lady&system={GENDERS}"));
        assert_eq!(out(&wrong, "result"), &json!(false));
        assert!(out(&wrong, "message").as_str().unwrap().contains("lady"));
        let display = ask(&format!("code=female&system={GENDERS}&display=Man"));
        assert_eq!((out(&display, "result"), out(&display, "display")), (&json!(false), &json!("Female")));

        let concept = |codings: Value| {
            let body = parameters(json!([{ "name": "url", "valueUri": GENDER_SET },
                { "name": "codeableConcept", "valueCodeableConcept": { "coding": codings } }]));
            ok(&server.post("ValueSet/$validate-code", &body))
        };
        let coding = |code: &str| json!({ "system": GENDERS, "code": code });
        assert_eq!(out(&concept(json!([coding("none"), coding("male")])), "result"), &json!(true));
        assert_eq!(out(&concept(json!([coding("none")])), "result"), &json!(false));
        let body = parameters(
            json!([{ "name": "url", "valueUri": GENDER_SET }, { "name": "coding", "valueCoding": coding("other") }]),
        );
        assert_eq!(out(&ok(&server.post("ValueSet/$validate-code", &body)), "result"), &json!(true));
    });
}

/// No guess where something is missing: neither true nor false.
#[test]
fn what_cannot_be_told_is_not_answered() {
    on_each(|server| {
        let path = "ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/condition-code";
        let why = refused(&server.get(&format!("{path}&code=1&system=http://snomed.info/sct")), 422);
        assert!(why.contains("http://snomed.info/sct"), "{why}");
        refused(&server.get(&format!("ValueSet/$validate-code?url={GENDER_SET}")), 400);
        refused(&server.get("ValueSet/$validate-code?url=http://example.org/none&code=a&system=b"), 404);
    });
}

/// codesystem-operation-validate-code.html
#[test]
fn a_code_is_validated_against_its_system() {
    on_each(|server| {
        let (system, _) = animals(server);
        let id = system.rsplit('/').next().unwrap();
        let ask = |path: &str| got(server, path);
        let right = ask(&format!("CodeSystem/$validate-code?url={system}&code=dog&display=%E3%81%84%E3%81%AC"));
        assert_eq!((out(&right, "result"), out(&right, "display")), (&json!(true), &json!("Dog")));
        assert_eq!(out(&ask(&format!("CodeSystem/{id}/$validate-code?code=Dog")), "result"), &json!(false));
        assert_eq!(
            out(&ask(&format!("CodeSystem/{id}/$validate-code?code=mammal&abstract=false")), "result"),
            &json!(false)
        );
        assert_eq!(
            out(&ask(&format!("CodeSystem/{id}/$validate-code?code=mammal&abstract=true")), "result"),
            &json!(true)
        );
        assert_eq!(
            out(&ask("CodeSystem/$validate-code?url=http://unitsofmeasure.org&code=mm%5BHg%5D"), "result"),
            &json!(true)
        );
        assert_eq!(out(&ask("CodeSystem/$validate-code?url=urn:ietf:bcp:13&code=jpeg"), "result"), &json!(false));
        refused(&server.get("CodeSystem/$validate-code?url=http://snomed.info/sct&code=1"), 422);
        refused(&server.get("CodeSystem/$validate-code?url=http://example.org/none&code=1"), 404);
        refused(&server.get(&format!("CodeSystem/$validate-code?url={system}&version=9&code=dog")), 404);
        let body = parameters(
            json!([{ "name": "url", "valueUri": system }, { "name": "coding", "valueCoding": { "system": "http://other", "code": "dog" } }]),
        );
        assert_eq!(out(&ok(&server.post("CodeSystem/$validate-code", &body)), "result"), &json!(false));
    });
}

/// codesystem-operation-lookup.html
#[test]
fn a_code_is_looked_up() {
    on_each(|server| {
        let (system, _) = animals(server);
        let answer = got(server, &format!("CodeSystem/$lookup?system={system}&code=dog"));
        assert_eq!(
            (out(&answer, "name"), out(&answer, "version"), out(&answer, "display")),
            (&json!("Animals"), &json!("1.0"), &json!("Dog"))
        );
        let all = answer["parameter"].to_string();
        for part in ["イヌ", "It barks", "\"legs\"", "How many", "\"parent\"", "\"mammal\""] {
            assert!(all.contains(part), "{part} in {all}");
        }
        let some = got(server, &format!("CodeSystem/$lookup?system={system}&code=dog&property=legs&property=lang.ja"));
        let all = some["parameter"].to_string();
        assert!(all.contains("イヌ") && all.contains("\"legs\"") && !all.contains("It barks"), "{all}");
        let answer = got(server, &format!("CodeSystem/$lookup?system={system}&code=dog&displayLanguage=ja"));
        assert_eq!(out(&answer, "display"), "イヌ");
        refused(&server.get(&format!("CodeSystem/$lookup?system={system}&code=cat")), 404);
        refused(&server.get("CodeSystem/$lookup?system=http://snomed.info/sct&code=1"), 404);
        refused(&server.get("CodeSystem/$lookup?code=dog"), 400);
        refused(&server.get("CodeSystem/$lookup"), 400);
    });
}

/// codesystem-operation-subsumes.html
#[test]
fn codes_are_compared() {
    on_each(|server| {
        let (system, _) = animals(server);
        let ask = |a: &str, b: &str| {
            let answer = got(server, &format!("CodeSystem/$subsumes?system={system}&codeA={a}&codeB={b}"));
            out(&answer, "outcome").as_str().unwrap().to_owned()
        };
        assert_eq!(ask("mammal", "dog"), "subsumes");
        assert_eq!(ask("dog", "mammal"), "subsumed-by");
        assert_eq!(ask("dog", "dog"), "equivalent");
        assert_eq!(ask("dog", "aurochs"), "not-subsumed");
        let id = system.rsplit('/').next().unwrap();
        got(server, &format!("CodeSystem/{id}/$subsumes?codeA=dog&codeB=mammal"));
        refused(&server.get(&format!("CodeSystem/$subsumes?system={system}&codeA=cat&codeB=dog")), 404);
        refused(&server.get(&format!("CodeSystem/$subsumes?system={system}&codeA=dog")), 400);
        let coding = |system: &str, code: &str| json!({ "system": system, "code": code });
        let body = parameters(
            json!([{ "name": "codingA", "valueCoding": coding(&system, "dog") }, { "name": "codingB", "valueCoding": coding("http://other", "dog") }]),
        );
        refused(&server.post("CodeSystem/$subsumes", &body), 400);
    });
}

/// conceptmap-operation-translate.html
#[test]
fn a_code_is_translated() {
    on_each(|server| {
        let map = "http://hl7.org/fhir/ConceptMap/101";
        let ask = |more: &str| got(server, &format!("ConceptMap/$translate?{more}"));
        let answer = ask(&format!("url={map}&system=http://hl7.org/fhir/address-use&code=home"));
        assert_eq!(out(&answer, "result"), &json!(true));
        let matched = answer["parameter"][1]["part"].as_array().unwrap();
        assert_eq!(
            (&matched[0]["valueCode"], &matched[1]["valueCoding"]["code"], &matched[2]["valueUri"]),
            (&json!("equivalent"), &json!("H"), &json!(map))
        );
        let back =
            ask(&format!("url={map}&system=http://terminology.hl7.org/CodeSystem/v3-AddressUse&code=H&reverse=true"));
        assert!(back.to_string().contains("\"home\""));
        let nothing = ask(&format!("url={map}&system=http://example.org/other&code=home"));
        assert_eq!(out(&nothing, "result"), &json!(false));
        assert!(out(&nothing, "message").is_string());
        // Without a map: every one that is here.
        let any = ask(
            "system=http://hl7.org/fhir/address-use&code=home&targetsystem=http://terminology.hl7.org/CodeSystem/v3-AddressUse",
        );
        assert_eq!(out(&any, "result"), &json!(true));
        refused(&server.get("ConceptMap/$translate?url=http://example.org/none&code=a&system=b"), 404);
        refused(&server.get(&format!("ConceptMap/$translate?url={map}&code=home")), 400);

        let own = json!({ "resourceType": "ConceptMap", "status": "draft", "group": [{ "source": "http://a", "target": "http://b",
            "element": [{ "code": "x", "target": [{ "code": "y", "equivalence": "wider", "dependsOn": [{ "property": "http://p", "value": "1" }] }] }] }] });
        let body = |more: Vec<Value>| {
            let base = vec![
                json!({ "name": "conceptMap", "resource": own }),
                json!({ "name": "code", "valueCode": "x" }),
                json!({ "name": "system", "valueUri": "http://a" }),
            ];
            parameters(Value::Array([base, more].concat()))
        };
        assert_eq!(out(&ok(&server.post("ConceptMap/$translate", &body(vec![]))), "result"), &json!(false));
        let dependency = json!({ "name": "dependency", "part": [{ "name": "element", "valueUri": "http://p" },
            { "name": "concept", "valueCodeableConcept": { "coding": [{ "code": "1" }] } }] });
        assert_eq!(out(&ok(&server.post("ConceptMap/$translate", &body(vec![dependency]))), "result"), &json!(true));
    });
}

/// terminology-service.html#closure: what is new is told once; who lost touch asks again.
#[test]
fn a_closure_table_grows() {
    on_each(|server| {
        let (system, _) = animals(server);
        let name = unique("closure");
        let add = |codes: &[&str]| {
            let mut list = vec![json!({ "name": "name", "valueString": name })];
            list.extend(
                codes
                    .iter()
                    .map(|code| json!({ "name": "concept", "valueCoding": { "system": system, "code": code } })),
            );
            server.post("$closure", &parameters(Value::Array(list)))
        };
        refused(&add(&["dog"]), 404);
        assert_eq!(ok(&add(&[]))["version"], "0");
        let first = ok(&add(&["dog", "aurochs"]));
        assert_eq!((&first["resourceType"], first.get("group")), (&json!("ConceptMap"), None));
        let second = ok(&add(&["mammal", "dog"]));
        let element = &second["group"][0]["element"];
        assert_eq!(element.as_array().unwrap().len(), 2);
        assert_eq!(element[1], json!({ "code": "dog", "target": [{ "code": "mammal", "equivalence": "subsumes" }] }));
        assert_eq!(ok(&add(&["dog"])).get("group"), None, "nothing new");
        let again = |version: &str| {
            server.post(
                "$closure",
                &parameters(
                    json!([{ "name": "name", "valueString": name }, { "name": "version", "valueString": version }]),
                ),
            )
        };
        assert_eq!(ok(&again("0"))["group"], second["group"]);
        assert_eq!(ok(&again("2")).get("group"), None);
        refused(&again("9"), 400);
        refused(&again("x"), 400);
        refused(&add(&["cat"]), 422);
        refused(&server.get(&format!("$closure?name={name}")), 405);
        assert_eq!(ok(&add(&[]))["version"], "0");
        assert_eq!(ok(&again("0")).get("group"), None, "begun anew");
    });
}

/// Stored definitions count from the write on, and no longer after their deletion.
#[test]
fn what_is_stored_counts_at_once() {
    on_each(|server| {
        let (system, set) = animals(server);
        let id = system.rsplit('/').next().unwrap();
        let path = format!("ValueSet/$validate-code?url={set}&system={system}&code=cat");
        assert_eq!(out(&got(server, &path), "result"), &json!(false));
        let mut body = got(server, &format!("CodeSystem/{id}"));
        body["concept"].as_array_mut().unwrap().push(json!({ "code": "cat", "display": "Cat" }));
        assert_eq!(server.put(&format!("CodeSystem/{id}"), &body).status, 200);
        assert_eq!(out(&got(server, &path), "result"), &json!(true));
        assert_eq!(server.delete(&format!("ValueSet/{id}")).status, 200);
        refused(&server.get(&path), 404);
    });
}

/// A NamingSystem makes an OID and a URL one system.
#[test]
fn a_naming_system_joins_names() {
    on_each(|server| {
        let (system, set) = animals(server);
        let id = system.rsplit('/').next().unwrap();
        let digits: String = id.bytes().map(|byte| (byte % 10).to_string()).collect();
        let naming = json!({ "resourceType": "NamingSystem", "id": id, "name": "Animals", "status": "active", "kind": "codesystem",
            "date": "2026-01-01", "uniqueId": [{ "type": "oid", "value": format!("1.2.3.1{digits}") }, { "type": "uri", "value": system }] });
        let path = format!("ValueSet/$validate-code?url={set}&system=urn:oid:1.2.3.1{digits}&code=dog");
        assert_eq!(out(&got(server, &path), "result"), &json!(false));
        assert_eq!(server.put(&format!("NamingSystem/{id}"), &naming).status, 201);
        assert_eq!(out(&got(server, &path), "result"), &json!(true));
    });
}

/// Operations are entries of a batch.
#[test]
fn terminology_is_asked_in_a_batch() {
    on_each(|server| {
        let answer = server.post(
            "",
            &bundle(
                "batch",
                vec![
                    entry(
                        "GET",
                        &format!("ValueSet/$validate-code?url={GENDER_SET}&system={GENDERS}&code=male"),
                        Value::Null,
                    ),
                    entry("GET", "CodeSystem/$lookup?system=http://snomed.info/sct&code=1", Value::Null),
                    entry("POST", "ValueSet/$expand", parameters(json!([{ "name": "url", "valueUri": GENDER_SET }]))),
                ],
            ),
        );
        let entries = &ok(&answer)["entry"];
        assert_eq!(out(&entries[0]["resource"], "result"), &json!(true));
        assert_eq!(entries[1]["response"]["status"], "404 Not Found");
        assert_eq!(codes(&entries[2]["resource"]).len(), 4);
    });
}

/// http.html#capabilities, `mode=terminology`.
#[test]
fn terminology_capabilities_say_what_is_here() {
    on_each(|server| {
        let (system, _) = animals(server);
        let capabilities = got(server, "metadata?mode=terminology");
        assert_eq!(capabilities["resourceType"], "TerminologyCapabilities");
        let systems = capabilities["codeSystem"].as_array().unwrap();
        assert!(systems.iter().any(|one| one["uri"] == GENDERS));
        assert!(systems.iter().any(|one| one["uri"] == system && one["version"][0]["code"] == "1.0"));
        assert_eq!(
            (&capabilities["expansion"]["paging"], &capabilities["translation"]["needsMap"]),
            (&json!(true), &json!(false))
        );
    });
}

/// fhirpath.html#functions: memberOf() and subsumes() ask this server's terminology.
#[test]
fn expressions_ask_terminology() {
    on_each(|server| {
        let patient = json!({ "resourceType": "Patient", "gender": "female" });
        let ask = |expression: &str| {
            let body = parameters(
                json!([{ "name": "expression", "valueString": expression }, { "name": "resource", "resource": patient }]),
            );
            ok(&server.post("$fhirpath", &body)).to_string()
        };
        assert!(ask(&format!("gender.memberOf('{GENDER_SET}')")).contains("true"));
        assert!(ask("gender.memberOf('http://hl7.org/fhir/ValueSet/days-of-week')").contains("false"));
    });
}

/// Two names of a system find the same: a search by OID what was sent with the URL, and the other way.
#[test]
fn a_search_finds_a_system_under_all_its_names() {
    on_each(|server| {
        let tag = unique("names");
        let observed = |system: &str| {
            let body = json!({ "resourceType": "Observation", "status": "final", "meta": { "tag": [{ "code": tag }] },
                "code": { "coding": [{ "system": system, "code": "620004000" }] } });
            created(server, &body)
        };
        let (oid, url) = ("urn:oid:1.2.392.200119.4.504", "http://medis.or.jp/CodeSystem/master-JLAC10-17digits");
        let (by_oid, by_url, other) = (observed(oid), observed(url), observed("http://example.org/other"));
        for system in [oid, url] {
            finds(server, &format!("Observation?_tag={tag}&code={system}%7C620004000"), &[&by_oid, &by_url]);
            finds(server, &format!("Observation?_tag={tag}&code={system}%7C"), &[&by_oid, &by_url]);
            finds(server, &format!("Observation?_tag={tag}&code:not={system}%7C620004000"), &[&other]);
        }
        let set = format!("http://example.org/{tag}");
        let body = json!({ "resourceType": "ValueSet", "url": set, "status": "active", "compose": { "include": [
            { "system": url, "concept": [{ "code": "620004000" }] }] } });
        created(server, &body);
        finds(server, &format!("Observation?_tag={tag}&code:in={set}"), &[&by_oid, &by_url]);
    });
}

/// codesystem.html#supplements: designations and properties that somebody else adds are shown and found, codes are
/// not added.
#[test]
fn supplements_add_texts_to_a_code_system() {
    on_each(|server| {
        let (system, set) = animals(server);
        let supplement = json!({ "resourceType": "CodeSystem", "url": format!("{system}/supplement"), "status": "active",
            "content": "supplement", "supplements": system, "property": [{ "code": "food", "type": "string" }],
            "concept": [{ "code": "dog", "designation": [{ "language": "de", "value": "Hund" }],
                "property": [{ "code": "food", "valueString": "bones" }] },
                { "code": "unicorn", "display": "Unicorn" }] });
        assert_eq!(server.post("CodeSystem", &supplement).status, 201);
        let found = ok(&server.get(&format!("CodeSystem/$lookup?system={system}&code=dog&displayLanguage=de")));
        assert_eq!(out(&found, "display"), "Hund");
        assert!(found.to_string().contains("bones"), "{found}");
        let german = ok(&server.get(&format!("ValueSet/$expand?url={set}&displayLanguage=de&filter=hund")));
        assert_eq!(codes(&german), ["dog"]);
        assert_eq!(german["expansion"]["contains"][0]["display"], "Hund");
        assert_eq!(server.get(&format!("CodeSystem/$lookup?system={system}&code=unicorn")).status, 404);
        // The supplement is no code system of its own.
        let own = server.get(&format!("CodeSystem/$lookup?system={system}/supplement&code=unicorn"));
        assert_eq!(own.status, 404, "{}", own.body);
    });
}

/// codesystem-operation-find-matches.html: all properties match, or the best matches with what did not.
#[test]
fn concepts_are_found_by_their_properties() {
    on_each(|server| {
        let (system, _) = animals(server);
        let ask = |exact: bool, properties: Value| {
            let mut list = vec![
                json!({ "name": "system", "valueUri": system }),
                json!({ "name": "exact", "valueBoolean": exact }),
            ];
            let part = |pair: &Value| json!({ "name": "property", "part": [{ "name": "code", "valueCode": pair[0] }, { "name": "value", "valueString": pair[1] }] });
            list.extend(properties.as_array().unwrap().iter().map(part));
            let answer = ok(&server.post("CodeSystem/$find-matches", &parameters(Value::Array(list))));
            let matches = answer["parameter"].as_array().cloned().unwrap_or_default();
            let describe = |found: &Value| {
                let parts = found["part"].as_array().unwrap();
                (parts[0]["valueCoding"]["code"].as_str().unwrap().to_owned(), parts.len() - 1)
            };
            matches.iter().map(describe).collect::<Vec<_>>()
        };
        let one = |code: &str, unmatched: usize| (code.to_owned(), unmatched);
        assert_eq!(ask(true, json!([["legs", "4"], ["display", "dog"]])), [one("dog", 0)]);
        assert_eq!(ask(true, json!([["legs", "2"]])), []);
        assert_eq!(ask(true, json!([["parent", "mammal"], ["inactive", "true"]])), [one("aurochs", 0)]);
        assert_eq!(ask(false, json!([["parent", "mammal"], ["legs", "4"]])), [one("dog", 0), one("aurochs", 1)]);
        let without =
            server.post("CodeSystem/$find-matches", &parameters(json!([{ "name": "system", "valueUri": system }])));
        assert_eq!(without.status, 400);
    });
}
