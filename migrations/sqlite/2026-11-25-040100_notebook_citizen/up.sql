ALTER TABLE notebook_citizen ADD COLUMN folded TEXT NOT NULL DEFAULT '';
ALTER TABLE notebook_citizen ADD COLUMN municipality TEXT NOT NULL DEFAULT '';
