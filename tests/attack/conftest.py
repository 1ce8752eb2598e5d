"""The attacks use the fixtures of the end-to-end tests: the program, its agents and servers."""

import importlib.util
from pathlib import Path

_e2e = Path(__file__).parents[1] / "e2e/conftest.py"
_spec = importlib.util.spec_from_file_location("e2e_fixtures", _e2e)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
globals().update({name: value for name, value in vars(_module).items() if not name.startswith("_")})
