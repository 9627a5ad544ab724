DROP TABLE package_definition;
DROP TABLE package;
