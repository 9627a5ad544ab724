DROP TABLE search_parameter;
