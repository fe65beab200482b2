-- What this file is called where it is imported: a copy elsewhere is the same ledger.
CREATE TABLE identity (id TEXT NOT NULL);
INSERT INTO identity VALUES (lower(hex(randomblob(16))));
