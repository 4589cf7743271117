-- Up Migration
-- The bytes of all custom roles of each organization, so that the check of the limit does not read them. Deleted roles do
-- not count.

ALTER TABLE organizations ADD COLUMN role_bytes bigint NOT NULL DEFAULT 0;

CREATE FUNCTION count_role_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  added bigint := 0;
BEGIN
  -- An update never changes the organization of a role: it is part of the primary key.
  IF TG_OP <> 'DELETE' AND NEW.deleted_at IS NULL THEN added := octet_length(NEW.descriptor::text); END IF;
  IF TG_OP <> 'INSERT' AND OLD.deleted_at IS NULL THEN added := added - octet_length(OLD.descriptor::text); END IF;
  IF added <> 0 THEN
    UPDATE public.organizations SET role_bytes = role_bytes + added WHERE id = coalesce(NEW.organization_id, OLD.organization_id);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER count_role_bytes AFTER INSERT OR UPDATE OR DELETE ON roles FOR EACH ROW EXECUTE FUNCTION count_role_bytes();

UPDATE organizations AS o SET role_bytes = r.bytes
FROM (
  SELECT organization_id, sum(octet_length(descriptor::text)) AS bytes FROM roles WHERE deleted_at IS NULL GROUP BY organization_id
) AS r
WHERE o.id = r.organization_id;
