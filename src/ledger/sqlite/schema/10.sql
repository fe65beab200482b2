-- The profile of the account; empty of older rows, whose profile is unknown.
ALTER TABLE exchanges ADD COLUMN profile TEXT NOT NULL DEFAULT '';
-- What a search by words looks at. It is in the index alone, so that older rows need not be written again.
ALTER TABLE exchanges ADD COLUMN words TEXT GENERATED ALWAYS AS (lower(
    method || ' ' || url || ' ' || coalesce(CAST(status AS TEXT), failure, '') || ' ' || account || ' ' || about
    || ' ' || operator)) VIRTUAL;
-- All that a search compares: reading the rows themselves means reading bodies, ten times as long.
CREATE INDEX exchanges_by_words ON exchanges (id, profile, account, status, method, operator, at, words);
CREATE INDEX exchanges_by_about ON exchanges (about, id);
DROP INDEX exchanges_by_account;
