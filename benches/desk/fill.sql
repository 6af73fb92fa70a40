-- A study of a year, as uploads, the reader and people would have left it. `scale` says how much; nothing here is random, so that two
-- runs measure the same. What is scattered is multiplied with a large prime.
BEGIN;

INSERT INTO participants (id, label, created_at)
WITH RECURSIVE p(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM p WHERE n < 20)
SELECT printf('00000000-0000-4000-a000-%012x', n), printf('P%02d', n), 0 FROM p;

-- Every watch brought something today, but for each twentieth.
INSERT INTO devices (id, identifier, name, created_at, generation, lowest_generation, collected_at, last_used_at, last_upload_at,
    meta_at, app_version, model, hardware)
WITH RECURSIVE v(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM v, scale WHERE n + 1 < scale.devices)
SELECT printf('%016x%016x', n * 2654435761 + 1, n), printf('watch %d[%016x]', n, (n + 1) * 11400714819323),
    CASE n % 4 WHEN 0 THEN 'wrist ' || n ELSE '' END, began, 1, 1, began, last, last, last, '1.5.0', 'hands-3.tflite', 'Ticwatch'
FROM (SELECT n, now - 366 * day AS began, now - CASE n % 20 WHEN 19 THEN 30 * day ELSE n * 60000 END AS last FROM v, scale);

-- Each was worn by one participant, and in the second half of the year by the next one.
INSERT INTO spans (id, participant, device, from_at, until_at)
SELECT printf('00000000-0000-4000-b000-%012x', v.rowid * 2 + half), printf('00000000-0000-4000-a000-%012x', (v.rowid + half) % 20 + 1), v.id,
    now - (366 - 183 * half) * day, CASE half WHEN 0 THEN now - 183 * day END
FROM devices v, scale, (SELECT 0 AS half UNION ALL SELECT 1);

CREATE TEMP TABLE runs AS
WITH RECURSIVE d(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM d, scale WHERE n < scale.datasets),
scattered AS (SELECT n, n * 7919 % 1000003 AS a, n * 104729 % 999983 AS b, (n - 1) / devices + 1 AS run,
    now - 365 * day + n * (365 * day / datasets) AS created_at, (n * 7 + n / devices * 13) % devices AS watch FROM d, scale)
SELECT s.n, a, b, run + run / 250 AS run, s.created_at, v.rowid AS watch, v.id AS device, v.identifier, v.name AS called,
    printf('%08x-%04x-4%03x-8%03x-%012x', n * 2654435761 % 4294967296, a % 65536, b % 4096, a % 4096, n) AS uuid,
    CASE WHEN a % 50 > 0 THEN s.created_at - b % 40 * 3600000 END AS started_at
FROM scattered s JOIN devices v ON v.rowid = s.watch + 1;

INSERT INTO datasets (uuid, device, created_at, updated_at, files, bytes, changes, zipped, number, title, verdict, verdict_reason,
    deleted_at, deleted_by, described, weight, started_at, ended_at, run_number, app_version, model, participant)
SELECT uuid, device, created_at, created_at + 60000, files_each, weight, files_each, files_each, n,
    CASE WHEN a % 7 = 0 THEN 'Breakfast in room ' || (a % 90) WHEN a % 7 = 1 THEN 'Washing hands, day ' || (a % 60) ELSE '' END,
    CASE WHEN b % 20 < 5 THEN 'usable' WHEN b % 20 < 7 THEN 'doubtful' WHEN b % 20 < 8 THEN 'unusable' END,
    CASE WHEN b % 20 = 7 THEN 'the strap was loose' ELSE '' END,
    CASE WHEN n % (datasets / 500 + 1) = 1 THEN now - day END, CASE WHEN n % (datasets / 500 + 1) = 1 THEN 'admin' END,
    files_each, weight, started_at, started_at + (a % 600 + 10) * 60000, run,
    CASE WHEN a % 10 < 6 THEN '1.5.0' WHEN a % 10 < 9 THEN '1.4.2' ELSE '1.3.0' END, 'hands-' || (b % 4) || '.tflite',
    CASE WHEN a % 10 > 0 THEN printf('00000000-0000-4000-a000-%012x', (watch + (n > datasets / 2)) % 20 + 1) END
FROM (SELECT *, a * 97 + 1000000 AS weight FROM runs), scale;

-- The first kind stands in every recording.
CREATE TEMP TABLE kinds AS
SELECT column1 AS kind, column2 AS ext, ROW_NUMBER() OVER () AS k FROM (VALUES ('android_sensor_accelerometer', 'zip'), ('metaInfo', 'json'),
    ('android_sensor_gyroscope', 'zip'), ('android_sensor_magnetic_field', 'zip'), ('android_sensor_linear_acceleration', 'zip'),
    ('android_sensor_rotation_vector', 'zip'), ('android_sensor_heart_rate', 'zip'), ('battery', 'csv'), ('hand_wash_predictions', 'csv'),
    ('manual_events', 'csv'));

CREATE TEMP TABLE names AS
SELECT n, k, printf('%s_%d_%s_%s.%s', kind, run, strftime('%Y-%m-%dT%H:%M+0000', COALESCE(started_at, created_at) / 1000, 'unixepoch'),
    substr(identifier, -17, 16), ext) AS name
FROM runs, kinds, scale WHERE k <= files_each ORDER BY n, k;
CREATE INDEX temp.names_of ON names (n);
CREATE UNIQUE INDEX temp.runs_by_number ON runs (n);

-- A few came with an extension that is not on the list.
INSERT INTO files (id, dataset, device, sent_name, stored_name, folded_name, size, sha256, crc32, received_at, state, held)
SELECT printf('%08x-%04x-7000-8000-%012x', n, k, n * 16 + k), uuid, device, name, CASE WHEN good THEN stored END,
    CASE WHEN good THEN lower(stored) END, a * 9, printf('%064x', n * 16 + k), b, created_at + k * 1000, 'placed',
    CASE WHEN NOT good THEN 'extension' END
FROM (SELECT *, replace(name, ':', '_') AS stored, (n % 500 <> 3 OR k <> 3) AS good FROM names JOIN runs USING (n));

-- A hundred stopped in the middle.
INSERT INTO texts (dataset, description, meta_info)
SELECT uuid, CASE WHEN n % 20 = 0 THEN 'A quiet day. The **watch** was charged at noon.' ELSE '' END,
    CASE WHEN n % (datasets / 100 + 1) <> 1 THEN
        printf('{"run_number": %d, "app_version": "1.5.0", "watch": "Ticwatch", "sensors": ["accelerometer", "gyroscope"]}', run) END
FROM runs, scale;

INSERT INTO tags (tag, dataset, number)
SELECT 'breakfast', uuid, n FROM runs WHERE a % 5 = 0
UNION ALL SELECT 'check again', uuid, n FROM runs WHERE b % 10 = 1
UNION ALL SELECT 'room ' || (b % 30), uuid, n FROM runs WHERE a % 50 = 1
UNION ALL SELECT 'seldom', uuid, n FROM runs, scale WHERE n % (datasets / 7 + 1) = 5;

-- What the reader writes. Nobody else than one recording says "zebra".
INSERT INTO words (rowid, text)
SELECT r.n, r.uuid || char(10) || r.identifier || char(10) || r.called || char(10) || COALESCE(p.label, '') || char(10) || d.title || char(10)
    || CASE WHEN r.n = datasets / 3 + 1 THEN 'a zebra' ELSE t.description END || char(10)
    || COALESCE((SELECT group_concat(tag, ' ') FROM tags WHERE tags.dataset = r.uuid), '')
    || char(10) || d.app_version || char(10) || d.model || char(10) || (SELECT group_concat(name, char(10)) FROM names WHERE names.n = r.n)
FROM scale, runs r JOIN datasets d ON d.number = r.n JOIN texts t ON t.dataset = r.uuid LEFT JOIN participants p ON p.id = d.participant;

UPDATE devices SET (datasets, files, bytes) = (SELECT COUNT(*), SUM(files), SUM(bytes) FROM datasets WHERE device = devices.id);
INSERT INTO arrivals (day, files, bytes)
SELECT received_at / 86400000, COUNT(*), CAST(SUM(size) AS BIGINT) FROM files GROUP BY received_at / 86400000;

INSERT INTO audit (at, who, action, subject, detail)
WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a, scale WHERE n < scale.audit)
SELECT now - (scale.audit - a.n) * 100000, CASE WHEN a.n % 10 < 6 THEN 'admin' WHEN a.n % 1000 = 7 THEN 'eve' ELSE 'ada' END,
    CASE WHEN a.n % 20000 = 11 THEN 'changed settings' ELSE 'downloaded' END, uuid, 'its zip'
FROM a, scale JOIN runs r ON r.n = a.n * 7919 % datasets + 1;

INSERT INTO requests (id, identifier, device, created_at, polled_at, polls, asked_again)
WITH RECURSIVE q(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM q WHERE n < 5)
SELECT printf('00000000-0000-7000-c000-%012x', n), printf('new watch %d[%016x]', n, n), printf('%032x', n), now - day, now - 60000, 100, 0
FROM q, scale;
INSERT INTO alerts (kind, subject, text, since) SELECT 'silent', id, 'silent for a month', now - day FROM devices, scale WHERE devices.rowid % 20 = 0;

COMMIT;
DROP TABLE names;
DROP TABLE kinds;
DROP TABLE runs;
DROP TABLE scale;
