-- Search parameters beyond the standard, one row a resource type. A number is for life: rows stay when
-- a parameter goes, so that none is ever given again. See src/store/parameters.rs.
CREATE TABLE search_parameter (
    number     BIGINT PRIMARY KEY,
    type       BIGINT NOT NULL,
    code       TEXT COLLATE "C" NOT NULL,
    url        TEXT COLLATE "C" NOT NULL,
    source     TEXT COLLATE "C" NOT NULL,
    definition TEXT COLLATE "C" NOT NULL,
    state      BIGINT NOT NULL,
    position   BIGINT NOT NULL,
    done       BIGINT NOT NULL,
    total      BIGINT NOT NULL
);
