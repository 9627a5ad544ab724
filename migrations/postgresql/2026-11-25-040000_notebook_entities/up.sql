-- Made from the table of entities (src/notebook/model/entities); rows are derived: `renraku reindex` makes them.

DROP TABLE IF EXISTS notebook_family;
CREATE TABLE notebook_family (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    name TEXT,
    relationship TEXT,
    phone TEXT,
    starts TEXT,
    starts_at BIGINT,
    ends TEXT,
    ends_at BIGINT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_member;
CREATE TABLE notebook_member (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    name TEXT,
    phone TEXT,
    active BIGINT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_role;
CREATE TABLE notebook_role (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    member TEXT,
    facility TEXT,
    code TEXT,
    name TEXT,
    starts TEXT,
    starts_at BIGINT,
    ends TEXT,
    ends_at BIGINT,
    PRIMARY KEY (citizen, key, ordinal)
);
CREATE INDEX notebook_role_by_member ON notebook_role (member, citizen);

DROP TABLE IF EXISTS notebook_facility;
CREATE TABLE notebook_facility (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    name TEXT,
    kind TEXT,
    part_of TEXT,
    institution_no TEXT,
    phone TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_team;
CREATE TABLE notebook_team (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    name TEXT,
    status TEXT,
    starts TEXT,
    starts_at BIGINT,
    ends TEXT,
    ends_at BIGINT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_team_member;
CREATE TABLE notebook_team_member (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    member TEXT,
    code TEXT,
    name TEXT,
    facility TEXT,
    starts TEXT,
    starts_at BIGINT,
    ends TEXT,
    ends_at BIGINT,
    PRIMARY KEY (citizen, key, ordinal)
);
CREATE INDEX notebook_team_member_by_member ON notebook_team_member (member, citizen);

DROP TABLE IF EXISTS notebook_article;
CREATE TABLE notebook_article (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    title TEXT,
    text TEXT,
    category TEXT,
    audience TEXT,
    sender TEXT,
    recipients TEXT,
    sent TEXT,
    sent_at BIGINT,
    status TEXT,
    attachments TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);
CREATE INDEX notebook_article_by_sent ON notebook_article (citizen, sent_at, key, ordinal);

DROP TABLE IF EXISTS notebook_comment;
CREATE TABLE notebook_comment (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    parent TEXT,
    text TEXT,
    audience TEXT,
    sender TEXT,
    recipients TEXT,
    sent TEXT,
    sent_at BIGINT,
    status TEXT,
    attachments TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);
CREATE INDEX notebook_comment_by_parent ON notebook_comment (parent, citizen);
CREATE INDEX notebook_comment_by_sent ON notebook_comment (citizen, sent_at, key, ordinal);

DROP TABLE IF EXISTS notebook_group;
CREATE TABLE notebook_group (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    name TEXT,
    active BIGINT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_group_post;
CREATE TABLE notebook_group_post (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    title TEXT,
    text TEXT,
    sender TEXT,
    recipients TEXT,
    sent TEXT,
    sent_at BIGINT,
    status TEXT,
    attachments TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);
CREATE INDEX notebook_group_post_by_sent ON notebook_group_post (citizen, sent_at, key, ordinal);

DROP TABLE IF EXISTS notebook_attachment;
CREATE TABLE notebook_attachment (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    title TEXT,
    content_type TEXT,
    url TEXT,
    size BIGINT,
    hash TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_read_mark;
CREATE TABLE notebook_read_mark (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    reader TEXT,
    read_at TEXT,
    read_at_at BIGINT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_visit;
CREATE TABLE notebook_visit (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    title TEXT,
    starts TEXT,
    starts_at BIGINT,
    ends TEXT,
    ends_at BIGINT,
    status TEXT,
    facility TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);
CREATE INDEX notebook_visit_by_starts ON notebook_visit (citizen, starts_at, key, ordinal);

DROP TABLE IF EXISTS notebook_medication;
CREATE TABLE notebook_medication (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    drug TEXT,
    code TEXT,
    usage TEXT,
    status TEXT,
    starts TEXT,
    starts_at BIGINT,
    ends TEXT,
    ends_at BIGINT,
    adherence TEXT,
    next_dose TEXT,
    next_dose_at BIGINT,
    stop_reason TEXT,
    asserted TEXT,
    asserted_at BIGINT,
    informant TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_injection;
CREATE TABLE notebook_injection (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    drug TEXT,
    code TEXT,
    given_at TEXT,
    given_at_at BIGINT,
    status TEXT,
    next_dose TEXT,
    next_dose_at BIGINT,
    performer TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_nutrition;
CREATE TABLE notebook_nutrition (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    observed TEXT,
    observed_at BIGINT,
    amount TEXT,
    meal TEXT,
    performer TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_exercise;
CREATE TABLE notebook_exercise (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    observed TEXT,
    observed_at BIGINT,
    amount TEXT,
    unit TEXT,
    kind TEXT,
    performer TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_measurement;
CREATE TABLE notebook_measurement (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    system TEXT,
    code TEXT,
    name TEXT,
    value TEXT,
    unit TEXT,
    ucum TEXT,
    measured TEXT,
    measured_at BIGINT,
    site TEXT,
    performer TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_adl;
CREATE TABLE notebook_adl (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    system TEXT,
    code TEXT,
    name TEXT,
    score TEXT,
    text TEXT,
    assessed TEXT,
    assessed_at BIGINT,
    performer TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_fall;
CREATE TABLE notebook_fall (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    happened TEXT,
    happened_at BIGINT,
    text TEXT,
    reporter TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_home_hazard;
CREATE TABLE notebook_home_hazard (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    hazard TEXT,
    text TEXT,
    seen TEXT,
    seen_at BIGINT,
    performer TEXT,
    media TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_care_level;
CREATE TABLE notebook_care_level (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    level TEXT,
    starts TEXT,
    starts_at BIGINT,
    ends TEXT,
    ends_at BIGINT,
    municipality TEXT,
    cause TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_diagnosis;
CREATE TABLE notebook_diagnosis (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    name TEXT,
    code TEXT,
    onset TEXT,
    onset_at BIGINT,
    clinical_status TEXT,
    site TEXT,
    side TEXT,
    sequence TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_plan;
CREATE TABLE notebook_plan (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    title TEXT,
    status TEXT,
    category TEXT,
    starts TEXT,
    starts_at BIGINT,
    ends TEXT,
    ends_at BIGINT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_plan_activity;
CREATE TABLE notebook_plan_activity (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    code TEXT,
    name TEXT,
    status TEXT,
    starts TEXT,
    starts_at BIGINT,
    due TEXT,
    due_at BIGINT,
    owner TEXT,
    text TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_goal;
CREATE TABLE notebook_goal (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    text TEXT,
    status TEXT,
    starts TEXT,
    starts_at BIGINT,
    due TEXT,
    due_at BIGINT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_media;
CREATE TABLE notebook_media (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    title TEXT,
    kind TEXT,
    content_type TEXT,
    url TEXT,
    size BIGINT,
    hash TEXT,
    created TEXT,
    created_at BIGINT,
    operator TEXT,
    width BIGINT,
    height BIGINT,
    duration TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_summary;
CREATE TABLE notebook_summary (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    title TEXT,
    kind TEXT,
    status TEXT,
    written TEXT,
    written_at BIGINT,
    author TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_consent;
CREATE TABLE notebook_consent (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    status TEXT,
    kind TEXT,
    given_at TEXT,
    given_at_at BIGINT,
    organization TEXT,
    actor TEXT,
    starts TEXT,
    starts_at BIGINT,
    ends TEXT,
    ends_at BIGINT,
    purpose TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_agreement;
CREATE TABLE notebook_agreement (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    title TEXT,
    status TEXT,
    parties TEXT,
    starts TEXT,
    starts_at BIGINT,
    ends TEXT,
    ends_at BIGINT,
    PRIMARY KEY (citizen, key, ordinal)
);

DROP TABLE IF EXISTS notebook_group_member;
CREATE TABLE notebook_group_member (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    member TEXT,
    starts TEXT,
    starts_at BIGINT,
    ends TEXT,
    ends_at BIGINT,
    inactive BIGINT,
    PRIMARY KEY (citizen, key, ordinal)
);
CREATE INDEX notebook_group_member_by_member ON notebook_group_member (member, citizen);

DROP TABLE IF EXISTS notebook_alarm;
CREATE TABLE notebook_alarm (
    key BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    citizen BIGINT NOT NULL,
    title TEXT,
    code TEXT,
    status TEXT,
    severity TEXT,
    starts TEXT,
    starts_at BIGINT,
    ends TEXT,
    ends_at BIGINT,
    text TEXT,
    author TEXT,
    PRIMARY KEY (citizen, key, ordinal)
);
