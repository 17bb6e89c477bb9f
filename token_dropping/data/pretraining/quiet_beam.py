# SPDX-License-Identifier: Apache-2.0
"""Imports Apache Beam, an optional dependency, without its reports.

It names each cloud whose libraries are missing, which are no concern of those
who do not use them.
"""

import logging

from token_dropping.common import errors


def _import():
  disabled = logging.root.manager.disable
  logging.disable(logging.WARNING)
  try:
    import apache_beam
    from apache_beam.io import filesystem
    from apache_beam.io import filesystems
    from apache_beam.options import pipeline_options
  except ImportError as error:
    raise errors.UserError(
      "preparing data needs Apache Beam: pip install 'token-dropping[data]'. "
      f"Received: {error}"
    ) from error
  finally:
    logging.disable(disabled)
  return apache_beam, filesystem, filesystems, pipeline_options


beam, filesystem, filesystems, pipeline_options = _import()
