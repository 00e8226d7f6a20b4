"""A table of hashes is a dictionary whose items do not concern the garbage collector."""

import gc
import random

from gateway.core.hash_table import PARTS, HashTable


def test_random_steps_agree_with_a_dictionary() -> None:
    rng, table, model = random.Random(1), HashTable(), dict[bytes, str]()
    known = [rng.randbytes(8) for _ in range(500)] + [b""]
    for step in range(5_000):
        one = rng.choice(known)
        if rng.random() < 0.5:
            table.put(one, str(step))
            model[one] = str(step)
        else:
            assert table.pop(one) == model.pop(one, None)
        assert (len(table), one in table, table.get(one)) == (len(model), one in model, model.get(one))
    assert dict(table.items()) == model
    assert sorted(one for number in range(PARTS) for one in table.part(number)) == sorted(model)


def test_some_items_of_many() -> None:
    table = HashTable()
    for number in range(100):
        table.put(number.to_bytes(8), "text")
    assert len(table.some(10)) == 10
    assert table.some(200) == dict(table.items())


def test_a_part_can_be_taken_out() -> None:
    """The parts of many hashes have about the same size."""
    rng, table = random.Random(1), HashTable()
    for _ in range(100 * PARTS):
        table.put(rng.randbytes(8), "")
    sizes = [len(table.part(number)) for number in range(PARTS)]
    assert max(sizes) < 200
    table.clear_part(7)
    assert (len(table), table.part(7)) == (100 * PARTS - sizes[7], [])


def test_the_collector_ignores_what_is_in_a_table() -> None:
    """It would visit each of a million items for half a second, once a minute."""
    rng, table = random.Random(1), HashTable()
    for number in range(5_000):
        table.put(rng.randbytes(8), f"text {number}")
    (parts,) = (found for found in gc.get_referents(table) if isinstance(found, list))
    assert len(parts) == PARTS
    assert not any(map(gc.is_tracked, parts))
