use super::*;

fn resolved(flags: &[&str], file: &str, environment: &[(&str, &str)]) -> Result<Config, Failure> {
    static SERIAL: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let serial = SERIAL.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("renraku-config-{}-{serial}.toml", std::process::id()));
    std::fs::write(&path, file).unwrap();
    let flags = Environment::try_parse_from(std::iter::once(&"renraku").chain(flags)).unwrap().settings;
    let value = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
    let config = flags.resolve_from(value, &path);
    std::fs::remove_file(path).unwrap();
    config
}

#[test]
fn flags_beat_the_file_and_the_file_beats_the_environment() {
    let file = "max_body = \"2MiB\"\nreaders = 3\n";
    let environment = [("RENRAKU_MAX_BODY", "3MiB"), ("RENRAKU_READERS", "4"), ("RENRAKU_MAX_ENTRIES", "5")];
    let config = resolved(&["--max-body", "1MiB"], file, &environment).unwrap();
    assert_eq!(config.http.max_body, 1 << 20);
    assert_eq!(config.store.readers, 3);
    assert_eq!(config.engine.max_entries, 5);
    assert_eq!(config.engine.max_count, 1000);
}

#[test]
fn every_kind_of_value_is_read_from_the_file() {
    let file = "trusted_proxies = [\"127.0.0.1\", \"::1\"]\nrequire_if_match = true\ntime_zone = \"Z\"\nlog_format = \"json\"\nsearch_timeout = 5\ncache_bytes = 0\nlisten = \"[::1]:9090\"\n";
    let config = resolved(&[], file, &[]).unwrap();
    assert_eq!(config.http.trusted_proxies.len(), 2);
    assert!(config.engine.require_if_match);
    assert_eq!(config.store.default_offset_seconds, 0);
    assert_eq!(config.log_format, LogFormat::Json);
    assert_eq!(config.engine.search_timeout.as_secs(), 5);
    assert_eq!(config.store.cache_bytes, 0);
    assert_eq!(config.http.listen.port(), 9090);
}

#[test]
fn the_environment_takes_lists_and_booleans() {
    let environment = [("RENRAKU_TRUSTED_PROXIES", "10.0.0.1,10.0.0.2"), ("RENRAKU_REQUIRE_IF_MATCH", "true")];
    let config = resolved(&[], "", &environment).unwrap();
    assert_eq!(config.http.trusted_proxies.len(), 2);
    assert!(config.engine.require_if_match);
}

#[test]
fn what_is_wrong_is_named() {
    let message = |file, environment: &[(&str, &str)]| resolved(&[], file, environment).unwrap_err().message;
    let unknown = message("readers = 3\nlissten = \"x\"\n", &[]);
    assert!(unknown.contains("line 2") && unknown.contains("unknown field `lissten`"), "{unknown}");
    let size = message("max_body = \"lots\"\n", &[]);
    assert!(size.contains("line 1") && size.contains("sizes look like 50MiB"), "{size}");
    let variable = message("", &[("RENRAKU_LISTEN", "nowhere")]);
    assert!(variable.contains("RENRAKU_LISTEN") && variable.contains("nowhere"), "{variable}");
    assert!(message("default_count = 50\nmax_count = 10\n", &[]).contains("max_count is 10"));
}
