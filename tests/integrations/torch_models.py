"""Small models of every kind that people train, each with a batch for it."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

MODELS: dict[str, Callable[[], tuple[nn.Module, Any]]] = {}
"""By name: makes the model, and its inputs as `add_graph` takes them."""

Pair = namedtuple("Pair", "logits hidden")


def model(*inputs: Any) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Registers a class with its inputs: tensors, or one dict of arguments."""

    def register(cls: type[nn.Module]) -> type[nn.Module]:
        given = inputs[0] if len(inputs) == 1 else inputs
        MODELS[cls.__name__] = lambda: (cls(), given)
        return cls

    return register


def numbers(*shape: int) -> Tensor:
    return torch.linspace(-1, 1, int(torch.tensor(shape).prod())).reshape(shape)


def words(*shape: int, most: int = 20) -> Tensor:
    return (torch.arange(int(torch.tensor(shape).prod())).reshape(shape) * 7 + 1) % most


@model(numbers(3, 6))
class Perceptron(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 8), nn.GELU(), nn.Dropout(0.2), nn.Linear(8, 2))


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.relu(self.norm(self.first(x))))
        y += x
        return y


@model(numbers(2, 3, 8, 8))
class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.body = nn.Sequential(Residual(4), Residual(4))
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


@model(numbers(1, 2, 8, 8))
class Skips(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = nn.Conv2d(2, 4, 2, stride=2), nn.Conv2d(4, 4, 3, padding=1)
        self.up, self.out = nn.ConvTranspose2d(4, 2, 2, stride=2), nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.cat([x, self.up(self.deep(self.down(x)))], 1))


@model(words(2, 5))
class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.cells = nn.Embedding(20, 4), nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(12, 3)

    def forward(self, ids: Tensor) -> Any:
        steps, (hidden, cell) = self.cells(self.words(ids))
        return self.head(steps[:, -1]), (hidden, cell)


@model(words(3, 5), torch.tensor([5, 3, 2]))
class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.cells, self.head = nn.Embedding(20, 4), nn.GRU(4, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(self.words(ids), lengths, batch_first=True)
        steps, _ = nn.utils.rnn.pad_packed_sequence(self.cells(packed)[0], batch_first=True)
        return self.head(steps.sum(1))


@model(numbers(2, 4, 3))
class CellByCell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.GRUCell(3, 5), nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(x.shape[0], 5)
        for step in x.unbind(1):
            state = self.cell(step, state)
        return self.out(state)


@model(words(2, 6))
class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 8)
        self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
        self.head = nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.layers(self.words(ids), src_key_padding_mask=ids == 0).mean(1))


@model(words(2, 6), words(2, 4))
class Translator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(20, 8), nn.Embedding(20, 8)
        self.core, self.out = nn.Transformer(8, 2, 1, 1, 16, batch_first=True), nn.Linear(8, 20)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        return self.out(self.core(self.source(source), self.target(target), tgt_mask=mask))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return self.out(F.scaled_dot_product_attention(q, k, v))


@model(numbers(2, 3, 8, 8))
class Patches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch, self.attention, self.head = nn.Conv2d(3, 8, 4, stride=4), Attention(), nn.Linear(8, 2)
        self.first = nn.Parameter(torch.zeros(1, 1, 8))
        self.places = nn.Parameter(torch.zeros(1, 5, 8))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(x), -1, -1), tokens], 1) + self.places
        return self.head(self.attention(tokens)[:, 0])


@model({"batch": {"dense": numbers(2, 4), "ids": words(2, 3)}})
class Dicts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense, self.words = nn.Linear(4, 6), nn.EmbeddingBag(20, 6)
        self.heads = nn.ModuleDict({"kind": nn.Linear(12, 3), "price": nn.Linear(12, 1)})

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        both = torch.cat([self.dense(batch["dense"]), self.words(batch["ids"])], -1)
        return {name: head(both) for name, head in self.heads.items()}


@model({"x": numbers(2, 4), "mask": torch.tensor([[True], [False]]), "scale": 2.0})
class KeywordsOnly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, *, x: Tensor, mask: Tensor | None = None, scale: float = 1.0) -> Tensor:
        y = self.layer(x) * scale
        return y if mask is None else y.masked_fill(mask, 0.0)


@model(numbers(2, 4))
class NamedTuples(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Pair:
        hidden = torch.tanh(self.first(x))
        return Pair(self.second(hidden), [hidden, hidden * 2])


@dataclasses.dataclass
class Outcome:
    logits: Tensor
    loss: Tensor


@model(numbers(2, 4))
class Dataclasses(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Outcome:
        logits = self.layer(x)
        return Outcome(logits, logits.square().mean())


@model(numbers(2, 4))
class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.high(x) if x.sum() > 1 else self.low(x)


@model(numbers(2, 4), torch.tensor(3))
class Loops(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        for _ in range(int(times.item())):
            x = torch.relu(self.layer(x))
        return x


@model(numbers(6, 4))
class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate, self.experts = nn.Linear(4, 2), nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])

    def forward(self, x: Tensor) -> Tensor:
        chosen = self.gate(x).argmax(-1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows = (chosen == number).nonzero().squeeze(-1)
            out.index_add_(0, rows, expert(x[rows]))
        return out


@model(words(2, 3))
class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.layer, self.out = nn.Embedding(20, 4), nn.Linear(4, 4), nn.Linear(4, 20, bias=False)
        self.out.weight = self.words.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids)
        return self.out(self.layer(self.layer(x)) + x)


class Clipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0]


@model(numbers(2, 4))
class OwnFunction(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(Clipped.apply(self.first(x)))


@model(numbers(3, 6))
class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = Perceptron(), nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(checkpoint(self.inner, x, use_reentrant=False))


@model(numbers(2, 3, 8))
class Spectral(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.filter, self.out = nn.Parameter(torch.ones(3, 5, dtype=torch.cfloat)), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.fft.irfft(torch.einsum("bcf,cf->bcf", torch.fft.rfft(x), self.filter), n=8))


@model(numbers(2, 4))
class ThroughNumpy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        return torch.where(y > float(y.detach().numpy().mean()), y, y * 0.1)


@model(numbers(3, 4))
class Sparse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.register_buffer("joined", torch.eye(3).to_sparse())

    def forward(self, x: Tensor) -> Tensor:
        return torch.sparse.mm(self.joined, self.layer(x))


@model(numbers(2, 4))
class Written(nn.Module):
    """Writes into parts of a tensor, by index and through a view."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.out = nn.Linear(4, 2), nn.Linear(4, 2), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        whole = torch.zeros(len(x), 4)
        whole[:, :2] = self.left(x)
        whole[:, 2:].add_(self.right(x))
        return self.out(whole)


TWICE = numbers(2, 4)


@model(TWICE, TWICE)
class Siamese(nn.Module):
    """Given the same tensor for both of its arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.tower, self.out = nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return self.out((self.tower(one) - self.tower(other)).abs())


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + 1


@model(numbers(2, 4))
class ScriptedPart(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.scripted, self.last = nn.Linear(4, 4), torch.jit.script(Inner()), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.scripted(self.first(x)))


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        return x * self.weight * scale


@model(numbers(2, 4), torch.tensor(2.0))
class ScriptedByKeywords(nn.Module):
    """Its scripted part is called by keywords alone."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.scripted, self.last = nn.Linear(4, 4), torch.jit.script(Scaled()), nn.Linear(4, 1)

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        return self.last(self.scripted(x=self.first(x), scale=scale))


@model(numbers(3, 6))
class CompiledPart(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.fast = nn.Linear(6, 6), torch.compile(Perceptron())

    def forward(self, x: Tensor) -> Tensor:
        return self.fast(self.first(x))


@model(numbers(3, 6))
class Wrapped(nn.DataParallel):  # type: ignore[type-arg]
    def __init__(self) -> None:
        super().__init__(Perceptron())
