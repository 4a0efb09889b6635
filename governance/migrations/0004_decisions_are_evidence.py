"""Let the runtime role add decisions and mark them consumed, and nothing else."""

from django.db import migrations

RESTRICT = """
DO $body$
DECLARE grantee name;
BEGIN
  FOR grantee IN
    SELECT DISTINCT pg_get_userbyid(acl.grantee)
    FROM pg_class c, aclexplode(c.relacl) acl
    WHERE c.oid = to_regclass('governance_policydecision') AND acl.grantee <> c.relowner AND acl.grantee <> 0
  LOOP
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON governance_policydecision FROM %I', grantee);
    EXECUTE format('GRANT UPDATE (consumed_at) ON governance_policydecision TO %I', grantee);
  END LOOP;
END
$body$;
"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0003_leaves_count_from_one")]

    operations = [migrations.RunSQL(RESTRICT, migrations.RunSQL.noop)]
