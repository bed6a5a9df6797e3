"""A direct low-level decode loop: for each line on stdin, generate N greedy tokens and print the seconds."""

import ctypes
import sys
import time

import llama_cpp.llama_cpp as native


def main(path: str, count: int) -> None:
    silent = native.llama_log_callback(lambda *_: None)
    native.llama_log_set(silent, ctypes.c_void_p(0))
    native.llama_backend_init()
    model = native.llama_model_load_from_file(path.encode(), native.llama_model_default_params())
    parameters = native.llama_context_default_params()
    parameters.n_ctx = 4096
    parameters.flash_attn_type = 1
    parameters.no_perf = True
    context = native.llama_init_from_model(model, parameters)
    native.llama_set_n_threads(context, 2, 2)
    vocab = native.llama_model_get_vocab(model)
    sampler = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
    native.llama_sampler_chain_add(sampler, native.llama_sampler_init_greedy())
    prompt = (native.llama_token * 16)()
    length = native.llama_tokenize(vocab, b"hello", 5, prompt, 16, False, True)
    buffer = (ctypes.c_char * 64)()
    for _line in sys.stdin:
        native.llama_memory_clear(native.llama_get_memory(context), True)
        native.llama_decode(context, native.llama_batch_get_one(prompt, length))
        token = native.llama_sampler_sample(sampler, context, -1)
        begun = time.perf_counter()
        for _ in range(count - 1):
            one = (native.llama_token * 1)(token)
            native.llama_decode(context, native.llama_batch_get_one(one, 1))
            token = native.llama_sampler_sample(sampler, context, -1)
            native.llama_token_to_piece(vocab, token, buffer, 64, 0, False)
        print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
