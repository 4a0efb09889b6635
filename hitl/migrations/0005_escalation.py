import django.core.validators
import django.db.models.deletion
import tenants.kernel.models
from django.conf import settings
from django.db import migrations, models

TABLES = ("hitl_escalationpolicyversion", "hitl_escalationevent")
PROTECT = """
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON {0}
  FOR EACH ROW EXECUTE FUNCTION governance_append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {0}
  FOR EACH STATEMENT EXECUTE FUNCTION governance_append_only();
"""
UNPROTECT = """
DROP TRIGGER append_only_rows ON {0};
DROP TRIGGER append_only_truncate ON {0};
"""


class Migration(migrations.Migration):

    dependencies = [
        ("hitl", "0004_decisions_of_record"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='EscalationEvent',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('kind', models.CharField(max_length=30)),
                ('generation', models.PositiveIntegerField()),
                ('loop', models.PositiveSmallIntegerField()),
                ('step', models.PositiveSmallIntegerField(help_text='Its number, from 1.', null=True)),
                ('detail', models.JSONField(default=dict)),
                ('review', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='escalation_events', to='hitl.review')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='EscalationHeartbeat',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('only', models.BooleanField(default=True, editable=False, unique=True)),
                ('at', models.DateTimeField(help_text='Withheld while something is late.', null=True)),
                ('checked_at', models.DateTimeField()),
                ('late', models.PositiveIntegerField(default=0, help_text='Escalations found late or missing.')),
            ],
            options={
                'verbose_name': 'escalation heartbeat',
            },
        ),
        migrations.CreateModel(
            name='EscalationPolicy',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80, unique=True)),
                ('description', models.TextField(blank=True)),
                ('is_default', models.BooleanField(default=False, help_text='For reviews that no other policy matches.')),
                ('enabled', models.BooleanField(default=True)),
                ('risks', models.JSONField(blank=True, default=list, help_text='Empty for every risk.')),
                ('tool', models.CharField(blank=True, help_text='A name, or a pattern such as refund_*. Empty for every tool.', max_length=120)),
                ('coverage', models.JSONField(default=list, editable=False, help_text='When nobody would be called, in words, as last simulated.')),
                ('coverage_at', models.DateTimeField(editable=False, null=True)),
            ],
            options={
                'verbose_name_plural': 'escalation policies',
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('is_default',), name='one_default_policy', violation_error_message='Another policy is the default; take the mark from it first.')],
            },
        ),
        migrations.CreateModel(
            name='EscalationPolicyVersion',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('steps', models.JSONField()),
                ('created_at', models.DateTimeField()),
                ('author', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='versions', to='hitl.escalationpolicy')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='EscalationState',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('status', models.CharField(choices=[('running', 'Running'), ('paused', 'Paused'), ('stopped', 'Stopped'), ('finished', 'Finished')], default='running', max_length=10)),
                ('step_index', models.PositiveSmallIntegerField(default=0)),
                ('loop_count', models.PositiveSmallIntegerField(default=0)),
                ('next_at', models.DateTimeField(null=True)),
                ('held_until', models.DateTimeField(help_text='Somebody works on it until then.', null=True)),
                ('remaining', models.DurationField(help_text='While paused: how long the next step was away.', null=True)),
                ('generation', models.PositiveIntegerField(default=0)),
                ('missed', models.BooleanField(default=False, help_text='A step found nobody to tell.')),
                ('added', models.JSONField(default=list, help_text='Ids of people who were added by a step.')),
                ('repaired_generation', models.PositiveIntegerField(null=True)),
                ('review', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='escalation', to='hitl.review')),
                ('version', models.ForeignKey(help_text='Empty for the built-in policy.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='hitl.escalationpolicyversion')),
            ],
            options={
                'verbose_name': 'escalation',
                'ordering': ['-id'],
                'permissions': [('steer_escalation', 'Can force, pause, resume and re-pin escalations')],
            },
        ),
        migrations.CreateModel(
            name='RoundRobinPointer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('step_index', models.PositiveSmallIntegerField()),
                ('position', models.PositiveSmallIntegerField(default=0)),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='hitl.escalationpolicyversion')),
            ],
        ),
        migrations.CreateModel(
            name='ServiceLevel',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('priority', models.CharField(choices=[('critical', 'critical'), ('high', 'high'), ('medium', 'medium'), ('low', 'low')], max_length=10)),
                ('risk', models.CharField(blank=True, choices=[('critical', 'critical'), ('high', 'high'), ('medium', 'medium'), ('low', 'low')], help_text='Empty for every risk.', max_length=10)),
                ('respond_within_s', models.PositiveIntegerField(help_text='Seconds, 30 to 1,209,600 (14 days). Never later than the review expires.', validators=[django.core.validators.MinValueValidator(30), django.core.validators.MaxValueValidator(1209600)])),
                ('warn_at_percent', models.PositiveSmallIntegerField(default=75, help_text='Warn when so much of the time has passed.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(99)])),
            ],
            options={
                'ordering': ['priority', 'risk'],
                'constraints': [models.UniqueConstraint(fields=('priority', 'risk'), name='one_service_level_each', violation_error_message='There is a service level for this priority and risk already.')],
            },
        ),
        migrations.AddConstraint(
            model_name='escalationpolicyversion',
            constraint=models.UniqueConstraint(fields=('policy', 'number'), name='one_version_per_number'),
        ),
        migrations.AddIndex(
            model_name='escalationstate',
            index=models.Index(fields=['status', 'next_at'], name='hitl_escala_status_f96687_idx'),
        ),
        migrations.AddConstraint(
            model_name='roundrobinpointer',
            constraint=models.UniqueConstraint(fields=('version', 'step_index'), name='one_turn_per_step'),
        ),
        *[migrations.RunSQL(PROTECT.format(table), UNPROTECT.format(table)) for table in TABLES],
    ]
