"""The migrations on disk say what the models say."""

from django.core.management import call_command


class TestMigrations:
    def test_miss_nothing(self, platform: None) -> None:
        call_command("makemigrations", check=True, dry_run=True, verbosity=0)
