-- Made from the table of entities (src/notebook/model/entities); rows are derived: `renraku reindex` makes them.

DROP TABLE IF EXISTS notebook_family;
CREATE TABLE notebook_family (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    name TEXT,
    relationship TEXT,
    phone TEXT,
    starts TEXT,
    starts_at INTEGER,
    ends TEXT,
    ends_at INTEGER,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_member;
CREATE TABLE notebook_member (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    name TEXT,
    phone TEXT,
    active INTEGER,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_role;
CREATE TABLE notebook_role (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    member TEXT,
    facility TEXT,
    code TEXT,
    name TEXT,
    starts TEXT,
    starts_at INTEGER,
    ends TEXT,
    ends_at INTEGER,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;
CREATE INDEX notebook_role_by_member ON notebook_role (member, citizen);

DROP TABLE IF EXISTS notebook_facility;
CREATE TABLE notebook_facility (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    name TEXT,
    kind TEXT,
    part_of TEXT,
    institution_no TEXT,
    phone TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_team;
CREATE TABLE notebook_team (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    name TEXT,
    status TEXT,
    starts TEXT,
    starts_at INTEGER,
    ends TEXT,
    ends_at INTEGER,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_team_member;
CREATE TABLE notebook_team_member (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    member TEXT,
    code TEXT,
    name TEXT,
    facility TEXT,
    starts TEXT,
    starts_at INTEGER,
    ends TEXT,
    ends_at INTEGER,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;
CREATE INDEX notebook_team_member_by_member ON notebook_team_member (member, citizen);

DROP TABLE IF EXISTS notebook_article;
CREATE TABLE notebook_article (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    title TEXT,
    text TEXT,
    category TEXT,
    audience TEXT,
    sender TEXT,
    recipients TEXT,
    sent TEXT,
    sent_at INTEGER,
    status TEXT,
    attachments TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;
CREATE INDEX notebook_article_by_sent ON notebook_article (citizen, sent_at, key, ordinal);

DROP TABLE IF EXISTS notebook_comment;
CREATE TABLE notebook_comment (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    parent TEXT,
    text TEXT,
    audience TEXT,
    sender TEXT,
    recipients TEXT,
    sent TEXT,
    sent_at INTEGER,
    status TEXT,
    attachments TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;
CREATE INDEX notebook_comment_by_parent ON notebook_comment (parent, citizen);
CREATE INDEX notebook_comment_by_sent ON notebook_comment (citizen, sent_at, key, ordinal);

DROP TABLE IF EXISTS notebook_group;
CREATE TABLE notebook_group (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    name TEXT,
    active INTEGER,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_group_post;
CREATE TABLE notebook_group_post (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    title TEXT,
    text TEXT,
    sender TEXT,
    recipients TEXT,
    sent TEXT,
    sent_at INTEGER,
    status TEXT,
    attachments TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;
CREATE INDEX notebook_group_post_by_sent ON notebook_group_post (citizen, sent_at, key, ordinal);

DROP TABLE IF EXISTS notebook_attachment;
CREATE TABLE notebook_attachment (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    title TEXT,
    content_type TEXT,
    url TEXT,
    size INTEGER,
    hash TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_read_mark;
CREATE TABLE notebook_read_mark (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    reader TEXT,
    read_at TEXT,
    read_at_at INTEGER,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_visit;
CREATE TABLE notebook_visit (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    title TEXT,
    starts TEXT,
    starts_at INTEGER,
    ends TEXT,
    ends_at INTEGER,
    status TEXT,
    facility TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;
CREATE INDEX notebook_visit_by_starts ON notebook_visit (citizen, starts_at, key, ordinal);

DROP TABLE IF EXISTS notebook_medication;
CREATE TABLE notebook_medication (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    drug TEXT,
    code TEXT,
    usage TEXT,
    status TEXT,
    starts TEXT,
    starts_at INTEGER,
    ends TEXT,
    ends_at INTEGER,
    adherence TEXT,
    next_dose TEXT,
    next_dose_at INTEGER,
    stop_reason TEXT,
    asserted TEXT,
    asserted_at INTEGER,
    informant TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_injection;
CREATE TABLE notebook_injection (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    drug TEXT,
    code TEXT,
    given_at TEXT,
    given_at_at INTEGER,
    status TEXT,
    next_dose TEXT,
    next_dose_at INTEGER,
    performer TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_nutrition;
CREATE TABLE notebook_nutrition (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    observed TEXT,
    observed_at INTEGER,
    amount TEXT,
    meal TEXT,
    performer TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_exercise;
CREATE TABLE notebook_exercise (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    observed TEXT,
    observed_at INTEGER,
    amount TEXT,
    unit TEXT,
    kind TEXT,
    performer TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_measurement;
CREATE TABLE notebook_measurement (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    system TEXT,
    code TEXT,
    name TEXT,
    value TEXT,
    unit TEXT,
    ucum TEXT,
    measured TEXT,
    measured_at INTEGER,
    site TEXT,
    performer TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_adl;
CREATE TABLE notebook_adl (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    system TEXT,
    code TEXT,
    name TEXT,
    score TEXT,
    text TEXT,
    assessed TEXT,
    assessed_at INTEGER,
    performer TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_fall;
CREATE TABLE notebook_fall (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    happened TEXT,
    happened_at INTEGER,
    text TEXT,
    reporter TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_home_hazard;
CREATE TABLE notebook_home_hazard (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    hazard TEXT,
    text TEXT,
    seen TEXT,
    seen_at INTEGER,
    performer TEXT,
    media TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_care_level;
CREATE TABLE notebook_care_level (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    level TEXT,
    starts TEXT,
    starts_at INTEGER,
    ends TEXT,
    ends_at INTEGER,
    municipality TEXT,
    cause TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_diagnosis;
CREATE TABLE notebook_diagnosis (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    name TEXT,
    code TEXT,
    onset TEXT,
    onset_at INTEGER,
    clinical_status TEXT,
    site TEXT,
    side TEXT,
    sequence TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_plan;
CREATE TABLE notebook_plan (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    title TEXT,
    status TEXT,
    category TEXT,
    starts TEXT,
    starts_at INTEGER,
    ends TEXT,
    ends_at INTEGER,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_plan_activity;
CREATE TABLE notebook_plan_activity (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    code TEXT,
    name TEXT,
    status TEXT,
    starts TEXT,
    starts_at INTEGER,
    due TEXT,
    due_at INTEGER,
    owner TEXT,
    text TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_goal;
CREATE TABLE notebook_goal (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    text TEXT,
    status TEXT,
    starts TEXT,
    starts_at INTEGER,
    due TEXT,
    due_at INTEGER,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_media;
CREATE TABLE notebook_media (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    title TEXT,
    kind TEXT,
    content_type TEXT,
    url TEXT,
    size INTEGER,
    hash TEXT,
    created TEXT,
    created_at INTEGER,
    operator TEXT,
    width INTEGER,
    height INTEGER,
    duration TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_summary;
CREATE TABLE notebook_summary (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    title TEXT,
    kind TEXT,
    status TEXT,
    written TEXT,
    written_at INTEGER,
    author TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_consent;
CREATE TABLE notebook_consent (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    status TEXT,
    kind TEXT,
    given_at TEXT,
    given_at_at INTEGER,
    organization TEXT,
    actor TEXT,
    starts TEXT,
    starts_at INTEGER,
    ends TEXT,
    ends_at INTEGER,
    purpose TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_agreement;
CREATE TABLE notebook_agreement (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    title TEXT,
    status TEXT,
    parties TEXT,
    starts TEXT,
    starts_at INTEGER,
    ends TEXT,
    ends_at INTEGER,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;

DROP TABLE IF EXISTS notebook_group_member;
CREATE TABLE notebook_group_member (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    member TEXT,
    starts TEXT,
    starts_at INTEGER,
    ends TEXT,
    ends_at INTEGER,
    inactive INTEGER,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;
CREATE INDEX notebook_group_member_by_member ON notebook_group_member (member, citizen);

DROP TABLE IF EXISTS notebook_alarm;
CREATE TABLE notebook_alarm (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    title TEXT,
    code TEXT,
    status TEXT,
    severity TEXT,
    starts TEXT,
    starts_at INTEGER,
    ends TEXT,
    ends_at INTEGER,
    text TEXT,
    author TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;
