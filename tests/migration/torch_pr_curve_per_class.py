"""A precision-recall curve for each class of a classifier, one against the rest."""

import torch
from torch.utils.tensorboard import SummaryWriter

torch.manual_seed(1)
classes = ("plane", "car", "bird", "cat")
labels = torch.randint(0, 4, (400,))
scores = torch.nn.functional.softmax(torch.randn(400, 4) + 2 * torch.nn.functional.one_hot(labels, 4), dim=1)

writer = SummaryWriter("runs/classifier")
for index, name in enumerate(classes):
    truth = labels == index
    probabilities = scores[:, index]
    writer.add_pr_curve(name, truth, probabilities, global_step=0)
    writer.add_pr_curve(f"{name} (numpy)", truth.numpy(), probabilities.numpy(), 1, num_thresholds=100)
writer.close()
