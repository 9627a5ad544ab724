-- Which content of the content store (by SHA-256) the versions of resources hold; versions stay, and so do these rows.
CREATE TABLE blob_use (
    hash    BYTEA  NOT NULL,
    key     BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (hash, key, version)
);
