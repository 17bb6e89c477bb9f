# SPDX-License-Identifier: Apache-2.0
"""Tests of the exported folders, in this process and without this package."""

import subprocess
import sys
import types

import numpy as np
import openvino
import pytest
import tensorflow as tf
from absl import flags
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from tests import run_testing
from tests import serving_testing
from tests import testing
from token_dropping import export
from token_dropping.common import errors
from token_dropping.models import encoder_config

LABELS = "bad\ngood\n"
WARMUP = "assets.extra/tf_serving_warmup_requests"

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


def _run(**values) -> None:
  own = flags.FlagValues()
  export.define_flags(own)
  argv = [f"--{name}={value}" for name, value in values.items()]
  export.main(own(["export", *argv]), own)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
  """By head: the folder of the export, the run's and the trained model."""
  found = {}
  for name in ("masked_lm", "classification", "span"):
    folder = tmp_path_factory.mktemp(name)
    model = run_testing.make_run(folder / "run", name)
    if name == "classification":
      (folder / "run" / "labels.txt").write_text(LABELS)
    _run(model_dir=folder / "run", output_dir=folder / "out")
    found[name] = types.SimpleNamespace(
      folder=folder / "out", run=folder / "run", model=model
    )
  masked_lm = found["masked_lm"]
  folder = tmp_path_factory.mktemp("encoder")
  _run(model_dir=masked_lm.run, output_dir=folder, head="encoder")
  found["encoder"] = types.SimpleNamespace(
    folder=folder, run=masked_lm.run, model=masked_lm.model.encoder_network
  )
  return found


def _ops(path) -> set[str]:
  """Returns the kinds of operations in a SavedModel, functions included."""
  model = saved_model_pb2.SavedModel()
  model.ParseFromString((path / "saved_model.pb").read_bytes())
  return _graph_ops(model.meta_graphs[0].graph_def)


def _graph_ops(graph) -> set[str]:
  nodes = [*graph.node]
  for function in graph.library.function:
    nodes += function.node_def
  return {node.op for node in nodes}


def _expected(head, made) -> dict[str, tf.Tensor]:
  inputs = serving_testing.inputs(head)
  return serving_testing.outputs(head, made.model, inputs)


@pytest.mark.parametrize("head", serving_testing.HEADS)
def test_saved_model_gives_what_the_trained_model_gives(exported, head):
  made = exported[head]
  loaded = tf.saved_model.load(str(made.folder / "ids" / "1"))
  outputs = loaded.signatures["serve"](**serving_testing.inputs(head))
  serving_testing.assert_equal(outputs, _expected(head, made))


@pytest.mark.parametrize("head", serving_testing.HEADS)
def test_openvino_gives_what_the_trained_model_gives(exported, head):
  made = exported[head]
  compiled = openvino.Core().compile_model(
    str(made.folder / "ids" / "1"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
  )
  inputs = serving_testing.inputs(head)
  outputs = compiled({name: value.numpy() for name, value in inputs.items()})
  there = _expected(head, made)
  here = {name: outputs[name] for name in there}
  serving_testing.assert_equal(here, there, atol=1e-4)


def test_stranger_gives_what_the_trained_model_gives(exported, tmp_path):
  made = exported["encoder"]
  np.savez(tmp_path / "ids.npz", **serving_testing.inputs("encoder"))
  subprocess.run(
    [sys.executable, "-I", "-c", STRANGER, str(made.folder), str(tmp_path)],
    check=True,
    cwd=tmp_path,
  )
  there = _expected("encoder", made)
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


@pytest.mark.parametrize(
  ("head", "part"),
  [("encoder", "ids"), *((head, "text") for head in serving_testing.HEADS)],
)
def test_warm_up_requests_run(exported, head, part):
  path = exported[head].folder / part / "1"
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
  for part in ("ids", "text"):
    folder = exported["classification"].folder / part / "1"
    assert (folder / "assets" / "labels.txt").read_text() == LABELS
    for name in ("vocab.txt", "tokenizer_config.json"):
      there = (exported["classification"].run / name).read_text()
      assert (folder / "assets.extra" / name).read_text() == there


@pytest.mark.parametrize("head", serving_testing.HEADS)
def test_no_weights_but_those_of_the_network(exported, head):
  made = exported[head]
  path = str(made.folder / "ids" / "1" / "variables" / "variables")
  saved = [shape for name, shape in tf.train.list_variables(path) if shape]
  trained = [weight.shape.as_list() for weight in made.model.weights]
  assert sorted(saved) == sorted(trained)


def test_no_operations_of_training(exported):
  encoder = encoder_config.build_encoder(
    encoder_config.TokenDropEncoderConfig(
      **testing.TINY["task"]["model"]["encoder"]["any"] | {"dropout_rate": 0.1}
    )
  )
  inputs = serving_testing.inputs("masked_lm", length=8)

  @tf.function
  def call(training):
    return encoder(inputs, training=training)["sequence_output"]

  training, whole = (
    _graph_ops(call.get_concrete_function(flag).graph.as_graph_def())
    for flag in (True, False)
  )
  selecting, dropout = {"TopKV2"}, {"RandomUniform"}
  assert selecting | dropout <= training - whole
  for head in serving_testing.HEADS:
    ops = _ops(exported[head].folder / "ids" / "1")
    assert "MatMul" in ops
    assert not (selecting | dropout) & ops


def test_next_version(exported, capsys):
  made = exported["encoder"]
  (made.folder / "text" / "7").mkdir()
  unfinished = made.folder / "ids" / ".unfinished" / "of_a_killed_export"
  unfinished.mkdir(parents=True)
  _run(model_dir=made.run, output_dir=made.folder, head="encoder")
  assert capsys.readouterr().out.splitlines() == [
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
  defaults = {
    "model_dir": exported["masked_lm"].run,
    "output_dir": tmp_path / "out",
  }
  with pytest.raises(errors.UserError) as caught:
    _run(**(defaults | values))
  assert str(caught.value).startswith(message)
  assert "\n" not in str(caught.value)
  assert not (tmp_path / "out").exists()


def test_argument_that_is_no_flag():
  with pytest.raises(errors.UserError, match="arguments must be flags"):
    export.main(["export", "runs/base"])


def test_output_folder_that_is_a_file(exported, tmp_path):
  (tmp_path / "out").write_text("")
  with pytest.raises(errors.UserError, match="--output_dir must be a writable"):
    _run(
      model_dir=exported["masked_lm"].run,
      output_dir=tmp_path / "out",
      head="encoder",
    )
