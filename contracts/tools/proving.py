"""Where slither and halmos live: a virtual environment under target/, made anew when requirements.txt changes."""

import os
import subprocess
import sys
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parent.parent
WORKSHOP = CONTRACTS.parent / "target" / "proving"


def environment() -> Path:
    """The folder of the environment's programs; installs them the first time (about a minute, from PyPI)."""
    requirements = CONTRACTS / "requirements.txt"
    folder = WORKSHOP / "venv"
    stamp = folder / "requirements.txt"
    if not (stamp.exists() and stamp.read_text() == requirements.read_text()):
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin" / "pip", "--quiet", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, "-r", requirements], check=True)
        stamp.write_text(requirements.read_text())
    return folder / "bin"


def surroundings(programs: Path) -> dict[str, str]:
    """Environment variables under which slither and halmos find forge."""
    here = os.environ.copy()
    forge = CONTRACTS / "node_modules" / ".bin"
    if not (forge / "forge").exists():
        sys.exit(f"forge is not in {forge}: run `npm ci` in {CONTRACTS} first")
    here["PATH"] = f"{programs}:{forge}:{here['PATH']}"
    return here
