-- Which citizens a resource belongs to, and labels that hide it. What a past version said stays with current = 0, so
-- that histories are never seen by those whom an earlier version was hidden from.
CREATE TABLE owner (
    key     BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    current BIGINT NOT NULL,
    PRIMARY KEY (key, citizen)
);

CREATE TABLE label (
    key     BIGINT NOT NULL,
    kind    BIGINT NOT NULL,
    current BIGINT NOT NULL,
    PRIMARY KEY (kind, key)
);

-- Ids by key, for references only: what a view hides is hidden where its rows are, not where its name is resolved.
CREATE VIEW resource_name AS SELECT key, type, id FROM resource;
