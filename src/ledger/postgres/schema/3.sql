-- Tables and columns have the names of the program's types: jobs, account keys, deduplication keys.
ALTER TABLE errands RENAME TO jobs;
ALTER SEQUENCE errands_id_seq RENAME TO jobs_id_seq;
ALTER INDEX errands_pkey RENAME TO jobs_pkey;
ALTER INDEX errands_by_delivery RENAME TO jobs_by_delivery;
ALTER INDEX errands_by_identity RENAME TO jobs_by_dedup_key;
ALTER INDEX errands_to_do RENAME TO jobs_due;
ALTER TABLE jobs RENAME COLUMN realm TO account_key;
ALTER TABLE jobs RENAME COLUMN identity TO dedup_key;
ALTER TABLE jobs RENAME COLUMN duty TO kind;
ALTER TABLE jobs RENAME COLUMN taken_until TO leased_until;
ALTER TABLE jobs RENAME COLUMN told TO summary;

ALTER TABLE deliveries RENAME COLUMN realm TO account_key;
ALTER TABLE deliveries RENAME COLUMN identity TO dedup_key;
ALTER INDEX deliveries_by_realm RENAME TO deliveries_by_account_key;
ALTER TABLE delivery_tally RENAME COLUMN realm TO account_key;

ALTER TABLE identities RENAME TO dedup_keys;
ALTER SEQUENCE identities_id_seq RENAME TO dedup_keys_id_seq;
ALTER INDEX identities_pkey RENAME TO dedup_keys_pkey;
ALTER INDEX identities_hash_key RENAME TO dedup_keys_hash_key;
ALTER INDEX identities_by_number RENAME TO dedup_keys_by_number;

ALTER TABLE handled RENAME COLUMN matter TO alert;

-- Its text has the names; what it does stays.
CREATE OR REPLACE FUNCTION count_deliveries() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    UPDATE delivery_tally SET rows = rows - 1, bytes = bytes - OLD.size
        WHERE class = OLD.class AND account_key = OLD.account_key AND account = OLD.account;
    DELETE FROM delivery_tally
        WHERE class = OLD.class AND account_key = OLD.account_key AND account = OLD.account AND rows <= 0;
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO delivery_tally VALUES (NEW.class, NEW.account_key, NEW.account, 1, NEW.size)
            ON CONFLICT (class, account_key, account) DO UPDATE
            SET rows = delivery_tally.rows + 1, bytes = delivery_tally.bytes + excluded.bytes;
    ELSE
        DELETE FROM jobs WHERE delivery = OLD.id;
    END IF;
    RETURN NULL;
END $$;
ALTER TRIGGER delivery_moved ON deliveries RENAME TO delivery_changed;
