"""Make the audit tables append-only: by trigger for everybody, by grant for the runtime role."""

from django.db import migrations

TABLES = ("governance_auditevent", "governance_auditleaf", "governance_auditcheckpoint")

FUNCTION = """
CREATE FUNCTION governance_append_only() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END
$body$;
"""

PROTECT = """
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION governance_append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION governance_append_only();
DO $body$
DECLARE grantee name;
BEGIN
  FOR grantee IN
    SELECT DISTINCT pg_get_userbyid(acl.grantee)
    FROM pg_class c, aclexplode(c.relacl) acl
    WHERE c.oid = to_regclass('{table}') AND acl.grantee <> c.relowner AND acl.grantee <> 0
  LOOP
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM %I', grantee);
  END LOOP;
END
$body$;
"""

UNPROTECT = """
DROP TRIGGER append_only_rows ON {table};
DROP TRIGGER append_only_truncate ON {table};
"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0001_initial")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION governance_append_only();"),
        *(migrations.RunSQL(PROTECT.format(table=t), UNPROTECT.format(table=t)) for t in TABLES),
    ]
