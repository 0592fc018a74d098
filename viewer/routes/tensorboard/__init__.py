"""TensorBoard's own routes, below `/data/`: scripts and tools that talk to a TensorBoard talk to this viewer as well.

Answers are equal to TensorBoard's below its sampling limits. Above them TensorBoard drops values, and these routes give
all of them, unless `--samples_per_plugin` bounds them. Nothing here is asked by the page.
"""
