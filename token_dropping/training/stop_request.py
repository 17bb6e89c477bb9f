# SPDX-License-Identifier: Apache-2.0
"""SIGTERM, noted at once where a running loop of steps can see it.

Python's handlers run in the main thread, to which TensorFlow does not come back
before the end of a loop. So a thread of its own learns of the signal and sets a
variable that the loop reads.
"""

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator

import tensorflow as tf


class StopRequest:
  """Whether SIGTERM came while it was watched for.

  To be made outside of a strategy's scope: the variable is one, on the host.
  """

  def __init__(self):
    with tf.device("CPU:0"):
      self._flag = tf.Variable(False, trainable=False, name="stop_requested")

  @property
  def flag(self) -> tf.Tensor:
    """Scalar bool, for a graph or out of one."""
    return self._flag.read_value()

  @contextlib.contextmanager
  def watching(self) -> Iterator[None]:
    """Watches for SIGTERM, in the main thread: no other may have handlers."""
    if threading.current_thread() is not threading.main_thread():
      yield
      return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    # Without a handler of Python's the signal would not come to the socket.
    old_handler = signal.signal(signal.SIGTERM, lambda *_: None)
    old_writer = signal.set_wakeup_fd(writer.fileno())
    thread = threading.Thread(target=self._listen, args=(reader,), daemon=True)
    thread.start()
    try:
      yield
    finally:
      signal.set_wakeup_fd(old_writer)
      signal.signal(signal.SIGTERM, old_handler)
      writer.close()
      thread.join()
      reader.close()

  def _listen(self, reader: socket.socket) -> None:
    while number := reader.recv(1):
      if number[0] == signal.SIGTERM:
        self._flag.assign(True)
