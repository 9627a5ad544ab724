-- Terminology beside resources: src/store/closure.rs and src/store/code_system.rs describe it.

CREATE TABLE closure (
    name    TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
);

CREATE TABLE closure_concept (
    name    TEXT    COLLATE "C" NOT NULL,
    system  TEXT    COLLATE "C" NOT NULL,
    code    TEXT    COLLATE "C" NOT NULL,
    PRIMARY KEY (name, system, code)
);

CREATE TABLE closure_entry (
    name    TEXT    COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    system  TEXT    COLLATE "C" NOT NULL,
    code    TEXT    COLLATE "C" NOT NULL,
    above   TEXT    COLLATE "C" NOT NULL,
    PRIMARY KEY (name, version, system, code, above)
);

CREATE TABLE code_system (
    id      BIGINT PRIMARY KEY,
    url     TEXT    COLLATE "C" NOT NULL,
    version TEXT    COLLATE "C" NOT NULL,
    state   BIGINT NOT NULL,
    codes   BIGINT NOT NULL,
    header  BYTEA   NOT NULL
);
CREATE INDEX code_system_url ON code_system (url, state);

CREATE TABLE concept (
    system  BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    code    TEXT    COLLATE "C" NOT NULL,
    folded  TEXT    COLLATE "C" NOT NULL,
    body    BYTEA   NOT NULL,
    PRIMARY KEY (system, ordinal)
);
CREATE UNIQUE INDEX concept_code ON concept (system, code);
CREATE INDEX concept_folded ON concept (system, folded);

CREATE TABLE concept_text (
    system  BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    flags   BIGINT NOT NULL,
    text    TEXT    COLLATE "C" NOT NULL,
    PRIMARY KEY (system, ordinal)
);

CREATE TABLE concept_above (
    system  BIGINT NOT NULL,
    above   BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    direct  BIGINT NOT NULL,
    PRIMARY KEY (system, above, ordinal)
);
CREATE INDEX concept_below ON concept_above (system, ordinal, above);
