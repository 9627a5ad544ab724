-- Search parameters beyond the standard, one row a resource type. A number is for life: rows stay when
-- a parameter goes, so that none is ever given again. See src/store/parameters.rs.
CREATE TABLE search_parameter (
    number     INTEGER PRIMARY KEY,
    type       INTEGER NOT NULL,
    code       TEXT NOT NULL,
    url        TEXT NOT NULL,
    source     TEXT NOT NULL,
    definition TEXT NOT NULL,
    state      INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    done       INTEGER NOT NULL,
    total      INTEGER NOT NULL
);
