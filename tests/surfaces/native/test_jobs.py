"""/v1/jobs over the wire."""

from typing import Any

from tests.surfaces.conftest import Client, Server


def a_job(client: Client, **more: Any) -> dict[str, Any]:
    return client.made("/v1/jobs", {"title": "Work", **more})


def move(client: Client, job: dict[str, Any], **changes: Any) -> dict[str, Any]:
    answer = client.patch(f"/v1/jobs/{job['id']}", changes)
    assert answer.status == 200, answer.body
    return answer.json


def test_a_job_goes_from_pending_to_completed(client: Client, agent: dict[str, Any]):
    job = a_job(client, agent_id=agent["slug"], total_steps=4, input={"topic": "x"}, tags=["a"], metadata={"k": 1})

    begun = move(client, job, status="in_progress", completed_steps=1, current_step="reading")
    paused = move(client, job, status="paused")
    resumed = move(client, job, status="in_progress")
    done = move(client, job, status="completed", output={"answer": 42})

    assert job["status"] == "pending"
    assert job["agent_id"] == agent["id"]
    assert (begun["progress"], begun["current_step"]) == (25, "reading")
    assert begun["started_at"] is not None
    assert [paused["status"], resumed["status"]] == ["paused", "in_progress"]
    assert (done["progress"], done["completed_steps"], done["output"]) == (100, 4, {"answer": 42})
    assert done["finished_at"] is not None
    assert client.get(f"/v1/jobs/{job['id']}").json == done


def test_an_illegal_move_is_a_400(client: Client):
    job = a_job(client)

    refused = client.patch(f"/v1/jobs/{job['id']}", {"status": "completed"})

    assert (refused.status, refused.error["code"]) == (400, "illegal_move")
    assert client.patch(f"/v1/jobs/{job['id']}", {"status": "done"}).status == 400
    assert client.get(f"/v1/jobs/{job['id']}").json["status"] == "pending"


def test_a_tree_has_its_children_and_goes_as_a_whole(client: Client):
    top = a_job(client)
    left, right = a_job(client, parent_id=top["id"]), a_job(client, parent_id=top["id"])
    leaf = a_job(client, parent_id=left["id"], title="Leaf")

    tree = client.get(f"/v1/jobs/{top['id']}/tree").json
    branch = client.get(f"/v1/jobs/{left['id']}/tree").json

    assert [child["id"] for child in tree["children"]] == [left["id"], right["id"]]
    assert tree["children"][0]["children"][0]["id"] == leaf["id"]
    assert [child["id"] for child in branch["children"]] == [leaf["id"]]
    assert [job["id"] for job in client.get("/v1/jobs?top=true").json["data"]] == [top["id"]]
    assert client.delete(f"/v1/jobs/{top['id']}").status == 204
    assert client.get(f"/v1/jobs/{leaf['id']}").status == 404


def test_a_parent_must_be_there(client: Client, stranger: Client):
    theirs = a_job(stranger)

    assert client.post("/v1/jobs", {"title": "x", "parent_id": theirs["id"]}).status == 400


def test_jobs_are_listed_by_state_kind_tag_and_resource(client: Client):
    one = a_job(client, kind="research", tags=["a"], resources=["bucket-1"])
    two = a_job(client)
    move(client, two, status="in_progress")

    def listed(query: str) -> list[str]:
        return [job["id"] for job in client.get(f"/v1/jobs?{query}").json["data"]]

    assert listed("status=in_progress") == [two["id"]]
    assert listed("kind=research") == listed("tag=a") == [one["id"]]
    assert client.get("/v1/jobs/by-resource/bucket-1").json["id"] == one["id"]
    assert client.get("/v1/jobs/by-resource/bucket-2").status == 404
    assert client.get("/v1/jobs?status=nonsense").status == 400


def test_quiet_jobs_are_closed_as_failed(client: Client, server: Server):
    quiet, fresh, waiting = a_job(client), a_job(client), a_job(client)
    move(client, quiet, status="in_progress")
    move(client, fresh, status="in_progress")
    with server.admin() as admin:
        admin.execute("update jobs set updated_at = now() - interval '2 hours' where id = %s", (quiet["id"],))

    closed = client.post("/v1/jobs/close-stale").json

    assert closed == {"closed": 1, "job_ids": [quiet["id"]]}
    assert client.get(f"/v1/jobs/{quiet['id']}").json["status"] == "failed"
    assert "60 minutes" in client.get(f"/v1/jobs/{quiet['id']}").json["error"]
    assert client.get(f"/v1/jobs/{fresh['id']}").json["status"] == "in_progress"
    assert client.get(f"/v1/jobs/{waiting['id']}").json["status"] == "pending"
    assert client.post("/v1/jobs/close-stale", {"max_age_minutes": 0}).status == 400


def test_an_agent_does_a_job(client: Client, agent: dict[str, Any]):
    job = a_job(client, agent_id=agent["id"], message="What is 17 * 23?")

    done = client.until(f"/v1/jobs/{job['id']}", lambda found: found["status"] == "completed")

    assert job["run_id"] is not None
    assert "391" in done["output"]["answer"]
    assert done["progress"] == 100
    assert [each["id"] for each in client.get("/v1/jobs?status=completed").json["data"]] == [job["id"]]
    assert client.patch(f"/v1/jobs/{job['id']}", {"status": "failed"}).status == 409


def test_cancelling_a_job_stops_its_run(client: Client, endless_agent: dict[str, Any]):
    job = a_job(client, agent_id=endless_agent["id"], message="Talk.")
    client.until(f"/v1/jobs/{job['id']}", lambda found: found["status"] == "in_progress")

    client.patch(f"/v1/jobs/{job['id']}", {"status": "cancelled"})

    assert client.until(f"/v1/jobs/{job['id']}", lambda found: found["status"] == "cancelled")
    assert client.get(f"/v1/runs/{job['run_id']}").json["status"] == "cancelled"


def test_a_job_shows_a_run_that_is_there(client: Client, agent: dict[str, Any], open_session: Any):
    run = client.post(f"{open_session(agent)}/messages", {"content": "Hello"}).json["run_id"]

    job = a_job(client, run_id=run)

    assert job["status"] == "completed"
    assert client.get(f"/v1/jobs/by-resource/{run}").json["id"] == job["id"]
    assert client.post("/v1/jobs", {"title": "x", "run_id": job["id"]}).status == 404
