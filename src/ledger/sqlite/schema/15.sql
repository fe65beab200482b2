-- Tables and columns have the names of the program's types: jobs, account keys, deduplication keys.
DROP TRIGGER delivery_kept;
DROP TRIGGER delivery_moved;
DROP TRIGGER delivery_dropped;
DROP INDEX errands_by_delivery;
DROP INDEX errands_by_identity;
DROP INDEX errands_to_do;
DROP INDEX errands_untried;
DROP INDEX deliveries_by_realm;
DROP INDEX identities_by_number;

ALTER TABLE errands RENAME TO jobs;
ALTER TABLE jobs RENAME COLUMN realm TO account_key;
ALTER TABLE jobs RENAME COLUMN identity TO dedup_key;
ALTER TABLE jobs RENAME COLUMN duty TO kind;
ALTER TABLE jobs RENAME COLUMN taken_until TO leased_until;
ALTER TABLE jobs RENAME COLUMN told TO summary;
ALTER TABLE deliveries RENAME COLUMN realm TO account_key;
ALTER TABLE deliveries RENAME COLUMN identity TO dedup_key;
ALTER TABLE delivery_tally RENAME COLUMN realm TO account_key;
ALTER TABLE identities RENAME TO dedup_keys;
ALTER TABLE handled RENAME COLUMN matter TO alert;
ALTER TABLE trial RENAME TO probe;

CREATE INDEX deliveries_by_account_key ON deliveries (account_key, id);
CREATE INDEX dedup_keys_by_number ON dedup_keys (relayed, number);
CREATE INDEX jobs_by_delivery ON jobs (delivery);
CREATE INDEX jobs_by_dedup_key ON jobs (dedup_key) WHERE dedup_key IS NOT NULL;
CREATE INDEX jobs_due ON jobs (account_key, kind, known, max(due_at, leased_until)) WHERE due_at IS NOT NULL;
CREATE INDEX jobs_untried ON jobs (account_key, kind, known, max(due_at, leased_until))
    WHERE due_at IS NOT NULL AND tries = 0;

CREATE TRIGGER delivery_added AFTER INSERT ON deliveries BEGIN
    INSERT INTO delivery_tally VALUES (NEW.class, NEW.account_key, NEW.account, 1, NEW.size)
        ON CONFLICT DO UPDATE SET rows = rows + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER delivery_changed AFTER UPDATE OF class, size ON deliveries BEGIN
    INSERT INTO delivery_tally VALUES (NEW.class, NEW.account_key, NEW.account, 1, NEW.size)
        ON CONFLICT DO UPDATE SET rows = rows + 1, bytes = bytes + excluded.bytes;
    UPDATE delivery_tally SET rows = rows - 1, bytes = bytes - OLD.size
        WHERE class = OLD.class AND account_key = OLD.account_key AND account = OLD.account;
    DELETE FROM delivery_tally
        WHERE class = OLD.class AND account_key = OLD.account_key AND account = OLD.account AND rows = 0;
END;
CREATE TRIGGER delivery_deleted AFTER DELETE ON deliveries BEGIN
    UPDATE delivery_tally SET rows = rows - 1, bytes = bytes - OLD.size
        WHERE class = OLD.class AND account_key = OLD.account_key AND account = OLD.account;
    DELETE FROM delivery_tally
        WHERE class = OLD.class AND account_key = OLD.account_key AND account = OLD.account AND rows = 0;
    DELETE FROM jobs WHERE delivery = OLD.id;
END;
