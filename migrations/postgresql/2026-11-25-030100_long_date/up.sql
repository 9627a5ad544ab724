-- Dates that span more than a day a second time, by the class of their length: a search for what
-- reaches into a span of time reads a bounded range of each class. See src/store/query_sql/spans.rs.
CREATE TABLE long_date (
    parameter BIGINT NOT NULL,
    class     BIGINT NOT NULL,
    low       BIGINT NOT NULL,
    high      BIGINT NOT NULL,
    key       BIGINT NOT NULL,
    PRIMARY KEY (parameter, class, low, high, key)
);

INSERT INTO long_date (parameter, class, low, high, key)
SELECT parameter,
       CASE WHEN low = -9223372036854775808 OR high = 9223372036854775807 THEN 5
            WHEN CAST(high AS NUMERIC) - low < 691200000000 THEN 1
            WHEN CAST(high AS NUMERIC) - low < 5529600000000 THEN 2
            WHEN CAST(high AS NUMERIC) - low < 44236800000000 THEN 3
            WHEN CAST(high AS NUMERIC) - low < 353894400000000 THEN 4
            ELSE 5 END,
       low, high, key
FROM date
WHERE low = -9223372036854775808 OR high = 9223372036854775807 OR CAST(high AS NUMERIC) - low >= 86400000000;
