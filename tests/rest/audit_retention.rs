//! `audit_retention_days`: old rows go, and what is left can still be verified from the signature that says so.

use std::time::{Duration, Instant};

use renraku::access::audit::{Action, Agent, Event, Kind, indexed};
use renraku::store::{AuditLog, AuditOptions, AuditQuery, Database, Store};

use crate::common::{TempDir, databases};

const DAY: i64 = 86_400 * 1_000_000;

fn event(days_ago: i64, number: usize) -> Vec<u8> {
    let mut event = Event::now(Kind::Rest, Action::R, Agent::default());
    event.at -= days_ago * DAY;
    event.citizens = vec![format!("c{number}")];
    event.to_bytes()
}

#[test]
fn what_is_too_old_goes_and_the_rest_can_be_verified() {
    for database in databases() {
        println!("on {}", database.kind());
        let folder = TempDir::new();
        let place = Database::parse(&database.url).unwrap();
        Store::migrate(&place).unwrap();
        let options = AuditOptions { database: place, folder: folder.path().join("audit"), indexed, retention: None };
        let log = AuditLog::open(options.clone()).unwrap();
        log.append((0..20).map(|number| event(if number < 12 { 40 } else { 3 }, number)).collect()).unwrap();
        log.settle().unwrap();
        let before = log.reader().unwrap().seals().unwrap();
        drop(log);
        let log = AuditLog::open(AuditOptions { retention: Some(Duration::from_secs(30 * 86_400)), ..options.clone() })
            .unwrap();
        let all = AuditQuery { limit: 100, ..AuditQuery::default() };
        let started = Instant::now();
        while log.reader().unwrap().find(&all).unwrap().len() > 8 {
            assert!(started.elapsed() < Duration::from_secs(20), "the old rows are still there");
            std::thread::sleep(Duration::from_millis(50));
        }
        log.append(vec![event(0, 99)]).unwrap();
        log.settle().unwrap();
        let mut reader = log.reader().unwrap();
        let left: Vec<i64> = reader.find(&all).unwrap().iter().map(|row| row.seq).collect();
        assert_eq!(left, (13..=21).rev().collect::<Vec<_>>(), "the numbers go on");
        assert!(
            reader
                .find(&AuditQuery { name: Some("p:c3".to_owned()), limit: 9, ..AuditQuery::default() })
                .unwrap()
                .is_empty()
        );
        let known: Vec<_> = before.into_iter().filter_map(|(_, _, head)| head).collect();
        let report = reader.verify(&known).unwrap();
        assert_eq!((report.rows, report.findings.len()), (9, 0), "{:?}", report.findings);
        drop((reader, log));
        // Removing more than what was signed for is found out.
        let log = AuditLog::open(options.clone()).unwrap();
        crate::audit::sql_on(&database.url, &options.folder, "DELETE FROM audit_event WHERE seq <= 14");
        crate::audit::sql_on(&database.url, &options.folder, "DELETE FROM audit_name WHERE seq <= 14");
        let report = log.reader().unwrap().verify(&[]).unwrap();
        let text = format!("{:?}", report.findings);
        assert!(text.contains("missing"), "{text}");
    }
}
