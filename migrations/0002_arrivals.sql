-- What came in on each day (UTC), counted as it is recorded: how fast the disk fills, without a walk through all files.
CREATE TABLE arrivals (
    day   BIGINT NOT NULL PRIMARY KEY, -- days since 1970-01-01
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);
INSERT INTO arrivals (day, files, bytes)
SELECT received_at / 86400000, COUNT(*), CAST(SUM(size) AS BIGINT) FROM files GROUP BY received_at / 86400000;
