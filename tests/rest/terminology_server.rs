//! Another terminology server is asked about code systems that are not here; here it is a second server of our
//! own on this machine. What it cannot tell is a warning, never an error.

use serde_json::{Value, json};

use crate::common::{Server, databases};
use crate::support::unique;

fn errors(issues: &Value) -> Vec<String> {
    let all = issues["issue"].as_array().unwrap();
    let errors = all.iter().filter(|issue| issue["severity"] == "error");
    errors.map(|issue| issue["diagnostics"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn codes_of_systems_elsewhere_are_asked_there() {
    for (far_database, near_database) in databases().zip(databases()) {
        println!("on {}", far_database.kind());
        let mut far = Server::start(&far_database.url, &[]);
        let near =
            Server::start(&near_database.url, &["--terminology-server", &far.base, "--terminology-timeout", "2s"]);
        let system = format!("http://far.example/{}", unique("cs"));
        let concepts = json!([{ "code": "a", "display": "Animal", "concept": [{ "code": "b", "display": "Bee",
            "designation": [{ "language": "ja", "value": "蜂" }] }] }, { "code": "c", "display": "Chair" }]);
        let stored = far.post(
            "CodeSystem",
            &json!({ "resourceType": "CodeSystem", "url": system, "status": "active",
            "content": "complete", "caseSensitive": true, "hierarchyMeaning": "is-a", "concept": concepts }),
        );
        assert_eq!(stored.status, 201, "{}", stored.body);
        let set = format!("{system}/vs");
        let animals = json!({ "resourceType": "ValueSet", "url": set, "status": "active", "compose": { "include": [
            { "system": system, "filter": [{ "property": "concept", "op": "is-a", "value": "a" }] }] } });
        assert_eq!(near.post("ValueSet", &animals).status, 201);

        let found = near.get(&format!("CodeSystem/$lookup?system={system}&code=b&displayLanguage=ja"));
        assert_eq!(found.status, 200, "{}", found.body);
        assert!(
            found.body["parameter"].as_array().unwrap().contains(&json!({ "name": "display", "valueString": "蜂" }))
        );
        let member = |code: &str| {
            let answer = near.get(&format!("ValueSet/$validate-code?url={set}&system={system}&code={code}"));
            (answer.status, answer.body["parameter"][0]["valueBoolean"].clone())
        };
        assert_eq!(member("b"), (200, json!(true)));
        assert_eq!(member("c"), (200, json!(false)));
        let observation = |code: &str, display: &str| {
            json!({ "resourceType": "Observation", "status": "final", "code": { "coding": [
                { "system": system, "code": code, "display": display }] } })
        };
        let validated = |resource: &Value| errors(&near.post("Observation/$validate", resource).body);
        assert_eq!(validated(&observation("b", "Bee")), Vec::<String>::new());
        assert!(validated(&observation("b", "Cow"))[0].contains("Bee"));
        assert!(validated(&observation("x", "Bee"))[0].contains('x'));
        // A system nobody knows is no error.
        let other = json!({ "resourceType": "Observation", "status": "final", "code": { "coding": [
            { "system": "http://nobody.example/cs", "code": "x" }] } });
        assert_eq!(validated(&other), Vec::<String>::new());
        let unknown = near.get("CodeSystem/$lookup?system=http://nobody.example/cs&code=x");
        assert_eq!(unknown.status, 422, "{}", unknown.body);

        // What was learnt stays known; what was not is unknown while the server is away, and quickly so.
        far.kill();
        assert_eq!(member("b"), (200, json!(true)));
        assert_eq!(validated(&observation("b", "Bee")), Vec::<String>::new());
        let begun = std::time::Instant::now();
        for code in ["m", "n", "o"] {
            assert_eq!(validated(&observation(code, "Bee")), Vec::<String>::new());
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(member("m").0, 422);
    }
}
