DROP TABLE long_date;
