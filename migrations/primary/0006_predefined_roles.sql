-- The set of predefined roles that the table "roles" contains. A release never overwrites a newer one.
CREATE TABLE predefined_role_set (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  version text NOT NULL,
  source text NOT NULL,
  loaded_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE ON predefined_role_set TO iam_control_plane;
