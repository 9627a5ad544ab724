-- Numbers are ranges. Index rows are derived: `renraku reindex` fills the table again.
DROP TABLE number;
CREATE TABLE number (
    parameter INTEGER NOT NULL,
    low       BLOB    NOT NULL,
    high      BLOB    NOT NULL,
    key       INTEGER NOT NULL,
    PRIMARY KEY (parameter, low, high, key)
) WITHOUT ROWID;

-- Places on earth, in 10^-7 degrees.
CREATE TABLE position (
    parameter INTEGER NOT NULL,
    latitude  INTEGER NOT NULL,
    longitude INTEGER NOT NULL,
    key       INTEGER NOT NULL,
    PRIMARY KEY (parameter, latitude, longitude, key)
) WITHOUT ROWID;
