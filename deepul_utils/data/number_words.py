"""The numbers 0 to 999 in English words, character by character: text whose law is known."""

from __future__ import annotations

import numpy as np

NUMBERS = 1000
LENGTH = 32  # characters of the longest, with its full stop
ALPHABET = " -.adefghilnorstuvwxyz"

_ONES = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_TRAIN = 700


def spell(number: int) -> str:
    """A number from 0 to 999 in words.

    Example:
        >>> spell(7), spell(42), spell(300), spell(999)
        ('seven', 'forty-two', 'three hundred', 'nine hundred and ninety-nine')
    """
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")
    hundreds, rest = divmod(number, 100)
    return f"{_ONES[hundreds]} hundred" + (f" and {spell(rest)}" if rest else "")


def number_words(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the thousand numbers in random order, 700 to train on and 300 others to test on.

    Each is a line of 32 characters, given by their places in `ALPHABET`: the words, a full stop, and full stops to the
    end. Whoever knows all numbers to be equally likely pays log 1000 nats for a line.

    Returns:
        train (700, 32) and test (300, 32), integers in 0..21.

    Example:
        >>> train, test = number_words()
        >>> train.shape, test.shape
        ((700, 32), (300, 32))
        >>> as_text(train[0]).rstrip(".") in {spell(number) for number in range(1000)}
        True
    """
    lines = [spell(number).ljust(LENGTH, ".") for number in np.random.default_rng(seed).permutation(NUMBERS)]
    places = np.array([[ALPHABET.index(character) for character in line] for line in lines])
    return places[:_TRAIN], places[_TRAIN:]


def as_text(places: np.ndarray) -> str:
    """The characters at places in `ALPHABET`.

    Example:
        >>> as_text(np.array([12, 11, 5, 2]))
        'one.'
    """
    return "".join(ALPHABET[place] for place in places)
