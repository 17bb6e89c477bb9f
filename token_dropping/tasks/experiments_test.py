# SPDX-License-Identifier: Apache-2.0
"""Tests of the registered experiments and of the files in `experiments/`."""

import pathlib

import pytest
from official.modeling import optimization

from tests import config_testing
from tests import experiment_checks_testing
from token_dropping.common import config_overrides
from token_dropping.common import plain_yaml
from token_dropping.common import vocabulary
from token_dropping.data.finetuning import glue_tasks
from token_dropping.dropping import drop_plan
from token_dropping.tasks import experiments

ENCODER = "task.model.encoder.any"
FOLDER = pathlib.Path(__file__).parents[2] / "experiments"
PRETRAIN = sorted((FOLDER / "pretrain").glob("*.yaml"))
QUICKSTART = sorted((FOLDER / "quickstart").glob("*.yaml"))
FINETUNE = sorted((FOLDER / "finetune").glob("*.yaml"))
PUBLISHED = [path for path in FINETUNE if path.stem != "movie_reviews"]
BASE, BASE_PUBLISHED, BASE_DENSE = (
  FOLDER / "pretrain" / f"bert_base{suffix}.yaml"
  for suffix in ("", "_published", "_dense")
)


def _parse(*files, experiment="bert/token_drop", override=""):
  return config_testing.parse(
    *map(str, files), experiment=experiment, override=override
  )


def _vocab_file(folder, size: int) -> str:
  """Writes a vocabulary, its special tokens last."""
  specials = vocabulary.SPECIAL_TOKENS
  words = [f"word{index}" for index in range(size - len(specials))]
  path = folder / "vocab.txt"
  path.write_text("\n".join([*words, *specials]))
  return str(path)


def _leaves(tree, path: str = "") -> dict:
  if not isinstance(tree, dict):
    return {path: tree}
  leaves = {}
  for key, value in tree.items():
    leaves |= _leaves(value, f"{path}.{key}" if path else key)
  return leaves


# The registered experiments.


@pytest.mark.parametrize("name", experiments.NAMES[:3])
def test_every_name_is_registered_and_consistent(name):
  experiment_checks_testing.check_experiment(_parse(experiment=name))


def test_experiments_share_no_state():
  one, two = (experiments.get("bert/token_drop") for _ in range(2))
  assert one == two == experiments.get("token_drop_bert/pretraining")
  one.task.model.encoder.any.num_layers = 3
  one.trainer.optimizer_config.warmup.polynomial.warmup_steps = 1
  assert two.task.model.encoder.any.num_layers == 12
  assert two.trainer.optimizer_config.warmup.polynomial.warmup_steps == 10_000


def test_default_is_bert_base_as_it_was_published():
  params = _parse()
  leaves = _leaves(params.as_dict())
  encoder, adamw = f"{ENCODER}.", "trainer.optimizer_config.optimizer."
  data = {
    "seq_length": 512,
    "max_predictions_per_seq": 76,
    "global_batch_size": 512,
    "use_v2_feature_names": True,
    "use_next_sentence_label": False,
  }
  expected = {
    "task.model.encoder.type": "any",
    f"{encoder}vocab_size": 30522,
    f"{encoder}hidden_size": 768,
    f"{encoder}num_layers": 12,
    f"{encoder}num_attention_heads": 12,
    f"{encoder}intermediate_size": 3072,
    f"{encoder}max_position_embeddings": 512,
    f"{encoder}type_vocab_size": 2,
    f"{encoder}token_loss_init_value": 10.0,
    f"{encoder}token_loss_beta": 0.995,
    "trainer.train_steps": 1_000_000,
    f"{adamw}type": "adamw",
    f"{adamw}adamw.weight_decay_rate": 0.01,
    f"{adamw}adamw.exclude_from_weight_decay": [
      "LayerNorm",
      "layer_norm",
      "bias",
    ],
  }
  for name, training in (("train_data", True), ("validation_data", False)):
    fields = data | {"is_training": training, "drop_remainder": training}
    expected |= {f"task.{name}.{key}": v for key, v in fields.items()}
  assert {name: leaves[name] for name in expected} == expected


def test_default_drops_half_of_the_tokens_between_layers_5_and_11():
  encoder = _parse().task.model.encoder.any
  plan = encoder.drop_plan
  assert plan == drop_plan.DropPlan(12, (drop_plan.Stage(5, 0.5),), 11)
  assert plan.keep_counts(512) == (256,)
  lists = encoder.id_lists(encoder.vocab_size)
  assert lists == ((100, 101, 102, 103), (0,))


def test_default_learning_rate_rises_to_1e_4_and_falls_to_0():
  settings = _parse().trainer.optimizer_config
  rate = optimization.OptimizerFactory(settings).build_learning_rate()
  assert float(rate(0)) == pytest.approx(0.0, abs=1e-7)
  assert float(rate(5_000)) == pytest.approx(0.495e-4)
  assert float(rate(10_000)) == pytest.approx(0.99e-4)
  assert float(rate(505_000)) == pytest.approx(0.495e-4)
  assert float(rate(1_000_000)) == 0.0


def test_baseline_is_reachable():
  params = _parse(experiment="bert/pretraining")
  assert params.task.model.encoder.type == "bert"
  schedule = params.trainer.optimizer_config.learning_rate.polynomial
  assert schedule.decay_steps == params.trainer.train_steps == 1_000_000


# The files.


@pytest.mark.parametrize(
  "path", [*PRETRAIN, *QUICKSTART, *FINETUNE], ids=lambda path: path.name
)
def test_file_opens_with_command_hardware_and_result(path):
  header = path.read_text().split("\n\n")[0].partition("\ntask:")[0]
  for word in ("Command:", "Hardware", "ime and result:"):
    assert word in header, f"{path}: no {word} in the opening comment"


@pytest.mark.parametrize("name", experiments.NAMES[:2])
@pytest.mark.parametrize("path", PRETRAIN, ids=lambda path: path.name)
def test_pretraining_file_is_consistent(path, name):
  experiment_checks_testing.check_experiment(_parse(path, experiment=name))


@pytest.mark.parametrize("path", QUICKSTART, ids=lambda path: path.name)
def test_quickstart_file_fits_its_vocabulary(tmp_path, path):
  vocab_file = _vocab_file(tmp_path, 4096)
  params = _parse(
    path, override=f"task.model.encoder.any.vocab_file={vocab_file}"
  )
  experiment_checks_testing.check_experiment(params)
  encoder = params.task.model.encoder.any
  lists = encoder.id_lists(encoder.vocab_size)
  assert lists == ((4092, 4093, 4094, 4095), (4091,))


def test_published_file_repeats_the_registered_defaults():
  registered = _parse()
  params = _parse(BASE, BASE_PUBLISHED)
  one, two = (p.task.model.encoder.any for p in (params, registered))
  assert one.drop_plan == two.drop_plan
  assert _differing(one.as_dict(), two.as_dict()) == {
    "token_keep_ratio",  # the default is unset, which means 0.5
    "drop_layer",
    "restore_layer",
    "importance.type",  # likewise: that of the drop type
  }


def test_bert_base_file_changes_what_is_dropped_and_how_often_is_evaluated():
  assert BASE in PRETRAIN
  params, registered = _parse(BASE).as_dict(), _parse().as_dict()
  assert _differing(params, registered) == {
    f"{ENCODER}.norm_first",
    f"{ENCODER}.always_keep_cls",
    f"{ENCODER}.importance.type",
    f"{ENCODER}.token_keep_ratio",
    f"{ENCODER}.drop_layer",
    f"{ENCODER}.restore_layer",
    "trainer.checkpoint_interval",
    "trainer.validation_interval",
    "trainer.validation_steps",
  }


def test_bert_base_file_chooses_once_at_random_for_all_middle_layers():
  encoder = _parse(BASE).task.model.encoder.any
  assert encoder.importance.type == "random"
  plan = encoder.drop_plan
  assert plan == drop_plan.DropPlan(12, (drop_plan.Stage(1, 0.5),), 11)
  allow, _ = encoder.id_lists(encoder.vocab_size)
  assert allow == (100, 102, 103)  # [UNK] [SEP] [MASK]


def _differing(one: dict, two: dict) -> set[str]:
  """Returns the dotted paths of the leaves that differ."""
  one, two = _leaves(one), _leaves(two)
  return {path for path in one.keys() | two if one.get(path) != two.get(path)}


def test_dense_baseline_drops_nothing_and_changes_nothing_else():
  one, two = _parse(BASE), _parse(BASE, BASE_DENSE)
  plan = two.task.model.encoder.any.drop_plan
  assert not plan.drops
  two.task.model.encoder.any.token_keep_ratio = 0.5
  assert one == two


@pytest.mark.parametrize("path", FINETUNE, ids=lambda path: path.name)
def test_finetuning_file_fits_its_experiment(path):
  squad = path.name.startswith("squad")
  params = experiments.get(experiments.FINETUNING_NAMES[squad])
  tree = plain_yaml.read_yaml(str(path))
  config_overrides.apply_overrides(params, tree, source=str(path))
  task, rate = params.task, params.trainer.optimizer_config.learning_rate
  if path not in PUBLISHED:
    assert (task.epochs, task.seed) == (4.0, 1)
    return
  got = task.train_data.global_batch_size, task.epochs, task.warmup_share
  assert got == ((48, 2.0, 0.1) if "v2" in path.name else (32, 3.0, 0.1))
  assert rate.polynomial.initial_learning_rate == (5e-5 if squad else 2e-5)
  assert task.data_dir == f"data/{path.stem}"


def test_every_task_of_glue_and_squad_has_a_file():
  names = {path.stem for path in PUBLISHED}
  glue = glue_tasks.TASKS.keys() - {"ax"}  # answered by the model of MNLI
  assert names == glue | {"squad_v1", "squad_v2"}
