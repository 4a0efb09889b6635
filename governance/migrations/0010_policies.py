"""Policies with their versions and replays; the runtime role adds versions and replays, and never changes them."""

import django.db.models.deletion
import tenants.kernel.models
from django.conf import settings
from django.db import migrations, models

RESTRICT = """
DO $body$
DECLARE grantee name; evidence text;
BEGIN
  FOREACH evidence IN ARRAY ARRAY['governance_policyversion', 'governance_policyreplay'] LOOP
    FOR grantee IN
      SELECT DISTINCT pg_get_userbyid(acl.grantee)
      FROM pg_class c, aclexplode(c.relacl) acl
      WHERE c.oid = to_regclass(evidence) AND acl.grantee <> c.relowner AND acl.grantee <> 0
    LOOP
      EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %I FROM %I', evidence, grantee);
    END LOOP;
  END LOOP;
END
$body$;
"""
WATCH = """
CREATE TRIGGER touches_rulebook AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION governance_touch_rulebook();
"""
WATCHED = ("governance_policy", "governance_policydefault")


class Migration(migrations.Migration):

    dependencies = [
        ("governance", "0009_identity"),
    ]

    operations = [
        migrations.CreateModel(
            name='Policy',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('slug', models.SlugField(help_text='Small letters, digits, - and _. Decisions and reviews name the rule by it.', unique=True, verbose_name='id')),
                ('name', models.CharField(help_text='What people are told when it stops a call.', max_length=80)),
                ('layer', models.CharField(choices=[('platform', 'platform'), ('tenant', 'tenant'), ('agent', 'agent')], default='tenant', max_length=10)),
                ('agent_id', models.UUIDField(blank=True, help_text='Of the agent layer: which agent.', null=True)),
                ('pack', models.CharField(blank=True, help_text='The pack that it came with.', max_length=30)),
            ],
            options={
                'verbose_name_plural': 'policies',
                'ordering': ['slug'],
                'permissions': [('activate_policy', 'Can put policies in force and out of force')],
            },
        ),
        migrations.CreateModel(
            name='PolicyDefault',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('read_only_may', models.BooleanField(default=True, help_text='Where no rule says anything about them.', verbose_name='calls that only read may run')),
                ('timezone', models.CharField(default='UTC', help_text='Of time.hour, time.weekday and time.date in rules.', max_length=60)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='one_policy_default')],
            },
        ),
        migrations.CreateModel(
            name='PolicyVersion',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('document', models.JSONField()),
                ('digest', models.CharField(max_length=64)),
                ('created_at', models.DateTimeField()),
                ('author', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='versions', to='governance.policy')),
            ],
            options={
                'ordering': ['-number'],
            },
        ),
        migrations.CreateModel(
            name='PolicyReplay',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('state', models.CharField(help_text='Digest of the versions in force then.', max_length=64)),
                ('report', models.JSONField()),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='replays', to='governance.policyversion')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.AddField(
            model_name='policy',
            name='active',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='governance.policyversion'),
        ),
        migrations.AddField(
            model_name='policy',
            name='shadow',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='governance.policyversion'),
        ),
        migrations.AddConstraint(
            model_name='policyversion',
            constraint=models.UniqueConstraint(fields=('policy', 'number'), name='one_policy_version_per_number'),
        ),
        migrations.AddConstraint(
            model_name='policy',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('agent_id__isnull', False), ('layer', 'agent')), models.Q(models.Q(('layer', 'agent'), _negated=True), ('agent_id__isnull', True)), _connector='OR'), name='agent_layer_names_an_agent'),
        ),
        *(
            migrations.RunSQL(WATCH.format(table=table), f"DROP TRIGGER touches_rulebook ON {table};")
            for table in WATCHED
        ),
        migrations.RunSQL(RESTRICT, migrations.RunSQL.noop),
    ]
