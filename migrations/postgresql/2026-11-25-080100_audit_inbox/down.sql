ALTER TABLE access_client DROP COLUMN roles;
DROP TABLE audit_inbox;
