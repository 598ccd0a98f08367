"""Rate and distortion of models trained with different betas: choose one and see what it keeps of some images."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from deepul_utils.explorables.base import Explorable

_SHADES = string.digits + string.ascii_uppercase + string.ascii_lowercase  # from white to black


class RateDistortion(Explorable):
    """The plane of rate and distortion with a point for each trained model, and the images of the chosen one.

    Args:
        betas: (M,) from the smallest.
        rates: (M,) mean KL(q(z | x) || p(z)) in nats per image.
        distortions: (M,) mean -E_q[log p(x | z)] in nats per image.
        entropy: of the data, in nats: no model lies below rate + distortion = entropy.
        originals: (K, H, W) some images, in 0..1.
        reconstructions: (M, K, H, W) what each model makes of them.
        samples: (M, K, H, W) what each model makes of draws from the prior.
        chosen: the model that is shown first.

    Raises:
        ValueError: arrays that do not fit together.

    Example:
        >>> images = np.zeros((2, 3, 4, 4))
        >>> figure = RateDistortion([0.5, 2], [9, 3], [1, 8], 6.0, images[0], images, images)
        >>> figure.betas, figure.images["samples"][1][:5]
        ([0.5, 2.0], '00000')
    """

    betas: Any = traitlets.List(traitlets.Float()).tag(sync=True)
    rates: Any = traitlets.List(traitlets.Float()).tag(sync=True)
    distortions: Any = traitlets.List(traitlets.Float()).tag(sync=True)
    entropy = traitlets.Float().tag(sync=True)
    images: Any = traitlets.Dict().tag(sync=True)  # texts with a character a pixel: one, or one for each model
    shape: Any = traitlets.List(traitlets.Int()).tag(sync=True)  # K, H, W
    chosen = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        betas: ArrayLike,
        rates: ArrayLike,
        distortions: ArrayLike,
        entropy: float,
        originals: ArrayLike,
        reconstructions: ArrayLike,
        samples: ArrayLike,
        **kwargs: Any,
    ) -> None:
        numbers = [np.asarray(one, dtype=float) for one in (betas, rates, distortions)]
        originals, reconstructions, samples = (np.asarray(one) for one in (originals, reconstructions, samples))
        models = len(numbers[0])
        if any(one.shape != (models,) for one in numbers):
            raise ValueError(
                f"give a beta, a rate and a distortion for each model, got {[len(one) for one in numbers]}"
            )
        if originals.ndim != 3 or {reconstructions.shape, samples.shape} != {(models, *originals.shape)}:
            raise ValueError(
                f"originals must be (K, H, W), reconstructions and samples (M, K, H, W) for M = {models} models, "
                f"got {originals.shape}, {reconstructions.shape} and {samples.shape}"
            )
        super().__init__(
            betas=numbers[0].tolist(),
            rates=numbers[1].round(3).tolist(),
            distortions=numbers[2].round(3).tolist(),
            entropy=round(float(entropy), 4),
            images={
                "originals": _text(originals),
                "reconstructions": [_text(one) for one in reconstructions],
                "samples": [_text(one) for one in samples],
            },
            shape=list(originals.shape),
            **kwargs,
        )


def _text(images: np.ndarray) -> str:
    return "".join(np.array(list(_SHADES))[np.rint(images.clip(0, 1) * (len(_SHADES) - 1)).astype(int)].ravel())
