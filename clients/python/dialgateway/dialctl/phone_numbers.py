"""Convert phone numbers as people and CRMs write them to E.164, or refuse them with a reason.

Without a region a number must have '+'; separators and invisible characters are removed. With a region the
library phonenumbers (extra `leads`) reads national formats too. Changes are counted by kind, and the numbers
are never shown, because they are personal data.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from dialgateway.dialctl.errors import UnusableFile

_E164 = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch
_EXPONENT = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE]\+?\d+").fullmatch
_EXTENSION = re.compile(
    r"(?<![a-z])(?:ext(?:ension|n)?|x|dw|durchwahl|poste)[.:;=\s]*#?\s*\d|#\s*\d", re.IGNORECASE
)
_NUMBER = re.compile(r"\+?\(?\d(?:[\s().-]*\d){6,}")
_DECIMALS = re.compile(r"(\+?\d{7,15})[.,]0+").fullmatch
_FORMULA = re.compile(r'="(.*)"').fullmatch
_SEPARATORS = str.maketrans("", "", " \t\r\n().-/")
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"), "-")
_MEXICAN_MOBILE = re.compile(r"\+521(\d{10})").fullmatch


_MAX_DIGITS = 18
"""E.164 has at most 15; an international prefix and a '(0)' may be added."""


class BadNumber(Exception):  # noqa: N818 - named after what is wrong
    """A cell is not a number that can be dialed. The message does not contain its text."""


class PhoneNumbers:
    """Converts cells to E.164. `region` is an ISO 3166 code such as `US`; None for no national formats.

    Raises UnusableFile for an unknown region, or if the library is not installed.
    """

    def __init__(self, region: str | None = None) -> None:
        self._library: Any = None
        self._region = region.upper() if region else ""
        if self._region:
            self._library = _library()
        if self._region and self._region not in self._library.SUPPORTED_REGIONS:
            raise UnusableFile(f"--region: {region!r} is not a region; give two letters such as US, GB or DE")

    def clean(self, cell: str) -> tuple[str, str]:
        """Return a cell's number in E.164, and a description of the change; empty if nothing was changed.

        Raises BadNumber.
        """
        if _E164(cell) is not None and not cell.startswith("+521"):
            return cell, ""
        text = _visible(cell)
        _check_one_number(text)
        if self._library is not None and text.startswith("00"):
            # People write 00 for '+' in all countries, even in the US, where 00 is not dialed.
            text = "+" + text[2:].lstrip()
        number = self._parsed(text)
        mexican = _MEXICAN_MOBILE(number)
        if mexican is not None:  # the 1 of mobile numbers was abolished in 2019
            return f"+52{mexican[1]}", "+521 became +52"
        return number, _change(_visible(cell), text, number)

    def _parsed(self, text: str) -> str:
        digits = text.translate(_SEPARATORS)
        if self._library is None:
            return _without_region(text, digits)
        if _MEXICAN_MOBILE(digits) is not None:
            return digits
        return self._by_library(text)

    def _by_library(self, text: str) -> str:
        library = self._library
        try:
            parsed = library.parse(text, self._region)
        except library.NumberParseException:
            raise BadNumber(f"is not a phone number of {self._region}, nor one with a country code") from None
        reason = library.is_possible_number_with_reason(parsed)
        if reason != library.ValidationResult.IS_POSSIBLE:
            raise BadNumber(_IMPOSSIBLE.get(reason, "cannot be a phone number"))
        if not text.startswith("+") and not library.is_valid_number(parsed):
            raise BadNumber(f"is not a number of {self._region}; write it with '+' and its country code")
        return str(library.format_number(parsed, library.PhoneNumberFormat.E164))


_IMPOSSIBLE = {
    1: "has a country code that does not exist",
    2: "is too short",
    3: "is too long",
    4: "has no area code: it can be dialed only locally",
    5: "has a length that is not used in its country",
}
"""Descriptions of the `ValidationResult` of phonenumbers."""


def _library() -> Any:
    try:
        import phonenumbers
    except ImportError:
        raise UnusableFile("--region needs phonenumbers: pip install 'dial-gateway-client[leads]'") from None
    return phonenumbers


def _visible(cell: str) -> str:
    """Return a cell without what programs add to a number: quotes, signs, invisible characters."""
    text = cell if cell.isascii() else unicodedata.normalize("NFKC", cell).translate(_DASHES)
    if not text.isprintable():
        text = "".join(c for c in text if unicodedata.category(c) not in {"Cf", "Cc"} and c != "\u034f")
    text = text.strip()
    if (formula := _FORMULA(text)) is not None:
        text = formula[1].strip()
    text = text.removeprefix("'").strip()
    if (number := _DECIMALS(text)) is not None:  # a program treated the column as amounts
        text = number[1]
    return text[4:].strip() if text[:4].lower() == "tel:" else text


def _check_one_number(text: str) -> None:
    if not text:
        raise BadNumber("is empty")
    if _EXPONENT(text) is not None and "e" in text.lower():
        raise BadNumber(
            "was rounded by a spreadsheet (1.2E+10), its digits are lost; export the column as text"
        )
    if _EXTENSION.search(text) is not None:
        raise BadNumber("has an extension, which cannot be dialed; remove it")
    if len(_NUMBER.findall(text)) > 1 or text.count("+") > 1 or sum(map(str.isdigit, text)) > _MAX_DIGITS:
        raise BadNumber("contains two numbers; keep one")
    if not any(character.isdigit() for character in text):
        raise BadNumber("is not a phone number")
    if any(character.isalpha() for character in text):
        raise BadNumber("contains letters; write it in digits")


def _without_region(text: str, digits: str) -> str:
    if digits.startswith("00"):
        raise BadNumber("begins with 00; write '+' instead, or give --region, such as --region US")
    if not digits.startswith("+"):
        raise BadNumber("has no '+' and country code; add them, or give --region, such as --region US")
    if "(0)" in text:
        raise BadNumber("has a '(0)' after its country code; remove it, or give --region")
    if _E164(digits) is None:
        raise BadNumber("is not in E.164: '+', country code and number, 7 to 15 digits")
    return digits


def _change(visible: str, text: str, number: str) -> str:
    """Return the description of a change."""
    if visible.startswith("00") and text.startswith("+"):
        return "00 became +"
    if text == number:
        return "invisible characters, quotes, decimals or spaces around it removed"
    if text.startswith("+"):
        return "separators removed"
    return "national number completed with its country code"
