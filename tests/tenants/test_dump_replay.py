"""A dump of the template becomes SQL that one round trip can replay, with the template's exact grants."""

from tenants.tenancy.operations import replayable

DUMP = r"""--
-- PostgreSQL database dump
--
\restrict abc

SET statement_timeout = 0;
SET default_tablespace = '';
SELECT pg_catalog.set_config('search_path', '', false);

CREATE SCHEMA tpl;

CREATE TABLE tpl.event (
    id uuid NOT NULL
);

INSERT INTO tpl.role VALUES (1, 'admin');
SELECT pg_catalog.setval('tpl.role_id_seq', 1, true);

GRANT USAGE ON SCHEMA tpl TO cs_app;
GRANT SELECT,INSERT ON TABLE tpl.event TO cs_app;
GRANT SELECT ON TABLE tpl.event TO cs_reader;

\unrestrict abc
"""


class TestReplayable:
    def test_drops_comments_psql_commands_and_session_settings(self) -> None:
        lines = replayable(DUMP, "tpl").splitlines()
        assert not [line for line in lines if line.startswith(("--", "\\", "SET "))]
        assert "set_config" not in "".join(lines)
        assert "" not in lines

    def test_keeps_statements_and_sequence_values_in_order(self) -> None:
        lines = replayable(DUMP, "tpl").splitlines()
        assert lines[:4] == ["CREATE SCHEMA tpl;", "CREATE TABLE tpl.event (", "    id uuid NOT NULL", ");"]
        assert "SELECT pg_catalog.setval('tpl.role_id_seq', 1, true);" in lines

    def test_takes_every_right_back_before_the_first_grant(self) -> None:
        lines = replayable(DUMP, "tpl").splitlines()
        first_grant = next(n for n, line in enumerate(lines) if line.startswith("GRANT"))
        assert lines[first_grant - 2 : first_grant] == [
            "REVOKE ALL ON ALL TABLES IN SCHEMA tpl FROM cs_app;",
            "REVOKE ALL ON ALL TABLES IN SCHEMA tpl FROM cs_reader;",
        ]
        assert [line for line in lines if line.startswith("GRANT")] == [
            line for line in DUMP.splitlines() if line.startswith("GRANT")
        ]

    def test_of_a_dump_without_grants_revokes_nothing(self) -> None:
        assert replayable("CREATE SCHEMA tpl;\n", "tpl") == "CREATE SCHEMA tpl;"
