-- The layout and its reasons are described in src/store.rs.

CREATE TABLE resource (
    key     INTEGER PRIMARY KEY,
    type    INTEGER NOT NULL,
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    method  INTEGER NOT NULL,
    state   INTEGER NOT NULL,
    body    BLOB    NOT NULL
);
CREATE UNIQUE INDEX resource_id ON resource (type, id);
CREATE INDEX resource_updated ON resource (type, updated) WHERE state = 1;
CREATE INDEX resource_live ON resource (type) WHERE state = 1;

CREATE TABLE version (
    key     INTEGER NOT NULL,
    version INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    method  INTEGER NOT NULL,
    body    BLOB    NOT NULL,
    PRIMARY KEY (key, version)
);

CREATE TABLE change (
    seq     INTEGER PRIMARY KEY,
    key     INTEGER NOT NULL,
    version INTEGER NOT NULL,
    type    INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    method  INTEGER NOT NULL
);
CREATE INDEX change_type ON change (type, seq);

CREATE TABLE system (
    id  INTEGER PRIMARY KEY,
    uri TEXT NOT NULL UNIQUE
);

CREATE TABLE token (
    parameter INTEGER NOT NULL,
    code      TEXT    NOT NULL,
    system    INTEGER NOT NULL,
    key       INTEGER NOT NULL,
    PRIMARY KEY (parameter, code, system, key)
) WITHOUT ROWID;

CREATE TABLE string (
    parameter INTEGER NOT NULL,
    start     TEXT    NOT NULL,
    key       INTEGER NOT NULL,
    exact     INTEGER NOT NULL,
    rest      TEXT    NOT NULL,
    PRIMARY KEY (parameter, start, key, exact, rest)
) WITHOUT ROWID;

CREATE TABLE date (
    parameter INTEGER NOT NULL,
    low       INTEGER NOT NULL,
    high      INTEGER NOT NULL,
    key       INTEGER NOT NULL,
    PRIMARY KEY (parameter, low, high, key)
) WITHOUT ROWID;

CREATE TABLE number (
    parameter INTEGER NOT NULL,
    value     BLOB    NOT NULL,
    key       INTEGER NOT NULL,
    PRIMARY KEY (parameter, value, key)
) WITHOUT ROWID;

CREATE TABLE quantity (
    parameter INTEGER NOT NULL,
    low       BLOB    NOT NULL,
    high      BLOB    NOT NULL,
    code      TEXT    NOT NULL,
    system    INTEGER NOT NULL,
    key       INTEGER NOT NULL,
    PRIMARY KEY (parameter, low, high, code, system, key)
) WITHOUT ROWID;

CREATE TABLE reference (
    parameter INTEGER NOT NULL,
    target    INTEGER NOT NULL,
    key       INTEGER NOT NULL,
    PRIMARY KEY (parameter, target, key)
) WITHOUT ROWID;

CREATE TABLE uri (
    parameter INTEGER NOT NULL,
    uri       TEXT    NOT NULL,
    version   TEXT    NOT NULL,
    key       INTEGER NOT NULL,
    PRIMARY KEY (parameter, uri, version, key)
) WITHOUT ROWID;

CREATE TABLE composite (
    parameter   INTEGER NOT NULL,
    code        TEXT    NOT NULL,
    system      INTEGER NOT NULL,
    text        TEXT    NOT NULL,
    text_system INTEGER NOT NULL,
    low         BLOB    NOT NULL,
    high        BLOB    NOT NULL,
    key         INTEGER NOT NULL,
    PRIMARY KEY (parameter, code, system, text, text_system, low, high, key)
) WITHOUT ROWID;

CREATE TABLE notebook_citizen (
    key         INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    kana        TEXT NOT NULL,
    birth_date  TEXT NOT NULL,
    gender      TEXT NOT NULL,
    address     TEXT NOT NULL,
    notebook_id TEXT NOT NULL,
    hospital_id TEXT NOT NULL,
    insured_id  TEXT NOT NULL
);

CREATE TABLE notebook_entry (
    key       INTEGER NOT NULL,
    ordinal   INTEGER NOT NULL,
    citizen   INTEGER NOT NULL,
    category  TEXT    NOT NULL,
    low       INTEGER NOT NULL,
    high      INTEGER,
    date_text TEXT    NOT NULL,
    title     TEXT    NOT NULL,
    detail    TEXT    NOT NULL,
    status    TEXT    NOT NULL,
    labels    TEXT    NOT NULL,
    PRIMARY KEY (key, ordinal, citizen)
) WITHOUT ROWID;
CREATE INDEX notebook_timeline ON notebook_entry (citizen, low, key, ordinal);

CREATE TABLE import_progress (
    source   TEXT    NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL,
    finished INTEGER NOT NULL
);

CREATE TABLE setting (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
