"""Accounts that the tool delete_user has deleted."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("demo", "0002_tickets")]

    operations = [
        migrations.CreateModel(
            name="DeletedAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("username", models.CharField(max_length=150, unique=True)),
                ("deleted_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
    ]
