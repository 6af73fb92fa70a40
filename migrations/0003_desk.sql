-- What people say of recordings, devices and participants; what a run says of itself; who did what.

-- number: the order in which datasets came, which is also their place in the index of words.
ALTER TABLE datasets ADD COLUMN number BIGINT;
UPDATE datasets SET number = ordered.number
FROM (SELECT uuid, ROW_NUMBER() OVER (ORDER BY created_at, uuid) AS number FROM datasets) AS ordered WHERE ordered.uuid = datasets.uuid;
CREATE UNIQUE INDEX datasets_by_number ON datasets (number);

-- Said by people. revision counts their edits, so that of two who edit at once the second is told.
ALTER TABLE datasets ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE datasets ADD COLUMN verdict TEXT CHECK (verdict IN ('usable', 'doubtful', 'unusable'));
ALTER TABLE datasets ADD COLUMN verdict_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE datasets ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE datasets ADD COLUMN deleted_at BIGINT;                            -- in the trash since
ALTER TABLE datasets ADD COLUMN deleted_by TEXT;

-- Read off its files, behind the uploads' back. described: the value of changes that this reflects; -1: nothing was read yet.
ALTER TABLE datasets ADD COLUMN described BIGINT NOT NULL DEFAULT -1;
ALTER TABLE datasets ADD COLUMN weight BIGINT;                                -- its bytes at that time
ALTER TABLE datasets ADD COLUMN started_at BIGINT;                            -- of the run; none where no plausible time is known
ALTER TABLE datasets ADD COLUMN ended_at BIGINT;
ALTER TABLE datasets ADD COLUMN run_number BIGINT;
ALTER TABLE datasets ADD COLUMN app_version TEXT;
ALTER TABLE datasets ADD COLUMN model TEXT;                                   -- the detection model that the watch ran

-- Long texts stand apart: every upload writes its dataset's row anew.
CREATE TABLE texts (
    dataset     TEXT NOT NULL PRIMARY KEY REFERENCES datasets (uuid),
    description TEXT NOT NULL DEFAULT '',                                     -- Markdown
    meta_info   TEXT                                                          -- the JSON as it was sent
);

-- Published zips leave out what the rule of privacy says at their time; the last error is of a roll under a rule, too.
ALTER TABLE datasets ADD COLUMN zip_rule TEXT NOT NULL DEFAULT '';
-- Which file zipped and zip_rule are about: its modification time in nanoseconds. Another file under its name is not trusted.
ALTER TABLE datasets ADD COLUMN zip_modified BIGINT;
ALTER TABLE datasets ADD COLUMN zip_error_rule TEXT NOT NULL DEFAULT '';

-- A study's label for who wore a device. A span holds its first moment and not its last.
CREATE TABLE participants (
    id         TEXT   NOT NULL PRIMARY KEY,
    label      TEXT   NOT NULL UNIQUE,
    note       TEXT   NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    forgotten_at BIGINT                                                       -- its row goes with the last of its datasets and forgotten_spans
);
CREATE TABLE spans (
    id          TEXT   NOT NULL PRIMARY KEY,
    participant TEXT   NOT NULL REFERENCES participants (id),
    device      TEXT   NOT NULL REFERENCES devices (id),
    from_at     BIGINT NOT NULL,
    until_at    BIGINT                                                        -- none: still worn
);
CREATE INDEX spans_by_device ON spans (device, from_at);
CREATE INDEX spans_by_participant ON spans (participant, from_at);
-- What a participant wore that is forgotten: what was recorded then and is read later goes into the trash as well.
CREATE TABLE forgotten_spans (
    participant TEXT   NOT NULL REFERENCES participants (id),
    device      TEXT   NOT NULL REFERENCES devices (id),
    from_at     BIGINT NOT NULL,
    until_at    BIGINT NOT NULL,
    kept_until  BIGINT NOT NULL                                               -- then it goes
);
CREATE INDEX forgotten_spans_by_device ON forgotten_spans (device, from_at);
ALTER TABLE datasets ADD COLUMN participant TEXT REFERENCES participants (id);
ALTER TABLE datasets ADD COLUMN participant_by_hand BIGINT NOT NULL DEFAULT 0; -- 1: a person said so, also where that is nobody

-- Files of a dataset that are being placed count against its quota.
DROP INDEX files_unsettled;
CREATE INDEX files_unsettled ON files (dataset) WHERE state IN ('placing', 'discarding');

-- What an upload changes is in none of these.
DROP INDEX datasets_by_age;
DROP INDEX datasets_by_device;
CREATE INDEX datasets_to_describe ON datasets (number) WHERE changes <> described;
CREATE INDEX datasets_of_device ON datasets (device, number);
CREATE INDEX datasets_by_date ON datasets (COALESCE(started_at, created_at), number);
CREATE INDEX datasets_by_weight ON datasets (weight, number) WHERE weight IS NOT NULL;
CREATE INDEX datasets_by_run ON datasets (device, started_at, run_number) WHERE started_at IS NOT NULL;
CREATE INDEX datasets_of_participant ON datasets (participant, number) WHERE participant IS NOT NULL;
CREATE INDEX datasets_by_app ON datasets (app_version, number) WHERE app_version IS NOT NULL;
CREATE INDEX datasets_by_model ON datasets (model, number) WHERE model IS NOT NULL;
-- Everything that a list is filtered and sorted by. Short columns first: what stands behind long ones is slower to reach.
CREATE INDEX datasets_listed ON datasets (number, deleted_at, started_at, created_at, weight, verdict, app_version, model, participant, device);
CREATE INDEX datasets_failed ON datasets (number) WHERE zip_error IS NOT NULL;
CREATE INDEX datasets_deleted ON datasets (deleted_at, number) WHERE deleted_at IS NOT NULL;

CREATE TABLE tags (
    tag     TEXT   NOT NULL,
    dataset TEXT   NOT NULL REFERENCES datasets (uuid),
    number  BIGINT NOT NULL,                                                  -- the dataset's
    PRIMARY KEY (tag, number)
);
CREATE INDEX tags_of_dataset ON tags (dataset, tag);

-- Words of everything that can be searched for; the row's number is the dataset's. (PostgreSQL has tsvector for this.)
CREATE VIRTUAL TABLE words USING fts5 (text, content = '', contentless_delete = 1, detail = none,
    tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3');
-- Which words there are.
CREATE VIRTUAL TABLE words_terms USING fts5vocab(words, 'instance');

-- Under which patterns of privacy the words were written: under others, they are written anew.
CREATE TABLE words_rule (
    one  BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    rule TEXT   NOT NULL
);

-- What people say of a device, and what its last metaInfo said.
ALTER TABLE devices ADD COLUMN name TEXT NOT NULL DEFAULT '';                 -- shown instead of the alias where it is not empty
ALTER TABLE devices ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN silent_hours BIGINT;                           -- silent for longer is missed; none: as the settings say
ALTER TABLE devices ADD COLUMN last_upload_at BIGINT;
ALTER TABLE devices ADD COLUMN meta_at BIGINT;                                -- the start of the run that said the following
ALTER TABLE devices ADD COLUMN app_version TEXT;
ALTER TABLE devices ADD COLUMN model TEXT;
ALTER TABLE devices ADD COLUMN hardware TEXT;
ALTER TABLE devices ADD COLUMN forgotten_at BIGINT;

-- Tokens that were handed out; never the tokens themselves.
CREATE TABLE credentials (
    device       TEXT   NOT NULL REFERENCES devices (id),
    generation   BIGINT NOT NULL,
    collected_at BIGINT,
    last_used_at BIGINT,
    PRIMARY KEY (device, generation)
);
INSERT INTO credentials (device, generation, collected_at, last_used_at) SELECT id, generation, collected_at, last_used_at FROM devices;

-- Devices that may not ask any more.
CREATE TABLE blocked (
    device     TEXT   NOT NULL PRIMARY KEY,
    identifier TEXT   NOT NULL,
    blocked_at BIGINT NOT NULL,
    blocked_by TEXT   NOT NULL
);
ALTER TABLE requests ADD COLUMN granted_by TEXT;

-- Who did what. No address.
CREATE TABLE audit (
    number  INTEGER NOT NULL PRIMARY KEY,
    at      BIGINT  NOT NULL,
    who     TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL
);
CREATE INDEX audit_by_who ON audit (who, number);
CREATE INDEX audit_by_action ON audit (action, number);
CREATE INDEX audit_by_both ON audit (who, action, number);
CREATE INDEX audit_by_subject ON audit (subject, number);

-- What somebody should know, once: kept while it lasts, so that it is told once.
CREATE TABLE alerts (
    kind      TEXT   NOT NULL,
    subject   TEXT   NOT NULL,
    text      TEXT   NOT NULL,
    since     BIGINT NOT NULL,
    mailed_at BIGINT,
    hooked_at BIGINT,
    PRIMARY KEY (kind, subject)
);

-- What is missing and somebody said is known.
CREATE TABLE settled (
    kind    TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    who     TEXT   NOT NULL,
    PRIMARY KEY (kind, subject)
);
