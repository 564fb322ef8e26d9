"""Beginnings for agents: profiles fill in what a new agent leaves out, blueprints are whole agents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Profile:
    name: str
    system_prompt: str
    enabled_tools: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict[str, Any])


_PROFILES = (
    Profile(
        "general-assistant",
        "You are a helpful assistant. Answer clearly, and say so when you do not know.",
        ("memory", "web_search"),
        {"temperature": 0.7},
    ),
    Profile(
        "code-assistant",
        "You are a software engineer. Write correct, plain code, run it before you claim that it works, and explain"
        " what is not obvious.",
        ("code", "filesystem", "memory"),
        {"temperature": 0.2},
    ),
    Profile(
        "data-analyst",
        "You are a data analyst. Look at the schema before you query, show the figures your answer rests on, and name"
        " their limits.",
        ("sql", "code", "visualization"),
        {"temperature": 0.2},
    ),
    Profile(
        "research-assistant",
        "You are a research assistant. Find sources, compare what they say, and cite them.",
        ("web_search", "http", "retrieval", "memory"),
        {"temperature": 0.5},
    ),
)
_ALIASES = {
    "default": "general-assistant",
    "general": "general-assistant",
    "assistant": "general-assistant",
    "code": "code-assistant",
    "coding": "code-assistant",
    "developer": "code-assistant",
    "data": "data-analyst",
    "analyst": "data-analyst",
    "analysis": "data-analyst",
    "research": "research-assistant",
    "researcher": "research-assistant",
}


def profile_named(name: str | None) -> Profile | None:
    """None for a name that is none: clients have profiles of their own."""
    if name is None:
        return None
    wanted = name.strip().lower().replace("_", "-")
    wanted = _ALIASES.get(wanted, wanted)
    return next((profile for profile in _PROFILES if profile.name == wanted), None)


@dataclass(frozen=True)
class Blueprint:
    id: str
    name: str
    description: str
    system_prompt: str
    enabled_tools: tuple[str, ...]
    config: dict[str, Any]


BLUEPRINTS = (
    Blueprint(
        "postgres-performance",
        "PostgreSQL performance",
        "Finds out why a database is slow, and what would help.",
        "You are a PostgreSQL performance engineer. Look at schemas, plans and statistics with the SQL tool before you"
        " judge. Give the evidence, then the change, then what it costs.",
        ("sql", "memory"),
        {"temperature": 0.2},
    ),
    Blueprint(
        "knowledge-rag",
        "Knowledge",
        "Answers from your documents, with citations.",
        "You answer from the documents you are given, cite each statement, and say so when they do not hold an answer.",
        ("retrieval", "memory"),
        {"temperature": 0.2},
    ),
    Blueprint(
        "compliance-auditor",
        "Compliance",
        "Checks what was done against a policy.",
        "You audit. Compare what the records show with what the policy demands, point by point, and name the evidence"
        " for each finding.",
        ("sql", "retrieval", "filesystem"),
        {"temperature": 0.1},
    ),
    Blueprint(
        "data-analyst",
        "Data analyst",
        "Queries, calculates and draws.",
        "You are a data analyst. Look at the schema before you query, check results with code, and draw a chart where"
        " it says more than a table.",
        ("sql", "code", "visualization"),
        {"temperature": 0.2},
    ),
)
