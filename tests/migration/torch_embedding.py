"""Embeddings for the projector: with labels, with labels of several columns, and with pictures."""

import torch
from torch.utils.tensorboard import SummaryWriter

torch.manual_seed(2)
pictures = torch.rand(30, 1, 8, 8)
names = [f"digit {i % 10}" for i in range(30)]

writer = SummaryWriter("runs/embedding")
features = pictures.view(-1, 64)
writer.add_embedding(features, metadata=names, label_img=pictures)
writer.add_embedding(features, metadata=names, label_img=pictures, global_step=1, tag="pictures")
rows = [[name, str(i)] for i, name in enumerate(names)]
writer.add_embedding(torch.randn(30, 5), metadata=rows, metadata_header=["name", "number"], tag="words")
writer.close()
