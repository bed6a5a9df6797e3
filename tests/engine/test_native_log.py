"""Reading llama.cpp's log. made: lines in the form of llama.cpp 0c1e57098's format strings
(``src/llama-kv-cache.cpp``, ``src/llama-memory-recurrent.cpp``, ``src/llama-model.cpp``)."""

from autoglm_desktop.engine.native_log import NativeLog

MIB = 2**20


def read(*lines):
    log = NativeLog()
    for line in lines:
        log.feed(2, line + "\n")
    return log


def test_a_planned_cache_lies_where_its_layers_do():
    log = read(
        "llama_context:        CPU  output buffer size =     0.58 MiB",
        *(f"llama_kv_cache: layer {n:3d}: dev = {'CPU' if n < 10 else 'CUDA0'}" for n in range(40)),
        "llama_kv_cache:        CPU KV buffer size =     0.00 MiB",
        "llama_kv_cache:      CUDA0 KV buffer size =     0.00 MiB",
        "llama_kv_cache: size =  320.00 MiB (  8192 cells,  40 layers,  1/1 seqs), K (f16):  160.00 MiB, V …",
        "sched_reserve:      CUDA0 compute buffer size =   112.00 MiB",
        "sched_reserve:  CUDA_Host compute buffer size =    24.02 MiB",
    )
    assert log.cache == {"ram": 80 * MIB, "gpu:0": 240 * MIB}
    assert log.memory["gpu:0"]["compute"] == 112 * MIB
    assert log.memory["ram"]["compute"] == int(0.58 * MIB) + int(24.02 * MIB)


def test_two_caches_of_one_model_add_up():
    log = read(
        "llama_kv_cache: layer   0: dev = CUDA1",
        "llama_kv_cache: size =   10.00 MiB (  8192 cells,   1 layers,  1/1 seqs), K (f16): …",
        "llama_memory_recurrent: layer   1: dev = CUDA1",
        "llama_memory_recurrent: size =    2.50 MiB (     1 cells,   1 layers,  1 seqs  1 rs_seq), R (f32): …",
        "llama_kv_cache: layer   2: skipped",
        "llama_kv_cache: size =    4.00 MiB (  1024 cells,   1 layers,  1/1 seqs), K (f16): …",
    )
    assert log.cache == {"gpu:1": int(12.5 * MIB), "ram": 4 * MIB}


def test_nothing_of_a_load_before_counts():
    log = read("llama_kv_cache: layer   0: dev = CUDA0", "offloaded 3/3 layers to GPU")
    log.forget()
    log.feed(2, "llama_kv_cache: size =   10.00 MiB (  8192 cells,   1 layers)\n")
    assert log.cache == {"ram": 10 * MIB} and log.offloaded is None


def test_only_warnings_and_errors_explain_a_failure():
    log = NativeLog()
    log.feed(2, "print_info: rope_finetuned        = unknown\n")
    log.feed(2, "llama_model_loader: - kv  17: tokenizer.chat_template str = ")
    log.feed(5, "{{ raise_exception('invalid') }}\n")
    assert log.failure("llama_decode returned -3") == ("bad_file", "llama_decode returned -3")
    log.feed(4, "ggml_gallocr_reserve_n_impl: failed to allocate Vulkan0 buffer ")
    log.feed(5, "of size 640\n")
    kind, message = log.failure("llama_decode returned -2")
    assert kind == "out_of_memory" and message.endswith("buffer of size 640") and "unknown" not in message
