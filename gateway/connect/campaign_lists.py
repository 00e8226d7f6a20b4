"""Lists the campaigns of one version of Connect's API, with their names and tags, for the campaign directory.

botocore makes the calls in a thread of its own. They are few, and never delay a dial request. Replies are
untrusted: an entry that does not fit botocore's models is left out.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from gateway.connect.api_versions import APIS, ApiName
from gateway.connect.aws_client import aws_client
from gateway.connect.aws_clock import AwsClock
from gateway.connect.credentials import AccessKeys
from gateway.connect.failures import translated
from gateway.connect.replies import LONGEST_ID, member
from gateway.connect.signing import sign_by
from gateway.connect.thread_pool import Threads
from gateway.core import errors
from gateway.directory.reader import ListedPage
from gateway.directory.table import (
    LONGEST_NAME,
    LONGEST_TAG_KEY,
    LONGEST_TAG_VALUE,
    MAX_TAGS,
    CampaignEntry,
)

T = TypeVar("T")

PAGE = 50
"""Campaigns of one page: the most that both service models allow."""
LONGEST_TOKEN, LONGEST_ARN = 1000, 500
THREADS, SPARE = 1, 2


class AwsCampaignLister:
    """The `CampaignLister` of one API over botocore.

    `timeout_s` is the time limit of a call in seconds. The owner of `keys` starts and closes them. Raises
    botocore's `NoRegionError` without a region, and ValueError if the endpoint is not a URL.
    """

    def __init__(
        self,
        api: ApiName,
        keys: AccessKeys,
        *,
        timeout_s: float,
        region: str | None = None,
        endpoint_url: str | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._api, self._keys, self._timeout_s = api, keys, timeout_s
        aws = aws_client(APIS[api], keys, region=region, endpoint_url=endpoint_url, timeout_s=timeout_s)
        self._client = aws.client
        sign_by(AwsClock(wall), self._client, aws.credentials)
        self._threads = Threads(THREADS, SPARE, f"connect-directory-{api}")

    @property
    def api(self) -> str:
        """The version of the API."""
        return self._api

    async def page(self, token: str) -> ListedPage:
        """Return one page of the list. Raises `CallFailure`."""
        arguments = {"maxResults": PAGE} | ({"nextToken": token} if token else {})
        return await self._called(lambda: listed_page(self._client.list_campaigns(**arguments), self._api))

    async def tags(self, arn: str) -> Mapping[str, str]:
        """Return the tags of a campaign. Raises `CallFailure`."""
        return await self._called(lambda: listed_tags(self._client.list_tags_for_resource(arn=arn)))

    async def close(self) -> None:
        """Stop the thread; a call in flight ends by its time-out."""
        self._threads.close()

    async def _called(self, call: Callable[[], T]) -> T:
        if not self._keys.usable:
            raise errors.NoCredentials
        job = self._threads.submit(partial(_translating, call))
        try:
            async with asyncio.timeout(2 * self._timeout_s):  # connecting and reading have one time-out each
                return await job.answer
        except TimeoutError:
            raise errors.AnswerLost from None
        finally:
            if not job.ended:
                self._threads.give_up(job)


def listed_page(response: object, api: str) -> ListedPage:
    """Return the campaigns in a reply to ListCampaigns. Skip entries that do not fit the service model."""
    listed = member(response, "campaignSummaryList")
    entries = [_entry(one, api) for one in (listed[:PAGE] if isinstance(listed, list) else ())]
    token = member(response, "nextToken")
    known = isinstance(token, str) and len(token) <= LONGEST_TOKEN
    return ListedPage([entry for entry in entries if entry is not None], str(token) if known else "")


def listed_tags(response: object) -> dict[str, str]:
    """Return the tags in a reply to ListTagsForResource, as far as they keep AWS's limits."""
    tags = member(response, "tags")
    pairs = list(tags.items())[:MAX_TAGS] if isinstance(tags, Mapping) else []
    return {
        key: value
        for key, value in pairs
        if _is_text(key, 1, LONGEST_TAG_KEY) and _is_text(value, 0, LONGEST_TAG_VALUE)
    }


def _entry(summary: object, api: str) -> CampaignEntry | None:
    campaign_id, name, arn = (member(summary, key) for key in ("id", "name", "arn"))
    if not (_is_text(campaign_id, 1, LONGEST_ID) and _is_text(name, 1, LONGEST_NAME)):
        return None
    known_arn = arn if _is_text(arn, 1, LONGEST_ARN) else ""
    return CampaignEntry(str(campaign_id), str(name), None, api, str(known_arn))


def _is_text(value: object, shortest: int, longest: int) -> bool:
    return isinstance(value, str) and shortest <= len(value) <= longest


def _translating(call: Callable[[], T]) -> T:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - the reader needs one kind of failure
        raise translated(error) from None
