-- Which content of the content store (by SHA-256) the versions of resources hold; versions stay, and so do these rows.
CREATE TABLE blob_use (
    hash    BLOB    NOT NULL,
    key     INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (hash, key, version)
) WITHOUT ROWID;
