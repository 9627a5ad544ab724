//! When accesses cannot be written down: nothing is answered, nothing is begun, and nobody is told otherwise. And what
//! goes on when that is over.

use std::process::Command;

use serde_json::{Value, json};

use crate::audit::{Audited, on_each};
use crate::common::Answer;

/// No file of the server grows beyond this many bytes any more: as on a full disk, writes fail, also those of its log.
fn limit_files(audited: &Audited, bytes: &str) {
    let pid = audited.server().pid().to_string();
    let limit = format!("--fsize={bytes}:unlimited");
    assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success());
}

fn can_limit() -> bool {
    let found = Command::new("prlimit").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: there is no prlimit (Debian: util-linux)");
    }
    found
}

#[track_caller]
fn assert_withheld(answer: &Answer, secret: &str) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.body["resourceType"], "OperationOutcome");
    assert_eq!(answer.body["issue"][0]["code"], "no-store");
    assert_eq!(answer.header("retry-after"), "5");
    assert!(!String::from_utf8_lossy(&answer.bytes).contains(secret), "{}", answer.body);
}

fn named(id: &str, family: &str) -> Value {
    json!({ "resourceType": "Patient", "id": id, "name": [{ "family": family }] })
}

#[test]
fn what_cannot_be_written_down_is_neither_answered_nor_done() {
    if !can_limit() {
        return;
    }
    on_each(&[], |audited| {
        let server = audited.server();
        server.put("Patient/w1", &named("w1", "himitsu"));
        assert_eq!(server.get("Patient/w1").status, 200);
        limit_files(audited, "0");
        assert_withheld(&server.get("Patient/w1"), "himitsu");
        assert_withheld(&server.get("Patient?family=himitsu"), "w1");
        assert_withheld(&server.put("Patient/w1", &named("w1", "changed")), "changed");
        assert_withheld(&server.post("Patient", &named("x", "made")), "made");
        assert_withheld(&server.delete("Patient/w1"), "himitsu");
        assert_withheld(&audited.notebook("citizens/w1"), "himitsu");
        // What tells of nobody is told.
        assert_eq!(server.get("metadata").status, 200);
        limit_files(audited, "unlimited");
        // Nothing was done meanwhile.
        let read = server.get("Patient/w1");
        assert_eq!((read.status, read.header("etag")), (200, "W/\"1\""), "{}", read.body);
        assert_eq!(server.get("Patient?_summary=count").body["total"], 1);
        // The one that was read before it showed that it could not be written down is written down now.
        let owed = audited.events("patient=w1&outcome=12");
        let told: Vec<&str> = owed.iter().filter_map(|event| event["outcomeDesc"].as_str()).collect();
        assert!(told.len() == 1 && told[0].contains("done (HTTP 200) but not answered"), "{told:?}");
        assert!(!server.log().contains("panicked"), "{}", server.log());
        audited.stop();
        let (well, text) = audited.verify();
        assert!(well, "{text}");
    });
}

/// A write that was under way when it happened: whoever sent it is not told that nothing was stored if it was.
#[test]
fn a_write_that_is_not_written_down_is_told_as_what_it_is() {
    if !can_limit() {
        return;
    }
    on_each(&[], |audited| {
        let server = audited.server();
        server.put("Patient/w2", &named("w2", "before"));
        limit_files(audited, "0");
        let refused = server.put("Patient/w2", &named("w2", "after"));
        assert!(refused.status >= 500, "{}", refused.body);
        limit_files(audited, "unlimited");
        let stored = server.get("Patient/w2").body["name"][0]["family"] == "after";
        let said = refused.body["issue"][0]["diagnostics"].as_str().unwrap();
        if stored {
            assert!(said.contains("may have been stored"), "{said}");
            let told = audited.events("patient=w2&subtype=update&outcome=12");
            assert_eq!(told.len(), 1, "it is written down afterwards");
        }
        println!("{}: stored {stored}: {said}", audited.database.kind());
        assert_eq!(server.put("Patient/w2", &named("w2", "again")).status, 200, "and everything goes on");
    });
}

/// `audit = strict`: not before it is on the disk.
#[test]
fn strict_answers_what_is_in_the_tables_and_nothing_else() {
    on_each(&["--audit", "strict"], |audited| {
        let server = audited.server();
        server.put("Patient/s1", &named("s1", "himitsu"));
        let before = audited.count("audit_event");
        assert_eq!(server.get("Patient/s1").status, 200);
        assert!(audited.count("audit_event") > before, "its row is in the tables when the answer is here");
        audited.sql("ALTER TABLE audit_event RENAME TO audit_event_away");
        assert_withheld(&server.get("Patient/s1"), "himitsu");
        audited.sql("ALTER TABLE audit_event_away RENAME TO audit_event");
        assert_eq!(server.get("Patient/s1").status, 200);
        assert_eq!(audited.events("patient=s1&subtype=read").len(), 3, "the one that was withheld as well");
    });
}

/// `audit = on` goes on while the tables are away: what was answered is in the journal, and is moved later.
#[test]
fn the_tables_may_be_away_for_a_while() {
    on_each(&[], |audited| {
        let server = audited.server();
        server.put("Patient/t1", &named("t1", "x"));
        audited.events("patient=t1");
        audited.sql("ALTER TABLE audit_event RENAME TO audit_event_away");
        for _ in 0..5 {
            assert_eq!(server.get("Patient/t1").status, 200);
        }
        audited.sql("ALTER TABLE audit_event_away RENAME TO audit_event");
        assert_eq!(audited.events("patient=t1&subtype=read").len(), 5);
        audited.stop();
        let (well, text) = audited.verify();
        assert!(well, "{text}");
    });
}
