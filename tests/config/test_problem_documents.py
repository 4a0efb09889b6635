"""Whatever goes wrong, the API answers with one kind of document."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.test import RequestFactory
from drf_spectacular.validation import validate_schema

from config import errors
from tests.config.routes import routes

API = "/api/v1"
FIELDS = {"type", "title", "status", "detail", "code", "trace_id", "errors"}


@pytest.fixture
def client(client_of: Callable[..., Any], alice: Any) -> Any:
    """Return a client that answers like the server: a defect is a 500, not an exception."""
    client = client_of(alice)
    client.raise_request_exception = False
    return client


def assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response["Content-Type"] == "application/problem+json", response.content[:200]
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert set(body) >= FIELDS
    assert body["type"] == f"urn:countersign:problem:{code}"
    assert body["title"]
    assert "{" not in body["title"]
    assert len(body["trace_id"]) == 32
    return body


class TestShape:
    def test_of_fields_that_are_not_valid_names_each_place(self, client: Any) -> None:
        response = client.post(f"{API}/agents", {"tools": ["a", {"b": 1}], "config": 7}, format="json")
        places = {error["at"] for error in assert_problem(response, 422, "invalid-input")["errors"]}
        assert places == {"/name", "/blueprint", "/config", "/tools/1"}

    def test_carries_the_callers_trace(self, client: Any) -> None:
        headers = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
        response = client.get(f"{API}/agents/nope", headers=headers)
        assert assert_problem(response, 404, "not-found")["trace_id"] == "a" * 32
        assert response["X-Request-Id"] == "a" * 32

    @pytest.mark.parametrize(
        "header", ["", "x", f"00-{'A' * 32}-{'b' * 16}-01", f"00-{'a' * 33}-{'b' * 16}-01\n"]
    )
    def test_makes_a_trace_up_where_the_caller_gave_none(self, client: Any, header: str) -> None:
        response = client.get(f"{API}/agents/nope", headers={"traceparent": header.strip()})
        assert assert_problem(response, 404, "not-found")["trace_id"] != header

    def test_of_a_missing_credential_says_how_to_sign_in(self, client_of: Any) -> None:
        response = client_of().get(f"{API}/agents")
        assert_problem(response, 401, "not-authenticated")
        assert response["WWW-Authenticate"] == "Bearer"

    def test_has_a_title_for_people(self, client: Any) -> None:
        response = client.post(f"{API}/agents", "x", content_type="text/plain")
        body = assert_problem(response, 415, "unsupported-media-type")
        assert (body["title"], body["detail"]) == (
            "Unsupported Media Type",
            'Unsupported media type "text/plain" in request.',
        )


class TestBodies:
    def test_that_are_no_json_are_refused(self, client: Any) -> None:
        for body in ["{", "", "nonsense", '{"name": NaN}', '{"name": Infinity}', b'{"name": "\xff"}', "\x00"]:
            response = client.generic("POST", f"{API}/agents", body, "application/json")
            code = "parse-error" if body else "invalid-input"
            assert_problem(response, 400 if body else 422, code)

    def test_that_are_no_object_are_refused(self, client: Any) -> None:
        for body in ["[]", "1", '"x"', "null", "true", "[1]"]:
            response = client.generic("POST", f"{API}/agents", body, "application/json")
            assert_problem(response, 422, "invalid-input")

    def test_nested_without_end_are_refused(self, client: Any) -> None:
        for path in ("auth/login", "agents"):
            response = client.generic("POST", f"{API}/{path}", "[" * 100_000, "application/json")
            assert_problem(response, 422, "invalid-input")

    def test_that_are_too_large_are_refused(self, client: Any, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        body = '{"name": "' + "x" * 2000 + '"}'
        response = client.generic("POST", f"{API}/agents", body, "application/json")
        assert_problem(response, 400, "bad-request")

    def test_of_other_types_are_refused(self, client: Any) -> None:
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]:
            response = client.generic("POST", f"{API}/agents", "x=1", kind)
            assert_problem(response, 415, "unsupported-media-type")

    def test_with_what_cannot_be_stored_are_refused(self, client: Any) -> None:
        for config in [
            r'{"instructions": "\u0000"}',
            r'{"instructions": "\ud800"}',
            r'{"\u0000": 1}',
            '{"max_turns": 1e400}',
            '{"max_turns": 99999999999999999999}',
        ]:
            body = '{"name": "n", "blueprint": "assistant", "config": ' + config + "}"
            response = client.generic("POST", f"{API}/agents", body, "application/json")
            assert_problem(response, 422, "invalid-input")


class TestPaths:
    def test_that_lead_nowhere(self, client: Any) -> None:
        for path in ["", "nope", "agents/", "agents/x/y", "agents/not-an-id/execute", "../v2", "auth/login/"]:
            assert_problem(client.get(f"{API}/{path}"), 404, "not-found")

    @pytest.mark.parametrize("path", ["agents", "runs", "hitl/queue", "governance/audit"])
    def test_to_things_that_do_not_exist(self, client: Any, path: str) -> None:
        for key in ["not-an-id", "%00", "0", "01890000-0000-7000-8000-000000000000"]:
            assert_problem(client.get(f"{API}/{path}/{key}"), 404, "not-found")

    @pytest.mark.parametrize(
        ("name", "status", "code"),
        [("nothing", 404, "not-found"), ("%00", 422, "invalid-input"), ("%ED%A0%80", 404, "not-found")],
    )
    def test_to_tools_that_do_not_exist(self, client: Any, name: str, status: int, code: str) -> None:
        assert_problem(client.get(f"{API}/tools/{name}"), status, code)

    def test_outside_the_api_lead_to_pages(self, client: Any) -> None:
        response = client.get("/nope")
        assert (response.status_code, response["Content-Type"].partition(";")[0]) == (404, "text/html")

    def test_with_a_method_that_is_not_offered(self, client: Any) -> None:
        assert_problem(client.get(f"{API}/auth/login"), 405, "method-not-allowed")

    def test_asked_for_in_another_form(self, client: Any) -> None:
        assert_problem(client.get(f"{API}/agents", headers={"accept": "text/html"}), 406, "not-acceptable")


class TestQueries:
    def test_that_make_no_sense_are_refused(self, client: Any) -> None:
        for query in [
            "runs?status=gone",
            "runs?agent=x",
            "hitl/queue?run=x",
            "governance/audit?since=yesterday",
            "agents?name=%00",
            "tools?risk=none",
            "tools?enabled=maybe",
            "hitl/queue?status=%00",
        ]:
            response = client.get(f"{API}/{query}")
            if query == "tools?enabled=maybe":
                assert response.status_code == 200  # an unknown value of a yes-or-no filter is no filter
            else:
                assert_problem(response, 422, "invalid-input")

    @pytest.mark.parametrize(
        "path", ["agents", "runs", "tools", "hitl/queue", "governance/audit", "governance/audit/checkpoints"]
    )
    def test_with_a_cursor_nobody_gave_are_refused(self, client: Any, path: str) -> None:
        for cursor in ["zzz", "p=\x00", "p=zzz", "p=1;drop", "r=1&p=x", "o=-1&p=x", "o=x"]:
            encoded = cursor if cursor == "zzz" else base64.b64encode(cursor.encode()).decode()
            assert_problem(client.get(f"{API}/{path}?cursor={quote(encoded)}"), 404, "not-found")


class TestCredentials:
    def test_that_are_unknown_are_refused(self, client_of: Any) -> None:
        for header in [
            "Bearer",
            "Bearer x",
            "Bearer a b",
            "Token x",
            "Basic YWxpY2U6ZGVtbw==",
            "Bearer " + "x" * 5000,
        ]:
            assert_problem(
                client_of().get(f"{API}/agents", headers={"Authorization": header}), 401, "not-authenticated"
            )

    def test_that_are_no_text_are_refused(self, client_of: Any) -> None:
        response = client_of().get(f"{API}/agents", headers={"Authorization": "Bearer \xff\xfe"})
        assert_problem(response, 422, "invalid-input")

    def test_of_a_session_do_not_replace_the_form_token(self, alice: Any) -> None:
        from rest_framework.test import APIClient

        client = APIClient(enforce_csrf_checks=True, headers={"host": "acme.localhost"})
        client.force_login(alice)
        assert client.get(f"{API}/agents").status_code == 200
        made = client.post(f"{API}/agents", {"name": "n", "blueprint": "assistant"}, format="json")
        assert_problem(made, 403, "permission-denied")


class TestDefects:
    @pytest.mark.parametrize(
        ("handler", "status", "code"),
        [
            (errors.bad_request, 400, "bad-request"),
            (errors.forbidden, 403, "permission-denied"),
            (errors.not_found, 404, "not-found"),
            (errors.server_error, 500, "internal-error"),
        ],
    )
    def test_are_problems_too(self, handler: Any, status: int, code: str) -> None:
        response = handler(RequestFactory().get(f"{API}/agents"))
        assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")

    def test_in_a_view_tell_nothing_of_their_cause(
        self, client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from agents.catalog.api import AgentViewSet

        def broken(self: Any, request: Any) -> Any:
            raise ZeroDivisionError("a secret")

        monkeypatch.setattr(AgentViewSet, "list", broken)
        response = client.get(f"{API}/agents")
        assert_problem(response, 500, "internal-error")
        assert "secret" not in response.content.decode()


class TestHosts:
    def test_that_name_no_tenant(self, client_of: Any) -> None:
        for host in [
            "nobody.localhost",
            "evil.example",
            "acme.localhost.evil.example",
            "acme",
            "127.0.0.1",
            "[::1]",
            "a..b",
            "x" * 300,
            "acme.localhost:80:80",
            "acme.localhost@evil.example",
            "acme_.localhost",
            "public.localhost",
            "cstemplate_q7x2m9zk.localhost",
        ]:
            for path in (f"{API}/agents", "/", "/admin/"):
                assert_problem(client_of(host=host).get(path), 404, "unknown-tenant")

    def test_that_name_a_tenant(self, client_of: Any) -> None:
        for host in ["acme.localhost", "ACME.localhost", "acme.localhost:8000", "acme.localhost."]:
            assert_problem(client_of(host=host).get(f"{API}/agents"), 401, "not-authenticated")

    def test_leave_no_tenant_behind(self, db: None, client_of: Any) -> None:
        from tenants.kernel.context import current_schema

        before = current_schema()
        client_of(host="globex.localhost").get(f"{API}/agents")
        client_of(host="nobody.localhost").get(f"{API}/agents")
        assert current_schema() == before


def openapi(client: Any) -> dict[str, Any]:
    response = client.get(f"{API}/schema/?format=json")
    assert response.status_code == 200
    described: dict[str, Any] = json.loads(response.content)
    return described


class TestOpenApi:
    @pytest.mark.parametrize("host", ["acme.localhost", "localhost"])
    def test_is_valid(self, client_of: Any, host: str) -> None:
        schema = openapi(client_of(host=host))
        validate_schema(schema)  # type: ignore[no-untyped-call]  # untyped upstream
        assert schema["openapi"].startswith("3.1")

    def test_describes_every_endpoint(self, client_of: Any) -> None:
        offered = {
            (route.template.replace("{pk}", "{id}"), method.lower())
            for route in routes("config.urls")
            if route.template.startswith(f"{API}/") and route.name not in {"api-schema", "api-docs"}
            for method in route.methods
        }
        described = {
            (path, method) for path, item in openapi(client_of())["paths"].items() for method in item
        }
        assert offered == described

    def test_has_pages_for_people(self, client_of: Any) -> None:
        response = client_of().get(f"{API}/docs/")
        assert response.status_code == 200
        assert b"swagger-ui" in response.content
