"""Expected failures as one sentence each. A new code needs one line in TABLE (a test finds those that lack it)."""

from __future__ import annotations

from ..core.errors import AppError, Reason
from ..i18n import N_, _
from . import reasons
from .downloads import source_name
from .engine_messages import said
from .rungs import rung_text
from .values import fill, shown

TABLE: dict[str, str] = {
    # files
    "file_not_found": N_("There is no file {path}."),
    "file_unreadable": N_("{path} cannot be read: {detail}."),
    "file_unwritable": N_("{path} cannot be written: {detail}."),
    "file_refused": N_("{path} cannot be used: {detail}."),
    "folder_not_writable": N_("The folder {path} cannot be written to: {detail}."),
    "folder_without_config": N_("The folder {path} holds no config.json, so it is no model."),
    "folder_of_pickles": N_(
        "{path} holds its weights as {name} alone, a kind of file that can run programs when it is read; get the "
        "model's safetensors files or a GGUF file."
    ),
    "folder_without_weights": N_("{path} holds a config.json but no safetensors files, so it is no model."),
    "folder_quantised": N_(
        "{path} holds weights that are quantised already ({kind}), which this program does not run; get the 16-bit "
        "files or a GGUF file of the model."
    ),
    "folder_unknown_kind": N_(
        "{path} holds a model of a kind that this program does not know ({kind}): its config.json has no {key}."
    ),
    "gguf_not_a_gguf": N_("{path} is no GGUF file."),
    "gguf_truncated": N_("{path} is not complete; get it again."),
    "gguf_damaged": N_("{path} is damaged ({detail}); get it again."),
    "gguf_version": N_("{path} uses a version of GGUF that is not supported ({detail})."),
    "gguf_big_endian": N_("{path} was written for big-endian processors and cannot be used here."),
    "gguf_split": N_(
        "{path} is one of {count} parts; join them first: llama-gguf-split --merge FIRST-PART OUTPUT."
    ),
    "gguf_incomplete": N_("{path} does not say what a plan needs ({key} is missing)."),
    "measuring_already": N_(
        "This machine is being measured already, by another window or terminal; wait for its end."
    ),
    "disk_full": N_("There is not enough room for {path}: {needed_bytes} needed, {free_bytes} free."),
    "state_unwritable": N_("{path} cannot be written: {detail}."),
    "report_in_the_way": N_("{path} is another file than a report of doctor; choose another name."),
    # the machine file
    "machine_file_unreadable": N_("The machine file {path} cannot be read: {detail}."),
    "machine_file_not_json": N_("The machine file {path} is not JSON: {detail}."),
    "machine_file_wrong": N_("The machine file {path} does not describe a machine: {detail}."),
    "prices_wrong": N_("Your prices in {path} cannot be used: {detail}. The built-in ones are shown."),
    # models
    "target_unknown": N_("“{target}” is neither a file nor a known model. Known are: {known}."),
    "demo_missing": N_(
        "The demo model is missing from this installation; install the program again, or use another model."
    ),
    "demo_damaged": N_(
        "The demo model of this installation can't be read ({detail}); install the program again."
    ),
    "demo_only_chats": N_(
        "The demo is a part of the program and counts as no model: it is not checked, downloaded, imported, verified "
        "or removed, only used with chat and serve."
    ),
    "demo_no_variant": N_("There is one demo, without variants: name it demo, not {target}."),
    "import_needs_a_file": N_("{path} is a folder; name the GGUF file in it."),
    "variant_unknown": N_("{model} has no variant {variant}. There are: {known}."),
    "model_not_installed": N_(
        "{model} is not on this machine yet: get it with autoglm-desktop pull {model}, or put its GGUF file into "
        "{folder}."
    ),
    "empty_prompt": N_("There is nothing to answer: the prompt is empty."),
    "no_model_loaded": N_("No model is loaded."),
    # downloads
    "download_no_network": N_(
        "{name} could not be fetched: there is no connection. What has arrived is kept; try again to continue."
    ),
    "header_slow": N_("The header of {target} did not come within {seconds} s."),
    "header_not_gguf": N_("{target} is not a single GGUF file; no header is read."),
    "header_unreadable": N_("The header of {name} at {source} cannot be read; try another source."),
    "download_unreachable": N_(
        "{name} could not be fetched: {why}. What has arrived is kept; try again to continue."
    ),
    "download_changed": N_("{name} has changed at {source} meanwhile; begin the download again."),
    "download_corrupt": N_(
        "{name} arrived damaged twice (last from {source}): its hash is wrong. Try another source."
    ),
    "download_not_found": N_(
        "{source} has no repository {repo}, or it is private and needs an access token; check the name."
    ),
    "download_file_gone": N_("{name} is no longer in {repo} at {source}; begin the download again."),
    "download_revision_gone": N_("{repo} has no version {revision} at {source}; begin the download again."),
    "download_needs_token": N_(
        "{source} shows {repo} only to those who sign in, or there is no such repository. Check the name; if it is "
        "right, make a token at {tokens} and enter it under Models, or set {variable}."
    ),
    "download_bad_token": N_(
        "{source} does not accept the access token: it is wrong or has expired. Make a new one at {tokens}, or remove "
        "it (under Models, {variable}): what is public needs none."
    ),
    "download_token_weak": N_(
        "{source} refuses {repo} to this access token: it may not read it. Open "
        "{address} with your account to see what it needs, and make a token that may."
    ),
    "download_gated": N_(
        "{repo} is given only to those who have accepted its conditions: open {address}, accept them with the account "
        "of your token, and try again."
    ),
    "download_gated_no_token": N_(
        "{repo} is given only to those who have accepted its conditions: open {address}, sign in and accept them; then "
        "make a token at {tokens} and enter it under Models, or set {variable}."
    ),
    "download_refused": N_("{source} refuses {repo} (HTTP {status}); try another source."),
    "download_certificate": N_(
        "The certificate of {source} is not trusted: check this computer's date and time; in a company network its own "
        "certificate must be installed in the system."
    ),
    "download_redirects": N_("{source} redirects without an end; try another source."),
    "download_bad_address": N_("{source} redirects to an address that cannot be used; try another source."),
    "download_encoded": N_(
        "{source} or a proxy compresses {name} although it must not; try another source or network."
    ),
    "proxy_needs_password": N_(
        "The proxy wants a name and a password: set HTTPS_PROXY to http://NAME:PASSWORD@HOST:PORT and start again."
    ),
    "listing_unreachable": N_("The files of {repo} could not be listed at {source}: {why}. Try again later."),
    "listing_unreadable": N_(
        "{source} answers for {repo} with something that is no list of files ({detail}); check the address."
    ),
    "repo_name_wrong": N_("“{repo}” is not a repository name; it looks like owner/name."),
    "source_unknown": N_(
        "There is no source {name}. There are: {known}, an address (https://…) or a folder that exists."
    ),
    "source_no_folder": N_("There is no folder {path}; is the disk connected?"),
    "source_address_wrong": N_("{address} is no address of a hub; it looks like https://host."),
    "source_address_password": N_(
        "An address with a password is not accepted ({address}): enter a token for it under Models."
    ),
    "source_needs_https": N_(
        "{address} is not encrypted; use https. Plain http is for this computer and private networks only."
    ),
    "token_needs_https": N_(
        "{source} requires a token for {repo}, and its address is not encrypted: a token is sent over https only."
    ),
    "folder_unreadable": N_("{path} cannot be read: {detail}. Is the disk still connected?"),
    "folder_without_model": N_("The folder {source} holds no files of {repo}."),
    "folder_file_wrong": N_(
        "{name} in {source} is not complete, or another file than its manifest says; copy it again."
    ),
    "token_wrong": N_("That is no access token for {source}: one word of ASCII characters is expected."),
    "token_not_forgotten": N_(
        "The token for {source} could not be removed from the system's keyring ({detail}); remove it there."
    ),
    "download_unexpected": N_(
        "The download stopped unexpectedly ({detail}); what has arrived is kept. The log says more."
    ),
    "download_other_instance": N_("Another window of this program fetches it just now."),
    "several_variants": N_("{target} has several variants; name one: {target}:VARIANT. There are: {known}."),
    "variant_needed": N_(
        "Nothing of {model} runs well enough here to be recommended; name a variant: {model}:VARIANT. "
        "There are: {known}."
    ),
    "no_public_copy": N_(
        "No public copy of {model} {variant} is known; put its file into the models folder."
    ),
    "not_at_source": N_("No copy of {model} {variant} is known at {source}; choose another source."),
    "variant_not_offered": N_("{repo} at {source} has no variant {variant}. There are: {known}."),
    "nothing_to_run": N_(
        "{repo} at {source} holds no model file that this program can fetch (GGUF or safetensors)."
    ),
    "disk_full_transfer": N_("The disk with {path} is full; make room and go on: what has arrived is kept."),
    "download_no_size": N_("{source} does not say how large {name} is; it cannot be fetched from there."),
    "file_too_large_here": N_(
        "The file system of {path} cannot hold a file this large (FAT32 ends at 4 GiB); choose another folder."
    ),
    "file_in_use": N_("{path} is in use and could not be replaced; unload the model and try again."),
    # conversations
    "conversation_gone": N_("This conversation has been deleted."),
    "conversations_too_large": N_(
        "{path} is too large to import ({size_bytes}; at most {most_bytes}); export fewer conversations at a time."
    ),
    "conversations_no_json": N_("{path} is no JSON file that can be read ({detail}); nothing was imported."),
    "conversations_not_ours": N_(
        "{path} holds no conversations that were exported from AutoGLM Desktop; nothing was imported."
    ),
    "conversations_newer": N_(
        "{path} was exported by a newer version of AutoGLM Desktop; update this one and import it again."
    ),
    "conversations_wrong": N_(
        "{path} is damaged or was changed: {where} is missing or wrong; nothing was imported."
    ),
    # models on disk
    "disk_is_full": N_("The disk of {path} is full; make room and try again. Nothing was lost."),
    "folder_unfinished": N_("{path} is not downloaded completely yet."),
    "not_in_list": N_("{path} lies outside the folder for models and is not in the list; delete it by hand."),
    "json_damaged": N_("{path} is damaged; get it again."),
    "safetensors_damaged": N_("{path} is damaged; get it again."),
    "nothing_to_import": N_(
        "The folder {path} holds no model: no GGUF file, and no config.json with safetensors files."
    ),
    "repo_not_installed": N_(
        "Nothing of {repo} is on this machine yet; get it with autoglm-desktop pull {repo}."
    ),
    "variant_not_installed": N_("{variant} of {repo} is not on this machine. There are: {known}."),
    "model_not_here": N_("Nothing of {model} is on this machine."),
    "models_folder_gone": N_("The folder for models {path} is not there; is its disk connected?"),
    "found_elsewhere": N_(
        "{path} belongs to {program} and is only used from there; delete it in that program."
    ),
    "download_running": N_("{path} is being downloaded just now; pause the download first."),
    "download_in_the_way": N_("{path} is being downloaded; finish or remove that download first."),
    "file_not_removed": N_("{path} could not be deleted: {detail}."),
    "file_in_use_or_forbidden": N_(
        "{path} could not be deleted ({detail}); unload the model if it is loaded, and try again."
    ),
    "copy_damaged": N_(
        "The copy at {path} differs from what was read: the disk may be failing. Nothing was changed."
    ),
    "source_damaged": N_(
        "{path} is damaged: it is not the file that its manifest names. Copy it again from where it came."
    ),
    "import_exists": N_("There is another file at {path} already; delete or rename it first."),
    "import_collides": N_(
        "{path} and {other} are different files that would get one name; import them one after the other."
    ),
    "remove_too_much": N_(
        "{path} holds the whole folder for models ({folder}); name one model, or a folder in it."
    ),
    "move_needs_own_folder": N_(
        "{path} holds more than models (the home folder, or this program's data); choose a folder of its own."
    ),
    "move_same_folder": N_("The models lie in {path} already."),
    "move_into_itself": N_("{path} lies inside the models folder {folder}; choose another folder."),
    "move_conflict": N_("There is another file at {path} already; choose another folder, or delete it."),
    "projector_not_convertible": N_(
        "{path} cannot be made smaller: that needs a vision part of the kind glm4v in 16 or 32 bits ({type} is here)."
    ),
    # engines
    "engine_unknown": N_("There is no engine {name}. There are: {known}."),
    "engine_name_missing": N_("Which engine? Say engines {action} NAME; there are: {known}."),
    "engine_not_installed": N_("The engine {name} is not installed: autoglm-desktop engines install {name}"),
    "index_login_unusable": N_(
        "The user or password in the address of the package index {host} cannot be read; put them into .netrc."
    ),
    "engine_install_failed": N_("The engine {name} could not be installed: {detail} (details: {log})"),
    "engine_not_here": N_("The engine {name} cannot work on this machine: {why}."),
    "engine_no_compiler": N_(
        "The engine {name} has to be built here, and there is no C++ compiler; install one (Debian, Ubuntu: "
        "sudo apt install build-essential; Fedora: sudo dnf install gcc-c++; Arch: sudo pacman -S base-devel; "
        "macOS: xcode-select --install; Windows: Visual Studio Build Tools) and try again."
    ),
    "engine_no_network": N_(
        "The engine {name} could not be fetched: there is no connection to the package index."
    ),
    "disk_full_install": N_("There is not enough room to install {name}: about {needed} MB are needed."),
    "engine_not_removed": N_("The engine {name} could not be removed: {detail}."),
    "engine_broken": N_(
        "The engine {name} does not work on this machine: {detail}. Make it afresh with autoglm-desktop engines "
        "install {name}."
    ),
    "engine_start_failed": N_("The engine could not be started ({command}): {detail}."),
    "engine_died": N_("The engine ended unexpectedly ({detail}); the next message starts it again."),
    "engine_freed": N_("The engine was ended to free its memory; the next message starts it again."),
    "answer_out_of_memory": N_(
        "The memory ran out while the model answered ({detail}); what it has said is kept, and the next message goes "
        "on with settings that need less."
    ),
    "nothing_smaller": N_(
        "The memory ran out while the model answered, and no way to run it here needs less; close other programs or "
        "take a smaller variant. The next message tries it afresh."
    ),
    "gpu_lost": N_(
        "The graphics card was lost while the model answered ({detail}), as after a sleep or a reset of its driver; "
        "the next message starts the engine again."
    ),
    # the same where one question was asked
    "engine_died_once": N_("The engine ended unexpectedly ({detail}); ask again to start it anew."),
    "answer_out_of_memory_once": N_(
        "The memory ran out while the model answered ({detail}); close other programs or ask again with a smaller "
        "--context."
    ),
    "nothing_smaller_once": N_(
        "The memory ran out while the model answered, and no way to run it here needs less; close other programs or "
        "take a smaller variant."
    ),
    "gpu_lost_once": N_(
        "The graphics card was lost while the model answered ({detail}), as after a sleep or a reset of its driver; "
        "ask again to start the engine anew."
    ),
    # the ladder
    "rung_unknown": N_("There is no rung {rung}. There are: {known}."),
    "rung_cannot": N_("{rung} cannot be used here: {reason}."),
    "nothing_fits": N_("The model does not fit on this machine: {reason}."),
    "every_rung_crashed": N_(
        "Every way to run this model has crashed on this machine before, so none is tried again by itself; to try "
        "afresh: autoglm-desktop engines test {name}"
    ),
    "no_rung_worked": N_("{path} could not be started in any way; the last try said: {detail}"),
    "locked_rung_failed": N_(
        "{rung} does not start: {detail}. No other way was tried, since this one is locked; unlock it to try them."
    ),
    # pictures
    "picture_no_file": N_("{path} is no file; name a picture (PNG, JPEG, WebP, BMP or GIF)."),
    "picture_unknown": N_("{path} is no picture that can be read here: PNG, JPEG, WebP, BMP and GIF can."),
    "picture_damaged": N_("The picture {path} is damaged or not complete ({detail}); get it again."),
    "picture_too_large": N_(
        "The picture {path} has {megapixels} megapixels, more than the {most} that are read here; make it smaller."
    ),
    "picture_no_memory": N_(
        "The memory does not suffice to read the {megapixels} megapixels of {path}; make the picture smaller."
    ),
    "picture_too_narrow": N_(
        "A picture of {width} × {height} pixels is too long and narrow: one side may be {ratio} times the other at "
        "most."
    ),
    "pictures_too_many": N_("A question takes {most} pictures at most; the others were left out."),
    "picture_no_room": N_(
        "The context of {tokens} tokens leaves no room for a picture beside the prompt and the reply; ask for a larger "
        "one (--context) or send less text."
    ),
    "pictures_no_room": N_(
        "The context of {tokens} tokens leaves too little room for the pictures of this question ({count}) beside its "
        "text and the reply; send fewer of them or less text, or load the model with a larger context."
    ),
    "picture_gone": N_(
        "The picture {path} of this question is no longer on this machine; edit the question and add it again."
    ),
    "picture_gone_pasted": N_(
        "The pasted picture of this question is no longer on this machine; edit the question and add it again."
    ),
    "picture_unknown_pasted": N_(
        "What was pasted is no picture that can be read here: PNG, JPEG, WebP, BMP and GIF can."
    ),
    "picture_damaged_pasted": N_("The pasted picture is damaged or not complete ({detail}); copy it again."),
    "picture_too_large_pasted": N_(
        "The pasted picture has {megapixels} megapixels, more than the {most} that are read here; make it smaller."
    ),
    "picture_no_memory_pasted": N_(
        "The memory does not suffice to read the {megapixels} megapixels of the pasted picture; make it smaller."
    ),
    "file_unreadable_pasted": N_("The pasted picture cannot be read: {detail}."),
    "vision_none": N_(
        "{name} is a text model: it cannot look at pictures. Name another model, or send text only."
    ),
    "vision_part_to_pull": N_(
        "{name} cannot look at pictures here, because its vision part (mmproj) is missing: get it with "
        "autoglm-desktop pull {model}"
    ),
    "vision_part_missing": N_(
        "{name} cannot look at pictures here, because its vision part is missing: put its mmproj file (of the kind "
        "glm4v) into {folder}."
    ),
    "vision_part_damaged": N_(
        "{name} cannot look at pictures here, because the vision part {path} cannot be used: {detail}; get it again."
    ),
    "no_vision_loaded": N_(
        "{rung} was loaded without a vision part, so it cannot look at pictures; send text only, or choose another way "
        "to run the model with --rung."
    ),
    # requests
    "context_full": N_("The conversation no longer fits the context: {detail}."),
    "no_vision": N_("The loaded model cannot look at pictures: {detail}."),
    "bad_picture": N_("The engine cannot read the picture ({detail}); send it again."),
    "image_too_large": N_(
        "The picture is larger than what the loaded model has room for ({detail}); send a smaller one, or load the "
        "model again with more memory free."
    ),
    "no_grammar": N_(
        "The loaded model runs on “{rung}”, which can't hold an answer to a JSON schema; ask without one, or load a "
        "GGUF model (llama.cpp)."
    ),
    "bad_schema": N_("No answer can be held to this JSON schema: {detail}."),
    "request_refused": N_("The engine refused the request: {detail}."),
    "image_needs_projector": N_(
        "This model cannot look at images here: its vision projector (mmproj) is not loaded. Send text only."
    ),
    # remote servers
    "remote_address_wrong": N_(
        "“{address}” is no address of a server; it looks like http://localhost:8000/v1."
    ),
    "remote_address_secret": N_(
        "An address with a password, a question mark or # is not accepted ({address}): enter the key in its own field."
    ),
    "remote_needs_https": N_(
        "{address} lies in the internet, and the way there is not encrypted: use https. Plain http is for this "
        "computer and private networks only."
    ),
    "remote_gone": N_("The remote server of this conversation was removed; choose who answers it."),
    "remote_key_wrong": N_("That is no key: one word of ASCII characters is expected."),
    "remote_key_gone": N_("The key for {name} is no longer in this system's keyring; enter it again."),
    "remote_key_stays": N_(
        "The key for {name} could not be removed from the system's keyring ({detail}); remove it there."
    ),
    "remote_key_refused": N_("{name} refuses the key: it is wrong or has expired. Enter another one."),
    "remote_key_needed": N_("{name} wants a key, and none is entered."),
    "remote_forbidden": N_("{name} refuses this key what was asked ({detail}); check what it may do."),
    "remote_unreachable": N_(
        "Nothing answers at {host}: check that the server runs there and that the address and port are right."
    ),
    "remote_no_answer": N_(
        "{host} did not answer within 10 s: check the address, and whether a firewall lies in between."
    ),
    "remote_proxy": N_("The proxy of this system does not lead to {name}; check its settings."),
    "remote_certificate": N_(
        "The certificate of {host} is not trusted: check this computer's date and time, or install the server's "
        "certificate in the system."
    ),
    "remote_not_tls": N_(
        "{host} does not speak https; enter its address with http:// if it is in your own network."
    ),
    "remote_tls": N_(
        "No encrypted connection to {host} can be made; check the address and the server's encryption."
    ),
    "remote_redirects": N_(
        "{name} sends on to {address}, which is not followed; enter that address if you trust it."
    ),
    "remote_not_openai": N_(
        "What answers at {address} is no OpenAI-compatible server; check the address, which usually ends in /v1."
    ),
    "remote_no_route": N_("{name} has no chat at {address}; check the address, which usually ends in /v1."),
    "remote_model_gone": N_("{name} has no model “{model}”; choose one from its list."),
    "remote_busy": N_("{name} has too many requests; try again in {wait} s."),
    "remote_busy_unknown": N_("{name} has too many requests, or your quota is used up; try again later."),
    "remote_not_ready": N_("{name} is not ready yet ({detail}); try again in a moment."),
    "remote_trouble": N_("{name} failed ({detail}); try again, or look at the server's log."),
    "remote_refused": N_("{name} refuses the request: {detail}."),
    "remote_said": N_("{name} ended the answer with an error: {detail}."),
    "remote_too_large": N_("{name} refuses the request as too large; send a smaller picture or less text."),
    "remote_context_full": N_(
        "The conversation no longer fits the context of {name} ({detail}); begin a new one or shorten it."
    ),
    "remote_no_pictures": N_("{name} takes no pictures with this model ({detail}); send text only."),
    "remote_slow": N_("{name} sent nothing for too long; try again, or look at the server's log."),
    "remote_cut": N_(
        "The connection to {name} broke off in the middle of the answer; what came is kept. Ask again."
    ),
    "remote_empty": N_(
        "{name} ended its answer before the first word; perhaps the conversation does not fit its context. Look at the "
        "server's log."
    ),
    "remote_hung_up": N_(
        "{name} closed the connection without an answer; try again, or look at the server's log."
    ),
    "remote_garbled": N_(
        "{name} sent something that is no part of an answer ({detail}); look at the server's log or its version."
    ),
    "remote_too_long": N_("{name} sent more than an answer can be; the connection was closed."),
    "remote_filtered": N_("The content filter of {name} ended the answer."),
    "endpoints_damaged": N_(
        "The list of remote servers {path} is damaged, so nothing is changed in it; repair it or delete it."
    ),
    # the service
    "key_needed": N_(
        "Other machines can reach {host}, so a key is needed: put one into a file and name it with --api-key-file, "
        "or set AUTOGLM_API_KEY."
    ),
    "key_file_unreadable": N_("The key file {path} cannot be read: {detail}."),
    "key_unusable": N_("The key in {where} cannot be used: one word of ASCII characters is expected."),
    "port_in_use": N_("Port {port} is in use by another program; choose another one with --port."),
    "port_not_allowed": N_("This user may not listen on port {port}; choose one above 1023 with --port."),
    "address_unusable": N_("It is not possible to listen on {host}: {detail}."),
    "model_loading": N_("The model is still being loaded; try again in a moment."),
    "service_busy": N_("Too many requests are waiting; try again in {wait} s."),
    "queue_timeout": N_("The request waited for its turn too long; try again in {wait} s."),
    "service_ending": N_("The service is ending."),
    "answer_stopped": N_("The answer was stopped on the machine that serves; ask again."),
    "model_failed": N_("The model could not be loaded; the log says why."),
    "service_ended": N_("The service ended by itself; the log has the details. Switch it on again."),
    "trial_refused": N_("The service refused the agent's request (HTTP {status}): {detail}"),
    "trial_empty": N_("The service answered the agent's check without a reply; the agent would not begin."),
    "trial_failed": N_("The service ended the reply with an error: {detail}."),
    "trial_unreachable": N_(
        "The service does not answer at {address}; it was switched off, or its port changed."
    ),
    "trial_cut": N_("The reply broke off before its end: the model failed, or the service was switched off."),
}

_FALLBACK = N_("It did not work ({code}).")
_FILE_REFUSED = N_("{path} cannot be used: {why}.")
_BYTES = {"needed": "needed_bytes", "free": "free_bytes"}


_TYPED = frozenset(("rung_unknown", "rung_cannot"))
"""Whose ``rung`` is shown as the user typed it."""


def text(error: AppError) -> str:
    """One sentence for people. A code that only reasons know names its file; an unknown one shows itself."""
    pasted = TABLE.get(f"{error.code}_pasted") if error.values.get("path") == "" else None
    template = pasted or TABLE.get(error.code)
    if template is None and error.code in reasons.TABLE:
        why = reasons.text(Reason.of(error.code, **error.values))
        if "path" not in error.values:
            return _("{why}.").format(why=why[:1].upper() + why[1:])
        return fill(_(_FILE_REFUSED), {"path": str(error.values["path"]), "why": why})
    if template is None:
        return fill(_(_FALLBACK), {"code": error.code})
    parts = {key: _shown(key, value) for key, value in error.values.items()}
    if error.code in _TYPED:
        parts["rung"] = str(error.values["rung"])
    parts.update(
        {_BYTES[key]: shown(_BYTES[key], error.values[key]) for key in _BYTES if key in error.values}
    )
    return fill(_(template), parts)


def _shown(key: str, value: object) -> str:
    if isinstance(value, Reason):
        return reasons.text(value)
    if key == "rung" and isinstance(value, str):
        return rung_text(value)
    if key == "source" and isinstance(value, str):
        return source_name(value)
    return said(shown(key, value)).rstrip(". ") if key == "detail" else shown(key, value)
