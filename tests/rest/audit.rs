//! The audit: every access is written down before it is answered (IHE BALP; FHIR R4 security.html#audit), nobody
//! changes what was written without being found out, and citizens see who looked at their notebook.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection};
use serde_json::{Value, json};

use crate::common::{Answer, Database, Server, TempDir, agent, databases, exchange, renraku};

/// A server that keeps an audit.
pub(crate) struct Audited {
    server: Option<Server>,
    pub(crate) database: Database,
    folder: TempDir,
}

/// SQL on the tables of an audit; answers how many rows it changed.
pub(crate) fn sql_on(url: &str, folder: &Path, sql: &str) -> usize {
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::establish(&folder.join("audit.db").display().to_string()).unwrap();
        diesel::sql_query("PRAGMA busy_timeout = 10000").execute(&mut connection).unwrap();
        diesel::sql_query(sql).execute(&mut connection).unwrap()
    } else {
        let mut connection = PgConnection::establish(url).unwrap();
        diesel::sql_query(sql).execute(&mut connection).unwrap()
    }
}

impl Audited {
    fn start(database: Database, more: &[&str]) -> Self {
        let folder = TempDir::new();
        let mut audited = Self { server: None, database, folder };
        audited.again(more);
        audited
    }

    fn again(&mut self, more: &[&str]) {
        let place = self.place();
        let mode: &[&str] = if more.contains(&"--audit") { &[] } else { &["--audit", "on"] };
        let arguments = [mode, &["--audit-folder", &place], more].concat();
        self.server = Some(Server::start(&self.database.url, &arguments));
    }

    fn place(&self) -> String {
        self.folder.path().join("audit").display().to_string()
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// A GET of the notebook API.
    pub(crate) fn notebook(&self, path: &str) -> Answer {
        let root = format!("{}/notebook/v1", self.server().base.trim_end_matches("/fhir"));
        exchange(&agent(), &root, "GET", path, &[], None).unwrap()
    }

    pub(crate) fn stop(&mut self) {
        assert!(self.server.take().unwrap().terminate().success());
    }

    fn command(&self, arguments: &[&str]) -> Output {
        renraku(self.folder.path())
            .args(arguments)
            .args(["--database", &self.database.url, "--audit-folder", &self.place()])
            .output()
            .unwrap()
    }

    pub(crate) fn verify(&self) -> (bool, String) {
        let output = self.command(&["audit", "verify"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!text.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (output.status.success(), text)
    }

    /// SQL on the tables of the audit; answers how many rows it changed.
    pub(crate) fn sql(&self, sql: &str) -> usize {
        sql_on(&self.database.url, Path::new(&self.place()), sql)
    }

    /// How many rows a table of the audit has.
    pub(crate) fn count(&self, table: &str) -> usize {
        self.sql(&format!("UPDATE {table} SET seq = seq"))
    }

    /// AuditEvents that a search finds, newest first.
    pub(crate) fn events(&self, query: &str) -> Vec<Value> {
        let answer = self.server().get(&format!("AuditEvent?{query}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let entries = answer.body["entry"].as_array().cloned().unwrap_or_default();
        entries.into_iter().map(|entry| entry["resource"].clone()).collect()
    }
}

pub(crate) fn on_each(more: &[&str], test: impl Fn(&mut Audited)) {
    for database in databases() {
        println!("on {}", database.kind());
        test(&mut Audited::start(database, more));
    }
}

fn code(event: &Value) -> &str {
    event["subtype"][0]["code"].as_str().unwrap_or_default()
}

fn whats(event: &Value) -> Vec<&str> {
    event["entity"].as_array().unwrap().iter().filter_map(|entity| entity["what"]["reference"].as_str()).collect()
}

#[test]
fn every_interaction_is_an_event_about_its_citizen() {
    on_each(&[], |audited| {
        let server = audited.server();
        server.put("Patient/c1", &json!({ "resourceType": "Patient", "id": "c1" }));
        let sent = json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
                           "subject": { "reference": "Patient/c1" } });
        let minimal = [("prefer", "return=minimal")];
        let made = server.send("POST", "Observation", &minimal, Some(&sent));
        let id = made.header("location").split("/Observation/").nth(1).unwrap().split('/').next().unwrap().to_owned();
        let reference = format!("Observation/{id}");
        server.get(&reference);
        server.get(&format!("{reference}/_history/1"));
        server.get(&format!("{reference}/_history"));
        server.get("Observation?subject=Patient/c1&code:text=x");
        server.delete(&reference);
        server.get(&reference);
        assert_eq!(audited.notebook("citizens/c1").status, 200);
        let events = audited.events("patient=c1");
        let seen: Vec<(&str, &str, &str)> = events
            .iter()
            .map(|event| (event["type"]["code"].as_str().unwrap(), code(event), event["action"].as_str().unwrap()))
            .collect();
        assert_eq!(
            seen,
            [
                ("110110", "read", "R"),
                ("rest", "delete", "D"),
                ("rest", "search-type", "E"),
                ("rest", "history-instance", "R"),
                ("rest", "vread", "R"),
                ("rest", "read", "R"),
                ("rest", "create", "C"),
                ("rest", "update", "U"),
            ]
        );
        let created = &events[6];
        assert_eq!(whats(created), [reference.as_str(), "Patient/c1"]);
        let balp = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
        assert_eq!(created["meta"]["profile"][0], format!("{balp}PatientCreate"));
        assert_eq!(events[2]["meta"]["profile"][0], format!("{balp}PatientQuery"));
        let query = events[2]["entity"].as_array().unwrap().iter().find_map(|entity| entity["query"].as_str()).unwrap();
        let query = base64::engine::general_purpose::STANDARD.decode(query).unwrap();
        assert_eq!(query, b"Observation?subject=Patient/c1&code:text=x");
        assert_eq!(events[5]["agent"][0]["network"]["address"], "127.0.0.1");
        // What was refused is an event as well, and claims no pattern of success.
        let refused = audited.events("outcome=4&type=rest");
        assert_eq!((code(&refused[0]), whats(&refused[0])), ("read", vec![reference.as_str()]));
        // One event by its id.
        let one = server.get(&format!("AuditEvent/{}", created["id"].as_str().unwrap()));
        assert_eq!(one.body, *created);
    });
}

#[test]
fn entries_of_bundles_are_events_of_their_own() {
    on_each(&[], |audited| {
        let server = audited.server();
        server.put("Patient/c2", &json!({ "resourceType": "Patient", "id": "c2" }));
        let bundle = json!({ "resourceType": "Bundle", "type": "batch", "entry": [
            { "request": { "method": "GET", "url": "Patient/c2" } },
            { "request": { "method": "GET", "url": "Patient?_id=c2" } },
            { "request": { "method": "GET", "url": "Patient/nobody" } },
        ]});
        assert_eq!(server.post("", &bundle).status, 200);
        let gone = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
            { "request": { "method": "DELETE", "url": "Patient/c2" } },
        ]});
        assert_eq!(server.post("", &gone).status, 200);
        let events = audited.events("patient=c2");
        let codes: Vec<&str> = events.iter().map(code).collect();
        assert_eq!(codes, ["delete", "transaction", "search-type", "read", "batch", "update"], "{events:?}");
        let request = |event: &Value| event["entity"][0]["what"]["identifier"]["value"].clone();
        assert_eq!(request(&events[2]), request(&events[4]), "they are of one request");
        assert_eq!(whats(&audited.events("type=rest&entity=Patient/nobody")[0]), ["Patient/nobody"]);
    });
}

#[test]
fn nobody_writes_audit_events() {
    on_each(&[], |audited| {
        let server = audited.server();
        let event = json!({
            "resourceType": "AuditEvent", "id": "1-1", "recorded": "2026-05-10T10:00:00Z",
            "type": { "system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest" },
            "agent": [{ "requestor": true }], "source": { "observer": { "display": "x" } },
        });
        assert_eq!(server.post("AuditEvent", &event).status, 405);
        assert_eq!(server.put("AuditEvent/1-1", &event).status, 405);
        assert_eq!(server.delete("AuditEvent/1-1").status, 405);
        let entry = |method: &str, url: &str| {
            let mut entry = json!({ "request": { "method": method, "url": url } });
            if method != "DELETE" {
                entry["resource"] = event.clone();
            }
            json!({ "resourceType": "Bundle", "type": "batch", "entry": [entry] })
        };
        for (method, url) in [("POST", "AuditEvent"), ("PUT", "AuditEvent/1-1"), ("DELETE", "AuditEvent/1-1")] {
            let answer = server.post("", &entry(method, url));
            assert_eq!(answer.body["entry"][0]["response"]["status"], "403 Forbidden", "{method} {}", answer.body);
        }
        let mut transaction = entry("POST", "AuditEvent");
        transaction["type"] = json!("transaction");
        assert_eq!(server.post("", &transaction).status, 403);
        assert_eq!(server.get("AuditEvent?colour=red").status, 400);
    });
}

#[test]
fn citizens_see_who_looked_at_their_notebook() {
    on_each(&[], |audited| {
        let server = audited.server();
        server.put("Patient/c3", &json!({ "resourceType": "Patient", "id": "c3" }));
        server.put("Patient/c4", &json!({ "resourceType": "Patient", "id": "c4" }));
        audited.notebook("citizens/c3/timeline");
        server.get("Patient?_id=c3,c4");
        let told = audited.notebook("citizens/c3/accesses");
        let actions: Vec<&str> =
            told.body["accesses"].as_array().unwrap().iter().map(|one| one["action"]["ja"].as_str().unwrap()).collect();
        assert_eq!(actions, ["検索", "閲覧", "変更"], "{}", told.body);
        assert!(!told.body.to_string().contains("c4"), "others are not told of: {}", told.body);
        let first = audited.notebook("citizens/c3/accesses?count=1");
        assert_eq!(first.body["accesses"].as_array().unwrap().len(), 1);
        let next = first.body["next"].as_str().unwrap().split("/notebook/v1/").nth(1).unwrap().to_owned();
        let rest = audited.notebook(&next);
        assert!(rest.body["accesses"].as_array().unwrap().len() >= 2);
    });
}

/// Each way to tamper with a row by SQL is found and names the row, on both databases.
#[test]
fn verify_names_what_was_tampered_with() {
    on_each(&[], |audited| {
        let server = audited.server();
        for number in 0..12 {
            server
                .put(&format!("Patient/t{number}"), &json!({ "resourceType": "Patient", "id": format!("t{number}") }));
        }
        audited.stop();
        let (well, text) = audited.verify();
        assert!(well, "{text}");
        let is_sqlite = audited.database.url.starts_with("sqlite");
        let (cast, blob) =
            if is_sqlite { ("CAST(content AS TEXT)", "BLOB") } else { ("convert_from(content, 'UTF8')", "") };
        let forged = if is_sqlite {
            format!("CAST(replace({cast}, 'Patient/t4', 'Patient/tX') AS {blob})")
        } else {
            format!("convert_to(replace({cast}, 'Patient/t4', 'Patient/tX'), 'UTF8')")
        };
        audited.sql("CREATE TABLE kept_event AS SELECT * FROM audit_event");
        audited.sql("CREATE TABLE kept_name AS SELECT * FROM audit_name");
        audited.sql("CREATE TABLE kept_head AS SELECT * FROM audit_head");
        let restore = |audited: &Audited| {
            for table in ["event", "name", "head"] {
                // What `verify` itself wrote down meanwhile stays.
                audited.sql(&format!("DELETE FROM audit_{table}"));
                audited.sql(&format!("INSERT INTO audit_{table} SELECT * FROM kept_{table}"));
            }
        };
        let tampers: [(&str, Vec<String>, &str); 8] = [
            ("change", vec![format!("UPDATE audit_event SET content = {forged} WHERE seq = 6")], "row 6"),
            ("drop", vec!["DELETE FROM audit_event WHERE seq = 7".to_owned()], "row 7: it is missing"),
            (
                "reorder",
                vec![
                    "UPDATE audit_event SET seq = 1005 WHERE seq = 5".to_owned(),
                    "UPDATE audit_event SET seq = 5 WHERE seq = 8".to_owned(),
                    "UPDATE audit_event SET seq = 8 WHERE seq = 1005".to_owned(),
                ],
                "row 5",
            ),
            (
                "insert",
                vec![
                    "INSERT INTO audit_event SELECT chain, 5000, at, content, hash FROM audit_event WHERE seq = 4"
                        .to_owned(),
                ],
                "row 5000",
            ),
            ("time", vec!["UPDATE audit_event SET at = at + 1 WHERE seq = 9".to_owned()], "row 9: its time"),
            ("hide", vec!["DELETE FROM audit_name WHERE seq = 6".to_owned()], "row 6: what it is found by"),
            ("hash", vec!["UPDATE audit_event SET hash = content WHERE seq = 3".to_owned()], "row 3"),
            (
                "cut",
                vec![
                    "DELETE FROM audit_event WHERE seq > 10".to_owned(),
                    "DELETE FROM audit_name WHERE seq > 10".to_owned(),
                    "DELETE FROM audit_anchor WHERE seq > 10".to_owned(),
                    "DELETE FROM audit_head".to_owned(),
                ],
                "row 11",
            ),
        ];
        // A server that starts goes on with its chain; so each is looked at by another process that finds the audit
        // in use, and so writes nothing itself.
        let lock = std::fs::File::options().write(true).open(Path::new(&audited.place()).join("lock")).unwrap();
        lock.try_lock().unwrap();
        for (what, statements, wanted) in tampers {
            for statement in &statements {
                audited.sql(statement);
            }
            let (well, text) = audited.verify();
            assert!(!well, "{what} was not found: {text}");
            assert!(text.contains(wanted), "{what} names {wanted}: {text}");
            restore(audited);
        }
        let (well, text) = audited.verify();
        // The signatures that were cut off are kept beside the tables, too.
        assert!(well, "{text}");
    });
}

/// What was answered has its row, however the process ends.
#[test]
fn an_answered_access_has_its_row_after_kill_9() {
    on_each(&[], |audited| {
        audited.server().put("Patient/k1", &json!({ "resourceType": "Patient", "id": "k1" }));
        let answered = Mutex::new(BTreeSet::new());
        let stop = AtomicBool::new(false);
        let base = audited.server().base.clone();
        let mut server = audited.server.take().unwrap();
        std::thread::scope(|scope| {
            for client in 0..4 {
                let (answered, stop, base) = (&answered, &stop, &base);
                scope.spawn(move || {
                    let agent = agent();
                    for number in 0..100_000 {
                        let name = format!("r{client}-{number}");
                        let headers = [("x-request-id", name.as_str())];
                        match exchange(&agent, base, "GET", "Patient/k1", &headers, None) {
                            Ok(answer) if answer.status == 200 => answered.lock().unwrap().insert(name),
                            _ => return,
                        };
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(700));
            server.kill();
            stop.store(true, Ordering::Relaxed);
        });
        let answered = answered.into_inner().unwrap();
        assert!(answered.len() > 50, "{} answers", answered.len());
        let output = audited.command(&["audit", "export"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let there: BTreeSet<String> = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|event| event["entity"][0]["what"]["identifier"]["value"].as_str().map(str::to_owned))
            .collect();
        let lost: Vec<&String> = answered.difference(&there).collect();
        assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), answered.len());
        let (well, text) = audited.verify();
        assert!(well, "{text}");
        println!("{} answered reads, all written down", answered.len());
    });
}

#[test]
fn what_commands_change_is_written_down_while_a_server_runs() {
    on_each(&[], |audited| {
        let secret = audited.folder.path().join("password");
        std::fs::write(&secret, "a long enough password").unwrap();
        let secret = secret.display().to_string();
        let arguments = [
            "user",
            "add",
            "auditor1",
            "--fhir-user",
            "Practitioner/p1",
            "--role",
            "auditor",
            "--password-file",
            &secret,
        ];
        assert!(audited.command(&arguments).status.success());
        let added =
            audited.command(&["client", "add", "App", "--redirect", "https://app.example/x", "--scope", "user/*.rs"]);
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let started = std::time::Instant::now();
        let events = loop {
            let events = audited.events("subtype=110137");
            if events.len() == 2 || started.elapsed().as_secs() > 20 {
                break events;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        };
        let notes: Vec<&str> = events.iter().map(|event| event["outcomeDesc"].as_str().unwrap()).collect();
        assert_eq!(notes, ["client add: user/*.rs", "user add: Practitioner/p1 auditor"]);
        assert!(!Value::from(events).to_string().contains("long enough"), "no secret is written down");
    });
}

/// What is stated is what is there: while an audit is kept nobody writes AuditEvents (FHIR R4 capabilitystatement.html).
#[test]
fn it_is_stated_that_audit_events_are_read_only() {
    on_each(&[], |audited| {
        let statement = audited.server().get("metadata").body;
        let rest = &statement["rest"][0];
        assert!(rest["security"]["description"].as_str().unwrap().contains("every access is written down"));
        let event =
            rest["resource"].as_array().unwrap().iter().find(|one| one["type"] == "AuditEvent").unwrap().clone();
        let codes: Vec<&str> =
            event["interaction"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["read", "vread", "search-type"]);
        for name in ["updateCreate", "conditionalCreate", "conditionalUpdate"] {
            assert_eq!(event[name], false, "{name}");
        }
        assert!(event.get("searchInclude").is_none() && event.get("operation").is_none(), "{event}");
        // Each parameter that is stated is taken, and another is not.
        for parameter in event["searchParam"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            let value = if parameter["type"] == "date" { "ge2020" } else { "x" };
            assert_eq!(audited.server().get(&format!("AuditEvent?{name}={value}")).status, 200, "{name}");
        }
        assert_eq!(audited.server().get("AuditEvent?site=x").status, 400);
        let root = audited.server().base.trim_end_matches("/fhir");
        let described = exchange(&agent(), root, "GET", "openapi.json", &[], None).unwrap().body;
        let methods = |path: &str| -> Vec<String> {
            described["paths"][path].as_object().map(|item| item.keys().cloned().collect()).unwrap_or_default()
        };
        assert_eq!(methods("/fhir/AuditEvent"), ["get"]);
        assert_eq!(methods("/fhir/AuditEvent/{id}"), ["get"]);
        assert_eq!(methods("/access/break-glass/{id}/review"), ["post"]);
        let notebook = audited.notebook("openapi.json").body;
        assert!(notebook["paths"]["/citizens/{id}/accesses"]["get"].is_object());
    });
}

/// Without authentication: at the machine itself, and not by way of something that passes requests on.
#[test]
fn without_authentication_the_audit_is_read_at_the_machine_only() {
    on_each(&[], |audited| {
        let server = audited.server();
        assert!(server.log().contains("authentication is off"), "{}", server.log());
        assert_eq!(server.get("AuditEvent").status, 200);
        for name in ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"] {
            let answer = server.send("GET", "AuditEvent", &[(name, "203.0.113.7")], None);
            assert_eq!(answer.status, 403, "{name}: {}", answer.body);
            assert_eq!(answer.body["issue"][0]["code"], "forbidden");
            let root = format!("{}/notebook/v1", server.base.trim_end_matches("/fhir"));
            let header = [(name, "203.0.113.7")];
            let answer = exchange(&agent(), &root, "GET", "citizens/x/accesses", &header, None).unwrap();
            assert_eq!(answer.status, 403, "{name}: {}", answer.body);
        }
        audited.stop();
        audited.again(&["--trusted-proxies", "127.0.0.1"]);
        let answer = audited.server().send("GET", "AuditEvent", &[("X-Forwarded-For", "127.0.0.1")], None);
        assert_eq!(answer.status, 403, "a proxy passes it on: {}", answer.body);
    });
}

/// A search says how many citizens it showed; an operation, a page of the notebook and a photo whom.
#[test]
fn events_count_and_name_the_citizens_that_were_seen() {
    on_each(&[], |audited| {
        let server = audited.server();
        for number in 0..7 {
            let id = format!("n{number}");
            server.put(&format!("Patient/{id}"), &json!({ "resourceType": "Patient", "id": id, "gender": "other" }));
        }
        let told = |query: &str| audited.events(query)[0]["outcomeDesc"].as_str().unwrap_or_default().to_owned();
        server.get("Patient?gender=other");
        assert_eq!(told("type=rest"), "citizens: 7");
        server.get("Patient?gender=other&_count=3");
        assert_eq!(told("type=rest"), "citizens: 3", "those of the page");
        server.get("Patient?gender=other&_summary=count");
        assert_eq!(told("type=rest"), "", "a count shows nobody");
        server.get("Patient/n1/$everything");
        assert_eq!(whats(&audited.events("type=rest")[0]), ["Patient/n1"]);
        audited.notebook("citizens?count=5");
        assert_eq!(told("type=110110"), "citizens: 5");
        let root = format!("{}/notebook/v1", server.base.trim_end_matches("/fhir"));
        let picture = renraku::media::sample::corridor(64, 48, 1).jpeg(80);
        let jpeg = [("Content-Type", "image/jpeg")];
        let stored = exchange(&agent(), &root, "POST", "citizens/n2/media", &jpeg, Some(picture)).unwrap();
        let id = stored.body["id"].as_str().unwrap();
        for path in ["content", "thumbnail"] {
            assert_eq!(audited.notebook(&format!("media/{id}/{path}")).status, 200);
            assert!(whats(&audited.events("type=110110")[0]).contains(&"Patient/n2"), "{path}");
        }
        let accesses = audited.notebook("citizens/n2/accesses").body["accesses"].as_array().unwrap().len();
        assert!(accesses >= 5, "the citizen sees them: {accesses}");
    });
}
