-- The layout and its reasons are described in src/store.rs.

CREATE TABLE resource (
    key     BIGINT PRIMARY KEY,
    type    BIGINT NOT NULL,
    id      TEXT    COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    method  BIGINT NOT NULL,
    state   BIGINT NOT NULL,
    body    BYTEA   NOT NULL
);
CREATE UNIQUE INDEX resource_id ON resource (type, id);
CREATE INDEX resource_updated ON resource (type, updated) WHERE state = 1;
CREATE INDEX resource_live ON resource (type, key) WHERE state = 1;

CREATE TABLE version (
    key     BIGINT NOT NULL,
    version BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    method  BIGINT NOT NULL,
    body    BYTEA   NOT NULL,
    PRIMARY KEY (key, version)
);

CREATE TABLE change (
    seq     BIGINT PRIMARY KEY,
    key     BIGINT NOT NULL,
    version BIGINT NOT NULL,
    type    BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    method  BIGINT NOT NULL
);
CREATE INDEX change_type ON change (type, seq);

CREATE TABLE system (
    id  BIGINT PRIMARY KEY,
    uri TEXT COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE token (
    parameter BIGINT NOT NULL,
    code      TEXT    COLLATE "C" NOT NULL,
    system    BIGINT NOT NULL,
    key       BIGINT NOT NULL,
    PRIMARY KEY (parameter, code, system, key)
);

CREATE TABLE string (
    parameter BIGINT NOT NULL,
    start     TEXT    COLLATE "C" NOT NULL,
    key       BIGINT NOT NULL,
    exact     BIGINT NOT NULL,
    rest      TEXT    COLLATE "C" NOT NULL,
    PRIMARY KEY (parameter, start, key, exact, rest)
);

CREATE TABLE date (
    parameter BIGINT NOT NULL,
    low       BIGINT NOT NULL,
    high      BIGINT NOT NULL,
    key       BIGINT NOT NULL,
    PRIMARY KEY (parameter, low, high, key)
);

CREATE TABLE number (
    parameter BIGINT NOT NULL,
    value     BYTEA   NOT NULL,
    key       BIGINT NOT NULL,
    PRIMARY KEY (parameter, value, key)
);

CREATE TABLE quantity (
    parameter BIGINT NOT NULL,
    low       BYTEA   NOT NULL,
    high      BYTEA   NOT NULL,
    code      TEXT    COLLATE "C" NOT NULL,
    system    BIGINT NOT NULL,
    key       BIGINT NOT NULL,
    PRIMARY KEY (parameter, low, high, code, system, key)
);

CREATE TABLE reference (
    parameter BIGINT NOT NULL,
    target    BIGINT NOT NULL,
    key       BIGINT NOT NULL,
    PRIMARY KEY (parameter, target, key)
);

CREATE TABLE uri (
    parameter BIGINT NOT NULL,
    uri       TEXT    COLLATE "C" NOT NULL,
    version   TEXT    COLLATE "C" NOT NULL,
    key       BIGINT NOT NULL,
    PRIMARY KEY (parameter, uri, version, key)
);

CREATE TABLE composite (
    parameter   BIGINT NOT NULL,
    code        TEXT    COLLATE "C" NOT NULL,
    system      BIGINT NOT NULL,
    text        TEXT    COLLATE "C" NOT NULL,
    text_system BIGINT NOT NULL,
    low         BYTEA   NOT NULL,
    high        BYTEA   NOT NULL,
    key         BIGINT NOT NULL,
    PRIMARY KEY (parameter, code, system, text, text_system, low, high, key)
);

CREATE TABLE notebook_citizen (
    key         BIGINT PRIMARY KEY,
    name        TEXT COLLATE "C" NOT NULL,
    kana        TEXT COLLATE "C" NOT NULL,
    birth_date  TEXT COLLATE "C" NOT NULL,
    gender      TEXT COLLATE "C" NOT NULL,
    address     TEXT COLLATE "C" NOT NULL,
    notebook_id TEXT COLLATE "C" NOT NULL,
    hospital_id TEXT COLLATE "C" NOT NULL,
    insured_id  TEXT COLLATE "C" NOT NULL
);

CREATE TABLE notebook_entry (
    key       BIGINT NOT NULL,
    ordinal   BIGINT NOT NULL,
    citizen   BIGINT NOT NULL,
    category  TEXT    COLLATE "C" NOT NULL,
    low       BIGINT NOT NULL,
    high      BIGINT,
    date_text TEXT    COLLATE "C" NOT NULL,
    title     TEXT    COLLATE "C" NOT NULL,
    detail    TEXT    COLLATE "C" NOT NULL,
    status    TEXT    COLLATE "C" NOT NULL,
    labels    TEXT    COLLATE "C" NOT NULL,
    PRIMARY KEY (key, ordinal, citizen)
);
CREATE INDEX notebook_timeline ON notebook_entry (citizen, low, key, ordinal);

CREATE TABLE import_progress (
    source   TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    finished BIGINT NOT NULL
);

CREATE TABLE setting (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);
