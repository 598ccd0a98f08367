"""The nearest code, a gradient that passes it, terms that move what they should, codes that begin anew."""

import pytest
import torch

from deepul_utils.models.quantiser import Quantiser, nearest

pytestmark = pytest.mark.usefixtures("float64")


def quantiser(codes, restart=0.0):
    made = Quantiser(*codes.shape, restart=restart)
    made.codes.data.copy_(codes)
    return made


def test_the_nearest_code_by_the_definition():
    h, codes = torch.randn(50, 3, 5), torch.randn(11, 5) * torch.linspace(0.1, 3, 11)[:, None]
    by_definition = (h[..., None, :] - codes).square().sum(-1).argmin(-1)
    assert torch.equal(nearest(h, codes), by_definition)
    assert len(by_definition.unique()) > 5


def test_an_image_is_quantised_position_by_position():
    codes, h = torch.randn(7, 3), torch.randn(4, 3, 2, 5)
    made = quantiser(codes)(h)
    assert made.z.shape == h.shape
    for b, r, c in torch.cartesian_prod(torch.arange(4), torch.arange(2), torch.arange(5)):
        assert made.indices[b, r, c] == nearest(h[b, :, r, c], codes)
        assert torch.equal(made.z[b, :, r, c], codes[made.indices[b, r, c]])


def test_gradients_pass_to_the_vectors_and_not_to_the_codes():
    quantise, h = quantiser(torch.randn(6, 3)), torch.randn(5, 3, requires_grad=True)
    z = quantise(h).z
    z.square().sum().backward()
    assert torch.equal(h.grad, 2 * z.detach())  # of the square at the code, not at h
    assert quantise.codes.grad is None


def test_each_term_moves_one_of_the_two():
    quantise, h = quantiser(torch.randn(6, 3)), torch.randn(5, 3, 4, requires_grad=True)
    made = quantise(h)
    apart = (made.z - h).detach()
    expected = apart.square().sum() / 5  # summed over dimensions and positions
    assert torch.allclose(made.codebook, expected)
    assert torch.allclose(made.commitment, expected)
    of_codes = torch.zeros(6, 3).index_add(0, made.indices.flatten(), apart.movedim(1, -1).flatten(0, 1))
    grads = torch.autograd.grad(made.codebook, [h, quantise.codes], allow_unused=True, retain_graph=True)
    assert grads[0] is None
    assert torch.allclose(grads[1], 2 * of_codes / 5)
    grads = torch.autograd.grad(made.commitment, [h, quantise.codes], allow_unused=True)
    assert torch.allclose(grads[0], -2 * apart / 5)
    assert grads[1] is None


def test_a_step_on_the_codebook_term_is_a_step_of_k_means():
    """d/de sum |h - e|^2 = 2 n (e - mean), so that a step of 1 / 2n lands on the mean."""
    quantise, h = quantiser(torch.tensor([[0.0], [10.0]])), torch.tensor([[1.0], [2.0], [6.0]])
    made = quantise(h)
    assert made.indices.tolist() == [0, 0, 1]
    (made.codebook * len(h)).backward()
    stepped = quantise.codes - quantise.codes.grad / (2 * torch.tensor([[2.0], [1.0]]))
    assert torch.allclose(stepped, torch.tensor([[1.5], [6.0]]))


def test_all_codes_begin_at_vectors_of_the_first_batch():
    quantise, h = Quantiser(8, 3, restart=0.1).train(), 50 + torch.randn(20, 3)
    made = quantise(h)
    among = (quantise.codes[:, None] == h).all(-1)
    assert (among.sum(1) == 1).all()
    assert among.any(0).sum() == 8  # each at one of its own
    assert made.codebook < h.var(0).sum() * 2


def test_codes_that_nobody_chooses_begin_anew_and_the_others_stay():
    quantise, h = Quantiser(4, 2, restart=0.5).train(), torch.randn(64, 2)
    quantise(h)
    quantise.codes.data[3] = 1000.0  # out of reach
    before = quantise.codes.detach().clone()
    batches = 0
    while torch.equal(quantise.codes, before) and batches < 400:
        quantise(h)
        batches += 1
    assert 60 < batches < 80  # 0.99^69 = 1/2
    assert torch.equal(quantise.codes[:3], before[:3])
    assert (quantise.codes[3] == h).all(1).any()


def test_without_restart_and_in_evaluation_nothing_moves():
    for quantise in (Quantiser(4, 2, restart=0.0).train(), Quantiser(4, 2, restart=1.0).eval()):
        before = {name: value.clone() for name, value in quantise.state_dict().items() if name == "codes"}
        for _ in range(3):
            quantise(torch.randn(9, 2))
        assert all(torch.equal(quantise.state_dict()[name], value) for name, value in before.items())


def test_more_codes_than_vectors():
    quantise, h = Quantiser(10, 2).train(), torch.randn(3, 2)
    assert quantise(h).codebook == 0  # each vector is a code
    assert (quantise.codes[:, None] == h).all(-1).any(1).all()


def test_usage_is_the_share_of_each_code():
    quantise = quantiser(torch.tensor([[0.0], [1.0], [5.0]])).train()
    for _ in range(2000):
        quantise(torch.tensor([[0.1], [0.2], [0.9], [-3.0]]))
    assert torch.allclose(quantise.usage, torch.tensor([0.75, 0.25, 0.0]), atol=1e-6)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: Quantiser(0, 3), "sizes of at least 1"),
        (lambda: Quantiser(3, 3, restart=2), "a share from 0 to 1"),
        (lambda: Quantiser(3, 2)(torch.zeros(5, 3)), r"h must be \(B, 2, ...\), got \(5, 3\)"),
        (lambda: Quantiser(3, 2)(torch.zeros(2)), r"h must be \(B, 2, ...\), got \(2,\)"),
    ],
)
def test_what_does_not_fit_is_one_clear_sentence(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_precision_will_do(dtype):
    quantise = Quantiser(4, 2).to(dtype).train()
    with torch.autocast("cpu", torch.bfloat16):
        h = torch.nn.functional.linear(torch.randn(9, 3).to(dtype), torch.randn(2, 3).to(dtype))
        made = quantise(h)
    assert made.indices.shape == (9,)
    assert quantise.codes.dtype == dtype


def test_usage_is_the_share_of_vectors_at_all_positions():
    quantise = quantiser(torch.tensor([[0.0], [1.0]])).train()
    quantise.usage.fill_(0.5)
    quantise(torch.tensor([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]).view(2, 1, 2, 2))
    torch.testing.assert_close(quantise.usage, torch.tensor([0.99 * 0.5 + 0.01 * 0.75, 0.99 * 0.5 + 0.01 * 0.25]))
