"""A mixture of three Gaussians on the line: drag its means, and let EM take steps."""

from __future__ import annotations

from typing import Any

import traitlets

from deepul_utils.explorables.base import Explorable


class EmMixture(Explorable):
    """Examples coloured by their responsibilities under three Gaussians, and the loss along the steps of EM.

    Dragging a mean begins anew; each step sets weights, means and scales to those of the examples' shares.

    Raises:
        ValueError: no examples.

    Example:
        >>> figure = EmMixture(data=[-1.0, 0.5, 2.0], loc=[-2.0, 0.0, 2.0])
        >>> figure.scale, figure.losses, figure.x
        ([1.0, 1.0, 1.0], [], 0.5)
    """

    data = traitlets.List(traitlets.Float()).tag(sync=True)
    loc = traitlets.List(traitlets.Float(), default_value=[-1.0, 0.0, 1.0], minlen=3, maxlen=3).tag(sync=True)
    scale = traitlets.List(traitlets.Float(), default_value=[1.0, 1.0, 1.0], minlen=3, maxlen=3).tag(sync=True)
    weight = traitlets.List(traitlets.Float(), default_value=[1 / 3] * 3, minlen=3, maxlen=3).tag(sync=True)
    losses = traitlets.List(traitlets.Float()).tag(sync=True)
    x = traitlets.Float(0.5).tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not self.data:
            raise ValueError("give the examples: EmMixture(data=[-1.0, 0.5, 2.0])")
