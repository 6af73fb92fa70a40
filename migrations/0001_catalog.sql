-- The catalog: everything that the disk cannot say about itself. Types that SQLite and PostgreSQL share: ids and digests are
-- TEXT, times are BIGINT in milliseconds since 1970 (UTC), yes and no are BIGINT 1 and 0.

-- A device that was let in (or that holds a token of ours from before the catalog was lost). No token is kept.
CREATE TABLE devices (
    id                TEXT   NOT NULL PRIMARY KEY, -- 32 hexadecimal digits
    identifier        TEXT   NOT NULL,             -- as the device called itself when it was last granted
    created_at        BIGINT NOT NULL,
    generation        BIGINT NOT NULL,             -- of the newest token
    lowest_generation BIGINT NOT NULL,             -- tokens below this one are no longer good
    signed_by         TEXT,                        -- fingerprint of the secret that signed the newest token
    revoked_at        BIGINT,
    collected_at      BIGINT,                      -- when the newest token was handed out
    last_used_at      BIGINT,
    datasets          BIGINT NOT NULL DEFAULT 0,   -- counted against the quotas
    files             BIGINT NOT NULL DEFAULT 0,
    bytes             BIGINT NOT NULL DEFAULT 0
);

-- An identifier that asks to be let in. The row goes when its token is collected.
CREATE TABLE requests (
    id          TEXT   NOT NULL PRIMARY KEY,
    identifier  TEXT   NOT NULL UNIQUE,
    device      TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    polled_at   BIGINT NOT NULL,
    polls       BIGINT NOT NULL,
    asked_again BIGINT NOT NULL,                   -- 1: shortly after the same device had collected a token
    granted_at  BIGINT
);
CREATE INDEX requests_by_poll ON requests (polled_at);

-- A run. Without a device it was found on the disk and belongs to the first device that brings a file for it.
CREATE TABLE datasets (
    uuid       TEXT   NOT NULL PRIMARY KEY,
    device     TEXT REFERENCES devices (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    files      BIGINT NOT NULL DEFAULT 0,
    bytes      BIGINT NOT NULL DEFAULT 0,
    changes    BIGINT NOT NULL DEFAULT 0,          -- counts every file that came or went
    zipped     BIGINT NOT NULL DEFAULT 0,          -- the value of changes that the published zip holds
    zip_copied BIGINT NOT NULL DEFAULT 0,          -- bytes that were copied to make its zips so far
    zip_error  TEXT                                -- why the last roll failed
);
CREATE INDEX datasets_by_age ON datasets (created_at, uuid);
CREATE INDEX datasets_by_device ON datasets (device, created_at, uuid);
CREATE INDEX datasets_to_roll ON datasets (uuid) WHERE changes <> zipped;

-- A file. placing: its name is reserved, its bytes may still lie in incoming/. placed: acknowledged, or about to be.
-- discarding: on its way out of quarantine. lost: its bytes were not found on the disk.
CREATE TABLE files (
    id          TEXT   NOT NULL PRIMARY KEY,
    dataset     TEXT   NOT NULL REFERENCES datasets (uuid),
    device      TEXT,                              -- who brought it
    sent_name   TEXT   NOT NULL,                   -- as the device called it
    stored_name TEXT,                              -- none while it is in quarantine
    folded_name TEXT,                              -- stored_name as a case-folding file system sees it
    size        BIGINT NOT NULL,
    sha256      TEXT   NOT NULL,
    crc32       BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    state       TEXT   NOT NULL CHECK (state IN ('placing', 'placed', 'discarding', 'lost')),
    held        TEXT                               -- the reason for its quarantine
);
CREATE UNIQUE INDEX files_by_name ON files (dataset, folded_name);
CREATE INDEX files_by_digest ON files (dataset, sent_name, sha256);
CREATE INDEX files_unsettled ON files (id) WHERE state IN ('placing', 'discarding');
CREATE INDEX files_held ON files (received_at, id) WHERE held IS NOT NULL;
