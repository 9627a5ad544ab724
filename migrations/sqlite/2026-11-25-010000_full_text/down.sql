DROP TABLE full_text;
