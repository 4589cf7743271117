-- Up Migration
-- The version above that of a deleted row. There is none above the highest bigint: the addition failed, and with it the apply worker,
-- which repeats the deletion for ever. Pods treat a version that they cannot compare as a change of everything.

CREATE OR REPLACE FUNCTION record_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM public.record_change('key', OLD.id, least(OLD.version, 9223372036854775806) + 1);
  ELSE
    PERFORM public.record_change('key', NEW.id, NEW.version);
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION record_role_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM public.record_change('roles',
      pg_catalog.json_build_array(OLD.organization_id, OLD.project_type, OLD.project_id)::text,
      least(OLD.version, 9223372036854775806) + 1);
  ELSE
    PERFORM public.record_change('roles',
      pg_catalog.json_build_array(NEW.organization_id, NEW.project_type, NEW.project_id)::text, NEW.version);
  END IF;
  RETURN NULL;
END
$$;
