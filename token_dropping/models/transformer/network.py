# SPDX-License-Identifier: Apache-2.0
"""Model Garden's Transformer for translation, whose easy tokens skip layers.

Vaswani et al., "Attention Is All You Need", 2017, with layers that normalize
first, as Model Garden has them.
"""

import dataclasses

import tensorflow as tf
import tf_keras
from official.modeling.hyperparams import base_config
from official.nlp.modeling import models

from token_dropping.models.transformer import decoder
from token_dropping.models.transformer import encoder
from token_dropping.models.transformer import packed_pairs


@dataclasses.dataclass
class TransformerSizes(base_config.Config):
  """The fields of the network; the defaults are Model Garden's.

  Attributes:
    num_layers: of the encoder.
    num_decoder_layers: of the decoder.
    intermediate_size: F, inside the feed-forward.
    norm_epsilon: what norms add to the variance; that at the decoder's end adds
      1e-6 whatever this says.
    dropout_rate: of the embeddings and of what a block adds.
    attention_dropout_rate: of the attention weights.
    intermediate_dropout_rate: inside the feed-forward.
  """

  vocab_size: int = 32000
  hidden_size: int = 512
  num_layers: int = 6
  num_decoder_layers: int = 6
  num_attention_heads: int = 8
  intermediate_size: int = 2048
  norm_epsilon: float = 1e-6
  dropout_rate: float = 0.1
  attention_dropout_rate: float = 0.1
  intermediate_dropout_rate: float = 0.1

  def layers(self) -> dict:
    """Returns the arguments that both of Model Garden's stacks take."""
    return {
      "num_attention_heads": self.num_attention_heads,
      "intermediate_size": self.intermediate_size,
      "activation": "relu",
      "dropout_rate": self.dropout_rate,
      "attention_dropout_rate": self.attention_dropout_rate,
      "intermediate_dropout": self.intermediate_dropout_rate,
      "norm_epsilon": self.norm_epsilon,
    }

  def network(self) -> dict:
    """Returns what `Seq2SeqTransformer` takes but its stacks."""
    return {
      "vocab_size": self.vocab_size,
      "embedding_width": self.hidden_size,
      "dropout_rate": self.dropout_rate,
      "eos_id": packed_pairs.END_ID,
    }


FIELDS = tuple(field.name for field in dataclasses.fields(TransformerSizes))


class Transformer(models.Seq2SeqTransformer):
  """Model Garden's `Seq2SeqTransformer`, which also reads packed pairs.

  Names, weights and checkpoints are Model Garden's, and so is a call without
  `inputs_segmentation`: with `targets` [B, T] it returns logits [B, T, V], else
  the best translations that beam search finds. `source` and `target` are the
  fields of dropping in the encoder and the decoder. `kwargs` are further
  arguments of Model Garden's, such as `extra_decode_length`.

  >>> sizes = TransformerSizes(vocab_size=40, hidden_size=8, num_layers=3,
  ...   num_decoder_layers=1, num_attention_heads=2, intermediate_size=16)
  >>> network = make(sizes, source={"token_keep_ratio": 0.5},
  ...   target={"token_keep_ratio": 1.0})
  >>> ids = tf.constant([[5, 1, 6, 1]])
  >>> batch = {"inputs": ids, "targets": ids}
  >>> pairs = tf.constant([[1, 1, 2, 2]])
  >>> batch |= {f"{side}_segmentation": pairs for side in batch}
  >>> outputs = network(batch, training=True)
  >>> outputs["logits"].shape, outputs["kept_positions"].shape
  (TensorShape([1, 4, 40]), TensorShape([1, 2]))
  """

  def __init__(
    self, sizes: TransformerSizes, source: dict, target: dict, **kwargs
  ):
    common = sizes.layers() | {"vocab_size": sizes.vocab_size}
    super().__init__(
      encoder_layer=encoder.SourceEncoder(
        num_layers=sizes.num_layers, **common, **source
      ),
      decoder_layer=decoder.TargetDecoder(
        num_layers=sizes.num_decoder_layers, **common, **target
      ),
      **sizes.network(),
      **kwargs,
    )

  def call(self, inputs: dict, training=None, plan=None, target_plan=None):
    """Returns the encoder's outputs, `logits` and the `decoder`'s outputs.

    Inputs are ids, `inputs` int [B, S] and `targets` int [B, T], and the
    numbers of the pairs, `inputs_segmentation` and `targets_segmentation`; what
    the decoder reads, positions and masks follow from them. A pair does not see
    another. `plan` says what to drop in the encoder instead of its own,
    `target_plan` what in the decoder.
    """
    if "inputs_segmentation" not in inputs:
      return super().call(inputs)
    outputs = self.encode(inputs, training, plan)
    memory = {
      "states": outputs["sequence_output"],
      "ids": inputs["inputs"],
      "documents": inputs["inputs_segmentation"],
    }
    pairs = inputs["targets_segmentation"]
    read = packed_pairs.shifted(inputs["targets"], pairs)
    states = self.decoder_dropout(self._embed(read, pairs))
    ids = packed_pairs.keys(inputs["targets"], pairs)
    target = {"states": states, "ids": ids, "documents": pairs}
    decoded = self.decoder_layer(
      target | {"memory": memory}, training=training, plan=target_plan
    )
    table = self.embedding_lookup.embeddings
    logits = self._embedding_linear(table, decoded["sequence_output"])
    # In mixed precision, too, as Model Garden has it.
    logits = tf.cast(logits, tf.float32)
    return outputs | {"logits": logits, "decoder": decoded}

  def encode(self, inputs: dict, training=None, plan=None) -> dict:
    """Returns the encoder's outputs, of sources alone; see `call`."""
    ids, pairs = inputs["inputs"], inputs["inputs_segmentation"]
    states = self.encoder_dropout(self._embed(ids, pairs))
    source = {"states": states, "ids": ids, "documents": pairs}
    return self.encoder_layer(source, training=training, plan=plan)

  def _embed(self, ids: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    """Returns what the first layer reads, [B, S, D]; padding has no word."""
    words = self.embedding_lookup(ids)
    words *= tf.cast(pairs != 0, words.dtype)[..., tf.newaxis]
    table = self.position_embedding(None, length=tf.shape(ids)[1])  # [S, D]
    places = packed_pairs.positions(pairs)
    return words + tf.cast(tf.gather(table, places), words.dtype)

  @property
  def encoder_network(self) -> encoder.SourceEncoder:
    """What chooses among the tokens of the source."""
    return self.encoder_layer

  @property
  def checkpoint_items(self) -> dict:
    """What to checkpoint beside the model, by name."""
    return {
      "encoder": self,
      "importance": self.encoder_layer.importance_scorer,
      "target_importance": self.decoder_layer.importance_scorer,
    }


def make(
  sizes: TransformerSizes, source: dict, target: dict, **kwargs
) -> Transformer:
  """Returns the network with its weights made."""
  network = Transformer(sizes, source, target, **kwargs)
  _make_weights(network)
  return network


def make_plain(sizes: TransformerSizes, **kwargs) -> models.Seq2SeqTransformer:
  """Returns Model Garden's own network, which never drops, likewise."""
  network = models.Seq2SeqTransformer(
    encoder_layer=models.TransformerEncoder(
      num_layers=sizes.num_layers, **sizes.layers()
    ),
    decoder_layer=models.TransformerDecoder(
      num_layers=sizes.num_decoder_layers, **sizes.layers()
    ),
    **sizes.network(),
    **kwargs,
  )
  _make_weights(network)
  return network


def _make_weights(network: tf_keras.Model) -> None:
  one = tf.zeros([1, 1], tf.int32)
  network({"inputs": one, "targets": one})
