"""Stands in for `python -m venv` and `pip`: no download, and each call is written down.

`startup.sh` is given a PYTHON that runs this file for `-m venv`. The environment it makes
borrows the packages of the tests' own interpreter, so services start in it at once; its
`pip` installs the name of one package, and fails while there is a file `pip-fails` beside its
calls.
"""

import json
import os
import stat
import sys
import sysconfig
import venv
from pathlib import Path

PIP = """
import json, sys
from pathlib import Path

record = Path({record!r})
with (record / "pip-calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1] == "install" and (record / "pip-fails").exists():
    print("Collecting fastapi")
    print((record / "pip-fails").read_text())
    sys.exit("ERROR: no network today")
if sys.argv[1] == "install":
    installed = Path(__file__).parent.with_name("a_package-1.0.dist-info")
    installed.mkdir(exist_ok=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\\nName: a-package\\nVersion: 1.0\\n")
print("pip 1.0")
"""

# The shell finds the interpreter: a `#!` line takes no spaces.
UVICORN = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
from uvicorn.main import main

main()
"""

INTERPRETER = """#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then shift 2; exec "{python}" "{maker}" "{record}" "$@"; fi
exec "{python}" "$@"
"""


def write_interpreter(path: Path, record: Path) -> None:
    """A PYTHON for `startup.sh`, whose calls end up in the folder `record`."""
    maker = Path(__file__).resolve()
    path.write_text(INTERPRETER.format(python=sys.executable, maker=maker, record=record))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def make(folder: Path, record: Path) -> None:
    """An environment in `folder` with a `pip` that only says so."""
    venv.create(folder, clear=True, symlinks=True, with_pip=False)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    packages.joinpath("borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    packages.joinpath("pip").mkdir()
    packages.joinpath("pip", "__init__.py").touch()
    packages.joinpath("pip", "__main__.py").write_text(PIP.format(record=str(record)))
    uvicorn = folder / "bin" / "uvicorn"
    uvicorn.write_text(UVICORN.format(python=folder / "bin" / "python"))
    uvicorn.chmod(0o755)


def main() -> None:
    """`prepared_python.py RECORD [options of venv] FOLDER`."""
    record = Path(sys.argv[1])
    with (record / "venv-calls").open("a") as calls:
        calls.write(json.dumps(sys.argv[2:]) + os.linesep)
    make(Path(sys.argv[-1]), record)


if __name__ == "__main__":
    main()
