from __future__ import annotations

from tests.surfaces.conftest import Client


def test_an_answer_is_checked_against_the_agents_rules(client: Client) -> None:
    agent = client.made("/v1/agents", {"name": "Reporter"})["id"]
    rules = f"/v1/agents/{agent}/verification-rules"
    rule = client.made(rules, {"kind": "completeness", "criteria": {"must_contain": ["total"]}})

    def check(content: str) -> dict[str, object]:
        queued = client.post(f"/v1/agents/{agent}/verifications", {"output_content": content, "output_id": "7"})
        assert queued.status == 202
        assert (queued.json["status"], queued.json["passed"]) == ("pending", None)
        return client.until(f"/v1/verifications/{queued.json['id']}", lambda found: found["status"] == "completed")

    good, bad = check("The total is 3."), check("It is 3.")
    client.patch(f"/v1/verification-rules/{rule['id']}", {"is_enabled": False})
    unchecked = check("It is 3.")

    assert (good["passed"], good["confidence"], good["output_id"]) == (True, 1.0, "7")
    assert bad["passed"] is False
    assert bad["issues"] == [
        {"kind": "completeness", "message": "The answer lacks 'total'.", "rule_id": rule["id"], "severity": "error"}
    ]
    assert (unchecked["passed"], unchecked["confidence"]) == (True, 0.0)
    listed = client.get(f"/v1/agents/{agent}/verifications").json["data"]
    assert [one["id"] for one in listed] == [unchecked["id"], bad["id"], good["id"]]


def test_without_a_judging_model_the_verdict_is_unsure_and_says_why(client: Client) -> None:
    agent = client.made("/v1/agents", {"name": "Reporter"})["id"]
    client.made(
        f"/v1/agents/{agent}/verification-rules",
        {"kind": "logical_consistency", "criteria": {"expectation": "It never contradicts itself."}},
    )

    queued = client.post(f"/v1/agents/{agent}/verifications", {"output_content": "Yes. No."}).json["id"]
    done = client.until(f"/v1/verifications/{queued}", lambda found: found["status"] == "completed")

    assert (done["passed"], done["confidence"]) == (True, 0.5)
    assert "built-in model cannot judge" in done["issues"][0]["message"]


def test_rules_are_refused_in_words(client: Client) -> None:
    agent = client.made("/v1/agents", {"name": "Reporter"})["id"]
    rules = f"/v1/agents/{agent}/verification-rules"

    bad = client.post(rules, {"kind": "completeness", "criteria": {"min_length": "many"}})

    assert (bad.status, bad.error["field"]) == (400, "criteria.min_length")
    assert client.post(rules, {"kind": "taste"}).status == 400
