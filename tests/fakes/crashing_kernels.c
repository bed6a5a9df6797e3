/* Preloaded into a real llama.cpp engine: its fast kernels for repacked weights (ggml-cpu/repack.h) die by SIGSEGV
   at the first decode, as its AMX kernels do on some processors. Safe options never call them. */
#include <signal.h>
#include <stddef.h>

#define DIES(name) \
    void name(int n, float *s, size_t bs, const void *vx, const void *vy, int nr, int nc) { raise(SIGSEGV); }

DIES(ggml_gemv_q4_K_8x4_q8_K)
DIES(ggml_gemv_q4_K_8x8_q8_K)
DIES(ggml_gemm_q4_K_8x4_q8_K)
DIES(ggml_gemm_q4_K_8x8_q8_K)
