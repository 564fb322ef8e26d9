import pytest

from glia.memory.facts import is_sensitive, learn, read_fact


@pytest.mark.parametrize(
    ("content", "topic", "value"),
    [
        ("Ada lives in Kyiv.", "ada|home", "kyiv"),
        ("Ada moved to Lviv", "ada|home", "lviv"),
        ("The user's favorite colour is blue.", "the user|favourite colour", "blue"),
        ("My name is Ada.", "the user|name", "ada"),
        ("The deadline for the report is Friday.", "report|deadline", "friday"),
        ("The project deadline is Monday.", "project|deadline", "monday"),
        ("Ada works at Acme.", "ada|employer", "acme"),
        ("Ada doesn't like tea.", "ada|likes tea", "no"),
        ("Ada likes tea.", "ada|likes tea", "yes"),
        ("Ada hates tea.", "ada|likes tea", "no"),
        ("Ada is not allergic to nuts.", "ada|allergic to nuts", "no"),
    ],
)
def test_a_plain_statement_has_a_topic(content: str, topic: str, value: str) -> None:
    fact = read_fact(content)
    assert fact is not None
    assert (fact.topic, fact.value) == (topic, value)


@pytest.mark.parametrize(
    "content",
    [
        "Ada's car is blue.",
        "The sky is blue.",
        "Does Ada live in Kyiv?",
        "She came. Ada lives in Kyiv.",
        "Ada prefers aisle seats.",
        "用户喜欢的颜色是蓝色",
        "x" * 9_000,
    ],
)
def test_what_may_be_true_beside_others_has_none(content: str) -> None:
    assert read_fact(content) is None


def test_facts_are_learnt_in_the_third_person() -> None:
    said = "Hi! I live in Kyiv. My dog is called Rex, by the way. What is the time? I moved to Lviv. I study at night."
    assert [one.content for one in learn(said)] == [
        "The user lives in Kyiv.",
        "The user's dog is called Rex, by the way.",
        "The user moved to Lviv.",
        "The user studies at night.",
    ]
    assert [one.content for one in learn("Please remember that the gate code changes on Mondays.", "Ada")] == [
        "The gate code changes on Mondays."
    ]
    assert next(learn("By the way, I don't eat meat.", "Ada")).content == "Ada does not eat meat."


def test_a_dot_inside_a_fact_does_not_end_it() -> None:
    said = (
        "My email is ada@example.com. My height is 1.83 m! My dentist is called Dr. Okafor.\n"
        "I work at J. Smith and Sons. I live in St. Gallen. My homepage is https://ada.example/a?b=1."
    )
    assert [one.content for one in learn(said, "Ada")] == [
        "Ada's email is ada@example.com.",
        "Ada's height is 1.83 m.",
        "Ada's dentist is called Dr. Okafor.",
        "Ada works at J. Smith and Sons.",
        "Ada lives in St. Gallen.",
        "Ada's homepage is https://ada.example/a?b=1.",
    ]


def test_what_holds_for_the_moment_is_not_learnt() -> None:
    assert list(learn("I like this one. My question is simple. What is my name? I want that.")) == []


def test_secrets_are_not_learnt() -> None:
    said = "My password is hunter2. Remember my card 4111 1111 1111 1111. My api key is sk-abcdefghijklmnop."
    assert list(learn(said)) == []
    assert is_sensitive("My card is 4111111111111111")
    assert not is_sensitive("The order number is 4111111111111112")


def test_hostile_text_is_read_in_bounded_time() -> None:
    for text in ("I like " * 3_000, "a" * 50_000, "I live in " + "x, " * 10_000, "remember " * 5_000, "1 " * 20_000):
        list(learn(text))
        read_fact(text[:400])
        is_sensitive(text)
