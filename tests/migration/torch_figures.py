"""A figure of predictions with their pictures, the wrong ones in red, at every epoch."""

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from torch.utils.tensorboard import SummaryWriter

random = np.random.default_rng(4)
names = ("shirt", "shoe", "bag")


def draw(pictures: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> plt.Figure:
    """Four pictures in a row under what they were taken for."""
    figure = plt.figure(figsize=(6, 2), dpi=60)
    for i in range(4):
        axes = figure.add_subplot(1, 4, i + 1, xticks=[], yticks=[])
        axes.imshow(pictures[i], cmap="Greys")
        axes.set_title(names[predicted[i]], color="green" if predicted[i] == truth[i] else "red")
    return figure


writer = SummaryWriter("runs/fashion")
for epoch in range(2):
    pictures, predicted, truth = random.random((4, 6, 6)), random.integers(0, 3, 4), random.integers(0, 3, 4)
    writer.add_figure("predictions vs. actuals", draw(pictures, predicted, truth), global_step=epoch)
writer.close()
