-- What commands did while a server runs: written in the transaction of the change, taken into the audit by who keeps it.
CREATE TABLE audit_inbox (
    id      TEXT NOT NULL PRIMARY KEY,
    content BLOB NOT NULL
);

-- Roles beside scopes: auditor.
ALTER TABLE access_client ADD COLUMN roles TEXT NOT NULL DEFAULT '';
