from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("tenants", "0004_timers")]

    operations = [
        migrations.AddField(
            model_name="timer",
            name="failures",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="In a row; each postpones it longer."
            ),
        ),
    ]
