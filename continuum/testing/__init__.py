"""What authors of modules test them with: a fake node, a fake provider, and the contract of every module.

- ``fake_connection``: a connection to a folder of this host, as if it were a node.
- ``fake_provider``: a provider of such nodes, to take a config through a whole run without root.
- ``canary``: a value that shows whether anything evaluates it.
- ``contract``: tests that every module must pass. For one that is installed and announced as an entry point::

      pytest --pyargs continuum.testing.contract -k provider/shed

  or, in a file of the module's own tests::

      from continuum.testing.contract import *

      MODULES = ["provider/shed"]

The contract needs pytest (``pip install "continuum-bench[testing]"``), the fakes need nothing.
"""

import sys

if (_pytest := sys.modules.get("pytest")) is not None:
    _pytest.register_assert_rewrite("continuum.testing.contract")
