-- When a callback's event happened, where the callback says so.
ALTER TABLE deliveries ADD COLUMN happened_at BIGINT;
