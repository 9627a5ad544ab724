DROP TABLE access_key;
DROP TABLE access_revoked;
DROP TABLE access_grant;
DROP TABLE access_once;
DROP TABLE access_certificate;
DROP TABLE access_user;
DROP TABLE access_client;
