DROP TABLE audit_head;
DROP TABLE audit_anchor;
DROP TABLE audit_name;
DROP TABLE audit_event;
DROP TABLE audit_chain;
