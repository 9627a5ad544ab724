-- Numbers are ranges. Index rows are derived: `renraku reindex` fills the table again.
DROP TABLE number;
CREATE TABLE number (
    parameter INTEGER NOT NULL,
    low       BLOB    NOT NULL,
    high      BLOB    NOT NULL,
    key       INTEGER NOT NULL,
    PRIMARY KEY (parameter, low, high, key)
) WITHOUT ROWID;

-- Places on earth as points in space, in cm from its centre: distances need no angles.
CREATE TABLE position (
    parameter INTEGER NOT NULL,
    x         INTEGER NOT NULL,
    y         INTEGER NOT NULL,
    z         INTEGER NOT NULL,
    key       INTEGER NOT NULL,
    PRIMARY KEY (parameter, x, y, z, key)
) WITHOUT ROWID;
