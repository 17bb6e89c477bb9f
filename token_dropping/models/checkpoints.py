# SPDX-License-Identifier: Apache-2.0
"""Weights from a checkpoint: of an earlier run, or of any BERT."""

import collections
from collections.abc import Callable, Iterator

import tensorflow as tf
from absl import logging
from tensorflow.core.protobuf import trackable_object_graph_pb2

from token_dropping.common import errors
from token_dropping.models import checkpoint_files

SHOWN_WEIGHTS = 3
INITIAL = "task.init_checkpoint"
# Items in which networks save what decides which of their tokens stay.
IMPORTANCE = frozenset({"importance", "target_importance"})
# A checkpoint of Model Garden's trainer has a network without items of its own,
# such as a `Seq2SeqTransformer`, under the second name alone.
_OTHER_NAMES = {"encoder": "model"}


def restore(items: dict, prefix: str, source: str) -> None:
  """Fills every weight of `items` from a checkpoint, or none.

  Items are built Keras objects by their path there, such as `model/classifier`.
  Unlike with `expect_partial`, the checkpoint must hold, under each path, all
  weights of that item, of the same shapes, and no others; else a `UserError`
  names the first that differ, and `source`, the flag or config path of the
  checkpoint.

  >>> import tempfile
  >>> trained, fresh = tf.Variable([1.0, 2.0]), tf.Variable([0.0, 0.0])
  >>> checkpoint = tf.train.Checkpoint(bias=tf.train.Checkpoint(v=trained))
  >>> prefix = checkpoint.save(tempfile.mkdtemp() + "/ckpt")
  >>> restore({"bias": tf.train.Checkpoint(v=fresh)}, prefix, "--model_dir")
  >>> fresh.numpy()
  array([1., 2.], dtype=float32)
  """
  check(items, prefix, source)
  items = {name: item for name, item in items.items() if _own_weights(item)}
  status = _at_their_paths(items).read(prefix)
  status.expect_partial().assert_existing_objects_matched()


def check(items: dict, prefix: str, source: str, optional=frozenset()) -> None:
  """Raises the `UserError` that `restore` would, and changes nothing.

  Items of `optional` names may be absent, importance of another type, too.
  """
  held = _HeldWeights(prefix, source)
  for name, item in items.items():
    needed = name not in optional or held.has(name, item)
    if needed and _own_weights(item):
      held.check_item(name, item, source)


def find_items(items: dict, optional: set[str], path: str) -> tuple[dict, str]:
  """Returns what of `items` to initialize, and the prefix of the checkpoint.

  `path` is `task.init_checkpoint`. Items of `optional` names are left out where
  it lacks them, and keep their values, as does importance where it has that of
  another type; an `encoder` may stand there as `model`. Raises the `UserError`s
  of `find` and `restore`.
  """
  prefix = checkpoint_files.find(path, INITIAL)
  held = _HeldWeights(prefix, INITIAL)
  found = {}
  for name, item in items.items():
    there = name, _OTHER_NAMES.get(name, name)
    place = next((n for n in there if held.has(n, item)), None)
    if place or name not in optional:
      found[place or name] = item
  logging.info("Initializing from %s: %s", prefix, sorted(found))
  check(found, prefix, INITIAL)
  return found, prefix


def holds(prefix: str, name: str) -> bool:
  """Returns whether a checkpoint has an item of a name."""
  names = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
  return any(key.startswith(f"{name}/") for key in names)


def latest_step(model_dir: str) -> int:
  """Returns the step that the run in a folder continues from, or 0."""
  path = checkpoint_files.latest(model_dir) if model_dir else None
  return 0 if path is None else read_step(path, "--model_dir")


def read_step(prefix: str, source: str) -> int:
  """Returns the step at which a run wrote a checkpoint, or a `UserError`."""
  name = "global_step/.ATTRIBUTES/VARIABLE_VALUE"
  try:
    return int(tf.train.load_variable(prefix, name))
  except checkpoint_files.READ_ERRORS as error:
    reason = checkpoint_files.find_problem(prefix) or error
    raise checkpoint_files.unusable(prefix, source, reason) from error


class _HeldWeights:
  """The weights in a checkpoint, by their place in its object graph."""

  def __init__(self, prefix: str, source: str):
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    try:
      reader = tf.train.load_checkpoint(prefix)
      graph.ParseFromString(reader.get_tensor(checkpoint_files.GRAPH))
    except checkpoint_files.READ_ERRORS as error:
      raise checkpoint_files.unusable(prefix, source, error) from error
    self._prefix = prefix
    self._nodes = graph.nodes
    self._shapes = reader.get_variable_to_shape_map()

  def has(self, name: str, item) -> bool:
    """Whether some weight of an item is there; all, of importance alone.

    Types of importance have weights in common.
    """
    root = tuple(name.split("/"))
    there = self._weights(root).keys()
    own = {self._find(root + path) for path in _own_weights(item)}
    return own == there if name in IMPORTANCE else bool(own & there)

  def check_item(self, name: str, item, source: str) -> None:
    """Compares one item with what the checkpoint holds under its name."""
    root = tuple(name.split("/"))
    there = self._weights(root)
    visited, missing, wrong = set(), [], []
    for path, weight in _own_weights(item).items():
      node, place = self._find(root + path), "/".join(root + path)
      shape, own = there.get(node), weight.shape.as_list()
      if shape is None:
        missing.append(place)
      elif shape != own:
        wrong.append(f"{place} of shape {shape}, not {own}")
      visited.add(node)
    other = len(there.keys() - visited)
    for problem in (
      _listed("without", missing),
      _listed("with", wrong),
      f"with {other} more weights in {name}" if other else "",
    ):
      if problem:
        raise errors.UserError(
          f"{source} must hold every weight of the configured model. "
          f"Received: {self._prefix!r} {problem}"
        )

  def _children(self, node: int | None) -> dict[str, int]:
    children = () if node is None else self._nodes[node].children
    return {child.local_name: child.node_id for child in children}

  def _find(self, path: tuple[str, ...]) -> int | None:
    node = 0
    for name in path:
      node = self._children(node).get(name)
    return node

  def _weights(self, root: tuple[str, ...]) -> dict[int, list[int]]:
    """Returns the shapes of the weights under a path, by their node."""
    return {
      node: self._shapes[attribute.checkpoint_key]
      for _, node in _walk(self._find(root), self._children)
      for attribute in (() if node is None else self._nodes[node].attributes)
      if attribute.name == "VARIABLE_VALUE"
    }


def _own_weights(item) -> dict[tuple[str, ...], tf.Variable]:
  """Returns the weights of a Keras object by their path from it."""
  view = tf.train.TrackableView(item)

  def children(parent) -> dict:
    is_weight = isinstance(parent, tf.Variable)
    return {} if is_weight else view.children(parent)

  walk = _walk(item, children, key=id)
  return {path: o for path, o in walk if isinstance(o, tf.Variable)}


def _walk(root, children: Callable, key: Callable = hash) -> Iterator[tuple]:
  """Yields each object under a root once, the nearest first, with its path."""
  seen, waiting = {key(root)}, collections.deque([((), root)])
  while waiting:
    path, parent = waiting.popleft()
    yield path, parent
    for name, child in children(parent).items():
      if key(child) not in seen:
        seen.add(key(child))
        waiting.append(((*path, name), child))


def _at_their_paths(items: dict) -> tf.train.Checkpoint:
  """Returns a checkpoint in which every item has the path that is its key."""
  root = tf.train.Checkpoint()
  for path, item in items.items():
    *parents, name = path.split("/")
    node = root
    for parent in parents:
      if not hasattr(node, parent):
        setattr(node, parent, tf.train.Checkpoint())
      node = getattr(node, parent)
    setattr(node, name, item)
  return root


def _listed(word: str, items: list[str]) -> str:
  if not items:
    return ""
  text = f"{word} {', '.join(items[:SHOWN_WEIGHTS])}"
  more = len(items) - SHOWN_WEIGHTS
  return f"{text} and {more} more" if more > 0 else text
