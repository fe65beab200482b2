-- Times are milliseconds since the Unix epoch, lengths of time on the wire are nanoseconds, amounts are text.

CREATE TABLE nonces (
    key  TEXT PRIMARY KEY,          -- SHA-256 of provider and API key
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE slots (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    scope   TEXT NOT NULL,
    period  INTEGER NOT NULL,
    flight  INTEGER NOT NULL,       -- how long a request can last
    seen_at INTEGER,                -- when its reply was seen; NULL while in flight
    free_at INTEGER NOT NULL
) STRICT;
CREATE INDEX slots_by_scope ON slots (scope, free_at);

CREATE TABLE exchanges (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    size             INTEGER NOT NULL,
    account          TEXT NOT NULL,
    provider         TEXT NOT NULL,
    environment      TEXT NOT NULL,
    at               INTEGER NOT NULL,
    method           TEXT NOT NULL,
    url              TEXT NOT NULL,
    about            TEXT NOT NULL, -- what it was for
    attempt          INTEGER NOT NULL,
    status           INTEGER,       -- one of these two
    failure          TEXT,
    to_head          INTEGER,
    took             INTEGER NOT NULL,
    request_bytes    INTEGER NOT NULL,
    request_cut      INTEGER NOT NULL,
    response_bytes   INTEGER NOT NULL,
    response_cut     INTEGER NOT NULL,
    request_headers  TEXT NOT NULL, -- a JSON list of pairs
    response_headers TEXT NOT NULL,
    request_body     TEXT NOT NULL,
    response_body    TEXT NOT NULL
) STRICT;
CREATE INDEX exchanges_by_age ON exchanges (at);
CREATE INDEX exchanges_by_account ON exchanges (account, id);
CREATE INDEX exchanges_by_size ON exchanges (id, size);

CREATE TABLE observations (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    profile  TEXT NOT NULL,
    account  TEXT NOT NULL,
    payment  TEXT NOT NULL,
    at       INTEGER NOT NULL,
    state    TEXT NOT NULL,
    amount   TEXT NOT NULL,
    currency TEXT NOT NULL
) STRICT;
CREATE INDEX observations_by_payment ON observations (profile, account, payment, id);

CREATE TABLE watches (
    profile  TEXT NOT NULL,
    account  TEXT NOT NULL,
    payment  TEXT NOT NULL,
    amount   TEXT,                  -- what is expected; both or neither
    currency TEXT,
    since    INTEGER NOT NULL,
    PRIMARY KEY (profile, account, payment)
) STRICT, WITHOUT ROWID;

CREATE TABLE credentials (
    profile TEXT NOT NULL,
    account TEXT NOT NULL,
    status  TEXT NOT NULL,          -- good, refused, unreachable
    at      INTEGER NOT NULL,
    why     TEXT NOT NULL,
    PRIMARY KEY (profile, account)
) STRICT, WITHOUT ROWID;
