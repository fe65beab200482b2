-- Who did it, in a ledger that several operators share; empty where only this machine's user works with it.
ALTER TABLE exchanges ADD COLUMN operator TEXT NOT NULL DEFAULT '';
ALTER TABLE watches ADD COLUMN operator TEXT NOT NULL DEFAULT '';
ALTER TABLE expectations ADD COLUMN operator TEXT NOT NULL DEFAULT '';
ALTER TABLE handled ADD COLUMN operator TEXT NOT NULL DEFAULT '';
