"""Checks with `buf breaking` that protos/ makes no incompatible change for callers.

Callers may rely on the contract on the branch main, so the working tree is compared with

- the commit where its branch left main: `origin/main` in a clone, otherwise the local `main`. The
  branch point is used and not the tip, since later additions on main are not missing here;
- if HEAD is on main, HEAD and its first parent: HEAD to check uncommitted changes, the parent to
  check the newest commit. For a merge, the first parent is main before the merge;
- if there is no main, as in a clone of one branch, the same two.

A base without protos, or a missing base (a first commit, a shallow clone), is named and
skipped. Needs git and buf, and no network.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = Path(sys.executable).parent / "buf"
MAIN = ("refs/remotes/origin/main", "refs/heads/main")


def main() -> int:
    """Compare with every base; return 0 if no change is incompatible."""
    return max(_compared(name, commit) for name, commit in _bases())


def _bases() -> list[tuple[str, str | None]]:
    head = _commit("HEAD")
    if head is None:
        return [("HEAD", None)]
    trunk = next((ref for ref in MAIN if _commit(ref)), None)
    left_at = (_git("merge-base", "HEAD", trunk) or _commit(trunk)) if trunk else head
    if trunk and left_at != head:
        return [(f"{trunk.removeprefix('refs/').partition('/')[2]}, where this branch left it", left_at)]
    return [("HEAD", head), ("HEAD's first parent", _commit("HEAD^1"))]


def _compared(name: str, commit: str | None) -> int:
    if commit is None:
        print(f"contract: {name} does not exist: nothing to compare with")
        return 0
    name = f"{name} ({commit[:9]})"
    if not _git("ls-tree", commit, "protos/"):
        print(f"contract: {name} has no protos yet: nothing to compare with")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", "--format=tar", commit, "protos"], cwd=ROOT, check=True, capture_output=True
        )
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        # Both sides are read with the current configuration.
        Path(folder, "buf.yaml").write_bytes((ROOT / "buf.yaml").read_bytes())
        code = subprocess.run([BUF, "breaking", "--against", folder], cwd=ROOT, check=False).returncode
    print(f"contract: {'breaks' if code else 'breaks nothing of'} {name}")
    return code


def _commit(name: str) -> str | None:
    return _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def _git(*arguments: str) -> str | None:
    """Return git's output, or None if it fails or prints nothing."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    return done.stdout.strip() or None if done.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())
