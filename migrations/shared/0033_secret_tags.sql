-- Up Migration
-- 16 bits of an HMAC of id and secret for each hash, which a service compares before argon2 (docs/security.md). NULL for secrets
-- that an older release has issued. The columns are no part of the fingerprint of a row: adding them there would rewrite the table
-- under an exclusive lock, and each change of a tag by the control plane comes with a new version.

ALTER TABLE api_keys ADD COLUMN secret_tag smallint, ADD COLUMN previous_secret_tag smallint;

-- A control plane of an older release changes a hash and not its tag. The old tag would refuse the new secret.
CREATE FUNCTION clear_outdated_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.secret_hash <> OLD.secret_hash AND NEW.secret_tag = OLD.secret_tag THEN
    NEW.secret_tag := NULL;
  END IF;
  IF NEW.previous_secret_hash IS DISTINCT FROM OLD.previous_secret_hash
    AND NEW.previous_secret_tag = OLD.previous_secret_tag
  THEN
    NEW.previous_secret_tag := NULL;
  END IF;
  RETURN NEW;
END
$$;
-- ALWAYS: a primary with an older schema replicates a hash and no tag, and the region keeps the tag that it has.
CREATE TRIGGER clear_outdated_tags BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION clear_outdated_tags();
ALTER TABLE api_keys ENABLE ALWAYS TRIGGER clear_outdated_tags;
