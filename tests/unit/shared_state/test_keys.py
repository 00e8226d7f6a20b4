from gateway.shared_state.commands.keys import Keys, is_prefix


def test_all_keys_of_the_fleet_have_one_hash_tag() -> None:
    keys = Keys("blue")
    assert keys.layout == "{blue}:layout"
    assert keys.of_fleet("quota:members") == "{blue}:quota:members"


def test_the_tokens_of_a_campaign_are_tagged_by_the_campaign() -> None:
    assert Keys("blue").tokens("c-1") + "t-1" == "blue:{c-1}:t-1"


def test_a_brace_in_a_campaign_id_does_not_end_the_tag_and_ids_stay_apart() -> None:
    keys = Keys("blue")
    ids = ["a", "a}", "{a", "%7D", "a%7D", "}", "{}"]
    tokens = [keys.tokens(campaign_id) for campaign_id in ids]
    assert len(set(tokens)) == len(ids)
    assert all(text.count("{") == text.count("}") == 1 and "{}" not in text for text in tokens)


def test_a_prefix_with_a_brace_or_white_space_is_refused() -> None:
    assert is_prefix("dial-gateway.eu_1:a")
    assert not any(is_prefix(text) for text in ("", "a{b", "a}", "a b", "x" * 65, "ä"))
