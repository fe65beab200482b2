-- When a callback's event happened, where the callback says so.
ALTER TABLE deliveries ADD COLUMN happened_at INTEGER;
-- A failure may have a status, too: a search by words looks at both.
DROP INDEX exchanges_by_words;
ALTER TABLE exchanges DROP COLUMN words;
ALTER TABLE exchanges ADD COLUMN words TEXT GENERATED ALWAYS AS (lower(
    method || ' ' || url || ' ' || coalesce(CAST(status AS TEXT) || coalesce(' ' || failure, ''), failure, '') || ' ' || account
    || ' ' || about || ' ' || operator)) VIRTUAL;
CREATE INDEX exchanges_by_words ON exchanges (id, profile, account, status, method, operator, at, words);
