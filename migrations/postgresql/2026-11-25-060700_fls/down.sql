DROP TABLE fls_alarm;
DROP TABLE fls_episode;
DROP TABLE fls_citizen;
