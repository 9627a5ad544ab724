DROP TABLE position;
DROP TABLE number;
CREATE TABLE number (
    parameter INTEGER NOT NULL,
    value     BLOB    NOT NULL,
    key       INTEGER NOT NULL,
    PRIMARY KEY (parameter, value, key)
) WITHOUT ROWID;
