"""Losses of the papers."""

from __future__ import annotations

import keras
from keras import ops

from zoo import typed


@keras.saving.register_keras_serializable("paperzoo")
class LabelSmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy in nats per target token, or per sentence, with label smoothing.

    Padding counts for nothing, and neither do rows of padding that fill up a batch. The target
    distribution gives 1 - smoothing to the label and spreads the rest over the other V - 1 classes,
    as tensor2tensor and fairseq do (Keras' own loss spreads it over all V).

    Args:
        smoothing: epsilon_ls of vaswani2017, section 5.4.
        padding_id: label that marks padding.
        per: the divisor of the sum over all tokens: their number ("token"), or the number of their
            sentences ("sentence", as sutskever2014, section 3.4, divides the gradient).
    """

    def __init__(
        self,
        smoothing: float = 0.0,
        padding_id: int = 0,
        per: str = "token",
        name: str = "cross_entropy",
    ) -> None:
        # Keras computes losses in `floatx` otherwise.
        super().__init__(name=name, reduction=None, dtype="float32")
        self.smoothing = smoothing
        self.padding_id = padding_id
        self.per = per

    def call(self, labels, logits):
        """Return the scalar loss of a batch.

        Args:
            labels: integers [batch, time].
            logits: float32 [batch, time, vocabulary].
        """
        labels = ops.cast(labels, "int32")
        real = ops.cast(ops.not_equal(labels, self.padding_id), logits.dtype)
        if self.smoothing:
            vocabulary = logits.shape[-1]
            chosen = ops.equal(labels[..., None], typed.arange(vocabulary))
            other = self.smoothing / (vocabulary - 1)
            target = typed.where(chosen, ops.cast(1.0 - self.smoothing, logits.dtype), other)
            loss = ops.categorical_crossentropy(target, logits, from_logits=True)
        else:
            existing = ops.maximum(labels, 0)  # TensorFlow refuses a padding below 0
            loss = cross_entropy(existing, logits)
        counted = ops.max(real, axis=1) if self.per == "sentence" else real
        return ops.sum(loss * real) / ops.maximum(ops.sum(counted), 1.0)

    def get_config(self) -> dict:
        return {key: getattr(self, key) for key in ("smoothing", "padding_id", "per", "name")}


def cross_entropy(labels, logits):
    """Return -log P of the labels in nats, float32 [...]; faster than Keras' own on CPUs.

    Softmax is computed once, for the loss and for its gradient. A P below 1e-37 counts as 1e-37, or
    85.2 nats; its gradient is exact.

    Args:
        labels: int32 [...], each an existing class.
        logits: float32 [..., classes].
    """
    shape = ops.shape(logits)
    labels = ops.reshape(labels, (-1, 1))

    @ops.custom_gradient
    def run(logits):  # [rows, classes]
        p = ops.softmax(logits)
        chosen = ops.take_along_axis(p, labels, axis=-1)[:, 0]

        def gradient(*args, upstream=None):
            """Return (P - 1) upstream at the label, and P upstream elsewhere."""
            upstream = args[0] if upstream is None else upstream
            places = ops.concatenate([typed.arange(ops.shape(p)[0])[:, None], labels], axis=-1)
            return ops.scatter_update(p * upstream[:, None], places, (chosen - 1.0) * upstream)

        return -ops.log(ops.maximum(chosen, 1e-37)), gradient

    return ops.reshape(run(ops.reshape(logits, (-1, shape[-1]))), shape[:-1])
