"""The checks of this homework accept right answers however written, and name the cause of wrong ones."""

import numpy as np
import torch
from answers import Answers
from safetensors.torch import save
from scipy.special import softmax
from torch.nn import functional as F

from deepul_utils.checks.question import QUESTIONS
from deepul_utils.checks.student import NotebookStudent
from deepul_utils.data.digits import digits
from deepul_utils.models.image_transformer import ImageTransformer
from deepul_utils.nn.attention import attention_mask
from deepul_utils.nn.ordering import shuffled
from deepul_utils.nn.previous_value import PreviousValue
from deepul_utils.training import Batches, cosine, fit

# Right answers


def mask_torch(order):
    return order[None, :] <= order[:, None]


def mask_loop(order):
    answer = np.zeros((len(order), len(order)), dtype=np.int8)
    for i in range(len(order)):
        for j in range(len(order)):
            if order[j] <= order[i]:
                answer[i, j] = 1
    return answer


def mask_visits(order):
    """A triangle in the order of the visits, put back."""
    return torch.ones(len(order), len(order)).tril()[order][:, order]


def shifted_torch(x, order, start):
    visits = order.argsort()
    return F.pad(x[:, visits[:-1]], (1, 0), value=start)[:, order]


def shifted_in_place(x, order, start):
    visits = order.tolist()
    x.copy_(torch.stack([x[:, visits.index(t - 1)] if t else torch.full_like(x[:, 0], start) for t in visits], 1))
    return x


def shifted_numpy(x, order, start):
    x, order = x.numpy(), order.numpy()
    answer = np.full(x.shape, float(start))
    before = dict(zip(order.tolist(), x.T, strict=True))
    for i, place in enumerate(order):
        if place > 0:
            answer[:, i] = before[place - 1]
    return answer


def attention_fused(q, k, v, mask):
    return F.scaled_dot_product_attention(q, k, v, mask)


def attention_by_steps(q, k, v, mask):
    scores = torch.einsum("...id,...jd->...ij", q, k) * q.shape[-1] ** -0.5
    if mask is not None:
        scores = scores - torch.where(mask, 0.0, 1e30)
    weights = torch.exp(scores - scores.max(-1, keepdim=True).values)
    return (weights / weights.sum(-1, keepdim=True)) @ v


def attention_numpy(q, k, v, mask):
    q, k, v = (a.numpy().astype(np.float32) for a in (q, k, v))
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return softmax(scores if mask is None else np.where(mask, scores, -np.inf), axis=-1) @ v


def cached_torch(q, k, v, keys, values):
    keys, values = torch.cat([keys, k[:, None]], 1), torch.cat([values, v[:, None]], 1)
    return attention_fused(q[:, None], keys, values, None)[:, 0], keys, values


def cached_numpy(q, k, v, keys, values):
    keys = np.concatenate([keys, k[:, None]], axis=1)
    values = np.concatenate([values, v[:, None]], axis=1)
    weights = softmax(np.einsum("bd,btd->bt", q, keys) / np.sqrt(q.shape[1]), axis=1)
    return [np.einsum("bt,bte->be", weights, values), keys, values]


RIGHT = [
    ("mask", "attention_mask", mask_torch),
    ("mask", "attention_mask", mask_loop),
    ("mask", "attention_mask", mask_visits),
    ("shifted", "shifted", shifted_torch),
    ("shifted", "shifted", shifted_in_place),
    ("shifted", "shifted", shifted_numpy),
    ("attention", "attention", attention_fused),
    ("attention", "attention", attention_by_steps),
    ("attention", "attention", attention_numpy),
    ("cached_step", "cached_step", cached_torch),
    ("cached_step", "cached_step", cached_numpy),
]


# Wrong answers


def head(weigh, mix=lambda weights, k, v: weights @ v):
    """An attention from `weigh(products, d, mask)`, mask all True where none is given."""

    def answer(q, k, v, mask):
        products = q @ k.mT
        mask = torch.ones(products.shape[-2:], dtype=torch.bool) if mask is None else mask
        return mix(weigh(products, q.shape[-1], mask), k, v)

    return answer


def masked(scores, mask, axis=-1):
    return scores.masked_fill(~mask, -torch.inf).softmax(axis)


def late(p, d, mask):
    return (p / d**0.5).softmax(-1) * mask


def renormalised(p, d, mask):
    return late(p, d, mask) / late(p, d, mask).sum(-1, keepdim=True)


def overflowing(p, d, mask):
    odds = (p / d**0.5).masked_fill(~mask, -torch.inf).exp()
    return odds / odds.sum(-1, keepdim=True)


def step(attend, keep=lambda old, new: torch.cat([old, new[:, None]], 1)):
    def answer(q, k, v, keys, values):
        kept = keep(keys, k), keep(values, v)
        return attend(q, k, v, keys, values), *kept

    return answer


def look(q, keys, values, scale):
    return ((q[:, None] * keys).sum(-1) / scale).softmax(-1)[:, None] @ values


def both(q, k, v, keys, values):
    return torch.cat([keys, k[:, None]], 1), torch.cat([values, v[:, None]], 1)


def right_step(*arrays):
    return look(arrays[0], *both(*arrays), arrays[0].shape[1] ** 0.5)[:, 0]


WRONG = [
    ("mask", lambda order: mask_torch(order).T, "transposed"),
    ("mask", lambda order: order[None, :] < order[:, None], "may see itself"),
    ("mask", lambda order: torch.ones(len(order), len(order)).tril(), "whatever the order"),
    ("mask", lambda order: ~mask_torch(order), "the other way round"),
    ("mask", lambda order: mask_torch(order.argsort()), "mixed up"),
    ("mask", lambda order: mask_torch(order)[order.argsort()], "not to the visits"),
    ("mask", lambda order: torch.ones(len(order), len(order)), "nothing is masked"),
    ("mask", lambda order: torch.where(mask_torch(order), 0.0, -torch.inf), "return booleans"),
    ("shifted", lambda x, order, start: x, "not shifted"),
    ("shifted", lambda x, order, start: F.pad(x[:, :-1], (1, 0), value=start), "before it in the raster"),
    ("shifted", lambda x, o, start: F.pad(x[:, o.argsort()[:-1]], (1, 0), value=start), "in the order of the visits"),
    ("shifted", lambda x, o, start: F.pad(x[:, o.argsort()[1:]], (0, 1), value=start)[:, o], "the other way"),
    ("shifted", lambda x, o, start: x[:, o.argsort()].roll(1, 1)[:, o], "must not know: it holds the start token"),
    ("shifted", lambda x, o, start: F.pad(x[:, o[:-1]], (1, 0), value=start)[:, o.argsort()], "mixed up"),
    ("shifted", lambda x, o, start: F.pad(x[:, o.argsort()[:-1]], (1, 0))[:, o], "holds 0"),
    ("attention", head(lambda p, d, mask: masked(p, mask)), "not divided by the square root"),
    ("attention", head(lambda p, d, mask: masked(p / d, mask)), "divided by d: divide by its square root"),
    ("attention", head(lambda p, d, mask: masked(p * d**0.5, mask)), "multiplied by the square root"),
    ("attention", head(lambda p, d, mask: masked(p / p.shape[-1] ** 0.5, mask)), "not the number of keys"),
    ("attention", head(late), "so that the weights do not sum to 1"),
    ("attention", head(renormalised), "all others round to 0"),
    ("attention", head(lambda p, d, mask: (p / d**0.5 * mask).softmax(-1)), "minus infinity"),
    ("attention", head(lambda p, d, mask: (p / d**0.5).softmax(-1)), "nothing is masked"),
    ("attention", head(lambda p, d, mask: masked(p / d**0.5, ~mask)), "the wrong way round"),
    ("attention", head(lambda p, d, mask: masked(p / d**0.5, mask, -2).nan_to_num()), "runs over the queries"),
    ("attention", head(lambda p, d, mask: (p / d**0.5).exp() * mask), "not divided by their sum"),
    ("attention", head(lambda p, d, mask: masked(p / d**0.5, mask), lambda w, k, v: w), "these are the weights"),
    ("attention", head(lambda p, d, mask: p / d**0.5 * mask), "there is no softmax"),
    ("attention", head(lambda p, d, mask: masked(p / d**0.5, mask), lambda w, k, v: w @ k), "the keys are mixed"),
    ("attention", head(overflowing), "overflows"),
    (
        "attention",
        head(lambda p, d, mask: masked(p / d**0.5, mask.mT if mask.shape[0] == mask.shape[1] else mask)),
        "the mask is transposed",
    ),
    (
        "attention",
        head(
            lambda p, d, mask: masked(p / d**0.5, mask), lambda w, k, v: (w.mT if len(set(w.shape[-2:])) < 2 else w) @ v
        ),
        "the weights are transposed",
    ),
    ("cached_step", step(lambda *a: look(a[0], *both(*a), 1.0)[:, 0]), "not divided by the square root"),
    ("cached_step", step(lambda *a: look(a[0], *both(*a), a[0].shape[1])[:, 0]), "divided by d"),
    ("cached_step", step(lambda q, k, v, keys, values: v), "looks at itself alone"),
    ("cached_step", step(lambda *a: both(*a)[1].mean(1)), "equal weights"),
    ("cached_step", step(lambda *a: right_step(*a)[:, None]), "drop the axis"),
    (
        "cached_step",
        step(lambda q, k, v, keys, values: look(q, keys, values, q.shape[1] ** 0.5)[:, 0] if keys.shape[1] else v),
        "does not look at itself",
    ),
    ("cached_step", step(right_step, lambda old, new: old), "not kept: append it to the keys"),
    ("cached_step", step(right_step, lambda old, new: new[:, None]), "only the new one is kept"),
    ("cached_step", step(right_step, lambda old, new: torch.cat([new[:, None], old], 1)), "not at the beginning"),
    ("cached_step", lambda *a: (right_step(*a), both(*a)[0], a[4]), "not kept: append it to the values"),
    (
        "cached_step",
        lambda *a: (right_step(*a), both(*a)[0], a[2][:, None]),
        "only the new one is kept: append it to the v",
    ),
    ("cached_step", lambda *a: (right_step(*a), *both(*a)[::-1]), "in each other's place"),
    ("cached_step", right_step, "return three things"),
]


class TestAnswers(Answers):
    notebook = "masked_attention"
    right = RIGHT
    wrong = WRONG


def test_the_library_answers_like_the_homework():
    order = shuffled((9,), seed=3)
    assert torch.equal(mask_torch(order), attention_mask(order))
    embed = PreviousValue(order, num_values=4, width=6)
    x = torch.randint(4, (5, 9))
    torch.testing.assert_close(embed(x)[:, order], embed.table(shifted_torch(x, order, embed.start)))


# The trained model


def built(mask=mask_torch, **more):
    return ImageTransformer((8, 8), width=32, layers=2, heads=2, mask=mask, attend=attention_by_steps, **more)


def graded(build, model):
    namespace = NotebookStudent({"build_model": build})
    return QUESTIONS["masked_attention.trained"].judge(
        namespace, seed=1, files={"masked_attention.safetensors": save(model.state_dict())}
    )


def fitted(build, epochs):
    torch.manual_seed(0)
    model = build()
    train = (digits()[0] >= 8).astype(int)
    fit(model, Batches(train, batch_size=64), epochs=epochs, lr=5e-3, schedule=cosine)
    return model


def test_a_model_that_was_trained_briefly_gets_some_points_and_an_untrained_one_none():
    outcome = graded(built, fitted(built, epochs=10))
    assert [case.passed for case in outcome.cases][::2] == [True, False]
    assert "train longer" in outcome.cases[-1].message
    assert graded(built, built()).score == 0


def test_a_model_that_sees_what_it_predicts_gets_none():
    def peeking():
        return built(mask=lambda order: torch.ones(len(order), len(order)))

    outcome = graded(peeking, fitted(peeking, epochs=2))
    assert outcome.score == 0
    assert "do not come before it" in outcome.cases[0].message or "should predict" in outcome.cases[0].message
