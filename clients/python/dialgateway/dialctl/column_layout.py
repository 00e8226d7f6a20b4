"""Decide what each column of a list is: token, phone number, expiration, campaign, an attribute, or unused.

The options of the user come first, then the names that dialctl uses itself, then well-known names such as
`Phone`, if exactly one column has such a name. Each decision is shown to the user in a note.

The name of an attribute may contain only letters, digits, '_' and '-' (a rule of Amazon Connect). Other names
are changed: accents are removed, each run of other characters becomes one '_', and '_' at both ends is
removed. So `Account #` becomes `Account`, and `First Name` becomes `First_Name`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dialgateway.dialctl.errors import UnusableFile

TOKEN, PHONE, EXPIRATION, CAMPAIGN = ROLES = (
    "client_token",
    "phone_number",
    "expiration_time",
    "campaign_id",
)
EMAIL_ADDRESS = "email_address"
"""The role of the column with addresses, only in a list for e-mails: elsewhere it is an attribute."""

_MAX_NAME_SHOWN = 40
_MAX_NOTES = 20
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]+")
_PHONE_NAMES = frozenset(
    {
        "phone",
        "phonenumber",
        "phoneno",
        "phone1",
        "phone1value",
        "telephone",
        "telephonenumber",
        "tel",
        "telno",
        "telefon",
        "telefonnummer",
        "telefono",
        "telefone",
        "telefoonnummer",
        "mobile",
        "mobilephone",
        "mobilenumber",
        "mobil",
        "mobilnummer",
        "mobiltelefon",
        "handy",
        "handynummer",
        "cell",
        "cellphone",
        "cellnumber",
        "celular",
        "gsm",
        "msisdn",
        "primaryphone",
        "homephone",
        "workphone",
        "businessphone",
        "contactnumber",
        "rufnummer",
    }
)
_EMAIL_NAMES = frozenset(
    {
        "email",
        "emailaddress",
        "mail",
        "mailaddress",
        "emailadresse",
        "mailadresse",
        "courriel",
        "correo",
        "correoelectronico",
        "epost",
    }
)
_WELL_KNOWN = {PHONE: (_PHONE_NAMES, "phone number"), EMAIL_ADDRESS: (_EMAIL_NAMES, "e-mail address")}
_NO_TOKEN_COLUMN = """\
the first line has no column {name!r} among its {count}.
Each lead needs a token of its own: it prevents that people are dialed twice when the list is sent again. Name
a column that identifies the dial with --token-column, or build tokens from such columns with --token-from,
for example --token-from "Lead ID,Due date"."""  # noqa: S105


@dataclass(frozen=True, slots=True)
class ColumnOptions:
    """The user's options for columns.

    `named` maps names of columns to one of `ROLES`, to `EMAIL_ADDRESS` or to the name of an attribute. If
    `only` is given, no other column is an attribute; columns in `drop` never are. Tokens are built from the
    columns in `token_from`.
    """

    named: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    token_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """The positions of the columns in a row, counted from 0; None or empty if there is none.

    `token` has one position, or those of the columns that tokens are built from if `token_is_built`. `phone`
    is the column with phone numbers, or with addresses in a list for e-mails (`to_email`). `names` are the
    names in the list. `notes` tell the user what was decided.
    """

    names: tuple[str, ...]
    token: tuple[int, ...]
    token_is_built: bool
    phone: int
    expiration: int | None
    campaign: int | None
    attributes: tuple[tuple[int, str], ...]
    unnamed: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    to_email: bool = False

    @property
    def width(self) -> int:
        """How many cells a row has."""
        return len(self.names)


def column_layout(
    header: Sequence[str],
    options: ColumnOptions,
    *,
    needs_expiration: bool,
    needs_campaign: bool,
    to_email: bool = False,
) -> ColumnLayout:
    """Decide what each column is. Raises UnusableFile if a column is missing or ambiguous.

    No name is shown before token and phone number are found: in a list without a header, the first line is a
    lead. `to_email`: the list is for e-mails, and has addresses instead of phone numbers.
    """
    names = tuple(_normalized(name) for name in header)
    notes: list[str] = []
    address_role = EMAIL_ADDRESS if to_email else PHONE
    roles, renamed = _roles(names, options, (*ROLES, EMAIL_ADDRESS) if to_email else ROLES)
    token = _token(names, roles, options)
    phone = roles.get(address_role)
    if phone is None:
        phone = _well_known(address_role, names, set(roles.values()), notes)
    if to_email and PHONE in roles:
        notes.append(f"column {roles[PHONE] + 1} ({PHONE}) is not sent: an e-mail has no phone number")
    _check_needs(roles, needs_expiration=needs_expiration, needs_campaign=needs_campaign)
    # Columns that tokens are built from are attributes too.
    taken = {phone, *roles.values(), *(token if not options.token_from else ())}
    attributes = _attributes(names, taken, renamed, options, notes)
    return ColumnLayout(
        names,
        token,
        bool(options.token_from),
        phone,
        roles.get(EXPIRATION),
        roles.get(CAMPAIGN),
        attributes,
        tuple(at for at, name in enumerate(names) if not name and at not in taken),
        tuple(notes),
        to_email,
    )


def legal_name(name: str) -> str:
    """Return the name of an attribute for a column's name; empty if no character of it is allowed."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return _ILLEGAL.sub("_", bare.replace("ß", "ss")).strip("_") if _ILLEGAL.search(bare) else bare


def _normalized(name: str) -> str:
    return " ".join(name.replace("\ufeff", "").split())


def _find(names: Sequence[str], wanted: str, option: str) -> int:
    """Return the position of a column that the user names. An exact match wins over one in another case."""
    wanted = _normalized(wanted)
    exact = [at for at, name in enumerate(names) if name == wanted]
    alike = exact or [at for at, name in enumerate(names) if name.casefold() == wanted.casefold()]
    if not alike:
        raise UnusableFile(f"{option}: the first line has no column {wanted!r}")
    if len(alike) > 1:
        places = ", ".join(str(at + 1) for at in alike)
        raise UnusableFile(f"{option}: columns {places} are all named {wanted!r}; give them different names")
    return alike[0]


def _roles(
    names: Sequence[str], options: ColumnOptions, known: Sequence[str]
) -> tuple[dict[str, int], dict[int, str]]:
    """Return the position of each role, and the new names of columns that the user renames."""
    roles: dict[str, int] = {}
    renamed: dict[int, str] = {}
    for name, target in options.named.items():
        at = _find(names, name, "--map")
        if at in renamed or at in roles.values():
            raise UnusableFile(f"--map: the column {name!r} is given twice")
        if target not in known:
            renamed[at] = target
        elif target in roles:
            raise UnusableFile(f"--map: two columns are given for {target}")
        else:
            roles[target] = at
    for role in known:
        if role not in roles and role in names:
            at = _find(names, role, "--map")
            if at not in renamed:
                roles[role] = at
    return roles, renamed


def _token(names: Sequence[str], roles: dict[str, int], options: ColumnOptions) -> tuple[int, ...]:
    if options.token_from:
        return tuple(_find(names, name, "--token-from") for name in options.token_from)
    if TOKEN not in roles:
        raise UnusableFile(_NO_TOKEN_COLUMN.format(name=TOKEN, count=len(names)))
    return (roles[TOKEN],)


def _well_known(role: str, names: Sequence[str], taken: set[int], notes: list[str]) -> int:
    """Return the only column with a well-known name for a phone number or an address. Raises UnusableFile."""
    well_known, what = _WELL_KNOWN[role]
    found = [at for at, name in enumerate(names) if at not in taken and _letters(name) in well_known]
    if not found:
        raise UnusableFile(_missing(role, f'name it with --map "Your column={role}"'))
    if len(found) > 1:
        shown = ", ".join(repr(names[at][:_MAX_NAME_SHOWN]) for at in found)
        first = names[found[0]][:_MAX_NAME_SHOWN]
        raise UnusableFile(
            f'several columns may hold the {what}: {shown}; choose with --map "{first}={role}"'
        )
    notes.append(f"column {found[0] + 1} ({names[found[0]]!r}) is used as the {what}")
    return found[0]


def _check_needs(roles: Mapping[str, int], *, needs_expiration: bool, needs_campaign: bool) -> None:
    """Check that there is a column for what no option gives. Raises UnusableFile."""
    if needs_expiration and EXPIRATION not in roles:
        raise UnusableFile(_missing(EXPIRATION, "or give --expires-in, such as 10m"))
    if needs_campaign and CAMPAIGN not in roles:
        raise UnusableFile(_missing(CAMPAIGN, "or give --campaign"))


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", legal_name(name).casefold())


def _missing(role: str, remedy: str) -> str:
    return f"the first line has no column {role!r} ({remedy})"


def _attributes(
    names: Sequence[str],
    taken: set[int],
    renamed: Mapping[int, str],
    options: ColumnOptions,
    notes: list[str],
) -> tuple[tuple[int, str], ...]:
    """Return the positions and names of the attributes. Raises UnusableFile for names that cannot be used."""
    only = None if options.only is None else {_find(names, name, "--only") for name in options.only}
    drop = {_find(names, name, "--drop") for name in options.drop}
    attributes: dict[str, int] = {}
    for at, name in enumerate(names):
        if (
            at in taken
            or at in drop
            or not name
            or (only is not None and at not in only and at not in renamed)
        ):
            continue
        legal = renamed.get(at) or legal_name(name)
        if not legal:
            raise UnusableFile(
                f'column {at + 1} has no letter or digit in its name; give it one with --map "{name}=NAME"'
            )
        if legal in attributes:
            raise UnusableFile(
                f"columns {attributes[legal] + 1} and {at + 1} would both be the attribute {legal!r}; "
                "rename one with --map, or leave it out with --drop"
            )
        attributes[legal] = at
    others = [(at, legal) for legal, at in attributes.items() if legal != names[at]]
    for at, legal in others[:_MAX_NOTES]:
        notes.append(f"column {at + 1} ({names[at][:_MAX_NAME_SHOWN]!r}) is sent as the attribute {legal!r}")
    if len(others) > _MAX_NOTES:
        notes.append(f"{len(others) - _MAX_NOTES} more columns are sent under a changed name in the same way")
    return tuple((at, legal) for legal, at in attributes.items())
