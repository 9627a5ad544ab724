//! Which settings the help of which command shows.

/// Settings that only `serve` has use for; the help of the other commands leaves them out.
const OF_SERVE: [&str; 33] = [
    "listen",
    "base_url",
    "max_body",
    "max_upload",
    "default_count",
    "max_count",
    "max_entries",
    "search_timeout",
    "workers",
    "trusted_proxies",
    "cors_origins",
    "tls_cert",
    "tls_key",
    "tls_key_passphrase_file",
    "tls_min_version",
    "client_auth",
    "client_ca",
    "client_crl",
    "client_cert_header",
    "authentication",
    "access_policy",
    "issuers",
    "required_amr",
    "registered_devices",
    "audit",
    "audit_folder",
    "audit_retention_days",
    "client_rate",
    "address_rate",
    "failed_sign_ins",
    "max_requests",
    "terminology_server",
    "terminology_timeout",
];
/// Settings that `healthcheck` has no use for, besides most of those.
const OF_ENGINE: [&str; 15] = [
    "cache_bytes",
    "readers",
    "require_if_match",
    "strict_references",
    "time_zone",
    "full_text",
    "media_store",
    "s3_endpoint",
    "s3_region",
    "s3_credentials",
    "s3_style",
    "s3_allow_http",
    "inline_data",
    "virus_scanner",
    "fls",
];

/// Hides settings from the help of commands that make no use of them; they are accepted all the same.
pub(in crate::cli) fn only_relevant_settings(command: clap::Command) -> clap::Command {
    let hide = |command: clap::Command, hidden: Vec<&'static str>| {
        command.mut_args(move |argument| {
            let found = hidden.contains(&argument.get_id().as_str());
            if found { argument.hide(true) } else { argument }
        })
    };
    let all = [&OF_SERVE[..], &OF_ENGINE, &["database", "database_password_file"]].concat();
    command
        .mut_subcommand("import", |import| {
            hide(import, [&OF_SERVE[..], &["require_if_match", "cache_bytes", "readers"]].concat())
        })
        .mut_subcommand("migrate", |migrate| hide(migrate, [&OF_SERVE[..], &OF_ENGINE].concat()))
        .mut_subcommand("reindex", |reindex| hide(reindex, [&OF_SERVE[..], &OF_ENGINE[..4]].concat()))
        .mut_subcommand("client", |client| {
            let inner = |command| hide(command, [&OF_SERVE[..], &OF_ENGINE].concat());
            ["add", "list", "rotate", "revoke"].into_iter().fold(client, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("user", |user| {
            let inner = |command| hide(command, [&OF_SERVE[..], &OF_ENGINE].concat());
            ["add", "list", "revoke"].into_iter().fold(user, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("audit", |audit| {
            let used = |name: &&str| *name != "audit_folder";
            let others: Vec<&'static str> = [&OF_SERVE[..], &OF_ENGINE].concat().into_iter().filter(used).collect();
            let inner = |command| hide(command, others.clone());
            ["verify", "list", "export", "key"].into_iter().fold(audit, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("certificate", |certificate| {
            let inner = |command| hide(command, [&OF_SERVE[..], &OF_ENGINE].concat());
            ["add", "list", "revoke"].into_iter().fold(certificate, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("fls", |fls| {
            let used = |name: &str| name != "fls";
            let others: Vec<&'static str> =
                [&OF_SERVE[..], &OF_ENGINE].concat().into_iter().filter(|name| used(name)).collect();
            let inner = |command| hide(command, others.clone());
            ["sweep", "rebuild", "import-certifications"]
                .into_iter()
                .fold(fls, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("media", |media| {
            let inner = |command| hide(command, [&OF_SERVE[..], &OF_ENGINE[..6]].concat());
            ["gc", "verify"].into_iter().fold(media, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("terminology", |terminology| {
            let inner = |command| hide(command, [&OF_SERVE[..], &OF_ENGINE].concat());
            ["import", "list", "remove"].into_iter().fold(terminology, |all, name| all.mut_subcommand(name, inner))
        })
        .mut_subcommand("healthcheck", |check| {
            hide(check, all.into_iter().filter(|name| !matches!(*name, "listen" | "tls_cert")).collect())
        })
}
