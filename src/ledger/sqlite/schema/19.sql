-- As with a shared ledger: one row, with a fingerprint of the key that seals callbacks.
ALTER TABLE identity RENAME TO ledger;
ALTER TABLE ledger ADD COLUMN seal_key TEXT;
CREATE UNIQUE INDEX one_ledger ON ledger ((1));
