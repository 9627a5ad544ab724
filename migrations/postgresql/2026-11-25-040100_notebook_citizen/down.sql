ALTER TABLE notebook_citizen DROP COLUMN folded;
ALTER TABLE notebook_citizen DROP COLUMN municipality;
