-- Who may ask for tokens, and what was given out. Secrets are kept as hashes only.

CREATE TABLE access_client (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    jwks         TEXT NOT NULL,
    jwks_url     TEXT NOT NULL,
    redirects    TEXT NOT NULL,
    organization TEXT NOT NULL,
    created      INTEGER NOT NULL,
    revoked      INTEGER NOT NULL
);

CREATE TABLE access_user (
    login        TEXT NOT NULL PRIMARY KEY,
    fhir_user    TEXT NOT NULL,
    roles        TEXT NOT NULL,
    password     TEXT NOT NULL,
    totp         TEXT NOT NULL,
    totp_step    INTEGER NOT NULL,
    failures     INTEGER NOT NULL,
    locked_until INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    revoked      INTEGER NOT NULL
);

-- A certificate a device shows, in addition to who uses it.
CREATE TABLE access_certificate (
    fingerprint  TEXT NOT NULL PRIMARY KEY,
    label        TEXT NOT NULL,
    organization TEXT NOT NULL,
    device       TEXT NOT NULL,
    created      INTEGER NOT NULL,
    revoked      INTEGER NOT NULL
);

-- What may be used once: assertions of clients, authorization codes.
CREATE TABLE access_once (
    name    TEXT NOT NULL PRIMARY KEY,
    expires INTEGER NOT NULL
);

-- Authorization codes and refresh tokens, by their SHA-256.
CREATE TABLE access_grant (
    hash    TEXT NOT NULL PRIMARY KEY,
    family  TEXT NOT NULL,
    content TEXT NOT NULL,
    expires INTEGER NOT NULL,
    used    INTEGER NOT NULL
);

CREATE TABLE access_revoked (
    name    TEXT NOT NULL PRIMARY KEY,
    expires INTEGER NOT NULL
);

CREATE TABLE access_key (
    id      TEXT NOT NULL PRIMARY KEY,
    pem     TEXT NOT NULL,
    created INTEGER NOT NULL
);
