//! Where the data lives, as a setting says it; a password in it is never shown.

use std::fmt;
use std::path::PathBuf;

/// Where the data lives.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL connection URL, which may hold a password.
    Postgres(String),
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => formatter.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => formatter.write_str("Postgres(…)"),
        }
    }
}

impl Database {
    /// Reads `sqlite://path` or `postgres://…`.
    ///
    /// # Errors
    /// A sentence that says which forms are right; it repeats nothing that could be part of a password.
    pub fn parse(url: &str) -> Result<Self, String> {
        if let Some(path) = url.strip_prefix("sqlite://") {
            if path.is_empty() || path == ":memory:" {
                return Err(
                    "the database needs a file: sqlite://renraku.db or sqlite:///var/lib/renraku/renraku.db".to_owned()
                );
            }
            return Ok(Self::Sqlite(path.into()));
        }
        match url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")) {
            Some(rest) => check(rest).map(|()| Self::Postgres(url.to_owned())),
            None if url.contains("://") => Err(format!(
                "unknown database {:?}: use sqlite://FILE or postgres://USER@HOST/DATABASE",
                url.split(':').next().unwrap_or_default()
            )),
            None => Err("this is no URL: use sqlite://FILE or postgres://USER@HOST/DATABASE".to_owned()),
        }
    }

    /// Whether it is PostgreSQL.
    #[must_use]
    pub const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Whether the URL holds a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        let Self::Postgres(url) = self else { return false };
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let user = rest.split('/').next().unwrap_or_default().split_once('@').map_or("", |(user, _)| user);
        let options = rest.split_once('?').map_or("", |(_, options)| options);
        user.contains(':') || options.split('&').any(|option| option.starts_with("password="))
    }

    /// The same database with a password that was kept elsewhere.
    ///
    /// # Errors
    /// When it takes none, or has one.
    pub fn with_password(self, password: &str) -> Result<Self, String> {
        if self.has_password() {
            return Err("the URL of the database has a password already; take it out of there".to_owned());
        }
        let Self::Postgres(url) = self else {
            return Err("a SQLite file has no password; this is for postgres://…".to_owned());
        };
        let mut url = url;
        url.push_str(if url.contains('?') { "&password=" } else { "?password=" });
        for byte in password.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                url.push(char::from(byte));
            } else {
                url.push_str(&format!("%{byte:02X}"));
            }
        }
        Ok(Self::Postgres(url))
    }
}

/// Refuses what libpq would quote in its errors: a password whose letters are taken for host, port or database.
fn check(rest: &str) -> Result<(), String> {
    let wrong = |what: &str| {
        Err(format!(
            "{what} of the PostgreSQL URL is wrong; right is postgres://USER:PASSWORD@HOST:PORT/DATABASE, where \
             / @ : ? # % & and spaces in user or password are percent-encoded (%2F %40 %3A %3F %23 %25 %26 %20)"
        ))
    };
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = rest.as_bytes();
    let is_encoded = |(at, byte): (usize, &u8)| {
        let (first, second) = (bytes.get(at + 1), bytes.get(at + 2));
        *byte != b'%' || (is_hex(first) && is_hex(second) && (first, second) != (Some(&b'0'), Some(&b'0')))
    };
    if !bytes.iter().enumerate().all(is_encoded) || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return wrong("the encoding");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let hosts = match authority.split_once('@') {
        Some((_, hosts)) => hosts,
        None => authority,
    };
    let hosts = hosts.split('?').next().unwrap_or_default();
    if hosts.contains('@') || path.split('?').next().unwrap_or_default().contains(['@', '/', '#']) {
        return wrong("user or password");
    }
    let is_port = |host: &str| match host.rsplit_once(':') {
        Some((name, port)) => port.ends_with(']') && name.starts_with('[') || port.bytes().all(|b| b.is_ascii_digit()),
        None => true,
    };
    if hosts.split(',').all(is_port) { Ok(()) } else { wrong("host or port") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_libpq_understands_are_taken() {
        for url in [
            "postgres://",
            "postgres:///renraku",
            "postgres:///renraku?host=/run/postgresql",
            "postgres://renraku@db.example.jp/renraku",
            "postgresql://u:p%40ss@[::1]:5433/renraku?sslmode=verify-full",
            "postgres://u:p@a:1,b:2/x?target_session_attrs=read-write",
            "postgres://[::1]/x",
            "postgres://u@%2Frun%2Fpostgresql/x",
        ] {
            assert!(Database::parse(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_password_is_repeated_nowhere() {
        for url in [
            "postgres://u:SE/CRET@host/x",
            "postgres://u:SE@CRET@host/x",
            "postgres://u:12/SECRET@host/x",
            "postgres://u:SECRET%zz@host/x",
            "postgres://u:SECRET%00@host/x",
            "postgres://u:SE CRET@host/x",
            "postgres://u:SE#CRET@host:port/x",
            "u:SECRET@host/x",
            "SECRET",
        ] {
            let why = Database::parse(url).unwrap_err();
            assert!(!["SE/", "SE@", "CRET", "SE#"].iter().any(|part| why.contains(part)), "{url}: {why}");
        }
        let database = Database::parse("postgres://u:SECRET@host/x").unwrap();
        assert!(database.has_password() && !format!("{database:?}").contains("SECRET"));
    }

    #[test]
    fn a_password_comes_from_elsewhere() {
        let of = |url: &str, password: &str| Database::parse(url).unwrap().with_password(password);
        let url = |read: Result<Database, String>| match read {
            Ok(Database::Postgres(url)) => url,
            other => panic!("{other:?}"),
        };
        assert_eq!(url(of("postgres://u@h/d", "a b&c/é")), "postgres://u@h/d?password=a%20b%26c%2F%C3%A9");
        assert_eq!(url(of("postgres://u@h/d?sslmode=require", "x")), "postgres://u@h/d?sslmode=require&password=x");
        assert!(of("postgres://u:p@h/d", "x").is_err() && of("postgres://u@h/d?password=p", "x").is_err());
        assert!(of("sqlite://x.db", "x").is_err());
    }
}
