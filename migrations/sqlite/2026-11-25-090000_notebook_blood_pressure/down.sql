-- Rows are derived: the older program's `renraku reindex` makes what it shows. Tables stay.
SELECT 1;
