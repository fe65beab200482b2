-- Slots and holds are counted on the clock that the processes of one boot share and nobody sets; rows of another boot
-- begin their time anew. Rows of older versions belong to no boot.
ALTER TABLE slots ADD COLUMN boot TEXT NOT NULL DEFAULT '';
DROP INDEX slots_by_scope;
CREATE INDEX slots_by_scope ON slots (scope, boot, free_at);
ALTER TABLE holds ADD COLUMN boot TEXT NOT NULL DEFAULT '';

-- What a provider's clock showed (`date`), and this machine's clocks at the same instant. Times in milliseconds.
CREATE TABLE provider_times (
    key      TEXT NOT NULL,         -- as in nonces
    believed INTEGER NOT NULL,      -- 0: it contradicts what was believed before, and so few replies have said so
    replies  INTEGER NOT NULL,
    date     INTEGER NOT NULL,
    boot     TEXT NOT NULL,
    at       INTEGER NOT NULL,
    wall     INTEGER NOT NULL,
    PRIMARY KEY (key, believed)
) STRICT, WITHOUT ROWID;

-- The last time that is believed: how old a row is counts from it where the clock has jumped.
CREATE TABLE clock (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    believed  INTEGER NOT NULL,
    jumped_at INTEGER,              -- what the clock first said after a jump that has not lasted yet
    boot      TEXT NOT NULL,        -- the clock that nobody sets, when this was written
    since     INTEGER NOT NULL
) STRICT;
INSERT INTO clock (one, believed, boot, since)
    SELECT 1, max(at), '', 0 FROM (
        SELECT at FROM (SELECT at FROM exchanges ORDER BY id DESC LIMIT 1)
        UNION ALL SELECT at FROM (SELECT received_at AS at FROM deliveries ORDER BY id DESC LIMIT 1))
    HAVING max(at) IS NOT NULL;

-- Written to find out whether the disk takes something the size of a callback again; empty otherwise.
CREATE TABLE trial (bytes BLOB NOT NULL) STRICT;
