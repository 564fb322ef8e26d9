from __future__ import annotations

import pytest

from tests.surfaces.conftest import Client
from tests.surfaces.neuronagent.place import Place


@pytest.fixture
def place(native: Client) -> Place:
    return Place(native)


def save(place: Place, agent: str, content: str, **more: object) -> dict:
    return place.post("/memories", {"agent_id": agent, "content": content, **more}, 201)


def test_an_answer_becomes_a_chunk_that_is_listed_found_read_and_deleted(place: Place) -> None:
    agent = place.agent()
    session = place.session(agent)
    place.say(session, "My boat is called Argo.")

    [chunk] = place.get(f"/agents/{agent}/memory")
    assert isinstance(chunk["id"], int)
    assert (chunk["agent_id"], chunk["session_id"]) == (agent, session)
    assert "Argo" in chunk["content"]
    assert 0.3 <= chunk["importance_score"] <= 1
    assert isinstance(chunk["message_id"], int)
    [found] = place.post(f"/agents/{agent}/memory/search", {"query": "boat Argo", "top_k": 1})
    assert found["id"] == chunk["id"]
    assert 0 < found["similarity"] <= 1
    assert place.get(f"/memory/{chunk['id']}") == chunk
    place.delete(f"/memory/{chunk['id']}")
    place.get(f"/memory/{chunk['id']}", 404)
    assert place.get(f"/agents/{agent}/memory") == []


def test_an_agent_whose_memory_is_off_keeps_nothing(place: Place) -> None:
    agent = place.agent(config={"auto_memory_enabled": False})
    place.say(place.session(agent), "My boat is called Argo.")

    assert place.get(f"/agents/{agent}/memory") == []


def test_lists_come_in_parts_and_refuse_what_cannot_be(place: Place) -> None:
    agent = place.agent()
    ids = [save(place, agent, f"Fact number {number} about ships.")["chunk_id"] for number in range(5)]

    assert [one["id"] for one in place.get(f"/agents/{agent}/memory?limit=2&offset=1")] == ids[::-1][1:3]
    assert len(place.post(f"/agents/{agent}/memory/search", {"query": "ships", "limit": 3})) == 3
    for path in ("?limit=0", "?limit=1001", "?offset=-1", "?limit=x"):
        place.get(f"/agents/{agent}/memory{path}", 400)
    place.post(f"/agents/{agent}/memory/search", {"query": ""}, 400)
    place.post(f"/agents/{agent}/memory/search", {"query": "x", "top_k": 101}, 400)
    place.get("/agents/not-a-uuid/memory", 400)
    place.get("/memory/x", 400)
    place.get("/memory/999999999", 404)


@pytest.mark.parametrize("by_chunk", [True, False])
def test_the_oldest_chunks_become_one(place: Place, by_chunk: bool) -> None:
    agent = place.agent()
    chunks = [save(place, agent, f"Ada likes {thing}.")["chunk_id"] for thing in ("tea", "chess", "rain")]

    path = f"/memory/{chunks[0]}/summarize" if by_chunk else f"/agents/{agent}/memory/summarize"
    made = place.post(path, {"max_chunks": 2})

    assert made["status"] == "summarized"
    assert "tea" in made["summary"]
    assert "chess" in made["summary"]
    assert [one["id"] for one in place.get(f"/agents/{agent}/memory")] == [made["chunk_id"], chunks[2]]
    assert place.get(f"/memory/{made['chunk_id']}")["importance_score"] == pytest.approx(0.8)
    assert place.post(f"/memory/{agent}/summarize")["chunk_id"] is None  # one is left, which is no summary's


def test_near_duplicates_of_a_tier_are_merged(place: Place) -> None:
    agent = place.agent()
    for tier in ("mtm", "lpm"):
        for end in ("today", "today!"):
            save(place, agent, f"The {tier} harbour office opens at nine {end}", tier=tier)

    done = place.post(f"/agents/{agent}/memory/consolidate", {"tier": "mtm", "similarity_threshold": 0.8})

    assert (done["consolidated_count"], done["status"]) == (1, "completed")
    assert len(place.get(f"/agents/{agent}/memories?tier=mtm")) == 1
    assert len(place.get(f"/agents/{agent}/memories?tier=lpm")) == 2
    place.post(f"/agents/{agent}/memory/consolidate", {"similarity_threshold": 0.5}, 400)
    assert place.post(f"/agents/{agent}/memory/consolidate")["tier"] == "mtm"


def test_feedback_moves_a_memorys_quality(place: Place) -> None:
    agent = place.agent()
    memory = save(place, agent, "The pier closes at dusk.")
    quality = f"/agents/{agent}/memory/quality?memory_id={memory['id']}"
    before = place.get(quality)["quality"]

    good = place.post(
        f"/memory/{memory['id']}/feedback",
        {"agent_id": agent, "memory_tier": "lpm", "feedback_type": "positive", "relevance_score": 0.9},
        201,
    )
    praised = place.get(quality)["quality"]
    place.post(
        f"/agents/{agent}/memory/feedback",
        {"memory_id": memory["chunk_id"], "memory_tier": "chunk", "feedback_type": "correction"},
        201,
    )
    blamed = place.get(quality)["quality"]

    assert good["status"] == "recorded"
    assert praised["overall_score"] > before["overall_score"] > 0
    assert blamed["accuracy"] < praised["accuracy"]
    assert set(before) == {"completeness", "accuracy", "relevance", "freshness", "consistency", "overall_score"}
    wrong = {"agent_id": agent, "memory_tier": "stm", "feedback_type": "positive"}
    place.post(f"/memory/{memory['id']}/feedback", wrong, 404)
    assert place.get(f"/agents/{agent}/memory/quality")["updated"] == 1


def test_forgetting_follows_its_strategy_and_keeps_what_is_young(place: Place) -> None:
    agent = place.agent()
    save(place, agent, "A dull thing.", importance_score=0.1)
    save(place, agent, "A dear thing.", importance_score=0.9)

    kept = place.post(f"/agents/{agent}/memory/forget")
    config = {"strategy": "importance", "importance_threshold": 0.3, "min_retention_hours": 0}
    gone = place.post(f"/agents/{agent}/memory/forget", {"tier": "all", "config": config})

    assert kept["total_forgotten"] == 0
    assert kept["config_used"]["strategy"] == "hybrid"
    assert (gone["total_forgotten"], gone["tier_results"]) == (1, {"stm": 0, "mtm": 0, "lpm": 1})
    assert [one["content"] for one in place.get(f"/agents/{agent}/memory")] == ["A dear thing."]
    archived = place.client.get(f"/v1/memories?agent_id={agent}&status=forgotten").json["data"]
    assert [one["content"] for one in archived] == ["A dull thing."]
    place.post(f"/agents/{agent}/memory/forget", {"config": {"strategy": "chance"}}, 400)


@pytest.mark.parametrize("path", ["check-corruption", "corruption"])
def test_damage_is_found_and_mended(place: Place, server, path: str) -> None:
    agent = place.agent()
    memory = save(place, agent, "The lighthouse is red.")
    with server.admin() as admin:
        admin.execute("delete from memory_words where memory_id = %s", (memory["id"],))

    found = place.post(f"/agents/{agent}/memory/{path}")
    again = place.post(f"/agents/{agent}/memory/{path}")

    assert "missing_index" in {issue["issue_type"] for issue in found["issues"]}
    assert found["repaired"] >= 1
    assert found["severity_counts"]["high"] >= 1
    assert "missing_index" not in {issue["issue_type"] for issue in again["issues"]}
    assert place.post(f"/agents/{agent}/memory/search", {"query": "lighthouse"})


@pytest.mark.parametrize(
    ("strategy", "left"),
    [("timestamp", "Fido"), ("confidence", "Rex"), ("merge", "Fido. (Earlier: My dog is called Rex.)")],
)
def test_conflicts_are_resolved_by_the_strategy(place: Place, strategy: str, left: str) -> None:
    agent = place.agent()
    save(place, agent, "My dog is called Rex.", importance_score=0.9)
    save(place, agent, "My dog is called Fido.", importance_score=0.2)

    path = "conflicts" if strategy == "merge" else "resolve-conflicts"
    done = place.post(f"/agents/{agent}/memory/{path}", {"strategy": strategy})

    assert (done["conflicts_found"], done["conflicts_resolved"]) == (1, 1)
    assert done["resolution_results"][0]["resolved"] is True
    [memory] = place.get(f"/agents/{agent}/memories")
    assert left in memory["content"]


def test_memories_move_between_tiers(place: Place) -> None:
    agent = place.agent()
    memory = save(place, agent, "Call Bob.", tier="stm", importance_score=0.4, category="chores")
    path = f"/memories/{memory['id']}"

    assert memory["expires_at"] is not None
    assert place.post(f"{path}/promote")["tier"] == "mtm"
    assert place.post("/memories/promote", {"memory_id": memory["id"]})["tier"] == "lpm"
    assert place.get(path)["expires_at"] is None
    place.post(f"{path}/promote", None, 400)
    assert place.post(f"{path}/demote", {"target_tier": "stm"})["tier"] == "stm"
    assert place.put(path, {"content": "Call Rob.", "importance_score": 0.7})["content"] == "Call Rob."
    assert [one["id"] for one in place.get(f"/memories?agent_id={agent}&tier=stm")] == [memory["id"]]
    assert place.post("/memories/search", {"query": "Rob", "agent_id": agent})[0]["id"] == memory["id"]
    place.delete(path)
    place.get(path, 404)
    place.get("/memories?tier=huge", 400)
