"""One look: the figures' colours are the explorables', and a figure is a white card."""

import json
import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

import deepul_utils.explorables
from deepul_utils.plotting import style


def test_figures_and_explorables_share_their_colours():
    kit = (Path(deepul_utils.explorables.__file__).parent / "kit.js").read_text(encoding="utf-8")
    declared = re.search(r"const COLOURS = (\{.*?\});", kit).group(1)
    assert json.loads(re.sub(r"(\w+):", r'"\1":', declared)) == style.COLOURS


def test_use_makes_white_cards_even_after_a_dark_style():
    with mpl.rc_context():
        plt.style.use("dark_background")
        style.use()
        figure, ax = plt.subplots()
        assert figure.get_facecolor() == ax.get_facecolor() == (1, 1, 1, 1)
        assert mpl.colors.to_hex(ax.xaxis.label.get_color()) == "#23272e"
        assert mpl.colors.to_hex(ax.plot([0, 1])[0].get_color()) == style.COLOURS["data"]
        plt.close(figure)
