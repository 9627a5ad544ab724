DROP TABLE blob_use;
