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
CREATE INDEX deliveries_accepted ON deliveries (realm, account, id) WHERE class = 0;
CREATE INDEX deliveries_by_realm ON deliveries (realm, id);
CREATE INDEX deliveries_by_payment ON deliveries (payment, id) WHERE payment IS NOT NULL;
CREATE INDEX deliveries_by_player ON deliveries (player, id) WHERE player IS NOT NULL;

-- Outlives the deliveries, so that one which comes again late is still known.
CREATE TABLE identities (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       BLOB NOT NULL UNIQUE,
    deliveries INTEGER NOT NULL,
    settled    INTEGER NOT NULL,       -- nothing about it can change any more
    seen_at    INTEGER NOT NULL,
    relayed    INTEGER NOT NULL,       -- the shop gives goods when it comes: these are bounded by themselves
    number     INTEGER NOT NULL        -- grows by one among those that are bounded together
) STRICT;
CREATE INDEX identities_by_number ON identities (relayed, number);

CREATE TABLE errands (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery    INTEGER NOT NULL,
    realm       TEXT NOT NULL,
    identity    INTEGER,
    duty        TEXT NOT NULL,
    target      TEXT NOT NULL,
    known       INTEGER NOT NULL,      -- of a payment that is watched or was seen before, or of none: goes first
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
CREATE INDEX errands_to_do ON errands (realm, duty, known, max(due_at, taken_until)) WHERE due_at IS NOT NULL;
CREATE INDEX errands_untried ON errands (realm, duty, known, max(due_at, taken_until))
    WHERE due_at IS NOT NULL AND tries = 0;

-- How much there is of each class, and whose, so that nobody has to count.
CREATE TABLE delivery_tally (
    class   INTEGER NOT NULL,
    realm   TEXT NOT NULL,
    account TEXT NOT NULL,
    rows    INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    PRIMARY KEY (class, realm, account)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER delivery_kept AFTER INSERT ON deliveries BEGIN
    INSERT INTO delivery_tally VALUES (NEW.class, NEW.realm, NEW.account, 1, NEW.size)
        ON CONFLICT DO UPDATE SET rows = rows + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER delivery_moved AFTER UPDATE OF class, size ON deliveries BEGIN
    INSERT INTO delivery_tally VALUES (NEW.class, NEW.realm, NEW.account, 1, NEW.size)
        ON CONFLICT DO UPDATE SET rows = rows + 1, bytes = bytes + excluded.bytes;
    UPDATE delivery_tally SET rows = rows - 1, bytes = bytes - OLD.size
        WHERE class = OLD.class AND realm = OLD.realm AND account = OLD.account;
    DELETE FROM delivery_tally WHERE class = OLD.class AND realm = OLD.realm AND account = OLD.account AND rows = 0;
END;
CREATE TRIGGER delivery_dropped AFTER DELETE ON deliveries BEGIN
    UPDATE delivery_tally SET rows = rows - 1, bytes = bytes - OLD.size
        WHERE class = OLD.class AND realm = OLD.realm AND account = OLD.account;
    DELETE FROM delivery_tally WHERE class = OLD.class AND realm = OLD.realm AND account = OLD.account AND rows = 0;
    DELETE FROM errands WHERE delivery = OLD.id;
END;
