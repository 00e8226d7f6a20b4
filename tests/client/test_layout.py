"""What each column of a list is taken as: by options, by dialctl's names, by well-known names."""

from __future__ import annotations

import pytest

from dialgateway.dialctl.errors import UnusableFile
from dialgateway.dialctl.layout import ColumnOptions, Layout, layout_of, legal_name


def layout(header: str, **options: object) -> Layout:
    names = header.split(",")
    return layout_of(
        names,
        ColumnOptions(**options),  # type: ignore[arg-type]
        needs_expiration=False,
        needs_campaign=False,
    )


def attributes(header: str, **options: object) -> list[str]:
    return [name for _, name in layout(header, **options).attributes]


def test_our_names_need_no_option() -> None:
    """The names that the wire contract uses are taken as what they are; the rest are attributes."""
    found = layout("client_token,phone_number,expiration_time,campaign_id,first_name")
    assert (found.token, found.phone, found.expiration, found.campaign) == ((0,), 1, 2, 3)
    assert found.attributes == ((4, "first_name"),)
    assert found.notes == ()


@pytest.mark.parametrize(
    "name", ["Phone", "PHONE NUMBER", "Mobile", "Telefon", "Téléphone", "Teléfono", "Cell-Phone", "Tel."]
)
def test_a_well_known_name_is_recognized_and_told(name: str) -> None:
    """One column that is clearly the phone number needs no option, and the user sees the decision."""
    found = layout(f"client_token,{name},note")
    assert found.phone == 1
    assert found.notes == (f"column 2 ({name!r}) is taken as the phone number",)


def test_several_well_known_names_are_not_guessed_among() -> None:
    """With a landline and a mobile number the user chooses; the line says how."""
    with pytest.raises(UnusableFile, match=r"'Phone', 'Mobile'.*--map"):
        layout("client_token,Phone,Mobile")
    assert layout("client_token,Phone,Mobile", named={"Mobile": "phone_number"}).phone == 2


def test_no_token_is_guessed() -> None:
    """A token decides who is dialed twice: it is named by the user or there is none."""
    with pytest.raises(UnusableFile, match="--token-from"):
        layout("Id,Phone")
    assert layout("Id,Phone", named={"Id": "client_token"}).token == (0,)


def test_token_columns_stay_attributes() -> None:
    """A column that tokens are built from is sent as well."""
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
def test_names_are_made_legal_by_one_rule(name: str, legal: str) -> None:
    """Accents are taken off, other characters become '_', and none stays at either end."""
    assert legal_name(name) == legal


def test_a_changed_name_is_told() -> None:
    """The contact flow must ask for the name that was sent."""
    found = layout("client_token,phone_number,Account #")
    assert found.notes == ("column 3 ('Account #') is sent as the attribute 'Account'",)


def test_two_names_that_become_one_are_refused() -> None:
    """One would hide the other."""
    with pytest.raises(UnusableFile, match="columns 3 and 4 would both be the attribute 'First_Name'"):
        layout("client_token,phone_number,First Name,First_Name")
    assert attributes("client_token,phone_number,A b,A_b", named={"A b": "other"}) == ["other", "A_b"]
    assert attributes("client_token,phone_number,A b,A_b", drop=("A b",)) == ["A_b"]


def test_a_name_without_a_legal_character_needs_another() -> None:
    """The line says how to give it one."""
    with pytest.raises(UnusableFile, match="column 3 has no letter or digit in its name"):
        layout("client_token,phone_number,名前")


def test_only_and_drop_choose_the_attributes() -> None:
    """What is not named by --only, or is named by --drop, is not sent; a renamed column is."""
    header = "client_token,phone_number,a,b,c"
    assert attributes(header, only=("b",)) == ["b"]
    assert attributes(header, drop=("b",)) == ["a", "c"]
    assert attributes(header, only=("b",), named={"c": "d"}) == ["b", "d"]


def test_columns_without_a_name_are_left_out() -> None:
    """Spreadsheet programs leave them behind the last real column."""
    found = layout("client_token,phone_number,a,,")
    assert [name for _, name in found.attributes] == ["a"]
    assert found.unnamed == (3, 4)


@pytest.mark.parametrize("option", ["only", "drop", "token_from"])
def test_a_column_that_is_not_there_is_refused(option: str) -> None:
    """A name that was mistyped is told with its option."""
    with pytest.raises(UnusableFile, match=f"--{option.replace('_', '-')}: the first line names no column"):
        layout("client_token,phone_number", **{option: ("nowhere",)})


def test_a_column_is_mapped_once() -> None:
    """Two meanings for one column, or two columns for one meaning, contradict each other."""
    with pytest.raises(UnusableFile, match="two columns are named for phone_number"):
        layout("client_token,a,b", named={"a": "phone_number", "b": "phone_number"})
    with pytest.raises(UnusableFile, match="named twice"):
        layout("client_token,a,b", named={"a": "phone_number", "A": "x"})


def test_nothing_of_a_list_without_a_header_is_shown() -> None:
    """Its first line is a lead."""
    with pytest.raises(UnusableFile) as caught:
        layout("t-1,+12025550123,Ludmilla")
    assert "+1202" not in str(caught.value)
    assert "Ludmilla" not in str(caught.value)
