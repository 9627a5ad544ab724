-- Numbers are ranges. Index rows are derived: `renraku reindex` fills the table again.
DROP TABLE number;
CREATE TABLE number (
    parameter BIGINT NOT NULL,
    low       BYTEA  NOT NULL,
    high      BYTEA  NOT NULL,
    key       BIGINT NOT NULL,
    PRIMARY KEY (parameter, low, high, key)
);

-- Places on earth, in 10^-7 degrees.
CREATE TABLE position (
    parameter BIGINT NOT NULL,
    latitude  BIGINT NOT NULL,
    longitude BIGINT NOT NULL,
    key       BIGINT NOT NULL,
    PRIMARY KEY (parameter, latitude, longitude, key)
);
