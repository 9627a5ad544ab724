-- Fracture liaison: derived from resources, can be computed anew at any time. src/store/fls.rs describes it.
CREATE TABLE fls_citizen (
    citizen BIGINT PRIMARY KEY,
    next    BIGINT,
    facts   BYTEA NOT NULL
);
CREATE INDEX fls_citizen_next ON fls_citizen (next);

CREATE TABLE fls_episode (
    citizen      BIGINT NOT NULL,
    ordinal      BIGINT NOT NULL,
    id           TEXT    NOT NULL,
    fracture     BIGINT NOT NULL,
    site         TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    facility     TEXT    NOT NULL,
    municipality TEXT    NOT NULL,
    owner        TEXT    NOT NULL,
    activity     TEXT    NOT NULL,
    due          BIGINT NOT NULL,
    overdue      BIGINT NOT NULL,
    alarms       BIGINT NOT NULL,
    body         BYTEA   NOT NULL,
    PRIMARY KEY (citizen, ordinal)
);
CREATE INDEX fls_episode_due ON fls_episode (due, citizen, ordinal);
CREATE INDEX fls_episode_fracture ON fls_episode (fracture, citizen, ordinal);
CREATE INDEX fls_episode_id ON fls_episode (id);

CREATE TABLE fls_alarm (
    citizen      BIGINT NOT NULL,
    id           TEXT    NOT NULL,
    code         TEXT    NOT NULL,
    since        BIGINT NOT NULL,
    acknowledged BIGINT NOT NULL,
    body         BYTEA   NOT NULL,
    PRIMARY KEY (citizen, id)
);
CREATE INDEX fls_alarm_id ON fls_alarm (id);
CREATE INDEX fls_alarm_since ON fls_alarm (since, citizen, id);
