# SPDX-License-Identifier: Apache-2.0
"""`python -m token_dropping.train` at the path that Model Garden's users know.

The folder has no `__init__.py`: `import official` stays Model Garden.
"""

from token_dropping import train

if __name__ == "__main__":
  train.main_program()
