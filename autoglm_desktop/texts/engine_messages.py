"""What an engine says of a load that failed, for people: its messages begin with a code (docs/engine-protocol.md)."""

from __future__ import annotations

from ..i18n import N_, _

TABLE = {
    "no_folder": N_("it is no model folder ({detail})"),
    "no_config": N_("it is no model folder ({detail})"),
    "missing_file": N_("a file is missing ({detail}); get the model again"),
    "not_made": N_("a part that it needs could not be made ({detail})"),
    "missing_tensor": N_("weights are missing ({detail}); get the model again"),
    "damaged": N_("it is damaged ({detail}); get the model again"),
    "tokenizer_mismatch": N_("its tokenizer belongs to another model ({detail})"),
    "adapter": N_("it is an adapter and no whole model ({detail})"),
    "pickle_refused": N_("its files are not read ({detail})"),
    "not_on_gpu": N_("a part of it did not come onto the graphics card ({detail})"),
    "not_quantised": N_("a part of it was not loaded in fewer bits ({detail})"),
    "gpu_not_seen": N_("it sees no graphics card ({detail})"),
    "gpu_not_used": N_("the graphics card was not used ({detail})"),
    "not_finite": N_("it computes wrong numbers ({detail})"),
    "no_chat_template": N_("nothing says how to chat with it ({detail})"),
    "dtype": N_("it computes in another precision ({detail})"),
}


def said(message: str) -> str:
    """``missing_file: tokenizer.json`` as a clause; any other message as it is."""
    code, _sep, detail = message.partition(": ")
    return _(TABLE[code]).format(detail=detail) if detail and code in TABLE else message
