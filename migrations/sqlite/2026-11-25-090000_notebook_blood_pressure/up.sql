-- Made from the table of entities (src/notebook/model/entities); rows are derived: `renraku reindex` makes them.

DROP TABLE IF EXISTS notebook_blood_pressure;
CREATE TABLE notebook_blood_pressure (
    key INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    citizen INTEGER NOT NULL,
    systolic TEXT,
    diastolic TEXT,
    measured TEXT,
    measured_at INTEGER,
    site TEXT,
    performer TEXT,
    note TEXT,
    PRIMARY KEY (citizen, key, ordinal)
) WITHOUT ROWID;
