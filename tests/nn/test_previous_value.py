import torch

from deepul_utils.nn.ordering import shuffled
from deepul_utils.nn.previous_value import Coordinates, PreviousValue


def test_each_step_reads_the_value_before_it_in_the_ordering():
    order = torch.tensor([2, 0, 1])  # dimension 1 comes first, then 2, then 0
    embed = PreviousValue(order, num_values=4, width=5)
    h = embed(torch.tensor([[3, 0, 2]]))
    torch.testing.assert_close(h[0], embed.table.weight[[4, 0, 2]])  # 4 is the start


def test_places_and_classes_are_added():
    order = shuffled((6,))
    embed = PreviousValue(order, 3, width=5, num_classes=2, place=Coordinates((2, 3), 5))
    torch.nn.init.normal_(embed.bias.table)
    x, y = torch.randint(3, (4, 2, 3)), torch.tensor([0, 1, 1, 0])
    place, table = embed.place(torch.arange(6)), embed.place.table
    plain = PreviousValue(order, 3, width=5)
    plain.table = embed.table
    expected = plain(x) + place[order.argsort()] + embed.bias.table[y][:, None]
    torch.testing.assert_close(embed(x, y), expected)
    torch.testing.assert_close(place, table @ embed.place.linear.weight.T)


def test_a_part_of_the_steps():
    embed = PreviousValue(shuffled((6,)), 3, width=5, place=torch.nn.Embedding(6, 5))
    x = torch.randint(3, (4, 6))
    torch.testing.assert_close(embed(x, None, slice(2, 4)), embed(x)[:, 2:4])


def test_coordinates_run_from_end_to_end():
    table = Coordinates((3, 2, 5), 4).table.view(3, 2, 5, 3)
    assert table[0, 0, 0].tolist() == [-1, -1, -1]
    assert table[1, 1, 2].tolist() == [0, 1, 0]
    assert table[2, 1, 4].tolist() == [1, 1, 1]


def test_the_walk_reads_what_is_filled_in_on_the_way():
    embed = PreviousValue(torch.tensor([1, 0]), num_values=4, width=5)
    x = torch.zeros(1, 2, dtype=torch.long)
    steps = embed.walk(lambda h, cache: h, x, None)
    torch.testing.assert_close(next(steps), embed.table.weight[[4]])
    x[0, 1] = 3  # the dimension visited first
    torch.testing.assert_close(next(steps), embed.table.weight[[3]])
