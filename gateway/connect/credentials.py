"""AWS credentials in memory. A separate thread finds them and renews them ahead of time.

Calls are signed with the credentials in memory. So a source of credentials that is slow, hangs or fails
delays no call, and nothing is sent with expired credentials. Each attempt runs boto3's standard chain in a
new session: every few seconds until there are credentials, and every minute if they have no expiration, since
a file may have been replaced.
"""

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import NoCredentialsError

from gateway.runtime.clock import steady

log = logging.getLogger(__name__)

FIRST_CREDENTIALS_S = 1.0
"""Seconds to wait for the first credentials at the start. The search continues after that."""
AHEAD_S = 900.0
"""Seconds before their expiration at which credentials are renewed; half of their time if that is less."""
RELOAD_S = 60.0
"""Seconds after which credentials without an expiration are read again."""
MARGIN_S = 1.0
"""Seconds before their expiration at which credentials are no longer used: a call takes a moment to
arrive."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
"""Seconds between failed attempts: the first pause and the longest. Each pause is twice the one before, with
a jitter of a third."""
LONGEST_ATTEMPT_S = 20.0
"""Seconds after which an attempt counts as hung, and another one starts in parallel."""
MAX_HANGING = 4
"""Attempts that may hang at the same time."""
LONGEST_SLEEP_S = 30.0
"""Seconds between two readings of the clocks: the wall clock may have been set."""

NOT_FOUND_YET = "none were found yet"
"""What is wrong before an attempt has failed, at the start or since the last credentials."""

Load = Callable[[], Credentials | None]


class LoadedCredentials(NamedTuple):
    """Credentials, and when they expire, in seconds since the epoch; infinity if they do not."""

    frozen: ReadOnlyCredentials
    expires_at: float


def chain_of(region: str | None, timeout_s: float = 6.0) -> Load:
    """Return a function that asks boto3's ordinary chain for credentials, in a new session each time.

    `timeout_s` is how long a token service may take for its answer.
    """
    # botocore logs the source's text, and a traceback for each attempt; `AccessKeys` logs one line.
    logging.getLogger("botocore.credentials").setLevel(logging.ERROR)

    def load() -> Credentials | None:
        session = botocore.session.get_session()
        session.set_default_client_config(_config(timeout_s))
        if region is not None:
            session.set_config_variable("region", region)
        return session.get_credentials()

    return load


def _config(timeout_s: float) -> Config:
    retries: Any = {"total_max_attempts": 2, "mode": "standard"}
    return Config(connect_timeout=min(3.0, timeout_s), read_timeout=timeout_s, retries=retries)


class AccessKeys:
    """The access keys of all calls. `load` asks for them; `epoch` is the clock of their expiration.

    `now` never jumps. An attempt is due when one of the two clocks says so: a wall clock that is set back
    delays none, and one that is set forward leaves credentials less time.
    """

    def __init__(
        self,
        load: Load,
        *,
        epoch: Callable[[], float] = time.time,
        now: Callable[[], float] = steady,
        rng: random.Random | None = None,
        longest_attempt_s: float = LONGEST_ATTEMPT_S,
        longest_sleep_s: float = LONGEST_SLEEP_S,
        reload_s: float = RELOAD_S,
    ) -> None:
        self._load = load
        self._longest_attempt_s = longest_attempt_s
        self._longest_sleep_s = longest_sleep_s
        self._reload_s = reload_s
        self._epoch = epoch
        self._now = now
        self._rng = rng or random.Random()
        self._credentials: LoadedCredentials | None = None
        self._problem = NOT_FOUND_YET
        self._renew_at = self._renew_at_epoch = -math.inf
        self._failures = 0
        self._hanging = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._first = threading.Event()

    @classmethod
    def fixed(cls, access_key: str, secret_key: str) -> "AccessKeys":
        """Return credentials that never change."""
        keys = cls(lambda: None)
        keys._credentials = LoadedCredentials(ReadOnlyCredentials(access_key, secret_key, None), math.inf)
        keys._first.set()
        return keys

    def start(self, wait_s: float) -> None:
        """Start the thread; wait for its first attempt, for `wait_s` seconds at most."""
        if self._first.is_set():
            return
        threading.Thread(target=self._renew_until_closed, name="credentials", daemon=True).start()
        self._first.wait(wait_s)

    def close(self) -> None:
        """Stop renewing."""
        self._ended.set()

    @property
    def usable(self) -> bool:
        """Whether there are credentials that have not expired."""
        loaded = self._credentials
        return loaded is not None and self._epoch() < loaded.expires_at - MARGIN_S

    @property
    def in_words(self) -> str:
        """The state of the credentials as a text for people. It contains no part of them."""
        if self.usable:
            return "found"
        return f"expired, and not renewed: {self._problem}" if self._credentials else self._problem

    def frozen(self) -> ReadOnlyCredentials:
        """Return the credentials; raises botocore's `NoCredentialsError` if there are no valid ones."""
        loaded = self._credentials
        if loaded is None or not self.usable:
            raise NoCredentialsError
        return loaded.frozen

    # --- the thread -------------------------------------------------------------------------------

    def _renew_until_closed(self) -> None:
        while not self._ended.is_set():
            wait_s = min(self._renew_at - self._now(), self._renew_at_epoch - self._epoch())
            if wait_s > 0:
                self._ended.wait(min(wait_s, self._longest_sleep_s))
            else:
                try:
                    self._attempt()
                except Exception as error:  # noqa: BLE001 - a thread that ends would renew nothing any more
                    self._failed(f"{type(error).__name__} when asking for them")

    def _attempt(self) -> None:
        """Ask once in another thread, since the source may hang."""
        with self._lock:
            may_ask = self._hanging < MAX_HANGING
            self._hanging += may_ask
        if not may_ask:
            self._failed("the source of the credentials does not answer")
            return
        done = threading.Event()
        asking = threading.Thread(target=self._ask, args=(done,), name="credentials-look", daemon=True)
        try:
            asking.start()
        except RuntimeError:  # the system gives no further thread
            with self._lock:
                self._hanging -= 1
            raise
        if not done.wait(self._longest_attempt_s):
            self._failed("the source of the credentials does not answer")

    def _ask(self, done: threading.Event) -> None:
        try:
            credentials = self._load()
            loaded = (
                None
                if credentials is None
                else LoadedCredentials(credentials.get_frozen_credentials(), self._expiry_of(credentials))
            )
        except Exception as error:  # noqa: BLE001 - any exception means no credentials
            self._failed(f"{type(error).__name__} when asking for them")
        else:
            if loaded is None or not loaded.frozen.access_key or not loaded.frozen.secret_key:
                self._failed("none were found")
            else:
                self._store(loaded)
        finally:
            with self._lock:
                self._hanging -= 1
            self._first.set()
            done.set()

    def _expiry_of(self, credentials: Credentials) -> float:
        """Return when credentials expire. botocore only says whether less than so many seconds are left."""
        if not isinstance(credentials, RefreshableCredentials):
            return math.inf
        low, high = 0, 1 << 20
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if credentials.refresh_needed(middle) else (middle, high)
        return self._epoch() + low

    def _store(self, loaded: LoadedCredentials) -> None:
        with self._lock:
            if not self.usable or self._failures:
                log.info("AWS credentials were found")
            self._credentials, self._failures, self._problem = loaded, 0, NOT_FOUND_YET
            left_s = loaded.expires_at - self._epoch()
            ahead_s = min(AHEAD_S, left_s / 2) * self._rng.uniform(0.8, 1.0)
            self._renew_in(max(left_s - ahead_s, 1.0) if left_s < math.inf else self._reload_s)

    def _failed(self, problem: str) -> None:
        with self._lock:
            if self._problem != problem:
                log.warning("no new AWS credentials: %s; asking again until there are some", problem)
            self._problem = problem
            pause_s = min(FIRST_PAUSE_S * 2.0 ** min(self._failures, 10), LONGEST_PAUSE_S)
            self._failures += 1
            self._renew_in(pause_s * self._rng.uniform(0.67, 1.33))

    def _renew_in(self, pause_s: float) -> None:
        self._renew_at, self._renew_at_epoch = self._now() + pause_s, self._epoch() + pause_s


class InMemory(Credentials):
    """Credentials for botocore's signer. They are read from `AccessKeys` at the moment of signing."""

    def __init__(self, keys: AccessKeys) -> None:
        super().__init__("", "", method="memory")
        self._keys = keys

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return what is in memory; raises `NoCredentialsError`."""
        return self._keys.frozen()


class Provider:
    """A chain of credential providers for a botocore session; `AccessKeys` is the only one."""

    def __init__(self, keys: AccessKeys) -> None:
        self._keys = keys

    def load_credentials(self) -> Credentials:
        """Return the credentials."""
        return InMemory(self._keys)
