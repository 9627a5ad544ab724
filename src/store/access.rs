//! What access is decided with beside resources: clients, accounts, certificates, grants, keys.
//!
//! These tables have a connection of their own, on which every step is one short transaction. No
//! other part of the store remembers what is in them, so that `renraku client add` works while a
//! server has the same SQLite file.

use std::sync::{Arc, Mutex, PoisonError};

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};

use super::StoreError;
use super::connection::{Connection, Database, Role, Statement, Value};

/// An application that may ask for tokens.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct AccessClient {
    /// Its `client_id`.
    #[diesel(sql_type = Text)]
    pub id: String,
    /// For people.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// What it may ask for, separated by spaces.
    #[diesel(sql_type = Text)]
    pub scopes: String,
    /// Its keys, a JSON Web Key Set; empty for none.
    #[diesel(sql_type = Text)]
    pub jwks: String,
    /// Where its keys are; empty for nowhere.
    #[diesel(sql_type = Text)]
    pub jwks_url: String,
    /// Where people are sent back to, separated by spaces.
    #[diesel(sql_type = Text)]
    pub redirects: String,
    /// The organization it acts for, `Organization/x`; empty for none.
    #[diesel(sql_type = Text)]
    pub organization: String,
    /// Roles beside scopes, separated by spaces.
    #[diesel(sql_type = Text)]
    pub roles: String,
    /// Seconds since 1970 UTC.
    #[diesel(sql_type = BigInt)]
    pub created: i64,
    /// The same; 0 while it counts.
    #[diesel(sql_type = BigInt)]
    pub revoked: i64,
}

/// An account of a person.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct AccessUser {
    /// What they sign in with.
    #[diesel(sql_type = Text)]
    pub login: String,
    /// The resource that stands for them.
    #[diesel(sql_type = Text)]
    pub fhir_user: String,
    /// Roles, separated by spaces.
    #[diesel(sql_type = Text)]
    pub roles: String,
    /// Hash of the password.
    #[diesel(sql_type = Text)]
    pub password: String,
    /// Secret of the one-time passwords; empty for none.
    #[diesel(sql_type = Text)]
    pub totp: String,
    /// The last step that was used.
    #[diesel(sql_type = BigInt)]
    pub totp_step: i64,
    /// Failed attempts since the last success.
    #[diesel(sql_type = BigInt)]
    pub failures: i64,
    /// Seconds since 1970 UTC; before then nobody signs in.
    #[diesel(sql_type = BigInt)]
    pub locked_until: i64,
    /// Seconds since 1970 UTC.
    #[diesel(sql_type = BigInt)]
    pub created: i64,
    /// The same; 0 while it counts.
    #[diesel(sql_type = BigInt)]
    pub revoked: i64,
}

/// A registered certificate.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct AccessCertificate {
    /// SHA-256 of its DER, hexadecimal.
    #[diesel(sql_type = Text)]
    pub fingerprint: String,
    /// For people.
    #[diesel(sql_type = Text)]
    pub label: String,
    /// Whose it is, `Organization/x`; empty for none.
    #[diesel(sql_type = Text)]
    pub organization: String,
    /// On what it is, `Device/x`; empty for none.
    #[diesel(sql_type = Text)]
    pub device: String,
    /// Seconds since 1970 UTC.
    #[diesel(sql_type = BigInt)]
    pub created: i64,
    /// The same; 0 while it counts.
    #[diesel(sql_type = BigInt)]
    pub revoked: i64,
}

/// A code or refresh token that was given out.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct AccessGrant {
    /// SHA-256 of the secret, hexadecimal.
    #[diesel(sql_type = Text)]
    pub hash: String,
    /// All that came from one sign-in.
    #[diesel(sql_type = Text)]
    pub family: String,
    /// What it stands for, JSON.
    #[diesel(sql_type = Text)]
    pub content: String,
    /// Seconds since 1970 UTC.
    #[diesel(sql_type = BigInt)]
    pub expires: i64,
    /// When it was used; 0 while it was not.
    #[diesel(sql_type = BigInt)]
    pub used: i64,
}

/// A key this server signs with.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct AccessKey {
    /// Its name.
    #[diesel(sql_type = Text)]
    pub id: String,
    /// The private key, PEM.
    #[diesel(sql_type = Text)]
    pub pem: String,
    /// Seconds since 1970 UTC.
    #[diesel(sql_type = BigInt)]
    pub created: i64,
}

#[derive(QueryableByName)]
struct NameRow {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The tables. Cheap to clone; all methods block.
#[derive(Clone)]
pub struct AccessDirectory(Arc<Mutex<Connection>>, Option<Vec<u8>>);

impl std::fmt::Debug for AccessDirectory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AccessDirectory")
    }
}

/// `INSERT INTO table (columns) VALUES (values)`.
fn insert(table: &str, row: Vec<(&str, Value)>) -> Statement {
    let (columns, values): (Vec<&str>, Vec<Value>) = row.into_iter().unzip();
    let mut statement = Statement::new(&format!("INSERT INTO {table} ({}) VALUES ", columns.join(", ")));
    statement.bind_list(values);
    statement
}

fn text(value: &str) -> Value {
    value.into()
}

impl AccessDirectory {
    /// Opens the tables of a database whose schema is up to date.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn open(database: &Database) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Mutex::new(Connection::open(database, Role::Writer)?)), None))
    }

    /// The same tables; whatever is changed by this handle is noted for the audit, in the transaction of the change.
    #[must_use]
    pub fn noting(self, content: Vec<u8>) -> Self {
        Self(self.0, Some(content))
    }

    /// Notes something for the audit; who keeps it takes it in.
    ///
    /// # Errors
    /// What the database says.
    pub fn note(&self, content: Vec<u8>) -> Result<(), StoreError> {
        self.transact(|connection| connection.execute(&noted(content)).map(|_| ()))
    }

    fn transact<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = if connection.is_postgres() { "BEGIN" } else { "BEGIN IMMEDIATE" };
        connection.batch(begin)?;
        let done = work(&mut connection).and_then(|done| {
            if let Some(content) = &self.1 {
                connection.execute(&noted(content.clone()))?;
            }
            Ok(done)
        });
        connection.batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        done
    }

    fn load<T>(&self, statement: &Statement) -> Result<Vec<T>, StoreError>
    where
        T: QueryableByName<diesel::sqlite::Sqlite> + QueryableByName<diesel::pg::Pg> + 'static,
    {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).load(statement)
    }

    fn one<T>(&self, table: &str, column: &str, value: &str) -> Result<Option<T>, StoreError>
    where
        T: QueryableByName<diesel::sqlite::Sqlite> + QueryableByName<diesel::pg::Pg> + 'static,
    {
        let mut statement = Statement::new(&format!("SELECT * FROM {table} WHERE {column} = "));
        statement.bind(value);
        Ok(self.load(&statement)?.into_iter().next())
    }

    /// A client by its id.
    ///
    /// # Errors
    /// What the database says.
    pub fn client(&self, id: &str) -> Result<Option<AccessClient>, StoreError> {
        self.one("access_client", "id", id)
    }

    /// All clients.
    ///
    /// # Errors
    /// What the database says.
    pub fn clients(&self) -> Result<Vec<AccessClient>, StoreError> {
        self.load(&Statement::new("SELECT * FROM access_client ORDER BY created, id"))
    }

    /// Adds a client.
    ///
    /// # Errors
    /// What the database says.
    pub fn add_client(&self, client: &AccessClient) -> Result<(), StoreError> {
        let statement = insert(
            "access_client",
            vec![
                ("id", text(&client.id)),
                ("name", text(&client.name)),
                ("scopes", text(&client.scopes)),
                ("jwks", text(&client.jwks)),
                ("jwks_url", text(&client.jwks_url)),
                ("redirects", text(&client.redirects)),
                ("organization", text(&client.organization)),
                ("roles", text(&client.roles)),
                ("created", client.created.into()),
                ("revoked", client.revoked.into()),
            ],
        );
        self.transact(|connection| connection.execute(&statement)).map(|_| ())
    }

    /// Gives a client other keys; `false` when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub fn set_client_keys(&self, id: &str, jwks: &str, jwks_url: &str) -> Result<bool, StoreError> {
        let mut statement = Statement::new("UPDATE access_client SET jwks = ");
        statement.bind(jwks).sql(", jwks_url = ").bind(jwks_url).sql(" WHERE id = ").bind(id);
        Ok(self.transact(|connection| connection.execute(&statement))? > 0)
    }

    /// Ends a client, an account or a certificate, and what was given out to it; `false` when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub fn end(&self, what: Ended<'_>, now: i64, until: i64) -> Result<bool, StoreError> {
        let (table, column, value, name) = match what {
            Ended::Client(id) => ("access_client", "id", id, format!("client:{id}")),
            Ended::User(login) => ("access_user", "login", login, format!("user:{login}")),
            Ended::Certificate(print) => ("access_certificate", "fingerprint", print, format!("certificate:{print}")),
        };
        let mut statement = Statement::new(&format!("UPDATE {table} SET revoked = "));
        statement.bind(now).sql(&format!(" WHERE revoked = 0 AND {column} = ")).bind(value);
        self.transact(|connection| {
            let ended = connection.execute(&statement)? > 0;
            if ended {
                connection.execute(&revocation(&name, until))?;
            }
            Ok(ended)
        })
    }

    /// An account.
    ///
    /// # Errors
    /// What the database says.
    pub fn user(&self, login: &str) -> Result<Option<AccessUser>, StoreError> {
        self.one("access_user", "login", login)
    }

    /// All accounts.
    ///
    /// # Errors
    /// What the database says.
    pub fn users(&self) -> Result<Vec<AccessUser>, StoreError> {
        self.load(&Statement::new("SELECT * FROM access_user ORDER BY created, login"))
    }

    /// Adds an account, or puts it in the place of the one with this login.
    ///
    /// # Errors
    /// What the database says.
    pub fn put_user(&self, user: &AccessUser) -> Result<(), StoreError> {
        let mut remove = Statement::new("DELETE FROM access_user WHERE login = ");
        remove.bind(user.login.as_str());
        let statement = insert(
            "access_user",
            vec![
                ("login", text(&user.login)),
                ("fhir_user", text(&user.fhir_user)),
                ("roles", text(&user.roles)),
                ("password", text(&user.password)),
                ("totp", text(&user.totp)),
                ("totp_step", user.totp_step.into()),
                ("failures", user.failures.into()),
                ("locked_until", user.locked_until.into()),
                ("created", user.created.into()),
                ("revoked", user.revoked.into()),
            ],
        );
        self.transact(|connection| {
            connection.execute(&remove)?;
            connection.execute(&statement)
        })
        .map(|_| ())
    }

    /// Notes an attempt to sign in before it is judged, so that attempts at the same time all count: answers
    /// `false` while the account is locked. After `free` failures each further one doubles the time it is locked.
    ///
    /// # Errors
    /// What the database says.
    pub fn begin_attempt(
        &self,
        login: &str,
        now: i64,
        free: i64,
        first_lock: i64,
        longest: i64,
    ) -> Result<bool, StoreError> {
        self.transact(|connection| {
            let mut select = Statement::new("SELECT * FROM access_user WHERE login = ");
            select.bind(login);
            let Some(user) = connection.load::<AccessUser>(&select)?.into_iter().next() else { return Ok(true) };
            if user.locked_until > now {
                return Ok(false);
            }
            let failures = user.failures + 1;
            let locked_until = match failures - free {
                beyond if beyond < 0 => 0,
                beyond => now + (first_lock << beyond.min(20)).min(longest),
            };
            let mut update = Statement::new("UPDATE access_user SET failures = ");
            update.bind(failures).sql(", locked_until = ").bind(locked_until).sql(" WHERE login = ").bind(login);
            connection.execute(&update)?;
            Ok(true)
        })
    }

    /// A sign-in succeeded: forgets the failures, and uses up the one-time password. `false` when that was used
    /// meanwhile.
    ///
    /// # Errors
    /// What the database says.
    pub fn signed_in(&self, login: &str, totp_step: Option<i64>) -> Result<bool, StoreError> {
        let mut update = Statement::new("UPDATE access_user SET failures = 0, locked_until = 0, totp_step = ");
        match totp_step {
            Some(step) => update.bind(step).sql(" WHERE totp_step < ").bind(step).sql(" AND login = "),
            None => update.sql("totp_step WHERE login = "),
        };
        update.bind(login);
        Ok(self.transact(|connection| connection.execute(&update))? > 0)
    }

    /// A certificate that counts.
    ///
    /// # Errors
    /// What the database says.
    pub fn certificate(&self, fingerprint: &str) -> Result<Option<AccessCertificate>, StoreError> {
        let found = self.one::<AccessCertificate>("access_certificate", "fingerprint", fingerprint)?;
        Ok(found.filter(|found| found.revoked == 0))
    }

    /// All certificates.
    ///
    /// # Errors
    /// What the database says.
    pub fn certificates(&self) -> Result<Vec<AccessCertificate>, StoreError> {
        self.load(&Statement::new("SELECT * FROM access_certificate ORDER BY created, fingerprint"))
    }

    /// Registers a certificate.
    ///
    /// # Errors
    /// What the database says.
    pub fn add_certificate(&self, certificate: &AccessCertificate) -> Result<(), StoreError> {
        let statement = insert(
            "access_certificate",
            vec![
                ("fingerprint", text(&certificate.fingerprint)),
                ("label", text(&certificate.label)),
                ("organization", text(&certificate.organization)),
                ("device", text(&certificate.device)),
                ("created", certificate.created.into()),
                ("revoked", certificate.revoked.into()),
            ],
        );
        self.transact(|connection| connection.execute(&statement)).map(|_| ())
    }

    /// Uses something up that counts once; `false` when it was used before.
    ///
    /// # Errors
    /// What the database says.
    pub fn use_once(&self, name: &str, now: i64, expires: i64) -> Result<bool, StoreError> {
        self.transact(|connection| {
            let mut old = Statement::new("DELETE FROM access_once WHERE expires < ");
            old.bind(now);
            connection.execute(&old)?;
            let mut statement = insert("access_once", vec![("name", text(name)), ("expires", expires.into())]);
            statement.sql(" ON CONFLICT (name) DO NOTHING");
            Ok(connection.execute(&statement)? > 0)
        })
    }

    /// Keeps what a code or refresh token stands for.
    ///
    /// # Errors
    /// What the database says.
    pub fn add_grant(&self, grant: &AccessGrant, now: i64) -> Result<(), StoreError> {
        self.transact(|connection| {
            let mut old = Statement::new("DELETE FROM access_grant WHERE expires < ");
            old.bind(now);
            connection.execute(&old)?;
            connection.execute(&insert_grant(grant))
        })
        .map(|_| ())
    }

    /// Uses a code or refresh token. What is used a second time was stolen: its whole family is revoked.
    ///
    /// # Errors
    /// What the database says.
    pub fn use_grant(&self, hash: &str, now: i64, until: i64) -> Result<Used, StoreError> {
        self.transact(|connection| {
            let mut select = Statement::new("SELECT * FROM access_grant WHERE hash = ");
            select.bind(hash);
            let found = connection.load::<AccessGrant>(&select)?.into_iter().next();
            let Some(grant) = found.filter(|grant| grant.expires > now) else { return Ok(Used::Unknown) };
            let mut update = Statement::new("UPDATE access_grant SET used = ");
            update.bind(now).sql(" WHERE used = 0 AND hash = ").bind(hash);
            if connection.execute(&update)? == 0 {
                connection.execute(&revocation(&format!("family:{}", grant.family), until))?;
                let mut others = Statement::new("UPDATE access_grant SET used = ");
                others.bind(now).sql(" WHERE used = 0 AND family = ").bind(grant.family.as_str());
                connection.execute(&others)?;
                return Ok(Used::Again(grant));
            }
            Ok(Used::First(grant))
        })
    }

    /// A grant as it is, without using it.
    ///
    /// # Errors
    /// What the database says.
    pub fn grant(&self, hash: &str) -> Result<Option<AccessGrant>, StoreError> {
        self.one("access_grant", "hash", hash)
    }

    /// Revokes a name (`jti:…`, `family:…`), and the unused grants of a family.
    ///
    /// # Errors
    /// What the database says.
    pub fn revoke(&self, name: &str, now: i64, until: i64) -> Result<(), StoreError> {
        self.transact(|connection| {
            connection.execute(&revocation(name, until))?;
            if let Some(family) = name.strip_prefix("family:") {
                let mut others = Statement::new("UPDATE access_grant SET used = ");
                others.bind(now).sql(" WHERE used = 0 AND family = ").bind(family);
                connection.execute(&others)?;
            }
            Ok(())
        })
    }

    /// All names that are revoked and would count otherwise.
    ///
    /// # Errors
    /// What the database says.
    pub fn revoked(&self, now: i64) -> Result<Vec<String>, StoreError> {
        let mut statement = Statement::new("SELECT name FROM access_revoked WHERE expires >= ");
        statement.bind(now);
        Ok(self.load::<NameRow>(&statement)?.into_iter().map(|row| row.name).collect())
    }

    /// The keys this server signs with, newest first; the first time `make` makes one.
    ///
    /// # Errors
    /// What the database or `make` says.
    pub fn keys(&self, make: impl FnOnce() -> Result<AccessKey, StoreError>) -> Result<Vec<AccessKey>, StoreError> {
        self.transact(|connection| {
            connection.lock_writers()?;
            let select = Statement::new("SELECT * FROM access_key ORDER BY created DESC, id");
            let keys = connection.load::<AccessKey>(&select)?;
            if !keys.is_empty() {
                return Ok(keys);
            }
            let key = make()?;
            let row = vec![("id", text(&key.id)), ("pem", text(&key.pem)), ("created", key.created.into())];
            connection.execute(&insert("access_key", row))?;
            Ok(vec![key])
        })
    }
}

fn noted(content: Vec<u8>) -> Statement {
    let id = uuid::Uuid::now_v7().to_string();
    insert("audit_inbox", vec![("id", id.into()), ("content", content.into())])
}

fn insert_grant(grant: &AccessGrant) -> Statement {
    insert(
        "access_grant",
        vec![
            ("hash", text(&grant.hash)),
            ("family", text(&grant.family)),
            ("content", text(&grant.content)),
            ("expires", grant.expires.into()),
            ("used", grant.used.into()),
        ],
    )
}

fn revocation(name: &str, until: i64) -> Statement {
    let mut statement = insert("access_revoked", vec![("name", text(name)), ("expires", until.into())]);
    statement.sql(" ON CONFLICT (name) DO NOTHING");
    statement
}

/// What is ended.
#[derive(Debug, Clone, Copy)]
pub enum Ended<'a> {
    /// A client by its id.
    Client(&'a str),
    /// An account by its login.
    User(&'a str),
    /// A certificate by its fingerprint.
    Certificate(&'a str),
}

/// What using a grant came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Used {
    /// It counts.
    First(AccessGrant),
    /// It was used before: everything of its family is revoked now.
    Again(AccessGrant),
    /// There is none, or its time is over.
    Unknown,
}
