-- Fracture liaison: derived from resources, can be computed anew at any time. src/store/fls.rs describes it.
CREATE TABLE fls_citizen (
    citizen INTEGER PRIMARY KEY,
    next    INTEGER,
    facts   BLOB NOT NULL
);
CREATE INDEX fls_citizen_next ON fls_citizen (next);

CREATE TABLE fls_episode (
    citizen      INTEGER NOT NULL,
    ordinal      INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    fracture     INTEGER NOT NULL,
    site         TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    facility     TEXT    NOT NULL,
    municipality TEXT    NOT NULL,
    owner        TEXT    NOT NULL,
    activity     TEXT    NOT NULL,
    due          INTEGER NOT NULL,
    overdue      INTEGER NOT NULL,
    alarms       INTEGER NOT NULL,
    body         BLOB    NOT NULL,
    PRIMARY KEY (citizen, ordinal)
) WITHOUT ROWID;
CREATE INDEX fls_episode_due ON fls_episode (due, citizen, ordinal);
CREATE INDEX fls_episode_fracture ON fls_episode (fracture, citizen, ordinal);
CREATE INDEX fls_episode_id ON fls_episode (id);

CREATE TABLE fls_alarm (
    citizen      INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    code         TEXT    NOT NULL,
    since        INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    body         BLOB    NOT NULL,
    PRIMARY KEY (citizen, id)
) WITHOUT ROWID;
CREATE INDEX fls_alarm_id ON fls_alarm (id);
CREATE INDEX fls_alarm_since ON fls_alarm (since, citizen, id);
