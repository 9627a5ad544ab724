-- The audit: rows are only ever added. Each row's hash covers the one
-- before it; who signs for how far a chain goes is in audit_chain.

CREATE TABLE audit_chain (
    number     BIGINT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    public_key TEXT NOT NULL,
    created    BIGINT NOT NULL
);

CREATE TABLE audit_event (
    chain   BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    content BYTEA NOT NULL,
    hash    BYTEA NOT NULL,
    PRIMARY KEY (chain, seq)
);

CREATE INDEX audit_event_at ON audit_event (at, chain, seq);

-- By whom an event is found: `p:` citizens, `a:` who acted.
CREATE TABLE audit_name (
    name  TEXT NOT NULL,
    at    BIGINT NOT NULL,
    chain BIGINT NOT NULL,
    seq   BIGINT NOT NULL,
    PRIMARY KEY (name, at, chain, seq)
);

-- Signed: at that time the row of that number had that hash. `kind` is anchor, or retention: up to there rows were
-- removed because their time was over.
CREATE TABLE audit_anchor (
    chain     BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    kind      TEXT NOT NULL,
    at        BIGINT NOT NULL,
    hash      BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (chain, seq, kind)
);

-- The newest, renewed with every batch.
CREATE TABLE audit_head (
    chain     BIGINT NOT NULL PRIMARY KEY,
    seq       BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    hash      BYTEA NOT NULL,
    signature BYTEA NOT NULL
);
