"""A search over settings: one writer for each, which logs its settings with what came of them."""

from itertools import product

from torch.utils.tensorboard import SummaryWriter

for rate, size, shuffle in product([0.1, 0.01], [32, 64], [True, False]):
    name = f"lr={rate} batch={size} shuffle={shuffle}"
    writer = SummaryWriter(f"runs/{name}")
    for epoch in range(3):
        writer.add_scalar("Loss", size * rate / (epoch + 1), epoch)
        writer.add_scalar("Accuracy", 1 - rate / (epoch + 1), epoch)
    writer.add_hparams(
        {"lr": rate, "bsize": size, "shuffle": shuffle, "optimizer": "adam"},
        {"hparam/accuracy": 1 - rate / 3, "hparam/loss": size * rate / 3},
    )
    writer.close()
