-- The audit of a SQLite database is a file of its own beside it: migrations/audit.
SELECT 1;
