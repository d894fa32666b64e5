"""A language model behind an OpenAI-compatible endpoint as a coder of stances.

Large language models have labelled political texts better than crowd workers (Gilardi, Alizadeh and
Kubli 2023, "ChatGPT outperforms crowd workers for text-annotation tasks"), so a trained model has
to be compared with one, in quality and in cost. Whoever serves it, the protocol is the same:
``POST BASE_URL/chat/completions``, as OpenAI, vLLM, llama.cpp and Ollama answer it.

One request asks for all actors of a text on one target, as the text is most of what is paid for. A
JSON schema holds the answer to the four labels, and has a quote before each label, so that the
model looks for evidence before it decides. A quote that the text does not have is marked, since an
invented quote is a reason to doubt the label.

Coding is slow, paid for and interrupted. So each answer is appended to a cache as it comes, under a
hash of all that was asked (model, prompt, text, actors, target), and a second run goes on. The
labels are hard: what a model says of its own confidence is not used as a probability.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import string
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from stance.encodings import detect_encoding
from stance.locations import config_dir
from stance.schema import (
    LABELS,
    Actor,
    Document,
    Mention,
    Prediction,
    StanceLabel,
    Target,
    quote_spans,
)

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

PLACEHOLDERS = ("text", "target", "actors")
RETRIED_STATUSES = (408, 429)
"""Beside 500 and above: the server had no time, or wants to be asked more slowly."""
LONGEST_WAIT_S = 120.0


class LlmCoderError(ValueError):
    """A question that got no usable answer; the message says which, and why."""


class UnusableReplyError(Exception):
    """No reply, or one that is no answer: the question may be asked again, after ``wait_s``
    seconds if the server says so."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True, kw_only=True)
class LlmCoderArguments:
    """Which model codes, where, and what it may take.

    Raises:
        ValueError: if an argument has a value that cannot be right; the message names it.
    """

    base_url: str
    """Of the endpoint, up to the version, such as ``http://localhost:8000/v1``."""
    model: str
    """The model's name, as the endpoint knows it."""
    cache_file: str | Path
    """JSONL to which answers are appended, and from which a second run takes them."""
    prompt_file: str | Path | None = None
    """The text that is sent, with the places ``{target}``, ``{actors}`` and ``{text}``; None takes
    ``configs/prompts/llm_coder.txt``."""
    api_key_variable: str = "OPENAI_API_KEY"
    """The environment variable that holds the key. A server on this machine may need none: no key
    is sent where the variable is not set."""
    temperature: float | None = 0.0
    """None sends none, for models that refuse to be told."""
    concurrency: int = 4
    """Requests at the same time."""
    attempts: int = 6
    """For a question, before the coding ends with an error."""
    timeout_s: float = 120.0
    """Seconds to wait for the server to send something."""
    price_per_million_prompt_tokens: float | None = None
    """In any currency; give both prices, or none where the cost does not matter."""
    price_per_million_completion_tokens: float | None = None

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise ValueError(f"base_url is {self.base_url!r}; it begins with http:// or https://")
        for name in ("model", "api_key_variable"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty; give a name")
        for name in ("concurrency", "attempts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.timeout_s <= 0:
            raise ValueError(f"timeout_s is {self.timeout_s}; give more than 0")
        if self.temperature is not None and self.temperature < 0:
            raise ValueError(f"temperature is {self.temperature}; give 0 or more, or null")
        prices = (self.price_per_million_prompt_tokens, self.price_per_million_completion_tokens)
        if (prices[0] is None) != (prices[1] is None) or min(p or 0 for p in prices) < 0:
            raise ValueError(
                "price_per_million_prompt_tokens and price_per_million_completion_tokens are "
                f"{prices[0]} and {prices[1]}; give both, 0 or more, or neither"
            )


class Verdict(BaseModel):
    """What a model says of one actor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quote: str
    label: StanceLabel


class Answer(BaseModel):
    """The answer to one question, a line of the cache, with what it took to get it.

    ``verdicts`` has one for each actor, by the actor's key in the prompt. ``unmetered`` counts the
    replies that did not say how many tokens they took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    document_id: str
    target_id: str
    model: str
    verdicts: dict[str, Verdict]
    requests: int
    prompt_tokens: int
    completion_tokens: int
    unmetered: int
    seconds: float


@dataclass(frozen=True)
class Usage:
    """What all answers of a coder took, also those that an earlier run paid for."""

    answers: int
    """Questions answered, one per different text and target."""
    cached: int
    """Of these, how many an earlier run had asked."""
    requests: int
    """Sent for these answers; more than answers where some had to be repeated."""
    prompt_tokens: int
    completion_tokens: int
    unmetered: int
    """Replies without a count of tokens: the tokens above lack these."""
    seconds: float
    """Spent in requests, added up over those that ran at the same time."""
    cost: float | None
    """In the currency of the prices; None without prices, or where replies were unmetered."""


@dataclass(frozen=True)
class Question:
    """A document and a target, as sent: ``body`` is the request, ``key`` its hash."""

    document: Document
    target: Target
    body: dict[str, Any]
    key: str

    def __str__(self) -> str:
        return f"document {self.document.id!r}, target {self.target.id!r}"


class LlmCoder:
    """A language model as a ``stance.evaluation.Classifier``.

    Args:
        sleep: takes the seconds to wait before a question is repeated.

    Raises:
        ValueError: if the prompt or the cache cannot be read, or httpx is not installed.
    """

    has_probabilities = False

    def __init__(
        self, arguments: LlmCoderArguments, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        try:
            import httpx  # noqa: F401
        except ModuleNotFoundError as error:
            raise ValueError(
                "a language model as coder needs httpx; pip install 'stance[llm]'"
            ) from error
        self.arguments = arguments
        self.name = arguments.model
        self._prompt = read_prompt(arguments.prompt_file)
        self._sleep = sleep
        self._cache_file = Path(arguments.cache_file)
        self._answers = read_cache(self._cache_file)
        self._cached_keys = frozenset(self._answers)
        self._asked: set[str] = set()
        self._lock = threading.Lock()

    def predict(self, documents: Iterable[Document]) -> list[Prediction]:
        """Code all actor-target pairs, in the order document, target, actor.

        Evidence is the quote, where the text has it; a quote that it does not have, or a stance
        without one, gives the row a warning.

        Raises:
            LlmCoderError: naming document and target, when the endpoint refuses a question or has
                no usable answer in ``attempts``. Answers up to then are in the cache.
            OSError: if the cache cannot be written.
        """
        questions = [
            build_question(document, target, self._prompt, self.name, self.arguments.temperature)
            for document in documents
            if document.actors
            for target in document.targets
        ]
        unanswered = {q.key: q for q in questions if q.key not in self._answers}
        if unanswered:
            self._ask_all(unanswered.values())
        self._asked |= {question.key for question in questions}
        return [
            prediction
            for question in questions
            for prediction in build_predictions(question, self._answers[question.key], self.name)
        ]

    @property
    def usage(self) -> Usage:
        """What the answers to all that was asked so far took; equal questions count once."""
        answers = [self._answers[key] for key in self._asked]
        prompt_tokens = sum(answer.prompt_tokens for answer in answers)
        completion_tokens = sum(answer.completion_tokens for answer in answers)
        unmetered = sum(answer.unmetered for answer in answers)
        cost = None
        prompt_price = self.arguments.price_per_million_prompt_tokens
        completion_price = self.arguments.price_per_million_completion_tokens
        if prompt_price is not None and completion_price is not None and not unmetered:
            cost = (prompt_tokens * prompt_price + completion_tokens * completion_price) / 1e6
        return Usage(
            answers=len(answers),
            cached=len(self._asked & self._cached_keys),
            requests=sum(answer.requests for answer in answers),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            unmetered=unmetered,
            seconds=sum(answer.seconds for answer in answers),
            cost=cost,
        )

    def _ask_all(self, questions: Iterable[Question]) -> None:
        """Put the questions to the endpoint, some at a time, and keep the answers."""
        import httpx

        # A line in the log for every request would hide what went wrong.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        key = os.environ.get(self.arguments.api_key_variable, "").strip()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with (
            httpx.Client(headers=headers, timeout=self.arguments.timeout_s) as client,
            ThreadPoolExecutor(self.arguments.concurrency) as pool,
        ):
            waiting = [pool.submit(self._ask, client, question) for question in questions]
            try:
                for done in as_completed(waiting):
                    done.result()
            except BaseException:
                # Those under way are paid for, and end up in the cache; no others are begun.
                pool.shutdown(cancel_futures=True)
                raise

    def _ask(self, client: httpx.Client, question: Question) -> None:
        """Ask until there is an answer that fits, and keep it."""
        spent = dict.fromkeys(("requests", "prompt_tokens", "completion_tokens", "unmetered"), 0)
        seconds, wait_s, reason = 0.0, 0.0, ""
        for attempt in range(self.arguments.attempts):
            if attempt:
                logger.warning("%s: %s; asked again in %.0f s", question, reason, wait_s)
                self._sleep(wait_s)
            started = time.perf_counter()
            spent["requests"] += 1
            verdicts = None
            try:
                reply = self._send(client, question)
                count_tokens(reply, spent)
                verdicts = read_verdicts(reply, name_actors(question.document.actors))
            except UnusableReplyError as error:
                reason = str(error)
                wait_s = min(max(2.0**attempt, error.wait_s), LONGEST_WAIT_S)
            seconds += time.perf_counter() - started
            if verdicts is not None:
                answer = Answer(
                    key=question.key,
                    document_id=question.document.id,
                    target_id=question.target.id,
                    model=self.name,
                    verdicts=verdicts,
                    seconds=seconds,
                    **spent,
                )
                self._keep(answer)
                return
        raise LlmCoderError(
            f"{question}: no usable answer from {self.name} in {self.arguments.attempts} attempts, "
            f"the last time: {reason}; the answers so far are in {self._cache_file}, and the next "
            "run goes on from there"
        )

    def _send(self, client: httpx.Client, question: Question) -> dict[str, Any]:
        """The endpoint's reply to one request; errors as in ``predict``, or UnusableReplyError."""
        import httpx

        url = f"{self.arguments.base_url.rstrip('/')}/chat/completions"
        try:
            response = client.post(url, json=question.body)
        except httpx.TimeoutException as error:
            raise UnusableReplyError(
                f"no answer from {url} within {client.timeout.read} s"
            ) from error
        except httpx.TransportError as error:
            raise UnusableReplyError(f"no connection to {url} ({error})") from error
        status = response.status_code
        if status in RETRIED_STATUSES or status >= 500:
            wait = response.headers.get("retry-after", "")
            raise UnusableReplyError(
                f"{url} answers {status} ({describe_refusal(response.text)})",
                float(wait) if wait.isdecimal() else 0.0,
            )
        if status != 200:
            variable = self.arguments.api_key_variable
            sent = "authorization" in client.headers
            hint = f"is the key in ${variable} right?" if sent else f"set ${variable} to the key"
            raise LlmCoderError(
                f"{question}: {url} answers {status} ({describe_refusal(response.text)})"
                + (f"; {hint}" if status in (401, 403) else "")
            )
        try:
            reply = response.json()
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            raise UnusableReplyError(f"{url} answers with something else than a JSON object")
        return reply

    def _keep(self, answer: Answer) -> None:
        line = answer.model_dump_json() + "\n"
        with self._lock:
            self._cache_file.parent.mkdir(parents=True, exist_ok=True)
            with self._cache_file.open("ab") as file:
                file.write(line.encode("utf-8"))
            self._answers[answer.key] = answer


def read_prompt(path: str | Path | None = None) -> str:
    """The prompt of a text file; None takes the one that comes with the package.

    Raises:
        ValueError: naming the file, if it does not have each of ``PLACEHOLDERS`` in braces, or has
            others (DocumentError among them, if it cannot be read).
    """
    path = Path(path) if path is not None else config_dir() / "prompts" / "llm_coder.txt"
    with path.open(encoding=detect_encoding(path)) as file:
        prompt = file.read()
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(prompt) if name is not None}
    except ValueError as error:
        raise ValueError(f"{path}: {error}; write a brace of the text itself twice") from error
    if names != set(PLACEHOLDERS):
        found = ", ".join(f"{{{name}}}" for name in sorted(names)) or "none"
        raise ValueError(
            f"{path}: a prompt has the places {{target}}, {{actors}} and {{text}}, this one has "
            f"{found}; write a brace of the text itself twice"
        )
    return prompt


def read_cache(path: Path) -> dict[str, Answer]:
    """The answers of a cache by their keys; none where there is no file yet.

    A last line that was being written when a run was killed is taken out of the file.

    Raises:
        ValueError: naming file and line of what is no answer.
    """
    if not path.exists():
        return {}
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        logger.warning("%s: the last line is not complete and is taken out", path)
        with path.open("r+b") as file:
            file.truncate(len(whole))
    answers = {}
    for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
        try:
            answer = Answer.model_validate_json(line)
        except ValidationError as error:
            raise ValueError(
                f"{path}, line {number}: no answer of a coder ({describe_invalid(error)}); take "
                "the line out, or name another cache_file"
            ) from error
        answers[answer.key] = answer
    return answers


def build_question(
    document: Document, target: Target, prompt: str, model: str, temperature: float | None
) -> Question:
    """The request for all actors of a document on a target."""
    names = name_actors(document.actors)
    verdict = {
        "type": "object",
        "properties": {
            "quote": {"type": "string"},
            "label": {"type": "string", "enum": list(LABELS)},
        },
        "required": ["quote", "label"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": dict.fromkeys(names, verdict),
        "required": names,
        "additionalProperties": False,
    }
    content = prompt.format(
        text=document.text,
        target=target.text,
        actors="\n".join(
            f"{name}: {describe_actor(document.text, actor)}"
            for name, actor in zip(names, document.actors, strict=True)
        ),
    )
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "stances", "strict": True, "schema": schema},
        },
    }
    if temperature is not None:
        body["temperature"] = temperature
    canonical = json.dumps(body, ensure_ascii=False, sort_keys=True)
    return Question(document, target, body, hashlib.sha256(canonical.encode("utf-8")).hexdigest())


def name_actors(actors: Sequence[Actor]) -> list[str]:
    """What actors are called in prompt and answer: ids of users can hold anything."""
    return [f"actor_{number}" for number in range(1, len(actors) + 1)]


def describe_actor(text: str, actor: Actor) -> str:
    """An actor's line in the prompt: the name, and what else the text calls them."""
    if actor.author:
        return f"{actor.name}, Verfasser oder Verfasserin des Textes"
    others = dict.fromkeys(text[span.start : span.end] for span in actor.mentions)
    others.pop(actor.name, None)
    called = ", ".join(f"„{other}“" for other in others)
    return f"{actor.name} (im Text auch {called})" if called else actor.name


def count_tokens(reply: Mapping[str, Any], spent: dict[str, int]) -> None:
    """Add the tokens that a reply took to those spent."""
    usage = reply.get("usage")
    tokens = usage if isinstance(usage, dict) else {}
    counts = {name: tokens.get(name) for name in ("prompt_tokens", "completion_tokens")}
    if not all(isinstance(count, int) for count in counts.values()):
        spent["unmetered"] += 1
        return
    for name, count in counts.items():
        spent[name] += count or 0


def read_verdicts(reply: Mapping[str, Any], names: Sequence[str]) -> dict[str, Verdict]:
    """The verdict on each actor from an endpoint's reply.

    Raises:
        UnusableReplyError: if it has no answer, or one that does not fit the schema.
    """
    try:
        choice = reply["choices"][0]
        message = choice["message"]
        content = message["content"]
    except (KeyError, IndexError, TypeError) as error:
        raise UnusableReplyError("the reply has no choices[0].message.content") from error
    if choice.get("finish_reason") == "length":
        raise UnusableReplyError("the answer was cut off at the model's limit of tokens")
    if not isinstance(content, str):
        raise UnusableReplyError(f"the model refuses to answer ({message.get('refusal')})")
    try:
        verdicts = TypeAdapter(dict[str, Verdict]).validate_json(content)
    except ValidationError as error:
        raise UnusableReplyError(
            f"the answer does not fit the schema ({describe_invalid(error)})"
        ) from error
    if verdicts.keys() != set(names):
        raise UnusableReplyError(
            f"the answer is about {', '.join(verdicts) or 'nobody'}; asked were {', '.join(names)}"
        )
    return verdicts


def build_predictions(question: Question, answer: Answer, model: str) -> list[Prediction]:
    """The rows of a question, one an actor."""
    document, target = question.document, question.target
    names = name_actors(document.actors)
    predictions = []
    for name, actor in zip(names, document.actors, strict=True):
        verdict = answer.verdicts[name]
        found = find_quote(document.text, verdict.quote)
        warnings: tuple[str, ...] = ()
        if verdict.quote.strip() and found is None:
            warnings = (f"the text does not have the quote {verdict.quote!r}",)
        elif verdict.label != StanceLabel.NONE and found is None:
            warnings = ("no quote for this stance",)
        shown = [found] if found is not None and verdict.label != StanceLabel.NONE else []
        favor, against, neutral, none = (float(label == verdict.label) for label in LABELS)
        prediction = Prediction(
            document_id=document.id,
            actor_id=actor.id,
            actor=actor.name,
            target_id=target.id,
            target=target.text,
            label=verdict.label,
            probabilities=(favor, against, neutral, none),
            confidence=1.0,
            mentions=quote_spans(document.text, ((m.start, m.end) for m in actor.mentions)),
            evidence=quote_spans(document.text, shown),
            windows=(Mention(start=0, end=len(document.text)),) if document.text else (),
            warnings=warnings,
            model=model,
        )
        predictions.append(prediction)
    return predictions


def find_quote(text: str, quote: str) -> tuple[int, int] | None:
    """Where the text first has the quote (start, end), however it breaks lines; None if nowhere."""
    words = quote.split()
    match = re.search(r"\s+".join(map(re.escape, words)), text) if words else None
    return match.span() if match else None


def describe_invalid(error: ValidationError) -> str:
    """The first thing that is wrong, in a line."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def describe_refusal(text: str) -> str:
    """What an endpoint says of a request it refuses, in a line."""
    with suppress(ValueError, KeyError, TypeError):
        text = json.loads(text)["error"]["message"]
    line = " ".join(str(text).split())
    return line[:300] or "without a reason"
