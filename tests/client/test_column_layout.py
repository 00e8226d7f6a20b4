"""What each column is used for, by options, by dialctl's own names and by well-known names."""

from __future__ import annotations

import pytest

from dialgateway.dialctl.column_layout import ColumnLayout, ColumnOptions, column_layout, legal_name
from dialgateway.dialctl.errors import UnusableFile


def layout(header: str, **options: object) -> ColumnLayout:
    names = header.split(",")
    return column_layout(
        names,
        ColumnOptions(**options),  # type: ignore[arg-type]
        needs_expiration=False,
        needs_campaign=False,
    )


def attributes(header: str, **options: object) -> list[str]:
    return [name for _, name in layout(header, **options).attributes]


def test_names_of_the_contract_need_no_option() -> None:
    """Columns with the names of the contract are recognized; the others are attributes."""
    found = layout("client_token,phone_number,expiration_time,campaign_id,first_name")
    assert (found.token, found.phone, found.expiration, found.campaign) == ((0,), 1, 2, 3)
    assert found.attributes == ((4, "first_name"),)
    assert found.notes == ()


@pytest.mark.parametrize(
    "name", ["Phone", "PHONE NUMBER", "Mobile", "Telefon", "Téléphone", "Teléfono", "Cell-Phone", "Tel."]
)
def test_a_well_known_phone_column_is_used_and_reported(name: str) -> None:
    """One column that is clearly the phone number needs no option, and the user sees the decision."""
    found = layout(f"client_token,{name},note")
    assert found.phone == 1
    assert found.notes == (f"column 2 ({name!r}) is used as the phone number",)


def test_several_well_known_phone_columns_are_refused() -> None:
    """With a landline and a mobile number the user chooses; the message says how."""
    with pytest.raises(UnusableFile, match=r"'Phone', 'Mobile'.*--map"):
        layout("client_token,Phone,Mobile")
    assert layout("client_token,Phone,Mobile", named={"Mobile": "phone_number"}).phone == 2


def test_the_token_column_is_never_guessed() -> None:
    """A token decides who is dialed twice, so the user names its column."""
    with pytest.raises(UnusableFile, match="--token-from"):
        layout("Id,Phone")
    assert layout("Id,Phone", named={"Id": "client_token"}).token == (0,)


def test_token_columns_stay_attributes() -> None:
    """A column that tokens are built from is sent too."""
    found = layout("Lead ID,Due,Phone", token_from=("lead id", "Due"))
    assert (found.token, found.token_is_built) == ((0, 1), True)
    assert [name for _, name in found.attributes] == ["Lead_ID", "Due"]


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("First Name", "First_Name"),
        ("Account #", "Account"),
        ("E-Mail (work)", "E-Mail_work"),
        ("Straße", "Strasse"),
        ("Prénom", "Prenom"),
        ("_ok-1", "_ok-1"),
        ("名前", ""),
    ],
)
def test_names_of_attributes_are_changed_by_one_rule(name: str, legal: str) -> None:
    """Accents are removed, other characters become '_', and '_' at both ends is removed."""
    assert legal_name(name) == legal


def test_a_changed_name_is_reported() -> None:
    """The contact flow must use the name that was sent."""
    found = layout("client_token,phone_number,Account #")
    assert found.notes == ("column 3 ('Account #') is sent as the attribute 'Account'",)


def test_two_columns_with_the_same_attribute_name_are_refused() -> None:
    """Two columns that become the same attribute are refused: one would hide the other."""
    with pytest.raises(UnusableFile, match="columns 3 and 4 would both be the attribute 'First_Name'"):
        layout("client_token,phone_number,First Name,First_Name")
    assert attributes("client_token,phone_number,A b,A_b", named={"A b": "other"}) == ["other", "A_b"]
    assert attributes("client_token,phone_number,A b,A_b", drop=("A b",)) == ["A_b"]


def test_a_name_without_an_allowed_character_is_refused() -> None:
    """The message says how to give the column another name."""
    with pytest.raises(UnusableFile, match="column 3 has no letter or digit in its name"):
        layout("client_token,phone_number,名前")


def test_only_and_drop_choose_the_attributes() -> None:
    """Columns missing in --only, or named by --drop, are not sent; a renamed column is."""
    header = "client_token,phone_number,a,b,c"
    assert attributes(header, only=("b",)) == ["b"]
    assert attributes(header, drop=("b",)) == ["a", "c"]
    assert attributes(header, only=("b",), named={"c": "d"}) == ["b", "d"]


def test_columns_without_a_name_are_skipped() -> None:
    """Spreadsheet programs write them after the last real column."""
    found = layout("client_token,phone_number,a,,")
    assert [name for _, name in found.attributes] == ["a"]
    assert found.unnamed == (3, 4)


@pytest.mark.parametrize("option", ["only", "drop", "token_from"])
def test_an_unknown_column_is_refused(option: str) -> None:
    """A mistyped name is reported with its option."""
    with pytest.raises(UnusableFile, match=f"--{option.replace('_', '-')}: the first line has no column"):
        layout("client_token,phone_number", **{option: ("nowhere",)})


def test_a_column_is_mapped_once() -> None:
    """Two meanings for one column, or two columns for one meaning, contradict each other."""
    with pytest.raises(UnusableFile, match="two columns are given for phone_number"):
        layout("client_token,a,b", named={"a": "phone_number", "b": "phone_number"})
    with pytest.raises(UnusableFile, match="given twice"):
        layout("client_token,a,b", named={"a": "phone_number", "A": "x"})


def test_messages_show_no_cell_of_a_list_without_a_header() -> None:
    """The first line of such a list is a lead, so no message repeats its cells."""
    with pytest.raises(UnusableFile) as caught:
        layout("t-1,+12025550123,Ludmilla")
    assert "+1202" not in str(caught.value)
    assert "Ludmilla" not in str(caught.value)
