# SPDX-License-Identifier: Apache-2.0
"""Every option that the pages on training name, through the launcher."""

import json
import pathlib
import re

import pytest
import tensorflow as tf
import tf_keras

from tests import dataset_testing
from tests import fault_testing
from tests import finetune_testing
from tests import gpt_testing
from tests import modernbert_testing
from tests import run_testing
from tests import testing
from tests import translation_testing
from token_dropping.data.batches import dynamic_masking
from token_dropping.dropping import keep_schedule
from token_dropping.dropping.drops import drop_types
from token_dropping.dropping.importance import importance_types
from token_dropping.dropping.importance import token_scorer
from token_dropping.study import plan as plans
from token_dropping.tasks import experiments

ROOT = pathlib.Path(__file__).parents[1]
PAGES = ("yaml", "method", "importance", "masking", "finetuning")
ANY, KEEP = "task.model.encoder.any", "task.keep_schedule"
TRAIN, VALIDATION = "task.train_data", "task.validation_data"
ADAMW = "trainer.optimizer_config.optimizer.adamw"


def _in(path: str, **fields) -> dict:
  """Returns fields by dotted path; `__` in a name stands for a dot."""
  return {f"{path}.{name.replace('__', '.')}": v for name, v in fields.items()}


# Of all runs, beside `testing.TINY`.
COMMON = {
  f"{ANY}.num_layers": 3,
  f"{TRAIN}.drop_remainder": True,
  "runtime.attention": "plain",
  **_in("trainer", validation_steps=1, max_to_keep=1),
  "trainer.optimizer_config.learning_rate.polynomial.decay_steps": 9,
}


RUNS = {
  "mlm_loss": {
    **_in(ANY, token_keep_k=5, drop_layer=0, restore_layer=2),
    **_in(ANY, token_loss_init_value=9.0, token_loss_beta=0.9),
    **_in(ANY, token_allow_list=[1, 3, 4], token_deny_list=[0]),
    **_in(ANY, drop_at_inference=True, drop__type="skip"),
    **_in("task", scale_loss=False, seed=3, deterministic=True),
    **_in("task", on_bad_numbers="skip", max_skipped_steps=1),
    **_in("task", dropping_pictures=True),
    **_in(TRAIN, on_bad_records="skip", max_bad_records=1),
    **_in(ADAMW, gradient_clip_norm=0.0, clipnorm=1.0),
  },
  "mlm_loss_noise": {
    **_in(ANY, importance__temperature=0.5),
    f"{ANY}.stages": [
      {"layer": 0, "keep_ratio": 0.75},
      {"layer": 1, "keep_ratio": 0.5},
    ],
    **_in(KEEP, type="steps", full_interval=2),
    f"{KEEP}.steps": [{"step": 1, "keep_ratios": [1.0, 0.75]}],
    **_in("task", dropped_validation=True, gradient_accumulation_steps=2),
    f"{TRAIN}.cache": True,
    **_in(ADAMW, gradient_clip_norm=0.0, clipvalue=1.0),
  },
  "mlm_loss_random": {
    **_in(ANY, importance__random_ratio=0.3, drop__type="context"),
    **_in("task.semantic_consistency", interval=2, detach=True),
    **_in("task.semantic_consistency", dropped_weight=0.6, full_weight=0.4),
    **_in("task.semantic_consistency", kl_before_last_weight=0.1),
    **_in("task.semantic_consistency", kl_last_weight=0.1),
    **_in("runtime", mixed_precision_dtype="float16", loss_scale=128),
  },
  "hidden_norm": {
    **_in(ANY, drop__type="layerwise"),
    **_in(KEEP, type="linear", num_ratios=2, final_keep_ratio=0.75),
    **_in(KEEP, full_last_steps=0.5),
    **_in("task", learning_rate_by_layer_tokens=True),
  },
  "frequency": {
    **_in(ANY, drop__type="pool", token_keep_ratio=0.5),
    **_in(TRAIN, masking="dynamic", masking_unit="span", max_span_words=2),
    **_in(TRAIN, masking_rate=0.3, final_masking_rate=0.1),
    **_in(TRAIN, masking_rate_steps=2, masking_seed=5),
    **_in(TRAIN, mask_share=0.7, random_share=0.2),
    **_in(VALIDATION, masking="dynamic", masking_unit="token"),
    **_in(ADAMW, gradient_clip_norm=0.0, global_clipnorm=1.0),
  },
  "random": {
    **_in(ANY, token_allow_list=None, always_keep_cls=False, norm_first=True),
    f"{ANY}.final_norm": True,
    "task.model.mlm_activation": "gelu_exact",
    **_in(TRAIN, masking="dynamic", masking_unit="whole_word"),
    **_in(VALIDATION, masking="dynamic"),
    **_in("runtime", distribution_strategy="mirrored", num_gpus=0),
    **_in(KEEP, type="constant"),
    "task.init_checkpoint": "run",
  },
  "unmasked": {
    **_in(ANY, drop_layer=0, restore_layer=2),
    **_in(TRAIN, masking="dynamic", masking_rate=0.4),
    f"{TRAIN}.attend_within_documents": True,
    **_in(VALIDATION, masking="dynamic"),
  },
  "pretrained_mlm": {f"{ANY}.importance.table_file": "losses.json"},
  "mutual_information": {f"{ANY}.importance.table_file": "information.npz"},
}
FINETUNING = {
  **_in("task", epochs=0.5, warmup_share=0.2, deterministic=True),
  **_in(ANY, token_keep_ratio=0.5, drop_layer=1, restore_layer=2),
}
# What records say or a machine must have, and the paths that every run has.
ELSEWHERE = {
  *("task.data_dir", "task.labels", "task.metrics", "task.model.num_classes"),
  *(f"{data}.input_path" for data in (TRAIN, VALIDATION)),
  f"{ANY}.vocab_file",
  "runtime.tpu",
}
LEARNT = {"frequency": "counts"} | dict.fromkeys(
  ("mlm_loss", "mlm_loss_random", "mlm_loss_noise"), "table"
)


def _fields(kind: str) -> dict:
  """Returns all fields of a run, by dotted path."""
  return COMMON | RUNS[kind] | {f"{ANY}.importance.type": kind}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
  """Folders with the tiny config and records, by their kind of masking."""
  made = {}
  for name in ("static", "dynamic"):
    made[name] = tmp_path_factory.mktemp(name)
    make = getattr(testing, f"{name}_features", testing.random_features)
    fault_testing.write_records(made[name], make)
    fault_testing.write_tiny(made[name])
  counts = {}
  for file in range(3):
    records = len(range(file, fault_testing.RECORDS, 3))
    counts[made["dynamic"] / f"train-{file}"] = records
  packing = {"packing": "documents"}
  dataset_testing.write_counts(made["dynamic"], counts, settings=packing)
  return made


@pytest.fixture
def _full_precision():
  """After a run in another precision."""
  yield
  tf_keras.mixed_precision.set_global_policy("float32")


@pytest.mark.usefixtures("_full_precision")
@pytest.mark.parametrize("kind", RUNS)
@testing.eagerly()
def test_pretraining(kind, folders, tmp_path, capsys):
  fields = _fields(kind)
  folder = folders[fields.get(f"{TRAIN}.masking", "static")]
  table = f"{ANY}.importance.table_file"
  if table in fields:
    path = tmp_path / fields[table]
    fields[table] = testing.write_importance_table(path, kind)
  if "task.init_checkpoint" in fields:
    fields["task.init_checkpoint"] = str(tmp_path / "first")
    run_testing.make_run(tmp_path / "first")
  overrides = json.dumps(plans.nest(fields))
  fault_testing.launch(folder, tmp_path / "run", params_override=overrides)

  out = capsys.readouterr().out
  assert "\nTrained 2 steps, to step 2," in out
  drops = fields.get(f"{ANY}.drop_at_inference", False)
  assert ("(with dropping)" in out) == drops
  assert ("(whole sequences)" in out) != drops
  by_id = kind not in ("random", "unmasked", "hidden_norm")
  assert ("\n  most important   " in out) == by_id
  curves = fault_testing.curves(tmp_path / "run" / "train")
  assert ("importance" in curves) == by_id
  testing.restore_bert(tmp_path / "run")
  path = tf.train.latest_checkpoint(str(tmp_path / "run"))
  names = fault_testing.variables(path)
  saved = [name for name in names if name.startswith("importance/")]
  learnt = [f"importance/{LEARNT[kind]}/"] if kind in LEARNT else []
  assert [name.partition(".")[0] for name in saved] == learnt


@testing.eagerly()
def test_finetuning(tmp_path, capsys):
  run_testing.make_run(tmp_path / "pretrained")
  data = finetune_testing.prepare_classes(
    tmp_path / "data", tmp_path / "pretrained"
  )
  finetune_testing.launch(
    finetune_testing.GLUE,
    tmp_path,
    "runs",
    data,
    *(f"{name}={str(value).lower()}" for name, value in FINETUNING.items()),
    sweep=True,
    sweep_learning_rates="1e-3",
    sweep_seeds="1",
  )
  assert "best" in capsys.readouterr().out
  assert (tmp_path / "runs" / "sweep.md").exists()


def _field_paths(tree: dict, path: str = "") -> set[str]:
  """Returns the dotted paths of all fields, groups of fields too."""
  paths = set()
  for name, value in tree.items():
    dotted = f"{path}.{name}" if path else name
    paths.add(dotted)
    if isinstance(value, dict):
      paths |= _field_paths(value, dotted)
    if isinstance(value, list) and value and isinstance(value[0], dict):
      paths |= _field_paths(value[0], dotted)
  return paths


# Neither a flag nor a part of a path.
_WORD = r"(?<![\w./-])[a-z][a-z_0-9]*(?:\.[a-z_0-9]+)*(?![\w/-])"


def _documented() -> set[str]:
  """Returns the words of code in the pages that are names of fields."""
  known = set()
  for name in experiments.NAMES:
    known |= _field_paths(experiments.get(name).as_dict())
  words = set()
  for page in ("README.md", *(f"docs/{name}.md" for name in PAGES)):
    text = (ROOT / page).read_text("utf-8")
    code = re.findall(r"`[^`\n]+`|^ {4}.*|^```[\s\S]*?^```", text, re.M)
    words |= {word for text in code for word in re.findall(_WORD, text)}
  return {word for word in words if _names(word, known)}


def _names(word: str, paths: set[str]) -> bool:
  return any(path == word or path.endswith(f".{word}") for path in paths)


def test_every_documented_option_is_run():
  tried = _field_paths(testing.TINY) | ELSEWHERE
  tried |= _field_paths(modernbert_testing.TINY)
  tried |= _field_paths(testing.tiny(f"{gpt_testing.MODERNBERT}/token_drop"))
  tried |= _field_paths(testing.TINY_PAIRS)
  tried |= _field_paths(translation_testing.SHORT)
  tried |= _field_paths({"task": gpt_testing.POSITIONS})
  tried |= _field_paths(plans.nest(_in(ANY, **gpt_testing.IMPORTANCE)))
  for fields in (*map(_fields, RUNS), FINETUNING):
    tried |= _field_paths(plans.nest(fields))
  assert {word for word in _documented() if not _names(word, tried)} == set()


@pytest.mark.parametrize(
  ("name", "choices"),
  [
    ("drop.type", drop_types.TYPES),
    ("keep_schedule.type", keep_schedule.TYPES),
    ("masking_unit", dynamic_masking.UNITS),
  ],
)
def test_every_choice_is_run(name, choices):
  tried = {
    value
    for fields in RUNS.values()
    for path, value in fields.items()
    if path.endswith(name)
  }
  assert tried == set(choices)


def test_every_type_of_importance_is_run():
  kinds = importance_types.TYPES.items()
  others = {name for name, k in kinds if token_scorer.ENCODER not in k.networks}
  assert others == {
    gpt_testing.IMPORTANCE["importance"]["type"],
    translation_testing.IMPORTANCE["importance"]["type"],
  }
  assert set(RUNS) == set(importance_types.TYPES) - others
