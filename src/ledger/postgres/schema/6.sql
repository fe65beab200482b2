-- When a callback's event happened, where the callback says so.
ALTER TABLE deliveries ADD COLUMN happened_at BIGINT;
-- A failure may have a status, too: a search by words looks at both.
ALTER TABLE exchanges DROP COLUMN words;
ALTER TABLE exchanges ADD COLUMN words TEXT NOT NULL GENERATED ALWAYS AS (lower(
    method || ' ' || url || ' ' || coalesce(CAST(status AS TEXT) || coalesce(' ' || failure, ''), failure, '') || ' ' || account
    || ' ' || about || ' ' || operator)) STORED;
