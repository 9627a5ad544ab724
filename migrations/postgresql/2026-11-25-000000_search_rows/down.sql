DROP TABLE position;
DROP TABLE number;
CREATE TABLE number (
    parameter BIGINT NOT NULL,
    value     BYTEA  NOT NULL,
    key       BIGINT NOT NULL,
    PRIMARY KEY (parameter, value, key)
);
