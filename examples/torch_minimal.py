"""PyTorch in one line: watch a training loop that stays as it is, then `tallyboard --logdir runs`."""

import torch

import tallyboard as tb

x = torch.rand(6400, 8)
y = x.sum(dim=1, keepdim=True)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=32, shuffle=True)

model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

tb.auto_log(model, "runs/torch")  # the line
for inputs, targets in tb.data(loader):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(inputs), targets)
    loss.backward()
    optimizer.step()
