-- What operators note about payments.
CREATE TABLE notes (
    id       INTEGER PRIMARY KEY,
    profile  TEXT NOT NULL,
    account  TEXT NOT NULL,
    payment  TEXT NOT NULL,
    text     TEXT NOT NULL,
    at       INTEGER NOT NULL,
    operator TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX notes_by_payment ON notes (profile, account, payment, id);
