"""Texts: a table of settings in markdown, a note at every step, source code."""

from torch.utils.tensorboard import SummaryWriter

settings = {"learning rate": 0.001, "batch size": 64, "optimizer": "Adam", "notes": "größer & <b>bolder</b>"}
table = "| setting | value |\n| --- | --- |\n" + "\n".join(f"| {name} | {value} |" for name, value in settings.items())

with SummaryWriter("runs/notes") as writer:
    writer.add_text("hyperparameters", table)
    for step in range(3):
        writer.add_text("samples/generated", f"step {step}:\n\n> *once upon a time*", step)
    writer.add_text("code", "```python\nmodel.fit(x, y)\n```", 0)
