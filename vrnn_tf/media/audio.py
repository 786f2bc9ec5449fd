"""Sound."""

from __future__ import annotations

import dataclasses

import numpy as np

from vrnn_tf import files
from vrnn_tf.media.figures import save_plots
from vrnn_tf.media.medium import Medium, register
from vrnn_tf.validation import check_integer

MAX_RATE = 768_000
"""The largest number of samples a second. Converters of sound go no further."""


@register
@dataclasses.dataclass(frozen=True)
class Audio(Medium):
    """Raw samples, x `[T, frame_size]`: consecutive samples, full scale at -1 and 1.

    Args:
        sampling_rate: samples a second.
        frame_size: samples a step.

    Example:

    >>> from vrnn_tf import media
    >>> media.Audio(sampling_rate=8000, frame_size=100).units
    'samples at 8000 Hz, full scale at -1 and 1'
    """

    sampling_rate: int = 16_000
    frame_size: int = 200

    kind = "audio"
    suffixes = (".png", ".wav")
    normalization = "scalar"

    def __post_init__(self):
        if check_integer("sampling_rate", self.sampling_rate, 1) > MAX_RATE:
            raise ValueError(
                f"`sampling_rate` must be at most {MAX_RATE}. Received {self.sampling_rate}."
            )
        check_integer("frame_size", self.frame_size, 1)

    @property
    def event_size(self) -> int:
        return self.frame_size

    @property
    def units(self) -> str:
        return f"samples at {self.sampling_rate} Hz, full scale at -1 and 1"

    @property
    def normalized_features(self) -> tuple[int, ...]:
        return tuple(range(self.frame_size))

    def likelihood_arguments(self):
        return {"event_size": self.frame_size}

    def _save(self, path, sequences):
        """Writes a .wav with half a second of silence between two sequences, or plots."""
        waves = [np.clip(x.reshape(-1), -1.0, 1.0) for x in sequences]
        if path.suffix == ".wav":
            import soundfile

            silence = np.zeros(self.sampling_rate // 2)
            joined = np.concatenate([part for wave in waves for part in (wave, silence)][:-1])
            with files.atomic(path) as temporary:
                soundfile.write(temporary, joined, self.sampling_rate, subtype="PCM_16")
        else:
            save_plots(path, waves, self.plot)

    def plot(self, axes, wave) -> None:
        wave = np.reshape(wave, -1)
        axes.plot(np.arange(len(wave)) / self.sampling_rate, wave, linewidth=0.4, color="black")
        axes.set_xlabel("seconds")
        axes.set_ylabel("full scale")
