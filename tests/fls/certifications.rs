//! Certifications of care need from a city's CSV file.

use serde_json::{Value, json};

use crate::boundaries::beside;
use crate::common::{Answer, Server, TempDir, databases, renraku};

fn send(server: &Server, query: &str, bytes: &[u8]) -> Answer {
    let path = format!("fls/certifications{query}");
    beside(server, "POST", &path, &[("Content-Type", "text/csv")], Some(bytes.to_vec()))
}

fn outcomes(answer: &Value) -> Vec<&str> {
    answer["rows"].as_array().unwrap().iter().map(|row| row["outcome"].as_str().unwrap()).collect()
}

const FILE: &str = "被保険者番号,要介護状態区分,認定有効期間開始日,認定有効期間終了日,主傷病\r\n\
    1000000001,要介護３,令和7年4月1日,R8.3.31,S72.1\r\n\
    1,要支援１,5070501,20260430,\"脳梗塞\r\n後遺症\"\r\n\
    1000000001,要介護9,令和7年4月1日,,\r\n\
    9999999999,要介護1,令和7年4月1日,,\r\n\
    1000000001,要介護2,令和7年13月1日,,\r\n\
    1000000001,要介護2,令和8年4月1日,令和7年4月1日,\r\n";

#[test]
fn a_city_file_becomes_certifications_once() {
    for database in databases() {
        println!("on {}", database.kind());
        let mut server = Server::start_as_installed(&database.url, &[]);
        let system = "http://renraku.example/fhir/IdSystem/ltc-insured";
        for (id, number) in [("c-1", "1000000001"), ("c-2", "0000000001")] {
            let patient = json!({ "resourceType": "Patient", "id": id, "birthDate": "1940-01-01", "identifier": [{ "system": system, "value": number }] });
            assert_eq!(server.put(&format!("Patient/{id}"), &patient).status, 201);
        }
        let (cp932, _, _) = encoding_rs::SHIFT_JIS.encode(FILE);
        let dry = send(&server, "?dry-run=true", &cp932).body;
        assert_eq!(outcomes(&dry), ["created", "created", "refused", "refused", "refused", "refused"], "{dry}");
        assert_eq!(server.get("Observation?_summary=count").body["total"], 0, "a dry run writes nothing");
        let mapping = "?mapping=municipality%3D%22Organization%2Fcity%22";
        let done = send(&server, mapping, &cp932).body;
        assert_eq!((done["created"].as_u64(), done["refused"].as_u64()), (Some(2), Some(4)), "{done}");
        // The same file in another encoding changes nothing.
        let again = send(&server, mapping, format!("\u{feff}{FILE}").as_bytes()).body;
        assert_eq!(outcomes(&again)[..2], ["unchanged", "unchanged"], "{again}");
        let corrected = FILE.replace("要介護３", "24");
        assert_eq!(outcomes(&send(&server, mapping, corrected.as_bytes()).body)[..2], ["updated", "unchanged"]);
        let found = server.get("Observation?patient=c-1").body["entry"][0]["resource"].clone();
        assert_eq!(found["valueCodeableConcept"]["coding"][0]["code"], "24");
        assert_eq!(found["effectivePeriod"], json!({ "start": "2025-04-01", "end": "2026-03-31" }));
        let valid = server.post("Observation/$validate", &found).body;
        assert!(valid["issue"].as_array().unwrap().iter().all(|issue| issue["severity"] != "error"), "{valid}");
        // The cause counts: one of two new certifications is by a fracture.
        let report = server
            .get("Measure/city-outcome-a/$evaluate-measure?periodStart=2025-04-01&periodEnd=2026-03-31&suppress=false")
            .body;
        let count =
            |group: usize, population: usize| report["group"][group]["population"][population]["count"].as_u64();
        assert_eq!((count(1, 1), count(1, 2)), (Some(2), Some(1)), "{report}");
        assert_eq!(report["group"][1]["measureScore"]["value"], json!(0.5));
        assert_eq!((count(0, 1), count(0, 2)), (Some(2), Some(1)));
        for (wrong, file) in [("", "a,b\r\n1,2\r\n"), ("?mapping=colour%3D1", FILE), ("?when=now", FILE)] {
            let refused = send(&server, wrong, file.as_bytes());
            assert_eq!(
                (refused.status, refused.body["resourceType"].as_str()),
                (400, Some("OperationOutcome")),
                "{wrong}"
            );
        }
        server.terminate();
        let folder = TempDir::new();
        let file = folder.path().join("認定.csv");
        std::fs::write(&file, &cp932).unwrap();
        let mapping = folder.path().join("city.toml");
        std::fs::write(&mapping, "municipality = \"Organization/city\"\n[levels]\n\"要介護9\" = \"25\"\n").unwrap();
        let said = renraku(folder.path())
            .args(["fls", "import-certifications", "--database", &database.url, "--mapping"])
            .args([&mapping, &file])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(said.status.code(), Some(3), "{text}{}", String::from_utf8_lossy(&said.stderr));
        assert!(
            text.contains("line 2: updated: Observation/") && text.contains("line 5: refused: the same insured"),
            "{text}"
        );
    }
}
