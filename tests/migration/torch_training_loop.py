"""A training loop: losses as they come, weights and pictures now and then, the model at the start."""

import torch
from torch.utils.tensorboard import SummaryWriter

torch.manual_seed(0)
pictures = torch.rand(64, 1, 12, 12)
labels = (pictures.mean(dim=(1, 2, 3)) > 0.5).long()
model = torch.nn.Sequential(
    torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(100, 2)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
criterion = torch.nn.CrossEntropyLoss()

writer = SummaryWriter("runs/experiment_1")
writer.add_graph(model, pictures[:4])
step = 0
for epoch in range(2):
    model.train()
    for batch, target in zip(pictures.split(16), labels.split(16), strict=True):
        optimizer.zero_grad()
        loss = criterion(model(batch), target)
        loss.backward()
        optimizer.step()
        writer.add_scalar("Loss/train", loss, step)
        writer.add_scalar("lr", optimizer.param_groups[0]["lr"], step)
        step += 1
    for name, parameter in model.named_parameters():
        writer.add_histogram(name, parameter, epoch)
        writer.add_histogram(f"{name}.grad", parameter.grad, epoch)
    model.eval()
    with torch.no_grad():
        answers = model(pictures)
    writer.add_scalar("Loss/test", criterion(answers, labels).item(), epoch)
    writer.add_scalar("Accuracy/test", (answers.argmax(1) == labels).float().mean(), epoch)
    writer.add_images("inputs", pictures[:10], epoch)
    writer.add_image("first filter", model[0].weight[0].detach().clamp(0, 1), epoch)
    writer.flush()
writer.close()
