# SPDX-License-Identifier: Apache-2.0
"""Tests of the exported folders, in this process and without this package."""

import functools
import pathlib
import subprocess
import sys
import types

import numpy as np
import openvino
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from tests import run_testing
from tests import serving_testing
from tests import testing
from token_dropping import export
from token_dropping.models.bert import encoder_config

LABELS = "bad\ngood\n"
WARMUP = "assets.extra/tf_serving_warmup_requests"
OF_TRAINING = {"TopKV2", "RandomUniform"}  # selecting, dropout
HEADS = pytest.mark.parametrize(
  "head",
  [
    *("encoder", "classification"),
    *(pytest.param(h, marks=pytest.mark.slow) for h in ("masked_lm", "span")),
  ],
)

# What a server without this package does. Text needs tensorflow_text, ids not.
STRANGER = """
import sys
sys.modules["token_dropping"] = None  # whoever imports it fails
import numpy as np
import tensorflow as tf
from tensorflow.python.tools import saved_model_cli

folder, out = sys.argv[1:]
names = ("input_word_ids", "input_mask", "input_type_ids")
inputs = ";".join(f"{name}={out}/ids.npz[{name}]" for name in names)
sys.argv = ["saved_model_cli", "run", "--dir", f"{folder}/ids/1", "--outdir",
            out, "--tag_set", "serve", "--signature_def", "serve", "--inputs",
            inputs]
try:
  saved_model_cli.main()
except SystemExit as end:
  assert not end.code
assert "tensorflow_text" not in sys.modules
import tensorflow_text
text = tf.saved_model.load(f"{folder}/text/1").signatures["serve_text"]
np.savez(f"{out}/text.npz", **text(text=tf.constant(["word1 word2", "word3"])))
"""


_run = functools.partial(testing.run_command, export)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
  """Returns what gives, by head, an export, the run and its trained model."""

  @functools.cache
  def export_of(head: str) -> types.SimpleNamespace:
    folder = tmp_path_factory.mktemp(head)
    out, run, own = folder / "out", folder / "run", {}
    if head == "encoder":
      model = run_testing.make_run(run).encoder_network
      own = {"head": head}
    else:
      model = run_testing.make_run(run, head)
    if head == "classification":
      (run / "labels.txt").write_text(LABELS)
    _run(model_dir=run, output_dir=out, **own)
    return types.SimpleNamespace(folder=out, run=run, model=model)

  return export_of


def _ops(graph) -> set[str]:
  """Returns the kinds of operations in a graph, functions included."""
  nodes = [*graph.node]
  for function in graph.library.function:
    nodes += function.node_def
  return {node.op for node in nodes}


@HEADS
def test_outputs_are_those_of_the_trained_model(exported, head):
  made, inputs = exported(head), serving_testing.inputs(head)
  there = serving_testing.outputs(head, made.model, inputs)
  path = str(made.folder / "ids" / "1")
  outputs = tf.saved_model.load(path).signatures["serve"](**inputs)
  serving_testing.assert_equal(outputs, there)
  compiled = openvino.Core().compile_model(
    path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
  )
  outputs = compiled({name: value.numpy() for name, value in inputs.items()})
  here = {name: outputs[name] for name in there}
  serving_testing.assert_equal(here, there, atol=1e-4)


def test_stranger_gives_what_the_trained_model_gives(exported, tmp_path):
  made = exported("encoder")
  inputs = serving_testing.inputs("encoder")
  np.savez(tmp_path / "ids.npz", **inputs)
  subprocess.run(
    [sys.executable, "-I", "-c", STRANGER, str(made.folder), str(tmp_path)],
    check=True,
    cwd=tmp_path,
  )
  there = serving_testing.outputs("encoder", made.model, inputs)
  here = {name: np.load(tmp_path / f"{name}.npy") for name in there}
  serving_testing.assert_equal(here, there)
  text = np.load(tmp_path / "text.npz")
  ids = np.array([[2, 6, 7, 3], [2, 8, 3, 0]], np.int32)  # word1 is id 6
  np.testing.assert_array_equal(text["input_word_ids"], ids)
  outputs = made.model(
    dict(input_word_ids=ids, input_mask=np.sign(ids), input_type_ids=0 * ids)
  )
  np.testing.assert_allclose(
    text["pooled_output"], outputs["pooled_output"], atol=1e-5
  )


@HEADS
@pytest.mark.parametrize("part", ["ids", "text"])
def test_warm_up_requests_run(exported, head, part):
  path = exported(head).folder / part / "1"
  loaded = tf.saved_model.load(str(path))
  signatures = []
  for record in tf.data.TFRecordDataset(str(path / WARMUP)):
    log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
    request = log.predict_log.request
    signatures.append(request.model_spec.signature_name)
    inputs = {
      name: tf.constant(tf.make_ndarray(value))
      for name, value in request.inputs.items()
    }
    loaded.signatures[signatures[-1]](**inputs)
  assert set(signatures) == set(loaded.signatures) - {"serving_default"}


def test_assets(exported):
  made = exported("classification")
  for part in ("ids", "text"):
    folder = made.folder / part / "1"
    assert (folder / "assets" / "labels.txt").read_text() == LABELS
    for name in ("vocab.txt", "tokenizer_config.json"):
      there = (made.run / name).read_text()
      assert (folder / "assets.extra" / name).read_text() == there


@HEADS
def test_nothing_of_training_is_saved(exported, head):
  made = exported(head)
  path = made.folder / "ids" / "1"
  variables = tf.train.list_variables(str(path / "variables" / "variables"))
  saved = [shape for _, shape in variables if shape]
  trained = [weight.shape.as_list() for weight in made.model.weights]
  assert sorted(saved) == sorted(trained)
  model = saved_model_pb2.SavedModel()
  model.ParseFromString((path / "saved_model.pb").read_bytes())
  ops = _ops(model.meta_graphs[0].graph_def)
  assert "MatMul" in ops and not OF_TRAINING & ops


def test_operations_of_training_are_known_by_their_names():
  encoder = encoder_config.TokenDropEncoderConfig(
    **testing.TINY["task"]["model"]["encoder"]["any"] | {"dropout_rate": 0.1}
  ).build()
  inputs = serving_testing.inputs("masked_lm", length=8)
  call = tf.function(lambda training: encoder(inputs, training=training))
  training, whole = (
    _ops(call.get_concrete_function(flag).graph.as_graph_def())
    for flag in (True, False)
  )
  assert training - whole >= OF_TRAINING


def test_next_version(exported, capsys):
  made = exported("encoder")
  (made.folder / "text" / "7").mkdir()
  unfinished = made.folder / "ids" / ".unfinished" / "of_a_killed_export"
  unfinished.mkdir(parents=True)
  _run(model_dir=made.run, output_dir=made.folder, head="encoder")
  assert capsys.readouterr().out.splitlines()[-3:] == [
    f"Exported encoder of {made.run / 'ckpt-7'}, step 7.",
    f"  {made.folder / 'ids' / '8'}",
    f"  {made.folder / 'text' / '8'}",
  ]
  names = sorted(path.name for path in (made.folder / "ids").iterdir())
  assert names == ["1", "8"]
  assert not list((made.folder / "ids" / "8").glob("of_a_killed_export"))


# What is refused.


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"model_dir": ""}, "--model_dir must be set. Received: nothing"),
    ({"output_dir": ""}, "--output_dir must be set. Received: nothing"),
    ({"model_dir": "none"}, "--model_dir must be the folder of a run."),
    ({"head": "tagger"}, "--head must be one of encoder, masked_lm, "),
    ({"head": "span"}, "--head must be encoder or masked_lm, which "),
    ({"output": "argmax"}, "--output must be one of logits, softmax."),
    ({"head": "encoder", "output": "softmax"}, "--output must be logits for"),
    ({"checkpoint": "3"}, "--model_dir must hold the checkpoint '3'"),
  ],
)
def test_wrong_flags(exported, tmp_path, values, message):
  out = tmp_path / "out"
  plain = {"model_dir": exported("encoder").run, "output_dir": out}
  assert testing.refused(_run, **(plain | values)).startswith(message)
  assert not out.exists()


def test_argument_that_is_no_flag():
  message = testing.refused(export.main, ["export", "runs/base"])
  assert message.startswith("arguments must be flags")


def test_output_folder_that_is_a_file_is_refused_before_the_run_is_read():
  message = testing.refused(_run, model_dir="none", output_dir=__file__)
  assert message.startswith("--output_dir must be a folder, there or to be ma")
  write = export.saved_model.write  # a disk may be full, or read-only
  message = testing.refused(write, f"{__file__}/ids", {}, {}, {}, [])
  assert message.startswith("--output_dir must be a writable folder. Received")


def test_of_an_interrupted_export_nothing_is_left(tmp_path, monkeypatch):
  def write(folder, *_) -> None:
    pathlib.Path(folder, ".unfinished").mkdir(parents=True)
    raise KeyboardInterrupt

  made = types.SimpleNamespace(
    folders=lambda: {"ids": {}, "text": {}}, requests=dict, tracked={}
  )
  monkeypatch.setattr(export.saved_model, "write", write)
  run = types.SimpleNamespace(tokenizer_files=[])
  with pytest.raises(KeyboardInterrupt):
    export.export(run, made, str(tmp_path))
  assert [path.name for path in tmp_path.rglob("*")] == ["ids"]
