-- What is expected of a payment, every change of it: the newest row is in force. Outlives the watch list.
CREATE TABLE expectations (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    profile  TEXT NOT NULL,
    account  TEXT NOT NULL,
    payment  TEXT NOT NULL,
    amount   TEXT NOT NULL,
    currency TEXT NOT NULL,
    set_by   TEXT NOT NULL,         -- link, form, command, list
    at       INTEGER NOT NULL
) STRICT;
CREATE INDEX expectations_by_payment ON expectations (profile, account, payment, id);

INSERT INTO expectations (profile, account, payment, amount, currency, set_by, at)
    SELECT profile, account, payment, amount, currency, 'form', since FROM watches
    WHERE amount IS NOT NULL AND currency IS NOT NULL;
ALTER TABLE watches DROP COLUMN amount;
ALTER TABLE watches DROP COLUMN currency;

-- What needed attention and was marked as handled.
CREATE TABLE handled (
    profile TEXT NOT NULL,
    matter  TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (profile, matter)
) STRICT, WITHOUT ROWID;
