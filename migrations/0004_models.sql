-- Detection models: what was published, who is to have which, and who was offered which.

CREATE TABLE models (
    id           TEXT   NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL,
    folded_name  TEXT   NOT NULL UNIQUE,                                      -- the app tells models apart by their names alone
    version      TEXT   NOT NULL,
    notes        TEXT   NOT NULL,
    size         BIGINT NOT NULL,
    sha256       TEXT   NOT NULL,
    settings     TEXT   NOT NULL,                                             -- JSON, as settings.json holds it
    facts        TEXT   NOT NULL,                                             -- JSON: what the file says of itself
    published_at BIGINT NOT NULL,
    published_by TEXT   NOT NULL
);
CREATE INDEX models_by_age ON models (published_at, id);

-- The last row of a subject is in force, and the rows before it are the way back.
CREATE TABLE assignments (
    number  INTEGER NOT NULL PRIMARY KEY,
    kind    TEXT    NOT NULL CHECK (kind IN ('everyone', 'participant', 'device')),
    subject TEXT    NOT NULL,                                                 -- empty for everyone
    model   TEXT    REFERENCES models (id),                                   -- none: no model of its own
    at      BIGINT  NOT NULL,
    who     TEXT    NOT NULL
);
CREATE INDEX assignments_by_subject ON assignments (kind, subject, number);

CREATE TABLE offers (
    device     TEXT   NOT NULL REFERENCES devices (id),
    model      TEXT   NOT NULL REFERENCES models (id),
    offered_at BIGINT NOT NULL,                                               -- since when it is, or was last, what the device is told
    fetched_at BIGINT,                                                        -- when it last took the file
    PRIMARY KEY (device, model)
);
CREATE INDEX offers_by_model ON offers (model);
