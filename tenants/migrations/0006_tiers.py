"""Tiers, the state of tenants, and a function that copies the template for whoever may not make schemas."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import tenants.tiers.models

TIERS = """
INSERT INTO tenants_tier (slug, rank, agents, people, runs_per_day, tokens_per_month, concurrent_runs,
  requests_per_minute, storage_mb, features)
VALUES
  ('FREE', 10, 2, 3, 50, 200000, 1, 60, 100, '[]'),
  ('STARTER', 20, 10, 25, 1000, 5000000, 5, 600, 1024, '["http_tools", "notification_endpoints"]'),
  ('PROFESSIONAL', 30, 100, 250, 20000, 100000000, 25, 3000, 51200,
   '["http_tools", "notification_endpoints", "mcp_servers", "custom_roles", "standing_grants"]'),
  ('ENTERPRISE', 40, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '["*"]');
"""

# The template is run as the owner, so nobody else may write it.
PROTECT = """
DO $body$
DECLARE grantee name;
BEGIN
  FOR grantee IN
    SELECT DISTINCT pg_get_userbyid(acl.grantee)
    FROM pg_class c, aclexplode(c.relacl) acl
    WHERE c.oid = to_regclass('public.tenants_schematemplate') AND acl.grantee <> c.relowner AND acl.grantee <> 0
  LOOP
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON public.tenants_schematemplate FROM %I', grantee);
  END LOOP;
END
$body$;
"""

COPY = """
CREATE FUNCTION public.tenants_copy_template(new_schema text, wanted text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE template text;
BEGIN
  IF new_schema !~ '^[a-z][a-z0-9_]{1,47}$' OR new_schema ~ '^pg_' THEN
    RAISE EXCEPTION 'not a name of a tenant: %', new_schema USING ERRCODE = 'invalid_schema_name';
  END IF;
  SELECT t.sql INTO template FROM public.tenants_schematemplate t WHERE t.fingerprint = wanted;
  IF template IS NULL THEN
    RAISE EXCEPTION 'no such template' USING ERRCODE = 'no_data_found';
  END IF;
  EXECUTE replace(template, 'cstemplate_q7x2m9zk', '"' || new_schema || '"');
END
$body$;
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0005_timer_failures")]

    operations = [
        migrations.CreateModel(
            name="Tier",
            fields=[
                (
                    "slug",
                    models.CharField(
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z][A-Z0-9_]*\\Z", "Use A-Z, 0-9 and _, starting with a letter."
                            )
                        ],
                    ),
                ),
                ("rank", models.PositiveSmallIntegerField(help_text="Higher tiers have more; a refusal names the next one.")),
                ("agents", models.PositiveIntegerField(blank=True, null=True)),
                ("people", models.PositiveIntegerField(blank=True, help_text="Active people.", null=True)),
                ("runs_per_day", models.PositiveIntegerField(blank=True, help_text="Days are of UTC.", null=True)),
                ("tokens_per_month", models.PositiveBigIntegerField(blank=True, help_text="Input and output.", null=True)),
                ("concurrent_runs", models.PositiveIntegerField(blank=True, help_text="Runs that workers have at once; the others queue.", null=True)),
                ("requests_per_minute", models.PositiveIntegerField(blank=True, help_text="To the API.", null=True)),
                ("storage_mb", models.PositiveIntegerField(blank=True, help_text="Stated; nothing is stored as files yet.", null=True)),
                ("features", models.JSONField(blank=True, default=list, help_text='A list of the features included; ["*"] for all, those that come later too.', validators=[tenants.tiers.models.check_features])),
            ],
            options={
                "ordering": ["rank", "slug"],
                "constraints": [models.UniqueConstraint(fields=("rank",), name="one_tier_per_rank")],
            },
        ),
        migrations.RunSQL(TIERS, migrations.RunSQL.noop),
        migrations.AlterModelOptions("tenant", {"permissions": [("suspend_tenant", "Can suspend and activate tenants")]}),
        migrations.AddField("tenant", "tier", models.ForeignKey(default="ENTERPRISE", on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tier")),
        migrations.AddField("tenant", "overrides", models.JSONField(blank=True, default=dict, help_text="Limits agreed with this tenant, in place of its tier's.")),
        migrations.AddField("tenant", "state", models.CharField(choices=[("provisioning", "Provisioning"), ("active", "Active"), ("suspended", "Suspended")], db_default="active", default="active", editable=False, max_length=12)),
        migrations.AddField("tenant", "state_reason", models.CharField(blank=True, editable=False, max_length=200, default=""), preserve_default=False),
        migrations.AddField("tenant", "state_by", models.CharField(blank=True, editable=False, max_length=150, default=""), preserve_default=False),
        migrations.AddField("tenant", "state_at", models.DateTimeField(editable=False, null=True)),
        migrations.RunSQL(PROTECT, migrations.RunSQL.noop),
        migrations.RunSQL(COPY, "DROP FUNCTION public.tenants_copy_template(text, text);"),
    ]
