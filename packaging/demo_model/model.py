"""The demo model's class is transformers' own; here are its config, and the forward that training uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as functional

from .settings import Shape

MOST_PARAMETERS = 4_000_000


def build(shape: Shape, ends: Sequence[int]) -> Any:
    """A new Glm4ForCausalLM in float32. ``ends``: tokens that end an answer, the first of them also pads."""
    from transformers import Glm4Config, Glm4ForCausalLM

    config = Glm4Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=shape.context,
        rms_norm_eps=1e-5,
        initializer_range=0.04,
        attention_bias=True,
        tie_word_embeddings=False,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": shape.rope_theta,
            "partial_rotary_factor": 0.5,
        },
        eos_token_id=list(ends),
        pad_token_id=None,
    )
    model = Glm4ForCausalLM(config)
    model.generation_config.eos_token_id = list(ends)
    model.generation_config.pad_token_id = ends[0]
    model.generation_config.do_sample = False
    if parameters(model) > MOST_PARAMETERS:
        raise ValueError(f"{parameters(model):,} parameters are more than {MOST_PARAMETERS:,}")
    return model


def parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


class Trained(torch.nn.Module):  # type: ignore[misc]
    """The model's own modules in a forward that knows packed rows, dropout between layers, and the loss.

    ``Glm4Model.forward`` does the same for unpacked rows (a test compares the logits); going through the layers here
    keeps torch.compile to one graph for each shape of batch.
    """

    def __init__(self, model: Any, dropout: float) -> None:
        super().__init__()
        self.model = model
        self.dropout = dropout

    def hidden(self, ids: Any, positions: Any, segments: Any) -> Any:
        """What the output matrix multiplies. ``segments``: the number of the sample that a token belongs to; tokens see
        their own sample only."""
        inner = self.model.model
        hidden = self._dropped(inner.embed_tokens(ids))
        angles = positions[..., None].float() * inner.rotary_emb.inv_freq
        angles = torch.cat((angles, angles), dim=-1)
        rotation = (angles.cos(), angles.sin())
        length = ids.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
        mask = (segments[:, None, :, None] == segments[:, None, None, :]) & causal
        for layer in inner.layers:
            after = layer(hidden, attention_mask=mask, position_ids=positions, position_embeddings=rotation)
            hidden = hidden + self._dropped(after - hidden)
        return inner.norm(hidden)

    def forward(
        self, ids: Any, positions: Any, segments: Any, places: Any, targets: Any, weights: Any
    ) -> Any:
        """The mean loss over the targets by weight."""
        hidden = self.hidden(ids, positions, segments).flatten(0, 1).index_select(0, places)
        logits = self.model.lm_head(hidden).float()
        losses = functional.cross_entropy(logits, targets, reduction="none")
        return (losses * weights).sum() / weights.sum().clamp(min=1.0)

    def _dropped(self, values: Any) -> Any:
        if not self.dropout:
            return values
        return functional.dropout(values, self.dropout, training=self.training)
