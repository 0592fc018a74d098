"""A layout of charts, a coloured cloud of points, raw histograms, boxes and sounds."""

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

random = np.random.default_rng(5)
layout = {
    "Taiwan": {"twse": ["Multiline", ["twse/0050", "twse/2330"]]},
    "USA": {
        "dow": ["Margin", ["dow/aaa", "dow/bbb", "dow/ccc"]],
        "nasdaq": ["Margin", ["nasdaq/a", "nasdaq/b", "nasdaq/c"]],
    },
}
writer = SummaryWriter("runs/shapes")
writer.add_custom_scalars(layout)
for step in range(5):
    writer.add_scalar("twse/0050", random.random(), step)
    writer.add_scalar("dow/aaa", random.random(), step)
    values = random.normal(step, 1, 200)
    counts, limits = np.histogram(values)
    writer.add_histogram_raw(
        "raw", values.min(), values.max(), len(values), values.sum(), (values**2).sum(), limits[1:], counts, step
    )
    writer.add_histogram("normal", values, step)
vertices = torch.as_tensor([[[1, 1, 1], [-1, -1, 1], [1, -1, -1], [-1, 1, -1]]], dtype=torch.float)
colors = torch.as_tensor([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 0, 255]]], dtype=torch.int)
faces = torch.as_tensor([[[0, 2, 3], [0, 3, 1], [0, 1, 2], [1, 3, 2]]], dtype=torch.int)
writer.add_mesh("tetrahedron", vertices=vertices, colors=colors, faces=faces)
writer.add_image_with_boxes("boxes", random.random((3, 20, 30)), np.array([[3, 3, 12, 12], [10, 5, 28, 18]]))
writer.add_audio("tone", torch.sin(torch.arange(1000) / 7)[None], 0, sample_rate=8000)
writer.add_tensor("raw tensor", torch.arange(6).reshape(2, 3), 1)
writer.close()
