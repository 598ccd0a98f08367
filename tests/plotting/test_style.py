"""One look: the figures' colours are the explorables', and a figure is a white card."""

import json
import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

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


def test_a_notebook_keeps_few_colours_and_twice_the_pixels():
    with mpl.rc_context():
        style.use()
        figure, ax = plt.subplots()
        ax.imshow(np.random.default_rng(0).random((20, 20)), cmap="viridis", aspect="auto")
        drawn, shown = style._png(figure)
        image = Image.open(BytesIO(b64decode(drawn)))
        assert image.mode == "P"
        assert (image.width // 2, image.height // 2) == (shown["width"], shown["height"])
        assert abs(image.width - 2 * figure.dpi * figure.get_figwidth()) < 60
        assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
        plt.close(figure)
