DROP VIEW resource_name;
DROP TABLE label;
DROP TABLE owner;
