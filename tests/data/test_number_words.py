import numpy as np

from deepul_utils.data.number_words import ALPHABET, LENGTH, NUMBERS, as_text, number_words, spell


def test_every_number_comes_once_and_ends_with_a_full_stop():
    train, test = number_words(seed=3)
    lines = [as_text(line) for line in np.concatenate([train, test])]
    assert sorted(lines) == sorted(spell(number).ljust(LENGTH, ".") for number in range(NUMBERS))
    assert all(line.endswith(".") for line in lines)
    assert max(len(spell(number)) for number in range(NUMBERS)) == LENGTH - 1


def test_every_character_is_used():
    train, _ = number_words()
    assert np.unique(train).tolist() == list(range(len(ALPHABET)))


def test_words_are_spelled_as_they_should_be():
    expected = {11: "eleven", 20: "twenty", 90: "ninety", 100: "one hundred", 111: "one hundred and eleven"}
    assert {number: spell(number) for number in expected} == expected
    assert [number for number in range(NUMBERS) if "hundred" not in spell(number)] == list(range(100))


def test_the_seed_alone_decides_the_split():
    assert np.array_equal(number_words(seed=1)[0], number_words(seed=1)[0])
    assert not np.array_equal(number_words(seed=1)[0], number_words(seed=2)[0])
