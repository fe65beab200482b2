-- The base URL of the API that reported the state: another host may know another payment by the same id.
ALTER TABLE observations ADD COLUMN api TEXT;
