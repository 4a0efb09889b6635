"""Guardrails: bindings with safe ones to begin with, what they found, and what was taken out."""

import django.core.validators
import django.db.models.deletion
import tenants.kernel.models
from django.conf import settings
from django.db import migrations, models


WATCH = """
CREATE TRIGGER touches_rulebook AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON governance_guardrailbinding
  FOR EACH STATEMENT EXECUTE FUNCTION governance_touch_rulebook();
"""
SEED = """
INSERT INTO governance_guardrailbinding
 (id, name, stage, check_name, action, threshold, tool, agent, config, restore_for_tools, marks_untrusted, enabled)
VALUES
 (gen_random_uuid(), 'Requests that are too long', 'input', 'length', 'block', 0.5, '*', '*', '{"most": 20000}', false, false, true),
 (gen_random_uuid(), 'Arguments that are too long', 'arguments', 'length', 'block', 0.5, '*', '*', '{"most": 200000}', false, false, true),
 (gen_random_uuid(), 'Secrets in arguments', 'arguments', 'secrets', 'log', 0.6, '*', '*', '{}', false, false, true),
 (gen_random_uuid(), 'Secrets in tool results', 'tool_output', 'secrets', 'redact', 0.6, '*', '*', '{}', false, false, true),
 (gen_random_uuid(), 'Instructions in tool results', 'tool_output', 'injection', 'log', 0.5, '*', '*', '{}', false, true, true),
 (gen_random_uuid(), 'Secrets in answers', 'output', 'secrets', 'redact', 0.6, '*', '*', '{}', false, false, true)
"""  # noqa: E501


class Migration(migrations.Migration):

    dependencies = [
        ("governance", "0010_policies"),
    ]

    operations = [
        migrations.CreateModel(
            name='GuardrailBinding',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(help_text='People see it where something was found.', max_length=80, unique=True)),
                ('stage', models.CharField(choices=[('input', 'what a run is asked'), ('arguments', 'arguments of a tool call'), ('tool_output', 'what a tool returns'), ('output', 'what a run answers')], max_length=12)),
                ('check_name', models.CharField(help_text='Such as secrets, pii, injection, length, banned, pattern, allow-list or schema.', max_length=40, verbose_name='check')),
                ('action', models.CharField(choices=[('log', 'log it'), ('redact', 'take it out'), ('require_approval', 'ask a person'), ('block', 'block')], max_length=20)),
                ('threshold', models.FloatField(default=0.5, help_text='From 0 to 1: findings that are less sure are left alone.', validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)])),
                ('tool', models.CharField(default='*', help_text='A name, or a pattern such as web_*.', max_length=120)),
                ('agent', models.CharField(default='*', help_text='A name, or a pattern such as Support*.', max_length=120)),
                ('config', models.JSONField(blank=True, default=dict, help_text='Settings of the check; {} for its own.')),
                ('restore_for_tools', models.BooleanField(default=False, help_text='For arguments that are taken out: these tools get the originals, people and models the tokens.')),
                ('marks_untrusted', models.BooleanField(default=False, help_text='A finding makes the run untrusted: what it does next asks a person sooner.')),
                ('enabled', models.BooleanField(default=True)),
                ('author', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['stage', 'name'],
            },
        ),
        migrations.CreateModel(
            name='GuardrailFinding',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('run_id', models.UUIDField()),
                ('step_id', models.UUIDField(null=True)),
                ('stage', models.CharField(choices=[('input', 'what a run is asked'), ('arguments', 'arguments of a tool call'), ('tool_output', 'what a tool returns'), ('output', 'what a run answers')], max_length=12)),
                ('binding', models.CharField(max_length=80)),
                ('check_name', models.CharField(max_length=40, verbose_name='check')),
                ('rule', models.CharField(max_length=60)),
                ('label', models.CharField(max_length=60)),
                ('score', models.FloatField()),
                ('pointer', models.CharField(max_length=200)),
                ('start', models.IntegerField()),
                ('end', models.IntegerField()),
                ('action', models.CharField(choices=[('log', 'log it'), ('redact', 'take it out'), ('require_approval', 'ask a person'), ('block', 'block')], max_length=20)),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['run_id'], name='governance__run_id_583706_idx')],
            },
        ),
        migrations.CreateModel(
            name='RedactedValue',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('run_id', models.UUIDField(editable=False)),
                ('token', models.CharField(editable=False, max_length=60)),
                ('label', models.CharField(editable=False, max_length=60)),
                ('stage', models.CharField(choices=[('input', 'what a run is asked'), ('arguments', 'arguments of a tool call'), ('tool_output', 'what a tool returns'), ('output', 'what a run answers')], editable=False, max_length=12)),
                ('check_name', models.CharField(editable=False, max_length=40, verbose_name='check')),
                ('ciphertext', models.BinaryField()),
                ('key_version', models.PositiveIntegerField(editable=False)),
                ('created_at', models.DateTimeField(editable=False)),
            ],
            options={
                'ordering': ['-id'],
                'permissions': [('reveal_redacted', 'Can see what was taken out of runs')],
                'constraints': [models.UniqueConstraint(fields=('run_id', 'token'), name='one_value_per_token')],
            },
        ),
        migrations.RunSQL(WATCH, "DROP TRIGGER touches_rulebook ON governance_guardrailbinding;"),
        migrations.RunSQL(SEED, migrations.RunSQL.noop),
    ]
