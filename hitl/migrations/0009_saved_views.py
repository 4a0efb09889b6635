"""Saved views, and the index that a search in reviews uses."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.kernel.models

SEARCH = """
CREATE INDEX hitl_review_search ON hitl_review USING gin (
  to_tsvector('simple'::regconfig, translate(tool || ' ' || agent_name || ' ' || reason, '_-/.', '    '))
);
CREATE INDEX hitl_review_decided ON hitl_review (decided_at DESC, id DESC) WHERE decided_at IS NOT NULL;
"""
NO_SEARCH = "DROP INDEX hitl_review_search; DROP INDEX hitl_review_decided;"


class Migration(migrations.Migration):

    dependencies = [
        ("hitl", "0008_preferences"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='SavedView',
            fields=[
                ('id', models.UUIDField(default=tenants.kernel.models.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=60)),
                ('shared', models.BooleanField(default=False, help_text='Everybody who may see reviews has it.')),
                ('filters', models.JSONField(default=dict, help_text='As in the address of the list.')),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name', 'id'],
                'permissions': [('share_savedview', 'Can share saved views'), ('view_analytics', 'Can see the figures of every reviewer')],
                'constraints': [models.UniqueConstraint(fields=('owner', 'name'), name='one_view_of_a_name')],
            },
        ),
        migrations.RunSQL(SEARCH, NO_SEARCH),
    ]
