-- Dates that span more than a day a second time, by the class of their length: a search for what
-- reaches into a span of time reads a bounded range of each class. See src/store/query_sql/spans.rs.
CREATE TABLE long_date (
    parameter INTEGER NOT NULL,
    class     INTEGER NOT NULL,
    low       INTEGER NOT NULL,
    high      INTEGER NOT NULL,
    key       INTEGER NOT NULL,
    PRIMARY KEY (parameter, class, low, high, key)
) WITHOUT ROWID;

INSERT INTO long_date (parameter, class, low, high, key)
SELECT parameter,
       CASE WHEN low = -9223372036854775808 OR high = 9223372036854775807 THEN 5
            WHEN high - low < 691200000000 THEN 1
            WHEN high - low < 5529600000000 THEN 2
            WHEN high - low < 44236800000000 THEN 3
            WHEN high - low < 353894400000000 THEN 4
            ELSE 5 END,
       low, high, key
FROM date
WHERE low = -9223372036854775808 OR high = 9223372036854775807 OR high - low >= 86400000000;
