-- Numbers are ranges. Index rows are derived: `renraku reindex` fills the table again.
DROP TABLE number;
CREATE TABLE number (
    parameter BIGINT NOT NULL,
    low       BYTEA  NOT NULL,
    high      BYTEA  NOT NULL,
    key       BIGINT NOT NULL,
    PRIMARY KEY (parameter, low, high, key)
);

-- Places on earth as points in space, in cm from its centre: distances need no angles.
CREATE TABLE position (
    parameter BIGINT NOT NULL,
    x         BIGINT NOT NULL,
    y         BIGINT NOT NULL,
    z         BIGINT NOT NULL,
    key       BIGINT NOT NULL,
    PRIMARY KEY (parameter, x, y, z, key)
);
