-- What providers send of their own accord, and what is to be done about it. Times and lengths of time as in step 1.

CREATE TABLE deliveries (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    class       INTEGER NOT NULL,      -- what it is dropped by: 0 accepted, 1 repeats, 2 all else, 3 not at all: an errand is due
    size        INTEGER NOT NULL,      -- its errands' replies included
    realm       TEXT NOT NULL,
    account     TEXT NOT NULL,
    provider    TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    sender      TEXT NOT NULL,
    method      TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    why         TEXT NOT NULL,
    kind        TEXT NOT NULL,
    payment     TEXT,                  -- one of these two, or neither
    player      TEXT,
    identity    INTEGER,
    attempt     INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    sealed      BLOB NOT NULL
) STRICT;
CREATE INDEX deliveries_by_class ON deliveries (class, id);
CREATE INDEX deliveries_by_realm ON deliveries (realm, id);
CREATE INDEX deliveries_by_payment ON deliveries (payment, id) WHERE payment IS NOT NULL;
CREATE INDEX deliveries_by_player ON deliveries (player, id) WHERE player IS NOT NULL;

-- Outlives the deliveries, so that one which comes again late is still known.
CREATE TABLE identities (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       BLOB NOT NULL UNIQUE,
    deliveries INTEGER NOT NULL,
    settled    INTEGER NOT NULL,       -- nothing about it can change any more
    seen_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE errands (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery    INTEGER NOT NULL,
    realm       TEXT NOT NULL,
    identity    INTEGER,
    duty        TEXT NOT NULL,
    target      TEXT NOT NULL,
    tries       INTEGER NOT NULL,
    due_at      INTEGER,               -- NULL once it is done or given up
    taken_until INTEGER NOT NULL,      -- in somebody's hand until then
    done        INTEGER NOT NULL,
    tried_at    INTEGER,
    told        TEXT NOT NULL,
    status      INTEGER,
    took        INTEGER,
    reply       BLOB
) STRICT;
CREATE INDEX errands_by_delivery ON errands (delivery);
CREATE INDEX errands_by_identity ON errands (identity) WHERE identity IS NOT NULL;
CREATE INDEX errands_to_do ON errands (realm, max(due_at, taken_until)) WHERE due_at IS NOT NULL;

-- How much there is of each class, so that nobody has to count.
CREATE TABLE delivery_tally (
    class INTEGER PRIMARY KEY,
    rows  INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO delivery_tally VALUES (0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0);

CREATE TRIGGER delivery_kept AFTER INSERT ON deliveries BEGIN
    UPDATE delivery_tally SET rows = rows + 1, bytes = bytes + NEW.size WHERE class = NEW.class;
END;
CREATE TRIGGER delivery_moved AFTER UPDATE OF class, size ON deliveries BEGIN
    UPDATE delivery_tally SET rows = rows - 1, bytes = bytes - OLD.size WHERE class = OLD.class;
    UPDATE delivery_tally SET rows = rows + 1, bytes = bytes + NEW.size WHERE class = NEW.class;
END;
CREATE TRIGGER delivery_dropped AFTER DELETE ON deliveries BEGIN
    UPDATE delivery_tally SET rows = rows - 1, bytes = bytes - OLD.size WHERE class = OLD.class;
    DELETE FROM errands WHERE delivery = OLD.id;
END;
