-- A provider answered 429 although slots were free: until then nothing is sent.
CREATE TABLE holds (
    scope TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
