"""Try the course with Colab's versions, for real: `python tests/course/on_colab.py FOLDER`.

Makes an environment in FOLDER with the packages of colab_versions.txt (with the torch of constraints.txt, since Colab's
builds are not to be had elsewhere), installs the committed state of the course as its setup cell does, fails where that
adds anything else, and runs every chapter there and every homework with its solutions, which says its points. Needs a
network and some minutes.
"""

import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
last = [output["data"]["text/plain"] for output in notebook.cells[-1].get("outputs", []) if "data" in output]
print(*(text.splitlines()[0] for text in last))
"""


def main(folder: Path) -> None:
    venv.create(folder, with_pip=True, clear=True)
    python = folder / "bin" / "python"

    def run(*command: str | Path, cwd: Path = folder) -> str:
        return subprocess.run([python, *command], cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout

    asked = Path(__file__).with_name("colab_versions.txt").read_text(encoding="utf-8")
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    asked = re.sub(r"^torch==.*", re.search(r"^torch==.*", pins, re.M)[0], asked, flags=re.M)
    (folder / "asked.txt").write_text(asked)
    run("-m", "pip", "install", "--quiet", "--requirement", "asked.txt")
    before = set(run("-m", "pip", "freeze").splitlines())
    archive = folder / "course.zip"
    subprocess.run(["git", "archive", "--prefix=course/", f"--output={archive}", "HEAD"], cwd=ROOT, check=True)
    run("-m", "pip", "install", "--quiet", f"deepul_utils @ {archive.as_uri()}")
    added = set(run("-m", "pip", "freeze").splitlines()) ^ before
    print("installing the course changed", *sorted(added))
    assert [line.split(" @ ")[0] for line in added] == ["deepul_utils"]
    for notebook in sorted([*ROOT.glob("solutions/*/*.ipynb"), *ROOT.glob("book/*/*.ipynb")]):
        with tempfile.TemporaryDirectory() as elsewhere:
            start = time.perf_counter()
            last = run("-c", RUN, notebook, cwd=Path(elsewhere)).strip()
            print(f"{time.perf_counter() - start:5.1f} s  {notebook.relative_to(ROOT)}  {last}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
