-- Each request needs the number of slots in use. Counting their rows took longer than all else that it does.
-- The ids are random, so they need no sequence either.
CREATE TABLE slots_with_random_ids (
    id      INTEGER PRIMARY KEY,
    scope   TEXT NOT NULL,
    period  INTEGER NOT NULL,
    flight  INTEGER NOT NULL,       -- how long a request can last
    seen_at INTEGER,                -- when its reply was seen; NULL while in flight
    free_at INTEGER NOT NULL,
    boot    TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO slots_with_random_ids (id, scope, period, flight, seen_at, free_at, boot)
    SELECT id, scope, period, flight, seen_at, free_at, boot FROM slots;
DROP TABLE slots;
ALTER TABLE slots_with_random_ids RENAME TO slots;
CREATE INDEX slots_by_scope ON slots (scope, boot, free_at);

-- The number of rows in slots, those that are free and not deleted yet among them.
CREATE TABLE slot_tally (
    scope TEXT PRIMARY KEY,
    rows  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO slot_tally SELECT scope, count(*) FROM slots GROUP BY scope;
CREATE TRIGGER slot_taken AFTER INSERT ON slots BEGIN
    INSERT INTO slot_tally VALUES (NEW.scope, 1) ON CONFLICT DO UPDATE SET rows = rows + 1;
END;
CREATE TRIGGER slot_freed AFTER DELETE ON slots BEGIN
    UPDATE slot_tally SET rows = rows - 1 WHERE scope = OLD.scope;
    DELETE FROM slot_tally WHERE scope = OLD.scope AND rows = 0;
END;
