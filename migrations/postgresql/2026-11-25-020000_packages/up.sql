-- Installed FHIR packages, versions side by side, and their definitions, compressed (zstd).
CREATE TABLE package (
    id           BIGINT NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL,
    version      TEXT   NOT NULL,
    title        TEXT   NOT NULL,
    dependencies TEXT   NOT NULL,
    installed    BIGINT NOT NULL,
    UNIQUE (name, version)
);

CREATE TABLE package_definition (
    package BIGINT NOT NULL,
    type    TEXT   NOT NULL,
    url     TEXT   NOT NULL,
    version TEXT   NOT NULL,
    size    BIGINT NOT NULL,
    body    BYTEA  NOT NULL,
    PRIMARY KEY (package, type, url, version)
);
