"""What the model says without a tool: who it is, what it can do, and what it needs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from glia.models.embedded.answer import best_sentences
from glia.models.embedded.phrasing import Mood, mood, polite_free
from glia.models.embedded.roles import Role, candidates
from glia.models.embedded.text import content_stems, sentences, shorten, squeeze
from glia.models.embedded.wishes import Turn, Wish
from glia.models.types import ToolSpec

_GREETING = re.compile(
    r"^(?:hi|hello|hey|hiya|howdy|good (?:morning|afternoon|evening|day)|hallo|hola|bonjour|ciao|salut"
    r"|servus|moin|olá|こんにちは|你好|مرحبا)(?:\s(?:there|all|everyone|glia))?[\s!.,?👋]{0,5}$",
    re.IGNORECASE,
)
_HOW_ARE_YOU = re.compile(
    r"^(?:(?:hi|hello|hey)[\s,!]{1,3})?(?:how are you|how(?:['’]s| is) it going|what['’]?s up"
    r"|how do you do)\b.{0,20}$",
    re.IGNORECASE,
)
_THANKS = re.compile(
    r"^(?:thanks?|thank you|thx|cheers|great|perfect|nice|cool|awesome|ok(?:ay)?|got it|danke|merci"
    r"|gracias)\b.{0,30}$",
    re.IGNORECASE,
)
_BYE = re.compile(r"^(?:bye|goodbye|see you|good night|ciao|tschüss)\b.{0,20}$", re.IGNORECASE)
_IDENTITY = re.compile(
    r"\b(?:who|what) (?:are|r) (?:you|u)\b|\b(?:which|what) (?:\w{1,12} )?(?:model|llm"
    r"|ai)\b.{0,20}\b(?:are you|is this|you use|answering|running)\b|\bare you (?:an? )?(?:ai|bot|human"
    r"|robot|real|gpt|chatgpt|llm|language model|claude)\b"
    r"|\bintroduce yourself\b|\bwho made you\b|\byour name\b",
    re.IGNORECASE,
)
_ABILITY = re.compile(
    r"^(?:help(?=[\s!.?]{0,5}$)|\?|what (?:can|do) (?:you|i) (?:do|ask)|(?:what|which) tools|how can you help"
    r"|what are you(?:r| able)|what are your (?:tools|abilities)|list (?:your )?tools)\b.{0,60}$",
    re.IGNORECASE,
)
_ECHO = re.compile(
    r"^(?:(?:say|repeat|echo|reply|respond|answer|write|output)(?: (?:only|just|exactly|back|with|the word"
    r"|the words|the text|the phrase|after me|this(?=:)|following))*)\s{0,3}:?\s{1,3}(.{1,500})$",
    re.IGNORECASE | re.DOTALL,
)
_ECHO_CLEAR = re.compile(
    r"^(?:say|echo|repeat|(?:reply|respond|answer) (?:only |just |exactly )?with|reply)\b", re.IGNORECASE
)
_ORDER = re.compile(
    r"^(?:you (?:are|must|should|can|will)|never|always|do not|don['’]t|be |act |answer|use |if |when "
    r"|respond|reply|your task)",
    re.IGNORECASE,
)

CONFIGURE = (
    "For a model that reasons and writes, start Glia with OPENAI_API_KEY set (with OPENAI_BASE_URL for any compatible "
    "endpoint), "
    "or with OLLAMA_HOST pointing at Ollama."
)
INTRODUCTION = (
    "I am Glia's built-in extractive model. I am not a large language model: I choose tools by rule, search, and quote "
    "what I find with its source; I do not write freely."
)
CANNOT = "I am the built-in extractive model, which can only use tools and quote texts."

_DOES = {
    Role.KNOWLEDGE: "answer questions from your documents, quoting them with citations",
    Role.WEB_SEARCH: "search the web",
    Role.CALCULATOR: "calculate (“what is 17% of 2300?”)",
    Role.CLOCK: "tell the time and date",
    Role.FETCH: "read a web page when you give me its address",
    Role.MEMORY_SAVE: "remember facts (“remember that my train leaves at 8:10”)",
    Role.MEMORY_SEARCH: "tell you what I remember",
}


def small_talk(text: str, tools: Sequence[ToolSpec]) -> str:
    """The answer to a greeting, to thanks, or to a question about the model itself; empty for anything else."""
    core = text.strip()[:400]
    asked = polite_free(core)
    if _GREETING.match(core) or _HOW_ARE_YOU.match(core):
        return paragraphs(f"Hello! {INTRODUCTION}", abilities(tools))
    if _IDENTITY.search(core) and len(core) < 200:
        return paragraphs(INTRODUCTION, abilities(tools), CONFIGURE)
    if _ABILITY.match(asked) or _ABILITY.match(core):
        return paragraphs(abilities(tools), CONFIGURE)
    if _BYE.match(core) and len(core) < 40:
        return "Goodbye!"
    if _THANKS.match(core) and len(core) < 40 and "?" not in core:
        return "You are welcome."
    return ""


def echoed(text: str) -> str:
    """What the user asks to be said back, as in `Say this is a test`; empty when they ask for something else."""
    asked = polite_free(text.strip()[:600])
    found = _ECHO.match(asked)
    if not found or not _ECHO_CLEAR.match(asked) or "?" in asked:
        return ""
    said = found.group(1).strip()
    return said.strip("\"“”'`") if said[:1] in "\"“'`" else said


def abilities(tools: Sequence[ToolSpec]) -> str:
    """One or two sentences on what can be done with these tools."""
    known = candidates(tools)
    done = list(dict.fromkeys(_DOES[one.role] for one in known if one.role in _DOES))
    others = [f"`{one.tool.name}`" for one in known if one.role is Role.OTHER][:8]
    if others:
        done.append("use " + _and(others) + " when your message asks for it")
    if not done:
        return "This agent has no tools, so I can only quote from a text you paste (“summarise: ...”)."
    return "\n".join(["Here I can:", *(f"- {one}" for one in done)])


def ask_for(wishes: Sequence[Wish]) -> str:
    return "\n".join(_ask(wish) for wish in wishes)


def waiting_tool(text: str) -> str:
    """The tool that an earlier answer of mine asked arguments for."""
    found = re.search(r"To use `([^`\n]{1,200})` I need", text[-4000:])
    return found.group(1) if found else ""


def _ask(wish: Wish) -> str:
    described = {one.name: one for found in candidates([wish.tool]) for one in found.properties}
    needed: list[str] = []
    for name in wish.missing:
        one = described[name]
        hint = " or ".join(str(choice) for choice in one.choices[:8]) or squeeze(one.description).rstrip(".")
        needed.append(f"{name.replace('_', ' ')}" + (f" ({shorten(hint, 120)})" if hint else ""))
    return f"To use `{wish.tool.name}` I need {_and(needed)}. Please tell me."


def described(tools: Sequence[ToolSpec]) -> str:
    return "\n".join(
        f"`{one.name}`: {shorten(squeeze(one.description), 400) or 'its author gave no description.'}" for one in tools
    )


def from_conversation(turn: Turn, instructions: str, earlier: Sequence[str]) -> str:
    """An answer quoted from what the user said before or from the agent's instructions; empty when they hold none."""
    question = polite_free(turn.text[:1000])
    if mood(question) is not Mood.QUESTION or not content_stems(question):
        return ""
    said = "\n\n".join(one for one in earlier if mood(one) is not Mood.QUESTION)
    if chosen := best_sentences(question, said, least=0.6, most=1):
        return f'Earlier you said: "{shorten(chosen[0], 400)}"'
    facts = "\n\n".join(one for one in sentences(instructions) if not _ORDER.match(one))
    if chosen := best_sentences(question, facts, least=0.6, most=2):
        return "My instructions say: " + " ".join(f'"{shorten(one, 400)}"' for one in chosen)
    return ""


def cannot(turn: Turn, tools: Sequence[ToolSpec]) -> str:
    """The honest word when no tool fits and there is nothing to quote."""
    if mood(turn.text[:1000]) is Mood.STATEMENT:
        keep = any(one.role is Role.MEMORY_SAVE for one in candidates(tools))
        return "Noted for this conversation." + (
            " Begin with “remember that” to keep it for later ones." if keep else ""
        )
    return paragraphs(f"I cannot answer that: {CANNOT}", abilities(tools), CONFIGURE)


def paragraphs(*parts: str) -> str:
    return "\n\n".join(parts)


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
