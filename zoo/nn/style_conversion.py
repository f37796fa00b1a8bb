"""Converting files of the StyleGAN families: what their mapping networks have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoo.checkpoints.conversion import StateDictConverter
from zoo.core.adapter import State
from zoo.nn.style import ESTIMATED_W_AVG
from zoo.nn.style_network import LR_MLP


class StyleConverter(StateDictConverter):
    """The conversion of a network with a mapping from z to w.

    Args:
        state: the tensors of the network in the file.
        owner: the file's name in messages.
    """

    def __init__(self, state: State, owner: str) -> None:
        super().__init__(state, owner)
        self._lr_mlp: Any = LR_MLP

    def lr_mlp(self, said: Any) -> Any:
        """Take the learning-rate multiplier of the mapping, by which its weights and biases are multiplied.

        Args:
            said: the value in the file; None where it does not tell.

        Returns:
            The value; 0.01 where it is assumed.
        """
        self._lr_mlp = self.setting("lr_mlp", said, LR_MLP)
        return self._lr_mlp

    def w_avg(self, key: str) -> None:
        """Convert the mean code, which files may lack: then `StyleAdapter` estimates it, and that is noted.

        Args:
            key: its key in the file.
        """
        self.assign("mapping.mean", key, optional=True)
        if "mapping.mean" not in self.converted:
            self.assumed["w_avg"] = ESTIMATED_W_AVG
            self.in_doubt.add("w_avg")

    def set_embedding(self, weight: Tensor) -> None:
        """Set an embedding of labels that has no bias.

        Args:
            weight: (classes, dim).
        """
        self.converted["mapping.embed.weight"] = weight.T
        self.converted["mapping.embed.bias"] = torch.zeros(weight.shape[1])

    def config(self, **settings: Any) -> dict[str, Any]:
        """Make the config for `StyleAdapter.load`.

        Args:
            **settings: what the family needs beside the weights.

        Returns:
            The settings, the multiplier that is folded into the mapping if it is not 0.01, and what was assumed.
        """
        folded = {} if self._lr_mlp == LR_MLP else {"folded_lr_mlp": self._lr_mlp}
        return super().config(**folded, **settings)
