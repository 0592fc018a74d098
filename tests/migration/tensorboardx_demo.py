"""A bit of everything, with NumPy alone."""

import numpy as np
from tensorboardX import SummaryWriter

random = np.random.default_rng(6)
writer = SummaryWriter(logdir="runs/demo")
for step in range(10):
    writer.add_scalar("data/scalar_systemtime", step * 0.5, step, walltime=1_700_000_000.0 + step)
    writer.add_scalar(
        "data/scalar_customname", random.random(), step, display_name="a name", summary_description="*how*"
    )
    writer.add_scalars("data/scalar_group", {"xsinx": step * np.sin(step), "xcosx": step * np.cos(step)}, step)
    if step % 5 == 0:
        writer.add_image("Image", random.random((3, 32, 48)), step)
        writer.add_image("Image/uint8", random.integers(0, 256, (20, 20, 3), dtype=np.uint8), step, dataformats="HWC")
        writer.add_images("Images", random.random((5, 1, 10, 10)), step)
        writer.add_audio("tone", np.cos(np.arange(2000) / 9), step, sample_rate=8000)
        writer.add_text("Text", f"text logged at step {step}", step)
        writer.add_text("markdown", "a|b\n-|-\nc|d", step)
        writer.add_histogram("hist", random.standard_normal(300) * (step + 1), step)
        writer.add_histogram("hist/auto", random.standard_normal(300), step, bins="auto")
        writer.add_pr_curve("curve", random.integers(0, 2, 100), random.random(100), step)
writer.add_pr_curve_raw(
    "curve/raw",
    [75, 64, 21, 5, 0],
    [150, 105, 18, 0, 0],
    [0, 45, 132, 150, 150],
    [0, 11, 54, 70, 75],
    [0.33, 0.38, 0.54, 1.0, 0.0],
    [1.0, 0.85, 0.28, 0.067, 0.0],
    10,
    num_thresholds=5,
)
writer.add_embedding(random.standard_normal((25, 6)), metadata=list(range(25)), label_img=random.random((25, 3, 6, 6)))
writer.add_hparams({"lr": 0.1, "bsize": 4, "fast": True, "name": "demo"}, {"hparam/accuracy": 0.5})
writer.export_scalars_to_json("all_scalars.json")
writer.close()
