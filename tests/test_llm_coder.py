"""The coder against a server on this machine that answers as each test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stance.evaluation import evaluate_documents
from stance.llm_coder import (
    Answer,
    LlmCoder,
    LlmCoderArguments,
    LlmCoderError,
    Verdict,
    build_question,
    find_quote,
    read_prompt,
)
from stance.native import parse_document
from stance.schema import LABELS, Document, StanceLabel

TEXT = "Frauke Ömmelbach fordert\ndas Tempolimit. Bürgermeister Tüllinger ist dagegen."
HANG = "hang"

Reply = tuple[int, Any] | str
"""Status and content, or ``HANG``."""


def build_document(name: str, text: str = TEXT, **changes: Any) -> Document:
    record = {
        "id": name,
        "text": text,
        "actors": [
            {"id": "ö 1", "name": "Frauke Ömmelbach", "mentions": ["Frauke Ömmelbach"]},
            {"id": "ö 2", "name": "Götz Tüllinger", "mentions": ["Bürgermeister Tüllinger"]},
            {"id": "ö 3", "name": "Das Blatt", "author": True},
        ],
        "targets": [{"id": "t1", "text": "Das Tempolimit soll kommen."}],
        "stances": [{"actor": "ö 1", "target": "t1", "label": "favor"}],
    }
    return parse_document(record | changes)


def build_reply(answer: Any, tokens: tuple[int, int] | None = (100, 20)) -> dict[str, Any]:
    """What an endpoint sends around an answer."""
    content = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    message = {"role": "assistant", "content": content}
    reply: dict[str, Any] = {"choices": [{"message": message, "finish_reason": "stop"}]}
    if tokens is not None:
        reply["usage"] = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    return reply


def asked_keys(body: Mapping[str, Any]) -> list[str]:
    return list(body["response_format"]["json_schema"]["schema"]["required"])


def answer_all(body: Mapping[str, Any], label: str = "none", quote: str = "") -> dict[str, Any]:
    return {key: {"quote": quote, "label": label} for key in asked_keys(body)}


@dataclass
class Endpoint:
    """The server's side: ``answer`` decides by the request's body; ``bodies`` has what came."""

    base_url: str = ""
    answer: Callable[[dict[str, Any]], Reply] = lambda body: (200, build_reply(answer_all(body)))
    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    def play(self, *replies: Reply) -> None:
        """Give these replies one after the other, then answer well."""
        waiting = list(replies)

        def answer(body: dict[str, Any]) -> Reply:
            return waiting.pop(0) if waiting else (200, build_reply(answer_all(body)))

        self.answer = answer


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    endpoint = Endpoint()
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            endpoint.bodies.append(body)
            endpoint.paths.append(self.path)
            endpoint.keys.append(self.headers["Authorization"])
            reply = endpoint.answer(body)
            if isinstance(reply, str):
                released.wait(30)
                return
            status, content = reply
            text = content if isinstance(content, str) else json.dumps(content)
            self.send_response(status)
            for name, value in endpoint.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode("utf-8"))

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        endpoint.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield endpoint
        released.set()
        server.shutdown()
        thread.join()


@dataclass
class Run:
    """A coder at the endpoint, and the seconds that it would have waited."""

    coder: LlmCoder
    waits: list[float]


Start = Callable[..., Run]


@pytest.fixture
def start(endpoint: Endpoint, tmp_path: Path) -> Start:
    def build(**arguments: Any) -> Run:
        waits: list[float] = []
        given = {
            "base_url": endpoint.base_url,
            "model": "modell-7b",
            "cache_file": tmp_path / "antworten" / "cache.jsonl",
        }
        return Run(LlmCoder(LlmCoderArguments(**given | arguments), sleep=waits.append), waits)

    return build


def test_each_actor_gets_label_quote_and_row_in_order(endpoint: Endpoint, start: Start) -> None:
    said = {
        "actor_1": {"quote": "fordert das Tempolimit", "label": "favor"},
        "actor_2": {"quote": "Tüllinger ist dagegen", "label": "against"},
        "actor_3": {"quote": "", "label": "none"},
    }
    endpoint.answer = lambda body: (200, build_reply(said))
    targets = [{"id": f"t{n}", "text": f"Das Tempolimit {n} soll kommen."} for n in (1, 2)]
    document = build_document("n1", targets=targets)
    run = start()
    rows = run.coder.predict(iter([document]))
    assert [(row.target_id, row.actor_id) for row in rows] == [
        (target, actor) for target in ("t1", "t2") for actor in ("ö 1", "ö 2", "ö 3")
    ]
    assert [row.label for row in rows] == ["favor", "against", "none"] * 2
    assert rows[1].probabilities == (0, 1, 0, 0)
    assert not run.coder.has_probabilities
    # The text breaks the line inside the quote.
    assert [piece["text"] for piece in rows[0].evidence] == ["fordert\ndas Tempolimit"]
    start_at, end_at = rows[1].evidence[0]["start"], rows[1].evidence[0]["end"]
    assert TEXT[start_at:end_at] == "Tüllinger ist dagegen"
    assert rows[2].evidence == ()
    assert [mention["text"] for mention in rows[1].mentions] == ["Bürgermeister Tüllinger"]
    assert {row.model for row in rows} == {"modell-7b"} == {run.coder.name}
    assert not any(row.warnings for row in rows)
    metrics = evaluate_documents(run.coder, [document]).metrics
    assert metrics["accuracy"] == 1


def test_a_request_has_text_target_all_actors_and_the_schema(
    endpoint: Endpoint, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEIN_SCHLUESSEL", "geheim\n")
    start(api_key_variable="MEIN_SCHLUESSEL").coder.predict([build_document("n1")])
    (body,) = endpoint.bodies
    assert endpoint.paths == ["/v1/chat/completions"]
    assert endpoint.keys == ["Bearer geheim"]
    assert (body["model"], body["temperature"]) == ("modell-7b", 0)
    (message,) = body["messages"]
    for shown in (
        TEXT,
        "Das Tempolimit soll kommen.",
        "actor_1: Frauke Ömmelbach\n",
        "actor_2: Götz Tüllinger (im Text auch „Bürgermeister Tüllinger“)",
        "actor_3: Das Blatt, Verfasser",
    ):
        assert shown in message["content"]
    assert "im Text auch „Frauke" not in message["content"]
    schema = body["response_format"]["json_schema"]["schema"]
    for actor in schema["properties"].values():
        assert actor["properties"]["label"]["enum"] == list(LABELS)
        # The model writes in this order: it has to look before it decides.
        assert list(actor["properties"]) == ["quote", "label"]


def test_a_server_of_ones_own_needs_no_key_and_some_models_take_no_temperature(
    endpoint: Endpoint, start: Start
) -> None:
    start(temperature=None).coder.predict([build_document("n1")])
    assert endpoint.keys == [None]
    assert "temperature" not in endpoint.bodies[0]


@pytest.mark.parametrize(
    ("verdict", "warning"),
    [
        ({"quote": "Tüllinger ist dafür", "label": "favor"}, "does not have the quote 'Tüllinger"),
        ({"quote": "Tüllinger ist dafür", "label": "none"}, "does not have the quote"),
        ({"quote": " ", "label": "neutral"}, "no quote for this stance"),
        ({"quote": "", "label": "none"}, None),
    ],
)
def test_a_quote_that_the_text_does_not_have_is_said_in_the_row(
    endpoint: Endpoint, start: Start, verdict: dict[str, str], warning: str | None
) -> None:
    endpoint.answer = lambda body: (
        200,
        build_reply(dict.fromkeys(asked_keys(body), verdict)),
    )
    for row in start().coder.predict([build_document("n1")]):
        assert row.label == verdict["label"]
        assert row.evidence == ()
        assert len(row.warnings) == (warning is not None)
        assert all(str(warning) in said for said in row.warnings)


@pytest.mark.parametrize(
    "reply",
    [
        (429, {"error": {"message": "langsamer"}}),
        (503, "<html>kommt gleich wieder</html>"),
        (200, "<html>Anmeldung</html>"),
        (200, {"choices": []}),
        (200, {"choices": [{"message": {"content": None, "refusal": "nein"}}]}),
        (200, {"choices": [{"message": {"content": "{"}, "finish_reason": "length"}]}),
        (200, build_reply("Gern! Hier sind die Haltungen:")),
        (200, build_reply({"actor_1": {"quote": "", "label": "none"}})),
        (200, build_reply({f"actor_{n}": {"quote": "", "label": "pro"} for n in (1, 2, 3)})),
        (200, build_reply({f"actor_{n}": {"quote": "", "label": "none"} for n in (1, 2, 3, 4)})),
        (200, build_reply({f"actor_{n}": {"label": "none"} for n in (1, 2, 3)})),
        HANG,
    ],
    ids=lambda reply: str(reply)[:40],
)
def test_what_is_no_answer_is_asked_again(
    endpoint: Endpoint, start: Start, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.play(reply, reply)
    run = start(timeout_s=0.2 if reply == HANG else 30)
    rows = run.coder.predict([build_document("n1")])
    assert [row.label for row in rows] == ["none"] * 3
    assert len(endpoint.bodies) == 3
    assert run.waits == [1, 2]
    assert "document 'n1', target 't1'" in caplog.text
    assert run.coder.usage.requests == 3


def test_the_server_may_say_how_long_to_wait(endpoint: Endpoint, start: Start) -> None:
    endpoint.headers = {"Retry-After": "17"}
    endpoint.play((429, ""), (429, ""))
    run = start()
    run.coder.predict([build_document("n1")])
    assert run.waits == [17, 17]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((500, {"error": {"message": "kein Speicher"}}), r"answers 500 \(kein Speicher\)"),
        ((200, build_reply("Hm.")), "does not fit the schema"),
        ((200, build_reply({})), "about nobody; asked were actor_1, actor_2, actor_3"),
        (HANG, r"no answer from http.* within 0\.05 s"),
    ],
)
def test_at_last_there_is_an_error_that_names_document_and_target(
    endpoint: Endpoint, start: Start, reply: Reply, reason: str
) -> None:
    endpoint.answer = lambda body: reply
    run = start(attempts=4, timeout_s=0.05 if reply == HANG else 30)
    message = f"document 'n1', target 't1': no usable answer from modell-7b in 4 attempts.*{reason}"
    with pytest.raises(LlmCoderError, match=message):
        run.coder.predict([build_document("n1")])
    assert run.waits == [1, 2, 4]
    assert len(endpoint.bodies) == 4


def test_a_server_that_is_not_there_is_named(start: Start) -> None:
    run = start(base_url="http://127.0.0.1:9", attempts=1)
    with pytest.raises(LlmCoderError, match=r"no connection to http://127\.0\.0\.1:9/chat"):
        run.coder.predict([build_document("n1")])


@pytest.mark.parametrize(
    ("status", "key", "hint"),
    [
        (401, None, r"set \$OPENAI_API_KEY to the key"),
        (403, "falsch", r"is the key in \$OPENAI_API_KEY right"),
        (404, None, r"answers 404 \(kein solches Modell\)$"),
    ],
)
def test_a_refusal_is_not_asked_again(
    endpoint: Endpoint,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    key: str | None,
    hint: str,
) -> None:
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    endpoint.answer = lambda body: (status, {"error": {"message": "kein solches Modell"}})
    run = start()
    with pytest.raises(LlmCoderError, match=f"document 'n1', target 't1': .*{hint}"):
        run.coder.predict([build_document("n1")])
    assert (len(endpoint.bodies), run.waits) == (1, [])


def test_a_second_run_goes_on_where_the_first_one_failed(endpoint: Endpoint, start: Start) -> None:
    documents = [build_document(f"n{n}", f"{TEXT} Das war {n}.") for n in range(4)]

    def fail_at_third(body: dict[str, Any]) -> Reply:
        if "Das war 2." in body["messages"][0]["content"]:
            return 200, build_reply("Hm.")
        return 200, build_reply(answer_all(body, "neutral", "fordert"))

    endpoint.answer = fail_at_third
    with pytest.raises(LlmCoderError, match="document 'n2'"):
        start(concurrency=1, attempts=2).coder.predict(documents)
    endpoint.bodies.clear()
    endpoint.play()
    run = start(concurrency=1)
    rows = run.coder.predict(documents)
    assert [row.label for row in rows[:6]] == ["neutral"] * 6
    # Whether the fourth was still asked in the first run depends on who was quicker.
    assert len(endpoint.bodies) in (1, 2)
    assert run.coder.usage.cached == 4 - len(endpoint.bodies)


def test_answers_are_kept_and_count_whoever_asked(endpoint: Endpoint, start: Start) -> None:
    documents = [build_document("n1"), build_document("n2", TEXT + " Mehr nicht.")]
    endpoint.play((429, ""), (200, build_reply("Hm.", (90, 5))))
    first = start(concurrency=1)
    rows = first.coder.predict(documents)
    second = start()
    assert second.coder.predict(documents) == rows
    assert len(endpoint.bodies) == 4
    spent, again = first.coder.usage, second.coder.usage
    assert (spent.answers, spent.cached, spent.requests) == (2, 0, 4)
    assert (spent.prompt_tokens, spent.completion_tokens) == (290, 45)
    assert spent.cost is None
    assert (again.cached, again.requests, again.seconds) == (2, 4, spent.seconds)
    assert again.seconds > 0
    # Asked twice is paid once.
    second.coder.predict(documents[:1])
    assert second.coder.usage == again


@pytest.mark.parametrize(
    "change", [{"model": "modell-70b"}, {"temperature": 1.0}, {"prompt_file": "anders.txt"}]
)
def test_another_question_is_asked_anew(
    endpoint: Endpoint, start: Start, tmp_path: Path, change: dict[str, Any]
) -> None:
    if "prompt_file" in change:
        path = tmp_path / "anders.txt"
        path.write_text("{actors} zu {target}: {text}", encoding="utf-8")
        change = {"prompt_file": path}
    start().coder.predict([build_document("n1")])
    start(**change).coder.predict([build_document("n1")])
    start().coder.predict([build_document("n1", targets=[{"id": "t1", "text": "Anderes."}])])
    assert len(endpoint.bodies) == 3


def test_equal_questions_are_asked_once(endpoint: Endpoint, start: Start) -> None:
    run = start()
    rows = run.coder.predict([build_document("n1"), build_document("n2")])
    assert [row.document_id for row in rows] == ["n1"] * 3 + ["n2"] * 3
    assert len(endpoint.bodies) == run.coder.usage.answers == 1


def test_questions_are_asked_at_the_same_time(endpoint: Endpoint, start: Start) -> None:
    together = threading.Barrier(3, timeout=20)

    def answer(body: dict[str, Any]) -> Reply:
        together.wait()  # breaks if fewer than three requests are under way
        return 200, build_reply(answer_all(body))

    endpoint.answer = answer
    documents = [build_document(f"n{n}", f"{TEXT} {n}") for n in range(6)]
    assert len(start(concurrency=3).coder.predict(documents)) == 18


def test_half_a_line_in_the_cache_is_asked_again(
    endpoint: Endpoint, start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    documents = [build_document("n1"), build_document("n2", TEXT + " Mehr nicht.")]
    start(concurrency=1).coder.predict(documents)
    cache = tmp_path / "antworten" / "cache.jsonl"
    whole = cache.read_bytes()
    cache.write_bytes(whole[:-30])
    start().coder.predict(documents)
    assert "the last line is not complete" in caplog.text
    assert len(endpoint.bodies) == 3
    lines = cache.read_bytes().splitlines()
    assert [json.loads(line)["document_id"] for line in lines] == ["n1", "n2"]


def test_what_is_no_answer_in_the_cache_is_named(start: Start, tmp_path: Path) -> None:
    cache = tmp_path / "cache.jsonl"
    cache.write_text('{"key": "x"}\n', encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"cache\.jsonl, line 1: no answer of a coder \(document_id"
    ):
        start(cache_file=cache)


counts = st.integers(0, 10**7)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    tokens=st.lists(st.tuples(counts, counts), min_size=1, max_size=4),
    prices=st.tuples(st.floats(0, 100), st.floats(0, 100)),
    unmetered=st.booleans(),
)
def test_the_cost_is_that_of_all_tokens(
    tmp_path: Path, tokens: list[tuple[int, int]], prices: tuple[float, float], unmetered: bool
) -> None:
    cache = tmp_path / "cache.jsonl"
    documents = [build_document(f"n{n}", f"{TEXT} {n}") for n in range(len(tokens))]
    answers = [
        Answer(
            key=build_question(d, d.targets[0], read_prompt(), "modell", 0.0).key,
            document_id=d.id,
            target_id="t1",
            model="modell",
            verdicts={f"actor_{n}": Verdict(quote="", label=StanceLabel.NONE) for n in (1, 2, 3)},
            requests=1,
            prompt_tokens=prompt,
            completion_tokens=completion,
            unmetered=int(unmetered),
            seconds=0.5,
        )
        for d, (prompt, completion) in zip(documents, tokens, strict=True)
    ]
    lines = (answer.model_dump_json() + "\n" for answer in answers)
    cache.write_text("".join(lines), encoding="utf-8")
    coder = LlmCoder(
        LlmCoderArguments(
            base_url="http://127.0.0.1:9",
            model="modell",
            cache_file=cache,
            price_per_million_prompt_tokens=prices[0],
            price_per_million_completion_tokens=prices[1],
        )
    )
    coder.predict(documents)
    expected = sum(p / 1e6 * prices[0] + c / 1e6 * prices[1] for p, c in tokens)
    if unmetered:
        assert coder.usage.cost is None
    else:
        assert coder.usage.cost == pytest.approx(expected, abs=1e-9)


def test_replies_without_a_count_of_tokens_are_counted(endpoint: Endpoint, start: Start) -> None:
    endpoint.answer = lambda body: (200, build_reply(answer_all(body), tokens=None))
    run = start(price_per_million_prompt_tokens=1, price_per_million_completion_tokens=2)
    run.coder.predict([build_document("n1")])
    assert (run.coder.usage.unmetered, run.coder.usage.cost) == (1, None)


@given(
    st.lists(st.sampled_from(["Ömmelbach", "will", "(nicht)", "„doch“."]), min_size=1, max_size=12),
    st.data(),
)
def test_a_quote_is_found_however_lines_break(words: list[str], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first + 1, len(words)))
    spaces = data.draw(
        st.lists(st.sampled_from([" ", "\n", " \n\t"]), min_size=len(words), max_size=len(words))
    )
    text = "".join(word + space for word, space in zip(words, spaces, strict=True))
    found = find_quote(text, " ".join(words[first:last]))
    assert found is not None
    assert text[slice(*found)].split() == words[first:last]


def test_no_quote_is_nowhere() -> None:
    assert find_quote(TEXT, " ") is None
    assert find_quote("", "Ömmelbach") is None


def test_nothing_to_ask_is_not_asked(endpoint: Endpoint, start: Start) -> None:
    assert start().coder.predict([Document(id="leer", text=TEXT)]) == []
    assert endpoint.bodies == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_url": "localhost:8000"}, "base_url is 'localhost:8000'; it begins with"),
        ({"model": ""}, "model is empty"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"attempts": 0}, "attempts is 0"),
        ({"timeout_s": 0}, "timeout_s is 0"),
        ({"temperature": -1}, "temperature is -1"),
        ({"price_per_million_prompt_tokens": 1.0}, "are 1.0 and None; give both"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"base_url": "http://localhost", "model": "m", "cache_file": "c.jsonl"}
    with pytest.raises(ValueError, match=message):
        LlmCoderArguments(**given | change)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("{actors} {text}", r"this one has \{actors\}, \{text\}"),
        ("{actors} {text} {target} {title}", r"\{title\}; write a brace"),
        ("Nichts.", "this one has none"),
        ('{"label": ".."} {', "write a brace of the text itself twice"),
    ],
)
def test_a_prompt_without_its_places_is_refused(tmp_path: Path, prompt: str, message: str) -> None:
    path = tmp_path / "prompt.txt"
    path.write_text(prompt, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"prompt\.txt: .*{message}"):
        read_prompt(path)


def test_the_prompt_of_the_package_explains_all_labels() -> None:
    prompt = read_prompt()
    assert all(f"\n{label}: " in prompt for label in LABELS)
    document = build_document("n1", TEXT + " Ein {Text} mit Klammern.")
    question = build_question(document, document.targets[0], prompt, "m", None)
    assert "Ein {Text} mit Klammern." in question.body["messages"][0]["content"]
