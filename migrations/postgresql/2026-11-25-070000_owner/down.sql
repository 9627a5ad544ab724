DROP TABLE label;
DROP TABLE owner;
