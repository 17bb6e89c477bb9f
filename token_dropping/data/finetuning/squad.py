# SPDX-License-Identifier: Apache-2.0
"""SQuAD 1.1 and 2.0 (Rajpurkar et al., 2016 and 2018): JSON or TFDS.

Both become paragraphs in the form of SQuAD's JSON, which its scorers take: a
`context` and `qas`, each with `id`, `question`, `is_impossible` and `answers`,
which have `text` and `answer_start`. An impossible question has no answers.
"""

from collections.abc import Iterable

from token_dropping.common import errors
from token_dropping.common import plain_json
from token_dropping.data.finetuning import text_tables
from token_dropping.data.finetuning import tfds_examples

_QUESTION = {
  "id": str,
  "question": str,
  "is_impossible?": bool,  # only 2.0 says it
  "answers?": [{"text": str, "answer_start": int}],
}
_PARAGRAPH = {"context": str, "qas": [_QUESTION]}
_FORM = {"data": [{"paragraphs": [_PARAGRAPH]}]}


def read_json(path: str, name: str, impossible: bool) -> list[dict]:
  """Reads SQuAD's JSON; `impossible` questions are allowed in 2.0 only."""
  text = text_tables.read_text(path, name)
  rule = f"{name} must be JSON"
  with errors.refusing(rule, repr(path), ValueError, with_reason=True):
    content = plain_json.loads(text)
  plain_json.check(content, _FORM, f"{name} {path!r}")
  paragraphs = [
    {
      "context": paragraph["context"],
      "qas": [_json_question(each, path) for each in paragraph["qas"]],
    }
    for article in content["data"]
    for paragraph in article["paragraphs"]
  ]
  _check_paragraphs(paragraphs, path, impossible)
  return paragraphs


def read_tfds(builder, split: str, impossible: bool) -> list[dict]:
  """Reads a split of `squad/...` of TensorFlow Datasets; as `read_json`."""
  questions: dict[str, list[dict]] = {}
  for example in tfds_examples.read_split(builder, split):
    listed = example["answers"]
    texts = map(tfds_examples.decode, listed["text"])
    answers = zip(texts, listed["answer_start"], strict=True)
    if example.get("is_impossible", False):
      answers = ()
    keys = ("id", "question", "context")
    name, text, context = (tfds_examples.decode(example[key]) for key in keys)
    questions.setdefault(context, []).append(_question(name, text, answers))
  paragraphs = [{"context": c, "qas": qas} for c, qas in questions.items()]
  _check_paragraphs(paragraphs, f"{builder.info.full_name}:{split}", impossible)
  return paragraphs


def _json_question(content: dict, path: str) -> dict:
  impossible, answers = content.get("is_impossible"), content.get("answers")
  errors.require(
    impossible or answers or (impossible is None and answers is not None),
    "questions must have answers, or is_impossible true",
    f"{content['id']!r} of {path} with neither",
  )
  # SQuAD 2.0 may list plausible wrong answers of an impossible question.
  pairs = [(a["text"], a["answer_start"]) for a in answers or ()]
  pairs = () if impossible else pairs
  return _question(content["id"], content["question"], pairs)


def _question(name: str, text: str, answers: Iterable[tuple]) -> dict:
  answers = [{"text": t, "answer_start": int(start)} for t, start in answers]
  return {
    "id": name,
    "question": text,
    "is_impossible": not answers,
    "answers": answers,
  }


def _check_paragraphs(
  paragraphs: list[dict], where: str, impossible: bool
) -> None:
  ids: set[str] = set()
  for paragraph in paragraphs:
    errors.require(
      paragraph["context"].strip(),
      "contexts must hold text",
      f"an empty one in {where}",
    )
    for question in paragraph["qas"]:
      name = question["id"]
      errors.require(
        name not in ids,
        "ids of questions must be unique",
        f"{name!r} twice in {where}",
      )
      ids.add(name)
      errors.require(
        question["answers"] or impossible,
        "questions of squad_v1.1 must have an answer (squad_v2.0 allows none)",
        f"{name!r} of {where} without one",
      )
  errors.require(
    ids, "SQuAD must hold at least one question", f"{where} without any"
  )
