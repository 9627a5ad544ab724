-- Installed FHIR packages, versions side by side, and their definitions, compressed (zstd).
CREATE TABLE package (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL,
    version      TEXT    NOT NULL,
    title        TEXT    NOT NULL,
    dependencies TEXT    NOT NULL,
    installed    INTEGER NOT NULL,
    UNIQUE (name, version)
);

CREATE TABLE package_definition (
    package INTEGER NOT NULL,
    type    TEXT    NOT NULL,
    url     TEXT    NOT NULL,
    version TEXT    NOT NULL,
    size    INTEGER NOT NULL,
    body    BLOB    NOT NULL,
    PRIMARY KEY (package, type, url, version)
);
