-- Slots and holds are counted on the clock that the processes of one boot share and nobody sets; rows of another boot
-- begin their time anew. Rows of older versions belong to no boot.
ALTER TABLE slots ADD COLUMN boot TEXT NOT NULL DEFAULT '';
DROP INDEX slots_by_scope;
CREATE INDEX slots_by_scope ON slots (scope, boot, free_at);
ALTER TABLE holds ADD COLUMN boot TEXT NOT NULL DEFAULT '';

-- What a provider's clock showed (`date`), and this machine's clocks at the same instant. Times in milliseconds.
CREATE TABLE provider_times (
    key  TEXT PRIMARY KEY,          -- as in nonces
    date INTEGER NOT NULL,
    boot TEXT NOT NULL,
    at   INTEGER NOT NULL,
    wall INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
