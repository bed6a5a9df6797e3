"""Reasons as sentences: why a rung is as it is, why a file is refused, why a probe has no answer."""

from __future__ import annotations

from ..core.errors import Reason
from ..i18n import N_, _
from .values import fill, shown

LADDER: dict[str, str] = {
    "gpu_memory_short": N_(
        "needs {needed_bytes} of GPU memory, {free_bytes} are free: {short_bytes} too little"
    ),
    "ram_short": N_("needs {needed_bytes} of RAM, {free_bytes} are free: {short_bytes} too little"),
    "unified_memory_short": N_(
        "GPU and CPU share the memory: needs {needed_bytes}, {free_bytes} are free: {short_bytes} too little"
    ),
    "small_context": N_("only {tokens} tokens of context fit: replies are limited to {reply_tokens} tokens"),
    "smaller_screenshot": N_("with screenshots made smaller ({size} instead of {full})"),
    "no_gpu": N_("no GPU was found"),
    "needs_nvidia": N_("needs an NVIDIA card; here is {gpu}"),
    "no_driver_for_system": N_("this system has no driver for {gpu}"),
    "gpu_memory_unknown": N_("{gpu} does not tell how much memory it has"),
    "ram_unknown": N_("it is not known how much RAM there is"),
    "driver_too_old": N_("the driver {driver} is too old; {required} or newer is needed"),
    "card_too_old": N_("the card's compute capability is {capability}; {required} or newer is needed"),
    "crashes_here": N_("the engine crashes with it on this machine"),
    "self_test_failed": N_("the engine {engine} did not pass its self-test"),
    "no_such_weights": N_("there are no weights of this kind"),
}

ENGINES: dict[str, str] = {
    "card_too_new": N_("the card's compute capability is {capability}; this build knows cards up to {most}"),
    "no_build_for_system": N_("there is no build of it for this system ({system})"),
    "no_vulkan_in_wsl": N_("the Windows Subsystem for Linux has no Vulkan driver for the card"),
    "cuda_fastest": N_("the fastest on an NVIDIA card"),
    "cuda_in_container": N_("containers bring NVIDIA's CUDA, but seldom Vulkan"),
    "cuda_built_here": N_("built on this machine, it uses all that the card and the processor can do"),
    "cuda_without_avx2": N_(
        "the published builds leave out AVX2, so the layers that stay on the processor are slow"
    ),
    "vulkan_for_split": N_("it uses AVX2 for the layers that stay on the processor"),
    "vulkan_any_card": N_("runs on any card with a Vulkan driver"),
    "metal_here": N_("uses Apple's GPU"),
    "llama_on_cpu": N_("needs no graphics card"),
    "torch_on_gpu": N_("runs the 16-bit files on the NVIDIA card, whole or made smaller"),
    "torch_on_processor": N_("without a card for torch it runs on the processor, slowly"),
    "torch_on_cpu": N_("runs the 16-bit files without a card: slow, GGUF files are the better choice there"),
}
"""Why an engine environment suits a machine, or does not (``core.environment_choice``)."""

RUNNING: dict[str, str] = {
    "context_tokens": N_("it takes {tokens} tokens, and the context holds {room_tokens}"),
    "proof_layers": N_("only {found} of {wanted} layers came to lie on the graphics card"),
    "proof_device_bytes": N_(
        "only {found_bytes} of the {needed_bytes} of weights came to lie on the graphics card"
    ),
    "proof_not_quantised": N_("no layer of the model was made smaller ({kind})"),
    "proof_footprint": N_("the model takes {found_bytes} instead of {needed_bytes}: it was not made smaller"),
    "proof_no_projector": N_("the vision projector was not loaded"),
    "proof_projector_on_cpu": N_("the vision projector came to lie on the processor"),
    "memory_taken": N_(
        "Other programs have taken {taken_bytes} of the graphics card's memory since the model was loaded; "
        "{free_bytes} are free. Answers may become slow or fail: close them, or load the model again with what is left."
    ),
    "speed_fell": N_(
        "Answers come {times} times slower than before: another program seems to have taken the graphics card's "
        "memory. Close it, or free the GPU and load the model again."
    ),
}
"""Why a running engine does not do what its plan said (``host.proven``, ``core.spill``)."""

ASSUMED: dict[str, str] = {
    "gpu_memory_short": N_(
        "needs {needed_bytes} of GPU memory, about {free_bytes} may be free: {short_bytes} too little"
    ),
    "ram_short": N_("needs {needed_bytes} of RAM, about {free_bytes} may be free: {short_bytes} too little"),
    "unified_memory_short": N_(
        "GPU and CPU share the memory: needs {needed_bytes}, about {free_bytes} may be free: {short_bytes} too little"
    ),
}
"""Where nothing told how much is free."""

WITH_OWN: dict[str, str] = {
    "gpu_memory_short": N_(
        "needs {needed_bytes} of GPU memory; {free_bytes} are free once this program's own engine ends: "
        "{short_bytes} too little"
    ),
    "ram_short": N_(
        "needs {needed_bytes} of RAM; {free_bytes} are free once this program's own engine ends: {short_bytes} too "
        "little"
    ),
}
"""Where an engine of this program holds some, which counts as free."""

HEADLINES: dict[str, str] = {
    "no_vision": N_("This model has no vision part here, so it cannot read a phone's screen."),
    "context_too_small": N_(
        "A context of {tokens} tokens is too small to drive a phone: a screenshot, the prompt and the reply take "
        "{needed_tokens}."
    ),
    "nothing_fits_here": N_("Nothing of it can run on this machine."),
    "cannot_here": N_("It cannot run here: {why}."),
    "cannot_because": N_("It does not fit: even {variant} {why}."),
    "fits_speed_unmeasured": N_("It fits as {variant} {place}. Its speed here has not been measured yet."),
    "fits_step_unmeasured": N_(
        "It fits as {variant} {place} and writes {tokens_per_s}. How long a screenshot takes here has not been "
        "measured yet."
    ),
    "phone_runs_well": N_("It runs well as {variant} {place}: {step_s} for one step on the phone."),
    "phone_runs": N_("It runs as {variant} {place}: {step_s} for one step on the phone."),
    "phone_slow": N_("It fits as {variant} {place}, but is slow: {step_s} for one step on the phone."),
    "text_runs_well": N_("It runs well as {variant} {place}: {tokens_per_s}."),
    "text_runs": N_("It runs as {variant} {place}: {tokens_per_s}."),
    "text_slow": N_("It fits as {variant} {place}, but is slow: {tokens_per_s}."),
}

PLACES: dict[str, str] = {
    "place_processor-16bit": N_("on the CPU"),
    "place_transformers-16bit": N_("on the GPU"),
    "place_transformers-int8": N_("on the GPU in 8 bits"),
    "place_transformers-nf4": N_("on the GPU in 4 bits"),
    "place_transformers-nf4-lean": N_("on the GPU in 4 bits"),
    "place_gguf-gpu": N_("on the GPU"),
    "place_gguf-split": N_("on GPU and CPU together"),
    "place_gguf-cpu": N_("on the CPU"),
    "place_gguf-cpu-safe": N_("on the CPU with safe options"),
}

FILES: dict[str, str] = {
    "projector_alone": N_("it is a vision part (mmproj) and no model of its own"),
    "adapter_alone": N_("it is an adapter and no model of its own"),
    "unknown_architecture": N_("its architecture “{architecture}” is unknown"),
    "not_a_text_model": N_("its architecture “{architecture}” writes no text"),
    "no_weights": N_("it holds no weights"),
    "no_tokenizer": N_("it holds no tokenizer"),
    "tokenizer_mismatch": N_(
        "its tokenizer is another model's: {tokens} tokens where the weights need {wanted}; fetch the file again"
    ),
    "vision_no_sections": N_(
        "it is an early conversion without M-RoPE sections: it answers text, but cannot look at pictures"
    ),
    "vision_architecture": N_("its architecture “{architecture}” cannot look at pictures here"),
    "vision_no_bos": N_(
        "it names no beginning token, without which pictures cannot be read; fetch a newer conversion"
    ),
    "vision_no_tokens": N_("its vocabulary has no tokens around pictures, so it can look at none"),
    "projector_kind": N_("the vision part is of the kind “{type}”; only glm4v fits"),
    "projector_incomplete": N_(
        "the vision part lacks “{missing}”, or holds it in a form that cannot be; fetch it again"
    ),
    "projector_other_model": N_(
        "the vision part belongs to another model: it gives {width} numbers a cell, the model takes {wanted}"
    ),
    "gguf_split": N_("it is one of {count} parts; join them with llama-gguf-split --merge first"),
    "file_not_found": N_("it is no longer there"),
    "file_unreadable": N_("it cannot be read ({detail})"),
    "gguf_not_a_gguf": N_("it is no GGUF file"),
    "gguf_truncated": N_("it is not complete"),
    "gguf_damaged": N_("it is damaged ({detail})"),
    "gguf_version": N_("its version of GGUF is not supported ({detail})"),
    "gguf_big_endian": N_("it was written for big-endian processors"),
    "folder_of_pickles": N_(
        "its weights can run programs when they are read ({name}); only safetensors are used"
    ),
    "folder_without_weights": N_("it holds no weights"),
    "folder_quantised": N_("its weights are quantised already ({kind}); only 16-bit folders are run"),
    "folder_unknown_kind": N_(
        "it is of a kind that this program does not know ({kind}, no {key} in its config.json)"
    ),
    "shard_missing": N_("it is not complete: {name} is missing"),
    "tokenizer_missing": N_("it holds no tokenizer: {name} is missing"),
    "json_damaged": N_("it is damaged"),
    "safetensors_damaged": N_("it is damaged"),
    "safetensors_size": N_("its size is not what its own header says"),
    "folder_unfinished": N_("it is not downloaded completely yet"),
    "folder_without_config": N_("it holds no config.json"),
}

PROBES: dict[str, str] = {
    "probe_timed_out": N_("no answer within {seconds} s"),
    "probe_failed": N_("failed: {error}"),
    "nvml_python_missing": N_("the Python package nvidia-ml-py is missing"),
    "nvml_error": N_("NVIDIA's library says: {text} ({number})"),
    "nvidia_no_permission": N_("no permission to ask NVIDIA's driver"),
    "nvidia_no_devices": N_("NVIDIA's driver sees no card"),
    "nvidia_driver_not_loaded": N_("NVIDIA's driver is installed but not loaded"),
    "nvidia_driver_missing": N_("NVIDIA's driver is not installed"),
    "nvidia_driver_too_old": N_("NVIDIA's driver is too old to be asked"),
    "nvidia_driver_mismatch": N_("NVIDIA's driver was updated and waits for a restart"),
    "nvidia_not_in_container": N_(
        "the machine has NVIDIA's driver, but this container was started without it"
    ),
    "nvidia_host_without_driver": N_("a container; the machine it runs on has no NVIDIA driver at work"),
    "nvidia_library_missing": N_("NVIDIA's driver is at work, but its library is not installed"),
    "nvidia_card_without_driver": N_("an NVIDIA card is there, but no driver for it"),
    "nvidia_wsl_no_driver": N_("Windows lends its GPU, but has no NVIDIA driver"),
    "nvidia_wsl_library_not_found": N_("the library of Windows' driver is there, but is not found"),
    "gpu_power_cable": N_("a card says that its power cable is not plugged in right"),
    "gpu_divided": N_("a card is divided (MIG); a program sees one part of it, by default the first"),
    "gpu_divided_empty": N_("a card is to be divided (MIG), but no part has been made"),
    "nvidia_smi_missing": N_("nvidia-smi is not there"),
    "nvidia_smi_failed": N_("nvidia-smi has no answer"),
    "gpu_not_responding": N_("a card does not respond"),
    "no_other_adapters": N_("no other graphics card was found"),
    "not_needed": N_("not needed"),
}

DOWNLOADS: dict[str, str] = {
    "changed_meanwhile": N_("{repo} has changed at its source meanwhile; what changed starts anew"),
    "no_projector_there": N_(
        "{repo} holds no vision part (mmproj): the model answers text, but cannot look at pictures"
    ),
    "newest_unknown": N_(
        "complete as it was fetched; whether it is the newest could not be asked without a network"
    ),
    "projector_unknown": N_(
        "the vision part is of a kind ({type}) that does not fit this model; pictures will be refused"
    ),
    "no_mrope": N_(
        "{name} is an early conversion without M-RoPE sections: it answers text, pictures will be refused"
    ),
    "answer_cut_short": N_("the answer ended before the file did"),
    "answer_is_a_page": N_("a web page came instead of the file; does this network want a sign-in?"),
    "wrong_range": N_("another part of the file came than was asked for"),
    "link_expired": N_("the link to the file has expired"),
    "too_many_requests": N_("the source wants fewer requests"),
    "server_trouble": N_("the server has trouble (HTTP {status})"),
    "no_connection": N_("there is no connection"),
    "connection_lost": N_("the connection was lost"),
    "stalled": N_("nothing arrives any more"),
    "proxy_trouble": N_("the proxy does not answer"),
    "name_absolute": N_("it is an absolute path"),
    "name_outside": N_("it leads out of its folder"),
    "name_empty_part": N_("a part of it is empty"),
    "name_character": N_("it has a character that not every system allows"),
    "name_ending": N_("a part of it ends in a dot or space"),
    "name_reserved": N_("the name is reserved on Windows"),
    "name_own": N_("the name is used by this program"),
    "name_too_long": N_("the name is too long"),
    "name_collides": N_("it differs from {other} only in case or accents"),
    "name_file_and_folder": N_("it is a file and a folder at once"),
    "type_runs_code": N_("files of this type can run code when they are opened"),
    "type_not_needed": N_("files of this type are not needed"),
    "connection_slow": N_("the connection is much slower than the others"),
    "answer_of_another_range": N_("the server sent another part of the file than was asked for"),
}

MODELS: dict[str, str] = {
    "early_conversions": N_(
        "GGUF files made before mid-December 2025 lack what pictures need (M-RoPE sections), or their vision part is "
        "of another kind (InternVL). Such files answer text only. Each file's header is looked at after the download, "
        "and before it where the hub lets it be read."
    ),
    "projector_not_evidenced": N_(
        "No public copy of the vision part (mmproj) for its GGUF files is known to this program. Without one they "
        "answer text only; the safetensors hold it."
    ),
    "maker_conversion_untried": N_(
        "The maker made its GGUF files with a changed llama.cpp before llama.cpp itself knew this model. Nobody of "
        "this project has run them."
    ),
}
"""What to know of a model of the catalogue before it is downloaded (``core.catalog.NOTES``)."""

MEASURING: dict[str, str] = {
    "memory_too_short": N_("there is too little free memory to measure its speed"),
    "disk_not_readable_uncached": N_("the disk of {path} cannot be read past the system's cache here"),
    "measure_needs_engine": N_("no engine is installed that could run a model"),
    "measure_needs_disk": N_("{needed_bytes} of free disk space are needed for a while"),
    "measure_engine_failed": N_("the engine could not do it; the log says more ({kind})"),
    "measure_no_start": N_("the engine does not start; install it again"),
    "measure_out_of_memory": N_("there is not enough free memory for it now"),
    "measure_crashed": N_(
        "the engine's fast kernels crash on this machine; plans use its safe options instead"
    ),
    "measure_crashed_here": N_("the engine crashed; the log says more"),
    "measure_hung": N_("the engine stopped answering"),
    "measure_not_on_gpu": N_("the engine could not put the model's layers on the card"),
    "measure_folder": N_("{path} cannot be written: {detail}"),
    "disk_in_memory": N_("{path} lies in RAM"),
    "disk_unwritable": N_("{path} cannot be written: {detail}"),
    "shapes_unknown": N_("the shapes of {name} are not known to this program"),
    "no_cuts": N_("{variant} cannot be written by this program"),
    "machine_busy": N_("other programs use this device too much now; try again when it is quiet"),
    "measured_on_another_machine": N_("it was taken on another machine ({cpu})"),
    "measured_with_other_cards": N_("the graphics card is now {now}; it was {before}"),
    "measured_without_card": N_("the {now} was not there then"),
    "measured_with_card": N_("the {before} is no longer there"),
    "measured_with_another_driver": N_("the driver of the {gpu} is now {now}; it was {before}"),
    "measured_without_driver": N_("the {gpu} had no driver that answers then; now it is {now}"),
    "measured_with_driver": N_("the driver of the {gpu} does not answer now; it was {before}"),
    "measured_with_another_build": N_("the engine {engine} is now {now}; it was {before}"),
    "measured_engine_gone": N_("the engine {engine} is no longer installed"),
    "times_contradict": N_("the times contradict each other; try again when the machine is quiet"),
}

PHONE: dict[str, str] = {
    "action_none": N_("it holds neither do(…) nor finish(…)"),
    "action_cut": N_("it ends in the middle of the action"),
    "action_unclear": N_("this is not written as the agent reads it: {at}"),
    "action_after": N_("more text follows the action: {text}"),
    "action_lacks": N_("{action} does not say a usable {key}"),
    "action_place": N_("{place} is no place on the screen; both numbers go from 0 to {most}"),
    "action_too_long": N_("it was not finished after {tokens} tokens"),
    "action_stopped": N_("it was stopped"),
}
"""Why no phone action can be read from a reply (``core.phone_actions``)."""

KEEPING: dict[str, str] = {
    "disk_is_full_now": N_("the disk is full; make room and try again"),
}
"""Why something cannot be kept."""

TRIAL: dict[str, str] = {
    "trial_no_model": N_("No model is loaded: there is nothing that could answer."),
    "trial_demo": N_("The demo answers now: it only knows this program and cannot look at the screenshot."),
    "trial_no_vision": N_("{model} runs without its vision part now: it cannot look at the screenshot."),
    "trial_small_context": N_(
        "{model} runs with room for {context} tokens. A step of the agent needs {needed}: its prompt, the screenshot "
        "and the reply."
    ),
    "trial_tight_context": N_(
        "{model} runs with room for {context} tokens: enough for a step of the agent, but a long reply is cut. "
        "{needed} would be better."
    ),
}
"""What stands in the way of the test as the phone agent (``usecases.agent_trial``)."""

TABLE: dict[str, str] = {
    **PHONE,
    **TRIAL,
    **KEEPING,
    **MEASURING,
    **LADDER,
    **ENGINES,
    **RUNNING,
    **HEADLINES,
    **PLACES,
    **FILES,
    **PROBES,
    **DOWNLOADS,
    **MODELS,
}


def text(reason: Reason | None) -> str:
    """The sentence (or part of one) of a reason; empty for None. A code without a text shows itself."""
    if reason is None:
        return ""
    values = reason.as_dict()
    template = TABLE.get(reason.code)
    if values.get("assumed"):
        template = ASSUMED.get(reason.code)
    elif values.get("own_bytes"):
        template = WITH_OWN.get(reason.code, template)
    return reason.code if template is None else filled(template, reason)


def filled(template: str, reason: Reason) -> str:
    """A reason's values in another sentence than its own (translated here)."""
    values = reason.as_dict()
    measured = bool(values.get("measured"))
    parts = {
        key: text(value) if isinstance(value, Reason) else shown(key, value, measured=measured)
        for key, value in values.items()
    }
    return fill(_(template), parts)
