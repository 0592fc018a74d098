"""Handwritten digits with Keras, on any backend, and all that the callback has: then `tallyboard --logdir runs`."""

import keras
from sklearn.datasets import load_digits

from tallyboard.integrations.keras import TallyboardCallback

x, y = load_digits(return_X_y=True)
x = x.reshape(-1, 8, 8, 1).astype("float32") / 16
model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
log = TallyboardCallback(
    "runs/digits",
    histogram_freq=1,
    histograms="all",
    write_images=True,
    update_freq="batch",
    profile_batch=(10, 14),
    evaluation=[str(digit) for digit in range(10)],
)
model.fit(x, y, epochs=5, validation_split=0.2, callbacks=[log])
