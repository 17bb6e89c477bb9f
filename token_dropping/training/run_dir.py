# SPDX-License-Identifier: Apache-2.0
"""The folder of one run: of one model, written by one process at a time.

It also holds the tokenizer and, for a classifier, `labels.txt`: a model is of
no use with others, and the dataset may not live as long as the model.
"""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator

import tensorflow as tf
from official.core import config_definitions as cfg
from official.modeling import hyperparams

from token_dropping.common import config_overrides
from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_text
from token_dropping.common import plain_yaml
from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer_config
from token_dropping.dropping import config as dropping_config
from token_dropping.models import checkpoint_files
from token_dropping.models import networks
from token_dropping.models.bert import final_norm
from token_dropping.tasks import experiments

LOCK = "run.lock"
# Fields of the model config that leave alone what it learns; a run may go on
# with another value.
FREE_FIELDS = dropping_config.FREE_FIELDS | {
  "attention_dropout_rate",
  "dropout_rate",
  "intermediate_dropout_rate",
}
_IMPORTANCE_TYPE = "encoder.any.importance.type"
_SELECTION_TYPE = "encoder.any.selection.type"
_FINAL_NORM = f"encoder.any.{final_norm.NAME}"


def check_run_dir(params: cfg.ExperimentConfig, model_dir: str) -> None:
  """Refuses a folder, on any filesystem, that holds a run of another model.

  Folders of the run that are links lead nowhere else.
  """
  root, trainer = os.path.realpath(model_dir), params.trainer
  best = trainer.best_checkpoint_export_subdir
  for name in filter(None, ("train", trainer.validation_summary_subdir, best)):
    place = os.path.realpath(os.path.join(model_dir, name))
    rule = "a folder of the run must lie below --model_dir, not behind a link"
    below = os.path.commonpath([root, place]) == root != place
    errors.require(below, rule, f"{name!r}, which is {place}")
  there, here = _saved_leaves(model_dir), _leaves(params.task.model.as_dict())
  if there is not None:
    rule = "--model_dir must be new or hold a run of the same model; "
    path = os.path.join(model_dir, "params.yaml")
    _check_same(there, here, f"{rule}{path} has")


def check_network(there: dict, here: dict, rule: str) -> None:
  """Refuses a `task.model` that cannot take over the weights of another.

  Type of importance and selection may be others, which begin anew. `rule` is
  what the `UserError` says before the first field that differs.
  """
  free = ".importance.type", ".selection.type"  # of a decoder, too
  one, other = (
    {name: v for name, v in _leaves(model).items() if not name.endswith(free)}
    for model in (there, here)
  )
  _check_same(one, other, rule)


def _check_same(there: dict, here: dict, rule: str) -> None:
  fields = sorted(there.keys() | here.keys())
  for field in sorted(fields, key=lambda name: name.count(".")):
    old, new = there.get(field), here.get(field)
    free = not FREE_FIELDS.isdisjoint(field.split("."))
    whole = f"{rule} task.model.{field}={old}"
    errors.require(old == new or free, whole, new)


def has_final_norm(model_dir: str) -> bool | None:
  """Returns whether the run in a folder ends with a norm; `None`: no run.

  Runs from before there was one do not say it.
  """
  leaves = _saved_leaves(model_dir) if model_dir else None
  return None if leaves is None else leaves.get(_FINAL_NORM, False)


def make_run_dir(params: cfg.ExperimentConfig, model_dir: str) -> None:
  """Makes the folder and writes `params.yaml`, the tokenizer and labels."""
  hooks = experiments.hooks_of(params)
  vocab_file = hooks.vocab_file()
  if vocab_file:
    vocabulary.Vocabulary.from_file(vocab_file)  # checks it
  config = hooks.tokenizer_config()
  labels = plain_text.join_lines(hooks.labels(), "a label of task.data_dir")
  with _writable(model_dir):
    files.make_folder(model_dir)
    path = files.join(model_dir, "params.yaml")
    hyperparams.save_params_dict_to_yaml(params, f"{path}.tmp")
    files.rename(f"{path}.tmp", path)  # whole; what a link leads to stays
    if vocab_file:
      files.copy(vocab_file, files.join(model_dir, vocabulary.FILE))
      # Records from elsewhere do not say; what a user wrote there stays.
      path = files.join(model_dir, tokenizer_config.FILE)
      if config is not None or not files.exists(path):
        (config or tokenizer_config.TokenizerConfig()).write(model_dir)
    for name, path in hooks.run_files().items():
      files.copy(path, files.join(model_dir, name))
    if labels:
      files.write(files.join(model_dir, vocabulary.LABELS_FILE), labels)


def _writable(model_dir: str) -> contextlib.AbstractContextManager:
  return files.writable(model_dir, "--model_dir", tf.errors.OpError)


def _saved_leaves(model_dir: str) -> dict | None:
  """Returns the model of the run in a folder as `_leaves`; `None`: no run."""
  path = os.path.join(model_dir, "params.yaml")
  if not tf.io.gfile.exists(path):
    return None
  task = plain_yaml.read_yaml(path).get("task")
  return _leaves(task.get("model", {}) if isinstance(task, dict) else {})


def _leaves(model: dict) -> dict:
  """What is unset, as in old runs, is what it stands for there."""
  leaves = _flat(model)
  if leaves.get("encoder.type") == "any":
    config = _choice(leaves, model["encoder"].get("any") or {})
    leaves[_IMPORTANCE_TYPE] = config.importance_type
    leaves[_SELECTION_TYPE] = config.resolved_selection.type
    leaves[_FINAL_NORM] = bool(leaves.get(_FINAL_NORM))
  return leaves


def _choice(leaves: dict, fields: dict) -> dropping_config.DroppingConfig:
  """Returns a config that says how tokens are chosen, and no more."""
  config = networks.config_of(fields)()
  of_types = ("drop", "importance", "selection")
  kinds = {name: leaves.get(f"encoder.any.{name}.type") for name in of_types}
  lists = ("token_allow_list", "token_deny_list")
  chosen = {name: {"type": kind} for name, kind in kinds.items() if kind}
  chosen |= {name: fields[name] for name in lists if name in fields}
  config_overrides.apply_overrides(config, chosen, "task.model.encoder.any")
  return config


def _flat(tree, prefix: str = "") -> dict:
  if isinstance(tree, list | tuple):
    tree = dict(enumerate(tree))
  if not isinstance(tree, dict):
    return {prefix: tree}
  leaves = {}
  for key, value in tree.items():
    leaves |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
  return leaves


@contextlib.contextmanager
def explained(model_dir: str) -> Iterator[None]:
  """Raises `UserError` in place of an error that names a run's folder.

  Its disk may be full, or it became read-only. Files are written at many
  places, TensorFlow's own among them; what they raise names the file.
  """
  try:
    yield
  except (tf.errors.OpError, OSError) as error:
    # Damaged data was read, not written.
    if isinstance(error, tf.errors.DataLossError) or (
      model_dir not in str(error)
    ):
      raise
    good = checkpoint_files.latest(model_dir)
    raise errors.UserError(
      "--model_dir must be writable and have room; the last good checkpoint is "
      f"{good}. Received: {errors.first_line(error)}"
    ) from error


@contextlib.contextmanager
def held(model_dir: str) -> Iterator[None]:
  """Holds the folder of a run, or raises `UserError` if another trains there.

  The operating system's lock ends with its process, however that ends. The
  file names process and host for the message, and stays. Folders on other
  filesystems, such as `gs://`, are not locked.
  """
  if "://" in model_dir:
    yield
    return
  with contextlib.ExitStack() as stack:
    with _writable(model_dir):
      path = os.path.join(model_dir, LOCK)
      file = stack.enter_context(
        open(path, "a+", encoding="utf-8", opener=_open_no_link)
      )
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      file.seek(0)
      raise errors.UserError(
        "--model_dir must be a folder in which no other run trains. "
        f"Received: {model_dir!r}, in use by {file.read().strip()}"
      ) from error
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    yield


def _open_no_link(path: str, how: int) -> int:
  return os.open(path, how | os.O_NOFOLLOW, 0o666)


def wait_until_free(model_dir: str, seconds: float) -> bool:
  """Waits for a process that ends; returns whether the folder is free."""
  end = time.monotonic() + seconds
  while _is_held(os.path.join(model_dir, LOCK)):
    if time.monotonic() > end:
      return False
    time.sleep(0.2)
  return True


def _is_held(path: str) -> bool:
  try:
    with open(path, encoding="utf-8") as file:
      fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
  except FileNotFoundError:
    return False
  except BlockingIOError:
    return True
  return False
