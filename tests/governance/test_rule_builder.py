"""The page on which rules are written: the form is the rule, whatever way it is read."""

from typing import Any

import pytest
from django.test import Client

from governance.policies import builder, packs, publishing, wording
from governance.policies.models import Policy, PolicyVersion
from governance.policies.rules import compile_rule
from tests.governance.rules import document, in_force, leaf

ADD = "/admin/governance/policy/add/"
FIELDS = {
    "name": "Large refunds",
    "slug": "large-refunds",
    "tools": "refund_*",
    "b0-join": "all",
    "b0-r0-path": "args",
    "b0-r0-name": "amount",
    "b0-r0-op": "gt",
    "b0-r0-text": "500",
    "b1-join": "any",
    "b1-r0-path": "run.integrity",
    "b1-r0-op": "eq",
    "b1-r0-text": "untrusted",
    "b1-r1-path": "user.groups",
    "b1-r1-op": "lacks",
    "b1-r1-text": "finance",
    "effect": "require_approval",
    "quorum": "2",
    "groups": ["reviewer"],
    "minutes": "60",
}
LARGE = {
    "match": {"tools": ["refund_*"]},
    "when": {
        "all": [
            leaf("args.amount", "gt", 500),
            {"any": [leaf("run.integrity", "eq", "untrusted"), leaf("user.groups", "lacks", "finance")]},
        ]
    },
    "effect": "require_approval",
    "params": {"quorum": 2, "approvers": ["group:reviewer"], "ttl_s": 3600},
}


@pytest.fixture
def browser_of(acme: Any) -> Any:
    """Return a function that makes a browser in which somebody is signed in."""

    def make(user: Any) -> Client:
        client = Client(headers={"host": "acme.localhost"})
        client.force_login(user)
        return client

    return make


def post(client: Client, url: str = ADD, do: str = "save", **changes: Any) -> Any:
    return client.post(url, {**FIELDS, **changes, "do": do})


class TestForm:
    def test_becomes_the_rule_and_the_rule_the_form_again(self) -> None:
        form = builder.posted({k: v for k, v in FIELDS.items() if isinstance(v, str)}, ["reviewer"])
        assert builder.to_document(form) == LARGE
        again = builder.from_document(LARGE)
        assert again is not None
        assert builder.to_document(again) == LARGE

    @pytest.mark.parametrize("pack", sorted(packs.packs()))
    def test_shows_every_rule_of_a_pack_that_is_no_deeper_than_it(self, pack: str) -> None:
        for draft in packs.pack_of(pack).rules:
            form = builder.from_document(draft.document)
            assert form is not None, draft.name
            compile_rule({**builder.to_document(form), "id": "x"})

    @pytest.mark.parametrize(
        "made",
        [
            document("deny", {"not": leaf("args.x", "eq", 1)}),
            document("deny", {"all": [{"any": [{"all": [leaf("args.x", "eq", 1)]}]}]}),
            document("deny", point="output"),
            document("deny", mode="shadow"),
            document("deny", obligations=[{"type": "log"}]),
            document("require_approval", params={"ttl_s": 90}),
        ],
    )
    def test_leaves_to_json_what_it_cannot_show(self, made: Any) -> None:
        compile_rule(made)
        assert builder.from_document(made) is None

    @pytest.mark.parametrize(
        ("op", "value"),
        [
            ("eq", "500"), ("eq", 500), ("ne", True), ("in", ["a", 1, "1"]), ("not_in", ["a"]), ("glob", ["a*"]),
            ("matches", '"'), ("has", "5"), ("exists", False), ("len", {"le": 3}), ("subset_of", ["a"]),
            ("cidr", ["10.0.0.0/8"]), ("ge", "2026-01-31"), ("eq", None),
        ],
    )  # fmt: skip
    def test_keeps_the_type_of_a_value(self, op: str, value: Any) -> None:
        made = {"match": {"tools": ["*"]}, "when": {"all": [leaf("args.x", op, value)]}, "effect": "deny"}
        form = builder.from_document(made)
        assert form is not None
        assert builder.to_document(form) == made

    def test_adds_and_removes_rows_and_groups(self) -> None:
        form = builder.posted({k: v for k, v in FIELDS.items() if isinstance(v, str)}, [])
        for word in [
            "add-row:0",
            "add-group",
            "remove-row:1:0",
            "remove-row:9:9",
            "remove-group:0",
            "add-row:x",
        ]:
            builder.steered(form, word)
        assert [len(block.rows) for block in form.blocks] == [2, 1, 2]
        builder.steered(form, "remove-group:1")
        assert [len(block.rows) for block in form.blocks] == [2, 2]


class TestWords:
    @pytest.mark.parametrize(
        ("made", "words"),
        [
            (
                LARGE,
                "When the tool looks like refund_* and the argument amount is greater than 500 and (the run's "
                "integrity is 'untrusted' or the person's groups does not contain 'finance'), ask 2 people of "
                "reviewer. Nobody can approve after 1 hour.",
            ),
            (document("deny"), "For every call, refuse the call."),
            (
                document("redact", match={"tools": ["a", "b"]}, params={"paths": ["args.note"]}),
                "When the tool is one of a, b, put [redacted] in the place of the argument note.",
            ),
            (
                document(
                    "deny", leaf("tool.consequential", "eq", True), valid={"windows": ["fri 15:00-00:00"]}
                ),
                "When the tool changes something, refuse the call. In force fri 15:00-00:00 (UTC).",
            ),
        ],
    )
    def test_say_what_the_rule_does(self, made: Any, words: str) -> None:
        compile_rule({**made, "id": "x"})
        assert wording.in_words(made) == words


class TestPage:
    def test_saves_a_draft(self, browser_of: Any, alice: Any) -> None:
        answer = post(browser_of(alice))
        policy = Policy.objects.get(slug="large-refunds")
        assert answer["Location"] == f"/admin/governance/policy/{policy.pk}/change/"
        assert (policy.latest.document, policy.active) == ({**LARGE, "id": "large-refunds"}, None)
        page = browser_of(alice).get(answer["Location"]).content.decode()
        assert "Put the newest version in force" in page
        assert "ask 2 people of reviewer" in page

    def test_saves_the_next_version(self, browser_of: Any, alice: Any) -> None:
        url = post(browser_of(alice))["Location"]
        post(browser_of(alice), url, **{"b0-r0-text": "900"})
        assert Policy.objects.get(slug="large-refunds").latest.number == 2

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"b0-r0-text": "many"}, "Give a number, or a date"),
            ({"b0-r0-name": ""}, "is no path"),
            ({"quorum": "0"}, "Give a number of people"),
            ({"minutes": "soon"}, "Give a number of seconds"),
            ({"windows": "someday"}, "Write a window as"),
            ({"slug": "Not A Slug"}, "Give an id of"),
            ({"name": ""}, "cannot be blank"),
        ],
    )
    def test_tells_a_mistake_at_its_field_and_saves_nothing(
        self, browser_of: Any, alice: Any, changes: Any, message: str
    ) -> None:
        page = post(browser_of(alice), **changes)
        assert message in page.content.decode()
        assert not PolicyVersion.objects.filter(policy__pack="").exists()

    def test_tries_a_rule_on_what_happened_before_it_is_saved(self, browser_of: Any, alice: Any) -> None:
        page = post(browser_of(alice), do="test", effect="deny", **{"b0-r0-text": "1", "b1-join": "all"})
        assert "What would have changed" in page.content.decode()
        assert not Policy.objects.filter(slug="large-refunds").exists()

    def test_reads_json(self, browser_of: Any, alice: Any) -> None:
        deep = '{"effect": "deny", "when": {"not": {"path": "args.x", "op": "eq", "value": 1}}}'
        answer = post(browser_of(alice), **{"as": "json", "json": deep})
        assert answer.status_code == 302
        assert 'name="as" value="json"' in browser_of(alice).get(answer["Location"]).content.decode()
        wrong = post(browser_of(alice), slug="other", **{"as": "json", "json": "{"})
        assert "This is no JSON" in wrong.content.decode()

    def test_of_somebody_who_may_not_write_is_to_read(
        self, browser_of: Any, bob: Any, alice: Any, person: Any
    ) -> None:
        policy = in_force("deny", match={"tools": ["x"]}, author=alice)
        url = f"/admin/governance/policy/{policy.pk}/change/"
        for reader in (bob, person("audrey")):
            reader.is_staff = True
            reader.save()
            assert "rule-form" not in browser_of(reader).get(url).content.decode()
            assert browser_of(reader).get(ADD).status_code == 403
            assert post(browser_of(reader), url).status_code == 403

    def test_lets_a_second_person_put_it_in_force_after_a_replay(
        self, browser_of: Any, alice: Any, bob: Any
    ) -> None:
        bob.is_staff = True
        bob.save()
        post(browser_of(alice), effect="deny")
        policy = Policy.objects.get(slug="large-refunds")
        base = f"/admin/governance/policy/{policy.pk}"
        for person, step, active in [
            (alice, "activate", 0),
            (bob, "activate", 0),
            (bob, "replay", 0),
            (bob, "activate", 1),
        ]:
            browser_of(person).post(f"{base}/{step}/")
            assert Policy.objects.filter(pk=policy.pk, active__number=1).count() == active
        assert browser_of(bob).get(f"{base}/activate/").status_code == 405

    def test_rehearses_a_pack_that_every_tenant_has_as_drafts(self, browser_of: Any, alice: Any) -> None:
        finance = Policy.objects.filter(pack="finance")
        assert finance.count() == len(packs.pack_of("finance").rules)
        assert not finance.exclude(active=None, shadow=None).exists()
        page = browser_of(alice).get("/admin/governance/policy/").content.decode()
        assert "Rehearse the finance pack" in page
        assert browser_of(alice).get("/admin/governance/policy/packs/finance/").status_code == 405
        browser_of(alice).post("/admin/governance/policy/packs/finance/")
        assert not finance.filter(shadow=None).exists()

    def test_shows_names_of_others_inertly(self, browser_of: Any, alice: Any) -> None:
        evil = "<img src=x onerror=alert(1)>"
        policy = Policy(slug="evil", name=evil, layer="tenant")
        publishing.save_policy(
            policy=policy,
            document=document("deny", leaf("args.x", "eq", evil), message=evil),
            by=alice,
            now=alice.date_joined,
        )
        for url in ["/admin/governance/policy/", f"/admin/governance/policy/{policy.pk}/change/"]:
            assert "<img src=x" not in browser_of(alice).get(url).content.decode()
