"""Keras in ten lines: log a `fit`, then `tallyboard --logdir runs`."""

import keras
import numpy as np

from tallyboard.integrations.keras import TallyboardCallback

x = np.random.default_rng(0).random((1000, 8), dtype="float32")
y = x.sum(axis=1, keepdims=True)

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x, y, epochs=10, validation_split=0.2, callbacks=[TallyboardCallback("runs/keras")])
