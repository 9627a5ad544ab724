-- The audit, in a file of its own beside a SQLite database: rows are only ever added. Each row's hash covers the one
-- before it; who signs for how far a chain goes is in audit_chain.

CREATE TABLE audit_chain (
    number     INTEGER NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    public_key TEXT NOT NULL,
    created    INTEGER NOT NULL
);

CREATE TABLE audit_event (
    chain   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    content BLOB NOT NULL,
    hash    BLOB NOT NULL,
    PRIMARY KEY (chain, seq)
) WITHOUT ROWID;

CREATE INDEX audit_event_at ON audit_event (at, chain, seq);

-- By whom an event is found: `p:` citizens, `a:` who acted.
CREATE TABLE audit_name (
    name  TEXT NOT NULL,
    at    INTEGER NOT NULL,
    chain INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (name, at, chain, seq)
) WITHOUT ROWID;

-- Signed: at that time the row of that number had that hash. `kind` is anchor, or retention: up to there rows were
-- removed because their time was over.
CREATE TABLE audit_anchor (
    chain     INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    at        INTEGER NOT NULL,
    hash      BLOB NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (chain, seq, kind)
) WITHOUT ROWID;

-- The newest, renewed with every batch.
CREATE TABLE audit_head (
    chain     INTEGER NOT NULL PRIMARY KEY,
    seq       INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    hash      BLOB NOT NULL,
    signature BLOB NOT NULL
);
