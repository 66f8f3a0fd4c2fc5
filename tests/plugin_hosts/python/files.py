"""The pool's directory: its lock, its registry, and the atomic replacement of that."""

import contextlib
import fcntl
import os
import signal
import stat

from errors import HostError, system

LOCK_WAIT = 10.0  # seconds
LARGEST_REGISTRY = 64 << 20  # bytes


class Pool:
    """A directory that one user owns and nobody else can write.

    Whoever writes the registry says which processes are signalled, so a directory that
    others can write is refused.
    """

    def __init__(self, path: str):
        about = os.lstat(path)
        ours = stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid()
        if not ours or about.st_mode & 0o022:
            raise ValueError(f"{path}: not a directory that only this user can write")
        self.path = path

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def lock(self) -> int:
        """Takes the lock and returns its descriptor; closing that releases it.

        Fails with `busy` when somebody else holds it for too long.
        """
        path = self._file("registry.lock")
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                with _deadline(LOCK_WAIT):
                    fcntl.flock(fd, fcntl.LOCK_EX)
                # The lock file is never removed by poolwarden; somebody else may have.
                if _is_still_at(fd, path):
                    return fd
            except TimeoutError:
                os.close(fd)
                raise HostError(
                    "busy", f"{path}: somebody else held the lock for {LOCK_WAIT:g} s"
                ) from None
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def read(self) -> bytes | None:
        """The registry's bytes, or none when there is no file. Needs the lock."""
        path = self._file("registry.json")
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise system(error) from error
        with os.fdopen(fd, "rb") as registry:
            bytes_ = registry.read(LARGEST_REGISTRY + 1)
        if len(bytes_) > LARGEST_REGISTRY:
            raise HostError("too-large", f"{path}: larger than {LARGEST_REGISTRY} bytes")
        return bytes_

    def replace(self, bytes_: bytes) -> None:
        """Replaces the registry as a whole, so that a crash leaves the old one or the new
        one. Needs the lock."""
        new = self._file("registry.json.new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
                file.write(bytes_)
                file.flush()
                # Before the rename: else a power cut may leave an empty registry.
                os.fsync(file.fileno())
            os.rename(new, self._file("registry.json"))
            # The rename itself is an entry of the directory.
            directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise system(error) from error


@contextlib.contextmanager
def _deadline(seconds: float):
    """Interrupts a blocking system call with a TimeoutError. For the main thread only."""

    def over(_signal, _frame):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _is_still_at(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False
