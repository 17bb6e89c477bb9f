# SPDX-License-Identifier: Apache-2.0
"""Tests of the registered experiments and of the files in `experiments/`."""

import pathlib

import pytest
from official.modeling import optimization

from tests import config_testing
from token_dropping.common import config_overrides
from token_dropping.common import plain_yaml
from token_dropping.common import vocabulary
from token_dropping.data.finetuning import glue_tasks
from token_dropping.dropping import drop_plan
from token_dropping.tasks import experiments

ENCODER = "task.model.encoder.any"
OPTIMIZER = "trainer.optimizer_config.optimizer"
FOLDER = pathlib.Path(__file__).parents[2] / "experiments"
PRETRAIN = sorted((FOLDER / "pretrain").glob("*.yaml"))
QUICKSTART = sorted((FOLDER / "quickstart").glob("*.yaml"))
RECOMMENDED, WIKIPEDIA = (
  FOLDER / f"quickstart/{name}.yaml" for name in ("recommended", "wikipedia")
)
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


def _leaves(tree, path: str = "") -> dict:
  if not isinstance(tree, dict):
    return {path: tree}
  leaves = {}
  for key, value in tree.items():
    leaves |= _leaves(value, f"{path}.{key}" if path else key)
  return leaves


def _differing(one, two) -> set[str]:
  """Returns the dotted paths of the leaves that differ."""
  one, two = _leaves(one.as_dict()), _leaves(two.as_dict())
  return {path for path in one.keys() | two if one.get(path) != two.get(path)}


# The registered experiments.


@pytest.mark.parametrize("name", experiments.NAMES[:6])
def test_every_name_is_registered_and_consistent(name):
  # Model Garden's own has no value for it.
  warmup = "trainer.optimizer_config.warmup.polynomial.warmup_steps=9"
  params = _parse(experiment=name, override=warmup)
  config_testing.check_experiment(params)


def test_experiments_share_no_state():
  one, two = (experiments.get("bert/token_drop") for _ in range(2))
  assert one == two == experiments.get("token_drop_bert/pretraining")
  one.task.model.encoder.any.num_layers = 3
  one.trainer.optimizer_config.warmup.polynomial.warmup_steps = 1
  assert two.task.model.encoder.any.num_layers == 12
  assert two.trainer.optimizer_config.warmup.polynomial.warmup_steps == 10_000


def test_default_is_bert_base_as_it_was_published():
  leaves = _leaves(_parse().as_dict())
  expected = {
    f"{ENCODER}.{name}": value
    for name, value in {
      "vocab_size": 30522,
      "hidden_size": 768,
      "num_layers": 12,
      "num_attention_heads": 12,
      "intermediate_size": 3072,
      "max_position_embeddings": 512,
      "type_vocab_size": 2,
      "token_loss_init_value": 10.0,
      "token_loss_beta": 0.995,
    }.items()
  }
  expected |= {
    f"task.{name}_data.{field}": value
    for name, training in (("train", True), ("validation", False))
    for field, value in {
      "seq_length": 512,
      "max_predictions_per_seq": 76,
      "global_batch_size": 512,
      "use_v2_feature_names": True,
      "use_next_sentence_label": False,
      "is_training": training,
      "drop_remainder": training,
    }.items()
  }
  adamw, excluded = f"{OPTIMIZER}.adamw", ["LayerNorm", "layer_norm", "bias"]
  expected |= {
    "task.model.encoder.type": "any",
    "trainer.train_steps": 1_000_000,
    f"{OPTIMIZER}.type": "adamw",
    f"{adamw}.weight_decay_rate": 0.01,
    f"{adamw}.exclude_from_weight_decay": excluded,
  }
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
  steps = (0, 5_000, 10_000, 505_000, 1_000_000)
  expected = [0.0, 0.495e-4, 0.99e-4, 0.495e-4, 0.0]
  assert [float(rate(s)) for s in steps] == pytest.approx(expected, abs=1e-8)


def test_modernbert_drops_a_random_half_of_the_tokens_in_all_but_two_layers():
  task = _parse(experiment="modernbert/token_drop").task
  encoder, data = task.model.encoder.any, task.train_data
  assert encoder.drop_plan == drop_plan.DropPlan(
    22, (drop_plan.Stage(1, 0.5),), 21
  )
  assert encoder.importance_type == "random"
  assert 101 not in encoder.id_lists(encoder.vocab_size)[0]  # [CLS]
  assert (data.seq_length, data.masking_rate) == (1024, 0.3)


def test_modernbert_has_the_optimizer_of_mosaicbert():
  """A weight loses 1e-5 of itself in a step of the highest rate."""
  settings = _parse(experiment="modernbert/token_drop").trainer.optimizer_config
  adamw, rate = settings.optimizer.adamw, settings.learning_rate.polynomial
  assert (adamw.beta_1, adamw.beta_2, adamw.epsilon) == (0.9, 0.98, 1e-6)
  lost = adamw.weight_decay_rate * rate.initial_learning_rate
  assert lost == pytest.approx(1e-5)


def test_gpt_drops_a_random_half_of_the_tokens_in_all_but_two_layers():
  params = _parse(experiment="gpt/token_drop")
  network, data = params.task.model.encoder.any, params.task.train_data
  assert network.drop_plan == drop_plan.DropPlan(
    12, (drop_plan.Stage(1, 0.5),), 11
  )
  assert network.importance_type == "random"
  assert network.id_lists(network.vocab_size) == ((), (0,))  # padding
  assert (data.seq_length, data.global_batch_size) == (1024, 512)
  adamw = params.trainer.optimizer_config.optimizer.adamw
  assert (adamw.beta_2, adamw.weight_decay_rate) == (0.95, 0.1)


# The files.


@pytest.mark.parametrize(
  "path", [*PRETRAIN, *QUICKSTART, *FINETUNE], ids=lambda path: path.name
)
def test_file_opens_with_command_hardware_and_result(path):
  header = path.read_text().split("\n\n")[0].partition("\ntask:")[0]
  for word in ("Command:", "Hardware", "ime and result:"):
    assert word in header, f"{path}: no {word} in the opening comment"


@pytest.mark.parametrize("name", experiments.NAMES[:2])
@pytest.mark.parametrize(
  "path",
  [path for path in PRETRAIN if path.name.startswith("bert_base")],
  ids=lambda path: path.name,
)
def test_pretraining_file_is_consistent(path, name):
  config_testing.check_experiment(_parse(path, experiment=name))


@pytest.mark.parametrize(
  "names",
  [
    ("pretrain/modernbert_base_1024", "pretrain/modernbert_base_8192"),
    ("quickstart/long_256", "quickstart/long_2048"),
  ],
  ids=["base", "quickstart"],
)
def test_files_of_both_stages_are_consistent(names):
  first, second = (FOLDER / f"{name}.yaml" for name in names)
  for files in ((first,), (first, second)):
    params = _parse(*files, experiment="modernbert/token_drop")
    config_testing.check_experiment(params)


@pytest.mark.parametrize(
  ("name", "file"),
  [
    ("gpt/token_drop", "gpt2_small"),
    ("modernbert_decoder/token_drop", "modernbert_decoder_base"),
  ],
)
def test_files_of_causal_networks_repeat_the_registered_defaults(name, file):
  params = _parse(FOLDER / f"pretrain/{file}.yaml", experiment=name)
  config_testing.check_experiment(params)
  assert _differing(params, _parse(experiment=name)) == {
    f"{ENCODER}.restore_layer",
    "trainer.checkpoint_interval",
    "trainer.validation_interval",
    "trainer.validation_steps",
  }


@pytest.mark.parametrize("layers", [(6, 6), (12, 2)])
def test_files_of_translation_repeat_the_registered_defaults(layers):
  name = "wmt_transformer/token_drop"
  file = FOLDER / "pretrain/wmt_{}_{}.yaml".format(*layers)
  params = _parse(file, experiment=name)
  config_testing.check_experiment(params)
  network = params.task.model.encoder.any
  assert (network.num_layers, network.num_decoder_layers) == layers
  assert network.importance_type == "random"
  assert not network.decoder_plan.drops
  trainer = {"steps_per_loop", "summary_interval", "checkpoint_interval"}
  trainer |= {"validation_interval", "validation_steps", "max_to_keep"}
  fields = {"importance.type", "restore_layer"}
  fields |= {"num_layers", "num_decoder_layers"}
  assert _differing(params, _parse(experiment=name)) <= {
    *(f"{ENCODER}.{field}" for field in fields),
    *(f"trainer.{field}" for field in trainer),
  }


@pytest.mark.parametrize(
  ("files", "kept"),
  [((WIKIPEDIA,), [4093]), ((WIKIPEDIA, RECOMMENDED), [])],
  ids=["wikipedia", "recommended"],
)
def test_quickstart_files_fit_their_vocabulary(tmp_path, files, kept):
  """The recommended setting drops `[CLS]` as often as others."""
  words = [f"word{index}" for index in range(4091)]  # special tokens last
  vocab_file = tmp_path / "vocab.txt"
  vocab_file.write_text("\n".join([*words, *vocabulary.SPECIAL_TOKENS]))
  params = _parse(*files, override=f"{ENCODER}.vocab_file={vocab_file}")
  config_testing.check_experiment(params)
  encoder = params.task.model.encoder.any
  allowed, denied = encoder.id_lists(encoder.vocab_size)
  assert sorted(allowed) == sorted([4092, *kept, 4094, 4095])
  assert denied == (4091,)


def test_recommended_quickstart_is_the_recommended_network():
  small, base = (
    _parse(*files).task.model for files in ((WIKIPEDIA, RECOMMENDED), (BASE,))
  )
  assert small.mlm_activation == base.mlm_activation
  small, base = small.encoder.any, base.encoder.any
  names = ("norm_first", "has_final_norm", "always_keep_cls", "drop_layer")
  for name in (*names, "token_keep_ratio", "importance"):
    assert getattr(small, name) == getattr(base, name), name


def test_published_file_repeats_the_registered_defaults():
  encoders = [
    params.task.model.encoder.any
    for params in (_parse(BASE, BASE_PUBLISHED), _parse())
  ]
  assert encoders[0].drop_plan == encoders[1].drop_plan
  # The default ratio is unset, which means 0.5; likewise the type of importance
  # is that of the drop type, and there is a final norm if norm_first is true.
  unset = {"token_keep_ratio", "drop_layer", "restore_layer", "importance.type"}
  unset.add("final_norm")
  assert _differing(*encoders) == unset


def test_bert_base_file_changes_what_is_dropped_and_how_often_is_evaluated():
  assert BASE in PRETRAIN
  params = _parse(BASE)
  assert _differing(params, _parse()) == {
    "task.model.mlm_activation",
    f"{ENCODER}.attention_dropout_rate",
    f"{ENCODER}.norm_first",
    f"{ENCODER}.final_norm",
    f"{ENCODER}.always_keep_cls",
    f"{ENCODER}.importance.type",
    f"{ENCODER}.token_keep_ratio",
    f"{ENCODER}.drop_layer",
    f"{ENCODER}.restore_layer",
    "trainer.checkpoint_interval",
    "trainer.validation_interval",
    "trainer.validation_steps",
  }
  encoder = params.task.model.encoder.any
  assert encoder.importance.type == "random"
  plan = drop_plan.DropPlan(12, (drop_plan.Stage(1, 0.5),), 11)
  assert encoder.drop_plan == plan  # chooses once for all middle layers
  allow, _ = encoder.id_lists(encoder.vocab_size)
  assert allow == (100, 102, 103)  # [UNK] [SEP] [MASK]


def test_dense_baseline_drops_nothing_and_changes_nothing_else():
  one, two = _parse(BASE), _parse(BASE, BASE_DENSE)
  assert not two.task.model.encoder.any.drop_plan.drops
  assert _differing(one, two) == {f"{ENCODER}.token_keep_ratio"}


@pytest.mark.parametrize("path", FINETUNE, ids=lambda path: path.name)
def test_finetuning_file_fits_its_experiment(path):
  squad = path.name.startswith("squad")
  name = "bert/token_drop_squad" if squad else "bert/token_drop_glue"
  params = experiments.get(name)
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
