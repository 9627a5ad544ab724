-- Terminology beside resources: src/store/closure.rs and src/store/code_system.rs describe it.

CREATE TABLE closure (
    name    TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL
);

CREATE TABLE closure_concept (
    name    TEXT    NOT NULL,
    system  TEXT    NOT NULL,
    code    TEXT    NOT NULL,
    PRIMARY KEY (name, system, code)
) WITHOUT ROWID;

CREATE TABLE closure_entry (
    name    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    system  TEXT    NOT NULL,
    code    TEXT    NOT NULL,
    above   TEXT    NOT NULL,
    PRIMARY KEY (name, version, system, code, above)
) WITHOUT ROWID;

CREATE TABLE code_system (
    id      INTEGER PRIMARY KEY,
    url     TEXT    NOT NULL,
    version TEXT    NOT NULL,
    state   INTEGER NOT NULL,
    codes   INTEGER NOT NULL,
    header  BLOB    NOT NULL
);
CREATE INDEX code_system_url ON code_system (url, state);

CREATE TABLE concept (
    system  INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    code    TEXT    NOT NULL,
    folded  TEXT    NOT NULL,
    body    BLOB    NOT NULL,
    PRIMARY KEY (system, ordinal)
) WITHOUT ROWID;
CREATE UNIQUE INDEX concept_code ON concept (system, code);
CREATE INDEX concept_folded ON concept (system, folded);

CREATE TABLE concept_text (
    system  INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    flags   INTEGER NOT NULL,
    text    TEXT    NOT NULL,
    PRIMARY KEY (system, ordinal)
) WITHOUT ROWID;

CREATE TABLE concept_above (
    system  INTEGER NOT NULL,
    above   INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    direct  INTEGER NOT NULL,
    PRIMARY KEY (system, above, ordinal)
) WITHOUT ROWID;
CREATE INDEX concept_below ON concept_above (system, ordinal, above);
