"""File systems that fill up: for whole-program tests whose tester may mount one."""
import contextlib
import os
import subprocess

from program import say


@contextlib.contextmanager
def small_disk(folder, size="2M"):
    """A file system of that size where the tester may mount one; else the part is left out."""
    os.makedirs(folder)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder]
    mounted = subprocess.run(words, capture_output=True).returncode == 0
    if not mounted:
        say("not tested: disks that fill up or turn read-only (no file system can be mounted here)")
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], capture_output=True)


def fill(folder):
    """At once, so that what a run writes meanwhile does not matter; again for what it deletes later."""
    with open(os.path.join(folder, "filler"), "ab") as file:
        free, end = os.statvfs(folder), file.tell()
        for size in (free.f_bavail * free.f_frsize // 2, 1 << 20, 4096):
            with contextlib.suppress(OSError):
                while True:
                    os.posix_fallocate(file.fileno(), end, size)
                    end += size


def empty(folder):
    os.remove(os.path.join(folder, "filler"))
