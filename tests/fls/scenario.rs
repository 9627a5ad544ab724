//! The stories of `conformance/scenarios/`, against a server of their own.

use std::process::Command;

use crate::common::{Server, databases};

/// Tells a story on each database.
fn story(name: &str) {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: there is no python3");
        return;
    }
    let script = format!("{}/conformance/scenarios/{name}", env!("CARGO_MANIFEST_DIR"));
    for database in databases() {
        println!("on {}", database.kind());
        let server = Server::start_as_installed(&database.url, &["--fls", "on"]);
        let told = Command::new("python3").args([&script, &server.base]).output().unwrap();
        assert!(
            told.status.success(),
            "{}{}",
            String::from_utf8_lossy(&told.stdout),
            String::from_utf8_lossy(&told.stderr)
        );
    }
}

#[test]
fn a_missed_follow_up_is_noticed_and_the_figures_move() {
    story("fracture_to_kpi.py");
}

#[test]
fn what_happens_at_home_reaches_the_hospital_and_who_has_read_it_is_known() {
    story("discharge_to_home.py");
}
